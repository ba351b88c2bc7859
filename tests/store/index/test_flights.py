"""Mail becomes durable without a thread, and where that cannot be, with one."""

import asyncio
import errno
import os
import select
from pathlib import Path
from typing import Any

import pytest
from tests.kit.stores import account, deliver, opened
from tests.store.test_journal import crashed_copy, inbox_of

from mailhorn.model.change import Change
from mailhorn.model.flags import NO_FLAGS, SEEN
from mailhorn.model.ids import UID
from mailhorn.store.abc import MailboxMissing, StoreUnavailable
from mailhorn.store.aio import Aio
from mailhorn.store.index import flights, writer
from mailhorn.store.index.flights import MAX_BODY, MAX_GROUP, MAX_OCTETS, Flights
from mailhorn.store.index.lane import Job, Lane
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.writer import Writer
from mailhorn.store.store import Store

WITHIN = 20.0


@pytest.fixture
def by_thread(monkeypatch: pytest.MonkeyPatch) -> list[Job[Any]]:
    """What threads have taken."""
    taken: list[Job[Any]] = []
    for kind in (Writer, Lane):
        real: Any = kind._take

        def take(self: Any, group: list[Job[Any]], real: Any = real) -> None:
            taken.extend([job for job in group if job not in taken])  # the lane may give it to the writer
            real(self, group)

        monkeypatch.setattr(kind, "_take", take)
    return taken


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has arrived is entered when somebody asks for it; no system is slow."""
    monkeypatch.setattr(flights, "SLOW", 3600.0)
    monkeypatch.setattr(writer, "LINGER", 3600.0)


def flights_of(store: Store) -> Flights:
    """Return them."""
    assert isinstance(store.index, SqliteIndex)
    found = store.index._writer._flights
    assert found is not None
    return found


async def free(store: Store) -> None:
    """Return when no thread has the lock any more: who takes lets go of it after the answer."""
    assert isinstance(store.index, SqliteIndex)
    await store.index._writer.caught_up()


async def many(store: Store, inbox: Any, bodies: list[bytes]) -> list[int]:
    """Deliver them at once; return their UIDs."""
    async with asyncio.timeout(WITHIN):
        placed = await asyncio.gather(*(deliver(store, inbox, body=body) for body in bodies))
    return [one.uid for (one,) in placed]


async def test_no_thread_is_woken(tmp_path: Path, by_thread: list[Job[Any]]) -> None:
    """The first opens the journal; then one after the other, and many at once, in groups, as they came."""
    told: list[Change] = []
    async with opened(tmp_path, told.append, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"0")
        assert len(by_thread) == 1
        await free(store)
        for number in range(1, 5):
            assert [one.uid for one in await deliver(store, inbox, body=b"%d" % number)] == [number + 1]
        uids = await many(store, inbox, [b"%d" % number for number in range(5, 5 + 3 * MAX_GROUP)])
        assert uids == list(range(6, 6 + 3 * MAX_GROUP))
        assert len(by_thread) == 1
        assert [uid for change in told for uid in change.appended] == list(range(1, 6 + 3 * MAX_GROUP))
        assert [change.before + 1 for change in told] == [change.after for change in told]
        crashed_copy(tmp_path, tmp_path / "crashed")
    async with opened(tmp_path / "crashed") as store:
        assert [body for _, body, _ in await inbox_of(store, inbox)] == [b"%d" % n for n in range(5 + 3 * MAX_GROUP)]


async def test_a_big_one_goes_by_thread(tmp_path: Path, by_thread: list[Job[Any]]) -> None:
    """To copy it would take the loop too long."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"0")
        for size, threads in ((MAX_BODY, 1), (MAX_BODY + 1, 2), (5, 2)):
            await free(store)
            await deliver(store, inbox, body=b"x" * size)
            assert len(by_thread) == threads
        assert [len(body) for _, body, _ in await inbox_of(store, inbox)] == [1, MAX_BODY, MAX_BODY + 1, 5]


