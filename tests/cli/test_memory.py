"""Giving memory back."""

import ctypes
import platform
import resource
from pathlib import Path

import pytest

from mailhorn.cli.memory import give_back, give_back_large_blocks

BLOCK = 64 * 1024
"""Octets; below what glibc maps by itself."""


def _heap() -> int:
    """Return what this process has allocated, octets."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no malloc_trim")
def test_holes_in_the_heap_are_given_back() -> None:
    """Of a thousand blocks of which every tenth is still in use, glibc keeps all until it is told."""
    give_back_large_blocks()
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(BLOCK) for _ in range(1_000)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    full = _heap()
    kept = blocks[9::10]
    for block in set(blocks) - set(kept):
        library.free(block)
    give_back()
    assert _heap() < full - 400 * BLOCK
    for block in kept:
        library.free(block)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries map otherwise")
def test_what_is_read_at_once_is_no_mapping() -> None:
    """A block that comes and goes costs no page fault once it is there; one as large as argon2's goes back."""
    give_back_large_blocks()
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]

    def faults(size: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = library.malloc(size)
        ctypes.memset(block, 1, size)
        library.free(block)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    received, hashed = 256_000, 19 * 2**20
    assert min(faults(received) for _ in range(3)) < 3
    assert min(faults(hashed) for _ in range(3)) > 3
    assert min(faults(received) for _ in range(3)) < 3
