"""An event loop whose time jumps when nothing is left to do, and that counts what it did.

A client that waits five minutes for a silent server does so in a millisecond, over real sockets; and how often it woke
up, read and wrote is known afterwards, so that "does not spin" can be asserted.

Rule 1: time jumps only when no socket is ready, no executor job runs and nobody holds it. Rule 2: it jumps to the next
timer, never past one. Rule 3: a loop that turns and turns while no time passes is spinning, and is ended with an error.
"""

import asyncio
import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

GRACE = 0.002
"""Seconds of real time in which nothing must happen before time jumps: what one end of a socket on this machine has
sent may need a moment until the other end can read it."""
LATE, MOST_LOOKS = 0.01, 50
"""A look that took longer than so many seconds came late: the machine is busy, and who is to bring the bytes may have
waited, too. It proves nothing, and is repeated, up to so many times."""
MAX_TURNS = 20_000
"""Turns of the loop without any time passing from which on it is spinning. No honest exchange comes near it."""


class Spinning(Exception):
    """The loop turned again and again and no time passed."""


@dataclass(slots=True)
class Budget:
    """
    What a loop did.

    Attributes:
        turns: Turns of the loop; each is one call of select, epoll or the like.
        reads: Calls of recv and recv_into by connections that were made, not accepted, in this loop.
        writes: Calls of send and sendmsg by those.
        jumps: How often time jumped.

    """

    turns: int = 0
    reads: int = 0
    writes: int = 0
    jumps: int = 0

    @property
    def calls(self) -> int:
        """System calls that move bytes."""
        return self.reads + self.writes


class _JumpingSelector(selectors.BaseSelector):
    def __init__(self, budget: Budget) -> None:
        self._real = selectors.DefaultSelector()
        self._budget = budget
        self._begin = time.monotonic()
        self._turns = 0
        self.jumped = 0.0
        self.held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._budget.turns += 1
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise Spinning(f"{MAX_TURNS} turns of the loop, and no time passed")
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        looks = 0
        while True:
            began = time.monotonic()
            ready = self._real.select(None if timeout is None else GRACE)
            if ready or timeout is None:
                return ready
            looks += 1
            if not self.held and (time.monotonic() - began < LATE or looks >= MOST_LOOKS):
                break
        self._turns = 0
        self._budget.jumps += 1
        self.jumped += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class _CountedSocket:
    """A socket that counts the calls which move bytes."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, *args: Any) -> bytes:
        self._budget.reads += 1
        return self._sock.recv(*args)

    def recv_into(self, *args: Any) -> int:
        self._budget.reads += 1
        return self._sock.recv_into(*args)

    def send(self, *args: Any) -> int:
        self._budget.writes += 1
        return self._sock.send(*args)

    def sendmsg(self, *args: Any) -> int:
        self._budget.writes += 1
        return self._sock.sendmsg(*args)


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    asyncio's event loop with a time of its own. Use it as any loop: `asyncio.Runner(loop_factory=VirtualLoop)`.

    Attributes:
        budget: What it has done so far.

    """

    def __init__(self) -> None:
        self.budget = Budget()
        self._jumping = _JumpingSelector(self.budget)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return seconds of the virtual clock; it stands still while the loop works."""
        return 1_000_000.0 + self._jumping.jumped

    def hold(self) -> Callable[[], None]:
        """
        Keep time from jumping while something outside the loop works for it, such as a thread.

        Returns:
            What ends it; to be called once, in any thread.

        """
        self._jumping.held += 1
        over = False

        def release() -> None:
            nonlocal over
            if not over:
                over = True
                self.call_soon_threadsafe(self._release)

        return release

    def _release(self) -> None:
        self._jumping.held -= 1

    @contextlib.contextmanager
    def counting(self) -> Iterator[Budget]:
        """Count what is done within the block; the figures stand when it is over."""
        before = self.budget
        spent = Budget(-before.turns, -before.reads, -before.writes, -before.jumps)
        try:
            yield spent
        finally:
            spent.turns += before.turns
            spent.reads += before.reads
            spent.writes += before.writes
            spent.jumps += before.jumps

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run something in a thread; time does not jump meanwhile."""
        release = self.hold()
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: release())
        return future

    # where asyncio makes its transports; that of a server is told which server it belongs to

    def _make_socket_transport(self, sock: Any, *args: Any, server: Any = None, **named: Any) -> Any:
        make: Any = super()._make_socket_transport  # type: ignore[misc]  # not in the stubs
        return make(sock if server else _CountedSocket(sock, self.budget), *args, server=server, **named)

    def _make_ssl_transport(self, sock: Any, *args: Any, server: Any = None, **named: Any) -> Any:
        make: Any = super()._make_ssl_transport  # type: ignore[misc]  # not in the stubs
        return make(sock if server else _CountedSocket(sock, self.budget), *args, server=server, **named)


__all__ = ["GRACE", "MAX_TURNS", "Budget", "Spinning", "VirtualLoop"]
