"""`mailhorn watch apply`, `undo` and `release`: done and taken back, on our server and on Dovecot."""

import imaplib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kit.dovecot import running_dovecot
from tests.kit.watching import account_served, command, told, watching

MESSAGES = 1000
RULES = """require ["fileinto", "mailbox", "imap4flags", "copy"];
# rule:[Lists]
if header :contains "subject" "list" { fileinto :create "Lists"; stop; }
# rule:[Boss]
if header :contains "subject" "boss" { addflag ["\\\\Flagged", "work"]; stop; }
# rule:[Bills]
if header :contains "subject" "bill" { fileinto :copy :create "Bills"; stop; }
# rule:[Spam]
if header :contains "subject" "spam" { discard; stop; }
# rule:[Both]
if header :contains "subject" "both" {
    addflag "\\\\Seen"; fileinto :create "One"; removeflag "\\\\Seen"; fileinto :create "Two";
}
"""
KINDS = ("list", "boss", "bill", "spam", "both", "nothing")
FLAGS = ("()", "(\\Seen)", "(\\Flagged)", "(work \\Answered)")
PLAIN = """
journal = "watch.sqlite"
[[account]]
name = "ann"
host = "127.0.0.1"
port = {port}
encryption = "none"
user = "ann"
password = "secret"
rules = "ann.sieve"
"""


@contextmanager
def session(port: int) -> Iterator[imaplib.IMAP4]:
    """Log in."""
    with imaplib.IMAP4("127.0.0.1", port) as imap:
        imap.login("ann", "secret")
        yield imap


def fill(port: int, number: int) -> None:
    """Put messages into INBOX: of every kind, with every flag, some without a Message-ID."""
    with session(port) as imap:
        messages = []
        for i in range(number):
            identity = f"Message-ID: <{i}@example.org>\r\n" if i % 10 else ""
            text = f"Subject: {KINDS[i % 6]} {i}\r\n{identity}\r\n{'x' * i}\r\n"
            date = imaplib.Time2Internaldate(1_700_000_000 + i)
            messages.append(f"{FLAGS[i % 4]} {date} {{{len(text)}+}}\r\n{text}")
        for start in range(0, number, 100):  # MULTIAPPEND, LITERAL+
            imap.send(f"x APPEND INBOX {' '.join(messages[start : start + 100])}\r\n".encode())
            while not (line := imap.readline()).startswith(b"x "):
                assert line, "the server hung up"
            assert line.startswith(b"x OK"), line


