"""What scripts change of a message, octet for octet."""

import pytest

from mailhorn.mime.entity import Entity
from mailhorn.sieve.actions import AddHeader, DeleteHeader, Edit, Enclose, ReplacePart
from mailhorn.sieve.edit import edited

MESSAGE = b"A: 1\r\nB: 2\r\n folded\r\nno field: of ours\r\nA: 3\r\n\r\nA: in the body\r\n"


def after(message: bytes, *edits: Edit) -> bytes:
    """Return the message with the edits done."""
    return edited(message, edits, Entity, "boundary")


def test_edits_of_the_header_leave_all_else_as_it_is() -> None:
    """One after the other, each on what the one before has made."""
    assert after(MESSAGE) == MESSAGE
    edits = [AddHeader("C", "first"), AddHeader("C", "last", last=True), DeleteHeader("a", 2), DeleteHeader("b", 1)]
    assert after(MESSAGE, *edits) == (b"C: first\r\nA: 1\r\nno field: of ours\r\nC: last\r\n\r\nA: in the body\r\n")
    assert after(MESSAGE, DeleteHeader("a", 3), DeleteHeader("field", 1)) == MESSAGE
    assert after(b"\r\nbody", AddHeader("C", "1"), AddHeader("C", "2", last=True)) == b"C: 1\r\nC: 2\r\n\r\nbody"
    assert after(MESSAGE, AddHeader("C", "1"), ReplacePart((), "new"), DeleteHeader("c", 1)) == (
        after(MESSAGE, ReplacePart((), "new"))
    )


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r\n\r\n"])
def test_a_message_may_end_within_its_header(end: bytes) -> None:
    """What is added does not become part of its last field."""
    message = b"Subject: x" + end
    assert after(message, AddHeader("C", "1", last=True)).splitlines()[:2] == [b"Subject: x", b"C: 1"]
    assert after(message, ReplacePart((), "new")).splitlines()[:2] == [b"Subject: x", b"MIME-Version: 1.0"]
    renamed = after(message, ReplacePart((), "new", subject="y")).splitlines()[:3]
    assert renamed == [b"Original-Subject: x", b"Subject: y", b"MIME-Version: 1.0"]
    enclosed = after(message, Enclose("text", headers=("subject",))).splitlines()[:2]
    assert enclosed == [b"Subject: x", b"MIME-Version: 1.0"]


def test_a_field_begins_with_a_line() -> None:
    """What stands in the middle of one that is none is not taken for a field, of whatever name."""
    message = b"From ann Mon Nov 23 10:00:00 2026\r\n> Subject: of another\r\nSubject: x\r\n\r\nbody\r\n"
    assert after(message, ReplacePart((), "new")).startswith(b"Subject: x\r\nMIME-Version: 1.0\r\n")
    enclosed = after(message, Enclose("text", headers=("subject", "10")))
    assert enclosed.startswith(b"Subject: x\r\nMIME-Version: 1.0\r\n")
