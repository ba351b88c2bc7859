"""`mailhorn watch try` and `explain`: what the rules would do, without doing it."""

import imaplib
import json
from pathlib import Path

from tests.kit.watching import account_served, command, deliver, told, watching

RULES = """require ["fileinto", "mailbox", "imap4flags"];
# rule:[Lists]
if header :contains "subject" "list" { fileinto "Lists"; }
# rule:[Boss]
elsif allof (header :contains "subject" "boss", mailboxexists "Lists") { addflag "\\\\Flagged"; }
"""
NEW = 'if header :contains "subject" "list" { discard; }'


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    """Also not what is unread; a mailbox that an earlier message would make is there for a later one."""
    (tmp_path / "new.sieve").write_text(NEW)
    with account_served(tmp_path, RULES) as server:
        deliver(server, "boss 1", "list 1", "boss 2", "nothing")
        said = command(tmp_path, "try", "--json")
        would = {json.loads(line)["subject"]: json.loads(line)["would"] for line in said.stdout.splitlines()}
        assert {subject: [step["kind"] for step in steps] for subject, steps in would.items()} == {
            "list 1": ["move"],
            "boss 2": ["add-flags"],
        }
        people = command(tmp_path, "try", "--all", "--last", "3")
        assert "4 messages" not in people.stdout and "3 messages" in people.stdout
        assert "move to Lists" in people.stdout and "Nothing was changed" in people.stdout
        new = command(tmp_path, "try", "--rules", str(tmp_path / "new.sieve"))
        assert "move to Trash" in new.stdout and "line 1" in new.stdout
        settings = tmp_path / "watch.toml"
        settings.write_text(settings.read_text() + '\nmailboxes = ["INBOX", "Nowhere"]')
        some = command(tmp_path, "try")
        assert some.returncode == 1 and "move to Lists" in some.stdout and "cannot open Nowhere" in some.stderr
        wrong = command(tmp_path, "try", "--mailbox", "Nowhere")
        assert wrong.returncode == 1 and "cannot open Nowhere" in wrong.stderr
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            imap.login("ann", "secret")
            assert imap.select("INBOX")[1] == [b"4"]
            assert imap.search(None, "SEEN") == ("OK", [b""])
            assert b"Lists" not in b"".join(line for line in imap.list()[1] if isinstance(line, bytes))
    assert not (tmp_path / "watch.sqlite").exists()


def test_an_explanation(tmp_path: Path) -> None:
    """By UID and by Message-ID, of what is where it was and of what was moved."""
    with account_served(tmp_path, RULES) as server:
        deliver(server, "boss 1")
        with watching(tmp_path):
            deliver(server, "list 1")
            told(tmp_path, '"filed"')
        said = command(tmp_path, "explain", "1")
        assert 'no   header :contains "subject" "list"' in said.stdout, said.stderr
        assert "would now: flag Flagged (Boss)" in said.stdout
        moved = command(tmp_path, "explain", "list.1@example.org")
        assert moved.stdout.startswith("Lists/1") and "INBOX/2: moved to Lists (Lists)" in moved.stdout
        assert json.loads(command(tmp_path, "explain", "2", "--json").stdout)["tests"][0]["result"] is True
        assert "would now: flag Flagged" in command(tmp_path, "explain", "ann/INBOX/1").stdout
        nothing = command(tmp_path, "explain", "77")
        assert nothing.returncode == 1 and nothing.stderr.count("\n") == 1, nothing.stderr
        settings = tmp_path / "watch.toml"
        both = settings.read_text() + "[[account]]" + settings.read_text().partition("[[account]]")[2]
        settings.write_text('name = "bob"'.join(both.rsplit('name = "ann"', 1)))
        assert "would now: flag Flagged" in command(tmp_path, "explain", "ann/INBOX/1").stdout
        assert command(tmp_path, "explain", "<list.1@example.org>").stdout.startswith("Lists/1")
        unknown = command(tmp_path, "explain", "1")
        assert unknown.returncode == 2 and "say which account: --account with one of ann, bob" in unknown.stderr