def everything(port: int, mailbox: str) -> list[tuple[str, ...]]:
    """Return subject, flags, date and size of all messages, in no order."""
    with session(port) as imap:
        known, count = imap.select(mailbox, readonly=True)
        if known != "OK" or count == [b"0"]:
            return []
        _, data = imap.fetch("1:*", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found = []
        for item in data:
            if isinstance(item, tuple):
                head = item[0].decode()
                flags = sorted(set(re.findall(r"FLAGS \((.*?)\)", head)[0].split()) - {"\\Recent"})
                found.append((item[1].decode().strip(), " ".join(flags), *re.findall(r'"[^"]*"|SIZE \d+', head)))
        return sorted(found)


@contextmanager
def served(kind: str, home: Path) -> Iterator[int]:
    """Run a server and write the settings; yields its port for imaplib."""
    if kind == "mailhorn":
        with account_served(home, RULES) as server:
            yield server.ports["imap"]
    else:
        (home / "ann.sieve").write_text(RULES)
        with running_dovecot() as dovecot:
            (home / "watch.toml").write_text(PLAIN.format(port=dovecot.imap_port))
            yield dovecot.imap_port


@pytest.mark.parametrize("kind", ["mailhorn", "dovecot"])
def test_a_thousand_filed_messages_are_as_they_were(tmp_path: Path, kind: str) -> None:
    """Flags, dates and sizes included, beside a watcher, which leaves alone what comes back."""
    with served(kind, tmp_path) as port:
        fill(port, MESSAGES)
        before = everything(port, "INBOX")
        assert len(before) == MESSAGES
        with watching(tmp_path):
            applied = command(tmp_path, "apply", "--backlog", "--yes")
            expected = sum(KINDS[i % 6] != "nothing" for i in range(MESSAGES))
            assert f"{expected:,} messages filed" in applied.stdout, applied.stdout + applied.stderr
            assert len(everything(port, "Lists")) == len([i for i in range(MESSAGES) if i % 6 == 0])
            assert len(everything(port, "One")) == len(everything(port, "Two")) == len(range(4, MESSAGES, 6))
            undone = command(tmp_path, "undo", "--since", "1h", text="y\n")
            assert undone.returncode == 0, undone.stderr
            # A new message shows that the watcher has seen all that came back.
            with session(port) as imap:
                imap.append("INBOX", None, None, b"Subject: list, the last\r\n\r\n")
            told(tmp_path, "the last")
        assert everything(port, "INBOX") == before
        assert len(everything(port, "Lists")) == 1
        for box in ("Bills", "Trash", "One", "Two"):
            assert everything(port, box) == [], box
        assert (tmp_path / "watch.log").read_text().count('"filed"') == 1
    log = command(tmp_path, "log", "--rule", "Bills", "--last", "1")
    assert "undone: copy to Bills" in log.stdout
    again = command(tmp_path, "undo", "--rule", "Bills")
    assert again.returncode == 1 and "nothing that could be undone" in again.stderr


def test_what_is_to_be_undone_is_told_to_programs_too(tmp_path: Path) -> None:
    """Without doing it."""
    with account_served(tmp_path, RULES) as server:
        fill(server.ports["imap"], 2)
        assert command(tmp_path, "apply", "--backlog", "--yes").returncode == 0
        would = command(tmp_path, "undo", "--last", "5", "--dry-run", "--json")
        assert [json.loads(line)["subject"] for line in would.stdout.splitlines()] == ["list 0", "boss 1"]
        assert len(everything(server.ports["imap"], "Lists")) == 1


def test_what_the_server_refuses_is_not_said_to_be_done(tmp_path: Path) -> None:
    """Why, the log tells; nothing is left to be done."""
    rules = 'require "fileinto"; if header :contains "subject" "list" { fileinto "Other Users/nobody/Lists"; }'
    with account_served(tmp_path, rules) as server:
        fill(server.ports["imap"], 7)
        applied = command(tmp_path, "apply", "--backlog", "--yes")
        assert (applied.returncode, applied.stdout) == (1, "0 messages filed.\n")
        assert "mailhorn: the server refused to file 2 messages; see: mailhorn watch log" in applied.stderr
        logged = command(tmp_path, "log", "--json").stdout.splitlines()
        assert [json.loads(line)["actions"][0]["state"] for line in logged] == ["failed", "failed"]
        assert all(" cannot be made: " in json.loads(line)["trouble"] for line in logged)
        assert "refused: move to Other Users/nobody/Lists; move refused: " in command(tmp_path, "log").stdout


def test_what_the_brake_holds_is_released(tmp_path: Path) -> None:
    """A rule that suddenly takes everything stops after fifty; what is held is done when somebody says so."""
    with account_served(tmp_path, RULES, "brake_at_least = 50") as server:
        port = server.ports["imap"]
        with watching(tmp_path):
            with session(port) as imap:
                imap.send(b"x APPEND INBOX %s\r\n" % b" ".join([b"{17+}\r\nSubject: list\r\n\r\n"] * 80))
                while not imap.readline().startswith(b"x "):
                    pass
            told(tmp_path, "watch release")
        assert len(everything(port, "Lists")) == 50 and len(everything(port, "INBOX")) == 30
        assert command(tmp_path, "log", "--held", "-n", "100").stdout.count("held: move to Lists") == 30
        refused = command(tmp_path, "release", text="n\n")
        assert refused.returncode == 1 and "nothing was done" in refused.stderr
        released = command(tmp_path, "release", "--rule", "Lists", "--yes")
        assert "30 messages filed" in released.stdout, released.stderr
        assert len(everything(port, "Lists")) == 80
        assert "the brake holds nothing" in command(tmp_path, "release").stderr
