"""fetch-att in FETCH, and msg-att in its answer (RFC 9051 §6.4.5, §7.5.2; RFC 3501 §7.4.2)."""

import re
from functools import lru_cache
from typing import Final

from ...model.ids import UID
from ..commands import Attribute, BinarySection, BinarySize, BodySection, FetchItem, Preview, Section, SectionText
from ..responses import (
    BinaryItem,
    BinarySizeItem,
    BodyItem,
    BodyStructureItem,
    EmailIdItem,
    EnvelopeItem,
    FetchedItem,
    FlagsItem,
    InternalDateItem,
    ModSeqItem,
    PreviewItem,
    SaveDateItem,
    SizeItem,
    ThreadIdItem,
    UidItem,
    UnknownItem,
)
from .atoms import parse_nstring, parse_number64, parse_nz_number
from .body import parse_body, write_body
from .cursor import Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from .date import parse_date_time, write_date_time
from .envelope import parse_envelope, write_envelope
from .ext.binary import parse_fetch_binary, parse_msg_att_binary, write_fetch_binary, write_msg_att_binary
from .ext.condstore import parse_fetch_mod_resp, write_fetch_mod_resp
from .ext.objectid import parse_objectid_value, write_objectid_value
from .ext.preview import parse_fetch_preview, parse_msg_att_preview, write_fetch_preview, write_msg_att_preview
from .ext.savedate import parse_savedate, write_savedate
from .flag import parse_flag_list, write_flag_list
from .section import parse_partial, parse_section, write_partial, write_section
from .value import skip_value

MAX_ITEMS: Final = 200
"""Items of one FETCH: each is answered for each message, so a line of them would be a thousandfold answer."""

