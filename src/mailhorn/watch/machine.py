"""A connection to an account's watched mailboxes as a pure machine: it cannot spin and it cannot be deaf (decision 9).

    step(event, now, roll) → commands, deadline

Rule 1: every step consumes one event: what the server said, the end of the connection, the journal's answer, the
deadline, a wake-up after sleep, the wish to stop. The scripts are suspended at each `yield`; only `step` resumes them.
Rule 2: nothing is read, nothing is slept, no clock is asked. A deadline is data; who drives the machine delivers
`DeadlineReached`. `now` is in seconds of a clock that runs through suspend; `roll` is a random number in [0, 1).
Rule 3: what is noted of an event is noted whatever the script waits for; a dirty mailbox is never left idling.

The scripts: `login` (greeting to login), `mailbox` (what is new), `filing` (what is done to it, and what was done
before a cut), `idling` (nothing new), `rounds` (several mailboxes), and the life below that joins them. They share a
`conversation`; `trouble` says how long to stay away after an end.
"""

import math

from ..imap.client import ClientConnection
from ..imap.commands import Keyword, Simple
from ..imap.grammar.cursor import Unwritable
from ..imap.state import State as Connected
from .account import Security, WatchAccount
from .conversation import Conversation, Script, Stop
from .events import Connect, Disconnect, Event, Output, State, StateChanged
from .idling import Idling
from .ledger import Learn, Loaded, Place
from .login import log_in
from .providers import provider_of
from .rounds import Round
from .spin import stands_at
from .trouble import Over, Recovery, Trouble

LOGOUT_PATIENCE = 0.25
"""Seconds for the server to say good-bye."""


