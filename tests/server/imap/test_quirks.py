"""What depends on what a program calls itself: as little as can be, and never without a reason."""

import pytest

from mailhorn.imap.commands import Id
from mailhorn.server.imap.capabilities import Standing, offered
from mailhorn.server.imap.quirks import QUIRKS, Quirk, quirk_of


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_each_has_a_reason_and_takes_away_only(quirk: Quirk) -> None:
    """Without a reason nothing is different; with one, some capability is withheld that there is."""
    assert bool(quirk.reason) is bool(quirk.withheld)
    names = offered(Standing(True, 7))
    assert quirk.withheld <= set(names)
    assert set(offered(Standing(True, 7, withheld=quirk.withheld))) == set(names) - quirk.withheld
    assert quirk.name == quirk.name.lower()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (None, None),
        ((), None),
        ((("name", None),), None),
        ((("version", "Microsoft Office 365"),), None),
        ((("NAME", "Microsoft Office 365"), ("version", "15.20")), "microsoft office 365"),
        ((("name", "iPhone Mail"),), "iphone mail"),
        ((("name", "x" * 5_000),), None),
    ],
)
def test_names(fields: tuple[tuple[str, str | None], ...] | None, name: str | None) -> None:
    """Only the name counts, in any case."""
    quirk = quirk_of(Id(fields))
    assert (None if quirk is None else quirk.name) == name
