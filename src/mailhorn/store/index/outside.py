"""The SQLite index as the one sees it who notices what other tools do in the Maildirs.

Its reads have a connection of their own, for the one thread that looks. Its writes are jobs of the one writer like
all others: durable, told, then answered. Each checks that what it was asked for still is as it was seen.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...model.change import Change, FlagUpdate
from ...model.flags import DELETED, MAX_FLAGS, SEEN
from ...model.ids import UID, AccountId, MailboxId, ModSeq
from ...model.mailbox import DELIMITER, INBOX
from ...model.message import Digest
from ..abc import (
    Adopted,
    Dropped,
    FolderAt,
    KnownFile,
    MailboxMissing,
    Outside,
    Relettered,
    RestoredMessage,
    StoreError,
    Vanished,
)
from .arrivals import write_digest
from .database import DISK_ERRORS, Database, open_reader, unavailable
from .messages import flag_text, with_flags
from .metadata import mark_mailbox
from .reading import ranges
from .sqlite import SqliteIndex
from .writer import Tx

CACHE = 64
"""KiB of pages that are kept: it goes through folders and their messages in order, and seldom reads anything again."""

_FOLDER = (
    "SELECT folder.mailbox, mailbox.account, mailbox.name, dir, mailbox.uid_validity FROM folder"
    " JOIN mailbox ON mailbox.id = folder.mailbox WHERE"
)
_KNOWN = (
    "SELECT uid, key, message.size, letters, flags FROM message JOIN blob ON blob.id = message.blob WHERE mailbox = ?"
)


class SqliteOutside(Outside):
    """The view from outside on a `SqliteIndex`, which has to outlive it."""

    def __init__(self, index: SqliteIndex) -> None:
        """Take the index; nothing is opened before the first read."""
        self._index = index
        self._path = index._path
        self._writer = index._writer
        self._reading: Database | None = None

    @contextmanager
    def _reader(self) -> Iterator[Database]:
        try:
            if self._reading is None:
                self._reading = open_reader(self._path, CACHE)
            yield self._reading
        except DISK_ERRORS as problem:
            raise unavailable(self._path, problem) from problem

    # reading

    def folders(self, after: int, limit: int) -> list[FolderAt]:
        with self._reader() as db:
            found = db.ask(f"{_FOLDER} folder.mailbox > ? ORDER BY folder.mailbox LIMIT ?", (after, limit))
        return [FolderAt(*row) for row in found]

    def folder(self, mailbox: MailboxId) -> FolderAt | None:
        with self._reader() as db:
            found = db.ask(f"{_FOLDER} folder.mailbox = ?", (mailbox,))
        return FolderAt(*found[0]) if found else None

    def folder_at(self, directory: str) -> FolderAt | None:
        if not _is_text(directory):
            return None  # other tools may call a directory anything; none of ours is called so
        with self._reader() as db:
            found = db.ask("SELECT mailbox, uid_validity FROM folder WHERE dir = ?", (directory,))
        if not found:
            return None
        return self.folder(found[0][0]) or FolderAt(found[0][0], AccountId(0), "", directory, found[0][1])

    def inbox_of(self, login: str) -> tuple[AccountId, MailboxId] | None:
        with self._reader() as db:
            found = db.ask(
                "SELECT account.id, mailbox.id FROM account JOIN mailbox ON mailbox.account = account.id"
                " AND mailbox.name = ? WHERE login = ?",
                (INBOX, login),
            )
        return (AccountId(found[0][0]), MailboxId(found[0][1])) if found else None

    def signed(self, account: AccountId, uid_validity: int) -> FolderAt | None:
        with self._reader() as db:
            found = db.ask(f"{_FOLDER} mailbox.account = ? AND mailbox.uid_validity = ?", (account, uid_validity))
        return FolderAt(*found[0]) if found else None

    def last_uid_validity(self) -> int:
        with self._reader() as db:
            return int(db.ask("SELECT last_uid_validity FROM server")[0][0])

    def known_files(self, mailbox: MailboxId) -> Iterator[KnownFile]:
        with self._reader() as db:
            for row in db.execute(f"{_KNOWN} ORDER BY uid", (mailbox,)):
                yield KnownFile(*row)

    def known(self, mailbox: MailboxId, uids: Iterable[int]) -> dict[int, KnownFile]:
        known: dict[int, KnownFile] = {}
        with self._reader() as db, db:
            for span in ranges([*uids]):
                for row in db.execute(
                    "SELECT uid, coalesce(key, ''), leaving.size, NULL, '' FROM leaving"
                    " LEFT JOIN blob ON blob.id = leaving.blob WHERE mailbox = ? AND uid BETWEEN ? AND ?",
                    (mailbox, *span),
                ):
                    known[row[0]] = KnownFile(*row)
                for row in db.execute(f"{_KNOWN} AND uid BETWEEN ? AND ?", (mailbox, *span)):
                    known[row[0]] = KnownFile(*row)
        return known

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    # writing

    async def take_in(
        self,
        mailbox: MailboxId,
        dropped: Sequence[Dropped],
        relettered: Sequence[Relettered],
        vanished: Sequence[Vanished],
    ) -> list[UID]:
        def work(tx: Tx) -> list[UID]:
            if not tx.db.ask("SELECT 1 FROM mailbox WHERE id = ?", (mailbox,)):
                raise MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")
            uids = _add(tx, mailbox, dropped, int(self._index._clock()))
            _reletter(tx, mailbox, relettered)
            _expunge(tx, mailbox, vanished)
            return uids

        return await self._writer.run(work, mailboxes=[mailbox])

    async def claim(self, account: AccountId, name: str, directory: str) -> MailboxId | None:
        def work(tx: Tx) -> MailboxId | None:
            if tx.db.ask("SELECT 1 FROM folder WHERE dir = ?", (directory,)):
                return None
            levels = name.split(DELIMITER)
            mailbox = 0
            for depth in range(1, len(levels) + 1):
                mailbox = _mailbox(tx, account, DELIMITER.join(levels[:depth]), self._index._new_uid_validity)
            if tx.db.ask("SELECT 1 FROM folder WHERE mailbox = ?", (mailbox,)):
                return None
            tx.db.execute(
                "INSERT INTO folder (mailbox, account, dir, uid_validity, uid_next)"
                " SELECT id, account, ?, uid_validity, 0 FROM mailbox WHERE id = ?",
                (directory, mailbox),
            )
            mark_mailbox(tx, mailbox)
            return MailboxId(mailbox)

        return await self._writer.run(work)

    async def moved(self, mailbox: MailboxId, name: str, directory: str) -> MailboxId | None:
        def work(tx: Tx) -> MailboxId | None:
            if tx.db.ask("SELECT 1 FROM folder WHERE dir = ?", (directory,)) or tx.db.ask(
                "SELECT 1 FROM mailbox WHERE name = ? AND id <> ?2 AND account ="
                " (SELECT account FROM mailbox WHERE id = ?2)",
                (name, mailbox),
            ):
                return None
            tx.db.execute("UPDATE mailbox SET name = ? WHERE id = ?", (name, mailbox))
            tx.db.execute("UPDATE folder SET dir = ? WHERE mailbox = ?", (directory, mailbox))
            mark_mailbox(tx, mailbox)
            return mailbox

        return await self._writer.run(work)

    async def adopt(
        self, login: str, password_hash: str, subscriptions: Sequence[str], mailboxes: Iterable[Adopted]
    ) -> int:
        def work(tx: Tx) -> int:
            if tx.db.ask("SELECT 1 FROM account WHERE login = ?", (login,)):
                raise StoreError(f"there is an account {login} already; adopt the Maildir under another login")
            tx.db.execute("INSERT INTO account (login, password_hash) VALUES (?, ?)", (login, password_hash))
            account = tx.db.last_insert_rowid()
            tx.db.executemany("INSERT INTO subscription VALUES (?, ?)", [(account, name) for name in subscriptions])
            tx.db.execute("INSERT INTO dirty_account (account) VALUES (0) ON CONFLICT DO UPDATE SET stamp = stamp + 1")
            total = 0
            # Above all that the server before gave: who knows its numbers is told everything, and misses nothing.
            mod_seq = int(self._index._clock() * 1000)
            for box in mailboxes:
                tx.db.execute(
                    "INSERT INTO mailbox (account, name, uid_validity, uid_next, highest_mod_seq)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (account, box.name, box.uid_validity, box.uid_next, mod_seq),
                )
                mailbox = tx.db.last_insert_rowid()
                tx.db.execute(
                    "INSERT INTO folder (mailbox, account, dir, uid_validity, uid_next) VALUES (?, ?, ?, ?, 0)",
                    (mailbox, account, box.dir, box.uid_validity),
                )
                mark_mailbox(tx, mailbox)
                tx.db.execute("UPDATE server SET last_uid_validity = max(last_uid_validity, ?)", (box.uid_validity,))
                for batch in box.messages:
                    _restore(tx, mailbox, batch)
                    total += len(batch)
            return total

        return await self._writer.run(work)


def _is_text(name: str) -> bool:
    """Return whether a file's name was UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mailbox(tx: Tx, account: int, name: str, new_uid_validity: Callable[[Tx], int]) -> int:
    """Return the mailbox; it is made if there is none."""
    found = tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name))
    if found:
        return int(found[0][0])
    tx.db.execute(
        "INSERT INTO mailbox (account, name, uid_validity) VALUES (?, ?, ?)",
        (account, name, new_uid_validity(tx)),
    )
    mailbox = tx.db.last_insert_rowid()
    mark_mailbox(tx, mailbox)
    return mailbox


