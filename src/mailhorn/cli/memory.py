"""How this process's allocator gives memory back. Measured, not guessed: see the figures."""

import contextlib
import ctypes
import sys

M_MMAP_THRESHOLD = -3
"""glibc, malloc.h."""

MAPPED_FROM = 128 * 1024
"""Octets from which an allocation is a mapping of its own and goes back to the system when it is freed.

This is glibc's own default, but glibc raises it to the size of the largest such block that was freed. One argon2
hash is 19 MiB: after it, blocks of that size come from the heap and stay there, in each thread that hashes. A
thousand logins left the server at 106 MiB that way, at 52 MiB with the threshold kept where it is.
"""


def give_back_large_blocks() -> None:
    """Keep the threshold from rising. Does nothing where the C library is another one."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)


__all__ = ["give_back_large_blocks"]
