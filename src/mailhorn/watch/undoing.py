"""Taking back what was done: messages go home, the flags they got are taken off, copies are deleted. Scripts; pure.

Rule 1: a message is known by UIDVALIDITY and UID, its date and size; else by Message-ID, date and size; what is not
found is left alone. Rule 2: a copy is deleted only while the message that it is a copy of is there. Rule 3: what the
user has done to a message since then (read it, flagged it) stays. Rule 4: it is an order in the journal like any other,
so the watcher does not take what comes back for new mail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..imap.commands import Attribute, Fetch
from ..model.ids import UID, UIDValidity
from ..model.numbers import UIDSet
from .account import WatchAccount
from .act import Kind, Step
from .conversation import Conversation, Script
from .errand import ErrandScript, opened
from .filing import GROUP, WINDOW, Filing
from .history import Doing, Entry
from .ledger import ActionState, Order, Ordered, Pending, Place, Row, Task
from .trouble import Over, Trouble

_T = TypeVar("_T")

RULE = "undo"
"""What the journal calls it."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    What was done to a message and can be taken back.

    Attributes:
        entry: What the journal knows.
        move: What took it away, None if it stayed.
        copies: What was copied.

    """

    entry: Entry
    move: Doing | None
    copies: tuple[Doing, ...]

    @property
    def mailbox(self) -> str:
        """Where it is now, as far as we know."""
        return self.entry.place.mailbox if self.move is None else self.move.step.target

    @property
    def at(self) -> tuple[UIDValidity, UID] | None:
        """Its UID there, if that is known."""
        return (self.entry.uid_validity, self.entry.uid) if self.move is None else self.move.target

    @property
    def steps(self) -> tuple[Step, ...]:
        """What brings it back from there."""
        flags = self.entry.net_flags
        steps = [Step(Kind.REMOVE_FLAGS, flags=flags, rule=RULE)] if flags else []
        if self.move is not None:
            steps.append(Step(Kind.MOVE, self.entry.place.mailbox, create=True, rule=RULE))
        return tuple(steps)


def undoable(entry: Entry) -> Found | None:
    """Return what can be taken back of what was done to a message, None if there is nothing."""
    done = [doing for doing in entry.doings if doing.state is ActionState.DONE and not doing.undoes]
    move = next((doing for doing in reversed(done) if doing.step.kind is Kind.MOVE), None)
    found = Found(entry, move, tuple(doing for doing in done if doing.step.kind is Kind.COPY))
    if any(doing.step.kind is Kind.DELETE for doing in done) or not (found.steps or found.copies):
        return None
    return found


def undoing(found: Sequence[Found]) -> ErrandScript:
    """Return the script that takes back what was done to messages of one account."""

    def script(talk: Conversation, account: WatchAccount) -> Script[None]:
        copied = [one for one in found if one.copies]
        there: set[int] = set()
        for mailbox, group in _grouped((one.mailbox, one) for one in copied).items():
            box = _Box(talk, account, mailbox)
            if (yield from box.open()):
                there |= (yield from box.locate([(one.entry, one.at) for one in group])).keys()
        kept = [one for one in copied if one.entry.number in there]
        copies = _grouped((doing.step.target, (one.entry, doing.target)) for one in kept for doing in one.copies)
        for mailbox, places in copies.items():
            yield from _Box(talk, account, mailbox).carry_out(
                [(entry, at, (Step(Kind.DELETE, rule=RULE),)) for entry, at in places]
            )
        for mailbox, group in _grouped((one.mailbox, one) for one in found if one.steps).items():
            yield from _Box(talk, account, mailbox).carry_out([(one.entry, one.at, one.steps) for one in group])

    return script


class _Box:
    """A mailbox from which something is taken back."""

    def __init__(self, talk: Conversation, account: WatchAccount, mailbox: str) -> None:
        self._talk = talk
        self._place = Place(account.name, mailbox)
        self._filing = Filing(talk, account, self._place, self._reselect, tries=1)

    def open(self) -> Script[bool]:
        """Select it; returns whether it is there."""
        try:
            self._filing.uid_validity = yield from opened(self._talk, self._place.mailbox, read_only=False)
        except Over as over:
            if over.trouble is not Trouble.MAILBOX:
                raise
            self._talk.warn(over.reason)
            return False
        return True

    def _reselect(self) -> Script[None]:
        yield from opened(self._talk, self._place.mailbox, read_only=False)

    def carry_out(
        self, orders: Sequence[tuple[Entry, tuple[UIDValidity, UID] | None, tuple[Step, ...]]]
    ) -> Script[None]:
        """Do this to those messages that are there."""
        talk, filing = self._talk, self._filing
        if not (yield from self.open()):
            return
        pending = yield from talk.ask(Pending(self._place, filing.uid_validity))
        assert isinstance(pending, Ordered)
        yield from filing.reconcile(pending.tasks)
        uids = yield from self.locate([(entry, at) for entry, at, _ in orders])
        rows = [_row(entry, uids[entry.number], steps) for entry, _, steps in orders if entry.number in uids]
        for start in range(0, len(rows), GROUP):
            ordered = yield from talk.ask(Order(self._place, filing.uid_validity, tuple(rows[start : start + GROUP])))
            assert isinstance(ordered, Ordered)
            yield from filing.act(ordered.tasks, None)

    def locate(self, wanted: Sequence[tuple[Entry, tuple[UIDValidity, UID] | None]]) -> Script[dict[int, UID]]:
        """Return which messages are in the mailbox, which is selected, and their UIDs, by the journal's number."""
        here = {entry.number: at[1] for entry, at in wanted if at and at[0] == self._filing.uid_validity}
        present: dict[UID, tuple[int, int]] = {}
        uids = sorted(here.values())
        for start in range(0, len(uids), WINDOW):
            items = (Attribute.UID, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
            fetched = yield from self._talk.fetch(Fetch(UIDSet.of(uids[start : start + WINDOW]), items))
            present |= {uid: (one.internal_date, one.size) for uid, one in fetched.items()}
        located: dict[int, UID] = {}
        taken = set(uids)
        for entry, at in wanted:
            uid = here.get(entry.number)
            if uid is not None and present.get(uid) == (entry.internal_date, entry.size):
                located[entry.number] = uid
            elif at is None or entry.number not in here:  # no COPYUID, or the mailbox was numbered anew
                copy = yield from self._filing.copy_of(_task(entry), taken)
                if copy is not None:
                    taken.add(copy)
                    located[entry.number] = copy
        return located


def _grouped(pairs: Iterable[tuple[str, _T]]) -> dict[str, list[_T]]:
    """Return what belongs to each mailbox."""
    groups: dict[str, list[_T]] = {}
    for mailbox, one in pairs:
        groups.setdefault(mailbox, []).append(one)
    return groups


def _row(entry: Entry, uid: UID, steps: tuple[Step, ...]) -> Row:
    return Row(
        uid,
        entry.message_id,
        entry.internal_date,
        entry.size,
        steps,
        sender=entry.sender,
        subject=entry.subject,
        undoes=entry.number,
    )


def _task(entry: Entry) -> Task:
    return Task(entry.uid, entry.message_id, entry.internal_date, entry.size, ())


__all__ = ["Found", "undoable", "undoing"]
