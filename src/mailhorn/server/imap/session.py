"""One IMAP session: the core's events in, commands run, what the hub tells out.

Rule 1: a session registers with the hub first, then syncs, then idles; nothing told in between is lost.
Rule 2: `wake` writes or leaves it, it never waits. Idling, and all that is new at hand: take it and write. Anything
else: the channel says how far the mailbox is, and the end of the command, or `writable`, syncs.
Rule 3: one command at a time; a task only for one that has to wait, and none while the client idles.
Rule 4: every command ends in exactly one tagged response, whatever happens in it.
"""

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Sequence

import structlog

from ...imap.commands import (
    Attribute,
    Authenticate,
    Command,
    Fetch,
    FetchItem,
    FindThreads,
    Keyword,
    Login,
    Search,
    Simple,
    Sort,
    Status,
    Store,
)
from ...imap.grammar.ext.compress import COMPRESS
from ...imap.grammar.ext.unauthenticate import UNAUTHENTICATE
from ...imap.responses import Code, Condition, NumberCode, ResponseCode, StatusResponse
from ...imap.server import (
    AppendBroken,
    AppendData,
    AppendEnded,
    AppendStarted,
    AppendStepped,
    CommandReceived,
    Event,
    IdleEnded,
    Rejected,
    Responded,
    ServerConnection,
)
from ...model.ids import UID
from ...model.numbers import SeqSet, UIDSet
from ...model.search import InSequence, holds
from ...net.eager import begin
from ...net.pump import HIGH_WATER, Pump
from ...store.abc import MailboxMissing, MessageMissing, StoreError, StoreUnavailable
from . import names
from .commands import append, auth, catenate, dispatch, fetch, idle, mailboxes
from .commands.connection import NOOP_COMPLETED
from .context import ImapContext
from .conversation import Conversation
from .reply import BadArguments, CommandRefused, Reply
from .selected import Manner

log = structlog.get_logger("mailhorn.imap")

GREETING = b"mailhorn ready"

STARTTLS = Simple(Keyword.STARTTLS)

RETRY = 1.0
"""Seconds until an idling session asks a store again that could not say what happened."""

AT_ONCE = 64
"""Commands run in one go for one client before all others have their turn: some five milliseconds' worth."""


