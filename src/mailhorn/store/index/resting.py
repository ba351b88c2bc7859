"""The SQLite index as the settler sees it: what is not at rest, and taking note that it is.

Almost nothing here waits for a flush: these jobs are committed with `synchronous = NORMAL`, and a power cut before
the next flush only means that a file is settled again. What makes a file durable comes before its job.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from ...model.ids import UID, AccountId, MailboxId
from ...model.mailbox import INBOX
from ...model.message import Digest
from ..abc import (
    NO_NOTES,
    AccountLine,
    AccountsWork,
    Done,
    Filed,
    FolderWork,
    Leaving,
    RemovedAccount,
    Renamed,
    Resting,
    RestoredMessage,
    SubscriptionsWork,
    Unfiled,
    Work,
)
from ..names import folder_of, login_dir
from .acl import write_acl
from .arrivals import DIGESTS, Rows, write_digest
from .bodies import Bodies
from .database import DISK_ERRORS, Database, open_reader, unavailable
from .metadata import OF_ACCOUNT, notes_file, restore_notes
from .writer import Tx, Writer

MAX_OCTETS = 8 * 1024 * 1024
"""Inline bodies taken into memory for one round."""

MAX_EXPUNGE_GRACE = 86_400.0
"""
Seconds that an expunged message may keep its file. Longer, and a Maildir read by other tools would show the dead for
days. What is due later than that was expunged while the clock was wrong, and is due now.
"""

_LEAVING = (  # what is due, in the order of the index; what waits out its grace is not looked through in each round
    "SELECT mailbox, uid, name, due FROM leaving WHERE due <= ?1"
    " UNION ALL SELECT mailbox, uid, name, due FROM leaving WHERE due > ?1 + ?2"
)

UID_SLACK = 10_000
"""How far UIDNEXT in a folder's file may lag behind while the server runs; what a rebuild skips is far more."""


