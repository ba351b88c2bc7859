"""Mail arrives while the writer is busy with something long."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.stores import account, deliver, opened
from tests.store.test_journal import crashed_copy, inbox_of

from mailhorn.model.change import Change
from mailhorn.model.flags import FLAGGED, NO_FLAGS, SEEN, Flag
from mailhorn.model.ids import UID, MailboxId
from mailhorn.store import journal as journals
from mailhorn.store.index import writer
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.writer import Writer
from mailhorn.store.store import Store

WITHIN = 20.0
"""Seconds after which a test fails: what it waits for has been lost."""


@pytest.fixture(autouse=True, params=["flights", "threads"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How what arrives becomes durable: as the system can, and as it is where the system cannot."""
    if request.param == "threads":
        monkeypatch.setattr(Writer, "fly", lambda self, near: None)


class Held:
    """A STORE whose transaction has begun and does not go on."""

    def __init__(self, store: Store, mailbox: MailboxId) -> None:
        self._go = threading.Event()
        self._inside = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.done = asyncio.ensure_future(
            store.index.set_flags(mailbox, [UID(1)], frozenset((FLAGGED,)), NO_FLAGS, may=self._wait)
        )

    def _wait(self, flag: Flag) -> bool:
        self._loop.call_soon_threadsafe(self._inside.set)
        self._go.wait()
        return True

    async def inside(self) -> None:
        """Return when its transaction has begun."""
        async with asyncio.timeout(WITHIN):
            await self._inside.wait()

    async def end(self) -> Change:
        """Let it go on to its end."""
        self._go.set()
        async with asyncio.timeout(WITHIN):
            return await self.done


@asynccontextmanager
async def holding(store: Store, mailbox: MailboxId) -> AsyncIterator[Held]:
    """Give one that has begun; it is ended."""
    held = Held(store, mailbox)
    try:
        await held.inside()
        yield held
    finally:
        await held.end()


async def test_an_arrival_is_durable_and_told_while_another_mailbox_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when the tables have the change, who comes after a crash has all three."""
    monkeypatch.setattr(writer, "LINGER", 3600.0)
    told: list[Change] = []
    async with opened(tmp_path, told.append, delay=3600) as store:
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        await deliver(store, adas, body=b"old")
        await deliver(store, bobs, body=b"waits")
        async with holding(store, adas):
            told.clear()
            async with asyncio.timeout(WITHIN):
                (placed,) = await deliver(store, bobs, body=b"overtakes")
            assert [(change.mailbox, change.appended) for change in told] == [(bobs, (placed.uid,))]
            crashed_copy(tmp_path, tmp_path / "before")
            second = Held(store, adas)  # its transaction is to enter what overtook the first
            await asyncio.sleep(0)
        try:
            await second.inside()
            crashed_copy(tmp_path, tmp_path / "after")
        finally:
            await second.end()
        wanted = [(1, b"waits", NO_FLAGS), (2, b"overtakes", NO_FLAGS)]
        assert await inbox_of(store, bobs) == wanted
    for crashed, flags in (("before", NO_FLAGS), ("after", frozenset((FLAGGED,)))):
        async with opened(tmp_path / crashed) as store:
            assert await inbox_of(store, bobs) == wanted
            assert await inbox_of(store, adas) == [(1, b"old", flags)]


async def test_mail_for_the_mailbox_that_is_changed_waits(tmp_path: Path) -> None:
    """Also if another gets it, too; its changes are told in the order of their numbers."""
    told: list[Change] = []
    async with opened(tmp_path, told.append, delay=3600) as store:
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        await deliver(store, adas, body=b"old")
        told.clear()
        async with holding(store, adas):
            both = asyncio.ensure_future(deliver(store, bobs, adas, body=b"both"))
            async with asyncio.timeout(WITHIN):
                await deliver(store, bobs, body=b"alone")
            assert not both.done()
        await both
        assert [body for _, body, _ in await inbox_of(store, bobs)] == [b"alone", b"both"]
        assert [(change.before + 1, change.after) for change in told if change.mailbox == adas] == [(3, 3), (4, 4)]
        assert [len(change.appended) for change in told if change.mailbox == adas] == [0, 1]
        assert [(uid, body) for uid, body, _ in await inbox_of(store, adas)] == [(1, b"old"), (2, b"both")]


async def test_what_nobody_has_said_holds_all(tmp_path: Path) -> None:
    """Work that does not say whose numbers it changes has them as they are."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        go, inside = threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(tx: object) -> None:
            loop.call_soon_threadsafe(inside.set)
            go.wait()

        assert isinstance(store.index, SqliteIndex)
        job = asyncio.ensure_future(store.index._writer.run(work))
        await inside.wait()
        arrival = asyncio.ensure_future(deliver(store, inbox))
        _, pending = await asyncio.wait([arrival], timeout=0.05)
        assert pending
        go.set()
        await job
        assert [placed.uid for placed in await arrival] == [1]


async def test_a_half_that_is_full_waits_for_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has room is taken; the rest comes when the writer is free, and nothing is lost by a crash then."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 2)
    async with opened(tmp_path, delay=3600) as store:
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        await deliver(store, adas, body=b"old")
        bodies = [b"%d " % number * 100 for number in range(22)]
        async with holding(store, adas):
            for body in bodies[:10]:
                async with asyncio.timeout(WITHIN):
                    await deliver(store, bobs, body=body)
            coming = [asyncio.ensure_future(deliver(store, bobs, body=body)) for body in bodies[10:]]
            _, pending = await asyncio.wait(coming, timeout=0.05)
            assert pending
        await asyncio.gather(*coming)
        crashed_copy(tmp_path, tmp_path / "crashed")
        assert sorted(body for _, body, _ in await inbox_of(store, bobs)) == sorted(bodies)
        assert [uid for uid, _, _ in await inbox_of(store, bobs)] == list(range(1, 23))
    async with opened(tmp_path / "crashed") as store:
        assert sorted(body for _, body, _ in await inbox_of(store, bobs)) == sorted(bodies)


async def test_the_numbers_hold_whoever_gives_them(tmp_path: Path) -> None:
    """Arrivals, copies and flags in the same two mailboxes at once: each UID once, each change after the one before."""
    told: list[Change] = []
    async with opened(tmp_path, told.append, delay=3600) as store:
        ada, inbox = await account(store)
        other = (await store.index.create_mailbox(ada, "Other")).id
        for _ in range(3):
            await deliver(store, inbox)
            await deliver(store, other)

        async def arrive() -> None:
            for number in range(100):
                await deliver(store, *((inbox,), (other,), (inbox, other))[number % 3])

        async def change() -> None:
            for number in range(60):
                await store.index.copy(inbox, [UID(1), UID(2)], other)
                add, remove = frozenset((SEEN,)), NO_FLAGS
                if number % 2:
                    add, remove = remove, add
                await store.index.set_flags(inbox, [UID(1), UID(3)], add, remove)

        await asyncio.gather(arrive(), arrive(), change())
        for mailbox, count in ((inbox, 3 + 2 * 67), (other, 3 + 2 * 66 + 120)):
            changes = [one for one in told if one.mailbox == mailbox]
            assert [one.before for one in changes[1:]] == [one.after for one in changes[:-1]]
            new = [uid for one in changes for uid in one.appended]
            assert new == list(range(1, count + 1))
            assert list((await store.index.uids(mailbox))[1]) == new
            box = await store.index.mailbox_by_id(mailbox)
            assert box is not None and (box.highest_mod_seq, box.messages) == (changes[-1].after, count)
