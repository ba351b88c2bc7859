"""The letters that scripts cause: what is redirected, and the keys by which the queue knows one that it has already.

Rule 1: a message that comes back is not sent out again (RFC 5228 §10): it says who has redirected it, and how many
servers it has seen. Rule 2: a sender that tries again because we had no answer for it causes no second letter.
"""

import re
from hashlib import sha256

from ...relay.letter import Letter
from .message import Message, end_of_header

REDIRECTED = "X-Sieve-Redirected-From"
"""The field that says whose rules have redirected a message."""
MAX_HOPS = 50
"""Received fields of a message that may be redirected: mail has ten; RFC 5321 §6.3 calls a hundred a loop."""

_RETURN_PATH = re.compile(rb"return-path[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE)
_RECEIVED = re.compile(rb"received[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE)


def loops(message: Message, recipient: str) -> str | None:
    """Return why a message must not be redirected for this recipient, None if it may."""
    who = recipient.lower()
    if any(value.strip().strip("<>").lower() == who for value in message.values(REDIRECTED.lower())):
        return "the message has been redirected from here before"
    hops = len(message.values("received"))
    return f"the message has seen {hops} servers" if hops > MAX_HOPS else None


def redirection(message: Message, original: Message, sender: str, recipient: str, to: str, login: str) -> Letter:
    """
    Return the letter that a redirect causes (RFC 5228 §4.2).

    Args:
        message: The message as the script has left it.
        original: As it came, with what this server has put in front.
        sender: The reverse path it goes out with, "" for none.
        recipient: For whom it came.
        to: Where it goes.
        login: Whose script it is.

    """
    content = message.content
    end = end_of_header(content)
    header = _RETURN_PATH.sub(b"", content[:end], count=1) if _RETURN_PATH.match(content) else content[:end]
    field = f"{REDIRECTED}: <{recipient}>\r\n".encode("utf-8", "surrogateescape")
    return Letter(
        sender, (to,), field + header + content[end:], "redirect", login, key("redirect", original, login, to)
    )


def key(why: str, original: Message, login: str, *more: str) -> str:
    """
    Return what tells a letter from all others: it is the same when the same message comes again.

    Mail without a Message-ID has none: what looks alike may be two messages.

    Args:
        why: What it is.
        original: The message that caused it, with what this server has put in front.
        login: Whose script.
        more: What else tells it from others.

    """
    if not original.values("message-id"):
        return ""
    content = original.content
    at = 0
    for pattern in (_RETURN_PATH, _RECEIVED):  # those are ours, and another time others
        found = pattern.match(content, at)
        at = found.end() if found is not None else at
    digest = sha256("\0".join((why, login, *more, "")).encode("utf-8", "surrogatepass"))
    digest.update(memoryview(content)[at:])
    return digest.hexdigest()


__all__ = ["MAX_HOPS", "REDIRECTED", "key", "loops", "redirection"]
