"""Many whole messages at once: file by file, past everything, and each octet where it belongs."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.fetching import Fetcher, logged_in
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.server.imap.commands.fetch import LARGE, MANY
from mailhorn.server.imap.session import ImapSession

SIZES = (0, 10, 5_000, 20_000, 200_000, LARGE + 1, 70_000, 300)
assert len(SIZES) >= MANY


def body(number: int) -> bytes:
    noise = random.Random(number)
    return b"Subject: %d\r\n\r\n%b" % (number, noise.randbytes(SIZES[number % len(SIZES)]))


MESSAGES = [body(number) for number in range(len(SIZES) * 3)]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerInTest]:
    """A server with these messages, each with a file of its own."""
    async with running_server(tmp_path, ("ann",)) as server:
        async with logged_in(server.ports["imap"], "ann", server.password) as client:
            for message in MESSAGES:
                await client.append(b"INBOX", message)
    async with running_server(tmp_path, ()) as server:  # they came to rest when it was stopped
        yield server


async def test_every_message_is_as_it_was(server: ServerInTest, tmp_path: Path) -> None:
    """By number and by UID, with other items before it; of one whose file is gone that is said, of others nothing."""
    async with logged_in(server.ports["imap"], "ann", server.password) as client:
        found = await client.fetch(b"1:*", b"UID RFC822.SIZE BODY.PEEK[]")
        assert [value["BODY[]"] for value in found.values()] == [literal(message) for message in MESSAGES]
        assert [int(value["UID"]) for value in found.values()] == list(found)
        *answers, end = await client.command(b"UID FETCH 2:12 RFC822")
        assert answers == [
            b"* %d FETCH (UID %d RFC822 %b FLAGS (\\Seen))" % (n, n, literal(MESSAGES[n - 1])) for n in range(2, 13)
        ]
        assert end == b"OK UID FETCH completed"
        files = {
            number: file
            for file in (tmp_path / "mail").rglob("cur/*")
            for number in (3, 9)
            if f",U={number}:" in file.name
        }
        files[3].rename(tmp_path / "elsewhere")
        files[9].rename(files[9].with_name(files[9].name + "T"))  # by another tool
        *answers, end = await client.command(b"FETCH 1:15 BODY.PEEK[]")
        assert [answer for answer in answers if b"BODY[]" in answer] == [
            b"* %d FETCH (BODY[] %b)" % (n, literal(MESSAGES[n - 1])) for n in range(1, 16) if n != 3
        ]
        assert end.startswith(b"NO [EXPUNGEISSUED]")


async def test_a_client_that_stops_reading_loses_nothing(server: ServerInTest) -> None:
    """Whenever it does; and what it asks next comes behind."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imap"], limit=1 << 16)
    client = Fetcher(reader, writer)
    await client.response()
    await client.command(b"LOGIN ann " + server.password.encode())
    await client.command(b"SELECT INBOX")
    for number in range(6):
        writer.write(b"a%d FETCH 1:* (UID BODY.PEEK[])\r\n" % number)
    once = [b"* %d FETCH (UID %d BODY[] %b)\r\n" % (n, n, literal(text)) for n, text in enumerate(MESSAGES, 1)]
    (session,) = [one for one in server.server.mail.sessions if isinstance(one, ImapSession)]
    for _ in range(100_000):  # turns of the loop, until all buffers on the way are full
        if not session.pump.writable:
            break
        await asyncio.sleep(0)
    assert not session.pump.writable
    session.overdue()
    assert not session.pump.closed
    for number in range(6):
        expected = b"".join(once) + b"a%d OK FETCH completed\r\n" % number
        assert await reader.readexactly(len(expected)) == expected
    await client.close()


def literal(message: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(message), message)
