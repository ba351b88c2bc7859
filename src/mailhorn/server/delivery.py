"""From a staged message to mailboxes: rules, letters into the queue, placements, one commit for all recipients.

Rule 1: a 2xx is said only after `Store.append` returned, and letters that rules cause were in the queue before that.
Rule 2: whatever is wrong with a script or a mailbox name, the message goes to INBOX; only rules make it disappear. Rule
3: two recipients that are one account get one copy per mailbox. Rule 4: mail for people without rules has no task and
pays nothing for those of others; with rules there is a task only if they have to wait.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from ..model.ids import AccountId, MailboxId
from ..model.mailbox import Account
from ..model.message import Placed, Placement
from ..net.eager import begin
from ..relay.letter import RelayUnavailable
from ..smtp.reply import Reply
from ..store.abc import NO_ROOM, Appended, MailboxMissing, StagedBlob, StoreError, StoreFull, StoreUnavailable
from ..store.store import Store
from .filtering.events import Events
from .filtering.service import Came, Filter, Plan, Wanted
from .filtering.storing import append, placements
from .scripts import Scripts
from .timeline import Timeline

log = structlog.get_logger("mailhorn.delivery")

Then = Callable[[list[Reply] | Exception], None]
"""Called in the event loop with what to answer, or with an error of ours. Must not raise."""


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
        timeline: How long it takes.
        filter: Runs the rules.
        events: Runs scripts after what IMAP clients did; None: none are run.

    """

    def __init__(
        self,
        store: Store,
        scripts: Scripts | None = None,
        wall_clock: Callable[[], float] = time.time,
        filter: Filter | None = None,
    ) -> None:
        """
        Deliver into the store.

        Args:
            store: Where messages go.
            scripts: The rules, none by default; for a filter that can do no more than file.
            wall_clock: Seconds since 1970, for the internal date.
            filter: Runs the rules, its own ones.

        """
        self.on_delivered: Callable[[Delivered], None] | None = None
        self.timeline = Timeline()
        self.filter = filter or Filter(store.index, scripts or Scripts(), wall_clock=wall_clock)
        self.events: Events | None = None
        self._store = store
        self._wall_clock = wall_clock
        self._log = log.bind()  # what asks whether a line is wanted takes fifteen times as long to look up
        self._under_way: set[asyncio.Task[None]] = set()

    def renamed(self, accounts: Sequence[AccountId], mailboxes: Sequence[MailboxId]) -> None:
        """Take note that mailboxes are called otherwise, or something else is noted of them: see `Hub.renamed`."""
        self.filter.places.forget(accounts, mailboxes)
        if self.events is not None:
            self.events.forget()

    async def deliver(
        self,
        staged: StagedBlob,
        sender: str,
        recipients: Sequence[Recipient],
        accepted_at: float,
        id: str,
        came: Came | None = None,
    ) -> list[Reply]:
        """
        Deliver one message, to all recipients or to none; those whose rules refuse it answer so.

        Args:
            staged: The message, complete; consumed.
            sender: Reverse path, "" for none.
            recipients: One at least.
            accepted_at: When its last octet had come, on `time.monotonic`.
            id: Ours.
            came: How it came; as by LMTP, if it is not said.

        Returns:
            What to answer to each recipient, in their order.

        """
        answer: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()

        def then(outcome: list[Reply] | Exception) -> None:
            if answer.done():
                return  # who asked has gone away
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        if self.deliver_soon(staged, sender, recipients, accepted_at, id, then, came):
            return await answer
        inboxes = dict.fromkeys([recipient.account.inbox for recipient in recipients])
        size = staged.size
        try:
            placed = await self._store.append(staged, [Placement(inbox) for inbox in inboxes], int(self._wall_clock()))
        except StoreError as problem:
            return self._refused(problem, recipients, id)
        return self._delivered(placed, sender, recipients, size, accepted_at, id)

    def deliver_soon(
        self,
        staged: StagedBlob,
        sender: str,
        recipients: Sequence[Recipient],
        accepted_at: float,
        id: str,
        then: Then,
        came: Came | None = None,
    ) -> bool:
        """
        Do as `deliver`, without a task if there is nothing to wait for but the commit: the way of most mail.

        Args:
            staged: As for `deliver`.
            sender: As for `deliver`.
            recipients: As for `deliver`.
            accepted_at: As for `deliver`.
            id: As for `deliver`.
            then: Called with what to answer; it may be called before this returns.
            came: As for `deliver`.

        Returns:
            Whether it was taken on; else nothing was done.

        """
        wanted = self._wanted(recipients)
        if wanted is not None:
            task = begin(self._filtered(staged, sender, recipients, wanted, came or Came(), accepted_at, id, then))
            if task is not None:
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            return True
        inboxes = dict.fromkeys([recipient.account.inbox for recipient in recipients])
        size = staged.size

        def told(outcome: Appended | Exception) -> None:
            try:
                if isinstance(outcome, StoreError):
                    then(self._refused(outcome, recipients, id))
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

    def _wanted(self, recipients: Sequence[Recipient]) -> list[Wanted] | None:
        """Return whose mail it is, each account once; None if nobody has rules."""
        scripts = self.filter.scripts
        if len(recipients) == 1:
            own = scripts.all_for(recipients[0].account.login)
            return [Wanted(recipients[0].account, recipients[0].address, own)] if own else None
        found: dict[str, Wanted] = {}
        for recipient in recipients:
            login = recipient.account.login
            if login not in found:
                found[login] = Wanted(recipient.account, recipient.address, scripts.all_for(login))
        return list(found.values()) if any([one.scripts for one in found.values()]) else None

    async def _filtered(
        self,
        staged: StagedBlob,
        sender: str,
        recipients: Sequence[Recipient],
        wanted: list[Wanted],
        came: Came,
        accepted_at: float,
        id: str,
        then: Then,
    ) -> None:
        """Run the rules, do what they want and say so."""
        size = staged.size
        try:
            await self.filter.ready(wanted)
            turns = self.filter.turns(wanted)
            if turns:
                async with AsyncExitStack() as stack:
                    await self.filter.hold(stack, turns)
                    plan = await self._planned(staged, sender, wanted, came)
                    placed = await append(self._store, staged, plan.filings, int(self._wall_clock()))
                    await self.filter.remember(plan)
            else:
                plan = await self._planned(staged, sender, wanted, came)
                found = placements(plan.filings)

                def told(outcome: Appended | Exception) -> None:
                    self._told(outcome, plan, sender, recipients, size, accepted_at, id, then)

                if found and self._soon(staged, found, told):
                    return
                placed = await append(self._store, staged, plan.filings, int(self._wall_clock()))
        except Exception as problem:
            self._failed(problem, recipients, id, then)
            return
        self._told(placed, plan, sender, recipients, size, accepted_at, id, then)

    def _soon(
        self, staged: StagedBlob, found: Sequence[Placement], told: Callable[[Appended | Exception], None]
    ) -> bool:
        """Have the store take a message without waiting; return whether it does. Raises StoreUnavailable."""
        try:
            return self._store.append_soon(staged, found, int(self._wall_clock()), told)
        except StoreUnavailable:
            staged.discard()
            raise

    async def _planned(self, staged: StagedBlob, sender: str, wanted: list[Wanted], came: Came) -> Plan:
        """Return what the rules want, with the letters in the queue: safe before the message is in its mailboxes."""
        try:
            plan = await self.filter.plan(staged, sender, wanted, came)
            if plan.letters:
                await self.filter.submit(plan.letters)
            return plan
        except BaseException:
            staged.discard()
            raise

    def _failed(self, problem: Exception, recipients: Sequence[Recipient], id: str, then: Then) -> None:
        """Say that nothing was delivered."""
        if isinstance(problem, StoreError):
            if isinstance(problem, MailboxMissing):  # what was known of names is not true any more
                self.filter.places.forget([recipient.account.id for recipient in recipients])
            try:
                then(self._refused(problem, recipients, id))
            except Exception as other:
                then(other)
        elif isinstance(problem, RelayUnavailable):
            log.error("mail that leaves cannot be kept, the sender will try again", id=id, reason=str(problem))
            then([Reply(451, "4.3.0", "Mail cannot be sent on from here now, try again later")] * len(recipients))
        else:
            then(problem)

    def _told(
        self,
        outcome: Appended | Exception | None,
        plan: Plan,
        sender: str,
        recipients: Sequence[Recipient],
        size: int,
        accepted_at: float,
        id: str,
        then: Then,
    ) -> None:
        """Say what became of a message that rules have looked at; None: there was nothing to keep."""
        if isinstance(outcome, Exception):
            self._failed(outcome, recipients, id, then)
            return
        try:
            self.filter.tell(plan)
            if outcome is None:
                log.info("kept nowhere, as its recipients' rules want", id=id, sender=sender, size=size)
                replies = [Reply(250, "2.0.0", f"Accepted as {id}")] * len(recipients)
            else:
                replies = self._delivered(outcome, sender, recipients, size, accepted_at, id)
            if plan.refusals:
                for number, recipient in enumerate(recipients):
                    refusal = plan.refusals.get(recipient.account.login)
                    if refusal is not None:
                        replies[number] = Reply(550, "5.7.1", refusal)
                log.info("refused by its recipients' rules", id=id, sender=sender, logins=list(plan.refusals))
        except Exception as problem:
            then(problem)
        else:
            then(replies)

    def _refused(self, problem: StoreError, recipients: Sequence[Recipient], id: str) -> list[Reply]:
        """Return what to answer to each recipient when the store will not have the message; log it."""
        if isinstance(problem, MailboxMissing):
            log.warning("a mailbox vanished during delivery, the sender will try again", id=id)
            return [Reply(451, "4.2.0", "A mailbox was removed just now, try again")] * len(recipients)
        if not isinstance(problem, StoreUnavailable):
            raise problem
        self._store.complaints.note("the store refused a message, the sender will try again", problem, id=id)
        return [refusal(problem)] * len(recipients)

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
        if self._log.is_enabled_for(logging.INFO):
            self._log.info(
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


def refusal(error: StoreUnavailable | OSError) -> Reply:
    """Return what to answer when the disk will not have a message (RFC 3463 §3.4)."""
    cause: BaseException | None = error
    while cause is not None:
        full = isinstance(cause, OSError) and cause.errno in NO_ROOM
        if full or isinstance(cause, StoreFull):
            return Reply(452, "4.3.1", "The disk is full, try again later")
        cause = cause.__cause__
    return Reply(451, "4.3.0", "The store is not available, try again later")


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


__all__ = ["Delivered", "Delivery", "Recipient", "refusal"]