def _add(tx: Tx, mailbox: MailboxId, dropped: Sequence[Dropped], now: int) -> list[UID]:
    """Add files as messages; they are called by their new UIDs as soon as this is committed."""
    if not dropped:
        return []
    flags = [flag_text(file.flags) for file in dropped]
    first, after = tx.db.ask(
        "UPDATE mailbox SET uid_next = uid_next + ?1, highest_mod_seq = highest_mod_seq + 1,"
        " messages = messages + ?1, unseen = unseen + ?2, deleted = deleted + ?3, size = size + ?4"
        " WHERE id = ?5 RETURNING uid_next - ?1, highest_mod_seq",
        (
            len(dropped),
            sum(SEEN not in text.split() for text in flags),
            sum(DELETED in text.split() for text in flags),
            sum(file.size for file in dropped),
            mailbox,
        ),
    )[0]
    uids = [UID(first + n) for n in range(len(dropped))]
    for uid, file, text in zip(uids, dropped, flags, strict=True):
        blob = _insert_blob(tx, file.key, file.digest)
        _insert_message(tx, (mailbox, uid, after, text, file.internal_date, now, file.size, blob, file.letters, 1))
    mark_mailbox(tx, mailbox)  # so that the folder's file tells UIDNEXT
    tx.changes.append(Change(mailbox, ModSeq(after - 1), after, appended=tuple(uids)))
    return uids


