"""`mailhorn watch log` after a watcher has filed mail."""

import json
from pathlib import Path

from tests.kit.watching import account_served, command, deliver, told, watching

RULES = """require ["fileinto", "mailbox", "imap4flags"];
# rule:[Lists]
if header :contains "subject" "list" { fileinto :create "Lists"; }
# rule:[Boss]
elsif header :contains "subject" "boss" { addflag "\\\\Flagged"; }
"""


def test_what_was_done_and_by_which_rule(tmp_path: Path) -> None:
    """While the watcher runs, for people and for programs; what a sender wrote cannot move the cursor."""
    with account_served(tmp_path, RULES) as server:
        none = command(tmp_path, "log")
        assert none.returncode == 1 and "nothing was watched yet" in none.stderr
        with watching(tmp_path):
            deliver(server, "a list", "the boss", "nothing", "=?utf-8?q?=1b[2J_list?=")
            told(tmp_path, '"filed"', 3)
            assert command(tmp_path, "log").stdout.count("ann") == 3, "beside the watcher"
        said = command(tmp_path, "log")
        lines = said.stdout.splitlines()
        assert len(lines) == 4 and "\x1b" not in said.stdout, said.stderr
        assert "moved to Lists" in lines[1] and "Bob <bob@example.org>" in lines[1] and "a list" in lines[1]
        assert "flagged Flagged" in lines[2] and "Boss" in lines[2]
        for more, number in ((["--all"], 4), (["--rule", "Lists"], 2), (["--last", "1"], 1), (["--since", "1h"], 3)):
            said = command(tmp_path, "log", "--json", *more)
            entries = [json.loads(line) for line in said.stdout.splitlines()]
            assert len(entries) == number, said.stderr
        message = command(tmp_path, "log", "--json", "--message", "<a.list@example.org>")
        (action,) = json.loads(message.stdout)["actions"]
        assert (action["kind"], action["target"], action["rule"], action["state"], action["by"]) == (
            "move",
            "Lists",
            "Lists",
            "done",
            "watcher",
        )
        wrong = command(tmp_path, "log", "--since", "soon")
        assert wrong.returncode == 2 and "soon is no time" in wrong.stderr
