import pytest
from tests.kit.sieve import decide, facts, holds

from mailhorn.sieve import FileInto, SieveError, compile_script

REQUIRE = 'require ["mailbox", "fileinto"];'


@pytest.mark.parametrize(
    ("names", "expected"),
    [('"a"', True), ('"A"', False), ('["a", "inbox"]', True), ('["a", "b"]', False), ('["b", "a"]', False)],
)
def test_mailboxexists_wants_all_of_them(names: str, expected: bool) -> None:
    """RFC 5490 §3.1: "true if all mailboxes listed [...] exist"."""
    assert holds(f"mailboxexists {names}", facts([], mailboxes=("INBOX", "a")), REQUIRE) is expected


def test_create_is_told_to_who_files() -> None:
    """RFC 5490 §3.2."""
    assert decide(REQUIRE + 'fileinto :create "a";').steps == (FileInto("a", create=True),)


def test_the_example_of_the_rfc() -> None:
    """RFC 5490 §3.1, with stop in place of reject."""
    script = REQUIRE + 'if mailboxexists "Partners" { fileinto "Partners"; } else { stop; }'
    assert decide(script, facts([], mailboxes=("Partners",))).steps == (FileInto("Partners"),)
    assert decide(script, facts([], mailboxes=())).implicit_keep


def test_an_impossible_name_is_an_error() -> None:
    """Nobody is to be asked about it."""
    with pytest.raises(SieveError, match="control characters"):
        compile_script(REQUIRE + 'if mailboxexists ["a", "b\nc"] { stop; }')
