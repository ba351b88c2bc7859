"""ENVELOPE out of a header (RFC 9051 §7.5.2)."""

from ..model.structure import Address, Envelope
from .address import parse_addresses
from .header import fields, readable, unfold
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
    lists: dict[bytes, list[Address]] = {}
    for name, value in fields(header):
        key = name.lower()
        if key in _TEXTS:
            if key not in texts:
                texts[key] = unfold(value)
        elif key in _ADDRESSES:
            people = lists.setdefault(key, [])
            if len(people) < MAX_ADDRESSES:
                people += parse_addresses(value)
    found = {key: tuple(people[:MAX_ADDRESSES]) for key, people in lists.items()}
    from_ = found.get(b"from", ())
    return Envelope(
        date=texts.get(b"date"),
        subject=readable(texts[b"subject"]) if b"subject" in texts else None,
        from_=from_,
        sender=found.get(b"sender") or from_,
        reply_to=found.get(b"reply-to") or from_,
        to=found.get(b"to", ()),
        cc=found.get(b"cc", ()),
        bcc=found.get(b"bcc", ()),
        in_reply_to=texts.get(b"in-reply-to"),
        message_id=texts.get(b"message-id"),
    )
