"""What the watcher's settings come to: passwords from where they are, and contradictions named."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailhorn.config.credentials import password_of
from mailhorn.config.find import ConfigError
from mailhorn.config.settings import AccountSettings, HookSettings, Secret, WatchSettings
from mailhorn.config.watching import build_watcher, hooks_of, watched_accounts
from mailhorn.watch.account import WatchAccount


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


async def test_no_mailbox_is_watched_twice(tmp_path: Path) -> None:
    """INBOX is called so in any case (RFC 9051 §5.1)."""
    once = watched_accounts(WatchSettings(account=(account(mailboxes=("inbox", "INBOX", "Lists")),)))
    assert once[0].mailboxes == ("INBOX", "Lists")


KEYRING = """
class KeyringError(Exception): ...
def get_password(service, user):
    if service == "locked":
        raise KeyringError("it is\\nlocked")
    return {("mailhorn", "ann"): "hunter2"}.get((service, user))
"""


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("mailhorn", None),
        ("other", "the keyring has no password of ann for other; put it there with: keyring set other ann"),
        ("locked", "the keyring cannot be used: it is locked"),
    ],
)
def test_a_password_in_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, message: str | None
) -> None:
    """By service and login, as the program `keyring` keeps it; one line if it is not there."""
    (tmp_path / "keyring").mkdir()
    (tmp_path / "keyring" / "errors.py").write_text(KEYRING)
    (tmp_path / "keyring" / "__init__.py").write_text("from .errors import get_password\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("keyring", "keyring.errors"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    asked = account(password=None, password_keyring=service)
    if message is None:
        assert password_of(asked) == "hunter2"
    else:
        with pytest.raises(ConfigError) as caught:
            password_of(asked)
        assert str(caught.value) == f"account 'work': {message}"
    for name in ("keyring", "keyring.errors"):
        monkeypatch.delitem(sys.modules, name)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional: who has no desktop has no keyring."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"install it with: pip install 'mailhorn\[keyring\]'"):
        password_of(account(password=None, password_keyring="mailhorn"))


async def test_where_tokens_come_from(tmp_path: Path) -> None:
    """From the provider, if it is known, or from where the settings say; they are kept beside the journal."""

    def watched(**more: Any) -> WatchAccount:
        one = account(password=None, oauth_client_id="me", oauth_client_secret=Secret("s3cret"), **more)
        return watched_accounts(WatchSettings(journal=tmp_path / "j", account=(one,)))[0]

    google = watched(host="imap.gmail.com").tokens
    assert google is not None and google.scope == "https://mail.google.com/" and google.device == ""
    assert google.file == tmp_path / "work.tokens" and google.login == "mailhorn watch login work"
    assert "s3cret" not in repr(google)
    microsoft = watched(host="outlook.office365.com", name="../x y", oauth_scope="mine").tokens
    assert microsoft is not None and microsoft.scope == "mine" and "/devicecode" in microsoft.device
    assert microsoft.file.parent == tmp_path and microsoft.login == "mailhorn watch login '../x y'"
    with pytest.raises(ConfigError, match="oauth_token: set the URL that gives out tokens"):
        watched()
    with pytest.raises(ConfigError, match="account 'work': not an https URL: 'http://example.org/token'"):
        watched(oauth_token="http://example.org/token")
    with pytest.raises(ConfigError, match="set only one of them"):
        watched(host="imap.gmail.com", oauth_client_secret_file=Path("x"))


async def test_the_budget_is_the_providers(tmp_path: Path) -> None:
    """Unless the settings have one."""
    for host, set_to, budget in (("imap.mail.me.com", None, 2), ("imap.mail.me.com", 5, 5), ("a.example", None, 3)):
        settings = WatchSettings(journal=tmp_path / "j", account=(account(host=host, connections=set_to),))
        assert watched_accounts(settings)[0].connections == budget


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "hook 'h': set one of command and url"),
        ({"command": ("x",), "url": "https://a.example"}, "hook 'h': set one of command and url"),
        ({"url": "http://a.example"}, "hook 'h': url: not an https URL: 'http://a.example'"),
        ({"command": ("x",), "accounts": ("nobody",)}, "hook 'h': accounts: there is no account 'nobody'"),
    ],
)
async def test_a_hook_that_cannot_be(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """It is said before anything starts."""
    hook = HookSettings(name="h", **settings)
    with pytest.raises(ConfigError) as caught:
        hooks_of(WatchSettings(journal=tmp_path / "j", account=(account(),), hook=(hook,)))
    assert str(caught.value) == message
    twice = (HookSettings(name="h", command=("x",)),) * 2
    with pytest.raises(ConfigError, match="two hooks are called 'h'"):
        hooks_of(WatchSettings(journal=tmp_path / "j", account=(account(),), hook=twice))
