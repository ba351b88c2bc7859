"""Scripts and messages made to cost: each ends at a limit that is named, within a number of steps that is counted here.

A step is a call that Python makes, of its own functions and of those in C: the same on every machine, however busy.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import pytest

from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, HeaderFacts, SieveError, SieveRuntimeError, compile_script, evaluate
from mailhorn.sieve.limits import MAX_ERRORS, MAX_SCRIPT, MAX_VARIABLE
from mailhorn.sieve.questions import Structure

_T = TypeVar("_T")

ALL = (
    'require ["fileinto", "variables", "regex", "include", "foreverypart", "mime", "editheader", "imap4flags",'
    ' "enotify", "body", "relational", "comparator-i;ascii-numeric", "copy", "extracttext"];\n'
)
MIB = 1_000_000


def counted(function: Callable[[], _T], limit: int) -> _T:
    """Return what the function returns; fail when it takes more calls than that."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    earlier = sys.getprofile()
    sys.setprofile(count)
    try:
        return function()
    finally:
        sys.setprofile(earlier)
        assert calls <= limit, f"{calls} steps"


def refused(text: str, limit: int, scripts: dict[str, str] | None = None) -> str:
    """Return what the compiler says first, and see that it says it soon."""

    def compiled() -> str:
        with pytest.raises(SieveError) as caught:
            compile_script(text, scripts=lambda place, name: (scripts or {}).get(name))
        assert len(caught.value.others) < MAX_ERRORS
        return caught.value.message

    return counted(compiled, limit)


def run(text: str, message: bytes, limit: int, scripts: dict[str, str] | None = None) -> Actions | str:
    """Return what a script decides, or how it failed."""
    program = compile_script(ALL + text, scripts=lambda place, name: (scripts or {}).get(name))

    def evaluated() -> Actions | str:
        entity = Entity(message)
        facts = HeaderFacts(
            entity.fields(),
            size=len(message),
            mailboxes=(),
            answers=lambda question: entity if isinstance(question, Structure) else None,
        )
        try:
            decided = evaluate(program, facts)
        except SieveRuntimeError as error:
            return error.message
        assert isinstance(decided, Actions)
        return decided

    return counted(evaluated, limit)


