"""Takes what rules send from the journal to the outbound queue, and tells web addresses: once, whatever is killed when.

Rule 1: a letter is in the journal until the queue has it, and is offered with a key; a queue takes a key once, so it
may be offered again after a crash. Rule 2: what the brake holds does not leave before a person says so. Rule 3: a web
address is told at least once, with a key by which it knows what it heard before; one that fails is told again later and
less and less often. Rule 4: nothing here holds up the filing of mail.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import structlog

from ..net.webhook import post
from ..relay.letter import Letter, Outbound, RelayUnavailable
from .act import Kind

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
"""Seconds until a letter that was not taken is offered again: first, and at most; doubled each time."""
MAX_ATTEMPTS = 60
"""Times a web address is told; half a day. A letter is offered until the queue takes it."""
BROKEN_PAUSE = 60.0
"""Seconds until a journal that cannot be used is tried again: a disk that is full, as a rule."""
TAKEN, TAKEN_OCTETS = 50, 32 * 1024 * 1024
"""Letters offered at once, and their size: they are in memory."""
AT_ONCE = 4
"""Web addresses that are told at a time."""
WEB_PATIENCE = 30.0
"""Seconds that one of them may take."""

log = structlog.get_logger("mailhorn.post")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Due:
    """
    What is to leave.

    Attributes:
        id: The journal's number.
        kind: Whose doing it is.
        target: To whom, for people.
        account: The account's name.
        mailbox: Where the message was found that it is about.
        uid: The UID of that.
        rule: By which rule.
        key: What tells it from all others.
        sender: Reverse path.
        recipients: Addresses, or the URI.
        content: The letter, or JSON.
        attempts: How often it was not taken.

    """

    id: int
    kind: Kind
    target: str
    account: str
    mailbox: str
    uid: int
    rule: str
    key: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    attempts: int

    @property
    def is_web(self) -> bool:
        """Whether a web address is told, and nobody gets mail."""
        return self.kind is Kind.NOTIFY and self.target.lower().startswith("https:")


class PostBook:
    """The journal's letters: plain calls, for one thread at a time."""

    def __init__(self, journal: Path) -> None:
        """Open the journal beside the watcher. Raises apsw.Error."""
        self._db = apsw.Connection(str(journal))
        self._db.set_busy_timeout(10_000)
        self._db.pragma("synchronous", "full")
        self._db.pragma("foreign_keys", True)

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def take(self, now: float, leave: set[int]) -> tuple[list[Due], float | None]:
        """
        Return what is due.

        Args:
            now: Seconds since 1970.
            leave: What is being done.

        Returns:
            Letters, and when the next one is due; None if none is left.

        """
        due: list[Due] = []
        size = 0
        rows: list[tuple[Any, ...]] = self._db.execute(
            "SELECT l.id, l.at, length(l.content), a.kind, a.target, l.sender, l.recipients, l.attempts,"
            " b.account, b.name, m.uid, a.rule, m.uid_validity, m.recorded_at, a.step FROM letter l"
            " JOIN action a ON a.id = l.action JOIN message m ON m.id = a.message JOIN mailbox b ON b.id = m.mailbox"
            " WHERE a.state = 'planned' ORDER BY l.at, l.id LIMIT ?",
            (TAKEN + len(leave),),
        ).fetchall()
        for number, at, length, kind, target, sender, recipients, attempts, *about in rows:
            if number in leave:
                continue
            if at > now:
                return due, at
            size += length
            if due and size > TAKEN_OCTETS:
                return due, now
            content: Any = self._db.execute("SELECT content FROM letter WHERE id = ?", (number,)).get
            account, mailbox, uid, rule, *epoch = about
            key = hashlib.sha256(json.dumps([account, mailbox, uid, *epoch, number]).encode()).hexdigest()
            whose = (account, mailbox, uid, rule, key)
            due.append(
                Due(number, Kind(kind), target, *whose, sender, tuple(recipients.split("\n")), content, attempts)
            )
        return due, now if len(due) >= TAKEN else None

    def done(self, letters: Sequence[int], state: str = "done") -> None:
        """They have left, or never will; what they are about is done, or has failed."""
        with self._db:
            for letter in letters:
                self._db.execute(
                    "UPDATE action SET state = ?, changed_at = ? WHERE id = (SELECT action FROM letter WHERE id = ?)",
                    (state, int(time.time()), letter),
                )
                self._db.execute("DELETE FROM letter WHERE id = ?", (letter,))

    def later(self, letter: int, attempts: int, at: float) -> None:
        """It is to be offered again."""
        self._db.execute("UPDATE letter SET attempts = ?, at = ? WHERE id = ?", (attempts, at, letter))


