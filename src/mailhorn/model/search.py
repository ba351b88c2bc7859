"""What SEARCH asks, as data (RFC 9051 §6.4.4, RFC 3501 §6.4.4)."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from .flags import Flag
from .numbers import SeqSet, UIDSet


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the keys; several keys in a row mean this."""

    keys: "tuple[SearchKey, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Either key."""

    left: "SearchKey"
    right: "SearchKey"


@dataclass(frozen=True, slots=True)
class Not:
    """The key does not match."""

    key: "SearchKey"


@dataclass(frozen=True, slots=True)
class InSequence:
    """Sequence numbers of the session."""

    numbers: SeqSet


@dataclass(frozen=True, slots=True)
class InUIDs:
    """UID set."""

    uids: UIDSet


@dataclass(frozen=True, slots=True)
class HasFlag:
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


@dataclass(frozen=True, slots=True)
class DateKey:
    """BEFORE, ON, SINCE and SENTBEFORE, SENTON, SENTSINCE: the date alone, time and zone disregarded."""

    field: DateField
    test: DateTest
    date: date


@dataclass(frozen=True, slots=True)
class SizeKey:
    """LARGER or SMALLER than so many octets."""

    larger: bool
    octets: int


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """HEADER field text; FROM, TO, CC, BCC and SUBJECT are this too. Empty text: the field exists."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class TextKey:
    """TEXT (header or body) or BODY (body only) contains the text."""

    text: str
    body_only: bool


SearchKey = All | And | Or | Not | InSequence | InUIDs | HasFlag | DateKey | SizeKey | HeaderKey | TextKey
