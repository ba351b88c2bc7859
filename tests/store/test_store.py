"""The order of a delivery."""

import asyncio
import resource
import threading
import time
from pathlib import Path

import pytest
from tests.kit.stores import DATE, account, deliver, digest_of, opened

from mailhorn.model.change import Change
from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import Digest, Placement
from mailhorn.net.eager import begin
from mailhorn.store.abc import Appended, MailboxMissing, MessageMissing, StoreUnavailable
from mailhorn.store.blobs.maildir import INLINE_LIMIT, MaildirBlobs, SpooledBlob
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store

PATIENCE = 10.0
"""Seconds one thread waits for the other one before it is said that it does not come."""


async def test_durable_then_told_then_answered(tmp_path: Path) -> None:
    """When a watcher hears of a message it can be read; when `append` returns it has been told; the time is known."""
    told: list[Change] = []
    async with opened(tmp_path, told.append) as store:
        _, inbox = await account(store)
        before = time.monotonic()
        staged = store.stage()
        staged.write(b"x")
        placed = await store.append(staged, [Placement(inbox)], DATE)
        assert before <= placed.durable_at <= time.monotonic()
        assert [change.appended for change in told] == [(placed[0].uid,)] and len(placed) == 1


async def test_a_big_body_is_digested_while_it_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither waits for the other, and the append waits for both."""
    flushing, digesting = threading.Event(), threading.Event()
    met: list[bool] = []
    flush = SpooledBlob._flush

    def slow_flush(staged: SpooledBlob, fd: int) -> None:
        flushing.set()
        met.append(digesting.wait(PATIENCE))
        flush(staged, fd)

    def slow_digest(body: memoryview) -> Digest:
        digesting.set()
        met.append(flushing.wait(PATIENCE))
        return digest_of(body)

    monkeypatch.setattr(SpooledBlob, "_flush", slow_flush)
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        monkeypatch.setattr(store, "_digest", slow_digest)
        body = b"Subject: x\r\n\r\n" + b"x" * INLINE_LIMIT
        (placed,) = await deliver(store, inbox, body=body)
        assert met == [True, True]
        (stored,) = await store.index.stored(inbox, [placed.uid], True)
        assert stored.digest == digest_of(body)


async def test_a_big_body_when_no_descriptor_is_left(tmp_path: Path) -> None:
    """It is put off, and leaves nothing."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        staged = store.stage()
        staged.write(b"x" * (INLINE_LIMIT + 1))
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, limit[1]))
            with pytest.raises(StoreUnavailable, match="Too many open files"):
                await store.append(staged, [Placement(inbox)], DATE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        assert list((tmp_path / "mail" / ".spool").iterdir()) == []


@pytest.mark.parametrize("size", [10, INLINE_LIMIT * 2])
async def test_a_refused_append_leaves_nothing(tmp_path: Path, size: int) -> None:
    """Neither a row nor a file."""
    told: list[Change] = []
    async with opened(tmp_path, told.append) as store:
        _, inbox = await account(store)
        with pytest.raises(MailboxMissing):
            await deliver(store, inbox, MailboxId(77), body=b"x" * size)
        assert told == [] and list((tmp_path / "mail" / ".spool").iterdir()) == []
        with pytest.raises(MessageMissing):
            await store.body(inbox, UID(1))


async def test_a_cancelled_append_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """The commit may be under way; then the message is there with its body."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        for size in (10, INLINE_LIMIT * 2):
            for steps in range(4):
                task = asyncio.ensure_future(deliver(store, inbox, body=b"x" * size))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        await deliver(store, inbox)
        _, uids = await store.index.uids(inbox)
        for uid in uids:
            assert await store.body(inbox, UID(uid))


async def test_deliveries_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too much on its way to rest they wait, and go on when there is less."""
    monkeypatch.setattr("mailhorn.store.blobs.maildir.MAX_BACKLOG", 5)
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await asyncio.gather(*(deliver(store, inbox) for _ in range(40)))
        assert len((await store.index.uids(inbox))[1]) == 40


async def test_a_delivery_that_has_never_waited_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's work is no task before its first wait, and this may be it."""
    monkeypatch.setattr("mailhorn.store.blobs.maildir.MAX_BACKLOG", 1)
    monkeypatch.setattr("mailhorn.store.blobs.maildir.PATIENCE", 0.01)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        staged = store.stage()
        staged.write(b"x")
        begun: asyncio.Future[asyncio.Task[Appended] | None] = asyncio.Future()

        def arrive() -> None:
            try:
                begun.set_result(begin(store.append(staged, [Placement(inbox)], DATE)))
            except RuntimeError as problem:
                begun.set_exception(problem)

        asyncio.get_running_loop().call_soon(arrive)
        task = await begun
        assert task is not None
        with pytest.raises(StoreUnavailable):
            await task


async def test_copies_keep_no_delivery_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their bytes are in files already; a hundred thousand of them may need a minute to become files of their own."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    monkeypatch.setattr("mailhorn.store.blobs.maildir.MAX_BACKLOG", 1)
    monkeypatch.setattr("mailhorn.store.blobs.maildir.PATIENCE", 0.01)
    async with opened(tmp_path, delay=3600) as store:
        await store.index.copy(inbox, [UID(1)], inbox)
        await store.index.copy(inbox, [UID(2)], inbox)
        await deliver(store, inbox)
    async with opened(tmp_path) as store:
        assert len((await store.index.uids(inbox))[1]) == 4


async def test_a_stuck_disk_puts_deliveries_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no room in time, the delivery is refused for now."""
    monkeypatch.setattr("mailhorn.store.blobs.maildir.MAX_BACKLOG", 1)
    monkeypatch.setattr("mailhorn.store.blobs.maildir.PATIENCE", 0.01)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        with pytest.raises(StoreUnavailable):
            await deliver(store, inbox)


async def test_closed_means_closed(tmp_path: Path) -> None:
    """Verbs after the close raise StoreUnavailable."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
    with pytest.raises(StoreUnavailable):
        await deliver(store, inbox)
    with pytest.raises(StoreUnavailable):
        await store.body(inbox, UID(1))


async def test_what_was_lost_is_restored_first(tmp_path: Path) -> None:
    """`restore` runs before anything is settled; if it fails, nothing has begun."""
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    order: list[bool] = []

    async def restore() -> None:
        order.append((tmp_path / "mail").exists())

    store = Store(index, MaildirBlobs(tmp_path, index), lambda change: None, digest_of, restore)
    await store.start()
    assert order == [False] and (tmp_path / "mail").exists()
    await store.close()
