"""The index in one SQLite file.

Rule 1: every write is a job of the one writer (`writer`). Rule 2: a job checks before it writes, so that a
refusal leaves nothing behind. Rule 3: a read that finds its rows by an index and returns few of them runs
on the loop (3 µs; a thread's round trip is 60); a scan runs in a reader's thread. Rule 4: every change of a
mailbox raises its mod-sequence by one, whatever number of messages it touches.
"""

import asyncio
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from ...model.change import Change, FlagUpdate
from ...model.flags import DELETED, MAX_FLAGS, NO_FLAGS, SEEN, Flag, Flags, flag_set, is_permanent
from ...model.ids import MAX_MOD_SEQ, MAX_UID, UID, AccountId, MailboxId, ModSeq, UIDValidity
from ...model.mailbox import DELIMITER, INBOX, Account, Mailbox, Usage, canonical_name
from ...model.message import NO_DIGEST, Digest, MessageDigest, MessageOrigin, MessageRow, Placed
from ..abc import (
    NO_NOTES,
    Append,
    Appended,
    BlobRef,
    Columns,
    Copied,
    FileRef,
    Index,
    MailboxExists,
    MailboxMissing,
    MessageMissing,
    Note,
    Stored,
    StoreError,
    StoreUnavailable,
    TooManyFlags,
)
from ..names import InvalidName, file_name, folder_of, login_dir
from .acl import SqliteAcl, copy_acl, forget_acl, forget_identifier, inherit_acl
from .arrivals import Arrival, Arrived, write_digest
from .database import DISK_ERRORS, Database, open_reader, unavailable
from .metadata import SqliteMetadata, copy_notes, forget_notes, mark_mailbox, write_notes
from .resting import SqliteResting
from .sheet import MAX_ROWS, Sheet, Sheets
from .writer import Job, Tx, Writer

T = TypeVar("T")

FEW = 64
"""Rows that may be read on the loop: 64 digests take 0.2 ms, about what a thread's round trip costs under load."""

FEW_OUTCOMES = 8
"""Sets of flags that become others by one statement, which compares each message's with them one after the other."""

FEW_UIDS = 512
"""The same for UIDs alone."""

READERS = 2
"""Threads for scans: more than the machine's idle cores would only take turns."""

MAX_DIGESTS = 4_096
"""Digests kept in memory until their messages come to rest, 4 MiB; beyond, they are computed again when needed."""

MAX_EXPUNGE_GRACE = 86_400.0
"""Seconds. Longer, and a Maildir read by other tools would show the dead for days."""


