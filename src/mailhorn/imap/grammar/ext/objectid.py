"""OBJECTID (RFC 8474).

Changes: `fetch-att =/ "EMAILID" / "THREADID"`, `msg-att-static =/ "EMAILID" SP "(" objectid ")" / "THREADID" SP ("("
objectid ")" / nil)`, `search-key =/ ("EMAILID" / "THREADID") SP objectid`, `status-att =/ "MAILBOXID"`, `status-att-val
=/ "MAILBOXID" SP "(" objectid ")"`, `resp-text-code =/ "MAILBOXID" SP "(" objectid ")"`.
"""

import re

from ....model.search import EmailIdKey, ThreadIdKey
from ...responses import Code
from ..atoms import skip_nil
from ..cursor import Cursor, Unwritable, Writer

_OBJECT_ID = re.compile(rb"[A-Za-z0-9_\-]{1,255}(?![A-Za-z0-9_\-])")


def parse_objectid(cur: Cursor) -> str:
    """
    objectid = 1*255(ALPHA / DIGIT / "_" / "-")

    RFC 8474 §7.
    """
    return cur.need(_OBJECT_ID, "an object's name")[0].decode("ascii")


def write_objectid(out: Writer, value: str) -> None:
    """Write the name of an object."""
    out.write(_bytes(value))


def _bytes(value: str) -> bytes:
    data = value.encode("ascii", "replace")
    if not _OBJECT_ID.fullmatch(data):
        raise Unwritable("not the name of an object")
    return data


def parse_objectid_value(cur: Cursor) -> str | None:
    """
    "(" objectid ")" / nil

    RFC 8474 §7.
    """
    if skip_nil(cur):
        return None
    cur.opens()
    value = parse_objectid(cur)
    if not cur.closes():
        raise cur.fails("')'")
    return value


def write_objectid_value(out: Writer, value: str | None) -> None:
    """Write a name in parentheses, or NIL."""
    out.write(b"NIL" if value is None else b"(" + _bytes(value) + b")")


def parse_objectid_key(cur: Cursor, word: bytes) -> EmailIdKey | ThreadIdKey:
    """
    ("EMAILID" / "THREADID") SP objectid

    RFC 8474 §7. Reads on behind the word.
    """
    cur.space()
    value = parse_objectid(cur)
    return EmailIdKey(value) if word == b"EMAILID" else ThreadIdKey(value)


def write_objectid_key(out: Writer, key: EmailIdKey | ThreadIdKey) -> None:
    """Write the key."""
    out.write(b"EMAILID " if isinstance(key, EmailIdKey) else b"THREADID ")
    write_objectid(out, key.value)


def mailbox_id_code(mailbox_id: str) -> Code:
    """Return the code that SELECT and CREATE tell (RFC 8474 §4.1, §4.2)."""
    return Code("MAILBOXID", b"(" + _bytes(mailbox_id) + b")")
