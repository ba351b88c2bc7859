"""CONDSTORE (RFC 7162 §3.1): what has changed since, and STORE only if nothing has.

Changes: `select-param =/ "CONDSTORE"`, `fetch-att =/ "MODSEQ"`, `fetch-modifier =/ "CHANGEDSINCE" SP
mod-sequence-value`, `store-modifier =/ "UNCHANGEDSINCE" SP mod-sequence-valzer`, `search-key =/ search-modsequence`,
`msg-att-dynamic =/ fetch-mod-resp`, `status-att =/ "HIGHESTMODSEQ"`, `resp-text-code =/ "HIGHESTMODSEQ" SP
mod-sequence-value / "NOMODSEQ" / "MODIFIED" SP sequence-set`. MODSEQ, HIGHESTMODSEQ and NOMODSEQ are words among
others of their kind. Zero is taken wherever a mod-sequence may stand: "since the beginning" is clear enough.
"""

import re

from ....model.ids import ModSeq
from ....model.numbers import STAR, NumberSet
from ....model.search import ModSeqKey
from ...responses import Modified
from ..atoms import ATOM, parse_number64, parse_quoted, write_number, write_string
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..sequence import parse_sequence_set, write_sequence_set
from .partial import parse_partial_range, write_partial_range

_WORD = re.compile(rb"[A-Za-z]+")
_TYPE = re.compile(rb"(?:priv|shared|all)(?= )", re.IGNORECASE)
_ENTRY = re.compile(rb"/flags/\\?" + ATOM.pattern, re.IGNORECASE)


def parse_mod_sequence(cur: Cursor) -> ModSeq:
    """
    mod-sequence-valzer = "0" / mod-sequence-value

    RFC 7162 §7: 63 bits.
    """
    return ModSeq(parse_number64(cur))


def parse_store_modifiers(cur: Cursor) -> ModSeq | None:
    """
    store-modifiers = "(" store-modifier *(SP store-modifier) ")"
    store-modifier = "UNCHANGEDSINCE" SP mod-sequence-valzer

    RFC 4466 §2.5, RFC 7162 §3.1.3, §7: one UNCHANGEDSINCE at most. What stands behind the parenthesis is left.
    """
    cur.opens()
    unchanged_since: ModSeq | None = None
    while True:
        start = cur.pos
        if cur.need(_WORD, "UNCHANGEDSINCE")[0].upper() != b"UNCHANGEDSINCE" or unchanged_since is not None:
            raise SyntaxProblem(start, "one UNCHANGEDSINCE")
        cur.space()
        unchanged_since = parse_mod_sequence(cur)
        if cur.closes():
            return unchanged_since
        cur.space()


def write_store_modifiers(out: Writer, unchanged_since: ModSeq) -> None:
    """Write the modifier in its parentheses."""
    out.write(b"(UNCHANGEDSINCE ")
    write_number(out, unchanged_since)
    out.write(b")")


def parse_fetch_modifiers(cur: Cursor, *, by_uid: bool) -> tuple[ModSeq | None, bool, tuple[int, int] | None]:
    """
    fetch-modifiers = "(" fetch-modifier *(SP fetch-modifier) ")"
    fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / modifier-partial

    RFC 4466 §2.4, RFC 7162 §3.1.4.1, §3.2.6, RFC 9394 §3.3. VANISHED only in UID FETCH and beside CHANGEDSINCE,
    PARTIAL only in UID FETCH. Returns all three.
    """
    cur.opens()
    changed_since: ModSeq | None = None
    vanished = False
    partial: tuple[int, int] | None = None
    first = cur.pos
    while True:
        start = cur.pos
        word = cur.need(_WORD, "CHANGEDSINCE")[0].upper()
        if word == b"CHANGEDSINCE" and changed_since is None:
            cur.space()
            changed_since = parse_mod_sequence(cur)
        elif word == b"VANISHED" and by_uid and not vanished:
            vanished = True
        elif word == b"PARTIAL" and by_uid and partial is None:
            cur.space()
            partial = parse_partial_range(cur)
        else:
            raise SyntaxProblem(start, "one CHANGEDSINCE, in UID FETCH with VANISHED or PARTIAL")
        if cur.closes():
            break
        cur.space()
    if changed_since is None and vanished:
        raise SyntaxProblem(first, "CHANGEDSINCE beside VANISHED")
    return changed_since, vanished, partial


def write_fetch_modifiers(
    out: Writer, changed_since: ModSeq | None, vanished: bool, partial: tuple[int, int] | None = None
) -> None:
    """Write what stands behind the items, SP and parentheses included; nothing if there is nothing."""
    if vanished and changed_since is None:
        raise Unwritable("VANISHED without CHANGEDSINCE")
    start = b" ("
    if changed_since is not None:
        out.write(start + b"CHANGEDSINCE ")
        write_number(out, changed_since)
        if vanished:
            out.write(b" VANISHED")
        start = b" "
    if partial is not None:
        out.write(start + b"PARTIAL ")
        write_partial_range(out, partial)
    if changed_since is not None or partial is not None:
        out.write(b")")


def parse_search_modsequence(cur: Cursor) -> ModSeqKey:
    """
    search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer

    RFC 7162 §3.1.5, §7. Reads on behind the word.
    """
    cur.space()
    entry = None
    if cur.at(b'"'):
        start = cur.pos
        name = parse_quoted(cur)
        if not _ENTRY.fullmatch(name):
            raise SyntaxProblem(start, "/flags/ and a flag")
        cur.space()
        entry = name.decode("ascii"), cur.need(_TYPE, "priv, shared or all")[0].decode("ascii").lower()
        cur.space()
    return ModSeqKey(parse_mod_sequence(cur), entry)


def write_search_modsequence(out: Writer, key: ModSeqKey) -> None:
    """Write the key with its word."""
    out.write(b"MODSEQ ")
    if key.entry is not None:
        name, kind = key.entry
        if not (name.isascii() and _ENTRY.fullmatch(name.encode("ascii"))) or not _TYPE.match(kind.encode() + b" "):
            raise Unwritable("not the entry of a flag")
        write_string(out, name.encode("ascii"))
        out.write(b" " + kind.encode("ascii") + b" ")
    write_number(out, key.mod_seq)


def parse_fetch_mod_resp(cur: Cursor) -> ModSeq:
    """
    fetch-mod-resp = "MODSEQ" SP "(" permsg-modsequence ")"

    RFC 7162 §7. Reads on behind the first SP.
    """
    cur.opens()
    mod_seq = parse_mod_sequence(cur)
    if not cur.closes():
        raise cur.fails("the end of MODSEQ")
    return mod_seq


def write_fetch_mod_resp(out: Writer, mod_seq: ModSeq) -> None:
    """Write name and value."""
    out.write(b"MODSEQ (")
    write_number(out, mod_seq)
    out.write(b")")


def parse_resp_code_modified(cur: Cursor) -> Modified:
    """
    "MODIFIED" SP sequence-set

    RFC 7162 §3.1.3, §7. Reads on behind the word.
    """
    cur.space()
    start = cur.pos
    numbers = parse_sequence_set(cur, NumberSet)
    if any(STAR in pair for pair in numbers.ranges):
        raise SyntaxProblem(start, "numbers without *")
    return Modified(numbers)


def write_resp_code_modified(out: Writer, value: Modified) -> None:
    """Write the code without its brackets."""
    if any(STAR in pair for pair in value.numbers.ranges):
        raise Unwritable("* in MODIFIED")
    out.write(b"MODIFIED ")
    write_sequence_set(out, value.numbers)
