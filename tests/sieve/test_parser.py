from collections.abc import Callable

import pytest

from mailhorn.sieve.errors import SieveError, Source
from mailhorn.sieve.limits import MAX_COMMANDS, MAX_NESTING
from mailhorn.sieve.parser import Number, Strings, Tag, parse


def problem(text: str) -> SieveError:
    """The error of a text."""
    with pytest.raises(SieveError) as caught:
        parse(Source(text))
    return caught.value


def test_a_command_with_all_its_parts() -> None:
    """RFC 5228 §8.2: arguments, then a test, then a block."""
    (command,) = parse(Source('if size :over 1K { fileinto ["a", "b"]; }'))
    assert command.name == "if" and command.arguments == () and not command.is_test_list
    (test,) = command.tests
    assert test.name == "size" and test.arguments == (Tag("over", 8), Number(1024, 14))
    assert command.block is not None
    assert command.block[0].arguments == (Strings(("a", "b"), True, 28),)


def test_places_lead_back_to_the_text() -> None:
    """`start`, `head_end` and `end` are what errors and the trace cut out."""
    text = "keep; if allof (true, not false) { stop ; }"
    _, command = parse(Source(text))
    assert text[command.start : command.head_end] == "if"
    assert text[command.start : command.end] == "if allof (true, not false)"
    assert text[command.tests[0].tests[1].start : command.tests[0].tests[1].end] == "not false"


def test_a_string_is_not_a_list_of_one() -> None:
    """The checker may want the difference."""
    (command,) = parse(Source('x "a" ["a"];'))
    assert command.arguments == (Strings(("a",), False, 2), Strings(("a",), True, 6))


def test_an_empty_script_is_a_script() -> None:
    """start = commands = *command"""
    assert parse(Source("")) == ()
    assert parse(Source("# only a comment")) == ()
    assert parse(Source("a {}"))[0].block == ()


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("keep", 5, 'expected ";" after keep, found the end of the script'),
        ("keep }", 5, 'expected ";" after keep, found "}"'),
        ("if true, false { }", 8, 'expected "{" after the test, found ","'),
        ("{ keep; }", 1, 'expected a command, found "{"'),
        ('"x";', 1, "expected a command, found a string"),
        (":x;", 1, 'expected a command, found ":x"'),
        ("5;", 1, 'expected a command, found "5"'),
        ("keep;;", 6, 'expected a command, found ";"'),
        ("keep; }", 7, "there is no { that this } would close"),
        ("if true { keep;", 9, "this block is not closed; expected }"),
        ("x [];", 4, 'expected a string, found "]"'),
        ('x ["a" "b"];', 8, 'expected "," or "]", found a string'),
        ('x ["a",];', 8, 'expected a string, found "]"'),
        ("x [1];", 4, 'expected a string, found "1"'),
        ("if anyof () {}", 11, 'expected a test, found ")"'),
        ("if anyof (true {}", 16, 'expected "," or ")", found "{"'),
        ("if anyof (true,) {}", 16, 'expected a test, found ")"'),
        ("if true", 8, 'expected "{" after the test, found the end of the script'),
    ],
)
def test_errors_say_what_was_expected(text: str, column: int, message: str) -> None:
    """And point at the place where it was expected."""
    error = problem(text)
    assert (error.line, error.column) == (1, column), error
    assert message in error.message


def nested_tests(depth: int) -> str:
    return "if " + "anyof (" * (depth - 1) + "true" + ")" * (depth - 1) + " {}"


def nested_blocks(depth: int) -> str:
    return "if true {" * depth + "}" * depth


@pytest.mark.parametrize("nested", [nested_tests, nested_blocks])
def test_fifteen_levels_are_allowed_and_a_limit_holds(nested: Callable[[int], str]) -> None:
    """RFC 5228 §2.10.7: "MUST support fifteen levels" of blocks and of test lists."""
    parse(Source(nested(15)))
    parse(Source(nested(MAX_NESTING)))
    assert "nested" in problem(nested(MAX_NESTING + 1)).message


@pytest.mark.parametrize(
    "text",
    ["if anyof (" * 100_000, "if " + "not " * 100_000, "if true {" * 100_000, "(" * 100_000, "[" * 100_000]
    + ["{" * 100_000, nested_tests(100_000), nested_blocks(100_000), "x [" * 100_000],
)
def test_a_hundred_thousand_levels_are_an_error(text: str) -> None:
    """No RecursionError, and at once: tokens are made one by one."""
    problem(text)


def test_the_number_of_commands_is_limited() -> None:
    """Tests count too."""
    assert len(parse(Source("x;" * MAX_COMMANDS))) == MAX_COMMANDS
    assert "commands and tests" in problem("x;" * (MAX_COMMANDS + 1)).message
    assert "commands and tests" in problem("if anyof (" + "true," * MAX_COMMANDS + "true) {}").message
