"""
How commands, tests and extensions are described: what a word may look like and how it becomes a closure.

The words themselves stand in `base.py` and in `ext/`; `ext/__init__.py` lists all extensions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .errors import SieveError, Source
from .parser import Argument, Command
from .program import Inventory, Step, Test


class Takes(Enum):
    """The type of an argument; the value is how an error message calls it."""

    NUMBER = "a number"
    STRING = "a string"
    STRINGS = "a string or a list of strings"


class Tests(Enum):
    """How many tests follow the arguments; the value is how an error message calls it."""

    NONE = "no test"
    ONE = "one test"
    LIST = "a list of tests in parentheses"


@dataclass(frozen=True, slots=True)
class Tagged:
    """
    A tagged argument (RFC 5228 §2.6.2).

    Attributes:
        name: The tag without its colon, in lower case.
        group: Of one group a command takes at most one tag.
        takes: The argument that follows the tag, None if there is none.

    """

    name: str
    group: str
    takes: Takes | None = None


Value = int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """
    A command or a test whose arguments have been checked.

    Attributes:
        source: The script.
        node: What was written.
        line: Its line.
        tags: The tags that were given, by group: the name of the tag, and its value (the name again if it has none).
        values: The positional arguments.
        at: The positional arguments as they were written.
        tests: The compiled tests.
        inventory: To be told what the program may ask and do.

    """

    source: Source
    node: Command
    line: int
    tags: Mapping[str, tuple[str, Value]]
    values: tuple[Value, ...]
    at: tuple[Argument, ...]
    tests: tuple[Test, ...]
    inventory: Inventory

    def choice(self, group: str, default: str) -> str:
        """Return the name of the tag that was given of the group."""
        return self.tags[group][0] if group in self.tags else default

    def has(self, group: str) -> bool:
        """Say whether a tag of the group was given."""
        return group in self.tags

    def tag_strings(self, group: str) -> tuple[str, ...] | None:
        """Return the strings after the tag of the group, None if it was not given."""
        value = self.tags[group][1] if group in self.tags else None
        return value if isinstance(value, tuple) else None

    def tag_string(self, group: str, default: str) -> str:
        """Return the string after the tag of the group."""
        value = self.tags[group][1] if group in self.tags else default
        return value if isinstance(value, str) else default

    def string(self, index: int) -> str:
        """Return the positional argument, which the word declares as a string."""
        value = self.values[index]
        return value if isinstance(value, str) else ""

    def strings(self, index: int) -> tuple[str, ...]:
        """Return the positional argument, which the word declares as strings."""
        value = self.values[index]
        return value if isinstance(value, tuple) else ()

    def number(self, index: int) -> int:
        """Return the positional argument, which the word declares as a number."""
        value = self.values[index]
        return value if isinstance(value, int) else 0

    def error(self, message: str, index: int | None = None) -> SieveError:
        """Return the error that points at a positional argument, or at the word; the caller raises it."""
        return self.source.error(self.node.start if index is None else self.at[index].start, message)


@dataclass(frozen=True, slots=True)
class TestWord:
    """
    A test.

    Attributes:
        name: The word in lower case.
        usage: How it is used, for error messages.
        build: Makes the compiled test; raises SieveError.
        takes: Its positional arguments.
        tags: Its tagged arguments.
        tests: The tests it takes.

    """

    name: str
    usage: str
    build: Callable[[Call], Test]
    takes: tuple[Takes, ...] = ()
    tags: tuple[Tagged, ...] = ()
    tests: Tests = Tests.NONE


@dataclass(frozen=True, slots=True)
class ActionWord:
    """
    An action.

    Attributes:
        name: The word in lower case.
        usage: How it is used, for error messages.
        build: Makes the compiled command; raises SieveError.
        takes: Its positional arguments.
        tags: Its tagged arguments.

    """

    name: str
    usage: str
    build: Callable[[Call], Step]
    takes: tuple[Takes, ...] = ()
    tags: tuple[Tagged, ...] = ()


@dataclass(frozen=True, slots=True)
class Extension:
    """
    What a capability adds to the language.

    Attributes:
        capability: What `require` calls it, with case.
        tests: The tests it adds.
        actions: The actions it adds.
        tags: The tagged arguments it adds to actions, by the action's name. An action that is not in force is
            passed over, so extensions may name each other's words.

    """

    capability: str
    tests: tuple[TestWord, ...] = ()
    actions: tuple[ActionWord, ...] = ()
    tags: Mapping[str, tuple[Tagged, ...]] = field(default_factory=dict)
