"""FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5).

Rule 1: the answer is made in slices and sent as the client reads; other sessions run in between.
Rule 2: what was digested at delivery is sent as it is kept; a body is read only if its bytes are asked for.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, NoReturn, cast

import structlog

from ....imap.commands import Attribute, BinarySection, BodySection, Fetch, FetchItem, Preview
from ....imap.grammar.ext.qresync import vanished_lines
from ....mime.preview import preview_part
from ....mime.transfer import IDENTITY, decoder
from ....model.flags import NO_FLAGS, SEEN
from ....model.ids import UID, ModSeq, SeqNum
from ....model.message import MessageOrigin, MessageRow
from ....model.numbers import UIDSet
from ....store.abc import Columns, MessageMissing, OpenBlob, Stored, StoreError
from ..answers import Answers, said
from ..changed import missed_since
from ..conversation import Conversation, bad_sequence
from ..partial import part_of
from ..pouring import Pouring
from ..reach import Act, may_selected
from ..reply import BadArguments, CommandRefused, Reply, ok
from ..sections import (
    WHOLE,
    Binary,
    Literal,
    Named,
    Octets,
    Place,
    UnknownEncoding,
    named,
    of_header,
    preview_end,
    previewed,
    said_of,
)
from ..selected import Manner, Selected

log = structlog.get_logger("mailhorn.imap")

SLICE = 256
"""Messages per read of the index: some 2 ms of work for the largest answers, so that pushes are not held up."""

SLICE_OF_ROWS = 2000
"""The same if nothing is asked but flags, dates and sizes: 1 ms."""

SLICE_AT_HAND = 64
"""Messages whose octets are read at a time, and said without a turn for others: 1 ms, 4 ms with PREVIEW."""

OCTETS_AT_HAND = 1024 * 1024
"""Octets read at a time, if no single message has more; twice as many are held, as the next are read meanwhile."""

MANY = 8
"""Whole messages from which on their files are handed to the system: fewer are not worth a thread's round trip."""

LARGE = 1024 * 1024
"""Octets of a message up to which that is done: so much is read if a client stops reading in the middle."""

OCTETS_POURED = 8 * 1024 * 1024
"""Octets handed over in one go, at the most: for some 6 ms the thread has nothing for others, and there is another."""

FEW = 64
"""Messages that are answered for at once, if it can be done: 0.3 ms."""

MAX_PLANS = 64
"""Lists of items whose plans are kept."""

SLICE_OF_BODIES = 16
"""The same with BODY, which is made of BODYSTRUCTURE each time, as hardly anybody asks for it: 2 ms."""


async def fetch(conversation: Conversation, command: Fetch) -> Reply:
    """Answer in ascending order; messages that another session expunged are passed over and said so at the end."""
    selected = conversation.open_mailbox
    try:
        uids = selected.view.uids(command.numbers)
    except IndexError as problem:
        raise bad_sequence(problem) from None
    if command.partial is not None:
        uids = array("I", part_of(uids, command.partial))
    by_uid = isinstance(command.numbers, UIDSet)
    items = command.items
    if command.changed_since is not None:
        uids = await _changed(conversation, selected, command, command.changed_since, uids)
        items = items if Attribute.MODSEQ in items else (*items, Attribute.MODSEQ)
    elif Attribute.MODSEQ in items:
        conversation.aware()
    if by_uid and Attribute.UID not in items and not conversation.uid_only:
        items = (Attribute.UID, *items)
    plan = _planned(items, conversation.uid_only)
    if not plan.items:
        if await _answered(conversation, selected, plan, uids) or by_uid:
            return _UID_COMPLETED if by_uid else _COMPLETED
        raise CommandRefused("Some of the messages have been expunged", "EXPUNGEISSUED")
    work = _Fetching(conversation, selected, plan, by_uid)
    await work.answer(uids)
    if work.unknown_encoding:
        raise CommandRefused("A part is encoded in a way that nobody knows here", "UNKNOWN-CTE")
    if work.missing:
        raise CommandRefused("Some of the messages have been expunged", "EXPUNGEISSUED")
    return _UID_COMPLETED if by_uid else _COMPLETED