_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.\-]*")
_ATTRIBUTES = {attribute.value: attribute for attribute in Attribute}
_FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Attribute.ENVELOPE),
    b"FULL": (*_FAST, Attribute.ENVELOPE, Attribute.BODY),
}
_NAME = re.compile(rb"[A-Za-z0-9._\-]+(?:\[[^\]\r\n]*\])?(?:<[0-9.]*>)?")
_BINARY = (b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE")
_WHOLE = {
    b"RFC822": Section(),
    b"RFC822.HEADER": Section(text=SectionText.HEADER),
    b"RFC822.TEXT": Section(text=SectionText.TEXT),
}


MAX_KNOWN = 400
"""Octets of a list of items that is remembered, with what follows it; the lists that clients really send have 200."""


def parse_fetch_atts(cur: Cursor) -> tuple[FetchItem, ...]:
    """
    "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")"

    RFC 9051 §6.4.5, §9. Macros are spelled out. Clients ask for the same few lists all the time: they are remembered.
    """
    rest = cur.data[cur.pos :]
    if len(rest) > MAX_KNOWN:
        return _parse_fetch_atts(cur)
    start = cur.pos
    try:
        items, length = _known_atts(rest, cur.dialect)
    except SyntaxProblem:
        return _parse_fetch_atts(cur)  # to fail where it fails
    cur.pos = start + length
    return items


def parse_known_atts(text: bytes, dialect: Dialect) -> tuple[FetchItem, ...] | None:
    """Return the same if the text is that and nothing more, and is not too long to be remembered; else None."""
    if len(text) > MAX_KNOWN:
        return None
    try:
        items, length = _known_atts(text, dialect)
    except SyntaxProblem:
        return None
    return items if length == len(text) else None


@lru_cache(maxsize=256)
def _known_atts(rest: bytes, dialect: Dialect) -> tuple[tuple[FetchItem, ...], int]:
    """Return the items at the beginning, and how far they go."""
    cur = Cursor(rest, dialect)
    return _parse_fetch_atts(cur), cur.pos


def _parse_fetch_atts(cur: Cursor) -> tuple[FetchItem, ...]:
    if cur.skip(b"("):
        items = [parse_fetch_att(cur)]
        while not cur.closes():
            cur.space()
            items.append(parse_fetch_att(cur))
            if len(items) > MAX_ITEMS:
                raise cur.fails("fewer items")
        return tuple(items)
    found = _WORD.match(cur.data, cur.pos)
    macro = _MACROS.get(found[0].upper()) if found else None
    if found is not None and macro is not None:
        cur.pos = found.end()
        return macro
    return (parse_fetch_att(cur),)


def write_fetch_atts(out: Writer, items: tuple[FetchItem, ...]) -> None:
    """Write items in parentheses."""
    if not items:
        raise Unwritable("FETCH of nothing")
    for number, item in enumerate(items):
        out.write(b" " if number else b"(")
        write_fetch_att(out, item)
    out.write(b")")


def parse_fetch_att(cur: Cursor) -> FetchItem:
    """
    fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
    "BODY" ["STRUCTURE"] / "UID" / "BODY" section [partial] / "BODY.PEEK" section [partial]

    RFC 9051 §9, RFC 3501 §9.
    """
    start = cur.pos
    word = cur.need(_WORD, "a fetch item")[0].upper()
    peek = word == b"BODY.PEEK"
    if peek or (word == b"BODY" and cur.at(b"[")):
        section = parse_section(cur)
        return BodySection(section, peek, parse_partial(cur) if cur.at(b"<") else None)
    if word in _BINARY and cur.at(b"["):
        return parse_fetch_binary(cur, word)
    if word == b"PREVIEW":
        return parse_fetch_preview(cur)
    attribute = _ATTRIBUTES.get(word)
    if attribute is None:
        raise SyntaxProblem(start, "a fetch item")
    return attribute


def write_fetch_att(out: Writer, item: FetchItem) -> None:
    """Write one item."""
    if isinstance(item, Attribute):
        out.write(item.value)
        return
    if isinstance(item, BinarySection | BinarySize):
        write_fetch_binary(out, item)
        return
    if isinstance(item, Preview):
        write_fetch_preview(out, item)
        return
    out.write(b"BODY.PEEK" if item.peek else b"BODY")
    write_section(out, item.section)
    if item.partial is not None:
        write_partial(out, item.partial)


def parse_msg_att(cur: Cursor) -> tuple[FetchedItem, ...]:
    """
    msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"

    RFC 9051 §7.5.2, §9. Where the dialect is loose, an item that is broken becomes an UnknownItem.
    """
    cur.opens()
    items: list[FetchedItem] = []
    while not cur.closes():
        if items:
            cur.space()
        start = cur.pos
        try:
            items.append(parse_msg_att_item(cur))
        except SyntaxProblem:
            if not cur.dialect.loose_values:
                raise
            cur.pos = start
            items.append(parse_unknown_item(cur))
    return tuple(items)


def parse_msg_att_item(cur: Cursor) -> FetchedItem:
    """
    msg-att-dynamic / msg-att-static

    RFC 9051 §7.5.2, §9.
    """
    start = cur.pos
    word = cur.need(_WORD, "a fetch item")[0].upper()
    if word == b"BODY" and cur.at(b"["):
        section = parse_section(cur)
        origin = None
        if cur.skip(b"<"):
            origin = parse_number64(cur)
            cur.expect(b">")
        cur.space()
        return BodyItem(section, origin, parse_nstring(cur))
    if cur.at(b"["):
        if word in (b"BINARY", b"BINARY.SIZE"):
            return parse_msg_att_binary(cur, word)
        cur.pos = start
        return parse_unknown_item(cur)
    cur.space()
    match word:
        case b"UID":
            return UidItem(UID(parse_nz_number(cur)))
        case b"FLAGS":
            return FlagsItem(parse_flag_list(cur))
        case b"MODSEQ":
            return ModSeqItem(parse_fetch_mod_resp(cur))
        case b"INTERNALDATE":
            return InternalDateItem(parse_date_time(cur))
        case b"RFC822.SIZE":
            return SizeItem(parse_number64(cur))
        case b"EMAILID":
            email_id = parse_objectid_value(cur)
            if email_id is None:
                raise cur.fails("an object's name")
            return EmailIdItem(email_id)
        case b"THREADID":
            return ThreadIdItem(parse_objectid_value(cur))
        case b"SAVEDATE":
            return SaveDateItem(parse_savedate(cur))
        case b"PREVIEW":
            return parse_msg_att_preview(cur)
        case b"ENVELOPE":
            return EnvelopeItem(parse_envelope(cur))
        case b"BODYSTRUCTURE":
            return BodyStructureItem(parse_body(cur))
        case b"BODY":
            return BodyStructureItem(parse_body(cur), short=True)
        case b"RFC822" | b"RFC822.HEADER" | b"RFC822.TEXT":
            return BodyItem(_WHOLE[word], None, parse_nstring(cur), word)
        case _:
            cur.pos = start
            return parse_unknown_item(cur)


def parse_unknown_item(cur: Cursor) -> UnknownItem:
    """Take a name and a value as they stand."""
    name = cur.need(_NAME, "a fetch item")[0].decode("ascii", "surrogateescape")
    cur.space()
    if cur.at(b"~{"):
        start = cur.pos
        cur.pos += 1
        cur.literal()
        return UnknownItem(name, cur.data[start : cur.pos])
    return UnknownItem(name, skip_value(cur))


def write_msg_att(out: Writer, items: tuple[FetchedItem, ...]) -> None:
    """Write what was fetched, in parentheses."""
    for number, item in enumerate(items):
        out.write(b" " if number else b"(")
        write_msg_att_item(out, item)
    out.write(b")" if items else b"()")


def write_msg_att_item(out: Writer, item: FetchedItem) -> None:
    """Write one item; a body is always a literal, as it may hold anything."""
    match item:
        case UidItem(uid):
            out.write(b"UID %d" % uid)
        case FlagsItem(flags):
            out.write(b"FLAGS ")
            write_flag_list(out, flags)
        case ModSeqItem(mod_seq):
            write_fetch_mod_resp(out, mod_seq)
        case InternalDateItem(internal_date):
            out.write(b"INTERNALDATE ")
            write_date_time(out, internal_date)
        case SizeItem(octets):
            out.write(b"RFC822.SIZE %d" % octets)
        case EnvelopeItem(envelope):
            out.write(b"ENVELOPE ")
            write_envelope(out, envelope)
        case BodyStructureItem(structure, short):
            out.write(b"BODY " if short else b"BODYSTRUCTURE ")
            write_body(out, structure, extended=not short)
        case BodyItem(section, origin, data, name):
            if name == b"BODY":
                out.write(b"BODY")
                write_section(out, section)
                if origin is not None:
                    out.write(b"<%d>" % origin)
            elif name in _WHOLE:
                out.write(name)
            else:
                raise Unwritable("not a name of a body")
            out.write(b" ")
            if data is None:
                out.write(b"NIL")
            else:
                out.literal(data)
        case BinaryItem() | BinarySizeItem():
            write_msg_att_binary(out, item)
        case EmailIdItem(email_id):
            out.write(b"EMAILID ")
            write_objectid_value(out, email_id)
        case ThreadIdItem(thread_id):
            out.write(b"THREADID ")
            write_objectid_value(out, thread_id)
        case SaveDateItem(saved):
            out.write(b"SAVEDATE ")
            write_savedate(out, saved)
        case PreviewItem():
            write_msg_att_preview(out, item)
        case UnknownItem():
            _write_unknown_item(out, item)


def _write_unknown_item(out: Writer, item: UnknownItem) -> None:
    """Write a name and a value as they stand, if they are one item indeed."""
    try:
        data = item.name.encode("ascii", "surrogateescape") + b" " + item.value
        cur = Cursor(data)
        parse_unknown_item(cur)
        cur.end()
    except (UnicodeEncodeError, SyntaxProblem):
        raise Unwritable("not a fetch item") from None
    out.write(data)