def _reletter(tx: Tx, mailbox: MailboxId, relettered: Sequence[Relettered]) -> None:
    """Take over flags from files' names; what a client changed meanwhile stays changed."""
    before = tx.db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))[0][0]
    updates, unseen, deleted = [], 0, 0
    for file in relettered:
        found = tx.db.ask(
            "UPDATE message SET letters = ?, dirty = 1 WHERE mailbox = ? AND uid = ? AND letters = ? RETURNING flags",
            (file.letters, mailbox, file.uid, file.before),
        )
        if not found:
            continue
        tx.unsettled = True
        old = found[0][0]
        new = with_flags(old, file.add, file.remove, False)
        if new is None or new.count(" ") >= max(MAX_FLAGS, old.count(" ") + 1):
            continue
        updates.append(FlagUpdate(file.uid, ModSeq(before + 1), new))
        unseen += (SEEN not in new.split()) - (SEEN not in old.split())
        deleted += (DELETED in new.split()) - (DELETED in old.split())
    if not updates:
        return
    updates.sort()
    tx.db.executemany(
        "UPDATE message SET mod_seq = ?, flags = ?, changed = 1 WHERE mailbox = ? AND uid = ?",
        ((update.mod_seq, update.flags, mailbox, update.uid) for update in updates),
    )
    tx.db.execute(
        "UPDATE mailbox SET highest_mod_seq = ?, unseen = unseen + ?, deleted = deleted + ? WHERE id = ?",
        (before + 1, unseen, deleted, mailbox),
    )
    tx.changes.append(Change(mailbox, before, ModSeq(before + 1), updated=tuple(updates)))


