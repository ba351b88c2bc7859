"""FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5).

Rule 1: the answer is made in slices and sent as the client reads; other sessions run in between.
Rule 2: what was digested at delivery is sent as it is kept; a body is read only if its bytes are asked for.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NoReturn, cast

import structlog

from ....imap.commands import (
    Attribute,
    BinarySection,
    BinarySize,
    BodySection,
    Fetch,
    FetchItem,
    Preview,
    Section,
    SectionText,
)
from ....imap.grammar.ext.preview import preview_bytes
from ....imap.grammar.ext.qresync import vanished_lines
from ....imap.grammar.section import section_bytes
from ....imap.responses import PreviewItem
from ....mime.header import header_fields
from ....mime.limits import MAX_PREVIEW
from ....mime.packed import What, find_part, part_range, unpack
from ....mime.preview import preview, preview_part
from ....mime.scan import Part
from ....mime.transfer import IDENTITY, decoder
from ....model.flags import NO_FLAGS, SEEN
from ....model.ids import UID, ModSeq, SeqNum
from ....model.message import Digest, MessageOrigin, MessageRow
from ....model.numbers import UIDSet
from ....store.abc import MessageMissing, OpenBlob, StoreError
from ..answers import ORIGINAL, Answers, said
from ..changed import missed_since
from ..conversation import Conversation, bad_sequence
from ..partial import part_of
from ..reply import BadArguments, CommandRefused, Reply, ok
from ..selected import Manner, Selected
from ..uidonly import fetched

log = structlog.get_logger("mailhorn.imap")

SLICE = 256
"""Messages per read of the index: some 2 ms of work for the largest answers, so that pushes are not held up."""

SLICE_OF_ROWS = 1000
"""The same if nothing is asked but flags, dates and sizes: 1 ms."""

SLICE_AT_HAND = 32
"""Messages between turns for all others where octets are read, which may be at hand: 3 ms."""

SLICE_OF_BODIES = 16
"""The same with BODY, which is made of BODYSTRUCTURE each time, as hardly anybody asks for it: 2 ms."""

_WHOLE = {
    Attribute.RFC822: Section(),
    Attribute.RFC822_HEADER: Section(text=SectionText.HEADER),
    Attribute.RFC822_TEXT: Section(text=SectionText.TEXT),
}


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
    plain = [item for item in items if isinstance(item, Attribute) and item not in _WHOLE]
    if len(plain) == len(items):
        if await _answered(conversation, selected, plain, uids) or by_uid:
            return ok(b"UID FETCH completed" if by_uid else b"FETCH completed")
        raise CommandRefused("Some of the messages have been expunged", "EXPUNGEISSUED")
    work = _Fetching(conversation, selected, items, by_uid)
    for start in range(0, len(uids), SLICE):
        await work.slice([UID(uid) for uid in uids[start : start + SLICE]])
    if work.unknown_encoding:
        raise CommandRefused("A part is encoded in a way that nobody knows here", "UNKNOWN-CTE")
    if work.missing:
        raise CommandRefused("Some of the messages have been expunged", "EXPUNGEISSUED")
    return ok(b"UID FETCH completed" if by_uid else b"FETCH completed")


async def _answered(conversation: Conversation, selected: Selected, items: list[Attribute], uids: "array[int]") -> bool:
    """Answer from rows and digests alone; returns whether all were there whose content was asked for."""
    context, mailbox, view = conversation.context, selected.mailbox, selected.view
    answers = Answers(items, conversation.uid_only)
    step = SLICE_OF_BODIES if Attribute.BODY in items else SLICE if answers.digested else SLICE_OF_ROWS
    whole = True
    for start in range(0, len(uids), step):
        some = uids[start : start + step]
        wanted = cast(Sequence[UID], some)
        origins: dict[UID, MessageOrigin] = {}
        if answers.original:
            origins = {origin.uid: origin for origin in await context.store.index.origins(mailbox, wanted)}
            whole = whole and (len(origins) == len(some) or not answers.digested)
            some = array("I", [uid for uid in some if uid in origins])
            wanted = cast(Sequence[UID], some)
        found: Sequence[tuple[MessageRow, Digest]] = ()
        if answers.digested:
            context.timeline.note_fetched(mailbox, wanted)
            found = await context.store.index.digests(mailbox, wanted)
            rows = [row for row, _ in found]
        else:
            rows = await context.store.index.rows(mailbox, wanted)
        selected.note(rows)
        seqs: Iterable[SeqNum] | None = view.side_by_side(some) if len(rows) == len(some) else None
        if seqs is None:
            whole = whole and (len(rows) == len(some) or not answers.digested)  # of flags alone nothing is missed
            seqs = [seq for row in rows if (seq := view.seq_of(row.uid))]
        if answers.original:
            told = answers.of_origins(seqs, found if answers.digested else [(row, None) for row in rows], origins)
        else:
            told = answers.of_digests(seqs, found) if answers.digested else answers.of_rows(seqs, rows)
        conversation.core.raw(told)
        if conversation.core.pending > OUTPUT:
            await conversation.room()
    return whole


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
        gone = missed.vanished(command.numbers, view, selected.uid_next)
        conversation.core.raw(vanished_lines(gone, earlier=True))
    changed = set(missed.changed)
    return array("I", [uid for uid in uids if uid in changed])


class _Fetching:
    """One FETCH under way."""

    def __init__(
        self, conversation: Conversation, selected: Selected, items: Sequence[FetchItem], by_uid: bool
    ) -> None:
        self.conversation = conversation
        self.selected = selected
        self.items = items
        self.by_uid = by_uid
        self.sets_seen = not selected.read_only and any(map(_sets_seen, items))
        self.original = not ORIGINAL.isdisjoint(item for item in items if isinstance(item, Attribute))
        self.origins: dict[UID, MessageOrigin] = {}
        self.missing = False
        self.unknown_encoding = False

    async def slice(self, uids: list[UID]) -> None:
        """Answer for some messages."""
        context, mailbox = self.conversation.context, self.selected.mailbox
        flagged = await self._mark_seen(uids) if self.sets_seen else frozenset()
        context.timeline.note_fetched(mailbox, uids)
        if self.original:
            self.origins = {origin.uid: origin for origin in await context.store.index.origins(mailbox, uids)}
        found = await context.store.index.digests(mailbox, uids)
        self.selected.note(row for row, _ in found)
        if self.original:  # those of which both are known: what is read later may be gone
            found = [one for one in found if one.row.uid in self.origins]
        if len(found) < len(uids) and not self.by_uid:  # a UID that is not there is no error (RFC 9051 §6.4.9)
            self.missing = True
        core, view = self.conversation.core, self.selected.view
        for number, (row, digest) in enumerate(found):
            seq = view.seq_of(row.uid)
            if seq is None:
                continue
            if number % SLICE_AT_HAND == 0:
                await asyncio.sleep(0)
            try:
                await self._message(seq, row, digest, row.uid in flagged)
            except MessageMissing as problem:
                there = await self._is_there(row.uid)
                if there:
                    log.error("a message could not be sent", reason=str(problem))
                self.missing = self.missing or there or not self.by_uid
            if core.pending > OUTPUT:
                await self.conversation.room()

    async def _is_there(self, uid: UID) -> bool:
        """Say whether the message still exists: if it does, somebody took its file away; if not, it was moved."""
        return bool(await self.conversation.context.store.index.rows(self.selected.mailbox, [uid]))

    async def _mark_seen(self, uids: list[UID]) -> frozenset[UID]:
        """Set \\Seen where BODY[] asks for it; return who got it, so that FLAGS is told with the body."""
        change = await self.conversation.context.store.index.set_flags(
            self.selected.mailbox, uids, frozenset((SEEN,)), NO_FLAGS
        )
        self.conversation.absorb(change, silent=True)
        return frozenset(update.uid for update in change.updated)

    async def _message(self, seq: SeqNum, row: MessageRow, digest: Digest, flagged: bool) -> None:
        """Answer for one message. Raises StoreError, but only if nothing of the answer has been sent."""
        if row.size <= PIECE:
            await self._answer(seq, row, digest, flagged, None)
        else:
            with await self.conversation.context.store.open(self.selected.mailbox, row.uid) as body:
                await self._answer(seq, row, digest, flagged, body)

    async def _answer(self, seq: SeqNum, row: MessageRow, digest: Digest, flagged: bool, body: OpenBlob | None) -> None:
        """Answer for one message; a big one comes with its body open, so that it stays what it is to the end."""
        core = self.conversation.core
        start = fetched(self.conversation.uid_only, seq, row.uid)
        parts: list[bytes] = []
        root = unpack(digest.parts)
        octets = _Octets(self.conversation, self.selected, row, body)
        for item in self.items:
            if isinstance(item, Attribute) and item not in _WHOLE:
                parts.append(said(item, row, digest, self.origins.get(row.uid)))
                continue
            try:
                if isinstance(item, Preview):
                    head, rest = await _preview(root, octets), None
                elif isinstance(item, BinarySection | BinarySize):
                    head, rest = await _binary(item, root, octets)
                else:
                    head, rest = await _section(item, root, octets)
            except _UnknownEncoding:
                self.unknown_encoding = True
                continue
            except StoreError as error:
                if start:
                    raise
                self._cut_off(error)
            parts.append(head)
            if rest is not None:
                core.raw(start + b" ".join(parts))
                await self._stream(rest)
                start, parts = b"", [b""]
        if flagged:
            parts.extend(said(item, row, digest) for item in self._unasked() if item not in self.items)
        if parts:
            core.raw(b"%b%b)\r\n" % (start, b" ".join(parts)))

    def _unasked(self) -> tuple[Attribute, ...]:
        """Return what is told of a message that was marked \\Seen by this (RFC 9051 §6.4.5, RFC 7162 §3.2.4)."""
        if self.selected.manner is Manner.PLAIN:
            return (Attribute.FLAGS,)
        return Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ

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

    def _cut_off(self, error: StoreError) -> NoReturn:
        """Hang up: after half an answer nothing else keeps the client in step."""
        log.error("a message could not be sent to its end, its client was cut off", reason=str(error))
        self.conversation.pump.abort()
        raise asyncio.CancelledError from error


class _UnknownEncoding(Exception):
    """A part whose Content-Transfer-Encoding nobody knows (RFC 3516 §4.3)."""


class _Octets:
    """The octets of one message; a big one's come from its open body."""

    def __init__(self, conversation: Conversation, selected: Selected, row: MessageRow, body: OpenBlob | None) -> None:
        self._store = conversation.context.store
        self._mailbox = selected.mailbox
        self._uid = row.uid
        self._body = body

    @property
    def streamed(self) -> bool:
        """Whether the message is too big to be read at once."""
        return self._body is not None

    async def read(self, start: int, end: int) -> bytes:
        """Return what lies between two offsets."""
        if self._body is not None:
            return await self._body.read(start, end)
        return await self._store.read(self._mailbox, self._uid, start, end)

    async def pieces(self, start: int, end: int, encoding: bytes = b"8bit") -> AsyncIterator[bytes]:
        """Yield it piece by piece, without that encoding."""
        work = None if encoding in IDENTITY else decoder(encoding)
        for at in range(start, end, PIECE):
            data = await self.read(at, min(at + PIECE, end))
            yield data if work is None else work.feed(data)
        if work is not None:
            yield work.finish()