class SqliteResting(Resting):
    """The part of `SqliteIndex` that is for settling and for restoring."""

    _path: Path
    _writer: Writer
    _fresh: bool
    _digest: Callable[[bytes], Digest]
    _digests: dict[int, Digest]
    _bodies: Bodies
    _near: Database
    """The event loop's own connection."""
    _all_until: int = 0
    """Of blobs up to this number, the last work had all that are not at rest."""
    _reading: Database | None = None
    """The settler's own connection."""

    def _db(self) -> Database:
        if self._reading is None:
            self._reading = open_reader(self._path)
        return self._reading

    def unsettled(
        self, now: float, limit: int, everything: bool = False, beyond: int = 0, passing: Collection[int] = ()
    ) -> Work:
        if everything:
            self._writer.run_here(None)  # which has all that arrived entered
        try:
            db = self._db()
            with db:
                work = self._unsettled(db, now, limit, everything, beyond, passing)
            return self._with_bodies(db, work)
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    def removable(self, now: float, limit: int, passing: Collection[int] = ()) -> dict[Leaving, str]:
        try:
            db = self._db()
            with db:
                origins = {
                    origin.partition(":")[0]
                    for (origin,) in db.execute(
                        "SELECT origin FROM message INDEXED BY message_unfiled"
                        " WHERE letters IS NULL AND origin IS NOT NULL"
                    )
                }
                found: dict[Leaving, str] = {}
                for mailbox, uid, name, directory in db.execute(
                    f"SELECT mailbox, uid, name, dir FROM ({_LEAVING}) CROSS JOIN folder USING (mailbox)"
                    " WHERE name IS NOT NULL AND mailbox NOT IN (SELECT value FROM json_each(?3))",
                    (now, MAX_EXPUNGE_GRACE, json.dumps(list(passing))),
                ):
                    if f"{mailbox}/{name}".partition(":")[0] not in origins:
                        found[Leaving(mailbox, uid, name)] = directory
                        if len(found) == limit:
                            break
                return found
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    def _unsettled(
        self, db: Database, now: float, limit: int, everything: bool, beyond: int, passing: Collection[int]
    ) -> Work:
        unfiled, octets, full = [], 0, False
        for row in db.execute(
            "SELECT message.mailbox, uid, message.blob, key, message.size, flags, internal_date, inline_body.body,"
            " origin FROM message INDEXED BY message_unfiled JOIN blob ON blob.id = message.blob"
            " LEFT JOIN inline_body ON inline_body.blob = blob.id WHERE letters IS NULL AND message.blob > ?"
            " ORDER BY message.blob",
            (beyond,),
        ):
            message = Unfiled(*row)
            unfiled.append(message)
            if message.body is not None or message.blob in self._bodies:
                octets += message.size
            if len(unfiled) == limit or octets > MAX_OCTETS:
                full = True
                break
        self._all_until = 0 if full or beyond else db.ask("SELECT coalesce(max(id), 0) FROM blob")[0][0]
        due = float("inf") if everything else now
        renamed: list[Any] = []
        leaving: list[Any] = []
        passed = json.dumps(list(passing))
        if not full:
            renamed = db.ask(
                "SELECT mailbox, uid, key, message.size, flags, letters FROM message INDEXED BY message_dirty"
                " JOIN blob ON blob.id = message.blob WHERE dirty = 1 AND letters IS NOT NULL"
                " AND mailbox NOT IN (SELECT value FROM json_each(?)) LIMIT ?",
                (passed, limit),
            )
        copies = full or beyond > 0 or any(message.origin is not None for message in unfiled)
        if not copies:  # else a reader would look for a file that the index still says a copy is to be made of
            leaving = db.ask(
                f"SELECT mailbox, uid, name FROM ({_LEAVING})"
                " WHERE mailbox NOT IN (SELECT value FROM json_each(?3)) LIMIT ?4",
                (due, MAX_EXPUNGE_GRACE, passed, limit),
            )
        waiting = "SELECT min(due) FROM leaving WHERE due > ?1 AND due <= ?1 + ?2"
        next_due = db.ask(waiting, (now, MAX_EXPUNGE_GRACE))[0][0]
        needed = {message.mailbox for message in unfiled}
        folders = self._folder_work(db, needed, everything)
        named = needed | {row[0] for row in renamed} | {row[0] for row in leaving}
        named |= {int(m.origin.partition("/")[0]) for m in unfiled if m.origin is not None}
        dirs = {
            mailbox: str(found[0][0])
            for mailbox in named
            if (found := db.ask("SELECT dir FROM folder WHERE mailbox = ?", (mailbox,)))
        }
        held_up = copies and (
            any(folder.name is None for folder in folders)
            or bool(db.ask(f"SELECT 1 FROM ({_LEAVING}) LIMIT 1", (due, MAX_EXPUNGE_GRACE)))
        )
        return Work(
            not copies,
            held_up or full or limit in (len(renamed), len(leaving)),
            dirs | {work.mailbox: work.at for work in folders if work.at is not None},
            tuple(RemovedAccount(*row) for row in db.execute("SELECT account, dir, uid_validity FROM removed_account")),
            tuple(folders),
            tuple(unfiled),
            tuple(Renamed(*row) for row in renamed),
            tuple(Leaving(*row) for row in leaving),
            tuple(self._subscriptions_work(db)),
            self._accounts_work(db),
            next_due,
            full,
        )

    def _body(self, db: Database, blob: int, body: bytes | None) -> bytes | None:
        """
        Return the body of a message that has not come to rest, None if it is big: it is in the spool.

        Raises NotInMemory on the event loop, if the disk would have to be asked for it.
        """
        if body is None:
            body = self._bodies.at_hand(blob) if db is self._near else self._bodies.get(blob)
        if body is None:  # the tables may have got it just now
            found = db.ask("SELECT body FROM inline_body WHERE blob = ?", (blob,))
            body = found[0][0] if found else None
        return body

    def _with_bodies(self, db: Database, work: Work) -> Work:
        """Return the work with the bodies that are in the journal, or that it has just given to the tables."""
        missing = [message.blob for message in work.unfiled if message.body is None and message.origin is None]
        if not missing:
            return work
        bodies = self._bodies.get_many(missing)
        unfiled = []
        for message in work.unfiled:
            if message.body is None and message.origin is None:
                body = bodies.get(message.blob)
                message = message._replace(body=self._body(db, message.blob, None) if body is None else body)
            unfiled.append(message)
        return replace(work, unfiled=tuple(unfiled))

    def _folder_work(self, db: Database, needed: set[MailboxId], everything: bool) -> list[FolderWork]:
        """Return the folders to be made (`needed` for messages), renamed, removed or written anew."""
        stamps = dict(db.ask("SELECT mailbox, stamp FROM dirty_mailbox"))
        behind = "SELECT id FROM mailbox LEFT JOIN folder ON folder.mailbox = id WHERE"
        if everything:  # all that were ever given a UID that their file does not know of
            stale = db.ask(f"{behind} mailbox.uid_next > coalesce(folder.uid_next, 1)")
        else:
            stale = [
                row
                for mailbox in needed
                for row in db.ask(
                    f"{behind} id = ? AND (dir IS NULL OR mailbox.uid_next > folder.uid_next + ?)", (mailbox, UID_SLACK)
                )
            ]
        stale += db.ask(  # where subscriptions are to be written
            f"{behind} mailbox.account IN (SELECT account FROM dirty_account) AND name = ? AND dir IS NULL", (INBOX,)
        )
        work: dict[MailboxId, FolderWork] = {}
        for mailbox in sorted({*stamps, *(mailbox for (mailbox,) in stale)}):
            self._add_folder(db, mailbox, stamps.get(mailbox, 0), work)
        return sorted(work.values(), key=lambda w: (w.name is None, w.name != INBOX, w.wanted or "", w.mailbox))

    def _add_folder(self, db: Database, mailbox: MailboxId, stamp: int, work: dict[MailboxId, FolderWork]) -> None:
        there = db.ask("SELECT dir, uid_validity, uid_next FROM folder WHERE mailbox = ?", (mailbox,))
        at = there[0][0] if there else None
        box = db.ask(
            "SELECT name, uid_validity, uid_next, account, login FROM mailbox"
            " JOIN account ON account.id = mailbox.account WHERE mailbox.id = ?",
            (mailbox,),
        )
        if not box:
            old_validity, old_next = there[0][1:] if there else (0, 0)
            work[mailbox] = FolderWork(mailbox, None, None, at, old_validity, old_next, stamp)
            return
        name, uid_validity, uid_next, account, login = box[0]
        wanted = login_dir(login) + (f"/{folder_of(name)}" if name != INBOX else "")
        notes = notes_file(db, account, mailbox, name == INBOX)
        work[mailbox] = FolderWork(mailbox, name, wanted, at, uid_validity, uid_next, stamp, notes)
        if name != INBOX:  # an account's directory is known by its INBOX
            inbox = db.ask(
                "SELECT id FROM mailbox WHERE account = ? AND name = ? AND id NOT IN (SELECT mailbox FROM folder)",
                (account, INBOX),
            )
            if inbox and inbox[0][0] not in work:
                self._add_folder(db, inbox[0][0], 0, work)

    def _subscriptions_work(self, db: Database) -> list[SubscriptionsWork]:
        work = []
        for account, stamp in db.ask("SELECT account, stamp FROM dirty_account WHERE account > 0"):
            login = db.ask("SELECT login FROM account WHERE id = ?", (account,))
            names = db.ask("SELECT name FROM subscription WHERE account = ? ORDER BY name", (account,))
            directory = login_dir(login[0][0]) if login else None
            work.append(SubscriptionsWork(account, directory, tuple(name for (name,) in names), stamp))
        return work

    def _accounts_work(self, db: Database) -> AccountsWork | None:
        stamp = db.ask("SELECT stamp FROM dirty_account WHERE account = 0")
        if not stamp:
            return None
        lines = db.ask(
            "SELECT group_concat(login || char(9) || password_hash || char(9) || uid_validity, char(10)) FROM"
            " (SELECT login, password_hash, uid_validity FROM account"
            " JOIN mailbox ON mailbox.account = account.id AND mailbox.name = ? ORDER BY login)",
            (INBOX,),
        )
        last = db.ask("SELECT last_uid_validity FROM server")[0][0]
        return AccountsWork(lines[0][0] or "", last, stamp[0][0])

    def settled(self, done: Done) -> list[str]:
        bodies = {blob: body for _, blob, _, body in done.filed if body is not None}
        digests = [(blob, self._digests.get(blob) or self._digest(bodies[blob])) for blob in self._undigested(bodies)]
        # A spooled body is removed next: that must not outlive a power cut that this note does not.
        spooled = any(first and body is None for _, _, first, body in done.filed)
        spare = self._writer.run_here(lambda tx: _take_note(tx, done, digests), durable=spooled)
        for blob in bodies:
            self._digests.pop(blob, None)
            self._bodies.forget(blob)
        for blob in [blob for blob in list(self._digests) if blob <= self._all_until]:
            del self._digests[blob]  # it was expunged before it came to rest
        self._writer.rested()
        return spare

    def _undigested(self, blobs: Iterable[int]) -> list[int]:
        """Return those of the blobs of whose digests the tables know nothing: they were entered too soon."""
        try:
            found = self._db().ask(
                "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT blob FROM digest)", (json.dumps([*blobs]),)
            )
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem
        return [blob for (blob,) in found]

    def catch_up(self) -> None:
        self._writer.recover()

    def pressed(self) -> bool:
        return self._writer.pressed()

    def arrived(self) -> int:
        return self._writer.octets

    def waiting(self) -> int:
        try:
            sql = "SELECT count(*) FROM message INDEXED BY message_unfiled WHERE letters IS NULL AND origin IS NULL"
            return int(self._db().ask(sql)[0][0])
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    def spooled(self) -> set[str]:
        try:
            found = self._db().execute(
                "SELECT key FROM message INDEXED BY message_unfiled JOIN blob ON blob.id = message.blob"
                " WHERE letters IS NULL AND origin IS NULL"
                " UNION SELECT key FROM leaving JOIN blob ON blob.id = leaving.blob WHERE name IS NULL"
            )
            return {key for (key,) in found}
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    def nameless(self) -> set[tuple[MailboxId, UID]]:
        try:
            return {(row[0], row[1]) for row in self._db().ask("SELECT mailbox, uid FROM leaving WHERE name IS NULL")}
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    def letters_are(self, mailbox: MailboxId, uid: UID, letters: str) -> None:
        def work(tx: Tx) -> None:
            tx.db.execute(
                "UPDATE message SET letters = ?, dirty = 1 WHERE mailbox = ? AND uid = ? AND letters IS NOT NULL",
                (letters, mailbox, uid),
            )
            tx.unsettled = True

        self._writer.run_here(work)

    # restoring

    @property
    def fresh(self) -> bool:
        return self._fresh

    def _nothing_in_it(self) -> bool:
        """
        Return whether nothing was ever put into the index: it is not there, or was only just made, or is empty.

        One whose restoring was interrupted is removed: the files it is made from are all there.
        """
        if not self._path.exists():
            return True
        half, used = False, True  # what cannot be read is told when it is opened
        with contextlib.suppress(apsw.Error):
            db = Database(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                half, used = db.ask("SELECT restoring, last_uid_validity > 0 FROM server")[0]
            except apsw.SQLError:  # not even the tables are there
                used = False
            db.close()
        if half:
            for ending in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        return bool(half or not used)

    async def _restore(self, work: Callable[[Tx], Any]) -> Any:
        return await self._writer.run(work, durable=False)

    async def begin_restore(self, last_uid_validity: int) -> None:
        sql = "UPDATE server SET restoring = 1, last_uid_validity = max(last_uid_validity, ?)"
        await self._writer.run(lambda tx: tx.db.ask(sql, (last_uid_validity,)))

    async def restore_account(
        self,
        line: AccountLine,
        subscriptions: Sequence[str],
        uid_next: int,
        mod_seq: int,
        notes: Mapping[str, bytes] = NO_NOTES,
    ) -> AccountId:
        def work(tx: Tx) -> AccountId:
            tx.db.execute("INSERT INTO account (login, password_hash) VALUES (?, ?)", line[:2])
            account = tx.db.last_insert_rowid()
            tx.db.execute(
                "INSERT INTO mailbox (account, name, uid_validity, uid_next, highest_mod_seq) VALUES (?, ?, ?, ?, ?)",
                (account, INBOX, line.uid_validity, uid_next, mod_seq),
            )
            tx.db.executemany("INSERT INTO subscription VALUES (?, ?)", [(account, name) for name in subscriptions])
            restore_notes(tx, account, OF_ACCOUNT, notes)
            return AccountId(account)

        return AccountId(await self._restore(work))

    async def restore_mailbox(
        self,
        account: AccountId,
        name: str,
        uid_validity: int,
        uid_next: int,
        mod_seq: int,
        directory: str,
        notes: Mapping[str, bytes] = NO_NOTES,
    ) -> MailboxId:
        def work(tx: Tx) -> MailboxId:
            tx.db.execute(
                "INSERT INTO mailbox (account, name, uid_validity, uid_next, highest_mod_seq)"
                " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account, name)"
                " DO UPDATE SET uid_validity = ?3, uid_next = ?4, highest_mod_seq = ?5",
                (account, name, uid_validity, uid_next, mod_seq),
            )
            (mailbox,) = tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name))[0]
            tx.db.execute(
                "INSERT INTO folder (mailbox, account, dir, uid_validity, uid_next) VALUES (?, ?, ?, ?, 0)",
                (mailbox, account, directory, uid_validity),
            )
            tx.db.execute("INSERT INTO dirty_mailbox (mailbox) VALUES (?)", (mailbox,))
            tx.db.execute("UPDATE server SET last_uid_validity = max(last_uid_validity, ?)", (uid_validity,))
            restore_notes(tx, account, mailbox, notes)
            return MailboxId(mailbox)

        return MailboxId(await self._restore(work))

    async def restore_acl(self, mailbox: MailboxId, acl: Mapping[str, str]) -> None:
        await self._restore(lambda tx: write_acl(tx, mailbox, acl))

    async def restore_messages(self, mailbox: MailboxId, messages: Sequence[RestoredMessage]) -> None:
        def work(tx: Tx) -> None:
            for m in messages:
                flags = m.flags.split()
                mod_seq = tx.db.ask(
                    "UPDATE mailbox SET uid_next = max(uid_next, ?1 + 1), highest_mod_seq = highest_mod_seq + 1,"
                    " messages = messages + 1, unseen = unseen + ?2, deleted = deleted + ?3, size = size + ?4"
                    " WHERE id = ?5 RETURNING highest_mod_seq",
                    (m.uid, "\\Seen" not in flags, "\\Deleted" in flags, m.size, mailbox),
                )[0][0]
                blob = tx.new_blob(m.key, 1)
                write_digest(tx.db, blob, m.digest)
                tx.db.execute(
                    "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, size, blob, letters)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (mailbox, m.uid, mod_seq, m.flags, m.internal_date, m.size, blob, m.letters),
                )

        await self._restore(work)

    async def end_restore(self) -> None:
        def work(tx: Tx) -> None:
            tx.db.execute("UPDATE server SET restoring = 0")
            tx.db.execute("INSERT OR IGNORE INTO dirty_account (account) VALUES (0)")
            tx.unsettled = True

        await self._writer.run(work)
        self._fresh = False

    async def _close_resting(self) -> None:
        if self._reading is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._reading.close)
            self._reading = None


