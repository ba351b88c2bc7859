"""Letters of rights, and what lists of them give."""

import pytest

from mailhorn.model.rights import ALL, granted, parse_rights, spelled, told


@pytest.mark.parametrize(
    ("letters", "kept", "shown"),
    [
        ("lrswida", "lrswitea", "lrswitead"),  # RFC 4314 §2.1.1, its two examples
        ("lrswikda", "lrswiktea", "lrswikteacd"),
        ("lrswicda", "lrswikxtea", "lrswikxteacd"),  # §3.1
        ("", "", ""),
        ("xx", "x", "xc"),
        (ALL, ALL, ALL + "cd"),
    ],
)
def test_old_rights_stand_for_new_ones(letters: str, kept: str, shown: str) -> None:
    """c is k and x, d is e and t; either is told if there is a part of it."""
    rights = parse_rights(letters)
    assert (spelled(rights), told(rights)) == (kept, shown)


@pytest.mark.parametrize(("letters", "wrong"), [("lrQswicda", "Q"), ("lrqswicda", "q"), ("lr0", "0"), ("l r", " ")])
def test_what_is_no_right_is_named(letters: str, wrong: str) -> None:
    """RFC 4314 §3.1: none of them is passed over."""
    with pytest.raises(ValueError, match=f"^{wrong}$"):
        parse_rights(letters)


def test_rights_add_up_and_negative_ones_are_taken_away() -> None:
    """What somebody and anyone have, less what either must not have (RFC 4314 §2)."""
    acl = {"fred": "lr", "anyone": "is", "-fred": "s", "-anyone": "l", "chris": "a"}
    assert spelled(granted(acl, "fred")) == "ri"
    assert spelled(granted(acl, "eve")) == "si"
    assert spelled(granted(acl, "chris")) == "sia"
    assert granted({}, "fred") == frozenset()
