"""The journal: one file in which arrivals are durable before the database has them.

Rule 1: records have consecutive numbers and lie side by side, or the next begins with a block (`direct`); one that is
not whole, or out of number, ends its part, unless the disk has spoiled it: then whole ones with greater numbers follow.
Rule 2: what is written lies behind what was written before and touches none of it; what a write or flush that failed
may have left is cleared before the next. Rule 3: a part is written again only when nobody needs anything that is in it;
that is the caller's care. Rule 4: one process at a time.
"""

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec

from ..model.message import Digest
from .aio import Aio
from .direct import BLOCK, CANNOT, ROOM, DirectFile, open_direct, up

try:
    from zlib_ng.zlib_ng import crc32
except ImportError:  # the same sum, and for 50 KiB 17 us more
    from zlib import crc32

PART = 16 * 1024 * 1024
"""Octets of each part: 3,000 small messages, or 300 of 50 KiB."""

PARTS = 32
"""The most there are, half a GiB: what a burst brings that no disk could make files of at once. The file grows to what
the burst needs, part by part, and becomes shorter again (`KEPT`)."""

SCARCE = 2 * 1024 * 1024 * 1024
"""Free octets of the disk below which the file grows no longer than `KEPT`: to become files, all that is in it needs as
much again."""

KEPT = 8 * PART
"""Octets that the file keeps: to make it longer takes a millisecond for each MiB."""

STEP = 1024 * 1024
"""Octets by which the file grows, with zeros: to flush what overwrites takes half the time of what makes it longer."""

LEAP = 4 * STEP
"""The same in a burst: whoever has to wait for it has threads take turns, which costs as much as the zeros."""

BURST = 1.0
"""Seconds within which a file that grows for the second time leaps."""

UNHURRIED = 5 * 1024
"""Octets of which zlib computes a CRC-32 without letting go of the interpreter, which it would have to win back from a
busy event loop: that takes longer than the sum."""

START = 4096
"""Where the first part begins; before it, who this is."""

