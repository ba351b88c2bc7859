"""The kernel's word that a directory has changed (inotify, Linux). Plain calls into libc; one queue for all."""

import ctypes
import os
import struct
from collections.abc import Iterator

ACCESS_CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
MOVED_SELF = 0x00000800
OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLY_DIRECTORY = 0x01000000
IS_DIRECTORY = 0x40000000

CAME = MOVED_TO | CREATE
WENT = MOVED_FROM | DELETE
WRITTEN = ACCESS_CLOSE_WRITE

BUFFER = 64 * 1024
"""Octets taken from the kernel at once, some 500 events."""

_HEAD = struct.Struct("iIII")


class Inotify:
    """One queue of events. Raises OSError (also where there is no inotify at all)."""

    def __init__(self) -> None:
        """Open it. Raises OSError: EMFILE if the user has too many, ENOSYS if the system has none."""
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._add = libc.inotify_add_watch
            init = libc.inotify_init1
        except AttributeError as problem:
            raise OSError(38, "this system has no inotify") from problem
        self._add.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        self.fd: int = init(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def watch(self, path: str, mask: int) -> int:
        """Watch a directory; return its number, the same for the same directory. Raises OSError."""
        number: int = self._add(self.fd, os.fsencode(path), mask)
        if number < 0:
            problem = ctypes.get_errno()
            raise OSError(problem, os.strerror(problem), path)
        return number

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (number of the watch, mask, name) of all that is there; does not wait."""
        unpack, size = _HEAD.unpack_from, _HEAD.size
        while True:
            try:
                data = os.read(self.fd, BUFFER)
            except BlockingIOError:
                return
            at, end = 0, len(data)
            while at < end:
                watch, mask, _, length = unpack(data, at)
                at += size
                yield watch, mask, data[at : at + length].rstrip(b"\0")
                at += length

    def close(self) -> None:
        """Let go of all watches."""
        os.close(self.fd)


__all__ = [
    "CAME",
    "CREATE",
    "IGNORED",
    "IS_DIRECTORY",
    "MOVED_SELF",
    "ONLY_DIRECTORY",
    "OVERFLOW",
    "WENT",
    "WRITTEN",
    "Inotify",
]
