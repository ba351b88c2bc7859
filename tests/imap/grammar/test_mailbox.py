"""Mailbox names and modified UTF-7."""

import pytest

from mailhorn.imap.grammar.atoms import parse_astring
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, UTF8, Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.mailbox import (
    decode_utf7,
    encode_utf7,
    parse_list_mailbox,
    parse_mailbox,
    write_list_mailbox,
    write_mailbox,
)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501 §5.1.3
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"R&-D", "R&D"),
        (b"&2D3eAA-", "😀"),
        (b"&AAo-", "\n"),
        (b"", ""),
    ],
)
def test_modified_utf7(data: bytes, name: str) -> None:
    """RFC 3501 §5.1.3, both ways."""
    assert decode_utf7(data) == name
    assert encode_utf7(name) == data


@pytest.mark.parametrize(
    "data",
    [
        *(b"&", b"a&b", b"&AOk", b"&AO-", b"&A-", b"&AOl-", b"\xe9", b"a\tb", b"&AOk=-"),
        b"&AGE-",  # a letter that stands for itself
        b"&AOk-&AOk-",  # superfluous shift: RFC 3501 §5.1.3
        b"&2D0-",  # half a surrogate pair
    ],
)
def test_only_one_form_of_a_name_is_taken(data: bytes) -> None:
    """Two names for one mailbox would be two mailboxes for a client."""
    with pytest.raises(ValueError):
        decode_utf7(data)
    with pytest.raises(SyntaxProblem) as caught:
        parse_mailbox(Cursor(b" {%d}\r\n%b" % (len(data), data), STRICT, 1))
    assert caught.value.position == 1


@pytest.mark.parametrize("data", [b"{3}\r\na\0b", b"{3}\r\na\nb", b'"a\x7f"', b"&AAo-", b"&AAA-", b'"\xc3"'])
def test_a_server_takes_no_controls_and_no_octets_that_are_no_text(data: bytes) -> None:
    """Neither as they are nor in disguise."""
    with pytest.raises(SyntaxProblem):
        parse_mailbox(Cursor(data))


@pytest.mark.parametrize("data", [b"inbox", b'"InBoX"', b"{5}\r\nINBOX"])
def test_inbox_is_told_in_capitals(data: bytes) -> None:
    """RFC 9051 §5.1."""
    assert parse_mailbox(Cursor(data)) == "INBOX"
    assert parse_mailbox(Cursor(data, LENIENT)) == "INBOX"


def test_a_client_keeps_names_below_inbox_as_the_server_wrote_them() -> None:
    """Only our own server is known to fold the case of the first level."""
    assert parse_mailbox(Cursor(b"Inbox/a")) == "INBOX/a"
    assert parse_mailbox(Cursor(b"Inbox/a", LENIENT)) == "Inbox/a"


@pytest.mark.parametrize("data", [b"R & D", b"Caf\xe9", b"Caf\xc3\xa9 &-", b"&AOk-&AOk-", b"a&", b"&AGE-", b"a\tb"])
def test_a_client_writes_back_what_no_one_can_decode(data: bytes) -> None:
    """Fault F19: the name goes back exactly as it came."""
    name = parse_mailbox(Cursor(b"{%d}\r\n%b" % (len(data), data), LENIENT))
    out = Writer(LENIENT)
    write_mailbox(out, name)
    assert parse_astring(Cursor(out.data(), LENIENT)) == data


def test_names_are_utf8_once_it_was_enabled() -> None:
    """RFC 6855 §3: `&` is just a character then."""
    utf8 = Dialect(utf8=True)
    assert parse_mailbox(Cursor('"R&D é"'.encode(), utf8)) == "R&D é"
    out = Writer(utf8)
    write_mailbox(out, "R&D é")
    assert out.data() == '"R&D é"'.encode()
    with pytest.raises(SyntaxProblem):
        parse_mailbox(Cursor(b'"\xe9"', utf8))


def test_a_server_reads_utf8_before_it_is_enabled() -> None:
    """RFC 6855 §3: quoted UTF-8 is a name from the first command on; `&` in it is nothing special then."""
    assert parse_mailbox(Cursor('"R&D é"'.encode())) == "R&D é"
    assert parse_mailbox(Cursor('"é/INBOX"'.encode())) == "é/INBOX"
    assert parse_list_mailbox(Cursor('"é*"'.encode())) == "é*"


def test_a_name_that_is_not_in_normal_form_is_refused_where_nobody_could_be_told_that_it_was_changed() -> None:
    """RFC 9051 §5.1; modified UTF-7 is kept as it is (RFC 3501 §5.1.3)."""
    with pytest.raises(SyntaxProblem):
        parse_mailbox(Cursor('"e\u0301"'.encode()))
    assert parse_mailbox(Cursor('"e\u0301"'.encode(), UTF8)) == "e\u0301"
    assert parse_mailbox(Cursor(b"e&AwE-")) == "e\u0301"


def test_a_pattern_may_hold_wildcards_without_quotes() -> None:
    """list-mailbox, RFC 9051 §9."""
    assert parse_list_mailbox(Cursor(b"a/%/*] x")) == "a/%/*]"
    assert parse_list_mailbox(Cursor(b'""')) == ""
    out = Writer()
    write_list_mailbox(out, "é*")
    assert out.data() == b"&AOk-*"
    with pytest.raises(SyntaxProblem):
        parse_list_mailbox(Cursor(b"&*"))


@pytest.mark.parametrize("dialect", [STRICT, LENIENT, Dialect(utf8=True)])
def test_half_a_surrogate_pair_is_refused(dialect: Dialect) -> None:
    """It has no form in UTF-7 or UTF-8."""
    with pytest.raises(Unwritable):
        write_mailbox(Writer(dialect), "\ud800")
    with pytest.raises(Unwritable):
        write_mailbox(Writer(dialect), "\ud800\udc26")
