"""Reading what is in memory, and only that."""

import os
from pathlib import Path

import pytest

from mailhorn.store.blobs.cached import MAX_AT_ONCE, read_cached


def _on_disk(path: Path, data: bytes) -> str:
    """Write a file whose octets are in the system's memory."""
    path.write_bytes(data)
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        assert file.read() == data
    return str(path)


def _can_say(path: str) -> bool:
    """Say whether this file system tells what is in memory; tmpfs does not."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def test_what_was_written_just_now_is_read(tmp_path: Path) -> None:
    """Whole, and any part of it; where nobody can say whether it is in memory, nothing."""
    path = _on_disk(tmp_path / "a", b"0123456789" * 100)
    able = _can_say(path)
    assert read_cached(path, 0, 1000) == (b"0123456789" * 100 if able else None)
    assert read_cached(path, 5, 12) == (b"5678901" if able else None)
    assert read_cached(path, 3, 3) in (b"", None)


@pytest.mark.parametrize(("start", "end"), [(0, 11), (11, 12), (0, MAX_AT_ONCE + 1)])
def test_less_than_was_asked_for_is_nothing(tmp_path: Path, start: int, end: int) -> None:
    """A file that was cut is for who can say so."""
    assert read_cached(_on_disk(tmp_path / "a", b"0123456789"), start, end) is None


def test_what_is_not_there_is_nothing_and_no_descriptor_is_left(tmp_path: Path) -> None:
    """Directories cannot be read, either."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert read_cached(str(tmp_path / "none"), 0, 1) is None
        assert read_cached(str(tmp_path), 0, 1) is None
        read_cached(_on_disk(tmp_path / "a", b"x"), 0, 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_only_the_disk_has_is_nothing(tmp_path: Path) -> None:
    """The octets were taken out of the system's memory."""
    path = _on_disk(tmp_path / "a", b"x" * 50_000)
    able = _can_say(path)
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            left = os.preadv(fd, [bytearray(50_000)], 0, os.RWF_NOWAIT)
        except OSError:
            left = 0
        if left < 50_000:  # some pages may be in use and stay
            assert read_cached(path, 0, 50_000) is None
        else:  # a file system that keeps it all the same
            assert able and read_cached(path, 0, 50_000) == b"x" * 50_000
    finally:
        os.close(fd)