async def test_large_ones_fly_in_smaller_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one flight takes is bounded in octets, too: so is the time for which nobody else has the loop."""
    groups: list[int] = []
    take_off = Flights._take_off

    def noting(self: Flights, group: list[Job[Any]]) -> bool:
        groups.append(sum(job.arrival.message.blob.size for job in group if job.arrival is not None))
        return take_off(self, group)

    monkeypatch.setattr(Flights, "_take_off", noting)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"0")
        await free(store)
        groups.clear()
        bodies = [b"%d" % number * (MAX_BODY - number) for number in range(10)] * 2
        assert sorted(await many(store, inbox, bodies)) == list(range(2, 22))
        assert max(groups) <= MAX_OCTETS and sum(groups) == sum(map(len, bodies)) and len(groups) > 2
        assert sorted(body for _, body, _ in await inbox_of(store, inbox)) == sorted([b"0", *bodies])


async def test_it_waits_a_little_for_the_lock(
    tmp_path: Path, by_thread: list[Job[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a thread has it for longer, threads take what has come."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"0")
        await free(store)
        loop = asyncio.get_running_loop()
        gate = store.index._writer._arrivals.gate  # type: ignore[attr-defined]
        tried: list[float] = []
        real = loop.call_later

        def call_later(seconds: float, *args: Any, **named: Any) -> Any:
            if seconds == flights.WAIT:
                tried.append(seconds)
                if len(tried) == 2:
                    gate.release()
            return real(seconds, *args, **named)

        monkeypatch.setattr(flights, "WAIT", 0.00101)
        monkeypatch.setattr(loop, "call_later", call_later)
        gate.acquire()
        await deliver(store, inbox, body=b"1")
        assert len(tried) == 2 and len(by_thread) == 1
        gate.acquire()
        async with asyncio.timeout(WITHIN):
            await deliver(store, inbox, body=b"2")
        gate.release()
        assert len(tried) == 2 + flights.TRIES and len(by_thread) == 2
        assert [body for _, body, _ in await inbox_of(store, inbox)] == [b"0", b"1", b"2"]


async def test_all_that_waits_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, or when it has become much: who asks nothing needs no memory for it."""
    for name, value, messages in (("LINGER", 0.0, 1), ("MAX_WAITING", 3, 3)):
        with monkeypatch.context() as soon:
            soon.setattr(writer, name, value)
            async with opened(tmp_path / name, delay=3600) as store:
                _, inbox = await account(store)
                assert isinstance(store.index, SqliteIndex)
                waiting = store.index._writer._arrivals.waiting
                await deliver(store, inbox)
                await free(store)
                for _ in range(messages):
                    await deliver(store, inbox)
                async with asyncio.timeout(WITHIN):
                    while waiting:
                        await free(store)


async def test_who_cannot_be_served_is_told(tmp_path: Path, by_thread: list[Job[Any]]) -> None:
    """And the others of the group are served."""
    async with opened(tmp_path, delay=3600) as store:
        ada, inbox = await account(store)
        gone = (await store.index.create_mailbox(ada, "Gone")).id
        await store.index.delete_mailbox(gone)
        await deliver(store, inbox)
        await free(store)
        by_thread.clear()
        outcomes = await asyncio.gather(
            deliver(store, inbox), deliver(store, gone), deliver(store, inbox), return_exceptions=True
        )
        assert isinstance(outcomes[1], MailboxMissing)
        with pytest.raises(MailboxMissing):
            await deliver(store, gone)
        assert not by_thread
        assert [uid for uid, _, _ in await inbox_of(store, inbox)] == [1, 2, 3]


async def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was under way is refused, whoever comes next is served, and a crash shows only the latter."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"1")
        await free(store)
        with monkeypatch.context() as sick:
            sick.setattr(Aio, "_outcome", failing(Aio._outcome, -errno.EIO))
            outcomes = await asyncio.gather(
                *(deliver(store, inbox, body=b"x") for _ in range(3)), return_exceptions=True
            )
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
        assert await many(store, inbox, [b"2", b"3"]) == [2, 3]
        await free(store)
        with monkeypatch.context() as sick:
            sick.setattr(Aio, "_outcome", failing(Aio._outcome, 512))
            with pytest.raises(StoreUnavailable):
                await deliver(store, inbox, body=b"x")
        assert await many(store, inbox, [b"4"]) == [4]
        crashed_copy(tmp_path, tmp_path / "crashed")
    async with opened(tmp_path / "crashed") as store:
        assert [(uid, body) for uid, body, _ in await inbox_of(store, inbox)] == [
            (1, b"1"), (2, b"2"), (3, b"3"), (4, b"4"),
        ]  # fmt: skip


def failing(real: Any, result: int) -> Any:
    """Return what says something else than what came of it."""

    def outcome(self: Aio) -> int:
        real(self)
        return result

    return outcome


