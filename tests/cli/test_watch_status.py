"""`mailhorn watch status`: what it says of a watcher that runs, and of none."""

import json
from pathlib import Path

from tests.kit.commands import mailhorn
from tests.kit.watching import account_served, command, watching

CONTROL = "watch.sqlite.control"


def test_every_session_is_told_of(tmp_path: Path) -> None:
    """For people and for programs; then nobody answers any more."""
    with account_served(tmp_path, "keep;", 'mailboxes = ["INBOX", "Elsewhere"]'):
        none = command(tmp_path, "status")
        assert none.returncode == 1 and none.stderr.count("\n") == 1 and "does `mailhorn watch` run" in none.stderr
        with watching(tmp_path, "backoff"):
            assert (tmp_path / CONTROL).stat().st_mode & 0o777 == 0o600
            said = command(tmp_path, "status", "--json")
            assert said.returncode == 0, said.stderr
            told = json.loads(said.stdout)
            inbox, elsewhere = told["sessions"]
            assert (inbox["account"], inbox["mailboxes"], inbox["push"]) == ("ann", ["INBOX"], True)
            assert elsewhere["state"] == "backoff" and elsewhere["until"] > 0 and "Elsewhere" in elsewhere["reason"]
            people = mailhorn("watch", "status", "-c", str(tmp_path / "watch.toml"), home=tmp_path)
            assert "again in" in people.stdout and f"process {told['process']}" in people.stdout
        assert not (tmp_path / CONTROL).exists()


def test_what_a_killed_watcher_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """The socket of one that was killed is taken over."""
    with account_served(tmp_path, "keep;"):
        with watching(tmp_path) as watcher:
            watcher.kill()
            watcher.wait()
        assert (tmp_path / CONTROL).exists()
        with watching(tmp_path):
            said = command(tmp_path, "status")
            assert said.returncode == 0 and "INBOX" in said.stdout, said.stderr
