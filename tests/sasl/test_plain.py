"""PLAIN, both roles."""

import pytest

from mailhorn.sasl import Challenge, Credentials, Malformed
from mailhorn.sasl.plain import PlainClient, PlainServer


def test_the_examples_of_the_rfc() -> None:
    """RFC 4616 §4: without and with an authorization identity."""
    assert PlainServer().step(b"\0tim\0tanstaaftanstaaf") == Credentials("", "tim", b"tanstaaftanstaaf")
    assert PlainServer().step(b"Ursel\0Kurt\0xipj3plmq") == Credentials("Ursel", "Kurt", b"xipj3plmq")


def test_without_initial_response_the_message_is_asked_for() -> None:
    """By an empty challenge."""
    mechanism = PlainServer()
    assert mechanism.step(None) == Challenge(b"")
    assert mechanism.step(b"\0a\0b") == Credentials("", "a", b"b")


@pytest.mark.parametrize(
    "response", [b"", b"\0\0", b"\0a\0", b"\0\0b", b"a\0b", b"\0a\0b\0c", b"\0\xff\0b", b"x" * 9999]
)
def test_what_is_not_plain_is_malformed(response: bytes) -> None:
    """Empty names and passwords, too few or too many fields, other charsets, floods."""
    assert isinstance(PlainServer().step(response), Malformed)


def test_passwords_are_octets() -> None:
    """And never printed."""
    step = PlainServer().step(b"\0a\0\xff\xfe")
    assert step == Credentials("", "a", b"\xff\xfe")
    assert "xff" not in repr(step)


def test_client_and_server_agree() -> None:
    """With or without initial response."""
    client = PlainClient("jürgen", "geheim", "chef")
    assert PlainServer().step(client.initial()) == Credentials("chef", "jürgen", b"geheim")
    assert client.answer(b"") == client.initial()
    assert client.answer(b"what?") is None


@pytest.mark.parametrize(("name", "password"), [("", "b"), ("a", ""), ("a\0", "b")])
def test_a_client_sends_nothing_malformed(name: str, password: str) -> None:
    """It is refused before it is sent."""
    with pytest.raises(ValueError):
        PlainClient(name, password)
