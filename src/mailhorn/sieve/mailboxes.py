"""Mailbox names in scripts (RFC 5228 §4.1: "Implementations MAY place restrictions on mailbox names")."""

import unicodedata

from .limits import MAX_MAILBOX_NAME

_NEVER = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Control characters, octets that are no UTF-8, line and paragraph separators: RFC 5198 §2, RFC 9051 §5.1."""


def problem(name: str) -> str | None:
    """Return what is wrong with the name, None if it is a name a mailbox can have."""
    if not name:
        return "the name of a mailbox is missing"
    if len(name) > MAX_MAILBOX_NAME:
        return f"the name of this mailbox is longer than {MAX_MAILBOX_NAME} characters"
    if any(unicodedata.category(character) in _NEVER for character in name):
        return "the name of a mailbox must be UTF-8 text without control characters"
    return None
