"""Bytes to frames: where a command or a response ends, and what of it may be kept.

Rules of this module:

1. The grammar sees whole frames only. Nothing here knows a command, but for one thing: a client must not
   take `{5}` at the end of a line of human text for a literal.
2. Everything that is buffered has a limit, and what breaks one is skipped without being kept.
3. The same bytes give the same events however they were split; only LiteralChunks may be cut differently.
4. No byte is searched twice: a search resumes where the last one stopped.

A `Framer` serves a server (`synchronizing=True`: `{n}` waits for our `+`) and a client (`False`: a
literal from a server just comes).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """
    What is buffered, in octets. The three constants below give the values and their reasons.

    Attributes:
        line: Longest line, without its end.
        literal: Largest literal that is buffered inside a frame.
        frame: Largest frame, all its lines and buffered literals together.
        stream: Largest literal that is streamed; it is never buffered. 0: nothing is.
        skip: Largest refused literal that comes anyhow (`{n+}`) and is read past; a larger one is fatal.

    """

    line: int
    literal: int
    frame: int
    stream: int
    skip: int


SERVER_LIMITS_BEFORE_LOGIN: Final = FramingLimits(
    line=16_384,  # Kerberos and OAuth tokens reach 12,000 octets of base64; RFC 2683 §3.2.1.5 asks for 8,000.
    literal=1_024,  # A login name or a password; 1,024 octets is what argon2 should be asked to hash at most.
    frame=20_480,  # One such line with a few such literals.
    stream=0,  # There is no APPEND before login.
    skip=65_536,  # Reading past is for clients that err, not for strangers.
)

SERVER_LIMITS: Final = FramingLimits(
    line=262_144,  # UID sets: 25,000 scattered UIDs of 9 digits. Dovecot's default is 65,536.
    literal=65_536,  # Mailbox names, search strings, header names: all of them far smaller.
    frame=524_288,  # A search with a handful of such literals; the grammar's work is bounded by this.
    stream=4_294_967_295,  # RFC 3501 §9; the session knows how large a message may be, and says NO [TOOBIG].
    skip=268_435_456,  # A search string a few times too large: answer BAD rather than hang up.
)

CLIENT_LIMITS: Final = FramingLimits(
    line=16_777_216,  # SEARCH on a million messages answers in one line (fault F17).
    literal=33_554_432,  # A header or a body part fetched whole; larger ones are to be streamed.
    frame=67_108_864,  # A response with several of those.
    stream=4_294_967_295,  # RFC 3501 §9: a literal's size is a 32-bit number.
    skip=4_294_967_295,  # The connection is worth more than the bytes.
)

LINE_TOO_LONG: Final = "Line too long"
COMMAND_TOO_LONG: Final = "Command too long"
LITERAL_TOO_LARGE: Final = "Literal too large"
NUL_IN_LINE: Final = "NUL is not allowed"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole command or response without its final end of line; literals stand inside as in the ABNF."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """The bare line that `expect_line` asked for, without its end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LiteralWanted:
    """The peer waits for `+` before it sends a literal that will be buffered. Answer, and go on."""

    size: int


@dataclass(frozen=True, slots=True)
class StreamStart:
    """
    A literal that `stream` asked for. `accept` or `refuse` it; there are no events until then.

    Attributes:
        head: The frame so far, including `{n}`, without the end of line.
        size: Octets of the literal.
        synchronizing: The peer waits for `+`.

    """

    head: bytes
    size: int
    synchronizing: bool


