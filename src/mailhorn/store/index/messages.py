"""The part of the SQLite index that writes messages: what comes, what is flagged, copied, moved and expunged.

Rule 1: a job checks before it writes, so that a refusal leaves nothing behind. Rule 2: every change of a mailbox raises
its mod-sequence by one, whatever number of messages it touches.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...model.change import Change, FlagUpdate
from ...model.flags import DELETED, MAX_FLAGS, NO_FLAGS, SEEN, Flag, Flags, flag_set, is_permanent
from ...model.ids import MAX_MOD_SEQ, MAX_UID, UID, MailboxId, ModSeq, UIDValidity
from ...model.message import Placed
from ..abc import (
    Append,
    Appended,
    Copied,
    MessageMissing,
    StoreError,
    TooManyFlags,
)
from ..names import file_name
from .arrivals import Arrival, Arrived, write_digest
from .database import Database, let_go
from .digesting import Digesting
from .lane import Job
from .reading import SqliteReading, missing, ranges
from .writer import Tx

FEW_OUTCOMES = 8
"""Sets of flags that become others by one statement, which compares each message's with them one after the other."""


def flag_text(flags: Iterable[str]) -> str:
    """Return the flags as they are stored and sent; those that a message cannot keep are left out."""
    if not flags:
        return ""
    return " ".join(sorted(filter(is_permanent, flag_set(flags))))


def with_flags(
    text: str, add: Flags, remove: Flags, replace: bool, may: Callable[[Flag], bool] | None = None
) -> str | None:
    """Return the flags after the change, None if there is none; keywords keep their first spelling."""
    have = {flag.lower(): flag for flag in text.split()}
    if may is not None:
        stay = {flag for flag in have.values() if not may(flag)}
        add, remove = frozenset(filter(may, add)) | (stay if replace else NO_FLAGS), frozenset(filter(may, remove))
    wanted = {flag.lower(): flag for flag in add if is_permanent(flag)}
    if replace:
        new = {low: have.get(low, flag) for low, flag in wanted.items()}
    else:
        gone = {flag.lower() for flag in remove}
        new = {low: flag for low, flag in (wanted | have).items() if low not in gone}
    return None if new.keys() == have.keys() else flag_text(new.values())


