"""The part of the SQLite index that keeps what clients note of mailboxes and accounts (RFC 5464)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ...model.change import Change
from ...model.ids import AccountId, MailboxId, ModSeq
from ..abc import (
    MAX_NOTES,
    MAX_NOTES_SIZE,
    Index,
    MailboxMissing,
    Note,
    TooManyNotes,
)
from ..notes import pack_notes
from .database import Database
from .writer import Tx, Writer

T = TypeVar("T")

OF_ACCOUNT = 0
"""Stands for the mailbox in what is noted of an account."""


class SqliteMetadata(Index):
    """The verbs of `Index` that are about notes."""

    _writer: Writer
    _here: Callable[[Callable[[Database], Any]], Any]

    async def notes(self, account: AccountId, mailbox: MailboxId | None) -> dict[str, bytes]:
        return dict(
            self._here(
                lambda db: db.ask(
                    "SELECT entry, value FROM metadata WHERE account = ? AND mailbox = ? ORDER BY entry",
                    (account, mailbox or OF_ACCOUNT),
                )
            )
        )

    async def noted(self, account: AccountId, entry: str) -> dict[MailboxId, bytes]:
        sql = "SELECT mailbox, value FROM metadata WHERE account = ? AND entry = ? AND mailbox > 0"
        return dict(self._here(lambda db: db.ask(sql, (account, entry))))

    async def note(self, account: AccountId, notes: Sequence[Note]) -> None:
        def work(tx: Tx) -> None:
            for mailbox in {note.mailbox for note in notes if note.mailbox is not None}:
                if not tx.db.ask("SELECT 1 FROM mailbox WHERE id = ? AND account = ?", (mailbox, account)):
                    raise MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")
            before = [_value(tx, account, note) for note in notes]
            write_notes(tx, account, notes)
            after = [_value(tx, account, note) for note in notes]
            for one in {n.mailbox for n, was, now in zip(notes, before, after, strict=True) if was != now}:
                if one is not None:
                    _raise_mod_seq(tx, one)

        await self._writer.run(work)


def _value(tx: Tx, account: int, note: Note) -> bytes | None:
    sql = "SELECT value FROM metadata WHERE account = ? AND mailbox = ? AND entry = ?"
    found = tx.db.ask(sql, (account, note.mailbox or OF_ACCOUNT, note.entry))
    return found[0][0] if found else None


def _raise_mod_seq(tx: Tx, mailbox: MailboxId) -> None:
    """Let the mailbox be another one for who knows its mod-sequence: what is noted of it is (RFC 7162 §3.2)."""
    sql = "UPDATE mailbox SET highest_mod_seq = highest_mod_seq + 1 WHERE id = ? RETURNING highest_mod_seq"
    ((after,),) = tx.db.ask(sql, (mailbox,))
    tx.changes.append(Change(mailbox, ModSeq(after - 1), ModSeq(after)))


def write_notes(tx: Tx, account: int, notes: Iterable[Note]) -> None:
    """Note it, and have it written into the mailboxes' directories. Raises TooManyNotes."""
    touched: set[int] = set()
    for mailbox, entry, value in notes:
        touched.add(mailbox or OF_ACCOUNT)
        if value is None:
            tx.db.execute(
                "DELETE FROM metadata WHERE account = ? AND mailbox = ? AND entry = ?",
                (account, mailbox or OF_ACCOUNT, entry),
            )
        else:
            tx.db.execute(
                "INSERT OR REPLACE INTO metadata (account, mailbox, entry, value) VALUES (?, ?, ?, ?)",
                (account, mailbox or OF_ACCOUNT, entry, value),
            )
    for one in touched:
        count, size = tx.db.ask(
            "SELECT count(*), coalesce(sum(length(value)), 0) FROM metadata WHERE account = ? AND mailbox = ?",
            (account, one),
        )[0]
        if count > MAX_NOTES or size > MAX_NOTES_SIZE:
            raise TooManyNotes(f"no more than {MAX_NOTES} entries of {MAX_NOTES_SIZE} octets in all can be kept")
        if one == OF_ACCOUNT:
            ((one,),) = tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = 'INBOX'", (account,))
        mark_mailbox(tx, one)


def copy_notes(tx: Tx, account: int, source: int, target: int) -> None:
    """Note of a mailbox what is noted of another: INBOX, whose mail it gets (RFC 5464 §4.1)."""
    tx.db.execute(
        "INSERT INTO metadata (account, mailbox, entry, value) SELECT account, ?3, entry, value FROM metadata"
        " WHERE account = ?1 AND mailbox = ?2",
        (account, source, target),
    )


def forget_notes(tx: Tx, mailbox: MailboxId) -> None:
    """Forget what was noted of a mailbox that is about to be deleted."""
    tx.db.execute(
        "DELETE FROM metadata WHERE mailbox = ?1 AND account = (SELECT account FROM mailbox WHERE id = ?1)", (mailbox,)
    )


def restore_notes(tx: Tx, account: int, mailbox: int, notes: Mapping[str, bytes]) -> None:
    """Take over what a file says; what is too much is left out."""
    size = 0
    for entry, value in list(notes.items())[:MAX_NOTES]:
        size += len(value)
        if size <= MAX_NOTES_SIZE:
            tx.db.execute(
                "INSERT OR REPLACE INTO metadata (account, mailbox, entry, value) VALUES (?, ?, ?, ?)",
                (account, mailbox, entry, value),
            )


def notes_file(db: Database, account: int, mailbox: int, inbox: bool) -> bytes:
    """Return what is to be written into a mailbox's directory."""
    sql = "SELECT entry, value FROM metadata WHERE account = ? AND mailbox = ?"
    of_account = dict(db.ask(sql, (account, OF_ACCOUNT))) if inbox else {}
    acl = dict(db.ask("SELECT identifier, rights FROM acl WHERE mailbox = ?", (mailbox,)))
    return pack_notes(dict(db.ask(sql, (account, mailbox))), of_account, acl)


def mark_mailbox(tx: Tx, mailbox: int) -> None:
    """Have the settler look after the mailbox's directory and what is written there."""
    tx.db.execute(
        "INSERT INTO dirty_mailbox (mailbox) VALUES (?) ON CONFLICT (mailbox) DO UPDATE SET stamp = stamp + 1",
        (mailbox,),
    )
    tx.unsettled = True


__all__ = [
    "OF_ACCOUNT",
    "SqliteMetadata",
    "copy_notes",
    "forget_notes",
    "mark_mailbox",
    "notes_file",
    "restore_notes",
    "write_notes",
]
