"""STATUS of what is \\Deleted, which the store keeps no count of: every message is looked at, some at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.kit.fetching import logged_in
from tests.kit.mailserver import running_server

MESSAGES = 2_500
"""More than are looked at in two goes."""

MOST = 1_000
"""Messages that may be looked at in one go."""


async def test_not_all_are_looked_at_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,500 messages a thousand at most, once for both items, and the sums are right."""
    async with (
        running_server(tmp_path, ("ann",)) as server,
        logged_in(server.ports["imap"], "ann", server.password) as client,
    ):
        await client.command(b"APPEND INBOX" + b" {5+}\r\nA: b\n" * 100)
        await client.command(b"SELECT INBOX")
        for _ in range(24):
            await client.command(b"COPY 1:100 INBOX")
        await client.command(b"STORE 1,999:1002,2500 +FLAGS.SILENT (\\Deleted)")
        index = server.server.mail.store.index
        columns = index.columns
        looks: list[int] = []

        async def counted(mailbox: Any, uids: Sequence[Any], digested: bool = False) -> Any:
            looks.append(len(uids))
            return await columns(mailbox, uids, digested)

        monkeypatch.setattr(index, "columns", counted)
        told = await client.command(b"STATUS INBOX (DELETED-STORAGE MESSAGES DELETED)")
        assert told[0] == b"* STATUS INBOX (DELETED-STORAGE 30 MESSAGES 2500 DELETED 6)", told
        assert sum(looks) == MESSAGES
        assert max(looks) <= MOST
