"""The sessions there are, and how they end."""

import asyncio
import time

from mailhorn.server.sessions import Sessions


class Visitor:
    def __init__(self, sessions: Sessions, busy: bool = False, leaves: bool = True) -> None:
        self.sessions, self.busy, self.leaves = sessions, busy, leaves
        self.told = False
        sessions.add(self)

    def shut_down(self) -> None:
        self.told = True
        if self.leaves and not self.busy:
            self.sessions.discard(self)

    def abort(self) -> None:
        self.sessions.discard(self)


async def test_all_are_told_and_who_leaves_is_not_waited_for() -> None:
    """A server without clients stops at once."""
    sessions = Sessions()
    visitors = [Visitor(sessions) for _ in range(3)]
    start = time.monotonic()
    await sessions.end(60, 60)
    assert all(visitor.told for visitor in visitors) and not len(sessions)
    assert time.monotonic() - start < 5


async def test_who_is_busy_is_waited_for_and_who_only_stays_is_not() -> None:
    """A delivery is finished; a client that never hangs up is cut off, and does not hold up a restart."""
    sessions = Sessions()
    stays, works = Visitor(sessions, leaves=False), Visitor(sessions, busy=True)
    ending = asyncio.ensure_future(sessions.end(0.01, 60))
    done, _ = await asyncio.wait([ending], timeout=0.1)
    assert not done and stays.told and works.told
    assert stays not in sessions and works in sessions
    sessions.discard(works)
    await ending
    Visitor(sessions, leaves=False)
    await sessions.end(0.01, 60)
    Visitor(sessions, busy=True)
    await sessions.end(0.01, 0.01)
    assert not len(sessions)
