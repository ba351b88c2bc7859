"""What STORE does."""

import pytest

from mailhorn.imap.commands import StoreMode
from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem
from mailhorn.imap.grammar.store import parse_store_att_flags


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"+FLAGS (\\Deleted)", (StoreMode.ADD, False, ("\\Deleted",))),
        (b"-flags.silent \\Seen work", (StoreMode.REMOVE, True, ("\\Seen", "work"))),
        (b"FLAGS ()", (StoreMode.REPLACE, False, ())),
    ],
)
def test_mode_and_flags(data: bytes, value: object) -> None:
    """RFC 9051 §6.4.6: with parentheses and without."""
    cur = Cursor(data)
    assert parse_store_att_flags(cur) == value
    cur.end()


@pytest.mark.parametrize("data", [b"", b"FLAGS", b"FLAGS ", b"*FLAGS (a)", b"FLAGS.LOUD (a)", b"FLAGS a "])
def test_what_is_none(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_store_att_flags(Cursor(data))
