"""The alarm: it goes off by the clock that runs through suspend, once, and hears of a wake-up."""

import asyncio
import os
import time

import pytest
from tests.kit.loops import on_both_loops

from mailhorn.watch import clock
from mailhorn.watch.clock import Alarm, boottime


@on_both_loops
async def test_it_goes_off_once_at_its_time() -> None:
    """Setting it again takes back what was set before."""
    rang = asyncio.Event()
    times: list[float] = []

    def rings() -> None:
        times.append(boottime())
        rang.set()

    alarm = Alarm(boottime, rings, lambda: None)
    alarm.set(boottime() + 3600)
    begin = boottime()
    alarm.set(begin + 0.05)
    await rang.wait()
    alarm.close()
    assert times[0] >= begin + 0.05


async def test_it_does_not_need_the_loops_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which stands still while the computer sleeps; a time that is over already goes off at once."""
    rang = asyncio.Event()
    loop = asyncio.get_running_loop()
    alarm = Alarm(boottime, rang.set, lambda: None)
    later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda delay, *args: later(delay + 3600, *args))
    alarm.set(boottime() + 0.05)
    await rang.wait()
    rang.clear()
    alarm.set(boottime() - 5)
    await rang.wait()
    alarm.close()


async def test_a_wake_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptor that the kernel cancels then says so by an error of its own; any other is no news."""
    woke: list[int] = []
    alarm = Alarm(boottime, lambda: None, lambda: woke.append(1))

    errors = [clock.errno.ECANCELED, clock.errno.EAGAIN]

    def cancelled(file: int, count: int) -> bytes:
        raise OSError(errors.pop(0), "not now")

    monkeypatch.setattr(clock.os, "read", cancelled)
    while errors:
        alarm._read(alarm._files[1], alarm._woke)
    alarm.close()
    assert woke == [1]


async def test_any_other_clock_has_the_loops_timer() -> None:
    """And leaves no descriptor behind."""
    before = len(os.listdir("/proc/self/fd"))
    rang = asyncio.Event()
    alarm = Alarm(time.monotonic, rang.set, lambda: None)
    alarm.set(time.monotonic() + 0.01)
    await rang.wait()
    alarm.close()
    Alarm(boottime, rang.set, lambda: None).close()
    assert len(os.listdir("/proc/self/fd")) == before
