"""The journal: one file in which arrivals are durable before the database has them.

Rule 1: records have consecutive numbers; one that is not whole, or out of number, ends its half. Rule 2: what is
written lies behind what was written before and touches none of it; a write or flush that failed is written over by the
next. Rule 3: a half is written again only when nobody needs anything that is in it; that is the caller's care. Rule 4:
one process at a time.
"""

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..model.message import Digest

HALF = 64 * 1024 * 1024
"""Octets of each half. Both together take in a burst of some 20,000 small messages before any of them has to be a file;
the file grows to what the biggest burst needed."""

STEP = 1024 * 1024
"""Octets by which the file grows, with zeros: to flush what overwrites takes half the time of what makes it longer."""

START = 4096
"""Where the first half begins; before it, who this is."""

_MAGIC = b"mailhorn journal 1\n"
_HEAD = struct.Struct("<IIIQ")  # CRC-32 of all that follows, octets of the entry, octets of the body, number
_FROM = 4
_NO_BODY = 0xFFFFFFFF
_DURABLY: int = getattr(os, "RWF_DSYNC", 0)


class Place(NamedTuple):
    """
    Where one copy of a message is.

    The mailbox's number is its own in this database only; by its UIDVALIDITY one that was made anew may know it.
    """

    mailbox: int
    uid_validity: int
    uid: int
    mod_seq: int
    flags: str


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """
    One message: all that the tables will say of it but its mailboxes' numbers, which a restored index gives anew.

    Attributes:
        blob: Number of its body.
        key: Name of its body.
        size: Octets.
        internal_date: Seconds since 1970.
        places: Its copies.
        digest: What FETCH needs; None if that is made of the body, which follows.
        saved: When it was taken, seconds since 1970; 0: not known.

    """

    blob: int
    key: str
    size: int
    internal_date: int
    places: tuple[Place, ...]
    digest: tuple[int, bytes, bytes, bytes] | None
    saved: int = 0


class Body(NamedTuple):
    """Where in the file a body is, and how many octets it has."""

    at: int
    octets: int


class Record(NamedTuple):
    """An entry as it was found, and where its body is, None if it is elsewhere."""

    number: int
    entry: Entry
    body: Body | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry | int).decode


def entry_of(
    blob: int, key: str, size: int, internal_date: int, places: tuple[Place, ...], of: Digest | None, saved: int
) -> Entry:
    """Return the entry of a message."""
    digest = None if of is None else (of.header_size, of.envelope, of.body_structure, of.parts)
    return Entry(blob, key, size, internal_date, places, digest, saved)


class Journal:
    """
    The file, and where it is being written.

    Attributes:
        identity: Of this file; the database says of which one it has entered records.
        number: Of the next record.
        half: 0 or 1: the one that is being written.
        half_octets: How much goes into each; as it was when the file was made.
        resting: Bodies up to this number had come to rest, says what `records` has read.

    """

    def __init__(self, path: Path) -> None:
        """
        Open the file, or make it, and hold it.

        Raises BlockingIOError if another process has it, OSError if the disk does not let it.
        """
        self.number = 1
        self.half = 0
        self.resting = 0
        self._at = 0
        self._failed = False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = os.fstat(self._fd).st_size
            self.identity, self.half_octets = _head(os.pread(self._fd, START, 0))
        except BaseException:
            os.close(self._fd)
            raise

    def begin(self, identity: int, directory: Path) -> None:
        """Let it be known as this one. Raises OSError."""
        self._put((_MAGIC + f"{identity} {self.half_octets}\n".encode()).ljust(START, b"\0"), 0)
        os.fsync(self._fd)
        self._size = max(self._size, START)
        above = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)
        self.identity = identity

    def records(self) -> list[Record]:
        """Return what is in it, by number; `number` and `resting` are set. Raises OSError."""
        found = []
        for half in (0, 1):
            for number, told, body in _scan(self._fd, self._start(half), self.half_octets):
                self.number = max(self.number, number + 1)
                if isinstance(told, Entry):
                    found.append(Record(number, told, body))
                else:
                    self.resting = max(self.resting, told)
        return sorted(found, key=_number)

    def read(self, body: Body) -> bytes:
        """Return a body, or all that lies in some place. Raises OSError."""
        return _whole(self._fd, body)

    @property
    def filled(self) -> float:
        """How much of this half has been written, from 0 to 1."""
        return self._at / self.half_octets

    def fits(self, octets: int) -> bool:
        """Return whether as many octets fit into what is left of this half."""
        return self._at + octets <= self.half_octets

    def turn(self) -> None:
        """Go on at the start of the other half. Raises OSError."""
        if self._failed:  # what may lie there has numbers that others will have
            self._put(bytes(_HEAD.size), self._start(self.half) + self._at)
            _flush(self._fd)
            self._failed = False
        self.half = 1 - self.half
        self._at = 0

    def write(self, records: Sequence[bytes]) -> int:
        """
        Write records, which fit; when they are durable, return where in the file the first of them begins.

        Raises OSError; the next call writes over what may have been written.
        """
        data = b"".join(records)
        start = self._start(self.half) + self._at
        end = start + len(data)
        self._failed = True
        if end > self._size:  # and flushed: a block that was never on the disk is as dear as one behind the end
            until = min(self._start(self.half + 1), end + STEP)
            self._put(bytes(until - self._size), self._size)
            _flush(self._fd)
            self._size = until
        self._put_durably(data, start)
        self._failed = False
        self._at += len(data)
        self.number += len(records)
        return start

    def empty(self) -> None:
        """Have nothing in it: nobody needs anything any more. Raises OSError."""
        for half in (0, 1):
            if self._start(half) < self._size:
                self._put(bytes(_HEAD.size), self._start(half))
        _flush(self._fd)
        self.half = self._at = 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _start(self, half: int) -> int:
        return START + half * self.half_octets

    def _put_durably(self, data: bytes, at: int) -> None:
        """Write in one call where the system can, because each call has to win the interpreter back."""
        written = 0
        if _DURABLY:
            try:
                written = os.pwritev(self._fd, (data,), at, _DURABLY)
            except OSError as problem:
                if problem.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
        if written < len(data):
            self._put(data[written:], at + written)
            _flush(self._fd)

    def _put(self, data: bytes, at: int) -> None:
        written = os.pwrite(self._fd, data, at)
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], at + written)


