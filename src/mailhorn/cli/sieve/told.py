"""How people and programs are told what a script decided."""

from collections.abc import Iterator
from typing import Any

from ...sieve import Actions, Discard, FileInto, Keep, Redirect
from ...sieve.actions import (
    AddHeader,
    DeleteHeader,
    Edit,
    Enclose,
    Flags,
    NewBody,
    Notify,
    Pipe,
    Reject,
    Remember,
    ReplacePart,
    Step,
    Vacation,
)
from ...watch.rules import RuleNames
from ..table import shown


def in_words(actions: Actions, names: RuleNames) -> Iterator[str]:
    """Yield what is done, each thing in a few words, and which rule on which line says so."""
    for edit in actions.edits:
        yield _edit(edit)
    for step in actions.steps:
        line = f"line {step.line}"
        rule = names.at(step.line)
        yield f"{_step(step)}  ({line if rule == line else f'{shown(rule, 40)}, {line}'})"
    if actions.implicit_keep:
        yield "keep in INBOX" + _flags(actions.implicit_flags) + "  (nothing says otherwise)"


def _step(step: Step) -> str:
    match step:
        case Keep(flags):
            return "keep in INBOX" + _flags(flags)
        case FileInto():
            copy = ", and go on as if it had not been" if step.copy else ""
            created = ", made if it is missing" if step.create else ""
            return f"file into {shown(step.mailbox, 80)}{_flags(step.flags)}{created}{copy}"
        case Discard():
            return "discard"
        case Redirect():
            who = f"everybody in the list {shown(step.list, 80)}" if step.list else shown(step.address, 80)
            return f"send on to {who}" + (", and go on as if it had not been" if step.copy else "")
        case Reject(reason):
            return f"refuse: {shown(reason, 80)}"
        case Vacation():
            return f"answer, once in {_days(step.seconds)}: {shown(step.reason, 80)}"
        case Notify():
            return f"notify {shown(step.method, 80)}"
        case Remember():
            return "remember it, to know a duplicate"
        case Pipe():
            return f"give it to the program {shown(step.program, 80)}"


def _edit(edit: Edit) -> str:
    match edit:
        case AddHeader(name, value):
            return f"add the header field {name}: {shown(value, 80)}"
        case DeleteHeader(name, number):
            return f"delete the header field {name}, number {number}"
        case ReplacePart():
            return "replace a part of it"
        case Enclose():
            return "enclose it in a new message"
        case NewBody():
            return "replace all of it"


def _flags(flags: Flags | None) -> str:
    return ", flagged " + " ".join(sorted(map(shown, flags))) if flags else ""


def _days(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    return f"{seconds} s" if rest or not days else "a day" if days == 1 else f"{days} days"


def as_objects(actions: Actions, names: RuleNames) -> list[dict[str, Any]]:
    """Return what is done, for programs; the implicit keep is the last one, without a line."""
    found = [{"action": type(edit).__name__.lower(), **_fields(edit)} for edit in actions.edits]
    for step in actions.steps:
        found.append({"action": type(step).__name__.lower(), **_fields(step), "rule": names.at(step.line)})
    if actions.implicit_keep:
        found.append({"action": "keep", "flags": sorted(actions.implicit_flags or ()), "line": None})
    return found


def _fields(what: Step | Edit) -> dict[str, Any]:
    """Return the attributes that say something."""
    values: dict[str, Any] = {}
    for name in what.__dataclass_fields__:
        value = getattr(what, name)
        if isinstance(value, frozenset):
            value = sorted(value)
        elif isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, FileInto):
            value = value.mailbox
        if name != "edits" and value is not None and value != "" and value is not False:
            values[name] = value
    return values


__all__ = ["as_objects", "in_words"]
