"""
The patterns of `:matches`: `*`, `?` and backslash (RFC 5228 §2.7.1), over octets.

A pattern is cut at its stars. The first piece is anchored at the start, the last one at the end, and each piece
between is looked for once, leftmost, after the one before: leftmost is always right because a star takes
whatever is skipped. So nothing backtracks, and the cost is at most len(value) * len(pattern). A regular
expression with a `.*` per star would cost len(value) ** stars.
"""

import re
from collections.abc import Callable
from itertools import groupby

_ANY = -1
_PIECE = re.compile(rb"\\?(.)|\\", re.DOTALL)


def glob(pattern: bytes) -> Callable[[bytes], bool]:
    """Return a function that says whether a whole value matches the pattern."""
    first, *rest = [_compile(piece) for piece in _pieces(pattern)]
    if not rest:
        return lambda value: len(value) == first.length and first.at(value, 0)
    *middle, last = rest
    shortest = first.length + last.length + sum(piece.length for piece in middle)

    def matches(value: bytes) -> bool:
        if len(value) < shortest or not first.at(value, 0):
            return False
        end = len(value) - last.length
        if not last.at(value, end):
            return False
        position = first.length
        for piece in middle:
            position = piece.find(value, position, end)
            if position < 0:
                return False
        return True

    return matches


def spans(pattern: bytes) -> Callable[[bytes], list[tuple[int, int]]]:
    """
    Return a function that says where the wildcards of a value that matches are, the whole value first.

    "The wildcards match as little as possible" (RFC 5229 §3.2): each piece is where it is found first.
    """
    pieces = _pieces(pattern)
    first, *rest = pieces
    compiled = [_compile(piece) for piece in rest]

    def found(value: bytes) -> list[tuple[int, int]]:
        where = [(0, len(value))]
        where += _blanks(first, 0)
        at = len(first)
        end = len(value) - len(rest[-1]) if rest else at
        for number, piece in enumerate(compiled):
            start = end if number == len(compiled) - 1 else piece.find(value, at, end) - piece.length
            where.append((at, start))
            where += _blanks(rest[number], start)
            at = start + piece.length
        return where

    return found


def longest_piece(pattern: bytes) -> bytes:
    """Return the longest run of octets that every value that matches has in it; of `*` that is nothing."""
    runs = [bytes(run) for piece in _pieces(pattern) for blank, run in groupby(piece, _ANY.__eq__) if not blank]
    return max(runs, key=len, default=b"")


def _blanks(piece: list[int], start: int) -> list[tuple[int, int]]:
    return [(start + offset, start + offset + 1) for offset, octet in enumerate(piece) if octet == _ANY]


def _pieces(pattern: bytes) -> list[list[int]]:
    """Return what stands between the stars; an octet is itself and a question mark is _ANY."""
    pieces: list[list[int]] = [[]]
    for match in _PIECE.finditer(pattern):
        sign = match.group()
        if sign == b"*":
            pieces.append([])
        elif sign == b"?":
            pieces[-1].append(_ANY)
        else:  # an octet, one behind a backslash, or a backslash at the very end
            pieces[-1].append(sign[-1])
    return pieces


class _Literal:
    """A piece without question marks."""

    __slots__ = ("_octets", "length")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.length = len(octets)

    def at(self, value: bytes, position: int) -> bool:
        return value.startswith(self._octets, position)

    def find(self, value: bytes, start: int, end: int) -> int:
        """Return the offset after the leftmost match between start and end, or -1."""
        found = value.find(self._octets, start, end)
        return found + self.length if found >= 0 else -1


class _Blanks:
    """A piece with question marks: as long as its matches, so a regular expression of it never backtracks."""

    __slots__ = ("_expression", "length")

    def __init__(self, piece: list[int]) -> None:
        source = b"".join(b"." if octet == _ANY else re.escape(bytes((octet,))) for octet in piece)
        self._expression = re.compile(source, re.DOTALL)
        self.length = len(piece)

    def at(self, value: bytes, position: int) -> bool:
        return self._expression.match(value, position) is not None

    def find(self, value: bytes, start: int, end: int) -> int:
        """Return the offset after the leftmost match between start and end, or -1."""
        found = self._expression.search(value, start, end)
        return found.end() if found else -1


def _compile(piece: list[int]) -> _Literal | _Blanks:
    return _Blanks(piece) if _ANY in piece else _Literal(bytes(piece))


def weight(pattern: bytes) -> int:
    """Return an upper bound for the octets looked at per octet of a value."""
    if b"?" not in pattern:
        return 1
    return max((len(piece) for piece in _pieces(pattern) if _ANY in piece), default=1)
