r"""
Extended regular expressions (POSIX 1003.1 §9.4) in linear time: what a script may say with `:regex`.

Rule 1: nothing backtracks. A pattern becomes a small machine (Thompson's construction); all its states run at once,
and sets of states that have been met are kept with where each character leads. Rule 2: what cannot be done so, which
are back-references, is refused, and so is a machine that is too large. Rule 3: work is counted, and stops at a limit.

What is matched is characters; `^` and `$` are the ends of the value; of two matches the leftmost one counts, and then
the longest. `\w`, `\W`, `\s` and `\S` are known; a backslash before another letter or a digit is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .limits import MAX_REGEX, MAX_REGEX_GROUPS, MAX_REGEX_REPEAT, MAX_REGEX_SETS, MAX_REGEX_WORK

_INTERVAL = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": lambda c: c.isalpha(),
    "digit": lambda c: "0" <= c <= "9",
    "alnum": lambda c: c.isalpha() or "0" <= c <= "9",
    "upper": lambda c: c.isupper(),
    "lower": lambda c: c.islower(),
    "space": lambda c: c in " \t\r\n\v\f",
    "blank": lambda c: c in " \t",
    "punct": lambda c: c.isascii() and c.isprintable() and not c.isalnum() and c != " ",
    "print": lambda c: c.isprintable(),
    "graph": lambda c: c.isprintable() and c != " ",
    "cntrl": lambda c: c < " " or c == "\x7f",
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}
_SHORT: dict[str, tuple[Callable[[str], bool], bool]] = {
    "w": (lambda c: c == "_" or c.isalnum(), False),
    "W": (lambda c: c == "_" or c.isalnum(), True),
    "s": (_CLASSES["space"], False),
    "S": (_CLASSES["space"], True),
}


class TooMuchWork(ValueError):
    """The pattern is too complicated for this value."""


@dataclass(frozen=True, slots=True)
class _Set:
    """Characters: single ones, ranges and classes, or all but these."""

    singles: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    classes: tuple[Callable[[str], bool], ...] = ()
    negated: bool = False

    def has(self, c: str) -> bool:
        found = (
            c in self.singles or any(a <= c <= b for a, b in self.ranges) or any(is_one(c) for is_one in self.classes)
        )
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class _Node:
    """
    A piece of a pattern.

    Attributes:
        kind: "set", "start", "end", "cat", "alt", "group" or "repeat".
        parts: What it is made of.
        chars: Of a set: its characters.
        low: The least number of times; of a group: its number.
        high: The greatest, -1 for none.
        size: Instructions it becomes.

    """

    kind: str
    parts: tuple["_Node", ...] = ()
    chars: _Set | None = None
    low: int = 0
    high: int = 0
    size: int = 1


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self.groups = 0
        self._depth = 0

    def parse(self) -> _Node:
        node = self._alternatives()
        if self._at < len(self._text):
            raise ValueError("unmatched ) in the regular expression")
        return node

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _alternatives(self) -> _Node:
        found = [self._branch()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._branch())
        return found[0] if len(found) == 1 else _Node("alt", tuple(found), size=sum(n.size + 2 for n in found))

    def _branch(self) -> _Node:
        found: list[_Node] = []
        while (sign := self._peek()) and sign not in "|)":
            found.append(self._piece())
        return _Node("cat", tuple(found), size=sum(n.size for n in found))

    def _piece(self) -> _Node:
        node = self._atom()
        while (sign := self._peek()) and sign in "*+?{":
            if sign == "{":
                interval = _INTERVAL.match(self._text, self._at)
                if interval is None:
                    raise ValueError(r"expected {n}, {n,} or {n,m} in the regular expression; a brace itself is \{")
                self._at = interval.end()
                if max(len(interval[1]), len(interval[3])) > 5:
                    raise ValueError(f"a regular expression may repeat at most {MAX_REGEX_REPEAT} times")
                low = int(interval[1])
                high = low if not interval[2] else int(interval[3]) if interval[3] else -1
            else:
                self._at += 1
                low, high = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[sign]
            if max(low, high) > MAX_REGEX_REPEAT:
                raise ValueError(f"a regular expression may repeat at most {MAX_REGEX_REPEAT} times")
            if -1 < high < low:
                raise ValueError(f"{{{low},{high}}} in a regular expression: the first number is greater")
            times = max(low, high, 1) + (1 if high < 0 else 0)
            node = _Node("repeat", (node,), low=low, high=high, size=(node.size + 2) * times)
            if node.size > MAX_REGEX:
                raise ValueError("this regular expression is too large")
        return node

    def _atom(self) -> _Node:
        sign = self._peek()
        self._at += 1
        if sign == "(":
            self.groups += 1
            number = self.groups
            self._depth += 1
            if self._depth > MAX_REGEX_GROUPS or number > MAX_REGEX_GROUPS:
                raise ValueError(f"more than {MAX_REGEX_GROUPS} groups in a regular expression")
            inner = self._alternatives()
            if self._peek() != ")":
                raise ValueError("unmatched ( in the regular expression")
            self._at += 1
            self._depth -= 1
            return _Node("group", (inner,), low=number, size=inner.size + 2)
        if sign == "[":
            return _Node("set", chars=self._bracket())
        if sign == ".":
            return _Node("set", chars=_Set(negated=True))
        if sign == "^":
            return _Node("start")
        if sign == "$":
            return _Node("end")
        if sign in "*+?{":
            raise ValueError(f"nothing to repeat before {sign} in the regular expression")
        if sign == "\\":
            return _Node("set", chars=self._escape())
        return _Node("set", chars=_Set(frozenset(sign)))

    def _escape(self) -> _Set:
        sign = self._peek()
        self._at += 1
        if not sign:
            raise ValueError("the regular expression ends in a backslash")
        if sign in _SHORT:
            is_one, negated = _SHORT[sign]
            return _Set(classes=(is_one,), negated=negated)
        if sign.isdigit():
            raise ValueError(f"\\{sign} cannot be used: back-references cannot be matched in linear time")
        if sign.isascii() and sign.isalpha() or sign in "<>`'":
            hint = "; write [0-9]" if sign == "d" else "; write [^0-9]" if sign == "D" else ""
            raise ValueError(f"\\{sign} is not known in a regular expression{hint}")
        return _Set(frozenset(sign))

    def _bracket(self) -> _Set:
        """bracket expression (POSIX 1003.1 §9.3.5): a backslash is nothing special in it"""
        negated = self._peek() == "^"
        self._at += negated
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        classes: list[Callable[[str], bool]] = []
        first = True
        while True:
            sign = self._peek()
            if not sign:
                raise ValueError("unmatched [ in the regular expression")
            if sign == "]" and not first:
                self._at += 1
                return _Set(frozenset(singles), tuple(ranges), tuple(classes), negated)
            first = False
            if self._text.startswith("[:", self._at):
                end = self._text.find(":]", self._at + 2)
                name = self._text[self._at + 2 : end] if end > 0 else ""
                if name not in _CLASSES:
                    raise ValueError(f"[:{name[:20]}:] is no class of characters; known are {', '.join(_CLASSES)}")
                classes.append(_CLASSES[name])
                self._at = end + 2
                continue
            start = self._bracketed()
            following = self._text[self._at + 1 : self._at + 2]
            if self._peek() == "-" and following and following != "]":
                self._at += 1
                last = self._bracketed()
                if last < start:
                    raise ValueError(f"[{start}-{last}] in a regular expression: the range goes backwards")
                ranges.append((start, last))
            else:
                singles.add(start)

    def _bracketed(self) -> str:
        for sign in ".=":
            if self._text.startswith(f"[{sign}", self._at):
                end = self._text.find(f"{sign}]", self._at + 2)
                if end != self._at + 3:
                    raise ValueError(f"expected [{sign}c{sign}] with one character in the regular expression")
                self._at = end + 2
                return self._text[end - 1]
        self._at += 1
        return self._text[self._at - 1]


_CHAR, _SPLIT, _SAVE, _START, _END, _MATCH = range(6)


@dataclass(slots=True)
class _Instruction:
    kind: int
    first: int = 0
    second: int = 0
    chars: _Set | None = None


class _Machine:
    """A pattern as instructions; a SPLIT prefers its first way."""

    def __init__(self, root: _Node) -> None:
        self.code: list[_Instruction] = []
        self._put(_Node("group", (root,), low=0, size=root.size + 2))
        self.code.append(_Instruction(_MATCH))

    def _put(self, node: _Node) -> None:
        code = self.code
        if len(code) > MAX_REGEX:
            raise ValueError("this regular expression is too large")
        if node.kind == "set":
            code.append(_Instruction(_CHAR, chars=node.chars))
        elif node.kind == "start":
            code.append(_Instruction(_START))
        elif node.kind == "end":
            code.append(_Instruction(_END))
        elif node.kind == "cat":
            for part in node.parts:
                self._put(part)
        elif node.kind == "group":
            code.append(_Instruction(_SAVE, 2 * node.low))
            self._put(node.parts[0])
            code.append(_Instruction(_SAVE, 2 * node.low + 1))
        elif node.kind == "alt":
            jumps: list[_Instruction] = []
            for index, part in enumerate(node.parts):
                if index == len(node.parts) - 1:
                    self._put(part)
                    break
                split = _Instruction(_SPLIT, len(code) + 1)
                code.append(split)
                self._put(part)
                jumps.append(_Instruction(_SPLIT))
                code.append(jumps[-1])
                split.second = len(code)
            for jump in jumps:
                jump.first = jump.second = len(code)
        else:
            for _ in range(node.low):
                self._put(node.parts[0])
            if node.high < 0:
                split = _Instruction(_SPLIT, len(code) + 1)
                at = len(code)
                code.append(split)
                self._put(node.parts[0])
                code.append(_Instruction(_SPLIT, at, at))
                split.second = len(code)
            else:
                splits: list[_Instruction] = []
                for _ in range(node.high - node.low):
                    splits.append(_Instruction(_SPLIT, len(code) + 1))
                    code.append(splits[-1])
                    self._put(node.parts[0])
                for split in splits:
                    split.second = len(code)


def _literal(node: _Node) -> str:
    """Return the longest text that stands in everything the pattern matches; "" if there is none."""
    if node.kind == "group" or (node.kind == "repeat" and node.low):
        return _literal(node.parts[0])
    if node.kind == "set":
        return _single(node)
    best = run = ""
    if node.kind == "cat":
        for part in node.parts:
            single = _single(part)
            run = run + single if single else ""
            best = max(best, run, _literal(part) if not single else "", key=len)
    return best


def _single(node: _Node) -> str:
    chars = node.chars
    if chars is None or chars.negated or chars.ranges or chars.classes or len(chars.singles) != 1:
        return ""
    return next(iter(chars.singles))


class _State:
    """A set of places the machine may be at, and where characters lead from there."""

    __slots__ = ("accepts", "accepts_at_end", "next", "places")

    def __init__(self, places: tuple[int, ...], accepts: bool, accepts_at_end: bool) -> None:
        self.places = places
        self.accepts = accepts
        self.accepts_at_end = accepts_at_end
        self.next: dict[str, _State] = {}


class Regex:
    """A compiled pattern."""

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        """
        Compile a pattern.

        Args:
            pattern: The pattern.
            ignore_case: Letters of ASCII match whatever their case; values come in lower case then.

        Raises:
            ValueError: It is no pattern, is too large, or cannot be matched in linear time; the text says why.

        """
        parser = _Parser(pattern)
        self._root = parser.parse()
        if self._root.size + 3 > MAX_REGEX:
            raise ValueError("this regular expression is too large")
        literal = _literal(self._root)
        self._literal = literal.lower() if ignore_case and literal.isascii() else "" if ignore_case else literal
        self._groups = parser.groups
        self._ignore_case = ignore_case
        self._machine: list[_Instruction] = []
        self._states: dict[tuple[int, ...], _State] = {}
        self._first: _State | None = None
        self._work = 0

    @property
    def _code(self) -> list[_Instruction]:
        """The machine, made when it is needed: many a script has patterns that hardly any message comes to."""
        if not self._machine:
            self._machine = _Machine(self._root).code
        return self._machine

    def search(self, value: str) -> bool:
        """Say whether the pattern matches anywhere in the value. Raises TooMuchWork."""
        if self._literal not in value:
            return False
        self._work = 0
        state = self._first
        if state is None or not self._states:
            state = self._first = self._state(self._closure((0,), at_start=True))
        for c in value:
            if state.accepts:
                return True
            following = state.next.get(c)
            if following is None:
                following = self._step(state, c)
            state = following
        return state.accepts or (state.accepts_at_end if value else self._accepts_empty())

    def _accepts_empty(self) -> bool:
        return self._is_accepting(self._closure((0,), at_start=True, at_end=True))

    def _step(self, state: _State, c: str) -> _State:
        code = self._code
        self._charge(len(code))
        ahead = tuple([at + 1 for at in state.places if code[at].kind == _CHAR and self._has(code[at].chars, c)])
        following = self._state(self._closure((*ahead, 0)))
        state.next[c] = following
        return following

    def _has(self, chars: _Set | None, c: str) -> bool:
        assert chars is not None
        if not self._ignore_case or not ("a" <= c <= "z"):
            return chars.has(c)
        if chars.negated:
            return chars.has(c) and chars.has(c.upper())
        return chars.has(c) or chars.has(c.upper())

    def _charge(self, work: int) -> None:
        self._work += work
        if self._work > MAX_REGEX_WORK:
            raise TooMuchWork("this regular expression takes too long on this message")

    def _state(self, places: tuple[int, ...]) -> _State:
        known = self._states.get(places)
        if known is None:
            if len(self._states) >= MAX_REGEX_SETS:
                for state in self._states.values():
                    state.next.clear()
                self._states.clear()
                self._first = None
            at_end = self._is_accepting(self._closure(places, at_end=True))
            known = self._states[places] = _State(places, self._is_accepting(places), at_end)
        return known

    def _is_accepting(self, places: tuple[int, ...]) -> bool:
        return len(self._code) - 1 in places

    def _closure(self, starts: tuple[int, ...], at_start: bool = False, at_end: bool = False) -> tuple[int, ...]:
        """Return the places reached without a character, without those that only lead on; sorted."""
        code = self._code
        seen: set[int] = set()
        waiting = list(starts)
        kept: list[int] = []
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            instruction = code[at]
            kind = instruction.kind
            if kind == _SPLIT:
                waiting.append(instruction.first)
                waiting.append(instruction.second)
            elif kind == _SAVE:
                waiting.append(at + 1)
            elif kind == _START:
                if at_start:
                    waiting.append(at + 1)
            elif kind == _END:
                kept.append(at)
                if at_end:
                    waiting.append(at + 1)
            else:
                kept.append(at)
        kept.sort()
        return tuple(kept)

    def spans(self, value: str) -> list[tuple[int, int]]:
        """
        Return where the leftmost, longest match is, and then each group; (-1, -1) for a group that took no part.

        Empty if there is no match. Raises TooMuchWork.
        """
        if self._literal not in value:
            return []
        code = self._code
        self._work = 0
        size = 2 * (self._groups + 1)
        best: tuple[int, ...] | None = None
        threads: list[tuple[int, tuple[int, ...]]] = []
        nothing = (-1,) * size
        for at in range(len(value) + 1):
            at_end = at == len(value)
            seen: set[int] = set()
            current: list[tuple[int, tuple[int, ...]]] = []
            for place, saved in threads:
                self._add(current, seen, place, saved, at, at_end)
            if best is None:
                self._add(current, seen, 0, nothing, at, at_end)
            self._charge(len(seen) + 1)
            threads = []
            for place, saved in current:
                instruction = code[place]
                if instruction.kind == _MATCH:
                    if best is None or saved[0] < best[0] or (saved[0] == best[0] and saved[1] > best[1]):
                        best = saved
                elif best is not None and saved[0] > best[0]:
                    continue
                elif not at_end and self._has(instruction.chars, value[at]):
                    threads.append((place + 1, saved))
            if best is not None and not threads:
                break
        return [] if best is None else [(best[i], best[i + 1]) for i in range(0, size, 2)]

    def _add(
        self,
        current: list[tuple[int, tuple[int, ...]]],
        seen: set[int],
        start: int,
        saved: tuple[int, ...],
        at: int,
        at_end: bool,
    ) -> None:
        """Follow a thread to where it needs a character, what it prefers first."""
        code = self._code
        waiting = [(start, saved)]
        while waiting:
            place, saved = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            instruction = code[place]
            kind = instruction.kind
            if kind == _SPLIT:
                waiting.append((instruction.second, saved))
                waiting.append((instruction.first, saved))
            elif kind == _SAVE:
                index = instruction.first
                waiting.append((place + 1, (*saved[:index], at, *saved[index + 1 :])))
            elif kind == _START:
                if at == 0:
                    waiting.append((place + 1, saved))
            elif kind == _END:
                if at_end:
                    waiting.append((place + 1, saved))
            else:
                current.append((place, saved))
