"""Runs a command's coroutine: on uvloop where there is one, stopped by SIGINT and SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TURN = 0.0002
"""Seconds that a thread may go on with Python code while another one wants to. A delivery changes threads some five
times between its last octet and its push, and beside a busy thread waits so long at each: with CPython's 5 ms that was
its latency. Who is alone, or mostly in C, pays nothing: a delivery costs the same processor time with less."""


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
