"""The least that can talk IMAP and LMTP to a server, so that the clients are not what is measured."""

import asyncio
import time
from collections.abc import Callable

now = time.perf_counter


class Refused(Exception):
    """The server said no to something the benchmark needs."""


class Lines(asyncio.Protocol):
    """Splits what comes into lines."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.arrived = 0.0
        self._rest = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's by class

    def data_received(self, data: bytes) -> None:
        self.arrived = now()
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            self.line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Refused(f"connection lost: {exc}"))

    def line(self, line: bytes) -> None:
        raise NotImplementedError

    def answered(self, line: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(line)

    async def answer(self, good: bytes) -> bytes:
        """Wait for the next answer; raises Refused if it does not begin like this."""
        self._answer = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(60):
            line = await self._answer
        if not line.startswith(good):
            raise Refused(f"expected {good!r}, got {line!r}")
        return line


class Watcher(Lines):
    """Logs in, selects INBOX, idles, and notes when each EXISTS came."""

    def __init__(self, told: Callable[[], None]) -> None:
        super().__init__()
        self.count = 0
        self.seen: list[float] = []
        self._idling = False
        self._told = told

    def line(self, line: bytes) -> None:
        if line.startswith(b"* ") and line.endswith(b" EXISTS"):
            count = int(line[2:-7])
            if self._idling:
                self.seen.extend([self.arrived] * (count - self.count))
                self._told()
            self.count = count
        elif not line.startswith(b"* ") or line.startswith(b"* OK [CAPABILITY"):
            self.answered(line)

    @classmethod
    async def open(cls, port: int, user: str, password: str, told: Callable[[], None]) -> "Watcher":
        loop = asyncio.get_running_loop()
        watcher = cls(told)
        greeting = asyncio.ensure_future(watcher.answer(b"* OK"))
        await asyncio.sleep(0)
        await loop.create_connection(lambda: watcher, "127.0.0.1", port)
        await greeting
        for tag, command in ((b"a", f"LOGIN {user} {password}"), (b"b", "SELECT INBOX")):
            watcher.transport.write(tag + b" " + command.encode() + b"\r\n")
            await watcher.answer(tag + b" OK")
        watcher.transport.write(b"c IDLE\r\n")
        await watcher.answer(b"+")
        watcher._idling = True
        return watcher


class Deliverer(Lines):
    """One LMTP session."""

    def line(self, line: bytes) -> None:
        if line[3:4] != b"-":
            self.answered(line)

    async def deliver(self, address: str, message: bytes) -> tuple[float, float]:
        """Deliver; returns when the last byte was handed over and when the answer came."""
        for command, good in (
            (b"MAIL FROM:<bench@example.org>", b"250"),
            (b"RCPT TO:<%s>" % address.encode(), b"250"),
            (b"DATA", b"354"),
        ):
            self.transport.write(command + b"\r\n")
            await self.answer(good)
        sent = now()
        self.transport.write(message + b".\r\n")
        await self.answer(b"250")
        return sent, self.arrived

    @classmethod
    async def open(cls, port: int) -> "Deliverer":
        deliverer = cls()
        greeting = asyncio.ensure_future(deliverer.answer(b"220"))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().create_connection(lambda: deliverer, "127.0.0.1", port)
        await greeting
        deliverer.transport.write(b"LHLO bench\r\n")
        await deliverer.answer(b"250")
        return deliverer


def message(serial: int, octets: int = 4096) -> bytes:
    """Return a message of about that size, each with its own Message-ID."""
    header = (
        f"From: Bench <bench@example.org>\r\nTo: you@localhost\r\nSubject: Message {serial}\r\n"
        f"Message-ID: <{serial}.{time.time_ns()}@bench.example.org>\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog and is measured doing so.\r\n"
    return header + line * max(1, (octets - len(header)) // len(line))
