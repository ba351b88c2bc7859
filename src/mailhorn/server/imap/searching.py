"""Which messages of a mailbox match a search key.

Rule: nobody waits for it: the index is read in slices, everybody else has a turn every TURN seconds, and a message
that takes long to read is looked into in a thread.
"""

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from ...model.ids import UID, MailboxId, ModSeq
from ...model.message import MessageOrigin, MessageRow
from ...model.numbers import STAR, UIDSet
from ...model.search import All, And, InSequence, InUIDs, Not, Or, SearchKey
from ...store.abc import MessageMissing
from ...store.store import Store
from .matching import Depth, Letter, Scope, Test, asks_origin, depth, narrowed, resolve
from .progress import Progress

ROWS = 1_000
"""Messages per read of the index without their envelopes: half a millisecond to look through."""

ENVELOPES = 256
"""Messages per read of the index with them: the reader holds the interpreter for a millisecond."""

TURN = 0.002
"""Seconds of work before everybody else has a turn; a command may hold the loop for 5 ms."""

QUICK = 16 * 1024
"""Octets of a message that is looked into at once: half a millisecond with base64 and all. The rest is for a thread."""


EVERYTHING = UIDSet(((1, STAR),))


class Pace:
    """Gives everybody else a turn now and then."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        """Begin to work now."""
        self._until = perf_counter() + TURN

    async def turn(self) -> None:
        """Let others work if it is their turn."""
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + TURN


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


async def find(
    store: Store, mailbox: MailboxId, key: SearchKey, scope: Scope, progress: Progress | None = None, parts: int = 1
) -> Found:
    """
    Return the messages of the scope that match; `progress` learns how far it is, with the first of so many parts.

    Raises StoreUnavailable, MailboxMissing.
    """
    within = narrowed(key, scope)
    view = scope.view
    uids = view.uids(EVERYTHING if within is None else within)
    found = Found()
    if progress is not None:
        progress.expect(len(uids), parts)
    if isinstance(key, All | InSequence | InUIDs):
        found.uids = await _still_there(store, mailbox, uids)
        return found
    search = Filter(store, mailbox, key, scope)
    size = ROWS if search.deepest is Depth.ROW else ENVELOPES
    for start in range(0, len(uids), size):
        if progress is not None:
            progress.done = start
        for row in await search.slice([UID(uid) for uid in uids[start : start + size]]):
            found.uids.append(row.uid)
            if row.mod_seq > found.mod_seq:
                found.mod_seq = row.mod_seq
    return found


class Filter:
    """
    What is searched for, made ready.

    Attributes:
        store: Where messages are looked up.
        mailbox: Whose.
        deepest: How much of a message may have to be known.

    """

    def __init__(self, store: Store, mailbox: MailboxId, key: SearchKey, scope: Scope) -> None:
        """Resolve the key: numbers in it mean from now on what they mean now."""
        self.store = store
        self.mailbox = mailbox
        self._test: Test = resolve(key, scope)
        self._asks_origin = asks_origin(key)
        self._depths = {depth(leaf) for leaf in _leaves(key)}
        self.deepest = max(self._depths)
        self._pace = Pace()

    async def slice(self, uids: Sequence[UID]) -> list[MessageRow]:
        """Return the rows of those that match, ascending: first by what is at hand, then by what must be looked up."""
        index, found = self.store.index, list[MessageRow]()
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
            if Depth.HEADER in self._depths and Depth.BODY not in self._depths:
                for letter in undecided:
                    await self._open(letter, sizes[letter.row.uid], found)
                undecided = []
        for letter in undecided:
            await self._open(letter, None, found)
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

    async def _open(self, letter: Letter, header_size: int | None, found: list[MessageRow]) -> None:
        """Read the header of a message, or all of it, and decide."""
        row = letter.row
        try:
            data = await self.store.read(self.mailbox, row.uid, 0, header_size)
        except MessageMissing:
            return  # expunged meanwhile
        if header_size is None:
            letter.take(data)
        else:
            letter.raw_header = data
        if len(data) <= QUICK:
            verdict = self._test(letter)
            await self._pace.turn()
        else:
            verdict = await asyncio.to_thread(self._test, letter)
        if verdict:
            found.append(row)


async def _still_there(store: Store, mailbox: MailboxId, uids: "array[int]") -> "array[int]":
    """Return those of the UIDs that have not been expunged; no row has to be read for that."""
    _, live = await store.index.uids(mailbox)
    if not uids or live[: len(uids)] == uids:
        return uids
    kept, there, pace = array("I"), frozenset(live), Pace()
    for start in range(0, len(uids), ROWS):
        kept.extend(uid for uid in uids[start : start + ROWS] if uid in there)
        await pace.turn()
    return kept


def _leaves(key: SearchKey) -> Iterator[SearchKey]:
    if isinstance(key, And):
        for part in key.keys:
            yield from _leaves(part)
    elif isinstance(key, Or):
        yield from _leaves(key.left)
        yield from _leaves(key.right)
    elif isinstance(key, Not):
        yield from _leaves(key.key)
    else:
        yield key


__all__ = ["ENVELOPES", "ROWS", "Filter", "Found", "Pace", "find"]
