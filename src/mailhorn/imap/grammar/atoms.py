"""atom, astring, string, nstring and the numbers (RFC 9051 §4, §9)."""

import re
from typing import Final

from .cursor import Cursor, SyntaxProblem, Unwritable, Writer

MAX_NUMBER: Final = 2**32 - 1
MAX_NUMBER64: Final = 2**63 - 1

_ATOM_CHAR = rb"!#-$&'+\-,./0-9:;<=>?@A-Z\[^_`a-z|}~"
ATOM: Final = re.compile(rb"[" + _ATOM_CHAR + rb"]+")
_ATOM_8BIT = re.compile(rb"[" + _ATOM_CHAR + rb"\x80-\xff]+")
_ASTRING = re.compile(rb"[" + _ATOM_CHAR + rb"\]]+")
_ASTRING_8BIT = re.compile(rb'[^\x00-\x20(){"\x7f][^\x00-\x20()"\x7f]*')
_TAG = re.compile(rb"[" + _ATOM_CHAR.replace(rb"+\-", rb"\-") + rb"\]]+")

_QUOTED_PLAIN = re.compile(rb'"([^"\\\r\n\x00]*)"')
_QUOTED = re.compile(rb'"((?>(?:[^"\\\r\n\x00]++|\\["\\])*))"')
_QUOTED_LOOSE = re.compile(rb'"((?>(?:[^"\\]++|\\.)*))"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPECIAL = re.compile(rb'(["\\])')
_PLAIN = re.compile(rb"[\x20!\x23-\x5b\x5d-\x7e\t]{0,1024}")
_QUOTABLE = re.compile(rb"[\x20-\x7e\t]{0,1024}")
_QUOTABLE_8BIT = re.compile(rb"[\x20-\x7e\t\x80-\xff]{0,1024}")

_NSTRING_PLAIN = re.compile(rb'"([^"\\\r\n\x00]*)"|NIL(?![^ )\]])', re.IGNORECASE)
_NIL = re.compile(rb"NIL(?![^ )\]])", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]+")


def parse_tag(cur: Cursor) -> bytes:
    """
    tag = 1*<any ASTRING-CHAR except "+">

    RFC 9051 §9.
    """
    return cur.need(_TAG, "a tag")[0]


def write_tag(out: Writer, value: bytes) -> None:
    """Write a tag."""
    if not _TAG.fullmatch(value):
        raise Unwritable("not a tag")
    out.write(value)


def parse_atom(cur: Cursor) -> bytes:
    """
    atom = 1*ATOM-CHAR

    RFC 9051 §4.1, §9.
    """
    return cur.need(_ATOM_8BIT if cur.dialect.raw_8bit else ATOM, "an atom")[0]


def write_atom(out: Writer, value: bytes) -> None:
    """Write an atom; there is no other form of it."""
    if not (_ATOM_8BIT if out.dialect.raw_8bit else ATOM).fullmatch(value):
        raise Unwritable("not an atom")
    out.write(value)


def parse_word(cur: Cursor) -> str:
    """Parse an atom whose octets are text: a capability, a code's name. As written, case and all."""
    return parse_atom(cur).decode("ascii", "surrogateescape")


def write_word(out: Writer, value: str) -> None:
    """Write an atom given as text."""
    try:
        write_atom(out, value.encode("ascii", "surrogateescape"))
    except UnicodeEncodeError:
        raise Unwritable("not an atom") from None


def parse_quoted(cur: Cursor) -> bytes:
    """
    quoted = DQUOTE *QUOTED-CHAR DQUOTE

    RFC 9051 §4.3, §9, which allows UTF-8 here, and no other octets above 127 (RFC 6855 §3: a server says BAD).
    """
    start = cur.pos
    found = _QUOTED_PLAIN.match(cur.data, start)
    if found is not None:
        cur.pos = found.end()
        value: bytes = found[1]
    else:
        found = cur.need(_QUOTED_LOOSE if cur.dialect.loose_values else _QUOTED, "a quoted string")
        value = _ESCAPED.sub(rb"\1", found[1])
    if not value.isascii() and not cur.dialect.loose_values and not _is_utf8(value):
        raise SyntaxProblem(start, "UTF-8 in a quoted string")
    return value


def parse_string(cur: Cursor) -> bytes:
    """
    string = quoted / literal

    RFC 9051 §4.3, §9.
    """
    if cur.at(b'"'):
        return parse_quoted(cur)
    if cur.at(b"{"):
        return cur.literal()
    if cur.dialect.loose_values:
        if cur.skip(b"~"):
            return cur.literal()
        return cur.need(_ASTRING_8BIT, "a string")[0]
    raise cur.fails("a string")


def write_string(out: Writer, value: bytes) -> None:
    """Write a string: quoted if that is safe, else as a literal."""
    if _PLAIN.fullmatch(value):  # almost all
        out.write(b'"%b"' % value)
    elif _QUOTABLE.fullmatch(value) or (out.dialect.utf8 and _QUOTABLE_8BIT.fullmatch(value) and _is_utf8(value)):
        if b'"' in value or b"\\" in value:
            value = _SPECIAL.sub(rb"\\\1", value)
        out.write(b'"' + value + b'"')
    else:
        out.literal(value)


def parse_astring(cur: Cursor) -> bytes:
    """
    astring = 1*ASTRING-CHAR / string

    RFC 9051 §4.3, §9.
    """
    found = (_ASTRING_8BIT if cur.dialect.raw_8bit else _ASTRING).match(cur.data, cur.pos)
    if found is not None:
        cur.pos = found.end()
        return found[0]
    return parse_string(cur)


def write_astring(out: Writer, value: bytes) -> None:
    """Write an astring in its shortest safe form; `NIL` is quoted so that nobody takes it for nil."""
    if _ASTRING.fullmatch(value) and value.upper() != b"NIL":
        out.write(value)
    else:
        write_string(out, value)


def parse_nstring(cur: Cursor) -> bytes | None:
    """
    nstring = string / nil

    RFC 9051 §4.5, §9.
    """
    found = _NSTRING_PLAIN.match(cur.data, cur.pos)
    if found is not None:
        plain: bytes | None = found[1]
        if plain is None or plain.isascii() or cur.dialect.loose_values:
            cur.pos = found.end()
            return plain
    return parse_string(cur)


def write_nstring(out: Writer, value: bytes | None) -> None:
    """Write a string or NIL."""
    if value is None:
        out.write(b"NIL")
    elif _PLAIN.fullmatch(value):
        out.write(b'"%b"' % value)
    else:
        write_string(out, value)


def skip_nil(cur: Cursor) -> bool:
    """
    nil = "NIL"

    RFC 9051 §9. Move behind it if it stands here.
    """
    found = _NIL.match(cur.data, cur.pos)
    if found is None:
        return False
    cur.pos = found.end()
    return True


def parse_number(cur: Cursor) -> int:
    """
    number = 1*DIGIT

    RFC 9051 §9: unsigned, 32 bits.
    """
    return _bounded(cur, 0, MAX_NUMBER)


def parse_nz_number(cur: Cursor) -> int:
    """
    nz-number = digit-nz *DIGIT

    RFC 9051 §9: unsigned, 32 bits, not 0.
    """
    if cur.at(b"0") and not cur.dialect.loose_values:
        raise cur.fails("a number without leading zero")
    return _bounded(cur, 1, MAX_NUMBER)


def parse_number64(cur: Cursor) -> int:
    """
    number64 = 1*DIGIT

    RFC 9051 §9: unsigned, 63 bits.
    """
    return _bounded(cur, 0, MAX_NUMBER64)


def write_number(out: Writer, value: int) -> None:
    """Write a number of any size up to 63 bits."""
    if not 0 <= value <= MAX_NUMBER64:
        raise Unwritable("not a number64")
    out.write(b"%d" % value)


def _bounded(cur: Cursor, least: int, most: int) -> int:
    found = _DIGITS.match(cur.data, cur.pos)
    if found is not None and len(found[0]) <= 20:  # int() of very many digits is slow and then refused
        value = int(found[0])
        if least <= value <= most:
            cur.pos = found.end()
            return value
    raise SyntaxProblem(cur.pos, f"a number from {least} to {most}")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
