"""
Conditions of any kind of filter, and how they are said in Sieve.

Rule: what cannot be said is `Unknown`. It counts as not met, wherever it stands: below a `Not` as met. So what is
written matches less than was meant, or the same, never more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class ConvertError(ValueError):
    """The file is no filter file of that kind. The text says what was expected, in one line."""


@dataclass(frozen=True, slots=True)
class Test:
    """
    A test of Sieve.

    Attributes:
        head: As it is written, but for the keys.
        keys: It says yes if one of them matches; none: it has no keys.
        needs: The extensions it requires.

    """

    head: str
    keys: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Constant:
    """What is always so, or never."""

    value: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """
    What cannot be said.

    Attributes:
        what: What that is and why, for people.

    """

    what: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """All of them; none is always so."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """One of them; none is never so."""

    parts: "tuple[Condition, ...]"


Condition = Test | Constant | Unknown | Not | All | Any


def unknown(condition: Condition) -> Iterator[str]:
    """Yield what cannot be said in a condition."""
    if isinstance(condition, Unknown):
        yield condition.what
    elif isinstance(condition, Not):
        yield from unknown(condition.inner)
    elif isinstance(condition, All | Any):
        for part in condition.parts:
            yield from unknown(part)


def simplified(condition: Condition, positive: bool = True) -> Condition:
    """
    Return the condition with what cannot be said taken as not met, and nothing in it that says nothing.

    Args:
        condition: What is meant.
        positive: It stands below an even number of `Not`.

    """
    match condition:
        case Unknown():
            return Constant(not positive)
        case Not(inner):
            known = simplified(inner, not positive)
            if isinstance(known, Constant):
                return Constant(not known.value)
            return known.inner if isinstance(known, Not) else Not(known)
        case All(parts) | Any(parts):
            kind = type(condition)
            ends = kind is Any  # what decides alone
            found: list[Condition] = []
            for part in parts:
                known = simplified(part, positive)
                if isinstance(known, Constant):
                    if known.value is ends:
                        return known
                else:
                    for one in known.parts if isinstance(known, kind) else (known,):
                        _put(found, one, merges=kind is Any)
            if not found:
                return Constant(not ends)
            return found[0] if len(found) == 1 else kind(tuple(found))
        case _:
            return condition


def _put(found: list[Condition], one: Condition, merges: bool) -> None:
    """Add a condition to others; tests that differ in their keys only become one if any of them is enough."""
    if one in found:
        return
    if merges and isinstance(one, Test) and one.keys:
        for place, other in enumerate(found):
            if isinstance(other, Test) and other.head == one.head and other.keys:
                found[place] = Test(one.head, tuple(dict.fromkeys(other.keys + one.keys)), one.needs | other.needs)
                return
    found.append(one)


def written(condition: Condition) -> str:
    """Return a simplified condition as a test of Sieve."""
    match condition:
        case Test(head, keys):
            return f"{head} {strings(keys)}" if keys else head
        case Constant(value):
            return "true" if value else "false"
        case Unknown():
            return "false"
        case Not(inner):
            return f"not {written(inner)}"
        case All(parts):
            return f"allof ({', '.join(map(written, parts))})"
        case Any(parts):
            return f"anyof ({', '.join(map(written, parts))})"


def needs(condition: Condition) -> frozenset[str]:
    """Return the extensions that a condition requires."""
    match condition:
        case Test(needs=found):
            return found
        case Not(inner):
            return needs(inner)
        case All(parts) | Any(parts):
            return frozenset[str]().union(*map(needs, parts))
        case _:
            return frozenset()


def quoted(text: str) -> str:
    """Return a string of Sieve. There are no variables and no encoded characters in what is written here."""
    clean = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def strings(texts: Iterable[str]) -> str:
    """Return a string, or a list of them."""
    found = [quoted(text) for text in dict.fromkeys(texts)]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def wild(text: str) -> str:
    """Return text that means itself in a pattern of :matches."""
    return "".join("\\" + sign if sign in "*?\\" else sign for sign in text)


def plain_regex(text: str) -> str:
    """Return text that means itself in a regular expression."""
    return "".join("\\" + sign if sign in ".*+?^$|()[]{}\\" else sign for sign in text)


def header(match: str, fields: Iterable[str], keys: Iterable[str]) -> Test:
    """Return a test of header fields; match is "is", "contains", "matches" or "regex"."""
    found = frozenset({"regex"}) if match == "regex" else frozenset[str]()
    return Test(f"header{_tag(match)} {strings(fields)}", tuple(keys), found)


def address(match: str, fields: Iterable[str], keys: Iterable[str], part: str = "all") -> Test:
    """Return a test of the addresses in header fields."""
    found = frozenset({"regex"}) if match == "regex" else frozenset[str]()
    which = "" if part == "all" else f" :{part}"
    return Test(f"address{which}{_tag(match)} {strings(fields)}", tuple(keys), found)


def exists(fields: Iterable[str]) -> Test:
    """Return a test whether all these header fields are there."""
    return Test(f"exists {strings(fields)}")


def body(match: str, keys: Iterable[str], raw: bool = False) -> Test:
    """Return a test of the text of the body, or of its octets."""
    found = frozenset({"body", "regex"}) if match == "regex" else frozenset({"body"})
    return Test(f"body{' :raw' if raw else ' :text'}{_tag(match)}", tuple(keys), found)


def size(over: bool, octets: int) -> Test:
    """Return a test of the size."""
    return Test(f"size {':over' if over else ':under'} {number(octets)}")


def number(value: int) -> str:
    """Return a number as short as it can be written."""
    for power, sign in ((30, "G"), (20, "M"), (10, "K")):
        if value and value % 2**power == 0:
            return f"{value >> power}{sign}"
    return str(value)


def _tag(match: str) -> str:
    return "" if match == "is" else f" :{match}"


def has_attachment() -> Test:
    """Return a test whether a part of the message says that it is an attachment."""
    return Test('header :mime :anychild :contains "content-disposition"', ("attachment",), frozenset({"mime"}))


__all__ = [
    "All",
    "Any",
    "Condition",
    "Constant",
    "ConvertError",
    "Not",
    "Test",
    "Unknown",
    "address",
    "body",
    "exists",
    "has_attachment",
    "header",
    "needs",
    "number",
    "plain_regex",
    "quoted",
    "simplified",
    "size",
    "strings",
    "unknown",
    "wild",
    "written",
]
