"""From what scripts decided for one account to what is done: filings, letters, a refusal, programs, web addresses.

Rule 1: what cannot be done keeps the message in INBOX. Rule 2: nothing leaves this module but programs that a script
pipes to: the rest is returned, for the delivery to do all of it, or none, in the right order.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from ...model.flags import NO_FLAGS, Flags
from ...model.ids import MailboxId
from ...relay.letter import Letter
from ...relay.memory import Memory
from ...sieve.actions import FileInto, Notify, Pipe, Redirect, Reject, Remember, Vacation, merge
from ...sieve.address import outbound
from ...sieve.replies import Outgoing, Received, notification, rejection, vacation_reply, why_not
from .facts import Case
from .letters import key, loops, redirection
from .lists import Lists
from .message import Message, Octets
from .places import Places
from .programs import Programs
from .rules import Decision, Kept, Taken

MAX_LINE = 400
"""Octets in a line of a refusal (RFC 5429 §2.5); longer ones go on in the next."""

log = structlog.get_logger("mailhorn.delivery")


@dataclass(slots=True)
class Filing:
    """
    One copy of a message, or of what was sent about it.

    Attributes:
        mailbox: Where it goes.
        flags: What it gets.
        message: What it is.

    """

    mailbox: MailboxId
    flags: Flags
    message: Message


@dataclass(frozen=True, slots=True)
class Noted:
    """
    What is to be remembered, as `relay.memory` takes it.

    Attributes:
        kind: "vacation" or "duplicate".
        handle: Of each one is remembered apart.
        value: What.
        seconds: For how long.
        last: From now on, also if it is known already.

    """

    kind: str
    handle: str
    value: str
    seconds: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A web address to be told: best effort, after the delivery."""

    url: str
    body: bytes
    key: str


@dataclass(slots=True)
class Outcome:
    """
    What is to be done for one account.

    Attributes:
        filings: Copies, of each mailbox one.
        letters: What leaves.
        refusal: What to tell the sender's server, if nobody else takes the message either.
        notice: The letter that says so instead.
        notes: What to remember once everything is done.
        calls: Web addresses to tell afterwards.
        kept: Whether and how the message stays where it would be without scripts; also if something could not be done.

    """

    filings: list[Filing] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    refusal: str | None = None
    notice: Letter | None = None
    notes: list[Noted] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """
    How things are done here.

    Attributes:
        hostname: Our name.
        own_sender: Redirected mail goes out with the recipient's address as its reverse path, not the sender's.
        max_redirects: Of one message and account.
        webhooks: What the web addresses begin with that rules may tell something.
        create_mailboxes: A mailbox that is missing is made, also where a script does not say so.

    """

    hostname: str = "localhost"
    own_sender: bool = False
    max_redirects: int = 10
    webhooks: tuple[str, ...] = ()
    create_mailboxes: bool = False


class _Refused(Exception):
    """A step cannot be carried out."""


