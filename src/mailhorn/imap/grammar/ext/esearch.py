"""ESEARCH (RFC 4731, RFC 4466 §2.6, RFC 9051 §6.4.4, §7.3.4).

Changes: `search =/ "SEARCH" search-return-opts SP search-program`, `mailbox-data =/ esearch-response`.
"""

import re
from typing import Final, cast

from ....model.ids import ModSeq, UIDValidity
from ....model.numbers import SeqSet, UIDSet
from ....model.search import Return, Returns
from ...commands import FetchItem
from ...responses import ESearchResponse
from ..atoms import (
    parse_astring,
    parse_number,
    parse_number64,
    parse_nz_number,
    parse_string,
    write_number,
    write_string,
)
from ..cursor import MAX_DEPTH, Cursor, SyntaxProblem, Unwritable, Writer
from ..fetch import parse_fetch_atts, write_fetch_atts
from ..mailbox import parse_mailbox, write_mailbox
from ..sequence import parse_sequence_set, write_sequence_set
from .context import parse_updates, write_updates
from .partial import parse_partial_range, parse_ret_data_partial, write_partial_range, write_ret_data_partial

_RETURN = re.compile(rb" RETURN \(", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9\-]*+(?![^ )])")
_OPTIONS: Final = {option.value: option for option in Return}
_UID = re.compile(rb" UID(?![^ ])", re.IGNORECASE)
_SIMPLE = re.compile(rb"[^\x00-\x20(){\"\x7f]++")


def parse_search_return_opts(cur: Cursor) -> Returns | None:
    """
    search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"

    RFC 9051 §9; PARTIAL has an argument (RFC 9394 §4), and UPDATE may have one (RFC 5465 §8). None, and nothing read,
    if no RETURN stands here.
    """
    found = _RETURN.match(cur.data, cur.pos)
    if found is None:
        return None
    cur.pos = found.end()
    options: set[Return] = set()
    partial = None
    fetch: tuple[FetchItem, ...] = ()
    first = True
    while not cur.closes():
        if not first:
            cur.space()
        first = False
        start = cur.pos
        word = cur.need(_WORD, "a return option")[0].upper()
        if word == b"PARTIAL" and partial is None:
            cur.space()
            partial = parse_partial_range(cur)
        elif word in _OPTIONS:
            options.add(_OPTIONS[word])
            if word == b"UPDATE" and cur.at(b" ("):
                cur.space()
                fetch = parse_fetch_atts(cur)
        else:
            raise SyntaxProblem(start, "a return option")
        if partial is not None and Return.ALL in options:
            raise SyntaxProblem(start, "PARTIAL or ALL, not both")
    return Returns(frozenset(options), partial, fetch)


def write_search_return_opts(out: Writer, value: Returns) -> None:
    """Write the options with the space before them."""
    if value.partial is not None and Return.ALL in value.options:
        raise Unwritable("PARTIAL and ALL")
    if value.fetch and Return.UPDATE not in value.options:
        raise Unwritable("what to fetch without UPDATE")
    out.write(b" RETURN (")
    words = [option for option in Return if option in value.options]
    for number, option in enumerate(words):
        out.write(b" " + option.value if number else option.value)
        if option is Return.UPDATE and value.fetch:
            out.write(b" ")
            write_fetch_atts(out, cast(tuple[FetchItem, ...], value.fetch))
    if value.partial is not None:
        out.write(b" PARTIAL " if words else b"PARTIAL ")
        write_partial_range(out, value.partial)
    out.write(b")")


def parse_esearch_response(cur: Cursor) -> ESearchResponse:
    """
    esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)

    RFC 9051 §9, RFC 7377 §4. Reads on behind the word; return data we never heard of is passed over.
    """
    tag, mailbox, uid_validity = None, None, None
    if cur.skip(b" ("):
        while True:
            word = cur.need(_WORD, "a correlator")[0].upper()
            cur.space()
            if word == b"TAG":
                tag = parse_astring(cur)
            elif word == b"MAILBOX":
                mailbox = parse_mailbox(cur)
            elif word == b"UIDVALIDITY":
                uid_validity = UIDValidity(parse_nz_number(cur))
            else:
                _skip_value(cur)
            if cur.closes():
                break
            cur.space()
    by_uid = _UID.match(cur.data, cur.pos)
    if by_uid is not None:
        cur.pos = by_uid.end()
    kind = SeqSet if by_uid is None else UIDSet
    low, high, numbers, count, mod_seq, partial = None, None, None, None, None, None
    updates = []
    while cur.skip(b" "):
        word = cur.need(_WORD, "return data")[0].upper()
        cur.space()
        match word:
            case b"MIN":
                low = parse_nz_number(cur)
            case b"MAX":
                high = parse_nz_number(cur)
            case b"ALL":
                numbers = parse_sequence_set(cur, kind)
            case b"COUNT":
                count = parse_number(cur)
            case b"MODSEQ":
                mod_seq = ModSeq(parse_number64(cur))
            case b"PARTIAL":
                partial = parse_ret_data_partial(cur, kind)
            case b"ADDTO" | b"REMOVEFROM":
                updates.extend(parse_updates(cur, word == b"ADDTO", kind))
            case _:
                _skip_value(cur)
    return ESearchResponse(
        tag,
        by_uid is not None,
        low=low,
        high=high,
        numbers=numbers,
        count=count,
        mod_seq=mod_seq,
        partial=partial,
        updates=tuple(updates),
        mailbox=mailbox,
        uid_validity=uid_validity,
    )


def write_esearch_response(out: Writer, value: ESearchResponse) -> None:
    """Write what follows the word."""
    write = out.write
    if value.tag is not None:
        write(b" (TAG ")
        write_string(out, value.tag)
        if value.mailbox is not None:
            write(b" MAILBOX ")
            write_mailbox(out, value.mailbox)
        if value.uid_validity is not None:
            write(b" UIDVALIDITY ")
            write_number(out, value.uid_validity)
        write(b")")
    elif value.mailbox is not None or value.uid_validity is not None:
        raise Unwritable("a mailbox without the tag")
    if value.by_uid:
        write(b" UID")
    for word, number in ((b" MIN ", value.low), (b" MAX ", value.high)):
        if number is not None:
            write(word)
            write_number(out, number)
    if value.numbers is not None:
        write(b" ALL ")
        write_sequence_set(out, value.numbers)
    if value.count is not None:
        write(b" COUNT ")
        write_number(out, value.count)
    if value.mod_seq is not None:
        write(b" MODSEQ ")
        write_number(out, value.mod_seq)
    if value.partial is not None:
        write(b" PARTIAL ")
        write_ret_data_partial(out, value.partial)
    write_updates(out, value.updates)


def _skip_value(cur: Cursor, depth: int = 0) -> None:
    """
    tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"

    RFC 9051 §9: what an extension we do not know tells.
    """
    if depth >= MAX_DEPTH:
        raise cur.fails("fewer parentheses")
    if not cur.skip(b"("):
        if cur.at(b'"') or cur.at(b"{"):
            parse_string(cur)
        else:
            cur.need(_SIMPLE, "a value")
        return
    while not cur.closes():
        cur.skip(b" ")
        _skip_value(cur, depth + 1)


__all__ = [
    "parse_esearch_response",
    "parse_search_return_opts",
    "write_esearch_response",
    "write_search_return_opts",
]
