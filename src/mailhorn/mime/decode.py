"""What a message says, as text: encoded words (RFC 2047), transfer encodings (RFC 2045 §6), charsets.

Nothing here raises: an unknown charset is taken for UTF-8, and where it is not that, for windows-1252, as
most mail that lies about its charset is one of the two.
"""

import codecs
import re
from binascii import a2b_qp
from collections.abc import Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

from .header import unfold
from .limits import MAX_TEXT
from .scan import Buffer, Part
from .transfer import decoded

_WORD = re.compile(rb"=\?([^?\s*]++)(?:\*[^?\s]*+)?\?([bBqQ])\?([^?\r\n]*+)\?=")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_UNALIASED = (
    "cp1006 cp720 cp737 cp856 cp874 cp875 iso8859_1 koi8_t koi8_u mac_arabic mac_croatian mac_farsi mac_romanian "
    "palmos utf_8_sig"
)
_CHARSETS = frozenset({*aliases, *aliases.values(), *_UNALIASED.split()})
"""
What may be looked up: Python keeps every name that it was ever asked for, also those that it does not know.

Its codecs that are no charsets of mail are not here: idna and punycode take quadratic time, and unicode_escape makes
characters that are none.
"""

_MAX_CHARSET = 64
"""Octets of a charset's name; the longest that is known has 25."""


def decoded_header(value: bytes) -> str:
    """
    Return the value of a field as people read it: unfolded, encoded words decoded, raw octets guessed.

    White space between two encoded words is dropped (RFC 2047 §6.2), and words of one charset that follow
    each other are joined before they are decoded, since senders split characters between them.
    """
    text = unfold(value)
    if b"=?" not in text:
        return to_text(text)
    out: list[str] = []
    run = bytearray()
    charset = b""
    at = 0
    for word in _WORD.finditer(text):
        between = text[at : word.start()]
        joins = bool(charset) and not between.strip()
        if charset and not (joins and word[1].lower() == charset):
            out.append(to_text(bytes(run), charset))
            run.clear()
        if not joins:
            out.append(to_text(between))
        charset = word[1].lower()
        run += _word_octets(word[2], word[3])
        at = word.end()
    if charset:
        out.append(to_text(bytes(run), charset))
    out.append(to_text(text[at:]))
    return "".join(out)


def part_text(part: Part, data: Buffer) -> str:
    """
    Return what a leaf says, for SEARCH; of HTML the source. At most MAX_TEXT octets of it.

    Args:
        part: A leaf of the message, from `scan`.
        data: The octets it was scanned from.

    """
    body = bytes(data[part.body_start : min(part.body_end, part.body_start + MAX_TEXT)])
    return to_text(decoded(body, part.encoding), part.param(b"charset") or b"")


def text_parts(root: Part) -> Iterator[Part]:
    """Yield the text leaves of a message, also of the messages inside it, in their order."""
    if root.type == b"text":
        yield root
    for child in root.children:
        yield from text_parts(child)


def to_text(data: bytes, charset: bytes = b"") -> str:
    """Decode octets of a charset that is claimed, b"" for none; never raises."""
    if data.isascii() and charset.lower() in (b"", b"utf-8", b"us-ascii", b"iso-8859-1"):
        return data.decode("ascii")
    codec = _codec(charset) if 0 < len(charset) <= _MAX_CHARSET else None
    if codec is not None:
        try:
            text = data.decode(codec, "replace")
            return _SURROGATE.sub("\ufffd", text) if codec == "utf-7" else text  # in that, halves pass for whole ones
        except (LookupError, ValueError):
            pass
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(charset: bytes) -> str | None:
    """Return Python's name for a charset, None if it has none that is worth trying."""
    name = normalize_encoding(charset.decode("latin-1")).lower()
    if name not in _CHARSETS:
        name = name.replace(".", "_")
        if name not in _CHARSETS:
            return None
    try:
        codec = codecs.lookup(name)
    except LookupError:
        return None
    return None if codec.name == "ascii" else codec.name


def _word_octets(encoding: bytes, text: bytes) -> bytes:
    """encoded-text of an encoded word (RFC 2047 §4)."""
    return decoded(text, b"base64") if encoding in b"bB" else a2b_qp(text, header=True)
