"""What makes messages parts of mailboxes: durable in the journal first, which is what their senders wait for, then in
the tables, many at a time.

Rule 1: what was taken is in `waiting` until the tables have it; everything else that is done to the tables is done
after that. Rule 2: a small body is in the journal until it is a file: the tables get it only if the journal needs its
place (`spill`) or after a crash (`recover`). Rule 3: who takes has `lock`, from `prepare` until it is
told; the rest is the writer's. Rule 4: a transaction enters what waited when it began (`begin`), and no mailbox whose
numbers it changes gets mail until it has ended (`may_take`).

A statement takes many rows at once: each step of one lets go of the interpreter and has to win it back from a busy
event loop, which costs more than the step.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from ...model.change import Change
from ...model.flags import DELETED, SEEN
from ...model.ids import MAX_UID, UID, MailboxId, ModSeq, UIDValidity
from ...model.message import Digest, Placed
from ..abc import Append, Appended, MailboxMissing, StoreError, StoreUnavailable
from ..aio import Aio
from ..journal import Body, Entry, Journal, Place, Record, entry_of, pack
from .bodies import Bodies
from .database import Database

SIZES = (64, 16, 4, 1)
"""Rows of one statement: any number is made up of few statements, and all of them stay prepared."""

LOOK_EVERY = 0.1
"""Seconds between two looks whether another process has changed the database. One that removes an account beside the
server may find that mail for it was accepted for so long: it goes the way of all the account's mail."""

MARK_EVERY = 256
"""Records between two notes of how far bodies have come to rest. Should the database be lost, expunged messages among
so many, at the most, come back."""

NO_MAILBOXES: frozenset[MailboxId] = frozenset()
"""What is changed by who changes no mailbox's numbers."""

SOON = 0.75
"""How much of the journal may hold bodies that are no files yet before they have to become files whatever comes."""

MAX_HEADS = 4_096
"""Mailboxes whose numbers are kept in memory, some 200 octets each."""


log = structlog.get_logger(__name__)


class Arrival(NamedTuple):
    """A message to append, with the flags of each placement as they are stored, and the time, seconds since 1970."""

    message: Append
    flags: tuple[str, ...]
    now: int


class Arrived(NamedTuple):
    """Where it went, the number of its blob, and what to tell."""

    placed: Appended
    blob: int
    changes: tuple[Change, ...]


class Rows:
    """A statement that takes several rows of values."""

    def __init__(self, before: str, width: int, after: str = "") -> None:
        row = f"({','.join('?' * width)})"
        self._statements = tuple((size, before + ",".join([row] * size) + after) for size in SIZES)

    def run(self, db: Database, rows: Sequence[Sequence[Any]]) -> None:
        """Run it with all rows."""
        at = 0
        for size, statement in self._statements:
            while len(rows) - at >= size:
                db.execute(statement, [*chain.from_iterable(rows[at : at + size])])
                at += size


_MAILBOXES = Rows(
    "WITH new (id, n, unseen, deleted, size) AS (VALUES ",
    5,
    ") UPDATE mailbox SET uid_next = uid_next + new.n, highest_mod_seq = highest_mod_seq + new.n,"
    " messages = messages + new.n, unseen = mailbox.unseen + new.unseen, deleted = mailbox.deleted + new.deleted,"
    " size = mailbox.size + new.size FROM new WHERE mailbox.id = new.id",
)
_BLOBS = Rows("INSERT INTO blob (id, key, refs) VALUES ", 3)
_BODIES = Rows("INSERT OR IGNORE INTO inline_body (blob, body) VALUES ", 2)
_MESSAGES = Rows("INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob) VALUES ", 8)
DIGESTS = Rows(
    "WITH new (blob, header_size, envelope, body_structure, parts) AS (VALUES ",
    5,
    ") INSERT OR REPLACE INTO digest (blob, header_size, envelope, body_structure, parts)"
    " SELECT new.* FROM new JOIN blob ON blob.id = new.blob",
)
"""Keeps what FETCH needs of bodies; of what has gone meanwhile, nothing."""


def write_digest(db: Database, blob: int, of: Digest) -> None:
    """Keep what FETCH needs of a body; twice is as good as once."""
    DIGESTS.run(db, [(blob, of.header_size, of.envelope, of.body_structure, of.parts)])


