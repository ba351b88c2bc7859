"""Who matches a search key and who may, of many messages at once, by what is in memory and in the index.

Rule 1: this is the fast way, and it may say "maybe" of any message: whoever may match is asked by `matching`, which
knows everything. Rule 2: each part of a key is asked only of those that the cheaper ones have left open.
"""

from collections.abc import Collection, Iterable, Mapping

from ...model.ids import UID, MailboxId
from ...model.message import MessageRow
from ...model.numbers import UIDSet
from ...model.search import (
    AddressKey,
    All,
    And,
    DateKey,
    HeaderKey,
    InSequence,
    InUIDs,
    Not,
    Or,
    SaveDateSupported,
    SearchKey,
    TextKey,
    ThreadIdKey,
)
from ...store.store import Store
from ...store.texts import TextHints
from .collation import fold
from .columns import Column, Days, Texts
from .matching import (
    DATE,
    IN_ENVELOPE,
    PEOPLE,
    RowTest,
    Scope,
    days,
    is_of_row,
    of_row,
    uid_ranges,
    wants_brackets,
)

Verdict = tuple[set[int], set[int]]
"""UIDs that match, and of the others those that may."""


def column_of(key: SearchKey) -> int | None:
    """Return the column that decides a key: where its field stands in an envelope; None if there is none for it."""
    if isinstance(key, AddressKey):
        return None if wants_brackets(key.text) else PEOPLE[key.field]
    if isinstance(key, HeaderKey):
        return IN_ENVELOPE.get(key.field.lower())
    return DATE if isinstance(key, DateKey) and not is_of_row(key) else None


def text_of(key: SearchKey) -> str | None:
    """Return the text, as it compares, that a message must have anywhere for a key to match; None if there is none."""
    if isinstance(key, TextKey) or (isinstance(key, HeaderKey) and column_of(key) is None):
        return fold(key.text) or None
    return None


class Sifter:
    """One search key, ready to be asked of slices of a mailbox."""

    def __init__(
        self,
        store: Store,
        mailbox: MailboxId,
        key: SearchKey,
        scope: Scope,
        columns: Mapping[int, Column],
        hints: TextHints,
    ) -> None:
        """
        Make it ready.

        Args:
            store: Where rows are looked up.
            mailbox: Whose messages.
            key: What is searched for.
            scope: Where and when.
            columns: What is in memory: each has all messages of the scope's view.
            hints: Who may have which text.

        """
        self._store = store
        self._mailbox = mailbox
        self._key = key
        self._scope = scope
        self._columns = columns
        self._hints = hints
        self._tests: dict[SearchKey, RowTest] = {}
        self._ranges: dict[SearchKey, UIDSet] = {}
        self.rows: dict[int, MessageRow] = {}
        self._asked: set[int] = set()

    async def sift(self, uids: Iterable[int]) -> Verdict:
        """
        Return who matches and who may. `rows` has afterwards those that were read.

        Raises StoreUnavailable, MailboxMissing.
        """
        self.rows.clear()
        self._asked.clear()
        return await self._sift(self._key, set(uids))

    @property
    def covered(self) -> UID:
        """Up to which message it is known who may have the texts."""
        return self._hints.covered

    async def _sift(self, key: SearchKey, uids: set[int]) -> Verdict:
        if not uids:
            return set(), set()
        if isinstance(key, And):
            yes, maybe = uids, set[int]()
            for part in sorted(key.keys, key=self._cost):
                match, may = await self._sift(part, yes | maybe if maybe else yes)
                maybe = (maybe & (match | may)) | (yes & may)
                yes = yes & match
            return yes, maybe
        if isinstance(key, Or):
            first, second = sorted((key.left, key.right), key=self._cost)
            yes, maybe = await self._sift(first, uids)
            match, may = await self._sift(second, uids - yes)
            yes = yes | match
            return yes, (maybe | may) - yes
        if isinstance(key, Not):
            match, maybe = await self._sift(key.key, uids)
            return uids - match - maybe, maybe
        if is_of_row(key):
            test = self._tests.get(key)
            if test is None:
                test = self._tests[key] = of_row(key, self._scope)
            return {row.uid for row in await self._rows(uids) if test(row)}, set()
        return self._leaf(key, uids)

    def _leaf(self, key: SearchKey, uids: set[int]) -> Verdict:
        """Ask what needs no waiting."""
        if isinstance(key, All | SaveDateSupported):
            return uids, set()
        if isinstance(key, ThreadIdKey):  # no message has one here
            return set(), set()
        if isinstance(key, InSequence | InUIDs):
            ranges = self._ranges.get(key)
            if ranges is None:
                ranges = self._ranges[key] = UIDSet(uid_ranges(key, self._scope))
            return {uid for low, high in ranges.ranges for uid in _between(uids, low, high)}, set()
        field = column_of(key)
        column = None if field is None else self._columns.get(field)
        if column is not None:
            low, high = min(uids), max(uids)
            if isinstance(column, Days) and isinstance(key, DateKey):
                return uids.intersection(column.within(*days(key), low, high)), set()
            if isinstance(column, Texts) and isinstance(key, AddressKey | HeaderKey):
                return uids.intersection(column.containing(fold(key.text), low, high)), set()
        text = text_of(key)
        may = None if text is None else self._hints.may.get(text)
        if may is None:
            return set(), uids
        covered = self._hints.covered
        late = {uid for uid in uids if uid > covered} if max(uids) > covered else set[int]()
        return set(), uids.intersection(may) | late

    async def _rows(self, uids: set[int]) -> Collection[MessageRow]:
        """Return rows of messages; each is read once in a slice."""
        wanted = uids - self._asked
        if wanted:
            self._asked |= wanted
            read = await self._store.index.rows(self._mailbox, [UID(uid) for uid in sorted(wanted)])
            self.rows.update((row.uid, row) for row in read)
        rows = self.rows
        return [rows[uid] for uid in uids if uid in rows]

    def _cost(self, key: SearchKey) -> int:
        """Return what comes first: the smaller, the cheaper."""
        if isinstance(key, And):
            return max(map(self._cost, key.keys), default=0)
        if isinstance(key, Or):
            return max(self._cost(key.left), self._cost(key.right))
        if isinstance(key, Not):
            return self._cost(key.key)
        if isinstance(key, InSequence | InUIDs | All | ThreadIdKey | SaveDateSupported):
            return 0
        if column_of(key) in self._columns:
            return 1
        if text_of(key) in self._hints.may:
            return 2
        return 3 if is_of_row(key) else 4


def _between(uids: set[int], low: int, high: int) -> Iterable[int]:
    """Return those of the UIDs in a range, by whichever is fewer."""
    if high - low < len(uids):
        return uids.intersection(range(low, high + 1))
    return [uid for uid in uids if low <= uid <= high]


__all__ = ["Sifter", "Verdict", "column_of", "text_of"]
