"""`mailhorn sieve test --mailbox`: what a script would do to a mailbox that is there, and how little it takes."""

import imaplib
import json
import os
import pty
import re
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.test_sieve import said
from tests.kit.commands import Serving, environment, mailhorn, serving
from tests.kit.tap import Tap

from mailhorn.store.names import login_dir

RULES = """require ["fileinto", "imap4flags"];
# rule:[Lists]
if header :contains "list-id" "python" { fileinto "Lists"; }
# rule:[Boss]
elsif address "from" "boss@example.org" { addflag "\\\\Flagged"; }
"""
SETTINGS = """
journal = "watch.sqlite"
[[account]]
name = "work"
host = "127.0.0.1"
port = {port}
encryption = "none"
user = "ann"
password_file = "password"
"""
DOUBLED = 10
"""A mailbox of ten messages that is copied into itself so often has 10,240."""


def letter(number: int) -> str:
    """One of ten messages: three are of a list, two of the boss."""
    sender = "boss@example.org" if number in (3, 4) else "bob@example.org"
    more = "List-Id: <python-dev.python.org>\r\n" if number < 3 else ""
    return f"From: {sender}\r\nSubject: number {number}\r\n{more}X-Secret: never fetched\r\n\r\nHi\r\n"


@contextmanager
def served(home: Path) -> Iterator[Serving]:
    """A server with an account that has the ten messages."""
    mailhorn("account", "add", "ann", "--password-stdin", home=home, text="secret\n")
    (home / "password").write_text("secret\n")
    (home / "new.sieve").write_text(RULES)
    with serving(home) as server:
        with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as lmtp:
            for number in range(10):
                lmtp.sendmail("bob@example.org", ["ann@localhost"], letter(number))
        yield server


def test_ten_thousand_messages(tmp_path: Path) -> None:
    """One FETCH a window of exactly the fields that the script asks for; a bar says how far it is; nothing changes."""
    with served(tmp_path) as server, Tap("127.0.0.1", server.ports["imap"]) as tap:
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            imap.login("ann", "secret")
            imap.select("INBOX")
            for _ in range(DOUBLED):
                assert imap.copy("1:*", "INBOX")[0] == "OK"
                imap.noop()
        (tmp_path / "watch.toml").write_text(SETTINGS.format(port=tap.port))
        shown, told = on_a_terminal(
            tmp_path, "sieve", "test", "new.sieve", "--mailbox", "work/INBOX", "--config", "watch.toml"
        )
    assert "10,240 messages in " in told and "5,120 of them would be touched" in told, told
    assert "3,072  move to Lists" in told and "2,048  flag Flagged" in told
    assert re.search(r"Judging INBOX.* [1-9]\d*/10240", shown), shown[-500:]
    asked = [line for line in tap.said("client").split(b"\r\n") if b"UID FETCH" in line.upper()]
    fields = {
        tuple(sorted(found.lower().split())) for line in asked for found in re.findall(rb"\[.*?\((.*?)\)\]", line)
    }
    assert fields == {(b"from", b"list-id", b"message-id", b"subject")}, asked[:2]
    assert all(b"BODY.PEEK[HEADER.FIELDS" in line and line.count(b"[") == 1 for line in asked)
    assert len(asked) <= 25 and b"never fetched" not in tap.said("server")
    assert len(tap.said("server")) < 10_240 * 400
    assert not re.search(rb"(?i) (STORE|COPY|MOVE|SELECT) ", tap.said("client"))


def on_a_terminal(home: Path, *args: str) -> tuple[str, str]:
    """Run a command whose standard error is a terminal: what is shown there, and standard output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhorn", *args],
        env=environment(home, TERM="xterm", COLUMNS="100"),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side has closed it
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    told, _ = process.communicate(timeout=50)
    return shown.decode("utf-8", "replace"), told


def test_an_account_of_this_machines_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Maildir is read; every action is shown, also those that a watcher could not do."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAILHORN_DATA", str(tmp_path / "data"))
    files = tmp_path / "data" / "mail" / login_dir("ann") / "cur"
    files.mkdir(parents=True)
    for number in range(10):
        (files / f"{number}.M1.host:2,S").write_text(letter(number))
    script = tmp_path / "new.sieve"
    script.write_text(RULES)
    code, out, err = said("test", script, "--mailbox", "ann/INBOX")
    assert code == 0 and "10 messages in " in out and "5 of them would be touched" in out, err
    assert re.search(r" 3  file into Lists +Lists\n", out), out
    assert re.search(r" 2  keep in INBOX, flagged \\Flagged +Boss\n", out), out
    script.write_text(
        'require "reject";\nif header :contains "subject" "7" { reject "no"; }\nif size :over 1M { discard; }'
    )
    code, out, _ = said("test", script, "--mailbox", "ann/INBOX", "--json", "--last", "5")
    assert [json.loads(line)["actions"][0]["action"] for line in out.splitlines()] == ["reject"]
    script.write_text('require "body";\nif body :contains "hi" { discard; }')
    assert "10 of them would be touched" in said("test", script, "--mailbox", "ann/INBOX")[1]
    for asked, why in (("ann/Nowhere", "ann has no mailbox Nowhere"), ("eve/INBOX", "there is no account eve")):
        code, _, err = said("test", script, "--mailbox", asked)
        assert code and why in err and err.count("\n") == 1, err
