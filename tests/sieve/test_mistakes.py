"""The mistakes that people make, and what the compiler says: where, what was expected, what they may have meant."""

import pytest

from mailhorn.sieve import SieveError, compile_script

REQUIRE = (
    'require ["fileinto", "imap4flags", "variables", "vacation",'
    ' "regex", "relational", "date", "index", "body", "copy",'
    ' "mailbox", "editheader", "include", "envelope", "subaddress"];\n'
)

MISTAKES: list[tuple[str, tuple[tuple[int, int, str], ...]]] = [
    ("keep", ((1, 5, 'expected ";" after keep, found the end of the script'),)),
    ('fileinto "a"\nstop;', ((1, 13, 'expected ";" after fileinto, found "stop"'),)),
    ('fileinto "a"\nif true { keep; }', ((1, 13, 'expected ";" after fileinto, found "if"'),)),
    ("keep;;", ((1, 6, 'expected a command, found ";"'),)),
    ("discard keep;", ((1, 8, 'expected ";" after discard, found "keep"'),)),
    (
        'if header :is "subject" "x" fileinto "a";',
        ((1, 28, 'expected "{", "," or ")" after the test header, found "fileinto"'),),
    ),
    ('if header "subject" "x" { keep;', ((1, 25, "this block is not closed; expected }"),)),
    (
        'if header "subject" "x" { keep; } }',
        ((1, 35, 'expected a command; there is no { that this } would close, found "}"'),),
    ),
    ("if true;", ((1, 8, 'expected "{" after if'),)),
    (
        'if (header "a" "b") { keep; }',
        (
            (
                1,
                3,
                'expected one test after "if", without parentheses; several'
                " tests are written anyof (...) or allof (...)",
            ),
        ),
    ),
    (
        'if header "a" "b" and header "c" "d" { keep; }',
        (
            (
                1,
                18,
                'expected "{", "," or ")" after the test header; several'
                " tests are combined with allof (...) or anyof (...)",
            ),
        ),
    ),
    (
        'if header "a" "b" && true { keep; }',
        ((1, 19, "unexpected &; tests are combined with allof (...), anyof (...) and not"),),
    ),
    (
        'if header "a" "b", true { keep; }',
        (
            (
                1,
                18,
                'expected "{" after the test, found ","; several tests are combined with allof (...) or anyof (...)',
            ),
        ),
    ),
    (
        "if anyof true, false { keep; }",
        (
            (
                1,
                14,
                'expected "{" after the test, found ","; several tests are combined with allof (...) or anyof (...)',
            ),
        ),
    ),
    ("if anyof (true, ) { keep; }", ((1, 17, 'expected a test, found ")"'),)),
    ("if anyof (true false) { keep; }", ((1, 15, 'expected "{", "," or ")" after the test true, found "false"'),)),
    ("if allof() { keep; }", ((1, 10, 'expected a test, found ")"'),)),
    ("if !true { keep; }", ((1, 4, "unexpected !; tests are combined with allof (...), anyof (...) and not"),)),
    ("if not { keep; }", ((1, 7, "not takes one test; usage: not <test>"),)),
    (
        'if header is "a" "b" { keep; }',
        ((1, 10, 'expected "{", "," or ")" after the test header; did you mean ":is"?'),),
    ),
    (
        'if header contains "a" "b" { keep; }',
        ((1, 10, 'expected "{", "," or ")" after the test header; did you mean ":contains"?'),),
    ),
    (
        'if header subject "b" { keep; }',
        (
            (
                1,
                10,
                'expected "{", "," or ")" after the test header, found'
                ' "subject"; strings are written in double quotes, as "subject"',
            ),
        ),
    ),
    (
        'if header "a" = "b" { keep; }',
        ((1, 15, "unexpected =; values are compared with :is, :contains or :matches, and assigned with set"),),
    ),
    (
        "if size > 100K { keep; }",
        ((1, 9, "unexpected >; a size is compared with :over or :under, other values with :value"),),
    ),
    ("if size 100K { keep; }", ((1, 4, "size needs :over or :under"),)),
    ("if size :over 100KB { keep; }", ((1, 19, "expected K, M, G or nothing after a number"),)),
    (
        'if size :over "100K" { keep; }',
        ((1, 15, "expected a number as argument 1 of size; usage: size :over / :under <number>"),),
    ),
    ("if size :over -1 { keep; }", ((1, 15, "unexpected -; numbers are not negative"),)),
    ("if size :larger 100K { keep; }", ((1, 9, "size has no argument :larger; usage: size :over / :under <number>"),)),
    (
        'if subject :contains "x" { keep; }',
        (
            (
                1,
                4,
                'unknown test "subject"; fields of the message are tested'
                ' with header and address, as header "subject" "..."',
            ),
        ),
    ),
    ('if hedaer "a" "b" { keep; }', ((1, 4, 'unknown test "hedaer"; did you mean "header"?'),)),
    ('if exist "a" { keep; }', ((1, 4, 'unknown test "exist"; did you mean "exists"?'),)),
    ("if keep { stop; }", ((1, 4, 'expected a test, found the command "keep"'),)),
    ('header "a" "b";', ((1, 1, '"header" is a test, not an action; it belongs after "if"'),)),
    ("fileinto 'a';", ((1, 10, "unexpected '; strings are written in double quotes"),)),
    ("fileinto a;", ((1, 9, 'expected ";" after fileinto, found "a"; strings are written in double quotes, as "a"'),)),
    (
        'fileinto ("a");',
        (
            (
                1,
                11,
                "expected a test, found a string; strings stand without parentheses, and several of them in [brackets]",
            ),
        ),
    ),
    ('fileinto ["a", "b"];', ((1, 10, "expected a string as argument 1 of fileinto; usage: fileinto <mailbox>;"),)),
    ('fileinto "a" "b";', ((1, 14, "fileinto takes 1 argument, 2 are given; usage: fileinto <mailbox>;"),)),
    ("fileinto;", ((1, 9, "fileinto takes 1 argument, 0 are given; usage: fileinto <mailbox>;"),)),
    ('fileinto :flag "x" "a";', ((1, 10, 'fileinto has no argument :flag; did you mean ":flags"?'),)),
    ('fileinto "a" :copy;', ((1, 14, ":copy must come before the other arguments"),)),
    (
        'redirect "not an address";',
        ((1, 10, 'expected one address such as "ann@example.org" or "Ann <ann@example.org>"'),),
    ),
    (
        "redirect a@b;",
        ((1, 11, 'unexpected @; an address is a string and is written in double quotes, as "ann@example.org"'),),
    ),
    ('forward "a@b";', ((1, 1, 'unknown command "forward"; did you mean "redirect"?'),)),
    ("delete;", ((1, 1, 'unknown command "delete"; did you mean "discard"?'),)),
    ('reject "no";', ((1, 1, '"reject" needs: require "reject";'),)),
    ("else { keep; }", ((1, 1, '"else" without an "if" before it'),)),
    ("if true { keep; } elseif false { stop; }", ((1, 19, 'unknown command "elseif"; did you mean "elsif"?'),)),
    ("if true { keep; } else if false { stop; }", ((1, 24, 'expected "{" after "else"; for "else if" write "elsif"'),)),
    ("if true { keep; } else { stop; } else { keep; }", ((1, 34, '"else" after "else"; expected "if" or an action'),)),
    ("elsif true { keep; }", ((1, 1, '"elsif" without an "if" before it'),)),
    (
        "vacation;",
        (
            (
                1,
                9,
                "vacation takes 1 argument, 0 are given; usage: vacation [:days <number>] [:subject <text>]"
                " [:from <address>] [:addresses <addresses>] [:mime] [:handle <name>] <reason>;",
            ),
        ),
    ),
    ('vacation :days "3" "x";', ((1, 16, "expected a number after :days"),)),
    ('vacation :day 3 "x";', ((1, 10, 'vacation has no argument :day; did you mean ":days"?'),)),
    ('vacation :days 3 :days 4 "x";', ((1, 18, ":days cannot be given twice"),)),
    (
        'set "a";',
        (
            (
                1,
                8,
                "set takes 2 arguments, 1 is given; usage: set [:lower /"
                " :upper] [:lowerfirst / :upperfirst] [:quotewildcard] [:length] <name> <value>;",
            ),
        ),
    ),
    (
        'set "1a" "b";',
        ((1, 5, 'expected the name of a variable: letters, digits and "_", not beginning with a digit'),),
    ),
    (
        'if string "${a}" == "b" { keep; }',
        ((1, 18, "unexpected =; values are compared with :is, :contains or :matches, and assigned with set"),),
    ),
    (
        'if header :value gt "a" "1" { keep; }',
        (
            (
                1,
                17,
                'expected "{", "," or ")" after the test header, found "gt";'
                ' strings are written in double quotes, as "gt"',
            ),
        ),
    ),
    (
        'if header :value ">" "a" "1" { keep; }',
        ((1, 26, '">" is no relation; expected one of "gt", "ge", "lt", "le", "eq", "ne"'),),
    ),
    (
        'if header :comparator "i;ascii-numeric" "a" "1" { keep; }',
        ((1, 23, 'the comparator "i;ascii-numeric" needs: require "comparator-i;ascii-numeric";'),),
    ),
    (
        'if header :comparator "casemap" "a" "1" { keep; }',
        ((1, 23, 'unknown comparator "casemap"; known are "i;ascii-casemap", "i;octet"'),),
    ),
    ('if header :is :contains "a" "b" { keep; }', ((1, 15, ":contains cannot be given with :is"),)),
    ('if header :matchs "a" "x" { keep; }', ((1, 11, 'header has no argument :matchs; did you mean ":matches"?'),)),
    ('if header :regex "a" "(" { keep; }', ((1, 22, "unmatched ( in the regular expression"),)),
    ('if header :regex "a" "\\\\d" { keep; }', ((1, 22, "\\d is not known in a regular expression; write [0-9]"),)),
    (
        'if date "date" "week" "1" { keep; }',
        (
            (
                1,
                16,
                '"week" is no part of a date; known are year, month, day,'
                " date, julian, hour, minute, second, time, iso8601, std11, zone, weekday",
            ),
        ),
    ),
    ('if currentdate :zone "CET" "hour" "1" { keep; }', ((1, 22, 'a time zone is written as "+0100" or "-0500"'),)),
    ('if header :index 0 "a" "b" { keep; }', ((1, 18, "fields are counted from 1; expected :index 1 or more"),)),
    ('if header :mime "a" "b" { keep; }', ((1, 11, ':mime needs: require "mime";'),)),
    (
        'if address "subject" "x" { keep; }',
        ((1, 12, 'the field "subject" holds no addresses; use header instead of address'),),
    ),
    ('if envelope "cc" "x" { keep; }', ((1, 13, 'the parts of an envelope are "from" and "to"'),)),
    ('if header ["a" "b"] "c" { keep; }', ((1, 16, 'expected "," or "]", found a string'),)),
    ('if header ["a", "b" { keep; }', ((1, 21, 'expected "," or "]", found "{"'),)),
    ('set "a" text: hello', ((1, 9, "expected the end of the line after text:"),)),
    ('set "a" text:\nhello\n;', ((1, 9, "this text is not closed; expected a line with only a dot"),)),
    ('fileinto "a;', ((1, 10, 'this string is not closed; expected "'),)),
    ("/* keep;", ((1, 1, "this comment is not closed; expected */"),)),
    ("// keep;", ((1, 1, "unexpected /; a comment begins with # or /*"),)),
    ("fileinto \u201ca\u201d;", ((1, 10, 'unexpected “; strings are written in straight double quotes, "'),)),
    ("keep;\x01", ((1, 6, "unexpected character \\x01"),)),
    ("keep;\r", ((1, 6, "a carriage return without a line feed is not allowed in a script"),)),
    ("keep;\udce9", ((1, 6, "octet E9 is not UTF-8; scripts are written in UTF-8"),)),
    ('fileinto\xa0"a";', ((1, 9, "unexpected no-break space; write a plain one"),)),
    ('keep; require "fileinto";', ((1, 7, "require must come before everything else"),)),
    ('include "nobody";', ((1, 1, 'there is no personal script "nobody" to include'),)),
    ('addheader "a b" "c";', ((1, 11, "no header field can have this name"),)),
    ('notify "mailto:a@b";', ((1, 1, '"notify" needs: require "enotify";'),)),
    ('spamtest "1";', ((1, 1, '"spamtest" needs: require "spamtest";'),)),
    ("require fileinto;", ((1, 1, 'expected require and a list of extensions, as in require ["fileinto"];'),)),
    ('require ["fileinto" "copy"];', ((1, 21, 'expected "," or "]", found a string'),)),
    ('require ["fileinto"]', ((1, 21, 'expected ";" after require, found the end of the script'),)),
    ('require "filinto";', ((1, 9, 'unknown extension "filinto"; did you mean "fileinto"?'),)),
    (
        'require "relational", "copy";',
        ((1, 21, 'expected ";" after require, found ","; several strings are written ["a", "b"]'),),
    ),
    ('fileinto "a";', ((1, 1, '"fileinto" needs: require "fileinto";'),)),
    ('if header :value "gt" "a" "b" { keep; }', ((1, 11, ':value needs: require "relational";'),)),
    (
        'fileinto "${a}";set "a" "b";',
        ((1, 1, '"fileinto" needs: require "fileinto";'), (1, 17, '"set" needs: require "variables";')),
    ),
]
"""A script, and its errors: line, column, message. Those that require something are whole scripts."""


def errors(text: str) -> list[SieveError]:
    """Return the errors of a script, with what most scripts require before it."""
    is_whole = text.startswith(("require", 'fileinto "a";', 'fileinto "${a}"', 'if header :value "gt"'))
    with pytest.raises(SieveError) as caught:
        compile_script(text if is_whole else REQUIRE + text)
    found = [caught.value, *caught.value.others]
    for error in found:
        error.line -= not is_whole
    return found


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_told_as_it_is(text: str, expected: tuple[tuple[int, int, str], ...]) -> None:
    """Each once, at its place, with its line and a caret below."""
    found = errors(text)
    assert [(error.line, error.column, error.message) for error in found] == list(expected)
    lines = text.removesuffix("\r").split("\n")
    for error in found:
        assert error.source_line.removesuffix("\r") == lines[error.line - 1]
        assert str(error).endswith("^") and error.message.isprintable()


def test_there_are_enough_of_them() -> None:
    """The table shrinks only on purpose."""
    assert len(MISTAKES) >= 80
