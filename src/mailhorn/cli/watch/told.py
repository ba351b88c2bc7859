"""How people and programs are told what was done to a message, or would be."""

from collections.abc import Iterable
from typing import Any

from ...watch.act import Kind, Step
from ...watch.history import Doing, Entry
from ...watch.ledger import ActionState

_DONE = {Kind.MOVE: "moved to", Kind.COPY: "copied to", Kind.DELETE: "deleted", Kind.ADD_FLAGS: "flagged"}
_DONE[Kind.REMOVE_FLAGS] = "unflagged"
_DONE |= {Kind.REDIRECT: "sent on to", Kind.ANSWER: "answered", Kind.REJECT: "rejected to", Kind.NOTIFY: "notified"}
_TODO = {Kind.MOVE: "move to", Kind.COPY: "copy to", Kind.DELETE: "delete", Kind.ADD_FLAGS: "flag"}
_TODO[Kind.REMOVE_FLAGS] = "unflag"
_TODO |= {Kind.REDIRECT: "send on to", Kind.ANSWER: "answer", Kind.REJECT: "reject to", Kind.NOTIFY: "notify"}
_STATES = {
    ActionState.PLANNED: "to do: {}",
    ActionState.SENT: "under way: {}",
    ActionState.GONE: "gone before: {}",
    ActionState.FAILED: "refused: {}",
    ActionState.HELD: "held: {}",
    ActionState.UNDONE: "undone: {}",
    ActionState.DROPPED: "dropped: {}",
}


def to_do(steps: Iterable[Step]) -> str:
    """Return what is to be done, in a few words."""
    return ", ".join(_words(_TODO[step.kind], step) for step in steps)


def done(doings: Iterable[Doing]) -> str:
    """Return what was done, in a few words."""
    return ", ".join(
        _words(_DONE[doing.step.kind], doing.step) + (" again" if doing.undoes and doing.step.kind is Kind.MOVE else "")
        if doing.state is ActionState.DONE
        else _STATES[doing.state].format(_words(_TODO[doing.step.kind], doing.step))
        for doing in doings
    )


def rules(steps: Iterable[Step]) -> str:
    """Return whose doing that is."""
    return ", ".join(dict.fromkeys(step.rule for step in steps if step.rule))


def as_object(entry: Entry) -> dict[str, Any]:
    """Return an entry for programs."""
    return {
        "account": entry.place.account,
        "mailbox": entry.place.mailbox,
        "uid_validity": entry.uid_validity,
        "uid": entry.uid,
        "message_id": entry.message_id,
        "from": entry.sender,
        "subject": entry.subject,
        "seen_at": entry.recorded_at,
        "trouble": entry.trouble,
        "actions": [
            {
                **step_as_object(doing.step),
                "state": doing.state.value,
                "at": doing.changed_at,
                "by": "undo" if doing.undoes else "person" if doing.errand else "watcher",
                "target_uid_validity": doing.target[0] if doing.target else None,
                "target_uid": doing.target[1] if doing.target else None,
            }
            for doing in entry.doings
        ],
    }


def step_as_object(step: Step) -> dict[str, Any]:
    """Return a step for programs."""
    return {"kind": step.kind.value, "target": step.target, "flags": list(step.flags), "rule": step.rule}


def _words(verb: str, step: Step) -> str:
    return " ".join([verb, *([step.target] if step.target else []), *(flag.lstrip("\\") for flag in step.flags)])


__all__ = ["as_object", "done", "rules", "step_as_object", "to_do"]
