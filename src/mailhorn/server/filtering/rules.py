"""Scripts run one after the other over one message: what they decide together.

Rule 1: the next script runs only if the one before it keeps the message, implicitly or by `keep`; it sees the message
as it was left, and its flags. Whether and how the message is kept is decided by the last one that ran. Rule 2: a script
that fails ends the sequence, and the message is kept (RFC 5228 §2.10.6); what scripts before it asked for is done.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from ...mime.entity import Entity
from ...model.flags import NO_FLAGS
from ...model.mailbox import INBOX
from ...relay.letter import RelayUnavailable
from ...sieve import Actions, Discard, Keep, Need, SieveRuntimeError, evaluate
from ...sieve.actions import Flags, Step
from ...sieve.pyrule import Message as RuleMessage
from ...sieve.pyrule import PythonRule, RuleFailed
from ...store.abc import StoreError
from ..scripts import Script
from .facts import Answers, Case, Gathered, MessageFacts
from .message import Message

log = structlog.get_logger("mailhorn.sieve")

LARGE = 256 * 1024
"""Octets of a message from which on scripts run in a thread: looking through its text may take more than a
millisecond, a second if it is of 20 MB and in base64, and everybody would wait."""

MAX_ROUNDS = 100
"""How often one script may be run anew because it asks for something else: each program it runs is a round."""


@dataclass(slots=True)
class Taken:
    """
    A step to carry out.

    Attributes:
        step: What to do; neither keep nor discard.
        message: The message as it is by then.

    """

    step: Step
    message: Message


@dataclass(slots=True)  # one for each message; a frozen one takes three times as long
class Kept:
    """
    The message stays where it would be without a script.

    Attributes:
        flags: The flags it gets; None: no script has said anything about flags.
        message: The message as it is by then.

    """

    flags: Flags | None
    message: Message


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A script could not be used, or failed.

    Attributes:
        script: Which.
        reason: What is wrong, for people; of several lines if it does not compile.

    """

    script: Script
    reason: str


@dataclass(slots=True)
class Decision:
    """
    What to do with one message for one account.

    Attributes:
        taken: The steps, in their order.
        kept: Whether and how it is kept.
        failure: The script that failed, if one did.

    """

    taken: list[Taken] = field(default_factory=list)
    kept: Kept | None = None
    failure: Failure | None = None


async def decide(
    scripts: Sequence[Script], case: Case, message: Message, answers: Answers, flags: Flags | None = None
) -> Decision:
    """
    Run the scripts.

    Args:
        scripts: In their order.
        case: For whom.
        message: The message.
        answers: Answers what they ask.
        flags: Those the message has already; None: it has none.

    Raises:
        StoreUnavailable: The index cannot be read.
        RelayUnavailable: What was seen cannot be.

    """
    decision = Decision(kept=Kept(flags, message))
    gathered = Gathered()
    facts: dict[Message, MessageFacts] = {}
    for script in scripts:
        try:
            kept = await _run(script, decision, case, answers, gathered, facts)
        except SieveRuntimeError as error:
            decision.failure = Failure(script, str(error))
            break
        except (StoreError, RelayUnavailable):
            raise
        except Exception as error:  # ours; the mail must not wait for it to be mended
            log.exception("a script could not be run", script=str(script.path), login=case.account.login)
            decision.failure = Failure(script, f"the server has failed: {type(error).__name__}")
            break
        decision.kept = kept
        if kept is None:
            break
    return decision


async def _run(
    script: Script,
    decision: Decision,
    case: Case,
    answers: Answers,
    gathered: Gathered,
    facts: dict[Message, MessageFacts],
) -> Kept | None:
    """Run one script; return how it keeps the message. Raises SieveRuntimeError."""
    before = decision.kept
    assert before is not None  # else no further script runs
    message = before.message
    if script.rule is not None:
        return _sorted_out(decision, message, await _asked(script.rule, case, before))
    if script.program is None:
        raise _Unusable(script.error)
    if message not in facts:
        facts[message] = answers.facts(case, message, gathered)
    for _ in range(MAX_ROUNDS):
        if message.size <= LARGE:
            actions = evaluate(script.program, facts[message], before.flags, traced=False)
        else:
            actions = await asyncio.to_thread(evaluate, script.program, facts[message], before.flags, traced=False)
        if not isinstance(actions, Need):
            break
        await answers.gather(case, message, actions, gathered)
    else:
        raise SieveRuntimeError(1, f"the script asks for something else {MAX_ROUNDS} times")
    if message.size <= LARGE or not actions.edits:
        return _sorted_out(decision, message, actions)
    return await asyncio.to_thread(_sorted_out, decision, message, actions)


async def _asked(rule: PythonRule, case: Case, before: Kept) -> Actions:
    """Ask a rule in Python. Raises SieveRuntimeError."""
    message = before.message
    envelope = case.envelope or {}

    async def fetch() -> bytes:
        return message.content

    shown = RuleMessage(
        message.fields,
        account=case.account.login,
        mailbox=INBOX,
        size=message.size,
        flags=before.flags or NO_FLAGS,
        received=case.now.seconds,
        sender=next(iter(envelope.get("from", ())), None),
        recipient=next(iter(envelope.get("to", ())), None),
        decode=message.decode,
        fetch=fetch,
        parse=Entity,
    )
    try:
        return await asyncio.create_task(rule.decide(shown))  # in a task of its own: it waits with a limit
    except RuleFailed as error:
        raise _Unusable(str(error)) from error


def _sorted_out(decision: Decision, message: Message, actions: Actions) -> Kept | None:
    """Take what a script asks for into the decision; return how it keeps the message."""
    edits = actions.edits
    kept: Kept | None = None
    for step in actions.steps:
        if isinstance(step, Discard):
            continue
        by_then = message.edited(edits[: getattr(step, "edits", 0)]) if edits else message
        if isinstance(step, Keep):
            kept = Kept(step.flags, by_then)
        else:
            decision.taken.append(Taken(step, by_then))
    if actions.implicit_keep:
        kept = Kept(actions.implicit_flags, message.edited(edits) if edits else message)
    return kept


class _Unusable(SieveRuntimeError):
    """The script does not compile."""

    def __init__(self, reason: str) -> None:
        super().__init__(1, reason)

    def __str__(self) -> str:
        return self.message


__all__ = ["Decision", "Failure", "Kept", "Taken", "decide"]
