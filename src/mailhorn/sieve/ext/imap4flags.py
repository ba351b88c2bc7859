"""
imap4flags: set flags on the message that is filed or kept (RFC 5232).

Adds: setflag, addflag, removeflag <list-of-flags: string-list>,
      hasflag [MATCH-TYPE] [COMPARATOR] <list-of-flags: string-list>,
      keep [:flags <list-of-flags>], fileinto [:flags <list-of-flags>]

All of them work on the internal variable, or with the extension "variables" on the one that is named before the list.
"""

from collections.abc import Callable

from ..flags import flag_list
from ..language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Step, Test
from ..run import Run, values_of
from ..text import Text, constants
from .variables import variable_name


def _flags(call: Call) -> Callable[[Run], dict[str, str]]:
    """Return what says the flags of the argument."""
    texts = call.texts(0)
    fixed = constants(texts)
    if fixed is not None:
        flags = flag_list(fixed)
        return lambda run: flags
    return lambda run: flag_list([text.value(run) for text in texts])


def _variable(call: Call) -> str | None:
    """Return the variable that is named before the flags, None for the internal one."""
    if not call.before:
        return None
    (names,) = call.before
    if "variables" not in call.scope.requires:
        raise call.error(f'{call.node.name} takes one argument; a variable before it needs: require "variables";')
    if len(names) != 1:
        raise call.error("expected the name of one variable before the flags")
    return variable_name(call, names[0])


def _held(run: Run, name: str | None) -> dict[str, str]:
    """Return the flags of a variable."""
    if name is None:
        return run.flags or {}
    return flag_list([run.variable(name)])


def _change(call: Call, change: Callable[[dict[str, str], dict[str, str]], dict[str, str]], touches: bool) -> Step:
    """Return the step that changes a variable: `change` takes what it holds and the argument."""
    flags, name, line = _flags(call), _variable(call), call.line

    def step(run: Run) -> None:
        if name is None:
            if touches or run.flags is not None:  # nothing was added yet: then nothing was said about flags either
                run.set_flags(change(_held(run, None), flags(run)), line)
        else:
            run.set(name, " ".join(change(_held(run, name), flags(run)).values()))

    return step


def _setflag(call: Call) -> Step:
    return _change(call, lambda held, flags: flags, True)


def _addflag(call: Call) -> Step:
    return _change(
        call, lambda held, flags: {**held, **{name: f for name, f in flags.items() if name not in held}}, True
    )


def _removeflag(call: Call) -> Step:
    return _change(call, lambda held, flags: {name: f for name, f in held.items() if name not in flags}, False)


def _hasflag(call: Call) -> Test:
    """True if any flag of the variables matches any flag of the list (RFC 5232 §4)."""
    texts = call.texts(0)
    fixed = constants(texts)
    if fixed is not None:
        texts = tuple([Text((flag,)) for text in fixed for flag in text.split(" ") if flag])
    names: tuple[str | None, ...] = (None,)
    if call.before:
        if "variables" not in call.scope.requires:
            raise call.error('hasflag takes one argument; variables before it need: require "variables";')
        names = tuple([variable_name(call, text) for text in call.before[0]])
    with_keys = matcher(call, texts)

    def hasflag(run: Run) -> bool:
        held = [flag for name in names for flag in _held(run, name).values()]
        return with_keys.any(run, (values_of(held, with_keys.comparator),))

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
            before=1,
        ),
    ),
    actions=(
        ActionWord("setflag", "setflag <flags>;", _setflag, _LIST, before=1),
        ActionWord("addflag", "addflag <flags>;", _addflag, _LIST, before=1),
        ActionWord("removeflag", "removeflag <flags>;", _removeflag, _LIST, before=1),
    ),
    tags={"keep": _FLAGS, "fileinto": _FLAGS, "vacation": _FLAGS, "notify": _FLAGS},
    rfc="RFC 5232",
)
