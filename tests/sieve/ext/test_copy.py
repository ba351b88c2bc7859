from tests.kit.sieve import decide, outcome

from mailhorn.sieve import FileInto, Redirect

REQUIRE = 'require ["copy", "fileinto"]; '


def test_a_copy_does_not_cancel_the_implicit_keep() -> None:
    """RFC 3894 §3."""
    decision = decide(REQUIRE + 'fileinto :copy "incoming"; redirect :copy "a@b";')
    assert decision.steps == (FileInto("incoming", copy=True), Redirect("a@b", copy=True))
    assert decision.implicit_keep


def test_a_discard_after_a_copy_leaves_only_the_copy() -> None:
    """RFC 3894 §1: what keep could not express."""
    assert decide(REQUIRE + 'fileinto :copy "a"; discard;').filings() == (FileInto("a", copy=True),)


def test_one_without_copy_is_enough() -> None:
    """The same mailbox or address is one step, in either order, and then it is no mere copy."""
    for first, second in ((":copy", ""), ("", ":copy")):
        assert outcome(f'{REQUIRE} fileinto {first} "a"; fileinto {second} "a";') == ["a"]
        decision = decide(f'{REQUIRE} redirect {first} "a@b"; redirect {second} "a@b";')
        assert decision.steps == (Redirect("a@b"),)
        assert not decision.implicit_keep


def test_copy_works_without_fileinto() -> None:
    """redirect needs no other extension."""
    assert outcome('require "copy"; redirect :copy "a@b";') == ["a@b", "implicit keep"]
