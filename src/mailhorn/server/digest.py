"""What FETCH needs of a message, computed once, when it has come in.

The store calls this: after the answer for what is small, in a thread for what is big.
"""

from functools import lru_cache

import structlog

from ..imap.grammar.body import body_structure_bytes, leaf_bytes
from ..imap.grammar.cursor import STRICT, Writer
from ..imap.grammar.envelope import addresses_bytes, envelope_bytes, write_ready_envelope
from ..mime.envelope import envelope_values, lists_of, people_of
from ..mime.header import is_described
from ..mime.limits import MAX_HEADER
from ..mime.packed import pack
from ..mime.scan import TEXT_PLAIN, Buffer, Part, scan
from ..mime.structure import body_structure, count_lines, plain_leaf
from ..model.message import Digest
from ..model.structure import Envelope, Params, SinglePart

REMEMBERED = 200
"""Octets of a field of which is remembered how it is shown: of addresses 300 KB, and 4 MB if somebody tries."""

NOBODY = addresses_bytes(())

log = structlog.get_logger("mailhorn.delivery")


def digest(body: Buffer) -> Digest:
    """
    Return the digest of a message. Never raises: a message that breaks something is opaque text.

    Args:
        body: The whole message.

    """
    try:
        root = scan(body)
        header = bytes(body[root.header_start : min(root.body_start, root.header_start + MAX_HEADER)])
        return Digest(
            header_size=root.body_start,
            envelope=_envelope(header),
            body_structure=_structure(root, body, header),
            parts=pack(root),
        )
    except Exception as error:
        log.error("bug: a message could not be digested, it is shown as plain text", exc_info=error)
        return _opaque(len(body))


def _structure(root: Part, body: Buffer, header: bytes) -> bytes:
    """Return BODYSTRUCTURE; that of what is no multipart is, but for its numbers, one of a few dozen."""
    if root.children or is_described(header):
        return body_structure_bytes(body_structure(root, body), True)
    said = len(root.type) + len(root.subtype) + len(root.encoding) + sum([len(n) + len(v) for n, v in root.params])
    leaf = _known_leaf if said <= REMEMBERED else _leaf
    head, tail = leaf(root.type, root.subtype, root.params, root.encoding)
    lines = count_lines(body, root)
    octets = root.body_end - root.body_start
    return b"%b%d%b" % (head, octets, tail) if lines is None else b"%b%d %d%b" % (head, octets, lines, tail)


def _leaf(kind: bytes, subtype: bytes, params: Params, encoding: bytes) -> tuple[bytes, bytes]:
    return leaf_bytes(plain_leaf(kind, subtype, params, encoding))


_known_leaf = lru_cache(maxsize=256)(_leaf)


def _envelope(header: bytes) -> bytes:
    """Return ENVELOPE."""
    texts, lists = envelope_values(header)
    people = lists_of({name: _people(values) for name, values in lists.items()}, NOBODY)
    out = Writer(STRICT)
    write_ready_envelope(
        out, texts.get(b"date"), texts.get(b"subject"), people, texts.get(b"in-reply-to"), texts.get(b"message-id")
    )
    return out.data()


def _people(values: tuple[bytes, ...]) -> bytes:
    """Return the addresses of the fields of one name; the same people write to the same people."""
    return _known_people(values[0]) if len(values) == 1 and len(values[0]) <= REMEMBERED else _written(values)


@lru_cache(maxsize=1024)
def _known_people(value: bytes) -> bytes:
    return _written((value,))


def _written(values: tuple[bytes, ...]) -> bytes:
    return addresses_bytes(people_of(values))


def _opaque(size: int) -> Digest:
    """Return the digest of a message of which nothing is known but its size: no header, one text."""
    part = Part(0, 0, size, *TEXT_PLAIN, b"7bit")
    structure = SinglePart(b"text", b"plain", (), None, None, b"7bit", size, lines=0)
    nothing = Envelope(None, None, (), (), (), (), (), (), None, None)
    return Digest(
        header_size=0,
        envelope=envelope_bytes(nothing),
        body_structure=body_structure_bytes(structure, True),
        parts=pack(part),
    )


__all__ = ["digest"]
