"""How many messages a second are taken, each safe on the disk when its answer comes."""

import asyncio
from collections.abc import Iterator

from .clients import Deliverer, now
from .figures import Figure, milliseconds, percentile
from .mail import Payload, correspondence, payloads
from .servers import Server, address

MAILBOXES = 100
"""That the messages of a case go to in turn."""


async def rate(server: Server, octets: int, sessions: int, seconds: float) -> list[Figure]:
    """Deliver as fast as the answers come."""
    deliverers = [await Deliverer.open(server.ports["lmtp"]) for _ in range(sessions)]
    done = 0

    def stream(number: int, stop: float) -> Iterator[tuple[bytes, Payload]]:
        nonlocal done
        mailbox = number
        for payload in payloads(octets):
            if now() >= stop:
                return
            yield address(mailbox % MAILBOXES), payload
            mailbox += sessions
            done += 1

    used, begin = await server.quiet(), now()
    try:
        await asyncio.gather(
            *(deliverer.pour(stream(number, begin + seconds)) for number, deliverer in enumerate(deliverers))
        )
        took = now() - begin
    finally:
        for deliverer in deliverers:
            deliverer.transport.abort()
    memory = server.memory()
    each = (await server.quiet() - used) / done * 1000
    size = f"{octets >> 10} KiB" if octets < 1 << 20 else f"{octets >> 20} MiB"
    return [
        Figure(
            f"deliveries, {size}, {sessions} session{'s' if sessions > 1 else ''}",
            done / took,
            f"{done / took:,.0f}/s ({each:.2f} ms)",
            more_is_better=True,
            details={"messages": done, "server_cpu_ms": each, "memory_mib": memory / 2**20},
        )
    ]


async def fill(server: Server, account: int, messages: int, sessions: int = 10) -> None:
    """Deliver what a mailbox of people holds."""
    feed = ((address(account), payload) for payload in correspondence(messages))
    deliverers = [await Deliverer.open(server.ports["lmtp"]) for _ in range(min(sessions, messages))]
    try:
        # One stream for all of them: who is free takes the next message.
        await asyncio.gather(*(deliverer.pour(feed) for deliverer in deliverers))
    finally:
        for deliverer in deliverers:
            deliverer.transport.abort()


async def one_at_a_time(server: Server, account: int, messages: int, label: str) -> Figure:
    """Deliver some into one mailbox over one session, and return how long each took."""
    deliverer = await Deliverer.open(server.ports["lmtp"])
    await server.quiet()
    times = []
    try:
        for payload in payloads(4096):
            begin, replied = await deliverer.deliver(address(account), payload)
            times.append(replied - begin)
            if len(times) == messages:
                break
    finally:
        deliverer.transport.abort()
    middle, late = percentile(times, 0.5), percentile(times, 0.99)
    return Figure(
        label,
        middle,
        f"{milliseconds(middle)} / {milliseconds(late)} ms",
        details={"p50_ms": middle * 1000, "p99_ms": late * 1000, "messages": messages},
    )
