"""Notices a session that wakes more often than what it hears explains. Pure.

"No event, no step" holds by construction (decision 9), but a script could wait for what is there already, or ask the
journal again and again. Whoever does that is named, with the place where its script stands.
"""

from collections.abc import Generator
from typing import Any

PERIOD = 10.0
"""Seconds over which steps are counted."""
FREE = 200
"""Steps in that time that need no reason: a reconnect, a login and a look take some thirty."""
PER_HEARD = 20
"""Further steps for each time that the server was heard: each batch of messages asks the journal a few times."""
PER_MESSAGE, MOST = 4, 10_000
"""Further steps for each message that the server tells of, whenever they are taken, and how many of these are saved up:
rules ask the journal what was seen before, and rules in Python answer one message at a time."""


class SpinGuard:
    """Counts the steps of one session."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._steps = 0
        self._heard = 0
        self._saved = 0

    def count(self, now: float, heard: bool, messages: int = 0) -> int:
        """
        Take note of a step.

        Args:
            now: Seconds.
            heard: Whether it was the server that woke the session.
            messages: How many messages it has told of.

        Returns:
            How many steps too many there were since the period began; 0 as long as all is well.

        """
        if now - self._since >= PERIOD:
            self._since, self._steps, self._heard = now, 0, 0
        if heard:
            self._heard += 1
            self._saved = min(self._saved + messages * PER_MESSAGE, MOST)
            return 0
        if self._saved:
            self._saved -= 1
            return 0
        self._steps += 1
        return max(0, self._steps - FREE - PER_HEARD * self._heard)


def stands_at(script: Generator[Any, Any, Any]) -> list[str]:
    """Return where a suspended script stands: function, file and line of each script in it, the innermost last."""
    places = []
    inner: Any = script
    while inner is not None and (frame := getattr(inner, "gi_frame", None)) is not None:
        file = frame.f_code.co_filename.rpartition("/mailhorn/")[2]
        places.append(f"{frame.f_code.co_qualname} ({file}:{frame.f_lineno})")
        inner = inner.gi_yieldfrom
    return places


__all__ = ["FREE", "PERIOD", "PER_HEARD", "SpinGuard", "stands_at"]
