"""Runs a command's coroutine: on uvloop where there is one, stopped by SIGINT and SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end and return what it returns."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # everything works without, slower and with more memory per TLS connection
        return None
    return uvloop.new_event_loop


def stop_signal() -> asyncio.Event:
    """Return an event that SIGINT or SIGTERM sets; a second one of them ends the program the hard way."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stopped() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped)
    return stop


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends or the program is told to stop, which cancels the work."""
    stop = stop_signal()
    task = asyncio.ensure_future(work)
    waiter = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
