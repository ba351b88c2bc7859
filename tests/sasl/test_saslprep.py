"""SASLprep."""

import pytest

from mailhorn.sasl.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_examples(text: str, prepared: str) -> None:
    """RFC 4013 §3; and a space is a space."""
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\u0627a\u0627", "\ue000"])
def test_what_is_not_allowed(text: str) -> None:
    """RFC 4013 §3: controls, and directions that are mixed."""
    with pytest.raises(ValueError, match="not allowed|mixed|right to left"):
        saslprep(text)


def test_what_is_younger() -> None:
    """A character that Unicode 3.2 did not know stays as it is (RFC 3454 §7)."""
    assert saslprep("\u0221") == "\u0221"
