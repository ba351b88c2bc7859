"""Digests: computed when nobody waits, there whenever somebody asks, kept when the message comes to rest."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest
from tests.kit.stores import account, deliver, digest_of, opened

from mailhorn.model.ids import UID
from mailhorn.model.message import Digest
from mailhorn.store.blobs.maildir import INLINE_LIMIT, MaildirBlobs
from mailhorn.store.index.database import open_reader
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store

BODY = b"Subject: x\r\n\r\nhello\r\n"


async def test_a_small_message_is_digested_after_the_answer_and_before_it_rests(tmp_path: Path) -> None:
    """Whoever fetches in the same turn of the loop gets it all the same."""
    computed: list[int] = []

    def digest(body: bytes | memoryview) -> Digest:
        computed.append(len(body))
        return digest_of(body)

    index = SqliteIndex(tmp_path / "index.db", digest)
    store = Store(index, MaildirBlobs(tmp_path, index, delay=3600.0), lambda change: None, digest)
    await store.start()
    _, inbox = await account(store)
    (placed,) = await deliver(store, inbox, body=BODY)
    assert computed == []
    (full,) = await index.digests(inbox, [placed.uid])
    assert full.digest == digest_of(BODY)
    await store.close()
    async with opened(tmp_path) as again:
        (full,) = await again.index.digests(inbox, [placed.uid])
        assert full.digest == digest_of(BODY)


async def test_a_crash_before_the_digest_loses_nothing(tmp_path: Path) -> None:
    """The index that comes after computes it from the body that is in the journal."""
    async with opened(tmp_path, delay=3600.0) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=BODY)
        for ending in ("db", "db-wal", "journal"):
            shutil.copy(tmp_path / f"index.{ending}", tmp_path / f"crashed.{ending}")
        crashed = SqliteIndex(tmp_path / "crashed.db", digest_of)
        await asyncio.to_thread(crashed.catch_up)
        assert [full.digest for full in await crashed.digests(inbox, [UID(1)])] == [digest_of(BODY)]
        await crashed.close()


async def test_a_big_message_is_digested_in_a_thread(tmp_path: Path) -> None:
    """The loop is not held up."""
    threads: list[int] = []

    def digest(body: bytes | memoryview) -> Digest:
        threads.append(threading.get_ident())
        return digest_of(body)

    index = SqliteIndex(tmp_path / "index.db", digest)
    store = Store(index, MaildirBlobs(tmp_path, index), lambda change: None, digest)
    await store.start()
    _, inbox = await account(store)
    (placed,) = await deliver(store, inbox, body=b"x" * (INLINE_LIMIT + 1))
    (full,) = await index.digests(inbox, [placed.uid])
    assert full.digest.header_size == INLINE_LIMIT + 1
    assert threads and threading.get_ident() not in threads
    await store.close()


async def test_a_message_that_is_expunged_before_it_rests_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest would stay in memory until a few thousand others had gathered, or in the tables for ever."""
    monkeypatch.setattr("mailhorn.store.index.writer.LINGER", 3600.0)
    async with opened(tmp_path, grace=0.0, delay=3600.0) as store:
        index = store.index
        assert isinstance(index, SqliteIndex)
        _, inbox = await account(store)
        for _ in range(3):
            await deliver(store, inbox, body=BODY)
        await asyncio.sleep(0)
        await index.expunge(inbox, [UID(2)], deleted_only=False)
        ((entered,),) = index._near.ask("SELECT count(*) FROM digest")
        assert entered + len(index._digests) == 3  # one that is entered at once may not be worked out yet
    assert index._digests == {}
    db = open_reader(tmp_path / "index.db")
    assert db.ask("SELECT count(*) FROM digest") == [(2,)]
    db.close()


async def test_of_a_burst_only_some_digests_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are made when somebody asks, or when their messages come to rest."""
    monkeypatch.setattr("mailhorn.store.index.digesting.MAX_DIGESTS", 2)
    monkeypatch.setattr("mailhorn.store.index.writer.LINGER", 3600.0)
    async with opened(tmp_path, delay=3600.0) as store:
        index = store.index
        assert isinstance(index, SqliteIndex)
        _, inbox = await account(store)
        for _ in range(5):
            await deliver(store, inbox, body=BODY)
        await asyncio.sleep(0)
        assert len(index._digests) <= 2  # one may have been entered at once
        assert [full.digest for full in await index.digests(inbox, [UID(1), UID(5)])] == [digest_of(BODY)] * 2
    assert index._digests == {}


async def test_messages_that_come_to_rest_while_they_are_read(tmp_path: Path) -> None:
    """What is not in memory any more is in the tables, whenever the reading began."""
    rested = threading.Event()
    looking = threading.get_ident()

    def digest(body: bytes | memoryview) -> Digest:
        if threading.get_ident() == looking:
            assert rested.wait(10)
        return digest_of(body)

    index = SqliteIndex(tmp_path / "index.db", digest)
    blobs = MaildirBlobs(tmp_path, index, delay=0.0)
    store = Store(index, blobs, lambda change: None, digest)
    await store.start()
    _, inbox = await account(store)
    index._digesting.soon = lambda blob: None  # type: ignore[method-assign]
    with blobs._settler.quiet:  # nothing comes to rest
        for _ in range(3):
            await deliver(store, inbox, body=BODY)
        await index.uids(inbox)
    blobs._settler.rested = lambda: index._bodies or rested.set()  # type: ignore[func-returns-value]
    found = await index.digests(inbox, [UID(1), UID(3)])
    assert [full.digest for full in found] == [digest_of(BODY)] * 2
    await store.close()
