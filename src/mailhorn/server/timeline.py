"""How instant it is: of every message the way from accepted over durable and pushed to fetched, kept as histograms.

Rule 1: all instants are of `time.monotonic`; all spans begin when the last octet had come. Rule 2: memory is bounded,
whatever comes: histograms have fixed buckets, and what a message still waits for is kept for the latest only. Rule 3:
it costs a delivery three microseconds at most, so nothing is computed before somebody asks.

What is measured, of each copy of a message but `durable`, of which there is one:

- durable: it would have survived a power cut;
- pushed first, pushed last: the first and the last session that watches the mailbox had been woken; who idles is
  written to in that moment, who is busy looks at the end of its command. A mailbox nobody watches counts in neither;
- fetched: a client asked for its envelope or a piece of its body, if it did so while it was among the latest.
"""

import math
import time
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from ..model.change import Change
from ..model.ids import UID, MailboxId
from ..model.message import Placed

RECENT = 1024
"""Copies that are waited for, of each kind: what came within a minute at a thousand a minute. A client that idles
fetches within seconds; when somebody opens their mail in the evening says nothing about this server."""

STEPS = 16
"""Buckets between a number and its double: a quantile is wrong by one part in 32 at most."""

LONGEST = 2**42 - 1
"""Microseconds, seven weeks: more counts as that much."""

BOUNDS = tuple(2**n for n in range(6, 37))
"""Microseconds, from 64 us to 19 hours: the coarser buckets that are told to others. Each is an edge of our own."""

log = structlog.get_logger("mailhorn.delivery")

_Key = tuple[MailboxId, UID]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a histogram comes to; milliseconds, and how many there were."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


class Histogram:
    """
    Spans of time in log-linear buckets, 16 between a number and its double: 5 KB, however many spans.

    Attributes:
        count: How many.
        sum: Of all, seconds.
        max: The longest, seconds.

    """

    __slots__ = ("_counts", "count", "max", "sum")

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (_bucket(LONGEST) + 1)))
        self.count = 0
        self.sum = 0.0
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """Count one; less than nothing counts as nothing."""
        self.count += 1
        self.sum += seconds
        if seconds > self.max:
            self.max = seconds
        # The same as `_bucket`, written out: this is what a delivery pays for.
        number = int(seconds * 1e6)
        if number >= 2 * STEPS:
            more = number.bit_length() - 5
            number = (more << 4) + (number >> more) if number <= LONGEST else _LAST
        elif number < 0:
            number = 0
        self._counts[number] += 1

    def quantile(self, part: float) -> float:
        """
        Return a span, in seconds, that this part of all spans does not exceed; 0.0 if there is none.

        Args:
            part: Between 0 and 1.

        """
        rank = max(1, math.ceil(part * self.count))
        seen = 0
        for number, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                low, high = _edges(number)
                return min((low + high) / 2e6, self.max)
        return self.max

    def cumulative(self) -> list[tuple[float, int]]:
        """Return of each of `BOUNDS`, in seconds, how many spans were shorter; the rest of `count` were longer."""
        found: list[tuple[float, int]] = []
        seen = at = 0
        for bound in BOUNDS:
            end = _bucket(bound)
            seen += sum(self._counts[at:end])
            at = end
            found.append((bound / 1e6, seen))
        return found

    def figures(self) -> Figures:
        """Return what it comes to."""
        p50, p90, p99 = (round(self.quantile(part) * 1000, 3) for part in (0.5, 0.9, 0.99))
        return Figures(self.count, p50, p90, p99, round(self.max * 1000, 3))


class Timeline:
    """
    The histograms of one server.

    Attributes:
        durable: From accepted to durable.
        pushed_first: From accepted to the first session woken.
        pushed_last: From accepted to the last one.
        fetched: From accepted to the first FETCH.

    """

    def __init__(self) -> None:
        self.durable = Histogram()
        self.pushed_first = Histogram()
        self.pushed_last = Histogram()
        self.fetched = Histogram()
        self._pushed: OrderedDict[_Key, tuple[float, float]] = OrderedDict()
        self._unpushed: OrderedDict[_Key, float] = OrderedDict()
        self._unfetched: OrderedDict[_Key, float] = OrderedDict()

    def note_delivered(self, accepted_at: float, durable_at: float, placed: Iterable[Placed]) -> None:
        """
        Take note of a delivery.

        Args:
            accepted_at: When the last octet had come.
            durable_at: When it was safe.
            placed: Every copy.

        """
        self.durable.add(durable_at - accepted_at)
        for copy in placed:
            key = (copy.mailbox, copy.uid)
            pushed = self._pushed.pop(key, None)
            if pushed is None:  # nobody watches, or some are still to be woken
                _keep(self._unpushed, key, accepted_at)
            else:
                self.pushed_first.add(pushed[0] - accepted_at)
                self.pushed_last.add(pushed[1] - accepted_at)
            _keep(self._unfetched, key, accepted_at)

    def note_pushed(self, change: Change, first_at: float, last_at: float) -> None:
        """
        Take note that all who watch a mailbox have been woken for a change; before or after its delivery is noted.

        Args:
            change: What they were woken for.
            first_at: When the first of them had been.
            last_at: When the last of them had been.

        """
        for uid in change.appended[-RECENT:]:
            key = (change.mailbox, uid)
            accepted_at = self._unpushed.pop(key, None)
            if accepted_at is None:  # its delivery is noted next, or it was no delivery
                _keep(self._pushed, key, (first_at, last_at))
            else:
                self.pushed_first.add(first_at - accepted_at)
                self.pushed_last.add(last_at - accepted_at)

    def note_fetched(self, mailbox: MailboxId, uids: Sequence[UID]) -> None:
        """Take note that a client asked for these messages' envelopes or bodies, whether they are new or not."""
        waiting = self._unfetched
        if not waiting:
            return
        now = time.monotonic()
        for uid in uids:
            accepted_at = waiting.pop((mailbox, uid), None)
            if accepted_at is not None:
                self.fetched.add(now - accepted_at)
                log.debug("fetched", mailbox=mailbox, uid=uid, fetched_ms=round((now - accepted_at) * 1000, 2))

    def figures(self) -> dict[str, Figures]:
        """Return what the histograms come to, by name."""
        return {
            "durable": self.durable.figures(),
            "pushed_first": self.pushed_first.figures(),
            "pushed_last": self.pushed_last.figures(),
            "fetched": self.fetched.figures(),
        }

    def tell(self) -> None:
        """Log the figures in one line."""
        spans = {
            name: f"n={of.count} p50={of.p50} p90={of.p90} p99={of.p99} max={of.max}"
            for name, of in self.figures().items()
        }
        log.info("timeline, in milliseconds since a message was accepted", **spans)


def _bucket(microseconds: int) -> int:
    """Return the number of the bucket: microseconds as they are below 32, then sixteen for each doubling."""
    more = microseconds.bit_length() - 5
    return microseconds if more <= 0 else (more << 4) + (microseconds >> more)


_LAST = _bucket(LONGEST)


def _edges(bucket: int) -> tuple[int, int]:
    """Return the first number of a bucket and the first one after it, microseconds."""
    more = max(0, (bucket >> 4) - 1)
    low = (bucket - (more << 4)) << more
    return low, low + (1 << more)


def _keep(table: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep it, and let go of the oldest if there are too many."""
    table[key] = value
    if len(table) > RECENT:
        table.popitem(last=False)


__all__ = ["BOUNDS", "Figures", "Histogram", "Timeline"]
