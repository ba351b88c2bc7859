"""From what a Sieve script decided to what is done to the mailbox. Pure.

Rule 1: steps are ordered so that stopping after any of them loses nothing: copies first, and what takes the
message away (MOVE, DELETE) last. Rule 2: a step is data, as it stands in the journal; how it is said in IMAP is
the machine's business. Rule 3: what a watcher cannot do is refused when the script is installed.
"""

from dataclasses import dataclass
from enum import Enum

from ..model.flags import Flag, Flags
from ..sieve import Actions


class Kind(Enum):
    """What a step does; the value is how the journal spells it."""

    ADD_FLAGS = "add-flags"
    REMOVE_FLAGS = "remove-flags"
    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing to do to one message.

    Attributes:
        kind: What.
        target: The mailbox, for COPY and MOVE.
        flags: The flags, for ADD_FLAGS and REMOVE_FLAGS, sorted.
        create: Make the target if it is missing, whatever the account's setting says (RFC 5490 §3.2).

    """

    kind: Kind
    target: str = ""
    flags: tuple[Flag, ...] = ()
    create: bool = False


def plan(actions: Actions, home: str, present: Flags, trash: str | None) -> tuple[Step, ...]:
    """
    Return what to do with a message that is in the watched mailbox.

    Flags are added, never taken away, but for those that only another copy was to have: what the user's other
    programs have set stays.

    Args:
        actions: What the script decided.
        home: The watched mailbox, which is what keep means here.
        present: The flags the message has.
        trash: Where a discarded message goes; None deletes it.

    Returns:
        The steps in order; none if the message stays as it is.

    """
    steps: list[Step] = []
    ours: Flags = frozenset()

    def flag(wanted: Flags | None) -> None:
        nonlocal ours
        lower = {name.lower() for name in present}
        wanted = frozenset(name for name in wanted or () if name.lower() not in lower)
        if ours - wanted:
            steps.append(Step(Kind.REMOVE_FLAGS, flags=tuple(sorted(ours - wanted))))
        if wanted - ours:
            steps.append(Step(Kind.ADD_FLAGS, flags=tuple(sorted(wanted - ours))))
        ours = wanted

    filings = actions.filings(home)
    elsewhere = [filing for filing in filings if filing.mailbox != home]
    stays = [filing for filing in filings if filing.mailbox == home]
    for i, filing in enumerate(elsewhere):
        flag(filing.flags)
        last = i == len(elsewhere) - 1 and not stays
        steps.append(Step(Kind.MOVE if last else Kind.COPY, filing.mailbox, create=filing.create))
    for filing in stays:
        flag(filing.flags)
    if not filings:
        if trash is None:
            steps.append(Step(Kind.DELETE))
        elif trash != home:
            steps.append(Step(Kind.MOVE, trash, create=True))
    return tuple(steps)
