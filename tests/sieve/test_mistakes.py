"""The mistakes that people make, and what the compiler says: where, what was expected, what they may have meant."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mailhorn.sieve import SieveError, compile_script

REQUIRE = (
    'require ["fileinto", "imap4flags", "variables", "vacation",'
    ' "regex", "relational", "date", "index", "body", "copy",'
    ' "mailbox", "editheader", "include", "envelope", "subaddress"];\n'
)

MISTAKES = tomllib.loads((Path(__file__).parent / "mistakes.toml").read_text("utf-8"))["mistake"]


def errors(text: str) -> list[SieveError]:
    """Return the errors of a script, with what most scripts require before it."""
    is_whole = (
        text.removeprefix("\ufeff")
        .lower()
        .startswith(("require", 'fileinto "a";', 'fileinto "${a}"', 'if header :value "gt"'))
    )
    with pytest.raises(SieveError) as caught:
        compile_script(text if is_whole else REQUIRE + text)
    found = [caught.value, *caught.value.others]
    for error in found:
        error.line -= not is_whole
    return found


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["script"])
def test_a_mistake_is_told_as_it_is(mistake: dict[str, Any]) -> None:
    """Each once, at its place, with its line and a caret below."""
    text = mistake["script"]
    found = errors(text)
    assert [f"{error.line}:{error.column} {error.message}" for error in found] == mistake["said"]
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    for error in found:
        assert error.source_line == lines[error.line - 1]
        assert str(error).endswith("^") and error.message.isprintable()


def test_an_octet_that_is_no_utf8() -> None:
    """It comes as a surrogate."""
    (error,) = errors("keep;\udce9")
    assert (error.line, error.column) == (1, 6)
    assert error.message == "octet E9 is not UTF-8; scripts are written in UTF-8"


def test_the_caret_is_below_the_place() -> None:
    """Behind tabs, wide characters and such that take no room."""
    (error,) = errors('if header :is "\u65e5\u672c" "e\u0301" {\tkep; }')
    *_, line, caret = str(error).split("\n")
    assert line == '    if header :is "\u65e5\u672c" "e\u0301" { kep; }'
    assert caret == "    " + " " * len('if header :is "1234" "e" { ') + "^"


def test_there_are_enough_of_them() -> None:
    """The table shrinks only on purpose."""
    assert len(MISTAKES) >= 200
