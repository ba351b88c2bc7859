"""What FETCH needs of new messages: worked out right after the answer, or when a burst is over.

Rule 1: a message that comes alone is digested before the loop does anything else, as who was told of it asks for it at
once. Rule 2: while one comes after the other, all that counts is that their senders are answered: what is due waits
until nothing has come for a while, or only single messages. Rule 3: nothing hangs on it. Who asks for a digest that is
not there makes it of the body, and so does the settler; bodies that are not in memory any more are left to them.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from ...model.message import Digest
from .bodies import Bodies, NotInMemory

QUIET = 0.01
"""Seconds in which no more than one message comes: then the burst is over. Groups of large messages are half as far
apart, and a hundred in a second that come one by one do not gather."""

AT_ONCE = 16
"""Digests between two turns of the loop, half a millisecond."""

MAX_DIGESTS = 4_096
"""Digests kept in memory until their messages come to rest, 4 MiB; beyond, they are made when they are needed."""


class Digesting:
    """
    The work that is due, for the event loop only.

    Attributes:
        done: The digests, by the numbers of their blobs. Whoever has entered one in the tables takes it out.

    """

    def __init__(self, digest: Callable[[bytes], Digest], bodies: Bodies) -> None:
        """
        Make it.

        Args:
            digest: Computes a digest; must not raise.
            bodies: Where the bodies are.

        """
        self.done: dict[int, Digest] = {}
        self._digest = digest
        self._bodies = bodies
        self._due: deque[int] = deque(maxlen=MAX_DIGESTS)
        self._came = 0
        self._handle: asyncio.Handle | None = None

    def soon(self, blob: int) -> None:
        """Have the body digested that has just come and been answered."""
        self._came += 1
        self._due.append(blob)
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._look)

    def close(self) -> None:
        """Leave what is due to others."""
        self._due.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        """Work off what is due, some of it, unless it is a burst."""
        came, self._came = self._came, 0
        if came <= 1:
            for _ in range(min(AT_ONCE, len(self._due))):
                self._make(self._due.popleft())
        loop = asyncio.get_running_loop()
        if not self._due:
            self._handle = None
        elif came > 1:
            self._handle = loop.call_later(QUIET, self._look)
        else:
            self._handle = loop.call_soon(self._look)

    def _make(self, blob: int) -> None:
        try:
            body = self._bodies.at_hand(blob)
        except NotInMemory:
            return
        if body is not None and len(self.done) < MAX_DIGESTS:
            self.done[blob] = self._digest(body)


__all__ = ["Digesting"]
