"""Where the parts of a message are (RFC 2045, RFC 2046): offsets, and what the scan had to know of each part.

A multipart is found by looking for its boundary within its own octets, outer boundaries first; so an outer
boundary ends whatever is inside (RFC 2046 §5.1.2). A delimiter must be the whole line but for white space:
RFC 2046 §5.1.1 would let anything follow, but then an inner boundary that begins like the outer one, which
real mail has, is taken for it. Python's reader does the same; Dovecot takes the longest one that fits.
Bodies are only ever searched by `find`, and never for long: a search keeps everybody else from the interpreter.
"""

import re
from functools import lru_cache
from mmap import mmap

import msgspec

from ..model.structure import Params
from .header import HeaderReader, content_fields, parse_content_type, parse_token
from .limits import (
    FREE_SEARCH,
    MAX_DEPTH,
    MAX_FALSE_DELIMITERS,
    MAX_PARTS,
    MAX_SEARCHES,
    PIECE,
    SEARCHED,
)

Buffer = bytes | bytearray | memoryview | mmap
"""What holds a message; offsets are into it."""

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\r?\Z)")

TEXT_PLAIN = (b"text", b"plain", ((b"charset", b"us-ascii"),))
"""What a part is that does not say, or says nonsense (RFC 2045 §5.2)."""

REMEMBERED = 200
"""Octets of a field's value of which it is remembered what it means: nearly all mail has one of a few dozen."""

_MESSAGE = (b"message", b"rfc822", ())
_OPAQUE = (b"application", b"octet-stream", ())


class Part(msgspec.Struct, frozen=True, array_like=True):
    """
    A message, or a part of one.

    The header is `[header_start, body_start)` with its empty line, the body `[body_start, body_end)` without
    the line end that belongs to the boundary after it.

    Attributes:
        header_start: Offset of the first octet of the header.
        body_start: Offset behind the empty line; `body_end` if there is none.
        body_end: Offset behind the last octet of the body.
        type: Media type, lower case.
        subtype: Media subtype, lower case.
        params: Parameters of Content-Type, names in lower case.
        encoding: Content-Transfer-Encoding, lower case, `7bit` if not given.
        children: The parts of a multipart (one at least), or the message inside a message/rfc822.

    """

    header_start: int
    body_start: int
    body_end: int
    type: bytes
    subtype: bytes
    params: Params
    encoding: bytes
    children: "tuple[Part, ...]" = ()

    @property
    def is_multipart(self) -> bool:
        """It has parts."""
        return self.type == b"multipart"

    @property
    def is_message(self) -> bool:
        """It has one child, a message: message/rfc822, or message/global (RFC 6532 §3.7)."""
        return self.type == b"message" and bool(self.children)

    def param(self, name: bytes) -> bytes | None:
        """Return a parameter of Content-Type by its name in lower case."""
        for key, value in self.params:
            if key == name:
                return value
        return None


def scan(data: Buffer) -> Part:
    """
    Find the parts of a message.

    Args:
        data: The whole message; any octets. A memoryview of a bytes object or a map is searched in place.

    Returns:
        The message as its outermost part.

    """
    text = searchable(data)
    return _Scan(text).part(0, len(text), TEXT_PLAIN, 0)


def _media(value: bytes) -> tuple[bytes, bytes, Params] | None:
    return _known_media(value) if len(value) <= REMEMBERED else parse_content_type(value)


def _encoding(value: bytes) -> bytes | None:
    return _known_encoding(value) if len(value) <= REMEMBERED else parse_token(value)


_known_media = lru_cache(maxsize=1024)(parse_content_type)
_known_encoding = lru_cache(maxsize=256)(parse_token)


def searchable(data: Buffer) -> bytes | bytearray | mmap:
    """Return the same octets as an object that has `find`; with CR for all line ends, as if they were LF."""
    if isinstance(data, memoryview):
        owner = data.obj
        if isinstance(owner, bytes | bytearray | mmap) and len(owner) == data.nbytes:
            data = owner
        else:
            data = data.tobytes()
    if data.find(b"\n") < 0 and data.find(b"\r") >= 0:
        return bytes(data).replace(b"\r", b"\n")
    return data


