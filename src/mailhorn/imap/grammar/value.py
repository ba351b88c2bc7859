"""tagged-ext-val: values of extensions we do not know, skipped whole (RFC 9051 §9)."""

import re
from typing import Final

from .cursor import Cursor

_PLAIN = re.compile(rb'(?>(?:[^()"{\r\n\x00]++|\{(?![0-9]{1,19}[+-]?\}\r?\n))+)')
_QUOTED = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"', re.DOTALL)
_WORD = re.compile(rb'[^ ()"{\r\n\x00]++')

MAX_VALUE_DEPTH: Final = 1000
"""Skipping does not recurse; what nests deeper is an attack."""


def skip_value(cur: Cursor) -> bytes:
    """
    tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"

    RFC 9051 §9. Returns the value as it stood: a word, a string, or anything in balanced parentheses.
    """
    start = cur.pos
    depth = 0
    while True:
        if cur.skip(b"("):
            depth += 1
            if depth > MAX_VALUE_DEPTH:
                raise cur.fails("fewer parentheses")
        elif cur.at(b'"'):
            cur.need(_QUOTED, "the end of a quoted string")
        elif cur.at(b"{"):
            cur.literal()
        elif depth and cur.skip(b")"):
            depth -= 1
        else:
            cur.need(_PLAIN if depth else _WORD, "a value")
            if not depth and cur.at(b"{"):
                cur.literal()
        if not depth:
            return cur.data[start : cur.pos]