def at_once(conversation: Conversation, command: Fetch) -> Reply | None:
    """
    Answer without waiting, if it is about few messages and all that is asked for is at hand.

    None: nothing has been done, `fetch` is to do it. Raises as that does.
    """
    selected = conversation.selected
    if selected is None or selected.guest or selected.revoked or conversation.uid_only:
        return None
    if command.changed_since is not None or command.partial is not None:
        return None
    neighbours = selected.view.between(command.numbers, min(FEW, conversation.context.options.message_limit))
    if neighbours is None:
        return None
    by_uid = isinstance(command.numbers, UIDSet)
    plan = _known(command.items, by_uid)
    if plan.careful:
        return None
    first, uids = neighbours
    if plan.poured is not None and len(uids) == 1:
        if not _whole_at_once(conversation, selected, plan, plan.poured, first, cast("Sequence[UID]", uids)):
            return None
    elif plan.items:
        if not _bodies_at_once(conversation, selected, plan, cast("list[UID]", uids)):
            return None
    elif not _answered_at_once(conversation, selected, plan, first, cast("list[UID]", uids)):
        return None
    return _UID_COMPLETED if by_uid else _COMPLETED


def _answered_at_once(
    conversation: Conversation, selected: Selected, plan: "_Plan", first: SeqNum, uids: Sequence[UID]
) -> bool:
    """Answer from rows and digests alone for messages that are neighbours, if they are at hand."""
    context, mailbox = conversation.context, selected.mailbox
    columns = context.store.index.columns_at_hand(mailbox, uids, plan.answers.digested)
    if columns is None:
        return False
    if plan.answers.digested:
        context.timeline.note_fetched(mailbox, uids)
    selected.note(columns.mod_seqs)
    answers = plan.answers
    if len(uids) == 1:
        conversation.core.raw(answers.one(first, columns))
    else:
        conversation.core.raw(answers.of(cast(Sequence[SeqNum], range(first, first + len(uids))), columns))
    return True


def _whole_at_once(
    conversation: Conversation, selected: Selected, plan: "_Plan", item: Literal, seq: SeqNum, uids: Sequence[UID]
) -> bool:
    """Answer with the octets of one whole message, as `_bodies_at_once` does with any."""
    context, mailbox = conversation.context, selected.mailbox
    found = context.store.index.stored_at_hand(mailbox, uids, plan.digested)
    if found is None:
        return False
    row, digest, where = found[0]
    if where is None or row.size > PIECE:
        return False
    if plan.sets_seen and not selected.read_only and SEEN not in row.flags.split():
        return False
    data = context.store.octets_at_hand(where, 0, row.size)
    if data is None:
        return False
    context.timeline.note_fetched(mailbox, uids)
    selected.note((row.mod_seq,))
    conversation.core.raw_pieces([plan.answers.head(seq, row, digest, item.name), data, b")\r\n"])
    return True


def _bodies_at_once(conversation: Conversation, selected: Selected, plan: "_Plan", uids: list[UID]) -> bool:
    """Answer with octets, if they are at hand and nobody has to be marked \\Seen."""
    context, mailbox = conversation.context, selected.mailbox
    found = context.store.index.stored_at_hand(mailbox, uids, plan.digested)
    if found is None:
        return False
    if plan.sets_seen and not selected.read_only and any(SEEN not in one.row.flags.split() for one in found):
        return False
    work = _Fetching(conversation, selected, plan, False)
    batches = list(work.batches(found))
    if len(batches) != 1:
        return False
    wanted = [(row.uid, where, 0, need) for row, _, _, where, need in batches[0] if need <= PIECE and where is not None]
    if len(wanted) < len(found):
        return False
    at_hand = context.store.read_at_hand(wanted)
    if at_hand is None:
        return False
    context.timeline.note_fetched(mailbox, uids)
    selected.note([one.row.mod_seq for one in found])
    for message in batches[0]:
        conversation.core.raw_pieces(work.at_once(message, at_hand[message.row.uid], b""))
    if work.unknown_encoding:
        raise CommandRefused("A part is encoded in a way that nobody knows here", "UNKNOWN-CTE")
    return True


