"""Work that is begun at once and becomes a task only if it waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from tests.kit.loops import on_both_loops

from mailhorn.net.eager import Turn, begin
from mailhorn.net.pump import Pump


@on_both_loops
async def test_work_that_does_not_wait_is_over_at_once() -> None:
    """There is no task, and nobody had a turn in between."""
    done = []

    async def work() -> None:
        done.append(1)

    assert begin(work()) is None and done == [1]


@on_both_loops
async def test_work_that_waits_goes_on_as_a_task_where_it_stopped() -> None:
    """It gets what it waited for, more than once, and may use what needs a task after its first wait."""
    first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    seen: list[object] = []

    async def work() -> str:
        seen.append("begun")
        seen.append(await first)
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            seen.append(await asyncio.to_thread(lambda: "thread"))
        return "end"

    task = begin(work())
    assert task is not None and seen == ["begun"]
    first.set_result(7)
    assert await task == "end" and seen == ["begun", 7, "thread"]


@on_both_loops
async def test_errors_arrive_where_the_work_stands() -> None:
    """Before the first wait they are the caller's; what was waited for may fail; so may the task."""

    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin(fails())
    failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def copes() -> str:
        try:
            await failing
        except KeyError:
            await asyncio.sleep(0)
            return "coped"
        return "not"

    task = begin(copes())
    assert task is not None
    failing.set_exception(KeyError())
    assert await task == "coped"


@on_both_loops
async def test_cancelling_reaches_the_work() -> None:
    """And it can clean up, whether the task has had its first turn or not."""
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append(1)

    task = begin(work())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = begin(work())
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert cleaned == [1, 1]


class Watched:
    """Work that says when it is closed."""

    def __init__(self, work: Coroutine[Any, Any, str]) -> None:
        self.closed = 0
        self.send, self.throw, self._close = work.send, work.throw, work.close

    def close(self) -> None:
        self.closed += 1
        self._close()


@on_both_loops
async def test_only_work_that_cannot_end_is_closed() -> None:
    """A compiled coroutine that has ended may not be closed; one that never goes on must be."""

    async def work() -> str:
        await asyncio.sleep(0)
        return "end"

    ended = Watched(work())
    task = begin(cast(Coroutine[Any, Any, str], ended))
    assert task is not None and await task == "end"
    given_up = Watched(work())
    task = begin(cast(Coroutine[Any, Any, str], given_up))
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert (ended.closed, given_up.closed) == (0, 1)


class Session:
    """As much of a connection as a turn is about, and what happened to it."""

    def __init__(self) -> None:
        self.turn = Turn()
        self.seen: list[object] = []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin it."""
        self.turn.begin(work, cast(Pump, self), self.received)

    def received(self) -> None:
        """What was pipelined is taken."""
        self.seen.append("received")

    def flush(self) -> None:
        """The answers are sent."""
        self.seen.append("flush")

    def fail(self, error: Exception) -> None:
        """The connection ends."""
        self.seen.append(type(error))


@on_both_loops
async def test_who_takes_the_events_goes_on_after_work_that_does_not_wait() -> None:
    """It is not called again from within; nobody else takes them if it is not there."""
    session = Session()

    async def work() -> None:
        session.seen.append(session.turn.busy)

    session.turn.pulling = True
    session.run(work())
    assert session.seen == [True] and not session.turn.busy
    session.turn.pulling = False
    session.run(work())
    assert session.seen == [True, True, "received", "flush"]


@on_both_loops
async def test_what_was_pipelined_has_its_turn_after_work_that_waits() -> None:
    """However it ended, nothing is under way then; an error is that of the connection, the first as the second."""
    session = Session()
    loop = asyncio.get_running_loop()
    for error, seen in ((None, ["received", "flush"]), (KeyError(), [KeyError])):
        waits: asyncio.Future[None] = loop.create_future()

        async def work(waits: asyncio.Future[None] = waits) -> None:
            await waits

        session.seen = []
        session.run(work())
        task = session.turn.task
        assert session.turn.busy and task is not None
        waits.set_result(None) if error is None else waits.set_exception(error)
        await task
        assert session.seen == seen and not session.turn.busy and session.turn.task is None

    def breaks() -> None:
        raise ZeroDivisionError

    async def at_once() -> None:
        pass

    session.seen = []
    session.turn.begin(at_once(), cast(Pump, session), breaks)
    assert session.seen == [ZeroDivisionError, "flush"]


@on_both_loops
async def test_what_is_under_way_ends_with_its_connection() -> None:
    """But not if it is itself that ends the connection."""
    session = Session()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        try:
            await never
        finally:
            session.seen.append("ended")

    session.run(waits())
    task = session.turn.task
    assert task is not None
    session.turn.leave()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.seen == ["ended"]

    async def leaves() -> None:
        await asyncio.sleep(0)
        session.turn.leave()
        await asyncio.sleep(0)
        session.seen.append("left")

    session.run(leaves())
    task = session.turn.task
    assert task is not None
    await task
    assert session.seen[1] == "left"
