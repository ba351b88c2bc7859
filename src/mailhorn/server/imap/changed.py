"""What a client lacks who was away since a mod-sequence: CHANGEDSINCE, VANISHED and QRESYNC (RFC 7162 §3.1.4, §3.2)."""

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from ...imap.view import MailboxView
from ...model.ids import MAX_UID, UID, MailboxId, ModSeq, SeqNum
from ...model.numbers import SeqSet, UIDSet
from ...store.abc import Index
from .pace import Pace

SLICE = 500
"""Messages per read while the newest one is looked for that has not changed, and looked at in one go afterwards."""


@dataclass(frozen=True, slots=True)
class Missed:
    """
    What happened to the messages of a view since the client left.

    Attributes:
        changed: Messages in the view that are newer than that, ascending: new ones, and those whose flags changed.
        gone: UIDs that are gone and not in the view, ascending. None: whatever is not in the view, as far as is known.

    """

    changed: "array[int]"
    gone: "array[int] | None"

    async def vanished(self, known: UIDSet, view: MailboxView, uid_next: int, beyond: int = 0) -> UIDSet:
        """
        Return those of the client's UIDs that are gone.

        Args:
            known: What the client has; `*` is as great as can be.
            view: What there is.
            uid_next: No greater UID was ever given.
            beyond: Up to here the client knows already.

        """
        ranges = [(max(low, beyond + 1), min(high, uid_next - 1)) for low, high in known.resolved(MAX_UID)]
        ranges = [(low, high) for low, high in ranges if low <= high]
        if self.gone is not None:
            return UIDSet.of(UIDSet(tuple(ranges)).within(self.gone))
        missing = []
        pace = Pace()
        for low, high in ranges:
            there = view.uids(UIDSet(((low, high),)))
            for start in range(0, len(there), SLICE):
                for uid in there[start : start + SLICE]:
                    if low < uid:
                        missing.append((low, uid - 1))
                    low = uid + 1
                await pace.turn()
            if low <= high:
                missing.append((low, high))
        return UIDSet(tuple(missing))

    async def among(self, uids: "array[int]") -> "array[int]":
        """Return those of ascending UIDs whose messages changed, so that others have turns between."""
        found, pace = array("I"), Pace()
        for start in range(0, len(uids), SLICE):
            some = uids[start : start + SLICE]
            there = frozenset(self.changed[bisect_left(self.changed, some[0]) : bisect_right(self.changed, some[-1])])
            found.extend([uid for uid in some if uid in there])
            await pace.turn()
        return found


async def missed_since(index: Index, mailbox: MailboxId, view: MailboxView, mod_seq: ModSeq) -> Missed:
    """
    Return what a client who stood at `mod_seq` does not know of the view.

    New messages are those behind the newest that is not newer than `mod_seq`: UIDs and mod-sequences of what nobody
    ever touched ascend together. If there is no such message, the index may be younger than the client's knowledge,
    made anew from files: then nothing is known of what went, and all that is not there is gone.
    """
    old = await _newest_old(index, mailbox, view, mod_seq)
    if old == 0:
        return Missed(view.uids(UIDSet(((1, MAX_UID),))), None)
    change = await index.changes_since(mailbox, mod_seq, mod_seq, UID(MAX_UID))
    changed, gone, pace = array("I"), array("I"), Pace()
    for start in range(0, len(change.updated), SLICE):
        updates = change.updated[start : start + SLICE]
        changed.extend([update.uid for update in updates if update.uid <= old and view.seq_of(update.uid)])
        await pace.turn()
    for start in range(0, len(change.expunged), SLICE):
        gone.extend([uid for uid in change.expunged[start : start + SLICE] if view.seq_of(uid) is None])
        await pace.turn()
    new = view.uids(UIDSet(((old + 1, MAX_UID),))) if old < MAX_UID else array("I")
    return Missed(changed + new, gone)


async def _newest_old(index: Index, mailbox: MailboxId, view: MailboxView, mod_seq: ModSeq) -> int:
    """Return the greatest UID of a message that has not changed since, 0 if there is none."""
    if mod_seq == 0:
        return 0
    for end in range(len(view), 0, -SLICE):
        uids = [view.uid_at(SeqNum(seq)) for seq in range(max(1, end - SLICE + 1), end + 1)]
        for row in reversed(await index.rows(mailbox, uids)):
            if row.mod_seq <= mod_seq:
                return row.uid
    return 0


def matched(match: tuple[SeqSet, UIDSet] | None, view: MailboxView) -> UID:
    """Return the greatest UID that stands where the client says: below, it knows what is gone (RFC 7162 §3.2.5.2)."""
    found = UID(0)
    if match is not None:
        for seq, uid in zip(match[0], match[1], strict=True):
            if seq > len(view):
                break
            if view.uid_at(SeqNum(seq)) == uid:
                found = UID(uid)
    return found


__all__ = ["Missed", "matched", "missed_since"]
