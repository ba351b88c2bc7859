"""smtp/address.py: mailboxes and paths."""

from string import ascii_letters, digits

import pytest

from mailhorn.smtp.address import Mailbox, is_domain, parse_path, write_path
from mailhorn.smtp.reply import CommandProblem


@pytest.mark.parametrize(
    ("text", "mailbox", "rest"),
    [
        ("<>", None, ""),
        ("<> SIZE=3", None, " SIZE=3"),
        ("<a@b.example>", Mailbox("a", "b.example"), ""),
        ("<Postmaster>", Mailbox("Postmaster", ""), ""),
        ("<a+b.c@x> BODY=7BIT", Mailbox("a+b.c", "x"), " BODY=7BIT"),
        ("a@b SIZE=1", Mailbox("a", "b"), " SIZE=1"),
        ("user", Mailbox("user", ""), ""),
        ('<"a b\\"c"@x.example>', Mailbox('a b"c', "x.example"), ""),
        ('<"a>b"@x>', Mailbox("a>b", "x"), ""),
        ("<@one.example,@two.example:joe@three.example>", Mailbox("joe", "three.example"), ""),
        ("<x@[192.0.2.1]>", Mailbox("x", "[192.0.2.1]"), ""),
        ("<x@[IPv6:2001:db8::1]>", Mailbox("x", "[IPv6:2001:db8::1]"), ""),
        ("<x@[future:anything]>", Mailbox("x", "[future:anything]"), ""),
        ("<用户@例子.example>", Mailbox("用户", "例子.example"), ""),
        ("<docomo..user.@mail.example>", Mailbox("docomo..user.", "mail.example"), ""),
        ("<under_score@a_b.example>", Mailbox("under_score", "a_b.example"), ""),
    ],
)
def test_paths(text: str, mailbox: Mailbox | None, rest: str) -> None:
    """RFC 5321 §4.1.2, and what real clients send besides."""
    assert parse_path(text) == (mailbox, rest)
    assert parse_path(write_path(mailbox)) == (mailbox, "")


@pytest.mark.parametrize(
    "text",
    ["", "<", "<a@b", "a@b>", "<a@>", "<@b>", "<a b@c>", "<a@b c>", "<a@b>x", "<<a@b>>", "<a@b..c>", "<a@.b>", "<a@b.>",
     "<a@[300.1.1.1]>", "<a@[IPv6:xyz]>", "<a@[>", '<"a@b>', "<" + "a" * 300 + "@b>", "<a@" + "b." * 140 + "c>",
     "<a@" + "b" * 64 + ">", "<@a,@b>", "<" + "@a," * 400 + "@b:c@d>", "< a@b>", "<(comment)a@b>"],
)  # fmt: skip
def test_bad_paths(text: str) -> None:
    """What is no path is answered with 501."""
    with pytest.raises(CommandProblem) as caught:
        parse_path(text)
    assert caught.value.reply.code == 501


def test_written_quoted_where_needed() -> None:
    """A local part that is no dot-string is quoted (RFC 5321 §4.1.2)."""
    assert str(Mailbox('a "b"', "x")) == '"a \\"b\\""@x'
    assert str(Mailbox(".a", "x")) == '".a"@x'
    assert str(Mailbox("", "x")) == '""@x'


def test_ascii() -> None:
    """Either half may need SMTPUTF8."""
    assert Mailbox("a", "b").ascii
    assert not Mailbox("ä", "b").ascii
    assert not Mailbox("a", "ä").ascii


@pytest.mark.parametrize(
    ("text", "good"),
    [("mx.example", True), ("[192.0.2.1]", True), ("localhost", True), ("a..b", False), ("[1]", False), ("", False)],
)
def test_is_domain(text: str, good: bool) -> None:
    """Names and address literals."""
    assert is_domain(text) is good


@pytest.mark.parametrize("character", [*map(chr, range(0x80)), "\u0080", "ü", "\U0010ffff"])
def test_which_characters_stand_where(character: str) -> None:
    """As they are in a local part: atext and dots between (RFC 5321 §4.1.2); in a domain: letters, digits, - and _."""
    beyond = character >= "\x80"
    in_atom = beyond or character in f"{ascii_letters}{digits}!#$%&'*+-/=?^_`{{|}}~."
    assert str(Mailbox(f"a{character}b", "x")).startswith('"') != in_atom
    in_domain = beyond or character in f"{ascii_letters}{digits}-_."
    assert is_domain(f"x{character}y") == in_domain
