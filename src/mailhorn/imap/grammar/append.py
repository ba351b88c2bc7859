"""append-message: what comes before the octets of a message (RFC 9051 §6.3.12, RFC 3502 §6.3.11, RFC 4466 §2.3)."""

import re
from typing import NamedTuple

from ...model.flags import NO_FLAGS, Flags, flag_set
from ..commands import Append
from .atoms import MAX_NUMBER64
from .cursor import Cursor, Writer
from .date import parse_date_time, write_date_time
from .flag import parse_flag_list, write_flag_list

_LITERAL = re.compile(rb"(~?)\{([0-9]{1,19})\+?\}")
_UTF8 = re.compile(rb"UTF8 \((?=~)", re.IGNORECASE)


class LiteralHead(NamedTuple):
    """The header of a literal: its octets, whether it is a literal8, and whether it stands in `UTF8 (…)`."""

    size: int
    binary: bool
    utf8: bool


def parse_append_opts(cur: Cursor) -> tuple[Flags, int | None]:
    """
    append-opts = [flag-list SP] [date-time SP]

    RFC 9051 §9: flags, and seconds since 1970.
    """
    flags, internal_date = NO_FLAGS, None
    if cur.at(b"("):
        flags = flag_set(parse_flag_list(cur))
        cur.space()
    if cur.at(b'"'):
        internal_date = parse_date_time(cur)
        cur.space()
    return flags, internal_date


def parse_literal_head(cur: Cursor) -> LiteralHead:
    """
    literal / literal8 / "UTF8" SP "(" literal8 ")"

    RFC 9051 §9, RFC 6855 §4: up to the end of its line.
    """
    utf8 = _UTF8.match(cur.data, cur.pos)
    if utf8 is not None:
        cur.pos = utf8.end()
    start = cur.pos
    literal = cur.need(_LITERAL, "a literal")
    size = int(literal[2])
    if size > MAX_NUMBER64:
        cur.pos = start
        raise cur.fails("a literal of at most 2^63-1 octets")
    return LiteralHead(size, bool(literal[1]), utf8 is not None)


def parse_append_message(cur: Cursor, mailbox: str) -> Append:
    """
    append-message = append-opts SP (literal / literal8 / "UTF8" SP "(" literal8 ")")

    RFC 3502 §6.3.11, RFC 4466 §2.3; the SP before it is read.
    """
    flags, internal_date = parse_append_opts(cur)
    literal = parse_literal_head(cur)
    return Append(mailbox, flags, internal_date, literal.size, literal.binary, utf8=literal.utf8)


def write_append_opts(out: Writer, command: Append) -> None:
    """Write flags and date, each with a SP before it."""
    if command.flags:
        out.write(b" ")
        write_flag_list(out, sorted(command.flags))
    if command.internal_date is not None:
        out.write(b" ")
        write_date_time(out, command.internal_date)


def write_literal_head(out: Writer, literal: LiteralHead) -> None:
    """Write the header of a literal with a SP before it."""
    if literal.utf8:
        out.write(b" UTF8 (~")
    else:
        out.write(b" ~" if literal.binary else b" ")
    out.literal_head(literal.size)


def write_append_message(out: Writer, command: Append) -> None:
    """Write all of it, SP included, up to the end of the line."""
    write_append_opts(out, command)
    write_literal_head(out, LiteralHead(command.size, command.binary, command.utf8))
