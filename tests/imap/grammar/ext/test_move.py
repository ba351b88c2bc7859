"""MOVE."""

import pytest

from mailhorn.imap.commands import Move
from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Writer
from mailhorn.imap.grammar.ext.move import parse_move, write_move
from mailhorn.model.numbers import SeqSet, UIDSet


def test_move_reads_on_behind_its_word() -> None:
    """RFC 6851 §5; the kind of numbers is the caller's."""
    for kind in (SeqSet, UIDSet):
        value = Move(kind(((42, 69),)), "foo")
        assert parse_move(Cursor(b" 42:69 foo"), kind) == value
        out = Writer()
        write_move(out, value)
        assert out.data() == b" 42:69 foo"
    with pytest.raises(SyntaxProblem):
        parse_move(Cursor(b" foo"), SeqSet)
