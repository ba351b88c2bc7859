"""BINARY (RFC 3516, RFC 9051 §6.4.5, §7.5.2).

Changes: `fetch-att =/ "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary`,
`msg-att-static =/ "BINARY" section-binary SP (nstring / literal8) / "BINARY.SIZE" section-binary SP number`,
`append =/ … literal8`, `resp-text-code =/ "UNKNOWN-CTE"`.
"""

import re

from ...commands import BinarySection, BinarySize, Section
from ...responses import BinaryItem, BinarySizeItem
from ..atoms import parse_nstring, parse_number64, write_number
from ..cursor import Cursor, SyntaxProblem, Writer
from ..section import parse_partial, parse_section, write_partial, write_section

_LITERAL8 = re.compile(rb"~\{([0-9]{1,19})\+?\}\r?\n")


def parse_section_binary(cur: Cursor) -> tuple[int, ...]:
    """
    section-binary = "[" [section-part] "]"

    RFC 3516 §7.
    """
    start = cur.pos
    section = parse_section(cur)
    if section != Section(section.part):
        raise SyntaxProblem(start, "numbers of a part")
    return section.part


def write_section_binary(out: Writer, part: tuple[int, ...]) -> None:
    """Write the numbers of a part with their brackets."""
    write_section(out, Section(part))


def parse_fetch_binary(cur: Cursor, word: bytes) -> BinarySection | BinarySize:
    """
    "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary

    RFC 3516 §7. Reads on behind the word.
    """
    part = parse_section_binary(cur)
    if word == b"BINARY.SIZE":
        return BinarySize(part)
    return BinarySection(part, word == b"BINARY.PEEK", parse_partial(cur) if cur.at(b"<") else None)


def write_fetch_binary(out: Writer, item: BinarySection | BinarySize) -> None:
    """Write one item."""
    if isinstance(item, BinarySize):
        out.write(b"BINARY.SIZE")
        write_section_binary(out, item.part)
        return
    out.write(b"BINARY.PEEK" if item.peek else b"BINARY")
    write_section_binary(out, item.part)
    if item.partial is not None:
        write_partial(out, item.partial)


def parse_msg_att_binary(cur: Cursor, word: bytes) -> BinaryItem | BinarySizeItem:
    """
    "BINARY" section-binary ["<" number ">"] SP (nstring / literal8) / "BINARY.SIZE" section-binary SP number

    RFC 3516 §4.3, §7. Reads on behind the word.
    """
    part = parse_section_binary(cur)
    origin = None
    if word == b"BINARY" and cur.skip(b"<"):
        origin = parse_number64(cur)
        cur.expect(b">")
    cur.space()
    if word == b"BINARY.SIZE":
        return BinarySizeItem(part, parse_number64(cur))
    return BinaryItem(part, origin, parse_literal8(cur) if cur.at(b"~") else parse_nstring(cur))


def write_msg_att_binary(out: Writer, item: BinaryItem | BinarySizeItem) -> None:
    """Write what was decoded; a literal8 if there is a NUL in it (RFC 3516 §4.3)."""
    out.write(b"BINARY.SIZE" if isinstance(item, BinarySizeItem) else b"BINARY")
    write_section_binary(out, item.part)
    if isinstance(item, BinarySizeItem):
        out.write(b" ")
        write_number(out, item.octets)
        return
    if item.origin is not None:
        out.write(b"<%d>" % item.origin)
    out.write(b" ")
    if item.data is None:
        out.write(b"NIL")
    elif b"\0" in item.data:
        write_literal8(out, item.data)
    else:
        out.literal(item.data)


def parse_literal8(cur: Cursor) -> bytes:
    """
    literal8 = "~{" number ["+"] "}" CRLF *OCTET

    RFC 3516 §7, RFC 9051 §9.
    """
    size = int(cur.need(_LITERAL8, "a literal")[1])
    data = cur.data[cur.pos : cur.pos + size]
    if len(data) < size:
        raise SyntaxProblem(cur.pos, f"{size} octets")
    cur.pos += size
    return data


def write_literal8(out: Writer, data: bytes) -> None:
    """Write any octets."""
    out.write(b"~{%d}\r\n" % len(data))
    out.write(data)
