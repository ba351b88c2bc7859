"""What the watcher's settings come to: passwords from where they are, and contradictions named."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailhorn.config.credentials import password_of
from mailhorn.config.find import ConfigError
from mailhorn.config.settings import AccountSettings, Secret, WatchSettings
from mailhorn.config.watching import build_watcher


def account(**settings: Any) -> AccountSettings:
    given = {"name": "work", "host": "imap.example.org", "user": "ann", "password": Secret("hunter2")}
    return AccountSettings(**{**given, **settings})


def printing(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    "way",
    [
        lambda folder: {"password": Secret("hunter2")},
        lambda folder: {"password": None, "password_file": written(folder, "hunter2\nmore\n")},
        lambda folder: {"password": None, "password_file": written(folder, "hunter2\r\n")},
        lambda folder: {"password": None, "password_command": printing("print('hunter2')")},
    ],
)
def test_a_password_is_the_first_line_of_where_it_is(tmp_path: Path, way: Callable[[Path], dict[str, Any]]) -> None:
    """In the settings, in a file, or printed by a command."""
    assert password_of(account(**way(tmp_path))) == "hunter2"


def written(folder: Path, text: str) -> Path:
    path = folder / "password"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"password": None}, "set one of password, password_file, password_command"),
        ({"password_file": Path("x")}, "set one of password, password_file, password_command"),
        ({"password": None, "password_file": Path("/nowhere")}, "password_file /nowhere cannot be read: No such file"),
        ({"password": None, "password_file": Path("/dev/null")}, "the password is empty"),
        ({"password": None, "password_command": ("/nowhere",)}, "password_command /nowhere cannot be run: No such"),
        ({"password": None, "password_command": printing("print('hunter2'); raise SystemExit(3)")}, "exit code 3"),
        ({"encryption": "none"}, "without encryption only a server on this machine; set encryption to tls or starttls"),
        ({"rules": Path("/nowhere")}, "rules: /nowhere cannot be read: No such file or directory"),
    ],
)
async def test_what_cannot_be_watched_is_said(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """In one line that names the account and never a password."""
    with pytest.raises(ConfigError) as caught:
        build_watcher(WatchSettings(journal=tmp_path / "j", account=(account(**settings),)))
    assert str(caught.value).startswith("account 'work': ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("hunter2") == ("hunter2" in str(settings.get("password_command")))


async def test_a_wrong_rule_is_named_with_its_place(tmp_path: Path) -> None:
    """File, line, column; and what a watcher cannot do is refused now, not when the mail comes."""
    rules = tmp_path / "work.sieve"
    for text, place in (("keep;\nfileinfo;", "line 2, column 1"), ('redirect "a@example.org";', "line 1, column 1")):
        rules.write_text(text)
        with pytest.raises(ConfigError) as caught:
            build_watcher(WatchSettings(journal=tmp_path / "j", account=(account(rules=rules),)))
        assert str(caught.value).startswith(f"account 'work': rules: {rules}, {place}: ")


async def test_two_accounts_need_two_names(tmp_path: Path) -> None:
    """The journal goes by them."""
    with pytest.raises(ConfigError, match="two accounts are called 'work'"):
        build_watcher(WatchSettings(journal=tmp_path / "j", account=(account(), account())))
