"""server/managesieve/advice.py: what a script that compiles may still get wrong."""

import pytest

from mailhorn.managesieve.limits import MAX_QUOTED
from mailhorn.managesieve.responses import Code, Condition, Response, write_response
from mailhorn.server.managesieve.advice import advice

FILEINTO = 'require ["fileinto", "mailbox", "variables"];\r\n'
NO_BOX = "there is no mailbox {}; with require mailbox, fileinto :create makes it wherever the script runs"

NEVER = "line {}: this is never reached, as line {} ends the script"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", ""),
        ("keep; stop;", ""),
        (FILEINTO + 'fileinto "inbox"; fileinto "Work"; fileinto "r\u00e4ge"; fileinto "ra\u0308ge";', ""),
        (FILEINTO + 'fileinto "Wrok";', "line 2: " + NO_BOX.format("Wrok")),
        (FILEINTO + '\r\nif true {\r\n  fileinto "a\\"\\\\b";\r\n}', "line 4: " + NO_BOX.format("a'/b")),
        (FILEINTO + 'fileinto :create "Wrok"; fileinto "${x}";', ""),
        (
            "if true { stop; }\r\nkeep;\r\nstop;\r\nkeep;\r\ndiscard;",
            "line 4: this is never reached, as line 3 ends the script",
        ),
        (
            "if true {\r\nstop;\r\nkeep;\r\n} else {\r\nkeep;\r\n}",
            "line 3: this is never reached, as line 2 ends the script",
        ),
        (
            'redirect "a@b.c";\r\nif true {\r\n  redirect "b@b.c";\r\n}\r\nredirect "c@b.c";\r\nredirect "d@b.c";',
            "line 5: a message is redirected 2 times at most, this redirect might fail",
        ),
    ],
)
def test_what_is_warned_of(script: str, expected: str) -> None:
    """And what is not."""
    assert advice(script, ["INBOX", "Work", "r\u00e4ge"], 2) == expected


def test_all_of_it_is_one_short_line() -> None:
    """sievelib reads no literal after OK."""
    said = advice(FILEINTO + '\r\nfileinto "x";' * 100, [], 2)
    assert said.count("; line ") > 3
    written = write_response(Response(Condition.OK, said, Code.WARNINGS))
    assert written.startswith(b'OK (WARNINGS) "line 3: ') and written.count(b"\r\n") == 1
    assert len(said) <= MAX_QUOTED
