"""What all IMAP sessions of one server share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ssl import SSLContext

from ...net.deadlines import Deadlines
from ...push.hub import Hub
from ...store.store import Store
from ..accounts import Accounts
from ..filtering.events import Events
from ..limits import Connections
from ..logins import Logins
from ..quota import QuotaLimits
from ..refusals import Refusals
from ..sessions import Sessions
from ..timeline import Timeline
from .columns import Columns
from .keepalive import KeepAlive, KeepAliveOptions


@dataclass(frozen=True, slots=True)
class ImapOptions:
    """
    Settings of the IMAP side.

    Attributes:
        max_message_size: Largest message APPEND takes, octets.
        message_limit: Messages that one command may name; 1,000 at least (RFC 9738 §3).
        login_timeout: Seconds a connection may stay without logging in.
        inactivity_timeout: Seconds without a command before log-out; RFC 9051 §5.4 asks for 1,800 or more.
        quota: How much an account may keep.
        keep_alive: How often `* OK Still here` is sent to an idling client; keeps NAT tables warm.
        sieve_url: Where the scripts are managed that run after what clients do (RFC 6785 §2.1); "": nowhere.

    """

    max_message_size: int = 50 * 2**20
    message_limit: int = 1_000_000
    login_timeout: float = 60.0
    inactivity_timeout: float = 1860.0
    quota: QuotaLimits = field(default_factory=QuotaLimits)
    keep_alive: KeepAliveOptions = field(default_factory=KeepAliveOptions)
    sieve_url: str = ""


@dataclass(slots=True)
class ImapContext:
    """The server as its sessions see it."""

    store: Store
    hub: Hub
    accounts: Accounts
    logins: Logins
    connections: Connections
    deadlines: Deadlines
    keep_alive: KeepAlive
    options: ImapOptions
    tls: SSLContext | None
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sessions: Sessions
    timeline: Timeline
    refusals: Refusals = field(default_factory=Refusals)
    columns: Columns | None = None
    """What searches keep in memory."""
    events: Events | None = None
    """Takes note of what clients do, for scripts; None: no scripts are run for that."""
