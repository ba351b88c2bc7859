"""Every response a server can give, as data: what `grammar.response` parses and writes."""

from enum import Enum

from msgspec import Struct

from ..model.flags import Flag
from ..model.ids import UID, ModSeq, SeqNum, UIDValidity
from ..model.numbers import NumberSet, UIDSet
from ..model.structure import BodyStructure, Envelope
from .commands import Section, StatusItem


class Condition(Enum):
    """resp-cond-state and its kin (RFC 9051 §7.1)."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"
    PREAUTH = b"PREAUTH"


class Code(Struct, frozen=True):
    """
    resp-text-code without typed arguments (RFC 9051 §7.1): ALERT, TRYCREATE, READ-ONLY, UNAVAILABLE …

    Codes we do not know are this as well; `text` is what followed the atom.
    """

    name: str
    text: bytes | None = None


class NumberCode(Struct, frozen=True):
    """UIDNEXT, UIDVALIDITY, UNSEEN, HIGHESTMODSEQ and other codes with one number."""

    name: str
    number: int


class FlagsCode(Struct, frozen=True):
    """PERMANENTFLAGS; `\\*` stands among the flags if new keywords may be made."""

    flags: tuple[Flag, ...]


class CapabilityCode(Struct, frozen=True):
    """CAPABILITY within a status response."""

    capabilities: tuple[str, ...]


class AppendUid(Struct, frozen=True):
    """APPENDUID (RFC 4315 §3)."""

    uid_validity: UIDValidity
    uids: UIDSet


class CopyUid(Struct, frozen=True):
    """COPYUID (RFC 4315 §3): the sources and, in the same order, what they became."""

    uid_validity: UIDValidity
    source: UIDSet
    target: UIDSet


class NoUpdate(Struct, frozen=True):
    """NOUPDATE (RFC 5267 §4.3.1): nothing will be told of later changes to the result of this command."""

    tag: bytes


class BadCharset(Struct, frozen=True):
    """BADCHARSET, with the charsets the server knows."""

    charsets: tuple[str, ...] = ()


class BadEvent(Struct, frozen=True):
    """BADEVENT (RFC 5465 §3.1): which events the server can tell."""

    supported: tuple[str, ...]


class Modified(Struct, frozen=True):
    """MODIFIED (RFC 7162 §3.1.3): message numbers, after UID STORE UIDs, that had changed and were left alone."""

    numbers: NumberSet


class InProgress(Struct, frozen=True):
    """
    INPROGRESS (RFC 9585): a command is still at work.

    Attributes:
        tag: Which command, None if it is not said.
        progress: How much is done, None if not known.
        goal: How much there is to do, from 1; None if not known.

    """

    tag: bytes | None = None
    progress: int | None = None
    goal: int | None = None


class MessageLimit(Struct, frozen=True):
    """MESSAGELIMIT (RFC 9738): no more messages in one command; `lowest` is the UID of the last that it reached."""

    limit: int
    lowest: UID | None = None


ResponseCode = (
    Code
    | NumberCode
    | FlagsCode
    | CapabilityCode
    | AppendUid
    | CopyUid
    | BadCharset
    | Modified
    | NoUpdate
    | InProgress
    | MessageLimit
    | BadEvent
)


class StatusResponse(Struct, frozen=True):
    """Untagged OK, NO, BAD, BYE or PREAUTH."""

    condition: Condition
    code: ResponseCode | None
    text: bytes


class Tagged(Struct, frozen=True):
    """The end of a command: OK, NO or BAD."""

    tag: bytes
    condition: Condition
    code: ResponseCode | None
    text: bytes


class Continuation(Struct, frozen=True):
    """`+`: text for people, or base64 during AUTHENTICATE."""

    text: bytes


class Capabilities(Struct, frozen=True):
    """CAPABILITY."""

    capabilities: tuple[str, ...]


class Enabled(Struct, frozen=True):
    """ENABLED."""

    capabilities: tuple[str, ...]


class FlagsResponse(Struct, frozen=True):
    """FLAGS."""

    flags: tuple[Flag, ...]


class ListResponse(Struct, frozen=True):
    """
    LIST, or LSUB (RFC 9051 §7.3.1).

    Attributes:
        attributes: As written.
        delimiter: Of hierarchy, None if the mailbox has none.
        mailbox: Its name.
        subscribed: LSUB.
        child_info: CHILDINFO: what some mailbox below it meets, such as SUBSCRIBED.
        old_name: OLDNAME: what it was called before.

    """

    attributes: tuple[str, ...]
    delimiter: str | None
    mailbox: str
    subscribed: bool = False
    child_info: tuple[str, ...] = ()
    old_name: str | None = None


class StatusItems(Struct, frozen=True):
    """STATUS; items we do not know are left out. All are numbers but MAILBOXID (RFC 8474 §4.3)."""

    mailbox: str
    items: tuple[tuple[StatusItem, int | str], ...]


class SearchResponse(Struct, frozen=True):
    """SEARCH: numbers are of the kind that was asked for."""

    numbers: tuple[int, ...]
    mod_seq: ModSeq | None = None


class ResultUpdate(Struct, frozen=True):
    """
    One pair of ADDTO or REMOVEFROM (RFC 5267 §4.3): what came to the results of an earlier search, or left them.

    Attributes:
        added: ADDTO; otherwise REMOVEFROM.
        position: From 1, where the first of them stands when it is there; 0: wherever it belongs.
        numbers: Of the kind the search was given in, in the order of the results.

    """

    added: bool
    position: int
    numbers: NumberSet


class ESearchResponse(Struct, frozen=True):
    """
    ESEARCH (RFC 9051 §7.3.4, RFC 7377 §2.1).

    Attributes:
        tag: Of the command that asked.
        by_uid: All numbers here are UIDs.
        low: MIN.
        high: MAX.
        numbers: ALL; a SeqSet or a UIDSet, in the order asked for.
        count: COUNT.
        mod_seq: MODSEQ (RFC 7162 §3.1.10).
        partial: PARTIAL: the range that was asked for, and the results in it, None if there are none.
        updates: ADDTO and REMOVEFROM, to be taken in this order.
        mailbox: Where, in an answer to the ESEARCH command.
        uid_validity: The mailbox's.

    """

    tag: bytes | None
    by_uid: bool = False
    low: int | None = None
    high: int | None = None
    numbers: NumberSet | None = None
    count: int | None = None
    mod_seq: ModSeq | None = None
    partial: tuple[tuple[int, int], NumberSet | None] | None = None
    updates: tuple[ResultUpdate, ...] = ()
    mailbox: str | None = None
    uid_validity: UIDValidity | None = None


class SortResponse(Struct, frozen=True):
    """SORT (RFC 5256 §4): numbers of the kind that was asked for, in the order that was asked for."""

    numbers: tuple[int, ...]
    mod_seq: ModSeq | None = None


class Thread(Struct, frozen=True):
    """
    A message and those below it (RFC 5256 §4).

    Attributes:
        number: The message, None where a parent is missing that several would have.
        below: What answers it, in order.

    """

    number: int | None
    below: "tuple[Thread, ...]" = ()


class ThreadResponse(Struct, frozen=True):
    """THREAD (RFC 5256 §4): numbers of the kind that was asked for."""

    threads: tuple[Thread, ...]


class Quota(Struct, frozen=True):
    """QUOTA (RFC 9208 §4.2.1): resources by name, with what is used of them and their limit."""

    root: bytes
    resources: tuple[tuple[str, int, int], ...]


class QuotaRoots(Struct, frozen=True):
    """QUOTAROOT (RFC 9208 §4.2.2)."""

    mailbox: str
    roots: tuple[bytes, ...]


class AclResponse(Struct, frozen=True):
    """ACL (RFC 4314 §3.6): identifiers and their rights."""

    mailbox: str
    entries: tuple[tuple[str, str], ...]


class ListRightsResponse(Struct, frozen=True):
    """LISTRIGHTS (RFC 4314 §3.7): what an identifier always has, and what it can be given, tied rights together."""

    mailbox: str
    identifier: str
    required: str
    optional: tuple[str, ...]


class MyRightsResponse(Struct, frozen=True):
    """MYRIGHTS (RFC 4314 §3.8)."""

    mailbox: str
    rights: str


class Metadata(Struct, frozen=True):
    """METADATA (RFC 5464 §4.4): entries with values, or those that have changed without them; "" is the server."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...] = ()
    changed: tuple[str, ...] = ()