_FILED = Rows(
    "WITH new (letters, flags, mailbox, uid) AS (VALUES ",
    4,
    ") UPDATE message SET letters = new.letters, origin = NULL, dirty = (message.flags <> new.flags) FROM new"
    " WHERE message.mailbox = new.mailbox AND message.uid = new.uid",
)
_ORIGINS = Rows(  # copies made since then are copies of this file
    "WITH new (origin, blob) AS (VALUES ",
    2,
    ") UPDATE message INDEXED BY message_unfiled SET origin = new.origin FROM new"
    " WHERE message.blob = new.blob AND letters IS NULL AND message.origin IS NULL",
)


def _leave(tx: Tx, filed: Sequence[Filed]) -> None:
    """Have the files of those removed that are no messages any more."""
    for mailbox, uid, _, _, name in filed:
        if tx.db.ask("SELECT 1 FROM message WHERE mailbox = ? AND uid = ?", (mailbox, uid)):
            continue
        tx.db.execute("UPDATE leaving SET name = ? WHERE mailbox = ? AND uid = ?", (name, mailbox, uid))
        if not tx.db.changes():
            tx.db.execute(
                "INSERT INTO leaving (mailbox, uid, name, size, due) VALUES (?, ?, ?, 0, 0)", (mailbox, uid, name)
            )
        tx.unsettled = True


