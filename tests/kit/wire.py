"""A raw connection that says whatever it likes: for what no well-behaved client would send."""

import contextlib
import socket
import threading
from types import TracebackType

PATIENCE = 30.0
"""Seconds to wait for an answer that must come."""


class Wire:
    """A TCP connection, as a context manager. The server's lines keep their ends."""

    def __init__(self, host: str, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._senders: list[threading.Thread] = []

    def send(self, data: bytes) -> None:
        """Send, without waiting for the other side to take it; it may hang up meanwhile."""
        if len(data) < 4096:
            self._send(data)
        else:
            self._join()
            self._senders.append(threading.Thread(target=self._send, args=(data,)))
            self._senders[-1].start()

    def send_by_octets(self, data: bytes) -> None:
        """Send in pieces of one octet each."""
        for octet in data:
            self._send(bytes((octet,)))

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def _join(self) -> None:
        for sender in self._senders:
            sender.join()
        self._senders.clear()

    def line(self) -> bytes:
        """Return the next line, b"" at the end of all."""
        with contextlib.suppress(ConnectionResetError):
            return self._file.readline()
        return b""

    def until(self, beginning: bytes) -> list[bytes]:
        """Return the lines up to the one that begins so, or up to the end."""
        lines: list[bytes] = []
        while line := self.line():
            lines.append(line)
            if line.startswith(beginning):
                break
        return lines

    def rest(self) -> bytes:
        """Return all that still comes until the server hangs up."""
        with contextlib.suppress(ConnectionResetError):
            return self._file.read()
        return b""

    def end(self) -> None:
        """Say that nothing more will come."""
        self._join()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def __enter__(self) -> "Wire":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._join()
        self._file.close()
        self._socket.close()
