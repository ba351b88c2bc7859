"""Bodies in Maildirs, the resting form that other tools can read.

Rule 1: a body up to `INLINE_LIMIT` is held in memory and rides in the index's commit; a bigger one goes to a
spool file as it comes and is flushed before the commit. Rule 2: from there `settle` takes over. Rule 3: no
file is opened on the loop but the spool file that is being written, and what is in memory already (`cached`).
"""

import asyncio
import contextlib
import fcntl
import mmap
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import structlog

from ...model.ids import UID, MailboxId
from ..abc import BlobRef, Blobs, FileRef, MessageMissing, OpenBlob, Resting, StagedBlob, StoreUnavailable, Taker
from ..names import file_name, parse_file_name
from ..outside import Watchman
from ..settle import DELAY, Places, Settler, fsync_path, list_messages
from .cached import READING, read_cached

INLINE_LIMIT = 128 * 1024
"""Octets. Almost all mail without an attachment is smaller; beyond, writing it twice (WAL and file) costs more than
a flush of its own, and a few hundred of them on their way would be felt in memory."""

MAX_BACKLOG = 40_000
"""Messages without a file at which deliveries begin to wait; at 4 KiB some 200 MB in the journal and the index."""

PATIENCE = 30.0
"""Seconds a delivery waits for room before it is put off: SMTP clients wait minutes, but the disk is stuck then."""

THREADS = 2
"""Threads that read files and flush big bodies; they wait for the disk, which does not get faster with more."""


log = structlog.get_logger(__name__)


def _host() -> str:
    name = socket.gethostname()[:40] or "localhost"
    return re.sub(r"[^A-Za-z0-9.-]", lambda m: f"\\{ord(m[0]):03o}" if ord(m[0]) < 512 else "_", name)


