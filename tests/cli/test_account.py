"""`mailhorn account`: with and without a server beside it."""

import asyncio
import imaplib
import json
import smtplib
from pathlib import Path

import pytest
from tests.kit.commands import mailhorn, serving

from mailhorn.relay.memory import Memory
from mailhorn.server.passwords import BULK, hash_password


def logins(home: Path) -> list[str]:
    lines = mailhorn("account", "list", "--json", home=home).stdout.splitlines()
    return [json.loads(line)["login"] for line in lines]


def test_the_life_of_an_account(tmp_path: Path) -> None:
    """Added, listed, given a new password, removed; each command says where the data are."""
    added = mailhorn("account", "add", "Ann", "--password-stdin", home=tmp_path, text="secret\n")
    assert (added.returncode, added.stdout) == (0, f"Added ann. Data: {tmp_path / 'data'}\n")
    again = mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    assert again.returncode == 1
    assert again.stderr == ("mailhorn: ann is there already; change its password with: mailhorn account passwd ann\n")
    listed = mailhorn("account", "list", home=tmp_path)
    assert "ann" in listed.stdout
    assert f"1 account. Data: {tmp_path / 'data'}" in listed.stderr
    assert mailhorn("account", "passwd", "ann", "--password-stdin", home=tmp_path, text="new\n").returncode == 0
    rules = tmp_path / "data" / "sieve" / "ann.sieve"
    rules.parent.mkdir()
    rules.write_text("keep;")
    assert mailhorn("account", "remove", "ann", "--yes", home=tmp_path).returncode == 0
    assert not rules.exists()
    assert logins(tmp_path) == []


@pytest.mark.parametrize(
    ("args", "text", "code", "message"),
    [
        (["add", "a/b", "--password-stdin"], "x\n", 2, 'a login may not have "/" or ":"'),
        (["add", "ann", "--password-stdin"], "\n", 2, "the password is empty"),
        (["add", "ann"], "", 2, "no terminal to ask for the password; give it with --password-stdin"),
        (["passwd", "bob", "--password-stdin"], "x\n", 1, "there is no account bob in"),
        (["remove", "bob", "--yes"], "", 1, "there is no account bob in"),
        (["import", "nobody.csv"], "", 1, "nobody.csv: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, args: list[str], text: str, code: int, message: str) -> None:
    """With exit code 2 if the command was wrong, 1 if it only could not be carried out."""
    result = mailhorn("account", *args, home=tmp_path, text=text)
    assert result.returncode == code
    assert result.stderr.startswith("mailhorn: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_account_is_not_removed_without_a_yes(tmp_path: Path) -> None:
    """The question defaults to no."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    refused = mailhorn("account", "remove", "ann", home=tmp_path, text="\n")
    assert refused.returncode == 1
    assert logins(tmp_path) == ["ann"]


def test_an_import_is_all_or_nothing(tmp_path: Path) -> None:
    """A wrong line stops it before anything is written; logins that exist stay as they are."""
    file = tmp_path / "people.csv"
    file.write_text(f"login,password\nann,one\nbob,{hash_password('two', BULK)}\nc:c,three\n")
    wrong = mailhorn("account", "import", file, home=tmp_path)
    assert wrong.returncode == 1
    assert "nothing was imported; line 4: " in wrong.stderr
    assert logins(tmp_path) == []
    file.write_text(file.read_text().replace("c:c", "carl"))
    assert mailhorn("account", "import", file, home=tmp_path).stdout.startswith("Imported 3 accounts.")
    file.write_text(file.read_text() + "dora,four\n")
    again = mailhorn("account", "import", file, home=tmp_path)
    assert again.stdout.startswith("Imported 1 account, left 3 that were there as they are.")
    assert logins(tmp_path) == ["ann", "bob", "carl", "dora"]


def test_beside_a_running_server(tmp_path: Path) -> None:
    """What is added is there at once, imported hashes let their owners in, and what is removed is gone."""
    file = tmp_path / "people.csv"
    file.write_text(f"bob,{hash_password('two', BULK)}\n")
    with serving(tmp_path) as server:
        assert mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="one\n").returncode == 0
        assert mailhorn("account", "import", file, home=tmp_path).returncode == 0
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as smtp:
            smtp.sendmail("a@example.org", ["ann@localhost", "bob@localhost"], "Subject: hello\r\n\r\nhello\r\n")
        for login, password in (("ann", "one"), ("bob", "two")):
            with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
                imap.login(login, password)
                assert imap.select("INBOX") == ("OK", [b"1"])
        assert mailhorn("account", "passwd", "ann", "--password-stdin", home=tmp_path, text="new\n").returncode == 0
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            with pytest.raises(imaplib.IMAP4.error):
                imap.login("ann", "one")
            imap.login("ann", "new")
        assert (
            mailhorn("account", "remove", "bob", "--yes", home=tmp_path).stdout == "Removed bob and its 1 messages.\n"
        )
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap, pytest.raises(imaplib.IMAP4.error):
            imap.login("bob", "two")
        assert server.stop() == 0
    assert logins(tmp_path) == ["ann"]


def test_who_is_removed_is_forgotten(tmp_path: Path) -> None:
    """What the rules of one have seen says nothing to the next one of that name."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    file = tmp_path / "data" / "remembered.sqlite"

    async def seen(remember: bool) -> bool:
        memory = Memory(file)
        if remember:
            await memory.remember("ann", "vacation", "", "bob@example.org", 1000)
        known = await memory.seen("ann", "vacation", "", "bob@example.org")
        await memory.close()
        return known

    assert asyncio.run(seen(remember=True))
    assert mailhorn("account", "remove", "ann", "--yes", home=tmp_path).returncode == 0
    assert not asyncio.run(seen(remember=False))
