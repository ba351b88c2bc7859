"""Many watchers at once: opening them, closing them, counting what they are told."""

import asyncio
import gc
from collections.abc import Iterable

from .clients import PATIENCE, Watcher, unverified_tls
from .servers import Server, login

LOGINS_AT_ONCE = 50
"""A storm of a thousand at once would measure who queues best."""


class Tally:
    """Counts what the watchers are told."""

    def __init__(self) -> None:
        self.told = 0
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None

    def count(self, new: int) -> None:
        """Add to it."""
        self.told += new
        if self._reached is not None and self.told >= self._wanted and not self._reached.done():
            self._reached.set_result(None)

    async def reach(self, wanted: int, within: float) -> bool:
        """Wait until it is so much, and return whether that came in time (seconds)."""
        if self.told >= wanted:
            return True
        self._wanted = wanted
        self._reached = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within):
                await self._reached
        except TimeoutError:
            return False
        return True


class Fleet:
    """
    Watchers that idle.

    Attributes:
        tally: What they were told, all together.
        watchers: In the order of the accounts.

    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.watchers: list[Watcher] = []

    async def open(self, server: Server, accounts: Iterable[int], encrypted: bool) -> None:
        """Have a watcher for each of these accounts idle on its INBOX."""
        gate = asyncio.Semaphore(LOGINS_AT_ONCE)
        port = server.ports["imaps" if encrypted else "imap"]
        tls = unverified_tls() if encrypted else None

        async def one(account: int) -> Watcher:
            watcher = Watcher(self.tally.count)
            async with gate:
                return await watcher.watch(port, login(account), tls)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(account)) for account in accounts]
        self.watchers += [task.result() for task in tasks]
        gc.collect()
        gc.freeze()  # a thousand watchers looked at by the collector are a pause in what is measured

    async def close(self, server: Server) -> None:
        """Hang up, and wait until the server has cleared up."""
        for watcher in self.watchers:
            watcher.transport.abort()
        self.watchers = []
        gc.unfreeze()
        async with asyncio.timeout(PATIENCE):
            await server.quiet()
