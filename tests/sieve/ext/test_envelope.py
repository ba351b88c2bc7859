import pytest
from tests.kit.sieve import facts, holds

from mailhorn.sieve import SieveError, compile_script

REQUIRE = 'require "envelope";'


def says(test: str, sender: str = "tim@example.com") -> bool:
    """What the test says about an envelope from the sender to me@example.org."""
    return holds(f"envelope {test}", facts([], envelope={"from": [sender], "to": ["<me@example.org>"]}), REQUIRE)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (':all :is "from" "tim@example.com"', True),
        ('"FROM" "TIM@EXAMPLE.COM"', True),
        (':comparator "i;octet" "from" "TIM@EXAMPLE.COM"', False),
        (':domain "to" "example.org"', True),
        (':localpart ["from", "to"] "me"', True),
        (':localpart "from" ["a", "b"]', False),
        (':matches :localpart ["to", "from"] "t?m"', True),
    ],
)
def test_any_part_may_match_any_key(test: str, expected: bool) -> None:
    """RFC 5228 §5.4."""
    assert says(test) is expected


@pytest.mark.parametrize("sender", ["", "<>"])
@pytest.mark.parametrize("part", ["", ":all", ":localpart", ":domain"])
def test_the_null_path_is_the_empty_string(part: str, sender: str) -> None:
    """RFC 5228 §5.4: "regardless of the ADDRESS-PART argument specified"."""
    assert says(f'{part} "from" ""', sender)
    assert not says(f'{part} :matches "from" "?*"', sender)


@pytest.mark.parametrize("sender", ["<@a.example,@b.example:tim@example.com>", "@a.example:tim@example.com"])
def test_source_routes_are_dropped(sender: str) -> None:
    """RFC 5228 §5.4: "All tests against envelopes MUST drop source routes"."""
    assert says('"from" "tim@example.com"', sender)
    assert not says(':contains "from" "a.example"', sender)


def test_unknown_parts_are_an_error() -> None:
    """RFC 5228 §5.4: "implementations SHOULD consider unknown envelope parts an error"."""
    with pytest.raises(SieveError, match='the parts of an envelope are "from" and "to"'):
        compile_script(f'{REQUIRE} if envelope ["from", "cc"] "x" {{ stop; }}')