class ImapSession(Conversation):
    """The session of one connection. Implements `net.pump.Session`, `push.hub.Watcher` and `net.deadlines.Watched`."""

    __slots__ = ("_busy", "_held", "_pulling", "_stalled", "_task", "deadline")

    core: ServerConnection

    def __init__(self, context: ImapContext, core: ServerConnection) -> None:
        """Make a session on a fresh core; the pump calls `connected`."""
        super().__init__(context, core)
        self.deadline = math.inf
        self._busy = False
        self._held = False
        self._pulling = False
        self._stalled = False
        self._task: asyncio.Task[None] | None = None

    # net.pump.Session

    def connected(self, pump: Pump) -> None:
        """Greet, or say why not."""
        self.pump = pump
        refusal = self.context.connections.enter(pump.address)
        if refusal is not None:
            self.context.refusals.note("connection refused", pump.peer, pump.address, refusal.text)
            self.core.bye(refusal.text.encode("ascii"), Code(refusal.code))
            pump.close(linger=False)
            return
        self.context.sessions.add(self)
        self.core.untagged(StatusResponse(Condition.OK, auth.capability_code(self), GREETING))
        self.deadline = self.context.clock() + self.context.options.login_timeout
        self.context.deadlines.watch(self)

    def received(self) -> None:
        """Take what the core has, one command at a time; what comes while a command waits stays there till its end."""
        self._pulling = True
        try:
            for _ in range(AT_ONCE):
                if self._busy or not (events := self.core.events_received()):
                    break
                for event in events:
                    self._event(event)
            else:
                asyncio.get_running_loop().call_soon(self._go_on)
        finally:
            self._pulling = False
        if self._held is self.core.wants_data and not self.core.closing:
            self._held = not self._held
            (self.pump.pause if self._held else self.pump.resume)()
        if self._busy:
            return
        if self.core.closing:
            self.pump.close()
        elif self.idling:
            self.rest()
            self.pump.flush()
            self.pump.rest()
        elif self.core.goes_on:
            self.pump.acknowledge()
        elif self.notices is not None and self._listening:
            self._catch_up()

    @property
    def _listening(self) -> bool:
        """Whether the client may be told now: it idles, or has given NOTIFY and no command that is not answered yet."""
        return self.idling or (self.notices is not None and self.core.running is None and not self.core.closing)

    def rest(self) -> None:
        """Idle from now on, and tell what happened up to now."""
        super().rest()
        self.deadline = self._next_beat()
        self.context.deadlines.watch(self)
        self._catch_up()

    def _go_on(self) -> None:
        """Take what came while a command ran, or what is left of many that came at once."""
        if self.pump.closed or self._busy:
            return
        try:
            self.received()
        except Exception as error:
            self.pump.fail(error)
            return
        self.pump.flush()

    def writable(self) -> None:
        """Go on with a long answer, or tell what happened meanwhile."""
        self._stalled = False
        if not self.drained() and self._listening:
            self._catch_up()

    def lost(self, error: Exception | None) -> None:
        """Let go of everything."""
        if self in self.context.sessions:
            self.context.sessions.discard(self)
            self.context.connections.leave(self.pump.address)
            if self.counted:
                self.context.connections.log_out(self.owner.login, self.pump.address)
        self.context.deadlines.forget(self)
        if self.idling and error is not None:
            self._learn(error)
        self.deselect()
        self.notify(None)
        self.stir()
        if self._task is not None:
            self._task.cancel()
        append.drop(self)

    # push.hub.Watcher

    def wake(self) -> bool:
        """Tell the client at once if it idles and what it lacks is at hand; else look it up, or leave it."""
        selected = self.selected
        if selected is None and self.notices is None:
            return True
        if not self._listening or self._busy or not self.pump.writable:
            return False
        if selected is None or self.notices is not None:
            self._catch_up()
            return not self._busy and (selected is None or not selected.behind(True))
        if selected.guest:  # who may not read it any more is not told
            self._begin(self._catching_up())
            return False
        told = selected.at_once(HIGH_WATER)
        if told is None:
            self._catch_up()
            return False
        if told:
            self.core.raw(told)
            self.pump.flush()
            self.pump.rest()
        return True

    # net.deadlines.Watched

    def overdue(self) -> None:
        """Log out who did not log in or does nothing; keep the connection of who idles warm."""
        now = self.context.clock()
        if self.idling and not (self._stalled and not self.pump.writable):
            if self.pump.writable:
                self.beats += 1
                self.core.raw(b"* OK Still here\r\n")
                self.pump.flush()
            self._stalled = not self.pump.writable
            self.deadline = self._next_beat()
        elif self.idling:  # it has read nothing since the keep-alive before this one, and its buffers are full
            log.info("client cut off, it does not read", peer=self.pump.peer)
            self.pump.abort()
            return
        elif self._busy and not (self._stalled and not self.pump.writable):
            self._stalled = not self.pump.writable
            self.deadline = now + self.context.options.inactivity_timeout
        elif self._busy:  # it has not read what it asked for since the deadline before this one
            log.info("client cut off, it does not read its answer", peer=self.pump.peer)
            self.pump.abort()
            return
        else:
            self.core.bye(b"Nothing done for too long" if self.account else b"No login for too long")
            self.pump.close()
            return
        self.context.deadlines.watch(self)

    def _next_beat(self) -> float:
        return self.context.keep_alive.next_beat(self.owner.login, self.pump.address)

    def _learn(self, error: Exception) -> None:
        """See whether the network forgot the connection because it was silent for too long."""
        keep_alive, login, address = self.context.keep_alive, self.owner.login, self.pump.address
        if keep_alive.lost(login, address, self.beats, self.deadline, error):
            interval = keep_alive.interval(login, address)
            log.info(
                "an idle connection died silently, its client gets more keep-alives", login=login, seconds=interval
            )

    @property
    def busy(self) -> bool:
        """Whether the store works on a command: not one that waits for its client or pays for a wrong password."""
        return self._busy and self.account is not None and self._drained is None

    def shut_down(self) -> None:
        """The server stops."""
        if self.in_literal:
            self.pump.abort()
            return
        self.core.bye(b"The server is shutting down", Code("UNAVAILABLE"))
        self.pump.close()

    def abort(self) -> None:
        """The server stops waiting."""
        self.pump.abort()

    # events

    def _event(self, event: Event) -> None:
        options = self.context.options
        self.deadline = self.context.clock() + (options.inactivity_timeout if self.account else options.login_timeout)
        if isinstance(event, CommandReceived):
            if event.command == STARTTLS:
                self.pump.pause()  # what follows is not ours to read
            self._take(event.command)
        elif isinstance(event, AppendStarted):
            self._run(append.begin(self, event.command, event.more), event.command)
        elif isinstance(event, AppendStepped):
            self._run(names.tell_appended(self, catenate.step(self, event.step)), self.core.running)
        elif isinstance(event, AppendData):
            append.take(self, event.data)
        elif isinstance(event, AppendEnded):
            self._run(names.tell_appended(self, append.finish(self)), self.core.running)
        elif isinstance(event, AppendBroken):
            append.drop(self)
        elif isinstance(event, IdleEnded):
            self.stir()
            self._run(idle.end(self, event.done), self.core.running)
        elif isinstance(event, Responded):
            self._run(auth.respond(self, event.data), self.core.running)
        elif isinstance(event, Rejected):
            log.debug("refused", peer=self.pump.peer, reason=event.reason)

    def _catch_up(self) -> None:
        """Sync while idling."""
        selected, notices = self.selected, self.notices
        if self._busy or not self.pump.writable:
            return
        if selected is not None and (selected.unsure or self.lacks(selected, self._tells_expunge)):
            self._begin(self._catching_up())
        elif notices is not None and notices.pending:
            self._begin(self._catching_up())
        elif selected is not None:
            selected.channel.alone()

    async def _catching_up(self) -> None:
        if not await self._sync_safely(expunge=self._tells_expunge):
            await asyncio.sleep(RETRY)  # nobody is woken by a disk that is well again
        self._end()

    @property
    def _tells_expunge(self) -> bool:
        """Whether EXPUNGE may be told between two commands; while the client idles it may (RFC 5465 §6.1.2)."""
        return self.idling or self.notices is None or not self.notices.delayed

    async def fetch_new(self, uids: Sequence[UID], items: tuple[FetchItem, ...]) -> None:
        """Tell the items of messages that are new in the selected mailbox. Raises StoreError."""
        if self.manner is not Manner.PLAIN and Attribute.MODSEQ not in items:
            items = (*items, Attribute.MODSEQ)
        with contextlib.suppress(CommandRefused):  # a part whose encoding nobody knows is left out
            await fetch.fetch(self, Fetch(UIDSet.of(uids), items))

    # commands

    def _run(self, work: Coroutine[None, None, Reply | None], command: Command | None) -> None:
        """Run one step of a command; it ends with a reply, or with None if more is to come first."""
        self._begin(self._running(work, command))

    def _take(self, command: Command) -> None:
        """Run a command: at once if there is nothing to wait for and nothing else to tell, as with most of them."""
        reply: Reply | None = None
        try:
            if isinstance(command, Fetch):
                reply = fetch.at_once(self, command)
            elif isinstance(command, Simple) and command.keyword is Keyword.NOOP:
                reply = NOOP_COMPLETED
            elif isinstance(command, Status):
                reply = mailboxes.status_at_once(self, command)
        except Exception as error:
            self._run(_refused(error), command)
            return
        if reply is None:
            self._run(dispatch.run(self, command), command)
        elif self._all_told:
            self.core.done(reply.text)
        else:
            self._run(_replied(reply), command)

    @property
    def _all_told(self) -> bool:
        """Whether a command can end without a look at what happened, and its answer needs no word of it."""
        selected = self.selected
        if self.notices is not None or self.owed:
            return False
        if selected is None:
            return True
        if selected.guest or selected.contexts is not None or selected.gone or selected.behind(True):
            return False
        return not selected.astray

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._busy = True
        task = begin(self._guarded(work))
        if task is not None:  # else it is over, and what came after it may have begun already
            self._task = task

    def _end(self) -> None:
        """Go on: with what is pipelined, or with what was told while we were busy."""
        self._busy = False
        self._task = None
        if not self._pulling:
            self._go_on()

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        """Let no error of ours leave a connection that hangs."""
        try:
            await work
        except asyncio.CancelledError:  # its client has gone, or does not get the answer any more
            self._busy = False
            raise
        except Exception as error:
            self._busy = False
            self.pump.fail(error)

    async def _running(self, work: Coroutine[None, None, Reply | None], command: Command | None) -> None:
        reply = await self._outcome(work)
        if reply is not None:
            await self._sync_safely(expunge=not _by_sequence_number(command))
            if not self.core.closing:
                self.core.complete(reply.condition, self._standing(reply), reply.text)
                if command == STARTTLS and not await self._start_tls(reply.condition is Condition.OK):
                    return
                if command == COMPRESS and reply.condition is Condition.OK:
                    self.pump.flush()
                    self.pump.compress()
                elif command == UNAUTHENTICATE:
                    self.deadline = self.context.clock() + self.context.options.login_timeout
                    self.context.deadlines.watch(self)
                elif isinstance(command, Login | Authenticate) and self.account is not None:
                    self.deadline = self.context.clock() + self.context.options.inactivity_timeout
        self._end()

    def _standing(self, reply: Reply) -> ResponseCode | None:
        """Return the code of the answer: how far the mailbox is, where the client has to know (RFC 7162 §3.2.7, §6)."""
        if self.selected is None or not self.selected.astray:
            return reply.code
        highest = NumberCode("HIGHESTMODSEQ", self.selected.announce())
        if reply.condition is Condition.OK and reply.code is None:
            return highest
        self.core.untagged(StatusResponse(Condition.OK, highest, b"Highest"))
        return reply.code

    async def _outcome(self, work: Coroutine[None, None, Reply | None]) -> Reply | None:
        """Run it and turn whatever it raises into a reply."""
        try:
            return await work
        except CommandRefused as refusal:
            return _no(str(refusal), refusal.code)
        except BadArguments as problem:
            code = None if problem.code is None else Code(problem.code)
            return Reply(Condition.BAD, code, str(problem).encode("ascii", "replace"))
        except MailboxMissing:
            return _no("There is no such mailbox", "NONEXISTENT")
        except MessageMissing:
            return _no("Some of the messages are gone", "EXPUNGEISSUED")
        except StoreUnavailable as error:
            self.context.store.complaints.note("the store refused a command", error, peer=self.pump.peer)
            return _no("The store cannot do that now, try again later", "UNAVAILABLE")
        except StoreError as error:
            return _no(str(error), "CANNOT")
        except Exception as error:
            log.error("bug in a command, it was answered NO", peer=self.pump.peer, exc_info=error)
            return _no("Something went wrong here, and has been logged", "SERVERBUG")

    async def _sync_safely(self, expunge: bool) -> bool:
        """Tell what happened meanwhile; return whether the store could say: if not, the next sync will."""
        try:
            await self.sync(expunge)
        except StoreUnavailable as error:
            what = "a session could not be told what happened, the next sync will"
            self.context.store.complaints.note(what, error, writing=False, peer=self.pump.peer)
            return False
        except StoreError as error:
            log.warning("a session could not be told what happened, the next sync will", error=str(error))
            return False
        return True

    async def _start_tls(self, agreed: bool) -> bool:
        """Start TLS, or read on in the clear; returns whether the connection is still there."""
        tls = self.context.tls
        if not agreed:
            self.pump.resume()
            return True
        if tls is None:
            raise RuntimeError("STARTTLS without a certificate")
        self.pump.flush()
        self.core.tls_started()
        try:
            await self.pump.start_tls(tls, server_side=True)
        except OSError as error:
            log.debug("TLS handshake failed", peer=self.pump.peer, error=str(error))
            return False
        return True


async def _replied(reply: Reply) -> Reply:
    """End a command that is done."""
    return reply


async def _refused(error: Exception) -> Reply:
    """End a command that cannot be done."""
    raise error


def _no(text: str, code: str | ResponseCode | None) -> Reply:
    return Reply(Condition.NO, Code(code) if isinstance(code, str) else code, text.encode("ascii", "replace"))


def _by_sequence_number(command: Command | None) -> bool:
    """Say whether EXPUNGE may not be sent in answer to this command (RFC 9051 §7.5.1, RFC 7162 §3.2.10.2)."""
    if isinstance(command, Fetch | Store):
        return isinstance(command.numbers, SeqSet)
    if isinstance(command, Search | Sort | FindThreads):
        return not command.by_uid or holds(command.key, InSequence)
    return False


__all__ = ["ImapSession"]
