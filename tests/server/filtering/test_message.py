"""A message as scripts see it."""

import tracemalloc

import pytest

from mailhorn.mime.entity import Entity
from mailhorn.server.filtering.message import FEW, Message, Octets
from mailhorn.sieve.actions import AddHeader, DeleteHeader
from mailhorn.sieve.edit import edited

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
    made = message.edited(edits)
    assert made is message.edited(edits) and made.content == b"X-New: 1\r\n" + MAIL
    assert message.edited(()) is message and (message.original, made.original) == (True, False)


def test_a_message_without_a_header() -> None:
    """Is one all the same."""
    for octets in (b"", b"\r\nbody", b"no field at all"):
        message = Message(Octets(octets))
        assert message.values("subject") == () and message.header() == () and message.size == len(octets)


@pytest.mark.parametrize("octets", [MAIL, b"", b"\r\nbody", b"no field at all", b"Subject: x", b"Subject: x\n\nbody\n"])
def test_another_header_before_the_same_body(octets: bytes) -> None:
    """It reads as if it was made of the octets, however often the header is changed, and whatever is asked first."""
    edits = (AddHeader("X-A", "new"), AddHeader("X-B", "last", last=True), DeleteHeader("x-a", 2))
    more = (DeleteHeader("x-b", 1),)
    for later in ((), more):
        whole = edited(octets, [*edits, *later], Entity, "boundary")
        plain = Message(Octets(whole))
        made = [Message(Octets(octets)).edited(edits).edited(later) for _ in range(3)]
        assert b"".join(made[0].pieces()) == whole and made[0].size == len(whole)
        assert made[1].content == whole and b"".join(made[1].pieces()) == whole
        assert made[2].header() == plain.header() and made[2].values("x-a") == plain.values("x-a")
        assert made[2].content == whole


def test_a_large_message_is_not_copied_for_each_header() -> None:
    """A hundred people whose rules add a field to the same one: it is in memory once."""
    message = Message(Octets(MAIL + b"x" * 5_000_000))
    tracemalloc.start()
    try:
        made = [message.edited((AddHeader("X-For", str(number)),)) for number in range(100)]
        again = [one.edited((AddHeader("X-Again", "yes"),)) for one in made]
        assert all(sum(map(len, one.pieces())) == one.size for one in again)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * message.size
