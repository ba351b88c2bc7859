"""Scripts that run after what IMAP clients did: APPEND, COPY and MOVE, flags (RFC 6785).

Rule 1: the client's answer waits for none of it: what happened is put down, and a task goes through it, one account's
events in their order. Rule 2: what a script does causes no event, so nothing goes round in circles. Rule 3: messages
do not change: a script that edits one files or sends the edited one; a message that it does not keep gets \\Deleted.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ...model.change import FlagUpdate
from ...model.flags import DELETED, NO_FLAGS, Flags
from ...model.ids import UID, AccountId, MailboxId
from ...model.mailbox import Account, Mailbox
from ...relay.letter import RelayUnavailable
from ...store.abc import MessageMissing, StoreError
from ...store.store import Store
from ..scripts import Script
from .carrying import Filing
from .facts import Case
from .message import Message, Octets
from .rules import decide
from .service import Filter, Plan, Wanted
from .storing import append

ENTRY = "/shared/imapsieve/script"
"""The note of a mailbox that names its script (RFC 6785 §2.3.1)."""
REMEMBERED = 10_000
"""Mailboxes of which it is kept in memory which script they have, if any."""
MAX_WAITING = 10_000
"""Events of one account that wait; more are dropped, and the log says so."""

log = structlog.get_logger("mailhorn.sieve")


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing that a client did.

    Attributes:
        actor: Who did it.
        mailbox: Where.
        uids: The messages that came, or whose flags are others.
        cause: APPEND, COPY or FLAG.
        changed: Of FLAG: which flags are others, of each message.

    """

    actor: Account
    mailbox: MailboxId
    uids: Sequence[UID]
    cause: str
    changed: dict[UID, Flags] = field(default_factory=dict)


