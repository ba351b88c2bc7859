"""Comparators, match types and address parts: the arguments that many tests share (RFC 5228 §2.7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .glob import glob, weight
from .language import Call, Tagged, Takes
from .program import Test
from .run import Run, octets

COMPARATORS = ("i;ascii-casemap", "i;octet")
"""Known to every script; the first one is the default (RFC 5228 §2.7.3)."""

MATCH_TYPE = (Tagged("is", "match type"), Tagged("contains", "match type"), Tagged("matches", "match type"))
COMPARATOR = (Tagged("comparator", "comparator", Takes.STRING),)
ADDRESS_PART = (Tagged("localpart", "address part"), Tagged("domain", "address part"), Tagged("all", "address part"))

_FIELD_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")


@dataclass(frozen=True, slots=True)
class Matcher:
    """
    A comparator, a match type and keys.

    Attributes:
        fold: Values must come in lower case.
        matches: Says whether a value matches any key.
        weight: Octets looked at per octet of a value, at most.

    """

    fold: bool
    matches: Callable[[bytes], bool]
    weight: int


def matcher(call: Call, keys: tuple[str, ...]) -> Matcher:
    """Return what compares values with keys as the call's tags say. Raises SieveError for unknown comparators."""
    comparator = call.tag_string("comparator", COMPARATORS[0])
    if comparator not in COMPARATORS:
        known = " and ".join(f'"{name}"' for name in COMPARATORS)
        raise call.error(f"the comparator of {call.node.name} is not known; known are {known}")
    fold = comparator == "i;ascii-casemap"
    wanted = tuple(octets(key).lower() if fold else octets(key) for key in keys)
    match_type = call.choice("match type", "is")
    if match_type == "is":
        return Matcher(fold, frozenset(wanted).__contains__, 1)
    if match_type == "contains":
        return Matcher(fold, _contains(wanted), len(wanted))
    globs = [glob(key) for key in wanted]
    only = globs[0] if len(globs) == 1 else lambda value: any(one(value) for one in globs)
    return Matcher(fold, only, sum(map(weight, wanted)))


def _contains(keys: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    if len(keys) == 1:
        key = keys[0]
        return lambda value: key in value
    return lambda value: any(key in value for key in keys)


def any_value(call: Call, where: str, names: tuple[str, ...], part: str, keys: tuple[str, ...]) -> Test:
    """
    Return the test "true if any combination of names and keys matches" (RFC 5228 §5.1, §5.4, §5.7).

    Args:
        call: For its tags and its line.
        where: "header", "address" or "envelope".
        names: Header fields in lower case, or parts of the envelope.
        part: The address part, "" for none.
        keys: What to compare with.

    """
    with_keys = matcher(call, keys)
    matches, cost, line = with_keys.matches, with_keys.weight, call.line
    asks = tuple(call.inventory.ask(where, name, part, with_keys.fold) for name in dict.fromkeys(names))

    def test(run: Run) -> bool:
        for asked in asks:
            values = run.values(asked, line)
            run.charge(values.total * cost, line)
            for value in values.octets:
                if matches(value):
                    return True
        return False

    return test


def is_field_name(name: str) -> bool:
    """Say whether a header field can have that name (RFC 5322 §3.6.8); others match nothing (RFC 5228 §2.4.2.2)."""
    return _FIELD_NAME.fullmatch(name) is not None
