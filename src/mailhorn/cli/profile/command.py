"""`mailhorn profile`: asks a running program to look at itself, and draws what it saw."""

import json
import sys
from collections import defaultdict
from pathlib import Path

from ...config.find import serve_settings, watch_settings
from ...config.watching import control_path
from ...config.wire import data_folder
from ...net.control import ControlError, ask
from ..failure import WRONG, CommandFailed
from ..serve import CONTROL
from ..table import table
from .flame import flame

SHOWN = 12
"""Functions that are named on the terminal."""


def profile(program: str | None, config: Path | None, seconds: float, output: Path, as_json: bool) -> None:
    """Write the flame graph, and print where most of the time goes. Raises CommandFailed."""
    name, path = _running(program, config)
    if not as_json:
        print(f"Looking at `mailhorn {name}` for {seconds:g} s.", file=sys.stderr)
    try:
        told = ask(path, "profile", seconds + 10.0, seconds=seconds)
    except ControlError as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        print(json.dumps(told))
        return
    stacks = [(tuple(stack), float(used)) for stack, used in told["stacks"]]
    total = sum(used for _, used in stacks)
    share = total / told["seconds"]
    title = f"mailhorn {name}: {total:.2f} s of processor time in {told['seconds']:.1f} s ({share:.1%} of one)"
    try:
        output.write_text(flame(stacks, title), "utf-8")
    except OSError as error:
        raise CommandFailed(f"{output}: cannot be written: {error.strerror}") from error
    _print(stacks, total)
    print(f"{title}; {told['looks']} looks, which cost {told['own']:.2f} s.\nThe flame graph: {output}")


def _running(program: str | None, config: Path | None) -> tuple[str, Path]:
    """Return the program to ask, and its socket: the one that was named, or the one that runs."""
    if program is None and config is not None:
        program = "serve" if "serve" in config.name else "watch"
    found = []
    if program in (None, "watch"):
        found.append(("watch", control_path(watch_settings(config if program else None)[0])))
    if program in (None, "serve"):
        found.append(("serve", data_folder(serve_settings(config if program else None)[0]) / CONTROL))
    there = [(name, path) for name, path in found if path.exists()]
    if not there:
        raise CommandFailed(
            f"nobody answers at {' or '.join(str(path) for _, path in found)}; does it run, with the same settings?"
        )
    if len(there) > 1:
        raise CommandFailed("both run; say which: mailhorn profile watch, or mailhorn profile serve", WRONG)
    return there[0]


def _print(stacks: list[tuple[tuple[str, ...], float]], total: float) -> None:
    own: defaultdict[str, float] = defaultdict(float)
    whole: defaultdict[str, float] = defaultdict(float)
    for stack, used in stacks:
        own[stack[-1]] += used
        for name in set(stack[1:]):
            whole[name] += used
    most = sorted(own.items(), key=lambda pair: -pair[1])[:SHOWN]
    rows = [(f"{used / (total or 1):.1%}", f"{whole[name] / (total or 1):.1%}", name) for name, used in most]
    if rows:
        print(table(("itself", "with all it calls", "function"), rows, right=(0, 1)), end="")
