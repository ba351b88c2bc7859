"""The base subject: what is left of a subject when nobody has answered or forwarded it (RFC 5256 §2.1)."""

import re
from functools import lru_cache

from ...mime.decode import decoded_header
from .collation import fold

MAX_SUBJECT = 2_000
"""Octets of a subject that are looked into: RFC 5322 allows 998 to a line, and no two subjects first differ later."""

_SPACES = re.compile(r"[ \t\r\n]+")
_TRAILER = re.compile(r"(?:\(fwd\)|\s)\Z", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\]\s*")
_REFWD = re.compile(r"(?:re|fwd?)\s*(?:\[[^\[\]]*+\]\s*)?:", re.IGNORECASE)


@lru_cache(maxsize=4096)
def base_subject(raw: bytes | None) -> tuple[str, bool]:
    """
    Return the base subject as it compares, and whether what was left out says that this is an answer or forwarded.

    Args:
        raw: The subject as ENVELOPE has it; None if there is none.

    """
    if not raw:
        return "", False
    text = _SPACES.sub(" ", decoded_header(raw[:MAX_SUBJECT])).strip()
    answers = False
    while True:
        text, shortened = _without_trailer(text)
        answers = answers or shortened
        text, shortened = _without_leader(text)
        answers = answers or shortened
        if not (text[:5].lower() == "[fwd:" and text.endswith("]")):
            return fold(text), answers
        text, answers = text[5:-1].strip(), True


def _without_trailer(text: str) -> tuple[str, bool]:
    """subj-trailer = "(fwd)" / WSP (step 2)."""
    answers = False
    while (found := _TRAILER.search(text)) is not None:
        answers = answers or found[0][0] == "("
        text = text[: found.start()]
    return text, answers


def _without_leader(text: str) -> tuple[str, bool]:
    """subj-leader = (*subj-blob subj-refwd) / WSP, and blobs that leave something (steps 3 to 5)."""
    answers = False
    at = 0
    while True:
        while at < len(text) and text[at] == " ":
            at += 1
        behind = at
        while (blob := _BLOB.match(text, behind)) is not None:
            behind = blob.end()
        refwd = _REFWD.match(text, behind)
        if refwd is not None:
            at, answers = refwd.end(), True
            continue
        if behind > at and behind < len(text):  # no reply behind them, and something is left without them
            return text[behind:], answers
        if behind > at:  # nothing but blobs: the last one is the subject
            last = at
            while (blob := _BLOB.match(text, last)) is not None and blob.end() < len(text):
                last = blob.end()
            return text[last:], answers
        return text[at:], answers


__all__ = ["base_subject"]
