"""The index in one SQLite file: its parts together, and the verbs about accounts and mailboxes.

Rule 1: every write is a job of the one writer (`writer`). Rule 2: a job checks before it writes, so that a
refusal leaves nothing behind.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...model.change import Change
from ...model.ids import AccountId, MailboxId, ModSeq
from ...model.mailbox import DELIMITER, INBOX, Mailbox, canonical_name
from ...model.message import Digest
from ..abc import (
    NO_NOTES,
    Index,
    MailboxExists,
    MailboxMissing,
    Note,
    StoreError,
)
from ..names import InvalidName, folder_of, login_dir
from ..validity import MAX_UID_VALIDITY, counted
from .acl import SqliteAcl, copy_acl, forget_acl, forget_identifier, inherit_acl
from .bodies import Bodies
from .database import Database, open_reader
from .digesting import Digesting
from .messages import SqliteMessages, head_of
from .metadata import SqliteMetadata, copy_notes, forget_notes, mark_mailbox, write_notes
from .reading import MAILBOX_COLUMNS, READERS, missing
from .resting import MAX_EXPUNGE_GRACE
from .sheet import Sheets
from .writer import Tx, Writer


class SqliteIndex(SqliteMessages, SqliteMetadata, SqliteAcl, Index):
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
        self._bodies = Bodies()
        self._digesting = Digesting(digest, self._bodies)
        self._digests = self._digesting.done
        self._grace = min(grace, MAX_EXPUNGE_GRACE)
        self._clock = clock
        self._fresh = self._nothing_in_it()
        self._writer = Writer(path, self._tell, lambda unfiled: self.pending(unfiled), self._bodies, self._digests)
        self._near = open_reader(path)
        self._writer.fly(self._near)
        self._readers = ThreadPoolExecutor(READERS, "mailhorn-reader")
        self._far = threading.local()
        self._far_all: list[Database] = []
        self._sheets = Sheets()
        self._closed = False

    def _tell(self, change: Change) -> None:
        self._sheets.changed(change.mailbox)
        self.told(change)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._digesting.close()
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
        last = counted(tx.db.ask("SELECT last_uid_validity FROM server")[0][0]) or _greatest_uid_validity(tx)
        given = max(last + 1, counted(self._clock()))
        tx.db.execute("UPDATE server SET last_uid_validity = ?", (given,))
        return given

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
        head = head_of(tx, mailbox)
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
            return Mailbox(*tx.db.ask(f"SELECT {MAILBOX_COLUMNS} FROM mailbox WHERE id = ?", (mailbox,))[0])

        return await self._writer.run(work)

    async def delete_mailbox(self, mailbox: MailboxId) -> None:
        def work(tx: Tx) -> None:
            found = tx.db.ask("SELECT name FROM mailbox WHERE id = ?", (mailbox,))
            if not found:
                raise missing(mailbox)
            if found[0][0] == INBOX:
                raise InvalidName("INBOX cannot be deleted")
            self._remove_mailbox(tx, mailbox)

        await self._writer.run(work, mailboxes=[mailbox])

    async def rename_mailbox(self, account: AccountId, name: str, new_name: str) -> None:
        name, new_name = canonical_name(name), canonical_name(new_name)
        folder_of(new_name)

        def work(tx: Tx) -> None:
            source = _mailbox_named(tx, account, name)
            if _mailbox_named(tx, account, new_name) is not None:
                raise MailboxExists(f"there is a mailbox {new_name!r} already")
            if name == INBOX and source is not None:
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
            moves = [] if source is None else [(source, new_name)]
            for mailbox, old in tx.db.ask(
                "SELECT id, name FROM mailbox WHERE account = ? AND substr(name, 1, ?) = ?",
                (account, len(below), below),
            ):
                new = new_name + old[len(name) :]
                folder_of(new)
                if _mailbox_named(tx, account, new) is not None:
                    raise MailboxExists(f"there is a mailbox {new!r} already")
                moves.append((mailbox, new))
            if not moves:
                raise MailboxMissing(f"there is no mailbox {name!r}, nor is one below it")
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


def _greatest_uid_validity(tx: Tx) -> int:
    """Return the greatest UIDVALIDITY there is that counts and is not followed by another one, 0 if there is none."""
    return int(
        tx.db.ask(
            "WITH given AS (SELECT uid_validity FROM mailbox UNION SELECT uid_validity FROM folder"
            " UNION SELECT uid_validity FROM removed_account) SELECT coalesce(max(uid_validity), 0) FROM given"
            " WHERE uid_validity < ? AND uid_validity + 1 NOT IN given",
            (MAX_UID_VALIDITY,),
        )[0][0]
    )


def _one(rows: list[Any]) -> Any:
    return rows[0][0] if rows else None


def _mailbox_named(tx: Tx, account: int, name: str) -> MailboxId | None:
    found = _one(tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name)))
    return None if found is None else MailboxId(found)


def _mark_account(tx: Tx, account: int) -> None:
    tx.db.execute(
        "INSERT INTO dirty_account (account) VALUES (?) ON CONFLICT (account) DO UPDATE SET stamp = stamp + 1",
        (account,),
    )
    tx.unsettled = True


__all__ = ["SqliteIndex"]
