"""Every order in which things can happen: an event loop that is stepped, and an explorer that tries all its schedules.

`SteppedLoop` runs one callback when told to, in the order of asyncio; time stands still. `explore` makes the world anew
for each schedule, follows it to its end and comes back for every choice that was left. A state that has been seen is
not followed twice: what the world calls its signature must tell states apart that go on differently.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Protocol

Action = tuple[Hashable, ...]


class Wrong(AssertionError):
    """What must never happen has happened. The text ends with the schedule that led there."""


class SteppedLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as sessions need."""

    def __init__(self) -> None:
        self.ready: deque[asyncio.Handle] = deque()
        self.sleeping: list[asyncio.TimerHandle] = []
        self.problems: list[dict[str, Any]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the running loop."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def step(self) -> None:
        """Run the first callback that is ready."""
        handle = self.ready.popleft()
        if not handle.cancelled():
            handle._run()

    def settle(self) -> None:
        """Run all that is ready."""
        while self.ready:
            self.step()

    def wake(self) -> None:
        """Let the first timer expire."""
        self.asleep()
        self.ready.append(self.sleeping.pop(0))

    def asleep(self) -> int:
        """Return how many timers will expire within the time of a test: those of a second at most."""
        self.sleeping = [timer for timer in self.sleeping if not timer.cancelled() and timer.when() <= 1.0]
        return len(self.sleeping)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:  # type: ignore[override]
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self.sleeping.append(timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def time(self) -> float:
        return 0.0

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **_: Any) -> "asyncio.Task[Any]":  # type: ignore[override]
        return asyncio.Task(coro, loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)


class World(Protocol):
    """What is explored."""

    def enabled(self) -> list[Action]:
        """Return what may happen next; nothing at the end."""

    def do(self, action: Action) -> None:
        """Let it happen. Raises Wrong."""

    def signature(self) -> Hashable:
        """Return what this state is: equal if all that follows is equal."""

    def check(self, at_end: bool) -> None:
        """Raise Wrong if this state must not be."""

    def close(self) -> None:
        """Let go of what waits."""


@dataclass(frozen=True)
class Explored:
    """How much was seen."""

    schedules: int
    states: set[Hashable]


def explore(make: Callable[[], World], most: int = 1_000_000) -> Explored:
    """
    Run every schedule.

    Args:
        make: Makes the world at its beginning.
        most: States to see at most; more is a mistake in the test.

    Raises:
        Wrong: With the schedule.

    """
    seen: set[Hashable] = set()
    left: list[tuple[Action, ...]] = [()]
    schedules = 0
    while left:
        path = list(left.pop())
        world = make()
        try:
            for action in path:
                world.do(action)
            while True:
                enabled = world.enabled()
                world.check(not enabled)
                signature = world.signature()
                if signature in seen:
                    break
                seen.add(signature)
                assert len(seen) <= most, "the world is larger than was thought"
                if not enabled:
                    break
                left.extend((*path, other) for other in enabled[1:])
                path.append(enabled[0])
                world.do(enabled[0])
        except Wrong as wrong:
            raise Wrong(f"{wrong}, after {path}") from wrong
        finally:
            world.close()
        schedules += 1
    return Explored(schedules, seen)
