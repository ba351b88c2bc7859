"""Notices a watcher that uses a processor although there is nothing to do, and says what it is doing then.

What sessions do is counted where they are woken (`watch.spin`). This is for all the rest: the event loop, a library, a
thread. The timer counts processor time, so a watcher that sleeps is not woken by it.
"""

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import structlog

from ...watch.supervisor import Watcher

log = structlog.get_logger("mailhorn.watch")

SLICE = 5.0
"""Seconds of processor time between two looks."""
BUSY = 0.5
"""Share of a processor from which on there has to be a reason."""
STEP = 0.01
"""Seconds of processor time that a step of a session may take on average, rules and FETCH answers included."""
DEEPEST = 12
"""Frames of the stack that are told."""


class Judgement:
    """Says whether the processor time of the last slice is explained. Pure."""

    def __init__(self, now: float, steps: int) -> None:
        self._since = now
        self._steps = steps

    def unexplained(self, now: float, steps: int) -> bool:
        """
        Take note of a slice of processor time that is used up.

        Args:
            now: Seconds.
            steps: How many steps all sessions have taken so far.

        """
        lasted, taken = now - self._since, steps - self._steps
        self._since, self._steps = now, steps
        return SLICE / max(lasted, 0.001) >= BUSY and taken * STEP < SLICE * BUSY


@contextlib.contextmanager
def guarded(watcher: Watcher, told: Callable[..., Any] = log.error) -> Iterator[None]:
    """Keep watch over the processor for as long as the block lasts; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    judgement = Judgement(time.monotonic(), watcher.steps)

    def used(_: int, frame: FrameType | None) -> None:
        if judgement.unexplained(time.monotonic(), watcher.steps):
            stack = traceback.extract_stack(frame)[-DEEPEST:]
            told(
                "spinning: a processor is used, and no mail explains it; please report this",
                stack=[f"{one.name} ({one.filename}:{one.lineno})" for one in stack],
                sessions=[f"{place.account}/{place.mailbox}" for place in watcher.busiest],
            )

    before = signal.signal(signal.SIGPROF, used)
    signal.setitimer(signal.ITIMER_PROF, SLICE, SLICE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


__all__ = ["Judgement", "guarded"]
