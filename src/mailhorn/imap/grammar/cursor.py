"""The two hands of the grammar: a Cursor to read a frame with, a Writer to build one.

Rules: patterns are matched in place, nothing is sliced before it is a value; patterns have no nested
greedy repeats (possessive ones instead), so no input makes them slow.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


class SyntaxProblem(Exception):
    """
    The bytes are not what the grammar allows; the peer's fault. A server answers BAD.

    Attributes:
        position: Offset into the frame.
        expected: What could have stood there, for people.

    """

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(f"expected {expected} at {position}")
        self.position = position
        self.expected = expected


class Unwritable(ValueError):
    """A value has no form on the wire; the caller's fault. The peer must not see any of it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    What differs between roles, peers and states, as data.

    Attributes:
        utf8: UTF-8 was enabled: mailbox names are UTF-8, quoted strings may be (RFC 9051 §5.1, RFC 6855).
        rev2: IMAP4rev2 was enabled, and `utf8` with it.
        literal_plus: Commands may be written with `{n+}` of any size (RFC 7888).
        literal_minus: The same for up to 4096 octets.
        raw_8bit: Quirk of servers: octets above 127 in atoms, flags and other words (fault F19).
        loose_spaces: Quirk of servers: several spaces for one, spaces inside parentheses and at the end.
        loose_names: Quirk of servers: mailbox names that are no modified UTF-7 are kept as they are. Each octet
            that could not stand for itself (`&`, controls, above 127) is U+DC00 plus the octet, half a surrogate
            pair that no decoded name has, so that the name is written as it came.
        loose_values: Quirk of servers: words where strings belong, missing text, unknown and broken items.

    """

    utf8: bool = False
    rev2: bool = False
    literal_plus: bool = False
    literal_minus: bool = False
    raw_8bit: bool = False
    loose_spaces: bool = False
    loose_names: bool = False
    loose_values: bool = False


STRICT: Final = Dialect()
"""The grammar proper: what a server takes and gives, of IMAP4rev1 as long as nothing was enabled."""

UTF8: Final = Dialect(utf8=True)
"""The same after ENABLE UTF8=ACCEPT (RFC 6855)."""

REV2: Final = Dialect(utf8=True, rev2=True)
"""The same after ENABLE IMAP4rev2 (RFC 9051)."""

LENIENT: Final = Dialect(raw_8bit=True, loose_spaces=True, loose_names=True, loose_values=True)
"""What a client should read with: all quirks of real servers."""

LITERAL_MINUS_LIMIT: Final = 4096
"""RFC 7888 §5."""

MAX_DEPTH: Final = 200
"""Parentheses in parentheses. Recursion stays far below Python's limit of 1,000 frames; real mail nests 10 deep."""

_LITERAL = re.compile(rb"\{([0-9]{1,19})[+-]?\}\r?\n")


class Cursor:
    """A frame and a position in it. Parsers move `pos` and leave it at the problem when they raise."""

    __slots__ = ("data", "pos", "dialect")

    def __init__(self, data: bytes, dialect: Dialect = STRICT, pos: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.dialect = dialect

    def fails(self, expected: str) -> SyntaxProblem:
        """Return the problem to raise at this position."""
        return SyntaxProblem(self.pos, expected)

    def need(self, pattern: re.Pattern[bytes], expected: str) -> re.Match[bytes]:
        """Match the pattern here and move behind it, or raise SyntaxProblem."""
        found = pattern.match(self.data, self.pos)
        if found is None:
            raise SyntaxProblem(self.pos, expected)
        self.pos = found.end()
        return found

    def at(self, text: bytes) -> bool:
        """Say whether the text stands here."""
        return self.data.startswith(text, self.pos)

    def skip(self, text: bytes) -> bool:
        """Move behind the text if it stands here."""
        if self.data.startswith(text, self.pos):
            self.pos += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        """Move behind the text, or raise SyntaxProblem."""
        if not self.data.startswith(text, self.pos):
            raise SyntaxProblem(self.pos, repr(text.decode("ascii")))
        self.pos += len(text)

    def space(self) -> None:
        """SP: exactly one, or one and more where the dialect is loose."""
        if not self.data.startswith(b" ", self.pos):
            raise SyntaxProblem(self.pos, "a space")
        self.pos += 1
        if self.dialect.loose_spaces:
            while self.data.startswith(b" ", self.pos):
                self.pos += 1

    def opens(self) -> None:
        """Move behind `(`, which must stand here, and the spaces after it where the dialect is loose."""
        self.expect(b"(")
        if self.dialect.loose_spaces:
            while self.data.startswith(b" ", self.pos):
                self.pos += 1

    def closes(self) -> bool:
        """Move behind `)` if it stands here."""
        if self.data.startswith(b")", self.pos):
            self.pos += 1
            return True
        if self.dialect.loose_spaces and self.data.startswith(b" ", self.pos):
            end = self.pos
            while self.data.startswith(b" ", end):
                end += 1
            if self.data.startswith(b")", end):
                self.pos = end + 1
                return True
        return False

    def end(self) -> None:
        """Raise SyntaxProblem if anything is left (spaces do not count where the dialect is loose)."""
        if self.pos != len(self.data) and not (self.dialect.loose_spaces and self.data[self.pos :].isspace()):
            raise SyntaxProblem(self.pos, "the end of the line")

    def literal(self) -> bytes:
        """
        literal = "{" number64 ["+"] "}" CRLF *CHAR8

        RFC 9051 §4.3, §9.
        """
        found = self.need(_LITERAL, "a literal")
        size = int(found[1])
        end = self.pos + size
        if end > len(self.data):
            raise SyntaxProblem(self.pos, f"{size} octets")
        data = self.data[self.pos : end]
        self.pos = end
        return data


class Writer:
    """
    Collects the bytes of a response or a command.

    In a command, literals that wait for `+` end a segment, and NUL is refused.
    """

    __slots__ = ("dialect", "write", "_parts", "_cuts", "_command")

    def __init__(self, dialect: Dialect = STRICT, *, command: bool = False) -> None:
        self.dialect = dialect
        self._command = command
        self._parts: list[bytes] = []
        self._cuts: list[int] = []
        self.write: Callable[[bytes], None] = self._parts.append
        """Take bytes that are known to be safe."""

    def literal_head(self, size: int) -> None:
        """Write `{n}` or `{n+}` and the end of line; what follows may be a new segment."""
        dialect = self.dialect
        if not self._command:
            self.write(b"{%d}\r\n" % size)
        elif dialect.literal_plus or (dialect.literal_minus and size <= LITERAL_MINUS_LIMIT):
            self.write(b"{%d+}\r\n" % size)
        else:
            self.write(b"{%d}\r\n" % size)
            self._cuts.append(len(self._parts))

    def literal(self, data: bytes) -> None:
        """
        literal = "{" number64 ["+"] "}" CRLF *CHAR8

        RFC 9051 §4.3, §9. NUL is no CHAR8: refused in a command; a server cannot help what is in a message.
        """
        if self._command and b"\0" in data:
            raise Unwritable("NUL in a string")
        self.literal_head(len(data))
        self.write(data)

    def data(self) -> bytes:
        """Return all that was written."""
        return b"".join(self._parts)

    def segments(self) -> list[bytes]:
        """Return what was written, cut where the peer's `+` must be waited for."""
        cuts = [0, *self._cuts]
        if cuts[-1] != len(self._parts):
            cuts.append(len(self._parts))
        return [b"".join(self._parts[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
