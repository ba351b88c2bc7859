"""ID (RFC 2971).

Changes: `command-any =/ id`, `response-data =/ "*" SP id-response CRLF`.
"""

from ..atoms import parse_nstring, parse_string, skip_nil, write_nstring, write_string
from ..cursor import Cursor, Writer

Fields = tuple[tuple[str, str | None], ...] | None


def parse_id_params_list(cur: Cursor) -> Fields:
    """
    id-params-list = "(" *(string SP nstring) ")" / nil

    RFC 2971 §4. Octets that are no UTF-8 become U+DC80 to U+DCFF.
    """
    if skip_nil(cur):
        return None
    cur.opens()
    fields: list[tuple[str, str | None]] = []
    while not cur.closes():
        if fields:
            cur.space()
        name = parse_string(cur)
        cur.space()
        value = parse_nstring(cur)
        fields.append((_text(name), None if value is None else _text(value)))
    return tuple(fields)


def write_id_params_list(out: Writer, fields: Fields) -> None:
    """Write fields in parentheses, or NIL."""
    if fields is None:
        out.write(b"NIL")
        return
    out.write(b"(")
    for number, (name, value) in enumerate(fields):
        if number:
            out.write(b" ")
        write_string(out, name.encode("utf-8", "surrogateescape"))
        out.write(b" ")
        write_nstring(out, None if value is None else value.encode("utf-8", "surrogateescape"))
    out.write(b")")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