class Machine:
    """
    Watches one or several mailboxes of an account on one connection.

    It idles in the first that can be opened, and looks at the STATUS of the others in between.

    Attributes:
        places: Which.
        state: Where it stands.
        reason: Why, "" if it is as it should be.
        deadline: When it wants to be told that time has passed, if nothing else happens; None for never.
        steps: How many events it has taken.

    """

    def __init__(self, account: WatchAccount, *mailboxes: str) -> None:
        self.places = tuple(Place(account.name, mailbox) for mailbox in mailboxes)
        self.state = State.CONNECTING
        self.reason = ""
        self.deadline: float | None = None
        self.steps = 0
        self._account = account
        self._provider = provider_of(account.host)
        self._talk = Conversation()
        longest = account.idle_renewal or self._provider.idle_renewal
        self._idling = Idling(self._talk, longest, self._enter)
        self._recovery = Recovery()
        self._in_use_since: float | None = None
        self._recalled = False
        self._round = Round(self._talk, account, self.places)
        self._script = self._life()

    # the one way in

    def step(self, event: Event, now: float, roll: float = 0.5) -> list[Output]:
        """
        Take one event and return what is to be done, in order. Then send what the connection has to send.

        Args:
            event: What happened.
            now: Seconds of a clock that runs through suspend (CLOCK_BOOTTIME); never less than before.
            roll: A random number in [0, 1), for pauses.

        """
        talk = self._talk
        self.steps += 1
        talk.now, talk.roll = now, roll
        talk.note(event)
        if self.state is not State.STOPPED:
            try:
                self.deadline = next(self._script)
            except StopIteration:
                self.deadline = None
        out, talk.out = talk.out, []
        return out

    # for people

    @property
    def heard_at(self) -> float:
        """When the server was heard last, on the clock of `now`."""
        return self._talk.heard_at

    @property
    def stands_at(self) -> list[str]:
        """Where the script stands, for a bug report."""
        return stands_at(self._script)

    @property
    def push_is_reliable(self) -> bool:
        """Whether the server announces what comes."""
        return self._idling.reliable

    @property
    def renewal(self) -> float:
        """Seconds an IDLE lasts at present."""
        return self._idling.renewal

    # one life, many connections

    def _life(self) -> Script[None]:
        try:
            while True:
                over = yield from self._one_connection()
                self._disconnect()
                yield from self._rest(over)
        except Stop:
            yield from self._farewell()
            self._enter(State.STOPPED)

    def _one_connection(self) -> Script[Over]:
        """Connect and watch; returns what ended that."""
        try:
            return (yield from self._watch())
        except Over as over:
            return over
        except Unwritable as error:
            return Over(Trouble.SETTINGS, str(error))

    def _disconnect(self) -> None:
        if self._talk.connection is not None:
            self._talk.connection = None
            self._talk.out.append(Disconnect())

    def _enter(self, state: State, reason: str = "", until: float | None = None) -> None:
        if state is not self.state or reason:
            self.state, self.reason = state, reason
            self._talk.out.append(StateChanged(state, reason, until))

    def _rest(self, over: Over) -> Script[None]:
        """Wait after a connection ended, for as long as its trouble asks for."""
        since, now = self._in_use_since, self._talk.now
        self._keep_what_was_learned()
        pause = self._recovery.pause(over, None if since is None else now - since, self._talk.roll)
        if pause is None:
            self._enter(State.PARKED, over.told)
            yield from self._rest_until(None)
        else:
            self._enter(State.BACKOFF, over.told, now + pause)
            yield from self._rest_until(now + pause)

    def _rest_until(self, until: float | None) -> Script[None]:
        """Wait while there is no connection: only the time and the wish to stop matter."""
        while until is None or self._talk.now < until:
            if self._talk.stop_at is not None:
                raise Stop
            yield until

    def _farewell(self) -> Script[None]:
        """Log out, as far as that goes without waiting for it."""
        talk = self._talk
        if talk.connection is None:
            return
        if talk.gone is None and talk.imap.state is not Connected.LOGOUT and talk.greeting is not None:
            if talk.idling is not None:
                talk.imap.done()
            tag = talk.imap.send(Simple(Keyword.LOGOUT))
            limit = talk.now + LOGOUT_PATIENCE
            while tag not in talk.completed and talk.gone is None and talk.now < limit:
                yield limit
        self._disconnect()

    # one connection

    def _arrive(self) -> Script[None]:
        """Connect and log in."""
        talk = self._talk
        talk.begin()
        self._idling.begin()
        self._in_use_since = None
        self._enter(State.CONNECTING)
        talk.connection = ClientConnection()
        talk.out.append(Connect(talk.connection, self._account.tls is Security.IMPLICIT))
        yield from log_in(talk, self._account, self._provider.sends_id)
        self._recovery.logged_in()
        self._enter(State.SYNCING)

    def _watch(self) -> Script[Over]:
        talk = self._talk
        yield from self._arrive()
        home, loaded = yield from self._round.begin()
        self._recall(loaded)
        talk.hinted_at = None  # what SELECT counts was not announced
        announced = True
        while True:
            if (yield from home.catch_up(announced or talk.dirty)):
                self._idling.found_unannounced()
            if self._in_use_since is None:
                self._in_use_since = home.news_at = talk.now
            self._keep_what_was_learned()
            yield from self._idling.rest(
                self._in_use_since,
                home.news_at,
                min(self._round.due_at() or math.inf, talk.login_ends),
                self._round.is_due,
            )
            if talk.now >= talk.login_ends:  # fault F42: before the server cuts us off, maybe in the middle of a move
                return Over(Trouble.EXPIRED, "the access token is about to expire")
            announced = yield from self._round.go(home)

    # what was learned of the server

    def _recall(self, loaded: Loaded) -> None:
        """Take up what an earlier process has learned."""
        if not self._recalled:
            self._recalled = True
            self._idling.recall(loaded.renewal, loaded.missed)

    def _keep_what_was_learned(self) -> None:
        if self._idling.learned and self._recalled:
            self._idling.learned = False
            self._talk.tell(Learn(self.places[0], self._idling.renewal, self._idling.missed))
