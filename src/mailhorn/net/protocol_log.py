"""The wire log: what a connection sends and receives, line by line, with credentials taken out.

Redaction is done here, once, for every protocol (IMAP LOGIN and AUTHENTICATE, SMTP AUTH), on complete lines, so
that no split of the input shows half a password. When in doubt more is hidden than need be: from the command on,
every line of the client is, until the server has answered it.
"""

import re

import structlog

LONGEST = 200
"""Octets shown of a line. The log is for following a dialogue, not for reading people's mail."""
BUFFERED = 16 * 1024
"""Octets kept of an unfinished line; more are shown (or hidden) in pieces."""

_COMMAND = re.compile(rb"(?i)\s*(?:(\S+)\s+(?:LOGIN|AUTHENTICATE)|AUTH)(?=\s|$)")

log = structlog.get_logger("mailhorn.wire")


class ProtocolLog:
    """The wire log of one connection; made only when someone wants to see it (level debug)."""

    def __init__(self, name: str, server: bool = True) -> None:
        """
        Make the log.

        Args:
            name: What to call the connection.
            server: Whether we are the server, so that what is received is the client's.

        """
        self.name = name
        self._server = server
        self._client_lines = _Lines()
        self._server_lines = _Lines()
        self._secret: re.Pattern[bytes] | None = None
        """While credentials are under way: the server's line that ends it."""

    def received(self, data: bytes) -> None:
        """Log what the peer sent."""
        if self._server:
            self._client(data, "<")
        else:
            self._answer(data, "<")

    def sent(self, data: bytes) -> None:
        """Log what we send."""
        if self._server:
            self._answer(data, ">")
        else:
            self._client(data, ">")

    def _client(self, data: bytes, direction: str) -> None:
        for line, begins in self._client_lines.take(data):
            command = _COMMAND.match(line) if begins else None
            if self._secret is not None:
                self._say(direction, b"<hidden>")
            elif command is not None:
                tag = re.escape(command[1] or b"AUTH")  # `AUTH LOGIN` may be either protocol's
                self._secret = re.compile(tag + rb" (?:OK|NO|BAD)\b|(?!334)\d{3}[ -]", re.IGNORECASE)
                self._say(direction, command[0].strip() + b" <hidden>")
            else:
                self._say(direction, line)

    def _answer(self, data: bytes, direction: str) -> None:
        for line, begins in self._server_lines.take(data):
            if self._secret is not None and begins and self._secret.match(line):
                self._secret = None
            self._say(direction, line)

    def _say(self, direction: str, line: bytes) -> None:
        shown = line[:LONGEST].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        more = len(line) - LONGEST
        log.debug(direction, connection=self.name, line=f"{shown}… {more} octets more" if more > 0 else shown)


class _Lines:
    """Bytes to lines; an endless line comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._begins = True

    def take(self, data: bytes) -> list[tuple[bytes, bool]]:
        """Return the lines that are complete now, each with whether it is the beginning of one."""
        pieces = (self._rest + data).split(b"\n")
        self._rest = pieces.pop()
        lines = []
        for piece in pieces:
            lines.append((piece, self._begins))
            self._begins = True
        if len(self._rest) > BUFFERED:
            lines.append((self._rest, self._begins))
            self._rest, self._begins = b"", False
        return lines


__all__ = ["ProtocolLog"]
