"""The part of the SQLite index that reads.

Rule: a read that finds its rows by an index and returns few of them runs on the loop (5 us; a thread's round trip is
60); a scan runs in a reader's thread, and so does what takes a body that is in no memory (`bodies`). Who reads a
mailbox waits until the tables have all of it that was answered.
"""

import asyncio
import threading
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any, TypeVar

from ...model.change import Change, FlagUpdate
from ...model.ids import UID, AccountId, MailboxId, ModSeq
from ...model.mailbox import INBOX, Account, Mailbox, Usage
from ...model.message import NO_DIGEST, Digest, MessageDigest, MessageOrigin, MessageRow
from ..abc import (
    BlobRef,
    Columns,
    FileRef,
    Index,
    MailboxMissing,
    MessageMissing,
    Stored,
    StoreUnavailable,
)
from ..names import file_name
from .bodies import NotInMemory
from .database import DISK_ERRORS, Database, open_reader, unavailable
from .resting import SqliteResting
from .sheet import MAX_ROWS, Sheet, Sheets

T = TypeVar("T")

FEW = 64
"""Rows that may be read on the loop: 64 digests take 0.2 ms, about what a thread's round trip costs under load."""

TOGETHER = 256
"""Bodies that are read from the journal together to be digested: a MiB or so."""

READERS = 2
"""Threads for scans: more than the machine's idle cores would only take turns."""


def ranges(uids: Collection[int]) -> Iterator[tuple[int, int]]:
    """
    Yield the shortest ascending (first, last) ranges that make up the UIDs.

    Those that ascend, as almost all do, are not sorted: that is one call, 16 ms for 100,000 with gaps.
    """
    first = last = -1
    for uid in uids if _ascend(uids) else sorted(set(uids)):
        if uid == last + 1:
            last = uid
            continue
        if last >= 0:
            yield first, last
        first = last = uid
    if last >= 0:
        yield first, last


def _ascend(uids: Collection[int]) -> bool:
    before = -1
    for uid in uids:
        if uid <= before:
            return False
        before = uid
    return True


def email_id(key: str, size: int) -> str:
    """Return the name of a body that IMAP tells (RFC 8474 §4): copies share it, and a rebuild finds it again."""
    return f"M{blake2b(f'{key} {size}'.encode('utf-8', 'surrogateescape'), digest_size=12).hexdigest()}"


def missing(mailbox: MailboxId) -> MailboxMissing:
    return MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")


_ACCOUNT = (
    "account.id, login, password_hash, mailbox.id FROM account"
    f" JOIN mailbox ON mailbox.account = account.id AND mailbox.name = '{INBOX}'"
)
MAILBOX_COLUMNS = "id, account, name, uid_validity, uid_next, highest_mod_seq, messages, unseen, size"
_MAILBOX_BY_NAME = f"SELECT {MAILBOX_COLUMNS} FROM mailbox WHERE account = ? AND name = ?"
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
_ROWS = f"SELECT {_ROW} FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
_DIGESTED = (
    f"SELECT {_ROW}, envelope, body_structure, message.blob FROM message"
    " LEFT JOIN digest ON digest.blob = message.blob WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
)
_DIGESTS = (
    "SELECT envelope, body_structure FROM message"
    " LEFT JOIN digest ON digest.blob = message.blob WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
)
_DIGEST = "message.blob, header_size, envelope, body_structure, parts"


