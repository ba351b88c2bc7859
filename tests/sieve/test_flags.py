import pytest

from mailhorn.sieve.flags import flag_list
from mailhorn.sieve.limits import MAX_FLAG


@pytest.mark.parametrize(
    ("strings", "expected"),
    [
        ([], []),
        ([""], []),
        (["", "a", " "], ["a"]),
        (["\\seen"], ["\\Seen"]),
        (["\\Deleted \\Answered"], ["\\Deleted", "\\Answered"]),
        (["  a   b "], ["a", "b"]),
        (["a", "A", "b"], ["a", "b"]),
        (["$Forwarded NonJunk gnus-forward"], ["$Forwarded", "NonJunk", "gnus-forward"]),
        (["\\Recent \\Foo \\* \\"], []),
        (['gr\u00fcn a(b a{ a% a* a] a\\b a"b a\tb \x7f \u2028'], []),
        (["x" * MAX_FLAG, "y" * (MAX_FLAG + 1)], ["x" * MAX_FLAG]),
    ],
)
def test_flag_lists(strings: list[str], expected: list[str]) -> None:
    """RFC 5232 §2: spaces separate, empty strings and invalid flags are ignored, \\Recent cannot be set."""
    assert list(flag_list(strings).values()) == expected