_MAGIC = b"mailhorn journal 1\n"
_HEAD = struct.Struct("<IIIQ")  # CRC-32 of all that follows, octets of the entry, octets of the body, number
_FROM = 4
_NO_BODY = 0xFFFFFFFF
MAX_NUMBER = 2**64 - 1
"""As `_HEAD` has room for."""
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
        part: The one that is being written, from 0.
        part_octets: How much goes into each; as it was when the file was made.
        written: Octets that were ever written, by whoever has it open now.
        resting: Bodies up to this number had come to rest, says what `records` has read.
        lost: How many records it could not read, though there are whole ones behind them.

    """

    def __init__(self, path: Path) -> None:
        """
        Open the file, or make it, and hold it.

        Raises BlockingIOError if another process has it, OSError if the disk does not let it.
        """
        self.number = 1
        self.part = 0
        self.written = 0
        self.resting = 0
        self._at = 0
        self.lost = 0
        self._grew = -BURST
        """When it last grew, seconds on the monotonic clock."""
        self._failed = 0
        """Octets behind where it is being written that are being written, or that a write that failed may have left."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = os.fstat(self._fd).st_size
            self.identity, self.part_octets = _head(os.pread(self._fd, START, 0))
            self._opened = open_direct(path) if self.part_octets % BLOCK == 0 else None
            self._direct = self._opened
            """None as soon as it has turned out that it cannot be done; others may still be reading then."""
        except BaseException:
            os.close(self._fd)
            raise

    def begin(self, identity: int, directory: Path) -> None:
        """Let it be known as this one. Raises OSError."""
        self._put((_MAGIC + f"{identity} {self.part_octets}\n".encode()).ljust(START, b"\0"), 0)
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
        found, lost = [], list[int]()
        for part in range(self.parts):
            for number, told, body in _scan(self._fd, self._start(part), self.part_octets, lost):
                self.number = max(self.number, number + 1)
                if isinstance(told, Entry):
                    found.append(Record(number, told, body))
                else:
                    self.resting = max(self.resting, told)
        self.lost = sum(lost)
        return sorted(found, key=_number)

    def read(self, body: Body) -> bytes:
        """Return a body, or all that lies in some place. Raises OSError."""
        direct = self._direct
        if direct is not None:
            octets = direct.read(body.at, body.octets)
            if len(octets) == body.octets:
                return octets
        return _whole(self._fd, body)

    @property
    def parts(self) -> int:
        """How many the file has, in all or in part."""
        return max(0, self._size - START + self.part_octets - 1) // self.part_octets

    @property
    def most_parts(self) -> int:
        """How many it may have, two at least. Raises OSError."""
        disk = os.fstatvfs(self._fd)
        return max(2, (PARTS * PART if disk.f_bavail * disk.f_frsize >= SCARCE else KEPT) // self.part_octets)

    def fits(self, octets: int) -> bool:
        """Return whether as many octets fit into what is left of this part."""
        return self._at + octets <= self.part_octets

    def turn(self, part: int) -> None:
        """Go on at the start of another part, or the same. Raises OSError."""
        self._clean()
        self.part = part
        self._at = 0

    def write(self, records: Sequence[tuple[bytes, ...]]) -> int:
        """
        Write records, which fit; when they are durable, return where in the file the first of them begins.

        Raises OSError; the next call clears what may have been written.
        """
        self._clean()
        pieces = [*chain.from_iterable(records)]
        octets = sum(map(len, pieces))
        start = self._start(self.part) + self._at
        end = start + octets
        self._failed = octets
        if end > self._size:  # and flushed: a block that was never on the disk is as dear as one behind the end
            now = monotonic()
            step, self._grew = LEAP if now - self._grew < BURST else STEP, now
            self._make_longer(end, max(end, min(self._start(self.part + 1), end + step)))
        self._put_durably(pieces, start)
        self._wrote(octets, len(records))
        return start

    def begin_write(self, aio: Aio, records: Sequence[tuple[bytes, ...]]) -> bool:
        """
        Begin to write records, which fit; `end_write` is next.

        Return False if that can only be done by `write` now. Raises OSError: nothing was begun.
        """
        direct = self._direct
        pieces = [*chain.from_iterable(records)]
        octets = sum(map(len, pieces))
        start = self._start(self.part) + self._at
        if direct is None or self._failed or octets > ROOM or start + octets > self._size:
            return False
        direct.begin(aio, pieces, start)
        self._failed = octets
        return True

    def end_write(self, aio: Aio, records: int) -> int | None:
        """
        Return where in the file the first of so many records begins, None if what was begun has not ended.

        Raises OSError: it has failed; the next call clears what may have been written.
        """
        written = aio.result()
        if written is None:
            return None
        if written < up(self._failed):
            raise OSError(errno.EIO, "only a part was written")
        start = self._start(self.part) + self._at
        self._wrote(self._failed, records)
        return start

    def _wrote(self, octets: int, records: int) -> None:
        self._failed = 0
        self._at += octets if self.part_octets % BLOCK else up(octets)
        self.written += octets
        self.number += records

    @property
    def is_long(self) -> bool:
        """Whether the file is longer than what it keeps."""
        return self._size > self._start(max(1, KEPT // self.part_octets))

    def shorten(self) -> None:
        """Let go of the parts beyond `KEPT`; nobody needs them, and this is the first one. Raises OSError."""
        if self.is_long:
            end = self._start(max(1, KEPT // self.part_octets))
            os.ftruncate(self._fd, end)
            self._size = end

    def empty(self) -> None:
        """Have nothing in it: nobody needs anything any more. Raises OSError."""
        if self._size > START:
            os.ftruncate(self._fd, START)
            self._size = START
        self.part = self._at = 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
        if self._opened is not None:
            self._opened.close()

    def _start(self, part: int) -> int:
        return START + part * self.part_octets

    def _clean(self) -> None:
        """Write zeros over what a write that failed may have left: it has numbers that others will have."""
        if self._failed:
            start = self._start(self.part) + self._at
            self._put(bytes(max(0, min(self._failed, self._size - start))), start)
            _flush(self._fd)
            self._failed = 0

    def _make_longer(self, least: int, until: int) -> None:
        """Grow, if need be by no more than what has to be; a disk that is full keeps nothing of it. Raises OSError."""
        try:
            self._grow(until)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)  # others need the room, to delete mail for one
            if least == until:
                raise
            self._make_longer(least, least)

    def _grow(self, until: int) -> None:
        if self._direct is not None and self._size % BLOCK == 0:
            until = up(until)
            if self._directly(lambda direct: direct.clear(self._size, until)):
                self._size = until
                return
        self._put(bytes(until - self._size), self._size)
        _flush(self._fd)
        self._size = until

    def _put_durably(self, pieces: Sequence[bytes], at: int) -> None:
        """Write in one call where the system can, because each call has to win the interpreter back."""
        if self._directly(lambda direct: direct.write(pieces, at)):
            return
        data = b"".join(pieces)
        written = 0
        if _DURABLY:
            try:
                written = os.pwritev(self._fd, (data,), at, _DURABLY)
            except OSError as problem:
                if problem.errno not in CANNOT:
                    raise
        if written < len(data):
            self._put(data[written:], at + written)
            _flush(self._fd)

    def _directly(self, do: Callable[[DirectFile], None]) -> bool:
        """Do it past the system's memory, or return False: from then on nothing is done so."""
        if self._direct is None:
            return False
        try:
            do(self._direct)
        except OSError as problem:
            if problem.errno not in CANNOT:
                raise
            self._direct = None
            return False
        return True

    def _put(self, data: bytes, at: int) -> None:
        written = os.pwrite(self._fd, data, at)
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], at + written)


def read_journal(path: Path, identity: int) -> tuple[list[Record], int]:
    """Return what is in a journal that nobody writes to, if it is the one, and how many are lost. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [], 0
    lost: list[int] = []
    try:
        known, part = _head(os.pread(fd, START, 0))
        if known != identity:
            return [], 0
        starts = range(START, os.fstat(fd).st_size, part)
        told = [record for start in starts for record in _scan(fd, start, part, lost)]
    finally:
        os.close(fd)
    found = [Record(number, entry, body) for number, entry, body in told if isinstance(entry, Entry)]
    return sorted(found, key=_number), sum(lost)


def read_body(path: Path, body: Body) -> bytes:
    """Return a body from a journal that nobody writes to. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _whole(fd, body)
    finally:
        os.close(fd)


def pack(told: Entry | int, body: bytes | None, number: int) -> tuple[bytes, ...]:
    """Return a record, in pieces: of a message, or that bodies up to a number have come to rest."""
    entry = _encode(told)
    rest = _HEAD.pack(0, len(entry), _NO_BODY if body is None else len(body), number)[_FROM:] + entry
    crc = crc32(rest)
    if not body:
        return (crc.to_bytes(_FROM, "little") + rest,)
    if len(body) <= UNHURRIED:
        crc = crc32(body, crc)
    else:
        view = memoryview(body)
        for at in range(0, len(body), UNHURRIED):
            crc = crc32(view[at : at + UNHURRIED], crc)
    return crc.to_bytes(_FROM, "little") + rest, body


def _flush(fd: int) -> None:
    """Have a file's octets on the disk, and what it takes to read them."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def _number(record: Record) -> int:
    return record.number


def _head(head: bytes) -> tuple[int, int]:
    """Return which journal it is, 0 if it is none yet, and the octets of a part."""
    words = head[len(_MAGIC) : START].partition(b"\n")[0].split()
    if head.startswith(_MAGIC) and len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
        return int(words[0]), int(words[1])
    return 0, PART


def _whole(fd: int, body: Body) -> bytes:
    octets = os.pread(fd, body.octets, body.at)
    if len(octets) < body.octets:
        raise OSError(errno.EIO, "it has become shorter")
    return octets


def _scan(fd: int, start: int, length: int, lost: list[int]) -> Iterator[tuple[int, Entry | int, Body | None]]:
    """
    Yield number, what it says and where its body is, of a part's records in order, as far as they are whole.

    `lost` is told how many are missing before one that is whole.
    """
    at, end, due = start, start + length, 0
    while True:
        found = _record(fd, at, end, due, due)
        if found is None and at % BLOCK:
            found = _record(fd, up(at), end, due, due)
        if found is None:
            found = _behind_damage(fd, at, end, due)
            if found is None:
                return
            if due:  # else it may be of before the part was begun anew
                lost.append(max(1, found[0] - due))
        number, told, body, at = found
        yield number, told, body
        due = number + 1


def _behind_damage(fd: int, at: int, end: int, due: int) -> tuple[int, Entry | int, Body | None, int] | None:
    """Return the next whole record of as late a number: of the same group, or at the beginning of one."""
    for place in (at, up(at)):
        head = os.pread(fd, _HEAD.size, place)
        if len(head) == _HEAD.size:
            _, told, octets, number = _HEAD.unpack(head)
            behind = place + _HEAD.size + told + (0 if octets == _NO_BODY else octets)
            found = _record(fd, behind, end, number + 1, number + 1) if not due or number == due else None
            if found is not None:
                return found
    for block in range(up(at + 1), end, BLOCK):
        found = _record(fd, block, end, due, MAX_NUMBER)
        if found is not None:
            return found
    return None


def _record(fd: int, at: int, end: int, least: int, most: int) -> tuple[int, Entry | int, Body | None, int] | None:
    """Return the record that is there, if its number may be, and where it ends; 0 as the most: any."""
    head = os.pread(fd, _HEAD.size, at) if at + _HEAD.size <= end else b""
    if len(head) < _HEAD.size:
        return None
    crc, told, octets, number = _HEAD.unpack(head)
    middle = at + _HEAD.size + told
    behind = middle + (0 if octets == _NO_BODY else octets)
    if not told or behind > end or number < least or number > (most or MAX_NUMBER):
        return None
    rest = os.pread(fd, behind - at - _HEAD.size, at + _HEAD.size)
    if crc32(rest, crc32(head[_FROM:])) != crc:
        return None
    try:
        entry = _decode(rest[:told])
    except msgspec.MsgspecError:
        return None
    return number, entry, None if octets == _NO_BODY else Body(middle, octets), behind


__all__ = ["Body", "Entry", "Journal", "Place", "Record", "entry_of", "pack", "read_body", "read_journal"]
