"""PARTIAL (RFC 9394, RFC 5267 §4.4).

Changes: `search-return-opt =/ modifier-partial`, `search-return-data =/ ret-data-partial`,
`fetch-modifier =/ modifier-partial`.
"""

import re

from ....model.numbers import NumberSet, SeqSet, UIDSet
from ..atoms import MAX_NUMBER, skip_nil
from ..cursor import Cursor, Unwritable, Writer
from ..sequence import parse_sequence_set, write_sequence_set

_RANGE = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})(?![0-9])")


def parse_partial_range(cur: Cursor) -> tuple[int, int]:
    """
    partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number

    RFC 9394 §4. In the order it was written.
    """
    start = cur.pos
    minus, first, minus_too, last = cur.need(_RANGE, "a range of results").groups()
    low, high = int(first), int(last)
    if minus != minus_too or low > MAX_NUMBER or high > MAX_NUMBER:
        cur.pos = start
        raise cur.fails("a range of results from one end")
    return (-low, -high) if minus else (low, high)


def write_partial_range(out: Writer, value: tuple[int, int]) -> None:
    """Write a range of results."""
    first, last = value
    if not (0 < first <= MAX_NUMBER and 0 < last <= MAX_NUMBER or 0 < -first <= MAX_NUMBER and 0 < -last <= MAX_NUMBER):
        raise Unwritable("no range of results")
    out.write(b"%d:%d" % value)


def parse_ret_data_partial(cur: Cursor, kind: type[SeqSet] | type[UIDSet]) -> tuple[tuple[int, int], NumberSet | None]:
    """
    ret-data-partial = "PARTIAL" SP "(" partial-range SP (sequence-set / "NIL") ")"

    RFC 9394 §4. Reads on behind the word and its space.
    """
    cur.opens()
    which = parse_partial_range(cur)
    cur.space()
    results = None if skip_nil(cur) else parse_sequence_set(cur, kind)
    if not cur.closes():
        raise cur.fails("the end of a part of the results")
    return which, results


def write_ret_data_partial(out: Writer, value: tuple[tuple[int, int], NumberSet | None]) -> None:
    """Write what follows the word and its space."""
    out.write(b"(")
    write_partial_range(out, value[0])
    out.write(b" ")
    if value[1] is None:
        out.write(b"NIL")
    else:
        write_sequence_set(out, value[1])
    out.write(b")")