class MaildirBlobs(Blobs):
    """Maildir++ below `<data>/mail`, one directory per account."""

    def __init__(
        self,
        data: Path,
        resting: Resting,
        delay: float = DELAY,
        clock: Callable[[], float] = time.time,
        watch: Callable[[Places, threading.Lock], Watchman] | None = None,
    ) -> None:
        """
        Make it; `start` before use.

        Args:
            data: Directory of everything, made if it is missing.
            resting: The index, as `settle` sees it.
            delay: Seconds to let messages gather before they are settled.
            clock: Seconds since 1970, for file names and the grace of expunged messages.
            watch: Makes the one who notices what other tools do, given the places and the settler's lock.

        """
        self._places = Places(data)
        self._resting = resting
        self._clock = clock
        self._serial = count(1)
        self._host = _host()
        self._process = f"P{os.getpid()}Q"
        self._root = str(self._places.root)  # pathlib interns every name it is given
        self._spool = str(self._places.spool)
        self._threads = ThreadPoolExecutor(THREADS, "mailhorn-files")
        self._settler = Settler(resting, self._places, delay, clock)
        self._watchman: Watchman | None = None
        if watch is not None:
            self._watchman = watch(self._places, self._settler.quiet)
            self._settler.noticed, self._settler.placed = self._watchman.look, self._watchman.placed
            self._settler.filed = self._watchman.filed
        self._roomy = asyncio.Event()
        self._waiting = 0
        self._lock: int | None = None

    # before and after

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._take_hold)
        except OSError as problem:
            self._release()
            raise StoreUnavailable(
                f"{self._places.root} cannot be used ({problem}): see to it and start again"
            ) from problem
        self._loop = loop
        self._settler.rested = self._rested
        self._resting.pending = self._settler.wake
        if self._watchman is not None:
            self._watchman.start(loop, self._settler.doubts)

    def _take_hold(self) -> None:
        places = self._places
        for directory in (places.data, places.root, places.spool, places.trash):
            directory.mkdir(0o700, parents=True, exist_ok=True)
        self._lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError("another mailhorn is serving it") from None
        crashed = places.running.exists()
        places.running.touch(0o600)
        fsync_path(places.root)
        self._resting.catch_up()
        needed = self._resting.spooled()
        for entry in os.scandir(places.spool):
            if entry.name not in needed:
                os.unlink(entry.path)
        self._settler.empty_trash()
        self._settler.start(careful=crashed)

    async def close(self) -> None:
        if self._lock is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._finish)
            if self._settler.clean:
                self._places.running.unlink(missing_ok=True)
            self._release()
        self._threads.shutdown(wait=False)

    def _finish(self) -> None:
        if self._watchman is None:
            self._settler.finish()
            return
        self._watchman.stop()
        self._settler.noticed = None
        self._settler.finish()
        try:
            if self._settler.clean:
                self._watchman.remember()
        except OSError as problem:
            log.warning("the next start looks at all Maildirs", problem=str(problem))
        self._watchman.close()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # writing

    def stage(self) -> "SpooledBlob":
        now = self._clock()
        key = f"{int(now)}.M{int(now % 1 * 1e6):06}{self._process}{next(self._serial)}.{self._host}"
        return SpooledBlob(key, self._spool, self._threads)

    @property
    def roomy(self) -> bool:
        return self._settler.backlog < MAX_BACKLOG

    async def room(self) -> None:
        if self.roomy:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(0)  # a timeout needs a task, and work that has never waited may have none
            async with asyncio.timeout(PATIENCE):
                while self._settler.backlog >= MAX_BACKLOG:
                    self._roomy.clear()
                    await self._roomy.wait()
        except TimeoutError:
            raise StoreUnavailable(
                f"{self._settler.backlog} messages wait for {self._places.root} to take them: see to the disk"
            ) from None
        finally:
            self._waiting -= 1

    def _rested(self) -> None:
        """In the settler's thread: let those in who wait for room."""
        if self._waiting:
            self._loop.call_soon_threadsafe(self._roomy.set)

    # reading

    async def read(self, mailbox: MailboxId, uid: UID, ref: BlobRef, start: int, end: int, search: bool) -> bytes:
        if ref.inline is not None:
            return ref.inline[start:end]
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._read, mailbox, uid, ref, start, end, search
        )

    def at_once(self, path: str, start: int, end: int) -> bytes | None:
        return read_cached(f"{self._root}/{path}", start, end)

    async def read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read_many, wanted)

    def _read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for path, start, end in wanted:
            try:
                fd = os.open(f"{self._root}/{path}", READING)
            except OSError:
                found.append(None)
                continue
            try:
                data = os.pread(fd, end - start, start)
            except OSError:
                data = b""
            finally:
                os.close(fd)
            found.append(data if len(data) == end - start else None)
        return found

    async def hand_over(self, bodies: Sequence[bytes | str], taker: Taker) -> int:
        job = asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over, bodies, taker)
        return await asyncio.shield(job)  # who takes them has to hear of the end

    def _hand_over(self, bodies: Sequence[bytes | str], taker: Taker) -> int:
        root, take = self._root, taker.take
        try:
            for number, body in enumerate(bodies):
                if isinstance(body, bytes):
                    taken = take(number, body)
                else:
                    try:
                        fd = os.open(f"{root}/{body}", READING)
                    except OSError:
                        return number
                    try:
                        taken = take(number, fd)
                    finally:
                        os.close(fd)
                if not taken:
                    return number
            return len(bodies)
        finally:
            taker.end()

    async def open(self, mailbox: MailboxId, uid: UID, ref: BlobRef, search: bool) -> OpenBlob:
        loop = asyncio.get_running_loop()
        fd = await loop.run_in_executor(self._threads, self._open, mailbox, uid, ref, search)
        return OpenFile(fd, f"message {uid} of mailbox {mailbox}", self._threads)

    def _read(self, mailbox: MailboxId, uid: UID, ref: BlobRef, start: int, end: int, search: bool) -> bytes:
        fd = self._open(mailbox, uid, ref, search)
        try:
            return _read_range(fd, f"message {uid} of mailbox {mailbox}", start, end)
        finally:
            os.close(fd)

    def _open(self, mailbox: MailboxId, uid: UID, ref: BlobRef, search: bool) -> int:
        path = ref.path if isinstance(ref, FileRef) else ""
        full = f"{self._root}/{path}" if path else f"{self._spool}/{ref.key}"
        try:
            try:
                return os.open(full, READING)
            except FileNotFoundError:
                if search:
                    return self._look_for(mailbox, uid, ref, full)
                with self._settler.quiet:  # what was under way has arrived
                    raise
        except FileNotFoundError as problem:
            raise MessageMissing(f"the file of message {uid} of mailbox {mailbox} is gone ({problem})") from problem
        except OSError as problem:
            raise StoreUnavailable(f"message {uid} of mailbox {mailbox} cannot be read ({problem})") from problem

    def _look_for(self, mailbox: MailboxId, uid: UID, ref: BlobRef, path: str) -> int:
        """Open the file that is not where the index says: the settler or another tool has renamed it."""
        directory, name = os.path.split(path)
        with self._settler.quiet:
            found = list_messages(os.path.dirname(directory)).get(name.partition(":")[0])
            if self._watchman is not None and found != path:
                self._watchman.look(mailbox)
            fd = os.open(found or path, READING)
        letters = parse_file_name(os.path.basename(found or path))[3]
        if self._watchman is None and found and found.endswith("/cur/" + file_name(ref.key, ref.size, uid, letters)):
            self._resting.letters_are(mailbox, uid, letters)
        return fd


