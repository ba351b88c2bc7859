"""From what a Sieve script decided to what is done to the mailbox. Pure.

Rule 1: steps are ordered so that stopping after any of them loses nothing: copies first, and what takes the
message away (MOVE, DELETE) last. Rule 2: a step is data, as it stands in the journal; how it is said in IMAP is
the machine's business. Rule 3: what a watcher cannot do is refused when the script is installed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ..model.flags import Flag, Flags
from ..sieve import Actions, Discard, Redirect
from ..sieve.actions import Reject


class Kind(Enum):
    """What a step does; the value is how the journal spells it."""

    ADD_FLAGS = "add-flags"
    REMOVE_FLAGS = "remove-flags"
    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"
    REDIRECT = "redirect"
    ANSWER = "vacation"
    REJECT = "reject"
    NOTIFY = "notify"

    @property
    def sends(self) -> bool:
        """Whether something leaves; that is the journal's and the post's business, not IMAP's."""
        return self in _SENDING


_SENDING = frozenset({Kind.REDIRECT, Kind.ANSWER, Kind.REJECT, Kind.NOTIFY})


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing to do to one message.

    Attributes:
        kind: What.
        target: The mailbox, for COPY and MOVE; the address, or URI, if something is sent.
        flags: The flags, for ADD_FLAGS and REMOVE_FLAGS, sorted.
        create: Make the target if it is missing, whatever the account's setting says (RFC 5490 §3.2).
        rule: What it is the doing of, for people; two steps that do the same are equal.

    """

    kind: Kind
    target: str = ""
    flags: tuple[Flag, ...] = ()
    create: bool = False
    rule: str = field(default="", compare=False)

    @property
    def takes_away(self) -> bool:
        """Whether the message is no longer there afterwards."""
        return self.kind in (Kind.MOVE, Kind.DELETE)


_LAST = (Discard, Redirect, Reject)
"""Actions after which a message may be in no mailbox any more."""


def _line(line: int) -> str:
    return f"line {line}"


def plan(
    actions: Actions, home: str, present: Flags, trash: str | None, rule: Callable[[int], str] = _line
) -> tuple[Step, ...]:
    """
    Return what to do with a message that is in the watched mailbox.

    Flags are added, never taken away, but for those that only another copy was to have: what the user's other
    programs have set stays.

    Args:
        actions: What the script decided.
        home: The watched mailbox, which is what keep means here.
        present: The flags the message has.
        trash: Where a discarded message goes; None deletes it.
        rule: Says what the rule on a line is called.

    Returns:
        The steps in order; none if the message stays as it is.

    """
    steps: list[Step] = []
    ours: Flags = frozenset()
    told = [matched.line for matched in actions.trace if matched.result]

    def named(line: int) -> str:
        # What a script does without a command of its own is the doing of the last test that was true.
        line = line or (told[-1] if told else 0)
        return rule(line) if line else ""

    def flag(wanted: Flags | None, of: str) -> None:
        nonlocal ours
        lower = {name.lower() for name in present}
        wanted = frozenset(name for name in wanted or () if name.lower() not in lower)
        if ours - wanted:
            steps.append(Step(Kind.REMOVE_FLAGS, flags=tuple(sorted(ours - wanted)), rule=of))
        if wanted - ours:
            steps.append(Step(Kind.ADD_FLAGS, flags=tuple(sorted(wanted - ours)), rule=of))
        ours = wanted

    filings = actions.filings(home)
    elsewhere = [filing for filing in filings if filing.mailbox != home]
    stays = [filing for filing in filings if filing.mailbox == home]
    for i, filing in enumerate(elsewhere):
        of = named(filing.line)
        flag(filing.flags, of)
        last = i == len(elsewhere) - 1 and not stays
        steps.append(Step(Kind.MOVE if last else Kind.COPY, filing.mailbox, create=filing.create, rule=of))
    for filing in stays:
        flag(filing.flags, named(filing.line))
    if not filings:
        of = named(next((step.line for step in actions.steps if isinstance(step, _LAST)), 0))
        if trash is None:
            steps.append(Step(Kind.DELETE, rule=of))
        elif trash != home:
            steps.append(Step(Kind.MOVE, trash, create=True, rule=of))
    return tuple(steps)
