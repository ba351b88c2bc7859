"""Every response a server can give, as data: what `grammar.response` parses and writes."""

from dataclasses import dataclass
from enum import Enum

from ..model.flags import Flag
from ..model.ids import UID, ModSeq, SeqNum, UIDValidity
from ..model.numbers import UIDSet
from ..model.structure import BodyStructure, Envelope
from .commands import Section, StatusItem


class Condition(Enum):
    """resp-cond-state and its kin (RFC 9051 §7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"
    PREAUTH = b"PREAUTH"


@dataclass(frozen=True, slots=True)
class Code:
    """
    resp-text-code without typed arguments (RFC 9051 §7.1): ALERT, TRYCREATE, READ-ONLY, UNAVAILABLE …

    Codes we do not know are this as well; `text` is what followed the atom.
    """

    name: str
    text: bytes | None = None


@dataclass(frozen=True, slots=True)
class NumberCode:
    """UIDNEXT, UIDVALIDITY, UNSEEN, HIGHESTMODSEQ and other codes with one number."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class FlagsCode:
    """PERMANENTFLAGS; `\\*` stands among the flags if new keywords may be made."""

    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class CapabilityCode:
    """CAPABILITY within a status response."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppendUid:
    """APPENDUID (RFC 4315 §3)."""

    uid_validity: UIDValidity
    uids: UIDSet


@dataclass(frozen=True, slots=True)
class CopyUid:
    """COPYUID (RFC 4315 §3): the sources and, in the same order, what they became."""

    uid_validity: UIDValidity
    source: UIDSet
    target: UIDSet


@dataclass(frozen=True, slots=True)
class BadCharset:
    """BADCHARSET, with the charsets the server knows."""

    charsets: tuple[str, ...] = ()


ResponseCode = Code | NumberCode | FlagsCode | CapabilityCode | AppendUid | CopyUid | BadCharset


@dataclass(frozen=True, slots=True)
class StatusResponse:
    """Untagged OK, NO, BAD, BYE or PREAUTH."""

    condition: Condition
    code: ResponseCode | None
    text: bytes


@dataclass(frozen=True, slots=True)
class Tagged:
    """The end of a command: OK, NO or BAD."""

    tag: bytes
    condition: Condition
    code: ResponseCode | None
    text: bytes


@dataclass(frozen=True, slots=True)
class Continuation:
    """`+`: text for people, or base64 during AUTHENTICATE."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """CAPABILITY."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enabled:
    """ENABLED."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagsResponse:
    """FLAGS."""

    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class ListResponse:
    """LIST, or LSUB when `subscribed`."""

    attributes: tuple[str, ...]
    delimiter: str | None
    mailbox: str
    subscribed: bool = False


@dataclass(frozen=True, slots=True)
class StatusItems:
    """STATUS; items we do not know are left out."""

    mailbox: str
    items: tuple[tuple[StatusItem, int], ...]


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """SEARCH: numbers are of the kind that was asked for."""

    numbers: tuple[int, ...]
    mod_seq: ModSeq | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """EXISTS."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """RECENT."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """EXPUNGE."""

    seq: SeqNum


@dataclass(frozen=True, slots=True)
class UidItem:
    """UID n."""

    uid: UID


@dataclass(frozen=True, slots=True)
class FlagsItem:
    """FLAGS (...)."""

    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class InternalDateItem:
    """INTERNALDATE; seconds since 1970, UTC."""

    internal_date: int


@dataclass(frozen=True, slots=True)
class SizeItem:
    """RFC822.SIZE."""

    octets: int


@dataclass(frozen=True, slots=True)
class EnvelopeItem:
    """ENVELOPE."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class BodyStructureItem:
    """BODYSTRUCTURE, or BODY when `short`."""

    structure: BodyStructure
    short: bool = False


@dataclass(frozen=True, slots=True)
class BodyItem:
    """BODY[section]<origin>; RFC822, RFC822.HEADER and RFC822.TEXT are told by `name`."""

    section: Section
    origin: int | None
    data: bytes | None
    name: bytes = b"BODY"


@dataclass(frozen=True, slots=True)
class UnknownItem:
    """A fetch item we do not know (X-GM-LABELS …): its name and value as they stood."""

    name: str
    value: bytes


FetchedItem = (
    UidItem | FlagsItem | InternalDateItem | SizeItem | EnvelopeItem | BodyStructureItem | BodyItem | UnknownItem
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """FETCH."""

    seq: SeqNum
    items: tuple[FetchedItem, ...]


@dataclass(frozen=True, slots=True)
class Namespaces:
    """NAMESPACE (RFC 2342): personal, other users', shared; each a tuple of (prefix, delimiter), None is NIL."""

    personal: tuple[tuple[str, str | None], ...] | None
    other: tuple[tuple[str, str | None], ...] | None
    shared: tuple[tuple[str, str | None], ...] | None


@dataclass(frozen=True, slots=True)
class IdResponse:
    """ID (RFC 2971)."""

    fields: tuple[tuple[str, str | None], ...] | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An untagged response we do not know: its bytes after `* `, without the end of line."""

    data: bytes


Untagged = (
    StatusResponse
    | Capabilities
    | Enabled
    | FlagsResponse
    | ListResponse
    | StatusItems
    | SearchResponse
    | Exists
    | Recent
    | Expunged
    | Fetched
    | Namespaces
    | IdResponse
    | Unknown
)
Response = Untagged | Tagged | Continuation
