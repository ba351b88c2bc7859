"""A real Dovecot 2.3 as a child process, over its own directory, as root or as an ordinary user."""

import contextlib
import getpass
import grp
import imaplib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mailhorn.net.tls import self_signed

from .clients import need
from .process import HOST, PATIENCE, free_port

PASSWORD = "secret"
MAIL_USER = "nobody"
"""Who the mail belongs to when the tests run as root: Dovecot refuses to read mail as root."""

CONFIGURATION = """
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/dovecot.log
protocols = imap lmtp
listen = {host}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{directory}/mail/%n/Maildir
mail_fsync = never
mail_max_userip_connections = 0
first_valid_uid = 1
auth_username_format = %n
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%n allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
"""


EVERYTHING = """
auth_mechanisms = plain login
auth_failure_delay = 0
mail_plugins = acl quota zlib
imap_metadata = yes
mail_attribute_dict = file:{directory}/mail/attributes
protocol imap {{
  mail_plugins = acl imap_acl quota imap_quota imap_zlib
}}
plugin {{
  acl = vfile
  acl_anyone = allow
  acl_shared_dict = file:{directory}/mail/shared.db
  quota = count:User quota
  quota_vsizes = yes
}}
namespace inbox {{
  mailbox Trash {{
    special_use =
    auto = no
  }}
}}
namespace others {{
  type = shared
  separator = /
  prefix = Other Users/%%n/
  location = maildir:{directory}/mail/%%n/Maildir
  subscriptions = no
  list = children
}}
"""
"""Added to the configuration: all its extensions, and no mailbox but INBOX at the start."""


class Dovecot:
    """One Dovecot; it can be killed and started again, always on the same ports."""

    host = HOST
    password = PASSWORD

    def __init__(self, directory: Path, more: str = "") -> None:
        """Write the configuration; nothing runs before `start`."""
        self.directory = directory
        self.imap_port = free_port()
        self.imaps_port = free_port()
        self.certificate, key = self_signed(directory, ["localhost", HOST])
        self.lmtp_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            mail, internal, login = pwd.getpwnam(MAIL_USER), "dovecot", "dovenull"
        else:
            mail = pwd.getpwnam(getpass.getuser())
            internal = login = mail.pw_name
        (directory / "mail").mkdir()
        directory.chmod(0o755)
        os.chown(directory / "mail", mail.pw_uid, mail.pw_gid)
        self.configuration = directory / "dovecot.conf"
        self.configuration.write_text(
            (CONFIGURATION + more).format(
                directory=directory,
                host=HOST,
                password=PASSWORD,
                internal=internal,
                internal_group=grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name,
                login=login,
                uid=mail.pw_uid,
                gid=mail.pw_gid,
                certificate=self.certificate,
                key=key,
                imap=self.imap_port,
                imaps=self.imaps_port,
                lmtp=self.lmtp_port,
            )
        )

    def start(self) -> None:
        """Start it, and return when it answers on both ports."""
        deadline = time.monotonic() + PATIENCE
        waiting = [self.imap_port, self.lmtp_port]
        while waiting:
            assert time.monotonic() < deadline, self.log()
            if self._process is None or self._process.poll() is not None:
                # The first time, or what was killed had not let go of its sockets yet.
                shutil.rmtree(self.directory / "run", ignore_errors=True)
                self._unlock()
                self._launch()
            with contextlib.suppress(OSError), socket.create_connection((HOST, waiting[0]), 1.0) as line:
                line.settimeout(PATIENCE)
                if line.recv(1):
                    waiting.pop(0)

    def _unlock(self) -> None:
        """Remove the locks nobody has: killed before it has written its name into one, Dovecot waits for 2 minutes."""
        for lock in (self.directory / "mail").rglob("*.lock"):
            if not lock.stat().st_size:
                lock.unlink()

    def _launch(self) -> None:
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [need("dovecot"), "-F", "-c", str(self.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def forget(self) -> None:
        """Remove everybody's mail; nobody may be connected."""
        for one in (self.directory / "mail").iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()

    def kill(self) -> None:
        """End all its processes as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)

    def log(self) -> str:
        """Return all it said, for a message."""
        files = [self.directory / "output", self.directory / "dovecot.log"]
        return "\n".join(file.read_text("utf-8", "replace")[-4000:] for file in files if file.exists())

    @contextlib.contextmanager
    def imap(self, user: str = "ann") -> Iterator[imaplib.IMAP4]:
        """Return an IMAP session that is logged in."""
        with imaplib.IMAP4(HOST, self.imap_port, timeout=PATIENCE) as session:
            session.login(user, PASSWORD)
            yield session

    def lmtp(self) -> smtplib.LMTP:
        """Return an LMTP connection."""
        return smtplib.LMTP(HOST, self.lmtp_port, timeout=PATIENCE)


@contextlib.contextmanager
def running_dovecot(more: str = "") -> Iterator[Dovecot]:
    """Return a Dovecot that is ready, and leave nothing of it behind."""
    directory = Path(tempfile.mkdtemp(prefix="dovecot-"))  # a short path: it holds Unix sockets
    dovecot = Dovecot(directory, more)
    try:
        dovecot.start()
        yield dovecot
    finally:
        dovecot.kill()
        shutil.rmtree(directory)
