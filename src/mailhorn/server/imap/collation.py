"""How texts compare: without regard to case, and to how characters are composed (RFC 5051, RFC 9051 §6.4.4)."""

from unicodedata import normalize

PIECE = 32 * 1024
"""Characters folded in one go: a millisecond. Only a text without line ends can be cut within a character's parts."""


def fold(text: str) -> str:
    """
    Return the text as it compares.

    Like i;unicode-casemap (RFC 5051), characters are taken apart (NFKD), so that `é` is found however it is
    composed, and `ﬁ` is `fi`. Case is folded in full instead of to title case: `STRASSE` finds `Straße`.
    """
    if text.isascii():
        return text.lower()
    if len(text) <= PIECE:
        return _folded(text)
    pieces = []
    at = 0
    while at < len(text):
        end = at + PIECE
        if end < len(text):
            end = text.rfind("\n", at, end) + 1 or end
        pieces.append(_folded(text[at:end]))
        at = end
    return "".join(pieces)


def _folded(text: str) -> str:
    return normalize("NFKD", normalize("NFKD", text).casefold())


__all__ = ["fold"]
