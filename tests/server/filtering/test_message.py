"""A message as scripts see it."""

from mailhorn.server.filtering.message import FEW, Message, Octets
from mailhorn.sieve.actions import AddHeader

MAIL = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-A : one\r\n two\r\nx-a: three\r\nTo: \xff\r\n\r\nX-A: body\r\n"


def test_fields_are_the_same_one_by_one_and_all_at_once() -> None:
    """Unfolded, and decoded if one asks for that; of a body nothing."""
    one, all_ = Message(Octets(MAIL)), Message(Octets(MAIL))
    for number in range(FEW + 1):
        assert all_.values(f"none-{number}") == ()
    for message in (one, all_):
        assert message.values("x-a") == ("one two", "three")
        assert message.values("subject") == ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=",) and message.decoded("subject") == (
            "Grüße",
        )
        assert message.values("to") == ("\udcff",) and message.values("body") == ()
    assert [name for name, _, _ in one.header()] == ["Subject", "X-A", "x-a", "To"]


def test_what_edits_make_of_it_is_made_once() -> None:
    """And is another message; no edits leave it as it is."""
    message = Message(Octets(MAIL))
    edits = (AddHeader("X-New", "1"),)
    edited = message.edited(edits)
    assert edited is message.edited(edits) and edited.content == b"X-New: 1\r\n" + MAIL
    assert message.edited(()) is message and (message.original, edited.original) == (True, False)


def test_a_message_without_a_header() -> None:
    """Is one all the same."""
    for octets in (b"", b"\r\nbody", b"no field at all"):
        message = Message(Octets(octets))
        assert message.values("subject") == () and message.header() == () and message.size == len(octets)
