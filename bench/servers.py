"""The servers that are measured, each over a folder of its own on free ports of the loopback."""

import asyncio
import contextlib
import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import mailhorn
from mailhorn.net.tls import self_signed

from . import machine
from .process import HOST, environment, free_port

PASSWORD = "secret"
START_WITHIN = 60.0
"""Seconds a server may take to answer."""
STOP_WITHIN = 60.0
"""Seconds a server may take to end; then it is killed."""
QUIET_WITHIN = 20.0
"""Seconds a server may still work after its last answer."""
QUIET_LOOKS = 4
"""How often in a row it must have had nothing to do: it may only be taking breath."""
CONNECTIONS = 20_000
"""More than any case opens; the servers' own limits are not what is measured."""


def login(number: int) -> str:
    """Return the login of an account."""
    return f"u{number:05d}"


def address(number: int) -> bytes:
    """Return the mail address of an account."""
    return b"u%05d@localhost" % number


class Unusable(Exception):
    """A server cannot be run here; the text says why, and what to do."""


class Server(ABC):
    """
    A server that can be started, measured from outside, stopped and started again over the same data.

    Attributes:
        name: As the table calls it.
        ports: The port of imap, imaps, lmtp, and of smtp where it has it.

    """

    name: str
    services: Sequence[str] = ("imap", "imaps", "lmtp")

    def __init__(self, folder: Path, accounts: int) -> None:
        """Write the settings and make the accounts; nothing runs before `start`."""
        self.folder = folder
        self.folder.mkdir(mode=0o755)
        self.ports = {service: free_port() for service in self.services}
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare(accounts)

    @abstractmethod
    def prepare(self, accounts: int) -> None:
        """Write the settings, and make the accounts."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""

    @abstractmethod
    def version(self) -> str:
        """Return its name and version."""

    @property
    def pid(self) -> int:
        """Its process."""
        if self._process is None:
            raise Unusable(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it greets on every port."""
        with (self.folder / "output").open("ab") as output:
            # A session of its own: a Ctrl-C at the terminal is ours to deal with.
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_WITHIN
        waiting = [self.ports["imap"], self.ports["lmtp"]]
        while waiting:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unusable(f"{self.name} did not start:\n{self.log()}")
            try:
                with socket.create_connection((HOST, waiting[0]), 1.0) as line:
                    line.settimeout(START_WITHIN)
                    if line.recv(1):
                        waiting.pop(0)
            except OSError:
                time.sleep(0.02)

    def stop(self) -> None:
        """End it and all its children."""
        process, self._process = self._process, None
        if process is None:
            return
        children = machine.tree(process.pid)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN)
        for pid in children:
            # A number that was given to another program meanwhile is not of our session.
            with contextlib.suppress(OSError):
                if os.getsid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
        process.wait()

    def log(self) -> str:
        """Return the end of what it said, for a message."""
        files = [file for file in (self.folder / "output", self.folder / "log") if file.exists()]
        return "\n".join(file.read_text("utf-8", "replace")[-3000:] for file in files)

    def memory(self) -> int:
        """Return the octets of memory of all its processes."""
        return machine.memory(self.pid)

    def processor_seconds(self) -> float:
        """Return the processor time of all its processes."""
        return machine.processor_seconds(self.pid)

    async def quiet(self) -> float:
        """Wait until it has nothing left to do, and return its processor time then."""
        used = self.processor_seconds()
        quiet = 0
        for _ in range(int(QUIET_WITHIN / machine.QUIET)):
            await asyncio.sleep(machine.QUIET)
            before, used = used, self.processor_seconds()
            quiet = quiet + 1 if used - before < 1.5 / machine.TICKS else 0
            if quiet == QUIET_LOOKS:
                break
        return used


class Mailhorn(Server):
    """`mailhorn serve` of this checkout."""

    name = "mailhorn"
    services = ("imap", "imaps", "lmtp", "smtp", "smtps", "managesieve")

    def prepare(self, accounts: int) -> None:
        """Write serve.toml, and import the accounts."""
        tables = "".join(f'[{name}]\nhost = "{HOST}"\nport = {port}\n' for name, port in self.ports.items())
        (self.folder / "serve.toml").write_text(
            f'data = "{self.folder / "data"}"\nhostname = "localhost"\n{tables}'
            f"[limits]\nconnections = {CONNECTIONS}\nconnections_per_account = {CONNECTIONS}\n"
        )
        people = self.folder / "people.csv"
        people.write_text("".join(f"{login(number)},{PASSWORD}\n" for number in range(accounts)))
        subprocess.run(
            [*MAILHORN, "account", "import", "--config", "serve.toml", people.name],
            cwd=self.folder,
            env=environment(self.folder),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def command(self) -> list[str]:
        """Return `mailhorn serve`."""
        return [*MAILHORN, "serve", "--config", "serve.toml"]

    def version(self) -> str:
        """Return its name and version."""
        return f"mailhorn {mailhorn.__version__}"


class Dovecot(Server):
    """
    Dovecot 2.3 over Maildir, as one would run it for many: its defaults, and login processes that stay.

    `mail_fsync` is left at its default, so a message is on the disk when the answer comes.
    """

    name = "Dovecot"
    PROGRAM = "/usr/sbin/dovecot"
    MAIL_USER = "nobody"
    """Who the mail belongs to when this runs as root: Dovecot refuses to read mail as root."""
    INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
    """Every Dovecot session takes one; who gets none is told of new mail every half minute."""

    @classmethod
    def installed(cls) -> bool:
        """Return whether it can be run here."""
        return os.access(cls.PROGRAM, os.X_OK)

    def prepare(self, accounts: int) -> None:
        """Write dovecot.conf; every login has an account."""
        if os.geteuid() == 0:
            mail, internal, guest = pwd.getpwnam(self.MAIL_USER), "dovecot", "dovenull"
            for place in self.folder.parents:
                if not place.stat().st_mode & stat.S_IXOTH:
                    raise Unusable(
                        f"{place} is closed to {self.MAIL_USER}, who owns Dovecot's mail: give another --directory"
                    )
        else:
            mail = pwd.getpwnam(getpass.getuser())
            internal = guest = mail.pw_name
        (self.folder / "mail").mkdir()
        os.chown(self.folder / "mail", mail.pw_uid, mail.pw_gid)
        certificate, key = self_signed(self.folder, ["localhost", HOST])
        (self.folder / "dovecot.conf").write_text(
            DOVECOT.format(
                folder=self.folder,
                host=HOST,
                connections=CONNECTIONS,
                password=PASSWORD,
                internal=internal,
                group=grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name,
                guest=guest,
                uid=mail.pw_uid,
                gid=mail.pw_gid,
                certificate=certificate,
                key=key,
                **self.ports,
            )
        )

    def start(self) -> None:
        """Start it over the mail that is there, without what the last one left of its sockets."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        super().start()

    def command(self) -> list[str]:
        """Return the master process."""
        return [self.PROGRAM, "-F", "-c", str(self.folder / "dovecot.conf")]

    def version(self) -> str:
        """Return its name and version."""
        told = subprocess.run([self.PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        return f"Dovecot {told.split()[0]}"


MAILHORN = [sys.executable, "-P", "-m", "mailhorn"]

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp
listen = {host}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%n/Maildir
mail_max_userip_connections = 0
first_valid_uid = 1
auth_username_format = %n
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {guest}
default_client_limit = {connections}
default_process_limit = {connections}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service imap {{
  process_limit = {connections}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  process_limit = 2
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  process_limit = 200
  inet_listener lmtp {{
    address = {host}
    port = {lmtp}
  }}
}}
"""
