"""A wire tap: forwards TCP connections and keeps what both sides say, so that a test can wait for it."""

import re
import socket
import socketserver
import threading
from types import TracebackType

PATIENCE = 30.0
"""Seconds to wait for what must be said."""


class Tap:
    """
    Listens on a port of its own, as a context manager, and forwards to another.

    Attributes:
        port: Where clients connect.

    """

    def __init__(self, host: str, port: int) -> None:
        """Listen; what comes is forwarded from `with` on."""
        self._target = (host, port)
        self._changed = threading.Condition()
        self._said = {"client": bytearray(), "server": bytearray()}
        self._sockets: set[socket.socket] = set()
        tap = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                tap._serve(self.request)

        class Forwarder(socketserver.ThreadingTCPServer):
            block_on_close = True

        self._forwarder = Forwarder((host, 0), Handler)
        self.port: int = self._forwarder.server_address[1]

    def said(self, who: str) -> bytes:
        """Return all that one side, "client" or "server", has said on all connections."""
        with self._changed:
            return bytes(self._said[who])

    def wait_for(self, who: str, pattern: bytes, times: int = 1) -> None:
        """Wait until one side has said something that matches, so many times since the beginning."""

        def happened() -> bool:
            return len(re.findall(pattern, self._said[who])) >= times

        with self._changed:
            if not self._changed.wait_for(happened, PATIENCE):
                raise AssertionError(f"the {who} did not say {pattern!r} {times}×, but: {bytes(self._said[who])!r}")

    def wait_for_idle(self, times: int = 1) -> None:
        """Wait until a client has gone idle so many times, and the server has let it."""
        self.wait_for("client", rb"(?i) IDLE\r\n", times)
        self.wait_for("server", rb"(?m)^\+ ", times)

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._sockets |= {client, server}
            back = threading.Thread(target=self._forward, args=("server", server, client))
            back.start()
            self._forward("client", client, server)
            back.join()
            with self._changed:
                self._sockets -= {client, server}

    def _forward(self, who: str, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)  # first: who waits for what was said may act upon it
                with self._changed:
                    self._said[who] += data
                    self._changed.notify_all()
            target.shutdown(socket.SHUT_WR)
        except OSError:  # one side is gone: so is the other
            for side in (source, target):
                _hang_up(side)

    def __enter__(self) -> "Tap":
        """Begin to forward."""
        self._thread = threading.Thread(target=self._forwarder.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up on everybody."""
        self._forwarder.shutdown()
        with self._changed:
            for side in self._sockets:
                _hang_up(side)
        self._forwarder.server_close()
        self._thread.join()


def _hang_up(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:  # it was not connected any more
        pass
