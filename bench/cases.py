"""The cases in their order: what is measured, with which numbers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import commands, delivery, filing, hold, idle, push, rules, sieve, watching
from .figures import Figure
from .fleet import Fleet
from .servers import Server

GROUPS = ("idle", "push", "delivery", "commands")
ON_DEMAND = ("hold", "watch", "watching", "sieve", "rules")
"""Groups that are run only if they are asked for: they take minutes, and say nothing that can be compared."""
FIRST = 200
"""The account of the fleet's first connection; those before it are for all other cases."""
FLEET = 1_000
"""Connections of the usual fleet."""
LARGE_FLEET = 10_000
"""Connections of the large one, with --full; Dovecot, a process each, is left out of it."""
RATE = 17.0
"""Messages a second while the fleet is told: a thousand a minute."""
SHARED = 100
"""Watchers of one mailbox in a smaller and a larger case."""
LARGE = 10_000
"""Messages of the large mailbox."""
HUGE = 100_000
"""Messages of the mailbox that is delivered into, with --full, and of the one that holds up others."""


@dataclass(frozen=True)
class Case:
    """
    One thing to do with each server in turn.

    Attributes:
        name: What the progress shows.
        run: Does it.
        accounts: Accounts it needs.
        ours_only: Whether other servers are spared.
        quick: Whether it is one of the few that tell most, for who has ten seconds.

    """

    name: str
    run: Callable[[Server], Awaitable[list[Figure]]]
    accounts: int = FIRST
    ours_only: bool = False
    quick: bool = False


def cases(groups: Sequence[str], full: bool, quick: bool, seconds: float | None) -> list[Case]:
    """Return what is to be done."""
    length = seconds or (8.0 if full else 3.0)
    resting = seconds or (60.0 if full else 3.0)
    found = {
        "idle": _idle(full, resting),
        "push": _push(full, length),
        "delivery": _delivery(full, length),
        "commands": _commands(length),
        "hold": [Case("hold", partial(_hold, seconds=length), ours_only=True)],
        "watch": [
            Case(
                f"filing{' TLS' if tls else ''}",
                partial(filing.filing, account=130 + tls, encrypted=tls, seconds=2 * length),
            )
            for tls in (False, True)
        ],
        "watching": [
            Case(
                f"watching {FLEET}{' TLS' if tls else ''}",
                partial(watching.many, accounts=_fleet(FLEET), encrypted=tls, seconds=seconds or 600.0),
                FIRST + FLEET,
                ours_only=True,
            )
            for tls in (False, True)
        ],
        "sieve": [Case("sieve", sieve.sieve, 1, ours_only=True)],
        "rules": [
            Case(
                f"rules for {size >> 10} KiB over {sessions}",
                partial(rules.cost, sessions=sessions, size=size, seconds=length),
                ours_only=True,
            )
            for size, sessions in ((4 << 10, 1), (4 << 10, 10), (50 << 10, 10))
        ],
    }
    every = (*GROUPS, *ON_DEMAND)
    return [case for group in every if group in groups for case in found[group] if case.quick or not quick]


def _idle(full: bool, seconds: float) -> list[Case]:
    found = [
        Case("mailboxes", partial(_mailboxes, accounts=_fleet(FLEET)), FIRST + FLEET),
        Case("server alone", _alone),
        *(
            Case(
                f"{FLEET} idle{' TLS' if tls else ''}",
                partial(idle.idle, accounts=_fleet(FLEET), encrypted=tls, seconds=seconds),
                FIRST + FLEET,
            )
            for tls in (False, True)
        ),
    ]
    if full:
        found.append(
            Case("more mailboxes", partial(_mailboxes, accounts=_fleet(LARGE_FLEET)), FIRST + LARGE_FLEET, True)
        )
        for tls in (False, True):
            large = partial(idle.idle, accounts=_fleet(LARGE_FLEET), encrypted=tls, seconds=seconds)
            found.append(Case(f"{LARGE_FLEET} idle{' TLS' if tls else ''}", large, FIRST + LARGE_FLEET, True))
    return found


def _push(full: bool, seconds: float) -> list[Case]:
    found = []
    for tls in (False, True):
        suffix = " (TLS)" if tls else ""
        if full or not tls:
            found.append(_watched(1, tls, seconds, f"push to 1 watcher{suffix}", 101))
        label = f"push, {FLEET:,} mailboxes, {RATE:.0f}/s{suffix}"
        # Enough messages for a p99 that means something.
        run = partial(push.steady, accounts=_fleet(FLEET), encrypted=tls, seconds=2 * seconds, rate=RATE, label=label)
        found.append(Case(label, run, FIRST + FLEET))
        if full or not tls:
            label = f"push to {SHARED} watchers of one mailbox, the last{suffix}"
            found.append(_watched(SHARED, tls, seconds, label, 102))
        label = f"push to {FLEET:,} watchers of one mailbox, the last{suffix}"
        found.append(_watched(FLEET, tls, seconds, label, 103))
    if full:
        found.append(Case("push beside many", partial(_beside_many, seconds=seconds), FIRST + LARGE_FLEET, True))
    return found


def _watched(watchers: int, tls: bool, seconds: float, label: str, account: int) -> Case:
    run = partial(push.one_by_one, account=account, watchers=watchers, encrypted=tls, seconds=seconds, label=label)
    return Case(label, run, quick=watchers == 1 and not tls)


def _delivery(full: bool, seconds: float) -> list[Case]:
    found = [
        Case(
            f"{octets >> 10} KiB over {sessions}",
            partial(delivery.rate, octets=octets, sessions=sessions, seconds=seconds),
            quick=octets == 4 << 10 and sessions == 10,
        )
        for octets in (4 << 10, 50 << 10, 1 << 20)
        for sessions in (1, 10, 50)
        if full or octets == 4 << 10 or sessions == 10
    ]
    if full:
        run = partial(commands.delivery_into, empty=110, large=111, messages=HUGE)
        found.append(Case("delivery into a huge mailbox", run))
    return found


def _commands(seconds: float) -> list[Case]:
    return [
        Case("single commands", partial(commands.rates, account=120, seconds=seconds / 2)),
        Case("logins", partial(commands.logins, account=121, seconds=seconds)),
        Case("large mailbox", partial(_large_mailbox, account=122)),
    ]


def _fleet(connections: int) -> range:
    return range(FIRST, FIRST + connections)


async def _alone(server: Server) -> list[Figure]:
    return idle.alone(server)


async def _mailboxes(server: Server, accounts: range) -> list[Figure]:
    await idle.make_mailboxes(server, accounts)
    return []


async def _large_mailbox(server: Server, account: int) -> list[Figure]:
    await delivery.fill(server, account, LARGE)
    return await commands.large_mailbox(server, account, LARGE)


async def _hold(server: Server, seconds: float) -> list[Figure]:
    return await hold.hold(server, 130, 131, HUGE, seconds)


async def _beside_many(server: Server, seconds: float) -> list[Figure]:
    """Push again while ten thousand others idle."""
    fleet = Fleet()
    figures: list[Figure] = []
    beside = f"beside {LARGE_FLEET:,} idle"
    try:
        await fleet.open(server, _fleet(LARGE_FLEET), encrypted=False)
        for watchers in (1, SHARED, FLEET):
            label = f"push to {watchers:,} watcher{'s of one mailbox, the last' if watchers > 1 else ''}, {beside}"
            figures += await push.one_by_one(server, 104, watchers, False, seconds, label)
    finally:
        await fleet.close(server)
    return figures
