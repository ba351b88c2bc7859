"""Parts in the form the index keeps, and finding a part by its number (RFC 9051 §6.4.5.1)."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from .scan import Part

_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Part)

What = Literal["body", "mime", "header", "text"]
"""`body`: BODY[n]; `mime`: BODY[n.MIME]; `header` and `text`: BODY[n.HEADER], BODY[n.TEXT]."""


def pack(root: Part) -> bytes:
    """Return the part and all below it as bytes, about 40 for each part."""
    return _VERSION + _encoder.encode(root)


def unpack(data: bytes) -> Part:
    """
    Return what was packed.

    Raises:
        ValueError: These bytes are not from `pack`, or from another version of it: scan the message again.

    """
    if data[:1] != _VERSION:
        raise ValueError(f"packed parts of unknown version {data[:1]!r}")
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise ValueError(f"packed parts are damaged: {error}") from error


def find_part(root: Part, number: Sequence[int]) -> Part | None:
    """
    Return the part of that number, None if there is none.

    RFC 9051 §6.4.5.1: a multipart's parts are numbered from 1; a message that is no multipart has one part,
    itself; so has a message inside a message/rfc822, whose parts are numbered below the number of the latter.
    """
    part, is_root = root, True
    for n in number:
        if part.is_message and not is_root:
            part, is_root = part.children[0], True
        if part.is_multipart:
            if not 1 <= n <= len(part.children):
                return None
            part = part.children[n - 1]
        elif not is_root or n != 1:
            return None
        is_root = False
    return part


def part_range(root: Part, part: Sequence[int], what: What = "body") -> tuple[int, int] | None:
    """
    Return the offsets of a section of the message, None if there is no such thing.

    Args:
        root: The message.
        part: Part number, () for the message itself.
        what: Which section of that part. A header ends with its empty line. `header` and `text` of a part are
            those of the message it holds, so they exist for message/rfc822 only; `mime` needs a part number.

    """
    found = find_part(root, part)
    if found is None:
        return None
    if not part:
        if what == "mime":
            return None
        message = found
    elif what == "body":
        return found.body_start, found.body_end
    elif what == "mime":
        return found.header_start, found.body_start
    elif not found.is_message:
        return None
    else:
        message = found.children[0]
    if what == "header":
        return message.header_start, message.body_start
    if what == "text":
        return message.body_start, message.body_end
    return message.header_start, message.body_end
