"""What happened to a mailbox, as the store tells it and a view takes it.

A `Change` is a difference between two mod-sequences. It names UIDs only: what sequence number a session
gave them is that session's business (design decision D2).
"""

from dataclasses import dataclass
from typing import NamedTuple

from .ids import UID, MailboxId, ModSeq


class FlagUpdate(NamedTuple):
    """A message's flags after a change: all of them, as they are sent."""

    uid: UID
    mod_seq: ModSeq
    flags: str


@dataclass(frozen=True, slots=True)
class Change:
    """
    All that happened to a mailbox after `before` up to and including `after`.

    Attributes:
        mailbox: Which one.
        before: Mod-sequence that the receiver must stand at to apply this.
        after: Mod-sequence the receiver stands at once it has.
        appended: New UIDs that still exist, ascending.
        updated: Messages older than `before` whose flags changed, ascending by UID.
        expunged: UIDs gone, ascending; some may never have been seen by the receiver.
        gone: The mailbox itself was deleted; nothing follows.

    """

    mailbox: MailboxId
    before: ModSeq
    after: ModSeq
    appended: tuple[UID, ...] = ()
    updated: tuple[FlagUpdate, ...] = ()
    expunged: tuple[UID, ...] = ()
    gone: bool = False
