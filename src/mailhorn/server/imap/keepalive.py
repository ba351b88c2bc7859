"""When an idling client gets its next `* OK Still here`, and what its connections taught about its network.

Rule 1: the beats of a client are instants on a grid that follows from its address alone, so all its connections are
served in one go (a phone's radio wakes once) though nothing is kept of any of them. Rule 2: an interval is the one set,
halved or doubled some times; then each grid lies within the next finer one, and connections stay together while the
interval changes. Rule 3: what was learned is bounded and only ever a guess: to forget it costs nothing but time.

A router that forgets a silent connection (a NAT table has few places) tells nobody. There are two signs of it: what we
sent was never confirmed although somebody of that client was there meanwhile (without that, the phone has just left);
or the connection is reset as soon as something is sent. Either halves the interval. An IDLE that the client ends in
good order after a silent interval shows that the network stands as much; some of those in a row double it, and the
next time it takes twice as many.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

REMEMBERED = 4096
"""Clients of which something is known: some 300 octets each, so one megabyte or so at most, and room for everybody a
small machine serves. The one not heard of for the longest is forgotten first, and starts with the interval set."""

SURVIVED = 8
"""Silent intervals in a row that a client's connections stand before a longer one is tried: hours, not minutes."""

SURVIVED_AT_MOST = 1024
"""To which that number grows with each failure: a network that forgets stays like that, but routers are replaced."""

ANSWERED_WITHIN = 10.0
"""Seconds after a keep-alive within which a reset is the answer to it: the grain of the clock, and a slow network."""

_ROOM = 1.0
"""Seconds between now and the next beat at least: clocks that are read twice may go backwards a little."""


@dataclass(frozen=True, slots=True)
class KeepAliveOptions:
    """
    Seconds between two signs of life.

    Attributes:
        start: For a client of which nothing is known.
        shortest: It is never halved below that.
        longest: It is never doubled beyond that; a client ends IDLE itself after 29 minutes (RFC 2177 §3).

    """

    start: float = 240.0
    shortest: float = 60.0
    longest: float = 1740.0


class _Client:
    """What is known of a client: an account, at an address."""

    __slots__ = ("heard", "level", "lowered", "needed", "survived")

    def __init__(self) -> None:
        self.level = 0
        """How often the interval set was doubled; halved if negative."""
        self.survived = 0
        self.needed = SURVIVED
        self.heard = -math.inf
        self.lowered = -math.inf


class KeepAlive:
    """The interval of each client."""

    def __init__(
        self,
        options: KeepAliveOptions,
        clock: Callable[[], float],
        unacknowledged: float = 300.0,
        remembered: int = REMEMBERED,
    ) -> None:
        """
        Know nothing yet.

        Args:
            options: The bounds.
            clock: Any that goes forward, in seconds.
            unacknowledged: Seconds after which the kernel ends a connection whose peer confirms nothing.
            remembered: Clients that something is kept of.

        """
        self._start = float(options.start)
        self._clock = clock
        self._unacknowledged = unacknowledged
        self._remembered = remembered
        self._clients: OrderedDict[tuple[str, str], _Client] = OrderedDict()
        self._lowest = -math.floor(math.log2(options.start / options.shortest) + 1e-9)
        self._highest = math.floor(math.log2(options.longest / options.start) + 1e-9)
        self._width = max(1, round(math.ldexp(self._start, self._highest)))

    def __len__(self) -> int:
        """Return of how many clients something is known."""
        return len(self._clients)

    def interval(self, login: str, address: str) -> float:
        """Return the seconds between two beats of this client."""
        client = self._clients.get((login, address))
        return self._start if client is None else math.ldexp(self._start, client.level)

    def next_beat(self, login: str, address: str) -> float:
        """
        Return when this client's idling connections are to be sent a sign of life, all of them at once.

        Args:
            login: The account.
            address: Where the client is; what shares one shares its beats, whatever the account.

        """
        interval = self.interval(login, address)
        # A webmail or a proxy on this machine is no phone: its connections are spread instead.
        here = address.startswith("127.") or address in ("::1", "unix")
        phase = crc32((login if here else address).encode("utf-8", "replace")) % self._width
        return phase + (math.floor((self._clock() + _ROOM - phase) / interval) + 1) * interval

    def heard(self, login: str, address: str, beats: int = 0) -> None:
        """
        Take note that the client is there: it began to idle, or ended it in good order.

        Args:
            login: The account.
            address: Where it is.
            beats: Keep-alives sent since this connection was heard of last. Between the first and the second of them
                it was silent for a whole interval.

        """
        client = self._client(login, address)
        client.heard = self._clock()
        if beats < 2 or client.level >= self._highest:
            return
        client.survived += 1
        if client.survived >= client.needed:
            client.survived = 0
            client.level += 1

    def lost(self, login: str, address: str, beats: int, next_beat: float, error: Exception | None) -> bool:
        """
        Learn from the end of a connection that idled; returns whether the interval is shorter now.

        Connections that die together, as those of one client do, count once.

        Args:
            login: The account.
            address: Where it was.
            beats: Keep-alives sent since it was heard of last.
            next_beat: When the next one would have been.
            error: What ended it, None if the client hung up.

        """
        known = self._clients.get((login, address))
        if beats == 0 or known is None:
            return False
        recently = self._clock() - self._unacknowledged
        if isinstance(error, TimeoutError):
            if known.heard < recently:
                return False
        elif isinstance(error, ConnectionResetError):
            last_beat = next_beat - math.ldexp(self._start, known.level)
            if self._clock() - last_beat > ANSWERED_WITHIN:
                return False
        else:
            return False
        if known.lowered > recently:
            return False
        client = self._client(login, address)
        client.lowered = self._clock()
        client.level = max(client.level - 1, self._lowest)
        client.survived = 0
        client.needed = min(client.needed * 2, SURVIVED_AT_MOST)
        return True

    def _client(self, login: str, address: str) -> _Client:
        key = (login, address)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
            if len(self._clients) > self._remembered:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(key)
        return client


__all__ = ["KeepAlive", "KeepAliveOptions"]
