"""`mailhorn check`: what it prints, how it exits, and that it does not disturb a server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.process import Server, environment, running_server


def check(server: Server, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "mailhorn", "check", *options, "--config", "serve.toml"],
        cwd=server.folder,
        env=environment(server.folder),
        capture_output=True,
        text=True,
        timeout=60,
    )


def file_of(server: Server, uid: int, login: str = "ann") -> Path:
    """Return the file of a message in INBOX."""
    (path,) = (server.data / "mail" / login / "cur").glob(f"*,U={uid}:2,*")
    return path


def test_check(tmp_path: Path) -> None:
    """Beside a server it only looks; without one it says a line each and exits 1; repaired, it exits 0."""
    with running_server(tmp_path, "ann", "bob", more='[maildir]\nnotice = "off"') as server:
        for login in ("ann", "ann", "bob"):
            server.deliver(login, "hello")
        beside = check(server)
        assert beside.returncode == 0, beside
        assert "All is well: 3 messages in 2 mailboxes.\n" in beside.stdout and "server is running" in beside.stderr
        refused = check(server, "--repair")
        assert refused.returncode == 1 and "stop it, then: mailhorn check --repair" in refused.stderr, refused
        server.stop()
        server.start()
        path = file_of(server, 1)
        path.unlink()
        beside = check(server)
        assert beside.returncode == 1 and f"ann: INBOX: UID 1: its file is gone: {path}" in beside.stdout, beside
        server.stop()

        found = check(server)
        assert found.returncode == 1, found
        first, last = found.stdout.splitlines()
        assert first.startswith("ann: INBOX: UID 1: its file is gone") and first.endswith("; repair: expunge it]")
        assert last.startswith("1 found, 3 messages in 2 mailboxes.")
        assert check(server, "--account", "bob").returncode == 0
        told = json.loads(check(server, "--json").stdout)
        assert [finding["kind"] for finding in told["findings"]] == ["vanished"] and told["messages"] == 3
        assert path.name in told["findings"][0]["what"]

        mended = check(server, "--repair")
        assert mended.returncode == 0 and "All is well: 2 messages in 2 mailboxes." in mended.stdout, mended
        again = check(server, "--repair")
        assert again.returncode == 0 and again.stdout == "All is well: 2 messages in 2 mailboxes.\n", again
        server.start()
        assert list(server.mailbox()) == [2]


def test_what_rules_remember_is_damaged(tmp_path: Path) -> None:
    """A server that does not start with it says what to do, and the check finds it and mends it."""
    with running_server(tmp_path, "ann") as server:
        server.stop()
        file = server.data / "remembered.sqlite"
        file.write_bytes(b"nonsense" * 4096)
        refused = subprocess.run(
            [sys.executable, "-m", "mailhorn", "serve", "--config", "serve.toml"],
            cwd=server.folder,
            env=environment(server.folder),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert refused.returncode != 0 and "mailhorn check --repair" in refused.stderr, refused
        found = check(server)
        assert found.returncode == 1 and found.stdout.startswith(f"{file}: the database is damaged"), found
        mended = check(server, "--repair")
        assert mended.returncode == 0 and "All is well" in mended.stdout, mended
        server.start()


@pytest.mark.parametrize(
    ("options", "said"), [(["--account", "a b"], "a b"), (["--account", "nobody"], "no account nobody")]
)
def test_wrong(options: list[str], said: str, tmp_path: Path) -> None:
    """An account that there is not, or cannot be, is said to be so."""
    server = Server(tmp_path)
    wrong = check(server, *options)
    assert wrong.returncode != 0 and said in wrong.stderr and "Traceback" not in wrong.stderr, wrong


def test_nothing(tmp_path: Path) -> None:
    """Where nothing is there is nothing to check."""
    server = Server(tmp_path)
    (tmp_path / "serve.toml").write_text(f'data = "{tmp_path / "nowhere"}"')
    nothing = check(server)
    assert nothing.returncode == 1 and "nowhere" in nothing.stderr and "Traceback" not in nothing.stderr, nothing
    assert not (tmp_path / "nowhere").exists()
