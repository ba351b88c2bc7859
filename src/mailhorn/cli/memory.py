"""What a process carries about, and how its allocator gives memory back. Measured, not guessed: see the figures."""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

M_MMAP_THRESHOLD = -3
"""glibc, malloc.h."""

MAPPED_FROM = 512 * 1024
"""Octets from which an allocation is a mapping of its own and goes back to the system when it is freed.

glibc begins with 128 KiB, but raises it to the size of the largest such block that was freed. One argon2 hash is
19 MiB: after it, blocks of that size come from the heap and stay there, in each thread that hashes. A thousand logins
left the server at 106 MiB that way, at 52 MiB with the threshold kept where it is. What is read from a socket is up to
250 KiB, and mapped it cost a page fault for each of its pages: 130 for a message of 1 MiB, and a sixth of its CPU.
"""

M_TRIM_THRESHOLD = -1

TRIMMED_FROM = 1024 * 1024
"""Octets that are free at the end of a heap from which they go back at once: a few such pieces, and no more than that
is carried about until the next `give_back`."""


M_ARENA_MAX = -8

ARENAS = 2
"""Heaps for all threads together. By default each thread gets its own, and each keeps what it once needed: a
handful of MiB for threads that sleep most of the time. Python's own objects come from elsewhere."""


def give_back_large_blocks() -> None:
    """Keep the threshold from rising and the heaps few. Does nothing where the C library is another one."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
            mallopt(M_TRIM_THRESHOLD, TRIMMED_FROM)
            mallopt(M_ARENA_MAX, ARENAS)


GIVE_BACK_EVERY = 60.0
"""Seconds. A thousand clients that come at once after a restart, or a burst of mail, leave holes in the heap that glibc
would keep until its end happens to be free."""

UNUSED = ("rich", "typing_extensions")
"""What libraries import where they find it, and a server does without: structlog for colourful tracebacks (4.3 MiB),
msgspec for Python versions before ours (0.5 MiB)."""


@contextlib.contextmanager
def without_the_unused() -> Iterator[None]:
    """Let what is imported meanwhile find none of them; who has one already keeps it."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # documented: importing it raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def settle_down() -> None:
    """
    Give back what only the start needed, and let the collector pass over what stays. 1 MiB, and no walks over it.

    Call once, when all that will be used has been imported and made.
    """
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Return to the system what has been freed between blocks that are in use. Some milliseconds, in any thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


__all__ = ["GIVE_BACK_EVERY", "give_back", "give_back_large_blocks", "settle_down", "without_the_unused"]
