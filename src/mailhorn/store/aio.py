"""Writes that the system does by itself while the program goes on (Linux: io_submit(2)).

A thread that writes has to be woken, and to win the interpreter back from a busy event loop, before anybody learns that
it is done; that takes as long as the disk does. Here a file descriptor becomes readable when it is done, which is
all an event loop waits for. Rule: one write at a time, and its memory stays as it is until `result`.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_CALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""Numbers of io_setup, io_destroy, io_getevents and io_submit: the C library has no names for them."""

_PWRITE = 1
_RESFD = 1
_CONTROL = struct.Struct("<QIIHhIQQqQII")
"""struct iocb of linux/aio_abi.h: data, key and rw_flags (in that order on little-endian machines), opcode, priority,
file, buffer, octets, offset, reserved, flags, the descriptor that is told."""
_EVENT = struct.Struct("<QQqq")
"""struct io_event: data, the iocb, result, second result."""


class Aio:
    """A place for one write that is under way."""

    def __init__(self) -> None:
        """Make it. Raises OSError: the system cannot do it, or does not let us."""
        calls = _CALLS.get(platform.machine())
        if sys.platform != "linux" or calls is None or sys.byteorder != "little" or not hasattr(os, "RWF_DSYNC"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        # A call that let go of the interpreter would have to win it back; these wait for nothing.
        system = ctypes.PyDLL(None, use_errno=True)["syscall"]
        system.argtypes = [ctypes.c_long] * 6
        system.restype = ctypes.c_long
        self._system = system
        self._setup, self._destroy, self._getevents, self._submit = calls
        self._control = ctypes.create_string_buffer(_CONTROL.size)
        self._controls = (ctypes.c_void_p * 1)(ctypes.addressof(self._control))
        self._event = ctypes.create_string_buffer(_EVENT.size)
        context = ctypes.c_ulong()
        self._call(self._setup, 1, ctypes.addressof(context))
        self._context = context.value
        self._told = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return what becomes readable when a write has ended."""
        return self._told

    def write(self, fd: int, address: int, octets: int, at: int) -> None:
        """
        Begin to write, durably.

        Args:
            fd: A file that was opened with O_DIRECT, or the call waits for the disk.
            address: Of the first octet in memory.
            octets: How many.
            at: Where in the file.

        Raises OSError: nothing was begun.

        """
        _CONTROL.pack_into(
            self._control, 0, 0, 0, os.RWF_DSYNC, _PWRITE, 0, fd, address, octets, at, 0, _RESFD, self._told
        )
        self._call(self._submit, self._context, 1, ctypes.addressof(self._controls))

    def result(self) -> int | None:
        """Return how many octets were written, None if that has not ended. Raises OSError."""
        try:
            os.eventfd_read(self._told)
        except BlockingIOError:
            return None
        result = self._outcome()
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def _outcome(self) -> int:
        self._call(self._getevents, self._context, 1, 1, ctypes.addressof(self._event))
        result: int = _EVENT.unpack(self._event)[2]
        return result

    def close(self) -> None:
        """Let go of it; a write that is under way ends first."""
        self._call(self._destroy, self._context)
        os.close(self._told)

    def _call(self, number: int, *values: int) -> None:
        if self._system(number, *values, *(0,) * (5 - len(values))) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


__all__ = ["Aio"]
