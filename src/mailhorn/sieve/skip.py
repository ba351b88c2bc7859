"""
Which of many rules a message can fit at all: two hundred cost little more than the few that have to be looked at.

Rule 1: a clue says what must be there for a test to be true; a step is passed over only if all its tests have clues and
none is there, and then it would have done nothing. Rule 2: what is passed over is counted as if it had been compared.
Rule 3: where that cannot be known in time (a fact is missing, too much to compare, the header was changed meanwhile),
every step runs. Rule 4: who wants to see each test (`Run.traced`) sees each test.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from .errors import SieveRuntimeError
from .run import Asked, Missing, Run

_Code = TypeVar("_Code")

FEW = 8
"""Rules that are looked at one by one: fewer cost no more than looking for their clues."""
START = 4
"""Octets with which a piece begins: those of a value are taken apart once, and few of them are any piece's."""
LONG = 2
"""Octets of a value for each piece, from which on it takes less to look for the pieces one by one."""


class Clue(NamedTuple):
    """
    What must be found for a test to be true: a value that is one of the words, or has one of the pieces in it.

    Attributes:
        asked: Of which values.
        words: Folded by its comparator, as the pieces are.
        pieces: The empty one is in every value.
        weight: Octets that the test compares for each octet of a value.
        line: Of the test.

    """

    asked: Asked
    words: Sequence[bytes]
    pieces: Sequence[bytes]
    weight: int
    line: int


Clues = tuple[Clue, ...]
"""The test is false if none of these is there."""


class _Source:
    """All that is looked for in the same values."""

    __slots__ = ("asked", "by_start", "line", "pieces", "short", "weight", "words")

    def __init__(self, asked: Asked, line: int) -> None:
        self.asked = asked
        self.line = line
        self.words: dict[bytes, set[int]] = {}
        self.pieces: list[tuple[bytes, int]] = []
        self.short: list[tuple[bytes, int]] = []
        """Pieces that are shorter than a start."""
        self.by_start: dict[bytes, list[tuple[bytes, int]]] = {}
        """The others by their first octets."""
        self.weight = 0

    def add(self, clue: Clue, number: int) -> None:
        """Look for the clue of a step, too."""
        self.weight += clue.weight
        for word in clue.words:
            self.words.setdefault(word, set()).add(number)
        for piece in clue.pieces:
            self.pieces.append((piece, number))
            if len(piece) < START:
                self.short.append((piece, number))
            else:
                self.by_start.setdefault(piece[:START], []).append((piece, number))

    def find(self, value: bytes, found: set[int]) -> None:
        """Add the numbers of the steps of which a clue is in the value."""
        if value in self.words:
            found |= self.words[value]
        pieces = self.pieces
        if len(value) < len(pieces) * LONG:
            starts = self.by_start.keys() & {value[at : at + START] for at in range(len(value) - START + 1)}
            pieces = [*self.short, *[one for start in starts for one in self.by_start[start]]]
        found.update([number for piece, number in pieces if piece in value])


class Skip:
    """Finds those of a sequence of steps that must run."""

    def __init__(self, clues: Sequence[Clues | None]) -> None:
        """Take the clues of each step; a step with None always runs."""
        self._count = len(clues)
        self._always = [number for number, known in enumerate(clues) if known is None]
        sources: dict[Asked, _Source] = {}
        for number, known in enumerate(clues):
            for clue in known or ():
                if clue.asked not in sources:
                    sources[clue.asked] = _Source(clue.asked, clue.line)
                sources[clue.asked].add(clue, number)
        self._sources = tuple(sources.values())

    def steps(self, run: Run) -> Sequence[int]:
        """Return the numbers of the steps that must run, ascending."""
        try:
            there = [
                (values, source) for source in self._sources if (values := run.values(source.asked, source.line)).folded
            ]
        except (Missing, SieveRuntimeError):  # whoever comes to it first says so
            return range(self._count)
        if not run.afford(sum([values.total * source.weight for values, source in there])):
            return range(self._count)
        found = set(self._always)
        for values, source in there:
            for value in values.folded:
                source.find(value, found)
        return sorted(found)


def note_all(known: dict[_Code, Clues], code: _Code, tests: Sequence[_Code]) -> None:
    """Take note of the clues of what does nothing unless one of the tests is true; none if one of them has none."""
    found = [known.get(test) for test in tests]
    if None not in found:
        known[code] = tuple([clue for clues in found for clue in clues or ()])


__all__ = ["FEW", "Clue", "Clues", "Skip", "note_all"]
