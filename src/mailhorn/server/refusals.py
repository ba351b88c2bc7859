"""Who is refused, told to the operator without a flood.

The first refusal is in the log at once; what follows of the same kind is counted, and told once a minute in one line.
There is one timer, and none while nobody is refused.
"""

import asyncio

import structlog

from .limits import network

EVERY = 60.0
"""Seconds between two lines about one neighbour: soon enough to see who it is, seldom enough to read."""

REMEMBERED = 1_000
"""Neighbours with a line of their own, 200 KB; all others share one."""

OTHERS = "others"

log = structlog.get_logger("mailhorn.limits")


class Refusals:
    """Those of one server."""

    def __init__(self) -> None:
        """Have refused nobody."""
        self._more: dict[tuple[str, str, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, what: str, peer: str, address: str, reason: str, login: str = "") -> None:
        """
        Log a refusal, or count it if there was one of its kind within the last minute.

        Args:
            what: What was refused.
            peer: Whose, address and port.
            address: The same without the port; an IPv6 network of 64 bits is one neighbour.
            reason: What the client was told.
            login: Whose account, if that is known.

        """
        kind = (what, network(address) or address, login)
        if kind not in self._more and len(self._more) >= REMEMBERED:
            kind = (what, OTHERS, "")
        if kind in self._more:
            self._more[kind] += 1
            return
        self._more[kind] = 0
        log.warning(what, peer=peer, reason=reason, **_whose(login))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._tick)

    def tell(self) -> None:
        """Log what was counted; whoever was refused nothing since the line before is forgotten."""
        told = {kind: times for kind, times in self._more.items() if times}
        for (what, neighbour, login), times in told.items():
            log.warning(what, address=neighbour, times=times, **_whose(login))
        self._more = dict.fromkeys(told, 0)

    def _tick(self) -> None:
        self.tell()
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._tick) if self._more else None


def _whose(login: str) -> dict[str, str]:
    return {"login": login} if login else {}


__all__ = ["Refusals"]
