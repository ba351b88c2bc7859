"""Content-Transfer-Encoding (RFC 2045 §6) undone piece by piece, so that a large part need not be in memory.

Nothing here raises. Base64 ends at its first padding, as what follows it was added by somebody else; octets that are
not of its alphabet are passed over (§6.8). Quoted-printable that is broken is kept as it stands (§6.7).
"""

import re
from abc import ABC, abstractmethod
from binascii import a2b_base64, a2b_qp
from typing import Final

IDENTITY: Final = frozenset({b"7bit", b"8bit", b"binary"})
"""Encodings that leave the octets as they are (RFC 2045 §6.2)."""

MAX_LINE: Final = 64 << 10
"""Octets without a line end that are kept back; a line may have 998 (RFC 5322 §2.1.1)."""

PIECE: Final = 256 << 10
"""Octets that are decoded at once, in 2 ms: other threads can do nothing meanwhile."""

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_TRAILING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")


class Decoder(ABC):
    """One part under way."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Take the next octets; return what can be told of them."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return what is left at the end of the part."""


def decoder(encoding: bytes) -> Decoder | None:
    """Return a decoder for an encoding in lower case, None for one that nobody knows. Not for the IDENTITY ones."""
    if encoding == b"base64":
        return _Base64()
    if encoding == b"quoted-printable":
        return _QuotedPrintable()
    return None


def decoded(data: bytes, encoding: bytes) -> bytes:
    """Undo an encoding at once; an unknown one is taken for 8bit."""
    work = decoder(encoding)
    if work is None:
        return data
    return b"".join([work.feed(data[at : at + PIECE]) for at in range(0, len(data), PIECE)]) + work.finish()


class _Base64(Decoder):
    """RFC 2045 §6.8."""

    def __init__(self) -> None:
        self._left = b""
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        if self._ended:
            return b""
        clean = self._left + data.translate(None, _NOT_BASE64)
        end = clean.find(b"=")
        if end >= 0:
            self._ended, self._left = True, clean[:end]
            return self._rest()
        whole = len(clean) & ~3
        self._left = clean[whole:]
        return a2b_base64(clean[:whole])

    def finish(self) -> bytes:
        return self._rest()

    def _rest(self) -> bytes:
        clean, self._left = self._left, b""
        extra = len(clean) % 4
        if extra == 1:
            clean = clean[:-1]
        elif extra:
            clean += b"=" * (4 - extra)
        return a2b_base64(clean)


class _QuotedPrintable(Decoder):
    """RFC 2045 §6.7: line by line, as white space at the end of a line is not of the text (rule 3)."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> bytes:
        text = self._left + data
        end = text.rfind(b"\n") + 1
        if not end and len(text) > MAX_LINE:
            end = text.rfind(b"=", len(text) - 2) % (len(text) + 1)  # -1, there is none: all of it
        self._left = text[end:]
        return _quoted_printable(text[:end])

    def finish(self) -> bytes:
        rest, self._left = self._left, b""
        return _quoted_printable(rest.rstrip(b" \t"))


def _quoted_printable(text: bytes) -> bytes:
    return a2b_qp(_TRAILING.sub(b"", text))
