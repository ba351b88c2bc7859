"""One watched mailbox as a pure machine: it cannot spin and it cannot be deaf (design decision D5).

    step(event, now, roll) → commands, deadline

Rule 1: every step consumes one event: what the server said, the end of the connection, the journal's answer, the
deadline, the wish to stop. The script below is suspended at each `yield`, and only `step` resumes it.
Rule 2: nothing is read, nothing is slept, no clock is asked. A deadline is data; who drives the machine delivers
`DeadlineReached`. `now` is in seconds of a clock that runs through suspend; `roll` is a random number in [0, 1).
Rule 3: EXISTS, RECENT and FETCH are hints: they make the mailbox dirty, at any time. What is new is found by UID
from the journal's cursor. A dirty mailbox is never left idling.
Rule 4: nothing is done to a message before the journal has it. What the journal calls `sent` after a crash is
checked against the mailbox before it is done again.
Rule 5: every wait for the server has a limit; what breaks one is a dead connection.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from .. import __version__
from ..imap.client import (
    ClientConnection,
    ClientEvent,
    Completed,
    ContinuationReceived,
    Eof,
    Greeting,
    ProtocolViolation,
    UntaggedReceived,
)
from ..imap.commands import (
    Attribute,
    Authenticate,
    Command,
    Copy,
    Create,
    Expunge,
    Fetch,
    Id,
    Keyword,
    List,
    Login,
    Move,
    Search,
    Select,
    Simple,
    Store,
    StoreMode,
    Subscribe,
)
from ..imap.grammar.cursor import Unwritable
from ..imap.responses import (
    Code,
    Condition,
    CopyUid,
    Exists,
    Fetched,
    ListResponse,
    NumberCode,
    Recent,
    ResponseCode,
    SearchResponse,
    StatusResponse,
    UidItem,
    Unknown,
    Untagged,
)
from ..imap.state import State as Connected
from ..model.flags import DELETED
from ..model.ids import UID, UIDValidity
from ..model.numbers import STAR, UIDSet
from ..model.search import HeaderKey, InUIDs, SearchKey
from ..sieve import Actions, Need, SieveRuntimeError, evaluate
from .account import Security, WatchAccount
from .act import Kind, Step, plan
from .events import (
    Answered,
    Ask,
    Connect,
    DeadlineReached,
    Disconnect,
    Event,
    Filed,
    Heard,
    Lost,
    Output,
    Started,
    State,
    StateChanged,
    StopRequested,
    Upgrade,
    Upgraded,
    Warned,
)
from .facts import Gathered, items_to_fetch
from .ledger import (
    ActionState,
    Answer,
    Baseline,
    JournalFailed,
    Load,
    Loaded,
    Outcome,
    Place,
    Record,
    Recorded,
    Request,
    Row,
    Settle,
    Task,
)
from .providers import provider_of

GREETING_PATIENCE = 45.0
"""Seconds to connect, to shake hands and to be greeted; dialling has a limit of its own, of 30."""
COMMAND_PATIENCE = 60.0
"""Seconds without a byte from the server while a command runs (fault F06)."""
COMMAND_LIMIT = 600.0
"""Seconds for one command however much comes: a server that drips bytes is no use either."""
CONTINUATION_PATIENCE = 30.0
"""Seconds for the `+` of IDLE (fault F12)."""
DONE_PATIENCE = 15.0
"""Seconds for the end of IDLE: this is the proof of life (faults F05, F06)."""
SILENCE = 300.0
"""Seconds without a byte after which an idling server must prove that it lives (fault F05)."""
SHORTEST_RENEWAL = 15.0
"""Seconds an IDLE lasts at least, however early the server hung up before (fault F41)."""
HYBRID_RENEWAL = 90.0
"""Seconds an IDLE lasts with a server that was twice found not to announce mail (fault F54)."""
GROWTH_AFTER = 3600.0
"""Seconds a connection must have lasted before its IDLEs are made longer again."""
POLL_SHORTEST, POLL_LONGEST = 30.0, 300.0
"""Seconds between two looks at a mailbox where IDLE is not to be had (fault F40)."""
NET_GROWTH = 1.5
"""Factor from one failed attempt to connect to the next: a minute's pause after a dozen of them. Doubling left a
server that was away for three seconds alone for six."""
SURVIVAL = 300.0
"""Seconds a connection must have been in use before its predecessors' troubles are forgotten (fault F56)."""
FREE_RESTARTS = 15
"""Connections that may end, each after it was in use, with a reconnect at once: a server being restarted again and
again is caught up with promptly; one that drops its clients for hours is not hammered."""
EMPTY_ROUNDS = 3
"""Times in a row a hint of new mail may lead to none before the next look is delayed."""
EMPTY_PAUSE = 1.0
"""Seconds of that delay: a server that announces mail with every answer must not keep us running."""
RETRY_PAUSES = (0.2, 1.0, 5.0)
"""Seconds before a message is fetched again that was announced and is not readable yet (fault F36)."""
WINDOW = 500
"""Messages fetched at once from a long backlog: some 500 KB of header fields."""
MAX_KEPT = 2000
"""Messages kept from one FETCH, whatever the server sends; the rest is fetched again."""
SEARCH_SPAN = 50_000
"""UIDs searched at once where most of a long range may be gone; doubled as long as nothing is found."""
GROUP = 100
"""Messages moved by one command: after a cut so many are looked up one by one."""
MAX_VIOLATIONS = 20
"""Responses of a connection that may make no sense before it is given up; each is logged."""
MAX_MAILBOXES = 100_000
"""Mailboxes of an account that are looked at."""
MAX_REFUSALS = 3
"""Times a server may refuse an action before it is given up."""
JOURNAL_PATIENCE = 60.0
"""Seconds for the journal: a disk that takes longer is broken."""
STOP_PATIENCE = 0.35
"""Seconds the answer to a command that changes the mailbox is waited for when stopping."""
LOGOUT_PATIENCE = 0.25
"""Seconds for the server to say good-bye."""
MAX_AUTH_FAILURES = 3
"""Logins refused before the account is left alone: more lock accounts and ban addresses (fault F57)."""


