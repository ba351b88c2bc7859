"""Some of many results, counted from one end (RFC 9394)."""

from collections.abc import Sequence


def part_of(numbers: Sequence[int], partial: tuple[int, int]) -> Sequence[int]:
    """Return the results of a range that is counted from 1, or from -1 backwards (RFC 9394 §3.1)."""
    first, last = sorted(map(abs, partial))
    if partial[0] > 0:
        return numbers[first - 1 : last]
    return numbers[max(0, len(numbers) - last) : max(0, len(numbers) - first + 1)]


__all__ = ["part_of"]
