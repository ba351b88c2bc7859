"""A mailbox is searched: what is read and what is not, what the index of texts learns of it, who is gone meanwhile."""

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.kit.stores import DATE, account

from mailhorn.imap.view import MailboxView
from mailhorn.model.flags import NO_FLAGS
from mailhorn.model.ids import UID, MailboxId, ModSeq
from mailhorn.model.message import Placement
from mailhorn.model.search import And, HasFlag, HeaderKey, ModSeqKey, Not, Or, SearchKey, TextKey
from mailhorn.server.digest import digest
from mailhorn.server.imap.matching import Scope, searchable
from mailhorn.server.imap.searching import SMALL, find
from mailhorn.store.abc import MessageMissing
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.text import SqliteTexts
from mailhorn.store.store import Store
from mailhorn.store.texts import FEW

MANY = SMALL + 40


class World:
    """A mailbox, and which of its messages were read."""

    def __init__(self, directory: Path) -> None:
        self.index = SqliteIndex(directory / "index.db", digest)
        self.texts = SqliteTexts(directory / "text", self.index, searchable, "rules", forget_after=0.0)
        blobs = MaildirBlobs(directory, self.index)
        self.store = Store(self.index, blobs, lambda change: None, digest, texts=self.texts)
        self.inbox = MailboxId(0)
        self.view = MailboxView()
        self.read: list[int] = []
        self.away: set[int] = set()
        read_many, read = self.store.read_many, self.store.read

        async def many(mailbox: MailboxId, spans: Mapping[UID, tuple[int, int]]) -> dict[UID, bytes]:
            self.read += spans
            found = await read_many(mailbox, spans)
            return {uid: body for uid, body in found.items() if uid not in self.away}

        async def one(mailbox: MailboxId, uid: UID, start: int = 0, end: int | None = None) -> bytes:
            if uid in self.away:
                raise MessageMissing("its file is away")
            return await read(mailbox, uid, start, end)

        self.store.read_many = many  # type: ignore[method-assign]
        self.store.read = one  # type: ignore[method-assign]

    async def deliver(self, messages: int, text: str = "message") -> None:
        for _ in range(messages):
            number = len(self.view) + 1
            staged = self.store.stage()
            staged.write(f"Subject: number {number}\r\n\r\n{text} {number:03}\r\n".encode())
            await self.store.append(staged, [Placement(self.inbox)], DATE)
            await self.look()

    async def look(self) -> None:
        """See the mailbox as it is now."""
        mod_seq, uids = await self.index.uids(self.inbox)
        self.view = MailboxView(array("I", uids), mod_seq)

    async def find(self, key: SearchKey) -> tuple[list[int], int]:
        """Search; return what is found, and how many messages were read for it."""
        self.read.clear()
        found = await find(self.store, self.inbox, key, Scope(self.view, 0))
        return found.uids.tolist(), len(self.read)

    async def covered(self) -> int:
        return (await self.texts.hints(self.inbox, ())).covered

    async def learned(self) -> int:
        """Return what is covered when nothing is under way any more."""
        while tasks := list(self.texts._tasks.values()):
            for task in tasks:
                await task
        return await self.covered()


@asynccontextmanager
async def world(directory: Path, messages: int = MANY) -> AsyncIterator[World]:
    made = World(directory)
    await made.store.start()
    _, made.inbox = await account(made.store)
    await made.deliver(messages)
    try:
        yield made
    finally:
        await made.store.close()


def text(what: str) -> SearchKey:
    return TextKey(what, body_only=False)


async def test_the_first_search_reads_all_and_the_next_only_who_may_match(tmp_path: Path) -> None:
    """And what has come since; few new messages are read each time."""
    async with world(tmp_path) as w:
        assert await w.find(text("message 007")) == ([7], MANY)
        assert await w.learned() == MANY
        assert await w.find(text("message 007")) == ([7], 1)
        assert await w.find(text("zebra")) == ([], 0)
        assert await w.find(HeaderKey("X-None", "zebra")) == ([], 0)
        await w.deliver(FEW - 1, "zebra")
        new = list(range(MANY + 1, MANY + FEW))
        for _ in range(2):
            assert await w.find(text("zebra")) == (new, FEW - 1)
        await w.deliver(1)
        assert await w.find(text("zebra")) == (new, FEW)
        assert await w.learned() == MANY + FEW
        assert await w.find(text("zebra")) == (new, FEW - 1)


