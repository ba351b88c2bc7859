"""After a mistake the compiler goes on: who made five is told five, each where it is, and no more than there are."""

import pytest

from mailhorn.sieve import SieveError, compile_script
from mailhorn.sieve.limits import MAX_ERRORS


def problems(text: str) -> list[tuple[int, int, str]]:
    """Line, column and message of every error."""
    with pytest.raises(SieveError) as caught:
        compile_script(text)
    return [(error.line, error.column, error.message) for error in (caught.value, *caught.value.others)]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        # The next command is read again, behind a semicolon, a block or at the end of one.
        ("friep $$$;\nstpo;\nkeep;", [(1, 7), (2, 1)]),
        ("if true {\n keep,\n keep\n}\nstpo;", [(2, 6), (5, 1)]),
        ("if true { keep }\nif true { discard }\nstpo;", [(1, 15), (2, 18), (3, 1)]),
        ("if anyof(true,) { keep; }\nif anyof(true,) { stpo; }\nstpo;", [(1, 15), (2, 15), (3, 1)]),
        ("keep;;\nstpo;", [(1, 6), (2, 1)]),
        ("keep;\n}\nstpo;", [(2, 1), (3, 1)]),
        # One that was not closed is one mistake.
        ("if true { if true { keep;\n", [(1, 19)]),
        ('stpo;\nfileinto "a;\nkeep;\n}', [(1, 1), (2, 10)]),
        ("stpo;\n/* keep;\nkeep;", [(1, 1), (2, 1)]),
        ("stpo;\nredirect text:\na@b\n;", [(1, 1), (2, 10)]),
        # Every test of a list, every branch, every block.
        (
            'if anyof (hedaer "a" "b", exist "a", true) { stpo; } elsif tru { kep; } else { dicard; }',
            [(1, 11), (1, 27), (1, 46), (1, 60), (1, 66), (1, 80)],
        ),
        ("if true { } else { } elsif true { stpo; }", [(1, 22), (1, 35)]),
        # What hangs on a mistake is none.
        ("if tru, false { }\nelsif true { stpo; }\nelse { keep; }", [(1, 7), (2, 14)]),
        ('require ["nonsense", "fileinot"];\nrequire;\nkeep;', [(1, 9), (1, 9), (2, 8)]),
        ("if size :over 99999999999999999999999 { stpo; }", [(1, 15)]),
    ],
)
def test_every_mistake_is_told_once(text: str, places: list[tuple[int, int]]) -> None:
    """In the order of the script."""
    assert [(line, column) for line, column, _ in problems(text)] == places


def test_there_is_an_end_to_errors() -> None:
    """Nobody reads a thousand."""
    assert len(problems("stpo;\n" * 1000)) == MAX_ERRORS
    assert len(problems("$;\n" * 1000)) == MAX_ERRORS
    assert len(problems("$" * 100_000)) <= MAX_ERRORS


def test_words_of_a_refused_extension_are_no_second_mistake() -> None:
    """The one to mend is the require."""
    with pytest.raises(SieveError) as caught:
        compile_script('require "envelope";\nif envelope "from" "a" { keep; }', frozenset())
    assert caught.value.others == () and caught.value.line == 1
