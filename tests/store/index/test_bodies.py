"""Small bodies that are no files yet: at hand while they are in memory, else read, and never by the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.kit.fetching import logged_in
from tests.kit.mailserver import running_server
from tests.kit.stores import account, deliver, digest_of, opened

from mailhorn.model.ids import UID, MailboxId
from mailhorn.store import journal as journals
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index import bodies as bodies_module
from mailhorn.store.index import digesting, reading
from mailhorn.store.index.bodies import Bodies, NotInMemory
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.journal import Body, Journal
from mailhorn.store.store import Store


class Number(int):
    """A number that knows how often two were compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Number.compared += 1
        return super().__lt__(other)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The threads that read the journal, from which all but the last two bodies have to be read."""
    threads: list[int] = []
    read = Journal.read

    def noting(self: Journal, body: Body) -> bytes:
        threads.append(threading.get_ident())
        return read(self, body)

    monkeypatch.setattr(Journal, "read", noting)
    monkeypatch.setattr(bodies_module, "RECENT", 120)
    monkeypatch.setattr(digesting, "MAX_DIGESTS", 0)  # they are made of the bodies
    yield threads
    assert threading.get_ident() not in threads


def body(number: int) -> bytes:
    """Return one of some 60 octets."""
    return (b"Subject: %d\r\n\r\n" % number).ljust(60, b".")


@asynccontextmanager
async def seven(directory: Path) -> AsyncIterator[tuple[Store, SqliteIndex, MailboxId]]:
    """A store with seven messages that are no files yet."""
    async with opened(directory, delay=3600.0) as store:
        assert isinstance(store.index, SqliteIndex)
        _, inbox = await account(store)
        for number in range(1, 8):
            await deliver(store, inbox, body=body(number))
        await store.index.uids(inbox)
        yield store, store.index, inbox


@pytest.mark.parametrize("verb", ["blob", "digests", "columns", "stored", "digested", "body", "many"])
async def test_a_body_that_is_not_in_memory_is_read_in_a_thread(tmp_path: Path, readers: list[int], verb: str) -> None:
    """Whatever it is asked for."""
    async with seven(tmp_path) as (store, index, inbox):
        wanted = [UID(3), UID(7)]
        expected = [body(3), body(7)]
        match verb:
            case "blob":
                assert (await index.blob(inbox, UID(3))).inline == body(3)
            case "digests":
                assert [one.digest for one in await index.digests(inbox, wanted)] == list(map(digest_of, expected))
            case "columns":
                columns = await index.columns(inbox, wanted, True)
                assert list(columns.envelopes) == [digest_of(one).envelope for one in expected]
            case "stored":
                assert [one.where for one in await index.stored(inbox, wanted, False)] == expected
            case "digested":
                assert [one.digest for one in await index.stored(inbox, wanted, True)] == list(map(digest_of, expected))
            case "body":
                assert await store.body(inbox, UID(3)) == body(3)
            case "many":
                assert await store.read_many(inbox, {UID(3): (0, 60), UID(7): (0, 60)}) == dict(
                    zip(wanted, expected, strict=True)
                )
        assert readers


@pytest.mark.parametrize("digested", [False, True])
async def test_bodies_of_a_burst_are_read_together(
    tmp_path: Path, readers: list[int], digested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other each would be a seek on a slow disk."""
    async with opened(tmp_path, delay=3600.0) as store:
        _, inbox = await account(store)
        for number in range(1, 201):
            await deliver(store, inbox, body=body(number))
        await store.index.uids(inbox)
        found = await store.index.stored(inbox, [UID(number) for number in range(1, 201)], digested)
        assert [one.where for one in found] == [body(number) for number in range(1, 201)]
        if digested:
            assert [one.digest for one in found] == [digest_of(body(number)) for number in range(1, 201)]
            monkeypatch.setattr(reading, "TOGETHER", 100)
            columns = await store.index.columns(inbox, [UID(number) for number in range(1, 201)], True)
            assert list(columns.envelopes) == [digest_of(body(number)).envelope for number in range(1, 201)]
        assert len(readers) < 10


@pytest.mark.parametrize("uids", [[UID(3)], [UID(3), UID(7)], [UID(6), UID(5)]])
async def test_a_body_that_is_not_in_memory_is_not_at_hand(tmp_path: Path, readers: list[int], uids: list[UID]) -> None:
    """Who asks without waiting is not told of its message, nor of those beside it; its row can be had."""
    async with seven(tmp_path) as (store, _, inbox):
        assert store.index.stored_at_hand(inbox, uids, False) is None
        assert store.index.columns_at_hand(inbox, uids, True) is None
        columns = store.index.columns_at_hand(inbox, uids)
        assert columns is not None and list(columns.uids) == sorted(uids)
        assert not readers


