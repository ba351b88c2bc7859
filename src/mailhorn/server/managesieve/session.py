"""One ManageSieve session: who it is, and what becomes of their scripts (RFC 5804).

Rule 1: a script is taken only if delivery would run it: both call the same check. Rule 2: OK is said when the disk has
it. Rule 3: an answer is written only when the one before it was read, so a client that does not read costs one.
Rule 4: a task lives only while a command has to wait for something; an idle connection has none.
"""

import asyncio
import math
from base64 import b64encode
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TypeVar

import structlog

from ...managesieve.commands import (
    Authenticate,
    CheckScript,
    Command,
    DeleteScript,
    GetScript,
    HaveSpace,
    PutScript,
    RenameScript,
    SetActive,
    Word,
)
from ...managesieve.events import Cancelled, CommandReceived, Event, Refused, Responded
from ...managesieve.limits import MAX_QUOTED, MAX_SCRIPT
from ...managesieve.names import BadName, script_name
from ...managesieve.responses import (
    DONE,
    Code,
    Condition,
    Response,
    no,
    write_capabilities,
    write_script,
    write_scripts,
)
from ...managesieve.server import ServerConnection
from ...model.mailbox import Account
from ...net.deadlines import Deadlines
from ...net.eager import Turn
from ...net.pump import Pump
from ...sasl import Challenge
from ...sieve import Program, SieveError
from ...sieve.errors import printable
from ...store.abc import StoreUnavailable
from ...store.store import Store
from ..limits import Connections
from ..logins import Denial, Exchange, Logins, Why
from ..refusals import Refusals
from ..scriptbook import NoSuchScript, ScriptActive, ScriptBook, ScriptExists, ScriptProblem, TooLarge, TooManyScripts
from ..scripts import ScriptRefused, failed_once
from ..sessions import Sessions
from .advice import advice

MAX_LOGIN_FAILURES = 3
"""On one connection; then BYE. Guessing goes on over new ones, and `accounts` slows those down."""
THREADS = 2
"""Scripts looked at, or written, at a time. A large one with thousands of regular expressions takes seconds: who has a
hundred connections check such must not hold up those who read mail."""
IMPLEMENTATION = "mailhorn"
LANGUAGE = "en"
"""Of all texts (RFC 5646)."""

log = structlog.get_logger("mailhorn.managesieve")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Language:
    """
    The Sieve that delivery speaks.

    Attributes:
        check: Raises SieveError or ScriptRefused if delivery could not run this script of this account's.
        offers: What scripts may require.
        redirects: How often a script may redirect one message.
        notifies: By which URI schemes scripts may notify; none: not at all.
        changed: Called when somebody's scripts are others: the next mail is filtered by what they are now.
        lists: URI schemes of the lists there are (RFC 6134 §2.8); that of the address book is always among them.

    """

    check: Callable[[Account, str], Program]
    offers: frozenset[str]
    redirects: int = 0
    notifies: tuple[str, ...] = ()
    changed: Callable[[], None] = lambda: None
    lists: tuple[str, ...] = ("urn",)


@dataclass(frozen=True, slots=True)
class ManageSieveOptions:
    """
    Settings of the ManageSieve side.

    Attributes:
        scripts: Everybody's scripts.
        language: What they may be.
        login_timeout: Seconds that a connection may stay without logging in.
        inactivity_timeout: Seconds without a command before BYE; RFC 5804 §1.2 wants 1,800 at least.

    """

    scripts: ScriptBook
    language: Language
    login_timeout: float = 60.0
    inactivity_timeout: float = 1860.0


@dataclass(slots=True)
class ManageSieveContext:
    """The server as its ManageSieve sessions see it."""

    store: Store
    logins: Logins
    deadlines: Deadlines
    options: ManageSieveOptions
    tls: SSLContext | None
    clock: Callable[[], float]
    connections: Connections = field(default_factory=Connections)
    sessions: Sessions = field(default_factory=Sessions)
    refusals: Refusals = field(default_factory=Refusals)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "managesieve"))

    def close(self) -> None:
        """Let go of the threads; what they are at is done to its end."""
        self.threads.shutdown(wait=False, cancel_futures=True)


