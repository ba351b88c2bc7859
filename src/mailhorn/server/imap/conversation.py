"""What a command sees of the session that runs it: who is logged in, what is selected, how to answer.

Rule 1: commands answer through `core` and never touch the transport; a long answer calls `room` now and then.
Rule 2: a change of one's own is `absorb`ed, anybody's is told by `sync`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...imap.commands import Append, FetchItem, NotifyEvent
from ...imap.responses import Code, Condition, FlagsCode, FlagsResponse, NumberCode, StatusResponse
from ...imap.server import ServerConnection
from ...model.change import Change
from ...model.flags import SYSTEM_FLAGS, Flags
from ...model.ids import UID, AccountId, MailboxId
from ...model.mailbox import Account, Mailbox
from ...model.message import Placed
from ...model.rights import granted
from ...net.pump import HIGH_WATER, Pump
from ...push.hub import Difference
from ...store.abc import MailboxMissing, StagedBlob, StoreUnavailable
from ..logins import Exchange
from .context import ImapContext
from .notices import Notices, Overflow
from .progress import Progress
from .quirks import Quirk
from .reply import BadArguments, CommandRefused
from .selected import Manner, Selected, is_much
from .survey import TooMany


class Conversation:
    """
    One client's state.

    Attributes:
        context: What all sessions share.
        core: The protocol.
        pump: The connection.
        account: Who has logged in.
        selected: The selected mailbox.
        manner: How the client wants to be told what happens.
        counted: Whether this is one of the account's connections that are limited.
        beats: Keep-alives sent since the client began to idle.
        breath: What ends the moment after IDLE's continuation request in which nothing is told.
        append: The APPEND whose message is coming in, and what it is staged in, or why it could not be.
        appended: The same of the messages of this APPEND that came before it.
        exchange: The AUTHENTICATE exchange under way.
        failures: Logins that failed on this connection.
        in_literal: Half a literal has been sent: nothing else may be.
        progress: How far the command is that runs, if it is one that may take long.
        quirk: What is known of the program, by its ID.
        uid_only: The client wants UIDs and no message numbers (RFC 9586).
        idling: The view is up to date and kept so by the hub.
        notices: What the client wants to be told (RFC 5465); None: what a client is told that never gave NOTIFY.
        owed: What happened to the selected mailbox is told in full at the next sync, whatever NOTIFY has set.

    """

    __slots__ = (
        "_drained",
        "account",
        "append",
        "appended",
        "beats",
        "breath",
        "context",
        "core",
        "counted",
        "exchange",
        "failures",
        "idling",
        "in_literal",
        "manner",
        "notices",
        "owed",
        "progress",
        "pump",
        "quirk",
        "selected",
        "uid_only",
    )

    pump: Pump

    def __init__(self, context: ImapContext, core: ServerConnection) -> None:
        """Begin before login."""
        self.context = context
        self.core = core
        self.account: Account | None = None
        self.selected: Selected | None = None
        self.manner = Manner.PLAIN
        self.uid_only = False
        self.quirk: Quirk | None = None
        self.append: tuple[Append, StagedBlob | StoreUnavailable] | None = None
        self.appended: list[tuple[Append, StagedBlob | StoreUnavailable]] = []
        self.exchange: Exchange | None = None
        self.counted = False
        self.failures = 0
        self.beats = 0
        self.breath: asyncio.TimerHandle | None = None
        self.idling = False
        self.in_literal = False
        self.notices: Notices | None = None
        self.owed = False
        self.progress: Progress | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def owner(self) -> Account:
        """Who has logged in; the state table lets no command that needs it run before."""
        if self.account is None:
            raise RuntimeError("nobody has logged in")
        return self.account

    @property
    def open_mailbox(self) -> Selected:
        """What is selected; the state table lets no command that needs it run before."""
        if self.selected is None:
            raise RuntimeError("no mailbox is selected")
        if self.selected.revoked:
            raise CommandRefused("There is no such mailbox", "NONEXISTENT")
        return self.selected

    def writable_mailbox(self) -> Selected:
        """Return what is selected; raises CommandRefused if it was opened by EXAMINE."""
        selected = self.open_mailbox
        if selected.read_only:
            raise CommandRefused("The mailbox was opened read-only", "READ-ONLY")
        return selected

    async def renew(self, afresh: bool = True) -> None:
        """
        Look again at what may be done with the selected mailbox if it is somebody else's, and tell what has changed.

        If it may not be read any more, it is gone (RFC 4314 §5.1.1). All who are told of the same change look once:
        not `afresh` takes what another session has read since. Raises StoreUnavailable.
        """
        selected = self.selected
        if selected is None or not selected.guest or selected.gone:
            return
        selected.unsure = False
        channel = selected.channel
        known, reached = channel.acl, channel.reached
        if afresh or known is None or known[0] != reached:
            known = channel.acl = reached, await self.context.store.index.acl(selected.mailbox)
        rights = granted(known[1], self.owner.login)
        if rights == selected.rights:
            return
        before, selected.rights = selected.permanent, rights
        if "r" not in rights:
            selected.revoked = True
        elif selected.permanent != before:
            self.core.untagged(FlagsResponse(SYSTEM_FLAGS))
            self.core.untagged(StatusResponse(Condition.OK, FlagsCode(selected.permanent), b"Other rights"))

    def deselect(self) -> None:
        """Let go of the selected mailbox."""
        if self.selected is not None:
            if self.notices is not None:
                self.notices.left(not self.selected.behind(True))
            self.context.hub.unwatch(self.selected.mailbox, self)
            self.selected = None

    def aware(self, manner: Manner = Manner.MOD_SEQ) -> None:
        """Take note that the client knows mod-sequences (RFC 7162 §3.1); at the first sign of it say how far it is."""
        first, lower = self.manner is Manner.PLAIN, manner is Manner.MOD_SEQ and self.manner is Manner.VANISHED
        self.manner = self.manner if lower else manner
        selected = self.selected
        if selected is not None:
            selected.manner = self.manner
            if first:
                code = NumberCode("HIGHESTMODSEQ", selected.announce())
                self.core.untagged(StatusResponse(Condition.OK, code, b"Highest"))

    def wake(self) -> bool:
        """Leave it for later (`push.hub.Watcher`)."""
        return False

    def rest(self) -> None:
        """Idle from now on."""
        self.stir()
        self.idling = True

    def stir(self) -> None:
        """Idle no longer, or do not begin to."""
        self.idling = False
        if self.breath is not None:
            self.breath.cancel()
            self.breath = None

    async def room(self) -> None:
        """Send what is ready, and wait while the client does not read. Raises CancelledError if it has gone."""
        self.pump.flush()
        await self._until_writable()

    async def sent(self) -> None:
        """Send what is ready, and wait until the system has all of it. Raises as `room`."""
        self.pump.brim()
        await self._until_writable()

    async def _until_writable(self) -> None:
        if not self.pump.writable and not self.pump.closed:
            self._drained = asyncio.get_running_loop().create_future()
            try:
                await self._drained
            finally:
                self._drained = None
        if self.pump.closed:
            raise asyncio.CancelledError

    def drained(self) -> bool:
        """Let a waiting `room` go on; returns whether there was one."""
        if self._drained is None or self._drained.done():
            return False
        self._drained.set_result(None)
        return True

    def absorb(self, change: Change, *, expunge: bool = False, silent: bool = False) -> None:
        """Take a change of our own making; if somebody else's came in between, leave it to the sync."""
        selected = self.open_mailbox
        view = selected.view
        at_hand = change.before == view.changed_to and (not expunge or view.expunged_to == change.before)
        if at_hand and (silent or not is_much(change)):
            if silent and selected.contexts is None:
                change = replace(change, updated=())  # flags make no difference to a view, and nobody is told
            told = selected.advance(Difference(change), expunge)
            if not silent:
                self.core.raw(told)
        elif expunge or self.manner is not Manner.PLAIN:  # else the command itself tells it
            self.owed = True

    async def sync(self, expunge: bool) -> None:
        """
        Tell all that happened to the selected mailbox; without `expunge`, all but that.

        Raises StoreUnavailable; what could not be told is told at the next sync.
        """
        await self.renew(afresh=not self.idling and self.core.running is not None)
        notices, new = self.notices, list[UID]()
        flags = notices is None or self.owed or NotifyEvent.FLAG_CHANGE in notices.events
        while (selected := self.selected) is not None and self.lacks(selected, expunge) and not selected.gone:
            difference = await self._behind(selected)
            if difference is not None:
                if notices is not None and notices.fetch:
                    new += difference.change.appended
                if selected.contexts is None and is_much(difference.change):
                    for told in selected.in_parts(difference.change, expunge, flags):
                        self.core.raw(told)
                        await self.room()
                        await asyncio.sleep(0)
                else:
                    await self._tell(selected.advance(difference, expunge, flags))
        if self.selected is not None and self.selected.contexts is not None and not self.selected.gone:
            told = await self.selected.contexts.look(self.selected.view)
            new = await self._fetch_found(self.selected.contexts.to_fetch(), new)
            await self._tell(told)
        self.owed = False
        if notices is not None:
            await self._tell_notices(notices, new)
        if self.selected is not None and self.selected.gone:
            self.core.bye(b"The selected mailbox has been deleted")

    async def _fetch_found(self, wanted: Mapping[UID, tuple[FetchItem, ...]], new: list[UID]) -> list[UID]:
        """
        Tell of new messages what searches that are kept up to date want, before they tell that they found them.

        What NOTIFY wants of the same is told with it (RFC 5465 §5.2, §7). Returns the other new messages.
        """
        notices = self.notices
        for uid, items in wanted.items():
            if notices is not None and uid in new:
                items = tuple(dict.fromkeys((*notices.fetch, *items)))
            await self.fetch_new([uid], items)
        return [uid for uid in new if uid not in wanted]

    def lacks(self, selected: Selected, expunge: bool) -> bool:
        """Say whether the client is to be told something of the selected mailbox."""
        wanted = self.notices is None or self.owed or bool(self.notices.events)
        return selected.gone or (wanted and selected.behind(expunge))

    async def _tell_notices(self, notices: Notices, new: Sequence[UID]) -> None:
        """Tell what NOTIFY asks for: items of new messages, and what happened to other mailboxes."""
        if new := [uid for uid in new if uid not in notices.made]:
            await self.fetch_new(new, notices.fetch)
        notices.made.clear()
        try:
            while notices is self.notices and notices.pending:
                for response in await notices.next(self.manner is not Manner.PLAIN):
                    self.core.untagged(response)
                if notices.pending:
                    await self.room()
        except (StoreUnavailable, Overflow, TooMany) as problem:
            self.notify(Notices((), None))
            text = str(problem).encode("ascii", "replace") or b"More happens than can be told"
            self.core.untagged(StatusResponse(Condition.OK, Code("NOTIFICATIONOVERFLOW"), text))

    def notify(self, notices: Notices | None) -> None:
        """Tell from now on what this asks for, and no more what was asked for before."""
        before, self.notices = self.notices, notices
        survey = None if notices is None else notices.survey
        if before is not None and before.survey is not None and before.survey is not survey:
            before.survey.leave(self)
        if survey is not None:
            survey.join(self)
        if notices is not None and self.selected is not None:
            notices.selected = self.selected.mailbox

    async def fetch_new(self, uids: Sequence[UID], items: tuple[FetchItem, ...]) -> None:
        """Tell the items of messages that are new in the selected mailbox. Raises StoreError."""

    # survey.Listener

    def noticed(self, stood: Mailbox, exact: bool) -> None:
        """Take note that another mailbox has gone on."""
        if self.notices is not None:
            self.notices.noticed(stood, exact)

    def noted(self, mailbox: Mailbox | None, entries: tuple[str, ...]) -> None:
        """Take note that something else is noted of a mailbox."""
        if self.notices is not None:
            self.notices.noted(mailbox, entries)

    def look(self) -> None:
        """Tell it, or leave it for later."""
        self.wake()

    # what a command does itself, and does not want to be told

    def wrote(self, placed: Iterable[Placed]) -> None:
        """Take note that messages were put into mailboxes by this session."""
        for place in placed:
            self.wrote_into(place.mailbox, (place.uid,))

    def wrote_into(self, mailbox: MailboxId, uids: Sequence[UID]) -> None:
        """Take note that messages were put into one mailbox by this session."""
        selected = self.selected
        if self.notices is not None:
            self.notices.wrote(mailbox, uids)
        if selected is not None and selected.contexts is not None and selected.mailbox == mailbox:
            selected.contexts.wrote(uids)

    def came(self, mailbox: MailboxId, uids: Sequence[UID], cause: str) -> None:
        """Have scripts run for messages that this session has put into a mailbox (RFC 6785), once it is answered."""
        if self.context.events is not None:
            self.context.events.came(self.owner, mailbox, uids, cause)

    async def flags_before(self, mailbox: MailboxId, uids: Sequence[UID]) -> dict[UID, Flags]:
        """Return the flags of messages that this session is about to change, as far as a script wants to know."""
        events = self.context.events
        return {} if events is None else await events.before(mailbox, uids)

    def flagged(self, change: Change, before: dict[UID, Flags]) -> None:
        """Have scripts run for messages whose flags this session has changed (RFC 6785), once it is answered."""
        if before and self.context.events is not None:
            self.context.events.flagged(self.owner, change.mailbox, change.updated, before)

    def named(
        self,
        names: Iterable[tuple[str, bool]] = (),
        hint: object = None,
        account: AccountId | None = None,
        mailboxes: Iterable[MailboxId] = (),
    ) -> None:
        """
        Tell who looks after the mailboxes of an account that there are others now.

        Args:
            names: Which there are, and are not any more: this session knows it.
            hint: What it is about, if it is about something else.
            account: Whose they are; this session's if not given, which is told in any case.
            mailboxes: Who looks after these is told as well.

        """
        if self.notices is not None:
            self.notices.named(names)
        owner = self.owner.id
        self.context.hub.stir((owner,) if account is None else (owner, account), mailboxes, hint)

    async def _behind(self, selected: Selected) -> Difference | None:
        """Return what the view lacks: from the hub if it has it all, else from the store; None if all is gone."""
        channel, view = selected.channel, selected.view
        if view.changed_to == view.expunged_to and selected.seen <= channel.reached:
            recent = channel.since(view.changed_to)
            if recent is not None:
                return recent
        reached = channel.reached
        try:
            difference = await channel.ask(self.context.store.index, view.changed_to, view.expunged_to, view.last_uid)
        except MailboxMissing:
            channel.gone = True
            return None
        channel.correct(reached, difference.change.after)
        channel.gone = channel.gone or difference.change.gone
        return difference

    async def _tell(self, told: bytes) -> None:
        """Send what was told; if it is much, as the client reads."""
        if len(told) <= HIGH_WATER:
            self.core.raw(told)
            return
        for start in range(0, len(told), HIGH_WATER):
            self.core.raw(told[start : start + HIGH_WATER])
            await self.room()


def bad_sequence(problem: IndexError) -> BadArguments:
    """Return what to raise for a sequence number beyond the mailbox."""
    return BadArguments(f"There is no message {problem}")
