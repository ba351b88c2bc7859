"""A server of our own as the smarthost, which is strict in all: what goes in at one end comes out at the other."""

from pathlib import Path

import pytest
from tests.kit.loops import on_both_loops
from tests.kit.mail import receiving

from mailhorn.relay.letter import Letter
from mailhorn.relay.queue import Queue
from mailhorn.relay.sender import Sender, SenderOptions
from mailhorn.relay.smarthost import Encryption, Smarthost

BODY = "Subject: Grüße\r\n\r\n.\r\n..\r\nüber\r\n" + "x" * 900 + "\r\n"
EIGHT_BITS = Letter("sender@example.net", ("ann@example.org", "jürgen@example.org"), BODY.encode(), "redirect", "x")
LARGE = Letter("", ("ann@example.org",), b"Subject: 2\r\n\r\n" + b"y\r\n" * 100_000, "vacation", "x")


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
@on_both_loops
async def test_octet_for_octet(tmp_path: Path, encryption: Encryption) -> None:
    """Encrypted, logged in, eight bits, dots, addresses beyond ASCII, hundreds of kilobytes."""
    async with receiving(tmp_path, ("ann", "jürgen")) as server:
        queue = Queue(tmp_path / "queue.sqlite")
        port = server.smtps if encryption == "tls" else server.smtp
        to = Smarthost("localhost", port, encryption, server.trusting, "mail.example.com", "ann", "secret")
        sender = Sender(queue, SenderOptions(to, "mail.example.com"))
        await sender.start()
        await queue.submit([EIGHT_BITS, LARGE])
        while await queue.listing():
            pass  # each turn waits for the queue's thread
        await sender.stop()
        await queue.close()
        messages = sorted(await server.messages("ann"), key=len)
        assert len(messages) == 2
        assert messages[0].endswith(EIGHT_BITS.content) and messages[1].endswith(LARGE.content)
        assert messages[0].startswith(b"Return-Path: <sender@example.net>\r\nReceived: from mail.example.com ")
        assert b" with UTF8SMTPSA id " in messages[0] and b" with ESMTPSA id " in messages[1]
        (other,) = await server.messages("jürgen")
        assert other.endswith(EIGHT_BITS.content)
