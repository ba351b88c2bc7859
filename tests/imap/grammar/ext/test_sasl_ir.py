"""AUTHENTICATE with an initial response."""

import pytest

from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem
from mailhorn.imap.grammar.ext.sasl_ir import parse_initial_resp


def test_an_empty_response_is_told_from_none() -> None:
    """RFC 4959 §3."""
    assert parse_initial_resp(Cursor(b"=")) == b""
    assert parse_initial_resp(Cursor(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm")) == b"\0tim\0tanstaaftanstaaf"


@pytest.mark.parametrize("data", [b"", b"A", b"AB", b"ABC", b"AB=C", b"ABCD=", b"!"])
def test_what_is_no_base64(data: bytes) -> None:
    """Padding and length count."""
    with pytest.raises(SyntaxProblem):
        cur = Cursor(data)
        parse_initial_resp(cur)
        cur.end()
