"""What the settings say of the smarthost is carried out, or refused in one line."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from mailhorn.config.find import ConfigError
from mailhorn.config.relaying import is_loopback, open_queue, relay_options, relaying
from mailhorn.config.settings import Relay, Secret
from mailhorn.net.tls import TLSProblem

NAME = "mail.example.org"


def options(**settings: Any) -> Any:
    return relay_options(Relay(**settings), NAME)


def test_without_a_host_there_is_no_queue() -> None:
    """That is the default."""
    assert relay_options(Relay(), NAME) is None


@pytest.mark.parametrize(
    ("settings", "port", "encryption"),
    [
        ({"host": "smtp.example.net"}, 587, "starttls"),
        ({"host": "smtp.example.net", "encryption": "tls"}, 465, "tls"),
        ({"host": "localhost"}, 25, "none"),
        ({"host": "127.0.0.1", "encryption": "starttls"}, 587, "starttls"),
        ({"host": "::1", "port": 2525}, 2525, "none"),
    ],
)
def test_port_and_encryption(settings: dict[str, Any], port: int, encryption: str) -> None:
    """Encrypted and verified, unless it is on this machine."""
    smarthost = options(**settings).smarthost
    assert (smarthost.port, smarthost.encryption) == (port, encryption)
    assert (smarthost.context is None) == (encryption == "none")
    if smarthost.context is not None:
        assert smarthost.context.verify_mode is ssl.CERT_REQUIRED and smarthost.context.check_hostname


def test_any_certificate() -> None:
    """If one says so."""
    assert options(host="smtp.example.net", verify=False).smarthost.context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ("password", Secret("correct horse")),
        ("password_file", "file"),
        ("password_command", ("echo", "correct horse")),
    ],
)
def test_the_password(way: str, value: Any, tmp_path: Path) -> None:
    """From the settings, a file or a program; it shows nowhere."""
    if way == "password_file":
        value = tmp_path / "password"
        value.write_text("correct horse\nand more\n")
    made = options(host="smtp.example.net", user="ann", **{way: value})
    assert (made.smarthost.user, made.smarthost.password) == ("ann", "correct horse")
    assert "correct horse" not in repr(made)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"encryption": "none"}, "without encryption only to a server on this machine"),
        ({"user": "ann"}, "set one of password"),
        ({"user": "ann", "password": Secret("x"), "password_file": Path("x")}, "set one of password"),
        ({"password": Secret("x")}, "relay.user: set it"),
        ({"user": "ann", "password": Secret("")}, "the password is empty"),
        ({"user": "ann", "password_file": Path("/nowhere")}, "/nowhere cannot be read"),
        ({"user": "ann", "password_command": ("false",)}, "password_command false failed with exit code 1"),
        ({"from_host": "two words"}, "relay.from_host: 'two words' is no host name"),
        ({"from_host": "müller.example"}, "is no host name"),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], problem: str) -> None:
    """It is said at the start, not when the first letter waits."""
    with pytest.raises(ConfigError, match=problem):
        options(host="smtp.example.net", **settings)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(TLSProblem, match=r"ca\.pem"):
        options(host="smtp.example.net", ca=tmp_path / "ca.pem")


async def test_it_is_put_together(tmp_path: Path) -> None:
    """It can be started and stopped, and answers the control socket."""
    made = relaying(Relay(host="127.0.0.1", port=9), tmp_path / "queue.sqlite", options(host="127.0.0.1", port=9))
    await made.start()
    assert await made.answer({}) == {"smarthost": "127.0.0.1:9", "trouble": "", "again": 0.0}
    await made.stop()


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """The operator reads which."""
    (tmp_path / "queue.sqlite").mkdir()
    with pytest.raises(ConfigError, match=r"queue\.sqlite"):
        open_queue(Relay(), tmp_path / "queue.sqlite")


@pytest.mark.parametrize(("host", "local"), [("localhost", True), ("127.1.2.3", True), ("::1", True), ("host", False)])
def test_this_machine(host: str, local: bool) -> None:
    """Names are not looked up: who answers for them may change."""
    assert is_loopback(host) is local