async def test_a_body_in_memory_needs_no_thread(
    tmp_path: Path, readers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was just told of a message is answered on the loop."""
    async with seven(tmp_path) as (store, index, inbox):
        monkeypatch.setattr(index, "_there", lambda read: pytest.fail("a thread is asked"))
        last, digest = [UID(7)], digest_of(body(7))
        found = index.stored_at_hand(inbox, last, True)
        assert found is not None
        (stored,) = found
        assert (stored.where, stored.digest) == (body(7), digest)
        columns = index.columns_at_hand(inbox, last, True)
        assert columns is not None and list(columns.envelopes) == [digest.envelope]
        assert await index.stored(inbox, last, True) == [stored]
        assert (await index.blob(inbox, UID(7))).inline == body(7)
        assert [one.digest for one in await index.digests(inbox, last)] == [digest]
        assert not readers
        monkeypatch.undo()


async def test_fetch_of_what_is_not_in_memory(tmp_path: Path, readers: list[int]) -> None:
    """Lone messages and several; nobody else waits while the disk is asked for them."""
    async with running_server(tmp_path, ("ann",)) as server:
        blobs = server.server.mail.store._blobs
        assert isinstance(blobs, MaildirBlobs)
        async with logged_in(server.ports["imap"], "ann", server.password) as client:
            with blobs._settler.quiet:  # nothing becomes a file
                for number in range(1, 8):
                    await client.append(b"INBOX", body(number))
                await client.command(b"NOOP")
                for items, name, value in (
                    (b"BODY.PEEK[]", "BODY[]", b"{60}\r\n%b"),
                    (b"BODY.PEEK[HEADER]", "BODY[HEADER]", None),
                    (b"BODY.PEEK[] ENVELOPE", "BODY[]", b"{60}\r\n%b"),
                    (b"ENVELOPE", "ENVELOPE", None),
                    (b"BODY[]", "BODY[]", b"{60}\r\n%b"),
                ):
                    for numbers in (b"3", b"2:4", b"1,5"):
                        readers.clear()
                        found = await client.fetch(numbers, items)
                        assert readers and threading.get_ident() not in readers
                        for number, told in found.items():
                            said = told[name]
                            assert b"%d" % number in said if value is None else said == value % body(number)
                    readers.clear()
                    assert list(await client.fetch(b"7", items)) == [7]
                    assert not readers
                assert (await client.command(b"SEARCH TEXT .."))[0] == b"* SEARCH 1 2 3 4 5 6 7"
                assert readers


def test_what_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of them; of others it is said that they have to be read, of those that are gone that they are."""
    journal = Journal(tmp_path / "journal")
    journal.begin(1, tmp_path)
    monkeypatch.setattr(bodies_module, "RECENT", 3)
    known = Bodies()
    known.journal = journal
    at = journal.write([(b"one",), (b"two",)])
    for number, content in enumerate((b"one", b"two"), 1):
        known.put(number, Body(at + 3 * (number - 1), 3), content)
    with pytest.raises(NotInMemory):
        known.at_hand(1)
    assert (known.get(1), known.at_hand(2), known.at_hand(3)) == (b"one", b"two", None)
    known.forget(1)
    known.forget(2)
    assert known.at_hand(1) is known.at_hand(2) is None
    journal.close()


def test_the_first_is_found_without_a_search() -> None:
    """In whatever order they are forgotten."""
    known = Bodies()
    assert known.first(9) == 9
    for number in range(1, 101):
        known.put(Number(number), Body(number, 1))
    firsts = []
    for number in (1, 2, 4, 3, 100, *range(10, 50), 5, 6, 7, 8, 9):
        known.forget(number)
        firsts.append(known.first(200))
    assert firsts == [2, 3, 3, 5, 5, *[5] * 40, 6, 7, 8, 9, 50]
    assert Number.compared == 0


async def test_numbers_only_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes what arrives, and however full the journal is."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 2)
    numbers: list[int] = []
    put = Bodies.put

    def noting(self: Bodies, blob: int, *place: Any) -> None:
        numbers.append(blob)
        put(self, blob, *place)

    monkeypatch.setattr(Bodies, "put", noting)
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        other = await store.index.create_mailbox(ada, "Other")
        for _ in range(5):
            arriving = [deliver(store, inbox, body=b"x" * 500) for _ in range(20)]
            await asyncio.gather(*arriving, store.index.copy(inbox, [UID(1)], other.id))
    assert len(numbers) == 100 and numbers == sorted(numbers)
