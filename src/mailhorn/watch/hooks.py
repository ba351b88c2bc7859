"""Commands that are run, and web addresses that are told, for each message: at least once, with a key.

Rule 1: the journal is what there is to tell of, and a file beside it knows what was told: a hook is done when that file
says so, and not before; what was under way when the process died is told again, with the same key. Rule 2: a message is
told of once nothing is left to do to it. Rule 3: no hook holds up the mail, nor another hook for ever: so many run at a
time, each for so long, and one that fails is tried again later and less and less often. Rule 4: a new hook is told of
new mail only.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import apsw
import structlog

from ..net.webhook import post
from .act import Kind
from .journal import JournalError, owned

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds until a hook that failed is tried again: first, and at most; doubled each time."""
MAX_ATTEMPTS = 16
"""Tries of one hook for one message: they take half a day, in which somebody may mend it."""
NOT_YET = 1.0
"""Seconds until a message is looked at again that something is still being done to."""
BROKEN_PAUSE = 60.0
"""Seconds until a file that cannot be used is tried again: a disk that is full, as a rule."""
GATHERING = 0.05
"""Seconds for what happens together to be told together."""
TAKEN = 200
"""Messages taken from the journal at once, and hooks that are looked at."""

SCHEMA = """
CREATE TABLE hook (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) STRICT;
CREATE TABLE due (
    hook TEXT NOT NULL REFERENCES hook ON DELETE CASCADE,
    message INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (hook, message)
) STRICT;
CREATE INDEX due_at ON due (at);
PRAGMA user_version = 1;
"""

