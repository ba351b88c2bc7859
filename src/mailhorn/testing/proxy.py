"""A TCP proxy that breaks connections at a given byte, in either direction. It understands nothing of what passes.

    Plan(to_client=[Trickle(1), Reset(at=812)])

Rule 1: faults count the bytes that came from the other side, from 0; what a fault puts in does not count. Rule 2: what
happens to the bytes is decided without I/O (`Lane`), and the same bytes in other pieces give the same result. Rule 3: a
plan may also begin in the middle of a connection (`strike`); it counts from there.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..net.tls import abort


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection in order (FIN to both sides) before byte `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with RST to both sides before byte `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Pass nothing on from byte `at`, and nothing back either: the route is gone, and nobody tells."""

    at: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait `seconds` before byte `at`."""

    at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Trickle:
    """Pass on pieces of `size` octets, with `pause` seconds between them; 0 waits for a turn of the loop."""

    size: int = 1
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Insert:
    """Put `data` in before byte `at`: garbage, or what a man in the middle says."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Pass on the `length` octets from byte `at` on twice."""

    at: int
    length: int


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Turn the bits of `mask` in byte `at`; in the middle of a TLS record this breaks TLS."""

    at: int
    mask: int = 0xFF


@dataclass(frozen=True, slots=True)
class Swallow:
    """Pass on whole lines only, and none in which `pattern` is found: a server that says less than it should."""

    pattern: bytes


Fault = Cut | Reset | Stall | Delay | Trickle | Insert | Duplicate | Corrupt | Swallow
End = Cut | Reset | Stall


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to the bytes of one connection, each way."""

    to_client: Sequence[Fault] = ()
    to_server: Sequence[Fault] = ()


Action = bytes | float | End
"""What to do: pass on, wait, or end."""


