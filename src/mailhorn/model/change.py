"""What happened to a mailbox, as the store tells it and a view takes it.

A `Change` is a difference between two mod-sequences. It names UIDs only: what sequence number a session
gave them is that session's business (design decision D2).
"""

from collections.abc import Sequence
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


def merged(changes: Sequence[Change]) -> Change:
    """
    Return several changes that follow one another as one.

    A message that came and went in between is only among `expunged`; of several flag updates the last stays.

    Args:
        changes: One at least, of one mailbox, each beginning where the one before it ends.

    """
    if len(changes) == 1:
        return changes[0]
    expunged = {uid for change in changes for uid in change.expunged}
    appended = {uid for change in changes for uid in change.appended} - expunged
    updated = {update.uid: update for change in changes for update in change.updated}
    return Change(
        changes[0].mailbox,
        changes[0].before,
        changes[-1].after,
        tuple(sorted(appended)),
        tuple(updated[uid] for uid in sorted(updated.keys() - appended - expunged)),
        tuple(sorted(expunged)),
        any(change.gone for change in changes),
    )
