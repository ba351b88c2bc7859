import pytest
from tests.kit.sieve import outcome

from mailhorn.sieve import ALL, SieveError, compile_script, offered
from mailhorn.sieve.ext import EXTENSIONS
from mailhorn.sieve.limits import MAX_SCRIPT


def problem(text: str, offers: frozenset[str] = ALL) -> SieveError:
    """The error of a script."""
    with pytest.raises(SieveError) as caught:
        compile_script(text, offers)
    return caught.value


def test_what_an_assembly_may_offer() -> None:
    """What nobody can tell or do is not offered: a script that requires it is refused when it is installed."""
    assert offered() < offered({"envelope"}) < ALL
    assert {"fileinto", "variables", "regex"} <= offered() and "envelope" not in offered()
    assert offered({need for extension in EXTENSIONS for need in extension.asks}) == ALL


def test_every_extension_is_there_once() -> None:
    """The list that ManageSieve will announce, and where each is specified."""
    names = [extension.capability for extension in EXTENSIONS]
    assert len(names) == len(set(names))
    assert all(extension.rfc for extension in EXTENSIONS)


@pytest.mark.parametrize(
    ("script", "place", "message"),
    [
        # Words
        ('if hedaer "a" "b" { keep; }', (1, 4), 'unknown test "hedaer"; did you mean "header"?'),
        ("\n\n  stpo;", (3, 3), 'unknown command "stpo"; did you mean "stop"?'),
        ("frobnicate;", (1, 1), 'unknown command "frobnicate"'),
        ("iff true { keep; }", (1, 1), 'unknown command "iff"; did you mean "if"?'),
        ("if keep { stop; }", (1, 4), 'expected a test, found the command "keep"'),
        ('header "a" "b";', (1, 1), '"header" is a test, not an action; it belongs after "if"'),
        # Control
        ("keep; require [];", (1, 16), "expected a string"),
        ('keep; require "fileinto";', (1, 7), "require must come before everything else"),
        ('if true { require "fileinto"; }', (1, 11), "require must come before everything else"),
        ("require 5;", (1, 9), "expected a list of extensions after require"),
        ("require;", (1, 8), "expected a list of extensions after require"),
        ('require "fileinto" {}', (1, 19), 'expected ";" after require'),
        ("else { }", (1, 1), '"else" without an "if" before it'),
        ("elsif true { }", (1, 1), '"elsif" without an "if" before it'),
        ("if true { } keep; else { }", (1, 19), '"else" without an "if" before it'),
        ("if true { } else { } else { }", (1, 22), '"else" after "else"'),
        ("if true { } else { } elsif true { }", (1, 22), '"elsif" after "else"'),
        ("if true { } else if true { }", (1, 18), 'for "else if" write "elsif"'),
        ("if { }", (1, 3), 'expected one test after "if"'),
        ("if (true, true) { }", (1, 3), "without parentheses; several tests are written anyof (...) or allof (...)"),
        ('if "a" true { }', (1, 4), 'expected a test after "if"'),
        ("if true;", (1, 8), 'expected "{" after if'),
        ("if true keep;", (1, 8), 'expected "{" after the test true'),
        # A forgotten semicolon
        ("keep\ndiscard;", (1, 5), 'expected ";" after keep, found "discard"'),
        ('redirect "a@b"\nstop;', (1, 15), 'expected ";" after redirect, found "stop"'),
        ("keep { stop; }", (1, 5), 'expected ";" after keep; it takes no block'),
        # Tests of tests
        ("if not { }", (1, 7), "not takes one test"),
        ("if not (true) { }", (1, 9), "not takes one test"),
        ("if anyof true { }", (1, 10), "anyof takes a list of tests in parentheses"),
        ("if allof { }", (1, 9), "allof takes a list of tests in parentheses"),
        ('if anyof ("a", "b") { }', (1, 11), "expected a test, found a string"),
        # Arguments
        ('if header "a" { }', (1, 14), "header takes 2 arguments, 1 is given; usage: header "),
        ('if header "a" "b" "c" { }', (1, 19), "header takes 2 arguments, 3 are given"),
        ('keep "x";', (1, 6), "keep takes no arguments, 1 is given; usage: keep;"),
        ("redirect 5;", (1, 10), "expected a string as argument 1 of redirect"),
        ('redirect ["a@b"];', (1, 10), "expected a string as argument 1 of redirect"),
        ('if header "a" 5 { }', (1, 15), "expected a string or a list of strings as argument 2 of header"),
        ('if size :over "5" { }', (1, 15), "expected a number as argument 1 of size"),
        # Tags
        ('if header :contain "a" "b" { }', (1, 11), 'header has no argument :contain; did you mean ":contains"?'),
        ('if header :over "a" "b" { }', (1, 11), "header has no argument :over"),
        ('if header :is :contains "a" "b" { }', (1, 15), ":contains cannot be given with :is"),
        ('if header :is :is "a" "b" { }', (1, 15), ":is cannot be given twice"),
        ('if address :all :domain "from" "b" { }', (1, 17), ":domain cannot be given with :all"),
        ('if header "a" :is "b" { }', (1, 15), ":is must come before the other arguments"),
        ('if header :comparator :is "a" "b" { }', (1, 11), "expected a string after :comparator"),
        ('if header :comparator ["i;octet"] "a" "b" { }', (1, 23), "expected a string after :comparator"),
        ("if header :comparator { }", (1, 11), "expected a string after :comparator"),
        # Extensions
        ('require "filinto";', (1, 9), 'unknown extension "filinto"; did you mean "fileinto"?'),
        ('require ["fileinto", "vacations"];', (1, 9), 'unknown extension "vacations"; did you mean "vacation"?'),
        ('require "FileInto";', (1, 9), 'unknown extension "FileInto"; did you mean "fileinto"?'),
        ('require "";', (1, 9), 'unknown extension ""'),
        ('fileinto "a";', (1, 1), '"fileinto" needs: require "fileinto";'),
        ('if envelope "from" "a" { }', (1, 4), '"envelope" needs: require "envelope";'),
        ('require "fileinto"; fileinto :copy "a";', (1, 30), ':copy needs: require "copy";'),
        ('require "copy"; fileinto :copy "a";', (1, 17), '"fileinto" needs: require "fileinto";'),
        ('keep :flags "a";', (1, 6), ':flags needs: require "imap4flags";'),
    ],
)
def test_errors_say_where_and_what_was_expected(script: str, place: tuple[int, int], message: str) -> None:
    """Every one of these is the first mistake somebody makes."""
    error = problem(script)
    assert (error.line, error.column) == place, error
    assert message in error.message
    assert error.source_line == script.split("\n")[error.line - 1]


