"""How much an account may keep, over IMAP and LMTP."""

import asyncio
import imaplib
import smtplib
from pathlib import Path

from tests.kit.mailserver import PASSWORD, running_server

from mailhorn.config.settings import Limits

LETTER = b"Subject: x\r\n\r\n" + b"x" * 1010
"""1,024 octets."""


def _imap(port: int) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", port)
    client.login("ann", PASSWORD)
    return client


async def test_no_more_is_kept_than_may_be(tmp_path: Path) -> None:
    """APPEND, COPY and CREATE are answered OVERQUOTA; MOVE needs no room, and what is expunged makes some."""
    limits = Limits(quota_storage=3 * 1024, quota_messages=4, quota_mailboxes=2)

    def act(port: int) -> None:
        client = _imap(port)
        assert client.create("a")[0] == "OK"
        assert client.create("b") == ("NO", [b"[OVERQUOTA] No more than 2 mailboxes can be kept"])
        for _ in range(2):
            assert client.append("INBOX", "(\\Seen)", "", LETTER)[0] == "OK"
        assert client.select("INBOX")[0] == "OK"
        assert client.copy("1:2", "a") == ("NO", [b"[OVERQUOTA] No more than 3 KiB can be kept"])
        assert client.copy("1", "a")[0] == "OK"
        assert client.append("INBOX", "", "", LETTER) == ("NO", [b"[OVERQUOTA] No more than 3 KiB can be kept"])
        assert client._simple_command("MOVE", "1", "a")[0] == "OK"
        assert client.getquotaroot("INBOX")[1] == [
            [b'INBOX ""'],
            [b'"" (STORAGE 3 3 MESSAGE 3 4 MAILBOX 2 2)'],
        ]
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        assert client.append("INBOX", "", "", LETTER)[0] == "OK"
        client.logout()

    async with running_server(tmp_path, ("ann",), limits=limits) as server:
        await asyncio.to_thread(act, server.ports["imap"])


async def test_all_mailboxes_that_are_made_count(tmp_path: Path) -> None:
    """Levels above that CREATE and RENAME make on the way, and the mailbox that the messages of INBOX go to."""

    def act(port: int) -> None:
        client = _imap(port)
        refused = ("NO", [b"[OVERQUOTA] No more than 4 mailboxes can be kept"])
        assert client.create("a/b/c/d") == refused
        assert client.create("a/b")[0] == "OK"
        assert client.rename("a/b", "x/y/b") == refused
        assert client.rename("a/b", "x/b")[0] == "OK"
        assert client.rename("INBOX", "old") == refused
        assert client.create("x/b")[1] == [b"[ALREADYEXISTS] The mailbox exists already"]
        assert client.rename("x", "y")[0] == "OK"
        assert client.delete("a")[0] == "OK"
        assert client.rename("INBOX", "old")[0] == "OK"
        client.logout()

    async with running_server(tmp_path, ("ann",), limits=Limits(quota_mailboxes=4)) as server:
        await asyncio.to_thread(act, server.ports["imap"])


async def test_a_full_account_takes_no_mail(tmp_path: Path) -> None:
    """452 4.2.2 for each recipient who has no room; the others get it, and the sender tries again."""

    def fill(port: int) -> None:
        with smtplib.LMTP("127.0.0.1", port) as client:
            assert client.sendmail("a@example.org", ["ann@localhost"], LETTER) == {}

    def act(port: int) -> None:
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.ehlo()
            client.mail("a@example.org")
            assert client.rcpt("ann@localhost") == (452, b"4.2.2 The mailbox is full, try again later")
            assert client.rcpt("bob@localhost")[0] == 250

    async with running_server(tmp_path, ("ann", "bob"), limits=Limits(quota_messages=1)) as server:
        index = server.server.mail.store.index
        account = await index.account("ann")
        assert account is not None
        await asyncio.to_thread(fill, server.ports["lmtp"])
        assert (await index.usage(account.id)).messages == 1
        await asyncio.to_thread(act, server.ports["lmtp"])
