"""NAMESPACE (RFC 2342, RFC 9051 §6.3.10, §7.3.3).

Changes: `command-auth =/ namespace-command`, `mailbox-data =/ namespace-response`.
"""

from ...responses import Namespaces
from ..atoms import parse_string, skip_nil, write_string
from ..cursor import Cursor, Unwritable, Writer
from ..list import parse_delimiter, write_delimiter
from ..mailbox import decode_mailbox, encode_mailbox
from ..value import skip_value

Descriptions = tuple[tuple[str, str | None], ...] | None


def parse_namespace_response(cur: Cursor) -> Namespaces:
    """
    namespace-response = "NAMESPACE" SP namespace SP namespace SP namespace

    RFC 9051 §9. Reads on behind the word.
    """
    cur.space()
    personal = parse_namespace(cur)
    cur.space()
    other = parse_namespace(cur)
    cur.space()
    return Namespaces(personal, other, parse_namespace(cur))


def write_namespace_response(out: Writer, value: Namespaces) -> None:
    """Write what follows the word."""
    for namespace in (value.personal, value.other, value.shared):
        out.write(b" ")
        write_namespace(out, namespace)


def parse_namespace(cur: Cursor) -> Descriptions:
    """
    namespace = nil / "(" 1*namespace-descr ")"

    RFC 9051 §9.
    """
    if skip_nil(cur):
        return None
    cur.opens()
    descriptions = [parse_namespace_descr(cur)]
    while not cur.closes():
        if cur.dialect.loose_spaces:
            cur.skip(b" ")
        descriptions.append(parse_namespace_descr(cur))
    return tuple(descriptions)


def write_namespace(out: Writer, value: Descriptions) -> None:
    """Write one namespace or NIL."""
    if value is None:
        out.write(b"NIL")
        return
    if not value:
        raise Unwritable("a namespace without a prefix")
    out.write(b"(")
    for prefix, delimiter in value:
        out.write(b"(")
        write_string(out, encode_mailbox(out, prefix))
        out.write(b" ")
        write_delimiter(out, delimiter)
        out.write(b")")
    out.write(b")")


def parse_namespace_descr(cur: Cursor) -> tuple[str, str | None]:
    """
    namespace-descr = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) [namespace-response-extensions] ")"

    RFC 9051 §9. Extensions are skipped.
    """
    cur.opens()
    start = cur.pos
    prefix = decode_mailbox(cur, parse_string(cur), start)
    cur.space()
    delimiter = parse_delimiter(cur)
    while not cur.closes():
        cur.space()
        skip_value(cur)
    return prefix, delimiter
