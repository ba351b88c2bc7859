"""`mailhorn watch status`: asks the running watcher how it is."""

import json
from pathlib import Path
from typing import Any

from ...config.find import watch_settings
from ...config.watching import control_path
from ...net.control import ControlError, ask
from ..failure import CommandFailed
from ..table import ago, shown, table


def status(config: Path | None, as_json: bool) -> None:
    """Print how every session is. Ends with 1 if one of them is not alive."""
    settings, _ = watch_settings(config)
    told = asked(control_path(settings), "status")
    if as_json:
        print(json.dumps(told))
    else:
        _print(told)
    if not told["alive"]:
        raise SystemExit(1)


def asked(path: Path, question: str, patience: float = 5.0, **more: object) -> dict[str, Any]:
    """Ask the running watcher. Raises CommandFailed if there is none, or if it refuses."""
    try:
        return ask(path, question, patience, **more)
    except ControlError as error:
        raise CommandFailed(f"{error}; does `mailhorn watch` run, with the same settings?") from error


def _print(told: dict[str, Any]) -> None:
    sessions = told["sessions"]
    rows = [
        (
            one["account"],
            ", ".join(one["mailboxes"]),
            one["state"],
            ago(one["since"]),
            f"{ago(one['heard'])} ago",
            f"{one['wakeups']:.1f}",
            "ok" if one["push"] else "unreliable",
            _why(one),
        )
        for one in sessions
    ]
    heads = ("account", "mailboxes", "state", "for", "heard", "wakeups/min", "push", "")
    print(table(heads, rows), end="")
    quiet = "" if told["alive"] else "  Some of them have missed their time: see the log."
    print(f"{len(sessions)} sessions, process {told['process']}, up {ago(told['up'])}, {told['version']}.{quiet}")


def _why(one: dict[str, Any]) -> str:
    until = f"; again in {ago(one['until'])}" if one["until"] is not None else ""
    return shown(one["reason"], 200) + until


__all__ = ["asked", "status"]
