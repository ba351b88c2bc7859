"""One thread that writes: group commit.

Rule 1: what waits while one commit runs shares the next. Rule 2: a job that is refused does not spoil the
others of its group; a disk that refuses spoils them all, and nothing of the group has happened. Rule 3:
results go back to the event loop in the order of commits, one call per group: told first, then answered.
Rule 4: arrivals are answered when the journal has them, and while this thread is busy another sees to it (`lane`);
whatever else is done finds them in the tables, and who reads waits for that (`caught_up`). Rule 5: only this thread
checkpoints, after the answers and when nobody waits, if it can be helped.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from ...model.change import Change
from ...model.ids import MailboxId
from ...model.message import Digest
from ..abc import NO_ROOM, StoreFull, StoreUnavailable
from ..aio import Aio
from .arrivals import NO_MAILBOXES, Arrival, Arrivals, Arrived, Numbers
from .bodies import Bodies
from .database import DISK_ERRORS, WAL_PAGES, Database, open_writer, unavailable
from .flights import Flights
from .lane import MAX_OCTETS, Job, Lane, gather, have_entered, note

T = TypeVar("T")

LINGER = 0.1
"""Seconds that arrivals may wait for others before they are entered. Who reads does not wait for it; a sender who sends
one after the other gets a hundred into one transaction."""

MAX_WAITING = 256
"""Arrivals that wait to be entered at the most, whoever else comes, unless the writer has something long to do: as many
as who reads would have to wait for, 10 ms."""

RETRY = 1.0
"""Seconds between attempts to enter what waits while the disk refuses."""

CHECKPOINT_PAGES_AT_LAST = 16_000
"""Pages in the WAL from which to checkpoint although somebody waits: start-up reads it all."""


class Tx:
    """What a job may do: write, and say what it changed."""

    __slots__ = ("_blobs", "changes", "db", "gone", "unfiled", "unsettled")

    def __init__(self, db: Database, blobs: Numbers) -> None:
        self.db = db
        self._blobs = blobs
        self.changes: list[Change] = []
        self.unfiled = 0
        """New messages without a file."""
        self.unsettled = False
        """The job left something to settle."""
        self.gone: list[int] = []
        """Blobs that were removed."""

    def new_blob(self, key: str, refs: int) -> int:
        """Insert a blob; return its number."""
        number = self._blobs.next(self.db)
        self.db.execute("INSERT INTO blob (id, key, refs) VALUES (?, ?, ?)", (number, key, refs))
        return number


class Writer:
    """The writing connection and its thread."""

    def __init__(
        self,
        path: Path,
        told: Callable[[Change], None],
        pending: Callable[[int], None],
        bodies: Bodies | None = None,
        digests: dict[int, Digest] | None = None,
    ) -> None:
        """
        Open the file and start the thread.

        Args:
            path: The database; the journal of arrivals lies beside it.
            told: Called in the event loop for each change.
            pending: Called in the event loop when there is something to settle, with the number of new messages.
            bodies: Comes to know where small bodies are that are no files yet.
            digests: What is worked out of them, which is taken from there.

        """
        self._path = path
        self._told = told
        self._pending = pending
        self._blobs = Numbers()
        self._arrivals = Arrivals(
            journal_of(path), self._blobs, Bodies() if bodies is None else bodies, {} if digests is None else digests
        )
        self._refusing: Exception | None = None
        self._enter_at = 0.0
        self._enter_soon: asyncio.TimerHandle | None = None
        self._flights: Flights | None = None
        self._busy: set[object] = set()
        """What the writer has to do, or is doing, for which mail need not wait."""
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._behind: dict[MailboxId, int] = {}
        self._given = 0
        self._closed = False
        self._durable = True
        self._wal_pages = 0
        self._db: Database | None = self._open()
        self._thread = threading.Thread(target=self._run, name="mailhorn-writer", daemon=True)
        self._thread.start()
        self._lane = Lane(path, self._arrivals, self._answer_taken, self._failure, self._queue.put)
        self._lane.start()

    def _open(self) -> Database:
        db = open_writer(self._path)
        db.set_wal_hook(self._wal_grew)
        self._durable = True
        return db

    def _wal_grew(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    async def run(
        self, work: Callable[[Tx], T] | None, durable: bool = True, mailboxes: Iterable[MailboxId] | None = None
    ) -> T:
        """
        Have the work done in the next transaction.

        Args:
            work: Runs in the writer's thread; raises to be undone. None: only what has arrived is entered.
            durable: Whether the answer has to wait for the flush.
            mailboxes: Whose UIDs and mod-sequences the work may change; mail for all others need not wait for it.
                None: it is not known, and all mail waits.

        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(job: Job[T]) -> None:
            if answer.done():
                return  # who asked has gone away
            if job.problem is not None:
                answer.set_exception(job.problem)
            else:
                answer.set_result(job.result)

        self._loop = asyncio.get_running_loop()
        self._put(Job(work, done, durable, None if mailboxes is None else frozenset(mailboxes)))
        return await answer

    def arrive(self, arrival: Arrival, done: Callable[[Job[Arrived]], None]) -> None:
        """Have a message appended, from the event loop, and have `done` called there when it is durable."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._loop = asyncio.get_running_loop()
        job = Job(None, done, arrival=arrival)
        if self._flights is not None and self._refusing is None:
            self._flights.put(job)
        else:
            self._by_thread(job)

    def _by_thread(self, job: Job[Arrived]) -> None:
        (self._lane.coming if self._busy else self._queue).put(job)

    def fly(self, near: Database) -> None:
        """Let arrivals become durable without a thread, where the system can; `near` is read on the event loop."""
        with contextlib.suppress(OSError):
            self._flights = Flights(Aio(), near, self._arrivals, self._answer_flown, self._failure, self._by_thread)

    def _put(self, job: Job[Any]) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if job.work is not None:
            self._busy.add(job)
        self._queue.put(job)

    def run_here(
        self,
        work: Callable[[Tx], T] | None,
        durable: bool = False,
        mailboxes: frozenset[MailboxId] | None = NO_MAILBOXES,
    ) -> T:
        """
        Have the work done, without a flush if need not be, and wait for it; for threads other than the loop's.

        Args as for `run`; usually it is about files, and no mailbox's numbers change.
        """
        answer: Future[T] = Future()
        self._put(Job(work, answer, durable, mailboxes))
        return answer.result()

    def recover(self) -> None:
        """Open the journal and enter what a crash left in it; for threads other than the loop's."""
        self.run_here(self._recovery, durable=True, mailboxes=None)

    def is_behind(self, mailbox: MailboxId | None = None) -> bool:
        """Return whether arrivals, in this mailbox or in any, were answered and are not in the tables."""
        return mailbox in self._behind if mailbox is not None else bool(self._behind)

    def pressed(self) -> bool:
        """Return whether bodies that are no files yet will soon be in the way of what arrives."""
        return self._arrivals.pressed()

    @property
    def octets(self) -> int:
        """How many octets arrivals have brought into the journal."""
        return self._arrivals.octets

    def rested(self) -> None:
        """Have the journal made shorter if nobody needs anything in it; for the settler's thread."""
        if self._arrivals.too_long:
            self.run_here(None)

    async def caught_up(self) -> None:
        """Return when all that was answered is in the tables. Raises StoreUnavailable."""
        await self.run(None, durable=False, mailboxes=NO_MAILBOXES)

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        if not self._closed:
            self._closed = True
            if self._flights is not None:
                await self._flights.close()
            if self._enter_soon is not None:
                self._enter_soon.cancel()
            self._lane.coming.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # the thread

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = gather(self._queue, self._enter_at - time.monotonic() if self._arrivals.waiting else None)
            for arriving, jobs in groupby(group, lambda job: job.arrival is not None):
                if arriving:
                    self._take(list(jobs))
                else:
                    self._commit(list(jobs))
            waiting = self._arrivals.waiting
            if waiting and not stopping and (len(waiting) >= MAX_WAITING or time.monotonic() >= self._enter_at):
                self._commit([])
            if self._arrivals.too_long and self._queue.empty():
                self._shorten()
            if self._wal_pages >= WAL_PAGES and (self._queue.empty() or self._wal_pages >= CHECKPOINT_PAGES_AT_LAST):
                self._checkpoint()
        sealed: Future[None] = Future()
        if self._arrivals.open:
            self._commit([Job(lambda tx: self._arrivals.seal(tx.db), sealed)])
        with contextlib.suppress(OSError):  # the next start reads what is in it
            self._arrivals.close(sealed.done() and sealed.exception() is None)
        if self._db is not None:
            self._db.close()

    # arrivals

    def _take(self, group: list[Job[Arrived]]) -> None:
        """Make arrivals durable and answer them."""
        with self._arrivals.lock:
            try:
                if self._refusing is not None:  # and they would only wait in memory
                    self._commit([])
                if self._refusing is not None:
                    raise self._refusing
                if not self._arrivals.open:
                    opening: Future[None] = Future()
                    self._commit([Job(self._recovery, opening)])
                    opening.result()
                self._write(group)
            except Exception as problem:  # whatever it is: the thread must not end by it
                failed = self._failure(problem)
                for job in group:
                    if not job.changes:  # of a group in two halves the first may be durable
                        job.problem = job.problem or failed
            stamp = time.monotonic()
            for job in group:
                job.stamp = stamp
            self._answer_taken(group)

    def _answer_taken(self, group: Sequence[Job[Arrived]]) -> None:
        """Have it told and answered what has become of arrivals; the lock is held."""
        taken = sum([len(job.changes) for job in group])
        self._answer(group, taken, taken > 0)

    def _answer_flown(self, group: Sequence[Job[Arrived]]) -> None:
        """Tell and answer what has become of arrivals, in the event loop, and have them entered before long."""
        taken = sum([len(job.changes) for job in group])
        self._give(group, self._arrivals.number, taken, taken > 0)
        if len(self._arrivals.waiting) >= MAX_WAITING:
            self._enter()
        elif self._enter_soon is None and self._loop is not None:
            self._enter_soon = self._loop.call_later(LINGER, self._enter)

    def _enter(self) -> None:
        """Have the writer enter what waits."""
        if self._enter_soon is not None:
            self._enter_soon.cancel()
            self._enter_soon = None
        have_entered(self._arrivals, self._queue.put)

    def _write(self, group: list[Job[Arrived]]) -> None:
        arrivals = self._arrivals
        db = self._db = self._db or self._open()
        prepared = arrivals.prepare(db, [job.arrival for job in group if job.arrival is not None])
        if not arrivals.fits(prepared):
            if len(group) > 1 and prepared.octets > MAX_OCTETS:
                self._write(group[: len(group) // 2])
                self._write(group[len(group) // 2 :])
                return
            if arrivals.choose():
                spilling: Future[None] = Future()
                self._commit([Job(lambda tx: arrivals.spill(tx.db), spilling, mailboxes=NO_MAILBOXES)])
                spilling.result()
            arrivals.turn()
            prepared = arrivals.prepare(self._db or db, [job.arrival for job in group if job.arrival is not None])
        if not arrivals.waiting:
            self._enter_at = time.monotonic() + LINGER
        arrivals.take(prepared)
        note(group, prepared.outcomes)

    def _recovery(self, tx: Tx) -> None:
        self._arrivals.recover(tx.db)
        tx.unsettled = True

    # everything else

    def _commit(self, group: list[Job[Any]]) -> None:
        """Do the jobs, after entering what has arrived, in one transaction, and answer them."""
        unfiled, unsettled, entered = 0, False, None
        entering = self._arrivals.begin(_changing(group))
        try:
            unfiled, unsettled = self._transact(group, entering)
            self._arrivals.opened(True)
            entered = self._arrivals.entered(self._durable)
            self._refusing = None
            self._enter_at = time.monotonic() + LINGER
        except Exception as problem:  # whatever it is: the thread must not end by it
            unfiled, unsettled = 0, False
            with contextlib.suppress(OSError):
                self._arrivals.opened(False)
            self._undo(problem)
            failed = self._failure(problem)
            if entering:
                self._refusing = failed
                self._enter_at = time.monotonic() + RETRY
            for job in group:
                job.problem, job.changes = failed, ()
        stamp = time.monotonic()
        for job in group:
            job.stamp = stamp
        self._answer(group, unfiled, unsettled, entered)
        self._arrivals.end()
        self._busy.difference_update(group)

    def _failure(self, problem: Exception) -> Exception:
        """Return what to tell those whose work it has spoiled."""
        if isinstance(problem, OSError):
            kind = StoreFull if problem.errno in NO_ROOM else StoreUnavailable
            journal = journal_of(self._path)
            return kind(f"the journal {journal} cannot be written ({problem.strerror}): make room or see to the disk")
        return unavailable(self._path, problem) if isinstance(problem, DISK_ERRORS) else problem

    def _transact(self, group: list[Job[Any]], entering: bool) -> tuple[int, bool]:
        """Do the jobs in one transaction; return how many messages have no file, and whether anything is to settle."""
        db = self._db = self._db or self._open()
        durable = any([job.durable for job in group])
        if durable is not self._durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        db.execute("BEGIN IMMEDIATE")
        unfiled, unsettled = 0, entering
        if entering:
            self._arrivals.enter(db)
        gone: list[int] = []
        for job in group:
            tx = Tx(db, self._blobs)
            self._do(job, tx)
            unfiled += tx.unfiled
            unsettled |= tx.unsettled
            gone += tx.gone
        db.execute("COMMIT")
        self._arrivals.removed(gone)
        return unfiled, unsettled

    def _do(self, job: Job[Any], tx: Tx) -> None:
        if job.work is None:
            job.result = None
            return
        tx.db.execute("SAVEPOINT job")
        try:
            job.result = job.work(tx)
            job.changes = tx.changes
        except DISK_ERRORS:
            raise
        except Exception as problem:
            job.problem = problem
            tx.unfiled, tx.unsettled, tx.gone = 0, False, []
            tx.db.execute("ROLLBACK TO job")
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

    def _shorten(self) -> None:
        """Make the journal shorter, after what is in it has come to the tables for good."""
        self._commit([Job(lambda tx: self._arrivals.seal(tx.db), Future(), mailboxes=NO_MAILBOXES)])
        with self._arrivals.lock, contextlib.suppress(OSError):  # the next write will tell
            self._arrivals.shorten()

    def _checkpoint(self) -> None:
        if self._db is not None:
            self._busy.add(self)
            with contextlib.suppress(*DISK_ERRORS):  # the next write will tell
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._busy.discard(self)
            self._wal_pages = 0

    def _answer(self, group: Sequence[Job[Any]], unfiled: int, unsettled: bool, entered: int | None = None) -> None:
        for job in group:
            if isinstance(job.done, Future):
                if job.problem is not None:
                    job.done.set_exception(job.problem)
                else:
                    job.done.set_result(job.result)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
                self._loop.call_soon_threadsafe(self._give, group, self._arrivals.number, unfiled, unsettled, entered)

    # the loop

    def _give(
        self, group: Sequence[Job[Any]], number: int, unfiled: int, unsettled: bool, entered: int | None = None
    ) -> None:
        """Tell and answer; `number` is of the last record in the journal, `entered` of the last in the tables."""
        if entered is not None:
            if entered >= self._given:
                self._behind.clear()
            else:
                self._behind = {mailbox: at for mailbox, at in self._behind.items() if at > entered}
        for job in group:
            if job.arrival is not None and job.problem is None:
                self._given = number
                for change in job.changes:
                    self._behind[change.mailbox] = number
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


def _changing(group: Sequence[Job[Any]]) -> frozenset[MailboxId] | None:
    """Return the mailboxes whose numbers may be others when all this is done; None: any."""
    changing = NO_MAILBOXES
    for job in group:
        if job.mailboxes is None:
            return None
        changing |= job.mailboxes
    return changing


def journal_of(path: Path) -> Path:
    """Return where the journal of a database is."""
    return path.with_name(f"{path.stem}.journal")
