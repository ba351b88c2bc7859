"""
What scripts change of a message, done to its octets (RFC 5293, RFC 5703 §6 and §7). Pure.

Rule 1: what is not touched stays octet for octet. Rule 2: nothing a sender wrote can fail here.
"""

import re
from collections.abc import Callable, Sequence

from .actions import AddHeader, DeleteHeader, Edit, Enclose, NewBody, ReplacePart
from .questions import Entity
from .writing import encoded_field, text_entity

_FIELD = re.compile(rb"([^\x00-\x20:]++)[ \t]*+:[^\n]*+(?>(?:\n[ \t][^\n]*+)*)\n?")


def edited(message: bytes, edits: Sequence[Edit], parse: Callable[[bytes], Entity], boundary: str) -> bytes:
    """
    Return the message with the edits done.

    Args:
        message: All of it.
        edits: In their order.
        parse: Finds its parts, as mailhorn.mime.entity.Entity does.
        boundary: What no line of the message begins with, for Enclose.

    """
    for edit in edits:
        if isinstance(edit, AddHeader | DeleteHeader):
            message = edited_header(message, (edit,))
        elif isinstance(edit, NewBody):
            message = edit.content
        elif isinstance(edit, Enclose):
            message = _enclosed(message, edit, parse, boundary)
        else:
            message = _replaced(message, edit, parse)
    return message


def edited_header(message: bytes, edits: Sequence[AddHeader | DeleteHeader]) -> bytes:
    """Return the message with these edits of its header done."""
    for edit in edits:
        if isinstance(edit, DeleteHeader):
            message = _deleted(message, edit.name.encode("utf-8", "surrogateescape"), edit.number)
        elif edit.last:
            end = _header_end(message)
            message = message[:end] + encoded_field(edit.name, edit.value) + message[end:]
        else:
            message = encoded_field(edit.name, edit.value) + message
    return message


def _header_end(message: bytes) -> int:
    """Return where the header's last field is over."""
    at = 0
    while at < len(message):
        end = message.find(b"\n", at) + 1
        line = message[at : end or len(message)]
        if not line.strip(b"\r\n"):
            return at
        if not end:
            return len(message)
        at = end
    return at


def _deleted(message: bytes, name: bytes, number: int) -> bytes:
    at, end = 0, _header_end(message)
    while at < end:
        found = _FIELD.match(message, at, end)
        if found is None:
            at = message.find(b"\n", at, end) + 1 or end
            continue
        if found[1].lower() == name:
            number -= 1
            if not number:
                return message[:at] + message[found.end() :]
        at = found.end()
    return message


_CONTENT = re.compile(rb"(?:content-[^:]*|mime-version)[ \t]*\Z", re.IGNORECASE)


def _kept_fields(header: bytes, dropped: frozenset[str]) -> bytes:
    """Return a header without its MIME fields, and without those that are dropped."""
    kept: list[bytes] = []
    for found in _FIELD.finditer(header):
        name = found[1].lower()
        if not _CONTENT.match(name) and name.decode("ascii", "replace") not in dropped:
            kept.append(found[0])
    return b"".join(kept)


def _replaced(message: bytes, edit: ReplacePart, parse: Callable[[bytes], Entity]) -> bytes:
    """Put a part in the place of another; of the message itself the header stays (RFC 5703 §6)."""
    content = edit.content.encode("utf-8", "surrogateescape") if edit.mime else text_entity(edit.content)
    if not edit.path:
        end = _header_end(message)
        changes = {"subject": edit.subject, "from": edit.sender}
        header = _kept_fields(message[:end], frozenset(name for name, value in changes.items() if value is not None))
        for name, value in changes.items():
            if value is not None:
                header += encoded_field(name.capitalize(), value)
        return header + b"MIME-Version: 1.0\r\n" + content
    entity: Entity = parse(message)
    for index in edit.path:
        if index >= len(entity.children):
            return message
        entity = entity.children[index]
    start, end = entity.span
    return message[:start] + content.removesuffix(b"\r\n") + message[end:]


def _enclosed(message: bytes, edit: Enclose, parse: Callable[[bytes], Entity], boundary: str) -> bytes:
    """Make a multipart of a text and the message (RFC 5703 §7); sender, recipients and date are the message's."""
    end = _header_end(message)
    dropped = frozenset({"received", "return-path", *({"subject"} if edit.subject is not None else ())})
    new = _kept_fields(message[:end], dropped)
    if edit.subject is not None:
        new += encoded_field("Subject", edit.subject)
    for header in edit.headers:
        name, colon, value = header.partition(":")
        if colon and name.strip().isascii() and name.strip().isprintable() and name.strip():
            new += encoded_field(name.strip(), value.strip())
    mark = boundary.encode()
    return (
        new
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n' % (mark, mark)
        + text_entity(edit.text)
        + b"\r\n--%b\r\nContent-Type: message/rfc822\r\n\r\n" % mark
        + message
        + b"\r\n--%b--\r\n" % mark
    )
