import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.sieve.limits import MAX_REGEX_WORK
from mailhorn.sieve.regex import Regex, TooMuchWork


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a**b(", r"unmatched \("),
        ("a)", r"unmatched \)"),
        ("[a", r"unmatched \["),
        ("*a", "nothing to repeat"),
        ("a{2", "expected {n}"),
        ("a{3,2}", "first number is greater"),
        ("a{256}", "at most 255"),
        ("a{99999999}", "at most 255"),
        ("a\\", "ends in a backslash"),
        ("(a)\\1", "linear time"),
        ("\\d", r"write \[0-9\]"),
        ("\\bx", "not known"),
        ("[z-a]", "goes backwards"),
        ("[[:word:]]", "no class"),
        ("[[.ab.]]", "one character"),
        ("(((a{99}){99}){99})", "too large"),
        ("(" * 200, "more than 99 groups"),
    ],
)
def test_what_is_refused(pattern: str, reason: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(ValueError, match=reason):
        Regex(pattern, False)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("", "", [(0, 0)]),
        ("^$", "", [(0, 0)]),
        ("^$", "a", []),
        ("a{2,3}", "caaaab", [(1, 4)]),
        ("(a*)(b*)", "aabb", [(0, 4), (0, 2), (2, 4)]),
        ("x|(y)", "ax", [(1, 2), (-1, -1)]),
        ("[]a-]+", "b]-a", [(1, 4)]),
        ("[^a]", "ab", [(1, 2)]),
        ("\\.", "a.b", [(1, 2)]),
        ("a|ab|abc", "xabcd", [(1, 4)]),
        ("(^|,)b", "a,b", [(1, 3), (1, 2)]),
        ("b($|,)", "a,b", [(2, 3), (3, 3)]),
        ("[[:alpha:]_]+", "1ä_2", [(1, 3)]),
    ],
)
def test_where_it_matches(pattern: str, value: str, expected: list[tuple[int, int]]) -> None:
    """The whole match first, then the groups."""
    regex = Regex(pattern, False)
    assert regex.spans(value) == expected
    assert regex.search(value) is bool(expected)


def test_case_of_ascii_may_be_ignored() -> None:
    """Values come in lower case then."""
    assert Regex("[A-C]X", True).search("bx")
    assert not Regex("[^A-C]", True).search("abc")
    assert not Regex("A", False).search("a")


_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$"])
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}"])).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=6,
)


@given(pattern=_PATTERNS, value=st.text("abc", max_size=8))
def test_it_matches_what_python_matches(pattern: str, value: str) -> None:
    """The same language, where Python's means the same: its $ also stands before a last line feed."""
    regex = Regex(pattern, False)
    assert regex.search(value) is (re.search(pattern, value) is not None)
    found = regex.spans(value)
    assert bool(found) is regex.search(value)
    if found:
        theirs = re.search(pattern, value)
        assert theirs is not None and found[0][0] == theirs.start() and found[0][1] >= theirs.end()


def test_bombs_take_linear_time() -> None:
    """What takes a backtracking engine years."""
    started = time.thread_time()
    assert not Regex("^(a+)+$", False).search("a" * 5000 + "b")
    assert not Regex("(a|a)*c", False).search("a" * 5000)
    assert Regex("(x+x+)+y", False).search("x" * 5000 + "y")
    assert time.thread_time() - started < 1


def test_work_has_an_end() -> None:
    """Many states and a value that never meets the same ones twice."""
    regex = Regex("(a|b)*a(a|b){150}c", False)
    value = "".join("ab"[number * number * 2654435761 >> 13 & 1] for number in range(MAX_REGEX_WORK // 100))
    with pytest.raises(TooMuchWork):
        regex.search(value)
