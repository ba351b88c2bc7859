"""A client of ManageSieve that takes nothing but what RFC 5804 §4 allows, over a socket or over a core."""

import base64
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .wire import PATIENCE

_STRING = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\]){0,1024})"')
_LITERAL = re.compile(rb"\{(0|[1-9][0-9]{0,9})\}\r\n")
_ATOM = re.compile(rb"[!#-'*-\[\]-z|-~]+")
CONDITIONS = ("OK", "NO", "BYE")


class Illegal(AssertionError):
    """The server says what the RFC does not allow."""


@dataclass(frozen=True)
class Answer:
    """
    All that a server says to one command.

    Attributes:
        lines: The lines before the last: strings are bytes, atoms are str in capitals.
        condition: OK, NO or BYE.
        code: The response code, "" for none.
        argument: Its string, None for none.
        text: For people.

    """

    lines: tuple[tuple[bytes | str, ...], ...]
    condition: str
    code: str
    argument: bytes | None
    text: str

    @property
    def short(self) -> str:
        """Condition and code."""
        return f"{self.condition} ({self.code})" if self.code else self.condition


class Reader:
    """Reads answers off whatever gives octets."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        """Take who gives at least one more octet, or b"" at the end."""
        self._more = more
        self.buffer = b""

    def answer(self, challenge: bool = False) -> Answer:
        """Read one answer; a `challenge` may stand in its place, as an answer of one line without a condition."""
        lines: list[tuple[bytes | str, ...]] = []
        while True:
            if self._is(b'"') or self._is(b"{"):
                line: list[bytes | str] = [self._string()]
                while self._is(b" "):
                    self._take(1)
                    line.append(self._string() if self._is(b'"') or self._is(b"{") else self._atom())
                self._end()
                lines.append(tuple(line))
                if challenge and len(line) == 1:
                    return Answer(tuple(lines), "", "", None, "")
                continue
            condition = self._atom()
            if condition not in CONDITIONS:
                raise Illegal(f"{condition!r} and {self.buffer[:80]!r}")
            return self._rest(tuple(lines), condition)

    def _rest(self, lines: tuple[tuple[bytes | str, ...], ...], condition: str) -> Answer:
        code, argument, text = "", None, b""
        if self._is(b" "):
            self._take(1)
            if self._is(b"("):
                self._take(1)
                code = self._atom()
                if self._is(b" "):
                    self._take(1)
                    argument = self._string()
                if self._take(1) != b")":
                    raise Illegal("a code without end")
                if not self._is(b"\r"):
                    if self._take(1) != b" ":
                        raise Illegal("no space after the code")
                    text = self._string()
            else:
                text = self._string()
        self._end()
        return Answer(lines, condition, code, argument, text.decode("utf-8"))

    def _is(self, octet: bytes) -> bool:
        self._need(1)
        return self.buffer[:1] == octet

    def _need(self, octets: int) -> None:
        while len(self.buffer) < octets:
            more = self._more()
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more

    def _take(self, octets: int) -> bytes:
        self._need(octets)
        taken, self.buffer = self.buffer[:octets], self.buffer[octets:]
        return taken

    def _line(self) -> None:
        while b"\n" not in self.buffer:
            self._need(len(self.buffer) + 1)

    def _string(self) -> bytes:
        self._line()
        literal = _LITERAL.match(self.buffer)
        if literal is not None:
            self._take(literal.end())
            return self._take(int(literal[1]))
        quoted = _STRING.match(self.buffer)
        if quoted is None:
            raise Illegal(f"no string: {self.buffer[:80]!r}")
        self._take(quoted.end())
        quoted[1].decode("utf-8")
        return re.sub(rb'\\(["\\])', rb"\1", quoted[1])

    def _atom(self) -> str:
        self._line()
        found = _ATOM.match(self.buffer)
        if found is None:
            raise Illegal(f"no word: {self.buffer[:80]!r}")
        return self._take(found.end()).decode("ascii").upper()

    def _end(self) -> None:
        if self._take(2) != b"\r\n":
            raise Illegal(f"no end of line before {self.buffer[:80]!r}")


class SieveClient:
    """
    A connection, as a context manager.

    Attributes:
        greeting: What the server said at first.

    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Connect, and read the greeting."""
        self._socket: socket.socket = socket.create_connection((host, port), PATIENCE)
        self.reader = Reader(lambda: self._socket.recv(65536))
        self.greeting = self.reader.answer()

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        self._socket.sendall(data)

    def say(self, line: bytes | str, challenge: bool = False) -> Answer:
        """Send a line, and return the answer."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reader.answer(challenge)

    def start_tls(self, certificate: str, at_once: bytes = b"", shown: tuple[Path, Path] | None = None) -> Answer:
        """
        STARTTLS; return the capabilities that follow.

        Args:
            certificate: The server's.
            at_once: What is sent in the first moment under TLS.
            shown: Files of the client's own certificate and its key.

        """
        assert self.say("STARTTLS").condition == "OK"
        assert not self.reader.buffer, "something was said before the handshake"
        context = ssl.create_default_context(cafile=certificate)
        if shown is not None:
            context.load_cert_chain(*shown)
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._socket.sendall(at_once)
        return self.reader.answer()

    def certificate(self) -> bytes:
        """Return the certificate that the server has shown, in DER."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.getpeercert(binary_form=True) or b""

    def log_in(self, login: str, password: str) -> Answer:
        """AUTHENTICATE by PLAIN."""
        return self.say(f'AUTHENTICATE "PLAIN" "{plain(login, password)}"')

    def at_end(self) -> bool:
        """Return whether the server has hung up, without another word."""
        try:
            return not self.reader.buffer and not self._socket.recv(1)
        except ConnectionResetError:
            return True

    def end(self) -> None:
        """Say that nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def __enter__(self) -> "SieveClient":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._socket.close()


def plain(login: str, password: str, authzid: str = "") -> str:
    """Return what PLAIN sends."""
    return base64.b64encode(f"{authzid}\0{login}\0{password}".encode()).decode()


def literal(text: str | bytes) -> bytes:
    """Return a literal as clients send it."""
    octets = text.encode() if isinstance(text, str) else text
    return b"{%d+}\r\n%s" % (len(octets), octets)
