"""
The state of one evaluation: what was asked, what was decided.

Rule 1: every test sees values as octets (RFC 5228 §2.7.2), made once per evaluation and kept. Rule 2: a fact that is
missing raises `Missing`, which `evaluate` turns into a `Need`. Rule 3: nothing here outlives the evaluation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from .actions import Discard, FileInto, Flags, Keep, Matched, Redirect, Step, mailbox_key, merge
from .address import Address, addresses, envelope_address
from .errors import SieveRuntimeError
from .facts import Facts
from .limits import ADDRESS_COST, MAX_ACTIONS, MAX_FLAGS, MAX_OCTETS_COMPARED, MAX_REDIRECTS

_Fact = TypeVar("_Fact")


class Missing(Exception):
    """A fact is not gathered yet."""


class Stop(Exception):
    """The script said `stop`."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """
    What a test compares. A program has one object for each, so looking it up costs no hashing of strings.

    Attributes:
        where: "header", "address" or "envelope".
        name: The header field in lower case, or the part of the envelope.
        part: "all", "localpart" or "domain"; "" for whole header values.
        fold: ASCII letters are compared without case (i;ascii-casemap).

    """

    where: str
    name: str
    part: str
    fold: bool


class Values(NamedTuple):
    """The values found, and how many octets they are together (and one each, so that empty ones count)."""

    octets: tuple[bytes, ...]
    total: int


def octets(text: str) -> bytes:
    """Return the text in UTF-8; octets that never were UTF-8 come as surrogates and go as themselves."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


class Run:
    """One evaluation."""

    __slots__ = ("_asked", "_compared", "_facts", "_redirects", "_steps", "flags", "implicit_keep", "trace")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._asked: dict[Asked, Values] = {}
        self._compared = 0
        self._redirects = 0
        self._steps: dict[tuple[str, str], Step] = {}
        self.implicit_keep = True
        self.flags: dict[str, str] | None = None
        """The internal variable of RFC 5232: lower case to spelling; None as long as the script has not touched it."""
        self.trace: list[Matched] = []

    # What is asked

    def values(self, asked: Asked, line: int) -> Values:
        """Return the octets a test compares; the line is the test's. Raises Missing, SieveRuntimeError."""
        known = self._asked.get(asked)
        if known is None:
            texts: Iterable[str]
            if asked.where == "header":
                texts = (value.strip(" \t\r\n") for value in present(self._facts.header(asked.name)))
            elif asked.where == "address":
                fields = present(self._facts.structured(asked.name))
                self.charge(sum(map(len, fields)) * ADDRESS_COST, line)
                texts = _parts((address for field in fields for address in addresses(field)), asked.part)
            else:
                texts = _parts(map(envelope_address, present(self._facts.envelope(asked.name))), asked.part)
            found = tuple(octets(text).lower() if asked.fold else octets(text) for text in texts)
            known = self._asked[asked] = Values(found, sum(map(len, found)) + len(found))
        return known

    def has_header(self, name: str) -> bool:
        """Say whether the message has a field of that name. Raises Missing."""
        return bool(present(self._facts.structured(name)))

    def size(self) -> int:
        """Return the size of the message. Raises Missing."""
        return present(self._facts.size())

    def mailbox_exists(self, name: str) -> bool:
        """Say whether the mailbox exists. Raises Missing."""
        return present(self._facts.mailbox_exists(name))

    def charge(self, compared: int, line: int) -> None:
        """Count octets that are about to be compared. Raises SieveRuntimeError when a message costs too much."""
        self._compared += compared
        if self._compared > MAX_OCTETS_COMPARED:
            raise SieveRuntimeError(line, "comparing this message with the script takes too long")

    # What is decided

    def keep(self, flags: Flags | None, line: int) -> None:
        """Take the action keep."""
        earlier = self._steps.get(("keep", ""))
        if isinstance(earlier, Keep) and flags is None and earlier.flags is not None:
            flags = frozenset()  # "the last flag list value MUST win" (RFC 5232 §3), and the last one is empty
        self._put(("keep", ""), Keep(flags, line))
        self.implicit_keep = False

    def file_into(self, step: FileInto) -> None:
        """Take the action fileinto; a mailbox that was named before stays one step (RFC 5228 §2.10.3)."""
        key = ("fileinto", mailbox_key(step.mailbox))
        earlier = self._steps.get(key)
        self._put(key, merge(earlier, step) if isinstance(earlier, FileInto) else step)
        if not step.copy:
            self.implicit_keep = False

    def redirect(self, step: Redirect) -> None:
        """Take the action redirect."""
        key = ("redirect", step.address)
        earlier = self._steps.get(key)
        if earlier is None:
            self._redirects += 1
            if self._redirects > MAX_REDIRECTS:
                raise SieveRuntimeError(step.line, f"more than {MAX_REDIRECTS} redirects of one message")
        if not isinstance(earlier, Redirect) or earlier.copy:
            self._put(key, step)
        if not step.copy:
            self.implicit_keep = False

    def discard(self, line: int) -> None:
        """Take the action discard."""
        self._put(("discard", ""), Discard(line))
        self.implicit_keep = False

    def set_flags(self, flags: dict[str, str], line: int) -> None:
        """Replace the internal variable."""
        if len(flags) > MAX_FLAGS:
            raise SieveRuntimeError(line, f"more than {MAX_FLAGS} flags on one message")
        self.flags = flags

    def current_flags(self) -> Flags | None:
        """Return the internal variable's flags, None if the script has not touched it."""
        return None if self.flags is None else frozenset(self.flags.values())

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in their order."""
        return tuple(self._steps.values())

    def _put(self, key: tuple[str, str], step: Step) -> None:
        self._steps.pop(key, None)  # what is said again is said last: flags of keep and fileinto "INBOX" depend on it
        self._steps[key] = step
        if len(self._steps) > MAX_ACTIONS:
            raise SieveRuntimeError(step.line, f"more than {MAX_ACTIONS} actions on one message")


def present(fact: _Fact | None) -> _Fact:
    """Return the fact. Raises Missing if it is None."""
    if fact is None:
        raise Missing
    return fact


def _parts(found: Iterable[Address], part: str) -> Sequence[str]:
    """Return the parts to compare; "If an address is not syntactically valid", only :all sees it (RFC 5228 §2.7.4)."""
    if part == "all":
        return [address.whole for address in found]
    if part == "localpart":
        return [address.local_part for address in found if address.local_part is not None]
    return [address.domain for address in found if address.domain is not None]
