"""The part of the SQLite index that keeps who may do what with other people's mailboxes (RFC 4314)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ...model.ids import MailboxId
from ...model.mailbox import Mailbox
from ...model.rights import Acl
from ..abc import MAX_ACL, Index, MailboxMissing, Shared, TooManyNotes
from .database import Database
from .metadata import mark_mailbox
from .writer import Tx, Writer

T = TypeVar("T")

_SHARED = (
    "SELECT mailbox.id, account, name, uid_validity, uid_next, highest_mod_seq, messages, unseen, size,"
    " login, identifier, rights FROM acl"
    " CROSS JOIN mailbox ON mailbox.id = acl.mailbox JOIN account ON account.id = mailbox.account"
    " WHERE identifier IN ({}) ORDER BY mailbox.id LIMIT ?"
)

FEW = 64
"""Entries that may be read on the loop: a third of a millisecond."""


class SqliteAcl(Index):
    """The verbs of `Index` that are about rights."""

    _writer: Writer
    _here: Callable[[Callable[[Database], Any]], Any]
    _there: Callable[[Callable[[Database], Any]], Awaitable[Any]]

    async def acl(self, mailbox: MailboxId) -> dict[str, str]:
        sql = "SELECT identifier, rights FROM acl WHERE mailbox = ? ORDER BY identifier"
        return dict(self._here(lambda db: db.ask(sql, (mailbox,))))

    async def set_acl(self, mailbox: MailboxId, change: Callable[[Acl], Acl]) -> dict[str, str]:
        def work(tx: Tx) -> dict[str, str]:
            if not tx.db.ask("SELECT 1 FROM mailbox WHERE id = ?", (mailbox,)):
                raise MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")
            before = dict(tx.db.ask("SELECT identifier, rights FROM acl WHERE mailbox = ?", (mailbox,)))
            after = dict(change(before))
            if len(after) > max(MAX_ACL, len(before)):
                raise TooManyNotes(f"a mailbox can be shared with {MAX_ACL} at most")
            if after != before:
                tx.db.execute("DELETE FROM acl WHERE mailbox = ?", (mailbox,))
                write_acl(tx, mailbox, after)
                mark_mailbox(tx, mailbox)
            return after

        return dict(await self._writer.run(work))

    async def shared(self, identifiers: Sequence[str]) -> list[Shared]:
        if self._writer.is_behind(None):
            await self._writer.caught_up()
        sql = _SHARED.format(", ".join("?" * len(identifiers)))
        entries = self._here(lambda db: db.ask(sql, (*identifiers, FEW + 1)))
        if len(entries) > FEW:
            entries = await self._there(lambda db: db.ask(sql, (*identifiers, -1)))
        found: dict[int, Shared] = {}
        for *head, login, identifier, rights in entries:
            one = found.setdefault(head[0], Shared(login, Mailbox(*head), {}))
            one.acl[identifier] = rights
        return list(found.values())


def write_acl(tx: Tx, mailbox: int, acl: Acl) -> None:
    """Put in a list that was empty."""
    tx.db.executemany(
        "INSERT INTO acl (mailbox, identifier, rights) VALUES (?, ?, ?)",
        [(mailbox, identifier, rights) for identifier, rights in acl.items()],
    )


def copy_acl(tx: Tx, source: int, target: int) -> None:
    """Give a new mailbox the list of another."""
    tx.db.execute(
        "INSERT OR REPLACE INTO acl (mailbox, identifier, rights) SELECT ?2, identifier, rights FROM acl"
        " WHERE mailbox = ?1",
        (source, target),
    )


def inherit_acl(tx: Tx, account: int, above: str, mailbox: int) -> None:
    """Give a new mailbox the list of the one above it, which exists (RFC 4314 §4); without one it is its owner's."""
    for (parent,) in tx.db.ask("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, above)):
        copy_acl(tx, parent, mailbox)


def forget_acl(tx: Tx, mailbox: int) -> None:
    """Forget the list of a mailbox that is deleted (RFC 4314 §4)."""
    tx.db.execute("DELETE FROM acl WHERE mailbox = ?", (mailbox,))


def forget_identifier(tx: Tx, login: str) -> None:
    """Forget what was granted to an account that is removed, or the next one of that name would have it."""
    gone = (login, f"-{login}")
    for (mailbox,) in tx.db.ask("SELECT DISTINCT mailbox FROM acl WHERE identifier IN (?, ?)", gone):
        mark_mailbox(tx, mailbox)
    tx.db.execute("DELETE FROM acl WHERE identifier IN (?, ?)", gone)


__all__ = [
    "SqliteAcl",
    "copy_acl",
    "forget_acl",
    "forget_identifier",
    "inherit_acl",
    "write_acl",
]
