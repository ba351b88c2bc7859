"""What is asked of the server about a message, and what the rules get to know of it. Pure.

Rule 1: one FETCH of exactly the header fields the script may ask for, with Message-ID, From and Subject, by which the
journal and its readers know a message; the whole header if a script computes which fields it wants, and the message
itself only when a rule gets as far as asking for it. Rule 2: nothing the sender wrote can fail here; what makes no
sense is kept as it is. Rule 3: what a watcher cannot know or do (change a message, refuse it) is refused when the
script is installed, with its line and what to do instead.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from ..imap.commands import Attribute, BodySection, FetchItem, Section, SectionText
from ..imap.responses import BodyItem, BodyStructureItem, FetchedItem, FlagsItem, InternalDateItem, SizeItem
from ..mime.decode import decoded_header
from ..mime.entity import Entity
from ..mime.header import fields, unfold
from ..model.flags import NO_FLAGS, Flags, flag_set
from ..model.ids import UID
from ..model.structure import BodyStructure
from ..sieve import HeaderFacts, Program, compile_script, offered
from ..sieve.errors import Source
from ..sieve.facts import Question, WholeHeader
from ..sieve.parser import Strings, parse
from ..sieve.pyrule import Message
from ..sieve.verdicts import Verdicts

_ABLE: Final = frozenset(
    {"body", "now", "memory", "envelope", "environment", "lists", "special use", "scripts", "mailbox id", "metadata"}
)
"""What a watcher can do and tell beyond header, size and mailboxes, as `Extension.asks` calls it."""

_VERDICTS: Final = frozenset({"spamtest", "spamtestplus", "virustest"})
_SENDING: Final = frozenset({"vacation", "vacation-seconds", "enotify", "reject"})
_UNCHANGED: Final = "a watcher does not change messages: leave this to the server that delivers them"
_NO_PROGRAMS: Final = "a watcher's rules run no programs: use a [[hook]], or rules in Python"
_NO_SENDING: Final = "a watcher sends no mail before its settings say by which server: set host in [relay]"
_NO_CHECKER: Final = "nobody has said where the checker's verdict stands: set {} of the account in the settings"

_UNDOABLE: Final = {
    "ereject": "a watcher cannot refuse a message, it was accepted long ago: use reject, which sends a notice",
    "editheader": _UNCHANGED,
    "replace": _UNCHANGED,
    "enclose": _UNCHANGED,
    "imapsieve": "a watcher does not hear what clients do: there is no imapsieve here",
    "fcc": "a watcher files no copies of what it sends: leave :fcc out",
    "vnd.mailhorn.pipe": _NO_PROGRAMS,
    "vnd.mailhorn.filter": _NO_PROGRAMS,
    "vnd.mailhorn.execute": _NO_PROGRAMS,
}
"""Extensions that no watcher has, and what to do instead."""

_NAMING: Final = frozenset({"message-id", "from", "subject"})
"""What a message is known by, to programs and to people."""

ENVELOPE: Final = {"from": ("return-path",), "to": ("delivered-to", "x-original-to", "envelope-to", "x-delivered-to")}
"""The fields in which delivery has noted the envelope's parts (RFC 5321 §4.4, RFC 9228), the best ones first."""

LARGEST: Final = 31 * 1024 * 1024
"""Octets of a message that are fetched: they fit into a literal that a client buffers (`framing.CLIENT_LIMITS`)."""

MAX_SECTIONS = 200
"""Sections asked for of one message, and kept of one; one of more parts is fetched as it is."""

MAX_MESSAGE_ID = 998
"""Characters kept of a Message-ID: one line (RFC 5322 §2.1.1)."""
MAX_NAME = 200
"""Characters kept of sender and subject: more than fit on a line of a terminal."""


_NO_CHECKERS: Final = Verdicts()


def _unanswered(question: Question[Any]) -> None:
    return None


def _no_scripts(place: str, name: str) -> str | None:
    return None


def install(
    text: str,
    sends: bool = False,
    verdicts: frozenset[str] = frozenset(),
    scripts: Callable[[str, str], str | None] = _no_scripts,
) -> Program:
    """
    Compile a script for a watcher.

    Args:
        text: The script.
        sends: Whether it may send mail: there is somebody who takes it.
        verdicts: Of which checkers it is known where their verdict stands: "spam", "virus".
        scripts: Where included scripts are, as for `compile_script`.

    Raises:
        SieveError: It is not valid, or asks for what a watcher cannot do; with line and column.

    """
    impossible = refusals(sends, verdicts)

    def checked(place: str, name: str) -> str | None:
        included = scripts(place, name)
        if included is not None:
            _check(included, impossible)
        return included

    _check(text, impossible)
    refused = {} if sends else {"redirect": _NO_SENDING}
    return compile_script(text, offers(sends, verdicts), refused, checked)


