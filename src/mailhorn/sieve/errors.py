"""
What can go wrong with a Sieve script.

    SieveProblem
      SieveError          the script does not compile: whoever wrote it must change it
      SieveRuntimeError   the script failed on one message: keep that message (RFC 5228 §2.10.6)

`Source` is the script's text; it alone turns an offset into line and column.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_WIDTH = 100


def printable(text: str) -> str:
    """Return the text with everything that could disturb a terminal or a log line written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class SieveProblem(Exception):
    """Anything that is wrong with a script."""


class SieveError(SieveProblem):
    """
    The script does not compile.

    Attributes:
        line: The line, counted from 1.
        column: The column, counted from 1 in characters.
        source_line: The line itself, without its end, as the script has it: not for a terminal.
        message: What is wrong and what was expected; printable.
        script: The name of the included script it is in, "" if it is in the script itself.
        others: What else is wrong with the script, in its order.

    """

    def __init__(self, line: int, column: int, source_line: str, message: str, script: str = "") -> None:
        super().__init__(line, column, source_line, message, script)
        self.line = line
        self.column = column
        self.source_line = source_line
        self.message = printable(message)
        self.script = printable(script)
        self.others: tuple[SieveError, ...] = ()

    def __str__(self) -> str:
        """Return the message, the line and a caret below the place."""
        start = max(0, self.column - 1 - _WIDTH * 3 // 4)
        shown = self.source_line[start : start + _WIDTH]
        before = printable(self.source_line[start : self.column - 1].replace("\t", " "))
        place = f'script "{self.script}", ' if self.script else ""
        head = f"{place}line {self.line}, column {self.column}: {self.message}"
        return f"{head}\n    {printable(shown.replace(chr(9), ' '))}\n    {' ' * _columns(before)}^"


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a wide character, none for one that combines."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # here and not above: it is needed for mistakes only

    return sum(0 if combining(c) else 2 if east_asian_width(c) in ("W", "F") else 1 for c in text)


def together(errors: Sequence[SieveError]) -> SieveError:
    """Return the first error, in the order of the script, which has the others with it; the caller raises it."""
    first, *others = sorted(errors, key=lambda error: (error.line, error.column))
    first.others = tuple(others)
    return first


class SieveRuntimeError(SieveProblem):
    """
    The script failed on this message; nothing it asked for should be done, and the message should be kept.

    Attributes:
        line: The line of the command or test that failed, counted from 1.
        message: What went wrong.

    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        """Return line and message on one line."""
        return f"line {self.line}: {self.message}"


class Source:
    """A script's text. Lines end in LF here: `CRLF` is what RFC 5228 §2.2 wants, plain LF is what editors write."""

    __slots__ = ("_starts", "name", "text")

    def __init__(self, text: str, name: str = "") -> None:
        self.name = name
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._starts: list[int] | None = None

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of the offset, both counted from 1."""
        line = self.line(offset)
        assert self._starts is not None
        return line, offset - self._starts[line - 1] + 1

    def line(self, offset: int) -> int:
        """Return the line of the offset, counted from 1."""
        if self._starts is None:
            self._starts = list(accumulate((len(line) + 1 for line in self.text.split("\n")), initial=0))[:-1]
        return bisect_right(self._starts, offset)

    def error(self, offset: int, message: str) -> SieveError:
        """Return the error that points at the offset; the caller raises it."""
        line, column = self.position(offset)
        start = offset - column + 1
        end = self.text.find("\n", start)
        return SieveError(line, column, self.text[start : len(self.text) if end < 0 else end], message, self.name)