class Carrier:
    """Works out what is to be done."""

    def __init__(
        self,
        places: Places,
        memory: Memory | None = None,
        lists: Lists | None = None,
        programs: Programs | None = None,
        manner: Manner | None = None,
        token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """Use these; `token` returns what nobody has seen before."""
        self._places = places
        self._memory = memory
        self._lists = lists or Lists()
        self._programs = programs or Programs()
        self._manner = manner or Manner()
        self._token = token

    async def outcome(self, decision: Decision, case: Case, original: Message, home: MailboxId | None) -> Outcome:
        """
        Return what is to be done.

        Args:
            decision: What the scripts decided.
            case: For whom.
            original: The message as it came.
            home: The mailbox that keep means, where a copy goes; None: it is there already.

        Raises:
            StoreUnavailable: The index cannot be read, or a mailbox not be made.
            RelayUnavailable: What was answered before cannot be known.

        """
        outcome = Outcome()
        filed: dict[tuple[str, str, str], tuple[FileInto, Message]] = {}
        failed: list[str] = []
        for taken in decision.taken:
            step = taken.step
            if isinstance(step, FileInto):
                where = (step.mailbox, step.id, step.use)
                earlier = filed.get(where)
                filed[where] = (step if earlier is None else merge(earlier[0], step), taken.message)
                continue
            try:
                await self._carry(taken, case, original, outcome)
            except _Refused as problem:
                failed.append(str(problem))
        kept = outcome.kept = decision.kept or (Kept(None, original) if failed else None)
        copies: dict[MailboxId, Filing] = {}
        for step, message in filed.values():
            _put(copies, await self._places.place(case.account, step), step.flags or NO_FLAGS, message)
        if kept is not None and home is not None:
            _put(copies, home, kept.flags or NO_FLAGS, kept.message)
        for reason in failed:
            log.warning("a rule's action cannot be done, the message is kept", login=case.account.login, reason=reason)
        outcome.filings = [*copies.values(), *outcome.filings]
        return outcome

    async def _carry(self, taken: Taken, case: Case, original: Message, outcome: Outcome) -> None:
        step, message = taken.step, taken.message
        match step:
            case Redirect():
                self._redirect(step, message, case, original, outcome)
            case Reject():
                self._reject(step, case, original, outcome)
            case Vacation():
                await self._vacation(step, case, original, outcome)
            case Notify():
                await self._notify(step, case, original, outcome)
            case Remember():
                outcome.notes.append(Noted("duplicate", step.handle, step.value, step.seconds, step.last))
            case Pipe():
                await self._pipe(step, message, case)

    # what leaves

    def _redirect(self, step: Redirect, message: Message, case: Case, original: Message, outcome: Outcome) -> None:
        recipient, manner = case.address, self._manner
        why = loops(original, recipient)
        if why is not None:
            raise _Refused(f"redirect: {why}")
        targets: tuple[str, ...] = (step.address,)
        if step.list:
            members = self._lists.members(step.list, case.account.login)
            targets = tuple([address for member in members if (address := outbound(member)) is not None])
            if not targets:
                raise _Refused(f'redirect: the list "{step.list}" has no addresses')
        sent = sum(letter.why == "redirect" for letter in outcome.letters)
        if sent + len(targets) > manner.max_redirects:
            raise _Refused(f"redirect: more than {manner.max_redirects} addresses for one message")
        sender = _sender(case)
        if case.envelope is None or (manner.own_sender and sender):
            sender = recipient
        for to in targets:
            outcome.letters.append(redirection(message, original, sender, recipient, to, case.account.login))

    def _reject(self, step: Reject, case: Case, original: Message, outcome: Outcome) -> None:
        if step.in_protocol or step.reason.isascii():
            outcome.refusal = lines_of(step.reason) or "The recipient's rules refuse this message"
        received = self._received(case, original)
        made = rejection(step, received, case.now, self._message_id(), self._token())
        if made is not None:
            outcome.notice = self._letter(made, "reject", case, key("reject", original, case.account.login))
        elif outcome.refusal is None:
            log.info("refused by its recipient's rules, and there is nobody to tell", login=case.account.login)

    async def _vacation(self, step: Vacation, case: Case, original: Message, outcome: Outcome) -> None:
        login = case.account.login
        received = self._received(case, original)
        reason = why_not(step, received)
        if reason is None and self._memory is not None:
            if await self._memory.seen(login, "vacation", step.handle, received.sender.lower()):
                reason = "its sender has an answer already"
        if reason is not None:
            log.info("not answered", login=login, reason=reason)
            return
        made = vacation_reply(step, received, case.now, self._message_id())
        outcome.letters.append(
            self._letter(made, "vacation", case, key("vacation", original, login, step.handle, received.sender.lower()))
        )
        outcome.notes.append(Noted("vacation", step.handle, received.sender.lower(), step.seconds))
        await self._copy(step.fcc, made, case, outcome)

    async def _notify(self, step: Notify, case: Case, original: Message, outcome: Outcome) -> None:
        login = case.account.login
        received = self._received(case, original)
        if step.method.partition(":")[0].lower() == "mailto":
            made = notification(step, received, case.now, self._message_id())
            if made is None:
                log.info("nobody is notified: a machine sent the message", login=login)
                return
            outcome.letters.append(self._letter(made, "notify", case, key("notify", original, login, step.method)))
            await self._copy(step.fcc, made, case, outcome)
            return
        if not step.method.startswith(self._manner.webhooks or ("\0",)):
            log.warning("a rule wants to notify an address that is not among sieve.webhooks", login=login)
            return
        told = {
            "account": login,
            "from": received.decoded("from"),
            "subject": received.decoded("subject"),
            "message_id": received.decoded("message-id"),
            "message": step.message,
            "importance": step.importance,
            "options": list(step.options),
        }
        outcome.calls.append(Call(step.method, msgspec.json.encode(told), self._token()))

    async def _copy(self, fcc: FileInto | None, made: Outgoing, case: Case, outcome: Outcome) -> None:
        """File a copy of what is sent (RFC 8580)."""
        if fcc is not None:
            mailbox = await self._places.place(case.account, fcc)
            outcome.filings.append(
                Filing(mailbox, fcc.flags or NO_FLAGS, Message(Octets(made.message), original=False))
            )

    async def _pipe(self, step: Pipe, message: Message, case: Case) -> None:
        given = {"SENDER": _sender(case), "RECIPIENT": case.address, "USER": case.account.login}
        good, _ = await self._programs.give(step.program, step.arguments, message.content, given)
        if not good:
            raise _Refused(f"pipe: the program {step.program} has failed")

    def _letter(self, made: Outgoing, why: str, case: Case, key: str) -> Letter:
        return Letter(made.sender, made.recipients, made.message, why, case.account.login, key)

    def _message_id(self) -> str:
        return f"<{self._token()}@{self._manner.hostname}>"

    def _received(self, case: Case, original: Message) -> Received:
        recipient, login = case.address, case.account.login
        owner = login if "@" in login else f"{login}@{recipient.rpartition('@')[2] or self._manner.hostname}"
        return Received(original.header(), _sender(case), recipient, (owner,))


def _put(copies: dict[MailboxId, Filing], mailbox: MailboxId, flags: Flags, message: Message) -> None:
    """File into a mailbox; what goes there already is one copy with it, as it was said last."""
    earlier = copies.get(mailbox)
    copies[mailbox] = Filing(mailbox, flags if earlier is None else earlier.flags | flags, message)


def _sender(case: Case) -> str:
    return case.envelope["from"][0] if case.envelope is not None else ""


_SPACE = re.compile(r"[^ -~\n]+")


def lines_of(reason: str) -> str:
    """Return a reason as the lines of a reply: printable ASCII, not too long, none of them empty."""
    lines: list[str] = []
    for line in _SPACE.sub("?", reason.replace("\r\n", "\n").replace("\t", " ")).split("\n"):
        lines += [line[at : at + MAX_LINE] for at in range(0, len(line), MAX_LINE)]
    return "\n".join(line for line in lines if line.strip())


__all__ = ["Call", "Carrier", "Filing", "Manner", "Noted", "Outcome", "lines_of"]