@pytest.mark.parametrize("when", ["made", "begun", "ended"])
async def test_where_it_cannot_be_done(
    when: str, tmp_path: Path, by_thread: list[Job[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads do it from then on, and nobody notices."""

    def refuse(*args: Any) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    if when == "made":
        monkeypatch.setattr(Aio, "__init__", refuse)
    elif when == "begun":
        monkeypatch.setattr(Aio, "write", refuse)
    else:
        monkeypatch.setattr(Aio, "_outcome", failing(Aio._outcome, -errno.EINVAL))
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        bodies = [b"%d" % number for number in range(10)]
        for body in bodies[:5]:
            await deliver(store, inbox, body=body)
        await many(store, inbox, bodies[5:])
        assert len(by_thread) == 10
        crashed_copy(tmp_path, tmp_path / "crashed")
        assert [body for _, body, _ in await inbox_of(store, inbox)] == bodies
    async with opened(tmp_path / "crashed") as store:
        assert [body for _, body, _ in await inbox_of(store, inbox)] == bodies


async def test_a_system_that_is_slow_to_take_it_on(
    tmp_path: Path, by_thread: list[Job[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads write for a while, lest the event loop wait with them."""
    now = 1000.0
    monkeypatch.setattr(flights, "clock", lambda: now)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        await free(store)
        real = Aio.write

        def slow(self: Aio, *args: int) -> None:
            nonlocal now
            real(self, *args)
            now += 2 * flights.SLOW

        with monkeypatch.context() as disk:
            disk.setattr(Aio, "write", slow)
            await deliver(store, inbox)
        assert len(by_thread) == 1
        now += flights.PAUSE / 2
        await deliver(store, inbox)
        assert len(by_thread) == 2
        await free(store)
        now += flights.PAUSE
        await deliver(store, inbox)
        assert len(by_thread) == 2


async def test_a_mistake_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, wherever it is, and the lock is free for the next."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        for name in ("prepare", "begin_take", "end_take"):
            await free(store)
            with monkeypatch.context() as broken:
                broken.setattr(f"mailhorn.store.index.arrivals.Arrivals.{name}", lambda *args: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    await deliver(store, inbox)
            if name == "end_take":
                flights_of(store)._aio.result()  # type: ignore[union-attr]
            async with asyncio.timeout(WITHIN):
                await deliver(store, inbox)
                await store.index.set_flags(inbox, [UID(1)], frozenset((SEEN,)), NO_FLAGS)
        assert [uid for uid, _, _ in await inbox_of(store, inbox)] == [1, 2, 3, 4]


async def taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return when the next flight is in the air, before the event loop sees what has become of it."""
    off = asyncio.get_running_loop().create_future()
    real = Aio.write

    def write(self: Aio, *args: int) -> None:
        real(self, *args)
        if not off.done():
            off.set_result(None)

    with monkeypatch.context() as noting:
        noting.setattr(Aio, "write", write)
        async with asyncio.timeout(WITHIN):
            await off


async def test_durable_then_told_then_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of what a power cut could still take back."""
    story: list[object] = []
    crashes: list[Path] = []

    def told(change: Change) -> None:
        story.append(("told", *change.appended))
        crashes.append(tmp_path / f"crashed {len(crashes)}")
        crashed_copy(tmp_path, crashes[-1])

    real = Aio._outcome

    def outcome(self: Aio) -> int:
        story.append("durable")
        return real(self)

    monkeypatch.setattr(Aio, "_outcome", outcome)
    async with opened(tmp_path, told, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"1")
        await free(store)
        story.clear()
        for number in (2, 3):
            await deliver(store, inbox, body=b"%d" % number)
            story.append(("answered", number))
    assert story == ["durable", ("told", 2), ("answered", 2), "durable", ("told", 3), ("answered", 3)]
    assert len(crashes) == 3
    for messages, crash in enumerate(crashes, 1):
        async with opened(crash) as store:
            assert [uid for uid, _, _ in await inbox_of(store, inbox)] == list(range(1, messages + 1))


async def test_what_a_thread_had_told_before_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever loop it is, and however fast the disk: who lands has his turn after those who have waited for theirs."""
    story: list[object] = []
    async with opened(tmp_path, lambda change: story.append(change.appended), delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        await free(store)
        story.clear()
        coming = asyncio.ensure_future(deliver(store, inbox))
        await taken_off(monkeypatch)
        found = flights_of(store)
        assert found._aio is not None and found._flying is not None and not story
        assert select.select([found._aio.fileno()], [], [], WITHIN)[0]  # the loop does not look meanwhile
        asyncio.get_running_loop().call_soon(story.append, "a thread's")
        found._ended()
        assert not story
        await coming
        assert story == ["a thread's", (2,)]


async def test_closing_with_some_in_the_air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was begun is answered, and what was answered is there."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"first")
        await free(store)
        coming = [asyncio.ensure_future(deliver(store, inbox, body=b"%d" % number)) for number in range(3 * MAX_GROUP)]
        await taken_off(monkeypatch)
        assert flights_of(store)._flying is not None
        async with asyncio.timeout(WITHIN):
            await store.close()
            outcomes = await asyncio.gather(*coming, return_exceptions=True)
    there = [b"%d" % number for number, one in enumerate(outcomes) if not isinstance(one, BaseException)]
    assert all(isinstance(one, tuple | StoreUnavailable) for one in outcomes) and there
    async with opened(tmp_path) as store:
        assert sorted(body for _, body, _ in await inbox_of(store, inbox)) == sorted([b"first", *there])
