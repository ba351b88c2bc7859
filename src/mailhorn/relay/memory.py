"""What rules have answered and seen before: who had a vacation answer (RFC 5230), which messages came twice (RFC 7352).

Rule 1: asking changes nothing. What was seen is remembered by a second call, once the delivery is safe: a message that
its sender tries again is no duplicate of its own first try. Rule 2: whoever asks, acts and remembers does it in the
account's `turn`, or two copies that come at once are both new. Rule 3: it is a memory of people's mail, so it knows
hashes only, and forgets what has expired. Rule 4: it survives kill -9; after a power cut the last moments may be
missing, and somebody gets a second answer. Nobody's mail waits for a flush of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import apsw

from .database import Database

MAX_ENTRIES = 50_000
"""Of one account; the oldest go. A busy one, with 5,000 messages a day, has a week of them; it is 5 MB."""

MAX_SECONDS = 366 * 86400
"""The longest that anything is remembered; more is taken as this (RFC 7352 §3.3, RFC 6131 §2)."""

MAX_FORGOTTEN = 100
"""What has expired and is forgotten with each entry that comes: more than come, less than one would notice."""

Kind = Literal["vacation", "duplicate"]
"""Of each kind is remembered apart."""

_STEPS = (
    """
    CREATE TABLE account (name TEXT PRIMARY KEY, entries INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        key BLOB NOT NULL,
        until INTEGER NOT NULL,
        UNIQUE (account, key)
    ) STRICT;
    CREATE INDEX entry_by_age ON entry (account, id);
    CREATE INDEX entry_by_end ON entry (until);
    CREATE TRIGGER entry_comes AFTER INSERT ON entry BEGIN
        INSERT INTO account (name, entries) VALUES (NEW.account, 1)
        ON CONFLICT (name) DO UPDATE SET entries = entries + 1;
    END;
    CREATE TRIGGER entry_goes AFTER DELETE ON entry BEGIN
        UPDATE account SET entries = entries - 1 WHERE name = OLD.account;
        DELETE FROM account WHERE name = OLD.account AND entries = 0;
    END;
    """,
)


class Memory:
    """Remembers, for each account, what was answered and seen. Of one event loop."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """
        Open or make the file.

        Args:
            path: The file.
            clock: Seconds since 1970.

        Raises:
            RelayUnavailable: The file cannot be used.

        """
        self._clock = clock
        self._database = Database(path, _STEPS)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """Wait until no other message of the account is between being asked about and being remembered; then hold."""
        turn = self._turns.get(account)
        if turn is None:
            turn = self._turns[account] = asyncio.Lock()
        async with turn:
            yield

    async def seen(self, account: str, kind: Kind, handle: str, value: str) -> bool:
        """
        Return whether this is remembered.

        Args:
            account: Whose, a login.
            kind: What it is remembered for.
            handle: As the script says: of each one is remembered apart.
            value: Of vacation the address that was answered, in lower case (RFC 5230 §4.2); of duplicate what is alike
                in such messages (RFC 7352 §3.1).

        Raises:
            RelayUnavailable: The file cannot be read.

        """
        key, now = _key(kind, handle, value), int(self._clock())

        def ask(db: apsw.Connection) -> bool:
            found = db.execute("SELECT until FROM entry WHERE account = ? AND key = ?", (account, key)).get
            return found is not None and _lasts(found, now)

        return await self._database.run(ask, durable=False)

    async def remember(
        self, account: str, kind: Kind, handle: str, value: str, seconds: int, *, last: bool = False
    ) -> None:
        """
        Remember this from now on; call it once the delivery is safe.

        Args:
            account: As in `seen`.
            kind: As in `seen`.
            handle: As in `seen`.
            value: As in `seen`.
            seconds: For how long; 0: not at all.
            last: From now on, also if it is remembered already (RFC 7352 §3.3); else that stays as it is.

        Raises:
            RelayUnavailable: The file cannot be written.

        """
        if seconds <= 0:
            return
        key, now = _key(kind, handle, value), int(self._clock())
        until = now + min(seconds, MAX_SECONDS)

        def note(db: apsw.Connection) -> None:
            db.execute(
                "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE until <= ? ORDER BY until LIMIT ?)",
                (now, MAX_FORGOTTEN),
            )
            known = db.execute("SELECT until FROM entry WHERE account = ? AND key = ?", (account, key)).get
            if known is not None and _lasts(known, now) and not last:
                return
            db.execute("DELETE FROM entry WHERE account = ? AND key = ?", (account, key))
            db.execute("INSERT INTO entry (account, key, until) VALUES (?, ?, ?)", (account, key, until))
            entries = db.execute("SELECT entries FROM account WHERE name = ?", (account,)).get
            db.execute(
                "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE account = ? ORDER BY id LIMIT ?)",
                (account, max(0, entries - MAX_ENTRIES)),
            )

        await self._database.run(note, durable=False)

    async def forget(self, account: str) -> None:
        """Forget all that is remembered of an account, as when it is removed. Raises RelayUnavailable."""

        def drop(db: apsw.Connection) -> None:
            db.execute("DELETE FROM entry WHERE account = ?", (account,))

        await self._database.run(drop)

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()


def _lasts(until: int, now: int) -> bool:
    """Return whether it is still remembered: what is to last longer than anything may, a clock noted that was wrong."""
    return now < until <= now + MAX_SECONDS


def _key(kind: Kind, handle: str, value: str) -> bytes:
    head = f"{kind}\n{len(handle)}\n{handle}"
    return sha256((head + value).encode("utf-8", "surrogatepass")).digest()


__all__ = ["Kind", "Memory"]
