"""ESORT, CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267).

Changes: `command-select =/ "CANCELUPDATE" 1*(SP quoted)`, `resp-text-code =/ "NOUPDATE" SP quoted`,
`search-return-opt =/ "CONTEXT" / "UPDATE"`, `search-return-data =/ ret-data-addto / ret-data-removefrom`.
"""

from ....model.numbers import SeqSet, UIDSet
from ...responses import ResultUpdate
from ..atoms import parse_number, parse_string, write_number, write_string
from ..cursor import Cursor, Unwritable, Writer
from ..sequence import parse_sequence_set, write_sequence_set


def parse_cancel_update(cur: Cursor) -> tuple[bytes, ...]:
    """
    cancel-update = "CANCELUPDATE" 1*(SP quoted)

    RFC 5267 §5. Reads on behind the word.
    """
    cur.space()
    tags = [parse_string(cur)]
    while cur.skip(b" "):
        tags.append(parse_string(cur))
    return tuple(tags)


def write_cancel_update(out: Writer, tags: tuple[bytes, ...]) -> None:
    """Write what follows the word."""
    if not tags:
        raise Unwritable("CANCELUPDATE of nothing")
    for tag in tags:
        out.write(b" ")
        write_string(out, tag)


def parse_updates(cur: Cursor, added: bool, kind: type[SeqSet] | type[UIDSet]) -> list[ResultUpdate]:
    """
    ret-data-addto = "ADDTO" SP "(" context-position SP sequence-set *(SP context-position SP sequence-set) ")"

    RFC 5267 §5, and ret-data-removefrom likewise. Reads on behind the word and its space.
    """
    cur.opens()
    updates: list[ResultUpdate] = []
    while True:
        position = parse_number(cur)
        cur.space()
        updates.append(ResultUpdate(added, position, parse_sequence_set(cur, kind)))
        if cur.closes():
            return updates
        cur.space()


def write_updates(out: Writer, updates: tuple[ResultUpdate, ...]) -> None:
    """Write the updates of one response, the ones of a kind that follow each other in one list."""
    last = None
    for update in updates:
        if update.added is last:
            out.write(b" ")
        else:
            if last is not None:
                out.write(b")")
            out.write(b" ADDTO (" if update.added else b" REMOVEFROM (")
            last = update.added
        write_number(out, update.position)
        out.write(b" ")
        write_sequence_set(out, update.numbers)
    if last is not None:
        out.write(b")")
