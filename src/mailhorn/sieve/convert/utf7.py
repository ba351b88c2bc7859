"""Mailbox names in modified UTF-7 (RFC 3501 §5.1.3), as older mail programs write them in their settings."""

import re
from base64 import b64decode
from binascii import Error

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def from_utf7(name: str) -> str:
    """Return a name in Unicode; what is no modified UTF-7 stays as it is."""
    return _SHIFTED.sub(_decoded, name)


def _decoded(found: re.Match[str]) -> str:
    shifted = found[1]
    if not shifted:
        return "&"
    try:
        octets = b64decode(shifted.replace(",", "/") + "=" * (-len(shifted) % 4), validate=True)
        return octets[: len(octets) // 2 * 2].decode("utf-16-be") or found[0]
    except (Error, UnicodeDecodeError):
        return found[0]


__all__ = ["from_utf7"]
