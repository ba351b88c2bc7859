"""Settings: what the defaults come to."""

import pytest

from mailhorn.config.settings import PORTS, Secret, ServeSettings, Service


@pytest.mark.parametrize("service", PORTS)
def test_ports_that_need_no_rights(service: str) -> None:
    """Without root every service listens on this machine only, above port 1023."""
    chosen = ServeSettings().listen_on(service, root=False)
    assert chosen is not None
    assert chosen[0] == "localhost"
    assert chosen[1] > 1023


def test_root_takes_the_well_known_ports() -> None:
    """As root all addresses, but LMTP, which asks for no password, on this machine only."""
    settings = ServeSettings()
    assert settings.listen_on("imap", root=True) == ("*", 143)
    assert settings.listen_on("lmtp", root=True) == ("localhost", 24)


def test_what_is_set_stands() -> None:
    """A setting wins over the default of either user; 0 is any free port."""
    settings = ServeSettings(imap=Service(host="10.0.0.1", port=0), smtp=Service(enabled=False))
    assert settings.listen_on("imap", root=True) == ("10.0.0.1", 0)
    assert settings.listen_on("smtp", root=True) is None


def test_a_secret_prints_as_stars() -> None:
    """In every way of printing it."""
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {secret!s} {[secret]}" == "*** *** *** [***]"
    assert secret.reveal() == "hunter2"
