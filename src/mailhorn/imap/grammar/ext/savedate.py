"""SAVEDATE (RFC 8514).

Changes: `fetch-att =/ "SAVEDATE"`, `msg-att-static =/ "SAVEDATE" SP (date-time / nil)`, `search-key =/ ("SAVEDBEFORE" /
"SAVEDON" / "SAVEDSINCE") SP date / "SAVEDATESUPPORTED"`.
"""

from typing import Final

from ....model.search import DateTest, SaveDateKey
from ..atoms import skip_nil
from ..cursor import Cursor, Writer
from ..date import parse_date, parse_date_time, write_date, write_date_time

SAVED: Final = {b"SAVEDBEFORE": DateTest.BEFORE, b"SAVEDON": DateTest.ON, b"SAVEDSINCE": DateTest.SINCE}
_WORDS = {test: word for word, test in SAVED.items()}


def parse_saved_key(cur: Cursor, word: bytes) -> SaveDateKey:
    """
    ("SAVEDBEFORE" / "SAVEDON" / "SAVEDSINCE") SP date

    RFC 8514 §5. Reads on behind the word, which is one of SAVED.
    """
    cur.space()
    return SaveDateKey(SAVED[word], parse_date(cur))


def write_saved_key(out: Writer, key: SaveDateKey) -> None:
    """Write the key."""
    out.write(_WORDS[key.test] + b" ")
    write_date(out, key.date)


def parse_savedate(cur: Cursor) -> int | None:
    """
    date-time / nil

    RFC 8514 §5. Seconds since 1970, UTC.
    """
    return None if skip_nil(cur) else parse_date_time(cur)


def write_savedate(out: Writer, saved: int | None) -> None:
    """Write the date, or that there is none."""
    if saved is None:
        out.write(b"NIL")
    else:
        write_date_time(out, saved)
