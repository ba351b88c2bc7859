"""Sets of sequence numbers and of UIDs (RFC 9051 §9 sequence-set).

A set is a tuple of (first, last) pairs as it was written; `STAR` stands for `*`, the largest number in
use, which only the owner of a view knows. `SeqSet` and `UIDSet` are distinct so that mypy sees a mix-up.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

STAR = 0
"""`*` in a set; 0 is free because numbers start at 1."""

SAVED = ((-1, -1),)
"""The ranges of `$`, the saved result of the last search (RFC 5182): only the owner of a session knows its numbers."""


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Ranges of numbers, in the order they were written; `(n, n)` for a single one."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Make the shortest set of the given numbers (any order, repeats allowed)."""
        ranges: list[tuple[int, int]] = []
        for n in sorted(set(numbers)):
            if ranges and ranges[-1][1] == n - 1:
                ranges[-1] = (ranges[-1][0], n)
            else:
                ranges.append((n, n))
        return cls(tuple(ranges))

    def resolved(self, largest: int) -> tuple[tuple[int, int], ...]:
        """
        Return ascending, disjoint (low, high) ranges with `*` replaced.

        Args:
            largest: The largest number in use, 0 in an empty mailbox.

        `4:2` means `2:4`, and `559:*` always contains the largest (RFC 9051 §9 seq-range).

        """
        ordered = []
        for first, last in self.ranges:
            low, high = first or largest, last or largest
            ordered.append((low, high) if low <= high else (high, low))
        merged: list[tuple[int, int]] = []
        for low, high in sorted(ordered):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return tuple(merged)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers as written; only for sets without `*`."""
        for first, last in self.ranges:
            if STAR in (first, last):
                raise ValueError("a set with * has no numbers of its own")
            yield from range(min(first, last), max(first, last) + 1)


class SeqSet(NumberSet):
    """A set of sequence numbers of one session's view."""

    __slots__ = ()


class UIDSet(NumberSet):
    """A set of UIDs of one mailbox."""

    __slots__ = ()

    def within(self, uids: "array[int]", length: int | None = None) -> "array[int]":
        """
        Return the UIDs of `uids` that are in this set, ascending.

        Args:
            uids: Ascending UIDs.
            length: How many of `uids` count, all by default.

        """
        end = len(uids) if length is None else length
        found = array("I")
        for low, high in self.resolved(uids[end - 1] if end else 0):
            found.extend(uids[bisect_left(uids, low, 0, end) : bisect_right(uids, high, 0, end)])
        return found
