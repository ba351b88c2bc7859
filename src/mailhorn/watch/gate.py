"""How many connections are made at a time, and how many in a second: after an outage all accounts come back together.

Pauses have jitter of their own (`trouble`); this is what holds when two hundred dice fall alike (fault F88).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

AT_ONCE = 8
"""Connections that are being made at a time."""
AT_ONCE_PER_HOST = 4
"""Of these to one host: more look like an attack, and a server that is slow to accept must not keep the others out."""
CONNECTS_PER_SECOND = 50
"""Connections begun in a second, and at once after a quiet second: a thousand accounts are there in twenty seconds, for
two hundredths of a core's time."""


class Gate:
    """Lets those pass who want to connect. Of one event loop."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._hosts: dict[str, tuple[asyncio.Semaphore, int]] = {}
        self._next = 0.0

    @contextlib.asynccontextmanager
    async def passing(self, host: str) -> AsyncIterator[None]:
        """Wait for one's turn to connect to a host; it is over when the block is."""
        semaphore, users = self._hosts.get(host, (asyncio.Semaphore(AT_ONCE_PER_HOST), 0))
        self._hosts[host] = semaphore, users + 1
        try:
            async with semaphore, self._all:
                await self._turn()
                yield
        finally:
            semaphore, users = self._hosts.pop(host)
            if users > 1:
                self._hosts[host] = semaphore, users - 1

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now - 1.0)
        self._next = turn + 1 / CONNECTS_PER_SECOND
        if turn > now:
            await asyncio.sleep(turn - now)


__all__ = ["CONNECTS_PER_SECOND", "Gate"]
