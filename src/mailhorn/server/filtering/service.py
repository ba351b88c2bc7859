"""Scripts for delivery: what they want done with one message for all of its recipients, as one plan.

Rule: whoever asks what was seen or answered before has the account's turn until all is remembered, so that two copies
that come at once are not both new.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from ... import __version__
from ...model.mailbox import Account
from ...net import webhook
from ...relay.letter import Letter, Outbound, RelayUnavailable
from ...relay.memory import Kind, Memory
from ...sieve.questions import Instant
from ...sieve.verdicts import Verdicts
from ...store.abc import Index
from ..scripts import Script, Scripts
from .carrying import Call, Carrier, Filing, Manner, Outcome
from .facts import Answers, Case
from .lists import Lists
from .message import Body, Message
from .places import Places
from .programs import Programs
from .rules import decide
from .trouble import Troubles

CALLS = 50
"""Web addresses that are being told at a time; more are dropped: they are best effort, and memory is bounded."""
CALL_TIMEOUT = 10.0
"""Seconds that one may take."""

_REMEMBERING = frozenset({"vacation", "duplicate"})

log = structlog.get_logger("mailhorn.delivery")


@dataclass(frozen=True, slots=True)
class Came:
    """
    How a message came.

    Attributes:
        lmtp: Each recipient gets an answer of its own.
        address: IP address of who sent it, "" if not known.
        name: What it called itself, "" if it did not say.

    """

    lmtp: bool = True
    address: str = ""
    name: str = ""


@dataclass(slots=True)
class Wanted:
    """One account whose mail it is, and the address it came for."""

    account: Account
    address: str
    scripts: Sequence[Script]


@dataclass(slots=True)
class Plan:
    """
    What is to be done with one message, in this order.

    Attributes:
        letters: Put into the queue.
        filings: Copies, of each mailbox one.
        refusals: By login, what to answer for recipients that refuse it.
        outcomes: What came of each account's scripts: what to remember and to tell afterwards.

    """

    letters: list[Letter] = field(default_factory=list)
    filings: list[Filing] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    outcomes: list[tuple[Account, Outcome]] = field(default_factory=list)


@dataclass(slots=True)
class Tools:
    """What scripts may use; what is None or empty is refused when a script is installed."""

    outbound: Outbound | None = None
    memory: Memory | None = None
    lists: Lists = field(default_factory=Lists)
    verdicts: Verdicts = field(default_factory=Verdicts)
    programs: Programs = field(default_factory=Programs)
    manner: Manner = field(default_factory=Manner)


def _may_remember(script: Script) -> bool:
    """Say whether a script may ask what was seen or answered; of a rule in Python nobody knows before it runs."""
    return script.rule is not None or (script.program is not None and bool(script.program.actions & _REMEMBERING))


class Filter:
    """
    Runs scripts.

    Attributes:
        places: The mailboxes they name.

    """

    def __init__(
        self, index: Index, scripts: Scripts, tools: Tools | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """
        Run these.

        Args:
            index: Where mailboxes are.
            scripts: Whose scripts there are.
            tools: What they may use.
            wall_clock: Seconds since 1970.

        """
        self.tools = tools = tools or Tools()
        self.scripts = scripts
        self.places = Places(index, tools.manner.create_mailboxes)
        self.answers = Answers(index, self.places, tools.memory, tools.lists, tools.verdicts, tools.programs)
        self.carrier = Carrier(self.places, tools.memory, tools.lists, tools.programs, tools.manner)
        self.troubles = Troubles(tools.manner.hostname)
        self._wall_clock = wall_clock
        self._zone_at = 0
        self._zone = 0
        self._now = Instant(0, 0)
        self._calls: set[asyncio.Task[None]] = set()
        host = tools.manner.hostname
        self._environment = {
            "domain": host.partition(".")[2] or host,
            "host": host,
            "location": "MDA",
            "phase": "during",
            "name": "mailhorn",
            "version": __version__,
            "imap.user": "",
            "imap.email": "",
        }

    def now(self) -> Instant:
        """Return the time now, in this machine's zone."""
        seconds = int(self._wall_clock())
        if seconds == self._now.seconds:
            return self._now
        if seconds // 900 != self._zone_at:  # zones change at quarters of an hour
            self._zone_at = seconds // 900
            self._zone = time.localtime(seconds).tm_gmtoff // 60
        self._now = Instant(seconds, self._zone)
        return self._now

    def environment(self, items: dict[str, str]) -> Mapping[str, str]:
        """Return the environment, with these items in it (RFC 5183 §4)."""
        return {**self._environment, **items}

    async def ready(self, wanted: Sequence[Wanted]) -> None:
        """Wait for scripts that are being compiled."""
        for one in wanted:
            for script in one.scripts:
                if script.pending is not None:
                    await script.ready()

    def turns(self, wanted: Sequence[Wanted]) -> list[str]:
        """Return the logins whose turn has to be waited for, in the order in which to wait."""
        if self.tools.memory is None:
            return []
        return sorted({one.account.login for one in wanted for script in one.scripts if _may_remember(script)})

    async def hold(self, stack: AsyncExitStack, logins: Sequence[str]) -> None:
        """Wait for the turns of these logins, and have them until the stack is closed."""
        if self.tools.memory is not None:
            for login in logins:
                await stack.enter_async_context(self.tools.memory.turn(login))

    async def plan(self, body: Body, sender: str, wanted: Sequence[Wanted], came: Came) -> Plan:
        """
        Return what is to be done with a message.

        Args:
            body: The message; it stays as it is.
            sender: Its reverse path, "" for none.
            wanted: Whose mail it is, each account once.
            came: How it came.

        Raises:
            StoreUnavailable: The index cannot be read.
            RelayUnavailable: What was seen and answered cannot be.

        """
        message = Message(body)
        plan = Plan()
        now = self.now()
        environment = self.environment(_remote(came))
        refused = False
        for one in wanted:
            account = one.account
            if not one.scripts:
                plan.filings.append(Filing(account.inbox, frozenset(), message))
                continue
            case = Case(account, one.address, {"from": (sender,), "to": (one.address,)}, environment, now)
            decision = await decide(one.scripts, case, message, self.answers)
            outcome = await self.carrier.outcome(decision, case, message, account.inbox)
            if decision.failure is not None:
                failure = decision.failure
                told = self.troubles.note(failure.script, failure.reason, account.login, one.address, now)
                if told is not None:
                    outcome.filings.append(Filing(account.inbox, frozenset(), told))
            plan.filings += outcome.filings
            plan.letters += outcome.letters
            plan.outcomes.append((account, outcome))
            refused = refused or outcome.refusal is not None or outcome.notice is not None
        if refused:
            self._refuse(plan, len(wanted), came)
        return plan

    def _refuse(self, plan: Plan, accounts: int, came: Came) -> None:
        """Say no where the answer can, and else by letter (RFC 5429 §2.1, §2.2)."""
        refusing = sum([outcome.refusal is not None for _, outcome in plan.outcomes])
        in_protocol = came.lmtp or refusing == accounts
        for account, outcome in plan.outcomes:
            if outcome.refusal is not None and in_protocol:
                plan.refusals[account.login] = outcome.refusal
            elif outcome.notice is not None and self.tools.outbound is not None:
                plan.letters.append(outcome.notice)
            elif outcome.refusal is not None:
                log.info("refused by its recipient's rules, and nobody can be told", login=account.login)

    async def submit(self, letters: Sequence[Letter]) -> None:
        """Put letters into the queue; they are safe when this returns. Raises RelayUnavailable."""
        if self.tools.outbound is None:
            raise RelayUnavailable("there is no queue for mail that leaves")
        await self.tools.outbound.submit(letters)

    async def remember(self, plan: Plan) -> None:
        """Remember what there is to remember, now that the message is safe; this cannot fail the delivery."""
        memory = self.tools.memory
        if memory is None:
            return
        for account, outcome in plan.outcomes:
            for note in outcome.notes:
                kind: Kind = "vacation" if note.kind == "vacation" else "duplicate"
                try:
                    await memory.remember(account.login, kind, note.handle, note.value, note.seconds, last=note.last)
                except RelayUnavailable as error:
                    log.error("what rules have seen cannot be remembered", login=account.login, reason=str(error))

    def tell(self, plan: Plan) -> None:
        """Begin to tell web addresses, now that the message is safe; this cannot fail the delivery."""
        for account, outcome in plan.outcomes:
            for call in outcome.calls:
                self._call(call, account.login)

    def _call(self, call: Call, login: str) -> None:
        if len(self._calls) >= CALLS:
            log.warning("too many notifications at once, one is dropped", login=login)
            return
        task = asyncio.get_running_loop().create_task(self._tell(call, login))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _tell(self, call: Call, login: str) -> None:
        try:
            await asyncio.to_thread(webhook.post, call.url, call.body, call.key, CALL_TIMEOUT)
        except OSError as error:
            log.warning("a notification was not taken", login=login, reason=str(error))

    async def close(self) -> None:
        """Finish telling web addresses."""
        if self._calls:
            await asyncio.gather(*self._calls, return_exceptions=True)


def _remote(came: Came) -> dict[str, str]:
    """Return what is known of who sent a message."""
    items = {"remote-ip": came.address} if came.address else {}
    if came.name:
        items["remote-host"] = came.name
    return items


__all__ = ["Came", "Filter", "Plan", "Tools", "Wanted"]
