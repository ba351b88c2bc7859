"""`mailhorn watch login` and `mailhorn watch test`, as processes, with a real server and a real authority."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.authorization import SECRET, Authority, authorization
from tests.kit.commands import Serving, environment, mailhorn, serving

RULES = 'require ["fileinto"]; if header :contains "list-id" "x" { fileinto "Lists"; }\n'
SETTINGS = """
journal = "watch.sqlite"
[[account]]
name = "work"
host = "localhost"
port = {port}
ca = "data/tls/self-signed.crt"
user = "ann"
rules = "rules.sieve"
mailboxes = ["INBOX", "Nowhere"]
"""
TOKENS = """
oauth_client_id = "mailhorn"
oauth_client_secret = "{secret}"
oauth_authorize = "{base}/authorize"
oauth_token = "{base}/token"
oauth_device = "{base}/device"
"""


@pytest.fixture
def authority() -> Iterator[Authority]:
    """An authorization server."""
    with authorization() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[Serving]:
    """`mailhorn serve` with an account, taking the authority's tokens."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="hunter2\n")
    with serving(tmp_path, MAILHORN_OAUTH_INTROSPECTION=f"{authority.base}/introspect") as running:
        yield running


def settings(home: Path, server: Serving, more: str) -> Path:
    """Write watch.toml."""
    path = home / "watch.toml"
    (home / "rules.sieve").write_text(RULES)
    path.write_text(SETTINGS.format(port=server.ports["imaps"]) + more)
    return path


def test_an_account_with_a_password(tmp_path: Path, server: Serving) -> None:
    """It says how it has logged in, what the server can do, and what would be done; a missing mailbox is an error."""
    (tmp_path / "password").write_text("hunter2\n")
    config = settings(tmp_path, server, 'password_file = "password"\n')
    done = mailhorn("watch", "test", "work", "--config", config, home=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^work: localhost:\d+, TLS, logged in by SCRAM-SHA-256", done.stdout)
    assert "file messages with MOVE" in done.stdout and "Nowhere: " in done.stdout and "list-id" in done.stdout
    told = json.loads(mailhorn("watch", "test", "work", "--json", "--config", config, home=tmp_path).stdout)
    assert told["reached"] and told["encrypted"] and "IDLE" in told["capabilities"]
    assert told["watched"][0] == {"name": "INBOX", "messages": 0, "trouble": ""}
    assert not (tmp_path / "watch.sqlite").exists()
    assert "hunter2" not in done.stdout + done.stderr


def test_what_rules_send_is_no_obstacle(tmp_path: Path, server: Serving) -> None:
    """The account is looked at as the watcher would: with the server that mail is given to."""
    config = settings(tmp_path, server, 'password = "hunter2"\naddresses = ["ann@example.org"]\n[relay]\nhost = "::1"')
    (tmp_path / "rules.sieve").write_text('redirect "bob@example.net";')
    done = mailhorn("watch", "test", "work", "--config", config, home=tmp_path)
    assert "send what rules redirect, answer and notify from ann@example.org" in done.stdout, done.stderr


def test_what_is_wrong_is_one_line(tmp_path: Path, server: Serving) -> None:
    """A wrong password, and a name that is not in the settings."""
    config = settings(tmp_path, server, 'password = "wrong-one"\n')
    done = mailhorn("watch", "test", "work", "--config", config, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("mailhorn: work: login refused") and done.stderr.count("\n") == 1
    assert "wrong-one" not in done.stdout + done.stderr
    told = json.loads(mailhorn("watch", "test", "work", "--json", "--config", config, home=tmp_path).stdout)
    assert not told["reached"] and told["trouble"].startswith("login refused")
    done = mailhorn("watch", "test", "home", "--config", config, home=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "mailhorn: there is no account 'home' in the settings; there are: work\n",
    )


@pytest.mark.parametrize("way", ["--browser", "--device"])
def test_an_account_with_tokens(tmp_path: Path, server: Serving, authority: Authority, way: str) -> None:
    """Somebody agrees in a browser, or elsewhere; then the account can be logged in to, and nothing secret is told."""
    config = settings(tmp_path, server, TOKENS.format(secret=SECRET, base=authority.base))
    done = mailhorn("watch", "test", "work", "--config", config, home=tmp_path)
    assert done.returncode == 1 and "run: mailhorn watch login work" in done.stderr
    command = [sys.executable, "-m", "mailhorn", "watch", "login", "work", way, "--no-open", "--config", str(config)]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"^  (http\S+)\n$", line := process.stdout.readline())):
            said += line
            assert line, said
        if way == "--browser":
            with urllib.request.urlopen(found[1]) as page:
                assert b"You may close this window" in page.read()
        else:
            authority.agreed = True
        said += process.stdout.read()
    assert process.returncode == 0, said
    file = tmp_path / "work.tokens"
    assert file.stat().st_mode & 0o777 == 0o600
    done = mailhorn("watch", "test", "work", "--config", config, home=tmp_path)
    assert "logged in by OAUTHBEARER" in done.stdout, done.stderr
    for secret in (SECRET, "access-1", "refresh-1"):
        assert secret not in said + done.stdout + done.stderr
    assert "access-1" in file.read_text()
    if way == "--browser":
        log = watched(tmp_path, config)
        for secret in (SECRET, "access-", "refresh-"):
            assert secret not in log


def watched(home: Path, config: Path) -> str:
    """Run the watcher until it idles, with tokens that it has to renew first; returns all it has told."""
    tokens = home / "work.tokens"
    tokens.write_text(json.dumps({**json.loads(tokens.read_text()), "since": 0, "until": 1}))
    command = [sys.executable, "-m", "mailhorn", "watch", "--config", str(config)]
    told = ""
    with subprocess.Popen(
        command,
        env=environment(home, MAILHORN_LOG_LEVEL="debug"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            told += line
            if json.loads(line)["event"] == "idle":
                process.terminate()
        process.wait()
    assert '"event": "idle"' in told, told
    assert json.loads(tokens.read_text())["access"] == "access-2"
    return told


def test_a_browser_that_nobody_sent(tmp_path: Path) -> None:
    """Whoever does not bring what only we can know gets nothing, and changes nothing."""
    from threading import Thread
    from urllib.error import HTTPError

    from mailhorn.net.authorization import AuthorizationFailed
    from mailhorn.net.redirect import Redirect

    with Redirect() as redirect:
        codes: list[str] = []
        waiting = Thread(target=lambda: codes.append(redirect.wait(10)))
        waiting.start()
        with pytest.raises(HTTPError):
            urllib.request.urlopen(f"{redirect.url}/?code=evil&state=guessed")
        urllib.request.urlopen(f"{redirect.url}/?code=good&state={redirect.state}").close()
        waiting.join()
        assert codes == ["good"]
    with Redirect() as redirect, pytest.raises(AuthorizationFailed, match="in time"):
        redirect.wait(0.05)
