"""status-att and status-att-list (RFC 9051 §6.3.11, §7.3.4, §9)."""

import re

from ..commands import StatusItem
from .atoms import parse_number64, skip_nil, write_number
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer
from .ext.objectid import parse_objectid_value, write_objectid_value
from .value import skip_value

_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.\-]*")
_ITEMS = {item.value: item for item in StatusItem}


def parse_status_atts(cur: Cursor) -> tuple[StatusItem, ...]:
    """
    "(" status-att *(SP status-att) ")"

    RFC 9051 §6.3.11, §9.
    """
    cur.opens()
    items = [parse_status_att(cur)]
    while not cur.closes():
        cur.space()
        items.append(parse_status_att(cur))
    return tuple(items)


def parse_status_att(cur: Cursor) -> StatusItem:
    """
    status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE" / "RECENT"

    RFC 9051 §9, RFC 3501 §9.
    """
    start = cur.pos
    item = _ITEMS.get(cur.need(_WORD, "a status item")[0].upper())
    if item is None:
        raise SyntaxProblem(start, "a status item")
    return item


def write_status_atts(out: Writer, items: tuple[StatusItem, ...]) -> None:
    """Write the items that are asked for."""
    if not items:
        raise Unwritable("STATUS of nothing")
    out.write(b"(" + b" ".join([item.value for item in items]) + b")")


def parse_status_att_list(cur: Cursor) -> tuple[tuple[StatusItem, int | str], ...]:
    """
    "(" [status-att-list] ")"; status-att-list = status-att-val *(SP status-att-val)

    RFC 9051 §7.3.4, §9. Items we do not know are left out.
    """
    cur.opens()
    items: list[tuple[StatusItem, int | str]] = []
    if cur.closes():
        return ()
    _parse_status_att_val(cur, items)
    while not cur.closes():
        cur.space()
        _parse_status_att_val(cur, items)
    return tuple(items)


def _parse_status_att_val(cur: Cursor, items: list[tuple[StatusItem, int | str]]) -> None:
    item = _ITEMS.get(cur.need(_WORD, "a status item")[0].upper())
    cur.space()
    if item is None:
        skip_value(cur)
    elif item is StatusItem.MAILBOXID:
        mailbox_id = parse_objectid_value(cur)
        if mailbox_id is None:
            raise cur.fails("an object's name")
        items.append((item, mailbox_id))
    elif item is not StatusItem.APPENDLIMIT or not skip_nil(cur):  # NIL: no limit (RFC 7889 §5)
        items.append((item, parse_number64(cur)))


def write_status_att_list(out: Writer, items: tuple[tuple[StatusItem, int | str], ...]) -> None:
    """Write items with their values."""
    for number, (item, value) in enumerate(items):
        out.write((b" " if number else b"(") + item.value + b" ")
        if isinstance(value, str):
            write_objectid_value(out, value)
        else:
            write_number(out, value)
    out.write(b")" if items else b"()")
