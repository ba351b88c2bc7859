"""What makes messages part of mailboxes: all arrivals of a group with a few statements.

Each step of a statement lets go of the interpreter and has to win it back from a busy event loop, which costs more than
the step; so statements take many rows at once.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...model.change import Change
from ...model.flags import DELETED, SEEN
from ...model.ids import MAX_UID, UID, MailboxId, ModSeq, UIDValidity
from ...model.message import Digest, Placed
from ..abc import Append, Appended, MailboxMissing, StoreError
from .database import Database
from .writer import Job, Tx

SIZES = (16, 4, 1)
"""Rows of one statement: any number is made up of few statements, and all of them stay prepared."""


class Arrival(NamedTuple):
    """A message to append, with the flags of each placement as they are stored."""

    message: Append
    flags: tuple[str, ...]


class Arrived(NamedTuple):
    """Where it went, and the number of its blob."""

    placed: Appended
    blob: int


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
                db.execute(statement, [value for row in rows[at : at + size] for value in row])
                at += size


_MAILBOXES = Rows(
    "WITH new (id, n, unseen, deleted, size) AS (VALUES ",
    5,
    ") UPDATE mailbox SET uid_next = uid_next + new.n, highest_mod_seq = highest_mod_seq + new.n,"
    " messages = messages + new.n, unseen = mailbox.unseen + new.unseen, deleted = mailbox.deleted + new.deleted,"
    " size = mailbox.size + new.size FROM new WHERE mailbox.id = new.id",
)
_BLOBS = Rows("INSERT INTO blob (id, key, refs) VALUES ", 3)
_BODIES = Rows("INSERT INTO inline_body (blob, body) VALUES ", 2)
_MESSAGES = Rows("INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, size, blob) VALUES ", 7)
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
    """A mailbox while messages are appended to it."""

    __slots__ = ("deleted", "messages", "mod_seq", "size", "uid_next", "uid_validity", "unseen")

    def __init__(self, uid_validity: int, uid_next: int, mod_seq: int) -> None:
        self.uid_validity = UIDValidity(uid_validity)
        self.uid_next = uid_next
        self.mod_seq = mod_seq
        self.messages = self.unseen = self.deleted = self.size = 0


def append_all(tx: Tx, jobs: Sequence[Job[Any]]) -> None:
    """Append the arrivals that are the jobs' work, in their order; one whose mailbox is gone fails alone."""
    if len(jobs) == 1 and _append_one(tx, jobs[0]):
        return
    heads = _heads(tx.db, {place.mailbox for job in jobs for place in job.work.message.placements})
    blobs: list[tuple[int, str, int]] = []
    bodies: list[tuple[int, bytes]] = []
    digests: list[tuple[Any, ...]] = []
    messages: list[tuple[Any, ...]] = []
    for job in jobs:
        message, flags = job.work
        job.problem = _objection(message, heads)
        if job.problem is not None:
            continue
        blob = message.blob
        number = tx.new_number()
        placed = []
        for place, text in zip(message.placements, flags, strict=True):
            mailbox = place.mailbox
            head = heads[mailbox]
            uid = UID(head.uid_next)
            before = ModSeq(head.mod_seq)
            head.uid_next += 1
            head.mod_seq += 1
            head.messages += 1
            head.unseen += SEEN not in text.split()
            head.deleted += DELETED in text.split()
            head.size += blob.size
            placed.append(Placed(mailbox, head.uid_validity, uid))
            messages.append((mailbox, uid, head.mod_seq, text, message.internal_date, blob.size, number))
            job.changes.append(Change(mailbox, before, ModSeq(head.mod_seq), appended=(uid,)))
        blobs.append((number, blob.key, len(placed)))
        if blob.inline is not None:
            bodies.append((number, blob.inline))
        if message.digest is not None:
            of = message.digest
            digests.append((number, of.header_size, of.envelope, of.body_structure, of.parts))
        job.result = Arrived(Appended(placed), number)
    changed = [
        (mailbox, head.messages, head.unseen, head.deleted, head.size)
        for mailbox, head in heads.items()
        if head.messages
    ]
    _MAILBOXES.run(tx.db, changed)
    _BLOBS.run(tx.db, blobs)
    _BODIES.run(tx.db, bodies)
    DIGESTS.run(tx.db, digests)
    _MESSAGES.run(tx.db, messages)
    tx.unfiled += len(messages)
    tx.unsettled |= bool(messages)


def _append_one(tx: Tx, job: Job[Any]) -> bool:
    """Append what came alone to one mailbox, as almost everything does on a quiet server; False if it is not that."""
    message, flags = job.work
    blob, body = message.blob, message.blob.inline
    if len(flags) != 1 or body is None or message.digest is not None:
        return False
    db, mailbox, text = tx.db, message.placements[0].mailbox, flags[0]
    words = text.split()
    head = db.ask(
        "UPDATE mailbox SET uid_next = uid_next + 1, highest_mod_seq = highest_mod_seq + 1, messages = messages + 1,"
        " unseen = unseen + ?, deleted = deleted + ?, size = size + ? WHERE id = ? AND uid_next < ?"
        " RETURNING uid_validity, uid_next - 1, highest_mod_seq",
        (SEEN not in words, DELETED in words, blob.size, mailbox, MAX_UID),
    )
    if not head:
        return False  # why, is said on the longer way
    uid_validity, uid, mod_seq = head[0]
    number = tx.new_blob(blob.key, 1)
    db.execute("INSERT INTO inline_body (blob, body) VALUES (?, ?)", (number, body))
    db.execute(
        "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, size, blob) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (mailbox, uid, mod_seq, text, message.internal_date, blob.size, number),
    )
    job.changes.append(Change(mailbox, ModSeq(mod_seq - 1), mod_seq, appended=(uid,)))
    job.result = Arrived(Appended((Placed(mailbox, uid_validity, uid),)), number)
    tx.unfiled += 1
    tx.unsettled = True
    return True


def _heads(db: Database, mailboxes: Iterable[MailboxId]) -> dict[MailboxId, _Head]:
    """Return those of the mailboxes that exist."""
    found = db.ask(
        "SELECT json_group_array(json_array(id, uid_validity, uid_next, highest_mod_seq)) FROM mailbox"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(mailboxes)),),
    )
    return {MailboxId(id): _Head(*numbers) for id, *numbers in json.loads(found[0][0])}


def _objection(message: Append, heads: dict[MailboxId, _Head]) -> StoreError | None:
    """Say why the message cannot be appended, None if it can."""
    for place in message.placements:
        head = heads.get(place.mailbox)
        if head is None:
            return MailboxMissing(f"there is no mailbox {place.mailbox}; it was deleted")
        if head.uid_next + len(message.placements) > MAX_UID:
            return StoreError("the mailbox has no UIDs left: move its messages to a new one")
    return None


__all__ = ["DIGESTS", "Arrival", "Arrived", "Rows", "append_all", "write_digest"]
