"""What the watcher has seen, means to do and has done: one SQLite file for all accounts; survives kill -9.

Rule 1: the cursor says "every UID below me is recorded, those that no rule matched as well", and it moves only in
the transaction that records them. Rule 2: an action is in here, `sent`, before its command is on the wire; after a
crash `sent` means "maybe done", and the machine finds out. Rule 3: finished actions with the UID the server gave
the message in its new place (COPYUID) are the undo log. Rule 4: one thread writes, in the order it was asked, as
many requests as wait in one transaction. Rule 5: one process holds a journal; the lock ends with the process.

Everything is synchronous=FULL: the cursor and the actions are one transaction, and one flush a batch is cheap.
"""

import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from ..model.ids import UID, UIDValidity
from .act import Kind, Step
from .ledger import (
    ActionState,
    Answer,
    Baseline,
    JournalFailed,
    Learn,
    Load,
    Loaded,
    Place,
    Record,
    Recorded,
    Request,
    Row,
    Settle,
    Settled,
    Task,
)

RETENTION = 30 * 86400
"""Seconds a finished message is kept: as long as one can want to undo a rule, and no mailbox grows a file forever."""

MAX_FORGOTTEN = 100
"""Old messages forgotten with each transaction that records new ones: more than come, less than one would notice."""

MAX_HOPS, HOP_PERIOD = 3, 86400
"""Times one message is moved in so many seconds: another program, or a person, that moves it back each time must not
keep it on the way for ever. It is known by Message-ID, date and size, which a move leaves as they are."""

SAFE_SQLITE = (3, 51, 3)
"""Older ones may corrupt a WAL file when it is reset while another connection commits."""

SCHEMA = """
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    renewal REAL,
    missed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, name)
) STRICT;
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailbox,
    uid_validity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    internal_date INTEGER NOT NULL,
    size INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    trouble TEXT NOT NULL DEFAULT '',
    UNIQUE (mailbox, uid_validity, uid)
) STRICT;
CREATE INDEX message_by_message_id ON message (message_id) WHERE message_id <> '';
CREATE INDEX message_by_age ON message (recorded_at);
CREATE TABLE action (
    id INTEGER PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    step INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    flags TEXT NOT NULL,
    creates INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    target_uid_validity INTEGER,
    target_uid INTEGER,
    changed_at INTEGER NOT NULL,
    UNIQUE (message, step)
) STRICT;
CREATE INDEX action_unfinished ON action (message) WHERE state IN ('planned', 'sent');
PRAGMA user_version = 2;
"""

FROM_1_TO_2 = """
ALTER TABLE mailbox ADD COLUMN renewal REAL;
ALTER TABLE mailbox ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
"""


class JournalError(Exception):
    """The journal cannot be used; the text says which file, why, and what to do."""


