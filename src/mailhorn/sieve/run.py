"""
The state of one evaluation: what was asked, what was decided.

Rule 1: every test sees values as octets (RFC 5228 §2.7.2), made once per evaluation and kept. Rule 2: a fact that is
missing raises `Missing`, which `evaluate` turns into a `Need`. Rule 3: nothing here outlives the evaluation.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from .actions import (
    AddHeader,
    DeleteHeader,
    Discard,
    Edit,
    Enclose,
    FileInto,
    Flags,
    Keep,
    Matched,
    Notify,
    Pipe,
    Redirect,
    Reject,
    Remember,
    Step,
    Vacation,
    mailbox_key,
    merge,
)
from .address import Address, addresses, envelope_address
from .comparator import Comparator
from .edit import edited, edited_header, unused_boundary
from .errors import SieveRuntimeError
from .facts import Facts, Need, Question, WholeHeader
from .limits import (
    ADDRESS_COST,
    MAX_ACTIONS,
    MAX_EDITS,
    MAX_FLAGS,
    MAX_MATCH_VARIABLES,
    MAX_NOTIFICATIONS,
    MAX_OCTETS_COMPARED,
    MAX_REDIRECTS,
    MAX_STEPS,
    MAX_VARIABLE,
)
from .questions import Entity, Structure

_Fact = TypeVar("_Fact")


class Missing(Exception):
    """A fact is not gathered yet; `need` says which, if the script could not tell before it ran."""

    def __init__(self, need: Need | None = None) -> None:
        super().__init__()
        self.need = need or Need()


class Stop(Exception):
    """The script said `stop`."""


class Return(Exception):
    """The included script said `return` (RFC 6609 §3.3)."""


class Break(Exception):
    """The script said `break`; `name` is the loop to leave, "" for the innermost one (RFC 5703 §3)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """
    What a test compares. A program has one object for each, so looking it up costs no hashing of strings.

    Attributes:
        where: "header", "address" or "envelope".
        name: The header field in lower case, or the part of the envelope.
        part: "all", "localpart" or "domain"; "" for whole header values.
        comparator: By which the values are folded.

    """

    where: str
    name: str
    part: str
    comparator: Comparator


class Values(NamedTuple):
    """
    The values found of one source.

    Attributes:
        folded: As the comparator compares them.
        total: How many octets they are together, and one each, so that empty ones count.
        plain: The values themselves.
        number: How many there are for `:count` (RFC 5231 §4.2).

    """

    folded: tuple[bytes, ...]
    total: int
    plain: tuple[bytes, ...]
    number: int


NO_VALUES = Values((), 0, (), 0)
"""Of a field that is not there."""


class Variables:
    """What one script knows: each script that is included has its own (RFC 6609 §3.4)."""

    __slots__ = ("local", "matched")

    def __init__(self) -> None:
        self.local: dict[str, str] = {}
        self.matched: tuple[bytes, ...] = ()


class Loop:
    """
    A loop over the parts of a message that is under way (RFC 5703 §3).

    Attributes:
        root: The part it is about: which child of which child of the message.
        path: The part it is at.
        replaced: That part was replaced, so what was below it is no longer there.
        parts: The part it is about, and so on down to the one it is at; empty: to be looked for along the path.

    """

    __slots__ = ("parts", "path", "replaced", "root")

    def __init__(self, root: tuple[int, ...]) -> None:
        self.root = self.path = root
        self.replaced = False
        self.parts: list[Entity] = []


