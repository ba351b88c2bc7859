"""section: which part of a message a BODY[...] means (RFC 9051 §6.4.5, §9)."""

import re

from ..commands import Section, SectionText
from .atoms import parse_astring, parse_number64, write_astring, write_number
from .cursor import STRICT, Cursor, SyntaxProblem, Unwritable, Writer

_PART = re.compile(rb"[1-9][0-9]{0,8}(?>(?:\.[1-9][0-9]{0,8})*)")
_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
_TEXTS = {text.value: text for text in SectionText}
_WITH_FIELDS = (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)

MAX_PART_LEVELS = 200
"""Levels of a section-part, each at most 9 digits: no message that was parsed nests deeper."""


def parse_section(cur: Cursor) -> Section:
    """
    section = "[" [section-spec] "]"; section-spec = section-msgtext / (section-part ["." section-text])

    RFC 9051 §6.4.5, §9.
    """
    cur.expect(b"[")
    part: tuple[int, ...] = ()
    found = _PART.match(cur.data, cur.pos)
    if found is not None:
        numbers = found[0].split(b".", MAX_PART_LEVELS)
        if len(numbers) > MAX_PART_LEVELS:
            raise cur.fails("fewer levels of parts")
        part = tuple(map(int, numbers))
        cur.pos = found.end()
        if cur.skip(b"]"):
            return Section(part)
        cur.expect(b".")
    elif cur.skip(b"]"):
        return Section()
    start = cur.pos
    text = _TEXTS[cur.need(_TEXT, "a section")[0].upper()]
    if text is SectionText.MIME and not part:
        raise SyntaxProblem(start, "a part before MIME")
    fields: tuple[bytes, ...] = ()
    if text in _WITH_FIELDS:
        cur.space()
        fields = parse_header_list(cur)
    cur.expect(b"]")
    return Section(part, text, fields)


def write_section(out: Writer, value: Section) -> None:
    """Write a section with its brackets."""
    out.write(b"[")
    write_section_spec(out, value)
    out.write(b"]")


def write_section_spec(out: Writer, value: Section) -> None:
    """Write a section without its brackets."""
    if any(not 0 < number < 10**9 for number in value.part) or len(value.part) > MAX_PART_LEVELS:
        raise Unwritable("not a section-part")
    if value.text is SectionText.MIME and not value.part:
        raise Unwritable("MIME without a part")
    if bool(value.fields) != (value.text in _WITH_FIELDS):
        raise Unwritable("fields belong to HEADER.FIELDS and to nothing else")
    part = b".".join(b"%d" % number for number in value.part)
    out.write(part + (b"." if part and value.text.value else b"") + value.text.value)
    if value.fields:
        out.write(b" ")
        write_header_list(out, value.fields)


def parse_partial(cur: Cursor) -> tuple[int, int]:
    """
    partial = "<" number64 "." nz-number64 ">"

    RFC 9051 §9.
    """
    cur.expect(b"<")
    origin = parse_number64(cur)
    cur.expect(b".")
    if cur.at(b"0"):
        raise cur.fails("a number without leading zero")
    count = parse_number64(cur)
    cur.expect(b">")
    return origin, count


def write_partial(out: Writer, value: tuple[int, int]) -> None:
    """Write origin and count."""
    if value[1] < 1:
        raise Unwritable("a partial of nothing")
    out.write(b"<")
    write_number(out, value[0])
    out.write(b".")
    write_number(out, value[1])
    out.write(b">")


def parse_header_list(cur: Cursor) -> tuple[bytes, ...]:
    """
    header-list = "(" header-fld-name *(SP header-fld-name) ")"

    RFC 9051 §9; header-fld-name = astring.
    """
    cur.opens()
    fields = [parse_astring(cur)]
    while not cur.closes():
        cur.space()
        fields.append(parse_astring(cur))
    return tuple(fields)


def write_header_list(out: Writer, fields: tuple[bytes, ...]) -> None:
    """Write names of header fields in parentheses."""
    for number, field in enumerate(fields):
        out.write(b" " if number else b"(")
        write_astring(out, field)
    out.write(b")")


def section_bytes(value: Section) -> bytes:
    """Return a section without its brackets, ready to send in a response."""
    out = Writer(STRICT)
    write_section_spec(out, value)
    return out.data()
