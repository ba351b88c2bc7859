"""SORT's order (RFC 5256 §2.2, §3; RFC 5957 §3).

Rule: the envelopes have all that there is to sort by; what is compared is made once for each message.
"""

from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_tz
from heapq import merge
from typing import Any, TypeVar

from ...mime.address import MISSING_DOMAIN, MISSING_MAILBOX
from ...mime.decode import decoded_header
from ...model.ids import UID, MailboxId
from ...model.message import MessageRow
from ...model.search import SortField, SortKey
from ...model.structure import Address
from ...store.store import Store
from .collation import fold
from .matching import CC, DATE, FROM, SUBJECT, TO, EnvelopeReader
from .progress import Progress
from .searching import ENVELOPES, ROWS, Pace
from .subject import base_subject

AT_ONCE = 1_000
"""Messages put in order in one go, a millisecond of work."""

Item = TypeVar("Item")
Value = Any
"""What is compared, an int or a str: all of one criterion are of one kind."""

Entry = tuple[UID, tuple[Value, ...]]
"""A message and its values, one for each criterion."""


async def entries(
    store: Store,
    mailbox: MailboxId,
    uids: "Sequence[int]",
    order: Sequence[SortKey],
    progress: Progress | None = None,
) -> list[Entry]:
    """
    Return the messages with what they are compared by, in the order of their UIDs; who is gone is left out.

    `progress` learns how far it is, with its next part.

    Raises StoreUnavailable, MailboxMissing.
    """
    fields = [key.field for key in order]
    by_rows = all(field in (SortField.ARRIVAL, SortField.SIZE) for field in fields)
    found: list[Entry] = []
    pace = Pace()
    size = ROWS if by_rows else ENVELOPES
    if progress is not None:
        progress.next_part(len(uids))
    for start in range(0, len(uids), size):
        if progress is not None:
            progress.done = start
        some = [UID(uid) for uid in uids[start : start + size]]
        if by_rows:
            for row in await store.index.rows(mailbox, some):
                found.append((row.uid, tuple([_of_row(field, row) for field in fields])))
                await pace.turn()
        else:
            for row, digest in await store.index.digests(mailbox, some):
                envelope = EnvelopeReader(digest.envelope)
                found.append((row.uid, tuple([value(field, row, envelope) for field in fields])))
                await pace.turn()
    return found


async def in_order(found: list[Entry], order: Sequence[SortKey]) -> list[Entry]:
    """Return entries as the criteria want them; where they decide nothing, in the order they came in."""
    for number in range(len(order) - 1, -1, -1):
        found = await stable(found, _criterion(number), order[number].reverse)
    return found


def _criterion(number: int) -> Callable[[Entry], Value]:
    return lambda entry: entry[1][number]


async def stable(items: list[Item], key: Callable[[Item], Any], reverse: bool = False) -> list[Item]:
    """Return the items sorted, equal ones in the order they came in, without holding the loop for long."""
    if len(items) <= AT_ONCE:
        return sorted(items, key=key, reverse=reverse)
    pace = Pace()
    runs = []
    for start in range(0, len(items), AT_ONCE):
        runs.append(sorted(items[start : start + AT_ONCE], key=key, reverse=reverse))
        await pace.turn()
    result = []
    for item in merge(*runs, key=key, reverse=reverse):
        result.append(item)
        await pace.turn()
    return result


def value(field: SortField, row: MessageRow, envelope: EnvelopeReader) -> Value:
    """Return what a message is compared by."""
    match field:
        case SortField.DATE:
            return sent(envelope.text(DATE), row.internal_date)
        case SortField.SUBJECT:
            return base_subject(envelope.text(SUBJECT))[0]
        case SortField.FROM:
            return _mailbox(envelope.people(FROM))
        case SortField.TO:
            return _mailbox(envelope.people(TO))
        case SortField.CC:
            return _mailbox(envelope.people(CC))
        case SortField.DISPLAYFROM:
            return _displayed(envelope.people(FROM))
        case SortField.DISPLAYTO:
            return _displayed(envelope.people(TO))
        case _:
            return _of_row(field, row)


def sent(written: bytes | None, internal_date: int) -> int:
    """
    Return the sent date, seconds since 1970 (RFC 5256 §2.2).

    A zone that makes no sense is UTC, a time that makes none midnight; without a date it is the internal one.
    """
    try:
        found = parsedate_tz((written or b"").decode("latin-1"))
        if found is None:
            return internal_date
        year, month, day, hour, minute, second = found[:6]
        try:
            moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError:
            moment = datetime(year, month, day, tzinfo=UTC)
        zone = found[9] or 0
        return int(moment.timestamp()) - (zone if abs(zone) < 100 * 3600 else 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return internal_date


def _of_row(field: SortField, row: MessageRow) -> int:
    return row.size if field is SortField.SIZE else row.internal_date


def _mailbox(people: tuple[Address, ...]) -> str:
    """addr-mailbox of the first address (RFC 5256 §3); "" if there is none."""
    mailbox = people[0].mailbox if people else None
    return "" if mailbox in (None, MISSING_MAILBOX) else fold(decoded_header(mailbox or b""))


def _displayed(people: tuple[Address, ...]) -> str:
    """The name of the first address, of its group if it is in one, else the address itself (RFC 5957 §3)."""
    if not people:
        return ""
    first = people[0]
    if first.name:
        return fold(decoded_header(first.name))
    mailbox = b"" if first.mailbox in (None, MISSING_MAILBOX) else first.mailbox or b""
    text = decoded_header(mailbox)
    if first.host and first.host != MISSING_DOMAIN:
        text += "@" + decoded_header(first.host)
    return fold(text)


async def uids_of(found: Sequence[Entry]) -> "array[int]":
    """Return only the UIDs."""
    pace, uids = Pace(), array("I")
    for start in range(0, len(found), AT_ONCE):
        uids.extend([uid for uid, _ in found[start : start + AT_ONCE]])
        await pace.turn()
    return uids


async def forget(found: list[Entry]) -> None:
    """Empty the list, a few at a time: to let go of 100,000 entries at once holds the loop for 35 ms."""
    pace = Pace()
    while found:
        del found[-AT_ONCE:]
        await pace.turn()


__all__ = ["Entry", "entries", "forget", "in_order", "sent", "stable", "uids_of", "value"]
