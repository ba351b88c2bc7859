"""What the rules of an account say to a message of a mailbox. Scripts; pure.

Rule 1: the watcher, a dry run, an explanation and the filing of a backlog all ask here, so that they cannot disagree.
Rule 2: what a script asks for is gathered when it gets there, and no sooner: most are content with a few header fields.
Rule 3: what cannot be decided leaves the message where it is, and the others go on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from ..imap.commands import FetchItem
from ..mime.entity import Entity
from ..sieve import Actions, FileInto, Matched, Need, SieveRuntimeError, evaluate
from ..sieve.actions import Remember
from ..sieve.facts import Question
from ..sieve.questions import (
    Duplicate,
    Environment,
    InList,
    Instant,
    ListKnown,
    MailboxIdExists,
    Metadata,
    NotifyCapability,
    Now,
    SpecialUse,
    Structure,
)
from ..sieve.questions import Verdict as CheckerVerdict
from .account import WatchAccount
from .act import Kind, Step, plan
from .conversation import Conversation, Script
from .facts import Gathered, header_fields_of, items_to_fetch
from .leaving import Leaving, NotSent, memory_key, sends, sends_on
from .ledger import Memo, Parcel, Recall, Recalled, Row, Task
from .parts import SMALL
from .providers import provider_of
from .rules import RuleNames
from .spelling import Spelling

MAX_ROUNDS = 100
"""Times more is gathered for one message: scripts that compute what they ask for come back for each of it."""

ENVIRONMENT: Final = {"name": "mailhorn", "location": "MUA", "phase": "post"}
"""What the test environment knows (RFC 5183 §4.1): the mail was accepted and delivered before."""

OLD: Final = "its rules send mail, which is done for new mail only"


def items_of(account: WatchAccount) -> tuple[FetchItem, ...]:
    """Return what is fetched of every message for an account's rules."""
    return items_to_fetch(None if account.python else header_fields_of(account.program, account.checkers))


