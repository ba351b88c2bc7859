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

    __slots__ = ("asked", "line", "pieces", "weight", "words")

    def __init__(self, asked: Asked, line: int) -> None:
        self.asked = asked
        self.line = line
        self.words: dict[bytes, set[int]] = {}
        self.pieces: dict[tuple[bytes, int], None] = {}
        self.weight = 0


class Skip:
    """Finds those of a sequence of steps that must run."""

    def __init__(self, clues: Sequence[Clues | None]) -> None:
        """Take the clues of each step; a step with None always runs."""
        self._count = len(clues)
        self._always = [number for number, known in enumerate(clues) if known is None]
        sources: dict[Asked, _Source] = {}
        for number, known in enumerate(clues):
            for clue in known or ():
                source = sources.setdefault(clue.asked, _Source(clue.asked, clue.line))
                source.weight += clue.weight
                for word in clue.words:
                    source.words.setdefault(word, set()).add(number)
                source.pieces.update(dict.fromkeys((piece, number) for piece in clue.pieces))
        self._sources = [
            (source.asked, source.line, source.weight, source.words, list(source.pieces)) for source in sources.values()
        ]

    def steps(self, run: Run) -> Sequence[int]:
        """Return the numbers of the steps that must run, ascending."""
        try:
            there = [
                (values, source) for source in self._sources if (values := run.values(source[0], source[1])).folded
            ]
        except (Missing, SieveRuntimeError):  # whoever comes to it first says so
            return range(self._count)
        if not run.afford(sum([values.total * weight for values, (_, _, weight, _, _) in there])):
            return range(self._count)
        found = set(self._always)
        for values, (_, _, _, words, pieces) in there:
            for value in values.folded:
                found |= words.get(value, _NONE)
                found.update([number for piece, number in pieces if piece in value])
        return sorted(found)


_NONE: frozenset[int] = frozenset()


def note_all(known: dict[_Code, Clues], code: _Code, tests: Sequence[_Code]) -> None:
    """Take note of the clues of what does nothing unless one of the tests is true; none if one of them has none."""
    found = [known.get(test) for test in tests]
    if None not in found:
        known[code] = tuple([clue for clues in found for clue in clues or ()])


__all__ = ["FEW", "Clue", "Clues", "Skip", "note_all"]