def octets(text: str) -> bytes:
    """Return the text in UTF-8; octets that never were UTF-8 come as surrogates and go as themselves."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def values_of(texts: Iterable[str], comparator: Comparator) -> Values:
    """Return the texts as the comparator compares them."""
    return values_of_octets(tuple(map(octets, texts)), comparator)


def values_of_octets(plain: tuple[bytes, ...], comparator: Comparator) -> Values:
    """The same for what is octets already."""
    folded = plain if comparator.fold is None else tuple(map(comparator.fold, plain))
    return Values(folded, sum(map(len, plain)) + len(plain), plain, len(plain))


_LOWER = {code: code + 32 for code in range(65, 91)}
_UPPER = {code: code - 32 for code in range(97, 123)}


def ascii_lower(text: str) -> str:
    """Return the text with the capitals of ASCII in lower case, nothing else changed."""
    return text.translate(_LOWER)


def ascii_upper(text: str) -> str:
    """Return the text with the small letters of ASCII in upper case, nothing else changed."""
    return text.translate(_UPPER)


class Run:
    """One evaluation."""

    __slots__ = (
        "_asked",
        "_compared",
        "_facts",
        "_redirects",
        "_spent",
        "_fields",
        "_growth",
        "_header_edits",
        "_message",
        "_steps",
        "bound",
        "edits",
        "flags",
        "implicit_keep",
        "included",
        "loops",
        "outside",
        "root",
        "shared",
        "trace",
        "traced",
        "variables",
    )

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._asked: dict[Asked, Values] = {}
        self._compared = 0
        self._spent = 0
        self._redirects = 0
        self._steps: dict[tuple[str, str], Step] = {}
        self._fields: list[tuple[str, str, str]] | None = None
        self._message: Entity | None = None
        """The message as the last edit of its body made it; None: there was none."""
        self._header_edits: list[AddHeader | DeleteHeader] = []
        """The edits of its header since then."""
        self._growth: int | None = 0
        """By how much these made the message longer; None: not known."""
        self.edits: list[Edit] = []
        """What was changed of the message."""
        self.implicit_keep = True
        self.flags: dict[str, str] | None = None
        """The internal variable of RFC 5232: lower case to spelling; None as long as the script has not touched it."""
        self.trace: list[Matched] = []
        self.traced = True
        """Each test leaves its trace; else only what matters runs (`skip`)."""
        self.variables = Variables()
        self.shared: dict[str, str] = {}
        """The global variables (RFC 6609 §3.4)."""
        self.included: set[Hashable] = set()
        """The scripts that were included (RFC 6609 §3.2, `:once`)."""
        self.loops: list[Loop] = []
        """The loops that are under way in this script, the outer ones first."""
        self.root: tuple[int, ...] = ()
        """The part that an included script takes for the message (RFC 6609 §3.6)."""
        self.outside: list[tuple[list[Loop], tuple[int, ...]]] = []
        """The loops and the root of the scripts that include this one from inside a loop."""
        self.bound: dict[Hashable, object] = {}
        """What was made of strings with variables in them, to be found again."""

    # What is asked

    def values(self, asked: Asked, line: int) -> Values:
        """Return the octets a test compares; the line is the test's. Raises Missing, SieveRuntimeError."""
        known = self._asked.get(asked)
        if known is None:
            if asked.where == "header":
                texts = self.header(asked.name)
                known = values_of(texts, asked.comparator) if texts else NO_VALUES
            elif asked.where == "address":
                fields = self.structured(asked.name)
                known = self.address_values(fields, asked.part, asked.comparator, line) if fields else NO_VALUES
            else:
                paths = self.envelope(asked.name)
                known = values_of(parts(map(envelope_address, paths), asked.part), asked.comparator)
                known = known._replace(number=sum(path not in ("", "<>") for path in paths))
            self._asked[asked] = known
        return known

    def header(self, name: str) -> list[str]:
        """Return the decoded values of the fields of that name (in lower case), trimmed. Raises Missing."""
        values: Sequence[str] | None
        if self.root:
            return [value.strip(" \t\r\n") for value in self.presented().header(name)]
        if self._fields is None:
            values = self._facts.header(name)
        else:
            values = [decoded for written, _, decoded in self._fields if written.lower() == name]
        if values is None:
            raise Missing(Need(headers=frozenset((name,))))
        return [value.strip(" \t\r\n") for value in values] if values else []

    def structured(self, name: str) -> Sequence[str]:
        """Return the values of the fields of that name (in lower case) with encoded words. Raises Missing."""
        if self.root:
            return self.presented().structured(name)
        if self._fields is not None:
            return [value for written, value, _ in self._fields if written.lower() == name]
        values = self._facts.structured(name)
        if values is None:
            raise Missing(Need(headers=frozenset((name,))))
        return values

    def address_values(self, fields: Sequence[str], part: str, comparator: Comparator, line: int) -> Values:
        """Return the parts of the addresses in fields; all of these count (RFC 5231 §4.2). Raises SieveRuntimeError."""
        self.charge(sum(map(len, fields)) * ADDRESS_COST, line)
        found = [address for field in fields for address in addresses(field)]
        known = values_of(parts(found, part), comparator)
        valid = sum([address.local_part is not None for address in found])
        return known if valid == known.number else known._replace(number=valid)

    def envelope(self, part: str) -> Sequence[str]:
        """Return the paths of an envelope's part. Raises Missing."""
        return present(self._facts.envelope(part), Need(envelope=frozenset((part,))))

    def answer(self, question: Question[_Fact]) -> _Fact:
        """Return the answer. Raises Missing."""
        return present(self._facts.answer(question), Need(questions=frozenset((question,))))

    def has_header(self, name: str) -> bool:
        """Say whether the message has a field of that name. Raises Missing."""
        return bool(self.structured(name))

    def size(self, line: int) -> int:
        """Return the size of the message as it is now; the line is the test's. Raises Missing, SieveRuntimeError."""
        if self.root:
            return len(self.presented().whole())
        if self._message is not None:
            size = len(self._message.whole())
        else:
            size = present(self._facts.size(), Need(size=True))
        if not self._header_edits:
            return size
        if self._growth is None:
            message = self.message()
            header = message.whole()[: len(message.whole()) - len(message.raw())]
            self.charge(len(header) * len(self._header_edits), line)
            self._growth = len(edited_header(header, self._header_edits)) - len(header)
        return size + self._growth

    def mailbox_exists(self, name: str) -> bool:
        """Say whether the mailbox exists. Raises Missing."""
        return present(self._facts.mailbox_exists(name), Need(mailboxes=frozenset((name,))))

    def charge(self, compared: int, line: int) -> None:
        """Count octets that are about to be compared. Raises SieveRuntimeError when a message costs too much."""
        self._compared += compared
        if self._compared > MAX_OCTETS_COMPARED:
            raise SieveRuntimeError(line, "comparing this message with the script takes too long")

    def afford(self, compared: int) -> bool:
        """Count octets that are about to be compared, unless they are too many; say whether they are not."""
        if self._compared + compared > MAX_OCTETS_COMPARED:
            return False
        self._compared += compared
        return True

    def entity(self) -> Entity:
        """Return the part that is looked at. Raises Missing."""
        parts = self.loops and self.parts(self.loops[-1])
        return parts[-1] if parts else self.presented()

    def presented(self) -> Entity:
        """Return what the script takes for the message: all of it, or a part (RFC 6609 §3.6). Raises Missing."""
        found = self.message()
        for index in self.root:
            if index >= len(found.children):
                return self.message()
            found = found.children[index]
        return found

    def enter(self) -> bool:
        """Begin with an included script; inside a loop "the current MIME part" is the entire message for it."""
        if not self.loops:
            return False
        self.outside.append((self.loops, self.root))
        self.root, self.loops = self.path, []
        self._asked.clear()
        return True

    def leave(self) -> None:
        """Go back to the script that has included this one, after `enter` said yes."""
        self.loops, self.root = self.outside.pop()
        self._asked.clear()

    def replaced(self) -> None:
        """Take note that the part at `path` was replaced: the loop that is at it does not go into it."""
        loops = next((loops for loops in (self.loops, *[loops for loops, _ in reversed(self.outside)]) if loops), None)
        if loops is not None and loops[-1].path == self.path:
            loops[-1].replaced = True

    def message(self) -> Entity:
        """Return the message as edits of its body made it; edits of its header are in `fields`. Raises Missing."""
        return self.answer(Structure()) if self._message is None else self._message

    def current(self) -> bytes:
        """Return the octets of the message as it is now. Raises Missing."""
        return edited_header(self.message().whole(), self._header_edits)

    @property
    def path(self) -> tuple[int, ...]:
        """Where the part is that is looked at: which child of which child of the message."""
        return self.loops[-1].path if self.loops else self.root

    def parts(self, loop: Loop) -> list[Entity]:
        """Return the parts from the one a loop is about to the one it is at, none if it is gone. Raises Missing."""
        if not loop.parts:
            found = [self.message()]
            for index in loop.path:
                if index >= len(found[-1].children):
                    return []
                found.append(found[-1].children[index])
            loop.parts = found[len(loop.root) :]
        return loop.parts

    def spend(self, steps: int, line: int) -> None:
        """Count commands that are about to run. Raises SieveRuntimeError when they are too many."""
        self._spent += steps
        if self._spent > MAX_STEPS:
            raise SieveRuntimeError(line, f"more than {MAX_STEPS} commands run for one message")

    # What is remembered

    def matched(self, found: list[bytes]) -> None:
        """Remember the match variables, the whole match first (RFC 5229 §3.2)."""
        self.variables.matched = tuple(found[: MAX_MATCH_VARIABLES + 1])

    def match_variable(self, index: int) -> str:
        """Return a match variable, "" if there is none of that number."""
        found = self.variables.matched
        return found[index].decode("utf-8", "surrogateescape") if index < len(found) else ""

    def variable(self, name: str) -> str:
        """Return a variable, "" if it is not set; the name is in lower case, "global." before it if it is shared."""
        if name.startswith("global."):
            return self.shared.get(name[7:], "")
        return self.variables.local.get(name, "")

    def set(self, name: str, value: str) -> None:
        """Set a variable by such a name. What is too long is cut (RFC 5229 §6)."""
        if name.startswith("global."):
            self.shared[name[7:]] = value[:MAX_VARIABLE]
        else:
            self.variables.local[name] = value[:MAX_VARIABLE]

    # What is changed

    def fields(self) -> list[tuple[str, str, str]]:
        """Return the header as it is now: name, value, decoded value. Raises Missing."""
        if self._fields is not None:
            return self._fields
        return list(self.answer(WholeHeader()).fields)

    def edit_header(self, edit: AddHeader | DeleteHeader, fields: list[tuple[str, str, str]], line: int) -> None:
        """Change the header; from now on it is that. Raises SieveRuntimeError."""
        self._count_edit(line)
        self.edits.append(edit)
        self._header_edits.append(edit)
        self._growth = None
        self._fields = fields
        self._asked.clear()

    def edit_body(self, edit: Edit, line: int) -> None:
        """
        Change the message; "the change takes effect immediately" (RFC 5703 §5).

        Raises Missing, SieveRuntimeError.
        """
        self._count_edit(line)
        before, octets = self.message(), self.current()
        self.charge(len(octets), line)
        message = before.parsed(edited(octets, (edit,), before.parsed, unused_boundary(octets)))
        self.edits.append(edit)
        self._message = message
        self._header_edits.clear()
        self._fields = [
            (name, value, decoded)
            for (name, value), decoded in zip(message.fields(), message.decoded_fields(), strict=True)
        ]
        self._asked.clear()
        self.bound.clear()
        for loop in (*self.loops, *[loop for loops, _ in self.outside for loop in loops]):
            loop.parts = []
            if isinstance(edit, Enclose):  # where the parts are now: in the message that is the second part
                loop.root, loop.path = (1, 0, *loop.root), (1, 0, *loop.path)
        if isinstance(edit, Enclose):
            self.root = (1, 0, *self.root) if self.root else ()
            self.outside = [(loops, (1, 0, *root) if root else ()) for loops, root in self.outside]

    def _count_edit(self, line: int) -> None:
        if len(self.edits) >= MAX_EDITS:
            raise SieveRuntimeError(line, f"more than {MAX_EDITS} changes to one message")

    def sees_edits(self) -> bool:
        """Say whether it is the message that is looked at, and its header was changed (RFC 5293 §6)."""
        return self._fields is not None and not self.path and not self.root

    # For those who run several scripts in one evaluation

    def forget_message(self) -> None:
        """The facts are about another message now."""
        self._asked.clear()
        self._unedited()
        self.bound.clear()

    def budget(self) -> None:
        """Count work from here on."""
        self._spent = self._compared = 0

    def forget_decisions(self) -> None:
        """Begin with the implicit keep again."""
        self._steps.clear()
        self._redirects = 0
        self.implicit_keep = True
        self.flags = None
        self.edits.clear()
        self._unedited()
        self._asked.clear()
        self.bound.clear()

    def _unedited(self) -> None:
        self._fields = self._message = None
        self._header_edits.clear()
        self._growth = 0

    # What is decided

    def keep(self, flags: Flags | None, line: int) -> None:
        """Take the action keep."""
        earlier = self._steps.get(("keep", ""))
        if isinstance(earlier, Keep) and flags is None and earlier.flags is not None:
            flags = frozenset()  # "the last flag list value MUST win" (RFC 5232 §3), and the last one is empty
        self._stay(line)
        self._put(("keep", ""), Keep(flags, line, len(self.edits)))
        self.implicit_keep = False

    def file_into(self, step: FileInto) -> None:
        """Take the action fileinto; a mailbox that was named before stays one step (RFC 5228 §2.10.3)."""
        self._stay(step.line)
        key = ("fileinto", f"{step.id}\0{step.use}\0{mailbox_key(step.mailbox)}")
        earlier = self._steps.get(key)
        self._put(key, merge(earlier, step) if isinstance(earlier, FileInto) else step)
        if not step.copy:
            self.implicit_keep = False

    def redirect(self, step: Redirect) -> None:
        """Take the action redirect."""
        self._stay(step.line)
        key = ("redirect", f"{step.list}\0{step.address}")
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

    def reject(self, step: Reject) -> None:
        """Take the action reject or ereject, which goes with hardly anything else (RFC 5429 §2.4)."""
        for taken in self._steps.values():
            if not isinstance(taken, Discard | Remember | Notify):
                raise SieveRuntimeError(step.line, "a message that is filed, sent on or answered cannot be rejected")
        self._put(("reject", ""), step)
        self.implicit_keep = False

    def vacation(self, step: Vacation) -> None:
        """Take the action vacation: once, and not with reject (RFC 5230 §4.7)."""
        if ("vacation", "") in self._steps:
            raise SieveRuntimeError(step.line, "vacation was done already, and can be done once only")
        self._stay(step.line)
        self._put(("vacation", ""), step)

    def notify(self, step: Notify) -> None:
        """Take the action notify; the same one twice is done once."""
        key = ("notify", f"{step.method}\0{step.message}")
        others = sum(isinstance(taken, Notify) for other, taken in self._steps.items() if other != key)
        if others >= MAX_NOTIFICATIONS:
            raise SieveRuntimeError(step.line, f"more than {MAX_NOTIFICATIONS} notifications of one message")
        self._put(key, step)

    def remember(self, step: Remember) -> None:
        """Take note of what to remember in the end."""
        self._put(("remember", f"{step.handle}\0{step.value}"), step)

    def pipe(self, step: Pipe) -> None:
        """Take the action pipe."""
        self._stay(step.line)
        self._put(("pipe", "\0".join((step.program, *step.arguments))), step)
        if not step.copy:
            self.implicit_keep = False

    def _stay(self, line: int) -> None:
        if ("reject", "") in self._steps:
            raise SieveRuntimeError(line, "a message that was rejected cannot be filed, sent on or answered")

    def set_flags(self, flags: dict[str, str], line: int) -> None:
        """Replace the internal variable."""
        if len(flags) > MAX_FLAGS:
            raise SieveRuntimeError(line, f"more than {MAX_FLAGS} flags on one message")
        self.flags = flags

    def current_flags(self) -> Flags | None:
        """Return the internal variable's flags, None if the script has not touched it."""
        return None if self.flags is None else frozenset(self.flags.values())

    def made(self) -> int:
        """Return how many edits the message has by now."""
        return len(self.edits)

    def made_to_send(self) -> int:
        """Return the same for a redirect, which sends what was not enclosed yet (RFC 5703 §6)."""
        return next((number for number, edit in enumerate(self.edits) if isinstance(edit, Enclose)), len(self.edits))

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in their order."""
        return tuple(self._steps.values())

    def _put(self, key: tuple[str, str], step: Step) -> None:
        self._steps.pop(key, None)  # what is said again is said last: flags of keep and fileinto "INBOX" depend on it
        self._steps[key] = step
        if len(self._steps) > MAX_ACTIONS:
            raise SieveRuntimeError(step.line, f"more than {MAX_ACTIONS} actions on one message")


def present(fact: _Fact | None, need: Need) -> _Fact:
    """Return the fact. Raises Missing if it is None."""
    if fact is None:
        raise Missing(need)
    return fact


SEPARATOR = "+"
"""Stands between user and detail (RFC 5233 §4)."""


def parts(found: Iterable[Address], part: str) -> Sequence[str]:
    """Return the parts to compare; "If an address is not syntactically valid", only :all sees it (RFC 5228 §2.7.4)."""
    if part == "all":
        return [address.whole for address in found]
    if part == "domain":
        return [address.domain for address in found if address.domain is not None]
    local_parts = [address.local_part for address in found if address.local_part is not None]
    if part == "localpart":
        return local_parts
    if part == "user":
        return [local_part.partition(SEPARATOR)[0] for local_part in local_parts]
    return [local_part.partition(SEPARATOR)[2] for local_part in local_parts if SEPARATOR in local_part]
