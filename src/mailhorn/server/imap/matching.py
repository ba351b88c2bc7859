"""Whether a message matches a search key, in three values: yes, no, and "more must be known of it".

`resolve` turns the key into closures once; each is asked of each message, first with what the index has at hand, then
with its envelope, its header, and at last the whole of it, as far as it takes to know (RFC 9051 §6.4.4).

Rule 1: flags, sizes, dates and numbers are the row's business; SUBJECT, FROM, TO, CC, BCC, SENT*, and HEADER of
Message-ID and In-Reply-To the envelope's; only other fields open the message, and only TEXT and BODY read it all.
Rule 2: an envelope is looked into as the octets it is before it is taken apart: that decides almost all of them.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate
from enum import IntEnum
from functools import cached_property
from typing import TypeGuard

from ...imap.grammar.atoms import parse_nstring
from ...imap.grammar.cursor import Cursor
from ...imap.grammar.envelope import parse_addresses
from ...imap.view import MailboxView
from ...mime.address import MISSING_DOMAIN, MISSING_MAILBOX
from ...mime.decode import decoded_header, part_text
from ...mime.header import fields
from ...mime.scan import Part, scan
from ...model.flags import RECENT
from ...model.ids import MAX_UID, UID, ModSeq, SeqNum
from ...model.message import MessageOrigin, MessageRow
from ...model.numbers import SAVED, STAR, NumberSet, UIDSet
from ...model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    EmailIdKey,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    ModSeqKey,
    Not,
    Or,
    SaveDateKey,
    SaveDateSupported,
    SearchKey,
    SizeKey,
    TextKey,
    ThreadIdKey,
    holds,
)
from ...model.structure import Address
from .collation import fold


class Depth(IntEnum):
    """How much of a message must be known."""

    ROW = 0
    ENVELOPE = 1
    HEADER = 2
    BODY = 3


class Letter:
    """
    What is known of one message so far; what follows from it is made when first asked for.

    Attributes:
        row: What the index has.
        origin: Where it comes from, None if nobody has asked.
        raw_envelope: ENVELOPE as it is sent, None if it has not been looked up.
        raw_header: The header, None if it has not been read.
        body: The whole message, None if it has not been read.

    """

    def __init__(
        self,
        row: MessageRow,
        raw_envelope: bytes | None = None,
        raw_header: bytes | None = None,
        body: bytes | None = None,
        origin: MessageOrigin | None = None,
    ) -> None:
        """Take what is at hand."""
        self.row = row
        self.origin = origin
        self.raw_envelope = raw_envelope
        self.raw_header = raw_header
        self.body = body

    def take(self, body: bytes) -> None:
        """Take the whole message."""
        self.body = body
        self.raw_header = body[self._root.header_start : self._root.body_start]

    @cached_property
    def plain_envelope(self) -> bytes | None:
        """The envelope in lower case if each of its texts means what it says; None if something is encoded."""
        raw = self.raw_envelope
        return raw.lower() if raw is not None and b"=?" not in raw and raw.isascii() else None

    @cached_property
    def envelope(self) -> "EnvelopeReader":
        """The envelope, taken apart as far as it is asked for."""
        return EnvelopeReader(self.raw_envelope or b"")

    @cached_property
    def sent(self) -> date | None:
        """The date of the Date field as it is written there, time and zone disregarded (RFC 9051 §6.4.4)."""
        return written_day(self.envelope.text(DATE))

    @cached_property
    def header(self) -> list[tuple[str, bytes]]:
        """Names in lower case and raw values."""
        return [(name.decode("latin-1").lower(), value) for name, value in fields(self.raw_header or b"")]

    @cached_property
    def _root(self) -> Part:
        return scan(self.body or b"")

    @cached_property
    def text(self) -> str:
        """All text parts, decoded, as they compare: what BODY is about."""
        body = self.body or b""
        return fold("\n".join(part_text(part, body) for part in _readable(self._root)))

    @cached_property
    def headers(self) -> str:
        """The header and those of all parts, decoded, as they compare: what TEXT is about, too."""
        body = self.body or b""
        lines = []
        for part in _all_parts(self._root):
            for name, value in fields(body[part.header_start : part.body_start]):
                lines.append(f"{name.decode('latin-1')}: {decoded_header(value)}")
        return fold("\n".join(lines))


DATE, SUBJECT, FROM, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID = 0, 1, 2, 5, 6, 7, 8, 9
"""Where a field stands in an envelope (RFC 9051 §7.5.2)."""

IN_ENVELOPE = {"subject": SUBJECT, "in-reply-to": IN_REPLY_TO, "message-id": MESSAGE_ID}
"""Fields that ENVELOPE has as they are. Of several of one name it has the first, and so has SEARCH."""

PEOPLE = {"From": FROM, "To": TO, "Cc": CC, "Bcc": BCC}
_TEXTS = frozenset((DATE, SUBJECT, IN_REPLY_TO, MESSAGE_ID))


class EnvelopeReader:
    """ENVELOPE as it is sent, from which only what is asked for is taken: the first fields are asked for most."""

    __slots__ = ("_cursor", "_fields")

    def __init__(self, raw: bytes) -> None:
        """Take an envelope that is whole."""
        self._cursor = Cursor(raw, pos=1)
        self._fields: list[bytes | None | tuple[Address, ...]] = []

    def text(self, at: int) -> bytes | None:
        """Return the date, the subject, In-Reply-To or Message-ID."""
        found = self._field(at)
        return None if isinstance(found, tuple) else found

    def people(self, at: int) -> tuple[Address, ...]:
        """Return the addresses of a field."""
        found = self._field(at)
        return found if isinstance(found, tuple) else ()

    def _field(self, at: int) -> bytes | None | tuple[Address, ...]:
        fields_, cur = self._fields, self._cursor
        while len(fields_) <= at:
            if fields_:
                cur.space()
            fields_.append(parse_nstring(cur) if len(fields_) in _TEXTS else parse_addresses(cur))
        return fields_[at]


Test = Callable[[Letter], bool | None]
"""Whether the message matches; None if that cannot be said before more is known of it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What a key means here and now.

    Attributes:
        view: The messages that are searched: what sequence numbers and `*` stand for.
        now: Seconds since 1970.
        saved: The UIDs of `$`, ascending (RFC 5182).
        lasting: Messages that come later are asked about as well: `n:*` has no end.

    """

    view: MailboxView
    now: float
    saved: NumberSet = UIDSet(())
    lasting: bool = False


def depth(key: SearchKey) -> Depth:
    """Return how much of a message must be known at most to say whether it matches."""
    if isinstance(key, And):
        return max(map(depth, key.keys), default=Depth.ROW)
    if isinstance(key, Or):
        return max(depth(key.left), depth(key.right))
    if isinstance(key, Not):
        return depth(key.key)
    if isinstance(key, AddressKey) or (isinstance(key, DateKey) and key.field is DateField.SENT):
        return Depth.ENVELOPE
    if isinstance(key, HeaderKey):
        return Depth.ENVELOPE if key.field.lower() in IN_ENVELOPE else Depth.HEADER
    if isinstance(key, All | InSequence | InUIDs | HasFlag | SizeKey | DateKey | AgeKey | ModSeqKey):
        return Depth.ROW
    if isinstance(key, _OF_ORIGIN | ThreadIdKey | SaveDateSupported):
        return Depth.ROW
    return Depth.BODY


_OF_ORIGIN = EmailIdKey | SaveDateKey


def asks_origin(key: SearchKey) -> bool:
    """Say whether it must be known where messages come from."""
    return holds(key, EmailIdKey) or holds(key, SaveDateKey)


def narrowed(key: SearchKey, scope: Scope) -> UIDSet | None:
    """Return UIDs outside of which nothing can match, None if that may be anywhere."""
    if isinstance(key, InSequence | InUIDs):
        return UIDSet(uid_ranges(key, scope))
    if isinstance(key, And):
        within: UIDSet | None = None
        for one in key.keys:
            found = narrowed(one, scope)
            if found is not None:
                within = found if within is None else _common(within, found)
        return within
    return None


def _common(one: UIDSet, other: UIDSet) -> UIDSet:
    """Return what is in both of two sets of ascending ranges."""
    ranges: list[tuple[int, int]] = []
    left, right = list(one.ranges), list(other.ranges)
    at = beside = 0
    while at < len(left) and beside < len(right):
        low, high = max(left[at][0], right[beside][0]), min(left[at][1], right[beside][1])
        if low <= high:
            ranges.append((low, high))
        if left[at][1] < right[beside][1]:
            at += 1
        else:
            beside += 1
    return UIDSet(tuple(ranges))


def resolve(key: SearchKey, scope: Scope) -> Test:
    """
    Make a key ready to be asked of each message.

    Args:
        key: What is searched for; its depth is bounded by the grammar.
        scope: Where and when.

    """
    if isinstance(key, All | SaveDateSupported):
        return lambda letter: True
    if isinstance(key, ThreadIdKey):  # no message has one here
        return lambda letter: False
    if isinstance(key, And):
        return _all([resolve(part, scope) for part in sorted(key.keys, key=depth)])
    if isinstance(key, Or):
        return _either(*[resolve(part, scope) for part in sorted((key.left, key.right), key=depth)])
    if isinstance(key, Not):
        return _opposite(resolve(key.key, scope))
    if isinstance(key, InSequence | InUIDs):
        return _in_ranges(uid_ranges(key, scope))
    if isinstance(key, DateKey) and key.field is DateField.SENT:
        return _sent(key)
    if isinstance(key, EmailIdKey):
        email_id = key.value
        return lambda letter: letter.origin is not None and letter.origin.email_id == email_id
    if isinstance(key, SaveDateKey):
        return _saved(key)
    if isinstance(key, AddressKey):
        return _address(key)
    if isinstance(key, HeaderKey):
        at = IN_ENVELOPE.get(key.field.lower())
        return _header(key) if at is None else _envelope_text(at, key.text)
    if isinstance(key, TextKey):
        return _text(key.text, key.body_only)
    row_test = of_row(key, scope)
    return lambda letter: row_test(letter.row)


RowTest = Callable[[MessageRow], bool]
RowKey = HasFlag | AgeKey | SizeKey | ModSeqKey | DateKey
"""Keys that rows of the index decide; of the dates, the internal one."""


def is_of_row(key: SearchKey) -> TypeGuard[RowKey]:
    """Say whether the key is one of these."""
    if isinstance(key, DateKey):
        return key.field is DateField.INTERNAL
    return isinstance(key, HasFlag | AgeKey | SizeKey | ModSeqKey)


def of_row(key: RowKey, scope: Scope) -> RowTest:
    """Make a key ready to be asked of rows of the index."""
    if isinstance(key, HasFlag):
        return _has_flag(key)
    if isinstance(key, AgeKey):
        since = int(scope.now) - key.seconds
        if key.younger:
            return lambda row: row.internal_date >= since
        return lambda row: row.internal_date <= since
    if isinstance(key, SizeKey):
        octets = key.octets
        if key.larger:
            return lambda row: row.size > octets
        return lambda row: row.size < octets
    if isinstance(key, ModSeqKey):
        mod_seq = key.mod_seq  # of the whole message: there is none per flag
        return lambda row: row.mod_seq >= mod_seq
    first, end = [(day - _EPOCH) * _DAY for day in days(key)]
    return lambda row: first <= row.internal_date < end


_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_FOREVER = date.max.toordinal() + 1


def days(key: DateKey) -> tuple[int, int]:
    """Return the ordinals of the first day that a key is about, and of the first one after those."""
    day = key.date.toordinal()
    match key.test:
        case DateTest.ON:
            return day, day + 1
        case DateTest.BEFORE:
            return 1, day
        case DateTest.SINCE:
            return day, _FOREVER


def uid_ranges(key: InSequence | InUIDs, scope: Scope) -> tuple[tuple[int, int], ...]:
    """Return ascending ranges of UIDs. Sequence numbers beyond the mailbox name nothing (RFC 7377 §2)."""
    view = scope.view
    numbers = key.numbers if isinstance(key, InSequence) else key.uids
    if numbers.ranges == SAVED:
        return scope.saved.resolved(0)
    if isinstance(key, InUIDs):
        if scope.lasting:
            endless = tuple([(max(pair), MAX_UID) for pair in numbers.ranges if min(pair) == STAR != max(pair)])
            numbers = UIDSet((*numbers.ranges, *endless))
        return numbers.resolved(view.last_uid)
    last = len(view)
    if not last:
        return ()  # `*` is nothing, too
    return tuple(
        (view.uid_at(SeqNum(max(low, 1))), view.uid_at(SeqNum(min(high, last))))
        for low, high in numbers.resolved(last)
        if low <= last and high
    )


def _all(parts: list[Test]) -> Test:
    def test(letter: Letter) -> bool | None:
        verdict: bool | None = True
        for part in parts:
            one = part(letter)
            if one is False:
                return False
            if one is None:
                verdict = None
        return verdict

    return test


def _either(left: Test, right: Test) -> Test:
    def test(letter: Letter) -> bool | None:
        one = left(letter)
        if one:
            return True
        other = right(letter)
        if other:
            return True
        return None if one is None or other is None else False

    return test


def _opposite(part: Test) -> Test:
    def test(letter: Letter) -> bool | None:
        verdict = part(letter)
        return None if verdict is None else not verdict

    return test


def _in_ranges(ranges: tuple[tuple[int, int], ...]) -> Test:
    lows = [low for low, _ in ranges]

    def test(letter: Letter) -> bool | None:
        uid = letter.row.uid
        i = bisect_right(lows, uid) - 1
        return i >= 0 and uid <= ranges[i][1]

    return test


def _has_flag(key: HasFlag) -> RowTest:
    flag, present = key.flag.lower(), key.present
    if key.flag == RECENT:
        return lambda row: not present  # no message is ever recent here (RFC 9051 Appendix E)
    known: dict[str, bool] = {}

    def test(row: MessageRow) -> bool:
        flags = row.flags
        verdict = known.get(flags)
        if verdict is None:
            verdict = known[flags] = (flag in flags.lower().split(" ")) is present
        return verdict

    return test


def _compared(key: DateKey | SaveDateKey) -> Callable[[date], bool]:
    day = key.date
    if key.test is DateTest.ON:
        return day.__eq__
    return day.__gt__ if key.test is DateTest.BEFORE else day.__le__


def _saved(key: SaveDateKey) -> Test:
    compare = _compared(key)

    def test(letter: Letter) -> bool | None:
        origin = letter.origin
        return origin is not None and compare(datetime.fromtimestamp(origin.saved, UTC).date())

    return test


def _sent(key: DateKey) -> Test:
    compare = _compared(key)

    def test(letter: Letter) -> bool | None:
        if letter.raw_envelope is None:
            return None
        return letter.sent is not None and compare(letter.sent)

    return test


_AS_IT_IS = re.compile(r'[^"\\@<>,;: \r\n]+')
"""What stands in an envelope as it is written in a text: quoting and the parts of an address change the rest."""


def _impossible(wanted: str) -> Callable[[Letter], bool]:
    """Return a quick test that is true of an envelope in which a folded text cannot be."""
    if not wanted.isascii():
        return lambda letter: letter.plain_envelope is not None
    piece = max(_AS_IT_IS.findall(wanted), key=len, default="").encode("ascii")

    def test(letter: Letter) -> bool:
        plain = letter.plain_envelope
        return plain is not None and piece not in plain

    return test


def _envelope_text(at: int, text: str) -> Test:
    """The subject, Message-ID or In-Reply-To contains the text; empty text: the field exists."""
    wanted = fold(text)
    impossible = _impossible(wanted)

    def test(letter: Letter) -> bool | None:
        if letter.raw_envelope is None:
            return None
        if impossible(letter):
            return False
        text = said(letter.envelope, at)
        return text is not None and wanted in text

    return test


def _address(key: AddressKey) -> Test:
    """An address in the field contains the text; empty text: there is an address. `<a@b>` finds `a@b`, too."""
    wanted = fold(key.text)
    brackets = wants_brackets(wanted)
    impossible = _impossible(wanted)
    at = PEOPLE[key.field]

    def test(letter: Letter) -> bool | None:
        if letter.raw_envelope is None:
            return None
        if impossible(letter):
            return False
        text = said(letter.envelope, at, brackets)
        return text is not None and wanted in text

    return test


def wants_brackets(text: str) -> bool:
    """Say whether a text is only found in addresses that are written with brackets."""
    return "<" in text or ">" in text


def said(envelope: EnvelopeReader, at: int, brackets: bool = False) -> str | None:
    """Return what a field of an envelope says, as it compares; None if the message has none."""
    if at in _TEXTS:
        value = envelope.text(at)
        return None if value is None else fold(decoded_header(value))
    people = envelope.people(at)
    return fold(addresses_text(people, brackets)) if people else None


def searchable(body: bytes) -> str:
    """Return all that TEXT, BODY and HEADER are ever about in a message, as it compares."""
    return searchable_of(Letter(_NO_ROW, body=body))


def searchable_of(letter: Letter) -> str:
    """Return the same of one that is at hand."""
    return f"{letter.headers}\n{letter.text}"


_NO_ROW = MessageRow(UID(0), ModSeq(0), "", 0, 0)


def _header(key: HeaderKey) -> Test:
    field, wanted = key.field.lower(), fold(key.text)

    def test(letter: Letter) -> bool | None:
        if letter.raw_header is None:
            return None
        return any(name == field and wanted in fold(decoded_header(value)) for name, value in letter.header)

    return test


def _text(text: str, body_only: bool) -> Test:
    wanted = fold(text)

    def test(letter: Letter) -> bool | None:
        if letter.body is None:
            return None
        return (not body_only and wanted in letter.headers) or wanted in letter.text

    return test


def addresses_text(people: tuple[Address, ...], brackets: bool = False) -> str:
    """
    Return addresses as a person would write them, `Ann Lee <ann@example.org>, ...`, encoded words decoded.

    Args:
        people: From an envelope.
        brackets: Write them around addresses that have no name, too.

    """
    texts = []
    comma = ""
    for person in people:
        if person.host is None:  # a group begins, or ends
            texts.append(";" if person.mailbox is None else f"{comma}{decoded_header(person.mailbox)}:")
            comma = ", " if person.mailbox is None else " "
            continue
        texts.append(comma)
        comma = ", "
        mailbox = b"" if person.mailbox in (None, MISSING_MAILBOX) else person.mailbox
        host = b"" if person.host == MISSING_DOMAIN else person.host
        address = decoded_header(mailbox or b"")
        if host:
            address += "@" + decoded_header(host)
        if person.name:
            texts.append(f"{decoded_header(person.name)} <{address}>")
        else:
            texts.append(f"<{address}>" if brackets else address)
    return "".join(texts)


def written_day(value: bytes | None) -> date | None:
    """Return the day a Date field names, as it is written there; None if it names none."""
    if not value:
        return None
    try:
        found = parsedate(value.decode("latin-1"))
        return None if found is None else date(*found[:3])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _all_parts(root: Part) -> Iterator[Part]:
    yield root
    for child in root.children:
        yield from _all_parts(child)


def _readable(root: Part) -> Iterator[Part]:
    """Yield the leaves that say something: texts, and what a message/* other than a message holds."""
    for part in _all_parts(root):
        if not part.children and part.type in (b"text", b"message"):
            yield part


__all__ = [
    "CC",
    "DATE",
    "FROM",
    "IN_ENVELOPE",
    "IN_REPLY_TO",
    "MESSAGE_ID",
    "PEOPLE",
    "SUBJECT",
    "TO",
    "Depth",
    "EnvelopeReader",
    "Letter",
    "RowKey",
    "RowTest",
    "Scope",
    "Test",
    "addresses_text",
    "asks_origin",
    "days",
    "depth",
    "is_of_row",
    "narrowed",
    "of_row",
    "resolve",
    "said",
    "searchable",
    "searchable_of",
    "uid_ranges",
    "wants_brackets",
    "written_day",
]
