"""What is asked of the journal and what it answers. Data only: the machine speaks it and does no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..model.ids import UID, UIDValidity
from .act import Step


class ActionState(Enum):
    """How far an action is; the value is how the journal spells it."""

    PLANNED = "planned"
    """Nothing was sent yet."""
    SENT = "sent"
    """Maybe done: the command is on the wire, or was when the process or the connection died."""
    DONE = "done"
    GONE = "gone"
    """The message was no longer there when its turn came: the user, or another client, was first."""
    FAILED = "failed"
    """The server refused it too often; the message is where it was."""
    HELD = "held"
    """The brake holds it until a person decides; the message is where it was."""
    UNDONE = "undone"
    """It was done, and a person has taken it back."""
    DROPPED = "dropped"
    """The brake held it, and a person wants it not done."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """
    A letter, or what a web address is told.

    Attributes:
        step: Of the row's steps, which one it carries out.
        sender: Reverse path, "" for none.
        recipients: Addresses; the URI for a web address.
        content: The message; JSON for a web address.
        once: What is remembered of it; if that is remembered already it is not sent. b"": always sent.
        seconds: For how long.

    """

    step: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    once: bytes = b""
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Memo:
    """
    What a rule has seen and is to be remembered (RFC 7352).

    Attributes:
        key: A hash of it.
        seconds: For how long.
        last: From now on, also if it is remembered already.

    """

    key: bytes
    seconds: int
    last: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A message to be recorded, with all that is to be done to it; no steps if no rule matched."""

    uid: UID
    message_id: str
    """"" if it has none."""
    internal_date: int
    """Seconds since 1970, UTC."""
    size: int
    steps: tuple[Step, ...]
    trouble: str = ""
    """Why the rules could not be asked, "" if they could: it is left alone, in quarantine where it is."""
    sender: str = ""
    """Its From, for people."""
    subject: str = ""
    undoes: int = 0
    """The journal's number of the message whose actions this takes back, 0 if it does not."""
    parcels: tuple[Parcel, ...] = ()
    """What those of the steps send that send something."""
    memos: tuple[Memo, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """
    What is left to do to a recorded message.

    Attributes:
        uid: The message.
        message_id: Its Message-ID, "" if it has none.
        internal_date: Seconds since 1970, UTC.
        size: Octets.
        steps: What is left, with the number each step has in the journal.
        sent: Whether the first of them may have been done already.
        attempts: How often the server refused the first of them.
        subject: For people.

    """

    uid: UID
    message_id: str
    internal_date: int
    size: int
    steps: tuple[tuple[int, Step], ...]
    sent: bool = False
    attempts: int = 0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A watched mailbox: the account's name in the settings, and the mailbox."""

    account: str
    mailbox: str


@dataclass(frozen=True, slots=True)
class Load:
    """Ask where a mailbox stands; answered with Loaded."""

    place: Place


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    Where a mailbox stands.

    Attributes:
        uid_validity: Its epoch, None if it was never seen.
        cursor: Every UID below it is recorded.
        unfinished: What was begun, in order of UID.
        renewal: Seconds an IDLE may last there, None if nothing was learned.
        missed: How often there was mail that the server had not announced.
        backlog: UIDs below it were there before the watcher.

    """

    uid_validity: UIDValidity | None
    cursor: int
    unfinished: tuple[Task, ...]
    renewal: float | None = None
    missed: int = 0
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    Begin a mailbox, or a new epoch of it; unfinished actions of an older epoch are GONE. Answered with Recorded.

    Attributes:
        place: The mailbox.
        uid_validity: Its epoch.
        cursor: Every UID below it is taken as recorded.
        backlog: UIDs below it were there before, and are filed because somebody wants that: no brake.

    """

    place: Place
    uid_validity: UIDValidity
    cursor: int
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class Brake:
    """
    How much one rule may take out of a mailbox in `journal.BRAKE_PERIOD`: the larger of the two.

    Attributes:
        share: A part of the messages in it.
        at_least: Messages.
        present: How many messages are in it.

    """

    share: float
    at_least: int
    present: int

    @property
    def limit(self) -> float:
        """How many messages that are."""
        return max(self.at_least, self.share * self.present)


@dataclass(frozen=True, slots=True)
class Record:
    """
    Record messages and move the cursor. Answered with Recorded.

    A message that one of our own actions put into this mailbox loses its steps: it has been handled (fault F72).

    Attributes:
        place: The mailbox.
        uid_validity: Its epoch.
        cursor: Every UID below it is recorded after this.
        rows: The messages.
        sent: The first step of each is SENT at once, because it will be; otherwise PLANNED.
        brake: What holds a rule that takes away too much; None for nothing.

    """

    place: Place
    uid_validity: UIDValidity
    cursor: int
    rows: tuple[Row, ...]
    sent: bool = True
    brake: Brake | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    It is durable.

    Attributes:
        ours: The messages that we put there ourselves.
        circling: Those that came back too often after we had moved them (fault F72).
        held: Those that the brake holds, and their rules.

    """

    ours: frozenset[UID] = frozenset()
    circling: frozenset[UID] = frozenset()
    held: Mapping[UID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """
    Record what a person wants done, whatever was recorded of these messages before. Answered with Ordered.

    What is unfinished of one of them goes first, so such a message is left out. The cursor stays.

    Attributes:
        place: The mailbox; it need not be a watched one.
        uid_validity: Its epoch.
        rows: The messages.

    """

    place: Place
    uid_validity: UIDValidity
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """Ask for what earlier orders left unfinished in a mailbox. Answered with Ordered."""

    place: Place
    uid_validity: UIDValidity


@dataclass(frozen=True, slots=True)
class Release:
    """
    Ask for what the brake holds of some messages; it becomes an order. Answered with Ordered.

    Attributes:
        place: The mailbox.
        uid_validity: Its epoch.
        uids: The messages.
        drop: It is not to be done, ever; nothing is ordered.

    """

    place: Place
    uid_validity: UIDValidity
    uids: tuple[UID, ...]
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is to be done now; the first step of each is SENT."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step of one message."""

    uid: UID
    step: int
    state: ActionState
    attempts: int = 0
    target: tuple[UIDValidity, UID] | None = None
    """Where the message is now, if the server said so."""
    reason: str = ""
    """Why not, if it was refused."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Note what became of steps. Answered with Settled."""

    place: Place
    uid_validity: UIDValidity
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Learn:
    """Keep what was learned of a server (faults F41, F54); see `Loaded`. Answered with Settled."""

    place: Place
    renewal: float
    missed: int


@dataclass(frozen=True, slots=True)
class Recall:
    """
    Ask for the time, and which of these the rules of an account have seen before. Answered with Recalled.

    Attributes:
        account: Its name.
        keys: See `Memo`.

    """

    account: str
    keys: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Recalled:
    """
    What only somebody with a clock and a memory can tell.

    Attributes:
        now: Seconds since 1970.
        zone: Minutes east of UTC: where the watcher runs.
        known: What is remembered.

    """

    now: int
    zone: int
    known: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Settled:
    """It is durable."""


@dataclass(frozen=True, slots=True)
class JournalFailed:
    """The request was not carried out: disk full, file broken. `reason` is for the operator."""

    reason: str


Request = Load | Baseline | Record | Settle | Learn | Order | Pending | Release | Recall
Answer = Loaded | Recorded | Settled | Ordered | Recalled | JournalFailed
