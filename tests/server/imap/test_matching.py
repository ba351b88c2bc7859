"""Search keys against messages: what the row decides, and what only the message can."""

from datetime import date

import pytest

from mailhorn.model.ids import UID, ModSeq, SeqNum
from mailhorn.model.message import MessageRow
from mailhorn.model.numbers import SeqSet, UIDSet
from mailhorn.model.search import (
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
from mailhorn.server.imap.matching import Content, matches, resolve

ROW = MessageRow(UID(20), ModSeq(5), "\\Seen Work", 1_000_000_000, 300)  # 2001-09-09
CONTENT = Content(
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from far\r\nDate: Mon, 10 Sep 2001 23:59:59 -1200\r\nX-Empty:\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Stra=C3=9Fe n=\r\nach Hause\r\n--b\r\nContent-Type: image/png\r\n\r\nneedle\r\n--b--\r\n"
)
NO: SearchKey = Not(All())


def verdict(key: SearchKey, content: Content | None = CONTENT) -> bool | None:
    return matches(resolve(key, messages=9, last_uid=40), SeqNum(4), ROW, content)


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
        (Or(NO, All()), True),
        (And((All(), NO)), False),
    ],
)
def test_what_the_index_knows_needs_no_message(key: SearchKey, expected: bool) -> None:
    """Flags compare without case, ranges include their ends, `*` is the last."""
    assert verdict(key, None) is expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (HeaderKey("Subject", "grüße"), True),
        (HeaderKey("subject", "GRÜSSE"), True),
        (HeaderKey("Subject", "needle"), False),
        (HeaderKey("X-Empty", ""), True),
        (HeaderKey("X-None", ""), False),
        (TextKey("straße nach", body_only=True), True),
        (TextKey("STRASSE", body_only=True), True),
        (TextKey("from far", body_only=True), False),
        (TextKey("from far", body_only=False), True),
        (TextKey("needle", body_only=False), False),
        (day(DateField.SENT, DateTest.ON, 10), True),
        (day(DateField.SENT, DateTest.BEFORE, 10), False),
    ],
)
def test_what_only_the_message_knows(key: SearchKey, expected: bool) -> None:
    """Decoded, without case; text parts only; the Date field's own day. Without the message it is open."""
    assert verdict(key) is expected
    assert verdict(key, None) is None


def test_the_message_is_opened_only_if_the_row_leaves_it_open() -> None:
    """No is no, and yes is yes, whatever the body says."""
    body = TextKey("x", body_only=True)
    assert verdict(And((body, NO)), None) is False
    assert verdict(Or(body, All()), None) is True
    assert verdict(And((body, All())), None) is None
    assert verdict(Not(body), None) is None


def test_a_message_without_a_date_matches_no_date() -> None:
    """Neither before, nor on, nor since; a broken Date is none."""
    for header in (b"Subject: x\r\n\r\n", b"Date: yesterday\r\n\r\n", b""):
        for test in DateTest:
            assert verdict(day(DateField.SENT, test, 10), Content(header)) is False
