"""What FETCH needs of a message, computed once, when it has come in.

The store calls this: after the answer for what is small, in a thread for what is big.
"""

import structlog

from ..imap.grammar.body import body_structure_bytes
from ..imap.grammar.envelope import envelope_bytes
from ..mime.envelope import envelope
from ..mime.limits import MAX_HEADER
from ..mime.packed import pack
from ..mime.scan import TEXT_PLAIN, Buffer, Part, scan
from ..mime.structure import body_structure
from ..model.message import Digest
from ..model.structure import Envelope, SinglePart

log = structlog.get_logger("mailhorn.delivery")


def digest(body: Buffer) -> Digest:
    """
    Return the digest of a message. Never raises: a message that breaks something is opaque text.

    Args:
        body: The whole message.

    """
    try:
        root = scan(body)
        structure = body_structure(root, body)
        header = bytes(body[root.header_start : min(root.body_start, root.header_start + MAX_HEADER)])
        return Digest(
            header_size=root.body_start,
            envelope=envelope_bytes(envelope(header)),
            body_structure=body_structure_bytes(structure, True),
            parts=pack(root),
        )
    except Exception as error:
        log.error("bug: a message could not be digested, it is shown as plain text", exc_info=error)
        return _opaque(len(body))


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