class Post:
    """Carries letters away. Of one event loop; `async with` says for how long."""

    def __init__(
        self, journal: Path, outbound: Outbound, tell: Callable[[str, bytes, str, float], None] = post
    ) -> None:
        """
        Take what it needs; nothing happens yet.

        Args:
            journal: The watcher's journal, which exists when this is entered.
            outbound: Who takes letters.
            tell: Tells a web address; blocks, and raises OSError.

        """
        self._path = journal
        self._outbound = outbound
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "post")
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._trouble = ""

    def news(self) -> None:
        """There may be letters in the journal. Cheap, and may be called often."""
        self._wake.set()

    async def __aenter__(self) -> "Post":
        """Begin."""
        self._book = await self._asked(PostBook, self._path)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is under way; it is done next time."""
        tasks = [self._task, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._asked(self._book.close)
        self._thread.shutdown(wait=False)

    async def _asked(self, what: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(what, *args))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            at: float | None
            try:
                due, at = await self._asked(self._book.take, time.time(), set(self._running))
                letters = [one for one in due if not one.is_web]
                if letters:
                    await self._hand_over(letters)
                    at = 0.0
            except apsw.Error as error:
                log.error("the journal's letters cannot be used", reason=str(error))
                due, at = [], time.time() + BROKEN_PAUSE
            for one in due:
                if one.is_web:
                    await self._free.acquire()
                    self._running[one.id] = asyncio.create_task(self._web(one))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if at is None else max(at - time.time(), 0.0)):
                    await self._wake.wait()

    async def _hand_over(self, letters: Sequence[Due]) -> None:
        """Offer letters to the queue; if it refuses them together, one by one."""
        try:
            await self._outbound.submit(
                [
                    Letter(one.sender, one.recipients, one.content, one.kind.value, one.account, one.key)
                    for one in letters
                ]
            )
        except RelayUnavailable as problem:
            if len(letters) > 1:
                for one in letters:
                    await self._hand_over([one])
                return
            (one,) = letters
            await self._asked(self._book.later, one.id, one.attempts + 1, time.time() + _pause(one.attempts))
            if str(problem) != self._trouble:
                self._trouble = str(problem)
                log.error("a letter cannot be queued, it waits in the journal", reason=self._trouble, **_about(one))
            return
        self._trouble = ""
        await self._asked(self._book.done, [one.id for one in letters])
        for one in letters:
            log.info("sent", **_about(one))

    async def _web(self, one: Due) -> None:
        try:
            try:
                async with asyncio.timeout(2 * WEB_PATIENCE):
                    await asyncio.to_thread(self._tell, one.recipients[0], one.content, one.key, WEB_PATIENCE)
            except OSError as error:
                attempts = one.attempts + 1
                over = attempts >= MAX_ATTEMPTS
                told = "a web address was not told, and will not be" if over else "a web address was not told"
                if over:
                    await self._asked(self._book.done, [one.id], "failed")
                else:
                    await self._asked(self._book.later, one.id, attempts, time.time() + _pause(one.attempts))
                log.warning(told, attempt=attempts, reason=str(error) or type(error).__name__, **_about(one))
            else:
                await self._asked(self._book.done, [one.id])
                log.info("told", **_about(one))
        except apsw.Error as error:
            log.error("the journal's letters cannot be used", reason=str(error))
        finally:
            self._running.pop(one.id, None)
            self._free.release()
            self._wake.set()


def _pause(attempts: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(attempts, 30), LONGEST_PAUSE)


def _about(one: Due) -> dict[str, object]:
    return {
        "account": one.account,
        "mailbox": one.mailbox,
        "uid": one.uid,
        "rule": one.rule,
        "done": f"{one.kind.value} {one.target}",
    }


__all__ = ["Due", "Post", "PostBook"]
