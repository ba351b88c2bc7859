"""When a command is told of, and with which numbers (RFC 9585)."""

import asyncio
from pathlib import Path

import pytest
from tests.kit.mailserver import running_server

from mailhorn.net.deadlines import Deadlines
from mailhorn.server.imap import progress, searching
from mailhorn.server.imap.session import ImapSession


async def test_a_long_search_is_told_of_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as the clock says, with what is done and what there is to do, and no more once it is answered."""
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    monkeypatch.setattr(searching, "ENVELOPES", 2)
    monkeypatch.setattr(searching, "SMALL", 0)
    async with running_server(tmp_path, ("ann",)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imap"])
        for number in range(5):
            await server.deliver("ann", f"Number {number}")
        writer.write(b"a1 LOGIN ann secret\r\na2 SELECT INBOX\r\n")
        while not (await reader.readline()).startswith(b"a2 OK"):
            pass
        (session,) = [one for one in server.server.mail.sessions if isinstance(one, ImapSession)]
        session.context.deadlines = Deadlines(asyncio.get_running_loop(), grain=0.01)
        index, turns = server.server.mail.store.index, asyncio.Semaphore(1)
        digests = index.digests

        async def slowly(*arguments: object) -> object:
            await turns.acquire()
            return await digests(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(index, "digests", slowly)
        writer.write(b'a"3 NOOP\r\na3 SEARCH NOT HEADER X-Mailer elm\r\n')
        assert (await reader.readline()).startswith(b"* BAD")
        for _ in range(2):
            assert await reader.readline() == b'* OK [INPROGRESS ("a3" 2 5)] Still at work\r\n'
        turns.release()
        while (line := await reader.readline()) != b'* OK [INPROGRESS ("a3" 4 5)] Still at work\r\n':
            assert line == b'* OK [INPROGRESS ("a3" 2 5)] Still at work\r\n'
        turns.release()
        while (line := await reader.readline()).startswith(b"* OK [INPROGRESS"):
            pass
        assert line == b"* SEARCH 1 2 3 4 5\r\n"
        assert (await reader.readline()).startswith(b"a3 OK")
        assert not len(session.context.deadlines) and session.progress is None
        writer.close()
