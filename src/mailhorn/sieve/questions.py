"""
What only some scripts want to know, as data; whoever runs the script answers (see `facts.Facts.answer`).

An answer is never None: "there is no such thing" is an empty tuple.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from .facts import Question, WholeHeader


class Entity(Protocol):
    """A message or a part of one, as a tree (RFC 2045, RFC 5703); mailhorn.mime.entity has one that fits."""

    @property
    def type(self) -> str:
        """The media type in lower case, as "text"."""

    @property
    def subtype(self) -> str:
        """The subtype in lower case, as "plain"."""

    @property
    def children(self) -> Sequence["Entity"]:
        """The parts of a multipart, the message in a message/rfc822, else none."""

    @property
    def span(self) -> tuple[int, int]:
        """Offsets into the message: where its header begins, where its body ends."""

    def around(self) -> Sequence[str]:
        """Return of a multipart what stands before its first part and after its last one, as text."""

    def walk(self) -> Iterator["Entity"]:
        """Yield this and all below it, in the order of the message."""

    def header(self, name: str) -> Sequence[str]:
        """Return the values of all fields of that name (in lower case), decoded, unfolded and trimmed."""

    def structured(self, name: str) -> Sequence[str]:
        """Return the same with encoded words left as they are."""

    def fields(self) -> Sequence[tuple[str, str]]:
        """Return names and unfolded values of all fields of its header."""

    def decoded_fields(self) -> Sequence[str]:
        """Return the values of the same fields, decoded and trimmed."""

    def parsed(self, data: bytes) -> "Entity":
        """Return another message."""

    def raw(self) -> bytes:
        """Return the octets of its body as they stand in the message."""

    def whole(self) -> bytes:
        """Return its octets, header and body, as they stand in the message."""

    def data(self) -> bytes:
        """Return its body with the transfer encoding undone."""

    def text(self) -> str:
        """Return its body as text, transfer encoding and charset undone; "" for a multipart."""

    def plain(self) -> str:
        """Return the same as one reads it: of HTML without the markup; "" if the transfer encoding is unknown."""


@dataclass(frozen=True)
class Structure(Question[Entity]):
    """The message itself, with its parts: the body must be fetched."""


@dataclass(frozen=True, slots=True)
class Instant:
    """
    A point in time.

    Attributes:
        seconds: Since 1970 began in UTC.
        zone: Minutes east of UTC: where its date is read.

    """

    seconds: int
    zone: int = 0


@dataclass(frozen=True)
class Now(Question[Instant]):
    """The time now, in the zone of the user or the server; the same while one message is filtered (RFC 5260 §5)."""


@dataclass(frozen=True)
class Owner(Question[str]):
    """The address of whose script it is; "" if there is none."""


@dataclass(frozen=True)
class Environment(Question[tuple[str, ...]]):
    """
    An item of the environment (RFC 5183 §4): one string, or none if it is not known.

    Attributes:
        name: In lower case.

    """

    name: str


@dataclass(frozen=True)
class Duplicate(Question[bool]):
    """
    Whether a message of this kind was seen before, within the time it was remembered for (RFC 7352 §3).

    Attributes:
        handle: Of one handle each message is remembered apart.
        value: What is alike in such messages.

    """

    handle: str
    value: str


@dataclass(frozen=True)
class SpecialUse(Question[bool]):
    """
    Whether a mailbox has a special use (RFC 8579 §3).

    Attributes:
        mailbox: Its name; None: any mailbox of the user.
        use: The attribute with its backslash, as it is written.

    """

    mailbox: str | None
    use: str


@dataclass(frozen=True)
class MailboxIdExists(Question[bool]):
    """Whether there is a mailbox of that MAILBOXID (RFC 9042 §3)."""

    id: str


@dataclass(frozen=True)
class Metadata(Question[tuple[str, ...]]):
    """
    An annotation (RFC 5464): one value, or none if there is no such annotation.

    Attributes:
        mailbox: The mailbox; None: the server.
        name: The name of the entry, as "/private/vacation".

    """

    mailbox: str | None
    name: str


@dataclass(frozen=True)
class ListKnown(Question[bool]):
    """Whether a list (RFC 6134) can be looked into."""

    name: str


@dataclass(frozen=True)
class InList(Question[tuple[str, ...]]):
    """A value as a list has it (RFC 6134 §2.2): one string, or none if it is not in the list."""

    name: str
    value: str


@dataclass(frozen=True)
class Verdict(Question[int]):
    """
    What a checker said of the message (RFC 5235).

    Attributes:
        kind: "spam": 0 not tested, else 1 + per cent (1 to 101); "virus": 0 to 5.

    """

    kind: str


@dataclass(frozen=True)
class NotifyCapability(Question[tuple[str, ...]]):
    """
    What is known of a way to notify (RFC 5435 §5): one string, or none if nothing is.

    Attributes:
        uri: The way.
        capability: As "online": then "yes", "no" or "maybe".

    """

    uri: str
    capability: str


@dataclass(frozen=True)
class Ran(Question[tuple[bool, bytes]]):
    """
    Run a program on the message at once (vnd.mailhorn.filter, vnd.mailhorn.execute): did it succeed, and its output.

    Attributes:
        kind: "filter" or "execute".
        program: Its name.
        arguments: Its arguments.
        input: Its standard input.

    """

    kind: str
    program: str
    arguments: tuple[str, ...]
    input: bytes


__all__ = [
    "Duplicate",
    "Entity",
    "Environment",
    "InList",
    "Instant",
    "ListKnown",
    "MailboxIdExists",
    "Metadata",
    "NotifyCapability",
    "Now",
    "Owner",
    "Ran",
    "SpecialUse",
    "Structure",
    "Verdict",
    "WholeHeader",
]
