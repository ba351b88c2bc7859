"""Programs that file the mail of an IMAP account while it comes, each set up as its own manual has it.

Rule 1: every one gets what helps it: its documented way to recover, the shortest renewal of IDLE it can be told up to a
minute, and a service manager that starts it again. Rule 2: all of a program's processor time counts, of what it
started and of what ended as well.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from . import machine
from .process import HOST, environment
from .servers import MAILHORN, PASSWORD

RENEWAL = 60
"""Seconds an IDLE may last, where that can be said; getmail has its 300."""
RESTART_PAUSE = 5
"""Seconds until a program that has ended is started again, as systemd would be told to."""
WORD = "list"
"""What is in the subject of a message that is to be filed."""
FILED = "Lists"
"""The mailbox it is filed into."""

KEEPER = f'cd "$1"; shift; while :; do echo >>starts; "$@" >>output 2>&1; sleep {RESTART_PAUSE}; done'


class Contender(ABC):
    """
    A program before one account, with a folder of its own.

    Attributes:
        name: What the table calls it.
        files_on_server: Whether it files into a mailbox of the server; else into a folder of this machine.

    """

    name: str
    files_on_server = True

    def __init__(self, folder: Path, port: int, user: str, renewal: int) -> None:
        """Write its settings; nothing runs before `start`."""
        self.folder = folder
        self.user = user
        self._port = port
        self._renewal = renewal
        self._keeper: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    @staticmethod
    @abstractmethod
    def version() -> str:
        """Return its name and version, "" if it is not installed."""

    @abstractmethod
    def command(self) -> list[str]:
        """Write its settings and return the command that runs it."""

    def start(self) -> None:
        """Start it; it is started again whenever it ends."""
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", str(self.folder), *self.command()],
            env=environment(self.folder),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        """End it and all it started."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(keeper.pid, signal.SIGKILL)
            keeper.wait()

    def processor_seconds(self) -> float:
        """Return the processor time of all of its lives."""
        assert self._keeper is not None, "it does not run"
        return machine.processor_seconds(self._keeper.pid)

    @property
    def starts(self) -> int:
        """How often it was started."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "starts").read_bytes().count(b"\n")
        return 0

    def log(self) -> str:
        """Return the end of what it said."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "output").read_text("utf-8", "replace")[-2000:]
        return ""


class Watch(Contender):
    """`mailhorn watch` of this checkout."""

    name = "mailhorn watch"

    @staticmethod
    def version() -> str:
        """Return its name; the version is that of the server."""
        return "mailhorn watch"

    def command(self) -> list[str]:
        """Return it over a journal that is flushed, like everything else of it."""
        (self.folder / "password").write_text(PASSWORD + "\n")
        (self.folder / "rules.sieve").write_text(
            f'require ["fileinto", "mailbox"];\n'
            f'if header :contains "subject" "{WORD}" {{ fileinto :create "{FILED}"; }}\n'
        )
        (self.folder / "watch.toml").write_text(
            f'journal = "journal"\n[[account]]\nname = "a"\nhost = "{HOST}"\nport = {self._port}\n'
            f'encryption = "none"\nuser = "{self.user}"\npassword_file = "password"\nrules = "rules.sieve"\n'
            f"idle_renewal = {self._renewal}\n"
        )
        return [*MAILHORN, "watch", "--config", "watch.toml"]


class Imapfilter(Contender):
    """imapfilter, in the loop of enter_idle that its manual describes, within recover()."""

    name = "imapfilter"

    @staticmethod
    def version() -> str:
        """Return its name and version."""
        return _told("imapfilter", "-V").partition("  ")[0].replace("IMAPFilter ", "imapfilter ")

    def command(self) -> list[str]:
        """Return it; keepalive is in minutes."""
        (self.folder / "config.lua").write_text(
            f"options.create = true\noptions.subscribe = true\noptions.starttls = false\noptions.keepalive = 1\n"
            f"function watch()\n"
            f'  local account = IMAP {{ server = "{HOST}", port = {self._port}, username = "{self.user}",'
            f' password = "{PASSWORD}" }}\n'
            f"  while true do\n"
            f'    account.INBOX:contain_subject("{WORD}"):move_messages(account["{FILED}"])\n'
            f"    account.INBOX:enter_idle()\n"
            f"  end\n"
            f"end\n"
            f"recover(watch)\n"
        )
        return ["imapfilter", "-c", "config.lua"]


class Getmail(Contender):
    """getmail6 --idle. It knows no mailboxes of the server but those it reads: it files into a folder of its own."""

    name = "getmail6"
    files_on_server = False

    @staticmethod
    def version() -> str:
        """Return its name and version."""
        return _told("getmail", "--version").replace("getmail ", "getmail6 ")

    def command(self) -> list[str]:
        """Return it; what it delivers to looks at the subject."""
        for name in (FILED, "rest", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "file.sh").write_text(
            f'cd "{self.folder}" && f=$(mktemp tmp/XXXXXXXX) && cat >"$f" || exit 75\n'
            f'if grep -q "^Subject:.*{WORD}" "$f"; then mv "$f" {FILED}/; else mv "$f" rest/; fi\n'
        )
        (self.folder / "getmailrc").write_text(
            f"[retriever]\ntype = SimpleIMAPRetriever\nserver = {HOST}\nport = {self._port}\nusername = {self.user}\n"
            f'password = {PASSWORD}\nmailboxes = ("INBOX",)\n'
            f'[destination]\ntype = MDA_external\npath = /bin/sh\narguments = ("{self.folder}/file.sh",)\n'
            f"allow_root_commands = true\n[options]\nread_all = false\ndelete = true\nverbose = 1\n"
        )
        return ["getmail", f"--getmaildir={self.folder}", "--rcfile=getmailrc", "--idle", "INBOX"]


class ImaplibLoop(Contender):
    """The loop of `imaplib_loop.py`."""

    name = "imaplib loop"

    @staticmethod
    def version() -> str:
        """Return whose imaplib it is."""
        return f"imaplib of Python {sys.version.split()[0]}"

    def command(self) -> list[str]:
        """Return it."""
        script = Path(__file__).with_name("imaplib_loop.py")
        return [sys.executable, str(script), HOST, str(self._port), self.user, PASSWORD]


def _told(program: str, option: str) -> str:
    """Return the first line a program says of its version, "" if it is not there."""
    if shutil.which(program) is None:
        return ""
    told = subprocess.run([program, option], capture_output=True, text=True, check=False)
    return (told.stdout + told.stderr).strip().splitlines()[0].rstrip(".")


ALL: tuple[type[Contender], ...] = (Watch, Imapfilter, Getmail, ImaplibLoop)

__all__ = ["ALL", "FILED", "WORD", "Contender", "Watch"]
