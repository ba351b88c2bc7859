"""Whether a message matches a search key, in three values: yes, no, and "open the message to know".

`resolve` turns the key into closures once; `matches` runs them for each message.
"""

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from ...mime.decode import decoded_header, part_text, text_parts
from ...mime.header import fields
from ...mime.scan import Part, scan
from ...model.flags import RECENT
from ...model.ids import SeqNum
from ...model.message import MessageRow
from ...model.search import (
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    Not,
    Or,
    SearchKey,
    SizeKey,
    TextKey,
)


class Content:
    """A message that has been opened; each view of it is made when first asked for."""

    def __init__(self, body: bytes) -> None:
        """Take the whole message."""
        self._body = body

    @cached_property
    def _root(self) -> Part:
        return scan(self._body)

    @cached_property
    def header(self) -> list[tuple[str, str]]:
        """Names in lower case and decoded, unfolded values."""
        raw = self._body[self._root.header_start : self._root.body_start]
        return [(name.decode("latin-1").lower(), decoded_header(value)) for name, value in fields(raw)]

    @cached_property
    def text(self) -> str:
        """All text parts, decoded, in lower case."""
        return "\n".join(part_text(part, self._body) for part in text_parts(self._root)).casefold()

    @cached_property
    def header_text(self) -> str:
        """The whole header, decoded, in lower case."""
        return "\n".join(f"{name}: {value}" for name, value in self.header).casefold()

    @cached_property
    def sent(self) -> date | None:
        """The date of the Date field as it is written there, time and zone disregarded (RFC 9051 §6.4.4)."""
        for name, value in self.header:
            if name == "date":
                try:
                    return parsedate_to_datetime(value).date()
                except (ValueError, TypeError, IndexError, OverflowError):
                    return None
        return None


Resolved = Callable[[SeqNum, MessageRow, Content | None], bool | None]


def matches(key: Resolved, seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
    """Say whether the message matches; None only without content, if that is needed to know."""
    return key(seq, row, content)


def resolve(key: SearchKey, messages: int, last_uid: int) -> Resolved:
    """
    Make a key ready to run.

    Args:
        key: What is searched for; its depth is bounded by the grammar.
        messages: What `*` means among sequence numbers.
        last_uid: What `*` means among UIDs.

    """
    if isinstance(key, All):
        return lambda seq, row, content: True
    if isinstance(key, And):
        return _all([resolve(part, messages, last_uid) for part in key.keys])
    if isinstance(key, Or):
        return _either(resolve(key.left, messages, last_uid), resolve(key.right, messages, last_uid))
    if isinstance(key, Not):
        return _opposite(resolve(key.key, messages, last_uid))
    if isinstance(key, InSequence):
        return _in_ranges(key.numbers.resolved(messages), of_seq=True)
    if isinstance(key, InUIDs):
        return _in_ranges(key.uids.resolved(last_uid), of_seq=False)
    if isinstance(key, HasFlag):
        return _has_flag(key)
    if isinstance(key, DateKey):
        return _date(key)
    if isinstance(key, SizeKey):
        octets = key.octets
        if key.larger:
            return lambda seq, row, content: row.size > octets
        return lambda seq, row, content: row.size < octets
    if isinstance(key, HeaderKey):
        return _header(key)
    return _text(key)


def _all(parts: list[Resolved]) -> Resolved:
    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        verdict: bool | None = True
        for part in parts:
            one = part(seq, row, content)
            if one is False:
                return False
            if one is None:
                verdict = None
        return verdict

    return test


def _either(left: Resolved, right: Resolved) -> Resolved:
    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        one, other = left(seq, row, content), right(seq, row, content)
        if one or other:
            return True
        return None if one is None or other is None else False

    return test


def _opposite(part: Resolved) -> Resolved:
    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        verdict = part(seq, row, content)
        return None if verdict is None else not verdict

    return test


def _in_ranges(ranges: tuple[tuple[int, int], ...], of_seq: bool) -> Resolved:
    lows = [low for low, _ in ranges]

    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        number = seq if of_seq else row.uid
        i = bisect_right(lows, number) - 1
        return i >= 0 and number <= ranges[i][1]

    return test


def _has_flag(key: HasFlag) -> Resolved:
    flag, present = key.flag.lower(), key.present
    if key.flag == RECENT:
        return lambda seq, row, content: not present  # no message is ever recent here (RFC 9051 Appendix E)
    return lambda seq, row, content: (flag in row.flags.lower().split(" ")) is present


def _date(key: DateKey) -> Resolved:
    def compare(day: date) -> bool:
        if key.test is DateTest.ON:
            return day == key.date
        return day < key.date if key.test is DateTest.BEFORE else day >= key.date

    def internal(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        return compare(datetime.fromtimestamp(row.internal_date, UTC).date())

    def sent(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        if content is None:
            return None
        return content.sent is not None and compare(content.sent)

    return internal if key.field is DateField.INTERNAL else sent


def _header(key: HeaderKey) -> Resolved:
    field, text = key.field.lower(), key.text.casefold()

    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        if content is None:
            return None
        return any(name == field and text in value.casefold() for name, value in content.header)

    return test


def _text(key: TextKey) -> Resolved:
    text = key.text.casefold()

    def test(seq: SeqNum, row: MessageRow, content: Content | None) -> bool | None:
        if content is None:
            return None
        return (not key.body_only and text in content.header_text) or text in content.text

    return test