class _Plan:
    """
    How a FETCH of these items is answered; it is made once for all that ask for the same.

    Attributes:
        answers: For the items up to the first that asks for octets; what is known without them.
        step: Messages that are looked up at a time, if no octets are asked for.
        items: That one and all after it.
        named: Those of them that ask for octets.
        plain: All that do not.
        digested: Whether digests have to be known.
        original: Whether it has to be known where messages come from.
        header_only: Whether of the octets nothing but the message's header is asked for.
        sets_seen: Whether messages are read by this.
        poured: Nothing comes after the whole message, which is asked for under this name; None: it is not so.
        careful: Whether more has to be done or known than what answers most.

    """

    def __init__(self, items: tuple[FetchItem, ...], uid_only: bool) -> None:
        self.plain = [item for item in items if isinstance(item, Attribute) and item not in WHOLE]
        first = next((number for number, item in enumerate(items) if item not in self.plain), len(items))
        self.answers = Answers(self.plain[:first], uid_only)
        self.step = SLICE_OF_BODIES if Attribute.BODY in items else SLICE if self.answers.digested else SLICE_OF_ROWS
        self.items = [item if item in self.plain else named(item) for item in items[first:]]
        self.named = [item for item in self.items if not isinstance(item, Attribute)]
        whole = Answers(self.plain)
        self.original = whole.original
        self.digested = whole.digested or not all(
            isinstance(item, Literal) and not item.digested for item in self.named
        )
        self.header_only = of_header(self.named)
        self.sets_seen = any(map(_sets_seen, items))
        self.poured: Literal | None = None
        if len(self.items) == 1 and isinstance(whole_message := self.named[0], Literal) and whole_message.all_of_it:
            self.poured = whole_message
        self.careful = self.original or Attribute.MODSEQ in items


_planned = lru_cache(maxsize=MAX_PLANS)(_Plan)
"""The lists of items that all clients of a server ask for are some dozens; one that is hostile has 64 KiB."""

_plans: dict[tuple[int, bool], tuple[tuple[FetchItem, ...], _Plan]] = {}
"""The same by where the list lies in memory, and whether UIDs are told: those that are parsed again are the very same,
and to look such a list up by what it says takes as long as to answer for a message."""


def _known(items: tuple[FetchItem, ...], by_uid: bool) -> _Plan:
    """Return how a FETCH of these items is answered, without UIDONLY."""
    key = id(items), by_uid
    known = _plans.get(key)
    if known is not None:
        return known[1]
    if len(_plans) >= MAX_PLANS:
        _plans.clear()
    plan = _planned((Attribute.UID, *items) if by_uid and Attribute.UID not in items else items, False)
    _plans[key] = items, plan
    return plan


async def _answered(conversation: Conversation, selected: Selected, plan: _Plan, uids: "array[int]") -> bool:
    """
    Answer from rows and digests alone; returns whether all were there whose content was asked for.

    With digests, the next messages are read in a thread while some are told.
    """
    index, mailbox, answers, step = conversation.context.store.index, selected.mailbox, plan.answers, plan.step
    parts = [uids[start : start + step] for start in range(0, len(uids), step)]
    ahead: asyncio.Task[Columns] | None = None
    whole = True
    try:
        for number, some in enumerate(parts, 1):
            origins: dict[UID, MessageOrigin] | None = None
            if answers.original:
                found = await index.origins(mailbox, cast(Sequence[UID], some))
                origins = {origin.uid: origin for origin in found}
                whole = whole and (len(origins) == len(some) or not answers.digested)
                some = array("I", origins)
            columns = await (
                index.columns(mailbox, cast(Sequence[UID], some), answers.digested) if ahead is None else ahead
            )
            ahead = None
            if number < len(parts) and answers.digested and not answers.original:
                ahead = asyncio.create_task(index.columns(mailbox, cast(Sequence[UID], parts[number]), True))
            whole = _told(conversation, selected, answers, some, columns, origins) and whole
            if conversation.core.pending > OUTPUT:
                await conversation.room()
            if number < len(parts):
                await asyncio.sleep(0)  # one message alone is answered without a task
    finally:
        if ahead is not None:
            ahead.cancel()
    return whole


def _told(
    conversation: Conversation,
    selected: Selected,
    answers: Answers,
    uids: "array[int]",
    columns: Columns,
    origins: Mapping[UID, MessageOrigin] | None,
) -> bool:
    """Tell of some messages what was found; returns whether all were there whose content was asked for."""
    view = selected.view
    if answers.digested:
        conversation.context.timeline.note_fetched(selected.mailbox, cast(Sequence[UID], uids))
    selected.note(columns.mod_seqs)
    missing = len(columns.uids) < len(uids)
    seqs = None if missing or not uids else view.side_by_side(uids)
    if seqs is None:
        known = [(seq, place) for place, uid in enumerate(columns.uids) if (seq := view.seq_of(uid))]
        columns = columns.at([place for _, place in known])
        seqs = [seq for seq, _ in known]
    for piece in answers.pieces(seqs, columns, origins):
        conversation.core.raw(piece)
        if conversation.pump.writable:
            conversation.pump.flush()  # each by itself: together they would be copied once more
    return not (missing and answers.digested)  # of flags nothing is missed


