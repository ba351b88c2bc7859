"""STATUS items."""

import pytest

from mailhorn.imap.commands import StatusItem
from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.status import parse_status_att_list, parse_status_atts, write_status_atts


def test_items_that_are_asked_for() -> None:
    """At least one, all known."""
    assert parse_status_atts(Cursor(b"(UIDNEXT messages)")) == (StatusItem.UIDNEXT, StatusItem.MESSAGES)
    for data in [b"()", b"(FOO)", b"UIDNEXT", b"(UIDNEXT", b"(UIDNEXT )"]:
        with pytest.raises(SyntaxProblem):
            parse_status_atts(Cursor(data))
    with pytest.raises(Unwritable):
        write_status_atts(Writer(), ())


def test_items_that_are_told() -> None:
    """Unknown ones are left out, whatever their value is."""
    found = parse_status_att_list(Cursor(b"(MESSAGES 231 X-NAME (F1) UIDNEXT 44292)"))
    assert found == ((StatusItem.MESSAGES, 231), (StatusItem.UIDNEXT, 44292))
    assert parse_status_att_list(Cursor(b"()")) == ()
    with pytest.raises(SyntaxProblem):
        parse_status_att_list(Cursor(b"(MESSAGES 1UIDNEXT 2)"))
    assert parse_status_att_list(Cursor(b"( UNSEEN 1 )", LENIENT)) == ((StatusItem.UNSEEN, 1),)
