"""From a staged message to mailboxes: facts, Sieve, placements, one commit for all recipients.

Rule 1: a 2xx is said only after `Store.append` returned. Rule 2: whatever is wrong with a script or a mailbox name,
the message goes to INBOX; only the recipient's own `discard` makes it disappear. Rule 3: two recipients that are
one account get one copy per mailbox.
"""

import errno
import logging
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from ..mime.decode import decoded_header
from ..mime.header import fields, unfold
from ..model.flags import NO_FLAGS, Flags
from ..model.ids import MailboxId
from ..model.mailbox import INBOX, Account, Mailbox, canonical_name
from ..model.message import Placed, Placement
from ..sieve import Actions, FileInto, HeaderFacts, Need, SieveRuntimeError, evaluate
from ..smtp.reply import Reply
from ..store.abc import Appended, MailboxExists, MailboxMissing, StagedBlob, StoreError, StoreFull, StoreUnavailable
from ..store.store import Store
from .scripts import Script, Scripts
from .timeline import Timeline

HEADER_LOOKED_AT = 256 * 1024
"""Octets of a header that rules may ask about."""

log = structlog.get_logger("mailhorn.delivery")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted recipient: whose mail it is, and the address as the sender wrote it."""

    account: Account
    address: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """
    One message's way through the server; the instants are of `time.monotonic`, seconds.

    Attributes:
        id: Ours, as in the Received field.
        sender: Reverse path, "" for none.
        recipients: Addresses, as they were written.
        size: Octets, with what delivery put in front.
        placed: Every copy.
        accepted_at: The last octet had come.
        durable_at: It would have survived a power cut.
        told_at: Whoever was idling on one of the mailboxes had been sent the news.

    """

    id: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    placed: tuple[Placed, ...]
    accepted_at: float
    durable_at: float
    told_at: float


class Delivery:
    """
    Final delivery to local accounts.

    Attributes:
        on_delivered: Called, if given, after every delivery that made a copy. Must not raise or block.
        on_created: Called, if given, with each mailbox that a rule has made. Must not raise or block.
        timeline: How long it takes.

    """

    def __init__(
        self, store: Store, scripts: Scripts | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """
        Deliver into the store.

        Args:
            store: Where messages go.
            scripts: The rules, none by default.
            wall_clock: Seconds since 1970, for the internal date.

        """
        self.on_delivered: Callable[[Delivered], None] | None = None
        self.on_created: Callable[[Mailbox], None] | None = None
        self.timeline = Timeline()
        self._store = store
        self._scripts = scripts or Scripts()
        self._wall_clock = wall_clock

    async def deliver(
        self, staged: StagedBlob, sender: str, recipients: Sequence[Recipient], accepted_at: float, id: str
    ) -> list[Reply]:
        """
        Deliver one message, to all recipients or to none.

        Args:
            staged: The message, complete; consumed.
            sender: Reverse path, "" for none.
            recipients: One at least.
            accepted_at: When its last octet had come, on `time.monotonic`.
            id: Ours.

        Returns:
            What to answer to each recipient, in their order.

        """
        size = staged.size
        try:
            try:
                placements = await self._placements(staged, sender, recipients)
            except BaseException:
                staged.discard()
                raise
            if not placements:
                staged.discard()
                log.info("discarded by its recipients' rules", id=id, sender=sender, size=size)
                return [Reply(250, "2.0.0", f"Accepted as {id}")] * len(recipients)
            placed = await self._store.append(staged, placements, int(self._wall_clock()))
        except StoreError as problem:
            return self._refused(problem, len(recipients), id)
        return self._delivered(placed, sender, recipients, size, accepted_at, id)

    def deliver_soon(
        self,
        staged: StagedBlob,
        sender: str,
        recipients: Sequence[Recipient],
        accepted_at: float,
        id: str,
        then: Callable[[list[Reply] | Exception], None],
    ) -> bool:
        """
        Do as `deliver`, without a task, if there is nothing to wait for but the commit: the way of most mail.

        Args:
            staged: As for `deliver`.
            sender: As for `deliver`.
            recipients: As for `deliver`.
            accepted_at: As for `deliver`.
            id: As for `deliver`.
            then: Called in the event loop with what to answer, or with an error of ours. Must not raise.

        Returns:
            Whether it was taken on; else nothing was done.

        """
        if any(self._scripts.script_for(recipient.account.login) is not None for recipient in recipients):
            return False
        inboxes = dict.fromkeys([recipient.account.inbox for recipient in recipients])
        size = staged.size

        def told(outcome: Appended | Exception) -> None:
            try:
                if isinstance(outcome, StoreError):
                    then(self._refused(outcome, len(recipients), id))
                elif isinstance(outcome, Exception):
                    then(outcome)
                else:
                    then(self._delivered(outcome, sender, recipients, size, accepted_at, id))
            except Exception as problem:
                then(problem)

        try:
            return self._store.append_soon(
                staged, [Placement(inbox) for inbox in inboxes], int(self._wall_clock()), told
            )
        except StoreUnavailable as problem:
            staged.discard()
            told(problem)
            return True

    def _refused(self, problem: StoreError, recipients: int, id: str) -> list[Reply]:
        """Return what to answer to each recipient when the store will not have the message; log it."""
        if isinstance(problem, MailboxMissing):
            log.warning("a mailbox vanished during delivery, the sender will try again", id=id)
            return [Reply(451, "4.2.0", "A mailbox was removed just now, try again")] * recipients
        if not isinstance(problem, StoreUnavailable):
            raise problem
        self._store.complaints.note("the store refused a message, the sender will try again", problem, id=id)
        return [refusal(problem)] * recipients

    def _delivered(
        self,
        placed: Appended,
        sender: str,
        recipients: Sequence[Recipient],
        size: int,
        accepted_at: float,
        id: str,
    ) -> list[Reply]:
        """Return what to answer to each recipient now that the message is safe; tell who wants to know."""
        told_at = time.monotonic()
        self.timeline.note_delivered(accepted_at, placed.durable_at, placed)
        if log.is_enabled_for(logging.INFO):
            log.info(
                "delivered",
                id=id,
                sender=sender,
                recipients=[recipient.address for recipient in recipients],
                size=size,
                copies=[(copy.mailbox, copy.uid) for copy in placed],
                durable_ms=_milliseconds(placed.durable_at - accepted_at),
                told_ms=_milliseconds(told_at - accepted_at),
            )
        if self.on_delivered is not None:
            addresses = tuple(recipient.address for recipient in recipients)
            self.on_delivered(
                Delivered(id, sender, addresses, size, tuple(placed), accepted_at, placed.durable_at, told_at)
            )
        return [Reply(250, "2.0.0", f"Delivered as {id}")] * len(recipients)

    async def _placements(
        self, staged: StagedBlob, sender: str, recipients: Sequence[Recipient]
    ) -> tuple[Placement, ...]:
        """Return where the message goes: each mailbox once."""
        flags: dict[MailboxId, Flags] = {}
        seen: set[str] = set()
        for recipient in recipients:
            if recipient.account.login in seen:
                continue
            seen.add(recipient.account.login)
            for mailbox, wanted in await self._filed(staged, sender, recipient):
                flags[mailbox] = flags.get(mailbox, NO_FLAGS) | wanted
        return tuple(Placement(mailbox, wanted) for mailbox, wanted in flags.items())

    async def _filed(self, staged: StagedBlob, sender: str, recipient: Recipient) -> list[tuple[MailboxId, Flags]]:
        account = recipient.account
        script = self._scripts.script_for(account.login)
        if script is None:
            return [(account.inbox, NO_FLAGS)]
        actions = await self._decide(script, staged, sender, recipient)
        filed: list[tuple[MailboxId, Flags]] = []
        for filing in actions.filings():
            mailbox = await self._mailbox(account, filing)
            filed.append((account.inbox if mailbox is None else mailbox.id, filing.flags or NO_FLAGS))
        return filed

    async def _decide(self, script: Script, staged: StagedBlob, sender: str, recipient: Recipient) -> Actions:
        """Run the script; whatever goes wrong, keep the message (RFC 5228 §2.10.6)."""
        program = script.program
        if program is None:
            return Actions()
        mailboxes: list[str] | None = None
        if program.tested_mailboxes:
            mailboxes = [mailbox.name for mailbox in await self._store.index.mailboxes(recipient.account.id)]
        facts = HeaderFacts(
            _fields(staged),
            size=staged.size,
            envelope={"from": [sender], "to": [recipient.address]},
            mailboxes=mailboxes or (),
            decode=_decoded,
        )
        try:
            actions = evaluate(program, facts)
        except SieveRuntimeError as error:
            if not script.complained:
                script.complained = True
                log.error("a Sieve script failed, mail goes to INBOX", script=str(script.path), reason=str(error))
            return Actions()
        if isinstance(actions, Need):
            raise RuntimeError(f"a script needs what delivery did not gather: {actions}")
        return actions

    async def _mailbox(self, account: Account, filing: FileInto) -> Mailbox | None:
        """Return the mailbox a script names; None for INBOX, and if there is none and it may not be made."""
        name = canonical_name(filing.mailbox)
        if name == INBOX:
            return None
        index = self._store.index
        try:
            mailbox = await index.mailbox(account.id, name)
            if mailbox is None and not unicodedata.is_normalized("NFC", name):
                # As from an IMAP client (RFC 9051 §5.1): no two mailboxes come to be that look alike.
                name = unicodedata.normalize("NFC", name)
                mailbox = await index.mailbox(account.id, name)
            if mailbox is None and filing.create:
                try:
                    mailbox = await index.create_mailbox(account.id, name)
                    if self.on_created is not None:
                        self.on_created(mailbox)
                except MailboxExists:  # made by another message meanwhile
                    mailbox = await index.mailbox(account.id, name)
        except StoreUnavailable:
            raise
        except StoreError as error:
            log.warning("no such mailbox can be, filed to INBOX", login=account.login, mailbox=name, reason=str(error))
            return None
        if mailbox is None:
            log.info("a mailbox named by a rule is missing, filed to INBOX", login=account.login, mailbox=name)
        return mailbox


def refusal(error: StoreUnavailable | OSError) -> Reply:
    """Return what to answer when the disk will not have a message (RFC 3463 §3.4)."""
    cause: BaseException | None = error
    while cause is not None:
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or isinstance(cause, StoreFull):
            return Reply(452, "4.3.1", "The disk is full, try again later")
        cause = cause.__cause__
    return Reply(451, "4.3.0", "The store is not available, try again later")


def _fields(staged: StagedBlob) -> list[tuple[str, str]]:
    header = bytes(staged.view()[:HEADER_LOOKED_AT])
    end = _end_of_header(header)
    return [
        (name.decode("ascii", "replace"), unfold(value).decode("utf-8", "surrogateescape"))
        for name, value in fields(header[:end])
    ]


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))


def _end_of_header(head: bytes) -> int:
    if head.startswith((b"\r\n", b"\n")):
        return 0
    ends = [at for at in (head.find(b"\r\n\r\n"), head.find(b"\n\n")) if at >= 0]
    return min(ends) + 2 if ends else len(head)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


__all__ = ["Delivered", "Delivery", "Recipient", "refusal"]
