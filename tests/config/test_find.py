"""Settings files: found where people expect them, and wrong ones named in one line."""

from pathlib import Path

import pytest

from mailhorn.config.find import ConfigError, find, places, read, serve_settings, state_folder
from mailhorn.config.settings import AccountSettings, ServeSettings, WatchSettings

ACCOUNT = '[[account]]\nname = "work"\nhost = "imap.example.org"\nuser = "ann"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "serve.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str, kind: type[ServeSettings] | type[WatchSettings] = ServeSettings) -> str:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        read(kind, path, {})
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    """A server starts without any file."""
    settings, path = serve_settings(None, {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)})
    assert settings == ServeSettings()
    assert path is None


def test_the_order_of_places(tmp_path: Path) -> None:
    """XDG_CONFIG_HOME, then the home, then /etc."""
    env = {"XDG_CONFIG_HOME": "/x", "HOME": "/home/ann"}
    assert [str(place) for place in places("watch", env)] == [
        "/x/mailhorn/watch.toml",
        "/home/ann/.config/mailhorn/watch.toml",
        "/etc/mailhorn/watch.toml",
    ]


def test_the_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    """--config, then the variable, then the places."""
    home = tmp_path / ".config" / "mailhorn" / "serve.toml"
    home.parent.mkdir(parents=True)
    home.touch()
    named, given = tmp_path / "named.toml", tmp_path / "given.toml"
    named.touch()
    given.touch()
    env = {"HOME": str(tmp_path)}
    assert find("serve", None, env) == home
    env["MAILHORN_SERVE_CONFIG"] = str(named)
    assert find("serve", None, env) == named
    assert find("serve", given, env) == given


@pytest.mark.parametrize("origin", ["--config", "$MAILHORN_SERVE_CONFIG"])
def test_a_named_file_must_exist(tmp_path: Path, origin: str) -> None:
    """A mistyped path is no reason to start with defaults."""
    missing = tmp_path / "nowhere.toml"
    config = missing if origin == "--config" else None
    env = {} if config else {"MAILHORN_SERVE_CONFIG": str(missing)}
    with pytest.raises(ConfigError) as caught:
        find("serve", config, env)
    assert str(caught.value) == f"{missing}: no such file (from {origin})"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[imap]\nprot = 143", "imap.prot is not a setting; did you mean imap.port?"),
        ("hostnam = 'x'", "hostnam is not a setting; did you mean hostname?"),
        ("[tls]\nzebra = 1", "tls.zebra is not a setting; known here: certificate, key, client_ca, plaintext_login"),
        ("[imap]\nport = '143'", "imap.port: expected a whole number, got text"),
        ("[imap]\nport = 65536", "imap.port: expected a whole number <= 65535"),
        ("[sessions]\nlogin_timeout = 'x'", "sessions.login_timeout: expected a number, got text"),
        ("imap = 143", "imap: expected a table, got a whole number"),
        ("domains = 'example.org'", "domains: expected a list, got text"),
        ("data = ''", "data: expected text that is not empty"),
        ("[imap\n", "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The line says which setting and what to do."""
    assert refusal(tmp_path, text) == message


def test_settings_of_accounts_are_checked_too(tmp_path: Path) -> None:
    """A list of tables is checked table by table."""
    assert refusal(tmp_path, ACCOUNT + "pasword = 'x'", WatchSettings) == (
        "account[0].pasword is not a setting; did you mean account[0].password?"
    )
    assert "is missing" in refusal(tmp_path, "[[account]]\nname = 'work'", WatchSettings)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, or bytes that are no text, are named as what they are."""
    with pytest.raises(ConfigError, match="Is a directory"):
        read(ServeSettings, tmp_path, {})
    path = tmp_path / "serve.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read(ServeSettings, path, {})


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Where the program was started does not matter; `~` is the home."""
    settings = read(ServeSettings, written(tmp_path, "data = 'mail'\n[tls]\nkey = '~/k.pem'"), {})
    assert settings.data == tmp_path / "mail"
    assert settings.tls.key == Path.home() / "k.pem"


def test_the_environment_overrides_single_settings(tmp_path: Path) -> None:
    """The variable is the path of the setting in capitals."""
    env = {
        "MAILHORN_IMAP_PORT": "7143",
        "MAILHORN_LMTP_ENABLED": "false",
        "MAILHORN_DOMAINS": "example.org, example.net",
        "MAILHORN_DATA": "/srv/mail",
    }
    settings = read(ServeSettings, written(tmp_path, "[imap]\nport = 1\nhost = '*'"), env)
    assert (settings.imap.port, settings.imap.host) == (7143, "*")
    assert not settings.lmtp.enabled
    assert settings.domains == ("example.org", "example.net")
    assert settings.data == Path("/srv/mail")


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    """It is the variable that is wrong then, not the file."""
    with pytest.raises(ConfigError) as caught:
        read(ServeSettings, None, {"MAILHORN_IMAP_PORT": "many"})
    assert str(caught.value) == "$MAILHORN_IMAP_PORT: imap.port: expected a whole number, got text"


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    """Neither the settings nor an error about them print it."""
    settings = read(WatchSettings, written(tmp_path, ACCOUNT + "password = 'hunter2'"), {})
    (account,) = settings.account
    assert isinstance(account, AccountSettings)
    assert account.password is not None
    assert account.password.reveal() == "hunter2"
    assert "hunter2" not in repr(settings) + str(account.password)
    assert "7777" not in refusal(tmp_path, ACCOUNT + "password = 7777", WatchSettings)


def test_where_data_are_kept() -> None:
    """Root has the system's place, everybody else their own."""
    assert state_folder({"HOME": "/root"}, root=True) == Path("/var/lib/mailhorn")
    assert state_folder({"HOME": "/home/ann"}, root=False) == Path("/home/ann/.local/share/mailhorn")
    assert state_folder({"HOME": "/home/ann", "XDG_DATA_HOME": "/x"}, root=False) == Path("/x/mailhorn")
    with pytest.raises(ConfigError, match="set MAILHORN_DATA"):
        state_folder({}, root=False)


def test_a_choice_that_there_is_not(tmp_path: Path) -> None:
    """The ones that there are stand in the answer."""
    assert refusal(tmp_path, "[log]\nlevel = 'loud'") == "log.level: expected debug, info, warning, error, got 'loud'"
    wrong = refusal(tmp_path, ACCOUNT + "discard = 'keep'", WatchSettings)
    assert wrong == "account[0].discard: expected trash, delete, got 'keep'"


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    """And what is no ordinary file, as a pipe from a shell, may be one."""
    with pytest.raises(ConfigError, match="Is a directory"):
        serve_settings(tmp_path, {})
    assert serve_settings(Path("/dev/null"), {}) == (ServeSettings(), Path("/dev/null"))
