"""Runs the machines of all accounts: connections, journal, clock and log. The only part of the watcher that does I/O.

Rule 1: a machine's step is a plain call in the event loop; nothing here waits for a machine. Rule 2: an idle mailbox
has no task and no timer of its own: one alarm serves all, and deadlines that are far away are rounded up together, so
that accounts wake at the same moment. Rule 3: a machine that fails is our bug; it is logged and replaced, and the
others do not notice. Rule 4: passwords do not get here, but for keys that are derived of them, in a thread.
"""

import asyncio
import math
import os
import random
import secrets
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from ..imap.client import ClientConnection, UntaggedReceived
from ..imap.responses import Fetched
from ..net.dial import connect
from ..net.pump import Pump
from ..net.tls import client_context, end_point
from ..sasl import ClientMechanism
from ..sieve.pyrule import RuleFailed
from .account import TokenSource, WatchAccount
from .clock import Alarm, boottime
from .events import (
    Answered,
    Ask,
    Authorize,
    Authorized,
    Bind,
    Bound,
    Connect,
    Consult,
    Consulted,
    DeadlineReached,
    Derive,
    Derived,
    Disconnect,
    Event,
    Filed,
    Handed,
    Heard,
    Lost,
    Output,
    Started,
    State,
    StateChanged,
    StopRequested,
    Upgrade,
    Upgraded,
    Wanted,
    Warned,
    Woke,
)
from .facts import rule_message
from .gate import Gate
from .journal import JournalThread
from .ledger import Answer, Place, Request
from .machine import Machine
from .spin import SpinGuard
from .tokens import AccountTokens, NoToken

FAR_AWAY = 20.0
"""Seconds from which on a deadline may be late."""
GRID = 10.0
"""Seconds to a multiple of which such a deadline is rounded up."""
SUSPENDED = 30.0
"""Seconds by which the clock that runs through suspend got ahead of the one that does not: we slept (fault F77)."""
REPLACEMENT_PAUSE = 60.0
"""Seconds before a machine that failed is replaced."""
NONCE = 18
"""Octets of a nonce of SCRAM, written as 24 characters."""
WAKEUPS_OVER = 60.0
"""Seconds over which the wakeups of a session are counted, at least."""
LINGER = 0.2
"""Seconds connections have to end when the watcher stops; then they are cut."""

log = structlog.get_logger("mailhorn.watch")

OnFiled = Callable[[Place, Filed], None]
OnState = Callable[[Place, StateChanged], None]


@dataclass(frozen=True, slots=True)
class Report:
    """
    How one connection is, for people. Times are of the watcher's clock.

    Attributes:
        places: The mailboxes it watches.
        state: Where it stands.
        reason: Why, "" if it is as it should be.
        since: Since when.
        until: When a backoff ends; None if there is none.
        heard_at: When the server proved last that it lives.
        wakeups: Steps in a minute, of late.
        push: Whether the server announces what comes; if not, it is looked at more often.
        renewal: Seconds an IDLE lasts.

    """

    places: tuple[Place, ...]
    state: State
    reason: str
    since: float
    until: float | None
    heard_at: float
    wakeups: float
    push: bool
    renewal: float


