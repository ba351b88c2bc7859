"""The sessions there are, so that a stopping server can end them and wait for them."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol


class Session(Protocol):
    """A session as the server sees it."""

    @property
    def busy(self) -> bool:
        """Whether the store does something for it, which takes as long as the disk and not as the client likes."""

    def shut_down(self) -> None:
        """Say good-bye and close; finish first what was accepted."""

    def abort(self) -> None:
        """End the connection, whatever the client has not read yet."""


class Sessions:
    """All sessions of a server, of every protocol."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()
        self._empty: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def __contains__(self, session: Session) -> bool:
        return session in self._sessions

    def add(self, session: Session) -> None:
        """Take note of a session."""
        self._sessions.add(session)

    def discard(self, session: Session) -> None:
        """The session is over; unknown ones are fine."""
        self._sessions.discard(session)
        if not self._sessions and self._empty is not None:
            self._empty.set()

    async def end(self, last_words: float, grace: float) -> None:
        """
        End all sessions: when this returns there are none, unless the disk hangs.

        Args:
            last_words: Seconds that clients have to read the good-bye and hang up.
            grace: Seconds that sessions for which the store works have beyond that.

        """
        for session in self:
            session.shut_down()
        await self._gone(last_words)
        working = []
        for session in self:
            if session.busy:
                working.append(session)
            else:
                session.abort()
        await self._gone(grace)
        for session in working:
            session.abort()

    async def _gone(self, patience: float) -> None:
        """Wait until there is no session any more, or not for so long."""
        if self._sessions:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._empty.wait()
