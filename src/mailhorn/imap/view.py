"""One session's picture of a mailbox: sequence number to UID and back (design decision D2).

The class does not know its role. A server feeds it `Change`s from the store and gets what to tell; a client
feeds it what it was told. Sequence numbers exist here and nowhere below.

Rule 1: two cursors. `changed_to` is how far appends and flags have been told, `expunged_to` how far expunges
have. Where EXPUNGE may not be sent (RFC 9051 §7.5.1) the second one simply stays behind; nothing is queued.
Rule 2: views of one mailbox share their array. Appends extend the array that all share (a view is the array
and a length); only an expunge makes a new one.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, cast

from ..model.change import Change, FlagUpdate
from ..model.ids import UID, ModSeq, SeqNum
from ..model.numbers import SeqSet, UIDSet

UNKNOWN = UID(0)
"""What a client knows of a message it has only been told exists."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The message at this position is no more; those after it have moved down by one."""

    seq: SeqNum
    uid: UID = UNKNOWN


@dataclass(frozen=True, slots=True)
class Count:
    """So many messages exist now."""

    messages: int


@dataclass(frozen=True, slots=True)
class Flagged:
    """The message's flags are these now, as they are sent."""

    seq: SeqNum
    uid: UID
    flags: str
    mod_seq: ModSeq


Update = Gone | Count | Flagged


