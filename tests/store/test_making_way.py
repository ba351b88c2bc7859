"""Settling makes way for messages that come in a hurry, as long as there is room for them."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from tests.kit.stores import account, deliver, message_files, opened

from mailhorn.model.flags import SEEN
from mailhorn.model.ids import UID
from mailhorn.model.message import Digest
from mailhorn.store import journal as journals
from mailhorn.store import settle
from mailhorn.store.abc import StoreUnavailable
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.bodies import GAP, Bodies
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.journal import START, Body, Journal
from mailhorn.store.settle import Settler
from mailhorn.store.store import Store


class Hurry:
    """What the settler believes of how fast messages come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = True
        self.asked = threading.Semaphore(0)
        monkeypatch.setattr(settle, "LOOK", 0.001)
        monkeypatch.setattr(Settler, "_hurried", self._hurried)

    def _hurried(self) -> bool:
        self.asked.release()
        return self.now

    async def looks(self, times: int) -> None:
        """Return when the settler has looked some more times."""
        for _ in range(times):
            assert await asyncio.to_thread(self.asked.acquire, timeout=20)


def rests(store: Store) -> threading.Event:
    """Return what is set when a round has ended."""
    blobs = store._blobs
    assert isinstance(blobs, MaildirBlobs)
    rested = threading.Event()
    before = blobs._settler.rested

    def then() -> None:
        before()
        rested.set()

    blobs._settler.rested = then
    return rested


async def test_it_waits_until_they_come_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is made while they come, each can be read, and all are made afterwards."""
    hurry = Hurry(monkeypatch)
    async with opened(tmp_path) as store:
        rested = rests(store)
        _, inbox = await account(store)
        for number in range(20):
            await deliver(store, inbox, body=b"number %d" % number)
        await hurry.looks(10)
        assert message_files(tmp_path) == [] and not rested.is_set()
        assert [await store.body(inbox, UID(n + 1)) for n in range(20)] == [b"number %d" % n for n in range(20)]
        hurry.now = False
        assert await asyncio.to_thread(rested.wait, 20)
    assert len(message_files(tmp_path)) == 20


async def test_a_stop_does_not_wait_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are files then."""
    hurry = Hurry(monkeypatch)
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        await hurry.looks(3)
        assert message_files(tmp_path) == []
    assert len(message_files(tmp_path)) == 1


async def test_it_does_not_wait_if_their_place_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bodies in what is written next have to be files before it is: the tables get none."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 2)
    hurry = Hurry(monkeypatch)
    async with opened(tmp_path) as store:
        rested = rests(store)
        _, inbox = await account(store)
        for _ in range(4):
            await deliver(store, inbox, body=b"x" * 1000)
        await hurry.looks(3)
        assert not rested.is_set()
        assert isinstance(store.index, SqliteIndex)
        while not store.index.pressed():
            await deliver(store, inbox, body=b"x" * 1000)
        while not message_files(tmp_path):  # they may not have been in the tables yet
            assert await asyncio.to_thread(rested.wait, 20)
            rested.clear()


