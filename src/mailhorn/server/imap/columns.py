"""Fields of all messages of a mailbox, in memory one after the other: what SUBJECT and FROM are looked up in.

Rule 1: a message never changes what it says, so nothing is taken back: a column has every message up to a UID that was
there when it was made, and who asks leaves out those that are gone. Rule 2: texts are as they compare, in UTF-8, where
two octets never occur: 0xFF ends an entry, 0xFE is one that is not there. Rule 3: sessions share them; those that were
not asked for some time, and the oldest where they are too big together, are forgotten and made again when needed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from math import inf

from ...imap.view import MailboxView
from ...model.ids import UID, MailboxId
from ...model.numbers import STAR, UIDSet
from ...net.deadlines import Deadlines
from ...store.store import Store
from .matching import DATE, EnvelopeReader, said, written_day
from .pace import Pace
from .progress import Progress

ENVELOPES = 256
"""Messages per read of the index with their envelopes: the reader holds the interpreter for a millisecond."""

MAX_OCTETS = 64 * 2**20
"""Of all columns together. Subjects of 100,000 messages are some 7 MiB, and what was forgotten costs one reading."""

MEAN = 80
"""Octets of an entry, to say before it is made whether a column can be kept."""

KEPT = 300.0
"""Seconds that a column is kept after it was asked: somebody who types a search asks again within them."""

WORTH = 4
"""A column is made when a search is about at least one in so many of the messages it would have to read."""

END, NONE = 0xFF, 0xFE


class Texts:
    """One field's texts. `upto` is the greatest UID that was looked at."""

    __slots__ = ("_data", "_starts", "_uids", "upto")

    def __init__(self) -> None:
        """Know nothing."""
        self.upto = 0
        self._uids = array("I")
        self._data = bytearray()
        self._starts = array("Q", [0])

    @property
    def octets(self) -> int:
        """How much memory it takes."""
        return len(self._data) + 12 * len(self._uids)

    def add(self, uid: int, text: str | None) -> None:
        """Add a message, which comes after all others; None: it has no such field."""
        self._uids.append(uid)
        if text is None:
            self._data.append(NONE)
        else:
            self._data += text.encode("utf-8", "surrogatepass")
        self._data.append(END)
        self._starts.append(len(self._data))

    def containing(self, wanted: str, low: int, high: int) -> list[int]:
        """Return who of UIDs low to high has the text, which is as it compares; the empty one: who has the field."""
        uids, starts, data = self._uids, self._starts, self._data
        at, last = bisect_left(uids, low), bisect_right(uids, high)
        if not wanted:
            return [uids[i] for i in range(at, last) if data[starts[i]] != NONE]
        needle = wanted.encode("utf-8", "surrogatepass")
        found = []
        find, end = data.find, starts[last]
        hit = find(needle, starts[at], end)
        while hit >= 0:
            at = bisect_right(starts, hit, at, last)
            found.append(uids[at - 1])
            hit = find(needle, starts[at], end)
        return found


class Days:
    """The days that Date fields name, as ordinals, 0 for none. `upto` is the greatest UID that was looked at."""

    __slots__ = ("_days", "_uids", "upto")

    def __init__(self) -> None:
        """Know nothing."""
        self.upto = 0
        self._uids = array("I")
        self._days = array("I")

    @property
    def octets(self) -> int:
        """How much memory it takes."""
        return 8 * len(self._uids)

    def add(self, uid: int, day: int) -> None:
        """Add a message, which comes after all others."""
        self._uids.append(uid)
        self._days.append(day)

    def within(self, first: int, end: int, low: int, high: int) -> list[int]:
        """Return who of UIDs low to high has a day from `first` on, before `end`."""
        at, last = bisect_left(self._uids, low), bisect_right(self._uids, high)
        pairs = zip(self._uids[at:last], self._days[at:last], strict=True)
        return [uid for uid, day in pairs if first <= day < end]


