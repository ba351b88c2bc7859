"""The gate: how many connect at a time, to one host and to all, and how many in a second."""

import asyncio

from mailhorn.testing import VirtualLoop
from mailhorn.watch.gate import AT_ONCE, AT_ONCE_PER_HOST, Gate


def passing(hosts: list[str], seconds: float) -> tuple[int, dict[str, int], float]:
    """Return how many were through at a time, of all and of each host, and how long it took for all."""
    gate = Gate()
    inside: list[str] = []
    most: dict[str, int] = {}

    async def one(host: str) -> None:
        async with gate.passing(host):
            inside.append(host)
            for name, count in (("", len(inside)), (host, inside.count(host))):
                most[name] = max(most.get(name, 0), count)
            await asyncio.sleep(seconds)
            inside.remove(host)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        begin = loop.time()
        await asyncio.gather(*map(one, hosts))
        assert not gate._hosts, "what is of nobody is not kept"
        return loop.time() - begin

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        took = runner.run(run())
    return most.pop(""), most, took


def test_at_a_time() -> None:
    """A host that is slow to accept does not take all places."""
    most, hosts, _ = passing(["slow"] * 20 + ["a", "b", "c", "d", "e"], 5.0)
    assert most == AT_ONCE and hosts["slow"] == AT_ONCE_PER_HOST


def test_in_a_second() -> None:
    """After a quiet time fifty at once, then fifty a second."""
    hosts = [f"h{number}" for number in range(200)]
    _, _, took = passing(hosts, 0.0)
    assert 2.9 <= took <= 3.1


async def test_who_gives_up_leaves_nothing() -> None:
    """A watch that is stopped while it waits."""
    gate = Gate()
    async with gate.passing("a"), gate.passing("a"), gate.passing("a"), gate.passing("a"):
        waiting = asyncio.create_task(gate.passing("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(30), gate.passing("a"):
        pass
    assert not gate._hosts
