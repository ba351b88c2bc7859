"""ENVELOPE out of a header (RFC 9051 §7.5.2)."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ..model.structure import Address, Envelope
from .address import parse_addresses
from .header import envelope_fields, readable, unfold
from .limits import MAX_ADDRESSES

People = TypeVar("People")
_TEXTS = frozenset({b"date", b"subject", b"in-reply-to", b"message-id"})


def envelope(header: bytes) -> Envelope:
    """
    Return the envelope of a message.

    Of several fields of one name, the first text counts, and addresses are put together: if they were not,
    one reader could be shown another sender than the next (as Dovecot does).

    Args:
        header: The header, with or without its empty line.

    """
    texts, lists = envelope_values(header)
    from_, sender, reply_to, to, cc, bcc = lists_of({key: people_of(values) for key, values in lists.items()}, ())
    return Envelope(
        date=texts.get(b"date"),
        subject=texts.get(b"subject"),
        from_=from_,
        sender=sender,
        reply_to=reply_to,
        to=to,
        cc=cc,
        bcc=bcc,
        in_reply_to=texts.get(b"in-reply-to"),
        message_id=texts.get(b"message-id"),
    )


def lists_of(found: Mapping[bytes, People], none: People) -> tuple[People, People, People, People, People, People]:
    """
    Return from, sender, reply-to, to, cc and bcc; without sender or reply-to it is who is in from (RFC 9051 §7.5.2).

    Args:
        found: The people of the fields that are there, by their names, in whatever form.
        none: Nobody, in that form.

    """
    from_ = found.get(b"from", none)
    sender, reply_to = found.get(b"sender", none), found.get(b"reply-to", none)
    return (
        from_,
        from_ if sender == none else sender,
        from_ if reply_to == none else reply_to,
        found.get(b"to", none),
        found.get(b"cc", none),
        found.get(b"bcc", none),
    )


def envelope_values(header: bytes) -> tuple[dict[bytes, bytes], dict[bytes, tuple[bytes, ...]]]:
    """Return the texts of an envelope, and the raw values of the fields that its addresses stand in, by their names."""
    texts: dict[bytes, bytes] = {}
    lists: dict[bytes, tuple[bytes, ...]] = {}
    for key, value in envelope_fields(header):
        if key not in _TEXTS:
            lists[key] = (*lists[key], value) if key in lists else (value,)
        elif key not in texts:
            texts[key] = readable(unfold(value)) if key == b"subject" else unfold(value)
    return texts, lists


def people_of(values: Sequence[bytes]) -> tuple[Address, ...]:
    """Return the addresses of all fields of one name."""
    if len(values) == 1:
        return parse_addresses(values[0])
    people: list[Address] = []
    for value in values:
        if len(people) < MAX_ADDRESSES:
            people += parse_addresses(value)
    return tuple(people[:MAX_ADDRESSES])
