"""Match types, comparators and address parts: the arguments that many tests share (RFC 5228 §2.7)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from .comparator import ASCII_CASEMAP, OCTET, Comparator
from .errors import SieveRuntimeError
from .glob import glob, longest_piece, spans, weight
from .language import Bound, Call, MatchType, Tagged, Takes
from .listname import DEFAULT_LIST
from .program import Test
from .questions import InList, ListKnown
from .run import Run, Values, octets
from .skip import Clue
from .text import Text, constants

COMPARATORS = (ASCII_CASEMAP, OCTET)
"""Known to every script; the first one is the default (RFC 5228 §2.7.3)."""

COMPARATOR = (Tagged("comparator", "comparator", Takes.STRING),)
ADDRESS_PART = (Tagged("localpart", "address part"), Tagged("domain", "address part"), Tagged("all", "address part"))

_FIELD_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")


def _is(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    return Bound(frozenset(keys).__contains__, words=keys)


def _contains(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    if len(keys) == 1:
        key = keys[0]
        return Bound(lambda value: key in value, words=(), pieces=keys)
    return Bound(lambda value: any(key in value for key in keys), len(keys), words=(), pieces=keys)


def _matches(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    globs = [glob(key) for key in keys]
    only = globs[0] if len(globs) == 1 else lambda value: any(one(value) for one in globs)
    found: Callable[[bytes], list[tuple[int, int]]] = partial(_first_spans, globs, keys)
    return Bound(only, sum(map(weight, keys)), found, words=(), pieces=tuple(map(longest_piece, keys)))


def _first_spans(globs: list[Callable[[bytes], bool]], keys: tuple[bytes, ...], value: bytes) -> list[tuple[int, int]]:
    for matches, key in zip(globs, keys, strict=True):
        if matches(value):
            return spans(key)(value)
    return []


MATCH_TYPES = (
    MatchType(Tagged("is", "match type"), _is),
    MatchType(Tagged("contains", "match type"), _contains, "substring"),
    MatchType(Tagged("matches", "match type"), _matches, "substring"),
)
"""Known to every script (RFC 5228 §2.7.1)."""

MATCH_TYPE = tuple(one.tag for one in MATCH_TYPES)


@dataclass(frozen=True, slots=True)
class Matcher:
    """
    A comparator, a match type and keys; made by `matcher`.

    Attributes:
        comparator: Values come folded by it.
        constant: What was bound when the script was compiled; None: the keys have variables in them.
        bind: Binds the keys as they are now. Raises SieveRuntimeError.
        captures: Match variables are set (RFC 5229 §3.2).
        line: The line of the test.

    """

    comparator: Comparator
    constant: Bound | None
    bind: Callable[[Run], Bound]
    captures: bool
    line: int

    def without_captures(self) -> "Matcher":
        """Return the same that sets no match variables."""
        return Matcher(self.comparator, self.constant, self.bind, False, self.line)

    def bound(self, run: Run) -> Bound:
        """Return the match type with its keys as they are now. Raises SieveRuntimeError."""
        return self.bind(run) if self.constant is None else self.constant

    def any(self, run: Run, found: Iterable[Values]) -> bool:
        """Say whether any of the values matches any key; remember the match variables. Raises SieveRuntimeError."""
        bound = self.bound(run)
        if bound.counts is not None:
            return bound.counts(sum([values.number for values in found]))
        return any(self.one(run, bound, values) for values in found)

    def one(self, run: Run, bound: Bound, values: Values) -> bool:
        """The same for values of one source, with what `bound` returned."""
        run.charge(values.total * bound.weight, self.line)
        if bound.lists:
            return any(self._in_lists(run, bound.lists, value) for value in values.plain)
        try:
            return self._matches(run, bound, values)
        except ValueError as error:  # a regular expression that took too much work
            raise SieveRuntimeError(self.line, str(error)) from None

    def _matches(self, run: Run, bound: Bound, values: Values) -> bool:
        matches = bound.matches
        for index, value in enumerate(values.folded):
            if matches(value):
                if self.captures and bound.spans is not None:
                    original = values.plain[index] if self.comparator.keeps_length else value
                    run.matched([original[start:end] if start >= 0 else b"" for start, end in bound.spans(value)])
                return True
        return False

    def _in_lists(self, run: Run, lists: tuple[str, ...], value: bytes) -> bool:
        """Say whether a list has the value; as it is there it is `${0}` then (RFC 6134 §2.2)."""
        for name in lists:
            if not run.answer(ListKnown(name)):
                if name == DEFAULT_LIST:  # "having all matches to it fail" (§2.5)
                    continue
                raise SieveRuntimeError(self.line, f'there is no list "{name[:80]}"')
            found = run.answer(InList(name, value.decode("utf-8", "surrogateescape")))
            if found:
                if self.captures:
                    run.matched([octets(found[0])])
                return True
        return False


_NOTHING = Text(())


def matcher(call: Call, keys: tuple[Text, ...]) -> Matcher:
    """Return what compares values with keys as the call's tags say. Raises SieveError if they do not fit together."""
    comparator = _comparator(call) if "comparator" in call.tags else ASCII_CASEMAP
    tag, value = call.tags.get("match type", ("is", None))
    if tag == "list" and "comparator" in call.tags:
        raise call.tag_error("comparator", "a list compares as it likes; :comparator cannot be given with :list")
    match_type = call.scope.match_types[tag]
    if match_type.needs == "substring" and not comparator.has_substrings:
        message = f'the comparator "{comparator.name}" compares whole values and cannot be used with :{tag}'
        raise call.tag_error("match type", message)
    argument = value if isinstance(value, Text) else _NOTHING
    fixed, fixed_argument = constants(keys), argument.constant
    captures, line = "variables" in call.scope.requires, call.line
    if fixed_argument is not None:  # what is wrong with the tag's argument shows without keys, too
        try:
            constant = _bound(match_type, comparator, fixed or (), fixed_argument)
        except ValueError as error:
            raise call.error(str(error), len(call.at) - 1 if fixed is not None and call.at else None) from None
        if fixed is not None:
            return Matcher(comparator, constant, lambda run: constant, captures, line)

    def bind_now(run: Run) -> Bound:
        strings, operator = tuple([key.value(run) for key in keys]), argument.value(run)
        found = (bind_now, operator, strings)
        bound = run.bound.get(found)
        if bound is None:
            try:
                bound = run.bound[found] = _bound(match_type, comparator, strings, operator)
            except ValueError as error:
                raise SieveRuntimeError(line, str(error)) from None
        assert isinstance(bound, Bound)
        return bound

    return Matcher(comparator, None, bind_now, captures, line)


