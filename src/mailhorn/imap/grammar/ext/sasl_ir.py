"""SASL-IR (RFC 4959, RFC 9051 §6.2.2).

Changes: `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`, `initial-resp = (base64 / "=")`.
"""

import re
from base64 import b64encode
from binascii import Error, a2b_base64

from ...commands import Authenticate
from ..atoms import parse_word, write_word
from ..cursor import Cursor, Writer

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}|=")


def parse_authenticate(cur: Cursor) -> Authenticate:
    """
    authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]

    RFC 9051 §6.2.2, §9. Reads on behind the word. Mechanisms are told in capitals.
    """
    cur.space()
    mechanism = parse_word(cur).upper()
    if not cur.at(b" "):
        return Authenticate(mechanism)
    cur.space()
    return Authenticate(mechanism, parse_initial_resp(cur))


def write_authenticate(out: Writer, value: Authenticate) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_word(out, value.mechanism)
    if value.initial is not None:
        out.write(b" " + (b64encode(value.initial) or b"="))


def parse_initial_resp(cur: Cursor) -> bytes:
    """
    initial-resp = (base64 / "=")

    RFC 9051 §9, RFC 4959 §3: `=` is an empty response.
    """
    start = cur.pos
    data = cur.need(_BASE64, "base64")[0]
    if data == b"=":
        return b""
    try:
        if len(data) % 4 == 0:
            return a2b_base64(data, strict_mode=True)
    except Error:
        pass
    cur.pos = start
    raise cur.fails("base64")
