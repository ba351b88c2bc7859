"""What was answered and seen before is known, for as long as it should be and to the account it belongs to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailhorn.relay import memory as module
from mailhorn.relay.letter import RelayUnavailable
from mailhorn.relay.memory import Memory

DAY = 86400


class Clock:
    """Shows what it is set to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def memory(tmp_path: Path, clock: Clock) -> AsyncIterator[Memory]:
    memory = Memory(tmp_path / "memory.sqlite", clock)
    yield memory
    await memory.close()


async def test_asking_changes_nothing(memory: Memory) -> None:
    """Only what was remembered is seen."""
    for _ in range(2):
        assert not await memory.seen("ann", "duplicate", "", "<1@example.org>")
    await memory.remember("ann", "duplicate", "", "<1@example.org>", DAY)
    assert await memory.seen("ann", "duplicate", "", "<1@example.org>")


async def test_what_is_remembered_apart(memory: Memory) -> None:
    """Account, kind, handle and value: another one of any is not seen."""
    await memory.remember("ann", "duplicate", "h", "v", DAY)
    assert not await memory.seen("bob", "duplicate", "h", "v")
    assert not await memory.seen("ann", "vacation", "h", "v")
    assert not await memory.seen("ann", "duplicate", "", "v")
    assert not await memory.seen("ann", "duplicate", "h", "w")
    await memory.remember("ann", "duplicate", "ab", "c", DAY)
    assert not await memory.seen("ann", "duplicate", "a", "bc")


async def test_it_expires_as_long_after_the_first(memory: Memory, clock: Clock) -> None:
    """Without :last, later ones do not make it last longer (RFC 7352 §3.3)."""
    await memory.remember("ann", "duplicate", "", "v", 100)
    clock.now += 99
    assert await memory.seen("ann", "duplicate", "", "v")
    await memory.remember("ann", "duplicate", "", "v", 100)
    clock.now += 1
    assert not await memory.seen("ann", "duplicate", "", "v")
    await memory.remember("ann", "duplicate", "", "v", 100)
    clock.now += 99
    assert await memory.seen("ann", "duplicate", "", "v")


async def test_it_expires_as_long_after_the_last(memory: Memory, clock: Clock) -> None:
    """With :last, each one counts (RFC 7352 §3.3)."""
    await memory.remember("ann", "duplicate", "", "v", 100)
    clock.now += 99
    await memory.remember("ann", "duplicate", "", "v", 100, last=True)
    clock.now += 99
    assert await memory.seen("ann", "duplicate", "", "v")
    clock.now += 1
    assert not await memory.seen("ann", "duplicate", "", "v")


async def test_no_time_is_no_memory(memory: Memory) -> None:
    """Zero seconds mean never seen (RFC 7352 §3.3), and always answered (RFC 6131 §2)."""
    await memory.remember("ann", "vacation", "", "v", 0)
    assert not await memory.seen("ann", "vacation", "", "v")


async def test_a_very_long_time_is_a_year(memory: Memory, clock: Clock) -> None:
    """More than the longest is no error."""
    await memory.remember("ann", "duplicate", "", "v", 10**18)
    clock.now += 365 * DAY
    assert await memory.seen("ann", "duplicate", "", "v")
    clock.now += 2 * DAY
    assert not await memory.seen("ann", "duplicate", "", "v")


async def test_what_a_clock_noted_that_was_wrong(memory: Memory, clock: Clock) -> None:
    """A clock that was years ahead for a moment does not make anything last for years."""
    clock.now += 70 * 366 * DAY
    await memory.remember("ann", "vacation", "", "bob@example.org", DAY)
    clock.now -= 70 * 366 * DAY
    assert not await memory.seen("ann", "vacation", "", "bob@example.org")
    await memory.remember("ann", "vacation", "", "bob@example.org", DAY)
    assert await memory.seen("ann", "vacation", "", "bob@example.org")
    clock.now += DAY
    assert not await memory.seen("ann", "vacation", "", "bob@example.org")


async def test_of_one_account_so_many(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, of the one who has too many."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    await memory.remember("bob", "duplicate", "", "0", DAY)
    for n in range(5):
        await memory.remember("ann", "duplicate", "", str(n), DAY)
    assert [await memory.seen("ann", "duplicate", "", str(n)) for n in range(5)] == [False, False, True, True, True]
    assert await memory.seen("bob", "duplicate", "", "0")


async def test_what_has_expired_is_forgotten(memory: Memory, clock: Clock, tmp_path: Path) -> None:
    """The file does not keep what says nothing any more."""
    import apsw

    for n in range(5):
        await memory.remember("ann", "duplicate", "", str(n), 10)
    clock.now += 11
    await memory.remember("bob", "duplicate", "", "new", 10)
    db = apsw.Connection(str(tmp_path / "memory.sqlite"))
    assert db.execute("SELECT count(*) FROM entry").get == 1
    assert db.execute("SELECT name, entries FROM account").fetchall() == [("bob", 1)]
    db.close()


async def test_it_is_there_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    """Another process, later, knows."""
    for known in (False, True):
        memory = Memory(tmp_path / "memory.sqlite", clock)
        assert await memory.seen("ann", "vacation", "", "bob@example.org") is known
        await memory.remember("ann", "vacation", "", "bob@example.org", DAY)
        await memory.close()


async def test_two_copies_at_once(memory: Memory) -> None:
    """In its turn, the second of two that come together knows of the first; another account waits for nobody."""
    order: list[str] = []

    async def one(name: str, account: str) -> None:
        async with memory.turn(account):
            order.append(f"{name} asks")
            new = not await memory.seen(account, "duplicate", "", "v")
            await memory.remember(account, "duplicate", "", "v", DAY)
            order.append(f"{name} {'new' if new else 'known'}")

    async with memory.turn("bob"):
        await asyncio.gather(one("a", "ann"), one("b", "ann"))
    assert order == ["a asks", "a new", "b asks", "b known"]


async def test_an_account_that_goes(memory: Memory) -> None:
    """Of who is removed nothing stays."""
    await memory.remember("ann", "duplicate", "", "v", DAY)
    await memory.remember("bob", "duplicate", "", "v", DAY)
    await memory.forget("ann")
    assert not await memory.seen("ann", "duplicate", "", "v")
    assert await memory.seen("bob", "duplicate", "", "v")


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """What cannot be used is said with its name."""
    (tmp_path / "memory.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(RelayUnavailable, match="memory.sqlite"):
        Memory(tmp_path / "memory.sqlite")


async def test_closed(tmp_path: Path) -> None:
    """After its end it says so."""
    memory = Memory(tmp_path / "memory.sqlite")
    await memory.close()
    with pytest.raises(RelayUnavailable, match="closed"):
        await memory.seen("ann", "duplicate", "", "v")


async def test_what_has_expired_is_as_if_it_was_not(
    memory: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody has come by to forget it."""
    monkeypatch.setattr(module, "MAX_FORGOTTEN", 0)
    await memory.remember("ann", "duplicate", "", "v", 10)
    clock.now += 11
    await memory.remember("ann", "duplicate", "", "v", 10)
    assert await memory.seen("ann", "duplicate", "", "v")
