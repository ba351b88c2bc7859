"""MOVE (RFC 6851, RFC 9051 §6.4.8).

Changes: `command-select =/ move`, `uid =/ "UID" SP move`.
"""

from ...commands import Move, NumSet
from ..cursor import Cursor, Writer
from ..mailbox import parse_mailbox, write_mailbox
from ..sequence import parse_sequence_set, write_sequence_set


def parse_move(cur: Cursor, kind: type[NumSet]) -> Move:
    """
    move = "MOVE" SP sequence-set SP mailbox

    RFC 6851 §5, RFC 9051 §9. Reads on behind the word.
    """
    cur.space()
    numbers = parse_sequence_set(cur, kind)
    cur.space()
    return Move(numbers, parse_mailbox(cur))


def write_move(out: Writer, value: Move) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_sequence_set(out, value.numbers)
    out.write(b" ")
    write_mailbox(out, value.mailbox)