class Events:
    """Takes note of what clients do, and runs the scripts."""

    def __init__(self, store: Store, filter: Filter, default: Path | None = None) -> None:
        """
        Run scripts.

        Args:
            store: Where messages are.
            filter: Knows the scripts, and what they may use.
            default: The script for mailboxes that name none.

        """
        self._store = store
        self._filter = filter
        self._default = default
        self._names: OrderedDict[MailboxId, str | None] = OrderedDict()
        self._changes = 0
        self._waiting: dict[AccountId, deque[Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Take note that mailboxes name other scripts now."""
        self._changes += 1
        self._names.clear()

    def wanted(self, mailbox: MailboxId) -> bool:
        """Return whether a script may be run for what happens in this mailbox; of most it is known that none is."""
        return self._default is not None or self._names.get(mailbox, "") is not None

    def came(self, actor: Account, mailbox: MailboxId, uids: Sequence[UID], cause: str) -> None:
        """Take note that somebody has put messages into a mailbox."""
        if uids and self.wanted(mailbox):
            self._note(Event(actor, mailbox, tuple(uids), cause))

    def flagged(
        self, actor: Account, mailbox: MailboxId, updates: Sequence[FlagUpdate], before: dict[UID, Flags]
    ) -> None:
        """
        Take note that somebody has changed flags.

        Args:
            actor: Who.
            mailbox: Where.
            updates: The messages that changed, with their flags now.
            before: Their flags before.

        """
        changed = {one.uid: frozenset(one.flags.split()) ^ before[one.uid] for one in updates if one.uid in before}
        if changed and self.wanted(mailbox):
            self._note(Event(actor, mailbox, tuple(changed), "FLAG", changed))

    def _note(self, event: Event) -> None:
        waiting = self._waiting.get(event.actor.id)
        if waiting is not None:
            if len(waiting) >= MAX_WAITING:
                log.error("too much waits for scripts, an event is dropped", login=event.actor.login, cause=event.cause)
            else:
                waiting.append(event)
            return
        self._waiting[event.actor.id] = deque((event,))
        task = asyncio.get_running_loop().create_task(self._work(event.actor.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def before(self, mailbox: MailboxId, uids: Sequence[UID]) -> dict[UID, Flags]:
        """Return the flags of messages that are about to be changed; nothing if no script wants to know."""
        if not self.wanted(mailbox):
            return {}
        return {row.uid: frozenset(row.flags.split()) for row in await self._store.index.rows(mailbox, uids)}

    async def settled(self, limit: float | None = None) -> None:
        """Wait until all that was noted has been done, but not for longer than that, seconds; then end it."""
        while self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=limit)
            for task in left:
                task.cancel()

    async def _work(self, account: AccountId) -> None:
        waiting = self._waiting[account]
        try:
            while waiting:
                event = waiting.popleft()
                try:
                    await self._happened(event)
                except (StoreError, RelayUnavailable) as error:
                    log.error(
                        "a script for what a client did could not do its work",
                        login=event.actor.login,
                        cause=event.cause,
                        reason=str(error),
                    )
                except Exception:
                    log.exception("a script for what a client did has failed", login=event.actor.login)
        finally:
            del self._waiting[account]

    async def _happened(self, event: Event) -> None:
        name = await self._name(event.mailbox)
        if name is None and self._default is None:
            return
        mailbox = await self._store.index.mailbox_by_id(event.mailbox)
        owner = None if mailbox is None else await self._owner(event.actor, mailbox)
        if mailbox is None or owner is None:
            return
        scripts = self._filter.scripts
        if name is not None:
            script = scripts.named(owner.login, name) if name else None
        else:
            script = None if self._default is None else scripts.event_default(self._default)
        if script is not None:
            await script.ready()
            for uid in event.uids:
                await self._run(script, event, uid, mailbox, owner)

    async def _name(self, mailbox: MailboxId) -> str | None:
        """Return the name of the script that a mailbox names, "" if it wants none, None if it does not say."""
        if mailbox in self._names:
            return self._names[mailbox]
        before = self._changes
        found = await self._store.index.mailbox_by_id(mailbox)
        noted = {} if found is None else await self._store.index.notes(found.account, mailbox)
        name = noted[ENTRY].decode("utf-8", "replace").strip() if ENTRY in noted else None
        if before == self._changes:
            self._names[mailbox] = name
            if len(self._names) > REMEMBERED:
                self._names.popitem(last=False)
        return name

    async def _owner(self, actor: Account, mailbox: Mailbox) -> Account | None:
        if mailbox.account == actor.id:
            return actor
        accounts = await self._store.index.accounts()
        return next((account for account in accounts if account.id == mailbox.account), None)

    async def _run(self, script: Script, event: Event, uid: UID, mailbox: Mailbox, owner: Account) -> None:
        rows = await self._store.index.rows(mailbox.id, [uid])
        try:
            content = await self._store.body(mailbox.id, uid) if rows else b""
        except MessageMissing:
            return
        if not rows:
            return
        flags = frozenset(rows[0].flags.split())
        filter = self._filter
        items = {
            "location": "MS",
            "phase": "post",
            "imap.user": event.actor.login,
            "imap.email": self._address(event.actor),
            "imap.cause": event.cause,
            "imap.mailbox": mailbox.name,
            "imap.changedflags": " ".join(sorted(event.changed.get(uid, NO_FLAGS))),
        }
        case = Case(owner, self._address(owner), None, filter.environment(items), filter.now())
        message = Message(Octets(content))
        async with AsyncExitStack() as stack:
            await filter.hold(stack, filter.turns([Wanted(owner, case.address, [script])]))
            decision = await decide([script], case, message, filter.answers, flags)
            outcome = await filter.carrier.outcome(decision, case, message, None)
            plan = Plan(outcome.letters, outcome.filings, {}, [(owner, outcome)])
            if decision.failure is not None:
                reason = decision.failure.reason
                told = filter.troubles.note(script, reason, owner.login, case.address, case.now)
                if told is not None:
                    plan.filings.append(Filing(owner.inbox, NO_FLAGS, told))
            if plan.letters:
                await filter.submit(plan.letters)
            if plan.filings:
                staged = self._store.stage()
                try:
                    staged.write(content)
                except BaseException:
                    staged.discard()
                    raise
                await append(self._store, staged, plan.filings, case.now.seconds)
            await filter.remember(plan)
        filter.tell(plan)
        kept = outcome.kept
        wanted = flags | {DELETED} if kept is None else flags if kept.flags is None else kept.flags
        if wanted != flags:
            await self._store.index.set_flags(mailbox.id, [uid], wanted - flags, flags - wanted)

    def _address(self, account: Account) -> str:
        return account.login if "@" in account.login else f"{account.login}@{self._filter.tools.manner.hostname}"


__all__ = ["ENTRY", "Event", "Events"]
