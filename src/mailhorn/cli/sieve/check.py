"""`mailhorn sieve check`: is a script right, and where can it run?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...server.scripts import ScriptRefused, check_script
from ...sieve import ALL, Program, SieveError, compile_script
from ...watch.facts import install
from ..failure import CANNOT
from .script import Included, included_beside, name_of, problems, shown_problem, text_of


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a script may run.

    Attributes:
        name: What it is called for programs.
        shown: What it is called for people.
        why_not: Why it cannot run there; "" if it can.

    """

    name: str
    shown: str
    why_not: str


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
        if as_json:
            print(json.dumps(_right(path, program, places), ensure_ascii=False))
        else:
            _print(path, program, places)
    if not good:
        raise SystemExit(CANNOT)


def where(text: str, program: Program, included: Included) -> list[Place]:
    """Return where a script can run, and why not."""
    why_not = ""
    try:
        check_script(text)
    except SieveError as error:
        why_not = f"line {error.line}: {error.message}"
    except ScriptRefused as error:
        why_not = str(error)
    places = [Place("delivery", "at delivery", why_not)]
    why_not = ""
    try:
        install(text)
    except SieveError as error:
        why_not = f"line {error.line}: {error.message}"
    return [*places, Place("watcher", "in the watcher", why_not)]


def _print(path: Path, program: Program, places: list[Place]) -> None:
    requires = ", ".join(sorted(program.requires)) or "no extensions"
    good = " and ".join(place.shown for place in places if not place.why_not)
    print(f"{name_of(path)}: is right; requires {requires}" + (f"; runs {good}" if good else ""))
    for place in places:
        if place.why_not:
            print(f"  not {place.shown}: {place.why_not}")


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


def _right(path: Path, program: Program, places: list[Place]) -> dict[str, Any]:
    return {
        "file": str(path),
        "right": True,
        "requires": sorted(program.requires),
        "actions": sorted(program.actions),
        "headers": sorted(program.headers),
        "mailboxes": sorted(program.mailboxes),
        "runs": {place.name: place.why_not or True for place in places},
    }