@dataclass(frozen=True, slots=True)
class LiteralChunk:
    """Some octets of the accepted literal."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LiteralEnd:
    """The accepted literal is complete; a Frame with the rest of its line follows, b"" as a rule."""


@dataclass(frozen=True, slots=True)
class FrameError:
    """
    Something was too large, or a line held NUL; it is being skipped.

    Attributes:
        tag: First word of the command if it can be a tag, else b"*".
        reason: Text for the BAD response; one of this module's constants.
        fatal: The next frame cannot be found: say BYE and close.
        begin: What the frame begins with, if a literal in it was too large: some octets, to tell what it was to be.

    """

    tag: bytes
    reason: str
    fatal: bool
    begin: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Eof:
    """The peer ended the stream; what was incomplete is dropped. Told once."""


class NeedData(Enum):
    """The type of NEED_DATA."""

    NEED_DATA = auto()


NEED_DATA: Final = NeedData.NEED_DATA
"""Not enough yet: receive more, or answer the StreamStart."""

Event = Frame | Line | LiteralWanted | StreamStart | LiteralChunk | LiteralEnd | FrameError | Eof | NeedData


class _State(Enum):
    LINE = auto()  # looking for the end of a line of a frame
    LITERAL = auto()  # waiting for `_pending` octets of a buffered literal
    OFFERED = auto()  # StreamStart told, no answer yet
    STREAM = auto()  # passing on `_pending` octets
    SKIP_LITERAL = auto()  # dropping `_pending` octets of a refused literal
    SKIP_LINE = auto()  # dropping the rest of a refused line
    DEAD = auto()  # after a fatal error


_CR: Final = 0x0D
_BRACE: Final = 0x7D
_LITERAL = re.compile(rb"\{([0-9]+)([+-]?)\}")
_TAG = re.compile(rb'[^\x00-\x20(){%*"\\+\x7f-\xff]+(?=[ \r\n])')
_TAG_LENGTH: Final = 128
"""A longer first word is not taken for a tag; clients use up to about 20 octets."""

_BEGIN: Final = _TAG_LENGTH + 32
"""Octets that tell which command was to be: a tag and the longest word."""

_LARGEST_DIGITS: Final = 19
_LARGEST: Final = 1 << 63
"""Stands for every number that is no number64, which ends at 2^63-1 (RFC 9051 §9)."""

_TAIL: Final = 32
"""Of a skipped line so much is kept, to see a literal announced at its end."""

_ASKED: Final = 16
"""So many literals of a frame are shown to `stream`; each time costs a copy of the frame so far."""

_HUMAN = re.compile(rb"\+|(?:\*|[^\x00-\x20]+) (?:OK|NO|BAD|BYE|PREAUTH)(?: (?!\[)| \[[^\]]*\]|\Z)", re.IGNORECASE)
"""Continuations and status responses beyond their code: their text may well end in `{5}`."""


def never(head: bytes, size: int) -> bool:
    """Stream nothing."""
    return False


class Framer:
    """
    One direction of a connection, cut into frames.

    Call `receive_data`, then `next_event` until it returns NEED_DATA.
    """

    __slots__ = (
        "limits",
        "_synchronizing",
        "_stream",
        "_buffer",
        "_start",
        "_line",
        "_scan",
        "_state",
        "_pending",
        "_waits",
        "_tag",
        "_bare",
        "_literals",
        "_eof",
    )

    def __init__(
        self, limits: FramingLimits, *, synchronizing: bool, stream: Callable[[bytes, int], bool] = never
    ) -> None:
        """
        Make a framer for an empty connection.

        Args:
            limits: May be replaced at any time through the attribute of that name.
            synchronizing: True in a server, where `{n}` waits for a continuation request.
            stream: Told the frame so far and a literal's size; True if it is to be streamed.

        """
        self.limits = limits
        self._synchronizing = synchronizing
        self._stream = stream
        # bytes as long as one read is used up by one look, which is the rule; then an idle connection holds nothing.
        self._buffer: bytes | bytearray = b""
        self._start = 0  # of the frame
        self._line = 0  # of the line of the frame we are in
        self._scan = 0  # up to here there is no end of line
        self._state = _State.LINE
        self._pending = 0
        self._waits = False
        self._tag: bytes | None = None  # of a frame whose head is gone
        self._bare = False
        self._literals = 0  # of the frame, so far
        self._eof = False

    @property
    def buffered(self) -> int:
        """Octets received and not yet told as events."""
        return len(self._buffer) - self._start

    @property
    def goes_on(self) -> bool:
        """Whether literals of a frame are here, and the line behind the last one is not."""
        return self._literals > 0 and self._state is _State.LINE

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; b"" is the end of the stream."""
        if not data:
            self._eof = True
        elif self._state is _State.DEAD:
            pass
        elif not self._buffer:
            self._buffer = data
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data

    def receive_eof(self) -> None:
        """Learn that nothing more will come."""
        self._eof = True

    def expect_line(self) -> None:
        """Make the next event a bare Line (AUTHENTICATE's response, DONE), or its FrameError."""
        self._bare = True

    def accept(self) -> None:
        """Take the offered literal; if it is synchronizing, send `+` now."""
        if self._state is not _State.OFFERED:
            raise RuntimeError("there is no literal to accept")
        self._state = _State.STREAM

    def refuse(self) -> None:
        """Leave the offered literal; what comes of it anyhow is skipped, and so is the rest of its line."""
        if self._state is not _State.OFFERED:
            raise RuntimeError("there is no literal to refuse")
        if self._waits:
            self._restart(self._start)
        else:
            self._state = _State.SKIP_LITERAL

    def next_event(self) -> Event:
        """
        Return the next event.

        Returns:
            NEED_DATA if there is none before more is received or a StreamStart is answered.

        """
        if not self._buffer and not self._eof and self._state is _State.LINE:
            return NEED_DATA
        event: Event | None = None
        while event is None:
            match self._state:
                case _State.LINE:
                    event = self._in_line()
                case _State.LITERAL:
                    event = self._in_literal()
                case _State.STREAM:
                    event = self._in_stream()
                case _State.SKIP_LITERAL:
                    event = self._in_skipped_literal()
                case _State.SKIP_LINE:
                    event = self._in_skipped_line()
                case _State.OFFERED:
                    return NEED_DATA
                case _State.DEAD:
                    event = NEED_DATA
        if event is NEED_DATA:
            self._compact()
            if self._eof:
                self._eof, self._state = False, _State.DEAD
                self._buffer, self._start = b"", 0
                return Eof()
        return event

    # One method a state: an event, or None when the state changed without one.

    def _in_line(self) -> Event | None:
        end = self._buffer.find(b"\n", self._scan)
        allowed = min(self.limits.line, self.limits.frame - (self._line - self._start))
        if end < 0:
            self._scan = len(self._buffer)
            # One more octet may be the CR of a line that just fits.
            return self._too_long() if self._scan - self._line > allowed + 1 else NEED_DATA
        after = end + 1
        if end > self._line and self._buffer[end - 1] == _CR:
            end -= 1
        if end - self._line > allowed:
            return self._too_long()
        literal = None
        if end > self._line and self._buffer[end - 1] == _BRACE and not self._bare:
            literal = self._announced(self._line, end)
            if literal is not None and not self._synchronizing and self._is_human(end):
                literal = None
        if self._buffer.find(b"\0", self._line, end) >= 0:
            return self._refused(NUL_IN_LINE, literal, after)
        if literal is not None:
            return self._literal(literal, end, after)
        data = bytes(self._buffer[self._start : end])
        bare = self._bare
        self._restart(after)
        return Line(data) if bare else Frame(data)

    def _literal(self, literal: tuple[int, bool], end: int, after: int) -> Event | None:
        """Decide on a literal announced by the line that ends at `end`."""
        size, waits = literal
        self._literals += 1
        if self._literals <= _ASKED and self.limits.stream:
            head = bytes(self._buffer[self._start : end])
            if self._stream(head, size):
                if size > self.limits.stream:
                    return self._refused(LITERAL_TOO_LARGE, literal, after)
                self._tag = self._tag_here()
                self._begin(after)
                self._pending, self._waits, self._state = size, waits, _State.OFFERED
                return StreamStart(head, size, waits)
        if size > self.limits.literal:
            return self._refused(LITERAL_TOO_LARGE, literal, after)
        if after - self._start + size > self.limits.frame:
            return self._refused(COMMAND_TOO_LONG, literal, after)
        self._line = self._scan = after
        self._pending, self._state = size, _State.LITERAL
        return LiteralWanted(size) if waits else None

    def _in_literal(self) -> Event | None:
        end = self._line + self._pending
        if len(self._buffer) < end:
            return NEED_DATA
        self._line = self._scan = end
        self._state = _State.LINE
        return None

    def _in_stream(self) -> Event | None:
        if not self._pending:
            self._state = _State.LINE
            self._literals = 0  # what was before it is told: no copy costs more than the rest of the line
            return LiteralEnd()
        data = bytes(self._buffer[self._start : self._start + self._pending])
        if not data:
            return NEED_DATA
        self._pending -= len(data)
        self._begin(self._start + len(data))
        return LiteralChunk(data)

    def _in_skipped_literal(self) -> Event | None:
        skipped = min(self._pending, len(self._buffer) - self._start)
        self._pending -= skipped
        self._begin(self._start + skipped)
        if self._pending:
            return NEED_DATA
        self._state = _State.SKIP_LINE
        return None

    def _in_skipped_line(self) -> Event | None:
        end = self._buffer.find(b"\n", self._scan)
        if end < 0:
            self._begin(max(self._start, len(self._buffer) - _TAIL - 1))
            self._scan = len(self._buffer)
            return NEED_DATA
        after = end + 1
        if end > self._start and self._buffer[end - 1] == _CR:
            end -= 1
        literal = self._announced(max(self._start, end - _TAIL), end)
        if literal is None or literal[1]:
            self._restart(after)
            return None
        self._begin(after)
        return self._skip(literal[0])

    # Small moves.

    def _announced(self, line: int, end: int) -> tuple[int, bool] | None:
        """Return size and "waits for +" of the literal announced at the end of a line."""
        opening = self._buffer.rfind(b"{", line, end)
        found = _LITERAL.fullmatch(self._buffer, opening, end) if opening >= 0 else None
        if found is None:
            return None
        digits = found[1].lstrip(b"0") or b"0"
        size = int(digits) if len(digits) <= _LARGEST_DIGITS else _LARGEST
        return size, self._synchronizing and not found[2]

    def _is_human(self, end: int) -> bool:
        return self._line == self._start and _HUMAN.match(self._buffer, self._start, end) is not None

    def _too_long(self) -> Event:
        """Give up the frame whose current line is too long, be it complete or not."""
        tag = self._tag_here()
        first = self._line == self._start
        self._begin(self._line)
        self._state, self._bare = _State.SKIP_LINE, False
        return FrameError(tag, LINE_TOO_LONG if first else COMMAND_TOO_LONG, False)

    def _refused(self, reason: str, literal: tuple[int, bool] | None, after: int) -> Event:
        """Give up the frame whose current line is complete; a literal that comes anyhow is skipped."""
        tag = self._tag_here()
        begin = bytes(self._buffer[self._start : self._start + _BEGIN]) if reason == LITERAL_TOO_LARGE else b""
        self._restart(after)
        fatal = literal is not None and not literal[1] and self._skip(literal[0]) is not None
        return FrameError(tag, reason, fatal, begin)

    def _skip(self, size: int) -> Event | None:
        """Skip a literal that was not asked for, or give up."""
        if size <= self.limits.skip:
            self._pending, self._state = size, _State.SKIP_LITERAL
            return None
        self._state = _State.DEAD
        self._buffer, self._start = b"", 0
        return FrameError(b"*", LITERAL_TOO_LARGE, True)

    def _tag_here(self) -> bytes:
        if self._bare:
            return b"*"
        if self._tag is not None:
            return self._tag
        # Of an over-long line no more is looked at than is sure to be there, or the split would be seen.
        sure = min(self.limits.line, self.limits.frame, _TAG_LENGTH) + 1
        found = _TAG.match(self._buffer, self._start, self._start + sure)
        return found[0] if found else b"*"

    def _begin(self, position: int) -> None:
        """Forget everything before `position`."""
        self._start = self._line = self._scan = position

    def _restart(self, position: int) -> None:
        """Expect a new frame at `position`; where it is the end of all that came, nothing is held any more."""
        if position == len(self._buffer):
            self._buffer, position = b"", 0
        self._begin(position)
        self._state = _State.LINE
        self._tag = None
        self._bare = False
        self._literals = 0

    def _compact(self) -> None:
        """Drop what was told. bytearray moves its own start, so this costs no copy of what stays."""
        start = self._start
        if start >= len(self._buffer):
            self._buffer = b""
        elif isinstance(self._buffer, bytearray):
            del self._buffer[:start]
        else:
            self._buffer = self._buffer[start:]
        self._start = 0
        self._line -= start
        self._scan -= start
