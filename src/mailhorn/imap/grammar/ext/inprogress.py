"""INPROGRESS (RFC 9585): how far a long command is.

Changes: `resp-text-code =/ "INPROGRESS" [SP "(" inprogress-tag SP inprogress-state ")"]`. It comes in an untagged OK.
"""

import re

from ...responses import InProgress
from ..atoms import parse_number, parse_nz_number, parse_quoted, skip_nil, write_number, write_string
from ..cursor import Cursor, Unwritable, Writer

_QUOTABLE = re.compile(rb"[\x20-\x7e]{1,1024}")
"""What `write_string` quotes."""


def parse_resp_code_inprogress(cur: Cursor) -> InProgress:
    """
    [SP "(" (quoted / nil) SP (nil SP nil / number SP nil / number SP nz-number) ")"]

    RFC 9585 §6. Reads on behind the word.
    """
    if not cur.at(b" "):
        return InProgress()
    cur.space()
    cur.opens()
    tag = None if skip_nil(cur) else parse_quoted(cur)
    cur.space()
    progress = None if skip_nil(cur) else parse_number(cur)
    cur.space()
    goal = None if skip_nil(cur) else parse_nz_number(cur)
    if (progress is None and goal is not None) or not cur.closes():
        raise cur.fails("the end of what INPROGRESS tells")
    return InProgress(tag, progress, goal)


def write_resp_code_inprogress(out: Writer, value: InProgress) -> None:
    """Write the word and what is known."""
    out.write(b"INPROGRESS")
    if value == InProgress():
        return
    if value.progress is None and value.goal is not None:
        raise Unwritable("a goal without a progress")
    out.write(b" (")
    for number, part in enumerate((value.tag, value.progress, value.goal)):
        out.write(b" " if number else b"")
        if part is None:
            out.write(b"NIL")
        elif isinstance(part, bytes):
            if not _QUOTABLE.fullmatch(part):
                raise Unwritable("a tag that is none: there is no literal in a response code")
            write_string(out, part)
        else:
            write_number(out, part)
    out.write(b")")
