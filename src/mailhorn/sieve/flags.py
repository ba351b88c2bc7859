"""Lists of flags in scripts (RFC 5232 §2)."""

import re
from collections.abc import Callable, Iterable

from ..model.flags import SYSTEM_FLAGS, canonical
from .actions import Flags
from .errors import SieveRuntimeError
from .language import Call
from .limits import MAX_FLAG, MAX_FLAGS
from .run import Run
from .text import constants

_KEYWORD = re.compile(r"[!#$&'+-Z\[^-z|}~]+")
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


def flag_source(call: Call) -> Callable[[Run], Flags | None]:
    """
    Return what says the flags of an action: those after `:flags` (RFC 5232 §5), else those of the internal variable.

    None as its answer: the script has said nothing about flags. Raises SieveError, and then SieveRuntimeError, for
    too many.
    """
    texts = call.tag_texts("flags")
    if texts is None:
        return lambda run: run.current_flags()
    fixed, line = constants(texts), call.line
    if fixed is not None:
        flags = frozenset(flag_list(fixed).values())
        if len(flags) > MAX_FLAGS:
            raise call.error(f"more than {MAX_FLAGS} flags on one message")
        return lambda run: flags

    def now(run: Run) -> Flags:
        found = frozenset(flag_list([text.value(run) for text in texts]).values())
        if len(found) > MAX_FLAGS:
            raise SieveRuntimeError(line, f"more than {MAX_FLAGS} flags on one message")
        return found

    return now
