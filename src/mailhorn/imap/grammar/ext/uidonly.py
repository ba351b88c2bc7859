"""UIDONLY (RFC 9586): message numbers are neither used nor told.

Changes: `message-data =/ uidfetch-resp`, `resp-text-code =/ "UIDREQUIRED"` (a code without arguments).
"""

from ....model.ids import UID
from ...responses import UidFetched
from ..cursor import Cursor, SyntaxProblem, Writer
from ..fetch import parse_msg_att, write_msg_att


def parse_uidfetch_resp(cur: Cursor, uid: int, start: int) -> UidFetched:
    """
    uidfetch-resp = uniqueid SP "UIDFETCH" SP msg-att

    RFC 9586 §4. Reads on behind the word; `uid` stood before it, at `start`.
    """
    if not uid:
        raise SyntaxProblem(start, "a UID")
    cur.space()
    return UidFetched(UID(uid), parse_msg_att(cur))


def write_uidfetch_resp(out: Writer, value: UidFetched) -> None:
    """Write the response behind `* `."""
    out.write(b"%d UIDFETCH " % value.uid)
    write_msg_att(out, value.items)