class SqliteReading(SqliteResting, Index):
    """The verbs of `Index` that read mailboxes and messages."""

    _readers: ThreadPoolExecutor
    _far: threading.local
    _far_all: list[Database]
    _sheets: Sheets
    _closed: bool

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

    async def _here_or_there(self, read: Callable[[Database], T]) -> T:
        """Read on this thread, unless that takes a body which is not in memory: then on a reader's."""
        try:
            return self._here(read)
        except NotInMemory:
            pass
        return await self._there(read)

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
                (text_of(login.lower()),),
            )
        )
        return Account(*found[0]) if found else None

    async def accounts(self, limit: int | None = None, after: str = "") -> list[Account]:
        sql = f"SELECT {_ACCOUNT} WHERE login > ? ORDER BY login LIMIT ?"
        found = await self._there(lambda db: db.ask(sql, (after, -1 if limit is None else limit)))
        return [Account(*row) for row in found]

    async def mailboxes(self, account: AccountId) -> list[Mailbox]:
        await self._caught_up()
        sql = f"SELECT {MAILBOX_COLUMNS} FROM mailbox WHERE account = ? ORDER BY name LIMIT ?"
        found = self._here(lambda db: db.ask(sql, (account, FEW + 1)))
        if len(found) > FEW:
            found = await self._there(lambda db: db.ask(sql, (account, -1)))
        return [Mailbox(*row) for row in found]

    async def mailbox(self, account: AccountId, name: str) -> Mailbox | None:
        def read(db: Database) -> list[Any]:
            return db.ask(_MAILBOX_BY_NAME, (account, text_of(name)))

        found = self._here(read)
        if found and self._writer.is_behind(found[0][0]):
            await self._writer.caught_up()
            found = self._here(read)
        return Mailbox(*found[0]) if found else None

    def mailbox_at_hand(self, account: AccountId, name: str) -> Mailbox | None:
        found = self._here(lambda db: db.ask(_MAILBOX_BY_NAME, (account, text_of(name))))
        return Mailbox(*found[0]) if found and not self._writer.is_behind(found[0][0]) else None

    async def mailbox_by_id(self, mailbox: MailboxId) -> Mailbox | None:
        await self._caught_up(mailbox)
        found = self._here(lambda db: db.ask(f"SELECT {MAILBOX_COLUMNS} FROM mailbox WHERE id = ?", (mailbox,)))
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
            raise missing(mailbox)
        if head.messages > FEW:  # the flags of who opens a mailbox are asked for next, of all or one by one
            sheet = await self._sheet(mailbox)
            if sheet is not None:
                return sheet.mod_seq, sheet.uids[:]

        def read(db: Database) -> tuple[ModSeq, "array[int]"]:
            with db:
                head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
                if not head:
                    raise missing(mailbox)
                found = db.execute("SELECT uid FROM message WHERE mailbox = ? ORDER BY uid", (mailbox,))
                return ModSeq(head[0][0]), array("I", [uid for (uid,) in found])

        return self._here(read) if head.messages <= FEW else await self._there(read)

    async def changes_since(self, mailbox: MailboxId, changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Change:
        def read(db: Database) -> Change:
            with db:
                head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
                if not head:
                    return Change(mailbox, changed_to, ModSeq(changed_to + 1), gone=True)
                appended = db.execute(
                    "SELECT uid FROM message WHERE mailbox = ? AND uid > ? ORDER BY uid", (mailbox, last_uid)
                )
                new = tuple([uid for (uid,) in appended])
                updated = db.execute(
                    "SELECT uid, mod_seq, flags FROM message INDEXED BY message_changed"
                    " WHERE changed = 1 AND mailbox = ? AND mod_seq > ? AND uid <= ? ORDER BY uid",
                    (mailbox, changed_to, last_uid),
                )
                updates = tuple([FlagUpdate(*row) for row in updated])
                expunged = db.execute(
                    "SELECT uid FROM tombstone WHERE mailbox = ? AND mod_seq > ? AND uid <= ? ORDER BY uid",
                    (mailbox, expunged_to, last_uid),
                )
                gone = tuple([uid for (uid,) in expunged])
            return Change(mailbox, changed_to, ModSeq(head[0][0]), new, updates, gone)

        head = await self.mailbox_by_id(mailbox)
        behind = 0 if head is None else head.highest_mod_seq - min(changed_to, expunged_to)
        return self._here(read) if behind <= FEW else await self._there(read)

    async def rows(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageRow]:
        return await self._by_uid(_ROWS, mailbox, uids, lambda _, row: MessageRow(*row))

    async def columns(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool = False) -> Columns:
        if digested:
            return await self._digested_columns(mailbox, uids)
        sheet = await self._sheet(mailbox) if len(uids) > FEW else None
        if sheet is not None:
            return sheet.columns(uids)
        return _side_by_side(await self.rows(mailbox, uids), 5)

    def columns_at_hand(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool = False) -> Columns | None:
        sheet = None if digested or self._closed else self._sheets.get(mailbox)
        if sheet is not None and sheet.current:
            found = sheet.columns(uids)
        elif len(uids) > FEW or self._writer.is_behind(mailbox):
            return None
        elif digested:
            try:
                found = self._here(lambda db: self._digested(db, _rows(db, _DIGESTED, mailbox, uids)))
            except NotInMemory:
                return None
        elif sheet is not None and self._here(lambda db: sheet.catch_up(db, mailbox)):
            found = sheet.columns(uids)
        else:
            found = _side_by_side(self._here(lambda db: _rows(db, _ROWS, mailbox, uids)), 5)
        return found if len(found.uids) == len(uids) else None

    async def _digested_columns(self, mailbox: MailboxId, uids: Sequence[UID]) -> Columns:
        await self._caught_up(mailbox)
        if len(uids) <= FEW:
            return await self._here_or_there(lambda db: self._digested(db, _rows(db, _DIGESTED, mailbox, uids)))
        sheet = None if self._sheets.get(mailbox) is None else await self._sheet(mailbox)
        known = None if sheet is None else sheet.columns(uids)

        def read(db: Database) -> Columns:
            if known is not None:
                rows = _rows(db, _DIGESTS, mailbox, uids)
                if len(rows) == len(known.uids):  # none is gone since: they are the same
                    envelopes, structures = zip(*rows, strict=True) if rows else ((), ())
                    if None not in envelopes:
                        return known._replace(envelopes=envelopes, body_structures=structures)
            return self._digested(db, _rows(db, _DIGESTED, mailbox, uids))

        return await self._there(read)

    def _digested(self, db: Database, rows: list[Any]) -> Columns:
        """Return rows of `_DIGESTED` side by side, with the digests that are not in the tables yet."""
        found = _side_by_side(rows, 7)
        if None not in found.envelopes:
            return found
        made: list[Any] = []
        for at in range(0, len(rows), TOGETHER):
            part = rows[at : at + TOGETHER]
            fresh = [row[7] for row in part if row[5] is None and row[7] not in self._digests]
            bodies = {} if db is self._near or len(fresh) < 2 else self._bodies.get_many(fresh)
            made += [row if row[5] is not None else self._digested_row(db, row, bodies.get(row[7])) for row in part]
        return _side_by_side(made, 7)

    def _digested_row(self, db: Database, row: Any, body: bytes | None) -> Any:
        digest = self._fresh_digest(db, row[7], body)
        return (*row[:5], digest.envelope, digest.body_structure, row[7])

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

    def _fresh_digest(self, db: Database, blob: int, body: bytes | None = None) -> Digest:
        """Return the digest of a message that has not come to rest."""
        digest = self._digests.get(blob)
        if digest is None:
            body = self._body(db, blob, body)
            if body is not None:
                return self._digest(body)
            kept = db.ask("SELECT header_size, envelope, body_structure, parts FROM digest WHERE blob = ?", (blob,))
            if not kept:
                return self._digest(b"")  # expunged meanwhile, and its grace is over
            digest = Digest(*kept[0])  # it came to rest just now
        return digest

    async def _by_uid(
        self,
        sql: str,
        mailbox: MailboxId,
        uids: Sequence[UID],
        make: Callable[[Database, Any], T],
        ahead: Callable[[list[Any]], list[Any]] | None = None,
    ) -> list[T]:
        """Return what is made of the rows of the UIDs, in one consistent read; `ahead` fills them in a thread."""

        await self._caught_up(mailbox)

        def read(db: Database) -> list[T]:
            return _read(db, sql, mailbox, uids, make, None if db is self._near else ahead)

        return await self._here_or_there(read) if len(uids) <= FEW else await self._there(read)

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

        ref = await self._here_or_there(read)
        if ref is None:
            raise MessageMissing(f"message {uid} of mailbox {mailbox} is gone")
        return ref

    async def stored(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool) -> list[Stored]:
        sql = _STORED_DIGESTED if digested else _STORED
        return await self._by_uid(sql, mailbox, uids, self._stored_maker(mailbox, digested), self._with_journal)

    def _with_journal(self, rows: list[Any]) -> list[Any]:
        """Return rows of `_STORED` with the bodies that are in the journal, read together."""
        wanted = [row[5] for row in rows if row[7] is None and row[8] is None and row[9] is None]
        if len(wanted) < 2:
            return rows
        found = self._bodies.get_many(wanted)
        return [(*row[:9], found.get(row[5]), *row[10:]) if row[9] is None else row for row in rows]

    def stored_at_hand(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool) -> list[Stored] | None:
        if len(uids) > FEW or self._writer.is_behind(mailbox):
            return None
        sql, make = _STORED_DIGESTED if digested else _STORED, self._stored_maker(mailbox, digested)
        try:
            found = self._here(lambda db: _read(db, sql, mailbox, uids, make))
        except NotInMemory:
            return None
        return found if len(found) == len(uids) else None

    def _stored_maker(self, mailbox: MailboxId, digested: bool) -> Callable[[Database, Any], Stored]:
        """Return what makes of a row of `_STORED` or `_STORED_DIGESTED` what it says."""
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
                digest = self._fresh_digest(db, number, body) if row[11] is None else Digest(*row[11:])
            return Stored(MessageRow(*row[:5]), digest, where)

        return make

    def _ref(self, db: Database, mailbox: MailboxId, row: Any) -> BlobRef:
        """Return where the body is of a message that is there; `row` is UID, size, and `_PLACE`."""
        uid, size, number, key, letters, origin, body = row
        if letters is not None:
            origin = f"{mailbox}/{file_name(key, size, uid, letters)}"
        if origin is not None:
            return FileRef(key, size, None, _path(db, origin, {}))
        body = self._body(db, number, body)
        return FileRef(key, size, None, "") if body is None else BlobRef(key, size, body)


def _read(
    db: Database,
    sql: str,
    mailbox: MailboxId,
    uids: Sequence[UID],
    make: Callable[[Database, Any], T],
    ahead: Callable[[list[Any]], list[Any]] | None = None,
) -> list[T]:
    """Return what is made of the rows of the UIDs, in one consistent read."""
    # Made after it: what has come to rest meanwhile is nowhere but in the tables.
    rows = _rows(db, sql, mailbox, uids)
    return [make(db, row) for row in (rows if ahead is None else ahead(rows))]


def _rows(db: Database, sql: str, mailbox: MailboxId, uids: Sequence[UID]) -> list[Any]:
    """Return the rows of the UIDs, in one consistent read."""
    if not uids:
        return []
    neighbours = len(uids) == 1 or (isinstance(uids, array) and uids == array("I", range(uids[0], uids[-1] + 1)))
    wanted = [(uids[0], uids[-1])] if neighbours else list(ranges(uids))
    if len(wanted) == 1:
        return db.ask(sql, (mailbox, *wanted[0]))
    with db:
        return [row for first, last in wanted for row in db.ask(sql, (mailbox, first, last))]


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


def text_of(text: str) -> str:
    """Return the text without unpaired surrogates, which no name has and SQLite does not take."""
    return text.encode("utf-8", "replace").decode()


__all__ = ["MAILBOX_COLUMNS", "READERS", "SqliteReading", "missing", "ranges", "text_of"]
