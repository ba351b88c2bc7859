"""Binary parts in base64, for who cannot be sent them as they are (RFC 3516 §4.4, §6)."""

import base64
import re
from collections.abc import Iterator

from .scan import Buffer, Part, scan, searchable

_ENCODING = re.compile(
    rb"^content-transfer-encoding[ \t]*+:[^\n]*+\n(?>(?:[ \t][^\n]*+\n)*)", re.IGNORECASE | re.MULTILINE
)


def without_nul(data: Buffer) -> list[bytes] | None:
    """
    Return a message in pieces, with each binary part that holds NUL in base64; all else as it stands.

    Args:
        data: The whole message.

    Returns:
        None if there is a NUL elsewhere: it cannot be said otherwise without loss.

    """
    text = searchable(data)
    pieces: list[bytes] = []
    at = 0
    for part in _leaves(scan(data)):
        if part.encoding == b"binary" and text.find(b"\0", part.body_start, part.body_end) >= 0:
            pieces.append(bytes(text[at : part.header_start]))
            pieces.append(_ENCODING.sub(_Once(), bytes(text[part.header_start : part.body_start])))
            pieces.append(base64.encodebytes(text[part.body_start : part.body_end]).replace(b"\n", b"\r\n"))
            at = part.body_end
    pieces.append(bytes(text[at:]))
    return None if any(b"\0" in piece for piece in pieces) else pieces


def _leaves(part: Part) -> Iterator[Part]:
    if not part.children:
        yield part
    for child in part.children:
        yield from _leaves(child)


class _Once:
    """What stands in the place of the field, and of others of its name, which go."""

    def __init__(self) -> None:
        self._field = b"Content-Transfer-Encoding: base64\r\n"

    def __call__(self, _: re.Match[bytes]) -> bytes:
        field, self._field = self._field, b""
        return field
