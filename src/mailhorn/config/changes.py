"""Tells that a file was changed, without looking for it now and then: by inotify, on Linux.

Rule 1: directories are watched, not files: editors and package managers put a new file in the place of the old one.
Rule 2: a change is told once it has been quiet for a moment. Rule 3: where there is no inotify nothing is told; SIGHUP
is left.
"""

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

_CLOSE_WRITE, _MOVED_TO = 0x8, 0x80  # inotify(7)
QUIET = 0.5
"""Seconds without a further change after which one is told: several files are often saved together."""


class Changes:
    """Watches files for as long as it is open. Of one event loop."""

    def __init__(self, told: Callable[[], None]) -> None:
        """Begin; `told` is called in the event loop after each change."""
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._names: dict[int, set[bytes]] = {}
        self._file = -1

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch these files, and no others any more; those whose directory does not exist are left out."""
        self._stop()
        if sys.platform != "linux":
            return
        self._file = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            return
        for path in paths:
            folder, name = os.path.split(os.path.abspath(path))
            number = _LIBC.inotify_add_watch(self._file, os.fsencode(folder), _CLOSE_WRITE | _MOVED_TO)
            if number >= 0:
                self._names.setdefault(number, set()).add(os.fsencode(name))
        self._loop.add_reader(self._file, self._read)

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
        self._file, self._names = -1, {}

    def _read(self) -> None:
        data = os.read(self._file, 65536)
        at = 0
        while at < len(data):
            number, _, _, length = struct.unpack_from("iIII", data, at)
            name = data[at + 16 : at + 16 + length].rstrip(b"\0")
            at += 16 + length
            if name in self._names.get(number, ()):
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._loop.call_later(QUIET, self._told)


_LIBC = ctypes.CDLL(None, use_errno=True)

__all__ = ["Changes"]
