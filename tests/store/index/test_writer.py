"""Group commit."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from mailhorn.model.change import Change
from mailhorn.model.ids import MailboxId, ModSeq
from mailhorn.store.abc import StoreError, StoreFull, StoreUnavailable
from mailhorn.store.index.database import WAL_SIZE
from mailhorn.store.index.writer import Tx, Writer


def change(n: int) -> Change:
    """A change to tell apart."""
    return Change(MailboxId(n), ModSeq(0), ModSeq(1))


class Bench:
    """A writer and what came of it."""

    def __init__(self, path: Path) -> None:
        self.events: list[object] = []
        self.writer = Writer(path, self.events.append, lambda n: self.events.append(("pending", n)))

    async def run(self, n: int) -> int:
        """Do a job that tells and answers n."""

        def work(tx: Tx) -> int:
            tx.changes.append(change(n))
            tx.db.execute("INSERT INTO account (login, password_hash) VALUES (?, '')", (str(n),))
            if n == 13:
                raise StoreError("unlucky")
            tx.unfiled += 1
            tx.unsettled = True
            return n

        answer = await self.writer.run(work)
        self.events.append(answer)
        return answer

    async def logins(self) -> list[int]:
        """Return what was committed."""
        rows = await self.writer.run(lambda tx: tx.db.ask("SELECT login FROM account ORDER BY id"))
        return [int(login) for (login,) in rows]


async def test_who_waits_shares_the_next_commit(tmp_path: Path) -> None:
    """While one commit runs the others gather; a refused one undoes itself only; told comes before answered."""
    bench = Bench(tmp_path / "db")
    hold, held = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(tx: Tx) -> None:
        loop.call_soon_threadsafe(held.set)
        hold.wait()

    first = asyncio.ensure_future(bench.writer.run(wait))
    await held.wait()
    jobs = [asyncio.ensure_future(bench.run(n)) for n in range(10, 20)]
    await asyncio.sleep(0)
    hold.set()
    results = await asyncio.gather(first, *jobs, return_exceptions=True)
    assert [n for n in results[1:] if not isinstance(n, BaseException)] == [10, 11, 12, *range(14, 20)]
    assert await bench.logins() == [10, 11, 12, *range(14, 20)]
    assert [event for event in bench.events if isinstance(event, tuple)] == [("pending", 9)]
    told = [event.mailbox for event in bench.events if isinstance(event, Change)]
    answered = [event for event in bench.events if isinstance(event, int)]
    assert told == answered == await bench.logins()
    assert bench.events.index(change(19)) < bench.events.index(10), "one group: all told before anyone goes on"
    await bench.writer.close()


async def test_a_full_disk_refuses_the_group_and_then_recovers(tmp_path: Path) -> None:
    """Everyone gets StoreUnavailable, nothing has changed, and with room again the same writer goes on."""
    bench = Bench(tmp_path / "db")
    pages = (await bench.writer.run(lambda tx: tx.db.ask("PRAGMA page_count")))[0][0]

    def fill(tx: Tx) -> None:
        tx.db.ask(f"PRAGMA max_page_count = {pages + 1}")
        tx.db.execute("INSERT INTO inline_body (blob, body) VALUES (1, zeroblob(100000))")

    results = await asyncio.gather(bench.run(1), bench.writer.run(fill), bench.run(2), return_exceptions=True)
    refused = [result for result in results if isinstance(result, StoreUnavailable)]
    assert results[1] in refused and isinstance(refused[0], StoreFull) and "make room" in str(refused[0])
    committed = [result for result in results if isinstance(result, int)]
    await bench.writer.run(lambda tx: tx.db.ask("PRAGMA max_page_count = 1000000"))
    assert await bench.run(3) == 3
    assert await bench.logins() == [*committed, 3]
    await bench.writer.close()


async def test_a_watcher_that_fails_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """The error goes to the loop's handler, the answer to who waits."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))
    bench = Bench(tmp_path / "db")

    def broken(change: Change) -> None:
        raise ValueError("a bug")

    bench.writer._told = broken
    assert await bench.run(1) == 1
    assert [str(problem) for problem in problems] == ["a bug"]
    await bench.writer.close()


async def test_a_mistake_of_ours_is_not_the_disk_s(tmp_path: Path) -> None:
    """Wrong SQL comes out as it is, and what else was in the group is done."""
    bench = Bench(tmp_path / "db")
    results = await asyncio.gather(
        bench.run(1), bench.writer.run(lambda tx: tx.db.ask("SELECT nonsense")), bench.run(2), return_exceptions=True
    )
    assert results[0] == 1 and results[2] == 2
    assert isinstance(results[1], Exception) and not isinstance(results[1], StoreError)
    await bench.writer.close()


async def test_the_log_is_checkpointed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The WAL is begun anew when it has grown enough."""
    monkeypatch.setattr("mailhorn.store.index.writer.WAL_PAGES", 10)
    monkeypatch.setattr("mailhorn.store.index.writer.CHECKPOINT_PAGES_AT_LAST", 10)
    monkeypatch.setattr("mailhorn.store.index.database.WAL_SIZE", 0)
    bench = Bench(tmp_path / "db")
    for n in range(100, 200):
        await bench.run(n)
    assert (tmp_path / "db-wal").stat().st_size < 100 * 4200
    await bench.writer.close()
    assert not (tmp_path / "db-wal").exists()


async def test_the_log_has_its_size_from_the_start(tmp_path: Path) -> None:
    """What has not been written yet is no frame, after a crash either; and nobody's frames are written over."""
    bench = Bench(tmp_path / "db")
    wal = tmp_path / "db-wal"
    assert wal.stat().st_size >= WAL_SIZE
    await bench.run(1)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (tmp_path / "db", wal):
        shutil.copy(file, crashed)
    again = Bench(crashed / "db")
    await again.run(2)
    other = Writer(tmp_path / "db", lambda change: None, lambda unfiled: None)
    await bench.run(3)
    assert wal.stat().st_size == WAL_SIZE
    assert await bench.logins() == [1, 3]
    assert await again.logins() == [1, 2]
    for writer in (bench.writer, again.writer, other):
        await writer.close()


async def test_who_waits_at_the_close_is_answered(tmp_path: Path) -> None:
    """Closing finishes what was accepted and refuses what comes later."""
    bench = Bench(tmp_path / "db")
    jobs = [asyncio.ensure_future(bench.run(n)) for n in range(5)]
    await asyncio.sleep(0)
    await bench.writer.close()
    assert await asyncio.gather(*jobs) == list(range(5))
    with pytest.raises(StoreUnavailable):
        await bench.run(6)
    with pytest.raises(StoreUnavailable):
        bench.writer.run_here(lambda tx: None)
