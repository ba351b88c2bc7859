"""Many numbers as ranges: a hundred thousand of them are 12 ms of work."""

from collections.abc import Iterable, Sequence

from .pace import Pace

NUMBERS = 1_000
"""Numbers looked at in one go: a tenth of a millisecond."""


def ranges_among(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return numbers from 1 in their order, as ranges; only what ascends one by one is one (RFC 5267 §3.2)."""
    ranges: list[tuple[int, int]] = []
    first = last = 0
    for number in numbers:
        if number == last + 1 and last:
            last = number
            continue
        if last:
            ranges.append((first, last))
        first = last = number
    if last:
        ranges.append((first, last))
    return ranges


async def ranges_of(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the same, and let others have turns."""
    pace = Pace()
    ranges: list[tuple[int, int]] = []
    for start in range(0, len(numbers), NUMBERS):
        some = ranges_among(numbers[start : start + NUMBERS])
        if ranges and ranges[-1][1] + 1 == some[0][0]:
            some[0] = (ranges.pop()[0], some[0][1])
        ranges += some
        await pace.turn()
    return tuple(ranges)


def written(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Return ranges of a sequence-set as they are sent (RFC 9051 §9)."""
    return b",".join([b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges])


__all__ = ["ranges_among", "ranges_of", "written"]
