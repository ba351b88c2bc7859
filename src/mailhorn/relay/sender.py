"""Sends what is due to the smarthost, and waits for what is not.

Rule 1: nothing is asked now and then. It wakes when a letter comes, when an attempt ends, and when the next one is due;
an empty queue has no timer. Rule 2: what a server has taken is recorded before anything else happens to it; what cannot
be recorded is recorded later, and keeps its place until then. Rule 3: a failure is recorded once its report is safe: in
the sender's mailbox here, or as a letter in this queue. Rule 4: if the smarthost is at fault all letters wait, one
connection asks, and the log says so once. Rule 5: it stops within a second; what was cut off is sent again.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from .bounce import Failure, bounce
from .letter import Letter, RelayUnavailable
from .queue import Outcome, Queue, Taken
from .retry import LONGEST, MAX_AGE, SMARTHOST_FIRST, SMARTHOST_LONGEST, Answer, judged, pause
from .smarthost import Connection, Smarthost, Unreachable

IDLE = 5.0
"""Seconds that a connection is kept for the next letter: rules answer in bursts, and servers dislike idle clients."""

MAX_LETTERS = 100
"""Letters over one connection; many servers end it after so many, in the middle of something."""

DISK_RETRY = 10.0
"""Seconds until something is tried again that the disk refuses."""

LAST_LETTERS = 0.5
"""Seconds at the end for what is being sent: it saves the receivers doubles, and nobody waits for it."""

log = structlog.get_logger("mailhorn.relay")

Home = Callable[[str, bytes], Awaitable[bool]]
"""Delivers a report to an address, if it is one of this server's own: called with the address and the message, returns
whether it is. When it returns True the report is safe. Raises RelayUnavailable if it must be tried later."""


async def nowhere(address: str, content: bytes) -> bool:
    """Deliver nothing here: all reports go out."""
    return False


_TOLD = {
    "done": "a letter was taken by the smarthost",
    "due": "a letter was put off by the smarthost",
    "failed": "a letter cannot be delivered",
}


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> float:
        """Return the seconds since 1970."""

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait for the event, until then at the most."""


class WallClock:
    """The machine's."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait for the event, until then at the most."""
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - self.now())):
                await event.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """
    How to send.

    Attributes:
        smarthost: Where to.
        hostname: Who reports what cannot be delivered.
        connections: At a time.
        max_age: Seconds until a letter is given up.

    """

    smarthost: Smarthost
    hostname: str
    connections: int = 2
    max_age: float = MAX_AGE


