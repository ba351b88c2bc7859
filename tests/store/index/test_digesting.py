"""When digests are made: at once of what comes alone, after the burst of what does not, on a virtual clock."""

import asyncio
from collections.abc import Coroutine

import pytest
from tests.kit.stores import digest_of

from mailhorn.model.message import Digest
from mailhorn.store.index import bodies as bodies_module
from mailhorn.store.index import digesting
from mailhorn.store.index.bodies import Bodies
from mailhorn.store.index.digesting import AT_ONCE, QUIET, Digesting
from mailhorn.store.journal import Body
from mailhorn.testing import VirtualLoop


def in_virtual_time(work: Coroutine[None, None, None]) -> None:
    """Run it on a loop whose time jumps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


class Desk:
    """A `Digesting`, with what has come to it."""

    def __init__(self) -> None:
        self.made: list[bytes] = []
        self.bodies = Bodies()
        self.digesting = Digesting(self.digest, self.bodies)
        self.last = 0

    def digest(self, body: bytes) -> Digest:
        self.made.append(body)
        return digest_of(body)

    def come(self, count: int = 1) -> None:
        """Have so many messages answered in one turn of the loop."""
        for _ in range(count):
            self.last += 1
            body = b"%d" % self.last
            self.bodies.put(self.last, Body(0, len(body)), body)
            self.digesting.soon(self.last)


def test_what_comes_alone_is_digested_in_the_next_turn() -> None:
    """Who was told of it asks for it at once."""

    async def work() -> None:
        desk = Desk()
        for number in range(1, 5):
            desk.come()
            assert len(desk.made) == number - 1
            await asyncio.sleep(0)
            assert desk.digesting.done[number] == digest_of(b"%d" % number)

    in_virtual_time(work())


def test_a_burst_is_digested_when_it_is_over() -> None:
    """As long as several messages come between two looks, their senders are answered and nothing else is done."""

    async def work() -> None:
        desk = Desk()
        for _ in range(20):
            desk.come(3)
            await asyncio.sleep(QUIET * 0.75)
        assert desk.made == []
        await asyncio.sleep(QUIET * 2)
        assert desk.made == [b"%d" % number for number in range(1, 61)]
        desk.come()
        await asyncio.sleep(0)
        assert len(desk.made) == 61

    in_virtual_time(work())


def test_others_have_turns_between_digests() -> None:
    """After a burst no more than some are made between two turns; a new one puts the rest off."""

    async def work() -> None:
        desk = Desk()
        desk.come(AT_ONCE * 6)
        turns = []
        await asyncio.sleep(QUIET)
        while len(desk.made) < AT_ONCE * 4:
            turns.append(len(desk.made))
            await asyncio.sleep(0)
        assert max(now - before for before, now in zip(turns, turns[1:], strict=False)) <= AT_ONCE
        made = len(desk.made)
        desk.come(2)
        await asyncio.sleep(QUIET / 2)
        assert len(desk.made) == made
        await asyncio.sleep(QUIET * 2)
        assert len(desk.made) == AT_ONCE * 6 + 2

    in_virtual_time(work())


def test_what_is_not_in_memory_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop reads no disk; nor is a body digested that is gone, nor more than there is room for."""
    monkeypatch.setattr(bodies_module, "RECENT", 6)
    monkeypatch.setattr(digesting, "MAX_DIGESTS", 4)

    async def work() -> None:
        desk = Desk()
        desk.come(9)
        desk.bodies.forget(8)
        await asyncio.sleep(QUIET * 2)
        assert desk.made == [b"6", b"7", b"9"]
        desk.come(2)
        await asyncio.sleep(QUIET * 2)
        assert list(desk.digesting.done) == [6, 7, 9, 10]
        desk.digesting.done.clear()
        desk.bodies.put(12, Body(0, 6), b"larger")
        desk.digesting.soon(11)
        await asyncio.sleep(QUIET * 2)
        assert list(desk.digesting.done) == []

    in_virtual_time(work())


def test_nothing_is_made_after_the_end() -> None:
    """The index is closed; the next start asks the bodies."""

    async def work() -> None:
        desk = Desk()
        desk.come(2)
        desk.digesting.close()
        await asyncio.sleep(QUIET * 2)
        assert desk.made == []

    in_virtual_time(work())
