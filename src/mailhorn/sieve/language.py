"""
How commands, tests and extensions are described: what a word may look like and how it becomes a closure.

The words themselves stand in `base.py` and in `ext/`; `ext/__init__.py` lists all extensions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .comparator import Comparator
from .errors import SieveError, Source
from .parser import Argument, Command, Tag
from .program import Inventory, Step, Test
from .run import Run
from .text import Text, constants


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


Value = int | Text | tuple[Text, ...] | None
"""An argument; None: a tag that takes none."""


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What is known of a script while it is compiled, and where its parts may look.

    Attributes:
        requires: The capabilities in force.
        comparators: Those in force, by name.
        match_types: Those in force, by tag.
        shared: Variables that the script declared to be global (RFC 6609 §3.4), in lower case.
        used: Variables the script has named so far, in lower case.
        blocks: The words with blocks it is in, from the outside, each with its `:name`.
        include: Compiles an included script: its place ("personal" or "global"), its name, `:optional`, `:once`, the
            call. The step; None if it is missing and may be, or is being run and is wanted once. Raises SieveError.
        envelope: The parts that an envelope has.
        has: Says whether a capability is offered.
        enable: Brings a capability into force that is offered (RFC 5463 §4).

    """

    requires: set[str]
    comparators: dict[str, Comparator]
    match_types: "dict[str, MatchType]"
    shared: set[str]
    used: set[str]
    blocks: list[tuple[str, str]]
    include: "Callable[[str, str, bool, bool, Call], Step | None]"
    envelope: set[str]
    has: Callable[[str], bool]
    enable: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bound:
    """
    A match type with its keys.

    Attributes:
        matches: Says whether a folded value matches any key.
        weight: Octets looked at per octet of a value, at most.
        spans: Where in the folded value the match variables are, the whole match first (RFC 5229 §3.2); None: this
            match type has none.
        counts: Decides by the number of values alone (RFC 5231 §4.2).
        lists: External lists; a value matches if one of them has it (RFC 6134 §2.2).
        words: With `pieces`: a value that matches is one of these, or has one of those in it; None: that is not known.
        pieces: See `words`.

    """

    matches: Callable[[bytes], bool]
    weight: int = 1
    spans: Callable[[bytes], list[tuple[int, int]]] | None = None
    counts: Callable[[int], bool] | None = None
    lists: tuple[str, ...] = ()
    words: tuple[bytes, ...] | None = None
    pieces: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchType:
    """
    A match type.

    Attributes:
        tag: Its tag, in the group "match type".
        bind: Takes the comparator, the folded keys and the tag's argument ("" if it has none). Raises ValueError with
            what is wrong with a key or the argument.
        needs: What the comparator must be able to do: "equality", "substring" or "order".
        folds: The keys are folded as values are.

    """

    tag: Tagged
    bind: Callable[[Comparator, tuple[bytes, ...], str], Bound]
    needs: str = "equality"
    folds: bool = True


