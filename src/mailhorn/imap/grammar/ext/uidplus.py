"""UIDPLUS (RFC 4315, RFC 9051 §6.4.9, §7.1).

Changes: `uid =/ "UID" SP uid-expunge`, `resp-text-code =/ resp-code-apnd / resp-code-copy / "UIDNOTSTICKY"`.
"""

from ....model.ids import UIDValidity
from ....model.numbers import UIDSet
from ...commands import Expunge
from ...responses import AppendUid, CopyUid
from ..atoms import parse_nz_number, write_number
from ..cursor import Cursor, Writer
from ..sequence import parse_sequence_set, parse_uid_set, write_sequence_set, write_uid_set


def parse_uid_expunge(cur: Cursor) -> Expunge:
    """
    uid-expunge = "EXPUNGE" SP sequence-set

    RFC 4315 §4. Reads on behind the word.
    """
    cur.space()
    return Expunge(parse_sequence_set(cur, UIDSet))


def write_uid_expunge(out: Writer, uids: UIDSet) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_sequence_set(out, uids)


def parse_resp_code_apnd(cur: Cursor) -> AppendUid:
    """
    resp-code-apnd = "APPENDUID" SP nz-number SP append-uid

    RFC 4315 §4. Reads on behind the word.
    """
    cur.space()
    uid_validity = parse_nz_number(cur)
    cur.space()
    return AppendUid(UIDValidity(uid_validity), parse_uid_set(cur))


def write_resp_code_apnd(out: Writer, value: AppendUid) -> None:
    """Write the code without its brackets."""
    out.write(b"APPENDUID ")
    write_number(out, value.uid_validity)
    out.write(b" ")
    write_uid_set(out, value.uids)


def parse_resp_code_copy(cur: Cursor) -> CopyUid:
    """
    resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set

    RFC 4315 §4. Reads on behind the word.
    """
    cur.space()
    uid_validity = parse_nz_number(cur)
    cur.space()
    source = parse_uid_set(cur)
    cur.space()
    return CopyUid(UIDValidity(uid_validity), source, parse_uid_set(cur))


def write_resp_code_copy(out: Writer, value: CopyUid) -> None:
    """Write the code without its brackets."""
    out.write(b"COPYUID ")
    write_number(out, value.uid_validity)
    out.write(b" ")
    write_uid_set(out, value.source)
    out.write(b" ")
    write_uid_set(out, value.target)
