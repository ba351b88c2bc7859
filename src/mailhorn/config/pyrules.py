"""Rules in Python: read from a file that the operator's own settings name, and run where they can hold up nobody.

Rule 1: such a file is trusted code, as trusted as this program; so it is named by the settings only, never by a user
or over the network, and a file that others may write to is refused. Rule 2: rules run in threads of their own, each
with an event loop of its own: one that blocks, or computes for ever, holds up its own message and nothing else. Rule 3:
whatever a rule raises, and however long it takes, the answer is RuleFailed: the message is kept, and the mail goes on.
"""

import asyncio
import contextlib
import inspect
import os
import stat
import threading
import traceback
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

from ..sieve import Actions, SieveRuntimeError
from ..sieve.pyrule import Doing, Message, RuleFailed, Stopped
from .find import ConfigError

SUFFIX = ".py"
"""By which a file of rules is known to be Python."""
MAX_SAID = 200
"""Characters of what went wrong in a rule."""
THREADS = 8
"""Messages that one file of rules looks at at a time: each may wait for something far away."""

Rule = Callable[[Message, Doing], Awaitable[Any]]


class RuleThreads:
    """Threads with an event loop each, for one message at a time, so that it is known who holds one up."""

    def __init__(self) -> None:
        self._idle: list[asyncio.AbstractEventLoop] = []
        self._free = asyncio.Semaphore(THREADS)
        weakref.finalize(self, _end, self._idle)

    async def run(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """
        Run a coroutine function in one of the threads.

        Args:
            work: What to run.
            seconds: How long it may take.

        Raises:
            RuleFailed: It took too long, or all threads are held up.

        """
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise RuleFailed(f"{THREADS} messages are being looked at, and none comes to an end") from error
        here, loop = asyncio.get_running_loop(), self._idle.pop() if self._idle else _started()
        answer: asyncio.Future[None] = here.create_future()
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            tasks.append(loop.create_task(_within(work, seconds)))
            tasks[0].add_done_callback(over)

        def over(task: asyncio.Task[None]) -> None:
            with contextlib.suppress(RuntimeError):  # there, the program has ended meanwhile
                here.call_soon_threadsafe(finished, task)

        def finished(task: asyncio.Task[None]) -> None:
            self._idle.append(loop)
            self._free.release()
            problem = None if task.cancelled() else task.exception()
            if not answer.done():
                if problem is None:
                    answer.set_result(None)
                else:
                    answer.set_exception(problem)

        loop.call_soon_threadsafe(begin)
        try:
            async with asyncio.timeout(seconds + 1.0):
                await answer
        except TimeoutError as error:
            raise RuleFailed(f"it took more than {seconds:g} s") from error
        finally:
            if tasks and not tasks[0].done():
                loop.call_soon_threadsafe(tasks[0].cancel)


def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()

    def live() -> None:
        loop.run_forever()
        loop.close()

    threading.Thread(target=live, name="rule", daemon=True).start()
    return loop


def _end(loops: list[asyncio.AbstractEventLoop]) -> None:
    for loop in loops:
        loop.call_soon_threadsafe(loop.stop)


async def _within(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await work()


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """
    A rule that was read; the same one if it was read again and nothing is different.

    Attributes:
        path: Its file.
        source: The text of that.
        seconds: How long it may take for one message.
        able: What it may do, as for `Doing`.
        threads: Where it runs.

    """

    path: Path
    source: str = field(repr=False)
    rule: Rule = field(repr=False, compare=False)
    seconds: float
    able: frozenset[str]
    threads: RuleThreads = field(default_factory=RuleThreads, repr=False, compare=False)

    async def decide(self, message: Message) -> Actions:
        """Ask the rule. Raises RuleFailed."""
        doing = Doing(str(self.path), self.able)
        here = asyncio.get_running_loop()
        fetch = message.fetch

        async def across() -> bytes:
            """Fetch where the connection lives, not where the rule runs."""
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(fetch()), here))

        message.fetch = across
        problem: list[RuleFailed] = []

        async def work() -> None:
            try:
                await self.rule(message, doing)
            except Stopped:
                pass
            except TimeoutError:
                raise
            except RuleFailed as error:
                problem.append(error)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                problem.append(RuleFailed(self._told(error)))

        await self.threads.run(work, self.seconds)
        if problem:
            raise problem[0]
        return doing.actions()

    def _told(self, error: BaseException) -> str:
        """Say what went wrong, and where in the file."""
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)
        ]
        where = f"line {lines[-1]}: " if lines else ""
        what = error.message if isinstance(error, SieveRuntimeError) else f"{type(error).__name__}: {error}"
        return where + " ".join(what.split())[:MAX_SAID]


async def _awaited(what: Awaitable[bytes]) -> bytes:
    return await what


def load(path: Path, setting: str, seconds: float, able: frozenset[str]) -> LoadedRule:
    """
    Return the rule in a file.

    Args:
        path: The file.
        setting: What names it, for the error.
        seconds: How long the rule may take for one message.
        able: What it may do, as for `Doing`.

    Raises:
        ConfigError: It cannot be read, others may write to it, or there is no such rule in it.

    """
    where = f"{setting}: {path}"
    try:
        mode = path.stat()
        source = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is not UTF-8 text") from error
    if mode.st_mode & (stat.S_IWOTH | stat.S_IWGRP) or mode.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{where}: others may change this program: let it be yours, and chmod go-w it")
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        code: CodeType = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, names)  # what the operator has written is to be run
    except SyntaxError as error:
        raise ConfigError(f"{where}, line {error.lineno}, column {error.offset}: {error.msg}") from error
    except BaseException as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        at = f", line {lines[-1]}" if lines else ""
        raise ConfigError(f"{where}{at}: {type(error).__name__}: {error}") from error
    rule = names.get("rule")
    if not inspect.iscoroutinefunction(rule):
        raise ConfigError(f"{where}: there is no rule in it; begin with: async def rule(message, actions):")
    try:
        inspect.signature(rule).bind(None, None)
    except TypeError as error:
        line = rule.__code__.co_firstlineno
        raise ConfigError(f"{where}, line {line}: a rule takes two arguments: message, actions") from error
    return LoadedRule(path, source, rule, seconds, able)


__all__ = ["SUFFIX", "LoadedRule", "load"]