class Exists(Struct, frozen=True):
    """EXISTS."""

    count: int


class Recent(Struct, frozen=True):
    """RECENT."""

    count: int


class Expunged(Struct, frozen=True):
    """EXPUNGE."""

    seq: SeqNum


class Vanished(Struct, frozen=True):
    """VANISHED (RFC 7162 §3.2.10): EXPUNGE by UID; `earlier`: before now, so that no message number changes."""

    uids: UIDSet
    earlier: bool = False


class UidItem(Struct, frozen=True):
    """UID n."""

    uid: UID


class FlagsItem(Struct, frozen=True):
    """FLAGS (...)."""

    flags: tuple[Flag, ...]


class ModSeqItem(Struct, frozen=True):
    """MODSEQ (n) (RFC 7162 §3.1.4.2)."""

    mod_seq: ModSeq


class InternalDateItem(Struct, frozen=True):
    """INTERNALDATE; seconds since 1970, UTC."""

    internal_date: int


class SizeItem(Struct, frozen=True):
    """RFC822.SIZE."""

    octets: int


class EnvelopeItem(Struct, frozen=True):
    """ENVELOPE."""

    envelope: Envelope


class BodyStructureItem(Struct, frozen=True):
    """BODYSTRUCTURE, or BODY when `short`."""

    structure: BodyStructure
    short: bool = False


