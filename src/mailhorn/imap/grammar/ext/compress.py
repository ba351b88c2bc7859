"""COMPRESS (RFC 4978).

Changes: `command-auth =/ compress`, `compress = "COMPRESS" SP algorithm`, `algorithm = "DEFLATE"`. From the answer on
both directions are compressed, which is no business of the grammar.
"""

import re
from typing import Final

from ...commands import Compress
from ..cursor import Cursor, SyntaxProblem

COMPRESS: Final = Compress()
_ALGORITHM = re.compile(rb"[A-Za-z0-9\-]++")


def parse_compress(cur: Cursor) -> Compress:
    """
    SP algorithm

    RFC 4978 §5: DEFLATE is the only one there is.
    """
    cur.space()
    start = cur.pos
    if cur.need(_ALGORITHM, "DEFLATE")[0].upper() != b"DEFLATE":
        raise SyntaxProblem(start, "DEFLATE")
    return COMPRESS