async def _changed(
    conversation: Conversation, selected: Selected, command: Fetch, since: ModSeq, uids: "array[int]"
) -> "array[int]":
    """Return those of the messages that changed since, and tell before which are gone (RFC 7162 §3.1.4.1, §3.2.6)."""
    if command.vanished and conversation.manner is not Manner.VANISHED:
        raise BadArguments("QRESYNC has to be enabled first")
    conversation.aware()
    view = selected.view
    missed = await missed_since(conversation.context.store.index, selected.mailbox, view, since)
    if command.vanished and isinstance(command.numbers, UIDSet):
        gone = await missed.vanished(command.numbers, view, selected.uid_next)
        conversation.core.raw(vanished_lines(gone, earlier=True))
    return await missed.among(uids)


class _Message(NamedTuple):
    """A message to be answered for: how that begins, and how many of its octets from the start it takes."""

    row: MessageRow
    octets: Octets
    start: bytes
    where: bytes | str | None
    need: int


class _Slice(NamedTuple):
    """Messages to be answered for, where they come from if that is asked, and their heads if they are poured."""

    found: list[Stored]
    origins: dict[UID, MessageOrigin]
    heads: list[bytes]


class _Fetching:
    """One FETCH under way that asks for octets."""

    def __init__(self, conversation: Conversation, selected: Selected, plan: _Plan, by_uid: bool) -> None:
        self.conversation = conversation
        self.selected = selected
        self.plan = plan
        self.by_uid = by_uid
        self.sets_seen = plan.sets_seen and not selected.read_only and may_selected(conversation, Act.SEE)
        self.origins: dict[UID, MessageOrigin] = {}
        self.missing = False
        self.unknown_encoding = False

    def _unasked(self) -> tuple[Attribute, ...]:
        """Return what is told of a message that was marked \\Seen by this (RFC 9051 §6.4.5, RFC 7162 §3.2.4)."""
        told: tuple[Attribute, ...] = (Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ)
        if self.selected.manner is Manner.PLAIN:
            told = (Attribute.FLAGS,)
        return tuple([item for item in told if item not in self.plan.plain])

    async def answer(self, uids: "array[int]") -> None:
        """Answer slice by slice; the next one is made ready while one is sent."""
        slices = [cast(Sequence[UID], uids[start : start + SLICE]) for start in range(0, len(uids), SLICE)]
        ahead: asyncio.Task[_Slice] | None = None
        try:
            for number, some in enumerate(slices, 1):
                flagged = await self._mark_seen(some) if self.sets_seen else frozenset()
                ready = await (self._looked_up(some) if ahead is None else ahead)
                ahead = None
                if number < len(slices) and not self.sets_seen:  # else their flags are about to be others
                    ahead = asyncio.create_task(self._looked_up(slices[number]))
                await self._slice(some, ready, flagged)
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _looked_up(self, uids: Sequence[UID]) -> _Slice:
        """Return where messages are, and what stands before each that is sent whole."""
        index, mailbox, plan = self.conversation.context.store.index, self.selected.mailbox, self.plan
        found = await index.stored(mailbox, uids, plan.digested)
        origins = dict[UID, MessageOrigin]()
        if plan.original:  # those of which both are known: what was read before may be gone
            origins = {origin.uid: origin for origin in await index.origins(mailbox, uids)}
            found = [one for one in found if one.row.uid in origins]
        heads = list[bytes]()
        if plan.poured is not None and len(found) >= MANY:
            columns = _columns(found, plan.digested)
            seqs = self.selected.view.side_by_side(array("I", columns.uids)) or self._numbers(columns.uids)
            if len(seqs) == len(found):
                heads = plan.answers.heads(seqs, columns, origins, plan.poured.name)
        return _Slice(found, origins, heads)

    def _numbers(self, uids: Sequence[UID]) -> list[SeqNum]:
        return [seq for uid in uids if (seq := self.selected.view.seq_of(uid))]

    async def _slice(self, uids: Sequence[UID], ready: _Slice, flagged: frozenset[UID]) -> None:
        """Answer for some messages; the octets of the next ones are read while some are sent."""
        found, self.origins, heads = ready
        self.conversation.context.timeline.note_fetched(self.selected.mailbox, uids)
        self.selected.note([one.row.mod_seq for one in found])
        if len(found) < len(uids) and not self.by_uid:  # a UID that is not there is no error (RFC 9051 §6.4.9)
            self.missing = True
        if heads:
            found = found[await self._pour(heads, found, flagged) :]
        batches = list(self.batches(found))
        if not batches:
            return
        if len(batches) == 1:
            await self._batch(batches[0], await self._read(batches[0]), flagged)
            return
        ahead: asyncio.Task[dict[UID, bytes]] | None = None
        try:
            for number, batch in enumerate(batches):
                at_hand = await self._read(batch) if ahead is None else await ahead
                ahead = asyncio.create_task(self._read(batches[number + 1])) if number + 1 < len(batches) else None
                await self._batch(batch, at_hand, flagged)
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _pour(self, heads: Sequence[bytes], found: list[Stored], flagged: frozenset[UID]) -> int:
        """Answer with whole messages, sent as they lie on the disk; return of how many of them that is done."""
        conversation = self.conversation
        tails = [b")\r\n"] * len(found)
        if flagged:
            tails = [self._ended(one) if one.row.uid in flagged else b")\r\n" for one in found]
        sizes = [one.row.size for one in found]
        at, moving = 0, True
        while at < len(found):
            end = _together(found, sizes, at)
            if at == end:
                await self._by_itself(found[at], flagged)
                at += 1
                continue
            await conversation.sent()
            spout = conversation.pump.spout()
            if spout is None:
                break
            bodies = cast("list[bytes | str]", [one.where for one in found[at:end]])
            pouring = Pouring(spout, heads[at:end], sizes[at:end], tails[at:end])
            conversation.in_literal = True
            at += await conversation.context.store.hand_over(bodies, pouring)
            if pouring.cut is not None:
                self._cut_off(pouring.cut)
            if spout.lost:
                conversation.pump.abort()
                raise asyncio.CancelledError
            conversation.core.raw_pieces(spout.left)
            conversation.in_literal = False
            if at < end and not spout.left:  # it is not where it was
                await self._by_itself(found[at], flagged)
                at += 1
                if moving:  # and neither are others: files are renamed when flags have changed
                    rest = await self._looked_up_again(found[at:])
                    moving = rest != found[at:]
                    found = [*found[:at], *rest]
        return at

    async def _looked_up_again(self, found: Sequence[Stored]) -> list[Stored]:
        """Return the same messages with where they are now."""
        uids = [one.row.uid for one in found]
        stored = await self.conversation.context.store.index.stored(self.selected.mailbox, uids, False)
        now = {one.row.uid: one.where for one in stored}
        return [one._replace(where=now.get(one.row.uid)) for one in found]

    async def _by_itself(self, one: Stored, flagged: frozenset[UID]) -> None:
        for batch in self.batches((one,)):
            await self._batch(batch, {}, flagged)

    def _ended(self, one: Stored) -> bytes:
        """Return what stands behind a message that was marked \\Seen by this."""
        tail = b" ".join([said(item, one.row, one.digest) for item in self._unasked()])
        return b" %b)\r\n" % tail if tail else b")\r\n"

    def batches(self, found: Sequence[Stored]) -> Iterator[list[_Message]]:
        """Part the messages so that each time a thread reads enough to be worth the way, and not too much."""
        view, plan = self.selected.view, self.plan
        known = [(seq, one) for one in found if (seq := view.seq_of(one.row.uid))]
        if not known:
            return
        columns = _columns([one for _, one in known], plan.digested)
        starts = plan.answers.starts([seq for seq, _ in known], columns, self.origins)
        batch: list[_Message] = []
        room = OCTETS_AT_HAND
        for (_, (row, digest, where)), start in zip(known, starts, strict=True):
            need = digest.header_size if plan.header_only else row.size
            if batch and (len(batch) >= SLICE_AT_HAND or need > room):
                yield batch
                batch, room = [], OCTETS_AT_HAND
            batch.append(_Message(row, Octets(row.size, digest), start, where, need))
            room -= need
        yield batch

    async def _read(self, batch: Sequence[_Message]) -> dict[UID, bytes]:
        """Return the octets of those messages that are not too big."""
        wanted = [(row.uid, where, 0, need) for row, _, _, where, need in batch if need <= PIECE and where is not None]
        return await self.conversation.context.store.read_stored(wanted) if wanted else {}

    async def _batch(self, batch: Sequence[_Message], at_hand: Mapping[UID, bytes], flagged: frozenset[UID]) -> None:
        core = self.conversation.core
        for message in batch:
            uid = message.row.uid
            tail = self._tail(message) if uid in flagged else b""
            data = at_hand.get(uid)
            if data is not None:
                core.raw_pieces(self.at_once(message, data, tail))
            else:
                await self._slowly(message, tail)
            if core.pending > OUTPUT:
                await self.conversation.room()

    def _tail(self, message: _Message) -> bytes:
        """Return what is told of a message that was marked \\Seen."""
        return b" ".join([said(item, message.row, message.octets.digest) for item in self._unasked()])

    def _said(self, item: Attribute, message: _Message) -> bytes:
        return said(item, message.row, message.octets.digest, self.origins.get(message.row.uid))

    def at_once(self, message: _Message, data: bytes, tail: bytes) -> list[bytes]:
        """Return the answer for a message whose octets are at hand."""
        pieces = [message.start]
        for item in self.plan.items:
            try:
                pieces += (
                    [self._said(item, message)] if isinstance(item, Attribute) else said_of(item, message.octets, data)
                )
                pieces.append(b" ")
            except UnknownEncoding:
                self.unknown_encoding = True
        return _ended(pieces, tail)

    async def _slowly(self, message: _Message, tail: bytes) -> None:
        """Answer for a message that is big, or not as the index says it is."""
        try:
            with await self.conversation.context.store.open(self.selected.mailbox, message.row.uid) as body:
                await self._in_pieces(message, body, tail)
        except MessageMissing as problem:
            there = bool(await self.conversation.context.store.index.rows(self.selected.mailbox, [message.row.uid]))
            if there:  # somebody took its file away; if not, it was moved
                log.error("a message could not be sent", reason=str(problem))
            self.missing = self.missing or there or not self.by_uid

    async def _mark_seen(self, uids: Sequence[UID]) -> frozenset[UID]:
        """Set \\Seen where BODY[] asks for it; return who got it, so that FLAGS is told with the body."""
        before = await self.conversation.flags_before(self.selected.mailbox, uids)
        change = await self.conversation.context.store.index.set_flags(
            self.selected.mailbox, uids, frozenset((SEEN,)), NO_FLAGS
        )
        self.conversation.absorb(change, silent=True)
        self.conversation.flagged(change, before)
        return frozenset(update.uid for update in change.updated)

    async def _in_pieces(self, message: _Message, body: OpenBlob, tail: bytes) -> None:
        """Answer for one message, reading as it is sent. Raises StoreError, but only if nothing has been sent of it."""
        core = self.conversation.core
        pieces, sent = [message.start], False
        for item in self.plan.items:
            if isinstance(item, Attribute):
                pieces += self._said(item, message), b" "
                continue
            try:
                head, rest = await _read_item(item, message.octets, body)
            except UnknownEncoding:
                self.unknown_encoding = True
                continue
            except StoreError as error:
                if not sent:
                    raise
                self._cut_off(error)
            pieces.append(head)
            if rest is not None:
                core.raw_pieces(pieces)
                await self._stream(rest)
                pieces, sent = [], True
            pieces.append(b" ")
        core.raw_pieces(_ended(pieces, tail))

    async def _stream(self, rest: AsyncIterator[bytes]) -> None:
        """Send the rest of a literal piece by piece."""
        conversation = self.conversation
        conversation.in_literal = True
        try:
            await conversation.room()
            async for piece in rest:
                conversation.core.raw(piece)
                await conversation.room()
        except StoreError as error:
            self._cut_off(error)
        conversation.in_literal = False

    def _cut_off(self, error: StoreError | OSError) -> NoReturn:
        """Hang up: after half an answer nothing else keeps the client in step."""
        log.error("a message could not be sent to its end, its client was cut off", reason=str(error))
        self.conversation.pump.abort()
        raise asyncio.CancelledError from error


