"""
include: run another script inside this one (RFC 6609).

Adds: include [:global / :personal] [:once] [:optional] <value: string>, return, global <names: string-list>,
      and variables that begin with "global."
"""

from collections.abc import Callable

from ..language import ActionWord, Call, Extension, Tagged, Takes
from ..limits import MAX_INCLUDE_NAME
from ..program import Step
from ..run import Return, Run
from .variables import variable_name


def _include(call: Call) -> Step:
    """Scripts are looked up when the including one is compiled; an empty or odd name is an error (RFC 6609 §3.2)."""
    name, place = call.string(0), call.choice("location", "personal")
    if not name or len(name) > MAX_INCLUDE_NAME or not name.isprintable() or "/" in name:
        raise call.error("this is no name of a script", 0)
    once, line = call.has("once"), call.line
    body = call.scope.include(place, name, call.has("optional"), once, call)
    key = (place, name)

    def include(run: Run) -> None:
        if body is None or (once and key in run.included):
            return
        run.included.add(key)
        run.spend(1, line)
        body(run)

    return include


def _return(call: Call) -> Step:
    def give_back(run: Run) -> None:
        raise Return

    return give_back


def _global(call: Call) -> Step:
    """Declared before the variable is used; only with "variables" (RFC 6609 §3.4.1)."""
    if "variables" not in call.scope.requires:
        raise call.error('global needs: require "variables";')
    for text in call.texts(0):
        used = (text.constant or "").lower() in call.scope.used - call.scope.shared
        if "." in (text.constant or ""):
            raise call.error('names after global stand without "global."', 0)
        name = variable_name(call, text)
        if used:
            raise call.error(f'the variable "{name}" has been used above as one of this script')
        name = name.removeprefix("global.")  # it is shared already
        call.scope.shared.add(name)
    return lambda run: None


def _shared(name: str) -> Callable[[Run], str]:
    if "." in name or name[:1].isdecimal():
        raise ValueError(f'"global.{name[:40]}" is no global variable')
    return lambda run: run.shared.get(name, "")


EXTENSION: Extension = Extension(
    "include",
    actions=(
        ActionWord(
            "include",
            "include [:personal / :global] [:once] [:optional] <script>;",
            _include,
            (Takes.STRING,),
            (
                Tagged("personal", "location"),
                Tagged("global", "location"),
                Tagged("once", "once"),
                Tagged("optional", "optional"),
            ),
        ),
        ActionWord("return", "return;", _return),
        ActionWord("global", "global <variables>;", _global, (Takes.STRINGS,)),
    ),
    namespaces={"global": _shared},
    asks=frozenset({"scripts"}),
    rfc="RFC 6609",
)
