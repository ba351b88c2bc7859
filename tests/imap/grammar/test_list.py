"""What LIST tells."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.list import parse_delimiter, parse_mailbox_list, write_delimiter, write_mailbox_list
from mailhorn.imap.responses import ListResponse


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'(\\Noselect) "/" ~/Mail/foo', ListResponse(("\\Noselect",), "/", "~/Mail/foo")),
        (b'() NIL "a b"', ListResponse((), None, "a b")),
        (b'(\\Marked \\X) "\\\\" inbox', ListResponse(("\\Marked", "\\X"), "\\", "INBOX")),
        (b'() "/" foo ("CHILDINFO" ("SUBSCRIBED"))', ListResponse((), "/", "foo", child_info=("SUBSCRIBED",))),
    ],
)
def test_a_mailbox(data: bytes, value: ListResponse) -> None:
    """RFC 9051 §6.3.9's examples; extended data is skipped."""
    cur = Cursor(data)
    assert parse_mailbox_list(cur, False) == value
    cur.end()


def test_an_unquoted_name_with_its_backslashes_is_a_quirk() -> None:
    """So is an empty delimiter for none."""
    found = parse_mailbox_list(Cursor(b'(\\HasNoChildren) "" Public\\Caf\xe9', LENIENT), False)
    assert found == ListResponse(("\\HasNoChildren",), None, "Public\\Caf\udce9")


def test_a_delimiter_is_one_character() -> None:
    """Both ways."""
    with pytest.raises(SyntaxProblem):
        parse_delimiter(Cursor(b'"//"'))
    for bad in ["//", "", "\n", "é"]:
        with pytest.raises(Unwritable):
            write_delimiter(Writer(), bad)


def test_attributes_start_with_a_backslash() -> None:
    """Nothing else is written."""
    with pytest.raises(Unwritable):
        write_mailbox_list(Writer(), ListResponse(("\\a) x",), "/", "x"))