def _columns(found: Sequence[Stored], digested: bool) -> Columns:
    """Return messages (one at least) side by side."""
    uids, mod_seqs, flags, dates, sizes = zip(*[one.row for one in found], strict=True)
    if not digested:
        return Columns(uids, mod_seqs, flags, dates, sizes)
    envelopes = [one.digest.envelope for one in found]
    structures = [one.digest.body_structure for one in found]
    return Columns(uids, mod_seqs, flags, dates, sizes, envelopes, structures)


def _together(found: Sequence[Stored], sizes: Sequence[int], at: int) -> int:
    """Return up to where messages from one on are sent in one go; `at` if that one has to be sent by itself."""
    room = OCTETS_POURED
    for number in range(at, len(found)):
        size = sizes[number]
        room -= size
        if size > LARGE or room < 0 or found[number].where is None:
            return number
    return len(found)


_COMPLETED = ok(b"FETCH completed")
_UID_COMPLETED = ok(b"UID FETCH completed")


def _ended(pieces: list[bytes], tail: bytes) -> list[bytes]:
    """Return an answer that stops behind a space, with its end."""
    last = pieces[-1]
    if tail:
        pieces.append(tail)
    elif last.endswith(b"("):
        return []  # nothing at all can be said
    else:
        pieces[-1] = last[:-1]
    pieces.append(b")\r\n")
    return pieces


