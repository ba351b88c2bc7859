"""A store that notices what other tools do, and the waiting for it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock

from mailhorn.model.change import Change
from mailhorn.model.ids import UID, MailboxId
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.outside import SqliteOutside
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.outside import Noticing, Watchman
from mailhorn.store.settle import Places
from mailhorn.store.store import Store

from .stores import DATE, digest_of

PATIENCE = 30.0
"""Seconds until what is waited for must have come."""


class Noticed:
    """
    A store with a watchman.

    Attributes:
        store: The store.
        watchman: Who notices.
        home: The Maildirs' root.
        changes: All that was told.

    """

    def __init__(self, directory: Path, noticing: Noticing, delay: float, grace: float) -> None:
        self.home = directory / "mail"
        self.changes: list[Change] = []
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        index = SqliteIndex(directory / "index.db", digest_of, grace=grace)

        def watch(places: Places, quiet: Lock) -> Watchman:
            self.watchman = Watchman(SqliteOutside(index), places, quiet, digest_of, noticing)
            self.watchman.looked = lambda looks: self._loop.call_soon_threadsafe(self._news.set)
            return self.watchman

        self.store = Store(index, MaildirBlobs(directory, index, delay=delay, watch=watch), self._tell, digest_of)

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true; it is looked at whenever there is news."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def told(self, mailbox: MailboxId, kind: str, number: int = 1) -> list[int]:
        """Wait until so many messages were told as appended, updated or expunged; return their UIDs."""

        def found() -> list[int]:
            return [
                getattr(item, "uid", item)
                for change in self.changes
                if change.mailbox == mailbox
                for item in getattr(change, kind)
            ]

        await self.until(lambda: len(found()) >= number)
        return found()

    async def seen(self, mailbox: MailboxId) -> dict[int, tuple[str, bytes]]:
        """Return flags and body of all messages of a mailbox."""
        _, uids = await self.store.index.uids(mailbox)
        rows = await self.store.index.rows(mailbox, [UID(uid) for uid in uids])
        return {row.uid: (row.flags, await self.store.body(mailbox, row.uid)) for row in rows}

    def files(self, folder: str) -> list[str]:
        """Return the names of the files in `cur`."""
        return sorted(os.listdir(self.home / folder / "cur"))

    def drop(self, folder: str, name: str, body: bytes, part: str = "new") -> None:
        """Put a message there as Maildir wants it: written in tmp, then renamed."""
        written = self.home / folder / "tmp" / name
        written.write_bytes(body)
        os.utime(written, (DATE, DATE))
        written.rename(self.home / folder / part / name)


@asynccontextmanager
async def noticing(
    directory: Path, how: Noticing | None = None, delay: float = 0.0, grace: float = 0.0
) -> AsyncIterator[Noticed]:
    """Give a started store that notices."""
    noticed = Noticed(directory, how or Noticing(), delay, grace)
    await noticed.store.start()
    try:
        yield noticed
    finally:
        await noticed.store.close()
