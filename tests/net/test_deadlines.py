"""Deadlines on a virtual clock."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import structlog.testing

from mailhorn.net.deadlines import SLICE, Deadlines


class Clock(asyncio.AbstractEventLoop):
    """An event loop of which only the clock and the timers are used; time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []
        self.fired = 0

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self)
        self.timers.append(timer)
        return timer

    @property
    def armed(self) -> list[float]:
        return sorted(timer.when() for timer in self.timers)

    def advance(self, to: float) -> None:
        while self.armed and self.armed[0] <= to:
            self.turn(self.armed[0])
        self.now = to

    def turn(self, now: float) -> None:
        """Run the first timer, whose time has come."""
        timer = min(self.timers, key=lambda t: t.when())
        self.timers.remove(timer)
        self.now = now
        self.fired += 1
        timer._run()


class Item:
    """Something with a deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.calls = 0
        self.then: Callable[[], None] = lambda: None

    def overdue(self) -> None:
        self.calls += 1
        self.then()


def test_an_item_is_overdue_once_and_never_early() -> None:
    """The grain rounds up."""
    clock = Clock()
    deadlines = Deadlines(clock, grain=2.0)
    item = Item(3.0)
    deadlines.watch(item)
    clock.advance(3.9)
    assert item.calls == 0
    clock.advance(4.0)
    assert item.calls == 1
    clock.advance(100.0)
    assert (item.calls, clock.armed, len(deadlines)) == (1, [], 0)


def test_thousands_of_items_share_one_timer_and_one_instant() -> None:
    """Deadlines that are near each other are served together, as many at a time as do not hold up anybody else."""
    clock = Clock()
    deadlines = Deadlines(clock, grain=5.0)
    items = [Item(60.0 + n / 1000) for n in range(5000)]
    for item in items:
        deadlines.watch(item)
    assert len(clock.armed) == 1
    clock.advance(60.0)
    assert items[0].calls == 1
    clock.advance(64.9)
    assert (sum(item.calls for item in items), clock.armed, clock.fired) == (1, [65.0], 1)
    served: list[int] = []
    while clock.armed:
        before = sum(item.calls for item in items)
        clock.turn(65.0)
        served.append(sum(item.calls for item in items) - before)
    assert all(item.calls == 1 for item in items)
    assert max(served) == SLICE
    assert len(served) == math.ceil(4999 / SLICE)


def test_who_leaves_between_two_slices_is_not_served() -> None:
    """Nor is one served twice that is watched again meanwhile."""
    clock = Clock()
    deadlines = Deadlines(clock)
    items = [Item(1.0) for _ in range(2 * SLICE)]
    for item in items:
        deadlines.watch(item)
    clock.turn(1.0)
    waiting = [item for item in items if not item.calls]
    served = [item for item in items if item.calls]
    assert len(served) == SLICE
    deadlines.forget(waiting[0])
    for item in (waiting[1], served[0]):
        item.deadline = 5.0
        deadlines.watch(item)
    clock.advance(4.0)
    assert [item.calls for item in waiting] == [0, 0] + [1] * (SLICE - 2)
    assert served[0].calls == 1
    clock.advance(5.0)
    assert (waiting[0].calls, waiting[1].calls, served[0].calls, len(deadlines)) == (0, 1, 2, 0)


def test_a_deadline_that_moved_later_costs_one_look() -> None:
    """Nobody needs to tell; the clock looks again when the old time comes."""
    clock = Clock()
    deadlines = Deadlines(clock)
    item = Item(10.0)
    deadlines.watch(item)
    item.deadline = 500.0
    clock.advance(499.0)
    assert (item.calls, clock.fired) == (0, 1)
    clock.advance(500.0)
    assert item.calls == 1


def test_a_deadline_that_moved_earlier_is_told_by_watching_again() -> None:
    """The timer is armed anew for it."""
    clock = Clock()
    deadlines = Deadlines(clock)
    item = Item(500.0)
    deadlines.watch(item)
    item.deadline = 10.0
    deadlines.watch(item)
    assert clock.armed == [10.0]
    clock.advance(10.0)
    assert item.calls == 1
    assert len(deadlines) == 0


def test_nothing_is_armed_when_nothing_is_watched() -> None:
    """An empty server sleeps."""
    clock = Clock()
    deadlines = Deadlines(clock)
    first, second = Item(10.0), Item(20.0)
    deadlines.watch(first)
    deadlines.watch(second)
    deadlines.forget(first)
    deadlines.forget(second)
    deadlines.forget(second)
    assert clock.armed == []
    deadlines.watch(second)
    clock.advance(30.0)
    assert (first.calls, second.calls) == (0, 1)


def test_never_is_a_deadline() -> None:
    """Infinity is not watched, and what moves there is let go when its old time comes."""
    clock = Clock()
    deadlines = Deadlines(clock)
    item = Item(math.inf)
    deadlines.watch(item)
    assert clock.armed == []
    item.deadline = 5.0
    deadlines.watch(item)
    item.deadline = math.inf
    clock.advance(10.0)
    assert (item.calls, clock.armed, len(deadlines)) == (0, [], 0)


def test_an_item_may_watch_itself_again_and_forget_others() -> None:
    """As a keep-alive does, and a connection that ends."""
    clock = Clock()
    deadlines = Deadlines(clock)
    item = Item(1.0)

    def again() -> None:
        item.deadline += 10.0
        deadlines.watch(item)

    item.then = again
    deadlines.watch(item)
    clock.advance(35.0)
    assert item.calls == 4
    deadlines.forget(item)
    assert clock.armed == []


def test_a_bug_in_one_item_does_not_harm_the_others() -> None:
    """It is logged and the clock goes on."""
    clock = Clock()
    deadlines = Deadlines(clock)
    bad, good = Item(1.0), Item(1.0)

    def fail() -> None:
        raise ZeroDivisionError

    bad.then = fail
    deadlines.watch(bad)
    deadlines.watch(good)
    with structlog.testing.capture_logs() as logs:
        clock.advance(2.0)
    assert good.calls == 1
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_on_a_real_loop() -> None:
    """The loop's own clock drives it."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop, grain=0.01)
    done = asyncio.Event()
    item = Item(loop.time() + 0.02)
    item.then = done.set
    deadlines.watch(item)
    await done.wait()
    assert loop.time() >= item.deadline