class _Head:
    """A mailbox's numbers, with what has been taken and not been entered."""

    __slots__ = ("mod_seq", "uid_next", "uid_validity")

    def __init__(self, uid_validity: int, uid_next: int, mod_seq: int) -> None:
        self.uid_validity = UIDValidity(uid_validity)
        self.uid_next = uid_next
        self.mod_seq = mod_seq


class _Part:
    """What a part of the journal holds: the blobs whose bodies are in it, and the number of its last record."""

    __slots__ = ("kept", "last")

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.last = 0


class Numbers:
    """Gives numbers to blobs. The process that holds the journal, or makes an index anew, is the only one that does."""

    __slots__ = ("_lock", "last", "looked")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last = 0
        self.looked = False

    def next(self, db: Database) -> int:
        """Return a number that no blob has."""
        with self._lock:
            if not self.looked:
                self.last = max(self.last, db.ask("SELECT coalesce(max(id), 0) FROM blob")[0][0])
                self.looked = True
            self.last += 1
            return self.last


class Prepared(NamedTuple):
    """What is to be written for some arrivals, and what they come to then."""

    records: list[tuple[bytes, ...]]
    rows: list[tuple[Entry, bytes | None]]
    outcomes: list[Arrived | StoreError]
    octets: int


class Arrivals:
    """
    What has arrived, on its way into the tables.

    Attributes:
        waiting: Taken and not entered, in order; what a transaction is entering is at the front.
        bodies: Where small bodies are that are no files yet. Whoever has brought one to rest takes it out.
        digests: What was worked out of bodies meanwhile, by the numbers of their blobs; it is entered with them.
        number: Of the last record that was taken.
        lock: Of who takes, until it is told; and of what is changed here because of the tables.
        gate: The writer has it while it waits for the lock, and who takes one group after the other goes through it.
        asked: Whether the writer has been asked to enter what waits.

    """

    def __init__(self, path: Path, numbers: Numbers, bodies: Bodies, digests: dict[int, Digest]) -> None:
        self.waiting: list[Entry] = []
        self.bodies = bodies
        self.digests = digests
        self.number = 0
        self.lock = threading.RLock()
        self.gate = threading.Lock()
        self.asked = False
        self._changing: frozenset[MailboxId] | None = NO_MAILBOXES
        """Mailboxes whose numbers a transaction may change; None: all."""
        self._entering = 0
        """How many of those that wait."""
        self._until = 0
        """The last of their numbers."""
        self._digested: list[int] = []
        """Of which of them the digests are entered, too."""
        self._path = path
        self._numbers = numbers
        self._journal: Journal | None = None
        self._opening: tuple[Journal, int] | None = None
        self._heads: dict[MailboxId, _Head] = {}
        self._parts: list[_Part] = []
        """What is in each part of the journal."""
        self._sealed = 0
        """Records up to this number are in the tables, and these on the disk."""
        self._sealing = False
        """Whether a transaction writes something in any case."""
        self._chosen = 0
        """The part to be written next."""
        self._version: tuple[Database | None, int] = (None, 0)
        self._look_at = 0.0
        self._mark_at = 0
        """The record from which on it is time to note how far bodies have come to rest."""

    # the journal

    @property
    def open(self) -> bool:
        """Whether the journal is, and all that a crash left in it is in the tables."""
        return self._journal is not None

    def recover(self, db: Database) -> None:
        """
        Open the journal and enter what a crash left in it, in a transaction; `opened` is for when it is durable.

        Raises StoreUnavailable.
        """
        if self._journal is not None:
            return
        try:
            journal, path = Journal(self._path), str(self._path)
        except BlockingIOError:
            raise StoreUnavailable(f"another mailhorn is serving {self._path.parent}") from None
        try:
            records = journal.records()
            if journal.lost:
                log.error("records of the journal cannot be read, see to the disk", file=path, records=journal.lost)
            identity, entered = db.ask("SELECT journal, entered FROM server")[0]
            if identity and identity == journal.identity:
                journal.number = max(journal.number, entered + 1)
                late = [record for record in records if record.number > entered]
                _enter_late(db, late, self._numbers, _by_number(db), journal.read)
                _give_bodies(db, [record for record in records if record.number <= entered], journal.read)
            else:  # an index that was made anew does not know of what had no file; a big one is in the spool, or was
                identity = secrets.randbits(48) + 1
                left = [record for record in records if record.entry.blob > journal.resting and record.body is not None]
                _enter_late(db, left, self._numbers, _by_uid_validity(db), journal.read)
                _give_bodies(db, records, journal.read)  # if only the journal's first block is damaged, it is the same
            self._enter_numbers(db, identity, journal.number - 1)
            self._numbers.next(db)
        except BaseException:
            journal.close()
            raise
        self._numbers.last = max(self._numbers.last, max((record.entry.blob for record in records), default=0))
        self._opening = journal, identity

    def opened(self, durably: bool) -> None:
        """Begin to use the journal, or let go of it. Raises OSError."""
        if self._opening is None:
            return
        journal, identity = self._opening
        self._opening = None
        try:
            if durably and identity != journal.identity:
                journal.begin(identity, self._path.parent)
            if durably:
                journal.empty()  # the tables have what was in it
        except BaseException:
            journal.close()
            raise
        if not durably:
            journal.close()
            return
        with self.lock:
            self._journal = self.bodies.journal = journal
            self.number = self._sealed = journal.number - 1
            self._parts = [_Part()]

    def close(self, sealed: bool) -> None:
        """
        Let go of the journal; if nobody needs anything in it, it is emptied.

        Args:
            sealed: Whether all that was entered is on the disk.

        Raises OSError.

        """
        if self._journal is not None:
            try:
                if sealed and not self.waiting and not self.bodies:
                    self._journal.empty()
            finally:
                self._journal.close()
                self._journal = self.bodies.journal = None

    def _enter_numbers(self, db: Database, identity: int, entered: int) -> None:
        db.execute("UPDATE server SET journal = ?, entered = ?", (identity, entered))

    # taking

    def may_take(self, arrival: Arrival) -> bool:
        """Return whether nothing is being done that its numbers could depend on."""
        changing = self._changing
        return (
            self._journal is not None
            and changing is not None
            and not (changing and any([place.mailbox in changing for place in arrival.message.placements]))
        )

    def prepare(self, db: Database, arrivals: Sequence[Arrival]) -> Prepared:
        """Give the arrivals their numbers, which hold only if `take` comes next."""
        assert self._journal is not None
        self._look_around(db)
        self._load_heads(db, {place.mailbox for message, _, _ in arrivals for place in message.placements})
        number = self._journal.number
        done = Prepared([], [], [], 0)
        given: dict[MailboxId, int] = {}
        octets = 0
        if number >= self._mark_at:
            done.records.append(pack(self.bodies.first(self._numbers.last + 1) - 1, None, number))
        for message, flags, now in arrivals:
            problem = self._objection(message, given)
            if problem is not None:
                done.outcomes.append(problem)
                continue
            blob = message.blob
            places, placed, changes = [], [], []
            for place, text in zip(message.placements, flags, strict=True):
                mailbox = place.mailbox
                head = self._heads[mailbox]
                before = given.get(mailbox, 0)
                given[mailbox] = before + 1
                uid, mod_seq = UID(head.uid_next + before), ModSeq(head.mod_seq + before + 1)
                places.append(Place(mailbox, head.uid_validity, uid, mod_seq, text))
                placed.append(Placed(mailbox, head.uid_validity, uid))
                changes.append(Change(mailbox, ModSeq(mod_seq - 1), mod_seq, appended=(uid,)))
            entry = entry_of(
                self._numbers.next(db),
                blob.key,
                blob.size,
                message.internal_date,
                tuple(places),
                message.digest,
                now,
            )
            record = pack(entry, blob.inline, number + len(done.records))
            length = sum(map(len, record))
            if length > self._journal.part_octets // 2:
                for place in message.placements:
                    given[place.mailbox] -= 1
                done.outcomes.append(StoreError("the structure of the message is too large to be kept"))
                continue
            octets += length
            done.records.append(record)
            done.rows.append((entry, blob.inline))
            done.outcomes.append(Arrived(Appended(placed), entry.blob, tuple(changes)))
        return done._replace(octets=octets)

    def fits(self, prepared: Prepared) -> bool:
        """Return whether the journal has room; else `turn` comes first, and perhaps `spill` before that."""
        assert self._journal is not None
        return self._journal.fits(prepared.octets + 64)

    def take(self, prepared: Prepared) -> None:
        """Make what was prepared durable. Raises OSError: nothing was taken."""
        assert self._journal is not None
        self._taken(prepared, self._journal.write(prepared.records) if prepared.records else 0)

    def begin_take(self, aio: Aio, prepared: Prepared) -> bool:
        """
        Begin to make durable what was prepared, which fits; `end_take` is next.

        False: that can only be done by `take` now. Raises OSError: nothing was begun.
        """
        assert self._journal is not None
        return self._journal.begin_write(aio, prepared.records)

    def end_take(self, aio: Aio, prepared: Prepared) -> bool:
        """Return whether what was begun has ended: it is durable. Raises OSError: nothing was taken."""
        assert self._journal is not None
        at = self._journal.end_write(aio, len(prepared.records))
        if at is not None:
            self._taken(prepared, at)
        return at is not None

    def _taken(self, prepared: Prepared, at: int) -> None:
        """Take note of what the journal has, from there on."""
        journal = self._journal
        assert journal is not None
        self.number = journal.number - 1
        part = self._parts[journal.part]
        part.last = self.number
        marks = len(prepared.records) - len(prepared.rows)
        if marks:
            self._mark_at = self.number + MARK_EVERY
        at += sum([len(piece) for record in prepared.records[:marks] for piece in record])
        for (entry, body), record in zip(prepared.rows, prepared.records[marks:], strict=True):
            for place in entry.places:
                head = self._heads[MailboxId(place.mailbox)]
                head.uid_next += 1
                head.mod_seq += 1
            at += sum(map(len, record))
            if body is not None:
                self.bodies.put(entry.blob, Body(at - len(body), len(body)), body)
                part.kept.append(entry.blob)
            self.waiting.append(entry)

    def choose(self) -> bool:
        """
        Choose the part to be written next: the first that nobody needs, a new one, or that which is oldest.

        Return whether the tables need what is in it: `spill` comes first then, and `turn` when that is durable.
        """
        assert self._journal is not None
        parts, current = self._parts, self._journal.part
        self._chosen = next((n for n, part in enumerate(parts) if n != current and not self._needed(part)), len(parts))
        if self._chosen == len(parts):
            if self._chosen < self._journal.most_parts:
                return False
            self._chosen = min((n for n in range(len(parts)) if n != current), key=lambda n: parts[n].last)
        return parts[self._chosen].last > self._sealed or bool(parts[self._chosen].kept)

    def _needed(self, part: _Part) -> bool:
        """Return whether a part holds bodies that are no files yet."""
        if any(blob in self.bodies for blob in part.kept):
            return True
        part.kept.clear()
        return False

    def spill(self, db: Database) -> None:
        """Give the tables the bodies of the chosen part, in a transaction that is durable."""
        for blob in self._parts[self._chosen].kept:
            body = self.bodies.get(blob)
            if body is not None:
                db.execute(
                    "INSERT OR IGNORE INTO inline_body (blob, body) SELECT ?1, ?2"
                    " WHERE EXISTS (SELECT 1 FROM blob WHERE id = ?1)",
                    (blob, body),
                )
        self.seal(db)

    def pressed(self) -> bool:
        """Return whether what is no file yet will soon be in the way of what arrives."""
        journal = self._journal
        return journal is not None and self.bodies.octets >= SOON * journal.most_parts * journal.part_octets

    @property
    def octets(self) -> int:
        """How many octets have been written to the journal."""
        return 0 if self._journal is None else self._journal.written

    @property
    def too_long(self) -> bool:
        """Whether the journal is longer than it has to be, and nobody needs anything in it once it is sealed."""
        return self._journal is not None and self._journal.is_long and not self.bodies and not self.waiting

    def shorten(self) -> None:
        """Make the journal shorter if nobody needs anything in it. Raises OSError."""
        if self._journal is not None and self.too_long and self._sealed == self.number:
            self._chosen = 0
            self.turn()
            self._journal.shorten()
            del self._parts[self._journal.parts :]

    def seal(self, db: Database) -> None:
        """Write something, so that a durable transaction flushes what was entered before without a flush."""
        assert self._journal is not None
        self._enter_numbers(db, self._journal.identity, self._until)
        self._sealing = True

    def turn(self) -> None:
        """Go on in the chosen part. Raises OSError."""
        assert self._journal is not None
        self._journal.turn(self._chosen)
        if self._chosen == len(self._parts):
            self._parts.append(_Part())
        for blob in self._parts[self._chosen].kept:
            self.bodies.forget(blob)
        self._parts[self._chosen].kept.clear()

    def _look_around(self, db: Database) -> None:
        """Forget what another process may have changed."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        version = (db, db.ask("PRAGMA data_version")[0][0])
        if version != self._version and not self.waiting:
            self._version = version
            self._heads.clear()

    def removed(self, blobs: Iterable[int]) -> None:
        """Let go of the bodies of messages that were expunged before they came to rest."""
        for blob in blobs:
            self.bodies.forget(blob)

    def _load_heads(self, db: Database, mailboxes: Iterable[MailboxId]) -> None:
        missing = [mailbox for mailbox in mailboxes if mailbox not in self._heads]
        if not missing:
            return
        if len(self._heads) > MAX_HEADS and not self.waiting:
            self._heads.clear()
            missing = list(mailboxes)
        if len(missing) == 1:
            found = db.ask("SELECT id, uid_validity, uid_next, highest_mod_seq FROM mailbox WHERE id = ?", missing)
        else:
            found = json.loads(
                db.ask(
                    "SELECT json_group_array(json_array(id, uid_validity, uid_next, highest_mod_seq)) FROM mailbox"
                    " WHERE id IN (SELECT value FROM json_each(?))",
                    (json.dumps(missing),),
                )[0][0]
            )
        for mailbox, *numbers in found:
            self._heads[MailboxId(mailbox)] = _Head(*numbers)

    def _objection(self, message: Append, given: dict[MailboxId, int]) -> StoreError | None:
        """Say why the message cannot be appended, None if it can."""
        for place in message.placements:
            head = self._heads.get(place.mailbox)
            if head is None:
                return MailboxMissing(f"there is no mailbox {place.mailbox}; it was deleted")
            if head.uid_next + given.get(place.mailbox, 0) + len(message.placements) > MAX_UID:
                return StoreError("the mailbox has no UIDs left: move its messages to a new one")
        return None

    # entering

    def begin(self, changing: frozenset[MailboxId] | None) -> bool:
        """
        Begin a transaction, which `entered` and `end` are the end of; return whether there is anything to enter.

        Args:
            changing: Mailboxes whose numbers it may change; None: any.

        """
        with self.gate, self.lock:
            self.asked = False
            self._changing = changing
            self._entering = len(self.waiting)
            self._until = self.number
            self._sealing = False
            self._digested = []
        return self._entering > 0

    def enter(self, db: Database) -> None:
        """Put what waited when the transaction began into the tables."""
        assert self._journal is not None
        entries = self.waiting[: self._entering]
        made = {entry.blob: of for entry in entries if (of := self.digests.get(entry.blob)) is not None}
        _enter(db, entries, made)
        self._digested = list(made)
        self._enter_numbers(db, self._journal.identity, self._until)

    def entered(self, durable: bool) -> int:
        """
        Forget what waited, as the tables have it, and the numbers that are others now; return the last record.

        Args:
            durable: Whether the transaction was flushed, if it wrote anything.

        """
        with self.gate, self.lock:
            if durable and (self._entering or self._sealing):
                self._sealed = self._until
            for blob in self._digested:
                self.digests.pop(blob, None)
            del self.waiting[: self._entering]
            if self._changing is None:
                self._heads.clear()
            else:
                for mailbox in self._changing:
                    self._heads.pop(mailbox, None)
        return self._until

    def end(self) -> None:
        """Let mail come to all mailboxes again, after what was done to them has been told."""
        self._changing = NO_MAILBOXES


def _enter(db: Database, entries: Sequence[Entry], made: dict[int, Digest]) -> None:
    """Put messages into the tables; those in a mailbox that another process has removed meanwhile are gone with it."""
    heads: dict[int, list[int]] = {}
    blobs: list[tuple[int, str, int]] = []
    digests: list[tuple[Any, ...]] = []
    messages: list[tuple[Any, ...]] = []
    for entry in entries:
        blobs.append((entry.blob, entry.key, len(entry.places)))
        if entry.digest is not None:
            digests.append((entry.blob, *entry.digest))
        elif (of := made.get(entry.blob)) is not None:
            digests.append((entry.blob, of.header_size, of.envelope, of.body_structure, of.parts))
        for mailbox, _, uid, mod_seq, flags in entry.places:
            head = heads.get(mailbox)
            if head is None:
                head = heads[mailbox] = [mailbox, 0, 0, 0, 0]
            head[1] += 1
            if not flags:
                head[2] += 1
            else:
                words = flags.split()
                head[2] += SEEN not in words
                head[3] += DELETED in words
            head[4] += entry.size
            messages.append((mailbox, uid, mod_seq, flags, entry.internal_date, entry.saved, entry.size, entry.blob))
    before = db.total_changes()
    _MAILBOXES.run(db, list(heads.values()))
    if db.total_changes() - before < len(heads):
        there = {mailbox for mailbox in heads if db.ask("SELECT 1 FROM mailbox WHERE id = ?", (mailbox,))}
        messages = [row for row in messages if row[0] in there]
        refs = {number: 0 for number, _, _ in blobs}
        for row in messages:
            refs[row[-1]] += 1
        blobs = [(number, key, refs[number]) for number, key, _ in blobs if refs[number]]
    _BLOBS.run(db, blobs)
    DIGESTS.run(db, digests)
    _MESSAGES.run(db, messages)


def _by_number(db: Database) -> Callable[[Place], int | None]:
    """Return what finds a place's mailbox in the database that gave it its number."""
    known = set(db.ask("SELECT id, uid_validity FROM mailbox"))
    return lambda place: place.mailbox if (place.mailbox, place.uid_validity) in known else None


