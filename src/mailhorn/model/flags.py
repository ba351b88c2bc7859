"""Flags and keywords (RFC 9051 §2.3.2).

A flag is a `str` as it is written on the wire: `\\Seen`, `$Forwarded`, `work`. Flags compare without
regard to case; `canonical` gives system flags their usual spelling, so that sets of them compare.
"""

from collections.abc import Iterable

Flag = str
Flags = frozenset[str]

SEEN = "\\Seen"
ANSWERED = "\\Answered"
FLAGGED = "\\Flagged"
DELETED = "\\Deleted"
DRAFT = "\\Draft"
RECENT = "\\Recent"

SYSTEM_FLAGS: tuple[Flag, ...] = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)
"""The flags a client may set on any message, in the order Dovecot and RFC 9051's examples list them."""

MAX_FLAGS = 64
"""Flags that a client may give one message: a mailbox with thousands would make every FLAGS answer long."""

NO_FLAGS: Flags = frozenset()

_SPELLING = {flag.lower(): flag for flag in (*SYSTEM_FLAGS, RECENT)}


def canonical(flag: str) -> Flag:
    """Return the flag in the usual spelling of a system flag, any other flag unchanged."""
    return _SPELLING.get(flag.lower(), flag)


def is_permanent(flag: Flag) -> bool:
    """
    Say whether a message can keep the flag: SYSTEM_FLAGS and keywords.

    Any other with a backslash is passed over: no server may send it (RFC 9051 §9 flag-extension).

    Args:
        flag: As `canonical` gives it.

    """
    return not flag.startswith("\\") or flag in SYSTEM_FLAGS


def flag_set(flags: Iterable[str]) -> Flags:
    """Return the flags as a set; of two that differ only in case the first one stays."""
    kept: dict[str, str] = {}
    for flag in flags:
        kept.setdefault(flag.lower(), canonical(flag))
    return frozenset(kept.values())
