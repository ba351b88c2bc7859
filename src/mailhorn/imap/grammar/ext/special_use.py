"""SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154).

Changes: `create =/ "CREATE" SP mailbox [SP create-params]` (RFC 4466 §2.2), `create-param =/ "USE" SP "(" [use-attr
*(SP use-attr)] ")"`, `list-select-independent-opt =/ "SPECIAL-USE"`, `return-option =/ "SPECIAL-USE"` (both parsed with
the others), `mbx-list-oflag =/ use-attr`, `resp-text-code =/ "USEATTR"` (a code without arguments).
"""

import re

from ..atoms import ATOM
from ..cursor import Cursor, SyntaxProblem, Writer
from ..flag import parse_flag_list, write_flag_list

_PARAM = re.compile(rb"[A-Za-z][A-Za-z0-9.\-]*+")
_ATTRIBUTE = re.compile(rb"\\" + ATOM.pattern)


def parse_create_params(cur: Cursor) -> tuple[str, ...]:
    """
    create-params = "(" create-param *(SP create-param) ")"; create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")"

    RFC 4466 §2.2, RFC 6154 §6. Attributes as written.
    """
    cur.opens()
    start = cur.pos
    if cur.need(_PARAM, "USE")[0].upper() != b"USE":
        raise SyntaxProblem(start, "USE")
    cur.space()
    uses = parse_flag_list(cur, _ATTRIBUTE)
    if not cur.closes():
        raise cur.fails("')'")
    return uses


def write_create_params(out: Writer, uses: tuple[str, ...]) -> None:
    """Write what stands behind the mailbox, with the space before it."""
    out.write(b" (USE ")
    write_flag_list(out, uses)
    out.write(b")")
