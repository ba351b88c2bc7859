"""A compiled script: what it may ask, what it may do, and the steps themselves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .comparator import Comparator
from .facts import Question
from .run import Asked, Run
from .skip import Clues

Test = Callable[[Run], bool]
"""A compiled test. Raises Missing, SieveRuntimeError."""

Step = Callable[[Run], None]
"""A compiled command. Raises Missing, SieveRuntimeError, Stop."""


@dataclass(slots=True)
class Inventory:
    """What was seen while a script is compiled; becomes the public part of a Program."""

    headers: set[str] = field(default_factory=set)
    size: bool = False
    envelope: set[str] = field(default_factory=set)
    tested_mailboxes: set[str] = field(default_factory=set)
    filed_mailboxes: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    questions: set[Question[Any]] = field(default_factory=set)
    any_header: bool = False
    any_mailbox: bool = False
    warnings: list[str] = field(default_factory=list)
    asked: dict[tuple[str, str, str, str], Asked] = field(default_factory=dict)
    clues: dict[Test | Step, Clues] = field(default_factory=dict)
    """Of tests, and of steps that do nothing if none is there."""

    def ask(self, where: str, name: str, part: str, comparator: Comparator) -> Asked:
        """Return the one object of this program that stands for these values."""
        return self.asked.setdefault((where, name, part, comparator.name), Asked(where, name, part, comparator))


@dataclass(frozen=True, slots=True)
class Program:
    """
    A script that compiled; made by `compile_script`, run by `evaluate`, shared by any number of messages.

    Attributes:
        requires: The capabilities it requires.
        headers: The header fields it may ask for, in lower case (see `Need.headers`: quote them).
        needs_size: It may ask for the size.
        needs_envelope: The envelope parts it may ask for.
        actions: The names of the actions it may take, as "keep", "fileinto", "discard", "redirect".
        mailboxes: The mailboxes it may file into or ask about.
        tested_mailboxes: Those of them of which it may ask whether they exist.
        any_header: It may also ask for header fields that nobody can tell before it runs: `Need` names them then.
        any_mailbox: The same for mailboxes, to file into or to ask about.
        questions: What else it may ask, as far as that can be told before it runs.
        warnings: What will fail when a message gets there, each with its line.

    """

    requires: frozenset[str]
    headers: frozenset[str]
    needs_size: bool
    needs_envelope: frozenset[str]
    actions: frozenset[str]
    mailboxes: frozenset[str]
    tested_mailboxes: frozenset[str]
    body: Step = field(repr=False)
    any_header: bool = False
    any_mailbox: bool = False
    questions: frozenset[Question[Any]] = frozenset()
    warnings: tuple[str, ...] = ()
