"""Begin work at once; make a task of it only if it has to wait.

Most commands never wait: what they read is at hand. A task for each would cost more than the command itself, and
a turn of the event loop before it begins. Python 3.12 has this as `asyncio.eager_task_factory`.

Rule: up to its first wait the work runs in the caller's place, without a task of its own. So it must not use what needs
one there (`asyncio.timeout`, `asyncio.current_task`); afterwards it may.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from .pump import Pump

T = TypeVar("T")


def begin(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T] | None":
    """
    Run the work up to its first wait.

    Returns the task that does the rest, or None if there is no rest. What the work raises before its first wait
    is raised here; its result, if it does not wait, is dropped.

    """
    try:
        waits_for = work.send(None)
    except StopIteration:
        return None
    gone_on: list[bool] = []
    task = asyncio.get_running_loop().create_task(_rest(work, waits_for, gone_on))
    # A task cancelled before its first turn never gets to the work; every other one ends when the work does.
    task.add_done_callback(lambda _: None if gone_on else work.close())
    return task


class Turn:
    """
    Whose turn it is on a connection: that of the core's events, or of the one thing that has to wait.

    Attributes:
        busy: Something is under way, so the core's next event has to wait.
        pulling: Somebody takes the core's events, and goes on with them if what he begins is over at once.
        task: What is under way, if it had to wait.

    """

    __slots__ = ("busy", "pulling", "task")

    def __init__(self) -> None:
        self.busy = False
        self.pulling = False
        self.task: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[Any, Any, None], pump: Pump, received: Callable[[], None]) -> None:
        """Do what may have to wait; then have what was pipelined behind it received. An error fails the connection."""
        self.busy = True
        task = begin(self._take(work, pump, received))
        if task is not None:  # else it is over, and what came after it may have begun already
            self.task = task

    async def _take(self, work: Coroutine[Any, Any, None], pump: Pump, received: Callable[[], None]) -> None:
        try:
            await work
        except Exception as error:
            self.busy, self.task = False, None
            pump.fail(error)
            return
        self.busy, self.task = False, None
        if self.pulling:
            return
        try:
            received()
        except Exception as error:
            pump.fail(error)
        pump.flush()

    def leave(self) -> None:
        """Let go of what is under way, unless it is that which says so: its connection is gone."""
        task, self.task = self.task, None  # it knows the session: in a circle both would wait for the collector
        if task is not None and task is not asyncio.current_task():
            task.cancel()


async def _rest(work: Coroutine[Any, Any, T], waits_for: Any, gone_on: list[bool]) -> T:
    gone_on.append(True)
    result: T = await _drive(work, waits_for)
    return result


@coroutine
def _drive(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Pass on what the work waits for, and to the work what comes of it."""
    while True:
        try:
            try:
                come = yield waits_for
            except BaseException as error:  # cancelled, or what it waits for has failed
                waits_for = work.throw(error)
            else:
                waits_for = work.send(come)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration does not know its value's type


__all__ = ["Turn", "begin"]
