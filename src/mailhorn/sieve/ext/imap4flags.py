"""
imap4flags: set flags on the message that is filed or kept (RFC 5232).

Adds: setflag, addflag, removeflag <list-of-flags: string-list>,
      hasflag [MATCH-TYPE] [COMPARATOR] <list-of-flags: string-list>,
      keep [:flags <list-of-flags>], fileinto [:flags <list-of-flags>]

All of them work on the internal variable; the variable name that may stand before the list belongs to the
extension "variables", which is not in `ext/__init__.py`.
"""

from ..flags import flag_list
from ..language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Step, Test
from ..run import Run, octets


def _setflag(call: Call) -> Step:
    flags, line = flag_list(call.strings(0)), call.line
    return lambda run: run.set_flags(flags, line)


def _addflag(call: Call) -> Step:
    flags, line = flag_list(call.strings(0)), call.line
    return lambda run: run.set_flags(flags | (run.flags or {}), line)


def _removeflag(call: Call) -> Step:
    flags, line = flag_list(call.strings(0)), call.line

    def removeflag(run: Run) -> None:
        if run.flags is not None:  # nothing was added yet: then nothing was said about flags either
            run.set_flags({name: flag for name, flag in run.flags.items() if name not in flags}, line)

    return removeflag


def _hasflag(call: Call) -> Test:
    """True if any flag of the internal variable matches any flag of the list (RFC 5232 §4)."""
    wanted = tuple(flag for text in call.strings(0) for flag in text.split(" ") if flag)
    with_keys = matcher(call, wanted)

    def hasflag(run: Run) -> bool:
        flags = [octets(flag) for flag in (run.flags or {}).values()]
        run.charge(with_keys.weight * sum(map(len, flags)), call.line)
        return any(with_keys.matches(flag.lower() if with_keys.fold else flag) for flag in flags)

    return hasflag


_LIST = (Takes.STRINGS,)
_FLAGS = (Tagged("flags", "flags", Takes.STRINGS),)

EXTENSION: Extension = Extension(
    "imap4flags",
    tests=(
        TestWord(
            "hasflag",
            "hasflag [:comparator <name>] [:is / :contains / :matches] <flags>",
            _hasflag,
            _LIST,
            (*MATCH_TYPE, *COMPARATOR),
        ),
    ),
    actions=(
        ActionWord("setflag", "setflag <flags>;", _setflag, _LIST),
        ActionWord("addflag", "addflag <flags>;", _addflag, _LIST),
        ActionWord("removeflag", "removeflag <flags>;", _removeflag, _LIST),
    ),
    tags={"keep": _FLAGS, "fileinto": _FLAGS},
)
