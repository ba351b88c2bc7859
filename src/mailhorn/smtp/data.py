"""Where a message ends: CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4, §4.5.2). No other file knows.

Two servers that disagree about the end of a message let a sender smuggle a second one past the first, so a
bare CR or bare LF is never an end of line here: it spoils the message, which is read to its true end and
then refused. RFC 5321 §2.3.8 forbids both. So does a NUL: neither 7bit nor 8bit may hold one (RFC 2045 §2.7,
§2.8), and IMAP cannot carry it (Cyrus refuses it as well).

Nothing here walks lines in Python, and little walks octets: `replace` of one octet goes from one to the next by
`memchr`, in a third of the time of a pattern that looks at each. A piece costs two of these and one search for a line
that begins with a dot; more only if something is found.
"""

import re
from collections.abc import Iterator
from enum import Enum

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_LOOKED_AT = 64 * 1024
"""Octets of which the line ends are looked at together: copies of so many stay in the heap and in the processor's
cache, where much larger ones would be mapped, zeroed and unmapped each time."""


def _whole_line_ends(piece: bytes) -> bool:
    """Return whether each CR has its LF and each LF its CR: then the piece can be made again of what is no LF."""
    size = len(piece)
    if size <= _LOOKED_AT:
        return piece.replace(b"\n", b"").replace(b"\r", b"\r\n") == piece
    at = 0
    while at < size:
        end = min(at + _LOOKED_AT, size)
        if piece.endswith(b"\r", at, end):  # its LF follows, or it has none
            end = min(end + 1, size)
        part = piece[at:end]
        if part.replace(b"\n", b"").replace(b"\r", b"\r\n") != part:
            return False
        at = end
    return True


class Fault(Enum):
    """Why a message cannot be taken."""

    BARE_LINE_END = "bare CR or LF"
    NUL = "NUL"
    TOO_BIG = "too big"


class _Body:
    """What DATA and BDAT share: counting octets and looking for what may not be in a message."""

    def __init__(self, max_size: int) -> None:
        self.fault: Fault | None = None
        self._room = max_size

    def _judge(self, piece: bytes) -> tuple[bytes, Fault | None]:
        """Return what is good of a piece that does not end between CR and LF, and what spoils the rest."""
        fault: Fault | None = None
        nul = piece.find(b"\0")
        if nul >= 0:
            piece, fault = piece[:nul], Fault.NUL
        if not _whole_line_ends(piece):
            bare = _BARE.search(piece)
            if bare:
                return piece[: bare.start()], Fault.BARE_LINE_END
        return piece, fault

    def _take(self, good: bytes, fault: Fault | None) -> bytes:
        if len(good) > self._room:
            good, fault = good[: self._room], Fault.TOO_BIG
        self._room -= len(good)
        self.fault = fault
        return good


class DataReader(_Body):
    """
    The stream after 354, up to the end of data.

    Attributes:
        fault: None as long as the message can be taken; once set, nothing more of it is returned.

    """

    def __init__(self, max_size: int) -> None:
        """Take at most `max_size` octets, dots unstuffed, the final dot's line not counted (RFC 1870 §5)."""
        super().__init__(max_size)
        self._held = b""
        self._at_line_start = True

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """
        Take the next bytes of the stream.

        Returns:
            The next piece of the message (may be empty), and what follows the end of data, None if the end
            has not come yet.

        """
        if self._held:
            data = self._held + data
        rest: bytes | None = None
        stuffed = False
        if self._at_line_start and data.startswith(b".\r\n"):
            piece, rest = b"", data[3:]
        else:
            end = dot = data.find(b"\r\n.")  # it looks at every third octet, most often
            if dot >= 0:
                end = data.find(b"\r\n.\r\n", dot)
                stuffed = end != dot  # else it is the first dot of a line
            if end >= 0:
                piece, rest = data[: end + 2], data[end + 5 :]
            else:
                keep = self._unsure(data)
                piece, self._held = data[: len(data) - keep], data[len(data) - keep :]
        if not piece:
            return b"", rest
        at_line_start, self._at_line_start = self._at_line_start, piece.endswith(b"\r\n")
        if self.fault:
            return b"", rest
        good, fault = self._judge(piece)
        if stuffed:
            good = good.replace(b"\r\n.", b"\r\n")
        if at_line_start and good.startswith(b"."):
            good = good[1:]
        return self._take(good, fault), rest

    def _unsure(self, data: bytes) -> int:
        """Return how many of the last octets mean nothing until the next one is known: CR, or a line's dot."""
        for tail in (b".\r", b"."):
            start = len(data) - len(tail)
            if data.endswith(tail) and (data.endswith(b"\r\n", 0, start) or (start == 0 and self._at_line_start)):
                return len(tail)
        return 1 if data.endswith(b"\r") else 0


class ChunkReader(_Body):
    """
    The message as the chunks of BDAT carry it (RFC 3030), one after the other.

    Attributes:
        fault: None as long as the message can be taken; once set, nothing more of it is returned.
        missing: Octets of the current chunk that have not come yet.

    """

    def __init__(self, max_size: int) -> None:
        """Take at most `max_size` octets over all chunks."""
        super().__init__(max_size)
        self.missing = 0
        self._held = b""
        self._last = False

    def begin(self, size: int, last: bool) -> None:
        """A chunk of `size` octets follows; a chunk that cannot fit is a fault at once."""
        self.missing = size
        self._last = last
        if size + len(self._held) > self._room and not self.fault:
            self.fault = Fault.TOO_BIG

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """
        Take the next bytes of the stream.

        Returns:
            The next piece of the message (may be empty), and what follows the chunk (empty while octets are
            missing).

        """
        piece, rest = data[: self.missing], data[self.missing :]
        self.missing -= len(piece)
        if self.fault:
            return b"", rest
        if self._held:
            piece = self._held + piece
        final = self._last and not self.missing
        keep = 1 if piece.endswith(b"\r") and not final else 0
        piece, self._held = piece[: len(piece) - keep], piece[len(piece) - keep :]
        return self._take(*self._judge(piece)), rest


WRITTEN_AT_ONCE = 64 * 1024
"""Octets that `write_data` makes ready at once: a fifth of a millisecond, which the others of a loop do not feel."""


def write_data(message: bytes, at_once: int = WRITTEN_AT_ONCE) -> Iterator[bytes]:
    """
    Yield what is sent after 354: dots doubled, the end behind it (RFC 5321 §4.5.2), in pieces.

    A bare CR or LF becomes the CRLF that it may have stood for: no other server may be made to see an end where there
    is none. So does a last line without its end.

    Args:
        message: All of it.
        at_once: Octets of a piece.

    """
    at, size = 0, len(message)
    dots = message.startswith(b".")
    while at < size:
        end = min(at + at_once, size)
        if message.startswith(b"\n", end) and message.startswith(b"\r", end - 1):
            end += 1
        piece = message[at:end]
        if not _whole_line_ends(piece):
            piece = _BARE.sub(b"\r\n", piece)
        more = piece.endswith(b"\r\n")
        piece = piece.replace(b"\r\n.", b"\r\n..")
        yield b"." + piece if dots and piece.startswith(b".") else piece
        dots, at = more, end
    yield b".\r\n" if dots or not size else b"\r\n.\r\n"
