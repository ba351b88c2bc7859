"""`mailhorn serve` and `mailhorn watch` as child processes, started, killed and stopped as an operator does it.

Rule 1: nothing here looks inside the program; it has its files, its ports, its signals and its log. Rule 2: every
process that ends well has its log read: a line that is not a log line, or is an error nobody expects, fails the test.
Rule 3: what is waited for is an event, with a limit, never a while.
"""

import contextlib
import imaplib
import json
import os
import re
import select
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import HOST, environment, free_port

PASSWORD = "correct horse"
DOMAIN = "example.org"
PATIENCE = 30.0
"""Seconds anything may take that is not measured."""
SERVICES = ("imap", "imaps", "smtp", "smtps", "lmtp", "managesieve")
READY = b"mailhorn is ready."


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """
    What Linux tells of a process; seconds. Zero elsewhere.

    Attributes:
        used: On a processor.
        waited: Ready to run, while others had the processors.

    """

    used: float = 0.0
    waited: float = 0.0


def processor_time(pid: int) -> ProcessorTime:
    """Return what all threads of a process have had of the processors."""
    used = waited = 0
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            numbers = (task / "schedstat").read_text().split()
            used += int(numbers[0])
            if task.name == str(pid):  # the others wait at the same time
                waited = int(numbers[1])
    return ProcessorTime(used / 1e9, waited / 1e9)


class Program:
    """
    One `mailhorn` command that runs until it is stopped; it can be started again.

    Attributes:
        log: Where its standard error goes, of all its lives.
        expected: Patterns of the errors it may log.

    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Prepare it; nothing runs before `launch`."""
        self.folder = folder
        self.log = folder / f"{arguments[0]}.log"
        self.expected: list[str] = []
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "not started"
        return self._process

    def launch(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mailhorn", *self._arguments],
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def said(self, text: bytes) -> bytes:
        """Wait until it has printed the text, and return all it printed up to then."""
        assert self.process.stdout is not None
        output = b""
        deadline = time.monotonic() + PATIENCE
        while text not in output:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65_536) if readable else b""
            assert piece, f"it did not say {text!r} but {output!r}; its log:\n{self.log_end()}"
            output += piece
        return output

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process.poll() is None, f"it had ended by itself; its log:\n{self.log_end()}"
        self.process.kill()
        self._reap()

    def stop(self) -> float:
        """End it as an operator would, and return the seconds that took."""
        assert self.process.poll() is None, f"it had ended by itself; its log:\n{self.log_end()}"
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        seconds = time.monotonic() - begin
        self._reap()
        assert code == 0, f"exit status {code}; its log:\n{self.log_end()}"
        return seconds

    def _reap(self) -> None:
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._process = None

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def log_end(self) -> str:
        """Return the last lines of the log, for a message."""
        return self.log.read_text("utf-8", "replace")[-4000:] if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """Return the lines of the log that should not be there."""
        return [line for line in self.log.read_text("utf-8", "replace").splitlines() if self._is_complaint(line)]

    def _is_complaint(self, line: str) -> bool:
        if any(re.search(pattern, line) for pattern in self.expected):
            return False
        try:
            entry = json.loads(line)
        except ValueError:
            return True
        return entry["level"] in ("error", "critical") or "Traceback" in line


