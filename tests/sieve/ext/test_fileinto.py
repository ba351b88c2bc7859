import pytest
from tests.kit.sieve import decide

from mailhorn.sieve import FileInto, SieveError, compile_script

REQUIRE = 'require "fileinto"; '


def test_fileinto_cancels_the_implicit_keep() -> None:
    """RFC 5228 §2.10.2."""
    decision = decide(REQUIRE + 'fileinto "Entwürfe & more/日本";')
    assert decision.steps == (FileInto("Entwürfe & more/日本"),)
    assert not decision.implicit_keep
    assert decision.implicit_flags is None


def test_inbox_is_spelled_in_capitals() -> None:
    """One spelling for who carries it out."""
    assert decide(REQUIRE + 'fileinto "inbox"; fileinto "INBOX";').steps == (FileInto("INBOX"),)


@pytest.mark.parametrize("name", ["", "a\nb", "a\tb", "\udcff", "x" * 2000])
def test_a_name_no_mailbox_can_have_is_an_error(name: str) -> None:
    """RFC 5228 §4.1: "use of an invalid mailbox name MAY be treated as an error"; here when compiled."""
    with pytest.raises(SieveError, match="mailbox"):
        compile_script(f'{REQUIRE} fileinto "{name}";')
