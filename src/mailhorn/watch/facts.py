"""What is asked of the server about a message, and what the rules get to know of it. Pure.

Rule 1: one FETCH of exactly the header fields the script may ask for, with Message-ID, From and Subject, by which the
journal and its readers know a message; bodies are not fetched. Rule 2: nothing the sender wrote can fail here; what
makes no sense is kept as it is. Rule 3: what a watcher cannot know or do (envelope, redirect) is refused when the
script is installed, with its line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from ..imap.commands import Attribute, BodySection, FetchItem, Section, SectionText
from ..imap.responses import BodyItem, FetchedItem, FlagsItem, InternalDateItem, SizeItem
from ..mime.decode import decoded_header
from ..mime.header import fields, unfold
from ..model.flags import NO_FLAGS, Flags, flag_set
from ..model.ids import UID
from ..sieve import HeaderFacts, Program, compile_script, offered
from ..sieve.errors import Source
from ..sieve.parser import parse

OFFERS: Final = offered()
"""What a script may require here. There is no envelope in a mailbox (RFC 5228 §5.4)."""

_UNDOABLE: Final = {
    "redirect": "a watcher cannot send mail, so there is no redirect here",
    "reject": "a watcher cannot reject: the message has been accepted long ago",
    "ereject": "a watcher cannot reject: the message has been accepted long ago",
    "vacation": "a watcher cannot send mail, so there is no vacation here",
}

_NAMING: Final = frozenset({"message-id", "from", "subject"})
"""What a message is known by, to programs and to people."""

_UNTOLD: Final = "names of header fields cannot be variables: a watcher fetches what the script names"

MAX_MESSAGE_ID = 998
"""Characters kept of a Message-ID: one line (RFC 5322 §2.1.1)."""
MAX_NAME = 200
"""Characters kept of sender and subject: more than fit on a line of a terminal."""


def install(text: str) -> Program:
    """
    Compile a script for a watcher.

    Raises:
        SieveError: It is not valid, or asks for what a watcher cannot do; with line and column.

    """
    source = Source(text)
    waiting = list(parse(source))
    while waiting:
        command = waiting.pop()
        if command.name in _UNDOABLE:
            raise source.error(command.start, _UNDOABLE[command.name])
        waiting.extend(command.block or ())
    program = compile_script(text, OFFERS)
    if program.any_header:
        raise source.error(0, _UNTOLD)
    return program


def check_program(program: Program) -> list[str]:
    """Return why a watcher cannot run a program that was compiled elsewhere, one line each; none if it can."""
    problems = [_UNDOABLE[action] for action in sorted(program.actions & _UNDOABLE.keys())]
    if program.any_header:
        problems.append(_UNTOLD)
    if program.needs_envelope:
        problems.append("a watcher sees no envelope: mail in a mailbox has none")
    return problems


def items_to_fetch(program: Program) -> tuple[FetchItem, ...]:
    """Return the items of the one FETCH that tells all a program may ask."""
    names = tuple(sorted(name.encode("utf-8", "surrogateescape") for name in program.headers | _NAMING))
    return (
        Attribute.UID,
        Attribute.FLAGS,
        Attribute.INTERNALDATE,
        Attribute.RFC822_SIZE,
        BodySection(Section(text=SectionText.HEADER_FIELDS, fields=names), peek=True),
    )


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

    """

    uid: UID
    flags: Flags = NO_FLAGS
    internal_date: int = 0
    size: int = 0
    fields: tuple[tuple[str, str], ...] | None = None

    def with_items(self, items: Iterable[FetchedItem]) -> Self:
        """Return this with what a FETCH response tells; servers may tell it in pieces."""
        known = self
        for item in items:
            match item:
                case FlagsItem(flags):
                    known = replace(known, flags=flag_set(flags))
                case InternalDateItem(date):
                    known = replace(known, internal_date=date)
                case SizeItem(octets):
                    known = replace(known, size=octets)
                case BodyItem(data=bytes(data)):
                    known = replace(
                        known, fields=tuple((_text(name), _text(unfold(value))) for name, value in fields(data))
                    )
                case _:
                    pass
        return known

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

    def _first(self, wanted: str) -> str:
        for name, value in self.fields or ():
            if name.rstrip(" \t").lower() == wanted:
                return value
        return ""

    def facts(self, program: Program, mailboxes: frozenset[str] | None) -> HeaderFacts:
        """Return what the rules are told; `mailboxes` are the names of all mailboxes, None if not asked yet."""
        return HeaderFacts(
            self.fields or (),
            only=program.headers | _NAMING,
            size=self.size,
            mailboxes=mailboxes,
            decode=_decoded,
        )


def _text(raw: bytes) -> str:
    """Header octets as text, as a script's octets are read: UTF-8 (RFC 6532), what is not UTF-8 as surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def _clean(text: str) -> str:
    """Text that a database takes: what was not UTF-8 is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))
