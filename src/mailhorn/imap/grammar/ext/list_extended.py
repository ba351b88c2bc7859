"""LIST-EXTENDED and LIST-STATUS (RFC 5258, RFC 5819; RFC 9051 §6.3.9).

Changes: `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`,
`mailbox-list =/ … [SP mbox-list-extended]`, `return-option =/ status-option`.
"""

import re
from typing import Final

from ...commands import List, ListReturn, ListSelect, StatusItem
from ..atoms import parse_astring, parse_string, write_string
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..mailbox import parse_list_mailbox, parse_mailbox, write_list_mailbox, write_mailbox
from ..status import parse_status_atts, write_status_atts
from ..value import skip_value
from .metadata import parse_entries, write_entries

_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9\-]*+(?![^ )])")
_RETURN = re.compile(rb" RETURN \(", re.IGNORECASE)
_SELECT: Final = {option.value: option for option in ListSelect}
_RETURNS: Final = {option.value: option for option in ListReturn}
_BASE: Final = frozenset((ListSelect.SUBSCRIBED,))


def parse_list(cur: Cursor) -> List:
    """
    list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]

    RFC 9051 §6.3.9, §9. Reads on behind the word.
    """
    cur.space()
    select = None
    if cur.at(b"("):
        select = _parse_list_select_opts(cur)
        cur.space()
    reference = parse_mailbox(cur)
    cur.space()
    pattern: str | tuple[str, ...] = _parse_patterns(cur) if cur.at(b"(") else parse_list_mailbox(cur)
    found = _RETURN.match(cur.data, cur.pos)
    if found is None:
        return List(reference, pattern, select=select)
    cur.pos = found.end()
    returns, status, metadata = _parse_list_return_opts(cur)
    return List(reference, pattern, False, select, returns, status, metadata)


def write_list(out: Writer, value: List) -> None:
    """Write what follows the word, with the space before it."""
    out.write(b" ")
    if value.select is not None:
        if not _complete(value.select):
            raise Unwritable("RECURSIVEMATCH of everything")
        out.write(b"(" + b" ".join([option.value for option in ListSelect if option in value.select]) + b") ")
    write_mailbox(out, value.reference)
    if isinstance(value.pattern, str):
        out.write(b" ")
        write_list_mailbox(out, value.pattern)
    else:
        if not value.pattern:
            raise Unwritable("no pattern")
        for number, pattern in enumerate(value.pattern):
            out.write(b" " if number else b" (")
            write_list_mailbox(out, pattern)
        out.write(b")")
    if value.returns is None:
        return
    out.write(b" RETURN (" + b" ".join([option.value for option in ListReturn if option in value.returns]))
    if value.status:
        out.write(b" STATUS " if value.returns else b"STATUS ")
        write_status_atts(out, value.status)
    if value.metadata:
        out.write(b" METADATA " if value.returns or value.status else b"METADATA ")
        write_entries(out, value.metadata)
    out.write(b")")


def _parse_list_select_opts(cur: Cursor) -> frozenset[ListSelect]:
    """
    "(" [list-select-opt *(SP list-select-opt)] ")"

    RFC 9051 §9. RECURSIVEMATCH needs another one that selects (RFC 5258 §3.1).
    """
    start = cur.pos
    cur.opens()
    options: set[ListSelect] = set()
    while not cur.closes():
        if options:
            cur.space()
        word = cur.pos
        option = _SELECT.get(cur.need(_WORD, "a selection option")[0].upper())
        if option is None:
            raise SyntaxProblem(word, "a selection option")
        options.add(option)
    if not _complete(options):
        raise SyntaxProblem(start, "RECURSIVEMATCH together with what it shall match")
    return frozenset(options)


def _complete(options: frozenset[ListSelect] | set[ListSelect]) -> bool:
    return ListSelect.RECURSIVEMATCH not in options or not _BASE.isdisjoint(options)


def _parse_patterns(cur: Cursor) -> tuple[str, ...]:
    """
    patterns = "(" list-mailbox *(SP list-mailbox) ")"

    RFC 9051 §9.
    """
    cur.opens()
    patterns = [parse_list_mailbox(cur)]
    while not cur.closes():
        cur.space()
        patterns.append(parse_list_mailbox(cur))
    return tuple(patterns)


def _parse_list_return_opts(cur: Cursor) -> tuple[frozenset[ListReturn], tuple[StatusItem, ...], tuple[str, ...]]:
    """
    "(" [return-option *(SP return-option)] ")"; status-option = "STATUS" SP "(" status-att *(SP status-att) ")"

    RFC 9051 §9, RFC 5819 §4; METADATA with its entries from RFC 9590 §5. Reads on behind the parenthesis. What is
    asked for twice is asked for once.
    """
    options: set[ListReturn] = set()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    first = True
    while not cur.closes():
        if not first:
            cur.space()
        first = False
        start = cur.pos
        word = cur.need(_WORD, "a return option")[0].upper()
        if word == b"STATUS":
            cur.space()
            status = parse_status_atts(cur)
        elif word == b"METADATA":
            cur.space()
            metadata = parse_entries(cur)
        elif word in _RETURNS:
            options.add(_RETURNS[word])
        else:
            raise SyntaxProblem(start, "a return option")
    return frozenset(options), status, metadata


def parse_mbox_list_extended(cur: Cursor) -> tuple[tuple[str, ...], str | None]:
    """
    mbox-list-extended = "(" [mbox-list-extended-item *(SP mbox-list-extended-item)] ")"

    RFC 9051 §9. Returns CHILDINFO and OLDNAME; items we do not know are skipped.
    """
    child_info: tuple[str, ...] = ()
    old_name = None
    first = True
    cur.opens()
    while not cur.closes():
        if not first:
            cur.space()
        first = False
        tag = parse_astring(cur).upper()
        cur.space()
        if tag == b"CHILDINFO":
            child_info = _parse_childinfo(cur)
        elif tag == b"OLDNAME":
            cur.opens()
            old_name = parse_mailbox(cur)
            if not cur.closes():
                raise cur.fails("')'")
        else:
            skip_value(cur)
    return child_info, old_name


def _parse_childinfo(cur: Cursor) -> tuple[str, ...]:
    """
    "(" list-select-base-opt-quoted *(SP list-select-base-opt-quoted) ")"

    RFC 9051 §9. In capitals.
    """
    cur.opens()
    options = [parse_string(cur)]
    while not cur.closes():
        cur.space()
        options.append(parse_string(cur))
    return tuple([option.decode("ascii", "surrogateescape").upper() for option in options])


def write_mbox_list_extended(out: Writer, child_info: tuple[str, ...], old_name: str | None) -> None:
    """Write the items there are with the space before them; if there are none, nothing."""
    if child_info:
        out.write(b' ("CHILDINFO" (')
        for number, option in enumerate(child_info):
            out.write(b" " if number else b"")
            write_string(out, option.encode("ascii", "surrogateescape"))
        out.write(b")" if old_name is not None else b"))")
    if old_name is not None:
        out.write(b' "OLDNAME" (' if child_info else b' ("OLDNAME" (')
        write_mailbox(out, old_name)
        out.write(b"))")
