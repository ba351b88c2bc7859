"""The thread in which arrivals become durable while the writer does something else.

Rule 1: it takes what it can take alone; everything else it hands to the writer, which does it in its turn: mail for
mailboxes that a transaction is changing, a journal that is not open or whose part is full, a disk that refuses. Rule 2:
from their numbers to their telling it holds the lock of `Arrivals`, so a mailbox's changes are told in their order.
Rule 3: it changes no table, and has the writer enter what it took. Rule 4: as long as the writer does nothing but take
and enter mail, that is one thread's work: two would take smaller groups.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import apsw

from ...model.change import Change
from ...model.ids import MailboxId
from ..abc import StoreUnavailable
from .arrivals import NO_MAILBOXES, Arrival, Arrivals, Arrived
from .database import Database, open_reader

T = TypeVar("T")

MAX_GROUP = 256
"""Jobs of one group: beyond, the flush is paid for and the first one waits for the last."""

MAX_OCTETS = 2 * 1024 * 1024
"""The same for the bodies of arrivals; a part of the journal holds seven such groups."""


class Job(Generic[T]):
    """Something to do, and what came of it."""

    __slots__ = ("arrival", "changes", "done", "durable", "mailboxes", "problem", "result", "stamp", "work")

    def __init__(
        self,
        work: Callable[[Any], T] | None,
        done: "Callable[[Job[T]], None] | Future[T]",
        durable: bool = True,
        mailboxes: frozenset[MailboxId] | None = None,
        arrival: Arrival | None = None,
    ) -> None:
        self.work = work
        """Returns the result; None if all there is to do is that what has arrived is entered."""
        self.arrival = arrival
        self.done = done
        """Called in the event loop; a future is for another thread."""
        self.durable = durable
        self.mailboxes = mailboxes
        """Whose UIDs and mod-sequences it may change; None: anybody's."""
        self.changes: tuple[Change, ...] | list[Change] = ()
        self.problem: Exception | None = None
        self.result: T
        self.stamp = 0.0
        """When it was committed, seconds on the monotonic clock."""


def note(group: "Sequence[Job[Arrived]]", outcomes: Sequence[Arrived | Exception]) -> None:
    """Take note of what came of arrivals, and what to tell."""
    for job, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Exception):
            job.problem = outcome
        else:
            job.result, job.changes = outcome, outcome.changes


def have_entered(arrivals: Arrivals, hand_over: "Callable[[Job[Any]], None]") -> None:
    """Have the writer enter what waits, unless it has been asked."""
    if arrivals.waiting and not arrivals.asked:
        arrivals.asked = True
        hand_over(Job(None, _nobody, durable=False, mailboxes=NO_MAILBOXES))


def gather(queue: "SimpleQueue[Job[Any] | None]", seconds: float | None) -> tuple[list[Job[Any]], bool]:
    """Wait for jobs, not longer than this; return what there is for one group, and whether nothing comes after it."""
    group: list[Job[Any]] = []
    octets = 0
    try:
        job = queue.get() if seconds is None else queue.get(timeout=max(0.0, seconds))
        while job is not None:
            group.append(job)
            if job.arrival is not None:
                octets += job.arrival.message.blob.size if job.arrival.message.blob.inline is not None else 0
            if len(group) == MAX_GROUP or octets >= MAX_OCTETS:
                break
            job = queue.get_nowait()
    except Empty:
        return group, False
    return group, job is None


class Lane:
    """The thread, and what waits for it."""

    def __init__(
        self,
        path: Path,
        arrivals: Arrivals,
        answer: Callable[[Sequence[Job[Arrived]]], None],
        failure: Callable[[Exception], Exception],
        hand_over: Callable[[Job[Any] | None], None],
    ) -> None:
        """
        Make it; `start` begins.

        Args:
            path: The database.
            arrivals: What the lane and the writer share.
            answer: Has it told and answered what was taken or has failed; called with the lock held.
            failure: Says what to tell those whose arrival the disk did not take.
            hand_over: Gives the writer a job, or None after the last.

        """
        self._path = path
        self._arrivals = arrivals
        self._answer = answer
        self._failure = failure
        self._hand_over = hand_over
        self._db: Database | None = None
        self.coming: SimpleQueue[Job[Any] | None] = SimpleQueue()
        """Arrivals; None after the last."""

    def start(self) -> None:
        """Begin to take what comes."""
        threading.Thread(target=self._run, name="mailhorn-lane", daemon=True).start()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = gather(self.coming, None)
            if group:
                self._take(group)
        self._let_go()
        self._hand_over(None)

    def _take(self, group: list[Job[Arrived]]) -> None:
        """Make arrivals durable and answer them, or let the writer do it."""
        arrivals = self._arrivals
        with arrivals.gate:
            pass
        with arrivals.lock:
            free = [job for job in group if job.arrival is not None and arrivals.may_take(job.arrival)]
            if free and self._write(free):
                self._answer(free)
                have_entered(arrivals, self._hand_over)
            else:
                free = []
        if len(free) < len(group):
            taken = set(map(id, free))
            for job in group:
                if id(job) not in taken:
                    self._hand_over(job)

    def _write(self, group: list[Job[Arrived]]) -> bool:
        """Return whether that was the end of it, well or not."""
        arrivals = self._arrivals
        try:
            db = self._db = self._db or open_reader(self._path)
            prepared = arrivals.prepare(db, [job.arrival for job in group if job.arrival is not None])
        except (apsw.Error, StoreUnavailable):  # the writer finds out what it is
            self._let_go()
            return False
        except Exception as problem:  # whatever it is: the thread must not end by it
            return _spoil(group, problem)
        if not arrivals.fits(prepared):
            return False
        try:
            arrivals.take(prepared)
        except Exception as problem:
            return _spoil(group, self._failure(problem))
        stamp = time.monotonic()
        for job in group:
            job.stamp = stamp
        note(group, prepared.outcomes)
        return True

    def _let_go(self) -> None:
        if self._db is not None:
            with contextlib.suppress(apsw.Error):
                self._db.close(True)
            self._db = None


def _spoil(group: list[Job[Arrived]], problem: Exception) -> bool:
    for job in group:
        job.problem = problem
    return True


def _nobody(job: Job[Any]) -> None:
    """Is told that what waited was entered."""


__all__ = ["MAX_OCTETS", "Job", "Lane", "gather", "have_entered", "note"]