class Lane:
    """One direction of a connection, without I/O."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._at = 0
        self._corrupt = {fault.at: fault.mask for fault in faults if isinstance(fault, Corrupt)}
        self._trickle = next((fault for fault in faults if isinstance(fault, Trickle)), None)
        swallowed = [b"(?:%b)" % fault.pattern for fault in faults if isinstance(fault, Swallow)]
        self._swallow = re.compile(b"|".join(swallowed)) if swallowed else None
        self._line = b""
        self._points: list[tuple[int, int, Fault]] = []
        for fault in faults:
            match fault:
                case Insert(at, _) | Delay(at, _):
                    self._points.append((at, 0, fault))
                case Duplicate(at, length):
                    self._points.append((at + length, 1, fault))
                case Cut(at) | Reset(at) | Stall(at):
                    self._points.append((at, 2, fault))
                case _:
                    pass
        self._points.sort(key=lambda point: point[:2])
        self._kept: dict[Duplicate, bytearray] = {
            fault: bytearray() for fault in faults if isinstance(fault, Duplicate)
        }

    def begin(self) -> list[Action]:
        """Return what is to be done before the first byte."""
        return self._due()

    def take(self, data: bytes) -> list[Action]:
        """Take bytes and return what is to be done, in order; nothing follows an end."""
        actions: list[Action] = []
        while data:
            if actions and isinstance(actions[-1], End):
                break
            upto = self._points[0][0] - self._at if self._points else len(data)
            part, data = data[:upto], data[upto:]
            actions += self._pass(part)
            actions += self._due()
        return actions

    def rest(self) -> bytes:
        """Return the beginning of a line that was held back; nothing follows."""
        rest, self._line = self._line, b""
        return rest

    def _pass(self, part: bytes) -> list[Action]:
        changed = bytearray(part)
        for at, mask in self._corrupt.items():
            if self._at <= at < self._at + len(part):
                changed[at - self._at] ^= mask
        for fault, kept in self._kept.items():
            kept += changed[max(0, fault.at - self._at) : max(0, fault.at + fault.length - self._at)]
        self._at += len(part)
        return self._pieces(bytes(changed) if self._swallow is None else self._lines(self._swallow, bytes(changed)))

    def _lines(self, swallow: re.Pattern[bytes], data: bytes) -> bytes:
        *lines, self._line = (self._line + data).split(b"\n")
        return b"".join(line + b"\n" for line in lines if not swallow.search(line))

    def _due(self) -> list[Action]:
        actions: list[Action] = []
        while self._points and self._points[0][0] <= self._at:
            fault = self._points.pop(0)[2]
            match fault:
                case Insert(_, data):
                    actions += self._pieces(data)
                case Delay(_, seconds):
                    actions.append(seconds)
                case Duplicate():
                    actions += self._pieces(bytes(self._kept.pop(fault)))
                case Cut() | Reset() | Stall():
                    return [*actions, fault]
                case _:
                    pass
        return actions

    def _pieces(self, data: bytes) -> list[Action]:
        if self._trickle is None:
            return [data] if data else []
        actions: list[Action] = []
        for at in range(0, len(data), self._trickle.size):
            actions += [data[at : at + self._trickle.size], self._trickle.pause]
        return actions


class FaultProxy:
    """
    Stands between a client and a server.

        async with FaultProxy("127.0.0.1", server.port, lambda number: Plan(to_client=[Cut(at=number)])) as proxy:
            ... the client connects to proxy.host, proxy.port ...

    Attributes:
        plan: What happens to a connection, or who says it; to be changed at any time, for those that come then.
        connections: How many there were so far.
        open: How many there are.

    """

    host = "127.0.0.1"

    def __init__(self, host: str, port: int, plan: Plan | Callable[[int], Plan] = Plan()) -> None:
        """
        Make a proxy; it listens within `async with`.

        Args:
            host: The server.
            port: Its port.
            plan: What happens to a connection, or who says it for the connection of a number, from 0.

        """
        self.port = 0
        self.connections = 0
        self.open = 0
        self._to = (host, port)
        self.plan = plan
        self._ways: set[_Way] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in tuple(self._writers):
            abort(writer.transport)
        for _ in range(2):  # the loop takes leave of them
            await asyncio.sleep(0)

    def reset_all(self) -> None:
        """End all connections with RST, now."""
        for writer in tuple(self._writers):
            _reset(writer)

    def strike(self, plan: Plan) -> None:
        """Have this happen to all connections there are, from now on, in place of what was to happen to them."""
        for way in self._ways:
            way.strike(plan.to_client if way.to_client else plan.to_server)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, self.connections, self.open = self.connections, self.connections + 1, self.open + 1
        plan = self.plan if isinstance(self.plan, Plan) else self.plan(number)
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._to)
            self._writers.add(server_writer)
            await self._join((reader, writer), (server_reader, server_writer), plan)
            self._writers -= {writer, server_writer}
        except OSError:
            _reset(writer)
            self._writers.discard(writer)
        except asyncio.CancelledError:  # the proxy ends, and aborts what is left
            pass
        finally:
            self._tasks.discard(task)
            self.open -= 1

    async def _join(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        plan: Plan,
    ) -> None:
        ways = (_Way(server[0], client[1], plan.to_client, True), _Way(client[0], server[1], plan.to_server, False))
        lanes = [asyncio.create_task(way.carry()) for way in ways]
        self._ways.update(ways)
        writers = (client[1], server[1])
        try:
            waiting: set[asyncio.Future[End | None]] = set(lanes)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for end in (lane.result() for lane in done):
                    if isinstance(end, Stall):
                        for lane in waiting:
                            lane.cancel()
                        await asyncio.gather(*(_swallow(end[0]) for end in (client, server)))
                        return
                    if isinstance(end, Reset):
                        for writer in writers:
                            _reset(writer)
                        return
                    if isinstance(end, Cut):
                        return
        finally:
            self._ways.difference_update(ways)
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            for writer in writers:
                writer.close()


class _Way:
    """One direction of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Sequence[Fault], to_client: bool
    ) -> None:
        self.to_client = to_client
        self._reader = reader
        self._writer = writer
        self._lane = Lane(faults)
        self._next: Lane | None = None
        self._reading: asyncio.Task[End | None] | None = None

    def strike(self, faults: Sequence[Fault]) -> None:
        """Have something else happen from now on."""
        first, self._next = self._next is None, Lane(faults)
        if first and self._reading is not None:
            self._reading.cancel()

    async def carry(self) -> End | None:
        """Pass everything on until it ends; returns what ended it, None for the sender's own end."""
        actions = self._lane.begin()
        try:
            while True:
                for action in actions:
                    if isinstance(action, End):
                        return action
                    if isinstance(action, bytes):
                        self._writer.write(action)
                        await self._writer.drain()
                    elif self._next is not None:  # what it was held back for is over
                        continue
                    elif action > 0:
                        await asyncio.sleep(action)
                    else:
                        for _ in range(4):
                            await asyncio.sleep(0)
                data = await self._read()
                if self._next is not None:
                    rest = self._lane.rest()
                    self._lane, self._next = self._next, None
                    actions = [*self._lane.begin(), *self._lane.take(rest + data)]
                elif data:
                    actions = self._lane.take(data)
                else:
                    self._writer.write(self._lane.rest())
                    with contextlib.suppress(OSError, RuntimeError):
                        self._writer.write_eof()
                    return None
        except ConnectionError:
            return Reset(0)

    async def _read(self) -> bytes:
        """Read on; returns nothing at the end, and where something else is to happen."""
        if self._next is not None:
            return b""
        task = self._reading = asyncio.current_task()
        assert task is not None
        try:
            return await self._reader.read(65536)
        except asyncio.CancelledError:
            if self._next is None or task.uncancel():
                raise
            return b""
        finally:
            self._reading = None


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:  # uvloop has none any more for what is closed
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    abort(writer.transport)


__all__ = [
    "Corrupt",
    "Cut",
    "Delay",
    "Duplicate",
    "Fault",
    "FaultProxy",
    "Insert",
    "Lane",
    "Plan",
    "Reset",
    "Stall",
    "Swallow",
    "Trickle",
]
