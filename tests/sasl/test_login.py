"""LOGIN, both roles."""

import pytest

from mailhorn.sasl import Challenge, Credentials, Malformed
from mailhorn.sasl.login import LoginClient, LoginServer


def test_name_then_password() -> None:
    """Both are asked for."""
    mechanism = LoginServer()
    assert mechanism.step(None) == Challenge(b"Username:")
    assert mechanism.step(b"ann") == Challenge(b"Password:")
    assert mechanism.step(b"secret") == Credentials("", "ann", b"secret")


def test_the_name_may_come_first() -> None:
    """As initial response."""
    mechanism = LoginServer()
    assert mechanism.step(b"ann") == Challenge(b"Password:")
    assert mechanism.step(b"secret") == Credentials("", "ann", b"secret")


@pytest.mark.parametrize("name", [b"", b"\xff", b"a\0b", b"x" * 9999])
def test_bad_names(name: bytes) -> None:
    """Are malformed."""
    assert isinstance(LoginServer().step(name), Malformed)


@pytest.mark.parametrize("password", [b"", b"a\0b", b"x" * 9999])
def test_bad_passwords(password: bytes) -> None:
    """Are malformed."""
    mechanism = LoginServer()
    mechanism.step(b"ann")
    assert isinstance(mechanism.step(password), Malformed)


def test_client_and_server_agree() -> None:
    """And the client cancels when asked for more."""
    client, server = LoginClient("ann", "secret"), LoginServer()
    assert client.initial() is None
    step = server.step(None)
    for _ in range(2):
        assert isinstance(step, Challenge)
        step = server.step(client.answer(step.data))
    assert step == Credentials("", "ann", b"secret")
    assert client.answer(b"more?") is None


def test_a_client_sends_nothing_malformed() -> None:
    """It is refused before it is sent."""
    with pytest.raises(ValueError):
        LoginClient("ann", "")
