"""What the system writes by itself is there when it says so, and what it cannot write is told."""

import asyncio
import errno
import mmap
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.test_journal import entry, told

from mailhorn.store.aio import Aio
from mailhorn.store.direct import BLOCK, ROOM, DirectFile, open_direct
from mailhorn.store.journal import PART, START, Journal, pack

WITHIN = 20.0


@pytest.fixture
def aio() -> Iterator[Aio]:
    """A place for one write."""
    place = Aio()
    yield place
    place.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[DirectFile]:
    """A file of four blocks."""
    (tmp_path / "file").write_bytes(b"x" * 4 * BLOCK)
    opened = open_direct(tmp_path / "file")
    assert opened is not None
    yield opened
    opened.close()


async def readable(aio: Aio) -> None:
    """Return when a write has ended."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(aio.fileno(), event.set)
    try:
        async with asyncio.timeout(WITHIN):
            await event.wait()
    finally:
        loop.remove_reader(aio.fileno())


async def ended(aio: Aio) -> int:
    """Return what came of a write."""
    await readable(aio)
    result = aio.result()
    assert result is not None
    return result


async def test_it_is_there(tmp_path: Path, aio: Aio, file: DirectFile) -> None:
    """One write after the other, each where it belongs, with zeros up to the next block."""
    assert aio.result() is None
    file.begin(aio, [b"one", b"two"], BLOCK)
    assert await ended(aio) == BLOCK
    assert aio.result() is None
    file.begin(aio, [b"3" * (BLOCK + 1)], 2 * BLOCK)
    assert await ended(aio) == 2 * BLOCK
    assert (tmp_path / "file").read_bytes() == (
        b"x" * BLOCK + b"onetwo".ljust(BLOCK, b"\0") + (b"3" * (BLOCK + 1)).ljust(2 * BLOCK, b"\0")
    )


async def test_what_cannot_be_written(tmp_path: Path, aio: Aio, file: DirectFile) -> None:
    """It says why, at once or when it is done, and can be used again."""
    with pytest.raises(OSError) as refused:
        aio.write(10**6, 0, BLOCK, 0)
    assert refused.value.errno == errno.EBADF
    with mmap.mmap(-1, BLOCK) as room:
        room[:3] = b"one"
        with pytest.raises(OSError) as refused:
            fd = os.open(tmp_path / "file", os.O_RDWR | os.O_DIRECT)
            try:
                aio.write(fd, 0, BLOCK, 0)  # memory that is nobody's
                await ended(aio)
            finally:
                os.close(fd)
    assert refused.value.errno == errno.EFAULT
    file.begin(aio, [b"one"], 0)
    assert await ended(aio) == BLOCK


@pytest.mark.parametrize("machine", ["sparc64", "aarch64"])
def test_where_the_system_cannot(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine has other calls, or none."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if machine == platform.uname().machine:
        Aio().close()
        return
    monkeypatch.setattr("mailhorn.store.aio._CALLS", {"aarch64": (100_000,) * 4})
    with pytest.raises(OSError) as refused:
        Aio()
    assert refused.value.errno == errno.ENOSYS


async def test_a_journal_written_so(tmp_path: Path, aio: Aio) -> None:
    """It holds the same; what has no room in the file, or follows what failed, is for `write`."""
    path = tmp_path / "index.journal"
    journal = Journal(path)
    journal.begin(1, tmp_path)
    assert journal.part_octets == PART

    def records(*bodies: bytes) -> list[tuple[bytes, ...]]:
        return [pack(entry(number), body, number) for number, body in enumerate(bodies, journal.number)]

    assert not journal.begin_write(aio, records(b"no room yet"))
    first = records(b"one")
    assert journal.write(first) == START
    second = records(b"two", b"3" * 5000)
    assert journal.begin_write(aio, second)
    assert journal.number == 2
    await readable(aio)
    assert journal.end_write(aio, len(second)) == START + BLOCK
    assert journal.end_write(aio, len(second)) is None
    assert journal.number == 4 and journal.written == sum(len(piece) for one in first + second for piece in one)
    assert not journal.begin_write(aio, records(b"x" * ROOM))
    third = records(b"refused")
    os.close(journal._opened._fd)  # type: ignore[union-attr]
    with pytest.raises(OSError, match="Bad file"):
        journal.begin_write(aio, third)
    journal._direct = journal._opened = None
    journal.write(records(b"four"))
    journal.close()
    assert [body for _, _, body in told(path)] == [b"one", b"two", b"3" * 5000, b"four"]
