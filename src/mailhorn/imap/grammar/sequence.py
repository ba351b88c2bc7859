"""sequence-set and uid-set (RFC 9051 §4.1.1, §9)."""

import re
from typing import TypeVar

from ...model.ids import MAX_UID
from ...model.numbers import SAVED, STAR, NumberSet, UIDSet
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer
from .ext.searchres import LAST_COMMAND, parse_last_command

_NUMBER = rb"(?:[1-9][0-9]{0,9}|\*)"
_RANGE = _NUMBER + rb"(?::" + _NUMBER + rb")?"
_SET = re.compile(_RANGE + rb"(?>(?:," + _RANGE + rb")*)(?![0-9,:*])")

Set = TypeVar("Set", bound=NumberSet)


def parse_sequence_set(cur: Cursor, kind: type[Set]) -> Set:
    """
    sequence-set = (seq-number / seq-range) ["," sequence-set] / seq-last-command

    RFC 9051 §9, §4.1.1. `kind` is UIDSet in a UID command, else SeqSet.
    """
    if cur.at(b"$"):
        return parse_last_command(cur, kind)
    start = cur.pos
    ranges: list[tuple[int, int]] = []
    for item in cur.need(_SET, "a set of numbers")[0].split(b","):
        first, colon, last = item.partition(b":")
        low = STAR if first == b"*" else int(first)
        high = low if not colon else STAR if last == b"*" else int(last)
        if low > MAX_UID or high > MAX_UID:
            cur.pos = start
            raise cur.fails("numbers of 32 bits")
        ranges.append((low, high))
    return kind(tuple(ranges))


def write_sequence_set(out: Writer, value: NumberSet) -> None:
    """Write a set as it is, ranges not merged."""
    out.write(sequence_set_bytes(value))


def sequence_set_bytes(value: NumberSet) -> bytes:
    """Return a set as it stands on the wire."""
    if value.ranges == SAVED:
        return LAST_COMMAND
    if not value.ranges:
        raise Unwritable("an empty set of numbers")
    items = []
    for first, last in value.ranges:
        if not (0 <= first <= MAX_UID and 0 <= last <= MAX_UID):
            raise Unwritable("numbers of more than 32 bits")
        low = b"%d" % first if first else b"*"
        items.append(low if first == last else low + (b":%d" % last if last else b":*"))
    return b",".join(items)


def parse_uid_set(cur: Cursor) -> UIDSet:
    """
    uid-set = (uniqueid / uid-range) *("," uid-set)

    RFC 4315 §4, RFC 9051 §9: a set of UIDs without `*`.
    """
    start = cur.pos
    uids = parse_sequence_set(cur, UIDSet)
    if uids.ranges == SAVED or any(STAR in pair for pair in uids.ranges):
        raise SyntaxProblem(start, "UIDs without *")
    return uids


def write_uid_set(out: Writer, value: UIDSet) -> None:
    """Write a set of UIDs that are known."""
    if value.ranges == SAVED or any(STAR in pair for pair in value.ranges):
        raise Unwritable("* or $ in a uid-set")
    write_sequence_set(out, value)
