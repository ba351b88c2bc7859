"""Whole commands to data (RFC 5804 §4).

More is read than the ABNF says where that cannot be mistaken: several spaces for one, spaces before the end of the
line, a bare LF at it.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable

from .commands import (
    Authenticate,
    CheckScript,
    Command,
    DeleteScript,
    GetScript,
    HaveSpace,
    Noop,
    PutScript,
    RenameScript,
    SetActive,
    Word,
)
from .limits import MAX_QUOTED

MAX_NUMBER = 2**32 - 1
"""RFC 5804 §4: a 32-bit unsigned number."""

_ATOM = re.compile(rb"[!#-'*-\[\]-z|-~]{1,1024}")
_SPACE = re.compile(rb"[ \t]+")
_END = re.compile(rb"[ \t]*\r?\n\Z")
_NUMBER = re.compile(rb"(?:0|[1-9][0-9]{0,9})(?=[ \t\r\n])")
_QUOTED = re.compile(rb'"((?>(?:[^"\\\r\n\0]+|\\["\\])*))"')
_ESCAPED = re.compile(rb'\\(["\\])')
_LITERAL = re.compile(rb"\{([0-9]{1,20})\+?\}\r?\n")


class SyntaxProblem(Exception):
    """The bytes are not what the grammar allows; the text says what was expected, for people. A server answers NO."""


class Cursor:
    """Reads one frame from left to right."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._at = 0

    def atom(self) -> str:
        """
        atom = 1*1024ATOM-CHAR
        """
        found = _ATOM.match(self._frame, self._at)
        if found is None:
            raise SyntaxProblem("Expected the name of a command")
        self._at = found.end()
        return found[0].decode("ascii")

    def space(self) -> None:
        """Read what stands before an argument."""
        found = _SPACE.match(self._frame, self._at)
        if found is None or _END.match(self._frame, self._at):
            raise SyntaxProblem("Expected one more argument")
        self._at = found.end()

    def string(self, longest: int = MAX_QUOTED) -> bytes:
        """
        string = quoted / literal-c2s

        quoted = DQUOTE *1024QUOTED-CHAR DQUOTE; a longer one is taken if `longest` says so.
        """
        literal = _LITERAL.match(self._frame, self._at)
        if literal is not None:
            self._at = literal.end() + int(literal[1])
            return self._frame[literal.end() : self._at]
        quoted = _QUOTED.match(self._frame, self._at)
        if quoted is None:
            raise SyntaxProblem('Expected a string: "..." or {number+}')
        if len(quoted[1]) > longest:
            raise SyntaxProblem(f"A quoted string has at most {longest} octets, longer ones are sent as {{number+}}")
        self._at = quoted.end()
        return _ESCAPED.sub(rb"\1", quoted[1])

    def number(self) -> int:
        """
        number = (NZDIGIT *DIGIT) / "0"
        """
        found = _NUMBER.match(self._frame, self._at)
        if found is None or int(found[0]) > MAX_NUMBER:
            raise SyntaxProblem("Expected a number of at most 32 bits")
        self._at = found.end()
        return int(found[0])

    @property
    def at_end(self) -> bool:
        """Whether only the end of the line is left."""
        return _END.match(self._frame, self._at) is not None

    def end(self) -> None:
        """Expect the end of the line."""
        if not self.at_end:
            raise SyntaxProblem("Expected the end of the line")


def parse_command(frame: bytes) -> Command:
    """
    command = (command-any / command-auth / command-nonauth) CRLF

    Raises SyntaxProblem.
    """
    cur = Cursor(frame)
    name = cur.atom().upper()
    if name in Word.__members__:
        command: Command = Word(name)
    elif name in _ARGUMENTS:
        command = _ARGUMENTS[name](cur)
    else:
        raise SyntaxProblem(f"There is no command {name[:40]}")
    cur.end()
    return command


def parse_answer(frame: bytes) -> bytes | None:
    """
    command-authenticate = "AUTHENTICATE" SP auth-type [SP string] *(CRLF string)

    Return one of the strings at its end, decoded; None for "*", which cancels (§2.1). Raises SyntaxProblem.
    """
    cur = Cursor(frame)
    said = cur.string(len(frame))
    cur.end()
    return None if said == b"*" else _decoded(said)


def _decoded(said: bytes) -> bytes:
    try:
        return b64decode(said, validate=True)
    except Base64Error as error:
        raise SyntaxProblem("Expected base64") from error


def _authenticate(cur: Cursor) -> Authenticate:
    cur.space()
    mechanism = cur.string().decode("ascii", "replace").upper()
    if cur.at_end:
        return Authenticate(mechanism)
    cur.space()
    return Authenticate(mechanism, _decoded(cur.string(2**32)))


def _have_space(cur: Cursor) -> HaveSpace:
    cur.space()
    name = cur.string()
    cur.space()
    return HaveSpace(name, cur.number())


def _noop(cur: Cursor) -> Noop:
    if cur.at_end:
        return Noop()
    cur.space()
    tag = cur.string()
    if len(tag) > MAX_QUOTED:
        raise SyntaxProblem(f"A tag has at most {MAX_QUOTED} octets")
    return Noop(tag)


def _one(kind: Callable[[bytes], Command]) -> Callable[[Cursor], Command]:
    def parse(cur: Cursor) -> Command:
        cur.space()
        return kind(cur.string())

    return parse


def _two(kind: Callable[[bytes, bytes], Command]) -> Callable[[Cursor], Command]:
    def parse(cur: Cursor) -> Command:
        cur.space()
        first = cur.string()
        cur.space()
        return kind(first, cur.string())

    return parse


_ARGUMENTS: dict[str, Callable[[Cursor], Command]] = {
    "AUTHENTICATE": _authenticate,
    "CHECKSCRIPT": _one(CheckScript),
    "DELETESCRIPT": _one(DeleteScript),
    "GETSCRIPT": _one(GetScript),
    "HAVESPACE": _have_space,
    "NOOP": _noop,
    "PUTSCRIPT": _two(PutScript),
    "RENAMESCRIPT": _two(RenameScript),
    "SETACTIVE": _one(SetActive),
}

__all__ = ["SyntaxProblem", "parse_answer", "parse_command"]