PLAIN = b"From: ann@example.org\r\nSubject: x\r\n\r\nhello\r\n"
LONG = b"Subject: " + b"a" * 50_000 + b"\r\n\r\n" + b"a" * 50_000 + b"\r\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep;\n" * (MIB // 6), "more than 10000 commands"),
        ("if true {\n" * (MIB // 10), "more than 32 nested blocks"),
        ("if " + "not " * (MIB // 4 - 1), "more than 32 nested tests"),
        ("if anyof (" * (MIB // 10), "more than 32 nested tests"),
        ('redirect "' + "a" * (MIB - 20) + '";', "longer than 65536 characters"),
        ('redirect "' + "a" * (MIB - 20), "this string is not closed"),
        ("stop :" + "a" * (MIB - 20) + ";", "stop has no argument :aaa"),
        ("$" * (MIB - 20), "unexpected character $"),
        ("$ " * (MIB // 2), "unexpected character $"),
        ("$; " * (MIB // 3), "unexpected character $"),
        ("stpo;" * (MIB // 5), "more than 10000 commands"),
        ("stpo;" * 9_000, 'did you mean "stop"'),
        ("#" * (MAX_SCRIPT + 1), f"longer than {MAX_SCRIPT} characters"),
        ("keep " + '"a" ' * (MIB // 4 - 10) + ";", "more than 100000 words and signs"),
        ("redirect [" + '"a",' * (MIB // 4 - 10) + '"b"];', "more than 100000 words and signs"),
        ("size " + "9" * (MIB - 20) + ";", "this number is too large"),
    ],
)
def test_a_megabyte_of_script(text: str, message: str) -> None:
    """Whatever it is made of, it is refused, after ten steps for each of 100,000 tokens; comments cost nothing."""
    assert message in refused(text, 1_100_000)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a{200}){200}", "too large"),
        ("((a{90}){90}){90}", "too large"),
        ("(" * 200 + "a" + ")" * 200, "more than 99 groups"),
        ("a" * 5_000, "too large"),
        ("(a)\\\\1", "linear time"),
        ("a{999}", "at most 255"),
        ("a" + "{250}" * 50, "too large"),
    ],
)
def test_a_regular_expression_that_is_too_large(pattern: str, message: str) -> None:
    """Refused when the script is installed."""
    assert message in refused(f'{ALL}if header :regex "subject" "{pattern}" {{ stop; }}', 60_000)


@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a|aa)+$", "(a|a)*(a|a)*(a|a)*c", "a*a*a*a*a*a*a*b", "(.*)(.*)(.*)(.*)x"]
)
def test_a_regular_expression_that_would_backtrack(pattern: str) -> None:
    """It looks at each character once; where groups are to be found, as far as the work goes."""
    found = run(f'if header :regex "subject" "{pattern}" {{ stop; }}', LONG, 2_000_000)
    assert isinstance(found, Actions) or "takes too long" in found
    assert isinstance(run(f'if body :raw :regex "{pattern}" {{ stop; }}', LONG, 400_000), Actions)


def test_a_pattern_of_many_stars() -> None:
    """Each piece is looked for once."""
    stars = "*a" * 1_000
    assert isinstance(run(f'if header :matches "subject" "{stars}*b*" {{ stop; }}', LONG, 20_000), Actions)
    questions = "*" + "?" * 100
    assert isinstance(run(f'if header :matches "subject" "{questions * 100}b" {{ stop; }}', LONG, 60_000), Actions)


def test_scripts_that_include_each_other() -> None:
    """In a ring; and doubling at each step, which is counted while it runs."""
    ring = {"a": 'require "include"; include "b";', "b": 'require "include"; include "a";'}
    assert "includes itself" in refused('require "include"; include "a";', 5_000, ring)
    doubling = {
        f"s{n}": f'require "include"; include "s{n + 1}"; include "s{n + 1}"; include "s{n + 1}";' for n in range(9)
    }
    doubling |= {"s9": 'require "include"; ' + "keep; " * 30}
    assert "more than 100000 commands" in str(run('include "s0";' * 40, PLAIN, 2_000_000, doubling))
    deep = {f"s{n}": f'require "include"; include "s{n + 1}";' for n in range(20)}
    assert "more than 10 scripts" in refused('require "include"; include "s0";', 30_000, deep)
    many = {f"s{n}": "keep;" for n in range(1_000)}
    text = 'require "include";' + "".join(f'include "s{n}";' for n in range(1_000))
    assert "more than 64 scripts" in refused(text, 400_000, many)


def nested(depth: int) -> bytes:
    """Return a message with parts in parts."""
    head = b"From: a@b\r\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)
    )
    return head + b"Content-Type: text/plain\r\n\r\nx\r\n"


def test_loops_over_parts() -> None:
    """Loops in loops, over a message of many parts and over one of parts in parts."""
    many = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 3_000 + b"--b--\r\n"
    loops = "foreverypart { " * 6 + 'if header :mime "x" "y" { keep; }' + " }" * 6
    assert isinstance(run(loops, many, 2_000_000), Actions)
    within = "foreverypart { foreverypart { foreverypart { foreverypart { keep; } } } }"
    assert "more than 100000 commands" in str(run(within, nested(90), 9_000_000))


def test_variables_that_grow() -> None:
    """They are cut, and what is put together is counted."""
    doubling = 'set "a" "aaaaaaaa";' + 'set "a" "${a}${a}${a}${a}";' * 50
    decided = run(doubling + 'if string :matches "${a}" "*" { fileinto "b"; }', PLAIN, 5_000)
    assert isinstance(decided, Actions)
    many = 'set "a" "' + "a" * 60_000 + '";' + 'set "b" "${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}";' * 2_000
    assert "takes too long" in str(run(many, PLAIN, 30_000))
    assert MAX_VARIABLE < 100_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("".join(f'redirect "a{n}@example.org";' for n in range(3_000)), "more than 32 redirects"),
        ("".join(f'fileinto "m{n}";' for n in range(3_000)), "more than 64 actions"),
        ("".join(f'notify "mailto:a{n}@example.org";' for n in range(3_000)), "more than 8 notifications"),
        ("".join(f'addflag "f{n}";' for n in range(3_000)), "more than 64 flags"),
        ("".join(f'addheader "x-{n}" "y";' for n in range(3_000)), "more than 200 changes"),
    ],
)
def test_thousands_of_actions(text: str, message: str) -> None:
    """The limit is told, and the mail is kept."""
    found = run(text, PLAIN, 120_000)
    assert message in str(found)


def test_sizes_of_a_message_that_changes() -> None:
    """A message of many fields, changed and measured in turns: what is copied is counted."""
    message = b"".join(b"X-%d: %b\r\n" % (n, b"y" * 900) for n in range(1_000)) + b"\r\nbody\r\n"
    text = "".join(f'addheader "x-{n}" "y"; if size :under 1 {{ stop; }}' for n in range(190))
    assert "takes too long" in str(run(text, message, 120_000))


def test_tests_of_a_message_of_many_octets() -> None:
    """Ten thousand keys against a field of fifty thousand octets."""
    keys = ", ".join(f'"k{n}"' for n in range(9_000))
    assert "takes too long" in str(run(f'if header :contains "subject" [{keys}] {{ stop; }}', LONG, 5_000))
    fields = b"To: a@b\r\n" * 100_000 + b"\r\n"
    assert isinstance(run('if address "to" "x@y" { stop; }', fields, 3_500_000), Actions | str)
