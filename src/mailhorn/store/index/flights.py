"""Arrivals that become durable without a thread: the system writes them while the event loop goes on (`aio`).

Rule 1: it takes what nothing stands in the way of; everything else goes to the threads (`lane`, `writer`): mail for
mailboxes that a transaction is changing, a journal that is not open, has to be longer or whose part is full, a
disk that refuses or is slow to take a write on. Rule 2: from their numbers to their telling it holds the lock of
`Arrivals`, as they do, but never waits for it. Rule 3: what threads have had told comes first: who lands goes to the
end of the loop's queue, where theirs is already.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic as clock

import apsw

from ..abc import StoreUnavailable
from ..aio import Aio
from ..direct import CANNOT
from .arrivals import Arrivals, Arrived, Prepared
from .database import Database
from .lane import Job, note

MAX_GROUP = 32
"""Arrivals of one flight: to number and pack so many takes the loop a millisecond."""

MAX_BODY = 64 * 1024
"""Octets of a body that flies: to copy more, and to sum it up, is better done beside the loop."""

MAX_OCTETS = 512 * 1024
"""The same of all bodies of a flight: to copy and sum up so much takes the loop a third of a millisecond."""

TRIES = 3
"""How often to try whether the lock is free. A thread has it while it writes what could not fly; if all that comes
meanwhile went there, too, nothing would fly again before mail stops coming."""

WAIT = 0.001
"""Seconds between two tries."""

SLOW = 0.01
"""Seconds that it may take the system to take a write on, or other clients' answers would wait for the disk, too: the
file system may have to wait for its own journal."""

PAUSE = 1.0
"""Seconds for which the threads write then."""


class Flights:
    """What is in the air, and what waits for it to land."""

    def __init__(
        self,
        aio: Aio,
        near: Database,
        arrivals: Arrivals,
        answer: Callable[[Sequence[Job[Arrived]]], None],
        failure: Callable[[Exception], Exception],
        hand_over: Callable[[Job[Arrived]], None],
    ) -> None:
        """
        Make it.

        Args:
            aio: How it is written.
            near: Read on the event loop.
            arrivals: What is shared with the threads.
            answer: Tells and answers what was taken or has failed; called in the event loop, with the lock held.
            failure: Says what to tell those whose arrival the disk did not take.
            hand_over: Gives a job to the threads.

        """
        self._aio: Aio | None = aio
        self._near = near
        self._arrivals = arrivals
        self._answer = answer
        self._failure = failure
        self._hand_over = hand_over
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coming: list[Job[Arrived]] = []
        """As long as there are any, a flight is about to begin, or to land."""
        self._flying: tuple[list[Job[Arrived]], Prepared] | None = None
        self._tries = 0
        """How often the lock was not free for what has come."""
        self._not_before = 0.0
        self._landed: asyncio.Event | None = None

    def put(self, job: Job[Arrived]) -> None:
        """Have a message made durable, from the event loop."""
        if self._aio is None or job.arrival is None or job.arrival.message.blob.size > MAX_BODY:
            self._hand_over(job)
            return
        self._coming.append(job)
        if len(self._coming) == 1 and self._flying is None:
            loop = asyncio.get_running_loop()
            if loop is not self._loop:
                self._loop = loop
                loop.add_reader(self._aio.fileno(), self._ended)
            loop.call_soon(self._begin)

    async def close(self) -> None:
        """Land, and let the threads have what has not taken off."""
        self._hand_over_all(self._coming)
        self._coming.clear()
        if self._flying is not None:
            self._landed = asyncio.Event()
            await self._landed.wait()
        if self._aio is not None:
            self._leave(self._aio)

    def _hand_over_all(self, group: Sequence[Job[Arrived]]) -> None:
        for job in group:
            self._hand_over(job)

    def _begin(self) -> None:
        """Take off with what has come, or give it to the threads."""
        while self._coming and self._flying is None:
            if self._locked():
                if self._tries < TRIES and self._loop is not None:
                    self._tries += 1
                    self._loop.call_later(WAIT, self._begin)
                    return
                self._hand_over_all(self._coming)
                self._coming.clear()
            else:
                group = self._next()
                try:
                    if not self._take_off(group):
                        self._hand_over_all(group)
                finally:
                    if self._flying is None:
                        self._arrivals.lock.release()
            self._tries = 0

    def _next(self) -> list[Job[Arrived]]:
        """Take what is one flight of what has come: the first, and what there is room for beside it."""
        octets = taken = 0
        for job in self._coming[:MAX_GROUP]:
            octets += 0 if job.arrival is None else job.arrival.message.blob.size
            if taken and octets > MAX_OCTETS:
                break
            taken += 1
        group = self._coming[:taken]
        del self._coming[:taken]
        return group

    def _locked(self) -> bool:
        """Return whether somebody has the lock, or waits for it; else we have it now."""
        return self._arrivals.gate.locked() or not self._arrivals.lock.acquire(blocking=False)

    def _take_off(self, group: list[Job[Arrived]]) -> bool:
        """Return whether they are in the air, or have been answered."""
        arrivals, aio = self._arrivals, self._aio
        if aio is None or clock() < self._not_before:
            return False
        try:
            coming = [job.arrival for job in group if job.arrival is not None]
            if not all([arrivals.may_take(arrival) for arrival in coming]):
                return False
            prepared = arrivals.prepare(self._near, coming)
            if not prepared.rows:
                self._tell(group, prepared.outcomes)
                return True
            begin = clock()
            flying = arrivals.fits(prepared) and arrivals.begin_take(aio, prepared)
            end = clock()
            if end - begin > SLOW:
                self._not_before = end + PAUSE
            if flying:
                self._flying = group, prepared
            return flying
        except OSError as problem:
            if problem.errno in CANNOT:
                self._leave(aio)
            return False
        except (apsw.Error, StoreUnavailable):  # the writer finds out what it is
            return False
        except Exception as problem:  # whatever it is: the others go on
            self._tell(group, [problem] * len(group))
            return True

    def _ended(self) -> None:
        """Take note of what has become durable, or has not."""
        if self._flying is None or self._aio is None or self._loop is None:
            return
        group, prepared = self._flying
        outcomes: Sequence[Arrived | Exception] | None = prepared.outcomes
        try:
            if not self._arrivals.end_take(self._aio, prepared):
                return
        except Exception as problem:  # whatever it is: the lock is let go of
            cannot = isinstance(problem, OSError) and problem.errno in CANNOT
            outcomes = None if cannot else [self._failure(problem)] * len(group)
        self._loop.call_soon(self._land, group, outcomes)

    def _land(self, group: list[Job[Arrived]], outcomes: Sequence[Arrived | Exception] | None) -> None:
        """Tell and answer; what has come meanwhile takes off before that, so the disk has work."""
        self._flying = None
        if outcomes is not None:
            self._begin()
            self._tell(group, outcomes)
        self._arrivals.lock.release()
        if outcomes is None:  # it turned out that the system cannot do it here
            if self._aio is not None:
                self._leave(self._aio)
            self._hand_over_all(group)
        if self._flying is None and not self._tries:
            self._begin()
        if self._landed is not None and self._flying is None:
            self._landed.set()

    def _tell(self, group: list[Job[Arrived]], outcomes: Sequence[Arrived | Exception]) -> None:
        stamp = clock()
        for job in group:
            job.stamp = stamp
        note(group, outcomes)
        self._answer(group)

    def _leave(self, aio: Aio) -> None:
        """Do it no more."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(aio.fileno())
        aio.close()
        self._aio = None


__all__ = ["Flights"]
