"""What is written past the system's memory is there for everybody, wherever it begins and ends."""

import errno
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.store.test_journal import entry, told

from mailhorn.store import direct, journal
from mailhorn.store.direct import BLOCK, ROOM, DirectFile, open_direct, up
from mailhorn.store.index.bodies import READ, RECENT, Bodies
from mailhorn.store.journal import Body, Journal, pack


@pytest.fixture
def file(tmp_path: Path) -> DirectFile:
    """A file of which one can be had here, as tests need one."""
    (tmp_path / "file").write_bytes(b"")
    opened = open_direct(tmp_path / "file")
    assert opened is not None
    return opened


def test_pieces_of_any_size(tmp_path: Path, file: DirectFile) -> None:
    """They lie side by side, with zeros up to the next block; what was there before shows nowhere."""
    chance = Random(3)
    for sizes in ([1], [BLOCK], [5, 0, 4091], [ROOM], [ROOM - 1, 3], [100] * 50, [3 * ROOM + 7, 20], [700, ROOM, ROOM]):
        pieces = [chance.randbytes(size) for size in sizes]
        whole = b"".join(pieces)
        file.clear(0, 6 * ROOM)
        file.write([b"\xff" * ROOM], up(len(whole)))
        file.write(pieces, 0)
        assert (tmp_path / "file").read_bytes()[: up(len(whole)) + 3] == whole.ljust(
            up(len(whole)), b"\0"
        ) + b"\xff" * 3
        for _ in range(20):
            at = chance.randrange(len(whole))
            octets = chance.randrange(len(whole) - at + 1)
            assert file.read(at, octets) == whole[at : at + octets]
    assert file.read(6 * ROOM - 3, 10) == bytes(3)
    file.close()


def test_zeros_as_many_as_needed(tmp_path: Path, file: DirectFile) -> None:
    """And no more."""
    (tmp_path / "file").write_bytes(b"x" * 5 * direct.ZEROS)
    file.clear(BLOCK, direct.ZEROS * 3 + 2 * BLOCK)
    content = (tmp_path / "file").read_bytes()
    assert content.count(b"\0") == direct.ZEROS * 3 + BLOCK
    assert content[:BLOCK] == b"x" * BLOCK and content[direct.ZEROS * 3 + 2 * BLOCK :].strip(b"x") == b""
    file.close()


def test_where_it_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal does without, whether that shows at once or when it is first written."""
    real_open, real_write = os.open, os.pwritev

    def no_open(path: Any, flags: int, *args: Any) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_open(path, flags, *args)

    refused = []

    def no_write(fd: int, buffers: Any, at: int, flags: int = 0) -> int:
        if isinstance(buffers[0], memoryview):
            refused.append(at)
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_write(fd, buffers, at, flags)

    for name, value in (("open", no_open), ("pwritev", no_write)):
        path = tmp_path / name
        with monkeypatch.context() as odd:
            odd.setattr(os, name, value)
            kept = Journal(path)
            kept.begin(3, tmp_path)
            for number in range(1, 5):
                kept.write([pack(entry(number), b"%d" % number * 3000, number)])
            assert len(refused) <= 1
            kept.close()
        assert [(number, body) for number, _, body in told(path)] == [(n, b"%d" % n * 3000) for n in range(1, 5)]


def test_a_sick_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to do without; what was written in part is written again."""
    kept = Journal(tmp_path / "journal")
    kept.begin(3, tmp_path)
    real = os.pwritev

    def sick(fd: int, buffers: Any, at: int, flags: int = 0) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def short(fd: int, buffers: Any, at: int, flags: int = 0) -> int:
        return real(fd, [buffers[0][:BLOCK]], at, flags)

    for fault in (sick, short):
        with monkeypatch.context() as odd, pytest.raises(OSError, match=r"Input/output|only a part"):
            odd.setattr(os, "pwritev", fault)
            kept.write([pack(entry(1), b"x" * 9000, 1)])
    kept.write([pack(entry(1), b"y" * 9000, 1)])
    assert kept._direct is not None
    kept.close()
    assert told(tmp_path / "journal") == [(1, "key 1", b"y" * 9000)]


def test_a_disk_that_becomes_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system writes what fits and says no more; who sends is told that there is no room (RFC 3463, 4.3.1)."""
    (tmp_path / "file").write_bytes(b"")
    real, free = os.pwritev, 0

    def short(fd: int, buffers: Any, at: int, flags: int = 0) -> int:
        return real(fd, [buffers[0][:BLOCK]], at, flags)

    def room(fd: int) -> os.statvfs_result:
        return os.statvfs_result((BLOCK, BLOCK, 9, free, free, 9, 9, 9, 0, 255))

    monkeypatch.setattr(os, "pwritev", short)
    monkeypatch.setattr(os, "fstatvfs", room)
    file = open_direct(tmp_path / "file")
    assert file is not None
    for blocks, number in ((0, errno.ENOSPC), (9, errno.EIO)):
        free = blocks
        with pytest.raises(OSError, match="only a part") as refused:
            file.clear(0, 2 * BLOCK)
        assert refused.value.errno == number
    file.close()


def test_what_was_there_before_is_not_taken_for_new(tmp_path: Path) -> None:
    """Each group begins with a block, so what lies behind may have the number that is due next."""
    kept = Journal(tmp_path / "journal")
    kept.begin(3, tmp_path)
    for number in range(1, 6):
        kept.write([pack(entry(number), b"old", number)])
    kept.empty()
    kept.number = 1
    kept.write([pack(entry(1), b"new", 1)])
    kept.close()
    assert told(tmp_path / "journal") == [(1, "key 1", b"new")]


def test_the_last_bodies_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many octets of them, and the others are read; what was forgotten is in neither."""
    kept = Journal(tmp_path / "journal")
    kept.begin(3, tmp_path)
    bodies = Bodies()
    bodies.journal = kept
    there = {number: b"%d" % (number % 10) * (READ // 3) for number in range(1, RECENT // (READ // 3) + 20)}
    for number, body in there.items():
        at = kept.write([(body,)])
        bodies.put(number, Body(at, len(body)), body)
    asked: list[Body] = []
    read = kept.read
    monkeypatch.setattr(kept, "read", lambda body: asked.append(body) or read(body))
    assert bodies.get(len(there)) == there[len(there)] and not asked
    assert bodies.get_many(there) == there
    assert 5 <= len(asked) <= 10 and all(body.octets <= READ for body in asked)
    assert bodies._held == sum(map(len, bodies._recent.values())) <= RECENT < bodies._held + READ
    assert bodies.octets == sum(map(len, there.values()))
    for number in there:
        bodies.forget(number)
    assert not bodies._recent and not bodies and bodies._held == bodies.octets == 0
    kept.close()


def test_blocks_fit_the_parts() -> None:
    """Else nothing could be written past the system's memory."""
    assert journal.PART % BLOCK == journal.START % BLOCK == journal.STEP % BLOCK == ROOM % BLOCK == 0
