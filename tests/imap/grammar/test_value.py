"""Values that are skipped."""

import pytest

from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem
from mailhorn.imap.grammar.value import skip_value


@pytest.mark.parametrize(
    "data", [b"word", b"NIL", b'"a \\" )"', b"{3}\r\n) (", b"()", b'(a "(" {1}\r\n( (b) {x)', b"BODY[1]"]
)
def test_a_value_is_skipped_whole(data: bytes) -> None:
    """What stands behind it stays."""
    cur = Cursor(data + b" next")
    assert skip_value(cur) == data
    assert cur.at(b" next")


@pytest.mark.parametrize("data", [b"", b")", b"(", b"(()", b'"a', b"({3}\r\nab", b"(" * 2000 + b")" * 2000])
def test_what_is_no_value(data: bytes) -> None:
    """Nothing recurses, so depth is a problem and no crash."""
    with pytest.raises(SyntaxProblem):
        skip_value(Cursor(data))
