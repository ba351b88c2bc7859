"""Names of lists (RFC 6134 §2.5): which of them are the same."""

from urllib.parse import unquote

_URN = "urn:ietf:params:sieve:"
_BOOK = "addrbook:"
DEFAULT_LIST = ":addrbook:default"
"""The user's address book, which every script may ask for."""


def list_name(name: str) -> str:
    """
    Return the one form of a list's name: what begins with "urn:ietf:params:sieve:" without that, after a colon.

    "The reserved name "default" MUST be considered case-insensitive after decoding"; the case of other address books'
    names "(after URI decoding) MUST be maintained".
    """
    if name[: len(_URN)].lower() == _URN:
        name = name[len(_URN) - 1 :]
    if name[: len(_BOOK) + 1].lower() != f":{_BOOK}":
        return name
    book = unquote(name[len(_BOOK) + 1 :], errors="surrogateescape")
    return DEFAULT_LIST if book.lower() == "default" else f":{_BOOK}{book}"
