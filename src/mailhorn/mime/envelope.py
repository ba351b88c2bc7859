"""ENVELOPE out of a header (RFC 9051 §7.5.2)."""

from collections.abc import Sequence

from ..model.structure import Address, Envelope
from .address import parse_addresses
from .header import envelope_fields, readable, unfold
from .limits import MAX_ADDRESSES

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
    found = {key: people_of(values) for key, values in lists.items()}
    from_ = found.get(b"from", ())
    return Envelope(
        date=texts.get(b"date"),
        subject=texts.get(b"subject"),
        from_=from_,
        sender=found.get(b"sender") or from_,
        reply_to=found.get(b"reply-to") or from_,
        to=found.get(b"to", ()),
        cc=found.get(b"cc", ()),
        bcc=found.get(b"bcc", ()),
        in_reply_to=texts.get(b"in-reply-to"),
        message_id=texts.get(b"message-id"),
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