class Keeper(Protocol):
    """Who keeps the journal; see `journal.JournalThread`."""

    def ask(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """Have a request carried out."""

    def close(self) -> None:
        """Carry out what was asked, then end."""


class Watcher:
    """
    Watches any number of accounts until it is stopped.

    Attributes:
        watches: One for each connection there may be.
        on_journal: Called in the event loop whenever the journal has carried something out; None for nobody.

    """

    def __init__(
        self,
        accounts: Sequence[WatchAccount],
        journal_path: Path,
        *,
        on_filed: OnFiled | None = None,
        on_state: OnState | None = None,
        clock: Callable[[], float] = boottime,
        machine: Callable[..., Machine] = Machine,
    ) -> None:
        """
        Make a watcher; nothing happens before `run`.

        Args:
            accounts: What to watch; their names are distinct.
            journal_path: The journal, one file for all accounts.
            on_filed: Told of each message that is where the rules want it; times are of `boottime`.
            on_state: Told whenever the watch of a mailbox stands elsewhere.
            clock: Seconds, of a clock that runs through suspend.
            machine: What watches; takes an account and its mailboxes.

        Raises:
            ValueError: Two accounts have one name.
            TLSProblem: A list of trusted certificates cannot be used.

        """
        self.open_journal: Callable[[], Keeper] = lambda: JournalThread(journal_path)
        self._journal: Keeper | None = None
        self.on_filed = on_filed
        self.on_state = on_state
        self.on_journal: Callable[[], None] | None = None
        self.clock = clock
        self.machine = machine
        self.gate = Gate()
        self._stopping = False
        self._all_stopped = asyncio.Event()
        self._all_closed = asyncio.Event()
        self._open: set[_Line] = set()
        self._alarm: Alarm | None = None
        self._due = math.inf
        self._ahead: float | None = None
        self._tokens: dict[TokenSource, AccountTokens] = {}
        self._leaving: list[_Watch] = []
        self._coming: list[_Watch] = []
        self.watches = self._made(accounts, {})

    def _made(self, accounts: Sequence[WatchAccount], kept: "dict[_Key, _Watch]") -> "list[_Watch]":
        """Return a watch for each connection that the accounts want, taking those that are there already."""
        if len({account.name for account in accounts}) != len(accounts):
            raise ValueError("two accounts have the same name")
        both = _watched_twice(accounts)
        if both is not None:
            log.warning("two accounts watch one mailbox: what their rules copy or send is there twice", **both)
        trusts = {(account.ca_file, account.verify) for account in accounts}
        contexts = {trust: client_context(*trust) for trust in trusts}  # a tenth of a second each
        return [
            kept.get((account, mailboxes))
            or _Watch(self, account, mailboxes, contexts[account.ca_file, account.verify])
            for account in accounts
            for mailboxes in shared_out(account.mailboxes, account.connections)
        ]

    @property
    def states(self) -> dict[Place, State]:
        """Where the watch of each mailbox stands."""
        return {place: watch.machine.state for watch in self.watches for place in watch.machine.places}

    @property
    def reports(self) -> list[Report]:
        """How each connection is."""
        return [watch.report() for watch in self.watches]

    @property
    def steps(self) -> int:
        """How many steps all sessions have taken."""
        return sum(watch.machine.steps for watch in self.watches)

    @property
    def busiest(self) -> list[Place]:
        """Where most steps were taken of late: three sessions at most."""
        most = sorted(self.watches, key=lambda watch: watch.recent_steps, reverse=True)
        return [watch.machine.places[0] for watch in most[:3]]

    @property
    def alive(self) -> bool:
        """Whether every watch that is not parked has met its deadline: what a watchdog is to be fed with."""
        return all(watch.alive(self.clock()) for watch in self.watches)

    async def run(self, beside: AbstractAsyncContextManager[None] | None = None) -> None:
        """
        Watch until `stop` is called.

        Args:
            beside: Is entered once the journal is held, and left at the end.

        Raises:
            JournalError: The journal cannot be used.

        """
        self._journal = journal = await asyncio.to_thread(self.open_journal)
        self._alarm = Alarm(self.clock, self._fire, self.look)
        try:
            async with beside or nullcontext():
                await self._run(journal)
        finally:
            self._alarm.close()
            for watch in (*self.watches, *self._leaving):
                watch.abandon()
            for line in tuple(self._open):
                line.cut()
            self._journal = None
            await asyncio.to_thread(journal.close)

    async def _run(self, journal: Keeper) -> None:
        for watch in self.watches:
            watch.start(journal)
        if self._stopping or not self.watches:
            self.stop()
        await self._all_stopped.wait()
        if self._open:
            try:
                async with asyncio.timeout(LINGER):
                    await self._all_closed.wait()
            except TimeoutError:
                pass

    def stop(self) -> None:
        """Have `run` end, well within a second. To be called in the event loop, as from a signal handler of it."""
        self._stopping = True
        self._coming = []
        for watch in self.watches:
            watch.stop()
        self.stopped()

    def reload(self, accounts: Sequence[WatchAccount]) -> tuple[int, int]:
        """
        Watch these accounts from now on. What did not change goes on undisturbed; nothing changes if this raises.

        Args:
            accounts: All that is to be watched.

        Returns:
            How many connections are given up, and how many are new.

        Raises:
            ValueError: Two accounts have one name.
            TLSProblem: A list of trusted certificates cannot be used.

        """
        present = {watch.key: watch for watch in self.watches if watch.machine.state is not State.PARKED}
        wanted = self._made(accounts, present)
        if self._stopping:
            return 0, 0
        gone = [watch for watch in self.watches if watch not in wanted]
        new = [watch for watch in wanted if watch not in self.watches]
        self.watches = wanted
        self._coming = [watch for watch in (*self._coming, *new) if watch in wanted]
        self._leaving += gone
        for watch in gone:
            watch.stop()
        self.stopped()
        return len(gone), len(new)

    def network_changed(self) -> None:
        """Have every server prove at once that it is still there (fault F80)."""
        for watch in self.watches:
            watch.deliver(Woke())

    def tokens(self, source: TokenSource) -> AccountTokens:
        """Return the tokens from there, for all connections of their account."""
        return self._tokens.setdefault(source, AccountTokens(source, self.clock))

    # what watches and their connections tell

    def stopped(self) -> None:
        """A watch may have stopped."""
        for watch in self._leaving:
            if watch.stopped:
                watch.abandon()
        self._leaving = [watch for watch in self._leaving if not watch.stopped]
        if self._stopping:
            if not self._leaving and all(watch.stopped for watch in self.watches):
                self._all_stopped.set()
        elif not self._leaving and self._coming and self._journal is not None:
            coming, self._coming = self._coming, []  # two that watch one mailbox at a time would do things twice
            for watch in coming:
                watch.start(self._journal)

    def opened(self, line: "_Line") -> None:
        """A connection was made."""
        self._open.add(line)
        self._all_closed.clear()

    def closed(self, line: "_Line") -> None:
        """A connection is gone."""
        self._open.discard(line)
        if not self._open:
            self._all_closed.set()

    # the one timer

    def arm(self, due: float) -> None:
        """See to it that the watches are looked at by `due`."""
        if due < self._due and self._alarm is not None:
            self._due = due
            self._alarm.set(due)

    def _fire(self) -> None:
        self._due = math.inf
        now = self.clock()
        for watch in (*self.watches, *self._leaving):
            if watch.due <= now:
                watch.deliver(DeadlineReached())
            else:
                self.arm(watch.due)

    def look(self) -> None:
        """Find out whether the computer slept; if so every server must prove that it lives (fault F77)."""
        loop = asyncio.get_running_loop()
        ahead = self.clock() - loop.time()
        slept = 0.0 if self._ahead is None else ahead - self._ahead
        self._ahead = ahead
        if slept > SUSPENDED:
            log.info("woke up", slept=round(slept))
            self._due = math.inf  # the alarm may have slept, too
            loop.call_soon(self.network_changed)


_Key = tuple[WatchAccount, tuple[str, ...]]


def _watched_twice(accounts: Sequence[WatchAccount]) -> dict[str, str] | None:
    """Return the first two accounts that watch the same mailbox, for the log; None if there are none."""
    watched: dict[tuple[str, int, str, str], str] = {}
    for account in accounts:
        for mailbox in account.mailboxes:
            other = watched.setdefault((account.host.lower(), account.port, account.user, mailbox), account.name)
            if other != account.name:
                return {"account": other, "other": account.name, "mailbox": mailbox}
    return None


def shared_out(mailboxes: Sequence[str], connections: int) -> list[tuple[str, ...]]:
    """Return which mailboxes share a connection: the first ones have their own, the last one takes the rest."""
    distinct = list(dict.fromkeys(mailboxes))
    own = distinct[: max(connections, 1) - 1] if len(distinct) > connections else distinct
    rest = tuple(distinct[len(own) :])
    return [(mailbox,) for mailbox in own] + ([rest] if rest else [])


class _Line:
    """One connection, as the pump's session. It tells its watch what it hears until it is dropped."""

    def __init__(self, watch: "_Watch", connection: ClientConnection) -> None:
        self.connection = connection
        self._watch: _Watch | None = watch
        self._watcher = watch.watcher
        self._pump: Pump | None = None
        self._task: asyncio.Task[None] | None = None
        self._consultation: asyncio.Task[None] | None = None
        self._handed: asyncio.Future[bytes | None] | None = None

    # to the server

    def dial(self, tls: ssl.SSLContext | None) -> None:
        """Begin to connect."""
        self._task = asyncio.get_running_loop().create_task(self._dial(tls))

    async def _dial(self, tls: ssl.SSLContext | None) -> None:
        watch = self._watch
        if watch is None:
            return
        account = watch.account
        try:
            async with self._watcher.gate.passing(account.host):
                await connect(account.host, account.port, self.connection, self, tls=tls)
        except (OSError, UnicodeError) as error:
            self._tell(Lost(f"cannot connect to {account.host}:{account.port}: {_reason(error)}"))

    def upgrade(self, tls: ssl.SSLContext) -> None:
        """Begin TLS."""
        if self._pump is not None and self._watch is not None:
            self._pump.pause()
            self._task = asyncio.get_running_loop().create_task(
                self._upgrade(self._pump, tls, self._watch.account.host)
            )

    async def _upgrade(self, pump: Pump, tls: ssl.SSLContext, host: str) -> None:
        try:
            await pump.start_tls(tls, server_side=False, server_hostname=host)
        except OSError as error:
            self._tell(Lost(f"TLS: {_reason(error)}"))
        else:
            self._tell(Upgraded())

    def bind(self) -> None:
        """Tell what a login by SCRAM needs."""
        certificate = None if self._pump is None else self._pump.shown_certificate
        end = None if certificate is None else end_point(certificate)
        binding = None if end is None else ("tls-server-end-point", end)
        bound = Bound(secrets.token_urlsafe(NONCE), binding)
        asyncio.get_running_loop().call_soon(self._tell, bound)

    def derive(self, mechanism: ClientMechanism, challenge: bytes) -> None:
        """Have the mechanism answer, in a thread."""
        self._task = asyncio.get_running_loop().create_task(self._derive(mechanism, challenge))

    async def _derive(self, mechanism: ClientMechanism, challenge: bytes) -> None:
        self._tell(Derived(await asyncio.to_thread(mechanism.answer, challenge)))

    def authorize(self, refused: str) -> None:
        """Get an access token."""
        self._task = asyncio.get_running_loop().create_task(self._authorize(refused))

    async def _authorize(self, refused: str) -> None:
        source = None if self._watch is None else self._watch.account.tokens
        if source is None:
            return
        try:
            token = await self._watcher.tokens(source).get(refused)
        except NoToken as error:
            self._tell(Authorized(problem=str(error), final=error.final))
        else:
            self._tell(Authorized(token.text, token.good_for, token.new))

    def consult(self, consult: Consult) -> None:
        """Ask the account's rule in Python."""
        self._consultation = asyncio.get_running_loop().create_task(self._consult(consult))

    async def _consult(self, consult: Consult) -> None:
        watch = self._watch
        if watch is None or watch.account.python is None:
            return
        number = consult.number

        async def fetch() -> bytes:
            self._handed = asyncio.get_running_loop().create_future()
            self._tell(Wanted(number))
            whole = await self._handed
            if whole is None:
                raise RuleFailed("the message cannot be read")
            return whole

        message = rule_message(watch.account.name, consult.mailbox, consult.message, fetch)
        try:
            said = Consulted(number, await watch.account.python.decide(message))
        except RuleFailed as error:
            said = Consulted(number, None, f"the rules fail, {error}")
        except Exception as error:  # a bug of ours must not cost the messages behind this one (fault F85)
            said = Consulted(number, None, f"a bug with rules in Python, please report it: {error!r}")
        self._tell(said)

    def hand(self, whole: bytes | None) -> None:
        """Give the rule the message that it wanted."""
        if self._handed is not None and not self._handed.done():
            self._handed.set_result(whole)

    def _dismiss(self) -> None:
        """Nobody wants to know any more what the rule says."""
        if self._consultation is not None:
            self._consultation.cancel()

    def flush(self) -> None:
        """Send what the connection has to send."""
        if self._pump is not None:
            self._pump.flush()

    def drop(self) -> None:
        """Say what is left to say and close; tell nothing any more."""
        self._watch = None
        self._dismiss()
        if self._pump is not None:
            self._pump.close()
        elif self._task is not None:
            self._task.cancel()

    def cut(self) -> None:
        """Close at once."""
        self._watch = None
        self._dismiss()
        if self._task is not None:
            self._task.cancel()
        if self._pump is not None:
            self._pump.abort()

    def _tell(self, event: Event) -> None:
        if self._watch is not None:
            self._watch.deliver(event)

    # from the pump

    def connected(self, pump: Pump) -> None:
        """Keep the pump; the server speaks first."""
        self._pump = pump
        self._watcher.opened(self)
        if self._watch is None:
            pump.abort()

    def received(self) -> None:
        """Tell what was heard, if only that something was."""
        self._tell(Heard(tuple(self.connection.events_received())))

    def writable(self) -> None:
        """Nothing: a watcher sends little."""

    def lost(self, error: Exception | None) -> None:
        """Tell that the connection is gone."""
        self._watcher.closed(self)
        self._tell(Lost(_reason(error) if error else "the connection was closed"))


class _Watch:
    """One connection's worth of mailboxes: their machine, and the connection if there is one."""

    def __init__(
        self, watcher: Watcher, account: WatchAccount, mailboxes: tuple[str, ...], tls: ssl.SSLContext
    ) -> None:
        self.watcher = watcher
        self.account = account
        self.machine = watcher.machine(account, *mailboxes)
        self.due = math.inf
        self._since = watcher.clock()
        self._counted = (self._since, 0)
        self._wakeups = 0.0
        self._guard = SpinGuard(self._since)
        self._mailboxes = mailboxes
        self._tls = tls
        self._line: _Line | None = None
        self._journal: Keeper | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._replacement: asyncio.TimerHandle | None = None
        self._log = log.bind(account=account.name, mailbox=" ".join(mailboxes))

    @property
    def key(self) -> _Key:
        """What it watches and how."""
        return self.account, self._mailboxes

    def alive(self, now: float) -> bool:
        """Whether it is parked, or has been woken when it wanted to be."""
        return self.machine.state in (State.PARKED, State.STOPPED) or self.due + GRID > now

    def report(self) -> Report:
        """How it is."""
        machine = self.machine
        return Report(
            machine.places,
            machine.state,
            machine.reason,
            self._since,
            machine.deadline if machine.state is State.BACKOFF else None,
            machine.heard_at,
            self._wakeups_by(self.watcher.clock()),
            machine.push_is_reliable,
            machine.renewal,
        )

    @property
    def recent_steps(self) -> int:
        """Steps since they were counted last."""
        return self.machine.steps - self._counted[1]

    def _wakeups_by(self, now: float) -> float:
        """Return the steps in a minute: since they were counted last, or over the minute before if that is not long."""
        since, steps = self._counted
        if now - since < WAKEUPS_OVER:
            return self._wakeups
        return (self.machine.steps - steps) * 60.0 / (now - since)

    @property
    def stopped(self) -> bool:
        """Whether it has come to its end."""
        return self._journal is None or self.machine.state is State.STOPPED or self._replacement is not None

    def start(self, journal: Keeper) -> None:
        """Begin, unless it has: settings may be read again before the first ones are watched."""
        if self._journal is not None:
            return
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self.deliver(Started())

    def stop(self) -> None:
        """Begin to end."""
        if self._journal is not None and self._replacement is None:
            self.deliver(StopRequested())

    def abandon(self) -> None:
        """Do nothing any more."""
        self._journal = None
        self.due = math.inf
        if self._replacement is not None:
            self._replacement.cancel()
        if self._line is not None:
            self._line.drop()
            self._line = None

    def deliver(self, event: Event) -> None:
        """Let the machine take a step, and do what it wants; not before its time, if it is to begin anew."""
        if self._journal is None or self._replacement is not None:
            return
        self.watcher.look()
        now = self.watcher.clock()
        machine = self.machine
        heard = event.events if isinstance(event, Heard) else None
        told = sum(isinstance(one, UntaggedReceived) and isinstance(one.response, Fetched) for one in heard or ())
        if self._guard.count(now, heard is not None, told) > 0:
            self._spins(event)
            return
        try:
            outputs = machine.step(event, now, random.random())
        except Exception:
            self._log.exception("bug in the watch of a mailbox, it begins anew")
            self._replace()
            return
        for output in outputs:
            self._carry_out(machine, output)
        if self._line is not None:
            self._line.flush()
        deadline = machine.deadline
        if deadline is None:
            self.due = math.inf
        else:
            self.due = deadline if deadline - now < FAR_AWAY else math.ceil(deadline / GRID) * GRID
            self.watcher.arm(self.due)
        if now - self._counted[0] >= WAKEUPS_OVER:
            self._wakeups = self._wakeups_by(now)
            self._counted = now, machine.steps
        if machine.state is State.STOPPED:
            self.watcher.stopped()

    def _carry_out(self, machine: Machine, output: Output) -> None:
        match output:
            case Connect(connection, tls):
                self._line = _Line(self, connection)
                self._line.dial(self._tls if tls else None)
            case Upgrade():
                if self._line is not None:
                    self._line.upgrade(self._tls)
            case Bind():
                if self._line is not None:
                    self._line.bind()
            case Derive(mechanism, challenge):
                if self._line is not None:
                    self._line.derive(mechanism, challenge)
            case Authorize(refused):
                if self._line is not None:
                    self._line.authorize(refused)
            case Consult():
                if self._line is not None:
                    self._line.consult(output)
            case Handed(_, whole):
                if self._line is not None:
                    self._line.hand(whole)
            case Disconnect():
                if self._line is not None:
                    self._line.drop()
                    self._line = None
            case Ask(number, request):
                if self._journal is not None:
                    self._journal.ask(request, lambda answer: self._answer(machine, number, answer))
            case StateChanged(state, reason, until):
                self._changed(output, state, reason, until)
            case Filed():
                self._filed(output)
            case Warned(text):
                self._log.warning(text)

    def _answer(self, machine: Machine, number: int, answer: Answer) -> None:
        """Bring the journal's answer from its thread into the event loop."""

        def deliver() -> None:
            if machine is self.machine:
                self.deliver(Answered(number, answer))
            if self.watcher.on_journal is not None:  # what is to be done in the mailbox goes first
                self.watcher.on_journal()

        if self._loop is not None:
            self._loop.call_soon_threadsafe(deliver)

    def _changed(self, change: StateChanged, state: State, reason: str, until: float | None) -> None:
        details: dict[str, object] = {"reason": reason} if reason else {}
        if until is not None:
            details["seconds"] = round(until - self.watcher.clock(), 1)
        if state is State.PARKED:
            self._log.error("parked until the settings change", **details)
        elif state is State.BACKOFF:
            self._log.warning(state.value, **details)
        else:
            self._log.info(state.value, **details)
        self._since = self.watcher.clock()
        if self.watcher.on_state is not None:
            for place in self.machine.places:
                self.watcher.on_state(place, change)

    def _filed(self, filed: Filed) -> None:
        done = [f"{step.kind.value} {step.target or ' '.join(step.flags)}".strip() for step in filed.steps]
        details: dict[str, object] = {} if filed.target is None else {"target_uid": filed.target[1]}
        if filed.heard_at is not None:
            details["ms"] = round((filed.filed_at - filed.heard_at) * 1000, 1)
        rules = dict.fromkeys(step.rule for step in filed.steps if step.rule)
        self._log.info(
            "filed",
            uid=filed.uid,
            message_id=filed.message_id,
            subject=filed.subject,
            done="; ".join(done),
            rule=", ".join(rules),
            **details,
        )
        if self.watcher.on_filed is not None:
            self.watcher.on_filed(filed.place, filed)

    def _spins(self, event: Event) -> None:
        self._log.error(
            "spinning: it wakes more often than what it hears explains, it begins anew; please report this",
            state=self.machine.state.value,
            woken_by=type(event).__name__,
            stack=self.machine.stands_at,
        )
        self._replace()

    def _replace(self) -> None:
        if self._line is not None:
            self._line.drop()
            self._line = None
        self.machine = self.watcher.machine(self.account, *self._mailboxes)
        self._counted = self.watcher.clock(), 0
        self.due = math.inf
        if self._loop is not None:
            self._replacement = self._loop.call_later(REPLACEMENT_PAUSE, self._begin_again)

    def _begin_again(self) -> None:
        self._replacement = None
        self.deliver(Started())


NAME_MISMATCH = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
EXPIRED = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: the server's, or the clock here is wrong."""


def _reason(error: BaseException) -> str:
    """What went wrong, on one line, never empty; what to do where the operator can do something."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
        if error.verify_code in NAME_MISMATCH:
            return f"{said}; set `host` to a name that is in it"
        if error.verify_code in EXPIRED:
            return f"{said}; it has to be renewed there, or the clock here set right"
        return f"{said}; set `ca` of this account to the file of its certificate or of who signed it (PEM)"
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return "no TLS is spoken there; set `port` of this account, or `encryption`, to what the server has"
    if isinstance(error, socket.gaierror) and error.strerror:
        return error.strerror
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)  # asyncio's own text is for programmers
    return " ".join(str(error).split()) or type(error).__name__


__all__ = ["OnFiled", "OnState", "Report", "Watcher", "boottime", "shared_out"]