async def test_it_does_not_wait_for_ever_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever room there is."""
    hurry = Hurry(monkeypatch)
    monkeypatch.setattr(settle, "MAX_LATE", 5)
    async with opened(tmp_path) as store:
        rested = rests(store)
        _, inbox = await account(store)
        for _ in range(4):
            await deliver(store, inbox)
        await hurry.looks(3)
        assert not rested.is_set()
        await deliver(store, inbox)
        assert await asyncio.to_thread(rested.wait, 20)


def test_what_a_hurry_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many messages or octets a second since it was last looked, over a quarter of a second at least."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    index = SqliteIndex(tmp_path / "index.db", lambda body: pytest.fail("nothing is read"))
    settler = Settler(index, settle.Places(tmp_path), 0.0)
    settler._seen = (now, 0, 0)
    octets = 0
    monkeypatch.setattr(index, "arrived", lambda: octets)
    told = []
    for seconds, messages in ((1, 299), (1, 300), (0.01, 74), (0.01, 75), (4, 1_199), (4, 1_200), (60, 1_200)):
        now += seconds
        settler.wake(messages)
        told.append(settler._hurried())
    assert told == [False, True, False, True, False, True, False]
    for seconds, megabytes in ((1, 7), (1, 8), (0.01, 1), (0.01, 2), (4, 31), (4, 32)):
        now += seconds
        octets += megabytes * 2**20
        assert settler._hurried() is (megabytes in (8, 2, 32))
    asyncio.run(index.close())


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    """Five bodies in a journal, the last of them far away from the others."""
    journal = Journal(tmp_path / "journal")
    journal.begin(1, tmp_path)
    at = journal.write([(b"one",), (b"two", b""), (b"four",), (bytes(GAP + 1), b"five")])
    bodies = Bodies()
    bodies.journal = journal
    places = (at, 3), (at + 3, 3), (at + 6, 0), (at + 6, 4), (at + 10 + GAP + 1, 4)
    for blob, place in enumerate(places, 1):
        bodies.put(blob, Body(*place))
    return bodies


def test_bodies_are_read_together(bodies: Bodies) -> None:
    """Those side by side at once, whatever is asked for."""
    all_of_them = {1: b"one", 2: b"two", 3: b"", 4: b"four", 5: b"five"}
    asked: list[Body] = []
    journal = bodies.journal
    assert journal is not None
    read = journal.read
    journal.read = lambda body: asked.append(body) or read(body)  # type: ignore[func-returns-value, method-assign]
    assert bodies.get_many([5, 4, 3, 2, 1, 6]) == all_of_them
    assert [body.octets for body in asked] == [10, 4] and asked[0].at == START
    assert [bodies.get(blob) for blob in all_of_them] == list(all_of_them.values())
    assert bodies.get_many([2, 4]) == {2: b"two", 4: b"four"}
    assert (bodies.get(6), bodies.get_many([])) == (None, {})
    journal.close()


def test_a_body_whose_place_was_given_away_is_not_read(bodies: Bodies) -> None:
    """Not even if that happened while it was being read."""
    journal = bodies.journal
    assert journal is not None
    read = journal.read

    def late(body: Body) -> bytes:
        bodies.forget(2)
        return read(body)

    journal.read = late  # type: ignore[method-assign]
    assert bodies.get_many([1, 2]) == {1: b"one"}
    assert 2 not in bodies and len(bodies) == 4 and bodies.first(9) == 1
    journal.close()
    bodies.journal = None
    assert bodies.get(1) is None


def test_a_journal_that_cannot_be_read(bodies: Bodies, tmp_path: Path) -> None:
    """It is said in one line."""
    (tmp_path / "journal").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match=r"^the journal cannot be read \(.*\): see to the disk$"):
        bodies.get(1)
    assert bodies.journal is not None
    bodies.journal.close()


async def test_what_fetch_needs_is_entered_with_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is worked out once, and who looks through a mailbox into which mail pours need not wait for files."""
    hurry = Hurry(monkeypatch)
    async with opened(tmp_path) as store:
        assert isinstance(store.index, SqliteIndex)
        index, worked_out, enough = store.index, 0, asyncio.Event()
        digest = index._digest

        def counting(body: bytes) -> Digest:
            nonlocal worked_out
            worked_out += 1
            if worked_out == 30:
                enough.set()
            return digest(body)

        index._digest = index._digesting._digest = counting
        rested = rests(store)
        _, inbox = await account(store)
        for number in range(30):
            await deliver(store, inbox, body=b"number %d" % number)
        await enough.wait()
        await store.index.uids(inbox)
        entered = index._near.ask("SELECT count(*) FROM digest")[0][0]
        assert entered and entered + len(index._digests) == 30  # the last are entered before they are worked out
        found = await index.digests(inbox, [UID(n + 1) for n in range(30)])
        assert [one.digest for one in found] == [digest(b"number %d" % n) for n in range(30)]
        assert worked_out == 30 and message_files(tmp_path) == []
        hurry.now = False
        while len(message_files(tmp_path)) < 30:
            assert await asyncio.to_thread(rested.wait, 20)
            rested.clear()
    assert worked_out == 30


async def test_names_are_changed_at_leisure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between rounds that only tell flags there is time for others; not between those that make files."""
    monkeypatch.setattr(settle, "ROUND", 5)
    monkeypatch.setattr(settle, "BREATH", 0.0123)
    async with opened(tmp_path) as store:
        blobs = store._blobs
        assert isinstance(blobs, MaildirBlobs)
        closing = blobs._settler._closing
        waits: list[float | None] = []
        wait = closing.wait
        monkeypatch.setattr(closing, "wait", lambda seconds=None: waits.append(seconds) or wait(seconds))
        rested = rests(store)
        _, inbox = await account(store)
        for _ in range(23):
            await deliver(store, inbox)
        while len(message_files(tmp_path)) < 23:
            assert await asyncio.to_thread(rested.wait, 20)
            rested.clear()
        assert 0.0123 not in waits
        await store.index.set_flags(inbox, [UID(n + 1) for n in range(23)], frozenset((SEEN,)), frozenset())
        while not all(path.name.endswith(":2,S") for path in message_files(tmp_path)):
            assert await asyncio.to_thread(rested.wait, 20)
            rested.clear()
        assert waits.count(0.0123) >= 4