def _read_range(fd: int, what: str, start: int, end: int) -> bytes:
    """Return the bytes; all of them, for what is sent has been announced with its size."""
    try:
        data = os.pread(fd, end - start, start)
        while len(data) < end - start:
            more = os.pread(fd, end - start - len(data), start + len(data))
            if not more:
                raise MessageMissing(f"the file of {what} is shorter than it was; restore it from a backup")
            data += more
    except OSError as problem:
        raise StoreUnavailable(f"{what} cannot be read ({problem})") from problem
    return data


class OpenFile(OpenBlob):
    """A file that is open: it may be renamed or removed meanwhile."""

    def __init__(self, fd: int, what: str, threads: ThreadPoolExecutor) -> None:
        self._fd = fd
        self._what = what
        self._threads = threads

    async def read(self, start: int, end: int) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _read_range, self._fd, self._what, start, end
        )

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)  # a read that was cancelled may be under way; what it returns nobody gets
            self._fd = -1


class SpooledBlob(StagedBlob):
    """A body on its way: in memory, or in the spool once it is big."""

    def __init__(self, key: str, spool: str, threads: ThreadPoolExecutor) -> None:
        """
        Make an empty one.

        Args:
            key: Its name for all time.
            spool: The directory where it goes if it is big.
            threads: To flush it.

        """
        self.size = 0
        self.key = key
        self._spool = spool
        self._threads = threads
        self._chunks: list[bytes] = []
        self._fd: int | None = None

    @property
    def rides(self) -> bool:
        return self.size <= INLINE_LIMIT

    @property
    def _path(self) -> str:
        return f"{self._spool}/{self.key}"

    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises StoreUnavailable."""
        self.size += len(chunk)
        if self._fd is None:
            self._chunks.append(bytes(chunk))
            if self.size <= INLINE_LIMIT:
                return
        chunks, self._chunks = self._chunks or [chunk], []
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            for piece in chunks:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as problem:
            self.discard()
            raise _unwritable(self._spool, problem) from problem

    def view(self) -> memoryview:
        if self._fd is not None:
            try:
                return memoryview(mmap.mmap(self._fd, self.size, prot=mmap.PROT_READ))
            except OSError as problem:  # it has a descriptor of its own
                raise _unwritable(self._spool, problem) from problem
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return memoryview(self._chunks[0])

    def at_hand(self) -> BlobRef:
        return BlobRef(self.key, self.size, b"".join(self._chunks))

    async def finish(self) -> BlobRef:
        if self._fd is None:
            return self.at_hand()
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._flush, self._fd)
        except OSError as problem:
            raise _unwritable(self._spool, problem) from problem
        os.close(self._fd)
        self._fd = None
        return BlobRef(self.key, self.size, None)

    def _flush(self, fd: int) -> None:
        os.fsync(fd)
        fsync_path(self._spool)

    def discard(self) -> None:
        self._chunks = []
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self.size > INLINE_LIMIT:
            with contextlib.suppress(OSError):  # read-only, say; the next start clears what stays
                os.unlink(self._path)


def _unwritable(spool: str, problem: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"{spool} cannot be written ({problem}): make room or see to the disk")


__all__ = ["INLINE_LIMIT", "MaildirBlobs", "SpooledBlob"]