class BodyItem(Struct, frozen=True):
    """BODY[section]<origin>; RFC822, RFC822.HEADER and RFC822.TEXT are told by `name`."""

    section: Section
    origin: int | None
    data: bytes | None
    name: bytes = b"BODY"


class BinaryItem(Struct, frozen=True):
    """BINARY[part]<origin> (RFC 3516 §4.3)."""

    part: tuple[int, ...]
    origin: int | None
    data: bytes | None


class BinarySizeItem(Struct, frozen=True):
    """BINARY.SIZE[part] (RFC 3516 §4.3)."""

    part: tuple[int, ...]
    octets: int


class PreviewItem(Struct, frozen=True):
    """PREVIEW (RFC 8970 §3.2): UTF-8; None if there is none yet."""

    text: bytes | None


class EmailIdItem(Struct, frozen=True):
    """EMAILID (RFC 8474 §5.1): the same for all copies of a message."""

    email_id: str


class ThreadIdItem(Struct, frozen=True):
    """THREADID (RFC 8474 §5.2)."""

    thread_id: str | None


class SaveDateItem(Struct, frozen=True):
    """SAVEDATE (RFC 8514 §4.2); seconds since 1970, UTC; None if the mailbox does not keep it."""

    saved: int | None


class UnknownItem(Struct, frozen=True):
    """A fetch item we do not know (X-GM-LABELS …): its name and value as they stood."""

    name: str
    value: bytes


FetchedItem = (
    UidItem
    | FlagsItem
    | ModSeqItem
    | InternalDateItem
    | SizeItem
    | EnvelopeItem
    | BodyStructureItem
    | BodyItem
    | BinaryItem
    | BinarySizeItem
    | PreviewItem
    | EmailIdItem
    | ThreadIdItem
    | SaveDateItem
    | UnknownItem
)


class Fetched(Struct, frozen=True):
    """FETCH."""

    seq: SeqNum
    items: tuple[FetchedItem, ...]


class UidFetched(Struct, frozen=True):
    """UIDFETCH (RFC 9586 §3.3): FETCH of one that knows UIDs only."""

    uid: UID
    items: tuple[FetchedItem, ...]


class Namespaces(Struct, frozen=True):
    """NAMESPACE (RFC 2342): personal, other users', shared; each a tuple of (prefix, delimiter), None is NIL."""

    personal: tuple[tuple[str, str | None], ...] | None
    other: tuple[tuple[str, str | None], ...] | None
    shared: tuple[tuple[str, str | None], ...] | None


class IdResponse(Struct, frozen=True):
    """ID (RFC 2971)."""

    fields: tuple[tuple[str, str | None], ...] | None


class Unknown(Struct, frozen=True):
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
    | ESearchResponse
    | SortResponse
    | ThreadResponse
    | Metadata
    | Quota
    | QuotaRoots
    | AclResponse
    | ListRightsResponse
    | MyRightsResponse
    | Exists
    | Recent
    | Expunged
    | Vanished
    | Fetched
    | UidFetched
    | Namespaces
    | IdResponse
    | Unknown
)
Response = Untagged | Tagged | Continuation