class SqliteMessages(SqliteReading):
    """The verbs of `Index` that change messages."""

    _grace: float
    _clock: Callable[[], float]
    _digesting: Digesting

    def append_soon(self, message: Append, then: Callable[[Appended | Exception], None]) -> None:
        if not message.placements:
            raise StoreError("a message has to be placed somewhere")
        flags = tuple([flag_text(placement.flags) for placement in message.placements])

        def done(job: "Job[Arrived]") -> None:  # else what the brackets mean is worked out for each message
            if job.problem is not None:
                then(job.problem)
                return
            placed, number, _ = job.result
            placed.durable_at = job.stamp
            then(placed)
            if message.digest is None and message.blob.inline is not None:
                self._digesting.soon(number)

        self._writer.arrive(Arrival(message, flags, int(self._clock())), done)

    async def append_together(
        self, messages: Sequence[Append], replacing: tuple[MailboxId, UID] | None = None
    ) -> list[Placed]:
        now = int(self._clock())

        def work(tx: Tx) -> list[Placed]:
            placed = [place for message in messages for place in _append(tx, message, now)]
            if replacing is not None:
                mailbox, uid = replacing
                change = self._expunge(tx, mailbox, [(uid, uid)], deleted_only=False)
                if not change.expunged:
                    raise MessageMissing(f"message {uid} of mailbox {mailbox} is gone")
            return placed

        touched = [place.mailbox for message in messages for place in message.placements]
        return await self._writer.run(work, mailboxes=touched if replacing is None else [*touched, replacing[0]])

    async def set_flags(
        self,
        mailbox: MailboxId,
        uids: Sequence[UID],
        add: Flags,
        remove: Flags,
        replace: bool = False,
        unchanged_since: ModSeq | None = None,
        may: Callable[[Flag], bool] | None = None,
    ) -> Change:
        wanted = list(ranges(uids))
        newest = MAX_MOD_SEQ if unchanged_since is None else unchanged_since

        def work(tx: Tx) -> Change:
            before = head_of(tx, mailbox)
            after = ModSeq(before + 1)
            found: list[tuple[UID, str]] = []
            for first, last in wanted:
                found += tx.db.ask(
                    "SELECT uid, flags FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? AND mod_seq <= ?",
                    (mailbox, first, last, newest),
                )
            counts = Counter([text for _, text in found])
            outcomes: dict[str, str] = {}
            unseen = deleted = 0
            for text, count in counts.items():
                new = with_flags(text, add, remove, replace, may)
                if new is None:
                    continue
                if new.count(" ") >= max(MAX_FLAGS, text.count(" ") + 1):  # fewer than before is always fine
                    raise TooManyFlags(f"a message may have {MAX_FLAGS} flags at most")
                outcomes[text] = new
                unseen += count * (_unseen(new) - _unseen(text))
                deleted += count * (_deleted(new) - _deleted(text))
            if not outcomes:
                return Change(mailbox, before, before)
            updates = [FlagUpdate(uid, after, outcomes[text]) for uid, text in found if text in outcomes]
            _write_flags(tx.db, mailbox, wanted, newest, after, outcomes, updates)
            tx.db.execute(
                "UPDATE mailbox SET highest_mod_seq = ?, unseen = unseen + ?, deleted = deleted + ? WHERE id = ?",
                (after, unseen, deleted, mailbox),
            )
            change = Change(mailbox, before, after, updated=tuple(updates))
            tx.changes.append(change)
            tx.unsettled = True
            return change

        return await self._writer.run(work, mailboxes=[mailbox])

    async def expunge(
        self, mailbox: MailboxId, uids: Sequence[UID] | None, deleted_only: bool = True, most: int | None = None
    ) -> Change:
        wanted = [(1, MAX_UID)] if uids is None else list(ranges(uids))
        return await self._writer.run(
            lambda tx: self._expunge(tx, mailbox, wanted, deleted_only, most), mailboxes=[mailbox]
        )

    def _expunge(
        self,
        tx: Tx,
        mailbox: MailboxId,
        wanted: Sequence[tuple[int, int]],
        deleted_only: bool,
        most: int | None = None,
    ) -> Change:
        before = head_of(tx, mailbox)
        deleted = tx.db.ask("SELECT deleted FROM mailbox WHERE id = ?", (mailbox,))[0][0]
        gone: list[Any] = []
        if deleted or not deleted_only:
            for first, last in wanted:
                gone += tx.db.ask(
                    "SELECT uid, flags, message.size, letters, key, blob FROM message"
                    " JOIN blob ON blob.id = message.blob WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3"
                    " AND (?4 = '' OR instr(' ' || flags || ' ', ?4)) ORDER BY uid LIMIT ?5",
                    (
                        mailbox,
                        first,
                        last,
                        f" {DELETED} " if deleted_only else "",
                        -1 if most is None else most - len(gone),
                    ),
                )
                if most is not None and len(gone) >= most:
                    break
        if not gone:
            return Change(mailbox, before, before)
        due = self._clock() + self._grace
        tx.db.executemany(
            "INSERT INTO leaving (mailbox, uid, name, blob, size, due) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (mailbox, uid, None if letters is None else file_name(key, size, uid, letters), blob, size, due)
                for uid, _, size, letters, key, blob in gone
            ),
        )
        change = _remove(tx, mailbox, before, [row[:3] for row in gone])
        tx.changes.append(change)
        tx.unsettled = True
        return change

    async def copy(
        self,
        source: MailboxId,
        uids: Sequence[UID],
        target: MailboxId,
        move: bool = False,
        whole: bool = False,
        may: Callable[[Flag], bool] | None = None,
    ) -> Copied:
        return await self._writer.run(
            lambda tx: self._copy(tx, source, uids, target, move, whole, may),
            mailboxes=[source, target] if move else [target],
        )

    def _copy(
        self,
        tx: Tx,
        source: MailboxId,
        uids: Sequence[int],
        target: MailboxId,
        move: bool,
        whole: bool = False,
        may: Callable[[Flag], bool] | None = None,
    ) -> Copied:
        head_of(tx, source)
        head_of(tx, target)
        found: list[Any] = []
        for first, last in ranges(uids):
            found += tx.db.ask(
                "SELECT uid, flags, message.size, letters, key, blob, origin, internal_date FROM message"
                " JOIN blob ON blob.id = message.blob WHERE mailbox = ? AND uid BETWEEN ? AND ?",
                (source, first, last),
            )
        if whole and len(found) < len(uids):
            raise MessageMissing(f"{len(uids) - len(found)} of the messages of mailbox {source} are gone")
        if not found:
            return Copied((), target, UIDValidity(0), (), ())
        kept = found
        if may is not None:
            kept = [(row[0], " ".join(filter(may, row[1].split())), *row[2:]) for row in found]
        uid_validity, uid, after = tx.db.ask(
            "UPDATE mailbox SET uid_next = uid_next + ?1, highest_mod_seq = highest_mod_seq + 1,"
            " messages = messages + ?1, unseen = unseen + ?2, deleted = deleted + ?3, size = size + ?4"
            " WHERE id = ?5 RETURNING uid_validity, uid_next - ?1, highest_mod_seq",
            (
                len(found),
                sum(_unseen(row[1]) for row in kept),
                sum(_deleted(row[1]) for row in kept),
                sum(row[2] for row in kept),
                target,
            ),
        )[0]
        now = int(self._clock())
        tx.db.executemany(
            "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob, origin)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (target, number, after, row[1], row[7], now, row[2], row[5], _origin(source, row))
                for number, row in enumerate(kept, uid)
            ),
        )
        added = tuple(UID(n) for n in range(uid, uid + len(found)))
        changes = [Change(target, ModSeq(after - 1), after, appended=added)]
        if move:  # a file may be under way even where there is none yet
            tx.db.executemany(
                "INSERT INTO leaving (mailbox, uid, name, size, due) VALUES (?, ?, ?, ?, 0)",
                ((source, row[0], _name(row), row[2]) for row in found),
            )
            changes.append(_remove(tx, source, head_of(tx, source), [row[:3] for row in found]))
        else:
            tx.db.executemany("UPDATE blob SET refs = refs + 1 WHERE id = ?", ((row[5],) for row in found))
        tx.changes += changes
        tx.unfiled += sum(row[3] is None and row[6] is None for row in found)  # of the others there are files already
        tx.unsettled = True
        copied = tuple(row[0] for row in found)
        let_go(kept)
        let_go(found)
        return Copied(copied, target, UIDValidity(uid_validity), added, tuple(changes))


