"""SORT and SORT=DISPLAY (RFC 5256, RFC 5957), with the return options of ESORT (RFC 5267 §3).

Changes: `command-select =/ ["UID" SP] sort`, `mailbox-data =/ "SORT" *(SP nz-number)`.
"""

import re
from typing import Final

from ....model.ids import ModSeq
from ....model.search import SortField, SortKey
from ...commands import Sort
from ...responses import SortResponse
from ..atoms import MAX_NUMBER, parse_number64, write_number
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..search import parse_charset, parse_search_keys, write_charset, write_search_keys
from .esearch import parse_search_return_opts, write_search_return_opts

MAX_CRITERIA: Final = 20
"""There are nine to sort by, and the second time one of them decides nothing."""

_WORD = re.compile(rb"[A-Za-z]+(?![^ )])")
_FIELDS: Final = {field.value: field for field in SortField}
_NUMBERS = re.compile(rb"(?>(?: +[0-9]{1,10})*)(?! *[0-9])")


def parse_sort(cur: Cursor, *, by_uid: bool) -> Sort:
    """
    sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria

    RFC 5256 §5, RFC 5267 §5. Reads on behind the word.
    """
    returns = parse_search_return_opts(cur)
    cur.space()
    order = parse_sort_criteria(cur)
    cur.space()
    charset = parse_charset(cur)
    cur.space()
    return Sort(order, charset, parse_search_keys(cur, charset), by_uid, returns)


def write_sort(out: Writer, value: Sort) -> None:
    """Write the command behind its tag."""
    out.write(b" UID SORT" if value.by_uid else b" SORT")
    if value.returns is not None:
        write_search_return_opts(out, value.returns)
    out.write(b" ")
    write_sort_criteria(out, value.order)
    out.write(b" ")
    write_charset(out, value.charset)
    out.write(b" ")
    write_search_keys(out, value.key, value.charset)


def parse_sort_criteria(cur: Cursor) -> tuple[SortKey, ...]:
    """
    sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"

    RFC 5256 §5: sort-criterion = ["REVERSE" SP] sort-key.
    """
    cur.opens()
    order: list[SortKey] = []
    while True:
        start = cur.pos
        word = cur.need(_WORD, "what to sort by")[0].upper()
        reverse = word == b"REVERSE"
        if reverse:
            cur.space()
            start = cur.pos
            word = cur.need(_WORD, "what to sort by")[0].upper()
        if word not in _FIELDS or len(order) == MAX_CRITERIA:
            raise SyntaxProblem(start, "what to sort by")
        order.append(SortKey(_FIELDS[word], reverse))
        if cur.closes():
            return tuple(order)
        cur.space()


def write_sort_criteria(out: Writer, order: tuple[SortKey, ...]) -> None:
    """Write the criteria with their parentheses."""
    if not 0 < len(order) <= MAX_CRITERIA:
        raise Unwritable("SORT by nothing, or by too much")
    words = [(b"REVERSE " if key.reverse else b"") + key.field.value for key in order]
    out.write(b"(" + b" ".join(words) + b")")


def parse_sort_data(cur: Cursor) -> SortResponse:
    """
    sort-data = "SORT" *(SP nz-number) [SP search-sort-mod-seq]

    RFC 5256 §5, RFC 7162 §7. Reads on behind the word.
    """
    numbers = tuple(map(int, cur.need(_NUMBERS, "numbers")[0].split()))
    if numbers and not (min(numbers) and max(numbers) <= MAX_NUMBER):
        raise cur.fails("numbers of 32 bits")
    mod_seq = None
    if cur.skip(b" (MODSEQ "):
        mod_seq = ModSeq(parse_number64(cur))
        cur.expect(b")")
    return SortResponse(numbers, mod_seq)


def write_sort_data(out: Writer, value: SortResponse) -> None:
    """Write what follows the word."""
    if any(not 0 < number <= MAX_NUMBER for number in value.numbers):
        raise Unwritable("a number of no message")
    out.write(b"".join([b" %d" % number for number in value.numbers]))
    if value.mod_seq is not None:
        out.write(b" (MODSEQ ")
        write_number(out, value.mod_seq)
        out.write(b")")
