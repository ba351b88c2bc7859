"""Fields of a mailbox in memory: what is found in them, when they are made, and when they are forgotten."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest
from tests.kit.stores import DATE as INTERNAL_DATE
from tests.kit.stores import account

from mailhorn.imap.view import MailboxView
from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import Placement
from mailhorn.net.deadlines import Deadlines
from mailhorn.server.digest import digest
from mailhorn.server.imap import columns as module
from mailhorn.server.imap.columns import KEPT, Columns, Days, Texts
from mailhorn.server.imap.matching import DATE, FROM, SUBJECT
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store


def test_a_text_is_found_in_each_entry_and_never_across_two() -> None:
    """The empty text is in every entry that there is; a text that ends one entry does not begin the next."""
    texts = Texts()
    said = {1: "apple pie", 4: None, 5: "", 9: "pie", 12: "grüße \ud800", 13: "a" * 9}
    for uid, text in said.items():
        texts.add(uid, text)
    for wanted in ("apple", "pie", "e", "piepie", "piegr", "epie", "ü", "grüße", "\ud800", "", "zebra", "aaa", "a"):
        for low, high in ((1, 99), (2, 9), (9, 9), (6, 8), (14, 20)):
            expected = [uid for uid, text in said.items() if low <= uid <= high and text is not None and wanted in text]
            assert texts.containing(wanted, low, high) == expected, (wanted, low, high)
    assert texts.octets > 30


def test_days_are_found_between_two() -> None:
    """From the first on, before the last; who names no day is never found."""
    days = Days()
    for uid, day in ((1, 700), (4, 0), (5, 701), (9, 702)):
        days.add(uid, day)
    assert days.within(701, 703, 1, 99) == [5, 9]
    assert days.within(1, 702, 2, 99) == [5]
    assert days.within(1, 999, 6, 8) == []
    assert days.octets == 32


class World:
    """A mailbox, its columns, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.index = SqliteIndex(directory / "index.db", digest)
        self.store = Store(self.index, MaildirBlobs(directory, self.index), lambda change: None, digest)
        self.now = 0.0
        self.columns = Columns(Deadlines(asyncio.get_running_loop()), lambda: self.now)
        self.inbox = MailboxId(0)
        self.reads = 0
        real = self.index.digests

        async def digests(mailbox: MailboxId, uids: list[UID]) -> object:
            self.reads += len(uids)
            return await real(mailbox, uids)

        self.index.digests = digests  # type: ignore[method-assign, assignment]

    async def deliver(self, *subjects: str) -> None:
        for subject in subjects:
            staged = self.store.stage()
            staged.write(f"Date: 1 Feb 2001 10:00:00 +0000\r\nSubject: {subject}\r\n\r\n".encode())
            await self.store.append(staged, [Placement(self.inbox)], INTERNAL_DATE)

    async def ready(self, *fields: int, asked: int | None = None) -> dict[int, module.Column]:
        mod_seq, uids = await self.index.uids(self.inbox)
        view = MailboxView(array("I", uids), mod_seq)
        return await self.columns.ready(self.store, self.inbox, view, fields, len(view) if asked is None else asked)

    async def subjects(self, text: str) -> list[int]:
        column = (await self.ready(SUBJECT))[SUBJECT]
        assert isinstance(column, Texts)
        return column.containing(text, 1, 99_999)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    made = World(directory)
    await made.store.start()
    _, made.inbox = await account(made.store)
    try:
        yield made
    finally:
        await made.store.close()


async def test_a_column_is_made_once_and_goes_on_with_what_is_new(tmp_path: Path) -> None:
    """What it has is not read again, whoever has been expunged."""
    async with world(tmp_path) as w:
        await w.deliver("One", "Two", "three")
        assert await w.subjects("two") == [2]
        assert w.reads == 3
        await w.deliver("Another two")
        await w.index.expunge(w.inbox, [UID(1)], deleted_only=False)
        assert await w.subjects("two") == [2, 4]
        assert w.reads == 4
        days = (await w.ready(DATE))[DATE]
        first = date(2001, 2, 1).toordinal()
        assert isinstance(days, Days) and days.within(first, first + 1, 1, 9) == [2, 3, 4]
        assert len(w.columns) == 2


async def test_two_searches_at_a_time_make_one_column_without_doubles(tmp_path: Path) -> None:
    """Each goes on where the column is by then."""
    async with world(tmp_path) as w:
        await w.deliver("begin")
        await w.subjects("begin")
        await w.deliver(*(f"number {number}" for number in range(600)))
        await asyncio.gather(*(w.subjects("number") for _ in range(3)))
        assert await w.subjects("number") == list(range(2, 602))


async def test_a_search_of_few_messages_makes_no_column(tmp_path: Path) -> None:
    """It would read many for that; a column that is there is used all the same."""
    async with world(tmp_path) as w:
        await w.deliver(*map(str, range(20)))
        assert await w.ready(SUBJECT, asked=4) == {}
        assert (w.reads, len(w.columns)) == (0, 0)
        assert SUBJECT in await w.ready(SUBJECT, asked=5)
        assert SUBJECT in await w.ready(SUBJECT, asked=1)


async def test_what_nobody_asks_for_is_forgotten(tmp_path: Path) -> None:
    """Each at its time."""
    async with world(tmp_path) as w:
        await w.deliver("one")
        await w.ready(SUBJECT)
        assert w.columns.deadline == KEPT
        w.now = KEPT / 2
        await w.ready(FROM)
        w.now = KEPT
        w.columns.overdue()
        assert (len(w.columns), w.columns.deadline) == (1, KEPT * 1.5)
        w.now = KEPT * 1.5
        w.columns.overdue()
        assert (len(w.columns), w.columns.deadline) == (0, float("inf"))
        await w.ready(FROM)
        assert w.columns.deadline == KEPT * 2.5


async def test_they_take_a_bounded_amount_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked for first goes first; of a mailbox that is too big, none is made."""
    async with world(tmp_path) as w:
        await w.deliver("a" * 500)
        await w.ready(SUBJECT, FROM)
        monkeypatch.setattr(module, "MAX_OCTETS", w.columns.octets - 100)
        await w.ready(FROM)
        assert w.columns.octets < 100
        monkeypatch.setattr(module, "MAX_OCTETS", module.MEAN - 1)
        assert await w.ready(SUBJECT) == {}
