"""ENABLE."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem
from mailhorn.imap.grammar.ext.enable import parse_enable, parse_enable_data


def test_one_capability_at_least_is_asked_for_and_none_need_be_given() -> None:
    """RFC 5161 §4."""
    assert parse_enable(Cursor(b" condstore X")) == ("condstore", "X")
    assert parse_enable_data(Cursor(b"")) == ()
    assert parse_enable_data(Cursor(b" A  B(x) ", LENIENT)) == ("A", "B(x)")
    for data in [b"", b" ", b" A ", b" (A)"]:
        with pytest.raises(SyntaxProblem):
            parse_enable(Cursor(data))