def test_what_is_never_reached_is_checked_too() -> None:
    """RFC 5228 §2.10.6 MAY; better when the script is installed than at three in the morning."""
    assert "unknown command" in problem("stop; if false { nonsense; }").message


def test_what_an_assembly_does_not_offer_is_refused() -> None:
    """RFC 5228 §2.10.5: nothing of the script may be executed if a required extension is unavailable."""
    error = problem('require "envelope";', ALL - {"envelope"})
    assert error.message == 'the extension "envelope" is not available here'


def test_what_an_assembly_cannot_do_is_refused_at_its_line() -> None:
    """Not at three in the morning, and not without a place."""
    with pytest.raises(SieveError) as caught:
        compile_script('keep;\nif false { redirect "a@b"; }', refuses={"redirect": "this server sends no mail"})
    assert (caught.value.line, caught.value.column, caught.value.message) == (2, 12, "this server sends no mail")


def test_an_extension_that_is_not_required_does_not_exist() -> None:
    """RFC 5228 §2.10.5: "implementations MUST treat it as if they did not support it at all"."""
    script = 'if header "X" "${hex:41}" { discard; }'
    assert outcome(script, [("X", "A")]) == ["implicit keep"]
    assert outcome(f'require "encoded-character"; {script}', [("X", "A")]) == ["discard"]


def test_all_capabilities_can_be_required_together() -> None:
    """In one require or in several."""
    quoted = ", ".join(f'"{name}"' for name in sorted(ALL))
    assert compile_script(f"require [{quoted}]; require [{quoted}];").requires == ALL


def test_a_script_too_long_is_refused_unread() -> None:
    """The limit itself is fine."""
    assert compile_script("#" * MAX_SCRIPT).requires == frozenset()
    assert "longer than" in problem("#" * (MAX_SCRIPT + 1)).message


def test_hostile_words_make_short_errors() -> None:
    """An error goes into logs and protocol answers."""
    for script in (
        f"{'x' * 500_000};",
        f'require "{"x" * 60_000}";',
        f"keep :{'x' * 500_000};",
        f"if {'x' * 900_000} {{}}",
    ):
        assert len(str(problem(script))) < 500


def test_a_program_says_what_it_may_ask_and_do() -> None:
    """So an assembly fetches exactly this, and refuses what it cannot do."""
    program = compile_script("""
        require ["fileinto", "envelope", "mailbox", "copy"];
        if anyof (header ["Subject", "Bad Name"] "x", address "FROM" "y", exists "List-Id", size :over 1M) {
            fileinto "a";
        } elsif envelope ["to", "From"] "z" {
            if mailboxexists ["b", "inbox"] { fileinto :create "inbox"; } else { redirect :copy "a@b"; discard; }
        }""")
    assert program.requires == {"fileinto", "envelope", "mailbox", "copy"}
    assert program.headers == {"subject", "from", "list-id"}
    assert program.needs_size
    assert program.needs_envelope == {"from", "to"}
    assert program.actions == {"fileinto", "redirect", "discard"}
    assert program.mailboxes == {"a", "b", "INBOX"}
    assert program.tested_mailboxes == {"b", "INBOX"}
    empty = compile_script("keep;")
    assert empty.actions == {"keep"}
    assert not (empty.headers or empty.needs_size or empty.needs_envelope or empty.mailboxes)


def test_a_program_is_frozen() -> None:
    """It is shared by all messages of an account."""
    with pytest.raises(AttributeError):
        del compile_script("keep;").requires
