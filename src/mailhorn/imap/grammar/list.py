"""mailbox-list: what LIST and LSUB answer (RFC 9051 §7.3.1, RFC 3501 §7.2.2, §7.2.3)."""

import re

from ..responses import ListResponse
from .atoms import ATOM, parse_quoted, skip_nil
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer
from .ext.list_extended import parse_mbox_list_extended, write_mbox_list_extended
from .flag import parse_flag_list, write_flag_list
from .mailbox import parse_mailbox, write_mailbox
from .value import skip_value

_ATTRIBUTE = re.compile(rb"\\" + ATOM.pattern)


def parse_mailbox_list(cur: Cursor, subscribed: bool) -> ListResponse:
    """
    mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]

    RFC 9051 §7.3.1, §9. Attributes as written; extended data that is broken is skipped where the dialect is loose.
    """
    attributes = parse_flag_list(cur, _ATTRIBUTE)
    cur.space()
    delimiter = parse_delimiter(cur)
    cur.space()
    mailbox = parse_mailbox(cur)
    if not (cur.skip(b" (") or cur.skip(b"  (")):
        return ListResponse(attributes, delimiter, mailbox, subscribed)
    cur.pos -= 1
    start = cur.pos
    try:
        child_info, old_name = parse_mbox_list_extended(cur)
    except SyntaxProblem:
        if not cur.dialect.loose_values:
            raise
        cur.pos = start
        skip_value(cur)
        return ListResponse(attributes, delimiter, mailbox, subscribed)
    return ListResponse(attributes, delimiter, mailbox, subscribed, child_info, old_name)


def write_mailbox_list(out: Writer, value: ListResponse) -> None:
    """Write attributes, delimiter, name and extended data."""
    write_flag_list(out, value.attributes)
    out.write(b" ")
    write_delimiter(out, value.delimiter)
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    write_mbox_list_extended(out, value.child_info, value.old_name)


def parse_delimiter(cur: Cursor) -> str | None:
    """
    DQUOTE QUOTED-CHAR DQUOTE / nil

    RFC 9051 §9. "" instead of NIL is a known mistake and taken for it.
    """
    if skip_nil(cur):
        return None
    start = cur.pos
    data = parse_quoted(cur)
    text = data.decode("ascii", "surrogateescape")
    if len(text) > 1 or not (text.isprintable() or cur.dialect.raw_8bit):
        cur.pos = start
        raise cur.fails("a delimiter of one character")
    return text or None


def write_delimiter(out: Writer, value: str | None) -> None:
    """Write a delimiter or NIL."""
    if value is None:
        out.write(b"NIL")
    elif len(value) == 1 and value.isascii() and value.isprintable():
        out.write(b'"\\' + value.encode() + b'"' if value in '"\\' else b'"' + value.encode() + b'"')
    else:
        raise Unwritable("not a delimiter")
