"""Why a connection ended, and how long the server is left alone after it. Pure.

Rule 1: every end has a class, and each class has its own pause; what is the network's fault is never taken for the
server's wish, nor that for a wrong password. Rule 2: a login that worked proves nothing: only a connection that lasted
makes its predecessors' troubles forgotten (fault F56).
"""

from enum import Enum

from ..imap.client import Completed
from ..imap.responses import Code, ResponseCode, StatusResponse

NET_GROWTH = 1.5
"""Factor from one failed attempt to connect to the next: a minute's pause after a dozen of them. Doubling left a
server that was away for three seconds alone for six."""
SURVIVAL = 300.0
"""Seconds a connection must have been in use before its predecessors' troubles are forgotten (fault F56)."""
FREE_RESTARTS = 15
"""Connections that may end, each after it was in use, with a reconnect at once: a server being restarted again and
again is caught up with promptly; one that drops its clients for hours is not hammered."""
MAX_AUTH_FAILURES = 3
"""Logins refused before the account is left alone: more lock accounts and ban addresses (fault F57)."""


class Trouble(Enum):
    """Whose fault it is that a connection ended, which says how long to wait."""

    NET = "network"
    BUSY = "busy"
    AUTH = "login"
    EXPIRED = "expired"
    """The login was good and its time is over (faults F42, F43): come back at once, once."""
    PROTOCOL = "protocol"
    MAILBOX = "mailbox"
    JOURNAL = "journal"
    SETTINGS = "settings"


_PAUSES: dict[Trouble, tuple[float, float]] = {
    # First and longest pause in seconds; NET has full jitter, the others at least half of it.
    Trouble.NET: (0.5, 60.0),
    Trouble.BUSY: (300.0, 3600.0),
    Trouble.AUTH: (300.0, 3600.0),
    Trouble.EXPIRED: (30.0, 3600.0),
    Trouble.PROTOCOL: (30.0, 3600.0),
    Trouble.MAILBOX: (60.0, 3600.0),
    Trouble.JOURNAL: (5.0, 300.0),
}


class Over(Exception):
    """This connection is of no more use."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(trouble, reason)
        self.trouble = trouble
        self.reason = reason

    @property
    def told(self) -> str:
        """The reason for people, with the class in front where the words do not say it."""
        named = self.trouble is Trouble.NET or self.reason.startswith(self.trouble.value)
        return self.reason if named else f"{self.trouble.value}: {self.reason}"


class Recovery:
    """Counts what went wrong and says how long to wait."""

    def __init__(self) -> None:
        self._failures = 0  # connections in a row that were never in use
        self._restarts = 0  # connections in a row that were, for a short time
        self._troubles: dict[Trouble, int] = {}

    def logged_in(self) -> None:
        """The password is right."""
        self._troubles.pop(Trouble.AUTH, None)

    def pause(self, over: Over, lasted: float | None, roll: float) -> float | None:
        """
        Return the seconds until the next connection; None for never, until the settings change.

        Args:
            over: What ended the last one.
            lasted: Seconds it was in use; None if it never was.
            roll: A random number in [0, 1).

        """
        if lasted is not None and lasted >= SURVIVAL:
            self._failures = self._restarts = 0
            self._troubles.clear()
        count = self._troubles[over.trouble] = self._troubles.get(over.trouble, 0) + 1
        if over.trouble is Trouble.SETTINGS or (over.trouble is Trouble.AUTH and count >= MAX_AUTH_FAILURES):
            return None
        first, longest = _PAUSES[over.trouble]
        if over.trouble is Trouble.NET:
            if lasted is None:
                self._failures += 1
            else:
                self._failures, self._restarts = 0, self._restarts + 1
            count = max(self._failures - 1, self._restarts - FREE_RESTARTS, 0)
            pause = roll * min(longest, first * NET_GROWTH ** min(count, 30))
        elif over.trouble is Trouble.EXPIRED and count == 1:
            pause = roll
        else:
            pause = jittered(over.trouble, count, roll)
        hint = _throttle_hint(over.reason)
        return pause if hint is None else min(max(pause, hint), 2 * longest)


def jittered(trouble: Trouble, count: int, roll: float) -> float:
    """Return the pause after so many troubles of one class, the first being 1; at least half of it is sure."""
    first, longest = _PAUSES[trouble]
    return (1 + roll) / 2 * min(longest, first * 2.0 ** min(count - 1, 30))


# what servers say

_BUSY_CODES = frozenset({"LIMIT", "INUSE", "OVERQUOTA"})
_BUSY_WORDS = ("too many", "simultaneous", "maximum number of connections", "throttled", "limit exceeded", "bandwidth")
_EXPIRED_CODES = frozenset({"EXPIRED"})
_EXPIRED_WORDS = ("accesstokenexpired", "token expired", "session expired", "token has expired")


def said(text: bytes) -> str:
    """What a server said, fit for a log."""
    return "".join(c if c.isprintable() else "?" for c in text[:200].decode("utf-8", "replace"))


def refusal(code: ResponseCode | None, text: bytes, otherwise: Trouble) -> Trouble:
    """Tell a server that has enough of us (faults F45 to F48), or whose login is over (F43), from any other refusal."""
    name = code.name.upper() if isinstance(code, Code) else ""
    words = text.lower().decode("utf-8", "replace")
    if name in _EXPIRED_CODES or any(word in words for word in _EXPIRED_WORDS):
        return Trouble.EXPIRED
    return Trouble.BUSY if name in _BUSY_CODES or any(word in words for word in _BUSY_WORDS) else otherwise


def refused(what: str, done: Completed, otherwise: Trouble) -> Over:
    """What follows from a command that we cannot do without, and that was refused."""
    return Over(refusal(done.code, done.text, otherwise), f"{what}: {said(done.text)}")


def refused_login(done: Completed) -> Over:
    """What follows from a login that was refused."""
    name = done.code.name.upper() if isinstance(done.code, Code) else ""
    # RFC 5530 §3: UNAVAILABLE is a server that cannot ask its password database just now.
    otherwise = Trouble.NET if name in ("UNAVAILABLE", "SERVERBUG", "CONTACTADMIN") else Trouble.AUTH
    return refused("login refused", done, otherwise)


def good_bye(response: StatusResponse) -> Over:
    """What follows from BYE (fault F37)."""
    return Over(refusal(response.code, response.text, Trouble.NET), f"the server said good-bye: {said(response.text)}")


def _throttle_hint(reason: str) -> float | None:
    """Return the seconds Exchange asks us to wait: `Suggested Backoff Time: 92415 milliseconds` (fault F45)."""
    _, found, rest = reason.partition("Backoff Time: ")
    digits = rest.split(" ", 1)[0]
    return int(digits) / 1000 if found and digits.isascii() and digits.isdigit() and len(digits) < 10 else None
