"""STATUS is answered at once where the store keeps the counts, and in the same words as ever."""

from pathlib import Path

import pytest
from tests.kit.fetching import logged_in
from tests.kit.mailserver import running_server


@pytest.mark.parametrize("name", [b"INBOX", b"Work", b'"per cent %d"', b'"Tom &- Ann"', b"Caf&AOk-"])
async def test_it_says_the_same_by_both_ways(tmp_path: Path, name: bytes) -> None:
    """Counts that are at hand, whatever the mailbox is called; what has just come is among them."""
    async with (
        running_server(tmp_path, ("ann",)) as server,
        logged_in(server.ports["imap"], "ann", server.password) as client,
    ):
        if name != b"INBOX":
            await client.command(b"CREATE " + name)
        for number in range(3):
            answer, end = await client.command(b"STATUS %b (MESSAGES UIDNEXT UNSEEN SIZE MESSAGES)" % name)
            assert answer == b"* STATUS %b (MESSAGES %d UIDNEXT %d UNSEEN %d SIZE %d)" % (
                *(name, number, number + 1, number),
                number * 16,
            )
            assert end == b"OK STATUS completed"
            slowly, _ = await client.command(b"STATUS %b (MESSAGES UIDNEXT UNSEEN SIZE RECENT)" % name)
            assert slowly == answer.replace(b")", b" RECENT 0)")
            await client.append(name, b"Subject: %d\r\n\r\n.." % number)
        answer, _ = await client.command(b"status %b (uidvalidity)" % name)
        assert answer.startswith(b"* STATUS %b (UIDVALIDITY " % name)
        for wrong in (b"STATUS None (MESSAGES)", b"STATUS %b (MESSAGES ,)" % name, b"STATUS %b ()" % name):
            assert not (await client.command(wrong))[-1].startswith(b"OK")