async def _read_item(item: Named, octets: Octets, body: OpenBlob) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return the beginning of an item, and what of it is still to be read and sent."""
    if isinstance(item, Preview):
        part = preview_part(octets.root)
        text = b"" if part is None else await body.read(part.body_start, preview_end(part))
        return previewed(part, text), None
    if isinstance(item, Binary):
        return await _binary(item, octets, body)
    place = item.place(octets)
    if place is None:
        return item.name + b" NIL", None
    start, end = place
    if item.fields is not None:
        data = item.picked(await body.read(start, end))
        return b"%b {%d}\r\n%b" % (item.name, len(data), data), None
    first = min(end, start + PIECE)
    data = await body.read(start, first)
    head = b"%b {%d}\r\n%b" % (item.name, end - start, data)
    return head, None if first == end else _pieces(body, Place(first, end))


async def _binary(item: Binary, octets: Octets, body: OpenBlob) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Decode it twice: the size has to be known before the first octet is sent."""
    found = item.place(octets)
    if found is None:
        return item.nothing, None
    place, encoding = found
    size, nul = 0, False
    async for piece in _clipped(_pieces(body, place, encoding), item.partial):
        size += len(piece)
        nul = nul or b"\0" in piece
        await asyncio.sleep(0)  # for the others: nothing is sent meanwhile
    rest = None if item.size_only else _clipped(_pieces(body, place, encoding), item.partial)
    return item.head(size, nul), rest


