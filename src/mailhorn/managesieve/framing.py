"""Bytes to whole commands: a line, and as many more as literals announce (RFC 5804 §4).

Rule 1: `{n}` of a client means what `{n+}` does: nothing waits, as the server has no way to ask for it. Rule 2: all
that is buffered has a limit, and what breaks one is passed over without being kept. Rule 3: the same bytes give the
same frames however they were split. Rule 4: no byte is searched twice.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from .limits import LIMITS_BEFORE_LOGIN, FramingLimits

LINE_TOO_LONG: Final = "The line is too long"
LITERAL_TOO_LARGE: Final = "The string is too large"
COMMAND_TOO_LONG: Final = "The command is too long"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole command, or an answer within AUTHENTICATE; literals stand inside as in the ABNF, the last CR LF too."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """
    A command that is too large; all of it was passed over.

    Attributes:
        reason: Which limit it broke.
        head: How it begins.

    """

    reason: str
    head: bytes


class Signal(Enum):
    """What is no command."""

    NEED_DATA = auto()
    """There is no whole command yet."""
    LOST = auto()
    """A literal is too large even to be passed over: nobody can tell where the next command begins."""


HEAD = 32
"""Octets kept of what is passed over: a command's name, or the announcement of a literal at the end of a line."""

_ANNOUNCED = re.compile(rb"\{([0-9]{1,20})\+?\}\r?\n\Z")


class Framer:
    """
    Cuts what a client sends.

    Attributes:
        limits: They may change between two commands.

    """

    def __init__(self, limits: FramingLimits = LIMITS_BEFORE_LOGIN) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._begun = bytearray()  # the command so far; no more than its head once it is broken
        self._literal = 0
        self._problem = ""
        self._tail: bytes | None = None  # the last octets of a line that is passed over

    @property
    def pending(self) -> int:
        """Return how many octets wait to be looked at."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def clear(self) -> None:
        """Forget all that is not a command yet."""
        self._buffer.clear()
        self._searched = 0
        self._tail = None
        self._literal = 0
        self._begin()

    def next_frame(self) -> Frame | Broken | Signal:
        """Return the next command."""
        while True:
            if self._literal:
                if not self._take_literal():
                    return Signal.NEED_DATA
                continue
            line = self._take_line()
            if line is None:
                return Signal.NEED_DATA
            announced = _ANNOUNCED.search(line)
            if announced is None:
                return self._end()
            size = int(announced[1])
            if size > self.limits.skip:
                return Signal.LOST
            if size > self.limits.literal:
                self._break(LITERAL_TOO_LARGE)
            elif len(self._begun) + size > self.limits.frame:
                self._break(COMMAND_TOO_LONG)
            self._literal = size

    def _take_line(self) -> bytes | None:
        """Return the next line with its end, None if there is none yet; keep it."""
        limit = self.limits.line
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            if self._tail is not None or len(self._buffer) > limit + 1:
                self._keep(self._buffer)
                self._break(LINE_TOO_LONG)
                self._tail = ((self._tail or b"") + self._buffer)[-HEAD:]
                self._buffer.clear()
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        self._keep(line)
        if len(line) > limit + 2:
            self._break(LINE_TOO_LONG)
        elif len(self._begun) > self.limits.frame:
            self._break(COMMAND_TOO_LONG)
        if self._tail is not None:
            line, self._tail = self._tail + line, None
        return line

    def _take_literal(self) -> bool:
        """Take what is there of the literal; return whether that is all of it."""
        size = min(self._literal, len(self._buffer))
        self._keep(self._buffer[:size])
        del self._buffer[:size]
        self._searched = 0
        self._literal -= size
        return not self._literal

    def _keep(self, data: bytes | bytearray) -> None:
        if not self._problem:
            self._begun += data

    def _break(self, problem: str) -> None:
        if not self._problem:
            self._problem = problem
            del self._begun[HEAD:]

    def _end(self) -> Frame | Broken:
        found = Broken(self._problem, bytes(self._begun)) if self._problem else Frame(bytes(self._begun))
        self._begin()
        return found

    def _begin(self) -> None:
        self._begun.clear()
        self._problem = ""


__all__ = ["COMMAND_TOO_LONG", "LINE_TOO_LONG", "LITERAL_TOO_LARGE", "Broken", "Frame", "Framer", "Signal"]
