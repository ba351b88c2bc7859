"""Which messages of a mailbox match a search key.

What is in memory (`columns`), the index's rows and the index of texts say who matches and who may (`sifting`); who may
is asked one by one (`Filter`): by the row, the envelope, the header, and at last all of the message.

Rule 1: nobody waits for it: all is done in slices, everybody else has a turn every TURN seconds, and a message that
takes long to read is looked into in a thread. Rule 2: the index of texts learns what a search has read anyway.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...imap.view import MailboxView
from ...model.ids import UID, MailboxId, ModSeq
from ...model.message import MessageOrigin, MessageRow
from ...model.numbers import STAR, UIDSet
from ...model.search import All, InSequence, InUIDs, SearchKey, TextKey, holds, leaves, wants_mod_seq
from ...store.abc import MessageMissing
from ...store.store import Store
from ...store.texts import BATCH, FEW, NO_HINTS, TextIndex
from .columns import ENVELOPES, Columns
from .matching import Depth, Letter, Scope, Test, asks_origin, depth, narrowed, resolve, searchable_of
from .pace import TURN, Pace
from .progress import Progress
from .sifting import Sifter, column_of, text_of

ROWS = 1_000
"""Messages per read of the index without their envelopes: half a millisecond to look through."""

SMALL = 64
"""Messages that are asked one by one: what is in memory would have to be made, or kept up, for them."""

QUICK = 16 * 1024
"""Octets of a message that is looked into at once: half a millisecond with base64 and all. The rest is for a thread."""

READ = 256 * 1024
"""Octets read at a time: of most mail a few dozen messages."""


EVERYTHING = UIDSet(((1, STAR),))


@dataclass(slots=True)
class Found:
    """
    What a search found.

    Attributes:
        uids: Ascending.
        mod_seq: The greatest mod-sequence among them, 0 if their rows were not needed.

    """

    uids: "array[int]" = field(default_factory=lambda: array("I"))
    mod_seq: ModSeq = ModSeq(0)

    def add(self, row: MessageRow) -> None:
        """Add one that comes after all others."""
        self.uids.append(row.uid)
        self.mod_seq = max(self.mod_seq, row.mod_seq)


async def find(
    store: Store,
    mailbox: MailboxId,
    key: SearchKey,
    scope: Scope,
    progress: Progress | None = None,
    parts: int = 1,
    columns: Columns | None = None,
) -> Found:
    """
    Return the messages of the scope that match; `progress` learns how far it is, with the first of so many parts.

    Args:
        store: Where messages are looked up.
        mailbox: Whose.
        key: What is searched for.
        scope: Where and when.
        progress: Learns how far it is, if given.
        parts: How many parts the work has, of which this is the first.
        columns: What is kept in memory.

    Raises StoreUnavailable, MailboxMissing.

    """
    within = narrowed(key, scope)
    view = scope.view
    uids = view.uids(EVERYTHING if within is None else within)
    if progress is not None:
        progress.expect(len(uids), parts)
    if isinstance(key, All | InSequence | InUIDs):
        return Found(await _still_there(store, mailbox, view, uids))
    found = Found()
    filter_ = Filter(store, mailbox, key, scope)
    if len(uids) <= SMALL:
        for row in await filter_.slice(uids):
            found.add(row)
        return found
    sifter, learning = await _made_ready(store, mailbox, key, scope, len(uids), progress, columns)
    filter_.learning = learning
    unsure, pace = False, Pace()
    for start in range(0, len(uids), ROWS):
        yes, maybe = await sifter.sift(uids[start : start + ROWS])
        unsure = unsure or bool(yes - sifter.rows.keys())
        asked = sorted(maybe)
        for at in range(0, len(asked), ENVELOPES):
            if progress is not None:
                progress.done = start + at
            yes.update(row.uid for row in await filter_.slice(asked[at : at + ENVELOPES]))
        found.uids.extend(sorted(yes))
        await pace.turn()
    if learning is not None:
        await learning.finish()
    elif store.texts is not None and view.last_uid > sifter.covered and holds(key, TextKey):
        store.texts.catch_up(mailbox)
    if unsure:
        found.uids = await _still_there(store, mailbox, view, found.uids)
    if wants_mod_seq(key):
        for start in range(0, len(found.uids), ROWS):
            rows = await store.index.columns(mailbox, [UID(uid) for uid in found.uids[start : start + ROWS]])
            found.mod_seq = max(found.mod_seq, max(rows.mod_seqs, default=ModSeq(0)))
            await pace.turn()
    return found


async def _made_ready(
    store: Store,
    mailbox: MailboxId,
    key: SearchKey,
    scope: Scope,
    asked: int,
    progress: Progress | None,
    columns: Columns | None,
) -> "tuple[Sifter, Learning | None]":
    """Return what says who may match, and what learns the rest if this search reads all of it."""
    view, of = scope.view, list(leaves(key))
    fields = {field for field in map(column_of, of) if field is not None}
    ready = {} if columns is None else await columns.ready(store, mailbox, view, fields, asked, progress)
    wanted = {text for text in map(text_of, of) if text is not None}
    hints, learning = NO_HINTS, None
    if store.texts is not None and wanted:
        hints = await store.texts.hints(mailbox, list(wanted))
        if asked == len(view) and view.last_uid > hints.covered and holds(key, TextKey):
            _, live = await store.index.uids(mailbox)
            rest = live[bisect_right(live, hints.covered) : bisect_right(live, view.last_uid)]
            learning = Learning(store.texts, mailbox, hints.covered, rest)
    return Sifter(store, mailbox, key, scope, ready, hints), learning


class Learning:
    """Has the index of texts learn what a search reads, as far as it reads one message after the other."""

    def __init__(self, texts: TextIndex, mailbox: MailboxId, covered: UID, rest: "array[int]") -> None:
        """
        Begin.

        Args:
            texts: What learns.
            mailbox: Whose messages.
            covered: What it covers.
            rest: The messages it does not know, ascending; few of them are not worth a transaction.

        """
        self._texts = texts
        self._mailbox = mailbox
        self._covered = covered
        self._rest = rest if len(rest) >= FEW else rest[:0]
        self._at = 0
        self._refused = False
        self._batch: list[tuple[UID, str]] = []
        self._size = 0
        self._adding: asyncio.Task[bool] | None = None

    def wants(self, uid: UID) -> bool:
        """Whether this is the next message: who comes after one that was left out is not."""
        return not self._refused and self._at < len(self._rest) and uid == self._rest[self._at]

    async def take(self, uid: UID, text: str) -> None:
        """Take the message that it wants, with all that can be found in it."""
        self._at += 1
        self._batch.append((uid, text))
        self._size += len(text)
        if self._size >= BATCH:
            await self._add()

    async def _add(self) -> None:
        """Have it learned while the search goes on."""
        if self._adding is not None and not await self._adding:
            self._refused, self._batch = True, []
        if self._batch:
            batch, after = self._batch, self._covered
            self._batch, self._size, self._covered = [], 0, batch[-1][0]
            self._adding = asyncio.get_running_loop().create_task(self._texts.add(self._mailbox, after, batch))

    async def finish(self) -> None:
        """Have the last of it learned; and what the search has left out, when there is time."""
        await self._add()
        if self._adding is not None and not await self._adding:
            self._refused = True
        if self._refused or self._at < len(self._rest):
            self._texts.catch_up(self._mailbox)


class Filter:
    """
    What is searched for, made ready.

    Attributes:
        store: Where messages are looked up.
        mailbox: Whose.
        learning: Gets what is read, if anybody wants it.

    """

    def __init__(self, store: Store, mailbox: MailboxId, key: SearchKey, scope: Scope) -> None:
        """Resolve the key: numbers in it mean from now on what they mean now."""
        self.store = store
        self.mailbox = mailbox
        self._test: Test = resolve(key, scope)
        self._asks_origin = asks_origin(key)
        self._depths = {depth(leaf) for leaf in leaves(key)}
        self.learning: Learning | None = None
        self._pace = Pace()

    async def slice(self, wanted: Sequence[int]) -> list[MessageRow]:
        """Return the rows of those that match, ascending: first by what is at hand, then by what must be looked up."""
        index, found = self.store.index, list[MessageRow]()
        uids = [UID(uid) for uid in wanted]
        rows: list[MessageRow] | None = None
        open_ = uids
        origins: dict[int, MessageOrigin] = {}
        if self._asks_origin:
            origins = {origin.uid: origin for origin in await index.origins(self.mailbox, uids)}
        if Depth.ROW in self._depths or Depth.ENVELOPE not in self._depths:
            rows = await index.rows(self.mailbox, uids)
            undecided = await self._decide((Letter(row, origin=origins.get(row.uid)) for row in rows), found)
            if not undecided:
                return found
            open_ = [letter.row.uid for letter in undecided]
        if Depth.ENVELOPE in self._depths or Depth.HEADER in self._depths:
            digests = await index.digests(self.mailbox, open_)
            sizes = {row.uid: digest.header_size for row, digest in digests}
            undecided = await self._decide(
                (Letter(row, digest.envelope, origin=origins.get(row.uid)) for row, digest in digests), found
            )
            if Depth.BODY not in self._depths:
                await self._open(undecided, found, sizes)
                undecided = []
        await self._open(undecided, found)
        found.sort()
        return found

    async def _decide(self, letters: Iterable[Letter], found: list[MessageRow]) -> list[Letter]:
        """Take those that match; return those of which more must be known."""
        undecided = []
        for letter in letters:
            verdict = self._test(letter)
            if verdict:
                found.append(letter.row)
            elif verdict is None:
                undecided.append(letter)
            await self._pace.turn()
        return undecided

    async def _open(
        self, letters: Sequence[Letter], found: list[MessageRow], header_sizes: dict[UID, int] | None = None
    ) -> None:
        """Read messages, or their headers alone, and decide."""
        at = 0
        while at < len(letters):
            spans: dict[UID, tuple[int, int]] = {}
            octets = 0
            while at + len(spans) < len(letters) and octets < READ:
                row = letters[at + len(spans)].row
                size = row.size if header_sizes is None else header_sizes[row.uid]
                spans[row.uid] = 0, size
                octets += size
            bodies = await self.store.read_many(self.mailbox, spans)
            for letter in letters[at : at + len(spans)]:
                uid = letter.row.uid
                try:
                    data = bodies.pop(uid, None) or await self.store.read(self.mailbox, uid, *spans[uid])
                except MessageMissing:
                    continue  # expunged meanwhile
                if await self._matches(letter, data, header_sizes is None):
                    found.append(letter.row)
            at += len(spans)

    async def _matches(self, letter: Letter, data: bytes, whole: bool) -> bool:
        uid, learning, text = letter.row.uid, self.learning, None
        learns = whole and learning is not None and learning.wants(uid)

        def look() -> tuple[bool | None, str | None]:
            if whole:
                letter.take(data)
            else:
                letter.raw_header = data
            return self._test(letter), searchable_of(letter) if learns else None

        if len(data) <= QUICK:
            verdict, text = look()
            await self._pace.turn()
        else:
            verdict, text = await asyncio.to_thread(look)
        if learning is not None and text is not None:
            await learning.take(uid, text)
        return bool(verdict)


async def _still_there(store: Store, mailbox: MailboxId, view: MailboxView, uids: "array[int]") -> "array[int]":
    """Return those of the view's UIDs that have not been expunged; no row has to be read for that."""
    head = await store.index.mailbox_by_id(mailbox)
    if head is not None and head.highest_mod_seq == view.expunged_to:
        return uids
    if len(uids) <= SMALL:
        rows = await store.index.rows(mailbox, [UID(uid) for uid in uids])
        return array("I", [row.uid for row in rows])
    _, live = await store.index.uids(mailbox)
    if not uids or live[: len(uids)] == uids:
        return uids
    kept, there, pace = array("I"), frozenset(live), Pace()
    for start in range(0, len(uids), ROWS):
        kept.extend(uid for uid in uids[start : start + ROWS] if uid in there)
        await pace.turn()
    return kept


__all__ = ["ENVELOPES", "ROWS", "TURN", "Filter", "Found", "Learning", "Pace", "find"]
