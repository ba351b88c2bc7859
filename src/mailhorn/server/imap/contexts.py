"""Searches whose results are kept up to date: RETURN (UPDATE), CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267 §4.3).

Rule 1: REMOVEFROM for what is expunged is told before the EXPUNGE, everything else after what caused it, so that
sequence numbers mean what the client takes them for. Rule 2: what was stirred is looked at once, when the session
tells what happened; several changes to a message between two looks are one.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable

from ...imap.commands import FetchItem
from ...imap.grammar.cursor import STRICT, Dialect
from ...imap.grammar.response import write_response
from ...imap.responses import ESearchResponse, ResultUpdate
from ...imap.view import MailboxView
from ...model.change import Change
from ...model.ids import UID, UIDValidity
from ...model.numbers import NumberSet, SeqSet, UIDSet
from ...model.search import SortKey
from . import sorting
from .searching import ENVELOPES, Filter
from .sorting import Entry

MAX_CONTEXTS = 8
"""Of one selected mailbox: every change is held against each of them. Clients show one or two lists at a time."""

MAX_SORTED = 20_000
"""Results of a sorted search that are kept up to date: some 200 bytes each."""


class Context:
    """
    One search that is kept up to date.

    Attributes:
        tag: Of the command.

    """

    __slots__ = ("_by_uid", "_dialect", "_filter", "_mailbox", "_order", "_sorted", "_uids", "arrived", "fetch", "tag")

    def __init__(
        self,
        tag: bytes,
        by_uid: bool,
        filter_: Filter,
        results: Iterable[int],
        sorted_: tuple[tuple[SortKey, ...], list[Entry]] | None = None,
        mailbox: tuple[str, UIDValidity] | None = None,
        dialect: Dialect = STRICT,
        fetch: tuple[FetchItem, ...] = (),
    ) -> None:
        """
        Begin with what the client is told now.

        Args:
            tag: Of the command.
            by_uid: Whether updates tell UIDs.
            filter_: What is searched for, of a lasting scope; sequence numbers stay what they were (RFC 5267 §4.3).
            results: UIDs, ascending.
            sorted_: What they are sorted by, and what is, in its order.
            mailbox: Name and UIDVALIDITY, if updates are to tell them (RFC 7377 §2.1).
            dialect: How the name is written.
            fetch: What to tell of messages that are new in the mailbox and among the results (RFC 5465 §7).

        """
        self.tag = tag
        self.fetch = fetch
        self.arrived: list[UID] = []
        self._by_uid = by_uid
        self._filter = filter_
        self._dialect = dialect
        self._mailbox = mailbox
        self._uids = array("I", results)
        self._order: tuple[SortKey, ...] | None = None
        self._sorted: list[Entry] = []
        if sorted_ is not None:
            self._order, self._sorted = sorted_

    def leave(self, view: MailboxView, uids: frozenset[UID]) -> bytes:
        """Take out what is expunged; return what is to be told before that is."""
        return self._told(self._removed([uid for uid in sorted(uids) if self._has(uid)], view))

    async def look(self, uids: list[UID], view: MailboxView) -> bytes:
        """Look at messages of the view that are new or were changed; return what is to be told."""
        matching = {row.uid: row for row in await self._filter.slice(uids)}
        updates = self._removed([uid for uid in uids if uid not in matching and self._has(uid)], view)
        new = [uid for uid in uids if uid in matching and not self._has(uid)]
        for uid in new:
            insort(self._uids, uid)
        if self.fetch:
            self.arrived += new
        if new and self._order is None:
            updates.append(ResultUpdate(True, 0, self._set(new, view)))
        elif new and self._order is not None:
            store, mailbox = self._filter.store, self._filter.mailbox
            self._sorted += await sorting.entries(store, mailbox, new, self._order)
            self._sorted.sort(key=lambda entry: entry[0])
            self._sorted = await sorting.in_order(self._sorted, self._order)
            for position, (uid, _) in enumerate(self._sorted, 1):
                if uid in new:
                    updates.append(ResultUpdate(True, position, self._set([uid], view)))
        return self._told(updates)

    def _has(self, uid: UID) -> bool:
        at = bisect_left(self._uids, uid)
        return at < len(self._uids) and self._uids[at] == uid

    def _removed(self, gone: list[UID], view: MailboxView) -> list[ResultUpdate]:
        if not gone:
            return []
        for uid in gone:
            del self._uids[bisect_left(self._uids, uid)]
        if self._order is None:
            return [ResultUpdate(False, 0, self._set(gone, view))]
        updates = []
        leaving = frozenset(gone)
        for position in range(len(self._sorted), 0, -1):
            uid = self._sorted[position - 1][0]
            if uid in leaving:
                updates.append(ResultUpdate(False, position, self._set([uid], view)))
                del self._sorted[position - 1]
        return updates

    def _set(self, uids: list[UID], view: MailboxView) -> NumberSet:
        if self._by_uid:
            return UIDSet.of(uids)
        return SeqSet.of([seq for uid in uids if (seq := view.seq_of(uid)) is not None])

    def _told(self, updates: list[ResultUpdate]) -> bytes:
        updates = [update for update in updates if update.numbers.ranges]
        if not updates:
            return b""
        name, uid_validity = self._mailbox or (None, None)
        response = ESearchResponse(
            self.tag, self._by_uid, updates=tuple(updates), mailbox=name, uid_validity=uid_validity
        )
        return write_response(response, self._dialect)


class Contexts:
    """The searches of one selected mailbox that are kept up to date, and which messages they have to look at."""

    __slots__ = ("_contexts", "_made", "_new", "_stirred")

    def __init__(self) -> None:
        """None yet."""
        self._contexts: dict[bytes, Context] = {}
        self._stirred: set[UID] = set()
        self._new: set[UID] = set()
        self._made: set[UID] = set()

    def __len__(self) -> int:
        return len(self._contexts)

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._contexts

    @property
    def full(self) -> bool:
        """Whether there may be no more."""
        return len(self._contexts) >= MAX_CONTEXTS

    @property
    def stirred(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._stirred)

    def keep(self, context: Context) -> None:
        """Keep one more up to date."""
        self._contexts[context.tag] = context

    def cancel(self, tag: bytes) -> bool:
        """Tell no more of it; returns whether there was one."""
        return self._contexts.pop(tag, None) is not None

    def leave(self, view: MailboxView, change: Change) -> bytes:
        """Return what is to be told before the EXPUNGEs of a change."""
        gone = frozenset(uid for uid in change.expunged if view.seq_of(uid) is not None)
        self._stirred -= gone
        return b"".join([context.leave(view, gone) for context in self._contexts.values()]) if gone else b""

    def stir(self, change: Change) -> None:
        """Take note of what a change may have brought or taken."""
        self._stirred.update(change.appended)
        self._new.update(change.appended)
        self._stirred.update([update.uid for update in change.updated])

    async def look(self, view: MailboxView) -> bytes:
        """Return what is to be told of what was stirred. Raises StoreUnavailable; then it is looked at again."""
        stirred, told = self._stirred, b""
        uids = sorted(uid for uid in stirred if view.seq_of(uid) is not None)
        for start in range(0, len(uids), ENVELOPES):
            for context in list(self._contexts.values()):
                told += await context.look(uids[start : start + ENVELOPES], view)
        self._stirred = set()
        return told

    def wrote(self, uids: Iterable[UID]) -> None:
        """Take note that the session itself has put these messages there: nothing is fetched of them."""
        self._made.update(uids)

    def to_fetch(self) -> dict[UID, tuple[FetchItem, ...]]:
        """Return what is to be told of messages that are new in the mailbox and among the results, once."""
        wanted: dict[UID, dict[FetchItem, None]] = {}
        for context in self._contexts.values():
            for uid in context.arrived:
                if uid in self._new and uid not in self._made:
                    wanted.setdefault(uid, {}).update(dict.fromkeys(context.fetch))
            context.arrived = []
        self._new, self._made = set(), set()
        return {uid: tuple(items) for uid, items in wanted.items()}


__all__ = ["MAX_CONTEXTS", "MAX_SORTED", "Context", "Contexts"]
