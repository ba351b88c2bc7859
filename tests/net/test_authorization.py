"""Asking a real, small authorization server for tokens."""

import socket
from collections.abc import Iterator

import pytest
from tests.kit.authorization import SECRET, Authority, authorization

from mailhorn.net.authorization import AuthorizationFailed, AuthorizationServer


@pytest.fixture
def authority() -> Iterator[Authority]:
    """An authorization server."""
    with authorization() as running:
        yield running


def test_a_token_is_renewed(authority: Authority) -> None:
    """RFC 6749 §6: with the refresh token, which may be another one each time."""
    authority.grant()
    granted = authority.client().refresh("refresh-1")
    assert (granted.access, granted.refresh, granted.lasts) == ("access-2", "refresh-2", 3600.0)
    assert SECRET not in repr(authority.client()) and "access-2" not in repr(granted)


def test_a_login_on_another_device(authority: Authority) -> None:
    """RFC 8628: until somebody has agreed there the answer is that nobody has."""
    client = authority.client()
    login = client.begin_device()
    assert (login.shown, login.url, login.interval) == ("ABCD-EFGH", f"{authority.base}/agree", 0.01)
    with pytest.raises(AuthorizationFailed) as caught:
        client.finish_device(login)
    assert caught.value.code == "authorization_pending" and not caught.value.final
    authority.agreed = True
    assert client.finish_device(login).access == "access-1"


@pytest.mark.parametrize(("code", "final"), [("invalid_grant", True), ("invalid_client", True), ("slow_down", False)])
def test_what_it_refuses_is_told(authority: Authority, code: str, final: bool) -> None:
    """In one line, with its own words, and without a secret; some refusals end it."""
    authority.refusal = code
    with pytest.raises(AuthorizationFailed) as caught:
        authority.client().refresh("refresh-1")
    assert caught.value.final is final
    assert code in str(caught.value) and "\n" not in str(caught.value)
    assert SECRET not in str(caught.value) and "refresh-1" not in str(caught.value)


def test_what_cannot_be_read_is_no_token(authority: Authority) -> None:
    """A page of somebody's hotel, or nobody there: it may be better later."""
    authority.broken = True
    with pytest.raises(AuthorizationFailed, match="nothing that can be read") as caught:
        authority.client().refresh("refresh-1")
    assert not caught.value.final
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = AuthorizationServer("", f"http://127.0.0.1:{nobody.getsockname()[1]}/", "", "mailhorn")
        with pytest.raises(AuthorizationFailed) as caught:
            gone.refresh("refresh-1")
    assert not caught.value.final


@pytest.mark.parametrize("url", ["http://login.example.org/token", "ftp://localhost/", "login.example.org"])
def test_only_https_or_this_machine(url: str) -> None:
    """A token in the clear is everybody's."""
    with pytest.raises(ValueError, match="not an https URL"):
        AuthorizationServer("", url, "", "mailhorn")
