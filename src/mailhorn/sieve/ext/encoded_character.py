"""
encoded-character: `${hex: 40}` and `${unicode: 40}` in strings (RFC 5228 §2.4.2.4).

Adds no words: where it is in force, `decode` is applied to every string after `require`.
"""

import re

from ..language import Extension
from ..run import octets

EXTENSION: Extension = Extension("encoded-character", rfc="RFC 5228 §2.4.2.4")

_ENCODED = re.compile(r"\$\{(hex|unicode):([0-9a-f \t\r\n]*)\}", re.IGNORECASE | re.ASCII)


def decode(text: str) -> str:
    """
    Return the text with encoded characters decoded; octets that are no UTF-8 become surrogates.

    Raises:
        ValueError: A well-formed sequence names something that is no character; the message says which.

    """
    if "${" not in text:
        return text
    parts: list[bytes] = []
    at = 0
    for match in _ENCODED.finditer(text):
        digits = match.group(2).split()
        is_hex = match.group(1).lower() == "hex"
        if not digits or (is_hex and any(len(pair) > 2 for pair in digits)):
            continue  # not well-formed: stands for itself
        parts.append(octets(text[at : match.start()]))
        at = match.end()
        parts.append(bytes(int(pair, 16) for pair in digits) if is_hex else _unicode(digits))
    parts.append(octets(text[at:]))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _unicode(digits: list[str]) -> bytes:
    found: list[str] = []
    for number in digits:
        value = int(number, 16)
        if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
            raise ValueError(f"{number[:16]} is not the number of a Unicode character")
        found.append(chr(value))
    return "".join(found).encode("utf-8")
