"""LIST patterns."""

import time

import pytest

from mailhorn.server.imap.pattern import matches


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "a/b/c", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("a*c", "a/b/c", True),
        ("%/%", "a/b", True),
        ("%%", "a", True),
        ("*%", "a/b", True),
        ("%*", "a/b", True),
        ("a", "ab", False),
        ("", "", True),
        ("", "a", False),
        ("inbox", "INBOX", True),
        ("InB%", "INBOX", True),
        ("inbox/%", "INBOX/x", True),
        ("*BOX", "INBOX", True),
        ("inbox*", "INBOX/x", True),
        ("in%/X", "INBOX/X", True),
        ("*box/x", "INBOX/x", True),
        ("inbox/X", "INBOX/x", False),
        ("inbox", "INBOX/x", False),
        ("inbox*", "INBOXES", False),
        ("x.y", "xzy", False),
        ("[a]", "[a]", True),
        ("Ä%", "Äb", True),
    ],
)
def test_wildcards(pattern: str, name: str, expected: bool) -> None:
    """RFC 9051 §6.3.9: `*` is anything, `%` stops at the delimiter, INBOX has no case, the rest is literal."""
    assert matches(pattern, name) is expected


@pytest.mark.parametrize("wildcard", ["*a", "%a", "*%"])
def test_no_pattern_is_slow(wildcard: str) -> None:
    """A pattern of a thousand wildcards is answered at once."""
    start = time.process_time()
    assert not matches(wildcard * 500 + "b", "a" * 200)
    assert time.process_time() - start < 2
