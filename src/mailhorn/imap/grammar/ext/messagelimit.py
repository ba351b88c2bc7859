"""MESSAGELIMIT (RFC 9738): how many messages one command may name.

Changes: `resp-text-code =/ "MESSAGELIMIT" SP message-limit [SP uniqueid]`, `search-key =/ "UIDAFTER" SP uniqueid /
"UIDBEFORE" SP uniqueid`. The two keys are read as the sets of UIDs they stand for, and written as these.
"""

from ....model.ids import MAX_UID, UID
from ....model.numbers import UIDSet
from ....model.search import All, InUIDs, Not, SearchKey
from ...responses import MessageLimit
from ..atoms import parse_nz_number, write_number
from ..cursor import Cursor, Unwritable, Writer


def parse_resp_code_messagelimit(cur: Cursor) -> MessageLimit:
    """
    "MESSAGELIMIT" SP message-limit [SP uniqueid]

    RFC 9738 §5. Reads on behind the word.
    """
    cur.space()
    limit = parse_nz_number(cur)
    if not cur.at(b" "):
        return MessageLimit(limit)
    cur.space()
    return MessageLimit(limit, UID(parse_nz_number(cur)))


def write_resp_code_messagelimit(out: Writer, value: MessageLimit) -> None:
    """Write the word and what is known."""
    if not value.limit or value.lowest == 0:
        raise Unwritable("0 in MESSAGELIMIT")
    out.write(b"MESSAGELIMIT ")
    write_number(out, value.limit)
    if value.lowest is not None:
        out.write(b" ")
        write_number(out, value.lowest)


def parse_uid_bound(cur: Cursor, after: bool) -> SearchKey:
    """
    "UIDAFTER" SP uniqueid / "UIDBEFORE" SP uniqueid

    RFC 9738 §3.2: unlike `n:*`, UIDAFTER never names a message that is not greater. Reads on behind the word.
    """
    cur.space()
    uid = parse_nz_number(cur)
    low, high = (uid + 1, MAX_UID) if after else (1, uid - 1)
    return InUIDs(UIDSet(((low, high),))) if low <= high else Not(All())
