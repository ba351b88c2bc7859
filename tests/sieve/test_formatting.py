"""How scripts are printed: the meaning and the comments stay, and once is enough."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhorn.sieve import SieveError
from mailhorn.sieve.errors import Source
from mailhorn.sieve.formatting import WIDTH, formatted
from mailhorn.sieve.lexer import Kind, tokens
from mailhorn.sieve.parser import Command, parse

SUITES = sorted((Path(__file__).parent / "suites").rglob("*.s*"))

UGLY = """

# who
require ["fileinto",   "imap4flags"];
require "mailbox";
# rule:[Lists]
if header :contains "subject" "list" { fileinto "Lists"; }   # hm
elsif size :over 100k { addflag "\\\\Flagged"; }
else { /* nothing */ }


# rule:[Boss]
if anyof(header :contains ["from", "to"] ["aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbb" # why
, "cccccccccccccccccc"], not exists "x", /* odd */ true ) { keep; stop;

 # end

}
if true {
 # alone
}
# rule:[Late]
else { keep ; } keep;
fileinto text: # hallo
a
..b
.
; keep;
# last"""

PRETTY = """# who
require ["fileinto", "imap4flags"];
require "mailbox";

# rule:[Lists]
if header :contains "subject" "list" {
    fileinto "Lists";
}  # hm
elsif size :over 100K {
    addflag "\\\\Flagged";
} else {  /* nothing */
}

# rule:[Boss]
if anyof (
    header :contains ["from", "to"] [
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "bbbbbbbbbbbbbbbbbbbbbbb",  # why
        "cccccccccccccccccc"
    ],
    not exists "x",  /* odd */
    true
) {
    keep;
    stop;

    # end
}
if true {
    # alone
}
# rule:[Late]
else {
    keep;
}
keep;
fileinto text: # hallo
a
..b
.
;
keep;
# last
"""


def tree(commands: Sequence[Command]) -> list[Any]:
    """What was written, wherever it stands."""
    return [
        (
            one.name,
            [
                getattr(argument, "values", None) or repr(argument).partition(", start=")[0]
                for argument in one.arguments
            ],
            [getattr(argument, "is_list", None) for argument in one.arguments],
            tree(one.tests),
            one.is_test_list,
            None if one.block is None else tree(one.block),
        )
        for one in commands
    ]


def comments(text: str) -> Counter[str]:
    """All comments, without what is blank at their ends."""
    source = Source(text)
    found: list[str] = []
    at = 0
    for token in tokens(source):
        gap = source.text[at : token.start]
        found += [one.rstrip() for one in re.findall(r"/\*.*?\*/|#[^\n]*", gap, re.DOTALL)]
        if token.kind is Kind.STRING and source.text[token.start :].lower().startswith("text:"):
            found.append(source.text[token.start : token.end].partition("\n")[0][5:].strip())
        at = token.end
    return Counter(found)


def check(text: str) -> str:
    """Everything that is always true of what is printed."""
    once = formatted(text)
    assert tree(parse(Source(once))) == tree(parse(Source(text)))
    assert comments(once) == comments(text)
    assert formatted(once) == once
    return once


def test_the_one_way_to_write_it() -> None:
    """Blocks, lists that do not fit, comments wherever they are, and a text in several lines."""
    assert check(UGLY) == PRETTY


def test_lines_end_as_they_did() -> None:
    """A script with CRLF stays one; the byte order mark goes; nothing stays nothing."""
    assert formatted("keep;\r\nstop;\n") == "keep;\r\nstop;\r\n"
    assert formatted("\ufeffkeep;") == "keep;\n"
    assert formatted("") == formatted(" \n\n") == ""
    assert formatted("\n# only this  \n\n") == "# only this\n"


def test_what_is_not_sieve_is_refused() -> None:
    """With its place, as everywhere."""
    with pytest.raises(SieveError, match="line 1, column 5"):
        formatted("keep")


def test_lines_are_not_too_long() -> None:
    """The list that is last is broken first, and what fits stays on its line."""
    keys = ", ".join(f'"key number {number}"' for number in range(9))
    printed = check(f'if not header :contains ["subject", "comments"] [{keys}] {{ keep; }}')
    assert printed.startswith('if not header :contains ["subject", "comments"] [\n    "key number 0",\n')
    assert max(map(len, printed.splitlines())) <= WIDTH
    fields = ", ".join(f'"x-field-number-{number}"' for number in range(6))
    printed = check(f'if header :contains [{fields}] "key" {{ keep; }}')
    assert printed.startswith('if header :contains [\n    "x-field-number-0",\n')


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_scripts_of_all_kinds(path: Path) -> None:
    """The meaning stays."""
    check(path.read_text("utf-8", "surrogateescape"))


BLANKS = (" ", "\n", "\n\n\n", "\t", " # said\n", "\n# own\n", "/* in */", "/* over\n  two */", "#\n", "\r\n")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_comments_anywhere(seed: int) -> None:
    """Between any two tokens there may be blanks and comments; none of them is lost, and the meaning stays."""
    choose = Random(seed)
    source = Source(choose.choice((UGLY, PRETTY, *SCRIPTS)))
    written = ""
    for token in tokens(source):
        written += "".join(choose.choices(BLANKS, k=choose.choice((0, 0, 0, 1, 1, 2))))
        word = source.text[token.start : token.end]
        written += f" {word}" if written[-1:].isalnum() and word[:1].isalnum() else word
    check(written)


SCRIPTS = [
    'if allof(anyof(true,not false),header ["a","b"] "c"){stop;}elsif true{if false{keep;}}else{discard;}',
    'vacation :days 3 :addresses ["a@b.c"] text:\nHello\n.\n;foo :x text:\na\n.\n ["a", "b\nc"] 3K (true, false) {}',
    'require "x";require ["y"];keep;',
]
