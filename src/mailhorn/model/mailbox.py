"""Mailboxes and accounts as data."""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from .ids import UID, AccountId, MailboxId, ModSeq, UIDValidity

INBOX = "INBOX"
DELIMITER = "/"
"""Hierarchy delimiter of our server. Maildir++ keeps its own "." on disk."""


def canonical_name(name: str) -> str:
    """Return the name with INBOX, in any case and as first level too, in capitals (RFC 9051 §5.1)."""
    first, slash, rest = name.partition(DELIMITER)
    return INBOX + slash + rest if first.upper() == INBOX else name


@dataclass(frozen=True, slots=True)
class Account:
    """
    Who may log in and receive mail.

    Attributes:
        id: Never given twice.
        login: In lower case.
        password_hash: argon2id in its PHC form, "" if none can match.
        inbox: Its INBOX, the same for as long as there is the account.

    """

    id: AccountId
    login: str
    password_hash: str
    inbox: MailboxId


class Usage(NamedTuple):
    """What an account keeps."""

    octets: int
    messages: int
    mailboxes: int


class Mailbox(Struct, frozen=True):
    """A mailbox as it stood at one commit, made for each look at one. Counters are of that commit."""

    id: MailboxId
    account: AccountId
    name: str
    uid_validity: UIDValidity
    uid_next: UID
    highest_mod_seq: ModSeq
    messages: int
    unseen: int
    size: int
    """Sum of all message sizes, octets."""


def object_id(mailbox: Mailbox) -> str:
    """Return the name of a mailbox that no other ever has, and that stays whatever it is called (RFC 8474 §4)."""
    return f"F{mailbox.uid_validity}"
