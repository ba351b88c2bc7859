"""All mailboxes of an account as its sessions with NOTIFY see them: one picture for all of these sessions (RFC 5465).

Rule 1: the hub says that something happened, and where a mailbox stands then follows from where it stood; where it does
not, the index is asked. Rule 2: names, subscriptions and who may see what are read anew whenever somebody says that
they are others now, and compared: a hint may be lost, doubled or late. Rule 3: an idle session has nothing here of its
own; only what it has not been told yet is kept for it (`notices`): of a mailbox one entry, whatever happened.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from ...model.change import Change
from ...model.ids import UID, AccountId, MailboxId
from ...model.mailbox import DELIMITER, Account, Mailbox
from ...model.rights import granted, identifiers
from ...push.hub import Hub
from ...store.abc import Index

MAX_MAILBOXES = 10_000
"""Of one account that are looked after: each costs 350 octets as long as one of its sessions has NOTIFY on."""


class TooMany(Exception):
    """The account has more than MAX_MAILBOXES. Answer NOTIFICATIONOVERFLOW."""


class Noted(NamedTuple):
    """A hint: entries of METADATA that are others now, of a mailbox or of the account; `by` and `but` know it."""

    mailbox: MailboxId | None
    entries: tuple[str, ...]
    by: "Listener | None" = None
    but: AccountId | None = None


class InboxRenamed(NamedTuple):
    """A hint: the messages of INBOX are in a new mailbox of this name."""

    new_name: str


class Listener(Protocol):
    """A session of which something may have to be told."""

    def noticed(self, stood: Mailbox, exact: bool) -> None:
        """Take note that a mailbox has gone on from there, which is `exact` or not. Must not raise or wait."""

    def noted(self, mailbox: Mailbox | None, entries: tuple[str, ...]) -> None:
        """Take note that entries of METADATA are others now."""

    def look(self) -> None:
        """Tell what there is to tell, or leave it for later. Must not raise or wait."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """
    Which mailboxes there are.

    Attributes:
        names: All that the account can list.
        subscribed: Names, whether or not there is such a mailbox.
        closed: Those of `names` that the account may list and not read.
        inboxes: New names of what INBOX held, since it was renamed.

    """

    names: Mapping[str, MailboxId] = field(default_factory=dict)
    subscribed: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    inboxes: frozenset[str] = frozenset()

    def has_children(self, name: str) -> bool:
        """Say whether there is a mailbox below it."""
        below = name + DELIMITER
        return any(other.startswith(below) for other in self.names)

    def same(self, other: "Picture") -> bool:
        """Say whether it shows the same."""
        mine = (self.names, self.subscribed, self.closed, self.inboxes)
        return mine == (other.names, other.subscribed, other.closed, other.inboxes)


class Survey:
    """
    The mailboxes of one account. Implements `push.hub.Overseer`.

    Attributes:
        others: What the names of other people's mailboxes begin with.
        picture: Which there are; replaced, never changed.

    """

    __slots__ = (
        "_account",
        "_hub",
        "_inboxes",
        "_index",
        "_listeners",
        "_lock",
        "_lost",
        "_rough",
        "_rows",
        "_stale",
        "others",
        "picture",
    )

    def __init__(self, index: Index, hub: Hub, account: Account, others: str) -> None:
        """Know nothing yet; `others` is what the names of other people's mailboxes begin with."""
        self.others = others
        self._index = index
        self._hub = hub
        self._account = account
        self._listeners: dict[Listener, None] = {}
        self._rows: dict[MailboxId, Mailbox] = {}
        self._rough: set[MailboxId] = set()
        """Of these nobody knows how many are unseen, nor how big they are."""
        self._lost: set[MailboxId] = set()
        """Of these only the mod-sequence is known."""
        self._inboxes: set[str] = set()
        self._stale = True
        self._lock = asyncio.Lock()
        self.picture = Picture()

    @classmethod
    def of(cls, index: Index, hub: Hub, account: Account, others: str) -> "Survey":
        """Return the one of an account: there is one for all its sessions."""
        found = hub.overseer(account.id)
        if isinstance(found, cls):
            return found
        made = cls(index, hub, account, others)
        hub.appoint(account.id, made)
        return made

    def join(self, listener: Listener) -> None:
        """Let a session know what happens from now on. `look` after this, never before."""
        self._listeners[listener] = None

    def leave(self, listener: Listener) -> None:
        """Tell it no more; when nobody listens, nothing is left."""
        self._listeners.pop(listener, None)
        if not self._listeners and self._hub.overseer(self._account.id) is self:
            self._hub.dismiss(self._account.id, self._rows)
            self._rows, self._stale, self.picture = {}, True, Picture()

    @property
    def unsettled(self) -> bool:
        """Whether `look` would find out something, or is about to."""
        return self._stale or self._lock.locked()

    @property
    def rows(self) -> Mapping[MailboxId, Mailbox]:
        """The mailboxes that may be read, as far as it is known how they are, each by the name it has here."""
        return self._rows

    # push.hub.Overseer

    def note(self, change: Change) -> None:
        """Take note of a change: how the mailbox is now, if that follows."""
        row = self._rows.get(change.mailbox)
        if row is None or change.after <= row.highest_mod_seq:
            self._stale = self._stale or change.gone
            return
        self._stale = self._stale or change.gone
        uid_next = max(row.uid_next, change.appended[-1] + 1) if change.appended else row.uid_next
        messages = row.messages + len(change.appended) - len(change.expunged)
        self._advance(row, replace(row, uid_next=UID(uid_next), messages=messages, highest_mod_seq=change.after))
        self._rough.add(row.id)
        if change.before != row.highest_mod_seq:
            self._lost.add(row.id)

    def stirred(self, hint: object) -> None:
        """Take note that names, subscriptions or rights are others now, or of what the hint says."""
        if isinstance(hint, Noted):
            row = None if hint.mailbox is None else self._rows.get(hint.mailbox)
            if hint.but != self._account.id and (row is not None or hint.mailbox is None):
                for listener in self._listeners:
                    if listener is not hint.by:
                        listener.noted(row, hint.entries)
            return
        if isinstance(hint, InboxRenamed):
            self._inboxes.add(hint.new_name)
        self._stale = True

    def wake(self) -> None:
        """Let all who listen look."""
        for listener in tuple(self._listeners):
            listener.look()

    def _advance(self, row: Mailbox, new: Mailbox) -> None:
        exact = row.id not in self._lost
        self._rows[row.id] = new
        for listener in self._listeners:
            listener.noticed(row, exact)

    # asking the index

    async def look(self) -> None:
        """
        See which mailboxes there are, if that may be others than `picture` shows.

        Raises StoreUnavailable, TooMany.
        """
        if self.unsettled:
            async with self._lock:
                while self._stale and self._listeners:
                    await self._look()

    async def _look(self) -> None:
        self._stale = False
        try:
            seen, closed = await self._seen()
            if new := [row for row in seen if row.id not in self._rows]:
                self._rows.update((row.id, row) for row in new)
                self._hub.oversee([row.id for row in new], self)
                seen, closed = await self._seen()  # what happened before they were looked after
            subscribed = frozenset(await self._index.subscriptions(self._account.id))
        except BaseException:
            self._stale = True
            raise
        if not self._listeners:
            self.leave_all()
            return
        for row in seen:
            known = self._rows.get(row.id)
            if known is None:
                continue  # made meanwhile: whoever made it says so
            if row.highest_mod_seq < known.highest_mod_seq:
                self._rows[row.id] = replace(known, name=row.name)
                continue
            if row.highest_mod_seq > known.highest_mod_seq:
                self._advance(known, row)
            self._rows[row.id] = row
            self._rough.discard(row.id)
            self._lost.discard(row.id)
        there = {row.id for row in seen}
        gone = [mailbox for mailbox in self._rows if mailbox not in there]
        self._hub.neglect(gone, self)
        for mailbox in gone:
            del self._rows[mailbox]
        self._rough &= there
        self._lost &= there
        names = {row.name: row.id for row in seen if row.id in self._rows}
        self._inboxes &= names.keys()
        picture = Picture(names, subscribed, closed, frozenset(self._inboxes))
        if not picture.same(self.picture):
            self.picture = picture

    def leave_all(self) -> None:
        """Keep nothing: all have left while the index was asked."""
        self._hub.neglect(self._rows, self)
        self._rows, self._stale, self.picture = {}, True, Picture()

    async def _seen(self) -> tuple[list[Mailbox], frozenset[str]]:
        """Return the mailboxes, each with the name it has for this account, and the names of those it may not read."""
        seen = await self._index.mailboxes(self._account.id)
        own, login = {row.name for row in seen}, self._account.login
        closed: set[str] = set()
        for owner, mailbox, acl in await self._index.shared(identifiers(login)):
            rights = granted(acl, login)
            name = f"{self.others}{owner}{DELIMITER}{mailbox.name}"
            if owner != login and "l" in rights and name not in own:
                seen.append(replace(mailbox, name=name))
                if "r" not in rights:
                    closed.add(name)
        if len(seen) > MAX_MAILBOXES:
            raise TooMany(f"No more than {MAX_MAILBOXES} mailboxes are looked after")
        return seen, frozenset(closed)

    async def may_read(self, row: Mailbox) -> bool:
        """
        Say whether a mailbox may still be read; one's own always.

        Rights may be taken away beside the server, so each push is asked for, as in the selected mailbox. If they were,
        `look` is to find out which mailboxes there are. Raises StoreUnavailable.
        """
        if not row.name.startswith(self.others) or row.account == self._account.id:
            return True
        may = granted(await self._index.acl(row.id), self._account.login).issuperset("lr")
        self._stale = self._stale or not may
        return may

    async def row(self, mailbox: MailboxId, unseen: bool) -> Mailbox | None:
        """
        Return how a mailbox is, None if it is gone.

        Args:
            mailbox: Which.
            unseen: Whether it has to be known how many messages are unseen.

        Raises StoreUnavailable.
        """
        while mailbox in self._rows and (mailbox in self._lost or (unseen and mailbox in self._rough)):
            stood = self._rows[mailbox].highest_mod_seq
            found = await self._index.mailbox_by_id(mailbox)
            known = self._rows.get(mailbox)
            if found is None or known is None:
                self._stale = True
                return None
            if found.highest_mod_seq < known.highest_mod_seq and known.highest_mod_seq != stood:
                continue  # it went on while the index was asked
            found = replace(found, name=known.name)
            if found.highest_mod_seq > known.highest_mod_seq:
                self._advance(known, found)
            self._rows[mailbox] = found
            self._rough.discard(mailbox)
            self._lost.discard(mailbox)
        return self._rows.get(mailbox)


__all__ = ["MAX_MAILBOXES", "InboxRenamed", "Listener", "Noted", "Picture", "Survey", "TooMany"]
