"""Messages from files, and all that a script may ask about one."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...mime.decode import decoded_header
from ...mime.entity import Entity
from ...sieve import HeaderFacts
from ...sieve.address import addresses
from ...sieve.facts import Question
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
)
from ..failure import CommandFailed
from .script import name_of

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Octets of one file of messages that is read at once."""

_NEXT_MESSAGE = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_ENVIRONMENT = {"name": "mailhorn", "location": "MDA", "phase": "during"}


@dataclass(frozen=True, slots=True)
class Mail:
    """
    A message.

    Attributes:
        name: What it is called for people.
        data: Its octets.
        sender: The envelope's sender, if the file says who that is.
        size: Its size, if not all octets of it were read; None: they were.

    """

    name: str
    data: bytes
    sender: str | None = None
    size: int | None = None


def mails_of(path: Path) -> Iterator[Mail]:
    """Yield the messages of a file, an mbox file or a Maildir. Raises CommandFailed."""
    try:
        if path.is_dir():
            yield from _maildir(path)
            return
        if str(path) == "-":
            data = sys.stdin.buffer.read(LARGEST_MESSAGE + 1)
        else:
            with path.open("rb") as file:
                data = file.read(LARGEST_MESSAGE + 1)
    except OSError as error:
        raise CommandFailed(f"{name_of(path)}: cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_MESSAGE:
        raise CommandFailed(f"{name_of(path)}: is larger than {LARGEST_MESSAGE // 1024 // 1024} MiB; split it")
    if data.startswith(b"From "):
        yield from _mbox(name_of(path), data)
    else:
        yield Mail(name_of(path), data)


def _maildir(path: Path) -> Iterator[Mail]:
    if not (path / "cur").is_dir():
        raise CommandFailed(f"{path}: is no Maildir: there is no cur in it")
    files = [file for folder in ("cur", "new") if (path / folder).is_dir() for file in (path / folder).iterdir()]
    for file in sorted(files):
        yield Mail(f"{file.parent.name}/{file.name}", file.read_bytes())


def _mbox(name: str, data: bytes) -> Iterator[Mail]:
    """Messages begin at a line `From ADDRESS DATE` behind an empty line (RFC 4155); the rest is taken as it is."""
    starts = [match for match in _NEXT_MESSAGE.finditer(data) if _is_start(data, match.start())]
    ends = [match.start() for match in starts[1:]] + [len(data)]
    for number, (match, end) in enumerate(zip(starts, ends, strict=True), 1):
        sender = match.group().split()[1:2]
        message = _QUOTED_FROM.sub(rb"\1", data[match.end() : end].removesuffix(b"\n"))
        yield Mail(f"{name}:{number}", message, sender[0].decode("utf-8", "replace") if sender else None)


def _is_start(data: bytes, at: int) -> bool:
    return at == 0 or data.endswith((b"\n\n", b"\n\r\n"), 0, at)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What is not in a message.

    Attributes:
        sender: The envelope's sender; None: what the message says.
        recipient: The envelope's recipient; None: what the message says.
        now: Seconds since 1970; None: the clock.
        mailboxes: Mailboxes that there are, besides INBOX.

    """

    sender: str | None = None
    recipient: str | None = None
    now: float | None = None
    mailboxes: tuple[str, ...] = ()


class Answers:
    """Answers what scripts ask about one message. Programs are not run, there are no lists and no notes."""

    def __init__(self, entity: Entity, now: Instant, seen: set[tuple[str, str]], owner: str) -> None:
        """Take the message, the time, what was seen before (handles, values of `duplicate`), and whose script it is."""
        self._entity = entity
        self._now = now
        self._seen = seen
        self._owner = owner

    def __call__(self, question: Question[Any]) -> Any:
        """Return the answer."""
        match question:
            case Structure():
                return self._entity
            case Now():
                return self._now
            case Environment(name):
                return (_ENVIRONMENT[name],) if name in _ENVIRONMENT else ()
            case Duplicate(handle, value):
                return (handle, value) in self._seen
            case NotifyCapability(_, capability):
                return ("maybe",) if capability == "online" else ()
            case Metadata() | InList():
                return ()
            case Owner():
                return self._owner
            case Verdict():
                return 0
            case Ran():
                return (False, b"")
            case SpecialUse() | MailboxIdExists() | ListKnown():
                return False
        return None


def facts_of(mail: Mail, around: Circumstances, now: Instant, seen: set[tuple[str, str]]) -> HeaderFacts:
    """Return all that a script may ask about a message; nothing is missing."""
    entity = Entity(mail.data)
    sender, recipient = envelope_of(mail, entity, around)
    return HeaderFacts(
        entity.fields(),
        size=len(mail.data) if mail.size is None else mail.size,
        envelope={"from": [sender], "to": [recipient], "auth": []},
        mailboxes=("INBOX", *around.mailboxes),
        decode=_decoded,
        answers=Answers(entity, now, seen, recipient),
    )


def envelope_of(mail: Mail, entity: Entity, around: Circumstances) -> tuple[str, str]:
    """Return sender and recipient: what was said, or else what the message says."""
    sender, recipient = around.sender, around.recipient
    if sender is None:
        sender = _first(entity, "return-path") or mail.sender or _first(entity, "from")
    if recipient is None:
        recipient = _first(entity, "delivered-to") or _first(entity, "x-original-to") or _first(entity, "to")
    return sender.strip("<> "), recipient.strip("<> ")


def _first(entity: Entity, name: str) -> str:
    for value in entity.structured(name):
        for address in addresses(value):
            return address.whole
    return ""


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))


__all__ = ["Circumstances", "Mail", "facts_of", "mails_of"]