class Trouble(Enum):
    """Whose fault it is that a connection ended, which says how long to wait."""

    NET = "network"
    BUSY = "busy"
    AUTH = "login"
    PROTOCOL = "protocol"
    MAILBOX = "mailbox"
    JOURNAL = "journal"
    SETTINGS = "settings"


_PAUSES: dict[Trouble, tuple[float, float]] = {
    # First and longest pause in seconds; NET has full jitter, the others at least half of it.
    Trouble.NET: (0.5, 60.0),
    Trouble.BUSY: (300.0, 3600.0),
    Trouble.AUTH: (300.0, 3600.0),
    Trouble.PROTOCOL: (30.0, 3600.0),
    Trouble.MAILBOX: (60.0, 3600.0),
    Trouble.JOURNAL: (5.0, 300.0),
}


class _Over(Exception):
    """This connection is of no more use."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(trouble, reason)
        self.trouble = trouble
        self.reason = reason


class _Stop(Exception):
    """Somebody wants us to end."""


@dataclass(frozen=True, slots=True)
class _Done:
    """
    How the server took a step.

    Attributes:
        ok: It did it.
        reason: Why not.
        places: Where the messages are now, as far as the server said so.
        final: Trying again would do harm.

    """

    ok: bool
    reason: str = ""
    places: dict[UID, tuple[UIDValidity, UID]] = field(default_factory=dict)
    final: bool = False


T = TypeVar("T")
Script = Generator[float | None, None, T]
"""Yields the deadline until which it is content to wait; resumed by the next event, whatever it is."""


class Machine:
    """
    Watches one mailbox of one account.

    Attributes:
        place: Which.
        state: Where it stands.
        deadline: When it wants to be told that time has passed, if nothing else happens; None for never.

    """

    def __init__(self, account: WatchAccount, mailbox: str) -> None:
        self.place = Place(account.name, mailbox)
        self.state = State.CONNECTING
        self.deadline: float | None = None
        self._account = account
        self._home = mailbox
        self._items = items_to_fetch(account.program)
        provider = provider_of(account.host)
        self._sends_id = provider.sends_id
        self._longest_renewal = account.idle_renewal or provider.idle_renewal
        self._renewal = self._longest_renewal

        self._now = 0.0
        self._roll = 0.5
        self._out: list[Output] = []
        self._script = self._life()
        self._stop_at: float | None = None
        self._asked = 0
        self._answers: dict[int, Answer] = {}
        self._awaited: set[int] = set()

        self._failures = 0  # connections in a row that were never in use
        self._restarts = 0  # connections in a row that were, for a short time
        self._troubles: dict[Trouble, int] = {}
        self._pipelines = True
        self._begin_connection()

    def _begin_connection(self) -> None:
        self._connection: ClientConnection | None = None
        self._violations = 0
        self._journal_trouble: str | None = None
        self._greeting: StatusResponse | None = None
        self._completed: dict[bytes, Completed] = {}
        self._gone: _Over | None = None
        self._upgraded = False
        self._continued = False
        self._heard_at = self._now
        self._in_use_since: float | None = None
        self._idling: bytes | None = None
        self._acting = False
        self._idle_refusals = 0
        self._polls = False

        self._dirty = False
        self._hinted_at: float | None = None
        self._unannounced = 0
        self._news_at = self._now
        self._numbers: dict[str, int] = {}
        self._fetched: dict[UID, Gathered] | None = None
        self._dropped = False
        self._found: list[int] | None = None
        self._copied: list[CopyUid] = []
        self._listed: list[ListResponse] | None = None
        self._mailboxes: frozenset[str] | None = None
        self._trash = self._account.trash

        self._uid_validity = UIDValidity(0)
        self._uid_next = 0
        self._cursor = 1
        self._span = SEARCH_SPAN
        self._unready: tuple[int, int] = (0, 0)  # UID and how often it was not readable
        self._later: list[Task] = []

    # the one way in

    def step(self, event: Event, now: float, roll: float = 0.5) -> list[Output]:
        """
        Take one event and return what is to be done, in order. Then send what the connection has to send.

        Args:
            event: What happened.
            now: Seconds of a clock that runs through suspend (CLOCK_BOOTTIME); never less than before.
            roll: A random number in [0, 1), for pauses.

        """
        self._now, self._roll = now, roll
        self._note(event)
        if self.state is not State.STOPPED:
            try:
                self.deadline = next(self._script)
            except StopIteration:
                self.deadline = None
        out, self._out = self._out, []
        return out

    # what is noted of an event before the script goes on, whatever the script waits for

    def _note(self, event: Event) -> None:
        match event:
            case Heard(events):
                self._heard_at = self._now
                for heard in events:
                    self._hear(heard)
            case Upgraded():
                self._upgraded = True
            case Lost(reason):
                self._gone = self._gone or _Over(Trouble.NET, reason)
            case Answered(number, answer):
                if isinstance(answer, JournalFailed):
                    self._journal_trouble = answer.reason
                elif number in self._awaited:
                    self._answers[number] = answer
            case StopRequested():
                if self._stop_at is None:
                    self._stop_at = self._now + STOP_PATIENCE
            case Started() | DeadlineReached():
                pass

    def _hear(self, event: ClientEvent) -> None:
        match event:
            case Greeting(response):
                self._greeting = response
                self._hear_status(response)
            case UntaggedReceived(response):
                self._hear_untagged(response)
            case ContinuationReceived():
                self._continued = True
            case Completed(tag=tag):
                self._completed[tag] = event
                self._hear_code(event.code)
            case ProtocolViolation(reason, fatal):
                self._violated(reason, fatal)
            case Eof():
                self._gone = self._gone or _Over(Trouble.NET, "the server closed the connection")

    def _violated(self, reason: str, fatal: bool) -> None:
        self._violations += 1
        if fatal or self._violations > MAX_VIOLATIONS:
            self._gone = self._gone or _Over(Trouble.PROTOCOL, reason)
        else:
            self._out.append(Warned(f"the server broke the protocol: {reason}"))

    def _hear_untagged(self, response: Untagged) -> None:
        match response:
            case Exists() | Recent():
                self._hint()
            case Fetched():
                self._hear_fetched(response)
            case StatusResponse():
                self._hear_status(response)
            case SearchResponse(numbers):
                if self._found is not None:
                    self._found += numbers
            case ListResponse():
                if self._listed is not None and len(self._listed) < MAX_MAILBOXES:
                    self._listed.append(response)
            case Unknown() if self._fetched is not None:
                # What cannot be read of one message must not keep us from the others (fault F19).
                self._violated("an answer to FETCH that makes no sense", False)
            case _:
                pass

    def _hear_status(self, response: StatusResponse) -> None:
        self._hear_code(response.code)
        if response.condition is Condition.BYE:
            self._gone = self._gone or _bye(response)

    def _hear_code(self, code: ResponseCode | None) -> None:
        if isinstance(code, NumberCode) and code.name.upper() in ("UIDVALIDITY", "UIDNEXT"):
            self._numbers[code.name.upper()] = code.number
        elif isinstance(code, CopyUid) and len(self._copied) < GROUP:
            self._copied.append(code)

    def _hear_fetched(self, response: Fetched) -> None:
        uid = next((item.uid for item in response.items if isinstance(item, UidItem)), None)
        if self._fetched is None or uid is None:
            self._hint()
            return
        known = self._fetched.get(uid)
        if known is None and len(self._fetched) >= MAX_KEPT and uid > max(self._fetched):
            self._dropped = True
            return
        self._fetched[uid] = (known or Gathered(uid)).with_items(response.items)

    def _hint(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._hinted_at = self._now

    # waiting

    def _check(self) -> None:
        """Raise what ends the present connection, if anything does."""
        if self._stop_at is not None and (not self._acting or self._now >= self._stop_at):
            raise _Stop
        if self._journal_trouble is not None:
            reason, self._journal_trouble = self._journal_trouble, None
            raise _Over(Trouble.JOURNAL, reason)
        if self._gone is not None:
            raise self._gone

    def _wait(self, ready: Callable[[], bool], deadline: Callable[[], float], what: str) -> Script[None]:
        """Wait for something that must come."""
        while not ready():
            limit = deadline()
            if self._now >= limit:
                raise _Over(Trouble.NET, f"{what}: no answer in time")
            yield limit if self._stop_at is None else min(limit, self._stop_at)
            self._check()

    def _pause(self, until: float, ready: Callable[[], bool] = lambda: False) -> Script[None]:
        """Wait until a time, or for something that may come before."""
        while not ready() and self._now < until:
            yield until
            self._check()

    def _ask(self, request: Request) -> Script[Answer]:
        number = self._tell(request)
        self._awaited.add(number)
        limit = self._now + JOURNAL_PATIENCE
        try:
            while number not in self._answers:
                if self._now >= limit:
                    raise _Over(Trouble.JOURNAL, "the journal does not answer")
                yield limit
                self._check()
            return self._answers.pop(number)
        finally:
            self._awaited.discard(number)
            self._answers.pop(number, None)

    def _tell(self, request: Request) -> int:
        """Ask the journal without waiting: its requests are carried out in order."""
        self._asked += 1
        self._out.append(Ask(self._asked, request))
        return self._asked

    # commands

    @property
    def _imap(self) -> ClientConnection:
        assert self._connection is not None, "only between Connect and Disconnect"
        return self._connection

    def _run(self, command: Command) -> Script[Completed]:
        return (yield from self._answer(self._imap.send(command)))

    def _answer(self, tag: bytes, patience: float = COMMAND_PATIENCE) -> Script[Completed]:
        limit = self._now + COMMAND_LIMIT
        since = self._now
        yield from self._wait(
            lambda: tag in self._completed,
            lambda: min(limit, max(since, self._heard_at) + patience),
            "the server",
        )
        return self._completed.pop(tag)

    # the script: one life, many connections

    def _life(self) -> Script[None]:
        try:
            while True:
                over = yield from self._one_connection()
                self._disconnect()
                yield from self._rest(over)
        except _Stop:
            yield from self._farewell()
            self._enter(State.STOPPED)

    def _one_connection(self) -> Script[_Over]:
        """Connect and watch; returns what ended that."""
        try:
            return (yield from self._watch())
        except _Over as over:
            return over
        except Unwritable as error:
            return _Over(Trouble.SETTINGS, str(error))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._out.append(Disconnect())

    def _enter(self, state: State, reason: str = "", until: float | None = None) -> None:
        if state is not self.state or reason:
            self.state = state
            self._out.append(StateChanged(state, reason, until))

    def _rest(self, over: _Over) -> Script[None]:
        """Wait after a connection ended, for as long as its trouble asks for."""
        since = self._in_use_since
        if since is not None and self._now - since >= SURVIVAL:
            self._failures = self._restarts = 0
            self._troubles.clear()
        named = over.trouble is Trouble.NET or over.reason.startswith(over.trouble.value)
        reason = over.reason if named else f"{over.trouble.value}: {over.reason}"
        count = self._troubles[over.trouble] = self._troubles.get(over.trouble, 0) + 1
        if over.trouble is Trouble.SETTINGS or (over.trouble is Trouble.AUTH and count >= MAX_AUTH_FAILURES):
            self._enter(State.PARKED, reason)
            yield from self._rest_until(None)
        first, longest = _PAUSES[over.trouble]
        if over.trouble is Trouble.NET:
            if since is None:
                self._failures += 1
            else:
                self._failures, self._restarts = 0, self._restarts + 1
            count = max(self._failures - 1, self._restarts - FREE_RESTARTS, 0)
            pause = self._roll * min(longest, first * NET_GROWTH ** min(count, 30))
        else:
            pause = (1 + self._roll) / 2 * min(longest, first * 2.0 ** min(count - 1, 30))
        hint = _throttle_hint(over.reason)
        if hint is not None:
            pause = min(max(pause, hint), 2 * longest)
        self._enter(State.BACKOFF, reason, self._now + pause)
        yield from self._rest_until(self._now + pause)

    def _rest_until(self, until: float | None) -> Script[None]:
        """Wait while there is no connection: only the time and the wish to stop matter."""
        while until is None or self._now < until:
            if self._stop_at is not None:
                raise _Stop
            yield until

    def _farewell(self) -> Script[None]:
        """Log out, as far as that goes without waiting for it."""
        if self._connection is None:
            return
        if self._gone is None and self._imap.state is not Connected.LOGOUT and self._greeting is not None:
            if self._idling is not None:
                self._imap.done()
            tag = self._imap.send(Simple(Keyword.LOGOUT))
            limit = self._now + LOGOUT_PATIENCE
            while tag not in self._completed and self._gone is None and self._now < limit:
                yield limit
        self._disconnect()

    # one connection

    def _watch(self) -> Script[_Over]:
        self._begin_connection()
        self._enter(State.CONNECTING)
        self._connection = ClientConnection()
        self._out.append(Connect(self._connection, self._account.tls is Security.IMPLICIT))
        limit = self._now + GREETING_PATIENCE
        self._check()
        yield from self._wait(lambda: self._greeting is not None, lambda: limit, "connecting")
        yield from self._log_in()
        self._enter(State.SYNCING)
        yield from self._open()
        self._hinted_at = None  # what SELECT counts was not announced
        while True:
            yield from self._catch_up()
            if self._in_use_since is None:
                self._in_use_since = self._news_at = self._now
            if self._imap.has("IDLE") and not self._polls:
                yield from self._idle()
            else:
                yield from self._poll()

    def _log_in(self) -> Script[None]:
        account, imap = self._account, self._imap
        encrypted = account.tls is Security.IMPLICIT
        if imap.state is Connected.AUTHENTICATED and account.tls is Security.STARTTLS:
            # PREAUTH before TLS: whoever sits on the line may have said it (fault F91).
            raise _Over(Trouble.SETTINGS, "the server lets us in without TLS; that is not trusted")
        if imap.capabilities is None:
            yield from self._run(Simple(Keyword.CAPABILITY))
        if not encrypted and (account.tls is Security.STARTTLS or (imap.has("LOGINDISABLED") and imap.has("STARTTLS"))):
            yield from self._start_tls()
        if imap.state is Connected.NOT_AUTHENTICATED:
            yield from self._authenticate()
        self._troubles.pop(Trouble.AUTH, None)
        if imap.capabilities is None:  # fault F39: what was told before the login is not what holds after it
            yield from self._run(Simple(Keyword.CAPABILITY))
        if imap.has("ID") and self._sends_id:
            yield from self._run(Id((("name", "mailhorn"), ("version", __version__))))

    def _start_tls(self) -> Script[None]:
        if not self._imap.has("STARTTLS"):
            raise _Over(Trouble.SETTINGS, "the server does not offer STARTTLS")
        done = yield from self._run(Simple(Keyword.STARTTLS))
        if not done.ok:
            raise _Over(Trouble.SETTINGS, f"the server refuses STARTTLS: {_text(done.text)}")
        self._out.append(Upgrade())
        limit = self._now + GREETING_PATIENCE
        yield from self._wait(lambda: self._upgraded, lambda: limit, "TLS")
        yield from self._run(Simple(Keyword.CAPABILITY))

    def _authenticate(self) -> Script[None]:
        imap = self._imap
        user, password = self._account.user.encode(), self._account.password.encode()
        plain = b"\0" + user + b"\0" + password  # RFC 4616 §2
        if imap.has("AUTH=PLAIN") and imap.has("SASL-IR"):
            done = yield from self._run(Authenticate("PLAIN", plain))
        elif not imap.has("LOGINDISABLED"):
            done = yield from self._run(Login(user, password))
        elif imap.has("AUTH=PLAIN"):
            self._continued = False
            tag = imap.send(Authenticate("PLAIN"))
            limit = self._now + CONTINUATION_PATIENCE
            yield from self._wait(lambda: self._continued or tag in self._completed, lambda: limit, "AUTHENTICATE")
            if tag not in self._completed:
                imap.respond(plain)
            done = yield from self._answer(tag)
        else:
            raise _Over(Trouble.SETTINGS, "the server takes no password on this connection; use TLS")
        if not done.ok:
            raise _refused_login(done)

    def _open(self) -> Script[None]:
        """Select the mailbox, find where we stood, and finish what was begun."""
        loaded = yield from self._ask(Load(self.place))
        assert isinstance(loaded, Loaded)
        yield from self._select_home()
        uid_next = self._numbers.get("UIDNEXT", 0)
        if not uid_next:  # fault F32
            highest = yield from self._highest_uid()
            uid_next = max(highest, loaded.cursor - 1) + 1
        self._uid_next = uid_next
        if loaded.uid_validity == self._uid_validity and loaded.cursor <= uid_next:
            self._cursor = loaded.cursor
            yield from self._reconcile(loaded.unfinished)
            return
        first = loaded.uid_validity is None
        self._cursor = 1 if first and self._account.backlog else uid_next
        yield from self._ask(Baseline(self.place, self._uid_validity, self._cursor))
        if not first:
            # Fault F61. What was there when the numbers changed is not filtered again.
            self._out.append(Warned("the server has numbered the mailbox anew; rules apply to what comes from now on"))

    def _select_home(self) -> Script[None]:
        self._numbers = {}
        done = yield from self._run(Select(self._home))
        if not done.ok:
            raise _Over(
                _refusal(done.code, done.text, Trouble.MAILBOX), f"cannot open {self._home}: {_text(done.text)}"
            )
        if isinstance(done.code, Code) and done.code.name.upper() == "READ-ONLY":
            raise _Over(Trouble.MAILBOX, f"{self._home} is read-only")
        uid_validity = UIDValidity(self._numbers.get("UIDVALIDITY", 0))
        if not uid_validity:
            raise _Over(Trouble.MAILBOX, f"the server tells no UIDVALIDITY for {self._home}")
        if self._uid_validity and uid_validity != self._uid_validity:
            raise _Over(Trouble.NET, "the mailbox was numbered anew just now")
        self._uid_validity = uid_validity

    def _highest_uid(self) -> Script[int]:
        fetched = yield from self._fetch(Fetch(UIDSet(((STAR, STAR),)), (Attribute.UID,)))
        return max(fetched, default=0)

    def _fetch(self, command: Fetch) -> Script[dict[UID, Gathered]]:
        """Run a FETCH and return what it brought."""
        self._fetched, self._dropped = {}, False
        tag = self._imap.send(command)
        done = None
        if self._idling is not None:
            idle, self._idling = self._idling, None
            yield from self._answer(idle, DONE_PATIENCE)
            done = yield from self._answer(tag)
            if done.condition is Condition.BAD and self._pipelines:
                self._pipelines = False  # it wants to end IDLE in peace first
                tag = self._imap.send(command)
                done = None
        if done is None:
            done = yield from self._answer(tag)
        fetched, self._fetched = self._fetched, None
        if not done.ok and not fetched:
            raise _Over(_refusal(done.code, done.text, Trouble.NET), f"cannot fetch: {_text(done.text)}")
        return fetched

    # new mail

    def _catch_up(self) -> Script[None]:
        """Filter what is new until there is nothing new (faults F21 to F28)."""
        announced = self._dirty or self._in_use_since is None
        again: list[Task] = []
        if not announced:
            again, self._later = self._later, []
        empty = 0
        while True:
            found, more = yield from self._look()
            if found:
                empty = 0
                if not announced and not self._dirty:
                    self._missed()
                announced = True
            if more:
                continue
            if not self._dirty:
                break
            if not found:
                empty += 1
                if empty >= EMPTY_ROUNDS:
                    yield from self._pause(self._now + EMPTY_PAUSE)
        yield from self._act(again, None)

    def _missed(self) -> None:
        """Take note of mail that IDLE did not announce (fault F54)."""
        self._unannounced += 1
        if self._unannounced == 2:
            self._out.append(Warned("the server does not announce new mail reliably; looking more often"))

    def _look(self) -> Script[tuple[bool, bool]]:
        """Record and filter the next messages; returns whether there were any, and whether to look again."""
        wanted, upto = yield from self._next_window()
        self._dirty = False
        heard_at, self._hinted_at = self._hinted_at, None
        fetched = yield from self._fetch(Fetch(wanted, self._items))
        new = sorted(uid for uid in fetched if uid >= self._cursor)  # n:* always brings the last message
        cursor, more = max(upto, self._cursor), upto > 0
        if self._dropped and new:
            cursor, more = new[-1] + 1, True
        pause = None
        unready = next((uid for uid in new if fetched[uid].fields is None), None)
        if unready is not None:
            tries = self._unready[1] + 1 if self._unready[0] == unready else 0
            self._unready = (unready, tries)
            if tries < len(RETRY_PAUSES):
                pause, more = RETRY_PAUSES[tries], True
                new = [uid for uid in new if uid < unready]
                cursor = unready
        if new:
            self._news_at = self._now
            cursor = max(cursor, new[-1] + 1) if pause is None else cursor
            yield from self._filter([fetched[uid] for uid in new], cursor, heard_at)
        elif upto:
            self._cursor = cursor
        if pause is not None:
            self._hinted_at = heard_at
            yield from self._pause(self._now + pause)
        return bool(new), more

    def _next_window(self) -> Script[tuple[UIDSet, int]]:
        """Return what to fetch, and where the cursor will be then; 0 if that is the end of the mailbox."""
        while self._uid_next - self._cursor > WINDOW:
            last = min(self._cursor + self._span, self._uid_next) - 1
            numbers, done = yield from self._search(InUIDs(UIDSet(((self._cursor, last),))))
            if not done.ok:
                raise _Over(_refusal(done.code, done.text, Trouble.NET), f"cannot search: {_text(done.text)}")
            found = sorted({uid for uid in numbers if self._cursor <= uid <= last})
            if found:
                chunk = found[:WINDOW]
                return UIDSet.of(chunk), (chunk[-1] if len(chunk) < len(found) else last) + 1
            self._cursor = last + 1
            self._span *= 2
        return UIDSet(((self._cursor, STAR),)), 0

    def _search(self, key: SearchKey) -> Script[tuple[list[int], Completed]]:
        self._found = []
        done = yield from self._run(Search(key, by_uid=True))
        found, self._found = self._found, None
        return found, done

    def _filter(self, messages: Sequence[Gathered], cursor: int, heard_at: float | None) -> Script[None]:
        rows = []
        for message in messages:
            steps = yield from self._decide(message)
            rows.append(Row(message.uid, message.message_id, message.internal_date, message.size, steps))
        # More than are moved at once are told to the journal when their turn comes: after a cut each one that is
        # SENT has to be looked up.
        at_once = sum(bool(row.steps) for row in rows) <= GROUP
        answer = yield from self._ask(Record(self.place, self._uid_validity, cursor, tuple(rows), at_once))
        assert isinstance(answer, Recorded)
        self._cursor = cursor
        tasks = [
            Task(row.uid, row.message_id, row.internal_date, row.size, tuple(enumerate(row.steps)), at_once)
            for row in rows
            if row.steps and row.uid not in answer.ours
        ]
        yield from self._act(tasks, heard_at)

    def _decide(self, message: Gathered) -> Script[tuple[Step, ...]]:
        """Return what the rules want done with a message."""
        if message.fields is None:
            self._out.append(Warned(f"message {message.uid} of {self._home} cannot be read; it stays where it is"))
            return ()
        program = self._account.program
        try:
            decided = evaluate(program, message.facts(program, self._mailboxes))
            if isinstance(decided, Need) and decided.mailboxes:
                yield from self._list()
                decided = evaluate(program, message.facts(program, self._mailboxes))
        except SieveRuntimeError as error:
            self._out.append(Warned(f"message {message.uid} of {self._home} stays where it is: rules, {error}"))
            return ()
        if not isinstance(decided, Actions):
            self._out.append(
                Warned(f"message {message.uid} of {self._home} stays where it is: rules ask for {decided}")
            )
            return ()
        trash = None
        if not self._account.discard_deletes and not decided.filings(self._home):
            trash = yield from self._trash_name()
        return plan(decided, self._home, message.flags, trash)

    def _trash_name(self) -> Script[str]:
        if self._trash is None:
            yield from self._list()
        return self._trash or "Trash"

    def _list(self) -> Script[None]:
        """Learn which mailboxes there are, and which is the trash (RFC 6154)."""
        self._listed = []
        done = yield from self._run(List("", "*"))
        listed, self._listed = self._listed, None
        if not done.ok:
            raise _Over(_refusal(done.code, done.text, Trouble.NET), f"cannot list mailboxes: {_text(done.text)}")
        there = [one for one in listed if "\\noselect" not in map(str.lower, one.attributes)]
        self._mailboxes = frozenset(one.mailbox for one in there)
        if self._trash is None:
            self._trash = next((one.mailbox for one in there if "\\trash" in map(str.lower, one.attributes)), "Trash")

    # doing what the rules want

    def _act(self, tasks: Sequence[Task], heard_at: float | None) -> Script[None]:
        groups: dict[tuple[tuple[int, Step], ...], list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.steps, []).append(task)
        self._acting = True
        try:
            for group in groups.values():
                for start in range(0, len(group), GROUP):
                    yield from self._carry_out(group[start : start + GROUP], heard_at)
        finally:
            self._acting = False

    def _carry_out(self, group: list[Task], heard_at: float | None) -> Script[None]:
        """Carry out the same steps on some messages."""
        steps = group[0].steps
        planned = [Outcome(task.uid, steps[0][0], ActionState.SENT, task.attempts) for task in group if not task.sent]
        if planned:
            yield from self._ask(Settle(self.place, self._uid_validity, tuple(planned)))
        for i, (number, step) in enumerate(steps):
            if self._stop_at is not None:
                raise _Stop
            last = i == len(steps) - 1
            done = yield from self._do(step, [task.uid for task in group])
            if not done.ok:
                yield from self._refused(group, steps[i:], done, heard_at)
                return
            outcomes, left = [], []
            for task in group:
                place = done.places.get(task.uid)
                gone = step.kind in (Kind.COPY, Kind.MOVE) and place is None
                if gone and (done.places or (last and self._imap.has("UIDPLUS"))):
                    outcomes += [Outcome(task.uid, n, ActionState.GONE) for n, _ in steps[i:]]
                    continue
                outcomes.append(Outcome(task.uid, number, ActionState.DONE, task.attempts, place))
                if last:
                    self._out.append(
                        Filed(task.uid, task.message_id, tuple(s for _, s in steps), place, heard_at, self._now)
                    )
                else:
                    outcomes.append(Outcome(task.uid, steps[i + 1][0], ActionState.SENT))
                    left.append(task)
            settle = Settle(self.place, self._uid_validity, tuple(outcomes))
            if last:
                self._tell(settle)  # lost in a crash it is found out again
            else:
                yield from self._ask(settle)
            group = left
            if not group:
                return

    def _refused(
        self, group: list[Task], steps: tuple[tuple[int, Step], ...], done: _Done, heard_at: float | None
    ) -> Script[None]:
        """After a NO: it may be one message's fault, so try each alone; a single one is tried again later."""
        if len(group) > 1 and not done.final:
            for task in group:
                yield from self._carry_out([replace(task, steps=steps, sent=True)], heard_at)
            return
        outcomes = []
        for task in group:
            attempts = task.attempts + 1
            if attempts < MAX_REFUSALS and not done.final:
                outcomes.append(Outcome(task.uid, steps[0][0], ActionState.PLANNED, attempts))
                self._later.append(replace(task, steps=steps, sent=False, attempts=attempts))
            else:
                outcomes += [Outcome(task.uid, n, ActionState.FAILED, attempts) for n, _ in steps]
            self._out.append(
                Warned(f"message {task.uid} of {self._home}: {steps[0][1].kind.value} refused: {done.reason}")
            )
        self._tell(Settle(self.place, self._uid_validity, tuple(outcomes)))

    def _do(self, step: Step, uids: list[UID]) -> Script[_Done]:
        """Carry out one step on some messages."""
        try:
            return (yield from self._say(step, uids))
        except Unwritable as error:
            return _Done(False, str(error), final=True)

    def _say(self, step: Step, uids: list[UID]) -> Script[_Done]:
        numbers = UIDSet.of(uids)
        match step.kind:
            case Kind.ADD_FLAGS:
                return _taken((yield from self._run(Store(numbers, StoreMode.ADD, step.flags, silent=True))))
            case Kind.REMOVE_FLAGS:
                return _taken((yield from self._run(Store(numbers, StoreMode.REMOVE, step.flags, silent=True))))
            case Kind.DELETE:
                return (yield from self._remove(uids))
            case Kind.COPY:
                return (yield from self._transfer(Copy(numbers, step.target), step))
            case Kind.MOVE if self._imap.has("MOVE"):
                return (yield from self._transfer(Move(numbers, step.target), step))
            case Kind.MOVE:
                done = yield from self._transfer(Copy(numbers, step.target), step)
                if not done.ok:
                    return done
                copied = [uid for uid in uids if uid in done.places] if done.places else uids
                removed = yield from self._remove(copied)
                if not removed.ok:  # a copy is there: copying again would make two
                    return replace(removed, final=True)
                return done

    def _transfer(self, command: Copy | Move, step: Step) -> Script[_Done]:
        """COPY or MOVE; makes the target if the server says that it is missing (RFC 9051 §6.4.7 TRYCREATE)."""
        self._copied = []
        done = yield from self._run(command)
        if _is_missing(done) and (step.create or self._account.create_mailboxes):
            made = yield from self._run(Create(step.target))
            if made.ok:
                yield from self._run(Subscribe(step.target))
            self._copied = []
            done = yield from self._run(command)
        places: dict[UID, tuple[UIDValidity, UID]] = {}
        for code in self._copied:
            if 0 < _length(code.source) == _length(code.target) <= MAX_KEPT:
                for source, target in zip(code.source, code.target, strict=True):
                    places[UID(source)] = (code.uid_validity, UID(target))
        return replace(_taken(done), places=places)

    def _remove(self, uids: list[UID]) -> Script[_Done]:
        """Delete messages, and nobody else's deleted ones (fault F68)."""
        numbers = UIDSet.of(uids)
        done = yield from self._run(Store(numbers, StoreMode.ADD, (DELETED,), silent=True))
        if not done.ok:
            return _taken(done)
        if not self._imap.has("UIDPLUS"):
            self._out.append(Warned(f"the server has no UIDPLUS: {len(uids)} in {self._home} are only marked deleted"))
            return _taken(done)
        return _taken((yield from self._run(Expunge(numbers))))

    # after a crash or a cut

    def _reconcile(self, tasks: Sequence[Task]) -> Script[None]:
        """Find out what became of actions that were begun, and do the rest (faults F67, F71)."""
        if not tasks:
            return
        present = yield from self._present([task.uid for task in tasks])
        outcomes: list[Outcome] = []
        left: list[Task] = []
        for task in tasks:
            if task.uid in present:
                left.append(task)
                continue
            number, step = task.steps[0]
            done = task.sent and step.kind in (Kind.MOVE, Kind.DELETE)
            outcomes.append(Outcome(task.uid, number, ActionState.DONE if done else ActionState.GONE, task.attempts))
            outcomes += [Outcome(task.uid, n, ActionState.GONE) for n, _ in task.steps[1:]]
            if done:
                self._out.append(Filed(task.uid, task.message_id, (step,), None, None, self._now))
        copies = yield from self._copies([task for task in left if task.sent])
        for i, task in enumerate(left):
            place = copies.get(task.uid)
            if place is None:
                continue
            number, step = task.steps[0]
            if step.kind is Kind.MOVE:
                yield from self._remove([task.uid])
                self._out.append(Filed(task.uid, task.message_id, (step,), place, None, self._now))
            outcomes.append(Outcome(task.uid, number, ActionState.DONE, task.attempts, place))
            left[i] = replace(task, steps=task.steps[1:], sent=False)
        if outcomes:
            yield from self._ask(Settle(self.place, self._uid_validity, tuple(outcomes)))
        yield from self._act([task for task in left if task.steps], None)

    def _present(self, uids: Sequence[UID]) -> Script[set[UID]]:
        present: set[UID] = set()
        for start in range(0, len(uids), WINDOW):
            wanted = UIDSet.of(uids[start : start + WINDOW])
            present |= (yield from self._fetch(Fetch(wanted, (Attribute.UID,)))).keys()
        return present

    def _copies(self, tasks: Sequence[Task]) -> Script[dict[UID, tuple[UIDValidity, UID]]]:
        """Return which of these messages are in their step's target already, and where."""
        targets: dict[str, list[Task]] = {}
        for task in tasks:
            step = task.steps[0][1]
            if step.kind in (Kind.COPY, Kind.MOVE) and task.message_id.isascii() and task.message_id:
                targets.setdefault(step.target, []).append(task)
        if not targets:
            return {}
        copies: dict[UID, tuple[UIDValidity, UID]] = {}
        for target, waiting in targets.items():
            self._numbers = {}
            if not (yield from self._run(Select(target, read_only=True))).ok:
                continue  # it does not exist, so there is no copy in it
            uid_validity = UIDValidity(self._numbers.get("UIDVALIDITY", 0))
            for task in waiting:
                uid = yield from self._copy_of(task)
                if uid is not None:
                    copies[task.uid] = (uid_validity, uid)
        yield from self._select_home()
        return copies

    def _copy_of(self, task: Task) -> Script[UID | None]:
        found, done = yield from self._search(HeaderKey("Message-ID", task.message_id))
        if not done.ok or not found:
            return None
        items = (Attribute.UID, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
        fetched = yield from self._fetch(Fetch(UIDSet.of(found[:GROUP]), items))
        for uid in sorted(fetched):
            if (fetched[uid].internal_date, fetched[uid].size) == (task.internal_date, task.size):
                return uid
        return None

    # nothing new

    def _idle(self) -> Script[None]:
        """Idle until there is news, or until it is time to prove that the server lives (RFC 9051 §6.3.13)."""
        self._continued = False
        tag = self._imap.send(Simple(Keyword.IDLE))
        limit = self._now + CONTINUATION_PATIENCE
        self._idling = tag
        yield from self._wait(lambda: self._continued or tag in self._completed, lambda: limit, "IDLE")
        began = self._now
        renewal = min(self._renewal, HYBRID_RENEWAL) if self._unannounced >= 2 else self._renewal
        if tag not in self._completed:
            self._enter(State.IDLE)
        while not self._dirty and tag not in self._completed:
            until = min(began + renewal, self._heard_at + SILENCE)
            if self._now >= until:
                break
            yield until
            try:
                self._check()
            except _Over as over:
                if over.trouble is Trouble.NET:
                    self._shorten(self._now - began)
                raise
        if tag in self._completed:
            self._idling = None
            yield from self._idle_ended(self._completed.pop(tag))
            return
        self._idle_refusals = 0
        if self._in_use_since is not None and self._now - self._in_use_since >= GROWTH_AFTER:
            self._renewal = min(self._longest_renewal, self._renewal * 1.25)
        self._imap.done()
        if not self._pipelines:
            self._idling = None
            yield from self._answer(tag, DONE_PATIENCE)

    def _shorten(self, lasted: float) -> None:
        """The server hung up on an idle connection: idle half as long from now on (fault F41)."""
        if lasted >= SHORTEST_RENEWAL:
            self._renewal = max(SHORTEST_RENEWAL, min(self._renewal, lasted) / 2)

    def _idle_ended(self, done: Completed) -> Script[None]:
        """The server ended IDLE by itself (fault F38): begin again, but not forever."""
        self._idle_refusals += 1
        if self._idle_refusals >= MAX_REFUSALS:
            self._polls = True
            self._out.append(Warned(f"the server keeps ending IDLE ({_text(done.text)}); looking now and then instead"))
        else:
            yield from self._pause(self._now + 2.0**self._idle_refusals, lambda: self._dirty)

    def _poll(self) -> Script[None]:
        """Wait without IDLE; more often after news, less often without (fault F40)."""
        self._enter(State.POLLING)
        quiet = self._now - self._news_at
        interval = min(POLL_LONGEST, max(POLL_SHORTEST, quiet / 10))
        yield from self._pause(self._now + interval, lambda: self._dirty)
        if not self._dirty:
            yield from self._run(Simple(Keyword.NOOP))


_BUSY_CODES = frozenset({"LIMIT", "INUSE"})
_BUSY_WORDS = ("too many", "simultaneous", "maximum number of connections", "throttled", "limit exceeded", "bandwidth")


def _text(text: bytes) -> str:
    """What a server said, fit for a log."""
    return "".join(c if c.isprintable() else "?" for c in text[:200].decode("utf-8", "replace"))


def _refusal(code: ResponseCode | None, text: bytes, otherwise: Trouble) -> Trouble:
    """Tell a server that has enough of us (faults F45 to F48) from any other refusal."""
    name = code.name.upper() if isinstance(code, Code) else ""
    said = text.lower().decode("utf-8", "replace")
    return Trouble.BUSY if name in _BUSY_CODES or any(word in said for word in _BUSY_WORDS) else otherwise


def _refused_login(done: Completed) -> _Over:
    name = done.code.name.upper() if isinstance(done.code, Code) else ""
    # RFC 5530 §3: UNAVAILABLE is a server that cannot ask its password database just now.
    otherwise = Trouble.NET if name in ("UNAVAILABLE", "SERVERBUG", "CONTACTADMIN") else Trouble.AUTH
    return _Over(_refusal(done.code, done.text, otherwise), f"login refused: {_text(done.text)}")


def _bye(response: StatusResponse) -> _Over:
    return _Over(
        _refusal(response.code, response.text, Trouble.NET), f"the server said good-bye: {_text(response.text)}"
    )


def _throttle_hint(reason: str) -> float | None:
    """Return the seconds Exchange asks us to wait: `Suggested Backoff Time: 92415 milliseconds` (fault F45)."""
    _, found, rest = reason.partition("Backoff Time: ")
    digits = rest.split(" ", 1)[0]
    return int(digits) / 1000 if found and digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _taken(done: Completed) -> _Done:
    return _Done(done.ok, _text(done.text))


def _is_missing(done: Completed) -> bool:
    """Whether the target of a COPY does not exist (RFC 9051 §6.4.7; NONEXISTENT is RFC 5530 §3)."""
    return (
        done.condition is Condition.NO
        and isinstance(done.code, Code)
        and done.code.name.upper() in ("TRYCREATE", "NONEXISTENT")
    )


def _length(numbers: UIDSet) -> int:
    """How many numbers there are, 0 if only the server knows."""
    if any(STAR in pair for pair in numbers.ranges):
        return 0
    return sum(abs(last - first) + 1 for first, last in numbers.ranges)


__all__ = ["Filed", "Machine", "Security", "State", "StateChanged", "WatchAccount"]