Column = Texts | Days


class Columns:
    """
    The columns of one server. Implements `net.deadlines.Watched`.

    Attributes:
        deadline: When to look for some that nobody asked.

    """

    def __init__(self, deadlines: Deadlines, clock: Callable[[], float]) -> None:
        """Have none yet."""
        self._deadlines = deadlines
        self._clock = clock
        self._kept: OrderedDict[tuple[MailboxId, int], tuple[float, Column]] = OrderedDict()
        self.deadline = inf

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def octets(self) -> int:
        """How much memory they take."""
        return sum(column.octets for _, column in self._kept.values())

    async def ready(
        self,
        store: Store,
        mailbox: MailboxId,
        view: MailboxView,
        fields: Iterable[int],
        asked: int,
        progress: Progress | None = None,
    ) -> dict[int, Column]:
        """
        Return columns that have all messages of the view, as far as it is worth while to make them.

        Args:
            store: Where envelopes are looked up.
            mailbox: Whose.
            view: Its messages.
            fields: Where they stand in an envelope; DATE is the day alone.
            asked: How many messages the search is about.
            progress: Learns how far it is, in messages of the view.

        Raises StoreUnavailable, MailboxMissing.

        """
        last, ready, behind = view.last_uid, dict[int, Column](), dict[int, Column]()
        for field in fields:
            kept = self._kept.get((mailbox, field))
            column = kept[1] if kept is not None else Days() if field == DATE else Texts()
            if column.upto >= last:
                ready[field] = column
            else:
                behind[field] = column
        if behind:
            missing = view.uids(UIDSet(((min(column.upto for column in behind.values()) + 1, STAR),)))
            if asked * WORTH >= len(missing) and len(view) * MEAN <= MAX_OCTETS:
                await self._extend(store, mailbox, missing, behind, progress)
                ready |= behind
        self._keep(mailbox, ready)
        return ready

    async def _extend(
        self,
        store: Store,
        mailbox: MailboxId,
        missing: Sequence[int],
        columns: dict[int, Column],
        progress: Progress | None,
    ) -> None:
        pace = Pace()
        for start in range(0, len(missing), ENVELOPES):
            if progress is not None:
                progress.done = start
            uids = [UID(uid) for uid in missing[start : start + ENVELOPES]]
            envelopes = [(row.uid, digest.envelope) for row, digest in await store.index.digests(mailbox, uids)]
            for uid, envelope in envelopes:
                reader = EnvelopeReader(envelope)
                for field, column in columns.items():
                    if uid <= column.upto:  # it has it, or another search was faster
                        continue
                    if isinstance(column, Days):
                        day = written_day(reader.text(field))
                        column.add(uid, 0 if day is None else day.toordinal())
                    else:
                        column.add(uid, said(reader, field))
                    column.upto = uid
                await pace.turn()
            for column in columns.values():
                column.upto = max(column.upto, uids[-1])

    def _keep(self, mailbox: MailboxId, columns: dict[int, Column]) -> None:
        now = self._clock()
        for field, column in columns.items():
            self._kept[mailbox, field] = now, column
            self._kept.move_to_end((mailbox, field))
        octets = self.octets
        while octets > MAX_OCTETS:
            _, (_, column) = self._kept.popitem(last=False)
            octets -= column.octets
        if self._kept and self.deadline == inf:
            self.deadline = now + KEPT
            self._deadlines.watch(self)

    def overdue(self) -> None:
        """Forget what nobody asked for some time."""
        now = self._clock()
        while self._kept:
            used, _ = next(iter(self._kept.values()))
            if used + KEPT > now:
                self.deadline = used + KEPT
                self._deadlines.watch(self)
                return
            self._kept.popitem(last=False)
        self.deadline = inf


__all__ = ["ENVELOPES", "KEPT", "MAX_OCTETS", "Column", "Columns", "Days", "Texts"]
