import time

import pytest

from mailhorn.sieve.glob import glob, weight


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        (b"", b"", True),
        (b"", b"a", False),
        (b"*", b"", True),
        (b"*", b"anything\r\nat all", True),
        (b"?", b"", False),
        (b"?", b"\n", True),
        (b"?", b"ab", False),
        (b"?*", b"", False),
        (b"?*", b"abc", True),
        (b"a*b*c", b"aXbXc", True),
        (b"a*b*c", b"acb", False),
        (b"a*a", b"a", False),
        (b"a*a", b"aa", True),
        (b"*a", b"ba", True),
        (b"*ab*ab", b"ab", False),
        (b"*ab*ab", b"aabab", True),
        (b"*a?c*", b"abxaxc", True),
        (b"a?c*", b"abcd", True),
        (b"*?b", b"b", False),
        (b"a\\*b", b"a*b", True),
        (b"a\\*b", b"aXb", False),
        (b"a\\?b", b"a?b", True),
        (b"a\\?b", b"axb", False),
        (b"a\\\\*", b"a\\xyz", True),
        (b"\\a", b"a", True),
        (b"a\\", b"a\\", True),
        (b"a.c", b"abc", False),
        (b"[ab]*", b"[ab]x", True),
        (b"**", b"x", True),
        (b"a**b", b"ab", True),
        (b"caf?", "café".encode(), False),
        (b"caf??", "café".encode(), True),
    ],
)
def test_patterns(pattern: bytes, value: bytes, expected: bool) -> None:
    """RFC 5228 §2.7.1: the whole value must be matched; * is zero or more octets, ? is exactly one."""
    assert glob(pattern)(value) is expected


@pytest.mark.parametrize(
    "pattern", [b"*a" * 50 + b"b", b"*a?" * 50 + b"*b", b"*" + b"a" * 500 + b"b*", b"?" * 999 + b"*b"]
)
def test_hostile_patterns_take_no_exponential_time(pattern: bytes) -> None:
    """A regular expression would still be busy tomorrow."""
    matches = glob(pattern)
    started = time.perf_counter()
    for _ in range(10):
        assert not matches(b"a" * 50_000)
    assert time.perf_counter() - started < 2


def test_weight_bounds_the_cost() -> None:
    """Only pieces with a question mark are searched the slow way."""
    assert weight(b"abc*def") == 1
    assert weight(b"a?c*defg*h?") == 3
