"""The messages of a mailbox side by side, in memory: what FETCH FLAGS and SELECT of all but the smallest are
answered from.

Rule 1: a sheet shows the mailbox as it was at one mod-sequence; who uses it looks first whether that is still so, and
brings it up to date by what changed since. Once that is done it is current until a change of the mailbox is told.
Rule 2: it belongs to the event loop; a thread makes a new one. Rule 3: it is 32 octets a message, and only so many
messages are kept; everything in it is in the tables.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import cast

from ...model.ids import UID, MailboxId, ModSeq
from ..abc import Columns
from .database import Database

MAX_ROWS = 300_000
"""Messages of all sheets together, 10 MB: those used longest ago go. A larger mailbox is read from the tables."""

AT_ONCE = 1_000
"""Rows that are taken by one call: with all 100,000 the interpreter would not be let go for 15 ms."""

FEW = 64
"""What is brought up to date on the loop, of each kind; beyond, a thread reads the mailbox anew: 5 ms for 10,000."""

_ROWS = "SELECT uid, mod_seq, flags, internal_date, size FROM message WHERE mailbox = ?"


class Sheet:
    """
    One mailbox.

    Attributes:
        mod_seq: Up to where it shows what happened.
        uids: All there are, ascending; who keeps them takes a copy.
        current: It shows all that was told of the mailbox, but for messages that are not in the tables yet.

    """

    __slots__ = ("_dates", "_flags", "_mod_seqs", "_numbers", "_sizes", "_texts", "current", "mod_seq", "uids")

    def __init__(self, mod_seq: ModSeq) -> None:
        """Begin with no messages."""
        self.mod_seq = mod_seq
        self.current = False
        self.uids = array("I")
        self._mod_seqs = array("Q")
        self._flags = array("I")
        self._dates = array("q")
        self._sizes = array("Q")
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.uids)

    @classmethod
    def read(cls, db: Database, mailbox: MailboxId) -> "Sheet | None":
        """Make it of the tables; None if the mailbox is gone."""
        with db:
            head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
            if not head:
                return None
            sheet = cls(ModSeq(head[0][0]))
            rows = db.execute(_ROWS + " ORDER BY uid", (mailbox,))
            while some := list(islice(rows, AT_ONCE)):
                sheet._extend(some)
        return sheet

    def catch_up(self, db: Database, mailbox: MailboxId) -> bool:
        """
        Take what changed since; False if that is much: then nothing was taken.

        Also if more sets of flags are kept than messages can have: those that nobody has any more go with the sheet.
        """
        last = self.uids[-1] if self.uids else 0
        with db:
            head = db.ask("SELECT highest_mod_seq FROM mailbox WHERE id = ?", (mailbox,))
            new = db.ask(f"{_ROWS} AND uid > ? ORDER BY uid LIMIT {FEW + 1}", (mailbox, last))
            changed = db.ask(
                "SELECT uid, mod_seq, flags FROM message INDEXED BY message_changed"
                f" WHERE changed = 1 AND mailbox = ? AND mod_seq > ? AND uid <= ? LIMIT {FEW + 1}",
                (mailbox, self.mod_seq, last),
            )
            gone = db.ask(
                f"SELECT uid FROM tombstone WHERE mailbox = ? AND mod_seq > ? AND uid <= ? LIMIT {FEW + 1}",
                (mailbox, self.mod_seq, last),
            )
        if not head or max(len(new), len(changed), len(gone)) > FEW or len(self._texts) > len(self) + 2 * FEW:
            return False
        for uid, mod_seq, flags in changed:
            at = bisect_left(self.uids, uid)
            self._mod_seqs[at], self._flags[at] = mod_seq, self._number(flags)
        for (uid,) in gone:
            at = bisect_left(self.uids, uid)
            for column in (self.uids, self._mod_seqs, self._flags, self._dates, self._sizes):
                del column[at]
        self._extend(new)
        self.mod_seq = ModSeq(head[0][0])
        self.current = True
        return True

    def _extend(self, rows: Sequence[tuple[int, int, str, int, int]]) -> None:
        if not rows:
            return
        uids, mod_seqs, flags, dates, sizes = zip(*rows, strict=True)
        self.uids.extend(uids)
        self._mod_seqs.extend(mod_seqs)
        self._flags.extend([self._number(text) for text in flags])
        self._dates.extend(dates)
        self._sizes.extend(sizes)

    def _number(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number

    def columns(self, uids: Sequence[UID]) -> Columns:
        """Return those of the messages, named in ascending order, that there are."""
        mine = self.uids
        first = bisect_left(mine, uids[0]) if uids else 0
        if len(uids) == 1 and first < len(mine) and mine[first] == uids[0]:
            flags, mod_seq = self._texts[self._flags[first]], ModSeq(self._mod_seqs[first])
            return Columns(uids, (mod_seq,), (flags,), (self._dates[first],), (self._sizes[first],))
        last = first + len(uids)
        if mine[first:last] == (uids if isinstance(uids, array) else array("I", uids)):
            texts = map(self._texts.__getitem__, self._flags[first:last])
            return Columns(
                cast(Sequence[UID], mine[first:last]),
                cast(Sequence[ModSeq], self._mod_seqs[first:last]),
                list(texts),
                self._dates[first:last],
                self._sizes[first:last],
            )
        places = [at for uid in uids if (at := bisect_left(mine, uid)) < len(mine) and mine[at] == uid]
        return Columns(
            [UID(mine[at]) for at in places],
            [ModSeq(self._mod_seqs[at]) for at in places],
            [self._texts[self._flags[at]] for at in places],
            [self._dates[at] for at in places],
            [self._sizes[at] for at in places],
        )


class Sheets:
    """Those that are kept."""

    def __init__(self) -> None:
        """Keep none."""
        self._kept: OrderedDict[MailboxId, Sheet] = OrderedDict()

    def get(self, mailbox: MailboxId) -> Sheet | None:
        """Return the mailbox's, as it was left; it has been used now."""
        sheet = self._kept.get(mailbox)
        if sheet is not None:
            self._kept.move_to_end(mailbox)
        return sheet

    def keep(self, mailbox: MailboxId, sheet: Sheet) -> None:
        """Keep it, and let go of others if they are too many together."""
        self._kept[mailbox] = sheet
        self._kept.move_to_end(mailbox)
        while sum(map(len, self._kept.values())) > MAX_ROWS and len(self._kept) > 1:
            self._kept.popitem(last=False)

    def changed(self, mailbox: MailboxId) -> None:
        """Take note that a change of the mailbox is told."""
        sheet = self._kept.get(mailbox)
        if sheet is not None:
            sheet.current = False

    def forget(self, mailbox: MailboxId) -> None:
        """Let go of one."""
        self._kept.pop(mailbox, None)
