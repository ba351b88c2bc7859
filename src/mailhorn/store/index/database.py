"""Opening the SQLite file: version, settings, migrations, and whose fault an error is."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import apsw

from ..abc import NO_ROOM, StoreFull, StoreUnavailable

OLDEST_SQLITE = (3, 51, 3)
"""Before it, a WAL reset while two connections checkpoint could corrupt the file (sqlite.org/wal.html §11)."""

WAL_PAGES = 4_000
"""Pages in the WAL from which to checkpoint when nobody waits."""

WAL_SIZE = WAL_PAGES * (4096 + 24)
"""Octets, 16 MiB: to flush what overwrites a file takes half the time, or less, of what makes it longer."""

BUSY_MS = 5_000
"""How long to wait for another process that writes (`mailhorn account add` beside `mailhorn serve`)."""

READER_CACHE = 512
"""KiB of pages that a reading connection keeps. What it reads again is in the system's cache; SQLite's own default of
2 MiB, for each of five connections, was a quarter of the memory of a server with a thousand clients."""

DISK_ERRORS = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
"""What the disk or the machine is to blame for; anything else apsw raises is our mistake."""

SCHEMA = Path(__file__).parents[1] / "schema"
"""The migrations."""

LET_GO = 1_000
"""Rows that are freed by one call: 0.2 ms."""


class Database(apsw.Connection):
    """A connection whose answers are plain rows, and whose statements are planned once, not for each value again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Open it; see `apsw.Connection`."""
        super().__init__(*args, **options)
        # With STAT4, which the wheel has, a range would be planned anew whenever it is bound: 12 of 17 us, for nothing,
        # as nothing is ever ANALYZEd.
        self.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run the statement to its end and return its rows."""
        return self.execute(sql, values).fetchall()

    def __exit__(self, *problem: Any) -> Literal[False]:
        """End a `with`: one consistent read, or one nested transaction."""
        try:
            super().__exit__(*problem)
        except apsw.SQLError:
            if problem[0] is None:
                raise  # else SQLite has ended it by itself, and why is what has to be told
        return False


def let_go(rows: list[Any]) -> None:
    """Empty a list by the slice: freed at once, 100,000 rows keep the interpreter from everybody else for 15 ms."""
    while rows:
        del rows[-LET_GO:]


def unavailable(path: Path, problem: apsw.Error) -> StoreUnavailable:
    """Return the error to raise: one line for the operator."""
    if isinstance(problem, apsw.FullError):
        return StoreFull(f"the index {path} cannot be used ({problem}): make room on the disk")
    if isinstance(problem, apsw.CorruptError | apsw.NotADBError):
        return StoreUnavailable(
            f"the index {path} is damaged ({problem}): stop the server and run: mailhorn check --repair"
        )
    return StoreUnavailable(f"the index {path} cannot be used ({problem}): see to the disk and its permissions")


def open_writer(path: Path) -> Database:
    """Open the file to write, making it or bringing it up to date. Raises StoreUnavailable."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        raise StoreUnavailable(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt its file; install the apsw wheel, it brings a newer one"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = Database(str(path))
        db.set_busy_timeout(BUSY_MS)
        db.ask("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")
        _migrate(db)
        path.chmod(0o600)
        _make_room(db, Path(f"{path}-wal"))
    except DISK_ERRORS as problem:
        raise unavailable(path, problem) from problem
    except OSError as problem:
        what = f"the index {path} cannot be used ({problem.strerror})"
        if problem.errno in NO_ROOM:
            raise StoreFull(f"{what}: make room on the disk") from problem
        raise StoreUnavailable(f"{what}: see to the disk and its permissions") from problem
    return db


def _make_room(db: Database, wal: Path) -> None:
    """
    Let the WAL have its size from the start, unless there is no room: mail on a full disk is read, and deleted.

    What is not written yet is no frame to SQLite, as after a power cut.
    """
    db.execute("BEGIN IMMEDIATE")  # or another process might put a frame where we write
    try:
        fd = os.open(wal, os.O_RDWR | os.O_CLOEXEC)
        try:
            there = at = os.fstat(fd).st_size
            try:
                while at < WAL_SIZE:
                    at += os.pwrite(fd, bytes(WAL_SIZE - at), at)
                if at > there:
                    os.fsync(fd)
            except OSError as problem:
                if problem.errno not in NO_ROOM:
                    raise
                os.ftruncate(fd, there)
        finally:
            os.close(fd)
    finally:
        db.execute("ROLLBACK")


def open_reader(path: Path, cache: int = READER_CACHE) -> Database:
    """Open the file, which exists, to read, and keep so many KiB of its pages. Raises StoreUnavailable."""
    try:
        db = Database(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(BUSY_MS)
        db.execute(f"PRAGMA cache_size = -{cache}")
    except DISK_ERRORS as problem:
        raise unavailable(path, problem) from problem
    return db


def _migrate(db: Database) -> None:
    """Run the numbered files of `store/schema` that the database has not seen, each in its own transaction."""
    steps = {
        int(found[1]): entry for entry in SCHEMA.iterdir() if (found := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name))
    }
    if _user_version(db) > max(steps):
        raise StoreUnavailable("the index was made by a newer mailhorn; install that one again")
    for number in sorted(steps):
        if number <= _user_version(db):
            continue
        db.execute("BEGIN IMMEDIATE")
        if number > _user_version(db):  # another process may have been first
            db.execute(steps[number].read_text("utf-8"))
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")


def _user_version(db: Database) -> int:
    return int(db.ask("PRAGMA user_version")[0][0])