async def _pieces(body: OpenBlob, place: Place, encoding: bytes = b"8bit") -> AsyncIterator[bytes]:
    """Yield what lies there piece by piece, without that encoding."""
    work = None if encoding in IDENTITY else decoder(encoding)
    for at in range(place.start, place.end, PIECE):
        data = await body.read(at, min(at + PIECE, place.end))
        yield data if work is None else work.feed(data)
    if work is not None:
        yield work.finish()


async def _clipped(pieces: AsyncIterator[bytes], partial: tuple[int, int] | None) -> AsyncIterator[bytes]:
    """Yield of it what was asked for."""
    at = 0
    first, last = (partial[0], partial[0] + partial[1]) if partial is not None else (0, None)
    async for piece in pieces:
        yield piece[max(0, first - at) : None if last is None else max(0, last - at)]
        at += len(piece)


PIECE = 256 * 1024
"""Octets of a body read and sent at a time: a client that fetches 50 MiB costs one of these, not a few times 50 MiB.
A message that has no more is read at once."""

OUTPUT = 64 * 1024
"""Octets of answers made before they are handed to the transport, which are put together then: see `answers.SOME`."""


def _sets_seen(item: FetchItem) -> bool:
    """BODY[...] and BINARY[...] without PEEK, RFC822 and RFC822.TEXT do; RFC822.HEADER does not (RFC 3501 §6.4.5)."""
    if isinstance(item, BodySection | BinarySection):
        return not item.peek
    return item in (Attribute.RFC822, Attribute.RFC822_TEXT)
