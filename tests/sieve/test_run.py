import pytest

from mailhorn.sieve import FileInto, HeaderFacts, Redirect, SieveRuntimeError
from mailhorn.sieve.actions import Notify
from mailhorn.sieve.comparator import ASCII_CASEMAP, OCTET
from mailhorn.sieve.limits import MAX_FLAGS, MAX_NOTIFICATIONS, MAX_OCTETS_COMPARED
from mailhorn.sieve.run import Asked, Missing, Run, octets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("é", b"\xc3\xa9"),
        ("\udcfc", b"\xfc"),
        ("\ud812", b"\xed\xa0\x92"),
        ("\ud812\udcfc", b"\xed\xa0\x92\xed\xb3\xbc"),
    ],
)
def test_any_text_has_octets(text: str, expected: bytes) -> None:
    """Surrogates stand for octets that were no UTF-8; what nobody could have read goes as it is."""
    assert octets(text) == expected


def test_values_are_made_once() -> None:
    """Two hundred rules ask for the same subject; each kind of question has its own answer."""
    run = Run(HeaderFacts([("Subject", " A ")]))
    folded, plain = Asked("header", "subject", "", ASCII_CASEMAP), Asked("header", "subject", "", OCTET)
    assert run.values(folded, 1).folded == (b"a",)
    assert run.values(plain, 1).folded == (b"A",)
    assert run.values(folded, 1) is run.values(folded, 1)


def test_a_fact_that_is_not_there_is_missing() -> None:
    """Whatever is asked."""
    run = Run(HeaderFacts())
    for asked in (
        Asked("header", "a", "", ASCII_CASEMAP),
        Asked("address", "to", "all", ASCII_CASEMAP),
        Asked("envelope", "to", "all", ASCII_CASEMAP),
    ):
        with pytest.raises(Missing):
            run.values(asked, 1)
    for question in (lambda: run.size(1), lambda: run.has_header("a"), lambda: run.mailbox_exists("a")):
        with pytest.raises(Missing):
            question()


def test_a_run_begins_with_the_implicit_keep() -> None:
    """RFC 5228 §2.10.2: a copy leaves it, anything else cancels it."""
    run = Run(HeaderFacts())
    run.file_into(FileInto("a", copy=True))
    run.redirect(Redirect("a@b", copy=True))
    assert run.implicit_keep and len(run.steps()) == 2
    run.discard(1)
    assert not run.implicit_keep


def test_limits_name_their_line() -> None:
    """So the owner finds the rule."""
    run = Run(HeaderFacts())
    run.charge(MAX_OCTETS_COMPARED, 1)
    with pytest.raises(SieveRuntimeError, match="line 7"):
        run.charge(1, 7)
    with pytest.raises(SieveRuntimeError, match="line 8"):
        run.set_flags({str(number): str(number) for number in range(MAX_FLAGS + 1)}, 8)


def test_what_is_notified_again_is_no_further_notification() -> None:
    """It is done once; one more is one too many."""
    run = Run(HeaderFacts())
    for _ in range(2):
        for number in range(MAX_NOTIFICATIONS):
            run.notify(Notify(f"mailto:{number}@example.org"))
    assert len(run.steps()) == MAX_NOTIFICATIONS
    with pytest.raises(SieveRuntimeError, match="line 3"):
        run.notify(Notify("mailto:other@example.org", line=3))