async def test_cheap_keys_leave_little_to_read(tmp_path: Path) -> None:
    """Whatever their order is: numbers and flags, then the hints, then the messages."""
    async with world(tmp_path) as w:
        await w.find(text("x"))
        await w.index.set_flags(w.inbox, [UID(5), UID(70)], frozenset(("\\Seen",)), NO_FLAGS)
        seen = HasFlag("\\Seen")
        assert await w.find(And((text("message"), seen))) == ([5, 70], 2)
        assert await w.find(And((seen, text("message 005"), text("number")))) == ([5], 1)
        assert await w.find(Or(text("message 009"), seen)) == ([5, 9, 70], 1)
        assert await w.find(And((Not(text("message 005")), seen))) == ([70], 1)
        assert await w.find(Not(Or(Not(seen), text("message 070")))) == ([5], 1)


async def test_a_search_that_leaves_some_out_has_the_rest_learned_later(tmp_path: Path) -> None:
    """What it reads is not all there is up to the last it reads."""
    async with world(tmp_path) as w:
        await w.index.set_flags(w.inbox, [UID(1), UID(70)], frozenset(("\\Seen",)), NO_FLAGS)
        assert await w.find(And((HasFlag("\\Seen"), text("message")))) == ([1, 70], 2)
        assert await w.learned() == MANY


async def test_who_is_gone_is_not_found(tmp_path: Path) -> None:
    """Though the client has not been told yet; by whatever key."""
    async with world(tmp_path) as w:
        await w.find(text("x"))
        await w.learned()
        await w.index.expunge(w.inbox, [UID(3), UID(4)], deleted_only=False)
        there = [uid for uid in range(1, MANY + 1) if uid not in (3, 4)]
        seen = HasFlag("\\Seen")
        for key in (Not(text("zebra")), Not(seen), HasFlag("\\Seen", False), text("message"), ModSeqKey(ModSeq(1))):
            assert (await w.find(key))[0] == there, key
        assert await w.find(text("message 003")) == ([], 0)


async def test_a_message_that_cannot_be_read_is_not_covered(tmp_path: Path) -> None:
    """When its file is back, it is found."""
    async with world(tmp_path) as w:
        w.away = {50}
        assert (await w.find(text("message 050")))[0] == []
        assert await w.learned() < 50
        w.away = set()
        assert (await w.find(text("message 050")))[0] == [50]
        assert await w.learned() == MANY


async def test_the_greatest_mod_seq_is_told_if_it_is_asked_for(tmp_path: Path) -> None:
    """Of what is found, however it was."""
    async with world(tmp_path) as w:
        change = await w.index.set_flags(w.inbox, [UID(8)], frozenset(("\\Seen",)), NO_FLAGS)
        for key in (ModSeqKey(change.after), Or(text("message 003"), ModSeqKey(change.after))):
            found = await find(w.store, w.inbox, key, Scope(w.view, 0))
            assert found.mod_seq == change.after and 8 in found.uids
        assert (await find(w.store, w.inbox, HasFlag("\\Seen"), Scope(w.view, 0))).mod_seq == 0


async def test_without_an_index_of_texts_everything_is_read(tmp_path: Path) -> None:
    """Each time."""
    async with world(tmp_path) as w:
        w.store.texts = None
        for _ in range(2):
            assert await w.find(text("message 007")) == ([7], MANY)
        w.store.texts = w.texts


async def test_an_index_of_texts_that_refuses_changes_nothing(tmp_path: Path) -> None:
    """The search goes on without it; what another search was faster with, it learns by itself."""
    async with world(tmp_path) as w:
        real, refusals = w.texts.add, 1

        async def add(mailbox: MailboxId, after: UID, messages: Sequence[tuple[UID, str]]) -> bool:
            nonlocal refusals
            refusals -= 1
            return refusals < 0 and await real(mailbox, after, messages)

        w.texts.add = add  # type: ignore[method-assign]
        await w.deliver(3, "long " * 100_000)
        assert await w.find(text("message 007")) == ([7], MANY + 3)
        assert refusals == 0
        assert await w.learned() == MANY + 3
