"""A message's file from another program, made ready to be taken in.

Rule: whatever is done to the file is done at one stroke and can be done again; until it is in the index it keeps
the name it came with.
"""

import mmap
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..model.message import Digest

MAX_KEY = 120
"""Octets of a file's own name that are kept. File systems take 255, and size, UID and 32 letters are added."""

PIECE = 1024 * 1024
"""Octets of a file read at once: whatever somebody drops, it does not fill the memory."""

EARLIEST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
LATEST = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""What IMAP has words for (RFC 9051 §9, date-year); a file's time may be anything."""


class Prepared(NamedTuple):
    """What the index is to know of a file."""

    size: int
    internal_date: int
    digest: Digest


def safe_key(key: str) -> str:
    """Return the key as the index and other tools can take it: short, and of plain characters."""
    return re.sub(r"[^!-+\--.0-9;-~]", "_", key)[:MAX_KEY] or "_"


def plain_letters(letters: str) -> str:
    """Return the flags of a file's name as they may be in one: sorted, each once, and nothing else."""
    return "".join(sorted({letter for letter in letters if letter.isascii() and letter.isalpha()}))


def date_of(status: os.stat_result) -> int:
    """Return the INTERNALDATE that a file's time stands for, the nearest there is."""
    return min(max(int(status.st_mtime // 1), EARLIEST), LATEST)


def prepare(path: str, spool: Path, digest_of: Callable[[memoryview], Digest]) -> Prepared:
    """
    Give the file the line ends that mail has on the wire, and digest it.

    Programs on Unix write lines that end with LF; IMAP sends lines that end with CR LF (RFC 9051 §2.2) and tells
    sizes and offsets of these, so the file is replaced by one that has them. Its date stays.

    Args:
        path: The file.
        spool: Where the new one is written, on the same file system.
        digest_of: Computes what FETCH needs.

    Raises OSError.

    """
    with_line_ends(path, spool)
    with open(path, "rb") as file:
        stat = os.fstat(file.fileno())
        return Prepared(stat.st_size, date_of(stat), digest(file.fileno(), stat.st_size, digest_of))


def digest(fd: int, size: int, digest_of: Callable[[memoryview], Digest]) -> Digest:
    """Return the digest of an open file, without reading it into memory."""
    if not size:
        return digest_of(memoryview(b""))
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as body, memoryview(body) as view:
        return digest_of(view)


def with_line_ends(path: str, spool: Path) -> None:
    """Replace the file by one whose lines end with CR LF, if they do not. Raises OSError."""
    with open(path, "rb") as file:
        if all(piece.count(b"\n") == piece.count(b"\r\n") for piece in _pieces(file)):
            return
        stat = os.fstat(file.fileno())
        temporary = spool / f"lines-{stat.st_ino}"
        file.seek(0)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for piece in _pieces(file):
                rest = memoryview(re.sub(rb"\r?\n", b"\r\n", piece))
                while rest:
                    rest = rest[os.write(fd, rest) :]
            os.utime(fd, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)
    os.rename(temporary, path)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield all that is in a file; no CR LF is cut in two."""
    held = b""
    while piece := file.read(PIECE):
        piece = held + piece
        held = b"\r" if piece.endswith(b"\r") else b""
        yield piece.removesuffix(b"\r")
    yield held


__all__ = ["Prepared", "date_of", "digest", "plain_letters", "prepare", "safe_key", "with_line_ends"]
