"""Letters that wait to leave, in one SQLite file: safe from the moment `submit` returns until a smarthost has them.

Rule 1: a letter is sent at least once. What was being sent when the process ended is sent again; the Message-ID is the
same, and receivers know it by that. Rule 2: each recipient has a state of its own: `due` (wait until then, and try),
`sending`, `done` (while others of the letter are not), `failed` (for good; kept for the operator to look at, and to
try again). Rule 3: a letter without a recipient that waits, is sent or has failed is gone, content and all. Rule 4: a
full queue takes nothing, and says so before anybody is answered; what has failed makes room first.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import apsw
import structlog

from .database import Database
from .letter import Letter, Outbound, RelayUnavailable

MAX_SIZE = 128 * 1024 * 1024
"""Octets of one letter: more than any server takes; a letter is in memory, three times over, while it is sent."""

MAX_RECIPIENTS = 1_000
"""Of one letter: rules name them, and each is a row."""

MAX_AT_ONCE = 100
"""Recipients in one transaction with a server, which must take so many (RFC 5321 §4.5.3.1.8)."""

KEEP_FAILED = 7 * 86400
"""Seconds that a letter with nothing left but failed recipients is kept: a weekend, and time to mend a setting."""

KEEP_KEYS = 30 * 86400
"""Seconds that a key is known after its letter was taken: longer than any journal asks for it again."""

MAX_FORGOTTEN = 100
"""Old keys and failed letters forgotten with each submission: more than come, less than one would notice."""

MAX_SAID = 500
"""Characters that are kept of a server's answer."""

State = Literal["due", "sending", "done", "failed"]

_STEPS = (
    """
    CREATE TABLE letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sender TEXT NOT NULL,
        why TEXT NOT NULL,
        account TEXT NOT NULL,
        submitted_at INTEGER NOT NULL,
        size INTEGER NOT NULL,
        content BLOB NOT NULL
    ) STRICT;
    CREATE TABLE recipient (
        id INTEGER PRIMARY KEY,
        letter INTEGER NOT NULL REFERENCES letter ON DELETE CASCADE,
        address TEXT NOT NULL,
        state TEXT NOT NULL,
        due REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        said TEXT NOT NULL DEFAULT '',
        changed_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX recipient_of_letter ON recipient (letter);
    CREATE INDEX recipient_due ON recipient (due) WHERE state = 'due';
    CREATE INDEX recipient_sending ON recipient (letter) WHERE state = 'sending';
    CREATE INDEX recipient_failed ON recipient (changed_at) WHERE state = 'failed';
    CREATE TABLE key (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, at INTEGER NOT NULL) STRICT;
    CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 1), letters INTEGER NOT NULL, size INTEGER NOT NULL) STRICT;
    INSERT INTO total VALUES (1, 0, 0);
    CREATE TRIGGER letter_comes AFTER INSERT ON letter BEGIN
        UPDATE total SET letters = letters + 1, size = size + NEW.size;
    END;
    CREATE TRIGGER letter_goes AFTER DELETE ON letter BEGIN
        UPDATE total SET letters = letters - 1, size = size - OLD.size;
    END;
    """,
)
"""The content is the last column: who lists letters does not read it."""

log = structlog.get_logger("mailhorn.relay")


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """
    How much may wait.

    Attributes:
        letters: So many letters, failed ones included.
        size: Octets of all of them.

    """

    letters: int = 10_000
    size: int = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    One recipient of a letter that is being sent.

    Attributes:
        id: Its number in the queue.
        address: Where to.
        attempts: How often a server has put it off.

    """

    id: int
    address: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Taken:
    """
    A letter that is being sent, to those recipients that are due.

    Attributes:
        id: Its number in the queue, never used again.
        sender: As in `Letter`.
        recipients: Who is due.
        content: As in `Letter`.
        why: As in `Letter`; "bounce" is the queue's own.
        account: As in `Letter`.
        submitted_at: When it was taken into the queue, seconds since 1970.

    """

    id: int
    sender: str
    recipients: tuple[Waiting, ...]
    content: bytes
    why: str
    account: str
    submitted_at: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of an attempt for one recipient.

    Attributes:
        recipient: Its number.
        state: What it is now: due, done or failed.
        said: What the server said, or why there was no server.
        due: When to try again, seconds since 1970; None: as before.
        attempted: It counts as an attempt.

    """

    recipient: int
    state: State
    said: str = ""
    due: float | None = None
    attempted: bool = True


