"""QRESYNC (RFC 7162 §3.2): coming back to a mailbox in one round trip, expunges told by UID.

Changes: `select-param =/ "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`,
`message-data =/ expunged-resp`, `fetch-modifier =/ "VANISHED"` (parsed beside CHANGEDSINCE), `resp-text-code =/
"CLOSED"` (a code without arguments).
"""

import re

from ....model.ids import UIDValidity
from ....model.numbers import STAR, NumberSet, SeqSet, UIDSet
from ...commands import Resync
from ...responses import Vanished
from ..atoms import parse_nz_number, write_number
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..sequence import parse_sequence_set, parse_uid_set, sequence_set_bytes, write_sequence_set, write_uid_set
from .condstore import parse_mod_sequence

_PARAM = re.compile(rb"[A-Za-z]+")
_EARLIER = re.compile(rb"\(EARLIER\) ", re.IGNORECASE)

MAX_RANGES = 500
"""Ranges of one VANISHED that is written: some 8 KiB, which is as long as lines should be (RFC 7162 §4)."""


def parse_select_params(cur: Cursor) -> tuple[bool, Resync | None]:
    """
    select-params = "(" select-param *(SP select-param) ")"; select-param = "CONDSTORE" / "QRESYNC" SP "(" ... ")"

    RFC 4466 §2.1, RFC 7162 §7. Each once at most. Returns whether CONDSTORE stands there, and QRESYNC.
    """
    cur.opens()
    condstore, resync = False, None
    while True:
        start = cur.pos
        word = cur.need(_PARAM, "CONDSTORE or QRESYNC")[0].upper()
        if word == b"CONDSTORE" and not condstore:
            condstore = True
        elif word == b"QRESYNC" and resync is None:
            cur.space()
            resync = _parse_qresync(cur)
        else:
            raise SyntaxProblem(start, "CONDSTORE or QRESYNC, once")
        if cur.closes():
            return condstore, resync
        cur.space()


def write_select_params(out: Writer, condstore: bool, resync: Resync | None) -> None:
    """Write what stands behind the mailbox, SP included; nothing if there is nothing."""
    if condstore:
        out.write(b" (CONDSTORE" if resync else b" (CONDSTORE)")
    if resync is not None:
        out.write(b" QRESYNC (" if condstore else b" (QRESYNC (")
        write_number(out, resync.uid_validity)
        out.write(b" ")
        write_number(out, resync.mod_seq)
        if resync.known is not None:
            out.write(b" ")
            write_uid_set(out, resync.known)
        if resync.match is not None:
            _check_match(*resync.match)
            out.write(b" (%b %b)" % (sequence_set_bytes(resync.match[0]), sequence_set_bytes(resync.match[1])))
        out.write(b"))")


def _parse_qresync(cur: Cursor) -> Resync:
    cur.opens()
    uid_validity = UIDValidity(parse_nz_number(cur))
    cur.space()
    mod_seq = parse_mod_sequence(cur)
    known, match = None, None
    if not cur.closes():
        cur.space()
        if not cur.at(b"("):
            known = parse_uid_set(cur)
        if known is None or not cur.closes():
            if known is not None:
                cur.space()
            match = _parse_seq_match_data(cur)
            if not cur.closes():
                raise cur.fails("the end of QRESYNC")
    return Resync(uid_validity, mod_seq, known, match)


def _parse_seq_match_data(cur: Cursor) -> tuple[SeqSet, UIDSet]:
    """
    seq-match-data = "(" known-sequence-set SP known-uid-set ")"

    RFC 7162 §3.2.5.2, §7: ascending, without `*`, as many of the one as of the other.
    """
    cur.opens()
    start = cur.pos
    seqs = parse_sequence_set(cur, SeqSet)
    cur.space()
    uids = parse_sequence_set(cur, UIDSet)
    if not cur.closes():
        raise cur.fails("the end of the match data")
    try:
        _check_match(seqs, uids)
    except Unwritable as problem:
        raise SyntaxProblem(start, str(problem)) from None
    return seqs, uids


def _check_match(seqs: SeqSet, uids: UIDSet) -> None:
    if _count(seqs) != _count(uids):
        raise Unwritable("as many message numbers as UIDs")


def _count(numbers: NumberSet) -> int:
    """Return how many numbers there are. Raises Unwritable if they do not ascend."""
    count = last = 0
    for low, high in numbers.ranges:
        if STAR in (low, high) or not last < low <= high:
            raise Unwritable("ascending numbers without *")
        count += high - low + 1
        last = high
    return count


def parse_expunged_resp(cur: Cursor) -> Vanished:
    """
    expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids

    RFC 7162 §3.2.10, §7. Reads on behind the word.
    """
    cur.space()
    found = _EARLIER.match(cur.data, cur.pos)
    if found is not None:
        cur.pos = found.end()
    return Vanished(parse_uid_set(cur), found is not None)


def write_expunged_resp(out: Writer, value: Vanished) -> None:
    """Write the response behind `* `."""
    out.write(b"VANISHED (EARLIER) " if value.earlier else b"VANISHED ")
    if any(STAR in pair for pair in value.uids.ranges):
        raise Unwritable("* in VANISHED")
    write_sequence_set(out, value.uids)


def vanished_lines(uids: UIDSet, earlier: bool) -> bytes:
    """Return VANISHED, ready to send, in as many lines as it needs; nothing for no UIDs."""
    head = b"* VANISHED (EARLIER) " if earlier else b"* VANISHED "
    pieces = [UIDSet(uids.ranges[start : start + MAX_RANGES]) for start in range(0, len(uids.ranges), MAX_RANGES)]
    return b"".join([head + sequence_set_bytes(piece) + b"\r\n" for piece in pieces])
