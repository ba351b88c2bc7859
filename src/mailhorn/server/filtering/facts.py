"""The facts of one message for one account: what is at hand is answered at once, the rest when it is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ...model.mailbox import Account, canonical_name
from ...relay.memory import Memory
from ...sieve import Need
from ...sieve.facts import Header, Question
from ...sieve.questions import (
    Duplicate,
    Environment,
    InList,
    Instant,
    ListKnown,
    MailboxIdExists,
    Metadata,
    NotifyCapability,
    Now,
    Owner,
    Ran,
    SpecialUse,
    Structure,
    Verdict,
    WholeHeader,
)
from ...sieve.verdicts import Verdicts
from ...store.abc import Index
from .lists import Lists
from .message import Message
from .places import Places
from .programs import Programs

_Answer = TypeVar("_Answer")

OF_THE_MESSAGE = (Structure, WholeHeader, Verdict)
"""What is asked of the message itself: the answer is another one when a script has changed it."""


@dataclass(slots=True)
class Case:
    """
    For whom and why scripts look at a message.

    Attributes:
        account: Whose scripts and mailboxes.
        address: Their address: the one the message came for, if it came.
        envelope: Sender and recipient, under "from" and "to"; None: there is no envelope.
        environment: Items of the test environment (RFC 5183 §4).
        now: When.

    """

    account: Account
    address: str
    envelope: Mapping[str, Sequence[str]] | None
    environment: Mapping[str, str]
    now: Instant


class Gathered:
    """What one run of scripts has been told: one for each message and account."""

    __slots__ = ("answers", "mailboxes")

    def __init__(self) -> None:
        self.answers: dict[Question[Any], Any] = {}
        self.mailboxes: dict[str, bool] = {}


class MessageFacts:
    """What a script is told of a message. Implements `sieve.Facts`."""

    __slots__ = ("_answers", "_case", "_gathered", "_message", "header", "structured")

    def __init__(self, message: Message, case: Case, gathered: Gathered, answers: "Answers") -> None:
        """Take what is at hand, and who answers the rest."""
        self.header = message.decoded
        self.structured = message.values
        self._message = message
        self._case = case
        self._gathered = gathered
        self._answers = answers

    def size(self) -> int:
        """Return the octets of the message."""
        return self._message.size

    def envelope(self, part: str) -> Sequence[str] | None:
        """Return the paths of the envelope part, None if there is no envelope."""
        return None if self._case.envelope is None else self._case.envelope.get(part, ())

    def mailbox_exists(self, name: str) -> bool | None:
        """Say whether the mailbox exists, None if that was not gathered."""
        return self._gathered.mailboxes.get(canonical_name(name))

    def answer(self, question: Question[_Answer]) -> _Answer | None:
        """Answer what is known, None if it must be gathered."""
        answers = self._gathered.answers
        known = answers.get(question)
        if known is None:
            known = self._answers.at_once(self._case, self._message, question)
            if known is not None and not isinstance(question, OF_THE_MESSAGE):
                answers[question] = known
        return cast("_Answer | None", known)


class Answers:
    """Answers what scripts ask."""

    def __init__(
        self,
        index: Index,
        places: Places,
        memory: Memory | None = None,
        lists: Lists | None = None,
        verdicts: Verdicts | None = None,
        programs: Programs | None = None,
    ) -> None:
        """Ask these; what is None is never asked for, because the scripts that do are refused."""
        self._index = index
        self._places = places
        self._memory = memory
        self._lists = lists or Lists()
        self._verdicts = verdicts or Verdicts()
        self._programs = programs or Programs()

    def facts(self, case: Case, message: Message, gathered: Gathered) -> MessageFacts:
        """Return the facts, as far as they are there."""

        return MessageFacts(message, case, gathered, self)

    def at_once(self, case: Case, message: Message, question: Question[Any]) -> Any:
        """Return the answer if nothing has to be waited for, else None."""
        match question:
            case Structure():
                return message.entity
            case WholeHeader():
                return Header(message.header())
            case Now():
                return case.now
            case Owner():
                return case.address
            case Environment(name=name):
                return (case.environment[name],) if name in case.environment else ()
            case Verdict(kind=kind):
                return self._verdicts.verdict(kind, message.values)
            case ListKnown(name=name):
                return self._lists.known(name)
            case InList(name=name, value=value):
                return self._lists.found(name, value, case.account.login)
            case NotifyCapability(capability=capability):
                return ("maybe",) if capability == "online" else ()
        return None

    async def gather(self, case: Case, message: Message, need: Need, gathered: Gathered) -> None:
        """
        Find out what a script needs.

        Raises:
            StoreUnavailable: The index cannot be read.
            RelayUnavailable: What was seen cannot be.

        """
        if need.mailboxes:
            known = await self._places.of(case.account.id)
            for name in need.mailboxes:
                gathered.mailboxes[canonical_name(name)] = known.named(name) is not None
        for question in need.questions:
            if question not in gathered.answers:
                found = await self._found_out(case, question)
                if found is not None:
                    gathered.answers[question] = found

    async def _found_out(self, case: Case, question: Question[Any]) -> Any:
        account = case.account
        match question:
            case Duplicate(handle=handle, value=value):
                if self._memory is not None:
                    return await self._memory.seen(account.login, "duplicate", handle, value)
            case SpecialUse(mailbox=mailbox, use=use):
                known = await self._places.of(account.id)
                if mailbox is None:
                    return any(use.lower() in uses for uses in known.uses.values())
                named = known.named(mailbox)
                return named is not None and use.lower() in known.uses.get(named, ())
            case MailboxIdExists(id=id):
                return id in (await self._places.of(account.id)).ids
            case Metadata(mailbox=mailbox, name=name):
                return await self._noted(account, mailbox, name)
            case Ran():
                return await self._programs.run(question)
        return None

    async def _noted(self, account: Account, mailbox: str | None, name: str) -> tuple[str, ...]:
        place = None
        if mailbox is not None:
            place = (await self._places.of(account.id)).named(mailbox)
            if place is None:
                return ()
        value = (await self._index.notes(account.id, place)).get(name.lower())
        return () if value is None else (value.decode("utf-8", "replace"),)


__all__ = ["Answers", "Case", "Gathered", "MessageFacts"]