@dataclass(frozen=True, slots=True)
class Queued:
    """
    One recipient of a letter in the queue, to be shown.

    Attributes:
        letter: The letter's number.
        sender: As in `Letter`.
        address: The recipient.
        state: What it is.
        due: When it is tried again, seconds since 1970, if it is due.
        attempts: How often a server has put it off.
        said: The last answer.
        why: As in `Letter`.
        account: As in `Letter`.
        submitted_at: When it came, seconds since 1970.
        size: Octets of the content.

    """

    letter: int
    sender: str
    address: str
    state: State
    due: float
    attempts: int
    said: str
    why: str
    account: str
    submitted_at: int
    size: int


class Queue(Outbound):
    """The letters. Of one event loop; another process may have one on the same file."""

    def __init__(self, path: Path, limits: QueueLimits | None = None, clock: Callable[[], float] = time.time) -> None:
        """
        Open or make the file.

        Args:
            path: The file.
            limits: How much may wait.
            clock: Seconds since 1970.

        Raises:
            RelayUnavailable: The file cannot be used.

        """
        self._limits = limits or QueueLimits()
        self._clock = clock
        self._database = Database(path, _STEPS)
        self.on_submitted: Callable[[], None] = lambda: None
        """Called when there are new letters. Must not raise or block."""

    async def submit(self, letters: Sequence[Letter]) -> None:
        """
        Take letters, all or none; they are safe on the disk when this returns.

        A letter whose key was taken before is left out: it is on its way, or was.

        Raises:
            RelayUnavailable: None was taken: the queue is full, a letter is too large, or the disk refuses.

        """
        for letter in letters:
            _check(letter)
        now = self._clock()

        def take(db: apsw.Connection) -> list[tuple[int, Letter]]:
            _tidy(db, int(now))
            new = [letter for letter in letters if not letter.key or _first(db, letter.key, int(now))]
            self._make_room(db, new)
            return [(_insert(db, letter, now), letter) for letter in new]

        for number, letter in await self._database.run(take):
            log.info(
                "a letter is queued",
                letter=number,
                why=letter.why,
                account=letter.account,
                recipients=list(letter.recipients),
                size=len(letter.content),
            )
        self.on_submitted()

    def _make_room(self, db: apsw.Connection, new: Sequence[Letter]) -> None:
        """Forget what has failed if there is no room for the new. Raises RelayUnavailable if that is not enough."""
        for last in (False, True):
            letters, size = db.execute("SELECT letters, size FROM total").get
            if letters + len(new) <= self._limits.letters and (
                size + sum(len(letter.content) for letter in new) <= self._limits.size
            ):
                return
            if not last:
                _forget_failed(db, int(self._clock()) + 1, -1)
        raise RelayUnavailable(
            f"the outbound queue is full ({letters} letters, {size} octets); see: mailhorn queue list"
        )

    async def recover(self) -> int:
        """
        Make due again what was being sent, once there is nobody any more who sends; return how many recipients.

        Raises RelayUnavailable.
        """

        def put_back(db: apsw.Connection) -> int:
            db.execute("UPDATE recipient SET state = 'due' WHERE state = 'sending'")
            return db.changes()

        return await self._database.run(put_back)

    async def take(self, room: int, not_beyond: float, submitted_before: float | None = None) -> list[Taken]:
        """
        Mark letters as being sent and return them, those that are due longest first.

        Args:
            room: So many letters at the most.
            not_beyond: Seconds from now; what is due later was put off by a clock that was wrong, and is due.
            submitted_before: Only those that came until then, due or not.

        Raises:
            RelayUnavailable: The disk refuses.

        """
        now = self._clock()
        if submitted_before is None:
            wanted = (
                "SELECT letter FROM recipient WHERE state = 'due' AND (due <= ? OR due > ?) ORDER BY due, id LIMIT ?"
            )
            values = (now, now + not_beyond, room * MAX_AT_ONCE)
        else:
            wanted = (
                "SELECT letter FROM recipient WHERE state = 'due' AND (SELECT submitted_at FROM letter "
                "WHERE letter.id = recipient.letter) <= ? AND due <= ? ORDER BY letter LIMIT ?"
            )
            values = (submitted_before, float("inf"), room * MAX_AT_ONCE)

        def begin(db: apsw.Connection) -> list[Taken]:
            letters = list(dict.fromkeys(letter for (letter,) in db.execute(wanted, values)))[:room]
            return [_take_one(db, letter, now, now + not_beyond, submitted_before is not None) for letter in letters]

        return [taken for taken in await self._database.run(begin, durable=False) if taken.recipients]

    async def record(self, outcomes: Sequence[Outcome], bounces: Sequence[Letter] = ()) -> None:
        """
        Record what came of attempts, and queue what has to be told because of it, in one transaction.

        Bounces are taken even by a full queue: each takes the place of what it tells of.

        Raises:
            RelayUnavailable: The disk refuses; nothing was recorded.

        """
        now = self._clock()

        def note(db: apsw.Connection) -> None:
            for outcome in outcomes:
                db.execute(
                    "UPDATE recipient SET state = ?, said = coalesce(nullif(?, ''), said), due = coalesce(?, due), "
                    "attempts = attempts + ?, changed_at = ? WHERE id = ?",
                    (
                        outcome.state,
                        outcome.said[:MAX_SAID],
                        outcome.due,
                        int(outcome.attempted),
                        int(now),
                        outcome.recipient,
                    ),
                )
            for bounce in bounces:
                _insert(db, bounce, now)
            _drop_finished(db, [outcome.recipient for outcome in outcomes if outcome.state == "done"])

        await self._database.run(note)

    async def next_due(self) -> float | None:
        """Return when the next recipient is due, seconds since 1970; None if none waits. Raises RelayUnavailable."""

        def ask(db: apsw.Connection) -> float | None:
            found: float | None = db.execute("SELECT min(due) FROM recipient WHERE state = 'due'").get
            return found

        return await self._database.run(ask, durable=False)

    async def listing(self, letter: int | None = None) -> list[Queued]:
        """Return the recipients of all letters, or of one, oldest letter first. Raises RelayUnavailable."""

        def ask(db: apsw.Connection) -> list[Queued]:
            rows = db.execute(
                "SELECT letter.id, sender, address, state, due, attempts, said, why, account, submitted_at, size "
                "FROM letter JOIN recipient ON recipient.letter = letter.id WHERE ?1 IS NULL OR letter.id = ?1 "
                "ORDER BY letter.id, recipient.id",
                (letter,),
            )
            return [Queued(*row) for row in rows]

        return await self._database.run(ask, durable=False)

    async def content(self, letter: int) -> bytes | None:
        """Return the content of a letter, None if there is no such letter. Raises RelayUnavailable."""

        def ask(db: apsw.Connection) -> bytes | None:
            found: bytes | None = db.execute("SELECT content FROM letter WHERE id = ?", (letter,)).get
            return found

        return await self._database.run(ask, durable=False)

    async def retry(self, letters: Iterable[int] | None = None) -> int:
        """
        Make what waits and what has failed due now; return of how many recipients.

        Args:
            letters: Numbers of letters; None: all.

        Raises:
            RelayUnavailable: The disk refuses.

        """
        now = self._clock()

        def again(db: apsw.Connection) -> int:
            changed = 0
            for letter in [None] if letters is None else list(letters):
                db.execute(
                    "UPDATE recipient SET state = 'due', due = ?2 "
                    "WHERE state IN ('due', 'failed') AND (?1 IS NULL OR letter = ?1)",
                    (letter, now),
                )
                changed += db.changes()
            return changed

        changed = await self._database.run(again)
        self.on_submitted()
        return changed

    async def delete(self, letters: Iterable[int]) -> int:
        """Delete letters, unless they are being sent; return how many. Nobody is told. Raises RelayUnavailable."""

        def drop(db: apsw.Connection) -> int:
            gone = 0
            for letter in letters:
                db.execute(
                    "DELETE FROM letter WHERE id = ? AND id NOT IN "
                    "(SELECT letter FROM recipient WHERE state = 'sending')",
                    (letter,),
                )
                gone += db.changes()
            return gone

        return await self._database.run(drop)

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()


