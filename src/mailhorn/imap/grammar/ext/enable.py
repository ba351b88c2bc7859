"""ENABLE (RFC 5161, RFC 9051 §6.3.1).

Changes: `command-auth =/ enable`, `response-data =/ "*" SP enable-data CRLF`. Capabilities are kept as they
are written; they compare without regard to case.
"""

import re

from ..atoms import parse_word, write_word
from ..cursor import Cursor, Unwritable, Writer

_LOOSE = re.compile(rb"(?>(?: +[^ \]\r\n\x00]++)*) *+")


def parse_enable(cur: Cursor) -> tuple[str, ...]:
    """
    enable = "ENABLE" 1*(SP capability)

    RFC 5161 §4. Reads on behind the word.
    """
    cur.space()
    capabilities = [parse_word(cur)]
    while cur.at(b" "):
        cur.space()
        capabilities.append(parse_word(cur))
    return tuple(capabilities)


def write_enable(out: Writer, capabilities: tuple[str, ...]) -> None:
    """Write what follows the word."""
    if not capabilities:
        raise Unwritable("ENABLE of nothing")
    write_enable_data(out, capabilities)


def parse_enable_data(cur: Cursor) -> tuple[str, ...]:
    """
    enable-data = "ENABLED" *(SP capability)

    RFC 5161 §4. Reads on behind the word.
    """
    if cur.dialect.loose_values:
        words = cur.need(_LOOSE, "capabilities")[0].split()
        return tuple([word.decode("ascii", "surrogateescape") for word in words])
    capabilities = []
    while cur.at(b" "):
        cur.space()
        capabilities.append(parse_word(cur))
    return tuple(capabilities)


def write_enable_data(out: Writer, capabilities: tuple[str, ...]) -> None:
    """Write what follows the word."""
    for capability in capabilities:
        out.write(b" ")
        write_word(out, capability)
