"""Long work in slices, so that nobody waits for it."""

import asyncio
from time import perf_counter

TURN = 0.001
"""Seconds of work before everybody else has a turn. A command may hold the loop for 5 ms; but a delivery waits for
its turn twice, to be read and to be told, and a turn costs 0.02 ms."""


class Pace:
    """Gives everybody else a turn now and then."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        """Begin to work now."""
        self._until = perf_counter() + TURN

    async def turn(self) -> None:
        """Let others work if it is their turn."""
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + TURN


__all__ = ["TURN", "Pace"]