log = structlog.get_logger("mailhorn.hooks")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hook:
    """
    What is to be run or told.

    Attributes:
        name: What it is called; do not change it later.
        command: Program and arguments; it reads the message's JSON. () if there is a URL.
        url: Web address that is told, "" if there is a command.
        accounts: Whose messages; () for all.
        mailboxes: In which watched mailboxes; () for all.
        rule: Only what this rule has acted on; "" for every message.
        timeout: Seconds it may take.

    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    accounts: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()
    rule: str = ""
    timeout: float = 30.0

    def wants(self, told: dict[str, Any]) -> bool:
        """Whether it is to be told of this message."""
        return (
            (not self.accounts or told["account"] in self.accounts)
            and (not self.mailboxes or told["mailbox"] in self.mailboxes)
            and (not self.rule or any(one["rule"] == self.rule for one in told["actions"]))
        )


class HookFailed(Exception):
    """It was not done; the text says why."""


class HookBook:
    """What was told and what is to be: plain calls, for one thread at a time."""

    def __init__(self, journal: Path, hooks: Sequence[Hook]) -> None:
        """
        Open the file beside the journal; hooks that are new begin at the journal's end.

        Raises:
            JournalError: The file cannot be used.

        """
        path = journal.with_name(f"{journal.name}.hooks")
        try:
            owned(path)
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(5000)
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", "full")
            self._db.pragma("foreign_keys", True)
            if self._db.pragma("user_version") == 0:
                with self._db:
                    self._db.execute(SCHEMA)
        except (apsw.Error, OSError) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            raise JournalError(f"what hooks are told is kept in {path}: {told}") from error
        self._journal = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)
        self._journal.set_busy_timeout(5000)
        self.have(hooks)

    def have(self, hooks: Sequence[Hook]) -> None:
        """Keep account of these hooks, and no others; those that are new begin at the journal's end."""
        end = self._journal.execute("SELECT coalesce(max(id), 0) FROM message").get
        names = [hook.name for hook in hooks]
        with self._db:
            for name, cursor in list(self._db.execute("SELECT name, cursor FROM hook")):
                if name not in names:
                    self._db.execute("DELETE FROM hook WHERE name = ?", (name,))
                elif cursor > end:  # the journal is another one, or its last messages were forgotten
                    self._db.execute("UPDATE hook SET cursor = ? WHERE name = ?", (end, name))
            for name in names:
                self._db.execute("INSERT INTO hook (name, cursor) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, end))

    def close(self) -> None:
        """Close both files."""
        self._db.close()
        self._journal.close()

    def take(self, now: float, leave: set[tuple[str, int]]) -> tuple[list[tuple[str, int, int]], float | None]:
        """
        Take note of new messages.

        Args:
            now: Seconds since 1970.
            leave: What is being done.

        Returns:
            Hook, message and failed attempts of what is due, and when the next is; None if nothing is left.

        """
        with self._db:
            for name, cursor in list(self._db.execute("SELECT name, cursor FROM hook")):
                rows = self._journal.execute(
                    "SELECT m.id FROM message m JOIN mailbox b ON b.id = m.mailbox WHERE m.id > ?"
                    " AND b.uid_validity <> 0 ORDER BY m.id LIMIT ?",
                    (cursor, TAKEN),
                )
                new = [message for (message,) in rows]
                self._db.executemany(
                    "INSERT INTO due (hook, message) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    [(name, message) for message in new],
                )
                if new:
                    self._db.execute("UPDATE hook SET cursor = ? WHERE name = ?", (new[-1], name))
        due: list[tuple[str, int, int]] = []
        for name, message, attempts, at in self._db.execute(
            "SELECT hook, message, attempts, at FROM due ORDER BY at, message LIMIT ?", (TAKEN + len(leave),)
        ):
            if (name, message) in leave:
                continue
            if at > now:
                return due, at
            due.append((name, message, attempts))
        return due, now if len(due) >= TAKEN else None

    def told(self, message: int) -> dict[str, Any] | None:
        """Return what there is to tell of a message; None if it is known no more. Raises LookupError if not yet."""
        found = self._journal.execute(
            "SELECT b.account, b.name, m.uid_validity, m.uid, m.message_id, m.internal_date, m.size, m.sender,"
            " m.subject, m.trouble FROM message m JOIN mailbox b ON b.id = m.mailbox WHERE m.id = ?",
            (message,),
        ).get
        if found is None:
            return None
        names = (
            "account",
            "mailbox",
            "uid_validity",
            "uid",
            "message_id",
            "date",
            "size",
            "from",
            "subject",
            "trouble",
        )
        told: dict[str, Any] = dict(zip(names, found, strict=True))
        told["actions"] = []
        for kind, target, flags, rule, state, uid_validity, uid in self._journal.execute(
            "SELECT kind, target, flags, rule, state, target_uid_validity, target_uid FROM action"
            " WHERE message = ? AND errand = 0 ORDER BY step",
            (message,),
        ):
            if state in ("planned", "sent") and not Kind(kind).sends:
                raise LookupError(message)
            told["actions"].append(
                {
                    "action": kind,
                    "target": target,
                    "flags": flags.split(),
                    "rule": rule,
                    "state": state,
                    "uid_validity": uid_validity,
                    "uid": uid,
                }
            )
        return told

    def done(self, name: str, message: int) -> None:
        """It was told, or need not be."""
        self._db.execute("DELETE FROM due WHERE hook = ? AND message = ?", (name, message))

    def later(self, name: str, message: int, attempts: int, at: float) -> None:
        """It is to be tried again."""
        self._db.execute(
            "UPDATE due SET attempts = ?, at = ? WHERE hook = ? AND message = ?", (attempts, at, name, message)
        )


class Hooks:
    """Runs hooks. Of one event loop; `async with` says for how long."""

    def __init__(self, journal: Path, hooks: Sequence[Hook], at_once: int) -> None:
        """
        Take them; nothing runs yet.

        Args:
            journal: The watcher's journal, which exists when this is entered.
            hooks: Their names are distinct.
            at_once: How many run at a time.

        """
        self._path = journal
        self._hooks = {hook.name: hook for hook in hooks}
        self._free = asyncio.Semaphore(at_once)
        self._thread = ThreadPoolExecutor(1, "hooks")  # the book is for one thread, and what is asked of it in order
        self._wake = asyncio.Event()
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def news(self) -> None:
        """The journal may have something to tell of. Cheap, and may be called often."""
        self._wake.set()

    async def __aenter__(self) -> "Hooks":
        """Begin."""
        if self._hooks:
            await self._begin()
        return self

    async def _begin(self) -> None:
        self._book = await self._asked(HookBook, self._path, tuple(self._hooks.values()))
        self._task = asyncio.create_task(self._run())

    async def reload(self, hooks: Sequence[Hook], at_once: int) -> None:
        """
        Run these hooks from now on; call between entering and leaving. What is under way goes on.

        Args:
            hooks: As at the beginning.
            at_once: As at the beginning.

        Raises:
            JournalError: The hooks' file cannot be used; the old ones stay.
            apsw.Error: The same, of a file that is in use.

        """
        wanted = {hook.name: hook for hook in hooks}
        if self._task is not None:
            await self._asked(self._book.have, tuple(hooks))
        self._hooks = wanted
        self._free = asyncio.Semaphore(at_once)
        if self._task is None and hooks:
            await self._begin()
        self._wake.set()

    async def __aexit__(self, *_: object) -> None:
        """End what is under way; it is told again next time."""
        if self._task is not None:
            tasks = [self._task, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._asked(self._book.close)
        self._thread.shutdown(wait=False)

    async def _asked(self, what: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(what, *args))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                due, at = await self._asked(self._book.take, time.time(), set(self._running))
            except apsw.Error as error:
                log.error("the hooks' file cannot be used", reason=str(error))
                due, at = [], time.time() + BROKEN_PAUSE
            for name, message, attempts in due:
                free = self._free
                await free.acquire()
                hook = self._hooks.get(name)
                if hook is None:  # the settings have changed meanwhile
                    free.release()
                    continue
                self._running[name, message] = asyncio.create_task(self._one(hook, message, attempts, free))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if at is None else max(at - time.time(), 0.0)):
                    await self._wake.wait()
            await asyncio.sleep(GATHERING)

    async def _one(self, hook: Hook, message: int, attempts: int, free: asyncio.Semaphore) -> None:
        try:
            await self._tried(hook, message, attempts)
        except apsw.Error as error:
            log.error("the hooks' file cannot be used", hook=hook.name, reason=str(error))
        finally:
            self._running.pop((hook.name, message), None)
            free.release()
            self._wake.set()

    async def _tried(self, hook: Hook, message: int, attempts: int) -> None:
        book = self._book
        try:
            told = await self._asked(book.told, message)
        except LookupError:
            await self._asked(book.later, hook.name, message, attempts, time.time() + NOT_YET)
            return
        try:
            if told is not None and hook.wants(told):
                await self._carry_out(hook, told)
        except Exception as error:  # a bug of ours, too: what is still due at once would be tried without a pause
            attempts += 1
            over = attempts >= MAX_ATTEMPTS
            pause = min(FIRST_PAUSE * 2.0 ** (attempts - 1), LONGEST_PAUSE)
            reason = str(error) or type(error).__name__
            log.warning("hook given up" if over else "hook failed", hook=hook.name, attempt=attempts, reason=reason)
            if not over:
                await self._asked(book.later, hook.name, message, attempts, time.time() + pause)
                return
            told = None
        await self._asked(book.done, hook.name, message)
        if told is not None and hook.wants(told):
            log.info("hook", hook=hook.name, account=told["account"], uid=told["uid"])

    async def _carry_out(self, hook: Hook, told: dict[str, Any]) -> None:
        key = key_of(hook.name, told)
        body = json.dumps({"hook": hook.name, "key": key, **told}).encode()
        if hook.url:
            try:
                async with asyncio.timeout(2 * hook.timeout):
                    await asyncio.to_thread(post, hook.url, body, key, hook.timeout)
            except OSError as error:
                raise HookFailed(error.strerror or str(error) or type(error).__name__) from error
        else:
            await run_command(hook.command, body, key, hook.timeout)


def key_of(name: str, told: dict[str, Any]) -> str:
    """Return what is the same each time a hook is told of a message, and different for all others."""
    parts = [name, *(str(told[part]) for part in ("account", "mailbox", "uid_validity", "uid"))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


async def run_command(command: Sequence[str], body: bytes, key: str, timeout: float) -> None:  # noqa: ASYNC109  # its own
    """
    Run a command with the message's JSON on its standard input; if it takes too long, it and what it started is killed.

    Raises:
        HookFailed: It cannot be run, has failed, or has taken too long.

    """
    try:
        with TemporaryFile() as given:  # a file, and no pipe: whoever does not read it keeps nobody waiting
            given.write(body)
            given.seek(0)
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=given,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "MAILHORN_KEY": key},
                start_new_session=True,
            )
    except OSError as error:
        raise HookFailed(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            code = await process.wait()
    except TimeoutError as error:
        raise HookFailed(f"{command[0]} has taken more than {timeout:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise HookFailed(f"{command[0]} ended with {code}")


__all__ = ["Hook", "Hooks", "key_of"]
