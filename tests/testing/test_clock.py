"""The loop whose time jumps: when it does, when it does not, and what it counts."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from mailhorn.testing import HostileServer, Peer, Spinning, VirtualLoop
from mailhorn.testing.clock import MAX_TURNS


def played(test: Callable[[VirtualLoop], Awaitable[None]]) -> None:
    """Run a test on such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)

        async def run() -> None:
            await test(loop)

        runner.run(run())


def test_a_day_is_short() -> None:
    """Timers go off in their order, at their time, and nobody waits for them."""

    async def day(loop: VirtualLoop) -> None:
        begin, real = loop.time(), time.monotonic()
        ends: list[float] = []

        async def wait(hours: float) -> None:
            await asyncio.sleep(hours * 3600)
            ends.append(loop.time() - begin)

        await asyncio.gather(wait(24), wait(1), wait(7.5))
        assert ends == [pytest.approx(hours * 3600) for hours in (1, 7.5, 24)]
        assert time.monotonic() - real < 1 and loop.budget.jumps == 3

    played(day)


def test_time_waits_for_a_thread() -> None:
    """For the loop's own executor, and for whoever holds it."""

    async def patient(loop: VirtualLoop) -> None:
        begin = loop.time()
        go_on = threading.Event()
        loop.call_later(3600, go_on.set)  # would be too early if time jumped
        threading.Timer(0.05, go_on.set).start()
        await asyncio.to_thread(go_on.wait)
        assert loop.time() == begin
        release = loop.hold()
        threading.Timer(0.05, release).start()
        await asyncio.sleep(10)
        assert loop.time() == pytest.approx(begin + 10)

    real = time.monotonic()
    played(patient)
    assert time.monotonic() - real >= 0.1


def test_time_waits_for_bytes() -> None:
    """What was sent is read before the next timer goes off."""

    async def talk(loop: VirtualLoop) -> None:
        async def scenario(peer: Peer) -> None:
            await peer.say("* OK " + "x" * 300_000)
            await peer.gone()

        async with HostileServer(scenario) as server:
            begin = loop.time()
            reader, writer = await asyncio.open_connection(server.host, server.port, limit=400_000)
            async with asyncio.timeout(0.001):
                assert len(await reader.readuntil(b"\r\n")) == 300_007
            assert loop.time() == begin
            writer.close()

    played(talk)


def test_calls_are_counted() -> None:
    """Those of the side that connected, and turns of the loop."""

    async def talk(loop: VirtualLoop) -> None:
        async def scenario(peer: Peer) -> None:
            for _ in range(5):
                await peer.command()
                await peer.say("$ OK")

        async with HostileServer(scenario) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            with loop.counting() as spent:
                for number in range(5):
                    writer.write(b"a%d NOOP\r\n" % number)
                    await reader.readuntil(b"\r\n")
            assert (spent.writes, spent.reads, spent.calls) == (5, 5, 10)
            assert 10 <= spent.turns <= 60 and spent.jumps == 0
            writer.close()

    played(talk)


def test_a_loop_that_spins_is_ended() -> None:
    """Turning without time passing is an error; turning with it is not."""

    async def spins(loop: VirtualLoop) -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    async def works(loop: VirtualLoop) -> None:
        for _ in range(3):
            for _ in range(MAX_TURNS // 2):
                await asyncio.sleep(0)
            await asyncio.sleep(1)

    played(works)
    with pytest.raises(Spinning):
        played(spins)
