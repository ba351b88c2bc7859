"""`mailhorn account share`: with and without a server beside it."""

import imaplib
from pathlib import Path

import pytest
from tests.kit.commands import mailhorn, serving


def _add(home: Path, *logins: str) -> None:
    for login in logins:
        assert mailhorn("account", "add", login, "--password-stdin", home=home, text="secret\n").returncode == 0


def test_a_mailbox_is_shared_and_not_any_more(tmp_path: Path) -> None:
    """With words or letters; what is told is what holds now."""
    _add(tmp_path, "ann", "bob")
    first = mailhorn("account", "share", "Ann", "inbox", home=tmp_path)
    head = "INBOX of ann, which others see as: Other Users/ann/INBOX\n  ann  everything, always\n"
    assert (first.returncode, first.stdout) == (0, head)
    assert mailhorn("account", "share", "ann", "INBOX", "Bob", "read", home=tmp_path).stdout == f"{head}  bob  lrs\n"
    both = mailhorn("account", "share", "ann", "INBOX", "anyone", "ld", home=tmp_path).stdout
    assert both == (
        "INBOX of ann, which others see as: Other Users/ann/INBOX\n"
        "  ann     everything, always\n  anyone  lte\n  bob     lrs\n"
    )
    mailhorn("account", "share", "ann", "INBOX", "anyone", "none", home=tmp_path)
    assert mailhorn("account", "share", "ann", "INBOX", home=tmp_path).stdout == f"{head}  bob  lrs\n"


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    """What, and what to do."""
    _add(tmp_path, "ann")
    for args, code, message in (
        (("ann", "Nowhere"), 1, "ann has no mailbox Nowhere"),
        (("ann", "INBOX", "who", "read"), 1, "there is no account who; see: mailhorn account list"),
        (("ann", "INBOX", "ann", "read"), 2, "ann has all rights always"),
        (("ann", "INBOX", "anyone", "lq"), 2, "q is no right; say none, read, write, all or letters of lrswipkxtea"),
    ):
        result = mailhorn("account", "share", *args, home=tmp_path)
        assert result.returncode == code
        assert result.stderr.startswith("mailhorn: ") and message in result.stderr and result.stderr.count("\n") == 1


def test_a_running_server_heeds_it_at_once(tmp_path: Path) -> None:
    """Who was given a right has it, and who has lost it is shown out though the mailbox is open."""
    _add(tmp_path, "ann", "bob")
    with serving(tmp_path) as server:
        client = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        client.login("bob", "secret")
        assert client.select('"Other Users/ann/INBOX"')[0] == "NO"
        mailhorn("account", "share", "ann", "INBOX", "bob", "read", home=tmp_path)
        assert client.select('"Other Users/ann/INBOX"')[0] == "OK"
        mailhorn("account", "share", "ann", "INBOX", "bob", "none", home=tmp_path)
        with pytest.raises(imaplib.IMAP4.abort, match="The selected mailbox has been deleted"):
            client.noop()
        client.shutdown()
