"""Sets of numbers as they are written."""

import pytest

from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.sequence import parse_sequence_set, parse_uid_set, sequence_set_bytes, write_uid_set
from mailhorn.model.numbers import STAR, SeqSet, UIDSet


def test_a_set_is_kept_as_it_was_written() -> None:
    """RFC 9051 §9: 2,4:7,9,12:* is one of its examples."""
    found = parse_sequence_set(Cursor(b"2,4:7,9,12:* x"), SeqSet)
    assert found == SeqSet(((2, 2), (4, 7), (9, 9), (12, STAR)))
    assert sequence_set_bytes(found) == b"2,4:7,9,12:*"
    assert parse_sequence_set(Cursor(b"*:4"), UIDSet) == UIDSet(((STAR, 4),))


@pytest.mark.parametrize(
    "data",
    [b"", b"0", b"1,", b",1", b"1:", b"1:2:3", b"1,,2", b"01", b"$1", b"$,1", b"4294967296", b"99999999999", b"1-2"],
)
def test_what_is_no_set(data: bytes) -> None:
    """A half of it is not taken either."""
    with pytest.raises(SyntaxProblem):
        cur = Cursor(data)
        parse_sequence_set(cur, SeqSet)
        cur.end()


def test_uids_that_are_known_have_no_star() -> None:
    """RFC 4315 §4 uid-set."""
    assert parse_uid_set(Cursor(b"3,5:9")) == UIDSet(((3, 3), (5, 9)))
    with pytest.raises(SyntaxProblem):
        parse_uid_set(Cursor(b"3:*"))
    with pytest.raises(Unwritable):
        write_uid_set(Writer(), UIDSet(((3, STAR),)))


def test_an_empty_set_and_large_numbers_are_refused() -> None:
    """IMAP has no word for nothing."""
    for ranges in [(), ((1, 2**32),), ((-1, 1),)]:
        with pytest.raises(Unwritable):
            sequence_set_bytes(SeqSet(ranges))
