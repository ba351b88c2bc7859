"""Runs a command's coroutine: on uvloop where there is one, stopped by SIGINT and SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 0.001
"""Seconds that another thread may go on with Python code while the event loop wants to. CPython's 5 ms are all that a
command may hold up others: beside a busy thread the loop comes 1.5 ms late instead of 5.5, and nothing costs more."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end and return what it returns."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main)
    finally:
        sys.setswitchinterval(before)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # everything works without, slower and with more memory per TLS connection
        return None
    return uvloop.new_event_loop


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGINT or SIGTERM; a second one ends the program the hard way."""
    loop = asyncio.get_running_loop()

    def stopped() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped)


def stop_signal() -> asyncio.Event:
    """Return an event that the first SIGINT or SIGTERM sets."""
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    return stop
