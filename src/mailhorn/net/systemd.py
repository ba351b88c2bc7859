"""What systemd is told (sd_notify(3)): that we are ready, that we live, that we end. Without it nothing happens.

Rule: the watchdog is fed by the event loop itself, and only while whoever knows says that all is well.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import structlog

MEALS = 3
"""Times the watchdog is fed in its period: one that comes late, or not at all, is not the end."""

log = structlog.get_logger("mailhorn.systemd")


@contextlib.contextmanager
def told(status: str, alive: Callable[[], bool]) -> Iterator[None]:
    """
    Tell systemd that we are ready, feed its watchdog for as long as the block lasts, then tell that we stop.

    Call in the event loop. Programs that we start do not find systemd any more.

    Args:
        status: What `systemctl status` shows.
        alive: Whether all is well.

    """
    place = os.environ.pop("NOTIFY_SOCKET", "")
    period = _watchdog_period()
    if not place:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.setblocking(False)
        line.connect("\0" + place[1:] if place.startswith("@") else place)
        _say(line, f"READY=1\nSTATUS={status}")
        watchdog = None if period is None else _Watchdog(line, period / MEALS, alive)
        try:
            yield
        finally:
            if watchdog is not None:
                watchdog.stop()
            _say(line, "STOPPING=1")


class _Watchdog:
    """Feeds it until it is stopped."""

    def __init__(self, line: socket.socket, every: float, alive: Callable[[], bool]) -> None:
        self._line = line
        self._every = every
        self._alive = alive
        self._hungry = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_soon(self._feed)

    def stop(self) -> None:
        """Feed it no more."""
        self._timer.cancel()

    def _feed(self) -> None:
        well = self._alive()
        if well:
            _say(self._line, "WATCHDOG=1")
        if well is self._hungry:
            self._hungry = not well
            (log.info if well else log.error)("fed the watchdog again" if well else "not fed: something has stopped")
        self._timer = self._loop.call_later(self._every, self._feed)


def _watchdog_period() -> float | None:
    """Return the seconds in which the watchdog must be fed, None if there is none for us (sd_watchdog_enabled(3))."""
    period, process = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
    if not period.isdecimal() or not int(period) or (process and process != str(os.getpid())):
        return None
    return int(period) / 1e6


def _say(line: socket.socket, text: str) -> None:
    with contextlib.suppress(OSError):  # systemd is busy, or gone: what it does not hear it will act upon
        line.send(text.encode())


__all__ = ["told"]