def read_journal(path: Path, identity: int) -> list[Record]:
    """Return what is in a journal that nobody writes to, if it is the one. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        known, half = _head(os.pread(fd, START, 0))
        if known != identity:
            return []
        told = [record for start in (START, START + half) for record in _scan(fd, start, half)]
    finally:
        os.close(fd)
    found = [Record(number, entry, body) for number, entry, body in told if isinstance(entry, Entry)]
    return sorted(found, key=_number)


def read_body(path: Path, body: Body) -> bytes:
    """Return a body from a journal that nobody writes to. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _whole(fd, body)
    finally:
        os.close(fd)


def pack(told: Entry | int, body: bytes | None, number: int) -> bytes:
    """Return a record: of a message, or that bodies up to a number have come to rest."""
    entry = _encode(told)
    rest = _HEAD.pack(0, len(entry), _NO_BODY if body is None else len(body), number)[_FROM:] + entry
    crc = zlib.crc32(rest) if body is None else zlib.crc32(body, zlib.crc32(rest))
    return b"".join((crc.to_bytes(_FROM, "little"), rest, body or b""))


def _flush(fd: int) -> None:
    """Have a file's octets on the disk, and what it takes to read them."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def _number(record: Record) -> int:
    return record.number


def _head(head: bytes) -> tuple[int, int]:
    """Return which journal it is, 0 if it is none yet, and the octets of a half."""
    words = head[len(_MAGIC) : START].partition(b"\n")[0].split()
    if head.startswith(_MAGIC) and len(words) == 2 and all(word.isdigit() for word in words):
        return int(words[0]), int(words[1])
    return 0, HALF


def _whole(fd: int, body: Body) -> bytes:
    octets = os.pread(fd, body.octets, body.at)
    if len(octets) < body.octets:
        raise OSError(errno.EIO, "it has become shorter")
    return octets


def _scan(fd: int, start: int, length: int) -> Iterator[tuple[int, Entry | int, Body | None]]:
    """Yield number, what it says and where its body is, of a half's records as far as they are whole and in order."""
    at, end, due = start, start + length, 0
    while at + _HEAD.size <= end:
        head = os.pread(fd, _HEAD.size, at)
        if len(head) < _HEAD.size:
            return
        crc, told, octets, number = _HEAD.unpack(head)
        middle = at + _HEAD.size + told
        behind = middle + (0 if octets == _NO_BODY else octets)
        if not told or behind > end or (due and number != due):
            return
        rest = os.pread(fd, behind - at - _HEAD.size, at + _HEAD.size)
        if zlib.crc32(rest, zlib.crc32(head[_FROM:])) != crc:
            return
        try:
            entry = _decode(rest[:told])
        except msgspec.MsgspecError:
            return
        yield number, entry, None if octets == _NO_BODY else Body(middle, octets)
        at, due = behind, number + 1


__all__ = ["HALF", "Body", "Entry", "Journal", "Place", "Record", "entry_of", "pack", "read_body", "read_journal"]