def offers(sends: bool = False, verdicts: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return what a script may require here."""
    able = _ABLE | {"send", "refuse", "verdicts"}
    return offered(able) - refusals(sends, verdicts).keys()


def refusals(sends: bool, verdicts: frozenset[str]) -> Mapping[str, str]:
    """Return the extensions that a script may not require here, and why."""
    refused = dict(_UNDOABLE)
    if not sends:
        refused |= dict.fromkeys(_SENDING, _NO_SENDING)
    for name in _VERDICTS:
        kind = "virus" if name == "virustest" else "spam"
        if kind not in verdicts:
            refused[name] = _NO_CHECKER.format(f"{kind}_header")
    return refused


def _check(text: str, impossible: Mapping[str, str]) -> None:
    """Say what is impossible, where it is required; the compiler tells whatever else is wrong. Raises SieveError."""
    source = Source(text)
    for command in parse(source):
        if command.name == "require":
            for argument in command.arguments:
                for name in argument.values if isinstance(argument, Strings) else ():
                    if name in impossible:
                        raise source.error(argument.start, f'"{name}": {impossible[name]}')


def check_program(program: Program, sends: bool = False, verdicts: frozenset[str] = frozenset()) -> list[str]:
    """Return why a watcher cannot run a program that was compiled elsewhere, one line each; none if it can."""
    impossible = refusals(sends, verdicts)
    problems = [f'"{name}": {impossible[name]}' for name in sorted(program.requires & impossible.keys())]
    if "redirect" in program.actions and not sends:
        problems.append(f'"redirect": {_NO_SENDING}')
    return problems


_WHOLE_HEADER: Final = frozenset({"redirect", "vacation", "reject", "notify"})
"""Actions that make letters of a message's header."""


def header_fields_of(program: Program, checkers: Verdicts = _NO_CHECKERS) -> frozenset[str] | None:
    """Return the header fields that a program may ask for, in lower case; None if it may ask for any."""
    if program.any_header or WholeHeader() in program.questions or program.actions & _WHOLE_HEADER:
        return None
    envelope = [name for part in program.needs_envelope for name in ENVELOPE.get(part, ())]
    verdicts = checkers.headers if program.requires & _VERDICTS else ()
    return program.headers.union(_NAMING, verdicts, envelope, ("received",) if "to" in program.needs_envelope else ())


def items_to_fetch(names: frozenset[str] | None) -> tuple[FetchItem, ...]:
    """Return the items of the one FETCH that tells what rules may ask: these header fields, or all."""
    section = Section(text=SectionText.HEADER)
    if names is not None:
        asked = tuple(sorted(name.encode("utf-8", "surrogateescape") for name in names))
        section = Section(text=SectionText.HEADER_FIELDS, fields=asked)
    return (
        Attribute.UID,
        Attribute.FLAGS,
        Attribute.INTERNALDATE,
        Attribute.RFC822_SIZE,
        BodySection(section, peek=True),
    )


WHOLE: Final[tuple[FetchItem, ...]] = (Attribute.UID, BodySection(Section(), peek=True, partial=(0, LARGEST)))
"""What fetches a message itself; of one that is larger, its beginning."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """
    What the server told about a message, as far as it has.

    Attributes:
        uid: Its UID.
        flags: Its flags.
        internal_date: Seconds since 1970, UTC; 0 if not told.
        size: Octets; 0 if not told.
        fields: Names and unfolded values of the header fields; None as long as they are not told.
        whole: The message itself, None if it was not asked for.
        structure: Of its parts, None if it was not asked for.
        sections: Those of its parts that were asked for.

    """

    uid: UID
    flags: Flags = NO_FLAGS
    internal_date: int = 0
    size: int = 0
    fields: tuple[tuple[str, str], ...] | None = None
    whole: bytes | None = field(default=None, repr=False)
    structure: BodyStructure | None = field(default=None, repr=False)
    sections: tuple[tuple[Section, bytes], ...] = field(default=(), repr=False)

    def with_items(self, items: Iterable[FetchedItem]) -> Self:
        """Return this with what a FETCH response tells; servers may tell it in pieces."""
        told: dict[str, Any] = {}
        sections = self.sections
        for item in items:
            match item:
                case FlagsItem(flags):
                    told["flags"] = flag_set(flags)
                case InternalDateItem(date):
                    told["internal_date"] = date
                case SizeItem(octets):
                    told["size"] = octets
                case BodyStructureItem(structure):
                    told["structure"] = structure
                case BodyItem(section=Section(part=(), text=SectionText.PART), data=bytes(data)):
                    told["whole"] = data
                case BodyItem(section=Section(part=(_, *_)) as section, data=bytes(data)):
                    sections = _with_section(sections, section, data)
                case BodyItem(section=section, data=bytes(data)):
                    told["fields"] = tuple([(_text(name), _text(unfold(value))) for name, value in fields(data)])
                    if section.text is SectionText.HEADER:
                        sections = _with_section(sections, section, data)
                case _:
                    pass
        return replace(self, sections=sections, **told)

    @property
    def message_id(self) -> str:
        """Its Message-ID, "" if it has none."""
        return _clean(self._first("message-id"))[:MAX_MESSAGE_ID]

    @property
    def sender(self) -> str:
        """Its From, decoded, "" if it has none."""
        return _clean(_decoded(self._first("from")[: 4 * MAX_NAME]))[:MAX_NAME]

    @property
    def subject(self) -> str:
        """Its subject, decoded, "" if it has none."""
        return _clean(_decoded(self._first("subject")[: 4 * MAX_NAME]))[:MAX_NAME]

    def values(self, wanted: str) -> list[str]:
        """Return the values of all fields of that name (in lower case), as they are written."""
        return [value for name, value in self.fields or () if name.rstrip(" \t").lower() == wanted]

    def _first(self, wanted: str) -> str:
        return next(iter(self.values(wanted)), "")

    def envelope(self, part: str) -> tuple[str, ...]:
        """Return the path that delivery noted of a part of the envelope, "from" or "to"; none if it did not."""
        for name in ENVELOPE[part]:
            value = self._first(name).strip()
            if value:
                return (value.removeprefix("<").removesuffix(">"),)
        if part == "to":  # "for" of the field that was added last (RFC 5321 §4.4)
            found = _FOR.search(self._first("received"))
            if found is not None:
                return (found[1],)
        return ()

    def facts(
        self,
        program: Program,
        mailboxes: frozenset[str] | None,
        answers: Callable[[Question[Any]], Any] = _unanswered,
        checkers: Verdicts = _NO_CHECKERS,
    ) -> HeaderFacts:
        """
        Return what the rules are told.

        Args:
            program: The rules.
            mailboxes: The names of all mailboxes, None if they are not known yet.
            answers: Answers what only some scripts ask.
            checkers: Whose fields were fetched, too.

        """
        return HeaderFacts(
            self.fields or (),
            only=header_fields_of(program, checkers),
            size=self.size,
            envelope={part: self.envelope(part) for part in program.needs_envelope},
            mailboxes=mailboxes,
            decode=_decoded,
            answers=answers,
        )


def rule_message(account: str, mailbox: str, message: Gathered, fetch: Callable[[], Awaitable[bytes]]) -> Message:
    """
    Return what a rule in Python gets to know.

    Args:
        account: The account's name.
        mailbox: Where the message is.
        message: It, with its whole header.
        fetch: Gets the message itself.

    """
    return Message(
        message.fields or (),
        account=account,
        mailbox=mailbox,
        size=message.size,
        flags=message.flags,
        received=message.internal_date,
        sender=next(iter(message.envelope("from")), None),
        recipient=next(iter(message.envelope("to")), None),
        decode=_decoded,
        fetch=fetch,
        parse=Entity,
    )


_FOR = re.compile(r"\bfor\s+<([^<>\s]{1,320})>")


def _with_section(
    sections: tuple[tuple[Section, bytes], ...], section: Section, data: bytes
) -> tuple[tuple[Section, bytes], ...]:
    """Add a section; one that was told before is another one now, and what is too much for one message is dropped."""
    others = tuple([one for one in sections if one[0] != section])
    if len(data) + sum(len(told) for _, told in others) > LARGEST or len(others) >= MAX_SECTIONS:
        return others
    return (*others, (section, data))


def _text(raw: bytes) -> str:
    """Header octets as text, as a script's octets are read: UTF-8 (RFC 6532), what is not UTF-8 as surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def _clean(text: str) -> str:
    """Text that a database takes: what was not UTF-8 is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))
