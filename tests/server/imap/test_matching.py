"""Search keys against messages: what the row decides, what the envelope does, and what only the message can."""

from array import array
from datetime import date

import pytest

from mailhorn.imap.view import MailboxView
from mailhorn.model.ids import UID, ModSeq
from mailhorn.model.message import MessageRow
from mailhorn.model.numbers import SAVED, SeqSet, UIDSet
from mailhorn.model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    Not,
    Or,
    SearchKey,
    SizeKey,
    TextKey,
)
from mailhorn.server.digest import digest
from mailhorn.server.imap.matching import Depth, Letter, Scope, depth, narrowed, resolve

ROW = MessageRow(UID(20), ModSeq(5), "\\Seen Work", 1_000_000_000, 300)  # 2001-09-09 01:46:40 UTC
BODY = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from far\r\nDate: Mon, 10 Sep 2001 23:59:59 -1200\r\nX-Empty:\r\n"
    b'From: "Lee, Ann" <ann@example.org>, =?utf-8?b?SsO8cmdlbg==?= <j@x.example> (boss)\r\n'
    b"To: friends: bob@example.net, Carl <carl@example.net>;\r\nMessage-ID: <1@x>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8; name=plum\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Stra=C3=9Fe n=\r\nach Hause\r\n--b\r\nContent-Type: image/png\r\n\r\nneedle\r\n--b--\r\n"
)
NO: SearchKey = Not(All())
VIEW = MailboxView(array("I", [1, 2, 3, 20, 25, 40]), 9)
SCOPE = Scope(VIEW, now=1_000_000_100.7, saved=UIDSet.of([3, 20]))


def whole(body: bytes) -> Letter:
    letter = Letter(ROW, digest(body).envelope)
    letter.take(body)
    return letter


def verdict(key: SearchKey, letter: Letter | None = None) -> bool | None:
    return resolve(key, SCOPE)(whole(BODY) if letter is None else letter)


def by_row(key: SearchKey) -> bool | None:
    return verdict(key, Letter(ROW))


def day(field: DateField, test: DateTest, d: int) -> DateKey:
    return DateKey(field, test, date(2001, 9, d))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (All(), True),
        (InSequence(SeqSet(((1, 3), (4, 4)))), True),
        (InSequence(SeqSet(((5, 0),))), False),
        (InUIDs(UIDSet(((0, 10),))), True),
        (InUIDs(UIDSet(((50, 0),))), False),
        (HasFlag("\\Seen"), True),
        (HasFlag("\\SEEN", False), False),
        (HasFlag("work"), True),
        (HasFlag("wor"), False),
        (HasFlag("\\Recent"), False),
        (HasFlag("\\Recent", False), True),
        (SizeKey(True, 299), True),
        (SizeKey(True, 300), False),
        (SizeKey(False, 301), True),
        (SizeKey(False, 300), False),
        (day(DateField.INTERNAL, DateTest.ON, 9), True),
        (day(DateField.INTERNAL, DateTest.BEFORE, 9), False),
        (day(DateField.INTERNAL, DateTest.SINCE, 9), True),
        (InSequence(SeqSet(SAVED)), True),
        (InUIDs(UIDSet(SAVED)), True),
        (InSequence(SeqSet(((7, 9),))), False),
        (InSequence(SeqSet(((9, 1),))), True),
        (AgeKey(True, 100), True),
        (AgeKey(False, 100), True),
        (AgeKey(True, 99), False),
        (AgeKey(False, 101), False),
        (Or(NO, All()), True),
        (And((All(), NO)), False),
    ],
)
def test_what_the_index_knows_needs_no_message(key: SearchKey, expected: bool) -> None:
    """Flags compare without case, ranges include their ends, `*` is the last."""
    assert by_row(key) is expected


