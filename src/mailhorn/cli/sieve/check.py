"""`mailhorn sieve check`: is a script right, and where can it run?"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...server.filtering.abilities import Abilities
from ...server.managesieve.advice import advice
from ...server.scripts import failed_once
from ...sieve import ALL, Program, SieveError, compile_script
from ...sieve.limits import MAX_REDIRECTS
from ...watch.facts import install, refusals
from ..failure import CANNOT
from .script import Included, included_beside, name_of, problems, shown_problem, text_of

EVERYTHING = Abilities(queue=True, memory=True, lists=True, spam=True, virus=True, programs=True, events=True)
"""What delivery can do if all is set up for it."""
CHECKERS = frozenset({"spam", "virus"})
"""What a watcher can be told of."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a script may run.

    Attributes:
        name: What it is called for programs.
        shown: What it is called for people.
        why_not: Why it cannot run there; "" if it can.
        needs: What must be set up for it there.

    """

    name: str
    shown: str
    why_not: str
    needs: tuple[str, ...] = ()


def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Print what is wrong with scripts, or where they can run. Ends with 1 if one is wrong."""
    good = True
    for path in files:
        text = text_of(path)
        included = included_beside(path)
        try:
            program = compile_script(text, ALL, scripts=included)
        except SieveError as error:
            good = False
            if as_json:
                print(json.dumps(_wrong(path, error), ensure_ascii=False))
            else:
                for one in problems(error):
                    print(shown_problem(path, one))
            continue
        places = where(text, program, included)
        advised = advice(text, program.mailboxes, MAX_REDIRECTS).split("; ")
        warnings = tuple(filter(None, (failed_once(path), *program.warnings, *advised)))
        if as_json:
            print(json.dumps(_right(path, program, places, warnings), ensure_ascii=False))
        else:
            _print(path, program, places, warnings)
    if not good:
        raise SystemExit(CANNOT)


def where(text: str, program: Program, included: Included) -> list[Place]:
    """Return where a script can run, and why not."""
    asked = program.requires | program.actions
    delivery = _place(
        "delivery",
        "at delivery",
        lambda: EVERYTHING.program(text, included),
        asked,
        Abilities().refuses(),
    )
    never = refusals(True, CHECKERS)
    may = {name: why for name, why in refusals(False, frozenset()).items() if name not in never}
    if "redirect" in asked and may:
        may["redirect"] = next((why for name, why in may.items() if name == "vacation"), "")
    watcher = _place(
        "watcher", "in the watcher", lambda: install(text, sends=True, verdicts=CHECKERS, scripts=included), asked, may
    )
    return [delivery, watcher]


def _place(
    name: str, shown: str, install: Callable[[], object], asked: frozenset[str], may: Mapping[str, str]
) -> Place:
    """Return a place: whether the script can be installed there, and what that needs."""
    try:
        install()
    except SieveError as error:
        script = f"{error.script}, " if error.script else ""
        return Place(name, shown, f"{script}line {error.line}: {error.message}")
    return Place(name, shown, "", tuple(dict.fromkeys(may[one] for one in sorted(asked) if may.get(one))))


def _print(path: Path, program: Program, places: list[Place], warnings: tuple[str, ...]) -> None:
    requires = ", ".join(sorted(program.requires)) or "no extensions"
    good = " and ".join(place.shown for place in places if not place.why_not)
    print(f"{name_of(path)}: is right; requires {requires}" + (f"; runs {good}" if good else ""))
    for place in places:
        if place.why_not:
            print(f"  not {place.shown}: {place.why_not}")
        for need in place.needs:
            print(f"  {place.shown}, as long as it is not set up: {need}")
    for warning in warnings:
        print(f"  warning: {warning}")


def _wrong(path: Path, error: SieveError) -> dict[str, Any]:
    return {
        "file": str(path),
        "right": False,
        "errors": [
            {
                "script": one.script,
                "line": one.line,
                "column": one.column,
                "message": one.message,
                "source": one.source_line.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            }
            for one in problems(error)
        ],
    }


def _right(path: Path, program: Program, places: list[Place], warnings: tuple[str, ...]) -> dict[str, Any]:
    return {
        "file": str(path),
        "right": True,
        "requires": sorted(program.requires),
        "actions": sorted(program.actions),
        "headers": sorted(program.headers),
        "mailboxes": sorted(program.mailboxes),
        "runs": {place.name: not place.why_not for place in places},
        "why_not": {place.name: place.why_not for place in places if place.why_not},
        "needs": {place.name: list(place.needs) for place in places if place.needs},
        "warnings": list(warnings),
    }
