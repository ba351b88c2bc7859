"""Begin work at once; make a task of it only if it has to wait.

Most commands never wait: what they read is at hand. A task for each would cost more than the command itself, and
a turn of the event loop before it begins. Python 3.12 has this as `asyncio.eager_task_factory`.

Rule: up to its first wait the work runs in the caller's place, without a task of its own. So it must not use what needs
one there (`asyncio.timeout`, `asyncio.current_task`); afterwards it may.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

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


__all__ = ["begin"]
