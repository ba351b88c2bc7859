import pytest
from tests.kit.sieve import holds

from mailhorn.sieve import SieveError, compile_script
from mailhorn.sieve.match import is_field_name

MESSAGE = [
    ("X", "frobnitzm"),
    ("Empty", ""),
    ("Utf8", "Größe"),
    ("Star", "a*b"),
    ("Spaced", " \t padded  "),
    ("X", "two"),
]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('header :contains "X" "frob"', True),
        ('header :contains "X" "nit"', True),
        ('header :contains "X" "fbm"', False),
        ('header :contains "X" ""', True),
        ('header :contains "Absent" ""', False),
        ('header :is "X" "frobnitzm"', True),
        ('header "X" "FROBNITZM"', True),
        ('header :is "X" "frob"', False),
        ('header :is "X" ""', False),
        ('header :is "Empty" ""', True),
        ('header :is "X" ["no", "two"]', True),
        ('header :is ["Absent", "X"] ["two"]', True),
        ('header :contains "X" ["zz", "w"]', True),
        ('header :contains "X" ["zz", "yy"]', False),
        ('header :matches "X" "frob*m"', True),
        ('header :matches "X" "frob"', False),
        ('header :matches "X" ["nope*", "TW?"]', True),
        ('header :matches "X" ["nope*", "yep*"]', False),
        ('header :matches "Star" "a\\\\*b"', True),
        ('header :matches "X" "frob\\\\*"', False),
        ('not header :matches "Cc" "?*"', True),
        ('not header :matches "Empty" "?*"', True),
        ('header :is "Spaced" "padded"', True),
        ('header :contains :comparator "i;octet" "X" "FROB"', False),
        ('header :comparator "i;octet" :contains "X" "frob"', True),
        ('header :is :comparator "i;ascii-casemap" "X" "FrobNitzm"', True),
        ('header :is "Utf8" "GRößE"', True),
        ('header :is "Utf8" "GRÖSSE"', False),
        ('header :is "Utf8" "grÖße"', False),
        ('header :matches "Utf8" "Gr??????"', False),
        ('header :matches "Utf8" "Gr?????"', True),
    ],
)
def test_comparators_and_match_types(test: str, expected: bool) -> None:
    """RFC 5228 §2.7.1 to §2.7.3: characters are octets, case is ASCII's, the default is :is i;ascii-casemap."""
    assert holds(test, MESSAGE) is expected


def test_octets_that_are_no_utf_8_are_compared() -> None:
    """RFC 5228 §2.7.2: comparisons are performed on octets."""
    assert holds('header :contains "X" "${hex:fc}"', [("X", "gr\udcfcn")], 'require "encoded-character";')
    assert holds('header :is "X" "\ud812"', [("X", "\ud812")])


def test_an_encoded_nul_does_not_end_a_value() -> None:
    """RFC 5228 §2.7.2: "An encoded NUL octet SHOULD NOT cause early termination"."""
    assert holds('header :is "X" "a${hex:00}b"', [("X", "a\0b")], 'require "encoded-character";')


@pytest.mark.parametrize("name", ["i;unicode-casemap", "i;ascii-numeric", "en;ascii-casemap", ""])
def test_other_comparators_are_an_error(name: str) -> None:
    """RFC 5228 §2.7.3: an undeclared comparator is an error, and there are none to declare."""
    with pytest.raises(SieveError, match="needs: require|unknown comparator"):
        compile_script(f'if header :comparator "{name}" "a" "b" {{ keep; }}')


@pytest.mark.parametrize("name", ["i;octet", "i;ascii-casemap"])
def test_both_comparators_may_be_required(name: str) -> None:
    """RFC 5228 §6.1: all implementations have these capabilities; requiring them is not necessary."""
    assert holds(f'header :comparator "{name}" "X" "two"', MESSAGE, f'require "comparator-{name}";')


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Subject", True), ("x{5}", True), ("From:", False), ("a b", False), ("", False), ("ü", False), ("a\r\nb", False)],
)
def test_field_names(name: str, expected: bool) -> None:
    """RFC 5322 §3.6.8: printable ASCII without colon."""
    assert is_field_name(name) is expected
