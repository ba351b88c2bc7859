"""What is done with very many messages is done in parts, the next one while one is told: nothing of it is felt."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.fetching import Fetcher, logged_in
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.model.flags import MAX_FLAGS
from mailhorn.server.imap.commands import change, fetch

MESSAGES = 10 << 9
assert MESSAGES > 2 * change.SLICE and MESSAGES > 3 * fetch.SLICE


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerInTest]:
    """A server with a mailbox of so many messages, of ten sorts."""
    async with running_server(tmp_path, ("ann",)) as server:
        async with logged_in(server.ports["imap"], "ann", server.password) as client:
            for number in range(10):
                await client.append(b"INBOX", b"Subject: %d\r\n\r\n" % number)
            for _ in range(9):
                await client.command(b"COPY 1:* INBOX")
        yield server


async def flags(client: Fetcher) -> list[bytes]:
    return [value["FLAGS"] for value in (await client.fetch(b"1:*", b"FLAGS")).values()]


async def test_all_are_told_of_once_and_in_order(server: ServerInTest) -> None:
    """Whatever is asked of them, and what is at hand for few is the same for many."""
    async with logged_in(server.ports["imap"], "ann", server.password) as client:
        told = await client.fetch(b"1:*", b"UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE")
        assert list(told) == list(range(1, MESSAGES + 1))
        assert [int(value["UID"]) for value in told.values()] == list(told)
        subjects = [re.match(rb'\(NIL "(\d)"', value["ENVELOPE"]) for value in told.values()]
        assert [found and found[1] for found in subjects] == [b"%d" % (number % 10) for number in range(MESSAGES)]
        for number in (1, fetch.SLICE, fetch.SLICE + 1, MESSAGES):
            one = await client.fetch(b"%d" % number, b"UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE")
            assert one == {number: told[number]}


async def test_all_are_changed_and_told(server: ServerInTest) -> None:
    """By number and by UID; another session hears the same, and what it changes in between is not lost."""
    async with (
        logged_in(server.ports["imap"], "ann", server.password) as client,
        logged_in(server.ports["imap"], "ann", server.password) as other,
    ):
        *told, end = await client.command(b"STORE 1:* +FLAGS (\\Flagged)")
        assert told == [b"* %d FETCH (FLAGS (\\Flagged))" % n for n in range(1, MESSAGES + 1)]
        assert end == b"OK STORE completed"
        *told, end = await client.command(b"UID STORE 1:* -FLAGS (\\Flagged)")
        assert told == [b"* %d FETCH (UID %d FLAGS ())" % (n, n) for n in range(1, MESSAGES + 1)]
        assert await client.command(b"STORE 1:* +FLAGS.SILENT (one)") == [b"OK STORE completed"]
        assert await flags(other) == [b"(one)"] * MESSAGES
        await other.command(b"STORE 7 +FLAGS (two)")
        *told, end = await client.command(b"STORE 1:* +FLAGS (three)")
        expected = [b"* %d FETCH (FLAGS (one three))" % n for n in range(1, MESSAGES + 1)]
        expected[6] = b"* 7 FETCH (FLAGS (one three two))"
        assert told[:MESSAGES] == expected
        assert await flags(client) == await flags(other)


async def test_one_of_a_later_part_that_cannot_be_changed(server: ServerInTest) -> None:
    """It is said; the parts before it are changed, none after it."""
    async with logged_in(server.ports["imap"], "ann", server.password) as client:
        many = b" ".join([b"k%d" % number for number in range(MAX_FLAGS)])
        at = change.SLICE + 5
        assert (await client.command(b"STORE %d FLAGS (%b)" % (at, many)))[-1].startswith(b"OK")
        *_, end = await client.command(b"STORE 1:* +FLAGS (more)")
        assert end.startswith(b"NO [LIMIT]")
        assert [value == b"(more)" for value in await flags(client)] == [
            number < change.SLICE for number in range(MESSAGES)
        ]