def _expunge(tx: Tx, mailbox: MailboxId, vanished: Sequence[Vanished]) -> None:
    """Expunge messages without a file; what is left of them goes the way of all expunged ones."""
    before = tx.db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))[0][0]
    gone: list[Any] = []
    for file in vanished:
        gone += tx.db.ask(
            "DELETE FROM message WHERE mailbox = ? AND uid = ? AND letters = ? RETURNING uid, flags, size, blob",
            (mailbox, file.uid, file.letters),
        )
    if not gone:
        return
    gone.sort()
    after = ModSeq(before + 1)
    tx.db.executemany(
        "INSERT INTO leaving (mailbox, uid, name, blob, size, due) VALUES (?, ?, NULL, ?, ?, 0)",
        ((mailbox, uid, blob, size) for uid, _, size, blob in gone),
    )
    tx.db.executemany(
        "INSERT INTO tombstone (mailbox, mod_seq, uid) VALUES (?, ?, ?)", ((mailbox, after, row[0]) for row in gone)
    )
    tx.db.execute(
        "UPDATE mailbox SET highest_mod_seq = ?, messages = messages - ?, unseen = unseen - ?,"
        " deleted = deleted - ?, size = size - ? WHERE id = ?",
        (
            after,
            len(gone),
            sum(SEEN not in row[1].split() for row in gone),
            sum(DELETED in row[1].split() for row in gone),
            sum(row[2] for row in gone),
            mailbox,
        ),
    )
    tx.unsettled = True
    tx.changes.append(Change(mailbox, before, after, expunged=tuple(row[0] for row in gone)))


def _restore(tx: Tx, mailbox: int, batch: Sequence[RestoredMessage]) -> None:
    """Add messages that have their UIDs."""
    for m in batch:
        flags = m.flags.split()
        mod_seq = tx.db.ask(
            "UPDATE mailbox SET uid_next = max(uid_next, ?1 + 1), highest_mod_seq = highest_mod_seq + 1,"
            " messages = messages + 1, unseen = unseen + ?2, deleted = deleted + ?3, size = size + ?4"
            " WHERE id = ?5 RETURNING highest_mod_seq",
            (m.uid, SEEN not in flags, DELETED in flags, m.size, mailbox),
        )[0][0]
        blob = _insert_blob(tx, m.key, m.digest)
        _insert_message(tx, (mailbox, m.uid, mod_seq, m.flags, m.internal_date, None, m.size, blob, m.letters, 0))


def _insert_blob(tx: Tx, key: str, digest: Digest) -> int:
    blob = tx.new_blob(key, 1)
    write_digest(tx.db, blob, digest)
    return blob


def _insert_message(tx: Tx, row: tuple[Any, ...]) -> None:
    tx.db.execute(
        "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob, letters, dirty)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )


__all__ = ["SqliteOutside"]
