"""resp-text-code: what a status response tells programs (RFC 9051 §7.1, §9)."""

import re

from ..responses import (
    AppendUid,
    BadCharset,
    BadEvent,
    CapabilityCode,
    Code,
    CopyUid,
    FlagsCode,
    InProgress,
    MessageLimit,
    Modified,
    NoUpdate,
    NumberCode,
    ResponseCode,
)
from .atoms import (
    ATOM,
    MAX_NUMBER64,
    parse_astring,
    parse_string,
    write_astring,
    write_number,
    write_string,
    write_word,
)
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer
from .ext.condstore import parse_resp_code_modified, write_resp_code_modified
from .ext.enable import parse_enable_data, write_enable_data
from .ext.inprogress import parse_resp_code_inprogress, write_resp_code_inprogress
from .ext.messagelimit import parse_resp_code_messagelimit, write_resp_code_messagelimit
from .ext.notify import parse_unsupported_events_code, write_unsupported_events_code
from .ext.uidplus import (
    parse_resp_code_apnd,
    parse_resp_code_copy,
    write_resp_code_apnd,
    write_resp_code_copy,
)
from .flag import parse_flag_perm_list, write_flag_list

_NAME = re.compile(rb"[^ \]\x00-\x1f\x7f]+")
_REST = re.compile(rb"(?: ++([^\]\r\n\x00]*+))?\]")
_REST_WRITABLE = re.compile(rb"[^\]\r\n\x00]+")
_TYPED = frozenset(
    (
        b"PERMANENTFLAGS",
        b"CAPABILITY",
        b"APPENDUID",
        b"COPYUID",
        b"BADCHARSET",
        b"MODIFIED",
        b"NOUPDATE",
        b"INPROGRESS",
        b"BADEVENT",
        b"MESSAGELIMIT",
    )
)


def parse_resp_text_code(cur: Cursor) -> ResponseCode:
    """
    "[" resp-text-code "]"

    RFC 9051 §7.1, §9. Names in capitals. A code we do not know, or a broken one where the dialect is loose, is
    a Code with its text; with nothing but a number it is a NumberCode.
    """
    cur.expect(b"[")
    raw = cur.need(_NAME if cur.dialect.raw_8bit else ATOM, "a response code")[0].upper()
    start = cur.pos
    if raw in _TYPED:
        try:
            code = _parse_typed(cur, raw)
            cur.expect(b"]")
            return code
        except SyntaxProblem:
            if not cur.dialect.loose_values:
                raise
            cur.pos = start
    text = cur.need(_REST, "the end of a response code")[1]
    name = raw.decode("ascii", "surrogateescape")
    if text and text.isdigit() and len(text) < 20 and int(text) <= MAX_NUMBER64:
        return NumberCode(name, int(text))
    return Code(name, text or None)


def _parse_typed(cur: Cursor, name: bytes) -> ResponseCode:
    match name:
        case b"PERMANENTFLAGS":
            cur.space()
            return FlagsCode(parse_flag_perm_list(cur))
        case b"CAPABILITY":
            return CapabilityCode(parse_enable_data(cur))
        case b"APPENDUID":
            return parse_resp_code_apnd(cur)
        case b"COPYUID":
            return parse_resp_code_copy(cur)
        case b"NOUPDATE":
            cur.space()
            return NoUpdate(parse_string(cur))
        case b"INPROGRESS":
            return parse_resp_code_inprogress(cur)
        case b"BADEVENT":
            return parse_unsupported_events_code(cur)
        case b"MESSAGELIMIT":
            return parse_resp_code_messagelimit(cur)
        case b"MODIFIED":
            return parse_resp_code_modified(cur)
        case _:
            return BadCharset(_parse_charsets(cur))


def _parse_charsets(cur: Cursor) -> tuple[str, ...]:
    """
    [SP "(" charset *(SP charset) ")" ]

    RFC 9051 §9.
    """
    if not cur.at(b" "):
        return ()
    cur.space()
    cur.opens()
    charsets = [parse_astring(cur).decode("ascii", "surrogateescape")]
    while not cur.closes():
        cur.space()
        charsets.append(parse_astring(cur).decode("ascii", "surrogateescape"))
    return tuple(charsets)


def write_resp_text_code(out: Writer, code: ResponseCode) -> None:
    """Write a code with its brackets."""
    out.write(b"[")
    match code:
        case Code(name, text):
            write_word(out, name)
            if text is not None:
                if not _REST_WRITABLE.fullmatch(text):
                    raise Unwritable("] or a control character in a response code")
                out.write(b" " + text)
        case NumberCode(name, number):
            write_word(out, name)
            out.write(b" ")
            write_number(out, number)
        case FlagsCode(flags):
            out.write(b"PERMANENTFLAGS ")
            write_flag_list(out, flags)
        case CapabilityCode(capabilities):
            out.write(b"CAPABILITY")
            write_enable_data(out, capabilities)
        case AppendUid():
            write_resp_code_apnd(out, code)
        case CopyUid():
            write_resp_code_copy(out, code)
        case NoUpdate(tag):
            out.write(b"NOUPDATE ")
            write_string(out, tag)
        case InProgress():
            write_resp_code_inprogress(out, code)
        case BadEvent():
            write_unsupported_events_code(out, code)
        case MessageLimit():
            write_resp_code_messagelimit(out, code)
        case Modified():
            write_resp_code_modified(out, code)
        case BadCharset(charsets):
            out.write(b"BADCHARSET")
            for number, charset in enumerate(charsets):
                out.write(b" " if number else b" (")
                write_astring(out, charset.encode("ascii", "surrogateescape"))
            if charsets:
                out.write(b")")
    out.write(b"]")
