"""What SEARCH, SORT, THREAD and ESEARCH ask, as data (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5256, RFC 7377)."""

from collections.abc import Hashable, Iterator
from datetime import date
from enum import Enum

from msgspec import Struct

from .flags import Flag
from .ids import ModSeq
from .numbers import SeqSet, UIDSet


class All(Struct, frozen=True):
    """Every message."""


class And(Struct, frozen=True):
    """All of the keys; several keys in a row mean this."""

    keys: "tuple[SearchKey, ...]"


class Or(Struct, frozen=True):
    """Either key."""

    left: "SearchKey"
    right: "SearchKey"


class Not(Struct, frozen=True):
    """The key does not match."""

    key: "SearchKey"


class InSequence(Struct, frozen=True):
    """Sequence numbers of the session."""

    numbers: SeqSet


class InUIDs(Struct, frozen=True):
    """UID set."""

    uids: UIDSet


class HasFlag(Struct, frozen=True):
    """SEEN, KEYWORD x (present) or UNSEEN, UNKEYWORD x (not present). RECENT is `\\Recent`, OLD its absence."""

    flag: Flag
    present: bool = True


class DateField(Enum):
    """Which date a DateKey compares."""

    INTERNAL = "internal"
    SENT = "sent"


class DateTest(Enum):
    """How a DateKey compares."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class DateKey(Struct, frozen=True):
    """BEFORE, ON, SINCE and SENTBEFORE, SENTON, SENTSINCE: the date alone, time and zone disregarded."""

    field: DateField
    test: DateTest
    date: date


class SizeKey(Struct, frozen=True):
    """LARGER or SMALLER than so many octets."""

    larger: bool
    octets: int


class HeaderKey(Struct, frozen=True):
    """HEADER field text; SUBJECT is this too. Empty text: the field exists."""

    field: str
    text: str


class AddressKey(Struct, frozen=True):
    """FROM, TO, CC or BCC: the addresses of that field, as ENVELOPE has them, contain the text."""

    field: str
    """ "From", "To", "Cc" or "Bcc"."""
    text: str


class AgeKey(Struct, frozen=True):
    """YOUNGER or OLDER than so many seconds, by the internal date (RFC 5032)."""

    younger: bool
    seconds: int


class EmailIdKey(Struct, frozen=True):
    """EMAILID (RFC 8474 §6)."""

    value: str


class ThreadIdKey(Struct, frozen=True):
    """THREADID (RFC 8474 §6)."""

    value: str


class SaveDateKey(Struct, frozen=True):
    """SAVEDBEFORE, SAVEDON, SAVEDSINCE: the date at which it came into the mailbox (RFC 8514 §4.3)."""

    test: DateTest
    date: date


class SaveDateSupported(Struct, frozen=True):
    """SAVEDATESUPPORTED: every message if the mailbox keeps that date, else none (RFC 8514 §4.3)."""


class TextKey(Struct, frozen=True):
    """TEXT (header or body) or BODY (body only) contains the text."""

    text: str
    body_only: bool


class ModSeqKey(Struct, frozen=True):
    """
    MODSEQ: changed at this mod-sequence or later (RFC 7162 §3.1.5).

    Attributes:
        mod_seq: From which on.
        entry: Name and type of the metadata item asked about (`/flags/\\Seen`, `all`), None if any counts.

    """

    mod_seq: ModSeq
    entry: tuple[str, str] | None = None


def wants_mod_seq(key: "SearchKey") -> bool:
    """Say whether MODSEQ is among what is asked: then the answer tells a mod-sequence (RFC 7162 §3.1.6)."""
    return holds(key, ModSeqKey)


def holds(key: "SearchKey", kind: type["SearchKey"]) -> bool:
    """Say whether a key of this kind is among what is asked."""
    return any(isinstance(leaf, kind) for leaf in leaves(key))


def leaves(key: "SearchKey") -> "Iterator[SearchKey]":
    """Yield the keys that are made of no others."""
    if isinstance(key, And):
        for part in key.keys:
            yield from leaves(part)
    elif isinstance(key, Or):
        yield from leaves(key.left)
        yield from leaves(key.right)
    elif isinstance(key, Not):
        yield from leaves(key.key)
    else:
        yield key


SearchKey = (
    All
    | And
    | Or
    | Not
    | InSequence
    | InUIDs
    | HasFlag
    | DateKey
    | SizeKey
    | HeaderKey
    | AddressKey
    | AgeKey
    | TextKey
    | ModSeqKey
    | EmailIdKey
    | ThreadIdKey
    | SaveDateKey
    | SaveDateSupported
)


class Return(Enum):
    """search-return-opt without an argument (RFC 4731, RFC 5182, RFC 5267)."""

    MIN = b"MIN"
    MAX = b"MAX"
    ALL = b"ALL"
    COUNT = b"COUNT"
    SAVE = b"SAVE"
    CONTEXT = b"CONTEXT"
    UPDATE = b"UPDATE"


class Returns(Struct, frozen=True):
    """
    What is to be told of the result (RFC 9051 §6.4.4); nothing at all means ALL.

    Attributes:
        options: What was asked for by a word alone.
        partial: Which results, counted from 1, or from -1 backwards (RFC 9394); None if PARTIAL was not asked for.
        fetch: What is to be fetched of messages that are new among the results, in words of IMAP; only with UPDATE
            (RFC 5465 §7).

    """

    options: frozenset[Return] = frozenset()
    partial: tuple[int, int] | None = None
    fetch: tuple[Hashable, ...] = ()


class SortField(Enum):
    """What SORT orders by (RFC 5256 §3, RFC 5957 §3)."""

    ARRIVAL = b"ARRIVAL"
    CC = b"CC"
    DATE = b"DATE"
    DISPLAYFROM = b"DISPLAYFROM"
    DISPLAYTO = b"DISPLAYTO"
    FROM = b"FROM"
    SIZE = b"SIZE"
    SUBJECT = b"SUBJECT"
    TO = b"TO"


class SortKey(Struct, frozen=True):
    """One criterion of SORT; those before it decide first, the sequence number last."""

    field: SortField
    reverse: bool = False


class ThreadAlgorithm(Enum):
    """How THREAD finds out what belongs together (RFC 5256 §3)."""

    ORDEREDSUBJECT = b"ORDEREDSUBJECT"
    REFERENCES = b"REFERENCES"


class SourceKind(Enum):
    """Where ESEARCH looks (RFC 7377 §2.2, RFC 5465 §6)."""

    SELECTED = b"selected"
    INBOXES = b"inboxes"
    PERSONAL = b"personal"
    SUBSCRIBED = b"subscribed"
    SUBTREE = b"subtree"
    SUBTREE_ONE = b"subtree-one"
    MAILBOXES = b"mailboxes"


class Source(Struct, frozen=True):
    """filter-mailboxes: names only with SUBTREE, SUBTREE_ONE and MAILBOXES."""

    kind: SourceKind
    mailboxes: tuple[str, ...] = ()
