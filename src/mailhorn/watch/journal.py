"""What the watcher has seen, means to do and has done: one SQLite file for all accounts; survives kill -9.

Rule 1: the cursor says "every UID below me is recorded, those that no rule matched as well", and it moves only in
the transaction that records them. Rule 2: an action is in here, `sent`, before its command is on the wire; after a
crash `sent` means "maybe done", and the machine finds out. Rule 3: finished actions with the UID the server gave
the message in its new place (COPYUID) are the undo log. Rule 4: one thread writes, in the order it was asked, as
many requests as wait in one transaction; a lone message is recorded by who asks for it as long as the disk is quick
(decision 41). Rule 5: one watcher holds a journal; the lock ends with the process. Beside it one errand (what a person
wants done: undo, apply) may write; what an errand has under way nobody else touches.

Everything is synchronous=FULL: the cursor and the actions are one transaction, and one flush a batch is cheap.
"""

import contextlib
import fcntl
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import apsw

from ..model.ids import UID, UIDValidity
from .act import Kind, Step
from .ledger import (
    ActionState,
    Answer,
    Baseline,
    Brake,
    JournalFailed,
    Learn,
    Load,
    Loaded,
    Memo,
    Order,
    Ordered,
    Outcome,
    Pending,
    Place,
    Recall,
    Recalled,
    Record,
    Recorded,
    Release,
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

BRAKE_PERIOD = 300
"""Seconds over which is counted what one rule takes out of a mailbox."""

MAX_SENT, SENT_PERIOD = 300, 3600
"""Letters that one rule of a mailbox may send in so many seconds; then the brake holds it. A person gets fewer messages
in an hour, and a mistake is noticed before a thousand have gone."""

MAX_REMEMBERED = 50_000
"""Things remembered of one account (RFC 5230, RFC 7352); those that end first go. It is 5 MB."""

BUSY = 10_000
"""Milliseconds to wait for the other writer; a transaction takes a few."""

SAFE_SQLITE = (3, 51, 3)
"""Older ones may corrupt a WAL file when it is reset while another connection commits."""

REST_PAGES = 1_000
"""Pages in the WAL from which to checkpoint when nobody waits; who waited for a checkpoint waited ten milliseconds."""

REST_PAGES_AT_LAST = 4 * REST_PAGES
"""Pages from which to checkpoint although somebody waits: a start reads them all."""

ROOM = REST_PAGES * (4096 + 24)
"""Octets of the WAL from the start, 4 MiB: to flush what overwrites a file takes half the time, or less, of what makes
it longer."""

FROM_3_TO_4 = """
CREATE TABLE letter (
    id INTEGER PRIMARY KEY,
    action INTEGER NOT NULL UNIQUE REFERENCES action ON DELETE CASCADE,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    content BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE memory (
    account TEXT NOT NULL,
    key BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_by_end ON memory (account, until);
PRAGMA user_version = 4;
"""

SCHEMA = (
    """
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    renewal REAL,
    missed INTEGER NOT NULL DEFAULT 0,
    backlog INTEGER NOT NULL DEFAULT 0,
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
    sender TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
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
    rule TEXT NOT NULL DEFAULT '',
    errand INTEGER NOT NULL DEFAULT 0,
    undoes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (message, step)
) STRICT;
CREATE INDEX action_unfinished ON action (message) WHERE state IN ('planned', 'sent');
CREATE INDEX action_by_rule ON action (rule, changed_at);
CREATE INDEX action_held ON action (rule) WHERE state = 'held';
CREATE INDEX message_without_message_id ON message (size, internal_date) WHERE message_id = '';
"""
    + FROM_3_TO_4
)
"""A mailbox of which uid_validity is 0 is not watched: a message was put there, or taken back from there."""

FROM_1_TO_2 = """
ALTER TABLE mailbox ADD COLUMN renewal REAL;
ALTER TABLE mailbox ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
"""


FROM_2_TO_3 = """
ALTER TABLE mailbox ADD COLUMN backlog INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE action ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE action ADD COLUMN errand INTEGER NOT NULL DEFAULT 0;
ALTER TABLE action ADD COLUMN undoes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX action_by_rule ON action (rule, changed_at);
CREATE INDEX action_held ON action (rule) WHERE state = 'held';
CREATE INDEX message_without_message_id ON message (size, internal_date) WHERE message_id = '';
PRAGMA user_version = 3;
"""

FORM = 4
"""The version that this mailhorn reads and writes."""

SENDING = "('redirect', 'vacation', 'reject', 'notify')"
"""The kinds of actions that the post carries out, not the machine: see `Kind.sends`."""


class JournalError(Exception):
    """The journal cannot be used; the text says which file, why, and what to do."""


class Journal:
    """
    The journal as plain calls, each a part of one transaction. Not for two threads at once.

    Attributes:
        path: The file.

    """

    def __init__(self, path: Path, errand: bool = False) -> None:
        """
        Open or make the file.

        Args:
            path: The database. Beside it `.lock` keeps a second watcher away, `.errand` a second errand.
            errand: It is for an errand, beside a watcher or without one.

        Raises:
            JournalError: Held by another process, too new, not ours, not writable.

        """
        if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < SAFE_SQLITE:
            raise JournalError(f"SQLite {apsw.sqlite_lib_version()} is not safe with WAL; 3.51.3 or newer is needed")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _opened(f"{path}.{'errand' if errand else 'lock'}")
        except OSError as error:
            raise JournalError(f"journal {path}: {error.strerror}") from error
        if not _locked(self._lock):
            os.close(self._lock)
            who = "another undo or apply; wait until it has ended" if errand else "another watcher"
            raise JournalError(f"journal {path} is in use by {who}")
        self._errand = errand
        self._wal_pages = 0
        self.path = path
        try:
            owned(path)
            self._db = apsw.Connection(str(path))
            self._prepare()
        except (apsw.Error, OSError, JournalError) as error:
            os.close(self._lock)
            told = error.strerror if isinstance(error, OSError) else str(error)
            raise JournalError(f"journal {path}: {told}") from error

    def _prepare(self) -> None:
        db = self._db
        db.set_busy_timeout(BUSY)
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full")
        db.pragma("foreign_keys", True)
        db.pragma("wal_autocheckpoint", 0)
        db.set_wal_hook(self._wal_grew)
        # With STAT4, which the wheel has, a statement may be planned anew for each value. That was two thirds of a
        # transaction's processor time, and for nothing, as nothing is ever ANALYZEd.
        db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        version = db.pragma("user_version")
        steps = {
            0: (SCHEMA,),
            1: (FROM_1_TO_2, FROM_2_TO_3, FROM_3_TO_4),
            2: (FROM_2_TO_3, FROM_3_TO_4),
            3: (FROM_3_TO_4,),
            FORM: (),
        }.get(version)
        if steps is None:
            raise JournalError(f"it was made by a newer mailhorn (version {version})")
        for step in steps:
            with db:
                db.execute(step)

    def _wal_grew(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def make_room(self) -> None:
        """Let the WAL have its size, for quick flushes; what is not written yet is no frame, as after a power cut."""
        with contextlib.suppress(OSError, apsw.Error):  # without it everything works, too
            self._db.execute("BEGIN IMMEDIATE")  # or an errand might put a frame where we write
            try:
                with open(f"{self.path}-wal", "r+b") as file:
                    missing = ROOM - file.seek(0, os.SEEK_END)
                    if missing > 0:
                        file.write(bytes(missing))
                        file.flush()
                        os.fsync(file.fileno())
            finally:
                self._db.execute("ROLLBACK")

    @property
    def is_rested(self) -> bool:
        """Whether there is no need to copy the WAL into the file."""
        return self._wal_pages < REST_PAGES

    def rest(self, at_leisure: bool) -> None:
        """Copy the WAL into the file if it is time to, and nobody waits or it cannot be put off."""
        if self._wal_pages >= (REST_PAGES if at_leisure else REST_PAGES_AT_LAST):
            with contextlib.suppress(apsw.Error):  # the next write will tell
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._wal_pages = 0

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        os.close(self._lock)

    def carry_out(self, requests: list[Request]) -> list[Answer]:
        """Carry out requests in one transaction and return an answer for each; all fail if one does."""
        try:
            self._db.execute("BEGIN IMMEDIATE")  # an errand may write, too: wait before, not in the middle
            return self._carry_out(requests)
        except (apsw.Error, JournalError, ValueError) as error:  # ValueError: a file changed by hand
            return [JournalFailed(f"journal: {error}")] * len(requests)

    def carry_out_now(self, request: Request) -> Answer | None:
        """Carry out a request, but do not wait for an errand that is writing: None if one is, and nothing is done."""
        try:
            self._db.set_busy_timeout(0)
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                return None
            finally:
                self._db.set_busy_timeout(BUSY)
            return self._carry_out([request])[0]
        except (apsw.Error, JournalError, ValueError) as error:
            return JournalFailed(f"journal: {error}")

    def _carry_out(self, requests: list[Request]) -> list[Answer]:
        """Carry them out in the transaction that has begun, and end it."""
        try:
            answers = [self._one(request) for request in requests]
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return answers

    def _one(self, request: Request) -> Answer:
        match request:
            case Load():
                return self._load(request.place)
            case Baseline():
                self._baseline(request)
                return Recorded()
            case Record():
                return self._record(request)
            case Settle():
                return self._settle(request)
            case Learn():
                return self._learn(request)
            case Order():
                return self._order(request)
            case Pending():
                return self._pending(request)
            case Release():
                return self._release(request)
            case Recall():
                return self._recall(request)

    def _load(self, place: Place) -> Loaded:
        found = self._db.execute(
            "SELECT id, uid_validity, cursor, renewal, missed, backlog FROM mailbox WHERE account = ? AND name = ?",
            (place.account, place.mailbox),
        ).get
        if found is None:
            return Loaded(None, 1, ())
        mailbox, uid_validity, cursor, renewal, missed, backlog = found
        if not uid_validity:
            return Loaded(None, 1, ())
        tasks = self._unfinished(mailbox, uid_validity, (0, int(self._errands_are_over())))
        return Loaded(UIDValidity(uid_validity), cursor, tasks, renewal, missed, backlog)

    def _unfinished(self, mailbox: int, uid_validity: int, errands: tuple[int, int]) -> tuple[Task, ...]:
        """Return what was begun in a mailbox: by the watcher (0), by errands (1)."""
        rows = self._db.execute(
            "SELECT m.uid, m.message_id, m.internal_date, m.size, m.subject,"
            " a.step, a.kind, a.target, a.flags, a.creates, a.state, a.attempts, a.rule"
            " FROM action a JOIN message m ON m.id = a.message"
            " WHERE a.state IN ('planned', 'sent') AND m.mailbox = ? AND m.uid_validity = ? AND a.errand IN (?, ?)"
            f" AND a.kind NOT IN {SENDING}"
            " ORDER BY m.uid, a.step",
            (mailbox, uid_validity, *errands),
        )
        tasks: dict[int, Task] = {}
        for uid, message_id, date, size, subject, number, kind, target, flags, creates, state, attempts, rule in rows:
            step = (number, Step(Kind(kind), target, tuple(flags.split()), bool(creates), rule))
            task = tasks.get(uid)
            if task is None:
                sent = state == ActionState.SENT.value
                tasks[uid] = Task(UID(uid), message_id, date, size, (step,), sent, attempts, subject)
            else:
                tasks[uid] = replace(task, steps=(*task.steps, step))
        return tuple(tasks.values())

    def _errands_are_over(self) -> bool:
        """Whether what an errand has left is ours to finish: none runs, or we are it."""
        if self._errand:
            return True
        try:
            lock = _opened(f"{self.path}.errand")
        except OSError:
            return True
        try:
            return _locked(lock)
        finally:
            os.close(lock)

    def _baseline(self, request: Baseline) -> None:
        place, uid_validity, cursor = request.place, request.uid_validity, request.cursor
        self._db.execute(
            "INSERT INTO mailbox (account, name, uid_validity, cursor, backlog) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET uid_validity = excluded.uid_validity, cursor = excluded.cursor,"
            " backlog = excluded.backlog",
            (place.account, place.mailbox, uid_validity, cursor, request.backlog),
        )
        mailbox = self._mailbox(place)
        self._db.execute(
            f"UPDATE action SET state = 'gone', changed_at = ? WHERE kind NOT IN {SENDING}"
            " AND state IN ('planned', 'sent') AND message IN"
            " (SELECT id FROM message WHERE mailbox = ? AND uid_validity <> ?)",
            (int(time.time()), mailbox, uid_validity),
        )
        # A server restored from a backup gives UIDs again; what we know of them is of other messages.
        self._db.execute(
            "DELETE FROM message WHERE mailbox = ? AND uid_validity = ? AND uid >= ? AND NOT EXISTS (SELECT 1"
            " FROM action a JOIN letter l ON l.action = a.id WHERE a.message = message.id)",
            (mailbox, uid_validity, cursor),
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
        held: dict[UID, str] = {}
        pedal = _Pedal(self._db, mailbox, request.brake, now)
        for row in request.rows:
            self._db.execute(
                "INSERT INTO message"
                " (mailbox, uid_validity, uid, message_id, internal_date, size, recorded_at, trouble, sender, subject)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                _message(mailbox, request.uid_validity, row, now),
            )
            if self._db.changes() == 0 or (row.steps and self._is_ours(request, row)):
                ours.add(row.uid)
                continue
            if row.steps and self._is_circling(request.place.account, row, now):
                circling.add(row.uid)
                continue
            message = self._db.last_insert_rowid()
            braked = pedal.holds(row)
            if braked is not None:
                held[row.uid] = braked
                first = later = ActionState.HELD
            else:
                first, later = ActionState.SENT if request.sent else ActionState.PLANNED, ActionState.PLANNED
            left = self._remember(request.place.account, row, now)
            self._plan(message, left, first, later, now)
            self._pack(message, row)
        self._db.execute(
            "UPDATE mailbox SET cursor = max(cursor, ?) WHERE id = ? AND uid_validity = ?",
            (request.cursor, mailbox, request.uid_validity),
        )
        self._db.execute(
            "DELETE FROM message WHERE id IN (SELECT m.id FROM message m WHERE m.recorded_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM action a WHERE a.message = m.id AND a.state IN ('planned', 'sent')) LIMIT ?)",
            (now - RETENTION, MAX_FORGOTTEN),
        )
        return Recorded(frozenset(ours), frozenset(circling), held)

    def _plan(
        self,
        message: int,
        steps: Iterable[tuple[int, Step]],
        first: ActionState,
        later: ActionState,
        now: int,
        undoes: int | None = None,
    ) -> None:
        """Write down what is to be done to a message; `undoes` is None if it is the watcher's own doing."""
        steps = list(steps)
        begins = next((number for number, step in steps if not step.kind.sends), None)
        self._db.executemany(
            "INSERT INTO action (message, step, kind, target, flags, creates, state, changed_at, rule, errand, undoes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    message,
                    number,
                    step.kind.value,
                    step.target,
                    " ".join(step.flags),
                    int(step.create),
                    (first if number == begins else later).value,
                    now,
                    step.rule,
                    int(undoes is not None),
                    undoes or 0,
                )
                for number, step in steps
            ],
        )

    def _remember(self, account: str, row: Row, now: int) -> list[tuple[int, Step]]:
        """Note what the rules have seen and whom they answer; return the steps but for those that were done before."""
        before: set[int] = set()
        memos = list(row.memos)
        for parcel in row.parcels:
            if parcel.once and parcel.seconds:
                if self._recall(Recall(account, frozenset((parcel.once,))), now).known:
                    before.add(parcel.step)
                else:
                    memos.append(Memo(parcel.once, parcel.seconds, True))
        for memo in memos:
            self._db.execute(
                "INSERT INTO memory (account, key, until) VALUES (?1, ?2, ?3)"
                " ON CONFLICT DO UPDATE SET until = excluded.until WHERE ?4 OR memory.until <= ?5",
                (account, memo.key, now + memo.seconds, memo.last, now),
            )
        if memos:
            self._db.execute(
                "DELETE FROM memory WHERE account = ?1 AND (until <= ?2 OR key IN (SELECT key FROM memory"
                " WHERE account = ?1 ORDER BY until"
                " LIMIT max(0, (SELECT count(*) FROM memory WHERE account = ?1) - ?3)))",
                (account, now, MAX_REMEMBERED),
            )
        return [(number, step) for number, step in enumerate(row.steps) if number not in before]

    def _pack(self, message: int, row: Row) -> None:
        """Put what is to leave beside the actions that send it."""
        for parcel in row.parcels:
            self._db.execute(
                "INSERT INTO letter (action, sender, recipients, content)"
                " SELECT id, ?, ?, ? FROM action WHERE message = ? AND step = ?",
                (parcel.sender, "\n".join(parcel.recipients), parcel.content, message, parcel.step),
            )

    def _recall(self, request: Recall, now: int | None = None) -> Recalled:
        now = int(time.time()) if now is None else now
        known = frozenset(
            key
            for key in request.keys
            if self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM memory WHERE account = ? AND key = ? AND until > ?)",
                (request.account, key, now),
            ).get
        )
        return Recalled(now, time.localtime(now).tm_gmtoff // 60, known)

    def _is_ours(self, request: Record, row: Row) -> bool:
        """Whether one of our own actions put the message here: by COPYUID, Message-ID, or date and size."""
        known = "m.message_id = ?1 AND m.message_id <> ''"
        if not row.message_id:
            known = "m.message_id = '' AND m.message_id = ?1 AND m.size = ?2 AND m.internal_date = ?3"
        return bool(
            self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM message m JOIN action a ON a.message = m.id"
                " JOIN mailbox b ON b.id = m.mailbox"
                f" WHERE {known} AND b.account = ?4 AND a.target = ?5"
                " AND a.kind IN ('copy', 'move') AND (a.state = 'sent' OR a.state = 'done' AND"
                " (a.target_uid IS NULL OR (a.target_uid = ?6 AND a.target_uid_validity = ?7))))",
                (
                    row.message_id,
                    row.size,
                    row.internal_date,
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
            " AND a.kind = 'move' AND a.state = 'done' AND NOT a.errand AND a.changed_at > ?",
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
            if outcome.state is ActionState.DONE:
                self._mark_undone(request, mailbox, outcome)
            if outcome.reason or (outcome.state is ActionState.DONE and outcome.attempts):
                self._db.execute(
                    "UPDATE message SET trouble = ? WHERE mailbox = ? AND uid_validity = ? AND uid = ?",
                    (outcome.reason, mailbox, request.uid_validity, outcome.uid),
                )
        return Settled()

    def _mark_undone(self, request: Settle, mailbox: int, outcome: Outcome) -> None:
        """If this was an undoing, the other way is no longer done."""
        found = self._db.execute(
            "SELECT a.undoes, a.kind FROM action a JOIN message m ON m.id = a.message"
            " WHERE m.mailbox = ? AND m.uid_validity = ? AND m.uid = ? AND a.step = ? AND a.undoes",
            (mailbox, request.uid_validity, outcome.uid, outcome.step),
        ).get
        if found is None:
            return
        original, kind = found
        kinds, target = {
            "move": ("move", None),
            "delete": ("copy", request.place.mailbox),
            "remove-flags": ("flags", None),
        }[kind]
        self._db.execute(
            "UPDATE action SET state = 'undone' WHERE message = ?1 AND state = 'done' AND NOT undoes"
            " AND kind GLOB ?2 AND (?3 IS NULL OR target = ?3)",
            (original, f"*{kinds}", target),
        )

    def _order(self, request: Order) -> Ordered:
        now = int(time.time())
        mailbox = self._place(request.place)
        tasks = []
        for row in request.rows:
            self._db.execute(
                "INSERT INTO message"
                " (mailbox, uid_validity, uid, message_id, internal_date, size, recorded_at, trouble, sender, subject)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET recorded_at = excluded.recorded_at, trouble = excluded.trouble",
                _message(mailbox, request.uid_validity, row, now),
            )
            message, steps, unfinished = self._db.execute(
                "SELECT m.id, coalesce(max(a.step) + 1, 0),"
                f" coalesce(max(a.state IN ('planned', 'sent') AND a.kind NOT IN {SENDING}), 0)"
                " FROM message m LEFT JOIN action a ON a.message = m.id"
                " WHERE m.mailbox = ? AND m.uid_validity = ? AND m.uid = ?",
                (mailbox, request.uid_validity, row.uid),
            ).get
            if unfinished or not row.steps:
                continue
            numbered = tuple(enumerate(row.steps, steps))
            self._plan(message, numbered, ActionState.SENT, ActionState.PLANNED, now, row.undoes)
            tasks.append(
                Task(row.uid, row.message_id, row.internal_date, row.size, numbered, sent=True, subject=row.subject)
            )
        return Ordered(tuple(tasks))

    def _place(self, place: Place) -> int:
        """Return a mailbox's number, also if it is not watched."""
        self._db.execute(
            "INSERT INTO mailbox (account, name, uid_validity, cursor) VALUES (?, ?, 0, 1) ON CONFLICT DO NOTHING",
            (place.account, place.mailbox),
        )
        return self._mailbox(place)

    def _pending(self, request: Pending) -> Ordered:
        return Ordered(self._unfinished(self._place(request.place), request.uid_validity, (1, 1)))

    def _release(self, request: Release) -> Ordered:
        mailbox = self._place(request.place)
        state = ActionState.DROPPED if request.drop else ActionState.PLANNED
        wanted = set(request.uids)
        for uid in wanted:
            self._db.execute(
                "UPDATE action SET state = ?, errand = 1, changed_at = ? WHERE state = 'held' AND message ="
                " (SELECT id FROM message WHERE mailbox = ? AND uid_validity = ? AND uid = ?)",
                (state.value, int(time.time()), mailbox, request.uid_validity, uid),
            )
        if request.drop:
            self._db.execute("DELETE FROM letter WHERE action IN (SELECT id FROM action WHERE state = 'dropped')")
        tasks = self._unfinished(mailbox, request.uid_validity, (1, 1))
        return Ordered(() if request.drop else tuple(task for task in tasks if task.uid in wanted))

    def _learn(self, request: Learn) -> Settled:
        self._db.execute(
            "UPDATE mailbox SET renewal = ?, missed = ? WHERE id = ?",
            (request.renewal, request.missed, self._mailbox(request.place)),
        )
        return Settled()


class _Pedal:
    """The brake, for one mailbox and one request: a rule that takes or sends too much does no more (decision 31)."""

    def __init__(self, db: apsw.Connection, mailbox: int, brake: Brake | None, now: int) -> None:
        self._db = db
        self._mailbox = mailbox
        self._brake = brake
        self._now = now
        self._taken: dict[str, float] = {}
        self._sent: dict[str, float] = {}
        self._backlog = 0
        if brake is not None:
            found = db.execute("SELECT backlog FROM mailbox WHERE id = ?", (mailbox,)).get
            self._backlog = found if isinstance(found, int) else 0

    def holds(self, row: Row) -> str | None:
        """Return the rule that is not to take this message, None if all is well."""
        for step in row.steps:
            if step.kind.sends:
                sent = self._sent[step.rule] if step.rule in self._sent else self._sent_by(step.rule)
                self._sent[step.rule] = sent + 1
                if sent >= MAX_SENT:
                    return step.rule
        away = next((step for step in row.steps if step.takes_away), None)
        if self._brake is None or away is None or row.uid < self._backlog:
            return None
        taken = self._taken.get(away.rule)
        if taken is None:
            taken = self._taken_by(away.rule)
        if taken >= self._brake.limit:
            self._taken[away.rule] = math.inf
            return away.rule
        self._taken[away.rule] = taken + 1
        return None

    def _sent_by(self, rule: str) -> float:
        """Return how many letters a rule has sent of late; no end of them if some are held already."""
        held, sent = self._db.execute(
            "SELECT coalesce(max(a.state = 'held'), 0), count(*)"
            " FROM action a JOIN message m ON m.id = a.message WHERE a.rule = ?1 AND m.mailbox = ?2"
            f" AND a.kind IN {SENDING} AND (a.changed_at > ?3 OR a.state = 'held')",
            (rule, self._mailbox, self._now - SENT_PERIOD),
        ).get
        return math.inf if held else float(sent)

    def _taken_by(self, rule: str) -> float:
        """Return how many messages a rule took of late; no end of them if some are held already."""
        held, taken = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM action a JOIN message m ON m.id = a.message"
            " WHERE a.state = 'held' AND a.rule = ?1 AND m.mailbox = ?2),"
            " (SELECT count(*) FROM action a JOIN message m ON m.id = a.message"
            " WHERE a.rule = ?1 AND a.changed_at > ?3 AND m.mailbox = ?2 AND a.kind IN ('move', 'delete')"
            " AND a.state IN ('planned', 'sent', 'done') AND NOT a.errand AND m.uid >= ?4)",
            (rule, self._mailbox, self._now - BRAKE_PERIOD, self._backlog),
        ).get
        return math.inf if held else float(taken)


def _message(mailbox: int, uid_validity: int, row: Row, now: int) -> tuple[str | int, ...]:
    return (
        mailbox,
        uid_validity,
        row.uid,
        row.message_id,
        row.internal_date,
        row.size,
        now,
        row.trouble,
        row.sender,
        row.subject,
    )


def owned(path: Path) -> None:
    """
    See to it that a database can be read by its owner only, before SQLite opens it: the files beside it get its rights.

    Raises:
        OSError: It cannot be made, or is somebody else's.

    """
    path.touch(0o600)
    path.chmod(0o600)


def _opened(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(file: int) -> bool:
    """Lock a file, if nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


MAX_BATCH = 64
"""Requests in one transaction: with one a mailbox in flight, a commit for every few dozen accounts."""

LONE = 0.02
"""Seconds without a request after which one is alone: when mail comes for many, their requests share transactions."""

QUICK = 0.005
"""Seconds that the transaction before may have taken if one is to be carried out in the event loop: what holds it for
so long may be a command, too. A disk that is slow, or stalls, holds it once."""

FEW = 8
"""Messages recorded in the event loop at the most: a tenth of a millisecond each."""


class JournalThread:
    """
    A journal in its own thread. `answer` is called in that thread, in the order of the requests; or before `ask`
    returns, if a message comes alone and the disk is quick: a message on its way to where the rules want it waits then
    for the disk, and not for two threads to wake each other.
    """

    def __init__(self, path: Path, errand: bool = False) -> None:
        """Open the journal, for an errand or for a watcher, and start the thread. Raises JournalError."""
        self._journal = Journal(path, errand)
        self._journal.make_room()
        self._requests: queue.SimpleQueue[tuple[Request, Callable[[Answer], None]] | None] = queue.SimpleQueue()
        self._asked = self._carried_out = 0  # equal: the thread has nothing to do with the journal
        self._asked_at = -math.inf
        self._took = math.inf
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def ask(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """Have a request carried out. To be called in one thread."""
        now = time.monotonic()
        lone, self._asked_at = now - self._asked_at > LONE, now
        idle = self._asked == self._carried_out
        quick = idle and lone and self._took < QUICK and self._journal.is_rested
        if quick and isinstance(request, Record) and _is_small(request):
            given = self._journal.carry_out_now(request)
            self._took = time.monotonic() - now
            if given is not None:
                answer(given)
                return
        self._asked += 1
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
            begun = time.monotonic()
            answers = self._journal.carry_out([request for request, _ in batch])
            self._took = time.monotonic() - begun
            if len(batch) > 1 and isinstance(answers[0], JournalFailed):  # one of them need not be all of them
                answers = [self._journal.carry_out([request])[0] for request, _ in batch]
            for (_, answer), given in zip(batch, answers, strict=True):
                answer(given)
            self._journal.rest(self._requests.empty())
            self._carried_out += len(batch)
            if waiting is not None:
                waiting = self._requests.get()
        self._journal.close()


def _is_small(record: Record) -> bool:
    return len(record.rows) <= FEW and not any(row.parcels for row in record.rows)
