"""From the end of DATA to `* n EXISTS`: how soon an idling client is told."""

import asyncio
import random
from collections.abc import Sequence

from .clients import Deliverer, now
from .figures import Figure, milliseconds, percentile
from .fleet import Fleet
from .mail import payloads
from .servers import Server, address

OCTETS = 4096
"""Of each message."""
PAUSE = 0.02, 0.08
"""Seconds between what the last watcher was told and the next message, at random: nothing falls into step."""
PATIENCE = 15.0
"""Seconds after which what was not told is lost."""
FEWEST = 3
"""Messages of a case at least, however slowly they are told."""
MOST = 200
"""Messages of a case at most, however fast they are told."""


async def one_by_one(
    server: Server, account: int, watchers: int, encrypted: bool, seconds: float, label: str
) -> list[Figure]:
    """Watch one mailbox by so many; send the next message when the last of them has been told of the one before."""
    fleet = Fleet()
    generator = random.Random(watchers)
    mail = payloads(OCTETS)
    sent: list[float] = []
    replied: list[float] = []
    deliverer = await Deliverer.open(server.ports["lmtp"])
    try:
        await fleet.open(server, [account] * watchers, encrypted)
        await server.quiet()
        used, stop = server.processor_seconds(), now() + seconds
        while (now() < stop or len(sent) < FEWEST) and len(sent) < MOST:
            begin, reply = await deliverer.deliver(address(account), next(mail))
            sent.append(begin)
            replied.append(reply - begin)
            if not await fleet.tally.reach(len(sent) * watchers, PATIENCE):
                break
            await asyncio.sleep(generator.uniform(*PAUSE))
        used = (await server.quiet() - used) / len(sent)
        seen = [watcher.seen for watcher in fleet.watchers]
        lost = len(sent) * watchers - sum(map(len, seen))
    finally:
        deliverer.transport.abort()
        await fleet.close(server)
    complete = zip(*seen, strict=False)  # as far as all were told
    last = [max(times) - begin for begin, times in zip(sent, complete, strict=False)]
    return [_figure(label, last, replied, lost, watchers * len(sent), used)]


async def steady(
    server: Server, accounts: Sequence[int], encrypted: bool, seconds: float, rate: float, label: str
) -> list[Figure]:
    """Watch many mailboxes by one each; send so many messages a second, each to another mailbox."""
    fleet = Fleet()
    mail = payloads(OCTETS)
    count = max(1, int(seconds * rate))
    sent: dict[int, list[float]] = {account: [] for account in accounts}
    replied: list[float] = []
    order = random.Random(count).sample(list(accounts), len(accounts))
    deliverer = await Deliverer.open(server.ports["lmtp"])
    try:
        await fleet.open(server, accounts, encrypted)
        await server.quiet()
        used, start = server.processor_seconds(), now()
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / rate - now()))
            account = order[number % len(order)]
            begin, reply = await deliverer.deliver(address(account), next(mail))
            sent[account].append(begin)
            replied.append(reply - begin)
        await fleet.tally.reach(count, PATIENCE)
        used = (await server.quiet() - used) / count
        lost = count - fleet.tally.told
        seen = {account: watcher.seen for account, watcher in zip(accounts, fleet.watchers, strict=True)}
    finally:
        deliverer.transport.abort()
        await fleet.close(server)
    told = [at - begin for account in accounts for begin, at in zip(sent[account], seen[account], strict=False)]
    return [_figure(label, told, replied, lost, count, used)]


def _figure(
    label: str, told: Sequence[float], replied: Sequence[float], lost: int, expected: int, used: float
) -> Figure:
    middle, late = percentile(told, 0.5), percentile(told, 0.99)
    return Figure(
        label,
        middle,
        f"{milliseconds(middle)} / {milliseconds(late)} ms" + (f", {lost} LOST" if lost else ""),
        details={
            "p50_ms": middle * 1000,
            "p99_ms": late * 1000,
            "reply_p50_ms": percentile(replied, 0.5) * 1000,
            "messages": len(replied),
            "told": expected - lost,
            "lost": lost,
            "server_cpu_ms": used * 1000,
        },
    )
