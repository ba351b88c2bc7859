"""OAUTHBEARER and XOAUTH2."""

import pytest

from mailhorn.sasl import Challenge, Malformed
from mailhorn.sasl.oauth import OAuthClient, OAuthServer, Refused, Token

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
MESSAGE = b"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer " + TOKEN.encode() + b"\1\1"
X_MESSAGE = b"user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==\1\1"


def test_the_example_of_the_rfc() -> None:
    """RFC 7628 §4.1, both ways."""
    client = OAuthClient("user@example.com", TOKEN, "server.example.com", 143)
    assert client.name == "OAUTHBEARER" and client.initial() == MESSAGE
    assert OAuthServer().step(MESSAGE) == Token("user@example.com", TOKEN)


def test_the_example_of_google() -> None:
    """The one in its documentation."""
    client = OAuthClient("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==", xoauth2=True)
    assert client.name == "XOAUTH2" and client.initial() == X_MESSAGE
    step = OAuthServer(xoauth2=True).step(X_MESSAGE)
    assert step == Token("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==")


@pytest.mark.parametrize("xoauth2", [False, True])
def test_a_token_that_is_no_good(xoauth2: bool) -> None:
    """The client is told what is wrong, says that it has understood, and then it is over (RFC 7628 §4.3)."""
    client, server = OAuthClient("a,b", "t", xoauth2=xoauth2), OAuthServer(xoauth2)
    assert server.step(None) == Challenge(b"")
    step = server.step(client.answer(b""))
    assert step == Token("a,b", "t")
    answer = client.answer(server.refuse(scope="mail").data)
    assert answer == (b"" if xoauth2 else b"\1")
    assert client.problem is not None and client.problem["scope"] == "mail"
    assert server.step(answer) == Refused()
    assert client.answer(b"{}") is None


@pytest.mark.parametrize("challenge", [b"[]", b"nonsense", b"[" * 100000])
def test_a_server_that_speaks_no_json(challenge: bytes) -> None:
    """Is answered all the same."""
    client = OAuthClient("a", "t")
    assert client.answer(challenge) == b"\1" and client.problem == {}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\1",
        b"n,a=u,\1auth=Bearer t\1",
        b"n,a=u,\1auth=Basic t\1\1",
        b"n,a=u,\1auth=Bearer \1\1",
        b"n,a=u,\1auth=Bearer t\1auth=Bearer t\1\1",
        b"n,a=u,\1user=x\1auth=Bearer t\1\1",
        b"n,a=u=,\1auth=Bearer t\1\1",
        b"n,a=\xff,\1auth=Bearer t\1\1",
        b"p=x,a=u,\1auth=Bearer t\1\1",
        b"n,a=u,\1host\1auth=Bearer t\1\1",
        b"x" * 20000,
    ],
)
def test_messages_that_are_none(message: bytes) -> None:
    """Each part has its form."""
    assert isinstance(OAuthServer().step(message), Malformed)


@pytest.mark.parametrize(("user", "token"), [("", "t"), ("a\1b", "t"), ("a", ""), ("a", "t\1auth=x"), ("a", "a b")])
def test_what_no_client_may_say(user: str, token: str) -> None:
    """Nothing gets into the message from the side."""
    with pytest.raises(ValueError, match="OAuth"):
        OAuthClient(user, token)
