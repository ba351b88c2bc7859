"""One clock for every deadline: keep-alives, log-outs, slow peers.

Ten thousand idle connections share one timer. It is coarse (a deadline is noticed up to `grain` late, never
early), it exists only while something is watched, and it sleeps until the earliest deadline it knows. A deadline
that moves later costs nothing: it is looked at again when its old time comes. Many that come at once are served in
slices, with everything else the loop has to do in between.
"""

import asyncio
import math
from heapq import heappop, heappush
from typing import Protocol

import structlog

log = structlog.get_logger("mailhorn.net")

SLICE = 64
"""Deadlines served in one go: about a millisecond of keep-alives, which a push that comes meanwhile can wait for."""


class Watched(Protocol):
    """What has a deadline."""

    @property
    def deadline(self) -> float:
        """Seconds of the loop's clock; it may move later at any time without telling, infinity for never."""

    def overdue(self) -> None:
        """The deadline has passed; called once, it is no longer watched. Watch it again for the next one."""


class Deadlines:
    """The deadlines of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, grain: float = 1.0) -> None:
        """
        Make the clock.

        Args:
            loop: Whose clock it is.
            grain: Seconds that deadlines are rounded up to, so that near ones are served by one wake-up.

        """
        self._loop = loop
        self._grain = grain
        self._bucket_of: dict[Watched, int] = {}
        self._buckets: dict[int, dict[Watched, None]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0

    def __len__(self) -> int:
        """Return how many are watched."""
        return len(self._bucket_of)

    def watch(self, item: Watched) -> None:
        """Watch the item's deadline. Call it again only when the deadline has moved earlier."""
        number = self._bucket_of.get(item)
        if number is not None and number - 1 < item.deadline / self._grain:
            return  # it is looked at soon enough
        self._take_out(item)
        self._put_in(item)
        self._arm()

    def forget(self, item: Watched) -> None:
        """Watch the item no longer; unknown ones are fine."""
        self._take_out(item)
        if not self._bucket_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put_in(self, item: Watched) -> None:
        deadline = item.deadline
        if deadline == math.inf:
            return
        number = math.ceil(deadline / self._grain)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heappush(self._order, number)
        bucket[item] = None
        self._bucket_of[item] = number

    def _take_out(self, item: Watched) -> None:
        number = self._bucket_of.pop(item, None)
        if number is not None:
            del self._buckets[number][item]  # an empty bucket goes when its time comes or another is armed

    def _arm(self) -> None:
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heappop(self._order)]
        if not self._order:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        if self._timer is not None:
            if self._armed_for <= self._order[0]:
                return
            self._timer.cancel()
        self._armed_for = self._order[0]
        self._timer = self._loop.call_at(self._armed_for * self._grain, self._ring)

    def _ring(self) -> None:
        self._timer = None
        # A timer may fire a clock tick early, and must then not wait for itself again.
        due = max(math.floor(self._loop.time() / self._grain), self._armed_for)
        overdue: list[Watched] = []
        moved: list[Watched] = []
        while self._order and self._order[0] <= due:
            bucket = self._buckets[self._order[0]]
            while bucket and len(overdue) + len(moved) < SLICE:
                item, _ = bucket.popitem()
                del self._bucket_of[item]
                late = math.ceil(item.deadline / self._grain) <= due if item.deadline != math.inf else False
                (overdue if late else moved).append(item)
            if bucket:
                break  # the rest of them when all others have had their turn: their time has come already
            del self._buckets[heappop(self._order)]
        for item in moved:
            self._put_in(item)
        for item in overdue:
            try:
                item.overdue()
            except Exception as error:
                log.error("bug while serving a deadline", exc_info=error)
        self._arm()


__all__ = ["Deadlines", "Watched"]
