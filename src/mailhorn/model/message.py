"""Messages as data: what delivery knows before the commit, what the store knows after it."""

from dataclasses import dataclass
from typing import NamedTuple

from .flags import NO_FLAGS, Flags
from .ids import UID, MailboxId, ModSeq, UIDValidity


@dataclass(frozen=True, slots=True)
class Digest:
    """
    What FETCH needs of a message, computed once and kept ready to send.

    Attributes:
        header_size: Octets up to and including the empty line that ends the header.
        envelope: ENVELOPE as IMAP text, `("date" "subject" ...)`.
        body_structure: BODYSTRUCTURE as IMAP text.
        parts: Byte offsets of every part, in `mime`'s own packed form.

    """

    header_size: int
    envelope: bytes
    body_structure: bytes
    parts: bytes


NO_DIGEST = Digest(0, b"", b"", b"")
"""That of a message of which none was asked for."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one copy of a message goes, and how."""

    mailbox: MailboxId
    flags: Flags = NO_FLAGS


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one copy of a message went: APPENDUID and COPYUID are made of this (RFC 4315)."""

    mailbox: MailboxId
    uid_validity: UIDValidity
    uid: UID


class MessageRow(NamedTuple):
    """One message as the index knows it, without its digest."""

    uid: UID
    mod_seq: ModSeq
    flags: str
    """As they are sent: `\\Seen work`, in no particular order, "" for none."""
    internal_date: int
    """Seconds since 1970, UTC."""
    size: int
    """RFC822.SIZE, octets."""


class MessageOrigin(NamedTuple):
    """Where a message comes from (RFC 8474, RFC 8514)."""

    uid: UID
    email_id: str
    """The same for all copies of one message, and only for them."""
    saved: int
    """When it came into this mailbox, seconds since 1970, UTC."""


class MessageDigest(NamedTuple):
    """One message with all that FETCH needs short of its bytes."""

    row: MessageRow
    digest: Digest