def _comparator(call: Call) -> Comparator:
    name = call.tag_string("comparator", "")
    comparator = call.scope.comparators.get(name)
    if comparator is None:
        if call.scope.has(f"comparator-{name}"):
            raise call.tag_error("comparator", f'the comparator "{name}" needs: require "comparator-{name}";')
        known = ", ".join(f'"{name}"' for name in call.scope.comparators)
        raise call.tag_error("comparator", f'unknown comparator "{name[:80]}"; known are {known}')
    return comparator


def _bound(match_type: MatchType, comparator: Comparator, strings: tuple[str, ...], argument: str) -> Bound:
    found = tuple(map(octets, strings))
    return match_type.bind(comparator, tuple(map(comparator.folded, found)) if match_type.folds else found, argument)


def any_value(call: Call, where: str, names: tuple[str, ...], part: str, keys: tuple[Text, ...]) -> Test:
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
    line = call.line
    asks = tuple(call.inventory.ask(where, name, part, with_keys.comparator) for name in dict.fromkeys(names))
    constant = with_keys.constant

    def test(run: Run) -> bool:
        return with_keys.any(run, [run.values(asked, line) for asked in asks])

    def quick_test(run: Run) -> bool:
        assert constant is not None
        for asked in asks:
            values = run.values(asked, line)
            if not values.folded:
                continue
            run.charge(values.total * constant.weight, line)
            try:
                for value in values.folded:
                    if constant.matches(value):
                        return True
            except ValueError as error:  # a regular expression that took too much work
                raise SieveRuntimeError(line, str(error)) from None
        return False

    if constant is None or constant.lists or constant.counts is not None:
        return test
    chosen = test if with_keys.captures and constant.spans is not None else quick_test
    if constant.words is not None:
        words, pieces, weight = constant.words, constant.pieces, constant.weight
        call.inventory.clues[chosen] = tuple([Clue(asked, words, pieces, weight, line) for asked in asks])
    return chosen


def is_field_name(name: str) -> bool:
    """Say whether a header field can have that name (RFC 5322 §3.6.8); others match nothing (RFC 5228 §2.4.2.2)."""
    return _FIELD_NAME.fullmatch(name) is not None
