"""What is read, or changed, while the answer before it is being sent."""

import asyncio
import functools
import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.kit.fetching import logged_in
from tests.kit.mailserver import running_server

from mailhorn.server.imap.commands import change, fetch
from mailhorn.server.imap.session import ImapSession
from mailhorn.store.abc import StoreUnavailable

PATIENCE = 30.0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("command", "where", "verb"),
    [
        (b"FETCH 1:* (ENVELOPE)", "index", "columns"),
        (b"FETCH 1:* (BODY.PEEK[TEXT])", "store", "read_stored"),
        (b"FETCH 1:* (BODY.PEEK[TEXT])", "index", "stored"),
        (b"FETCH 1:* (BODY.PEEK[])", "index", "stored"),
        (b"STORE 1:* +FLAGS (\\Seen)", "index", "set_flags"),
    ],
)
async def test_who_vanishes_while_it_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: bytes, where: str, verb: str, when: str
) -> None:
    """The disk fails under the second part, while the first is being sent, before its client is gone or after that."""
    # Plans know their slices, and those of the tests before are remembered.
    monkeypatch.setattr(fetch, "_planned", functools.lru_cache(fetch._planned.__wrapped__))
    monkeypatch.setattr(fetch, "_plans", {})
    monkeypatch.setattr(fetch, "SLICE", 4)
    monkeypatch.setattr(fetch, "SLICE_AT_HAND", 2)
    monkeypatch.setattr(fetch, "OUTPUT", 0)
    monkeypatch.setattr(change, "SLICE", 4)
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    async with running_server(tmp_path, ("ann",)) as server:
        mail = server.server.mail
        async with logged_in(server.ports["imap"], "ann", server.password) as client:
            for number in range(8):
                await client.append(b"INBOX", b"Subject: %d\r\n\r\ntext\r\n" % number)
            await client.command(b"NOOP")
        begun, gone = asyncio.Event(), threading.Event()
        part = mail.store.index if where == "index" else mail.store
        whole = getattr(part, verb)
        calls = 0

        def sessions() -> list[ImapSession]:
            return [one for one in mail.sessions if isinstance(one, ImapSession)]

        def fail() -> None:
            gone.wait(PATIENCE)
            raise StoreUnavailable("the disk is gone")

        async def sick(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 1:
                begun.set()
                if when == "after":
                    await asyncio.to_thread(fail)
                raise StoreUnavailable("the disk is gone")
            (session,) = sessions()
            session.pump.writable = False  # the client does not read
            return await whole(*arguments)

        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imap"])
        writer.write(b"a LOGIN ann %b\r\nb SELECT INBOX\r\n" % server.password.encode())
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"\r\nb OK")
            monkeypatch.setattr(part, verb, sick)
            writer.write(b"c " + command + b"\r\n")
            await begun.wait()
            (session,) = sessions()
            session.pump.abort()  # as if it was reset, or had not read for too long
            await reader.read()
            assert not sessions()
            del session
            gone.set()
        monkeypatch.undo()
        writer.close()
    gc.collect()
    assert lost == []
