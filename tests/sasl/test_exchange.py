"""What all mechanisms share."""

from hypothesis import given
from hypothesis import strategies as st

from mailhorn.sasl import SERVER_MECHANISMS, Challenge, Credentials, Malformed
from mailhorn.sasl.exchange import text


def test_text_is_utf8_without_nul() -> None:
    """Anything else is no name."""
    assert text("jürgen".encode()) == "jürgen"
    assert text(b"\xff") is None
    assert text(b"a\0b") is None


@given(st.sampled_from(sorted(SERVER_MECHANISMS)), st.lists(st.none() | st.binary(max_size=40), max_size=4))
def test_no_response_breaks_a_mechanism(name: str, responses: list[bytes | None]) -> None:
    """Every step comes to one of the three."""
    mechanism = SERVER_MECHANISMS[name]()
    for response in responses:
        assert isinstance(mechanism.step(response), Challenge | Credentials | Malformed)
