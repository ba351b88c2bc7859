"""The least that can talk IMAP and LMTP to a server, so that the clients are not what is measured."""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable

from .process import HOST
from .servers import PASSWORD

now = time.perf_counter
PATIENCE = 120.0
"""Seconds any answer may take before the run is given up."""
READ = 1 << 18
"""Octets the blocking client reads at once."""


class Refused(Exception):
    """The server said no to something the benchmark needs, or went away."""


def unverified_tls() -> ssl.SSLContext:
    """Return what takes any certificate: it is the server of this run."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Talker(asyncio.Protocol):
    """
    One connection that asks and waits for a line that answers.

    Attributes:
        transport: Of the connection.
        arrived: When the last octets came.
        lost: Whether the connection has ended.

    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.arrived = 0.0
        self.lost = False
        self._rest = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's by class

    def data_received(self, data: bytes) -> None:
        """Cut it into lines."""
        self.arrived = now()
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            self.line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Refused(f"the connection was lost: {exc}"))

    def line(self, line: bytes) -> None:
        """Take a line that may be an answer."""
        raise NotImplementedError

    def answered(self, line: bytes) -> None:
        """Hand a line to who waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(line)

    def expect(self) -> asyncio.Future[bytes]:
        """Return what is done with the next answer."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.lost:
            self._answer.set_exception(Refused("the connection is lost"))
        return self._answer

    async def ask(self, command: bytes, good: bytes) -> bytes:
        """Send a line and return the answer; raises Refused if it does not begin like this."""
        answer = self.expect()
        if not self.lost:
            self.transport.write(command)
        return await self.answer(answer, good, command)

    async def answer(self, answer: asyncio.Future[bytes], good: bytes, to: bytes = b"the connection") -> bytes:
        """Wait for an answer."""
        async with asyncio.timeout(PATIENCE):
            line = await answer
        if not line.startswith(good):
            raise Refused(f"to {to!r} the answer was {line!r}")
        return line

    async def connect(self, port: int, greeting: bytes, tls: ssl.SSLContext | None = None) -> None:
        """Connect and wait for the greeting."""
        answer = self.expect()
        await asyncio.get_running_loop().create_connection(lambda: self, HOST, port, ssl=tls)
        await self.answer(answer, greeting)


_EXISTS = re.compile(rb"\* (\d+) EXISTS")


class Watcher(Talker):
    """
    Logs in, selects INBOX, idles, and notes when it is told of each message.

    Attributes:
        seen: When it was told of each message that came after IDLE began.

    """

    def __init__(self, told: Callable[[int], None]) -> None:
        """`told` is called with how many messages are new, once for each time that some are."""
        super().__init__()
        self.seen: list[float] = []
        self._count = 0
        self._idling = False
        self._told = told

    def data_received(self, data: bytes) -> None:
        """Look only at what an idling client is told: one line may stand for several messages."""
        if not self._idling:
            super().data_received(data)
            return
        arrived = now()
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        place = data.rfind(b" EXISTS\r\n", 0, end)
        if place >= 0:
            count = int(data[data.rfind(b"* ", 0, place) + 2 : place])
            new = count - self._count
            if new > 0:
                self._count = count
                self.seen.extend([arrived] * new)
                self._told(new)

    def line(self, line: bytes) -> None:
        """Take greeting, answers, and how many messages there are."""
        if exists := _EXISTS.match(line):
            self._count = int(exists[1])
        elif not line.startswith(b"* ") or line.startswith(b"* OK [CAPABILITY"):
            self.answered(line)

    async def watch(self, port: int, user: str, tls: ssl.SSLContext | None = None) -> "Watcher":
        """Go as far as IDLE."""
        await self.connect(port, b"* OK", tls)
        await self.ask(b"a LOGIN %b %b\r\n" % (user.encode(), PASSWORD.encode()), b"a OK")
        await self.ask(b"b SELECT INBOX\r\n", b"b OK")
        await self.ask(b"c IDLE\r\n", b"+")
        self._idling = True
        return self


class Visitor(Talker):
    """Logs in and out."""

    def line(self, line: bytes) -> None:
        """Take greeting and answers."""
        if not line.startswith(b"* ") or line.startswith(b"* OK [CAPABILITY"):
            self.answered(line)

    async def visit(self, port: int, user: str) -> None:
        """Do so once."""
        await self.connect(port, b"* OK")
        await self.ask(b"a LOGIN %b %b\r\n" % (user.encode(), PASSWORD.encode()), b"a OK")
        await self.ask(b"b LOGOUT\r\n", b"b OK")
        self.transport.abort()


