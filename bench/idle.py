"""What connections cost that do nothing."""

import asyncio
from collections.abc import Sequence

from .clients import now
from .figures import Figure
from .fleet import Fleet
from .servers import Server


def alone(server: Server) -> list[Figure]:
    """Return the memory of a server that has just been started, with the accounts of the benchmark."""
    server.stop()
    server.start()
    memory = server.memory()
    return [Figure("server alone, memory", memory, f"{memory / 2**20:.1f} MiB")]


async def idle(server: Server, accounts: Sequence[int], encrypted: bool, seconds: float) -> list[Figure]:
    """Open idle connections to a server that has just been started, each on a mailbox of its own."""
    server.stop()
    server.start()
    await server.quiet()
    connections = len(accounts)
    before = server.memory()
    fleet = Fleet()
    used, begin = server.processor_seconds(), now()
    try:
        await fleet.open(server, accounts, encrypted)
        took = now() - begin
        used = await server.quiet() - used
        each = (server.memory() - before) / connections / 1024
        resting, begin = server.processor_seconds(), now()
        await asyncio.sleep(seconds)
        lost = sum(watcher.lost for watcher in fleet.watchers)
        share = (server.processor_seconds() - resting) / (now() - begin)
    finally:
        await fleet.close(server)
    kind = f"{connections:,} idle{' TLS' if encrypted else ''} connections"
    trouble = f", {lost} cut off" if lost else ""
    rate = connections / took
    return [
        Figure(f"{kind}: memory each", each, f"{each:.1f} KiB{trouble}", details={"cut_off": lost}),
        Figure(f"{kind}: processor", share, f"{share * 100:.1f} % of a core", details={"seconds": seconds}),
        Figure(
            f"{kind}: connect, LOGIN, SELECT, IDLE",
            rate,
            f"{rate:,.0f}/s ({used / connections * 1000:.2f} ms)",
            more_is_better=True,
            details={"server_cpu_ms": used / connections * 1000},
        ),
    ]


async def make_mailboxes(server: Server, accounts: Sequence[int]) -> None:
    """Log every account in once, so that its mailbox is there."""
    fleet = Fleet()
    try:
        await fleet.open(server, accounts, encrypted=False)
    finally:
        await fleet.close(server)
