"""Flags."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.flag import flags_text, parse_flag, parse_flag_list, parse_flag_perm_list


def test_system_flags_get_their_usual_spelling() -> None:
    """Keywords keep theirs."""
    found = parse_flag_list(Cursor(b"(\\SEEN \\answered $MDNSent Work \\X)"))
    assert found == ("\\Seen", "\\Answered", "$MDNSent", "Work", "\\X")
    assert parse_flag_list(Cursor(b"()")) == ()
    assert parse_flag(Cursor(b"\\deleted x")) == "\\Deleted"


@pytest.mark.parametrize(
    "data", [b"", b"(", b"( \\Seen)", b"(\\Seen )", b"(a  b)", b"(\\)", b"(a\xe9)", b"(\\*)", b'("a")']
)
def test_what_is_no_list_of_flags(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_flag_list(Cursor(data))


def test_any_keyword_may_be_permitted() -> None:
    """flag-perm, RFC 9051 §9."""
    assert parse_flag_perm_list(Cursor(b"(\\Deleted \\*)")) == ("\\Deleted", "\\*")


def test_real_servers_have_stranger_flags() -> None:
    """They are kept and can be written again."""
    found = parse_flag_list(Cursor(b"( caf\xe9  [x] \\*)", LENIENT))
    assert found == ("caf\udce9", "[x]", "\\*")
    assert flags_text(found) == b"caf\xe9 [x] \\*"


@pytest.mark.parametrize("flag", ["", "a b", "a\r\nb", "(a)", "é", "a*", "\\", '"'])
def test_what_is_no_flag_is_not_written(flag: str) -> None:
    """Fault F90."""
    with pytest.raises(Unwritable):
        flags_text([flag, "x"])


def test_flags_are_written_in_their_order() -> None:
    """None at all are nothing."""
    assert flags_text(["\\Seen", "a"]) == b"\\Seen a"
    assert flags_text([]) == b""
