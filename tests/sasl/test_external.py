"""EXTERNAL."""

import pytest

from mailhorn.sasl import Challenge, Malformed
from mailhorn.sasl.external import Claim, ExternalClient, ExternalServer


@pytest.mark.parametrize("name", ["", "ann", "fred@example.org"])
def test_both_ends_understand_each_other(name: str) -> None:
    """With and without an initial response."""
    client, server = ExternalClient(name), ExternalServer()
    assert server.step(client.initial()) == Claim(name)
    challenge = server.step(None)
    assert challenge == Challenge(b"")
    assert server.step(client.answer(b"")) == Claim(name)
    assert client.answer(b"more?") is None


@pytest.mark.parametrize("response", [b"\xff", b"a\0b", b"x" * 5000])
def test_what_is_no_name(response: bytes) -> None:
    """NUL, octets that are not UTF-8, too much."""
    assert isinstance(ExternalServer().step(response), Malformed)
    with pytest.raises(ValueError, match="NUL"):
        ExternalClient("a\0b")
