"""FETCH answers that are made of what the index keeps: one pattern for all messages, filled in by the thousand.

Rule: nothing is asked of a message here but its row and its digest; who needs its octets goes through `commands.fetch`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from ...imap.commands import Attribute
from ...imap.grammar.body import without_extensions
from ...imap.grammar.date import date_time_bytes, date_times_bytes
from ...model.ids import UID, SeqNum
from ...model.message import Digest, MessageOrigin, MessageRow
from ...store.abc import Columns

_FIELDS: dict[Attribute, tuple[bytes, int]] = {
    Attribute.UID: (b"UID %d", 1),
    Attribute.MODSEQ: (b"MODSEQ (%d)", 2),
    Attribute.FLAGS: (b"FLAGS (%b)", 3),
    Attribute.INTERNALDATE: (b"INTERNALDATE %b", 4),
    Attribute.RFC822_SIZE: (b"RFC822.SIZE %d", 5),
    Attribute.ENVELOPE: (b"ENVELOPE %b", 6),
    Attribute.BODYSTRUCTURE: (b"BODYSTRUCTURE %b", 7),
    Attribute.BODY: (b"BODY %b", 8),
    Attribute.EMAILID: (b"EMAILID (%b)", 9),
    Attribute.THREADID: (b"THREADID %b", 10),
    Attribute.SAVEDATE: (b"SAVEDATE %b", 11),
}
"""How each is said, and where its value stands; the sequence number stands at 0."""

_DIGESTED = frozenset({Attribute.ENVELOPE, Attribute.BODYSTRUCTURE, Attribute.BODY})
"""What the row does not know and the digest does."""


SOME_DIGESTED = 64
"""Messages of which one piece of an answer is made, with their digests: some 40 KiB. What has 128 KiB is mapped by the
system anew each time (`cli.memory`), and its pages are cleared: that took as long as to make it."""

PIECE = 96 * 1024
"""Octets of a piece without digests, about: each costs 20 us to send. The block it is made in is a quarter larger."""

VALUE = 10
"""Octets of a value, about."""


ORIGINAL = frozenset({Attribute.EMAILID, Attribute.THREADID, Attribute.SAVEDATE})
"""What tells where a message comes from (RFC 8474, RFC 8514)."""


Origins = Mapping[UID, MessageOrigin] | None
"""Where messages come from, if it was asked."""


class Answers:
    """
    How the messages of one FETCH are answered.

    Attributes:
        original: Whether it has to be known where they come from.
        digested: Whether their digests have to be known.
        some: Of how many a piece is made.

    """

    def __init__(self, items: Sequence[Attribute], uid_only: bool = False) -> None:
        """Take what was asked for, in the order in which it is to be said; each is one of `_FIELDS`."""
        head = b"* %d UIDFETCH (" if uid_only else b"* %d FETCH ("
        said = b" ".join([_FIELDS[item][0] for item in items])
        self._pattern = head + said + b")\r\n"
        self._start = head + said + (b" " if said else b"")
        self._places = (1 if uid_only else 0, *[_FIELDS[item][1] for item in items])
        self._short = Attribute.BODY in items
        self._picked: Callable[[tuple[object, ...]], tuple[object, ...]] = (
            itemgetter(*self._places) if len(self._places) > 1 else lambda values: (values[self._places[0]],)
        )
        self._kept = not {4, 8, 9, 10, 11}.intersection(self._places)  # nothing has to be made
        self.original = not ORIGINAL.isdisjoint(items)
        self.digested = not _DIGESTED.isdisjoint(items)
        self.some = PIECE // (len(self._pattern) + VALUE * len(self._places)) if not self.digested else SOME_DIGESTED

    def of(self, seqs: Sequence[SeqNum], found: Columns, origins: Origins = None) -> bytes:
        """Return the answers for messages, each with its number and, if it was asked for, where it comes from."""
        width = len(self._places)
        values: list[object] = [None] * (len(seqs) * width)
        for number, column in enumerate(self._columns(seqs, found, origins)):
            values[number::width] = column
        return self._pattern * len(seqs) % tuple(values)

    def one(self, seq: SeqNum, found: Columns) -> bytes:
        """Return the answer for one message, of which it is not asked where it comes from."""
        if not self._kept:
            return self.of((seq,), found)
        (uid,), (mod_seq,), (flags,), _, (size,), envelopes, structures = found
        envelope, structure = (envelopes[0], structures[0]) if self.digested else (b"", b"")
        values = seq, uid, mod_seq, flags.encode("ascii"), 0, size, envelope, structure
        return self._pattern % self._picked(values)

    def pieces(self, seqs: Sequence[SeqNum], found: Columns, origins: Origins = None) -> Iterator[bytes]:
        """Yield the same for many, in pieces of whole answers."""
        for start in range(0, len(seqs), self.some):
            end = start + self.some
            some = found if len(seqs) <= self.some else _between(found, start, end)
            yield self.of(seqs[start:end], some, origins)

    def starts(self, seqs: Sequence[SeqNum], found: Columns, origins: Origins = None) -> list[bytes]:
        """Return the beginnings of answers that go on with octets."""
        start = self._start
        return [start % values for values in zip(*self._columns(seqs, found, origins), strict=True)]

    def head(self, seq: SeqNum, row: MessageRow, digest: Digest, name: bytes) -> bytes:
        """Return one such beginning, of a message of which it is not asked where it comes from."""
        uid, mod_seq, flags, date, size = row
        if self._kept:
            values = seq, uid, mod_seq, flags.encode("ascii"), 0, size, digest.envelope, digest.body_structure
            return self._start % self._picked(values) + b"%b {%d}\r\n" % (name, size)
        columns = Columns((uid,), (mod_seq,), (flags,), (date,), (size,), (digest.envelope,), (digest.body_structure,))
        return self.heads((seq,), columns, None, name)[0]

    def heads(self, seqs: Sequence[SeqNum], found: Columns, origins: Origins, name: bytes) -> list[bytes]:
        """Return the beginnings of answers up to the octets of the whole message, under that name."""
        pattern = self._start + name + b" {%d}\r\n"
        columns = self._columns(seqs, found, origins)
        return [pattern % values for values in zip(*columns, found.sizes, strict=True)]

    def _columns(self, seqs: Sequence[SeqNum], found: Columns, origins: Origins) -> list[Iterable[object]]:
        """Return what is to be filled in, in the order in which it is said."""
        columns: dict[int, Iterable[object]] = {0: seqs, 1: found.uids, 2: found.mod_seqs, 5: found.sizes}
        if 3 in self._places:
            known = {text: text.encode("ascii") for text in set(found.flags)}
            columns[3] = [known[text] for text in found.flags]
        if 4 in self._places:
            columns[4] = date_times_bytes(found.dates)
        if self.digested:
            columns[6], columns[7] = found.envelopes, found.body_structures
        if self._short:
            columns[8] = map(without_extensions, found.body_structures)
        if origins is not None and self.original:
            told = [_origin(origins[uid]) for uid in found.uids]
            columns.update({9 + place: [one[place] for one in told] for place in range(3)})
        return [columns[place] for place in self._places]


def said(item: Attribute, row: MessageRow, digest: Digest, origin: MessageOrigin | None = None) -> bytes:
    """Return one item of one message, to stand among others; `origin` for those that are of ORIGINAL."""
    pattern, place = _FIELDS[item]
    if origin is not None and item in ORIGINAL:
        return pattern % _origin(origin)[place - 9]
    return pattern % _values(0, row, digest, True, item is Attribute.BODY)[place]


def _between(found: Columns, start: int, end: int) -> Columns:
    """Return the messages between two places."""
    uids, mod_seqs, flags, dates, sizes, envelopes, structures = found
    rows = uids[start:end], mod_seqs[start:end], flags[start:end], dates[start:end], sizes[start:end]
    return Columns(*rows, envelopes[start:end], structures[start:end])


def _origin(origin: MessageOrigin) -> tuple[bytes, bytes, bytes]:
    """Return what `_FIELDS` numbers from 9 on. THREADID is NIL: docs/decisions/0028."""
    return origin.email_id.encode("ascii"), b"NIL", date_time_bytes(origin.saved)


def _values(
    seq: int, row: MessageRow, digest: Digest, dated: bool, short: bool
) -> tuple[int, int, int, bytes, bytes, int, bytes, bytes, bytes]:
    """Return what `_FIELDS` numbers; the date and BODY only if they are asked for, as they have to be made."""
    uid, mod_seq, flags, date, size = row
    structure = digest.body_structure
    return (
        *(seq, uid, mod_seq, flags.encode("ascii"), date_time_bytes(date) if dated else b"", size),
        *(digest.envelope, structure, without_extensions(structure) if short else b""),
    )


__all__ = ["ORIGINAL", "Answers", "said"]