def _take_note(tx: Tx, done: Done, digests: list[tuple[int, Digest]]) -> list[str]:
    """Write down what has come to rest; return the keys of spooled bodies nobody needs any more."""
    db = tx.db
    spare: list[str] = []
    for account in done.removed:
        db.execute("DELETE FROM folder WHERE account = ?", (account,))
        db.execute("DELETE FROM removed_account WHERE account = ?", (account,))
    for folder in done.folders:
        db.execute("DELETE FROM folder WHERE mailbox = ?", (folder,))
    for mailbox, (at, uid_validity, uid_next) in done.folders.items():
        if at is not None:
            db.execute(
                "INSERT INTO folder (mailbox, account, dir, uid_validity, uid_next)"
                " VALUES (?1, coalesce((SELECT account FROM mailbox WHERE id = ?1), 0), ?2, ?3, ?4)",
                (mailbox, at, uid_validity, uid_next),
            )
            if not db.ask("SELECT 1 FROM mailbox WHERE id = ?", (mailbox,)):
                db.execute("INSERT OR IGNORE INTO dirty_mailbox (mailbox) VALUES (?)", (mailbox,))
                tx.unsettled = True
    for mailbox, stamp in done.mailboxes:
        db.execute("DELETE FROM dirty_mailbox WHERE mailbox = ? AND stamp = ?", (mailbox, stamp))
    DIGESTS.run(db, [(blob, of.header_size, of.envelope, of.body_structure, of.parts) for blob, of in digests])
    filed = [of for of, _, _, _ in done.filed]
    before = db.total_changes()
    _FILED.run(db, [(of.letters, of.flags, of.mailbox, of.uid) for of in filed])
    if db.total_changes() - before < len(filed):
        _leave(tx, filed)
    first = [(f"{of.mailbox}/{of.name}", blob) for of, blob, first, _ in done.filed if first]
    _ORIGINS.run(db, first)
    db.execute(
        "DELETE FROM inline_body WHERE blob IN (SELECT value FROM json_each(?))",
        (json.dumps([blob for _, blob in first]),),
    )
    for _, blob, spooled, body in done.filed:
        if spooled and body is None:
            spare += (key for (key,) in db.execute("SELECT key FROM blob WHERE id = ?", (blob,)))
    for mailbox, uid, flags, letters, name in done.renamed:
        db.execute(
            "UPDATE message SET letters = ?, dirty = (flags <> ?) WHERE mailbox = ? AND uid = ?",
            (letters, flags, mailbox, uid),
        )
        if not db.changes():
            db.execute("UPDATE leaving SET name = ? WHERE mailbox = ? AND uid = ?", (name, mailbox, uid))
    for mailbox, uid in done.left:
        for (blob,) in db.ask("DELETE FROM leaving WHERE mailbox = ? AND uid = ? RETURNING blob", (mailbox, uid)):
            for key, refs in db.ask("UPDATE blob SET refs = refs - 1 WHERE id = ? RETURNING key, refs", (blob,)):
                if refs <= 0:
                    db.execute("DELETE FROM blob WHERE id = ?", (blob,))
                    db.execute("DELETE FROM inline_body WHERE blob = ?", (blob,))
                    db.execute("DELETE FROM digest WHERE blob = ?", (blob,))
                    tx.gone.append(blob)
                    spare.append(key)
    for account, stamp in done.accounts:
        db.execute("DELETE FROM dirty_account WHERE account = ? AND stamp = ?", (account, stamp))
    return spare


__all__ = ["SqliteResting"]