class Sender:
    """Empties a queue. Of one event loop."""

    def __init__(
        self,
        queue: Queue,
        options: SenderOptions,
        home: Home = nowhere,
        clock: Clock | None = None,
        roll: Callable[[], float] = random.random,
    ) -> None:
        """
        Prepare; nothing happens before `start`.

        Args:
            queue: What to send; not closed by this.
            options: How.
            home: Delivers reports to this server's own people.
            clock: The time.
            roll: At random, 0 to 1.

        """
        self._queue = queue
        self._options = options
        self._home = home
        self._clock = clock or WallClock()
        self._roll = roll
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._idle: list[tuple[Connection, asyncio.TimerHandle]] = []
        self._trouble = ""
        self._disk = ""
        self._failures = 0
        self._not_before = 0.0

    @property
    def smarthost(self) -> str:
        """Its host and port."""
        return str(self._options.smarthost)

    @property
    def trouble(self) -> str:
        """Why the smarthost cannot be used; "" if it could be the last time."""
        return self._trouble

    @property
    def not_before(self) -> float:
        """When it is asked again, seconds since 1970, if there is trouble."""
        return self._not_before

    async def start(self) -> None:
        """Begin with what waits. Raises RelayUnavailable."""
        again = await self._queue.recover()
        if again:
            log.info("letters that were being sent when it stopped are sent again", recipients=again)
        self._queue.on_submitted = self._wake.set
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self, now: bool = False) -> None:
        """Look at the queue, as another process has changed it; with `now`, also if the smarthost was in trouble."""
        if now:
            self._not_before = 0.0
        self._wake.set()

    async def stop(self) -> None:
        """Send no more; what is being sent has a moment to end."""
        self._queue.on_submitted = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._sending:
            await asyncio.wait(self._sending, timeout=LAST_LETTERS)
        for task in tuple(self._sending):
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)
        for connection in tuple(self._connections):
            connection.cut()
        for _, timer in self._idle:
            timer.cancel()
        self._idle.clear()
        self._connections.clear()
        with contextlib.suppress(RelayUnavailable):  # then the next start does it
            await self._queue.recover()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                until = await self._begin()
            except RelayUnavailable as problem:
                self._refused(problem)
                until = self._clock.now() + DISK_RETRY
            await self._clock.wait(self._wake, until)

    async def _begin(self) -> float | None:
        """Begin to send what there is room for; return when to look again, None: when something happens."""
        now = self._clock.now()
        if self._held_back(now):
            return self._not_before
        room = (1 if self._trouble else self._options.connections) - len(self._sending)
        if room <= 0:
            return None
        for letter in await self._queue.take(room, LONGEST):
            task = asyncio.get_running_loop().create_task(self._send(letter))
            self._sending.add(task)
            task.add_done_callback(self._sent)
            room -= 1
        if room <= 0:
            return None
        due = await self._queue.next_due()
        return None if due is None else min(due, self._clock.now() + LONGEST)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wake.set()
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("a letter stays as it is because of a fault of this program", exc_info=fault)

    async def _send(self, letter: Taken) -> None:
        max_age = self._options.max_age
        try:
            answers = await self._attempt(letter)
        except Unreachable as problem:
            self._down(str(problem))
            await self._settle(letter, [Outcome(one.id, "due", attempted=False) for one in letter.recipients])
            await self._give_up(str(problem))
            return
        except Exception:
            log.exception("a letter cannot be sent because of a fault of this program", letter=letter.id)
            answers = {
                waiting.id: Answer(0, "not sent because of a fault of this program") for waiting in letter.recipients
            }
        now = self._clock.now()
        age = now - letter.submitted_at
        outcomes = [judged(one, answers[one.id], now, age, max_age, self._roll()) for one in letter.recipients]
        await self._settle(letter, outcomes)

    async def _attempt(self, letter: Taken) -> dict[int, Answer]:
        """Send it, over a connection that is open if there is one. Raises Unreachable: it cannot be connected to."""
        while True:
            connection = self._reused()
            fresh = connection is None
            if connection is None:
                connection = Connection(self._options.smarthost)
                self._connections.add(connection)
            try:
                if fresh:
                    await connection.open()
                answers = await connection.send(letter)
            except Unreachable as problem:
                self._connections.discard(connection)
                if not fresh:
                    continue  # it had been idle, and the other side has had enough
                if connection.opened:  # this letter may be why: it waits longer than the others
                    self._down(str(problem))
                    return {waiting.id: Answer(0, str(problem)) for waiting in letter.recipients}
                raise
            except BaseException:
                self._connections.discard(connection)
                raise
            if any(answer.code for answer in answers.values()):
                self._up()
            self._keep(connection)
            return answers

    def _reused(self) -> Connection | None:
        while self._idle:
            connection, timer = self._idle.pop()
            timer.cancel()
            if connection.usable:
                return connection
            connection.cut()
            self._connections.discard(connection)
        return None

    def _keep(self, connection: Connection) -> None:
        """Keep a connection for the next letter, for a while."""
        if not connection.usable or connection.letters >= MAX_LETTERS:
            self._leave(connection)
            return

        def expired() -> None:
            self._idle.remove((connection, timer))
            self._leave(connection)

        timer = asyncio.get_running_loop().call_later(IDLE, expired)
        self._idle.append((connection, timer))

    def _leave(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.leave()

    def _up(self) -> None:
        if self._trouble:
            log.info("the smarthost can be used again", smarthost=str(self._options.smarthost))
        self._trouble, self._failures = "", 0

    def _held_back(self, now: float) -> bool:
        """Return whether the smarthost is in trouble and not asked yet; too far off is what a wrong clock said."""
        return bool(self._trouble) and now < self._not_before <= now + SMARTHOST_LONGEST

    def _down(self, reason: str) -> None:
        if self._held_back(self._clock.now()):
            return  # another connection has found out
        wait = pause(self._failures, self._roll(), SMARTHOST_FIRST, SMARTHOST_LONGEST, least=SMARTHOST_FIRST / 2)
        self._not_before = self._clock.now() + wait
        self._failures += 1
        tell = log.info if reason == self._trouble else log.warning
        tell("the smarthost cannot be used, letters wait", reason=reason, again_in=round(wait, 1))
        self._trouble = reason

    async def _give_up(self, reason: str) -> None:
        """Have what is too old fail while there is no smarthost to say so."""
        before = self._clock.now() - self._options.max_age
        while old := await self._queue.take(1, LONGEST, submitted_before=before):
            for letter in old:
                outcomes = [Outcome(waiting.id, "failed", reason) for waiting in letter.recipients]
                await self._settle(letter, outcomes)

    async def _settle(self, letter: Taken, outcomes: Sequence[Outcome]) -> None:
        """Record what came of an attempt, once the report that it causes is safe; if the disk refuses, when it can."""
        try:
            reports = await self._report(letter, [outcome for outcome in outcomes if outcome.state == "failed"])
        except RelayUnavailable as problem:
            log.warning(
                "a report cannot be delivered, its letter is tried again", letter=letter.id, reason=str(problem)
            )
            later = self._clock.now() + pause(0, self._roll())
            outcomes = [
                replace(outcome, state="due", due=later) if outcome.state == "failed" else outcome
                for outcome in outcomes
            ]
            reports = []
        while True:
            try:
                await self._queue.record(outcomes, reports)
            except RelayUnavailable as problem:
                self._refused(problem)
                await self._clock.wait(asyncio.Event(), self._clock.now() + DISK_RETRY)
            else:
                break
        self._disk = ""
        addresses = {waiting.id: waiting.address for waiting in letter.recipients}
        for outcome in outcomes:
            if outcome.attempted:
                tell = log.info if outcome.state == "done" else log.warning
                about = {"letter": letter.id, "why": letter.why, "account": letter.account}
                tell(_TOLD[outcome.state], **about, recipient=addresses[outcome.recipient], said=outcome.said)

    def _refused(self, problem: RelayUnavailable) -> None:
        """Log, once, that the disk refuses."""
        if str(problem) != self._disk:
            log.error("the outbound queue cannot be used, letters wait", reason=str(problem))
        self._disk = str(problem)

    async def _report(self, letter: Taken, failed: Sequence[Outcome]) -> list[Letter]:
        """Tell the sender: here if it is one of ours, else by what is returned. Raises RelayUnavailable."""
        if not failed or not letter.sender:
            return []
        addresses = {waiting.id: waiting.address for waiting in letter.recipients}
        failures = [
            Failure(one.recipient, addresses[one.recipient], one.said, expired=not one.said.startswith("5"))
            for one in failed
        ]
        smarthost = self._options.smarthost.host
        content = bounce(letter, failures, self._options.hostname, smarthost, self._clock.now())
        if await self._home(letter.sender, content):
            return []
        return [Letter("", (letter.sender,), content, "bounce", letter.account)]


__all__ = ["Clock", "Home", "Sender", "SenderOptions", "WallClock", "nowhere"]
