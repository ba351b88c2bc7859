"""One thread, many jobs: what fails fails alone, what is durable is flushed."""

import asyncio
from pathlib import Path

import apsw
import pytest

from mailhorn.relay.database import Database
from mailhorn.relay.letter import RelayUnavailable

STEPS = ("CREATE TABLE number (n INTEGER UNIQUE) STRICT",)


def rights(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


def sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def synchronous(db: apsw.Connection) -> int:
    return int(db.pragma("synchronous"))


async def test_a_job_that_fails_fails_alone(tmp_path: Path) -> None:
    """The others of its transaction happen; what it had done is undone."""
    database = Database(tmp_path / "x.sqlite", STEPS)

    def fail(db: apsw.Connection) -> None:
        db.execute("INSERT INTO number VALUES (7)")
        raise ValueError("no")

    def one(db: apsw.Connection) -> None:
        db.execute("INSERT INTO number VALUES (1)")

    outcomes = await asyncio.gather(*(database.run(work) for work in (one, fail)), return_exceptions=True)
    assert outcomes[0] is None and isinstance(outcomes[1], ValueError)
    rows = await database.run(lambda db: db.execute("SELECT n FROM number").fetchall())
    assert rows == [(1,)]
    await database.close()


async def test_what_is_durable_is_flushed(tmp_path: Path) -> None:
    """FULL is 2: the commit flushes. NORMAL is 1: a power cut may undo it, a killed process does not."""
    database = Database(tmp_path / "x.sqlite", STEPS)
    assert await database.run(synchronous) == 2
    assert await database.run(synchronous, durable=False) == 1
    both = await asyncio.gather(*(database.run(synchronous, durable) for durable in (False, True)))
    assert both[1] == 2
    await database.close()


async def test_a_file_that_is_there_is_opened_without_writing(tmp_path: Path) -> None:
    """So a server starts on a full disk, and what is deleted then makes room."""
    path = tmp_path / "x.sqlite"
    await Database(path, STEPS).close()
    again = Database(path, STEPS)
    assert sizes(tmp_path)["x.sqlite-wal"] == 0
    assert await again.run(lambda db: db.pragma("auto_vacuum")) == 1
    await again.close()


async def test_a_disk_that_refuses(tmp_path: Path) -> None:
    """Nothing has happened, the error says where, and later it works."""
    database = Database(tmp_path / "x.sqlite", STEPS)
    await database.run(lambda db: db.pragma("max_page_count", 1))

    def much(db: apsw.Connection) -> None:
        for n in range(10_000):
            db.execute("INSERT INTO number VALUES (?)", (n,))

    with pytest.raises(RelayUnavailable, match=r"x\.sqlite .*make room"):
        await database.run(much)
    await database.run(lambda db: db.pragma("max_page_count", 100_000))
    assert await database.run(lambda db: db.execute("SELECT count(*) FROM number").get) == 0
    await database.close()


async def test_what_waits_is_done_at_the_end(tmp_path: Path) -> None:
    """Closing loses nothing that was asked for."""
    database = Database(tmp_path / "x.sqlite", STEPS)

    def one(db: apsw.Connection) -> None:
        db.execute("INSERT INTO number SELECT coalesce(max(n), 0) + 1 FROM number")

    jobs = [asyncio.create_task(database.run(one)) for _ in range(500)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*jobs)
    again = Database(tmp_path / "x.sqlite", STEPS)
    assert await again.run(lambda db: db.execute("SELECT count(*) FROM number").get) == 500
    await again.close()


async def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """People's mail is in it, and in the log beside it."""
    database = Database(tmp_path / "x.sqlite", STEPS)
    await database.run(synchronous)
    assert rights(tmp_path) == {"x.sqlite": 0o600, "x.sqlite-wal": 0o600, "x.sqlite-shm": 0o600}
    await database.close()
