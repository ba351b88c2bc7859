"""UNSELECT."""

from mailhorn.imap.grammar.command import parse_command, write_command
from mailhorn.imap.grammar.ext.unselect import UNSELECT


def test_it_is_one_word() -> None:
    """RFC 3691 §2."""
    assert parse_command(b"a unselect") == (b"a", UNSELECT)
    assert write_command(b"a", UNSELECT) == [b"a UNSELECT\r\n"]
