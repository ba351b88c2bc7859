"""Comparators: what it means that two strings are equal, part of one another, or in order (RFC 4790, RFC 5051)."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

Order = bytes
"""What `<` compares."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparator:
    """
    A way to compare octets.

    Attributes:
        name: What scripts call it.
        fold: Returns what equal strings have in common; None: the string itself.
        order: Returns what is smaller for a string that comes before; takes the folded string.
        has_substrings: It can be used with :contains and :matches (RFC 4790 §4.2.3).
        keeps_length: A place in the folded string is the same place in the string.

    """

    name: str
    fold: Callable[[bytes], bytes] | None
    order: Callable[[bytes], Order]
    has_substrings: bool = True
    keeps_length: bool = True

    def folded(self, value: bytes) -> bytes:
        """Return what is compared of a value."""
        return value if self.fold is None else self.fold(value)


_DIGITS = re.compile(rb"[0-9]*")
_BEYOND = b"\xff"
"""What is no number: greater than each of them, equal to all of its kind (RFC 4790 §9.1.1)."""


def _lower(value: bytes) -> bytes:
    return value.lower()


def _upper(value: bytes) -> Order:
    return value.upper()


def _itself(value: bytes) -> Order:
    return value


def _number(value: bytes) -> bytes:
    """Return a number so that longer ones come later: its length in four octets, then its digits."""
    found = _DIGITS.match(value)
    digits = found[0] if found else b""
    if not digits:
        return _BEYOND
    digits = digits.lstrip(b"0")
    return len(digits).to_bytes(4, "big") + digits


def _unicode(value: bytes) -> bytes:
    """Titlecase, then decompose, character by character (RFC 5051 §2.3); what is no UTF-8 stays as it is."""
    if value.isascii():
        return value.upper()
    text = value.decode("utf-8", "surrogateescape")
    titled = "".join([_title(character) for character in text])
    return unicodedata.normalize("NFKD", titled).encode("utf-8", "surrogateescape")


def _title(character: str) -> str:
    """Return the simple titlecase mapping; one that becomes several characters has none (RFC 5051 §2.3.1)."""
    title = character.title()
    return title if len(title) == 1 else character


ASCII_CASEMAP = Comparator("i;ascii-casemap", _lower, _upper)
"""Lower case where Python is fast, but capitals where it shows: `_` comes after Z (RFC 4790 §9.2.1)."""
OCTET = Comparator("i;octet", None, _itself)
ASCII_NUMERIC = Comparator("i;ascii-numeric", _number, _itself, has_substrings=False, keeps_length=False)
UNICODE_CASEMAP = Comparator("i;unicode-casemap", _unicode, _itself, keeps_length=False)
