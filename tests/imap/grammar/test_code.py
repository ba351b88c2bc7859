"""Response codes."""

import pytest

from mailhorn.imap.grammar.code import parse_resp_text_code, write_resp_text_code
from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.responses import (
    AppendUid,
    BadCharset,
    CapabilityCode,
    Code,
    CopyUid,
    FlagsCode,
    Modified,
    NumberCode,
    ResponseCode,
)
from mailhorn.model.ids import UIDValidity
from mailhorn.model.numbers import NumberSet, UIDSet


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[ALERT]", Code("ALERT")),
        (b"[UIDNEXT 4392]", NumberCode("UIDNEXT", 4392)),
        (b"[PERMANENTFLAGS (\\Deleted \\Seen \\*)]", FlagsCode(("\\Deleted", "\\Seen", "\\*"))),
        (b"[CAPABILITY IMAP4rev1 AUTH=PLAIN]", CapabilityCode(("IMAP4rev1", "AUTH=PLAIN"))),
        (b"[APPENDUID 38505 3955]", AppendUid(UIDValidity(38505), UIDSet(((3955, 3955),)))),
        (
            b"[COPYUID 38505 304,319:320 3956:3958]",
            CopyUid(UIDValidity(38505), UIDSet(((304, 304), (319, 320))), UIDSet(((3956, 3958),))),
        ),
        (b"[BADCHARSET (UTF-8 US-ASCII)]", BadCharset(("UTF-8", "US-ASCII"))),
        (b"[BADCHARSET]", BadCharset()),
        (b"[MODIFIED 7,9]", Modified(NumberSet(((7, 7), (9, 9))))),
        (b"[X-FOO some (text)]", Code("X-FOO", b"some (text)")),
    ],
)
def test_a_code(data: bytes, code: ResponseCode) -> None:
    """Both ways: RFC 9051 §7.1, RFC 4315 §3."""
    cur = Cursor(data)
    assert parse_resp_text_code(cur) == code
    cur.end()
    out = Writer()
    write_resp_text_code(out, code)
    assert out.data() == data


def test_a_broken_code_is_told_as_it_stood() -> None:
    """By a client that forgives."""
    assert parse_resp_text_code(Cursor(b"[copyuid 1  ]", LENIENT)) == Code("COPYUID", b"1  ")
    assert parse_resp_text_code(Cursor(b"[PERMANENTFLAGS x]", LENIENT)) == Code("PERMANENTFLAGS", b"x")
    for data in [b"[copyuid 1 2:* 3]", b"[]", b"[X", b"[APPENDUID 0 1]"]:
        with pytest.raises(SyntaxProblem):
            parse_resp_text_code(Cursor(data))


@pytest.mark.parametrize(
    "code", [Code("A B"), Code("A", b"x]"), Code("A", b""), Code("A", b"\r\n"), NumberCode("A", -1)]
)
def test_what_would_break_out_is_not_written(code: ResponseCode) -> None:
    """Fault F90."""
    with pytest.raises(Unwritable):
        write_resp_text_code(Writer(), code)
