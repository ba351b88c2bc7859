"""What happens to the machine, and what it wants: its whole interface, as data."""

from dataclasses import dataclass, field
from enum import Enum

from ..imap.client import ClientConnection, ClientEvent
from ..model.ids import UID, UIDValidity
from ..sasl import ClientMechanism
from ..sieve import Actions
from .act import Step
from .facts import Gathered
from .ledger import Answer, Place, Request

# what happens to the machine


@dataclass(frozen=True, slots=True)
class Started:
    """Begin. The first event, once."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the connection told in one go."""

    events: tuple[ClientEvent, ...]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """TLS is on."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a login by SCRAM needs: something random, and the channel binding of the connection if it has one."""

    nonce: str
    binding: tuple[str, bytes] | None


@dataclass(frozen=True, slots=True)
class Derived:
    """What a mechanism answers; None cancels."""

    response: bytes | None


@dataclass(frozen=True, slots=True)
class Authorized:
    """
    The account's access token, or why there is none.

    Attributes:
        token: Itself, "" if there is none.
        good_for: Seconds until there will be a better one.
        new: Whether it was given out just now.
        problem: Why there is none.
        final: Whether somebody has to do something before there is one.

    """

    token: str = field(default="", repr=False)
    good_for: float = 0.0
    new: bool = False
    problem: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection, or none any more; `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The journal's answer to the request of that number."""

    number: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The deadline is over, or may be: `now` says."""


@dataclass(frozen=True, slots=True)
class Woke:
    """The computer slept, or the network is another one: prove that the server is still there (faults F77, F80)."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """End as soon as possible."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rule of that Consult wants the message itself; answered with Handed."""

    number: int


@dataclass(frozen=True, slots=True)
class Consulted:
    """
    What a rule in Python says.

    Attributes:
        number: Of the Consult.
        actions: What it decided, None if it could not.
        trouble: Why not.

    """

    number: int
    actions: Actions | None
    trouble: str = ""


Event = (
    Started
    | Heard
    | Upgraded
    | Bound
    | Derived
    | Authorized
    | Lost
    | Answered
    | Wanted
    | Consulted
    | DeadlineReached
    | Woke
    | StopRequested
)


# what the machine wants


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect, drive this new connection, and tell what it hears; with TLS from the first byte if `tls`."""

    connection: ClientConnection
    tls: bool


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Begin TLS on the connection now; answer with Upgraded or Lost."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Say what a login by SCRAM needs; answer with Bound."""


@dataclass(frozen=True, slots=True)
class Derive:
    """Have the mechanism answer a challenge, in a thread, since it takes long on purpose; answer with Derived."""

    mechanism: ClientMechanism = field(repr=False)
    challenge: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorize:
    """Say the account's access token, and another one than that which the server refused; answer with Authorized."""

    refused: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Send what is to be sent, then forget the connection; nothing of it is to be told any more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Give the request to the journal, in order; answer with Answered."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class Consult:
    """
    Ask the account's rule in Python; answer with Wanted, any number of times, and then with Consulted.

    Attributes:
        number: Its own.
        mailbox: Where the message is.
        message: The message, with its whole header.

    """

    number: int
    mailbox: str
    message: Gathered = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handed:
    """The message that a rule wanted; None if it is gone."""

    number: int
    whole: bytes | None = field(repr=False)


class State(Enum):
    """Where the machine stands, for people."""

    CONNECTING = "connecting"
    SYNCING = "syncing"
    IDLE = "idle"
    POLLING = "polling"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """
    The machine stands elsewhere.

    Attributes:
        state: Where.
        reason: Why, "" if it is as it should be.
        until: End of a backoff, on the clock of `now`.

    """

    state: State
    reason: str = ""
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """
    A message is where the rules want it, for the log and for who counts.

    Attributes:
        place: The watched mailbox.
        uid: Its UID there.
        message_id: Its Message-ID, "" if it has none.
        steps: What was done.
        target: UIDVALIDITY and UID in the mailbox it was moved or copied to, if the server said so.
        subject: For people.
        heard_at: When the server announced it, on the clock of `now`; None if it was found by looking.
        filed_at: When the server confirmed the last step.

    """

    place: Place
    uid: UID
    message_id: str
    steps: tuple[Step, ...]
    target: tuple[UIDValidity, UID] | None
    heard_at: float | None
    filed_at: float
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know; nothing stops because of it."""

    text: str


Output = (
    Connect | Upgrade | Bind | Derive | Authorize | Disconnect | Ask | Consult | Handed | StateChanged | Filed | Warned
)