def _by_uid_validity(db: Database) -> Callable[[Place], int | None]:
    """Return what finds it in another: by its UIDVALIDITY, unless a Maildir was adopted twice and two have the same."""
    known: dict[int, int | None] = {}
    for mailbox, uid_validity in db.execute("SELECT id, uid_validity FROM mailbox"):
        known[uid_validity] = None if uid_validity in known else mailbox
    return lambda place: known.get(place.uid_validity)


def _enter_late(
    db: Database,
    records: Sequence[Record],
    numbers: Numbers,
    find: Callable[[Place], int | None],
    read: Callable[[Body], bytes],
) -> None:
    """Enter, with its body, what was taken and is not in the tables; what they know to be expunged stays so."""
    for _, entry, body in records:
        places = [(find(place), place) for place in entry.places]
        new = [
            (mailbox, place)
            for mailbox, place in places
            if mailbox is not None
            and not db.ask(
                "SELECT 1 FROM message WHERE mailbox = ?1 AND uid = ?2"
                " UNION ALL SELECT 1 FROM tombstone WHERE mailbox = ?1 AND uid = ?2",
                (mailbox, place.uid),
            )
        ]
        if not new:
            continue
        blob = numbers.next(db)
        _BLOBS.run(db, [(blob, entry.key, len(new))])
        if body is not None:
            _BODIES.run(db, [(blob, read(body))])
        if entry.digest is not None:
            DIGESTS.run(db, [(blob, *entry.digest)])
        for mailbox, (_, _, uid, mod_seq, flags) in new:
            words = flags.split()
            ((mod_seq,),) = db.ask(
                "UPDATE mailbox SET uid_next = max(uid_next, ?1 + 1),"
                " highest_mod_seq = CASE WHEN highest_mod_seq < ?2 THEN ?2 ELSE highest_mod_seq + 1 END,"
                " messages = messages + 1, unseen = unseen + ?3, deleted = deleted + ?4, size = size + ?5"
                " WHERE id = ?6 RETURNING highest_mod_seq",
                (uid, mod_seq, SEEN not in words, DELETED in words, entry.size, mailbox),
            )
            saved = entry.saved or None
            _MESSAGES.run(db, [(mailbox, uid, mod_seq, flags, entry.internal_date, saved, entry.size, blob)])


def _give_bodies(db: Database, records: Sequence[Record], read: Callable[[Body], bytes]) -> None:
    """Give the tables the bodies of messages that they know and that have not come to rest."""
    for _, entry, body in records:
        if body is not None:
            db.execute(
                "INSERT OR IGNORE INTO inline_body (blob, body) SELECT ?1, ?2"
                " WHERE EXISTS (SELECT 1 FROM blob WHERE id = ?1 AND key = ?3) AND (EXISTS (SELECT 1 FROM message"
                " INDEXED BY message_unfiled WHERE blob = ?1 AND letters IS NULL AND origin IS NULL)"
                " OR EXISTS (SELECT 1 FROM leaving WHERE blob = ?1 AND name IS NULL))",
                (entry.blob, read(body), entry.key),
            )


__all__ = ["DIGESTS", "NO_MAILBOXES", "Arrival", "Arrivals", "Arrived", "Numbers", "Prepared", "Rows", "write_digest"]