class ManageSieveSession:
    """
    The session of one connection. Implements `net.pump.Session` and `net.deadlines.Watched`.

    Attributes:
        deadline: When the client has been silent for too long, seconds of the loop's clock.

    """

    __slots__ = (
        "_accepted",
        "_account",
        "_context",
        "_core",
        "_drained",
        "_exchange",
        "_failures",
        "_pump",
        "_turn",
        "_working",
        "deadline",
    )

    _pump: Pump

    def __init__(self, context: ManageSieveContext, core: ServerConnection) -> None:
        """Make a session on a fresh core; the pump calls `connected`."""
        self._context = context
        self._core = core
        self._accepted = False
        self._turn = Turn()
        self._working = False
        self._drained: asyncio.Future[None] | None = None
        self._account: Account | None = None
        self._exchange: Exchange | None = None
        self._failures = 0
        self.deadline = math.inf

    @classmethod
    def connection(cls, context: ManageSieveContext) -> Pump:
        """Return a protocol for a new connection."""
        core = ServerConnection()
        return Pump(core, cls(context, core))

    # net.pump.Session

    def connected(self, pump: Pump) -> None:
        """Greet, or refuse who has too many connections already."""
        self._pump = pump
        context = self._context
        reason = context.connections.enter(pump.address)
        if reason is not None:
            context.refusals.note("connection refused", pump.peer, pump.address, reason.text)
            self._core.bye(reason.text, Code.TRYLATER)
            pump.close(linger=False)
            return
        self._accepted = True
        context.sessions.add(self)
        self._wait_for_client()
        context.deadlines.watch(self)
        self._core.greet(self._capabilities(), "mailhorn is ready")

    def received(self) -> None:
        """Obey what the core understood."""
        if not self._accepted:
            return
        self._turn.pulling = True
        try:
            while events := self._core.events_received():
                for event in events:
                    self._event(event)
        finally:
            self._turn.pulling = False
        if self._core.closed:
            if not self._turn.busy:
                self._pump.close()
        elif self._core.wants_data:
            self._pump.resume()
        else:
            self._pump.pause()

    def writable(self) -> None:
        """Go on with the answer that waits for this."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def lost(self, error: Exception | None) -> None:
        """Let go of everything; what is done on disk is done to its end."""
        context = self._context
        if self._accepted:
            self._accepted = False
            self._log_out()
            context.connections.leave(self._pump.address)
            context.deadlines.forget(self)
        context.sessions.discard(self)
        self._turn.leave()

    # net.deadlines.Watched

    def overdue(self) -> None:
        """Say good-bye to a silent client; it is not to blame while it waits for our answer."""
        if self._drained is not None:
            log.info("client cut off, it does not read its answer", peer=self._pump.peer)
            self._pump.abort()
        elif self._turn.busy:
            self._wait_for_client()
            self._context.deadlines.watch(self)
        else:
            self._core.bye("Nothing done for too long" if self._account else "No login for too long")
            self._pump.close()

    @property
    def busy(self) -> bool:
        """Whether a script is being written."""
        return self._working

    def shut_down(self) -> None:
        """End the session because the server stops; a command that is under way is finished, without an answer."""
        self._core.bye("The server is shutting down", Code.TRYLATER)
        self._pump.close()

    def abort(self) -> None:
        """End the connection."""
        self._pump.abort()

    def _wait_for_client(self) -> None:
        options = self._context.options
        patience = options.login_timeout if self._account is None else options.inactivity_timeout
        self.deadline = self._context.clock() + patience

    # events

    def _event(self, event: Event) -> None:
        self._wait_for_client()
        match event:
            case CommandReceived(command=Authenticate() as command):
                self._run(self._begin_login(command))
            case Responded():
                self._run(self._log_in(event.data))
            case Cancelled():
                self._exchange = None
            case CommandReceived(command=Word.STARTTLS):
                self._pump.pause()  # what follows is not ours to read
                self._run(self._start_tls())
            case CommandReceived():
                self._run(self._obey(event.command))
            case Refused():
                log.debug("refused", peer=self._pump.peer, reason=event.reason)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        """Do what may have to wait; the core reads no further command meanwhile."""
        self._turn.begin(work, self._pump, self.received)

    async def _drain(self) -> None:
        """Wait until the client has read what it was sent."""
        self._pump.flush()
        while not self._pump.writable and not self._pump.closed:
            self._drained = asyncio.get_running_loop().create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    # commands

    async def _obey(self, command: Command) -> None:
        response, data = await self._outcome(command)
        await self._drain()
        self._core.answer(response, data)
        if command is Word.UNAUTHENTICATE:
            self._context.deadlines.watch(self)  # it has moved earlier

    async def _outcome(self, command: Command) -> tuple[Response, bytes]:
        """Return what the command comes to; whatever goes wrong has an answer."""
        try:
            match command:
                case Word.CAPABILITY:
                    return DONE, write_capabilities(self._capabilities())
                case Word.UNAUTHENTICATE:
                    self._unauthenticate()
                    return DONE, b""
            owner = self._owner
            account = await self._context.store.index.account(owner.login)
            if account is None or account.id != owner.id:
                return Response(Condition.BYE, "There is no such account any more"), b""
            return await self._with_scripts(owner, command)
        except BadName as problem:
            return no(str(problem)), b""
        except (SieveError, ScriptRefused) as problem:
            return no(explained(problem)), b""
        except ScriptProblem as problem:
            return no(str(problem), _CODES.get(type(problem))), b""
        except (OSError, StoreUnavailable) as error:
            self._context.store.complaints.note("scripts cannot be kept or read", error, False, peer=self._pump.peer)
            return no("The server cannot do that now, try again later", Code.TRYLATER), b""

    async def _with_scripts(self, owner: Account, command: Command) -> tuple[Response, bytes]:
        book, login = self._context.options.scripts, owner.login
        match command:
            case Word.LISTSCRIPTS:
                return DONE, write_scripts(await self._work(book.names, login))
            case GetScript():
                script = await self._work(book.read, login, script_name(command.name))
                return _with_warnings(await self._work(failed_once, book.link(login), script)), write_script(script)
            case HaveSpace():
                await self._work(book.room, login, script_name(command.name), command.size)
                return DONE, b""
            case CheckScript():
                return await self._checked(owner, command.script), b""
            case PutScript():
                name = script_name(command.name)
                await self._work(book.room, login, name, len(command.script))
                response = await self._checked(owner, command.script)
                await self._work(book.put, login, name, command.script)
                self._changed("script kept", name)
                return response, b""
            case SetActive():
                name = script_name(command.name) if command.name else ""
                if name:
                    script = await self._work(book.read, login, name)
                    await self._work(self._check, owner, script)
                await self._work(book.activate, login, name)
                self._changed("script activated" if name else "scripts switched off", name)
                return DONE, b""
            case DeleteScript():
                name = script_name(command.name)
                await self._work(book.delete, login, name)
                self._changed("script deleted", name)
                return DONE, b""
            case RenameScript():
                old, new = script_name(command.old), script_name(command.new)
                await self._work(book.rename, login, old, new)
                self._changed("script renamed", old, new=new)
                return DONE, b""
        raise RuntimeError(f"{command} is not a command of a session")

    async def _checked(self, owner: Account, script: bytes) -> Response:
        """Return OK, with what its author may not have meant. Raises SieveError, ScriptRefused."""
        text, program = await self._work(self._check, owner, script)
        mailboxes = [mailbox.name for mailbox in await self._context.store.index.mailboxes(owner.id)]
        failed = await self._work(failed_once, self._context.options.scripts.link(owner.login), script)
        warnings = await self._work(advice, text, mailboxes, self._context.options.language.redirects)
        return _with_warnings(failed, *[printable(warning).replace('"', "'") for warning in program.warnings], warnings)

    async def _work(self, work: Callable[..., T], *arguments: object) -> T:
        """Have a thread do what takes as long as the disk, or as long as a script."""
        self._working = True
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._context.threads, work, *arguments)
        finally:
            self._working = False

    def _check(self, owner: Account, script: bytes) -> tuple[str, Program]:
        """Return a script's text and program. Raises SieveError or ScriptRefused if delivery could not run it."""
        if not script:
            raise ScriptRefused("A script must not be empty: to have none, activate none")
        if len(script) > MAX_SCRIPT:
            raise ScriptRefused(f"A script has at most {MAX_SCRIPT} octets")
        try:
            text = script.decode("utf-8")
        except UnicodeDecodeError as error:
            line = script.count(b"\n", 0, error.start) + 1
            raise ScriptRefused(f"line {line}: this is not UTF-8 (RFC 5228 §2.1)") from error
        return text, self._context.options.language.check(owner, text)

    def _changed(self, what: str, name: str, **more: str) -> None:
        self._context.options.language.changed()
        log.info(what, peer=self._pump.peer, login=self._owner.login, script=name, **more)

    @property
    def _owner(self) -> Account:
        if self._account is None:
            raise RuntimeError("nobody has logged in")
        return self._account

    def _capabilities(self) -> list[tuple[str, str | None]]:
        """Return what works in the present state, and nothing else (RFC 5804 §1.7)."""
        context, language = self._context, self._context.options.language
        mechanisms = context.logins.mechanisms(self._pump)
        can_start_tls = context.tls is not None and not self._pump.tls and self._account is None
        found: list[tuple[str, str | None]] = [("IMPLEMENTATION", IMPLEMENTATION)]
        if mechanisms or can_start_tls:
            found.append(("SASL", " ".join(mechanisms)))
        found.append(("SIEVE", " ".join(sorted(language.offers))))
        if can_start_tls:
            found.append(("STARTTLS", None))
        if language.notifies:
            found.append(("NOTIFY", " ".join(language.notifies)))
        if "extlists" in language.offers:  # "MUST be returned" (RFC 6134 §2.8)
            found.append(("EXTLISTS", " ".join(language.lists)))
        found += [
            ("MAXREDIRECTS", str(language.redirects)),
            ("LANGUAGE", LANGUAGE),
            ("UNAUTHENTICATE", None),
            ("VERSION", "1.0"),
        ]
        if self._account is not None:
            found.append(("OWNER", self._account.login))
        return found

    # TLS and logins

    async def _start_tls(self) -> None:
        context = self._context.tls
        if context is None or self._pump.tls:
            self._core.answer(no("There is no certificate" if context is None else "TLS is on already"))
            self._pump.resume()
            return
        self._core.answer(Response(Condition.OK, "Begin TLS negotiation now"))
        try:
            await self._pump.start_tls(context)
        except OSError as error:
            log.debug("TLS handshake failed", peer=self._pump.peer, error=str(error))
            return
        self._exchange = None
        self._core.tls_started(self._capabilities())

    async def _begin_login(self, command: Authenticate) -> None:
        logins, pump = self._context.logins, self._pump
        self._exchange = logins.begin(command.mechanism, pump)
        if self._exchange is None:
            under_tls = self._context.tls is not None and not pump.tls
            if under_tls and command.mechanism in logins.mechanisms_under_tls(pump):
                self._core.answer(no("Use STARTTLS first", Code.ENCRYPT_NEEDED))
            else:
                self._core.answer(no("There is no such mechanism here"))
            return
        await self._log_in(command.initial)

    async def _log_in(self, response: bytes | None) -> None:
        exchange, self._exchange = self._exchange, None  # also if it fails
        if exchange is None:
            raise RuntimeError("no exchange is under way")
        final: bytes | None = None
        try:
            outcome = await exchange.step(response)
            if isinstance(outcome, Challenge) and exchange.proven:  # its answer is empty: spare the round trip (§2.1)
                final = outcome.data
                outcome = await exchange.step(b"")
        except StoreUnavailable as error:
            self._context.store.complaints.note("accounts cannot be read", error, False)
            self._core.answer(no("Logins are not possible now, try again later", Code.TRYLATER))
            return
        if isinstance(outcome, Challenge):
            self._exchange = exchange
            self._core.challenge(outcome.data)
        elif isinstance(outcome, Denial):
            self._deny(outcome)
        else:
            self._admit(outcome, final)

    def _admit(self, account: Account, final: bytes | None) -> None:
        """Log in who it is; `final` is what the mechanism says at its end."""
        context, pump = self._context, self._pump
        refused = context.connections.log_in(account.login, pump.address)
        if refused is not None:  # BYE and no NO, after which programs ask for another password
            context.refusals.note("login refused", pump.peer, pump.address, refused.text, account.login)
            self._core.bye(refused.text, Code.TRYLATER)
            return
        self._account = account
        self._wait_for_client()
        log.info("logged in", peer=pump.peer, login=account.login)
        if final is None:
            self._core.answer(Response(Condition.OK, "Logged in"))
        else:
            self._core.answer(Response(Condition.OK, "Logged in", Code.SASL, b64encode(final)))

    def _deny(self, denial: Denial) -> None:
        if denial.why is Why.WRONG:
            log.warning("login failed", peer=self._pump.peer, login=denial.login[:100])
            self._failures += 1
            if self._failures >= MAX_LOGIN_FAILURES:
                self._core.answer(Response(Condition.BYE, "Too many failed logins"))
                return
        self._core.answer(no(denial.text, Code.TRYLATER if denial.why is Why.LATER else None))

    def _unauthenticate(self) -> None:
        """Forget who it was; TLS stays (RFC 5804 §2.14.1)."""
        log.info("unauthenticated", peer=self._pump.peer, login=self._owner.login)
        self._log_out()
        self._wait_for_client()

    def _log_out(self) -> None:
        if self._account is not None:
            self._context.connections.log_out(self._account.login, self._pump.address)
            self._account = None


_CODES: dict[type[ScriptProblem], Code] = {
    NoSuchScript: Code.NONEXISTENT,
    ScriptActive: Code.ACTIVE,
    ScriptExists: Code.ALREADYEXISTS,
    TooLarge: Code.MAXSIZE,
    TooManyScripts: Code.MAXSCRIPTS,
}


def _with_warnings(*said: str) -> Response:
    """Return OK, with as many warnings as fit into a quoted string (see `advice`)."""
    warnings = ""
    for warning in filter(None, said):
        longer = f"{warnings}; {warning}" if warnings else warning
        warnings = longer if len(longer.encode()) <= MAX_QUOTED else warnings
    return Response(Condition.OK, warnings, Code.WARNINGS) if warnings else DONE


def explained(problem: SieveError | ScriptRefused) -> str:
    """Return what is wrong with a script: place, line and what was expected, of each mistake."""
    if isinstance(problem, ScriptRefused):
        return str(problem)
    return "\n".join(str(error) for error in (problem, *problem.others))


__all__ = ["Language", "ManageSieveContext", "ManageSieveOptions", "ManageSieveSession", "explained"]
