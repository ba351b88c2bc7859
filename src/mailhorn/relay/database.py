"""One SQLite file, and the one thread of this process that has it.

Rule 1: what waits while one transaction runs shares the next one, and its flush. Rule 2: a job that fails does not
spoil the others of its transaction; a disk that refuses spoils them all, and nothing of them has happened. Rule 3:
another process may write beside this one (`mailhorn queue` beside `mailhorn serve`): every transaction asks for the
right to write first, and waits for it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import apsw

from .letter import RelayUnavailable

T = TypeVar("T")

MAX_GROUP = 256
"""Jobs in one transaction: beyond, the flush is paid for and the first one waits for the last."""

BUSY_MS = 5_000
"""How long to wait for another process that writes; each of its transactions takes a few milliseconds."""

MAX_WAL = 16 * 1024 * 1024
"""Octets of the write-ahead log that are kept when it begins anew: a large letter makes it longer for once."""


class _Job(Generic[T]):
    __slots__ = ("answer", "durable", "loop", "problem", "result", "work")

    def __init__(self, work: Callable[[apsw.Connection], T], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self.loop.create_future()
        self.problem: Exception | None = None
        self.result: T

    def tell(self) -> None:
        if self.answer.done():
            return  # who asked has gone away
        if self.problem is not None:
            self.answer.set_exception(self.problem)
        else:
            self.answer.set_result(self.result)


class Database:
    """A file of tables; work on it is done in its thread, in the order in which it was asked for."""

    def __init__(self, path: Path, steps: Sequence[str]) -> None:
        """
        Open or make the file and start the thread.

        Args:
            path: The file, readable by its owner only.
            steps: What makes the tables: step n brings a file of version n to version n + 1.

        Raises:
            RelayUnavailable: The file cannot be used, or a newer mailhorn made it.

        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)  # SQLite gives the files beside it the same rights
            path.chmod(0o600)
            self._db = apsw.Connection(str(path))
            self._prepare(steps)
        except (apsw.Error, OSError) as problem:
            raise self._unavailable(problem) from problem
        self._closed = False
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"mailhorn-{path.stem}", daemon=True)
        self._thread.start()

    def _prepare(self, steps: Sequence[str]) -> None:
        db = self._db
        db.set_busy_timeout(BUSY_MS)
        known = db.pragma("user_version") == len(steps)
        if not known:
            db.pragma("auto_vacuum", 1)  # what was full once does not stay large; says something to a new file only
        db.pragma("journal_mode", "wal")
        db.pragma("journal_size_limit", MAX_WAL)
        db.pragma("foreign_keys", True)
        db.pragma("synchronous", "full")
        if known:  # nothing is written: mail on a full disk can be read, and deleted, after another start
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            version = db.pragma("user_version")
            if version > len(steps):
                raise RelayUnavailable(f"{self._path} was made by a newer mailhorn (version {version})")
            for step in steps[version:]:
                db.execute(step)
            db.pragma("user_version", len(steps))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.close()
            raise

    async def run(self, work: Callable[[apsw.Connection], T], durable: bool = True) -> T:
        """
        Have the work done in the next transaction.

        Args:
            work: Runs in the thread; raises to be undone.
            durable: It must survive a power cut when this returns; else a killed process only.

        Raises:
            RelayUnavailable: The disk refuses, or the file is closed; nothing has happened.

        """
        if self._closed:
            raise RelayUnavailable(f"{self._path} is closed")
        job = _Job(work, durable)
        self._jobs.put(job)
        return await job.answer

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # the thread

    def _work(self) -> None:
        stopping = False
        while not stopping:
            group: list[_Job[Any]] = []
            with contextlib.suppress(Empty):
                job = self._jobs.get()
                while job is not None and len(group) < MAX_GROUP:
                    group.append(job)
                    job = self._jobs.get_nowait()
                stopping = job is None
                if job is not None:
                    group.append(job)
            if group:
                self._commit(group)
        self._db.close()

    def _commit(self, group: list[_Job[Any]]) -> None:
        db = self._db
        try:
            db.pragma("synchronous", "full" if any(job.durable for job in group) else "normal")
            db.execute("BEGIN IMMEDIATE")
            try:
                for job in group:
                    self._do(job)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except apsw.Error as problem:
            for job in group:
                job.problem = self._unavailable(problem)
        for loop in {job.loop for job in group}:
            with contextlib.suppress(RuntimeError):  # the loop is closed: who asked has gone away
                loop.call_soon_threadsafe(_tell, [job for job in group if job.loop is loop])

    def _do(self, job: _Job[Any]) -> None:
        db = self._db
        db.execute("SAVEPOINT job")
        try:
            job.result = job.work(db)
        except apsw.Error:
            raise
        except Exception as problem:
            job.problem = problem
            db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")

    def _unavailable(self, problem: Exception) -> RelayUnavailable:
        if isinstance(problem, apsw.FullError):
            return RelayUnavailable(f"{self._path} cannot be written ({problem}): make room on the disk")
        if isinstance(problem, apsw.CorruptError | apsw.NotADBError):
            return RelayUnavailable(
                f"{self._path} is damaged ({problem}): stop what uses it, and move the file away (a server's:"
                " mailhorn check --repair)"
            )
        return RelayUnavailable(f"{self._path} cannot be used ({problem}): see to the disk and its permissions")


def _tell(jobs: Sequence[_Job[Any]]) -> None:
    for job in jobs:
        job.tell()


__all__ = ["Database"]
