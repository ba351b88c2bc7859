import pytest

from mailhorn.sieve.errors import SieveError, SieveProblem, SieveRuntimeError, Source, printable


def test_an_error_shows_the_line_and_a_caret_below_the_place() -> None:
    """Line, column, message, the line itself and a caret, as a compiler prints them."""
    error = Source('keep;\n\tif hedaer "a" "b" {}').error(10, "unknown test")
    assert (error.line, error.column, error.message) == (2, 5, "unknown test")
    assert error.source_line == '\tif hedaer "a" "b" {}'
    assert str(error) == 'line 2, column 5: unknown test\n     if hedaer "a" "b" {}\n        ^'


def test_a_long_line_is_shown_around_the_place() -> None:
    """The caret stays below the character it means, and nobody gets a megabyte of error."""
    error = Source("x" * 5000 + "!" + "y" * 5000).error(5000, "here")
    _, shown, caret = str(error).split("\n")
    assert len(shown) < 120
    assert shown[caret.index("^")] == "!"


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A script cannot move the cursor of who reads the error, nor break a log line; the caret still fits."""
    error = Source("\x1b[2J\x07\ud800 bad").error(7, "here")
    _, shown, caret = str(error).split("\n")
    assert "\x1b" not in shown and "\x07" not in shown
    assert shown[caret.index("^")] == "b"
    assert printable("a\u2028b\ud800\n") == "a\\u2028b\\ud800\\n"


@pytest.mark.parametrize(("offset", "expected"), [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (3, (3, 1)), (4, (3, 2))])
def test_positions_count_from_one(offset: int, expected: tuple[int, int]) -> None:
    """CRLF and LF are one line end."""
    assert Source("a\r\n\nbc").position(offset) == expected


def test_the_end_of_the_script_is_a_position() -> None:
    """Something may be missing there."""
    assert str(Source("").error(0, "empty")).startswith("line 1, column 1: empty")
    assert Source("a\n").line(2) == 2


def test_a_byte_order_mark_is_passed_over() -> None:
    """Editors on Windows write one."""
    assert Source("\ufeffkeep;").text == "keep;"


def test_both_errors_are_sieve_problems() -> None:
    """One except clause catches both."""
    assert issubclass(SieveError, SieveProblem) and issubclass(SieveRuntimeError, SieveProblem)
    assert str(SieveRuntimeError(3, "too many")) == "line 3: too many"