def _name(row: Any) -> str | None:
    """Return the file of a message that is copied, by its row; None if there is none yet."""
    uid, _, size, letters, key = row[:5]
    return None if letters is None else file_name(key, size, uid, letters)


def _origin(source: MailboxId, row: Any) -> str | None:
    """Return where the octets of its copy are to come from."""
    name = _name(row)
    return row[6] if name is None else f"{source}/{name}"


def _append(tx: Tx, message: Append, now: int) -> list[Placed]:
    """Insert a message past the journal: with its body, in a transaction that has more to do."""
    blob = tx.new_blob(message.blob.key, len(message.placements))
    if message.blob.inline is not None:
        tx.db.execute("INSERT INTO inline_body (blob, body) VALUES (?, ?)", (blob, message.blob.inline))
    if message.digest is not None:
        write_digest(tx.db, blob, message.digest)
    placed = []
    for mailbox, flags in [(place.mailbox, flag_text(place.flags)) for place in message.placements]:
        head_of(tx, mailbox)
        found = tx.db.ask(
            "UPDATE mailbox SET uid_next = uid_next + 1, highest_mod_seq = highest_mod_seq + 1,"
            " messages = messages + 1, unseen = unseen + ?1, deleted = deleted + ?2, size = size + ?3"
            " WHERE id = ?4 AND uid_next < ?5 RETURNING uid_validity, uid_next - 1, highest_mod_seq",
            (_unseen(flags), _deleted(flags), message.blob.size, mailbox, MAX_UID),
        )
        if not found:
            raise StoreError("the mailbox has no UIDs left: move its messages to a new one")
        uid_validity, uid, mod_seq = found[0]
        tx.db.execute(
            "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (mailbox, uid, mod_seq, flags, message.internal_date, now, message.blob.size, blob),
        )
        tx.changes.append(Change(mailbox, ModSeq(mod_seq - 1), ModSeq(mod_seq), appended=(UID(uid),)))
        placed.append(Placed(mailbox, UIDValidity(uid_validity), UID(uid)))
    tx.unfiled += len(placed)
    tx.unsettled = True
    return placed


