import pytest
from tests.kit.sieve import decide, holds

from mailhorn.sieve import FileInto, Keep, SieveError, SieveRuntimeError, compile_script
from mailhorn.sieve.limits import MAX_FLAGS

REQUIRE = 'require ["fileinto", "imap4flags", "copy"]; '


def flags(script: str) -> frozenset[str] | None:
    """What the internal variable gives the implicit keep."""
    return decide(REQUIRE + script).implicit_flags


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('setflag "\\\\Deleted";', {"\\Deleted"}),
        ('setflag "a"; setflag "b";', {"b"}),
        ('addflag "\\\\Deleted"; addflag "\\\\Answered";', {"\\Deleted", "\\Answered"}),
        ('addflag ["\\\\Deleted", "\\\\Answered"];', {"\\Deleted", "\\Answered"}),
        ('addflag "\\\\Deleted \\\\Answered";', {"\\Deleted", "\\Answered"}),
        ('addflag "\\\\Answered  \\\\Deleted ";', {"\\Deleted", "\\Answered"}),
        ('addflag "a"; addflag "A";', {"a"}),
        ('addflag "a b c"; removeflag ["B", "", "x"];', {"a", "c"}),
        ('addflag "a"; removeflag "a";', set()),
        ('addflag ["", "\\\\Recent", "a(b"];', set()),
        ('setflag "";', set()),
    ],
)
def test_the_internal_variable(script: str, expected: set[str]) -> None:
    """RFC 5232 §3: a set without case; empty strings and what is no flag are ignored; it applies to implicit keep."""
    assert flags(script) == frozenset(expected)


@pytest.mark.parametrize("script", ["", 'removeflag "a";'])
def test_a_script_that_says_nothing_about_flags_changes_none(script: str) -> None:
    """None: a watcher leaves the flags alone that the message has."""
    assert flags(script) is None


def test_the_tag_replaces_the_internal_variable() -> None:
    """RFC 5232 §5: "will have only flags listed after the :flags tagged argument"."""
    decision = decide(
        REQUIRE + 'fileinto "none"; addflag "a"; fileinto :flags ["b", "c d"] "A"; fileinto "B"; addflag "e"; keep;'
        ' fileinto :flags "" "C";'
    )
    assert decision.steps == (
        FileInto("none"),
        FileInto("A", frozenset("bcd")),
        FileInto("B", frozenset("a")),
        Keep(frozenset("ae")),
        FileInto("C", frozenset()),
    )


def test_of_two_lists_for_one_mailbox_the_last_one_wins() -> None:
    """RFC 5232 §3."""
    assert decide(REQUIRE + 'fileinto :flags "a" "X"; fileinto :flags "b" "X";').steps == (
        FileInto("X", frozenset("b")),
    )
    assert decide(REQUIRE + 'fileinto :flags "a" "X"; fileinto "X";').steps == (FileInto("X", frozenset()),)
    assert decide(REQUIRE + 'keep :flags "a"; keep :flags "b";').steps == (Keep(frozenset("b")),)
    assert decide(REQUIRE + 'keep :flags "a"; keep;').steps == (Keep(frozenset()),)
    inbox = decide(REQUIRE + 'fileinto :flags "a" "INBOX"; keep :flags "b"; fileinto :flags "c" "INBOX";')
    assert inbox.filings() == (FileInto("INBOX", frozenset("c")),)


def test_implicit_keep_takes_the_variable_as_it_is_at_the_end() -> None:
    """RFC 5232 §3: "The value of the internal variable also applies to the implicit keep"."""
    decision = decide(REQUIRE + 'fileinto :copy "A"; addflag "\\\\Seen";')
    assert decision.filings() == (FileInto("A", copy=True), FileInto("INBOX", frozenset({"\\Seen"})))


@pytest.mark.parametrize(
    ("setting", "test", "expected"),
    [
        ("A B", ':is "b A"', True),
        ("A B", '["b", "A"]', True),
        ("A B", '"C"', False),
        ("A B", ':comparator "i;octet" "b"', False),
        ("A B", ':comparator "i;octet" "B"', True),
        ("A B", '""', False),
        ("A B", ':contains ""', False),
        ("", '"a"', False),
        ("", ':matches "*"', False),
        ("NonJunk gnus-forward $Forwarded", ':contains "Junk"', True),
        ("NonJunk gnus-forward $Forwarded", ':contains ["label", "forward"]', True),
        ("NonJunk gnus-forward $Forwarded", ':contains "junk forward"', True),
        ("NonJunk gnus-forward $Forwarded", ':contains ["label1", "label2"]', False),
        ("NonJunk gnus-forward $Forwarded", ':matches "$For*"', True),
    ],
)
def test_hasflag(setting: str, test: str, expected: bool) -> None:
    """RFC 5232 §4, on the internal variable."""
    assert holds(f"hasflag {test}", require=f'{REQUIRE} setflag "{setting}";') is expected


def test_a_variable_name_needs_variables() -> None:
    """RFC 5232 §3: without the extension "variables" a variable name is an error."""
    with pytest.raises(SieveError, match="a variable before it needs: require"):
        compile_script(REQUIRE + 'setflag "flagvar" "a";')


def test_too_many_flags_fail() -> None:
    """Keywords live as long as the mailbox does."""
    many = " ".join(map(str, range(MAX_FLAGS)))
    assert len(flags(f'addflag "{many}";') or ()) == MAX_FLAGS
    with pytest.raises(SieveRuntimeError, match="more than"):
        flags(f'addflag "{many}"; addflag "x";')
    with pytest.raises(SieveError, match="more than"):
        flags(f'keep :flags "{many} x";')