class Directory:
    """
    The account's other mailboxes, as far as rules ask for them. Of one connection.

    Attributes:
        count: How many mailboxes there are.
        names: All mailboxes, by all names that rules may give them; None as long as nobody asked.
        ids: All mailboxes that the server tells the MAILBOXID of, by that; None as long as nobody asked.

    """

    def __init__(self, talk: Conversation, account: WatchAccount) -> None:
        self.count = 0
        self.names: frozenset[str] | None = None
        self.ids: dict[str, str] | None = None
        self._uses: dict[str, tuple[str, ...]] = {}
        self._spelling: Spelling | None = None
        self._talk = talk
        self._trash = account.trash
        self._default = provider_of(account.host).trash

    def spelling(self) -> Script[Spelling]:
        """Return how the server spells the names that rules give."""
        if self._spelling is None:
            self._spelling = yield from self._talk.spelling()
        return self._spelling

    def learn(self) -> Script[None]:
        """Learn which mailboxes there are, and what they are for (RFC 6154)."""
        spelling = yield from self.spelling()
        there = yield from self._talk.list_mailboxes()
        self.count = len(there)
        self.names = frozenset().union(*(spelling.names(one.mailbox) for one in there))
        uses: dict[str, tuple[str, ...]] = {}
        for one in there:
            for attribute in map(str.lower, one.attributes):
                uses[attribute] = (*uses.get(attribute, ()), one.mailbox)
        self._uses = uses
        if self._trash is None:
            self._trash = next(iter(uses.get("\\trash", ())), spelling.spelled(self._default))

    def learn_ids(self) -> Script[None]:
        """Learn the identities of mailboxes."""
        self.ids = yield from self._talk.mailbox_ids()

    def trash(self) -> Script[str]:
        """Return where discarded messages go."""
        if self._trash is None:
            yield from self.learn()
        return self._trash or self._default

    def for_use(self, use: str) -> tuple[str, ...] | None:
        """Return the mailboxes of a special use; None as long as nobody asked."""
        return None if self.names is None else self._uses.get(use.lower(), ())

    def has_use(self, mailbox: str, use: str) -> bool:
        """Say whether a mailbox, as a rule spells it, is there for a use."""
        spelled = mailbox if self._spelling is None else self._spelling.spelled(mailbox)
        return spelled in (self.for_use(use) or ())

    def imagine(self, mailbox: str) -> None:
        """Take it that a mailbox was made, in a dry run."""
        if self.names is not None and self._spelling is not None:
            self.names |= self._spelling.names(mailbox)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the rules say to a message.

    Attributes:
        message: The message.
        steps: What is to be done, in order; none if it stays as it is.
        trouble: Why the rules could not be asked, "" if they could.
        trace: The tests that were evaluated, inner ones before the outer one.
        parcels: What those of the steps send that send something.
        memos: What is to be remembered of it.

    """

    message: Gathered
    steps: tuple[Step, ...]
    trouble: str = ""
    trace: tuple[Matched, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    memos: tuple[Memo, ...] = ()

    def row(self, undoes: int = 0) -> Row:
        """Return what is recorded of it."""
        message = self.message
        return Row(
            message.uid,
            message.message_id,
            message.internal_date,
            message.size,
            self.steps,
            self.trouble,
            message.sender,
            message.subject,
            undoes,
            self.parcels,
            self.memos,
        )


def task_of(row: Row, sent: bool) -> Task:
    """Return what is to be done in IMAP to a message that was recorded."""
    steps = tuple((number, step) for number, step in enumerate(row.steps) if not step.kind.sends)
    return Task(row.uid, row.message_id, row.internal_date, row.size, steps, sent, subject=row.subject)


class _Told:
    """What is known of one message beside its header, and how to know more."""

    def __init__(self) -> None:
        self.entity: Entity | None = None
        self.is_whole = False
        self.now: Instant | None = None
        self.duplicates: dict[Duplicate, bool] = {}


class Judge:
    """Asks the rules about the messages of one mailbox."""

    def __init__(
        self, talk: Conversation, account: WatchAccount, mailbox: str, directory: Directory, is_dry: bool = False
    ) -> None:
        """
        Take what it needs.

        Args:
            talk: The connection; another mailbox than the judged one's is never selected here.
            account: Whose rules.
            mailbox: What keep means.
            directory: Of the same connection.
            is_dry: Nothing will be done, and nothing written down.

        """
        self._talk = talk
        self._account = account
        self._mailbox = mailbox
        self._directory = directory
        self._is_dry = is_dry
        self._name: Callable[[int], str] = RuleNames(account.source).at
        self._lists = {name: {member.lower(): member for member in sorted(members)} for name, members in account.lists}
        self._noted: set[bytes] = set()
        self._metadata: dict[Metadata, tuple[str, ...]] = {}

    def judge(self, message: Gathered, is_new: bool = True) -> Script[Verdict]:
        """
        Return what the rules say; what is wrong with a message or with them is part of it.

        Args:
            message: With its header.
            is_new: It has just come; else nothing is sent for it.

        """
        if message.fields is None:
            return Verdict(message, (), "it cannot be read")
        told = _Told()
        if self._account.python is not None:
            consulted = yield from self._talk.consult(self._mailbox, message)
            decided, trouble = consulted.actions, consulted.trouble
        else:
            decided, trouble = yield from self._decide(message, told)
        if decided is None:
            return Verdict(message, (), trouble)
        decided = yield from self._resolved(decided)
        leaving: Leaving | None = None
        if sends(decided):
            if not is_new:
                return Verdict(message, (), OLD, decided.trace)
            try:
                leaving = yield from self._send(decided, message, told)
            except NotSent as reason:
                return Verdict(message, (), str(reason), decided.trace)
        trash = None
        if not self._account.discard_deletes and not decided.filings(self._mailbox):
            trash = yield from self._directory.trash()
        steps = plan(decided, self._mailbox, message.flags, trash, self._name)
        memos = tuple(
            Memo(memory_key("duplicate", step.handle, step.value), step.seconds, step.last)
            for step in decided.steps
            if isinstance(step, Remember)
        )
        self._noted.update(memo.key for memo in memos)
        if leaving is None:
            return Verdict(message, steps, trace=decided.trace, memos=memos)
        trace = (*decided.trace, *leaving.trace)
        parcels = () if self._is_dry else tuple(leaving.parcels)
        return Verdict(message, (*leaving.steps, *steps), "", trace, parcels, memos)

    def imagine(self, verdict: Verdict) -> None:
        """Take it that the steps were carried out, in a dry run: later messages may find a mailbox that they make."""
        for step in verdict.steps:
            if step.kind in (Kind.COPY, Kind.MOVE) and (step.create or self._account.create_mailboxes):
                self._directory.imagine(step.target)

    def recorded(self) -> None:
        """What was judged so far is in the journal, which remembers it now."""
        self._noted.clear()
        self._metadata.clear()

    # asking the rules

    def _decide(self, message: Gathered, told: _Told) -> Script[tuple[Actions | None, str]]:
        """Return what the script says, or what is wrong."""
        for _ in range(MAX_ROUNDS):
            decided, trouble = self._evaluated(message, told)
            if not isinstance(decided, Need):
                return decided, trouble
            gathered = yield from self._gather(decided, message, told)
            if not gathered:
                return None, f"the rules ask for what cannot be told: {decided}"
        return None, f"the rules ask more than {MAX_ROUNDS} times for more"

    def _evaluated(self, message: Gathered, told: _Told) -> tuple[Actions | Need | None, str]:
        """Return what the rules say, or what is wrong; they are pure, so trying again would change nothing."""
        account = self._account
        try:
            facts = message.facts(
                account.program,
                self._directory.names,
                lambda question: self._answer(question, message, told),
                account.checkers,
            )
            return evaluate(account.program, facts), ""
        except SieveRuntimeError as error:
            return None, f"the rules fail, {error}"
        except Exception as error:  # a bug of ours must not cost the messages behind this one (fault F85)
            return None, f"a bug in the rules' engine, please report it: {type(error).__name__}: {error}"

    def _answer(self, question: Question[Any], message: Gathered, told: _Told) -> Any:
        """Answer a question, None if that cannot be done yet."""
        match question:
            case Structure():
                return told.entity
            case Now():
                return told.now
            case Duplicate():
                return told.duplicates.get(question)
            case Environment(name):
                return (ENVIRONMENT[name],) if name in ENVIRONMENT else ()
            case SpecialUse(mailbox, use):
                there = self._directory.for_use(use)
                return (
                    None if there is None else bool(there) if mailbox is None else self._directory.has_use(mailbox, use)
                )
            case MailboxIdExists(id):
                return None if self._directory.ids is None else id in self._directory.ids
            case Metadata():
                return self._metadata.get(question)
            case ListKnown(name):
                return name in self._lists
            case InList(name, value):
                member = self._lists.get(name, {}).get(value.strip().lower())
                return () if member is None else (member,)
            case CheckerVerdict(kind):
                return self._account.checkers.verdict(kind, message.values)
            case NotifyCapability(capability=capability):
                return ("maybe",) if capability == "online" else ()
            case _:
                return None

    def _gather(self, need: Need, message: Gathered, told: _Told) -> Script[bool]:
        """Gather what the script needs now; return whether there is anything new to tell it."""
        more = False
        if self._directory.names is None and (need.mailboxes or any(isinstance(q, SpecialUse) for q in need.questions)):
            yield from self._directory.learn()
            more = True
        if self._directory.ids is None and any(isinstance(one, MailboxIdExists) for one in need.questions):
            yield from self._directory.learn_ids()
            more = True
        if told.entity is None and Structure() in need.questions:
            told.is_whole = self._account.reads_all or message.size <= SMALL
            fetch = self._talk.whole if told.is_whole else self._talk.texts
            octets = yield from fetch(message.uid)
            if octets is not None:
                told.entity = Entity(octets)
                more = True
        for note in [one for one in need.questions if isinstance(one, Metadata) and one not in self._metadata]:
            place = note.mailbox
            if place is not None:
                place = (yield from self._directory.spelling()).spelled(place)
            self._metadata[note] = yield from self._talk.note_of(place, note.name)
            more = True
        asked = [question for question in need.questions if isinstance(question, Duplicate)]
        new = [question for question in asked if question not in told.duplicates]
        if new or (told.now is None and Now() in need.questions):
            more = True
            keys = {memory_key("duplicate", one.handle, one.value): one for one in new}
            recalled = yield from self._recall(frozenset(keys), told)
            for key, question in keys.items():
                told.duplicates[question] = key in recalled or key in self._noted
        return more

    def _recall(self, keys: frozenset[bytes], told: _Told) -> Script[frozenset[bytes]]:
        """Ask what is remembered, and how late it is: the same for all that is asked about one message."""
        recalled = yield from self._talk.ask(Recall(self._account.name, keys))
        assert isinstance(recalled, Recalled)
        told.now = told.now or Instant(recalled.now, recalled.zone)
        return recalled.known

    # what follows from it

    def _resolved(self, decided: Actions) -> Script[Actions]:
        """Spell names as the server does; an identity or a special use goes before them (RFC 9042, RFC 8579)."""
        filings = [step for step in decided.steps if isinstance(step, FileInto)]
        if not filings:
            return decided
        spelling = yield from self._directory.spelling()
        if self._directory.ids is None and any(step.id for step in filings):
            yield from self._directory.learn_ids()
        if self._directory.names is None and any(step.use for step in filings):
            yield from self._directory.learn()
        known = self._directory.ids or {}
        steps = []
        for step in decided.steps:
            if isinstance(step, FileInto):
                mailbox = known.get(step.id) if step.id else None
                if mailbox is None:
                    mailbox = spelling.spelled(step.mailbox)
                    there = self._directory.for_use(step.use) or () if step.use else ()
                    mailbox = mailbox if mailbox in there else next(iter(there), mailbox)
                step = step if mailbox == step.mailbox else replace(step, mailbox=mailbox)
            steps.append(step)
        return replace(decided, steps=tuple(steps))

    def _send(self, decided: Actions, message: Gathered, told: _Told) -> Script[Leaving]:
        """Return the letters. Raises NotSent."""
        if told.now is None:
            yield from self._recall(frozenset(), told)
        assert told.now is not None
        if sends_on(decided) and not self._is_dry:
            whole: bytes | None
            if told.entity is not None and told.is_whole:
                whole = told.entity.whole()
            else:
                whole = yield from self._talk.whole(message.uid)
            message = replace(message, whole=whole)
        leaving = Leaving(self._account, self._mailbox, message, self._name, told.now)
        leaving.add(decided, self._is_dry)
        return leaving


__all__ = ["Directory", "Judge", "Verdict", "items_of", "task_of"]
