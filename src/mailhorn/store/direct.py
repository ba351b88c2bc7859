"""A file that is written and read past the system's memory, where system and file system can (O_DIRECT).

Rule 1: whatever is written begins at a multiple of `BLOCK` and fills whole ones, the last with zeros; what is read may
be anywhere. Rule 2: one thread writes at a time. Rule 3: whoever opens the file as well sees what was written.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path

from .aio import Aio

BLOCK = 4096
"""Octets that are written as a whole: what every disk of today can."""

ROOM = 1024 * 1024
"""Octets written with one call; of this much memory only what was ever filled is taken."""

ZEROS = 64 * 1024
"""Octets of nothing that are at hand: they take no memory, as nobody ever writes there."""

_DIRECTLY: int = getattr(os, "O_DIRECT", 0)
_DURABLY: int = getattr(os, "RWF_DSYNC", 0)

CANNOT = frozenset({errno.EINVAL, errno.EOPNOTSUPP})
"""What a file system says that cannot do it."""


def up(octets: int) -> int:
    """Return the next multiple of `BLOCK`."""
    return -(-octets // BLOCK) * BLOCK


class DirectFile:
    """The file, and the memory through which it is written."""

    def __init__(self, fd: int) -> None:
        """Take a file that was opened for it; `open_direct` does that."""
        self._fd = fd
        self._room = memoryview(mmap(-1, ROOM, flags=MAP_PRIVATE | MAP_ANONYMOUS))
        self._zeros = memoryview(mmap(-1, ZEROS, flags=MAP_PRIVATE | MAP_ANONYMOUS))
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._room))

    def write(self, pieces: Sequence[bytes], at: int) -> None:
        """Write pieces, one behind the other, and zeros up to the next block, durably. Raises OSError."""
        filled = 0
        for piece in pieces:
            if filled + len(piece) <= ROOM:
                self._room[filled : filled + len(piece)] = piece
                filled += len(piece)
                continue
            rest = memoryview(piece)
            while rest:
                some = rest[: ROOM - filled]
                self._room[filled : filled + len(some)] = some
                filled += len(some)
                rest = rest[len(some) :]
                if filled == ROOM:
                    self._put([self._room], at)
                    at += ROOM
                    filled = 0
        if filled:
            self._put([self._room[: self._whole(filled)]], at)

    def begin(self, aio: Aio, pieces: Sequence[bytes], at: int) -> None:
        """Begin to write pieces as `write` does, `ROOM` at the most. Raises OSError: nothing was begun."""
        filled = 0
        for piece in pieces:
            self._room[filled : filled + len(piece)] = piece
            filled += len(piece)
        aio.write(self._fd, self._address, self._whole(filled), at)

    def clear(self, start: int, end: int) -> None:
        """Write zeros, durably; both are multiples of `BLOCK`. Raises OSError."""
        whole, rest = divmod(end - start, ZEROS)
        self._put([*[self._zeros] * whole, self._zeros[:rest]], start)

    def _whole(self, filled: int) -> int:
        """Fill the last block with zeros; return where it ends."""
        end = up(filled)
        self._room[filled:end] = self._zeros[: end - filled]
        return end

    def _put(self, buffers: list[memoryview], at: int) -> None:
        due = sum(map(len, buffers))
        written = os.pwritev(self._fd, buffers, at, _DURABLY)
        if written < due:
            disk = os.fstatvfs(self._fd)
            full = disk.f_bavail * disk.f_frsize < due
            raise OSError(errno.ENOSPC if full else errno.EIO, "only a part was written")

    def read(self, at: int, octets: int) -> bytes:
        """Return what is there, less at the end of the file. Raises OSError."""
        first = at - at % BLOCK
        room = mmap(-1, up(at + octets) - first or BLOCK, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        try:
            end = min(os.preadv(self._fd, (room,), first), at - first + octets)
            return room[at - first : end]
        finally:
            room.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def open_direct(path: Path) -> DirectFile | None:
    """Open a file that exists, None if it cannot be done here. Raises OSError."""
    if not (_DIRECTLY and _DURABLY):
        return None
    try:
        return DirectFile(os.open(path, os.O_RDWR | os.O_CLOEXEC | _DIRECTLY))
    except OSError as problem:
        if problem.errno not in CANNOT:
            raise
        return None


__all__ = ["BLOCK", "CANNOT", "ROOM", "DirectFile", "open_direct", "up"]
