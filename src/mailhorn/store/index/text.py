"""Which messages may contain a text: one SQLite file for each mailbox that was ever searched for one.

A file has the trigrams of its messages (FTS5), without their positions and without the texts: a quarter of the size of
what can be found. A text is looked up by all its trigrams; one of two characters or of one by the trigrams that begin
with it, if they are few.

Rule 1: a file is used by one thread at a time, which holds its lock; who asked may have gone away meanwhile. Rule 2:
messages enter in the order of their UIDs, and the transaction says how far: after a crash it is as far as it says.
Rule 3: whatever is wrong with a file, it is removed, and the next search makes it again; so it is if it may have been
made by other rules of what can be found in a message.
"""

import asyncio
import contextlib
import re
import threading
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw
import structlog

from ...model.change import Change
from ...model.ids import UID, MailboxId, UIDValidity
from ...model.mailbox import Mailbox
from ..abc import Index, MailboxMissing, MessageMissing, StoreError
from ..texts import BATCH, FEW, NO_HINTS, Reader, TextHints, TextIndex, mailboxes_in, path_of
from .database import BUSY_MS, Database

FORMAT = "1"
"""Of the file; a file of another one is made again."""

SCHEMA = """
CREATE TABLE about (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    rules        TEXT NOT NULL,                    -- by which it was made
    uid_validity INTEGER NOT NULL,
    covered      INTEGER NOT NULL                  -- all messages up to this UID are in it
) STRICT;
CREATE VIRTUAL TABLE trigrams USING fts5 (
    text, content='', contentless_delete=1, detail=none, tokenize='trigram case_sensitive 1'
);
"""

WORDS = "CREATE VIRTUAL TABLE temp.word USING fts5vocab ('main', 'trigrams', 'row')"
"""The trigrams, to look for those that begin with something; of a connection."""

OPEN_FILES = 16
"""Files kept open: two descriptors each, and a cache."""

CACHE = 1024
"""KiB of pages kept of each."""

THREADS = 2
"""For all of it: what is looked up for one mailbox need not wait for what another one learns."""

TRIGRAMS = 24
"""Trigrams that a text is looked up by. A longer one is found by its first: more of them leave nobody out."""

BEGINNINGS = 100
"""Trigrams that a text of one or two characters may be the beginning of; beyond, nearly every message has it."""

REST = 1.0
"""Seconds of rest for each second of learning when nobody waits for it."""

FORGET_AFTER = 1.0
"""Seconds until what is expunged is forgotten: often it is one message after the other."""

T = TypeVar("T")

log = structlog.get_logger("mailhorn.store")


