"""
Rules in Python: what such a rule is given, at delivery and in the watcher alike. Pure; who runs it is the assemblies'.

    async def rule(message, actions):
        if message.header("x-build") == ["failed"] and "[main]" in await message.text():
            actions.file_into("Builds", flags=["\\\\Flagged"])

Rule 1: what is done here is what a script does: the same actions, the same limits, by the same `Run`; so whoever
carries out `Actions` needs nothing new. Rule 2: header, size, flags and envelope are there at once; the message itself
is fetched when the rule awaits it, and never otherwise. Rule 3: a rule decides only; nothing is done before it has
returned, and nothing at all if it raises.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol

from .actions import Actions, FileInto, Matched, Notify, Redirect, Reject, Vacation, mailbox_key
from .address import outbound
from .errors import SieveRuntimeError, printable
from .ext.enotify import uri_problem
from .facts import HeaderFacts
from .flags import flag_list
from .limits import DEFAULT_VACATION_DAYS, MAX_FLAGS, MAX_VACATION_SECONDS
from .mailboxes import checked_use, problem
from .questions import Entity
from .run import Run

_SHOWN = 76
"""Characters of an action that a trace shows."""


class Stopped(Exception):
    """The rule said `stop`. Let it pass."""


class RuleFailed(Exception):
    """The rule could not decide; the text says why, and where. The message is kept as it is."""


class Message:
    """
    The message a rule looks at.

    Attributes:
        account: Whose it is: the login at delivery, the account's name in the watcher's settings.
        mailbox: Where it is, or would be kept.
        fields: Names and unfolded values of all header fields, in their order.
        size: Octets.
        flags: The flags it has; none at delivery.
        received: When it came, seconds since 1970.
        sender: Reverse path of its envelope, "" for the null path; None if that is not known any more.
        recipient: Address it was delivered to, None if that is not known any more.
        fetch: Gets all of the message; for who runs the rule. Rules say `raw`.

    """

    def __init__(
        self,
        fields: Sequence[tuple[str, str]],
        *,
        account: str,
        mailbox: str,
        size: int,
        flags: frozenset[str],
        received: int,
        sender: str | None,
        recipient: str | None,
        decode: Callable[[str], str],
        fetch: Callable[[], Awaitable[bytes]],
        parse: Callable[[bytes], Entity],
    ) -> None:
        """
        Take what is known.

        Args:
            fields: See the attributes.
            account: As above.
            mailbox: As above.
            size: As above.
            flags: As above.
            received: As above.
            sender: As above.
            recipient: As above.
            decode: Decodes the encoded words (RFC 2047) of one value.
            fetch: As above; called once at most.
            parse: Finds its parts.

        """
        self.account = account
        self.mailbox = mailbox
        self.fields = tuple(fields)
        self.size = size
        self.flags = flags
        self.received = received
        self.sender = sender
        self.recipient = recipient
        self._facts = HeaderFacts(fields, decode=decode)
        self.fetch = fetch
        self._parse = parse
        self._entity: Entity | None = None

    def header(self, name: str) -> list[str]:
        """Return the values of all fields of that name, decoded and trimmed; none if there is no such field."""
        return [value.strip() for value in self._facts.header(name.lower()) or ()]

    @property
    def subject(self) -> str:
        """Its subject, decoded, "" if it has none."""
        return next(iter(self.header("subject")), "")

    async def entity(self) -> Entity:
        """Return the message as a tree of parts; it is fetched now, if it was not before."""
        if self._entity is None:
            self._entity = self._parse(await self.fetch())
        return self._entity

    async def parts(self) -> list[Entity]:
        """Return the message and all its parts, in their order."""
        return list((await self.entity()).walk())

    async def text(self) -> str:
        """Return what there is to read: its texts, those of text/plain only if there are any."""
        texts = [part for part in await self.parts() if part.type == "text"]
        plain = [part for part in texts if part.subtype == "plain"]
        return "\n".join(part.text() for part in plain or texts)

    async def raw(self) -> bytes:
        """Return its octets."""
        return (await self.entity()).whole()


class Doing:
    """
    The actions a rule may take: those of Sieve, by names as Python has them.

    What is impossible (no such address, too many actions) raises SieveRuntimeError in the rule.
    """

    def __init__(self, file: str = "", able: frozenset[str] = frozenset({"send", "refuse"})) -> None:
        """
        Begin with the implicit keep.

        Args:
            file: Where the rule stands: lines are those of this file.
            able: "send": mail may be sent. "refuse": the message may be rejected.

        """
        self._run = Run(HeaderFacts())
        self._file = file
        self._able = able

    def keep(self, flags: Iterable[str] | None = None) -> None:
        """Leave it where it is, at delivery in INBOX (RFC 5228 §4.3), with these flags if any are named."""
        line = self._note("keep", flags=flags)
        self._run.keep(self._flags(flags, line), line)

    def file_into(
        self,
        mailbox: str,
        flags: Iterable[str] | None = None,
        *,
        copy: bool = False,
        create: bool = False,
        use: str = "",
    ) -> None:
        """
        Put it into a mailbox (RFC 5228 §4.1).

        Args:
            mailbox: Its name.
            flags: The flags it gets there.
            copy: It stays where it is as well (RFC 3894).
            create: The mailbox is made if it is missing (RFC 5490 §3.2).
            use: The mailbox of this special use if there is one, as "\\\\Junk" (RFC 8579 §4).

        """
        line = self._note("file_into", mailbox, flags=flags, copy=copy, create=create, use=use)
        wrong = problem(mailbox)
        if wrong:
            raise SieveRuntimeError(line, wrong)
        use = checked_use(use, line) if use else ""
        self._run.file_into(FileInto(mailbox_key(mailbox), self._flags(flags, line), copy, create, line, use=use))

    def discard(self) -> None:
        """Throw it away, if nothing else is done with it (RFC 5228 §4.4)."""
        self._run.discard(self._note("discard"))

    def redirect(self, address: str, *, copy: bool = False) -> None:
        """Send it on (RFC 5228 §4.2); with `copy` it stays as well (RFC 3894)."""
        line = self._note("redirect", address, copy=copy)
        self._need("send", line)
        checked = outbound(address)
        if checked is None:
            raise SieveRuntimeError(line, f'"{printable(address)[:80]}" is no address')
        self._run.redirect(Redirect(checked, copy, line))

    def reject(self, reason: str) -> None:
        """Refuse it and tell its sender why (RFC 5429)."""
        line = self._note("reject", reason)
        self._need("refuse", line)
        self._run.reject(Reject(reason, False, line))

    def answer(
        self,
        reason: str,
        *,
        subject: str | None = None,
        seconds: int = DEFAULT_VACATION_DAYS * 86400,
        handle: str = "",
        addresses: Sequence[str] = (),
    ) -> None:
        """
        Answer its sender, not more often than the same one wants to hear it: vacation (RFC 5230).

        Args:
            reason: The text.
            subject: Of the answer; None: made of the message's.
            seconds: How long the same sender gets no second one.
            handle: Of one handle answers are remembered together.
            addresses: Further addresses of the user.

        """
        line = self._note("answer", reason, subject=subject)
        self._need("send", line)
        handle = handle or "\1".join((subject or "", reason))
        period = min(max(seconds, 0), MAX_VACATION_SECONDS)
        self._run.vacation(Vacation(reason, handle, period, subject, None, tuple(addresses), line=line))

    def notify(self, uri: str, message: str | None = None) -> None:
        """Tell somebody: a mailto or an https URI (RFC 5435)."""
        line = self._note("notify", uri)
        self._need("send", line)
        wrong = uri_problem(uri)
        if wrong:
            raise SieveRuntimeError(line, wrong)
        self._run.notify(Notify(uri, message, line=line))

    def add_flags(self, *flags: str) -> None:
        """Give it these flags, wherever it is kept or filed from now on (RFC 5232 §3)."""
        line = self._note("add_flags", *flags)
        held = self._run.flags or {}
        self._run.set_flags({**held, **{n: f for n, f in flag_list(flags).items() if n not in held}}, line)

    def remove_flags(self, *flags: str) -> None:
        """Take these out of the flags it is to get."""
        line = self._note("remove_flags", *flags)
        gone = flag_list(flags)
        if self._run.flags is not None:
            self._run.set_flags({n: f for n, f in self._run.flags.items() if n not in gone}, line)

    def stop(self) -> NoReturn:
        """End the rule here; what was said so far is done."""
        raise Stopped

    def actions(self) -> Actions:
        """Return what was decided; for who runs the rule."""
        run = self._run
        return Actions(run.steps(), run.implicit_keep, run.current_flags(), tuple(run.trace))

    def _flags(self, flags: Iterable[str] | None, line: int) -> frozenset[str] | None:
        """Return the flags that are named, else those that were added before."""
        if flags is None:
            return self._run.current_flags()
        found = frozenset(flag_list((flags,) if isinstance(flags, str) else flags).values())
        if len(found) > MAX_FLAGS:
            raise SieveRuntimeError(line, f"more than {MAX_FLAGS} flags on one message")
        return found

    def _need(self, ability: str, line: int) -> None:
        if ability not in self._able:
            raise SieveRuntimeError(line, "no mail can be sent here: set host in [relay]")

    def _note(self, name: str, *arguments: object, **options: object) -> int:
        """Put the action into the trace; return the line of the rule's file that asks for it."""
        frame: Any = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        line = 0 if frame is None else frame.f_lineno
        said = [repr(one) for one in arguments] + [f"{key}={value!r}" for key, value in options.items() if value]
        text = printable(f"{name}({', '.join(said)})")
        self._run.trace.append(Matched(line, text if len(text) <= _SHOWN else text[:_SHOWN] + "...", True))
        return line


class PythonRule(Protocol):
    """A rule that was loaded; stands where a Program does."""

    @property
    def source(self) -> str:
        """The text of its file, by which it is known to be the same one."""

    async def decide(self, message: Message) -> Actions:
        """
        Ask the rule.

        Raises:
            RuleFailed: It raised, took too long, or wanted what cannot be.

        """


__all__ = ["Doing", "Message", "PythonRule", "RuleFailed", "Stopped"]