def ranges(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the shortest ascending (first, last) ranges that make up the UIDs."""
    first = last = -1
    for uid in sorted(set(uids)):
        if uid == last + 1:
            last = uid
            continue
        if last >= 0:
            yield first, last
        first = last = uid
    if last >= 0:
        yield first, last


def flag_text(flags: Iterable[str]) -> str:
    """Return the flags as they are stored and sent; those that a message cannot keep are left out."""
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


def email_id(key: str, size: int) -> str:
    """Return the name of a body that IMAP tells (RFC 8474 §4): copies share it, and a rebuild finds it again."""
    return f"M{blake2b(f'{key} {size}'.encode('utf-8', 'surrogateescape'), digest_size=12).hexdigest()}"


def _missing(mailbox: MailboxId) -> MailboxMissing:
    return MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")


_ACCOUNT = (
    "account.id, login, password_hash, mailbox.id FROM account"
    f" JOIN mailbox ON mailbox.account = account.id AND mailbox.name = '{INBOX}'"
)
_MAILBOX = "id, account, name, uid_validity, uid_next, highest_mod_seq, messages, unseen, size"
_ROW = "uid, mod_seq, flags, internal_date, message.size"
_PLACE = "message.blob, key, letters, origin, inline_body.body"
_PLACES = "JOIN blob ON blob.id = message.blob LEFT JOIN inline_body ON inline_body.blob = blob.id"
_STORED, _STORED_DIGESTED = [
    f"SELECT {_ROW}, {_PLACE}, dir{more} FROM message {_PLACES} LEFT JOIN folder ON folder.mailbox = message.mailbox"
    f" {other} WHERE message.mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
    for more, other in (
        ("", ""),
        (", header_size, envelope, body_structure, parts", "LEFT JOIN digest ON digest.blob = message.blob"),
    )
]
_DIGEST = "message.blob, header_size, envelope, body_structure, parts"


class SqliteIndex(SqliteResting, SqliteMetadata, SqliteAcl, Index):
    """An index in one file; see `Index` and `Resting` for the promises."""

    def __init__(
        self,
        path: Path,
        digest: Callable[[bytes], Digest],
        grace: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Open or make the file.

        Args:
            path: The database; `-wal` and `-shm` come to lie beside it.
            digest: Computes what FETCH needs of a message; must not raise. Runs in several threads.
            grace: Seconds that an expunged message can still be read.
            clock: Seconds since 1970, for UIDVALIDITY and the grace.

        Raises StoreUnavailable.

        """
        self.told: Callable[[Change], None] = lambda change: None
        self.pending: Callable[[int], None] = lambda unfiled: None
        self._path = path
        self._digest = digest
        self._digests: dict[int, Digest] = {}
        self._bodies: dict[int, bytes] = {}
        self._grace = min(grace, MAX_EXPUNGE_GRACE)
        self._clock = clock
        self._fresh = self._nothing_in_it()
        self._writer = Writer(
            path, lambda change: self.told(change), lambda unfiled: self.pending(unfiled), self._bodies
        )
        self._near = open_reader(path)
        self._readers = ThreadPoolExecutor(READERS, "mailhorn-reader")
        self._far = threading.local()
        self._far_all: list[Database] = []
        self._sheets = Sheets()
        self._closed = False

    # reading

    def _open_for_thread(self) -> Database:
        db: Database | None = getattr(self._far, "db", None)
        if db is None:
            db = self._far.db = open_reader(self._path)
            self._far_all.append(db)
        return db

    def _here(self, read: Callable[[Database], T]) -> T:
        """Read on this thread: few rows, found by an index."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            return read(self._near)
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    async def _there(self, read: Callable[[Database], T]) -> T:
        """Read on a reader's thread."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, lambda: read(self._open_for_thread())
            )
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    async def _caught_up(self, mailbox: MailboxId | None = None) -> None:
        """Return when the tables have all that was answered, of this mailbox or of all."""
        if self._writer.is_behind(mailbox):
            await self._writer.caught_up()

    async def account(self, login: str) -> Account | None:
        found = self._here(
            lambda db: db.ask(
                f"SELECT {_ACCOUNT} WHERE login = ?",
                (_text(login.lower()),),
            )
        )
        return Account(*found[0]) if found else None

    async def accounts(self, limit: int | None = None) -> list[Account]:
        sql = f"SELECT {_ACCOUNT} ORDER BY login LIMIT ?"
        found = await self._there(lambda db: db.ask(sql, (-1 if limit is None else limit,)))
        return [Account(*row) for row in found]

    async def mailboxes(self, account: AccountId) -> list[Mailbox]:
        await self._caught_up()
        sql = f"SELECT {_MAILBOX} FROM mailbox WHERE account = ? ORDER BY name LIMIT ?"
        found = self._here(lambda db: db.ask(sql, (account, FEW + 1)))
        if len(found) > FEW:
            found = await self._there(lambda db: db.ask(sql, (account, -1)))
        return [Mailbox(*row) for row in found]

    async def mailbox(self, account: AccountId, name: str) -> Mailbox | None:
        def read(db: Database) -> list[Any]:
            return db.ask(f"SELECT {_MAILBOX} FROM mailbox WHERE account = ? AND name = ?", (account, _text(name)))

        found = self._here(read)
        if found and self._writer.is_behind(found[0][0]):
            await self._writer.caught_up()
            found = self._here(read)
        return Mailbox(*found[0]) if found else None

    async def mailbox_by_id(self, mailbox: MailboxId) -> Mailbox | None:
        await self._caught_up(mailbox)
        found = self._here(lambda db: db.ask(f"SELECT {_MAILBOX} FROM mailbox WHERE id = ?", (mailbox,)))
        return Mailbox(*found[0]) if found else None

    async def subscriptions(self, account: AccountId) -> list[str]:
        found = self._here(
            lambda db: db.ask("SELECT name FROM subscription WHERE account = ? ORDER BY name", (account,))
        )
        return [str(name) for (name,) in found]

    async def usage(self, account: AccountId, exact: bool = True) -> Usage:
        if exact:
            await self._caught_up()
        sql = "SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0), count(*) FROM mailbox WHERE account = ?"
        return Usage(*self._here(lambda db: db.ask(sql, (account,)))[0])

    async def uids(self, mailbox: MailboxId) -> tuple[ModSeq, "array[int]"]:
        head = await self.mailbox_by_id(mailbox)
        if head is None:
            raise _missing(mailbox)
        if head.messages > FEW_UIDS:
            sheet = await self._sheet(mailbox)
            if sheet is not None:
                return sheet.mod_seq, sheet.uids[:]

        def read(db: Database) -> tuple[ModSeq, "array[int]"]:
            with db:
                head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
                if not head:
                    raise _missing(mailbox)
                found = db.execute("SELECT uid FROM message WHERE mailbox = ? ORDER BY uid", (mailbox,))
                return ModSeq(head[0][0]), array("I", [uid for (uid,) in found])

        return self._here(read) if head.messages <= FEW_UIDS else await self._there(read)

    async def changes_since(self, mailbox: MailboxId, changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Change:
        def read(db: Database) -> Change:
            with db:
                head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
                if not head:
                    return Change(mailbox, changed_to, ModSeq(changed_to + 1), gone=True)
                appended = db.ask(
                    "SELECT uid FROM message WHERE mailbox = ? AND uid > ? ORDER BY uid", (mailbox, last_uid)
                )
                updated = db.ask(
                    "SELECT uid, mod_seq, flags FROM message INDEXED BY message_changed"
                    " WHERE changed = 1 AND mailbox = ? AND mod_seq > ? AND uid <= ? ORDER BY uid",
                    (mailbox, changed_to, last_uid),
                )
                expunged = db.ask(
                    "SELECT uid FROM tombstone WHERE mailbox = ? AND mod_seq > ? AND uid <= ? ORDER BY uid",
                    (mailbox, expunged_to, last_uid),
                )
            return Change(
                mailbox,
                changed_to,
                ModSeq(head[0][0]),
                tuple(uid for (uid,) in appended),
                tuple(FlagUpdate(*row) for row in updated),
                tuple(uid for (uid,) in expunged),
            )

        head = await self.mailbox_by_id(mailbox)
        behind = 0 if head is None else head.highest_mod_seq - min(changed_to, expunged_to)
        return self._here(read) if behind <= FEW else await self._there(read)

    async def rows(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageRow]:
        sql = f"SELECT {_ROW} FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
        return await self._by_uid(sql, mailbox, uids, lambda _, row: MessageRow(*row))

    async def columns(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool = False) -> Columns:
        if digested:
            return await self._digested_columns(mailbox, uids)
        sheet = await self._sheet(mailbox) if len(uids) > FEW else None
        if sheet is not None:
            return sheet.columns(uids)
        return _side_by_side(await self.rows(mailbox, uids), 5)

    async def _digested_columns(self, mailbox: MailboxId, uids: Sequence[UID]) -> Columns:
        sql = (
            f"SELECT {_ROW}, envelope, body_structure, message.blob FROM message"
            " LEFT JOIN digest ON digest.blob = message.blob WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
        )

        def make(db: Database, row: Any) -> Any:
            if row[5] is not None:
                return row
            digest = self._fresh_digest(db, row[7])
            return (*row[:5], digest.envelope, digest.body_structure, row[7])

        return _side_by_side(await self._by_uid(sql, mailbox, uids, make), 7)

    async def _sheet(self, mailbox: MailboxId) -> Sheet | None:
        """Return the mailbox side by side, as it is now; None if it is gone or too large to be kept."""
        head = await self.mailbox_by_id(mailbox)
        if head is None or head.messages > MAX_ROWS:
            self._sheets.forget(mailbox)
            return None
        sheet = self._sheets.get(mailbox)
        if sheet is not None:
            known = sheet
            if known.mod_seq == head.highest_mod_seq or self._here(lambda db: known.catch_up(db, mailbox)):
                return known
        sheet = await self._there(lambda db: Sheet.read(db, mailbox))
        if sheet is not None:
            self._sheets.keep(mailbox, sheet)
        return sheet

    async def origins(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageOrigin]:
        sql = (
            "SELECT uid, key, message.size, coalesce(save_date, internal_date) FROM message"
            " JOIN blob ON blob.id = message.blob WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
        )
        return await self._by_uid(
            sql, mailbox, uids, lambda _, row: MessageOrigin(row[0], email_id(row[1], row[2]), row[3])
        )

    async def digests(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageDigest]:
        sql = (
            f"SELECT {_ROW}, {_DIGEST} FROM message LEFT JOIN digest ON digest.blob = message.blob"
            " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
        )

        def make(db: Database, row: Any) -> MessageDigest:
            blob = row[5]
            digest = Digest(*row[6:]) if row[6] is not None else self._fresh_digest(db, blob)
            return MessageDigest(MessageRow(*row[:5]), digest)

        return await self._by_uid(sql, mailbox, uids, make)

    def _fresh_digest(self, db: Database, blob: int) -> Digest:
        """Return the digest of a message that has not come to rest."""
        digest = self._digests.get(blob)
        if digest is None:
            body = self._body(db, blob, None)
            if body is not None:
                return self._digest(body)
            kept = db.ask("SELECT header_size, envelope, body_structure, parts FROM digest WHERE blob = ?", (blob,))
            if not kept:
                return self._digest(b"")  # expunged meanwhile, and its grace is over
            digest = Digest(*kept[0])  # it came to rest just now
        return digest

    def _digest_soon(self, blob: int, body: bytes) -> None:
        """Compute what FETCH will need, now that the message is told and answered."""
        if len(self._digests) >= MAX_DIGESTS:  # some of them of messages that were expunged before they rested
            self._digests.clear()
        self._digests[blob] = self._digest(body)

    async def _by_uid(
        self, sql: str, mailbox: MailboxId, uids: Sequence[UID], make: Callable[[Database, Any], T]
    ) -> list[T]:
        """Return what is made of the rows of the UIDs, in one consistent read."""

        await self._caught_up(mailbox)

        def read(db: Database) -> list[T]:
            wanted = list(ranges(uids))
            if len(wanted) == 1:
                rows = db.ask(sql, (mailbox, *wanted[0]))
            else:
                with db:
                    rows = [row for first, last in wanted for row in db.ask(sql, (mailbox, first, last))]
            return [
                make(db, row) for row in rows
            ]  # after it: what has come to rest meanwhile is nowhere but in the tables

        return self._here(read) if len(uids) <= FEW else await self._there(read)

    async def blob(self, mailbox: MailboxId, uid: UID) -> BlobRef:
        await self._caught_up(mailbox)

        def read(db: Database) -> BlobRef | None:
            here = db.ask(
                f"SELECT uid, message.size, {_PLACE} FROM message {_PLACES} WHERE mailbox = ? AND uid = ?",
                (mailbox, uid),
            )
            if here:
                return self._ref(db, mailbox, here[0])
            gone = db.ask(
                "SELECT key, leaving.size, name, inline_body.body, blob.id FROM leaving"
                " JOIN blob ON blob.id = leaving.blob LEFT JOIN inline_body ON inline_body.blob = blob.id"
                " WHERE mailbox = ? AND uid = ?",
                (mailbox, uid),
            )
            if not gone:
                return None
            key, size, name, body, number = gone[0]
            if name is not None:
                return FileRef(key, size, None, _path(db, f"{mailbox}/{name}", {}))
            body = self._body(db, number, body)
            return FileRef(key, size, None, "") if body is None else BlobRef(key, size, body)

        ref = self._here(read)
        if ref is None:
            raise MessageMissing(f"message {uid} of mailbox {mailbox} is gone")
        return ref

    async def stored(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool) -> list[Stored]:
        folders: dict[str, str] = {}

        def make(db: Database, row: Any) -> Stored:
            uid, _, _, _, size, number, key, letters, origin, body, folder = row[:11]
            where: bytes | str | None
            if letters is not None:
                where = f"{folder}/cur/{file_name(key, size, uid, letters)}" if folder is not None else None
            elif origin is not None:
                where = _path(db, origin, folders) or None
            else:
                where = self._body(db, number, body)
            digest = NO_DIGEST
            if digested:
                digest = self._fresh_digest(db, number) if row[11] is None else Digest(*row[11:])
            return Stored(MessageRow(*row[:5]), digest, where)

        return await self._by_uid(_STORED_DIGESTED if digested else _STORED, mailbox, uids, make)

    def _ref(self, db: Database, mailbox: MailboxId, row: Any) -> BlobRef:
        """Return where the body is of a message that is there; `row` is UID, size, and `_PLACE`."""
        uid, size, number, key, letters, origin, body = row
        if letters is not None:
            origin = f"{mailbox}/{file_name(key, size, uid, letters)}"
        if origin is not None:
            return FileRef(key, size, None, _path(db, origin, {}))
        body = self._body(db, number, body)
        return FileRef(key, size, None, "") if body is None else BlobRef(key, size, body)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._readers.shutdown)
        await self._close_resting()
        for db in (self._near, *self._far_all):
            db.close()
        await self._writer.close()

    # accounts

    async def add_accounts(self, accounts: Sequence[tuple[str, str]]) -> int:
        logins = [(login.lower(), password_hash) for login, password_hash in accounts]
        for login, _ in logins:
            login_dir(login)

        def work(tx: Tx) -> int:
            new = 0
            for login, password_hash in logins:
                made = tx.db.ask(
                    "INSERT INTO account (login, password_hash) VALUES (?, ?)"
                    " ON CONFLICT (login) DO NOTHING RETURNING id",
                    (login, password_hash),
                )
                for (account,) in made:
                    new += 1
                    self._make_mailbox(tx, account, INBOX)
            if new:
                _mark_account(tx, 0)
            return new

        return await self._writer.run(work)

    async def set_password_hash(self, account: AccountId, password_hash: str, same_password: bool = False) -> None:
        def work(tx: Tx) -> None:
            tx.db.execute("UPDATE account SET password_hash = ? WHERE id = ?", (password_hash, account))
            if not same_password:
                _mark_account(tx, 0)

        await self._writer.run(work)

    async def remove_account(self, account: AccountId) -> None:
        def work(tx: Tx) -> None:
            login = tx.db.ask("SELECT login FROM account WHERE id = ?", (account,))
            if not login:
                return
            boxes = tx.db.ask("SELECT id, name, uid_validity FROM mailbox WHERE account = ?", (account,))
            for mailbox, name, uid_validity in boxes:
                self._remove_mailbox(tx, mailbox)
                if name == INBOX:
                    tx.db.execute(
                        "INSERT INTO removed_account (account, dir, uid_validity) VALUES (?, ?, ?)",
                        (account, login_dir(login[0][0]), uid_validity),
                    )
            tx.db.execute("DELETE FROM subscription WHERE account = ?", (account,))
            tx.db.execute("DELETE FROM metadata WHERE account = ?", (account,))
            forget_identifier(tx, login[0][0])
            tx.db.execute("DELETE FROM account WHERE id = ?", (account,))
            _mark_account(tx, 0)

        await self._writer.run(work)

    # mailboxes

    def _new_uid_validity(self, tx: Tx) -> int:
        """Return a UIDVALIDITY greater than every one the server ever gave: the time, or the next free second."""
        return int(
            tx.db.ask(
                "UPDATE server SET last_uid_validity = max(last_uid_validity + 1, ?) RETURNING last_uid_validity",
                (int(self._clock()),),
            )[0][0]
        )

    def _make_mailbox(self, tx: Tx, account: int, name: str) -> MailboxId:
        above = name.rpartition(DELIMITER)[0]
        tx.db.execute(
            "INSERT INTO mailbox (account, name, uid_validity) VALUES (?, ?, ?)",
            (account, name, self._new_uid_validity(tx)),
        )
        mailbox = MailboxId(tx.db.last_insert_rowid())
        if above:
            inherit_acl(tx, account, above, mailbox)
        if name != INBOX:  # its directory is made with the first message, its numbers are in the file of accounts
            mark_mailbox(tx, mailbox)
        return mailbox

    def _make_levels(self, tx: Tx, account: int, name: str) -> None:
        """Make what is missing above the name."""
        levels = name.split(DELIMITER)
        for depth in range(1, len(levels)):
            above = DELIMITER.join(levels[:depth])
            if _mailbox_named(tx, account, above) is None:
                self._make_mailbox(tx, account, above)

    def _remove_mailbox(self, tx: Tx, mailbox: MailboxId) -> None:
        head = _head(tx, mailbox)
        for table in ("message", "leaving"):
            tx.db.execute(
                f"UPDATE blob SET refs = refs - gone.n FROM (SELECT blob, count(*) AS n FROM {table}"
                " WHERE mailbox = ?1 AND blob IS NOT NULL GROUP BY blob) AS gone WHERE blob.id = gone.blob",
                (mailbox,),
            )
            unused = f"(SELECT b.id FROM {table} t JOIN blob b ON b.id = t.blob WHERE t.mailbox = ? AND b.refs <= 0)"
            tx.db.execute(f"DELETE FROM inline_body WHERE blob IN {unused}", (mailbox,))
            tx.db.execute(f"DELETE FROM digest WHERE blob IN {unused}", (mailbox,))
            tx.gone += [id for (id,) in tx.db.ask(f"DELETE FROM blob WHERE id IN {unused} RETURNING id", (mailbox,))]
        for table in ("message", "leaving", "tombstone"):
            tx.db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (mailbox,))
        forget_notes(tx, mailbox)
        forget_acl(tx, mailbox)
        tx.db.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))
        mark_mailbox(tx, mailbox)
        tx.changes.append(Change(mailbox, head, ModSeq(head + 1), gone=True))

    async def create_mailbox(self, account: AccountId, name: str, notes: Mapping[str, bytes] = NO_NOTES) -> Mailbox:
        name = canonical_name(name)
        folder_of(name)

        def work(tx: Tx) -> Mailbox:
            if not tx.db.ask("SELECT 1 FROM account WHERE id = ?", (account,)):
                raise StoreError(f"there is no account {account}; it was removed")
            if _mailbox_named(tx, account, name) is not None:
                raise MailboxExists(f"there is a mailbox {name!r} already")
            self._make_levels(tx, account, name)
            mailbox = self._make_mailbox(tx, account, name)
            write_notes(tx, account, [Note(mailbox, entry, value) for entry, value in notes.items()])
            return Mailbox(*tx.db.ask(f"SELECT {_MAILBOX} FROM mailbox WHERE id = ?", (mailbox,))[0])

        return await self._writer.run(work)

    async def delete_mailbox(self, mailbox: MailboxId) -> None:
        def work(tx: Tx) -> None:
            found = tx.db.ask("SELECT name FROM mailbox WHERE id = ?", (mailbox,))
            if not found:
                raise _missing(mailbox)
            if found[0][0] == INBOX:
                raise InvalidName("INBOX cannot be deleted")
            self._remove_mailbox(tx, mailbox)

        await self._writer.run(work)

    async def rename_mailbox(self, account: AccountId, name: str, new_name: str) -> None:
        name, new_name = canonical_name(name), canonical_name(new_name)
        folder_of(new_name)

        def work(tx: Tx) -> None:
            source = _mailbox_named(tx, account, name)
            if source is None:
                raise MailboxMissing(f"there is no mailbox {name!r}")
            if _mailbox_named(tx, account, new_name) is not None:
                raise MailboxExists(f"there is a mailbox {new_name!r} already")
            if name == INBOX:
                self._make_levels(tx, account, new_name)
                target = self._make_mailbox(tx, account, new_name)
                copy_notes(tx, account, source, target)
                copy_acl(tx, source, target)
                uids = tx.db.ask("SELECT uid FROM message WHERE mailbox = ?", (source,))
                self._copy(tx, source, [uid for (uid,) in uids], target, move=True)
                return
            below = name + DELIMITER
            if new_name.startswith(below):
                raise InvalidName(f"{name!r} cannot be moved below itself")
            moves = [(source, new_name)]
            for mailbox, old in tx.db.ask(
                "SELECT id, name FROM mailbox WHERE account = ? AND substr(name, 1, ?) = ?",
                (account, len(below), below),
            ):
                new = new_name + old[len(name) :]
                folder_of(new)
                if _mailbox_named(tx, account, new) is not None:
                    raise MailboxExists(f"there is a mailbox {new!r} already")
                moves.append((mailbox, new))
            self._make_levels(tx, account, new_name)
            for mailbox, new in moves:
                tx.db.execute("UPDATE mailbox SET name = ? WHERE id = ?", (new, mailbox))
                mark_mailbox(tx, MailboxId(mailbox))

        await self._writer.run(work)

    async def subscribe(self, account: AccountId, name: str, on: bool) -> None:
        name = canonical_name(name)
        if on:
            folder_of(name)

        def work(tx: Tx) -> None:
            if on:
                tx.db.execute("INSERT OR IGNORE INTO subscription (account, name) VALUES (?, ?)", (account, name))
            else:
                tx.db.execute("DELETE FROM subscription WHERE account = ? AND name = ?", (account, name))
            if tx.db.changes():
                _mark_account(tx, account)

        await self._writer.run(work)

    # messages

    def append_soon(self, message: Append, then: Callable[[Appended | Exception], None]) -> None:
        if not message.placements:
            raise StoreError("a message has to be placed somewhere")
        flags = tuple([flag_text(placement.flags) for placement in message.placements])

        def done(job: Job[Arrived]) -> None:
            if job.problem is not None:
                then(job.problem)
                return
            placed, number, _ = job.result
            placed.durable_at = job.stamp
            then(placed)
            if message.digest is None and message.blob.inline is not None:
                asyncio.get_running_loop().call_soon(self._digest_soon, number, message.blob.inline)

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

        return await self._writer.run(work)

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
            before = _head(tx, mailbox)
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

        return await self._writer.run(work)

    async def expunge(
        self, mailbox: MailboxId, uids: Sequence[UID] | None, deleted_only: bool = True, most: int | None = None
    ) -> Change:
        wanted = [(1, MAX_UID)] if uids is None else list(ranges(uids))
        return await self._writer.run(lambda tx: self._expunge(tx, mailbox, wanted, deleted_only, most))

    def _expunge(
        self,
        tx: Tx,
        mailbox: MailboxId,
        wanted: Sequence[tuple[int, int]],
        deleted_only: bool,
        most: int | None = None,
    ) -> Change:
        before = _head(tx, mailbox)
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
        return await self._writer.run(lambda tx: self._copy(tx, source, uids, target, move, whole, may))

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
        _head(tx, source)
        _head(tx, target)
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
            return Copied((), (), ())
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
        new, files, now = [], [], int(self._clock())
        for number, (old, flags, size, letters, key, blob, origin, internal_date) in enumerate(kept, uid):
            name = None
            if letters is not None:
                name = file_name(key, size, old, letters)
                origin = f"{source}/{name}"
            files.append((source, old, name, size))
            new.append((target, number, after, flags, internal_date, now, size, blob, origin))
        tx.db.executemany(
            "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob, origin)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            new,
        )
        added = tuple(UID(n) for n in range(uid, uid + len(found)))
        changes = [Change(target, ModSeq(after - 1), after, appended=added)]
        if move:  # a file may be under way even where there is none yet
            tx.db.executemany("INSERT INTO leaving (mailbox, uid, name, size, due) VALUES (?, ?, ?, ?, 0)", files)
            changes.append(_remove(tx, source, _head(tx, source), [row[:3] for row in found]))
        else:
            tx.db.executemany("UPDATE blob SET refs = refs + 1 WHERE id = ?", [(row[5],) for row in found])
        tx.changes += changes
        tx.unfiled += sum(row[3] is None and row[6] is None for row in found)  # of the others there are files already
        tx.unsettled = True
        return Copied(
            tuple(row[0] for row in found),
            tuple(Placed(target, UIDValidity(uid_validity), number) for number in added),
            tuple(changes),
        )


