"""A flood of deliveries by LMTP to a server that is killed meanwhile, and the book that is kept of it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from .process import DOMAIN, HOST, PATIENCE, Server, message

SENDERS = 4
"""Connections at once, so that a commit holds several messages."""

BIG_ONE_OF = 25
"""Every so many messages one is big, so that it goes another way into the store."""


def body_of(number: int) -> str:
    """Return the text of a message, by its number: nobody else's, and whole or not."""
    return f"This is number {number}.\n" * (12_000 if number % BIG_ONE_OF == 0 else 3)


class Deliveries:
    """
    Delivers numbered messages to one account until enough are acknowledged.

    A message whose delivery fails is not tried again: it may or may not be there, at most once.

    Attributes:
        acknowledged: Subjects for which the server has said 250.
        tried: Subjects of all that were begun.

    """

    def __init__(self, server: Server, login: str, subject: Callable[[int], str] = "message {}".format) -> None:
        """Prepare them; nothing is sent before `under_way`."""
        self._server = server
        self._login = login
        self._subject = subject
        self._changed = threading.Condition()
        self._wanted = 0
        self._up = threading.Event()
        self.acknowledged: set[str] = set()
        self.tried: set[str] = set()

    @contextlib.contextmanager
    def under_way(self, wanted: int) -> Iterator[None]:
        """Deliver until so many are acknowledged."""
        self._wanted = wanted
        self._up.set()
        senders = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield
            self.wait_for(wanted)
        finally:
            with self._changed:
                self._wanted = 0
            self._up.set()
            for sender in senders:
                sender.join()

    def wait_for(self, count: int) -> None:
        """Wait until so many are acknowledged."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.acknowledged) >= count, 3 * PATIENCE)
            assert done, f"only {len(self.acknowledged)} of {count} are acknowledged"

    def wait_for_more(self, known: int) -> int:
        """Wait until more than that are acknowledged, but not for long, and return how many are."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.acknowledged) > known, 0.1)
            return len(self.acknowledged)

    def server_is(self, up: bool) -> None:
        """Say whether it is worth while to connect."""
        if up:
            self._up.set()
        else:
            self._up.clear()

    def _send(self) -> None:
        while self._unfinished():
            self._up.wait(PATIENCE)
            with contextlib.suppress(OSError), Lmtp(self._server) as lmtp:
                while self._unfinished():
                    self._send_one(lmtp)

    def _unfinished(self) -> bool:
        with self._changed:
            return len(self.acknowledged) < self._wanted

    def _send_one(self, lmtp: "Lmtp") -> None:
        with self._changed:
            number = len(self.tried)
            subject = self._subject(number)
            self.tried.add(subject)
        lmtp.deliver(f"{self._login}@{DOMAIN}", message(subject, body_of(number)))
        with self._changed:
            self.acknowledged.add(subject)
            self._changed.notify_all()


class RefusedForNow(AssertionError):
    """The server has said 4xx, which few expect."""


class Lmtp:
    """The least LMTP client; unlike the standard library's it leaves no socket behind when the server dies."""

    def __init__(self, server: Server) -> None:
        """Connect. Raises OSError, as everything here, when the server is gone."""
        self._socket = socket.create_connection((HOST, server.ports["lmtp"]), PATIENCE)
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> "Lmtp":
        """Greet the server."""
        try:
            self._expect(b"220")
            self._say(b"LHLO client.example.net", b"250")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def deliver(self, recipient: str, data: bytes) -> None:
        """Deliver one message, and return when it is acknowledged."""
        self._say(b"MAIL FROM:<sender@example.net>", b"250")
        self._say(f"RCPT TO:<{recipient}>".encode(), b"250")
        self._say(b"DATA", b"354")
        self._say(data + b".", b"250")

    def reset(self) -> None:
        """Forget a message that was refused."""
        self._say(b"RSET", b"250")

    def _say(self, line: bytes, code: bytes) -> None:
        self._socket.sendall(line + b"\r\n")
        self._expect(code)

    def _expect(self, code: bytes) -> None:
        while True:
            line = self._replies.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the server hung up")
            if line.startswith(b"4") and not code.startswith(b"4"):
                raise RefusedForNow(line)
            assert line.startswith(code), line
            if line[3:4] == b" ":
                return
