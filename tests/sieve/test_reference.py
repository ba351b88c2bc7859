from tests.kit.sieve_reference import PAGE, page, suites

from mailhorn.sieve.ext import EXTENSIONS
from mailhorn.sieve.match import COMPARATORS


def test_the_page_is_up_to_date() -> None:
    """`./dev reference` writes it."""
    assert PAGE.read_text("utf-8") == page()


def test_every_extension_has_a_suite() -> None:
    """What is announced is proven."""
    always = {f"comparator-{one.name}" for one in COMPARATORS}
    proven = suites()
    assert [e.capability for e in EXTENSIONS if e.capability not in proven and e.capability not in always] == []
