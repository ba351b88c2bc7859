"""SEARCHRES (RFC 5182, RFC 9051 §6.4.4.1).

Changes: `sequence-set =/ seq-last-command`, `search-return-opt =/ "SAVE"`. `$` stands for the whole set: it has
neither comma nor colon beside it.
"""

import re
from typing import Final, TypeVar

from ....model.numbers import SAVED, NumberSet
from ..cursor import Cursor

LAST_COMMAND: Final = b"$"
_LAST_COMMAND = re.compile(rb"\$(?![^ )])")

Set = TypeVar("Set", bound=NumberSet)


def parse_last_command(cur: Cursor, kind: type[Set]) -> Set:
    """
    seq-last-command = "$"

    RFC 5182 §4.
    """
    cur.need(_LAST_COMMAND, "$ alone")
    return kind(SAVED)
