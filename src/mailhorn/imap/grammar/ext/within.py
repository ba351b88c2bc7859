"""WITHIN (RFC 5032).

Changes: `search-key =/ ("OLDER" / "YOUNGER") SP nz-number`.
"""

from ....model.search import AgeKey
from ..atoms import parse_nz_number, write_number
from ..cursor import Cursor, Unwritable, Writer


def parse_age(cur: Cursor, younger: bool) -> AgeKey:
    """
    ("OLDER" / "YOUNGER") SP nz-number

    RFC 5032 §4. Reads on behind the word.
    """
    cur.space()
    return AgeKey(younger, parse_nz_number(cur))


def write_age(out: Writer, value: AgeKey) -> None:
    """Write the key."""
    if value.seconds < 1:
        raise Unwritable("an age of nothing")
    out.write(b"YOUNGER " if value.younger else b"OLDER ")
    write_number(out, value.seconds)
