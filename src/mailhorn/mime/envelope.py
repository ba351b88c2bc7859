"""ENVELOPE out of a header (RFC 9051 §7.5.2)."""

from ..model.structure import Address, Envelope
from .address import parse_addresses
from .header import fields, unfold
from .limits import MAX_ADDRESSES

_ADDRESSES = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})
_TEXTS = frozenset({b"date", b"subject", b"in-reply-to", b"message-id"})


def envelope(header: bytes) -> Envelope:
    """
    Return the envelope of a message.

    Of several fields of one name, the first text counts, and addresses are put together: if they were not,
    one reader could be shown another sender than the next (as Dovecot does).

    Args:
        header: The header, with or without its empty line.

    """
    texts: dict[bytes, bytes] = {}
    lists: dict[bytes, list[Address]] = {name: [] for name in _ADDRESSES}
    for name, value in fields(header):
        key = name.lower()
        if key in _TEXTS:
            texts.setdefault(key, unfold(value))
        elif key in _ADDRESSES and len(lists[key]) < MAX_ADDRESSES:
            lists[key] += parse_addresses(value)
    found = {key: tuple(addresses[:MAX_ADDRESSES]) for key, addresses in lists.items()}
    from_ = found[b"from"]
    return Envelope(
        date=texts.get(b"date"),
        subject=texts.get(b"subject"),
        from_=from_,
        sender=found[b"sender"] or from_,
        reply_to=found[b"reply-to"] or from_,
        to=found[b"to"],
        cc=found[b"cc"],
        bcc=found[b"bcc"],
        in_reply_to=texts.get(b"in-reply-to"),
        message_id=texts.get(b"message-id"),
    )
