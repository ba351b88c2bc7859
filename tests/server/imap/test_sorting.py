"""What SORT compares, and the order it makes of it."""

import asyncio

import pytest

from mailhorn.imap.grammar.envelope import envelope_bytes
from mailhorn.mime.envelope import envelope
from mailhorn.model.ids import UID, ModSeq
from mailhorn.model.message import MessageRow
from mailhorn.model.search import SortField, SortKey
from mailhorn.server.imap.matching import EnvelopeReader
from mailhorn.server.imap.sorting import AT_ONCE, Entry, forget, in_order, sent, stable, value

ROW = MessageRow(UID(1), ModSeq(1), "", 981_000_000, 300)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (b"Mon, 5 Feb 2001 10:00:00 +0000", 981_367_200),
        (b"5 Feb 2001 10:00:00 +0100", 981_363_600),
        (b"5 Feb 2001 10:00:00 EST", 981_385_200),
        (b"5 Feb 2001 10:00:00 XXX", 981_367_200),
        (b"5 Feb 2001 99:00:00 +0000", 981_331_200),
        (b"5 Feb 2001 10:00:60 +0000", 981_367_259),
        (b"31 Feb 2001 10:00:00 +0000", ROW.internal_date),
        (b"yesterday", ROW.internal_date),
        (b"\xff\xfe", ROW.internal_date),
        (b"5 Feb 99999999999 10:00:00 +0000", ROW.internal_date),
        (None, ROW.internal_date),
    ],
)
def test_the_sent_date(written: bytes | None, seconds: int) -> None:
    """RFC 5256 §2.2: a broken zone is UTC, a broken time midnight, a broken date the internal one."""
    assert sent(written, ROW.internal_date) == seconds


HEADER = (
    b"From: =?utf-8?q?=C3=84nne?= <Bob@example.org>\r\nTo: friends: <carl@example.net>;\r\nCc: dora@example.com\r\n"
    b"Subject: Re: Fruit\r\nDate: 5 Feb 2001 10:00:00 +0000\r\n\r\n"
)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (SortField.ARRIVAL, 981_000_000),
        (SortField.SIZE, 300),
        (SortField.DATE, 981_367_200),
        (SortField.SUBJECT, "fruit"),
        (SortField.FROM, "bob"),
        (SortField.TO, "friends"),
        (SortField.CC, "dora"),
        (SortField.DISPLAYFROM, "a\u0308nne"),
        (SortField.DISPLAYTO, "friends"),
    ],
)
def test_what_is_compared(field: SortField, expected: object) -> None:
    """RFC 5256 §3, RFC 5957 §3: mailboxes or names of the first address, decoded, without case."""
    assert value(field, ROW, EnvelopeReader(envelope_bytes(envelope(HEADER)))) == expected


@pytest.mark.parametrize(
    "field", [SortField.FROM, SortField.TO, SortField.CC, SortField.DISPLAYFROM, SortField.SUBJECT]
)
def test_who_has_none_comes_first(field: SortField) -> None:
    """RFC 5256 §3: the empty string."""
    assert value(field, ROW, EnvelopeReader(envelope_bytes(envelope(b"\r\n")))) == ""


async def test_each_criterion_decides_what_those_before_it_leave_open() -> None:
    """The order of the mailbox last, in both directions."""
    found: list[Entry] = [(UID(n), values) for n, values in enumerate([("b", 1), ("a", 2), ("b", 2), ("a", 2)], 1)]
    order = (SortKey(SortField.SUBJECT, True), SortKey(SortField.SIZE))
    assert [uid for uid, _ in await in_order(found, order)] == [1, 3, 2, 4]
    assert [uid for uid, _ in await in_order(found, order[:1])] == [1, 3, 2, 4]
    assert [uid for uid, _ in await in_order(found, (SortKey(SortField.SUBJECT),))] == [2, 4, 1, 3]


@pytest.mark.parametrize("reverse", [False, True])
async def test_many_are_sorted_like_few(reverse: bool) -> None:
    """In pieces, and stable all the same."""
    items = [(n * 7919 % 101, n) for n in range(3 * AT_ONCE + 17)]
    assert await stable(items, lambda item: item[0], reverse) == sorted(
        items, key=lambda item: item[0], reverse=reverse
    )


async def test_what_is_forgotten_is_given_to_others_in_between() -> None:
    """To let go of all entries at once would hold everybody."""
    found: list[Entry] = [(UID(n), (str(n),)) for n in range(1, 200_000)]
    left: list[int] = []
    task = asyncio.create_task(forget(found))
    while not task.done():
        left.append(len(found))
        await asyncio.sleep(0)
    assert found == []
    assert len(left) > 2