class Journal:
    """The journal as plain calls, each a part of one transaction. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        """
        Open or make the file.

        Args:
            path: The database. Beside it `.lock` keeps a second watcher away.

        Raises:
            JournalError: Held by another process, too new, not ours, not writable.

        """
        if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < SAFE_SQLITE:
            raise JournalError(f"SQLite {apsw.sqlite_lib_version()} is not safe with WAL; 3.51.3 or newer is needed")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"journal {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalError(f"journal {path} is in use by another watcher") from error
        try:
            self._db = apsw.Connection(str(path))
            self._prepare(path)
        except (apsw.Error, JournalError) as error:
            os.close(self._lock)
            raise JournalError(f"journal {path}: {error}") from error

    def _prepare(self, path: Path) -> None:
        db = self._db
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full")
        db.pragma("foreign_keys", True)
        version = db.pragma("user_version")
        if version == 0:
            with db:
                db.execute(SCHEMA)
        elif version == 1:
            with db:
                db.execute(FROM_1_TO_2)
        elif version != 2:
            raise JournalError(f"it was made by a newer mailhorn (version {version})")
        os.chmod(path, 0o600)

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        os.close(self._lock)

    def carry_out(self, requests: list[Request]) -> list[Answer]:
        """Carry out requests in one transaction and return an answer for each; all fail if one does."""
        answers: list[Answer] = []
        try:
            with self._db:
                answers += [self._one(request) for request in requests]
        except (apsw.Error, JournalError, ValueError) as error:  # ValueError: a file changed by hand
            return [JournalFailed(f"journal: {error}")] * len(requests)
        return answers

    def _one(self, request: Request) -> Answer:
        match request:
            case Load():
                return self._load(request.place)
            case Baseline():
                self._baseline(request.place, request.uid_validity, request.cursor)
                return Recorded()
            case Record():
                return self._record(request)
            case Settle():
                return self._settle(request)
            case Learn():
                return self._learn(request)

    def _load(self, place: Place) -> Loaded:
        found = self._db.execute(
            "SELECT id, uid_validity, cursor, renewal, missed FROM mailbox WHERE account = ? AND name = ?",
            (place.account, place.mailbox),
        ).get
        if found is None:
            return Loaded(None, 1, ())
        mailbox, uid_validity, cursor, renewal, missed = found
        rows = self._db.execute(
            "SELECT m.uid, m.message_id, m.internal_date, m.size,"
            " a.step, a.kind, a.target, a.flags, a.creates, a.state, a.attempts"
            " FROM action a JOIN message m ON m.id = a.message"
            " WHERE a.state IN ('planned', 'sent') AND m.mailbox = ? AND m.uid_validity = ? ORDER BY m.uid, a.step",
            (mailbox, uid_validity),
        )
        tasks: dict[int, Task] = {}
        for uid, message_id, date, size, number, kind, target, flags, creates, state, attempts in rows:
            step = (number, Step(Kind(kind), target, tuple(flags.split()), bool(creates)))
            task = tasks.get(uid)
            if task is None:
                sent = state == ActionState.SENT.value
                tasks[uid] = Task(UID(uid), message_id, date, size, (step,), sent, attempts)
            else:
                tasks[uid] = Task(task.uid, message_id, date, size, (*task.steps, step), task.sent, task.attempts)
        return Loaded(UIDValidity(uid_validity), cursor, tuple(tasks.values()), renewal, missed)

    def _baseline(self, place: Place, uid_validity: UIDValidity, cursor: int) -> None:
        self._db.execute(
            "INSERT INTO mailbox (account, name, uid_validity, cursor) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET uid_validity = excluded.uid_validity, cursor = excluded.cursor",
            (place.account, place.mailbox, uid_validity, cursor),
        )
        mailbox = self._mailbox(place)
        self._db.execute(
            "UPDATE action SET state = 'gone', changed_at = ? WHERE state IN ('planned', 'sent') AND message IN"
            " (SELECT id FROM message WHERE mailbox = ? AND uid_validity <> ?)",
            (int(time.time()), mailbox, uid_validity),
        )
        # A server restored from a backup gives UIDs again; what we know of them is of other messages.
        self._db.execute(
            "DELETE FROM message WHERE mailbox = ? AND uid_validity = ? AND uid >= ?", (mailbox, uid_validity, cursor)
        )

    def _mailbox(self, place: Place) -> int:
        found = self._db.execute(
            "SELECT id FROM mailbox WHERE account = ? AND name = ?", (place.account, place.mailbox)
        ).get
        if not isinstance(found, int):
            raise JournalError(f"{place.mailbox} of {place.account} has no beginning; was the file changed by hand?")
        return found

    def _record(self, request: Record) -> Recorded:
        now = int(time.time())
        mailbox = self._mailbox(request.place)
        ours, circling = set(), set()
        for row in request.rows:
            self._db.execute(
                "INSERT INTO message"
                " (mailbox, uid_validity, uid, message_id, internal_date, size, recorded_at, trouble)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (mailbox, request.uid_validity, row.uid, row.message_id, row.internal_date, row.size, now, row.trouble),
            )
            if self._db.changes() == 0 or (row.steps and self._is_ours(request, row)):
                ours.add(row.uid)
                continue
            if row.steps and self._is_circling(request.place.account, row, now):
                circling.add(row.uid)
                continue
            message = self._db.last_insert_rowid()
            self._db.executemany(
                "INSERT INTO action (message, step, kind, target, flags, creates, state, changed_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        message,
                        number,
                        step.kind.value,
                        step.target,
                        " ".join(step.flags),
                        int(step.create),
                        "sent" if request.sent and number == 0 else "planned",
                        now,
                    )
                    for number, step in enumerate(row.steps)
                ),
            )
        self._db.execute(
            "UPDATE mailbox SET cursor = max(cursor, ?) WHERE id = ? AND uid_validity = ?",
            (request.cursor, mailbox, request.uid_validity),
        )
        self._db.execute(
            "DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE m.recorded_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM action a WHERE a.message = m.id AND a.state IN ('planned', 'sent')) LIMIT ?)",
            (now - RETENTION, MAX_FORGOTTEN),
        )
        return Recorded(frozenset(ours), frozenset(circling))

    def _is_ours(self, request: Record, row: Row) -> bool:
        """Whether one of our own actions put the message here: by COPYUID, else by Message-ID."""
        return bool(
            self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM message m JOIN action a ON a.message = m.id"
                " JOIN mailbox b ON b.id = m.mailbox"
                " WHERE m.message_id = ? AND m.message_id <> '' AND b.account = ? AND a.target = ?"
                " AND a.kind IN ('copy', 'move') AND (a.state = 'sent' OR a.state = 'done' AND"
                " (a.target_uid IS NULL OR (a.target_uid = ? AND a.target_uid_validity = ?))))",
                (
                    row.message_id,
                    request.place.account,
                    request.place.mailbox,
                    row.uid,
                    request.uid_validity,
                ),
            ).get
        )

    def _is_circling(self, account: str, row: Row, now: int) -> bool:
        """Whether a message keeps coming back after we have moved it: somebody else wants it here (fault F72)."""
        if not row.message_id:
            return False
        moves = self._db.execute(
            "SELECT count(*) FROM message m JOIN action a ON a.message = m.id JOIN mailbox b ON b.id = m.mailbox"
            " WHERE m.message_id = ? AND m.internal_date = ? AND m.size = ? AND b.account = ?"
            " AND a.kind = 'move' AND a.state = 'done' AND a.changed_at > ?",
            (row.message_id, row.internal_date, row.size, account, now - HOP_PERIOD),
        ).get
        return isinstance(moves, int) and moves >= MAX_HOPS

    def _settle(self, request: Settle) -> Settled:
        now = int(time.time())
        mailbox = self._mailbox(request.place)
        for outcome in request.outcomes:
            uid_validity, uid = outcome.target or (None, None)
            self._db.execute(
                "UPDATE action SET state = ?, attempts = ?, changed_at = ?, target_uid_validity = ?, target_uid = ?"
                " WHERE step = ? AND message ="
                " (SELECT id FROM message WHERE mailbox = ? AND uid_validity = ? AND uid = ?)",
                (
                    outcome.state.value,
                    outcome.attempts,
                    now,
                    uid_validity,
                    uid,
                    outcome.step,
                    mailbox,
                    request.uid_validity,
                    outcome.uid,
                ),
            )
        return Settled()

    def _learn(self, request: Learn) -> Settled:
        self._db.execute(
            "UPDATE mailbox SET renewal = ?, missed = ? WHERE id = ?",
            (request.renewal, request.missed, self._mailbox(request.place)),
        )
        return Settled()


MAX_BATCH = 64
"""Requests in one transaction: with one a mailbox in flight, a commit for every few dozen accounts."""


class JournalThread:
    """A journal in its own thread. `answer` is called in that thread, in the order of the requests."""

    def __init__(self, path: Path) -> None:
        """Open the journal and start the thread. Raises JournalError."""
        self._journal = Journal(path)
        self._requests: queue.SimpleQueue[tuple[Request, Callable[[Answer], None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def ask(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """Have a request carried out."""
        self._requests.put((request, answer))

    def close(self) -> None:
        """Carry out what was asked, then close the file. Blocks for as long as that takes."""
        self._requests.put(None)
        self._thread.join()

    def _work(self) -> None:
        waiting = self._requests.get()
        while waiting is not None:
            batch = [waiting]
            while len(batch) < MAX_BATCH and not self._requests.empty():
                waiting = self._requests.get()
                if waiting is None:
                    break
                batch.append(waiting)
            answers = self._journal.carry_out([request for request, _ in batch])
            if len(batch) > 1 and isinstance(answers[0], JournalFailed):  # one of them need not be all of them
                answers = [self._journal.carry_out([request])[0] for request, _ in batch]
            for (_, answer), given in zip(batch, answers, strict=True):
                answer(given)
            if waiting is not None:
                waiting = self._requests.get()
        self._journal.close()
