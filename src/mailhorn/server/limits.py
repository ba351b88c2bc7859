"""How many connections anybody may have, and how often anybody may guess a password.

Plain counters in memory: a restart forgets them. This machine's own connections count for the total only, unless one
wants it otherwise, since a webmail or a proxy brings everybody's from there; an IPv6 customer is a /64, not an address.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    Connections at once, over all protocols.

    Attributes:
        total: Of the whole server. All of them idle take 120 MiB in the clear and 640 MiB under TLS, which a machine
            with 1 GB has; well below the file descriptors a service usually may have (65,536).
        per_address: From one address; an office of a hundred people behind one NAT address fits.
        per_account: Logged in as one account; ten devices of ten connections each fit.
        this_machine: Whether the limits per address and per account hold for this machine's own connections too.

    """

    total: int = 20_000
    per_address: int = 1_000
    per_account: int = 100
    this_machine: bool = False


class Refusal(NamedTuple):
    """
    Why somebody may not connect.

    Attributes:
        text: For people.
        code: For IMAP clients: UNAVAILABLE if waiting helps, LIMIT if having fewer connections does (RFC 5530 §3).

    """

    text: str
    code: str


class Connections:
    """
    Who is connected. Implements `net.listen.Door`.

    Attributes:
        limits: How many there may be.
        total: How many there are.

    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.total = 0
        self._addresses: dict[str, int] = {}
        self._accounts: dict[str, int] = {}

    def enter(self, address: str) -> Refusal | None:
        """Count a connection and return None; or return why there may be no more, and count nothing."""
        if self.total >= self.limits.total:
            return Refusal("Too many connections, try again later", "UNAVAILABLE")
        key = self._neighbour(address)
        if key is not None:
            count = self._addresses.get(key, 0)
            if count >= self.limits.per_address:
                return Refusal(f"Too many connections from your address, {count} are open", "LIMIT")
            self._addresses[key] = count + 1
        self.total += 1
        return None

    def leave(self, address: str) -> None:
        """A connection that `enter` counted is gone."""
        self.total -= 1
        key = self._neighbour(address)
        if key is not None:
            _less(self._addresses, key)

    def log_in(self, login: str, address: str) -> Refusal | None:
        """Count a login and return None; or return why there may be no more, and count nothing."""
        if self._neighbour(address) is None:
            return None
        count = self._accounts.get(login, 0)
        if count >= self.limits.per_account:
            return Refusal(f"Too many connections of this account, {count} are open", "LIMIT")
        self._accounts[login] = count + 1
        return None

    def log_out(self, login: str, address: str) -> None:
        """A connection whose `log_in` returned None is gone."""
        if self._neighbour(address) is not None:
            _less(self._accounts, login)

    @property
    def accounts(self) -> int:
        """Return how many accounts are counted now."""
        return len(self._accounts)

    @property
    def addresses(self) -> int:
        """Return how many addresses are counted now."""
        return len(self._addresses)

    def _neighbour(self, address: str) -> str | None:
        """Return under what the address is counted, None if it is not."""
        key = network(address)
        return "this machine" if key is None and self.limits.this_machine else key


@dataclass(frozen=True, slots=True)
class GuessLimits:
    """
    How failed logins slow down the next ones, in seconds.

    Attributes:
        free: Failures with one login from one address that cost nothing: typing mistakes.
        free_per_address: Failures with any logins from one address that cost nothing.
        first: Wait after the first that is not free; it doubles with each further one.
        longest: No wait is longer; mail clients give up after 20 to 30.
        patience: Attempts that would have to wait longer, behind others of the same kind, are refused at once.
        memory: How long failures are remembered.
        remembered: How many pairs of address and login, and how many addresses, are remembered.

    """

    free: int = 2
    free_per_address: int = 20
    first: float = 0.5
    longest: float = 15.0
    patience: float = 30.0
    memory: float = 900.0
    remembered: int = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    next_try: float


class Guesses:
    """
    Failed logins by (address, login) and by address.

    Attempts of one kind are spaced, so a hundred at once get no further than one after the other.
    """

    def __init__(self, limits: GuessLimits, clock: Callable[[], float]) -> None:
        """
        Begin with a clean slate.

        Args:
            limits: The limits.
            clock: Any clock that goes forward, in seconds.

        """
        self.limits = limits
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str | None], _Failures] = OrderedDict()

    def wait(self, address: str, login: str) -> float | None:
        """Return how many seconds this attempt must wait, None to refuse it; the next one waits for it, too."""
        now = self._clock()
        known: list[tuple[_Failures, float]] = []
        start = now
        for key, free in self._keys(address, login):
            failures = self._recent(key, now)
            if failures is not None and failures.count > free:
                known.append((failures, self._delay(failures.count - free)))
                start = max(start, failures.next_try)
        if start - now > self.limits.patience:
            return None
        for failures, delay in known:
            failures.next_try = start + delay
        return start - now

    def failed(self, address: str, login: str) -> None:
        """Remember a failure."""
        now = self._clock()
        for key, free in self._keys(address, login):
            failures = self._recent(key, now)
            if failures is None:
                failures = self._failures[key] = _Failures(0, now, now)
            failures.count += 1
            failures.last = now
            if failures.count > free:
                failures.next_try = max(failures.next_try, now + self._delay(failures.count - free))
            self._failures.move_to_end(key)
        while len(self._failures) > 2 * self.limits.remembered:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, login: str) -> None:
        """Forget the failures with this login from there. Those of the address stay: one may own an account."""
        self._failures.pop((network(address) or "", login), None)

    def _keys(self, address: str, login: str) -> list[tuple[tuple[str, str | None], int]]:
        key = network(address)
        keys: list[tuple[tuple[str, str | None], int]] = [((key or "", login), self.limits.free)]
        if key is not None:
            keys.append(((key, None), self.limits.free_per_address))
        return keys

    def _recent(self, key: tuple[str, str | None], now: float) -> _Failures | None:
        failures = self._failures.get(key)
        if failures is not None and now - failures.last > self.limits.memory:
            del self._failures[key]
            return None
        return failures

    def _delay(self, count: int) -> float:
        return float(min(self.limits.first * 2 ** min(count - 1, 30), self.limits.longest))


def network(address: str) -> str | None:
    """Return what counts as one neighbour: an IPv4 address, an IPv6 /64; None for this machine itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if parsed.is_loopback:
        return None
    if parsed.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return address


def _less(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]


__all__ = ["ConnectionLimits", "Connections", "GuessLimits", "Guesses", "Refusal", "network"]
