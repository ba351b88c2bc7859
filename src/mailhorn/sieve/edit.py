"""
What scripts change of a message, done to its octets (RFC 5293, RFC 5703 §5 and §6). Pure.

Rule 1: what is not touched stays octet for octet. Rule 2: nothing a sender wrote can fail here.
"""

import re
from collections.abc import Callable, Sequence

from .actions import AddHeader, DeleteHeader, Edit, Enclose, NewBody, ReplacePart
from .questions import Entity
from .writing import encoded_field, text_entity

_FIELD = re.compile(rb"^([^\x00-\x20:]++)[ \t]*+:[^\n]*+(?>(?:\n[ \t][^\n]*+)*)\n?", re.MULTILINE)


def edited(message: bytes, edits: Sequence[Edit], parse: Callable[[bytes], Entity], boundary: str) -> bytes:
    """
    Return the message with the edits done.

    Args:
        message: All of it.
        edits: In their order.
        parse: Finds its parts, as mailhorn.mime.entity.Entity does.
        boundary: What no line of the message begins with, for Enclose.

    """
    of_header: list[AddHeader | DeleteHeader] = []
    for edit in edits:
        if isinstance(edit, AddHeader | DeleteHeader):
            of_header.append(edit)
            continue
        message = edited_header(message, of_header)
        of_header = []
        if isinstance(edit, NewBody):
            message = edit.content
        elif isinstance(edit, Enclose):
            message = _enclosed(message, edit, parse, boundary)
        else:
            message = _replaced(message, edit, parse)
    return edited_header(message, of_header)


def unused_boundary(octets: bytes) -> str:
    """Return what no line of a message begins with, for Enclose, where nobody else sees it."""
    number = 0
    while b"=_enclosed-%d" % number in octets:
        number += 1
    return f"=_enclosed-{number}"


def edited_header(message: bytes, edits: Sequence[AddHeader | DeleteHeader]) -> bytes:
    """Return the message with these edits of its header done; a large body is copied once."""
    if not edits:
        return message
    end = header_end(message)
    header, rest = message[:end], message[end:]
    for edit in edits:
        if isinstance(edit, DeleteHeader):
            header = _deleted(header, edit.name.encode("utf-8", "surrogateescape"), edit.number)
        elif edit.last:
            header = _ended(header) + encoded_field(edit.name, edit.value)
        else:
            header = encoded_field(edit.name, edit.value) + header
    return header + rest


def _ended(header: bytes) -> bytes:
    """Return a header to which a field can be added: a message may end within its last one."""
    return header if not header or header.endswith(b"\n") else header + b"\r\n"


def header_end(message: bytes) -> int:
    """Return where the header's last field is over: what edits of the header leave as it is begins there."""
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


def _deleted(header: bytes, name: bytes, number: int) -> bytes:
    for found in _FIELD.finditer(header):
        if found[1].lower() == name:
            number -= 1
            if not number:
                return header[: found.start()] + header[found.end() :]
    return header


_CONTENT = re.compile(rb"(?:content-[^:]*|mime-version)[ \t]*\Z", re.IGNORECASE)


def _kept_fields(header: bytes) -> bytes:
    """Return a header without its MIME fields."""
    return b"".join([found[0] for found in _FIELD.finditer(header) if not _CONTENT.match(found[1])])


def _renamed(header: bytes, names: Sequence[str]) -> bytes:
    """Return a header with "Original-" before these names: "implementations MUST preserve" them (RFC 5703 §5)."""
    wanted = [name.encode() for name in names]
    return b"".join(
        [b"Original-" + found[0] if found[1].lower() in wanted else found[0] for found in _FIELD.finditer(header)]
    )


def _of_names(header: bytes, names: Sequence[str]) -> bytes:
    """Return the fields of a header that have these names, in lower case."""
    wanted = [name.encode() for name in names]
    return b"".join([found[0] for found in _FIELD.finditer(header) if found[1].lower() in wanted])


def _replaced(message: bytes, edit: ReplacePart, parse: Callable[[bytes], Entity]) -> bytes:
    """Put a part in the place of another; of the message itself the header stays (RFC 5703 §5)."""
    content = edit.content.encode("utf-8", "surrogateescape") if edit.mime else text_entity(edit.content)
    if not edit.path:
        end = header_end(message)
        changes = {"subject": edit.subject, "from": edit.sender}
        header = _renamed(
            _ended(_kept_fields(message[:end])), [name for name, value in changes.items() if value is not None]
        )
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
    """Make a multipart of a text and the message (RFC 5703 §6)."""
    header = _ended(message[: header_end(message)])
    new = b""
    for name, value in (("From", edit.sender), ("Date", edit.date), ("Subject", edit.subject)):
        if name.lower() not in edit.headers:
            new += encoded_field(name, value) if value else _of_names(header, (name.lower(),))
    new += _of_names(_kept_fields(header), edit.headers)
    mark = boundary.encode()
    return (
        new
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n' % (mark, mark)
        + text_entity(edit.text)
        + b"\r\n--%b\r\nContent-Type: message/rfc822\r\n\r\n" % mark
        + message
        + b"\r\n--%b--\r\n" % mark
    )
