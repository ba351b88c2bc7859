"""What the disk refuses, told to the operator once, and once more when it is over.

A full disk refuses every message of every sender. The first refusal is an error that says what to do; the others are
in the log for who looks for a message, and no flood. What goes on for long is said again now and then.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import structlog

from .abc import StoreUnavailable

AGAIN = 300.0
"""Seconds until the same trouble is an error again: somebody may only now be looking."""

CALM = 30.0
"""Seconds without a refusal until it is over: an almost full disk takes a small message and refuses a big one."""

MAX_TROUBLES = 100
"""Different troubles that are remembered."""

log = structlog.get_logger("mailhorn.store")


class Complaints:
    """One store's troubles."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Have none."""
        self._clock = clock
        self._told: dict[str, float] = {}
        self._writing = False
        self._refused = 0.0

    def note(self, what: str, error: StoreUnavailable | OSError, writing: bool = True, **about: Any) -> None:
        """
        Log a refusal: as an error if it is news, for information otherwise.

        Args:
            what: What could not be done.
            error: Why; its text says what to do.
            writing: It was something to be stored.
            about: Which message, or whose.

        """
        reason = str(error)
        trouble = re.sub(r"'[^']*'|\d+", "#", reason)
        now = self._clock()
        if writing:
            self._writing, self._refused = True, now
        if now - self._told.get(trouble, -AGAIN) < AGAIN:
            log.info(what, reason=reason, **about)
            return
        if len(self._told) >= MAX_TROUBLES:
            self._told.clear()
        self._told[trouble] = now
        log.error(what, reason=reason, **about)

    def well(self) -> None:
        """Take note that something was stored; if that was refused before, for a while not, the log says it is over."""
        if self._writing and self._clock() - self._refused >= CALM:
            self._writing = False
            self._told.clear()
            log.warning("the store takes messages again")


__all__ = ["Complaints"]