class MailboxView:
    """UIDs in ascending order, of which the first `len(view)` entries of a shared array are ours."""

    __slots__ = ("__weakref__", "_length", "_uids", "changed_to", "expunged_to")

    def __init__(self, uids: "array[int] | None" = None, mod_seq: ModSeq | int = 0) -> None:
        """
        Make a view that stands at `mod_seq` and knows these UIDs.

        Args:
            uids: Ascending; the array is kept and shared, not copied.
            mod_seq: What both cursors start at.

        """
        self._uids = array("I") if uids is None else uids
        self._length = len(self._uids)
        self.changed_to = self.expunged_to = ModSeq(mod_seq)

    def fork(self) -> Self:
        """Return another view that stands where this one does and shares its storage."""
        twin = type(self)(self._uids, self.changed_to)
        twin._length = self._length
        twin.expunged_to = self.expunged_to
        return twin

    def __len__(self) -> int:
        return self._length

    @property
    def last_uid(self) -> UID:
        """The greatest UID in the view, 0 if it is empty."""
        return UID(self._uids[self._length - 1]) if self._length else UNKNOWN

    def uid_at(self, seq: SeqNum) -> UID:
        """Return the UID at a position; raises IndexError outside 1..len."""
        if not 1 <= seq <= self._length:
            raise IndexError(seq)
        return UID(self._uids[seq - 1])

    def seq_of(self, uid: UID) -> SeqNum | None:
        """Return the position of a UID, None if it is not in the view."""
        i = bisect_left(self._uids, uid, 0, self._length)
        return SeqNum(i + 1) if i < self._length and self._uids[i] == uid else None

    def between(self, numbers: SeqSet | UIDSet, most: int) -> "tuple[SeqNum, array[int]] | None":
        """
        Return where the messages of a set begin, and their UIDs; they are neighbours.

        None if the set is not one range of at most so many numbers, or if no message is there.
        """
        if len(numbers.ranges) != 1:
            return None
        low, high = numbers.ranges[0]
        if not 0 < low <= high < low + most:
            return None
        if isinstance(numbers, UIDSet):
            first = bisect_left(self._uids, low, 0, self._length)
            last = bisect_right(self._uids, high, first, self._length)
        else:
            first, last = low - 1, high
        return (SeqNum(first + 1), self._uids[first:last]) if first < last <= self._length else None

    def side_by_side(self, uids: "array[int]") -> Sequence[SeqNum] | None:
        """Return the positions of UIDs (one at least, ascending), None if others stand between them or one is gone."""
        first = self.seq_of(UID(uids[0]))
        if first is None or self._length - first + 1 < len(uids):
            return None
        if self._uids[first - 1 : first - 1 + len(uids)] != uids:
            return None
        return cast(Sequence[SeqNum], range(first, first + len(uids)))

    def uids(self, numbers: SeqSet | UIDSet) -> "array[int]":
        """
        Return the UIDs that a set names, ascending.

        A UID that is not there is passed over (RFC 9051 §6.4.9).

        Raises:
            IndexError: A sequence number is beyond the mailbox: the client is out of step, answer BAD.

        """
        if isinstance(numbers, UIDSet):
            return numbers.within(self._uids, self._length)
        found = array("I")
        for low, high in numbers.resolved(self._length):
            if low < 1 or high > self._length:
                raise IndexError(high)
            found.extend(self._uids[low - 1 : high])
        return found

    def apply(self, change: Change, *, expunge: bool) -> list[Update]:
        """
        Take a difference and return what the peer must be told, in the order to tell it.

        Args:
            change: Starts where `changed_to` stands (or before: what is known already is passed over). If
                `expunge` is true it must also hold all expunges after `expunged_to`.
            expunge: Whether EXPUNGE may be sent now; if not, `expunged_to` stays.

        """
        updates: list[Update] = []
        if expunge or (not change.expunged and self.expunged_to >= change.before):
            updates.extend(self._remove(change.expunged))
            self.expunged_to = max(self.expunged_to, change.after)
        if change.after <= self.changed_to:
            return updates
        new = change.appended[bisect_right(change.appended, self.last_uid) :]
        if new:
            self._extend(new)
            updates.append(Count(self._length))
        updates += self.flagged(change.updated)
        self.changed_to = change.after
        return updates

    def flagged(self, updated: Iterable[FlagUpdate]) -> list[Update]:
        """Return what to tell of messages that have other flags now: of those that are in the view."""
        updates: list[Update] = []
        for uid, mod_seq, flags in updated:
            seq = self.seq_of(uid)
            if seq is not None:
                updates.append(Flagged(seq, uid, flags, mod_seq))
        return updates

    def _remove(self, uids: Sequence[UID]) -> list[Update]:
        """Take UIDs out in one go; told from the end, so that no position moves before it is told."""
        seqs = sorted({seq for uid in uids if (seq := self.seq_of(uid)) is not None}, reverse=True)
        if not seqs:
            return []
        kept = array("I")
        start = 0
        for seq in reversed(seqs):
            kept.extend(self._uids[start : seq - 1])
            start = seq
        kept.extend(self._uids[start : self._length])
        gone: list[Update] = [Gone(seq, UID(self._uids[seq - 1])) for seq in seqs]
        self._uids, self._length = kept, len(kept)
        return gone

    def _extend(self, uids: Sequence[int]) -> None:
        """Append UIDs, to the shared array if what others appended there is the same."""
        ahead = self._uids[self._length : self._length + len(uids)]
        if ahead == array("I", uids[: len(ahead)]):
            self._uids.extend(uids[len(ahead) :])
        else:
            self._uids = self._uids[: self._length]
            self._uids.extend(uids)
        self._length += len(uids)

    # What a client is told.

    def exists(self, messages: int) -> None:
        """Take `* n EXISTS`: new messages have no UID until told; fewer than before means the server erred."""
        self._own()
        del self._uids[messages:]
        self._uids.extend([UNKNOWN] * (messages - len(self._uids)))
        self._length = messages

    def expunge(self, seq: SeqNum) -> UID:
        """Take `* n EXPUNGE`; returns the UID that went, UNKNOWN if it was not known. Raises IndexError."""
        uid = self.uid_at(seq)
        self._own()
        del self._uids[seq - 1]
        self._length -= 1
        return uid

    def vanish(self, uids: UIDSet) -> list[UID]:
        """
        Take `* VANISHED uids` without EARLIER (RFC 7162 §3.2.10); returns those of them whose UID was known.

        One that is greater than all known ones is one of the new ones at the end, which are all alike. Raises
        LookupError if a message could be anywhere: then nothing was taken, and the UIDs have to be asked for again.
        """
        mine = self._uids[: self._length]
        head = mine.index(UNKNOWN) if UNKNOWN in mine else len(mine)
        gone = uids.within(mine, head)
        last = mine[head - 1] if head else UNKNOWN
        told = new = 0
        for low, high in uids.resolved(last):
            told += high - low + 1
            new += max(0, high - max(low - 1, last))
        if told != len(gone) + new or new > len(mine) - head or any(mine[head:]):
            raise LookupError("a message that is not known has vanished")
        left = set(gone)
        self._uids = array("I", [uid for uid in mine[: len(mine) - new] if uid not in left])
        self._length = len(self._uids)
        return [UID(uid) for uid in gone]

    def learn(self, seq: SeqNum, uid: UID) -> None:
        """Take the UID of a position from `* n FETCH (UID u)`. Raises IndexError."""
        self.uid_at(seq)
        self._own()
        self._uids[seq - 1] = uid

    def _own(self) -> None:
        """Stop sharing before a change that others must not see."""
        self._uids = self._uids[: self._length]