def _append(tx: Tx, message: Append, now: int) -> list[Placed]:
    """Insert a message past the journal: with its body, in a transaction that has more to do."""
    blob = tx.new_blob(message.blob.key, len(message.placements))
    if message.blob.inline is not None:
        tx.db.execute("INSERT INTO inline_body (blob, body) VALUES (?, ?)", (blob, message.blob.inline))
    if message.digest is not None:
        write_digest(tx.db, blob, message.digest)
    placed = []
    for mailbox, flags in [(place.mailbox, flag_text(place.flags)) for place in message.placements]:
        _head(tx, mailbox)
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


def _side_by_side(rows: Sequence[Any], columns: int) -> Columns:
    """Return the first so many columns of rows."""
    return Columns(*list(zip(*rows, strict=True))[:columns]) if rows else Columns(*[()] * columns)


def _path(db: Database, where: str, folders: dict[str, str]) -> str:
    """Return where the file is that is called "mailbox/file", "" if nowhere; `folders` keeps what was looked up."""
    mailbox, _, file = where.partition("/")
    folder = folders.get(mailbox)
    if folder is None:
        found = db.ask("SELECT dir FROM folder WHERE mailbox = ?", (int(mailbox),))
        folder = folders[mailbox] = f"{found[0][0]}/cur/" if found else ""
    return folder + file if folder else ""


def _text(text: str) -> str:
    """Return the text without unpaired surrogates, which no name has and SQLite does not take."""
    return text.encode("utf-8", "replace").decode()


def _one(rows: list[Any]) -> Any:
    return rows[0][0] if rows else None


def _head(tx: Tx, mailbox: MailboxId) -> ModSeq:
    """Return the mailbox's mod-sequence. Raises MailboxMissing."""
    found = _one(tx.db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,)))
    if found is None:
        raise _missing(mailbox)
    return ModSeq(found)


def _mailbox_named(tx: Tx, account: int, name: str) -> MailboxId | None:
    found = _one(tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name)))
    return None if found is None else MailboxId(found)


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


def _mark_account(tx: Tx, account: int) -> None:
    tx.db.execute(
        "INSERT INTO dirty_account (account) VALUES (?) ON CONFLICT (account) DO UPDATE SET stamp = stamp + 1",
        (account,),
    )
    tx.unsettled = True


__all__ = ["SqliteIndex", "flag_text", "ranges", "with_flags"]
