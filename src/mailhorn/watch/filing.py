"""Doing what the rules want to the messages of one mailbox, and finding out what was done after a cut. Scripts; pure.

Rule 1: nothing is done before the journal has it. What it calls `sent` after a crash is checked against the mailbox
before it is done again (fault F67). Rule 2: nothing is deleted unless its copy is known to be there: by COPYUID, or
found in the target. Rule 3: only UID EXPUNGE, never EXPUNGE (fault F68). Rule 4: a message that is gone, or that the
server refuses, does not keep the others (fault F71).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..imap.client import Completed
from ..imap.commands import Attribute, Copy, Create, Expunge, Fetch, Move, Store, StoreMode, Subscribe
from ..imap.grammar.cursor import Unwritable
from ..imap.responses import Code, Condition
from ..model.flags import DELETED
from ..model.ids import UID, UIDValidity
from ..model.numbers import STAR, UIDSet
from ..model.search import HeaderKey
from .account import WatchAccount
from .act import Kind, Step
from .conversation import MAX_KEPT, Conversation, Script, Stop
from .events import Filed
from .ledger import ActionState, Outcome, Place, Settle, Task
from .trouble import said

MAX_REFUSALS = 3
"""Times a server may refuse an action before it is given up."""
GROUP = 100
"""Messages moved by one command: after a cut so many are looked up one by one."""
WINDOW = 500
"""Messages fetched at once from a long backlog: some 500 KB of header fields."""


@dataclass(frozen=True, slots=True)
class _Done:
    """
    How the server took a step.

    Attributes:
        ok: It did it.
        reason: Why not.
        places: Where the messages are now, as far as that is known.
        final: Trying again would do harm.
        unverified: Messages whose copy was not found; they are left where they are.

    """

    ok: bool
    reason: str = ""
    places: dict[UID, tuple[UIDValidity, UID]] = field(default_factory=dict)
    final: bool = False
    unverified: frozenset[UID] = frozenset()


class Filing:
    """
    Carries out steps in one mailbox, which is selected.

    Attributes:
        uid_validity: The mailbox's epoch.
        later: What was refused and is to be tried again at the next renewal.

    """

    def __init__(
        self,
        talk: Conversation,
        account: WatchAccount,
        place: Place,
        reselect: Callable[[], Script[None]],
        tries: int = MAX_REFUSALS,
    ) -> None:
        """
        Begin.

        Args:
            talk: The connection.
            account: Whose rules.
            place: The mailbox.
            reselect: Selects it again, after another one was looked into.
            tries: Times the server may refuse an action before it is given up.

        """
        self.uid_validity = UIDValidity(0)
        self.later: list[Task] = []
        self._talk = talk
        self._account = account
        self._place = place
        self._reselect = reselect
        self._tries = tries

    @staticmethod
    def takes_at_once(count: int) -> bool:
        """Whether so many messages fit into one command."""
        return count <= GROUP

    def act(self, tasks: Sequence[Task], heard_at: float | None) -> Script[None]:
        """Carry out tasks, those of the same steps together."""
        groups: dict[tuple[tuple[int, Step], ...], list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.steps, []).append(task)
        self._talk.acting = True
        try:
            for group in groups.values():
                for start in range(0, len(group), GROUP):
                    yield from self._carry_out(group[start : start + GROUP], heard_at)
        finally:
            self._talk.acting = False

    def _carry_out(self, group: list[Task], heard_at: float | None) -> Script[None]:
        """Carry out the same steps on some messages."""
        talk = self._talk
        steps = group[0].steps
        planned = [Outcome(task.uid, steps[0][0], ActionState.SENT, task.attempts) for task in group if not task.sent]
        if planned:
            yield from talk.ask(self._settled(planned))
        for i, (number, step) in enumerate(steps):
            if talk.stop_at is not None:
                raise Stop
            last = i == len(steps) - 1
            done = yield from self._do(step, group)
            if not done.ok:
                yield from self._refused(group, steps[i:], done, heard_at)
                return
            outcomes, left = [], []
            for task in group:
                place = done.places.get(task.uid)
                if task.uid in done.unverified:
                    reason = f"its copy in {step.target} was not found; it stays here too"
                    outcomes += [
                        Outcome(task.uid, n, ActionState.FAILED, task.attempts, None, reason) for n, _ in steps[i:]
                    ]
                    talk.warn(f"{self._named(task)}: {reason}")
                    continue
                gone = step.kind in (Kind.COPY, Kind.MOVE) and place is None
                if gone and (done.places or (last and talk.imap.has("UIDPLUS"))):
                    outcomes += [Outcome(task.uid, n, ActionState.GONE) for n, _ in steps[i:]]
                    continue
                outcomes.append(Outcome(task.uid, number, ActionState.DONE, task.attempts, place))
                if last:
                    self._filed(task, tuple(s for _, s in task.steps), place, heard_at)
                else:
                    outcomes.append(Outcome(task.uid, steps[i + 1][0], ActionState.SENT))
                    left.append(task)
            settle = self._settled(outcomes)
            if last:
                talk.tell(settle)  # lost in a crash it is found out again
            else:
                yield from talk.ask(settle)
            group = left
            if not group:
                return

    def _settled(self, outcomes: Iterable[Outcome]) -> Settle:
        return Settle(self._place, self.uid_validity, tuple(outcomes))

    def _named(self, task: Task) -> str:
        return f"message {task.uid} of {self._place.mailbox}"

    def _filed(
        self, task: Task, steps: tuple[Step, ...], target: tuple[UIDValidity, UID] | None, heard_at: float | None
    ) -> None:
        now = self._talk.now
        self._talk.out.append(Filed(self._place, task.uid, task.message_id, steps, target, heard_at, now, task.subject))

    def _refused(
        self, group: list[Task], steps: tuple[tuple[int, Step], ...], done: _Done, heard_at: float | None
    ) -> Script[None]:
        """After a NO: it may be one message's fault, so try each alone; a single one is tried again later."""
        if len(group) > 1 and not done.final:
            for task in group:
                yield from self._carry_out([replace(task, steps=steps, sent=True)], heard_at)
            return
        outcomes = []
        for task in group:
            attempts = task.attempts + 1
            reason = f"{steps[0][1].kind.value} refused: {done.reason}"
            if attempts < self._tries and not done.final:
                outcomes.append(Outcome(task.uid, steps[0][0], ActionState.PLANNED, attempts, None, reason))
                self.later.append(replace(task, steps=steps, sent=False, attempts=attempts))
            else:
                outcomes += [Outcome(task.uid, n, ActionState.FAILED, attempts, None, reason) for n, _ in steps]
            self._talk.warn(f"{self._named(task)}: {reason}")
        self._talk.tell(self._settled(outcomes))

    def _do(self, step: Step, group: list[Task]) -> Script[_Done]:
        """Carry out one step on some messages."""
        try:
            return (yield from self._say(step, group))
        except Unwritable as error:
            return _Done(False, str(error), final=True)

    def _say(self, step: Step, group: list[Task]) -> Script[_Done]:
        uids = [task.uid for task in group]
        numbers = UIDSet.of(uids)
        run = self._talk.run
        match step.kind:
            case Kind.ADD_FLAGS:
                return _taken((yield from run(Store(numbers, StoreMode.ADD, step.flags, silent=True))))
            case Kind.REMOVE_FLAGS:
                return _taken((yield from run(Store(numbers, StoreMode.REMOVE, step.flags, silent=True))))
            case Kind.DELETE:
                return (yield from self._remove(uids))
            case Kind.COPY:
                return (yield from self._transfer(Copy(numbers, step.target), step))
            case Kind.MOVE if self._talk.imap.has("MOVE"):
                return (yield from self._transfer(Move(numbers, step.target), step))
            case Kind.MOVE:
                return (yield from self._copy_and_remove(step, group))
            case _:
                raise ValueError(f"{step.kind} is not done in IMAP")

    def _copy_and_remove(self, step: Step, group: list[Task]) -> Script[_Done]:
        """Move where there is no MOVE: what was seen to be copied is deleted, and nothing else."""
        done = yield from self._transfer(Copy(UIDSet.of([task.uid for task in group]), step.target), step)
        if not done.ok:
            return done
        unverified: frozenset[UID] = frozenset()
        if not done.places:
            done = replace(done, places=(yield from self._copies({step.target: group})))
            unverified = frozenset(task.uid for task in group) - done.places.keys()
        copied = [task.uid for task in group if task.uid in done.places]
        if copied:
            removed = yield from self._remove(copied)
            if not removed.ok:  # a copy is there: copying again would make two
                return replace(removed, final=True)
        return replace(done, unverified=unverified)

    def _transfer(self, command: Copy | Move, step: Step) -> Script[_Done]:
        """COPY or MOVE; makes the target if the server says that it is missing (RFC 9051 §6.4.7 TRYCREATE)."""
        talk = self._talk
        talk.copied = []
        done = yield from talk.run(command)
        if _is_missing(done) and (step.create or self._account.create_mailboxes):
            made = yield from talk.run(Create(step.target))
            if made.ok:
                yield from talk.run(Subscribe(step.target))
            talk.copied = []
            done = yield from talk.run(command)
            if _is_missing(done) and not made.ok:
                return _Done(False, f"{step.target} is not there and cannot be made: {said(made.text)}")
        places: dict[UID, tuple[UIDValidity, UID]] = {}
        for code in talk.copied:
            if 0 < _length(code.source) == _length(code.target) <= MAX_KEPT:
                for source, target in zip(code.source, code.target, strict=True):
                    places[UID(source)] = (code.uid_validity, UID(target))
        return replace(_taken(done), places=places)

    def _remove(self, uids: list[UID]) -> Script[_Done]:
        """Delete messages, and nobody else's deleted ones (fault F68)."""
        talk = self._talk
        numbers = UIDSet.of(uids)
        done = yield from talk.run(Store(numbers, StoreMode.ADD, (DELETED,), silent=True))
        if not done.ok:
            return _taken(done)
        if not talk.imap.has("UIDPLUS"):
            talk.warn(f"the server has no UIDPLUS: {len(uids)} in {self._place.mailbox} are only marked deleted")
            return _taken(done)
        return _taken((yield from talk.run(Expunge(numbers))))

    # after a crash or a cut

    def reconcile(self, tasks: Sequence[Task]) -> Script[None]:
        """Find out what became of actions that were begun, and do the rest (faults F67, F71)."""
        if not tasks:
            return
        present = yield from self._present([task.uid for task in tasks])
        outcomes: list[Outcome] = []
        left: list[Task] = []
        for task in tasks:
            if task.uid in present:
                left.append(task)
                continue
            number, step = task.steps[0]
            done = task.sent and step.kind in (Kind.MOVE, Kind.DELETE)
            outcomes.append(Outcome(task.uid, number, ActionState.DONE if done else ActionState.GONE, task.attempts))
            outcomes += [Outcome(task.uid, n, ActionState.GONE) for n, _ in task.steps[1:]]
            if done:
                self._filed(task, (step,), None, None)
        copies = yield from self._copies(_by_target(task for task in left if task.sent))
        for i, task in enumerate(left):
            place = copies.get(task.uid)
            if place is None:
                continue
            number, step = task.steps[0]
            if step.kind is Kind.MOVE:
                yield from self._remove([task.uid])
                self._filed(task, (step,), place, None)
            outcomes.append(Outcome(task.uid, number, ActionState.DONE, task.attempts, place))
            left[i] = replace(task, steps=task.steps[1:], sent=False)
        if outcomes:
            yield from self._talk.ask(self._settled(outcomes))
        yield from self.act([task for task in left if task.steps], None)

    def _present(self, uids: Sequence[UID]) -> Script[set[UID]]:
        present: set[UID] = set()
        for start in range(0, len(uids), WINDOW):
            wanted = UIDSet.of(uids[start : start + WINDOW])
            present |= (yield from self._talk.fetch(Fetch(wanted, (Attribute.UID,)))).keys()
        return present

    def _copies(self, targets: dict[str, list[Task]]) -> Script[dict[UID, tuple[UIDValidity, UID]]]:
        """Return which of these messages are in the mailbox they were to go to, and where."""
        if not targets:
            return {}
        talk = self._talk
        copies: dict[UID, tuple[UIDValidity, UID]] = {}
        for target, waiting in targets.items():
            if not (yield from talk.select(target, read_only=True)).ok:
                continue  # it does not exist, so there is no copy in it
            uid_validity = UIDValidity(talk.numbers.get("UIDVALIDITY", 0))
            taken: set[UID] = set()
            for task in waiting:
                uid = yield from self.copy_of(task, taken)
                if uid is not None:
                    taken.add(uid)
                    copies[task.uid] = (uid_validity, uid)
        yield from self._reselect()
        return copies

    def copy_of(self, task: Task, taken: set[UID]) -> Script[UID | None]:
        """Return the message in the selected mailbox that is a copy of this one, and of no other."""
        if not task.message_id or not task.message_id.isascii():
            return None
        found, done = yield from self._talk.search(HeaderKey("Message-ID", task.message_id))
        if not done.ok or not found:
            return None
        items = (Attribute.UID, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
        fetched = yield from self._talk.fetch(Fetch(UIDSet.of(found[:GROUP]), items))
        for uid in sorted(fetched.keys() - taken):
            if (fetched[uid].internal_date, fetched[uid].size) == (task.internal_date, task.size):
                return uid
        return None


def _by_target(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    targets: dict[str, list[Task]] = {}
    for task in tasks:
        step = task.steps[0][1]
        if step.kind in (Kind.COPY, Kind.MOVE) and task.message_id.isascii() and task.message_id:
            targets.setdefault(step.target, []).append(task)
    return targets


def _taken(done: Completed) -> _Done:
    return _Done(done.ok, said(done.text))


def _is_missing(done: Completed) -> bool:
    """Whether the target of a COPY does not exist (RFC 9051 §6.4.7; NONEXISTENT is RFC 5530 §3)."""
    return (
        done.condition is Condition.NO
        and isinstance(done.code, Code)
        and done.code.name.upper() in ("TRYCREATE", "NONEXISTENT")
    )


def _length(numbers: UIDSet) -> int:
    """How many numbers there are, 0 if only the server knows."""
    if any(STAR in pair for pair in numbers.ranges):
        return 0
    return sum(abs(last - first) + 1 for first, last in numbers.ranges)
