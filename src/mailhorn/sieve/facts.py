"""
What a script may ask about a message, and what it still needs to know.

The engine never fetches anything. It asks `Facts`; a None means "not gathered yet", and then `evaluate` returns a
`Need` that names everything the program could ask and that is not there. Who called gathers it and calls again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from .actions import mailbox_key

_Answer = TypeVar("_Answer")


class Question(Generic[_Answer]):
    """
    What only some scripts want to know; the questions are in `questions.py`, and each says of what kind its answer is.

    Questions are compared by value, so that their answers can be kept.
    """


@dataclass(frozen=True, slots=True)
class Header:
    """
    All fields of a header in their order.

    Attributes:
        fields: Name as written, value unfolded, value decoded (RFC 2047) as well.

    """

    fields: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class WholeHeader(Question[Header]):
    """All header fields of the message."""


class Facts(Protocol):
    """What is known about one message. None always means: not gathered yet."""

    def header(self, name: str) -> Sequence[str] | None:
        """Return the values of all fields of that name (in lower case), decoded (RFC 2047) and unfolded."""

    def structured(self, name: str) -> Sequence[str] | None:
        """
        Return the values of all fields of that name unfolded, with encoded words left as they are.

        Addresses are read from these: in a decoded value a sender could hide commas and at-signs in a phrase,
        and a phrase is never to be taken for an address (RFC 5228 §5.1, RFC 2047 §6.2).
        """

    def size(self) -> int | None:
        """Return the octets of the message."""

    def envelope(self, part: str) -> Sequence[str] | None:
        """Return the paths of the envelope part ("from" or "to"); the null path is ""."""

    def mailbox_exists(self, name: str) -> bool | None:
        """Say whether the mailbox exists and messages can be filed there (RFC 5490 §3.1)."""

    def answer(self, question: Question[_Answer]) -> _Answer | None:
        """Answer what only some scripts want to know; an answer stays the same while a message is filtered."""


@dataclass(frozen=True, slots=True)
class Need:
    """
    What must be gathered before the script can decide: all of it, so one round trip is enough.

    Attributes:
        headers: Names of header fields, in lower case. They are whatever the script says within the syntax of
            RFC 5322 §3.6.8, so they may hold `{`, `"` or `\\`: quote them.
        size: The size is needed.
        envelope: Envelope parts, "from" or "to".
        mailboxes: Mailboxes of which it must be known whether they exist.
        questions: What else is to be answered.

    """

    headers: frozenset[str] = frozenset()
    size: bool = False
    envelope: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()
    questions: frozenset[Question[Any]] = frozenset()

    def __or__(self, other: "Need") -> "Need":
        """Return what either needs."""
        return Need(
            self.headers | other.headers,
            self.size or other.size,
            self.envelope | other.envelope,
            self.mailboxes | other.mailboxes,
            self.questions | other.questions,
        )


def _unanswered(question: Question[Any]) -> Any:
    return None


def _as_it_is(value: str) -> str:
    return value


class HeaderFacts:
    """Facts from what delivery and the watcher have at hand: header fields, size, envelope, names of mailboxes."""

    def __init__(
        self,
        fields: Iterable[tuple[str, str]] | None = None,
        *,
        only: Collection[str] | None = None,
        size: int | None = None,
        envelope: Mapping[str, Sequence[str]] | None = None,
        mailboxes: Collection[str] | None = None,
        decode: Callable[[str], str] = _as_it_is,
        answers: Callable[[Question[Any]], Any] = _unanswered,
    ) -> None:
        """
        Take what is known; None where nothing is.

        Args:
            fields: Names and unfolded values of the message's header fields, in their order.
            only: The names, in any case, that were fetched; None: the fields are the whole header.
            size: The octets of the message.
            envelope: Paths under "from" and "to".
            mailboxes: The names of all mailboxes that exist.
            decode: Decodes the encoded words (RFC 2047) of one value; called for values a script looks at, once
                each. Without it the values are used as they are.
            answers: Answers a question, or returns None; asked once for each. The whole header need not be answered.

        """
        self._answers = answers
        self._answered: dict[Question[Any], Any] = {}
        self._raw: dict[str, tuple[str, ...]] | None = None
        self._fields: tuple[tuple[str, str], ...] = ()
        if fields is not None:
            found: dict[str, list[str]] = {name.lower(): [] for name in only or ()}
            self._fields = tuple(fields)
            for name, value in self._fields:
                found.setdefault(name.rstrip(" \t").lower(), []).append(value)
            self._raw = {name: tuple(values) for name, values in found.items()}
        self._is_whole = only is None
        self._size = size
        self._envelope = envelope
        self._mailboxes = None if mailboxes is None else frozenset(map(mailbox_key, mailboxes))
        self._decode = decode
        self._decoded: dict[str, tuple[str, ...]] = {}

    def header(self, name: str) -> Sequence[str] | None:
        """Return the decoded values of all fields of that name, None if they were not gathered."""
        decoded = self._decoded.get(name)
        if decoded is None:
            raw = self.structured(name)
            if raw is None:
                return None
            decoded = self._decoded[name] = tuple(map(self._decode, raw))
        return decoded

    def structured(self, name: str) -> Sequence[str] | None:
        """Return the values of all fields of that name as they were given, None if they were not gathered."""
        if self._raw is None:
            return None
        return self._raw.get(name.lower(), () if self._is_whole else None)

    def size(self) -> int | None:
        """Return the octets of the message, None if not known."""
        return self._size

    def envelope(self, part: str) -> Sequence[str] | None:
        """Return the paths of the envelope part, None if there is no envelope at all."""
        return None if self._envelope is None else self._envelope.get(part.lower(), ())

    def mailbox_exists(self, name: str) -> bool | None:
        """Say whether the mailbox exists, None if mailboxes were not gathered."""
        return None if self._mailboxes is None else mailbox_key(name) in self._mailboxes

    def answer(self, question: Question[_Answer]) -> _Answer | None:
        """Answer the question, None if that cannot be done yet."""
        known: Any = self._answered.get(question)
        if known is None:
            known = self._answers(question)
            if known is None and isinstance(question, WholeHeader) and self._raw is not None and self._is_whole:
                known = Header(tuple((name, value, self._decode(value)) for name, value in self._fields))
            if known is not None:
                self._answered[question] = known
        return cast("_Answer | None", known)
