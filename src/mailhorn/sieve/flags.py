"""Lists of flags in scripts (RFC 5232 §2)."""

import re
from collections.abc import Iterable

from ..model.flags import SYSTEM_FLAGS, canonical
from .actions import Flags
from .language import Call
from .limits import MAX_FLAG, MAX_FLAGS

_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+")
_SYSTEM = frozenset(flag.lower() for flag in SYSTEM_FLAGS)


def flag_list(strings: Iterable[str]) -> dict[str, str]:
    """
    Return the flags of a list, each under its name in lower case; what is no flag is left out.

    "A string containing a space-separated list of flag names is equivalent to a string list consisting of the
    flags", and "if a flag validity check fails, the flag MUST be ignored" (RFC 5232 §2): so are `\\Recent`, names
    with characters that IMAP does not allow, and names nobody could store.
    """
    found: dict[str, str] = {}
    for text in strings:
        for flag in text.split(" "):
            name = flag.lower()
            if name in _SYSTEM or (len(flag) <= MAX_FLAG and _KEYWORD.fullmatch(flag)):
                found.setdefault(name, canonical(flag))
    return found


def tagged_flags(call: Call) -> Flags | None:
    """Return the flags after `:flags` (RFC 5232 §5), None if it was not given. Raises SieveError for too many."""
    strings = call.tag_strings("flags")
    if strings is None:
        return None
    flags = frozenset(flag_list(strings).values())
    if len(flags) > MAX_FLAGS:
        raise call.error(f"more than {MAX_FLAGS} flags on one message")
    return flags
