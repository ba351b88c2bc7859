"""One thread that writes: group commit.

Rule 1: what waits while one commit runs shares the next. Rule 2: a job that is refused does not spoil the
others of its group; a disk that refuses spoils them all, and nothing of the group has happened. Rule 3:
results go back to the event loop in the order of commits, one call per group: told first, then answered.
Rule 4: only this thread checkpoints, after the answers and when nobody waits, if it can be helped.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import apsw

from ...model.change import Change
from ..abc import StoreUnavailable
from .database import DISK_ERRORS, WAL_PAGES, Database, open_writer, unavailable

T = TypeVar("T")

MAX_GROUP = 256
"""Jobs in one transaction: beyond, the flush is paid for and the first one waits for the last."""

CHECKPOINT_PAGES_AT_LAST = 16_000
"""Pages in the WAL from which to checkpoint although somebody waits: start-up reads it all."""


class Tx:
    """What a job may do: write, and say what it changed."""

    __slots__ = ("_blobs", "changes", "db", "unfiled", "unsettled")

    def __init__(self, db: Database, blobs: "Numbers") -> None:
        self.db = db
        self._blobs = blobs
        self.changes: list[Change] = []
        self.unfiled = 0
        """New messages without a file."""
        self.unsettled = False
        """The job left something to settle."""

    def new_blob(self, key: str, refs: int) -> int:
        """Insert a blob; return its number."""
        number = self.new_number()
        self.db.execute("INSERT INTO blob (id, key, refs) VALUES (?, ?, ?)", (number, key, refs))
        return number

    def new_number(self) -> int:
        """Return a number for a blob, which none had before while this process runs."""
        blobs = self._blobs
        if not blobs.looked:
            blobs.last = max(blobs.last, self.db.ask("SELECT coalesce(max(id), 0) FROM blob")[0][0])
            blobs.looked = True
        blobs.last += 1
        return blobs.last


class Numbers:
    """
    Which numbers of blobs have been given.

    Attributes:
        last: The greatest one.
        looked: Whether it is known. The server is the only process that gives any; one that gave some all the same
            makes a transaction fail, which then looks.

    """

    __slots__ = ("last", "looked")

    def __init__(self) -> None:
        self.last = 0
        self.looked = False


class Job(Generic[T]):
    """Work for the writer, and what came of it."""

    __slots__ = ("changes", "done", "durable", "guarded", "problem", "result", "stamp", "together", "work")

    def __init__(
        self,
        work: Any,
        done: "Callable[[Job[T]], None] | Future[T]",
        durable: bool,
        guarded: bool,
        together: "Together | None" = None,
    ) -> None:
        self.work = work
        """Returns the result, given a Tx; or, if it is done together with others, what `together` makes of it."""
        self.together = together
        self.done = done
        """Called in the event loop; a future is for another thread."""
        self.durable = durable
        self.guarded = guarded
        self.changes: list[Change] = []
        self.problem: Exception | None = None
        self.result: T
        self.stamp = 0.0
        """When it was committed, seconds on the monotonic clock."""


Together = Callable[[Tx, Sequence[Job[Any]]], None]
"""Does the work of several jobs that follow each other, and gives each its result or its problem."""


class Writer:
    """The writing connection and its thread."""

    def __init__(self, path: Path, told: Callable[[Change], None], pending: Callable[[int], None]) -> None:
        """
        Open the file and start the thread.

        Args:
            path: The database.
            told: Called in the event loop for each change.
            pending: Called in the event loop for each group that left something to settle.

        """
        self._path = path
        self._told = told
        self._pending = pending
        self._blobs = Numbers()
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._durable = True
        self._wal_pages = 0
        self._db: Database | None = self._open()
        self._thread = threading.Thread(target=self._run, name="mailhorn-writer", daemon=True)
        self._thread.start()

    def _open(self) -> Database:
        db = open_writer(self._path)
        db.set_wal_hook(self._wal_grew)
        self._durable = True
        return db

    def _wal_grew(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    async def run(self, work: Callable[[Tx], T], durable: bool = True, guarded: bool = True) -> T:
        """
        Have the work done in the next transaction.

        Args:
            work: Runs in the writer's thread; raises to be undone.
            durable: Whether the answer has to wait for the flush.
            guarded: Whether the work may raise after it has written.

        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(job: Job[T]) -> None:
            if answer.done():
                return  # who asked has gone away
            if job.problem is not None:
                answer.set_exception(job.problem)
            else:
                answer.set_result(job.result)

        self.submit(work, done, durable, guarded)
        return await answer

    def submit(
        self, work: Callable[[Tx], T], done: Callable[[Job[T]], None], durable: bool = True, guarded: bool = True
    ) -> None:
        """Do as `run`, in the event loop, and have `done` called there when it is over."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._loop = asyncio.get_running_loop()
        self._queue.put(Job(work, done, durable, guarded))

    def submit_together(self, work: Any, together: Together, done: Callable[[Job[Any]], None]) -> None:
        """Have a job done together with those beside it of the same kind; in the event loop."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._loop = asyncio.get_running_loop()
        self._queue.put(Job(work, done, durable=True, guarded=False, together=together))

    def run_here(self, work: Callable[[Tx], T], durable: bool = False) -> T:
        """Have the work done, without a flush if need not be, and wait for it; for threads other than the loop's."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        answer: Future[T] = Future()
        self._queue.put(Job(work, answer, durable, guarded=True))
        return answer.result()

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # the thread

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group: list[Job[Any]] = []
            job = self._queue.get()
            while job is not None:
                group.append(job)
                if len(group) == MAX_GROUP:
                    break
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
            stopping = job is None
            if group:
                self._commit(group)
                if self._wal_pages >= WAL_PAGES and (
                    self._queue.empty() or self._wal_pages >= CHECKPOINT_PAGES_AT_LAST
                ):
                    self._checkpoint()
        if self._db is not None:
            self._db.close()

    def _commit(self, group: list[Job[Any]]) -> None:
        unfiled, unsettled = 0, False
        try:
            try:
                unfiled, unsettled = self._transact(group)
            except apsw.ConstraintError:
                if self._db is None or not self._blobs.looked:
                    raise
                self._blobs.looked = False  # another process has given a number that we gave, too
                self._db.execute("ROLLBACK")
                for job in group:
                    job.changes, job.problem = [], None
                unfiled, unsettled = self._transact(group)
        except (apsw.Error, StoreUnavailable) as problem:
            unfiled, unsettled = 0, False
            self._undo(problem)
            failed = unavailable(self._path, problem) if isinstance(problem, DISK_ERRORS) else problem
            for job in group:
                job.problem, job.changes = failed, []
        stamp = time.monotonic()
        for job in group:
            job.stamp = stamp
        self._answer(group, unfiled, unsettled)

    def _transact(self, group: list[Job[Any]]) -> tuple[int, bool]:
        """Do the jobs in one transaction; return how many messages have no file, and whether anything is to settle."""
        unfiled, unsettled = 0, False
        db = self._db = self._db or self._open()
        durable = any([job.durable for job in group])
        if durable is not self._durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        db.execute("BEGIN IMMEDIATE")
        for together, jobs in groupby(group, lambda job: job.together):
            for some in [list(jobs)] if together else [[job] for job in jobs]:
                tx = Tx(db, self._blobs)
                if together:
                    together(tx, some)
                else:
                    self._do(some[0], tx)
                unfiled += tx.unfiled
                unsettled |= tx.unsettled
        db.execute("COMMIT")
        return unfiled, unsettled

    def _do(self, job: Job[Any], tx: Tx) -> None:
        if job.guarded:
            tx.db.execute("SAVEPOINT job")
        try:
            job.result = job.work(tx)
            job.changes = tx.changes
        except DISK_ERRORS:
            raise
        except Exception as problem:
            if not job.guarded and isinstance(problem, apsw.Error):
                raise
            job.problem = problem
            tx.unfiled, tx.unsettled = 0, False
            if job.guarded:
                tx.db.execute("ROLLBACK TO job")
        if job.guarded:
            tx.db.execute("RELEASE job")

    def _undo(self, problem: Exception) -> None:
        """Leave no transaction open, and no connection that has seen the disk fail."""
        if self._db is None:
            return
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as second:
            problem = second
        if not isinstance(problem, apsw.FullError | apsw.BusyError):
            with contextlib.suppress(apsw.Error):
                self._db.close(True)
            self._db = None

    def _checkpoint(self) -> None:
        if self._db is not None:
            with contextlib.suppress(*DISK_ERRORS):  # the next write will tell
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._wal_pages = 0

    def _answer(self, group: list[Job[Any]], unfiled: int, unsettled: bool) -> None:
        for job in group:
            if isinstance(job.done, Future):
                if job.problem is not None:
                    job.done.set_exception(job.problem)
                else:
                    job.done.set_result(job.result)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
                self._loop.call_soon_threadsafe(self._give, group, unfiled, unsettled)

    # the loop

    def _give(self, group: list[Job[Any]], unfiled: int, unsettled: bool) -> None:
        for job in group:
            for change in job.changes:
                try:
                    self._told(change)
                except Exception as problem:  # a watcher's bug must not keep the others waiting
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": "telling a change failed", "exception": problem}
                    )
            if not isinstance(job.done, Future):
                try:
                    job.done(job)
                except Exception as problem:
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": "answering a commit failed", "exception": problem}
                    )
        if unsettled:
            self._pending(unfiled)