def head_of(tx: Tx, mailbox: MailboxId) -> ModSeq:
    """Return the mailbox's mod-sequence. Raises MailboxMissing."""
    found = tx.db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
    if not found:
        raise missing(mailbox)
    return ModSeq(found[0][0])


def _write_flags(
    db: Database,
    mailbox: MailboxId,
    wanted: Sequence[tuple[int, int]],
    newest: int,
    after: ModSeq,
    outcomes: Mapping[str, str],
    updates: Sequence[FlagUpdate],
) -> None:
    """Write what has become of flags: range by range, as that takes half the time; if all differ, one by one."""
    assign = "changed = 1, dirty = letters IS NOT NULL WHERE mailbox = ? AND uid"
    if len(outcomes) > FEW_OUTCOMES:
        db.executemany(
            f"UPDATE message SET mod_seq = ?, flags = ?, {assign} = ?",
            ((after, update.flags, mailbox, update.uid) for update in updates),
        )
        return
    cases = " WHEN ? THEN ?" * len(outcomes)
    sql = (
        f"UPDATE message SET mod_seq = ?, flags = CASE flags{cases} END, {assign} BETWEEN ? AND ? AND mod_seq <= ?"
        f" AND flags IN ({', '.join('?' * len(outcomes))})"
    )
    texts = [text for pair in outcomes.items() for text in pair]
    for first, last in wanted:
        db.execute(sql, (after, *texts, mailbox, first, last, newest, *outcomes))


def _remove(tx: Tx, mailbox: MailboxId, before: ModSeq, gone: list[Any]) -> Change:
    """Take (uid, flags, size) rows out of the mailbox and leave tombstones; their files are the caller's care."""
    after = ModSeq(before + 1)
    tx.db.executemany("DELETE FROM message WHERE mailbox = ? AND uid = ?", ((mailbox, row[0]) for row in gone))
    tx.db.executemany(
        "INSERT INTO tombstone (mailbox, mod_seq, uid) VALUES (?, ?, ?)", ((mailbox, after, row[0]) for row in gone)
    )
    tx.db.execute(
        "UPDATE mailbox SET highest_mod_seq = ?, messages = messages - ?, unseen = unseen - ?,"
        " deleted = deleted - ?, size = size - ? WHERE id = ?",
        (
            after,
            len(gone),
            sum(_unseen(row[1]) for row in gone),
            sum(_deleted(row[1]) for row in gone),
            sum(row[2] for row in gone),
            mailbox,
        ),
    )
    return Change(mailbox, before, after, expunged=tuple(row[0] for row in gone))


def _unseen(flags: str) -> bool:
    return SEEN not in flags.split()


def _deleted(flags: str) -> bool:
    return DELETED in flags.split()


__all__ = ["SqliteMessages", "flag_text", "head_of", "with_flags"]
