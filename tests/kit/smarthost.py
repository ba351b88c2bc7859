"""A smarthost that answers as it is told to: a real SMTP server on a port of its own, in threads, for any kind of test.

Rule 1: without being told otherwise it takes all letters, and is strict: a command out of order, a bare LF or a line
that is too long is an answer of 5xx. Rule 2: a letter is in `letters` before the 250 for it is sent. Rule 3: what a
test waits for is an event with a limit.
"""

import contextlib
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

PATIENCE = 30.0
"""Seconds to wait for what has to happen."""
HANG = "hang"
"""An answer: none, for as long as the client stays."""
DROP = "drop"
"""An answer: the connection is reset."""

Answer = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Received:
    """
    A letter.

    Attributes:
        sender: As in MAIL.
        parameters: Of MAIL.
        recipients: Those that were accepted.
        content: Dots undone.
        encrypted: It came over TLS.
        user: Who had logged in.

    """

    sender: str
    parameters: tuple[str, ...]
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str


@dataclass
class Smarthost:
    """
    The server, while it is `running`.

    Attributes:
        answer: Called with each verb (CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT, RSET, QUIT) and its
            argument; returns an answer, HANG, DROP, or None for the usual one.
        tls: Certificate; None: no STARTTLS.
        implicit: TLS from the first byte.
        extensions: What EHLO says.
        users: Logins and passwords; none: no AUTH is offered.
        early: What it says after the first octets of a message, and it reads on without taking it.
        port: Where it listens; kept if it is started again.
        letters: What it has taken.
        commands: All that it was told.
        connections: How many there were.

    """

    answer: Answer = lambda verb, argument: None
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    extensions: Sequence[str] = ("SIZE 10000000", "8BITMIME", "SMTPUTF8")
    users: dict[str, str] = field(default_factory=dict)
    early: str = ""
    port: int = 0
    letters: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["Smarthost"]:
        """Listen for as long as the block lasts."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            accepting.join(PATIENCE)
            for line in tuple(self._open):
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join(PATIENCE)

    def wait(self, what: Callable[[], bool]) -> None:
        """Wait until that is so."""
        with self.changed:
            assert self.changed.wait_for(what, PATIENCE), f"it did not come; letters {self.letters}; {self.commands}"

    def wait_for(self, letters: int) -> list[Received]:
        """Wait until it has taken so many letters."""
        self.wait(lambda: len(self.letters) >= letters)
        return self.letters

    def told(self, verb: str) -> int:
        """Return how often it was told that."""
        return sum(command.upper().startswith(verb) for command in self.commands)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listener.accept()
                self._open.add(line)
                thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, line: socket.socket) -> None:
        talk = _Talk(self, line)
        try:
            with contextlib.suppress(OSError, _Over):
                talk.go()
        finally:
            self._open -= {line, talk.line}
            with contextlib.suppress(OSError):
                talk.line.close()
            with self.changed:
                self.changed.notify_all()


class _Over(Exception):
    """The connection is to end."""


class _Talk:
    """One connection."""

    def __init__(self, smarthost: Smarthost, line: socket.socket) -> None:
        self.host = smarthost
        self.line = line
        self.encrypted = False
        self.user = ""
        self.buffer = b""
        self.sender: str | None = None
        self.parameters: tuple[str, ...] = ()
        self.recipients: list[str] = []

    def go(self) -> None:
        with self.host.changed:
            self.host.connections += 1
            self.host.changed.notify_all()
        if self.host.implicit:
            self.encrypt()
        self.say("CONNECT", "", "220 smarthost.example ESMTP")
        while True:
            command = self.read(b"\r\n").decode("utf-8", "surrogateescape")
            with self.host.changed:
                self.host.commands.append(command)
                self.host.changed.notify_all()
            verb, _, argument = command.partition(" ")
            self.obey(verb.upper(), argument)

    def encrypt(self) -> None:
        assert self.host.tls is not None
        before = self.line
        self.line = self.host.tls.wrap_socket(before, server_side=True)
        self.host._open.discard(before)
        self.host._open.add(self.line)
        self.encrypted = True
        self.buffer = b""

    def obey(self, verb: str, argument: str) -> None:
        match verb:
            case "EHLO":
                more = list(self.host.extensions)
                if self.host.tls is not None and not self.encrypted:
                    more.append("STARTTLS")
                if self.host.users:
                    more.append("AUTH PLAIN")
                lines = ["smarthost.example", *more]
                usual = "\r\n".join(f"250{' ' if at == len(lines) - 1 else '-'}{one}" for at, one in enumerate(lines))
                self.say(verb, argument, usual)
            case "STARTTLS":
                if self.say(verb, argument, "220 2.0.0 go"):
                    self.encrypt()
            case "AUTH":
                _, login, password = b64decode(argument.split()[1]).decode().split("\0")
                right = self.host.users.get(login) == password
                self.user = login if right else ""
                self.say(verb, argument, "235 2.7.0 in" if right else "535 5.7.8 wrong")
            case "MAIL" if self.host.users and not self.user:
                self.say(verb, argument, "530 5.7.0 log in first")
            case "MAIL" if self.sender is None:
                path, *parameters = argument.split(" ")
                if self.say(verb, argument, "250 2.1.0 ok"):
                    self.sender, self.parameters = _path(path), tuple(parameters)
            case "RCPT" if self.sender is not None:
                if self.say(verb, argument, "250 2.1.5 ok"):
                    self.recipients.append(_path(argument.split(" ")[0]))
            case "DATA" if self.recipients:
                if self.say(verb, argument, "354 go on"):
                    self.content()
            case "RSET":
                self.reset()
                self.say(verb, argument, "250 2.0.0 ok")
            case "QUIT":
                self.say(verb, argument, "221 2.0.0 bye")
                raise _Over
            case _:
                self.say(verb, argument, "503 5.5.1 not now")

    def content(self) -> None:
        if self.host.early:
            self.buffer += self.line.recv(65536)
            self.send(self.host.early)
        lines = self.read(b"\r\n.\r\n").split(b"\r\n")
        content = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
        assert self.sender is not None
        letter = Received(self.sender, self.parameters, tuple(self.recipients), content, self.encrypted, self.user)
        self.reset()
        strict = "250 2.0.0 taken"
        if any(b"\n" in line or b"\r" in line or len(line) > 998 for line in lines):
            strict = "554 5.6.0 that is no line"
        answer = self.host.answer("CONTENT", "") or strict
        with self.host.changed:
            if answer.startswith("250") or answer in (HANG, DROP):
                self.host.letters.append(letter)
            self.host.changed.notify_all()
        self.send(answer)

    def reset(self) -> None:
        self.sender, self.parameters, self.recipients = None, (), []

    def say(self, verb: str, argument: str, usual: str) -> bool:
        """Answer; return whether that was the usual answer's kind."""
        answer = self.host.answer(verb, argument) or usual
        self.send(answer)
        return answer[0] == usual[0]

    def send(self, answer: str) -> None:
        if answer == HANG:
            self.read(b"never comes")
        if answer == DROP:
            raise _Over
        self.line.sendall(answer.encode("utf-8", "surrogateescape") + b"\r\n")

    def read(self, end: bytes) -> bytes:
        while end not in self.buffer:
            piece = self.line.recv(65536)
            if not piece:
                raise _Over
            self.buffer += piece
        found, _, self.buffer = self.buffer.partition(end)
        return found


def _path(text: str) -> str:
    return text.partition(":<")[2].removesuffix(">")
