"""Which mailboxes of an account scripts can name, kept in memory: a look into the index waits for mail under way.

Rule: what is kept is thrown away when a name, or what a mailbox is for, has changed; who reads meanwhile keeps nothing.
"""

import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from ...model.ids import AccountId, MailboxId
from ...model.mailbox import INBOX, Account, Mailbox, canonical_name, object_id
from ...sieve import FileInto
from ...store.abc import Index, MailboxExists, StoreError, StoreUnavailable
from ..imap.special_use import ENTRY, uses_of

REMEMBERED = 10_000
"""Accounts whose mailboxes are kept: some kilobytes each."""

log = structlog.get_logger("mailhorn.delivery")


@dataclass(frozen=True, slots=True)
class Map:
    """
    The mailboxes of one account.

    Attributes:
        names: By canonical name.
        ids: By MAILBOXID (RFC 8474).
        uses: What each is for, attributes in lower case.

    """

    names: dict[str, MailboxId]
    ids: dict[str, MailboxId]
    uses: dict[MailboxId, frozenset[str]]

    def named(self, name: str) -> MailboxId | None:
        """Return the mailbox a script names, None if there is none; in normal form C it is the same (RFC 9051 §5.1)."""
        name = canonical_name(name)
        found = self.names.get(name)
        return self.names.get(unicodedata.normalize("NFC", name)) if found is None else found


class Places:
    """The mailboxes of all accounts, as far as scripts have asked."""

    def __init__(self, index: Index, create: bool = False) -> None:
        """
        Know nothing yet.

        Args:
            index: Where mailboxes are.
            create: Make what is missing, also where a script does not say so.

        """
        self._index = index
        self._create = create
        self._known: OrderedDict[AccountId, Map] = OrderedDict()
        self._changes = 0
        self.on_created: Callable[[Mailbox], None] | None = None
        """Called, if given, with each mailbox that a script has made. Must not raise or block."""

    def forget(self, accounts: Iterable[AccountId], mailboxes: Iterable[MailboxId] = ()) -> None:
        """Take note that mailboxes are called otherwise: of these accounts; if none is named, of whoever has them."""
        self._changes += 1
        whose = tuple(accounts)
        for account in whose:
            self._known.pop(account, None)
        if not whose and tuple(mailboxes):
            self._known.clear()

    async def of(self, account: AccountId) -> Map:
        """Return the account's mailboxes. Raises StoreUnavailable."""
        known = self._known.get(account)
        if known is not None:
            self._known.move_to_end(account)
            return known
        before = self._changes
        mailboxes = await self._index.mailboxes(account)
        uses = uses_of(mailboxes, await self._index.noted(account, ENTRY))
        found = Map(
            {mailbox.name: mailbox.id for mailbox in mailboxes},
            {object_id(mailbox): mailbox.id for mailbox in mailboxes},
            {mailbox: frozenset(use.lower() for use in said) for mailbox, said in uses.items()},
        )
        if before == self._changes:
            self._known[account] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def place(self, account: Account, filing: FileInto) -> MailboxId:
        """
        Return the mailbox a script files into; INBOX if there is no such mailbox and it may not be made.

        Raises StoreUnavailable.
        """
        if not filing.id and not filing.use and filing.mailbox == INBOX:
            return account.inbox
        known = await self.of(account.id)
        if filing.id and filing.id in known.ids:
            return known.ids[filing.id]
        if filing.use:
            wanted = filing.use.lower()
            having = [mailbox for mailbox, uses in known.uses.items() if wanted in uses]
            if having:  # "if one of those mailboxes is, in fact, the default mailbox" it MUST be that (RFC 8579 §4)
                named = known.named(filing.mailbox)
                return named if named in having else having[0]
        named = known.named(filing.mailbox)
        if named is None and (filing.create or self._create):
            named = await self._made(account, filing)
        if named is None:
            log.info(
                "a mailbox named by a rule is missing, filed to INBOX", login=account.login, mailbox=filing.mailbox
            )
            return account.inbox
        return named

    async def _made(self, account: Account, filing: FileInto) -> MailboxId | None:
        name = unicodedata.normalize("NFC", canonical_name(filing.mailbox))
        notes = {ENTRY: filing.use.encode("ascii", "replace")} if filing.use else {}
        try:
            try:
                mailbox = await self._index.create_mailbox(account.id, name, notes)
            except MailboxExists:  # made by another message meanwhile
                self.forget((account.id,))
                return (await self.of(account.id)).named(name)
        except StoreUnavailable:
            raise
        except StoreError as error:
            log.warning("no such mailbox can be, filed to INBOX", login=account.login, mailbox=name, reason=str(error))
            return None
        self.forget((account.id,))
        if self.on_created is not None:
            self.on_created(mailbox)
        return mailbox.id


__all__ = ["Map", "Places"]
