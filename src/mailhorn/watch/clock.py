"""The clock that runs through suspend, and an alarm that goes off by it.

An event loop's own timers stand still while the computer sleeps (faults F77, F78): "in five minutes" becomes "in eight
hours and five minutes". On Linux two timer descriptors do better: one expires by CLOCK_BOOTTIME, the other is told when
the computer wakes up. Elsewhere the loop's timers have to do.
"""

import asyncio
import ctypes
import errno
import os
import sys
import time
from collections.abc import Callable

_ABSTIME, _CANCEL_ON_SET = 1, 2  # TFD_TIMER_*, timerfd_create(2)
_FAR = 2**40
"""Seconds; a time that does not come."""


def boottime() -> float:
    """Return seconds of the clock that runs through suspend; where there is none, of the other one."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Alarm:
    """
    Goes off once at a time, and tells when the computer may have woken up, as far as the system does.
    """

    def __init__(self, clock: Callable[[], float], goes_off: Callable[[], None], woke: Callable[[], None]) -> None:
        """
        Begin; call it in the event loop.

        Args:
            clock: What times are of.
            goes_off: Called when the time has come, or may have.
            woke: Called when the computer may have woken up.

        """
        self._clock = clock
        self._goes_off = goes_off
        self._woke = woke
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._files: list[int] = []
        if clock is boottime and sys.platform == "linux":
            self._listen()

    def set(self, due: float) -> None:
        """Go off at that time, and not at the one that was set before."""
        if self._files:
            _set_timer(self._files[0], _ABSTIME, max(due, 0.001))
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._goes_off)

    def close(self) -> None:
        """Go off no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for file in self._files:
            self._loop.remove_reader(file)
            os.close(file)
        self._files = []

    def _listen(self) -> None:
        for clock, called in ((time.CLOCK_BOOTTIME, self._goes_off), (time.CLOCK_REALTIME, self._woke)):
            file = _LIBC.timerfd_create(clock, os.O_NONBLOCK | os.O_CLOEXEC)
            if file < 0:
                self.close()
                return
            self._files.append(file)
            self._loop.add_reader(file, self._read, file, called)
        _set_timer(self._files[1], _ABSTIME | _CANCEL_ON_SET, _FAR)

    def _read(self, file: int, called: Callable[[], None]) -> None:
        try:
            os.read(file, 8)
        except OSError as error:
            if error.errno != errno.ECANCELED:  # that is how a wake-up is told; anything else is no news
                return
        called()


class _Timer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every", "every_ns", "at", "at_ns")]


def _set_timer(file: int, flags: int, at: float) -> None:
    seconds = int(at)
    _LIBC.timerfd_settime(file, flags, ctypes.byref(_Timer(0, 0, seconds, int((at - seconds) * 1e9))), None)


_LIBC = ctypes.CDLL(None, use_errno=True)

__all__ = ["Alarm", "boottime"]