class _File:
    """One mailbox's file; `lock` is held by the thread that is at it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.db: Database | None = None
        self.covered = UID(0)
        self.swept = False


class SqliteTexts(TextIndex):
    """See `TextIndex` for the promises."""

    def __init__(
        self,
        directory: Path,
        index: Index,
        extract: Callable[[bytes], str],
        rules: str,
        clock: Callable[[], float] = time.monotonic,
        forget_after: float = FORGET_AFTER,
    ) -> None:
        """
        Make it; nothing happens before `begin`.

        Args:
            directory: Where the files are; it is made when the first is.
            index: Knows the mailboxes.
            extract: Returns all that can be found in a message, as it compares. Must not raise; runs in a thread.
            rules: Names the rules by which that is done: what was made by others is made again.
            clock: Seconds, to rest between two batches.
            forget_after: Seconds until what is expunged is forgotten.

        """
        self._directory = directory
        self._index = index
        self._extract = extract
        self._rules = f"{FORMAT} {rules}"
        self._clock = clock
        self._forget_after = forget_after
        self._files: dict[MailboxId, _File] = {}
        self._there: set[MailboxId] = set()
        self._leaving: dict[MailboxId, set[int]] = {}
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._read: Reader

    def begin(self, read: Reader) -> None:
        self._read = read
        self._threads = ThreadPoolExecutor(THREADS, "mailhorn-text")
        for mailbox in mailboxes_in(self._directory):
            self._there.add(mailbox)
        if self._there:
            self._start("nobodys", self._forget_nobodys())

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._close, threads)

    def _close(self, threads: ThreadPoolExecutor) -> None:
        threads.shutdown()
        for file in self._files.values():
            if file.db is not None:
                file.db.close()
        self._files.clear()

    # asking

    async def hints(self, mailbox: MailboxId, texts: Sequence[str]) -> TextHints:
        if self._threads is None or mailbox not in self._there:
            return NO_HINTS
        head = await self._head(mailbox)
        live: array[int] | None = None
        if not self._file(mailbox).swept:
            _, live = await self._index.uids(mailbox)

        def ask(file: _File, db: Database) -> TextHints:
            if live is not None and not file.swept:
                _sweep(db, live)
                file.swept = True
            found = {text: _who_may(db, text) for text in texts}
            return TextHints(file.covered, {text: may for text, may in found.items() if may is not None})

        return await self._at(head, ask) or NO_HINTS

    async def _head(self, mailbox: MailboxId) -> Mailbox:
        head = await self._index.mailbox_by_id(mailbox)
        if head is None:
            raise MailboxMissing(f"there is no mailbox {mailbox}; it was deleted")
        return head

    # learning

    async def add(self, mailbox: MailboxId, after: UID, messages: Sequence[tuple[UID, str]]) -> bool:
        if not messages:
            return True
        try:
            head = await self._head(mailbox)
        except StoreError:
            return False

        def learn(file: _File, db: Database) -> bool:
            if file.covered != after:
                return False
            covered = messages[-1][0]
            with db:
                db.executemany(
                    "INSERT INTO trigrams (rowid, text) VALUES (?, ?)",
                    ((uid, f"{_plain(text)}\n\n") for uid, text in messages),  # all characters begin a trigram
                )
                db.execute("UPDATE about SET covered = ?", (covered,))
            file.covered = covered
            file.swept = False  # some of them may have been expunged meanwhile
            return True

        return await self._at(head, learn, make=True) or False

    def catch_up(self, mailbox: MailboxId) -> None:
        if self._threads is not None and mailbox not in self._tasks:
            self._start(mailbox, self._catch_up(mailbox))

    def _start(self, name: object, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _catch_up(self, mailbox: MailboxId) -> None:
        with contextlib.suppress(StoreError):  # it is gone, or the disk refuses: the next search tries again
            covered = (await self.hints(mailbox, ())).covered
            _, live = await self._index.uids(mailbox)
            rest = live[bisect_right(live, covered) :]
            if len(rest) < FEW:
                return
            batch: list[tuple[UID, str]] = []
            size, began = 0, self._clock()
            for uid in map(UID, rest):
                try:
                    body = await self._read(mailbox, uid)
                except MessageMissing:
                    if await self._index.rows(mailbox, [uid]):
                        break  # it is there, and cannot be read: nothing after it can be said to be covered
                    continue
                text = await asyncio.get_running_loop().run_in_executor(self._threads, self._extract, body)
                batch.append((uid, text))
                size += len(text)
                if size >= BATCH:
                    if not await self.add(mailbox, covered, batch):
                        return
                    covered, batch, size = uid, [], 0
                    await asyncio.sleep((self._clock() - began) * REST)
                    began = self._clock()
            await self.add(mailbox, covered, batch)

    # forgetting

    def told(self, change: Change) -> None:
        mailbox = change.mailbox
        if not (change.expunged or change.gone) or mailbox not in self._there or self._threads is None:
            return
        if change.gone:
            self._leaving.pop(mailbox, None)
            self._start(("gone", mailbox), self._remove(mailbox))
            return
        self._leaving.setdefault(mailbox, set()).update(change.expunged)
        if "leaving" not in self._tasks:
            self._start("leaving", self._forget_soon())

    async def _forget_soon(self) -> None:
        while self._leaving:
            await asyncio.sleep(self._forget_after)
            leaving, self._leaving = self._leaving, {}
            for mailbox, uids in leaving.items():
                await self._forget(mailbox, uids)

    async def _forget(self, mailbox: MailboxId, uids: set[int]) -> None:
        def forget(file: _File, db: Database) -> bool:
            with db:
                db.executemany("DELETE FROM trigrams WHERE rowid = ?", [(uid,) for uid in uids])
            return True

        with contextlib.suppress(StoreError):
            await self._at(await self._head(mailbox), forget)

    async def _forget_nobodys(self) -> None:
        for mailbox in sorted(self._there):
            with contextlib.suppress(StoreError):
                if await self._index.mailbox_by_id(mailbox) is None:
                    await self._remove(mailbox)

    async def _remove(self, mailbox: MailboxId) -> None:
        file = self._file(mailbox)

        def remove() -> None:
            with file.lock:
                self._lose(mailbox, file)

        if self._threads is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, remove)

    # files

    def _file(self, mailbox: MailboxId) -> _File:
        file = self._files.pop(mailbox, None) or _File()
        self._files[mailbox] = file  # the last is the one used last
        return file

    async def _at(self, head: Mailbox, work: Callable[[_File, Database], T], make: bool = False) -> T | None:
        """Have a thread work with a mailbox's file; None if there is none, or it cannot be used."""
        mailbox = head.id
        file = self._file(mailbox)
        if self._threads is None or not (make or mailbox in self._there):
            return None

        def run() -> T | None:
            with file.lock:
                try:
                    db = file.db or self._open(head, file)
                    self._there.add(mailbox)
                    return work(file, db)
                except (apsw.Error, OSError) as problem:
                    log.warning(
                        "an index of texts cannot be used, searches read the messages instead",
                        file=str(path_of(self._directory, mailbox)),
                        problem=str(problem),
                    )
                    self._lose(mailbox, file)
                    return None

        result = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        opened = [file for file in self._files.values() if file.db is not None]
        for other in opened[: max(0, len(opened) - OPEN_FILES)]:
            self._threads.submit(_close_idle, other)
        return result

    def _open(self, head: Mailbox, file: _File) -> Database:
        """Open a mailbox's file, made new if there is none or it is of no use."""
        path = path_of(self._directory, head.id)
        for _ in range(2):
            self._directory.mkdir(0o700, parents=True, exist_ok=True)
            db = Database(str(path))
            try:
                db.set_busy_timeout(BUSY_MS)
                db.ask(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{CACHE}")
                covered = self._covered(db, head)
            except (apsw.CorruptError, apsw.NotADBError):
                covered = None
            except BaseException:
                db.close(True)
                raise
            if covered is not None:
                path.chmod(0o600)
                file.db, file.covered, file.swept = db, covered, False
                return db
            db.close(True)
            _unlink(path)
        raise OSError(f"{path} is damaged as soon as it is made")

    def _covered(self, db: Database, head: Mailbox) -> UID | None:
        """Return how far a file is; None if it is to be made again."""
        if not db.ask("SELECT 1 FROM sqlite_schema"):
            with db:
                db.execute(SCHEMA)
                db.execute(WORDS)
                db.execute("INSERT INTO about VALUES (1, ?, ?, 0)", (self._rules, head.uid_validity))
            return UID(0)
        with contextlib.suppress(apsw.SQLError, IndexError):
            rules, uid_validity, covered = db.ask("SELECT rules, uid_validity, covered FROM about")[0]
            if (rules, UIDValidity(uid_validity)) == (self._rules, head.uid_validity) and covered < head.uid_next:
                db.execute(WORDS)
                return UID(covered)
        return None

    def _lose(self, mailbox: MailboxId, file: _File) -> None:
        """Remove a file; `lock` is held."""
        db, file.db, file.covered = file.db, None, UID(0)
        with contextlib.suppress(apsw.Error):
            if db is not None:
                db.close(True)
        self._there.discard(mailbox)
        with contextlib.suppress(OSError):
            _unlink(path_of(self._directory, mailbox))


def _close_idle(file: _File) -> None:
    if file.lock.acquire(blocking=False):  # else it is none of those
        db, file.db = file.db, None
        if db is not None:
            db.close()
        file.lock.release()


def forget_all(directory: Path) -> None:
    """Remove all files: what mailboxes were called by the index means nothing any more. Raises OSError."""
    for mailbox in mailboxes_in(directory):
        _unlink(path_of(directory, mailbox))


def _unlink(path: Path) -> None:
    for ending in ("-shm", "-wal", ""):
        path.with_name(path.name + ending).unlink(missing_ok=True)


_UNSPEAKABLE = re.compile("[\0\ufffe\uffff\ud800-\udfff]")
"""A text of SQLite ends at NUL; the others are one and the same to FTS5, or no characters."""


def _plain(text: str) -> str:
    """Return the text as it is looked up."""
    return _UNSPEAKABLE.sub("\ufffd", text)


def _who_may(db: Database, text: str) -> frozenset[int] | None:
    """Return who may contain a text; None if that is nearly everybody."""
    text = _plain(text)
    if len(text) >= 3:
        trigrams = list(dict.fromkeys(text[at : at + 3] for at in range(len(text) - 2)))[:TRIGRAMS]
        wanted = " AND ".join(map(_quoted, trigrams))
    else:
        found = db.ask(
            "SELECT term FROM word WHERE term >= ? AND term < ? LIMIT ?", (text, f"{text}\U0010ffff", BEGINNINGS + 1)
        )
        if len(found) > BEGINNINGS:
            return None
        if not found:
            return frozenset()
        wanted = " OR ".join(_quoted(term) for (term,) in found)
    return frozenset([uid for (uid,) in db.ask("SELECT rowid FROM trigrams WHERE trigrams MATCH ?", (wanted,))])


def _quoted(term: str) -> str:
    doubled = term.replace('"', '""')
    return f'"{doubled}"'


def _sweep(db: Database, live: "array[int]") -> None:
    """Forget who is no message any more: nobody may have been there to be told."""
    there = frozenset(live)
    gone = [(uid,) for (uid,) in db.ask("SELECT rowid FROM trigrams") if uid not in there]
    if gone:
        with db:
            db.executemany("DELETE FROM trigrams WHERE rowid = ?", gone)


__all__ = ["SqliteTexts", "forget_all"]