def _check(letter: Letter) -> None:
    if len(letter.content) > MAX_SIZE:
        raise RelayUnavailable(f"a letter of {len(letter.content)} octets is too large for the outbound queue")
    if not 1 <= len(letter.recipients) <= MAX_RECIPIENTS:
        raise RelayUnavailable(f"a letter to {len(letter.recipients)} recipients; 1 to {MAX_RECIPIENTS} are possible")
    try:
        "".join([letter.sender, letter.why, letter.account, *letter.recipients]).encode()
    except UnicodeEncodeError as problem:
        raise RelayUnavailable("a letter with an address that is not UTF-8 cannot be sent") from problem


def _insert(db: apsw.Connection, letter: Letter, now: float) -> int:
    db.execute(
        "INSERT INTO letter (sender, why, account, submitted_at, size, content) VALUES (?, ?, ?, ?, ?, ?)",
        (letter.sender, letter.why, letter.account, int(now), len(letter.content), letter.content),
    )
    number = db.last_insert_rowid()
    db.executemany(
        "INSERT INTO recipient (letter, address, state, due, changed_at) VALUES (?, ?, 'due', ?, ?)",
        [(number, address, now, int(now)) for address in dict.fromkeys(letter.recipients)],
    )
    return number


def _first(db: apsw.Connection, key: str, now: int) -> bool:
    """Return whether the key is new; it is not any more."""
    digest = sha256(key.encode("utf-8", "surrogatepass")).digest()
    db.execute("INSERT INTO key (digest, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, now))
    return db.changes() > 0


def _tidy(db: apsw.Connection, now: int) -> None:
    """Forget what is old."""
    db.execute(
        "DELETE FROM key WHERE id IN (SELECT id FROM key WHERE at < ? ORDER BY id LIMIT ?)",
        (now - KEEP_KEYS, MAX_FORGOTTEN),
    )
    _forget_failed(db, now - KEEP_FAILED, MAX_FORGOTTEN)


def _forget_failed(db: apsw.Connection, before: int, count: int) -> None:
    db.execute(
        "DELETE FROM letter WHERE id IN (SELECT letter FROM recipient WHERE state = 'failed' AND changed_at < ? "
        "ORDER BY changed_at LIMIT ?) "
        "AND NOT EXISTS (SELECT 1 FROM recipient WHERE letter = letter.id AND state IN ('due', 'sending'))",
        (before, count),
    )


def _take_one(db: apsw.Connection, letter: int, now: float, beyond: float, all_of_it: bool) -> Taken:
    recipients = [
        Waiting(*row)
        for row in db.execute(
            "SELECT id, address, attempts FROM recipient WHERE letter = ? AND state = 'due' "
            "AND (? OR due <= ? OR due > ?) ORDER BY id LIMIT ?",
            (letter, all_of_it, now, beyond, MAX_AT_ONCE),
        )
    ]
    db.executemany("UPDATE recipient SET state = 'sending' WHERE id = ?", [(waiting.id,) for waiting in recipients])
    sender, content, why, account, submitted_at = db.execute(
        "SELECT sender, content, why, account, submitted_at FROM letter WHERE id = ?", (letter,)
    ).get
    return Taken(letter, sender, tuple(recipients), content, why, account, submitted_at)


def _drop_finished(db: apsw.Connection, recipients: Sequence[int]) -> None:
    """Delete the letters of these recipients of which nothing is left but what is done."""
    for recipient in recipients:
        db.execute(
            "DELETE FROM letter WHERE id = (SELECT letter FROM recipient WHERE id = ?) "
            "AND NOT EXISTS (SELECT 1 FROM recipient WHERE letter = letter.id AND state <> 'done')",
            (recipient,),
        )


__all__ = [
    "Outcome",
    "Queue",
    "QueueLimits",
    "Queued",
    "State",
    "Taken",
    "Waiting",
]
