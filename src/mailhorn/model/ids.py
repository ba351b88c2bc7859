"""Numbers that must not be mixed up; mixing them up is IMAP's oldest bug."""

from typing import NewType

UID = NewType("UID", int)
"""Unique identifier of a message in a mailbox, 1 to 2^32-1, never reused (RFC 9051 §2.3.1.1)."""

SeqNum = NewType("SeqNum", int)
"""Position of a message in one session's view, from 1. Never leaves `imap` and `server.imap` (RFC 9051 §2.3.1.2)."""

UIDValidity = NewType("UIDValidity", int)
"""Epoch of a mailbox's UIDs, 1 to 2^32-1 (RFC 9051 §2.3.1.1)."""

ModSeq = NewType("ModSeq", int)
"""Modification sequence, 63 bits, ascending with every change of a mailbox (RFC 7162 §3.1)."""

MailboxId = NewType("MailboxId", int)
"""A mailbox for as long as it exists, whatever it is called. Given by the store, never reused."""

AccountId = NewType("AccountId", int)
"""An account for as long as it exists. Given by the store, never reused."""

MAX_MOD_SEQ = 2**63 - 1
"""mod-sequence-value is an unsigned 63-bit integer (RFC 7162 §7)."""

MAX_UID = 2**32 - 1
"""nz-number is an unsigned 32-bit integer (RFC 9051 §9)."""