class Deliverer(asyncio.Protocol):
    """One LMTP or SMTP session, one recipient a message, MAIL, RCPT and DATA in one write (RFC 2920)."""

    def __init__(self, hello: bytes = b"LHLO") -> None:
        """`hello` is EHLO for SMTP."""
        self.transport: asyncio.Transport
        self._hello = hello
        self._lost: Refused | None = None
        self._on_sent: Callable[[float], object] = _nothing
        self._payload: tuple[bytes, ...] | None = None
        self._greeted = False
        self._lines = 0
        self._wanted = 1
        self._rest = b""
        self._sent = 0.0
        self._done: Callable[[float, float], None] | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed: Callable[[Refused], None] = self._fail_opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's by class

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._lost = Refused(f"the delivering connection was lost: {exc}")
        self._failed(self._lost)

    def data_received(self, data: bytes) -> None:
        """Count the replies; after the one to DATA send the message, after the one to that be done."""
        arrived = now()
        if self._rest:
            data = self._rest + data
        if not data.endswith(b"\n"):
            self._rest = data
            return
        self._rest = b""
        for line in data.splitlines():
            if line[:1] not in b"23":
                self._failed(Refused(f"a delivery was answered {line!r}"))
                return
            if line[3:4] != b"-":
                self._lines += 1
        if self._lines < self._wanted:
            return
        self._lines = 0
        if not self._opened.done():
            if self._greeted:
                self._opened.set_result(None)
            else:
                self._greeted = True
                self.transport.write(self._hello + b" bench\r\n")
        elif self._payload is not None:
            payload, self._payload = self._payload, None
            self._wanted = 1
            self._sent = now()  # before the write: nothing is flattered
            self._on_sent(self._sent)
            self.transport.writelines(payload)
        elif self._done is not None:
            self._done(self._sent, arrived)

    def send(self, address: bytes, payload: tuple[bytes, ...], done: Callable[[float, float], None]) -> None:
        """Deliver; `done` is called with when the last octet was handed over and when the answer came."""
        if self._lost is not None:
            self._failed(self._lost)
            return
        self._payload, self._done, self._wanted = payload, done, 3
        self.transport.write(b"MAIL FROM:<bench@example.org>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address)

    async def deliver(
        self, address: bytes, payload: tuple[bytes, ...], on_sent: Callable[[float], object] | None = None
    ) -> tuple[float, float]:
        """Deliver, and return the same; `on_sent` is told already when the message is handed over."""
        self._on_sent = on_sent or _nothing
        future: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._failed = lambda error: None if future.done() else future.set_exception(error)
        self.send(address, payload, lambda sent, replied: None if future.done() else future.set_result((sent, replied)))
        async with asyncio.timeout(PATIENCE):
            return await future

    async def pour(self, messages: Iterable[tuple[bytes, tuple[bytes, ...]]]) -> None:
        """Deliver one after the other as fast as the answers come, without a task in between."""
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stream = iter(messages)

        def next_one(sent: float = 0.0, replied: float = 0.0) -> None:
            following = next(stream, None)
            if following is not None:
                self.send(*following, next_one)
            elif not finished.done():
                finished.set_result(None)

        self._failed = lambda error: None if finished.done() else finished.set_exception(error)
        next_one()
        await finished

    def _fail_opening(self, error: Refused) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)

    @classmethod
    async def open(cls, port: int, hello: bytes = b"LHLO") -> "Deliverer":
        """Connect and greet."""
        deliverer = cls(hello)
        await asyncio.get_running_loop().create_connection(lambda: deliverer, HOST, port)
        async with asyncio.timeout(PATIENCE):
            await deliverer._opened
        return deliverer


def _nothing(_: float) -> None:
    """Nobody wants to know."""


class Commander:
    """One IMAP session over a blocking socket: nothing is cheaper, and nobody else is served meanwhile."""

    def __init__(self, port: int, user: str) -> None:
        """Connect and log in."""
        self._socket = socket.create_connection((HOST, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(READ)
        self._number = 0
        self._until(b"* OK")
        self.ask(b"LOGIN %b %b" % (user.encode(), PASSWORD.encode()))

    def ask(self, *commands: bytes) -> float:
        """Send commands in one write, and return the seconds until the last is answered; raises Refused if it fails."""
        lines = []
        for command in commands:
            self._number += 1
            lines.append(b"t%d %b\r\n" % (self._number, command))
        begin = now()
        self._socket.sendall(b"".join(lines))
        self._until(b"t%d OK" % self._number)
        return now() - begin

    def close(self) -> None:
        """Go."""
        self._socket.close()

    def _until(self, good: bytes) -> None:
        """Read on until the last line is this one; only the end of what came is looked at."""
        tail = b""
        tag = good.split(b" ")[0] + b" "
        while True:
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise Refused("the connection was lost")
            tail = (tail + self._buffer[max(0, size - 1000) : size])[-1000:]
            if tail.endswith(b"\r\n"):
                last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
                if last.startswith(good):
                    return
                if last.startswith(tag):
                    raise Refused(f"the answer was {last!r}")
