"""What a script does to a message with a body, in words that tests compare."""

from dataclasses import dataclass
from typing import Any

from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, HeaderFacts, Redirect, compile_script, evaluate
from mailhorn.sieve.facts import Question
from mailhorn.sieve.questions import Duplicate, Instant, Now, Structure


@dataclass(frozen=True)
class Outcome:
    """
    What became of a message.

    Attributes:
        filed: The mailboxes it is in, each with its flags.
        sent: Who it was sent on to.

    """

    filed: dict[str, set[str]]
    sent: set[str]


def outcome_of(
    script: str, fields: list[tuple[str, str]], body: str = "", size: int | None = None, duplicate: bool = False
) -> Outcome:
    """Run a script over a message; its size is what it is said to be."""
    data = ("".join(f"{name}: {value}\r\n" for name, value in fields) + f"\r\n{body}\r\n").encode()
    entity = Entity(data)

    def answer(question: Question[Any]) -> Any:
        match question:
            case Structure():
                return entity
            case Now():
                return Instant(1_790_000_000)
            case Duplicate():
                return duplicate
        return None

    facts = HeaderFacts(
        entity.fields(),
        size=len(data) if size is None else size,
        envelope={"from": ["x@example.org"], "to": ["ann@example.org"]},
        mailboxes=("INBOX",),
        answers=answer,
    )
    actions = evaluate(compile_script(script), facts)
    assert isinstance(actions, Actions), actions
    filed = {one.mailbox: set(one.flags or ()) for one in actions.filings()}
    return Outcome(filed, {step.address for step in actions.steps if isinstance(step, Redirect)})