@pytest.mark.parametrize(
    ("key", "expected", "known"),
    [
        (HeaderKey("Subject", "grüße"), True, Depth.ENVELOPE),
        (HeaderKey("subject", "GRÜSSE"), True, Depth.ENVELOPE),
        (HeaderKey("subject", "gru\u0308\u00dfe FROM"), True, Depth.ENVELOPE),
        (HeaderKey("Subject", "needle"), False, Depth.ENVELOPE),
        (HeaderKey("Subject", ""), True, Depth.ENVELOPE),
        (HeaderKey("In-Reply-To", ""), False, Depth.ENVELOPE),
        (HeaderKey("Message-ID", "<1@X>"), True, Depth.ENVELOPE),
        (HeaderKey("X-Empty", ""), True, Depth.HEADER),
        (HeaderKey("X-Empty", "a"), False, Depth.HEADER),
        (HeaderKey("X-None", ""), False, Depth.HEADER),
        (HeaderKey("From", "(boss"), True, Depth.HEADER),
        (AddressKey("From", "lee, ann <ANN@"), True, Depth.ENVELOPE),
        (AddressKey("From", "jürgen"), True, Depth.ENVELOPE),
        (AddressKey("From", "boss"), False, Depth.ENVELOPE),
        (AddressKey("From", "bob"), False, Depth.ENVELOPE),
        (AddressKey("To", "friends: bob@example.net, carl"), True, Depth.ENVELOPE),
        (AddressKey("To", ""), True, Depth.ENVELOPE),
        (AddressKey("Cc", ""), False, Depth.ENVELOPE),
        (AddressKey("Bcc", "a"), False, Depth.ENVELOPE),
        (TextKey("straße nach", body_only=True), True, Depth.BODY),
        (TextKey("STRASSE", body_only=True), True, Depth.BODY),
        (TextKey("from far", body_only=True), False, Depth.BODY),
        (TextKey("from far", body_only=False), True, Depth.BODY),
        (TextKey("needle", body_only=False), False, Depth.BODY),
        (TextKey("name=plum", body_only=False), True, Depth.BODY),
        (TextKey("name=plum", body_only=True), False, Depth.BODY),
        (day(DateField.SENT, DateTest.ON, 10), True, Depth.ENVELOPE),
        (day(DateField.SENT, DateTest.BEFORE, 10), False, Depth.ENVELOPE),
    ],
)
def test_what_only_the_message_knows(key: SearchKey, expected: bool, known: Depth) -> None:
    """Decoded, without case; text parts only; the Date field's own day. Without the message it is open."""
    assert verdict(key) is expected
    assert by_row(key) is None
    assert depth(key) is known
    assert verdict(key, Letter(ROW, digest(BODY).envelope)) is (expected if known is Depth.ENVELOPE else None)


def test_the_message_is_opened_only_if_the_row_leaves_it_open() -> None:
    """No is no, and yes is yes, whatever the body says."""
    body = TextKey("x", body_only=True)
    assert by_row(And((body, NO))) is False
    assert by_row(Or(body, All())) is True
    assert by_row(And((body, All()))) is None
    assert by_row(Not(body)) is None


def test_a_message_without_a_date_matches_no_date() -> None:
    """Neither before, nor on, nor since; a broken Date is none."""
    for header in (b"Subject: x\r\n\r\n", b"Date: yesterday\r\n\r\n", b""):
        for test in DateTest:
            assert verdict(day(DateField.SENT, test, 10), whole(header)) is False


def test_where_to_look() -> None:
    """What is asked beside a set of numbers is asked of nothing else."""
    assert narrowed(And((TextKey("x", False), InSequence(SeqSet(((2, 4),))))), SCOPE) == UIDSet(((2, 20),))
    assert narrowed(InSequence(SeqSet(((7, 9),))), SCOPE) == UIDSet(())
    both = InUIDs(UIDSet(((1, 4), (8, 9), (12, 30)))), All(), InUIDs(UIDSet(((3, 3), (4, 15), (20, 20))))
    assert narrowed(And(both), SCOPE) == UIDSet(((3, 4), (8, 9), (12, 15), (20, 20)))
    assert narrowed(And((InUIDs(UIDSet(((1, 4),))), InUIDs(UIDSet(((5, 9),))))), SCOPE) == UIDSet(())
    assert narrowed(Or(All(), InUIDs(UIDSet(((1, 1),)))), SCOPE) is None
    assert narrowed(Not(InUIDs(UIDSet(((1, 1),)))), SCOPE) is None


@pytest.mark.parametrize("subject", [b'a "quoted" back\\slash', b"=?utf-8?q?a?=", b"K\xe2\x84\xaa", b"a" * 2000 + b"z"])
def test_quoting_hides_nothing(subject: bytes) -> None:
    """An envelope is looked into before it is taken apart: that may only ever say no where there is nothing."""
    letter = whole(b"Subject: " + subject + b"\r\n\r\n")
    text = {b"=?utf-8?q?a?=": "a", b"K\xe2\x84\xaa": "kk"}.get(subject, subject.decode("latin-1"))
    for start in range(0, len(text), max(1, len(text) // 20)):
        assert verdict(HeaderKey("Subject", text[start:]), letter) is True