def line_ends(data: bytes | bytearray | mmap, start: int, end: int) -> int:
    """Count the LFs between two offsets: what is missing without them, in two thirds of the time that `count` takes."""
    lines = 0
    for at in range(start, end, PIECE):
        piece = data[at : min(at + PIECE, end)]
        lines += len(piece) - len(piece.replace(b"\n", b""))
    return lines


class _Scan:
    """One message under way: what it has cost so far."""

    def __init__(self, data: bytes | bytearray | mmap) -> None:
        self._data = data
        self._headers = HeaderReader(data)
        self._parts = 0
        self._budget = FREE_SEARCH + MAX_SEARCHES * len(data)

    def part(self, start: int, end: int, default: tuple[bytes, bytes, Params], depth: int) -> Part:
        """Scan the part, header and body, that lies between two offsets."""
        self._parts += 1
        body = self._header_end(start, end)
        content = content_fields(self._headers.read(start, body))
        kind = content.get(b"type")
        media = (_media(kind) if kind is not None else default) or TEXT_PLAIN
        transfer = content.get(b"transfer-encoding")
        encoding = (_encoding(transfer) if transfer is not None else None) or b"7bit"
        children: tuple[Part, ...] = ()
        if media[0] == b"multipart":
            boundary = next((value for name, value in media[2] if name == b"boundary"), b"").rstrip()
            if depth >= MAX_DEPTH or self._budget < end - body:
                media = _OPAQUE
            else:
                inner = _MESSAGE if media[1] == b"digest" else TEXT_PLAIN
                spans = self._spans(body, end, boundary) if boundary else []
                children = tuple([self.part(first, last, inner, depth + 1) for first, last in spans])
                if not children:
                    media = TEXT_PLAIN
        elif media[0] == b"message" and media[1] in (b"rfc822", b"global"):
            if depth >= MAX_DEPTH or self._parts >= MAX_PARTS or self._budget < end - body:
                media = _OPAQUE
            else:
                self._budget -= end - body  # its lines will be counted
                children = (self.part(body, end, TEXT_PLAIN, depth + 1),)
        return Part(start, body, end, *media, encoding, children)

    def _header_end(self, start: int, end: int) -> int:
        """Return the offset behind the empty line that ends the header, `end` if there is none."""
        head = self._data[start : min(start + 2, end)]
        if head[:1] == b"\n":
            return start + 1
        if head == b"\r\n":
            return start + 2
        found = _EMPTY_LINE.search(self._data, start, end)
        return found.end() if found else end

    def _spans(self, start: int, end: int, boundary: bytes) -> list[tuple[int, int]]:
        """
        Return where the parts of a multipart begin and end.

        multipart-body := [preamble CRLF] dash-boundary transport-padding CRLF body-part
        *encapsulation close-delimiter transport-padding [CRLF epilogue] (RFC 2046 §5.1.1). The line end before
        a delimiter belongs to it. Without a close-delimiter the last part goes on to the end.
        """
        data = self._data
        delimiter = b"\n--" + boundary
        self._budget -= end - start
        spans: list[tuple[int, int]] = []
        false = 0
        begin = -1
        at = self._find(delimiter, max(start - 1, 0), end)  # a header's last octet is LF
        while at >= 0:
            tail = _DELIMITER_TAIL.match(data, at + len(delimiter), end)
            if tail is None:
                false += 1
                if false > MAX_FALSE_DELIMITERS:
                    break
                at = self._find(delimiter, at + len(delimiter), end)
                continue
            if begin >= 0:
                stop = at - 1 if data[at - 1 : at] == b"\r" else at
                spans.append((begin, max(begin, stop)))
                begin = -1
            if tail[1]:
                break
            begin = tail.end()
            if self._parts + len(spans) + 1 >= MAX_PARTS:
                break
            at = self._find(delimiter, begin - 1, end)
        if begin >= 0:
            spans.append((begin, end))
        return spans

    def _find(self, wanted: bytes, start: int, end: int) -> int:
        """Do as `find` of bytes, a piece at a time."""
        data = self._data
        while end - start > SEARCHED + len(wanted):
            at = data.find(wanted, start, start + SEARCHED + len(wanted))
            if at >= 0:
                return at
            start += SEARCHED
        return data.find(wanted, start, end)