@dataclass(slots=True)  # thousands are made; a frozen one takes three times as long
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
        scope: The script it is in.
        block: The compiled block, None if there is none.
        before: The optional arguments that stand before the others; fewer if they were not given.

    """

    source: Source
    node: Command
    line: int
    tags: Mapping[str, tuple[str, Value]]
    values: tuple[Value, ...]
    at: tuple[Argument, ...]
    tests: tuple[Test, ...]
    inventory: Inventory
    scope: Scope
    block: Step | None = None
    before: tuple[tuple[Text, ...], ...] = ()

    def choice(self, group: str, default: str) -> str:
        """Return the name of the tag that was given of the group."""
        return self.tags[group][0] if group in self.tags else default

    def has(self, group: str) -> bool:
        """Say whether a tag of the group was given."""
        return group in self.tags

    def tag_texts(self, group: str) -> tuple[Text, ...] | None:
        """Return the strings after the tag of the group, None if it was not given."""
        value = self.tags[group][1] if group in self.tags else None
        return value if isinstance(value, tuple) else None

    def tag_text(self, group: str) -> Text | None:
        """Return the string after the tag of the group, None if it was not given."""
        value = self.tags[group][1] if group in self.tags else None
        return value if isinstance(value, Text) else None

    def tag_string(self, group: str, default: str) -> str:
        """Return the string after the tag of the group. Raises SieveError if there are variables in it."""
        text = self.tag_text(group)
        if text is None:
            return default
        if text.constant is None:
            raise self.error(f"there can be no variables in the argument of :{self.tags[group][0]}")
        return text.constant

    def tag_number(self, group: str, default: int) -> int:
        """Return the number after the tag of the group."""
        value = self.tags[group][1] if group in self.tags else default
        return value if isinstance(value, int) else default

    def text(self, index: int) -> Text:
        """Return the positional argument, which the word declares as a string."""
        value = self.values[index]
        return value if isinstance(value, Text) else Text(())

    def texts(self, index: int) -> tuple[Text, ...]:
        """Return the positional argument, which the word declares as strings."""
        value = self.values[index]
        return value if isinstance(value, tuple) else ()

    def string(self, index: int) -> str:
        """Return the positional argument, a constant string. Raises SieveError if there are variables in it."""
        constant = self.text(index).constant
        if constant is None:
            raise self.error("there can be no variables in this string", index)
        return constant

    def strings(self, index: int) -> tuple[str, ...]:
        """Return the positional argument, constant strings. Raises SieveError if there are variables in one."""
        found = constants(self.texts(index))
        if found is None:
            raise self.error("there can be no variables in these strings", index)
        return found

    def number(self, index: int) -> int:
        """Return the positional argument, which the word declares as a number."""
        value = self.values[index]
        return value if isinstance(value, int) else 0

    def tag_error(self, group: str, message: str) -> SieveError:
        """Return the error that points at the argument of the tag of the group, or at the tag itself."""
        name = self.choice(group, "")
        arguments = self.node.arguments
        for number, argument in enumerate(arguments):
            if isinstance(argument, Tag) and argument.name == name:
                has_value = self.tags[group][1] is not None and number + 1 < len(arguments)
                return self.source.error(arguments[number + 1].start if has_value else argument.start, message)
        return self.error(message)

    def warn(self, message: str) -> None:
        """Have it said that the word will fail when a message gets there; a script may be careful not to get there."""
        where = f'script "{self.source.name}", ' if self.source.name else ""
        self.inventory.warnings.append(f"{where}line {self.line}: {message}")

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
        before: Strings that may stand before the positional arguments, or be left out.
        optional: How many of the last positional arguments may be left out.

    """

    name: str
    usage: str
    build: Callable[[Call], Test]
    takes: tuple[Takes, ...] = ()
    tags: tuple[Tagged, ...] = ()
    tests: Tests = Tests.NONE
    before: int = 0
    optional: int = 0


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
        block: It is followed by a block.
        before: Strings that may stand before the positional arguments, or be left out.
        optional: How many of the last positional arguments may be left out.

    """

    name: str
    usage: str
    build: Callable[[Call], Step]
    takes: tuple[Takes, ...] = ()
    tags: tuple[Tagged, ...] = ()
    block: bool = False
    before: int = 0
    optional: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """
    What a capability adds to the language.

    Attributes:
        capability: What `require` calls it, with case.
        tests: The tests it adds.
        actions: The actions it adds.
        tags: The tagged arguments it adds to words, by the word's name, and to all words that have a group, by the
            group's name. A word that is not in force is passed over, so extensions may name each other's words.
        match_types: The match types it adds.
        comparators: The comparators it adds.
        namespaces: Variables it knows (RFC 5229 §3), by namespace: takes the name, returns what says the value. Raises
            ValueError for a name that cannot be.
        before: Words that may have one more string before their arguments, by the word's name.
        envelope: Parts of an envelope beyond "from" and "to".
        asks: What an assembly must be able to do or to tell for it; see `offered`.
        rfc: Where it is specified, as "RFC 5228 §4.1".

    """

    capability: str
    tests: tuple[TestWord, ...] = ()
    actions: tuple[ActionWord, ...] = ()
    tags: Mapping[str, tuple[Tagged, ...]] = field(default_factory=dict)
    match_types: tuple[MatchType, ...] = ()
    comparators: tuple[Comparator, ...] = ()
    namespaces: Mapping[str, Callable[[str], Callable[[Run], str]]] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)
    envelope: tuple[str, ...] = ()
    asks: frozenset[str] = frozenset()
    rfc: str = ""