async def _section(
    item: Attribute | BodySection, root: Part, octets: _Octets
) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return one BODY[...], RFC822, RFC822.HEADER or RFC822.TEXT, and what of it is still to be streamed."""
    partial: tuple[int, int] | None = None
    if isinstance(item, Attribute):
        section, name = _WHOLE[item], item.value
    else:
        section, partial = item.section, item.partial
        name = b"BODY[%b]" % section_bytes(section)
        if partial is not None:
            name += b"<%d>" % partial[0]
    where = part_range(root, section.part, _WHAT[section.text])
    if where is None:
        return name + b" NIL", None
    start, end = where
    fields = section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)
    if partial is not None and not fields:
        start = min(start + partial[0], end)
        end = min(start + partial[1], end)
    size, first = end - start, end if fields or not octets.streamed else min(end, start + PIECE)
    data = await octets.read(start, first)
    if fields:
        data = header_fields(data, section.fields, section.text is SectionText.HEADER_FIELDS_NOT)
        if partial is not None:
            data = data[partial[0] : partial[0] + partial[1]]
        size = len(data)
    return b"%b {%d}\r\n%b" % (name, size, data), None if first == end else octets.pieces(first, end)


async def _binary(
    item: BinarySection | BinarySize, root: Part, octets: _Octets
) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """
    Return one BINARY[...] or BINARY.SIZE[...] (RFC 3516), and what of it is still to be streamed.

    Whole messages, multiparts and messages in messages have no encoding of their own (RFC 2045 §6.4). Of a big part
    the size has to be known before the first octet is sent, so it is decoded twice.
    """
    found = find_part(root, item.part)
    number = b".".join([b"%d" % n for n in item.part])
    partial = None
    if isinstance(item, BinarySize):
        name = b"BINARY.SIZE[%b]" % number
    else:
        name, partial = b"BINARY[%b]" % number, item.partial
        if partial is not None:
            name += b"<%d>" % partial[0]
    if found is None:
        return name + (b" 0" if isinstance(item, BinarySize) else b" NIL"), None
    start, end = found.body_start if item.part else found.header_start, found.body_end
    encoding = found.encoding if item.part and not found.children else b"8bit"
    if encoding not in IDENTITY and decoder(encoding) is None:
        raise _UnknownEncoding
    size, nul = 0, False
    kept: list[bytes] = []
    async for piece in _clipped(octets.pieces(start, end, encoding), partial):
        size += len(piece)
        nul = nul or b"\0" in piece
        if not octets.streamed:
            kept.append(piece)
        else:
            await asyncio.sleep(0)  # for the others: nothing is sent meanwhile
    if isinstance(item, BinarySize):
        return b"%b %d" % (name, size), None
    head = b"%b %b{%d}\r\n%b" % (name, b"~" if nul else b"", size, b"".join(kept))
    return head, _clipped(octets.pieces(start, end, encoding), partial) if octets.streamed else None


async def _preview(root: Part, octets: _Octets) -> bytes:
    """Return PREVIEW (RFC 8970), made each time, of the first octets of a text: LAZY needs no other answer."""
    part = preview_part(root)
    if part is None:
        return preview_bytes(PreviewItem(b""))
    body = await octets.read(part.body_start, min(part.body_end, part.body_start + MAX_PREVIEW))
    return preview_bytes(PreviewItem(preview(part, body).encode("utf-8", "replace")))


async def _clipped(pieces: AsyncIterator[bytes], partial: tuple[int, int] | None) -> AsyncIterator[bytes]:
    """Yield of it what was asked for."""
    at = 0
    first, last = (partial[0], partial[0] + partial[1]) if partial is not None else (0, None)
    async for piece in pieces:
        yield piece[max(0, first - at) : None if last is None else max(0, last - at)]
        at += len(piece)


PIECE = 256 * 1024
"""Octets of a body read and sent at a time: a client that fetches 50 MiB costs one of these, not a few times 50 MiB."""

OUTPUT = 128 * 1024
"""Octets of answers made before they are handed to the transport."""

_WHAT: dict[SectionText, What] = {
    SectionText.PART: "body",
    SectionText.HEADER: "header",
    SectionText.HEADER_FIELDS: "header",
    SectionText.HEADER_FIELDS_NOT: "header",
    SectionText.TEXT: "text",
    SectionText.MIME: "mime",
}


def _sets_seen(item: FetchItem) -> bool:
    """BODY[...] and BINARY[...] without PEEK, RFC822 and RFC822.TEXT do; RFC822.HEADER does not (RFC 3501 §6.4.5)."""
    if isinstance(item, BodySection | BinarySection):
        return not item.peek
    return item in (Attribute.RFC822, Attribute.RFC822_TEXT)