class Server(Program):
    """
    `mailhorn serve` on free ports of the loopback, over a data directory of its own.

    Attributes:
        ports: The port of each service; the same after every start.
        data: Its data directory.

    """

    host = HOST
    password = PASSWORD

    def __init__(self, folder: Path, logins: Sequence[str] = ("ann",), more: str = "") -> None:
        """Write the settings (`more` is TOML that is added to them) and make the accounts."""
        super().__init__(folder, "serve", "--config", "serve.toml")
        self.data = folder / "data"
        self.ports = {service: free_port() for service in SERVICES}
        sections = [f'[{service}]\nhost = "{HOST}"\nport = {port}' for service, port in self.ports.items()]
        settings = f'data = "{self.data}"\nhostname = "mail.example.org"\ndomains = ["{DOMAIN}"]\n'
        (folder / "serve.toml").write_text("\n".join([settings, *sections, '[log]\nformat = "json"', more]))
        self.add_accounts(logins)

    def add_accounts(self, logins: Sequence[str]) -> None:
        """Make accounts: one by its own command, more by the one for many."""
        if len(logins) == 1:
            self._account("add", logins[0], "--password-stdin", input=f"{PASSWORD}\n")
        else:
            people = self.folder / "people.csv"
            people.write_text("".join(f"{login},{PASSWORD}\n" for login in logins))
            self._account("import", str(people))

    def adopt(self, login: str, maildir: Path) -> None:
        """Make an account of a Maildir, with the usual password."""
        self._account("adopt", login, str(maildir), "--password-stdin", input=f"{PASSWORD}\n")

    def _account(self, *arguments: str, input: str = "") -> None:
        subprocess.run(
            [sys.executable, "-m", "mailhorn", "account", *arguments, "--config", "serve.toml"],
            input=input.encode(),
            cwd=self.folder,
            env=environment(self.folder),
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=3 * PATIENCE,
        )

    def start(self) -> float:
        """Start it, and return the seconds until it was ready, less those that others kept the processor from it."""
        begin = time.monotonic()
        self.launch()
        self.said(READY)
        return time.monotonic() - begin - processor_time(self.process.pid).waited

    def lmtp(self) -> smtplib.LMTP:
        """Return an LMTP connection."""
        return smtplib.LMTP(HOST, self.ports["lmtp"], timeout=PATIENCE)

    def deliver(self, login: str, subject: str, body: str = "Hello\n") -> None:
        """Deliver one message, and return when the server has answered 250."""
        with self.lmtp() as lmtp:
            lmtp.sendmail("sender@example.net", [f"{login}@{DOMAIN}"], message(subject, body))

    @contextlib.contextmanager
    def imap(self, login: str = "ann") -> Iterator[imaplib.IMAP4]:
        """Return an IMAP session that is logged in."""
        session = imaplib.IMAP4(HOST, self.ports["imap"], timeout=PATIENCE)
        try:
            session.login(login, PASSWORD)
            yield session
        finally:
            try:
                session.logout()
            except (OSError, imaplib.IMAP4.abort):  # the server was killed
                session.shutdown()

    def mailbox(self, name: str = "INBOX", login: str = "ann") -> dict[int, "Entry"]:
        """Return what a new session finds in a mailbox, by UID."""
        with self.imap(login) as session:
            return contents(session, name)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One message as a client sees it.

    Attributes:
        subject: Its Subject.
        flags: Its flags and keywords, without \\Recent.

    """

    subject: str
    flags: frozenset[str]


def contents(session: imaplib.IMAP4, mailbox: str) -> dict[int, Entry]:
    """Return the messages of a mailbox by UID; it is opened for reading only."""
    kind, data = session.select(f'"{mailbox}"', readonly=True)
    assert kind == "OK", data
    kind, data = session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert kind == "OK", data
    found: dict[int, Entry] = {}
    for item in data:
        if isinstance(item, tuple):
            uid = re.search(rb"UID (\d+)", item[0])
            flags = re.search(rb"FLAGS \(([^)]*)\)", item[0])
            assert uid and flags, item
            found[int(uid[1])] = Entry(
                item[1].decode().partition(":")[2].strip(),
                frozenset(flags[1].decode().split()) - {"\\Recent"},
            )
    return found


def message(subject: str, body: str = "Hello\n", **fields: str) -> bytes:
    """Return a small message, CRLF at the end of its lines."""
    header = {"From": "Sender <sender@example.net>", "To": f"ann@{DOMAIN}", "Subject": subject, **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in header.items())
    return f"{lines}\n{body}".replace("\n", "\r\n").encode()


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """Leave nothing of the program behind, and fail if its log complains."""
    try:
        yield program
        if program._process is not None:
            program.stop()
    finally:
        program.end()
    assert not program.complaints(), f"the log complains:\n{program.log_end()}"


@contextlib.contextmanager
def running_server(folder: Path, *logins: str, more: str = "") -> Iterator[Server]:
    """Return a server that is ready, with these accounts."""
    server = Server(folder, logins or ("ann",), more)
    with running(server):
        server.start()
        yield server
