"""`python -m tests.kit.disk PLAN serve …`: mailhorn on a disk that fails, or stops, where a plan says so.

Rule 1: the program is the one that is shipped; what is put in between is its way to the disk: the functions of
`os` that change files, `syncfs`, and a SQLite VFS. Rule 2: each operation that passes is a fault point with a
running number; one lock makes an order of them, and an operation is on record before it is done. Rule 3: a flush
is recorded and not done: nothing but a real power cut could tell.
"""

import builtins
import ctypes
import errno
import functools
import inspect
import io
import json
import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import apsw

BEFORE, MIDDLE, AFTER = "before", "middle", "after"


@dataclass(frozen=True)
class Plan:
    """
    What is to happen.

    Attributes:
        root: Only what lies below it counts.
        record: Where to write down every operation, None for nowhere.
        act: "kill" to be killed, "obey" to be refused as the file `armed` says as long as it exists (error, kinds
            parted by commas, and pattern, a line each), "" for nothing.
        at: The number of the operation where it happens, from 1.
        where: Of a kill: before the operation, after it, or in the middle of a write.
        over: A file. Once it exists, the next operation kills, whichever it is.
        kinds: Operations that count, empty for all that change something. "read" counts only if named.
        paths: A pattern; only files whose path it is found in count.
        armed: A file; counting begins when it exists. "": at the start.
        fired: A file that is made when it happens.
        settle_after: Seconds that messages gather before they are settled.
        checkpoint_after: Pages in SQLite's log before it is emptied.
        journal_part: Octets of each part of the journal.
        journal_parts: How many it may have.

    """

    root: str
    record: str | None = None
    act: str = ""
    at: int = 0
    where: str = BEFORE
    over: str = ""
    kinds: tuple[str, ...] = ()
    paths: str = ""
    armed: str = ""
    fired: str = ""
    settle_after: float = 0.05
    checkpoint_after: int = 300
    journal_part: int = 40_960
    journal_parts: int = 3

    def save(self, path: Path) -> None:
        """Write it down for the program."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: str) -> "Plan":
        """Read it."""
        told = json.loads(Path(path).read_text())
        return cls(**{**told, "kinds": tuple(told["kinds"])})


_open, _write, _lseek, _fstat, _stat, _kill = os.open, os.write, os.lseek, os.fstat, os.stat, os.kill
_exists = os.path.lexists
_close = os.close

SYSTEM = apsw.vfs_names()[0]
"""SQLite's own VFS."""


class Disk:
    """Counts, records, refuses and kills."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lock = threading.RLock()
        self._paths = re.compile(plan.paths)
        self._count = 0
        self._armed = not plan.armed
        self._error = ""
        self._record = (
            _open(plan.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC) if plan.record is not None else -1
        )
        self._prefix = plan.root.rstrip("/") + "/"

    def below(self, path: Any, dir_fd: int | None = None) -> str | None:
        """Return the whole path if it is one that counts."""
        if isinstance(path, int):
            return None
        text = os.fsdecode(path)
        if dir_fd is not None and not text.startswith("/"):
            text = f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{text}"
        text = os.path.normpath(os.path.join(os.getcwd(), text))
        return text if text.startswith(self._prefix) and not text.endswith("-shm") else None

    def do(
        self,
        kind: str,
        path: str,
        perform: Callable[[], Any],
        note: Callable[[], tuple[Any, ...] | None],
        half: Callable[[], None] | None = None,
        late: bool = False,
    ) -> Any:
        """
        Let one operation pass, or not.

        Args:
            kind: What it is.
            path: On which file.
            perform: Does it.
            note: Returns what is to be recorded.
            half: Does the half of it and records that.
            late: What is recorded is known only afterwards.

        """
        with self.lock:
            verdict = self._verdict(kind, path)
            if verdict == BEFORE:
                self._die()
            if verdict == MIDDLE and half is not None:
                half()
                self._die()
            if verdict == "fail":
                number = getattr(errno, self._error)
                raise OSError(number, os.strerror(number), path)
            if not late:
                self.note(note())
            result = perform()
            if late:
                self.note(note())
            if verdict:
                self._die()
            return result

    def note(self, entry: tuple[Any, ...] | None) -> None:
        """Record it."""
        if entry is not None and self._record >= 0:
            _write(self._record, pickle.dumps(entry))

    def _verdict(self, kind: str, path: str) -> str:
        plan = self.plan
        if plan.act == "obey":
            return self._ordered(kind, path)
        if plan.act == "kill" and plan.over and kind != "read" and _exists(plan.over):
            return plan.where  # whatever it is: who is killed from outside may have recorded what it has not done
        if not plan.act or (kind not in plan.kinds if plan.kinds else kind == "read"):
            return ""
        if not self._paths.search(path):
            return ""
        if not self._armed:
            self._armed = _exists(plan.armed)
            if not self._armed:
                return ""
        self._count += 1
        return plan.where if self._count == plan.at else ""

    def _ordered(self, kind: str, path: str) -> str:
        try:
            fd = _open(self.plan.armed, os.O_RDONLY)
        except FileNotFoundError:
            return ""
        error, kinds, pattern = os.read(fd, 1000).decode().split("\n")
        _close(fd)
        if kind not in kinds.split(",") or not re.search(pattern, path):
            return ""
        self._error = error
        return "fail"

    def _say(self, what: str) -> None:
        if self.plan.fired:
            fd = _open(self.plan.fired, os.O_WRONLY | os.O_CREAT, 0o600)
            _write(fd, what.encode())
            _close(fd)

    def _die(self) -> None:
        self._say(f"killed at operation {self._count}")
        _kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()


def _ino(path: str) -> int:
    return _stat(path, follow_symlinks=False).st_ino


class Files:
    """The functions of `os`, and `open`, with the disk in between."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._fds: dict[int, tuple[int, str]] = {}

    def install(self) -> None:
        """Put them in place."""
        for name in ("rename", "replace", "link"):
            self._wrap(name, functools.partial(self._two_paths, "link" if name == "link" else "rename"))
        for name in ("unlink", "remove", "rmdir"):
            self._wrap(name, functools.partial(self._one_path, "rmdir" if name == "rmdir" else "unlink"))
        for name, wrapper in {
            "open": self._open,
            "close": self._close,
            "write": self._write,
            "pwrite": self._pwrite,
            "writev": self._writev,
            "pwritev": self._pwritev,
            "pread": self._pread,
            "preadv": self._preadv,
            "mkdir": self._mkdir,
            "truncate": self._truncate,
            "ftruncate": self._truncate,
            "fsync": self._sync,
            "fdatasync": self._sync,
            "utime": self._utime,
        }.items():
            self._wrap(name, wrapper)
        real_open = builtins.open
        builtins.open = io.open = functools.partial(self._file, real_open)
        self._install_syncfs()

    def _wrap(self, name: str, wrapper: Callable[..., Any]) -> None:
        real = getattr(os, name)

        @functools.wraps(real)
        def passing(*args: Any, **named: Any) -> Any:
            return wrapper(real, *args, **named)

        for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if real in known:
                known.add(passing)
        setattr(os, name, passing)

    def _install_syncfs(self) -> None:
        disk, real_library = self._disk, ctypes.CDLL

        def syncfs(_fd: int) -> int:
            try:
                disk.do("sync", disk.plan.root, lambda: None, lambda: ("sync all",))
            except OSError as refused:
                ctypes.set_errno(refused.errno or errno.EIO)
                return -1
            return 0

        class Library:
            def __init__(self, *args: Any, **named: Any) -> None:
                self._real = real_library(*args, **named)

            def __getattr__(self, name: str) -> Any:
                return syncfs if name == "syncfs" else getattr(self._real, name)

        ctypes.CDLL = Library  # type: ignore[assignment,misc]

    def _known(self, fd: Any) -> tuple[int, str] | None:
        """Return inode and path of a file that is open, None if it is none of ours."""
        known = self._fds.get(fd) if isinstance(fd, int) else None
        if known is not None and _fstat(fd).st_ino != known[0]:
            del self._fds[fd]
            return None
        return known

    def _open(self, real: Any, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        whole = self._disk.below(path, dir_fd)
        if whole is not None:
            flags &= ~os.O_DIRECT  # what is written here comes out of any memory

        def perform() -> int:
            fd: int = real(path, flags, mode, dir_fd=dir_fd)
            return fd

        if whole is None:
            return perform()
        fd: int
        with self._disk.lock:
            if flags & os.O_TMPFILE == os.O_TMPFILE:  # a file without a name
                fd = self._disk.do("create", whole, perform, lambda: None)
                self._disk.note(("nameless", _fstat(fd).st_ino))
            elif not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                fd = self._disk.do("read", whole, perform, lambda: None)
            elif flags & os.O_CREAT and not _exists(whole):
                fd = self._disk.do("create", whole, perform, lambda: ("create", whole, _ino(whole)), late=True)
            elif flags & os.O_TRUNC:
                fd = self._disk.do("truncate", whole, perform, lambda: ("truncate", _ino(whole), 0))
            else:
                fd = perform()
            self._fds[fd] = (_fstat(fd).st_ino, whole)
            return fd

    def _close(self, real: Any, fd: int) -> None:
        self._fds.pop(fd, None)
        real(fd)

    def _write_at(self, real: Any, fd: int, data: bytes, at: int, perform: Callable[[bytes], int]) -> int:
        ino, path = self._fds[fd]

        def half() -> None:
            self._disk.note(("write", ino, at, data[: len(data) // 2]))
            perform(data[: len(data) // 2])

        written: int = self._disk.do(
            "write", path, lambda: perform(data), lambda: ("write", ino, at, data), half if data else None
        )
        return written

    def _write(self, real: Any, fd: int, data: Any) -> int:
        if self._known(fd) is None:
            written: int = real(fd, data)
            return written
        at = _lseek(fd, 0, os.SEEK_CUR)
        if os.get_blocking(fd) and self._appends(fd):
            at = _fstat(fd).st_size
        return self._write_at(real, fd, bytes(data), at, lambda piece: int(real(fd, piece)))

    def _appends(self, fd: int) -> bool:
        import fcntl

        return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)

    def _writev(self, real: Any, fd: int, buffers: Any) -> int:
        if self._known(fd) is None:
            written: int = real(fd, buffers)
            return written
        return os.write(fd, b"".join(bytes(buffer) for buffer in buffers))

    def _pwritev(self, real: Any, fd: int, buffers: Any, at: int, flags: int = 0) -> int:
        if self._known(fd) is None:
            written: int = real(fd, buffers, at, flags)
            return written
        written = os.pwrite(fd, b"".join(bytes(buffer) for buffer in buffers), at)
        if flags & (os.RWF_DSYNC | os.RWF_SYNC):
            os.fdatasync(fd)
        return written

    def _pwrite(self, real: Any, fd: int, data: Any, at: int) -> int:
        if self._known(fd) is None:
            written: int = real(fd, data, at)
            return written
        return self._write_at(real, fd, bytes(data), at, lambda piece: int(real(fd, piece, at)))

    def _pread(self, real: Any, fd: int, size: int, at: int) -> Any:
        known = self._known(fd)
        if known is None:
            return real(fd, size, at)
        return self._disk.do("read", known[1], lambda: real(fd, size, at), lambda: None)

    def _preadv(self, real: Any, fd: int, buffers: Any, at: int, flags: int = 0) -> Any:
        path = self._disk.below(os.readlink(f"/proc/self/fd/{fd}"))  # it was not opened by a function of `os`
        if path is None:
            return real(fd, buffers, at, flags)
        return self._disk.do("read", path, lambda: real(fd, buffers, at, flags), lambda: None)

    def _mkdir(self, real: Any, path: Any, *args: Any, **named: Any) -> None:
        whole = self._disk.below(path, named.get("dir_fd"))
        if whole is None or _exists(whole):
            real(path, *args, **named)
        else:
            self._disk.do(
                "mkdir", whole, lambda: real(path, *args, **named), lambda: ("mkdir", whole, _ino(whole)), late=True
            )

    def _two_paths(self, kind: str, real: Any, source: Any, target: Any, **named: Any) -> None:
        old = self._disk.below(source, named.get("src_dir_fd"))
        new = self._disk.below(target, named.get("dst_dir_fd"))
        nameless = re.fullmatch("/proc/self/fd/([0-9]+)", os.fsdecode(source))
        if nameless and new is not None:
            ino = _fstat(int(nameless[1])).st_ino
            self._disk.do(kind, new, lambda: real(source, target, **named), lambda: ("name", ino, new), late=True)
            return
        if old is None or new is None:
            real(source, target, **named)
            return
        # A refusal by the system itself (FileNotFoundError) must not be on record: hence afterwards.
        self._disk.do(kind, new, lambda: real(source, target, **named), lambda: (kind, old, new), late=True)

    def _one_path(self, kind: str, real: Any, path: Any, **named: Any) -> None:
        whole = self._disk.below(path, named.get("dir_fd"))
        if whole is None:
            real(path, **named)
        else:
            self._disk.do(kind, whole, lambda: real(path, **named), lambda: (kind, whole), late=True)

    def _truncate(self, real: Any, file: Any, size: int) -> None:
        known = self._known(file) if isinstance(file, int) else None
        path = known[1] if known is not None else self._disk.below(file)
        if path is None:
            real(file, size)
        else:
            ino = known[0] if known is not None else _ino(path)
            self._disk.do("truncate", path, lambda: real(file, size), lambda: ("truncate", ino, size))

    def _sync(self, real: Any, fd: int) -> None:
        known = self._known(fd)
        if known is None:
            real(fd)
        else:
            self._disk.do("sync", known[1], lambda: None, lambda: ("sync", known[0]))

    def _utime(self, real: Any, file: Any, *args: Any, **named: Any) -> None:
        known = self._known(file) if isinstance(file, int) else None
        path = known[1] if known is not None else self._disk.below(file, named.get("dir_fd"))
        if path is None:
            real(file, *args, **named)
        else:
            ino = known[0] if known is not None else _ino(path)
            self._disk.do(
                "utime",
                path,
                lambda: real(file, *args, **named),
                lambda: ("utime", ino, (_fstat(file) if known else _stat(path)).st_mtime),
                late=True,
            )

    def _file(self, real: Any, file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        """Be `open`: what writes does so by `os.write`."""
        path = None if isinstance(file, int) else self._disk.below(file)
        if path is None or not set(mode) & set("wax+"):
            return real(file, mode, *args, **named)
        flags = os.O_RDWR if "+" in mode else os.O_WRONLY
        flags |= {"w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "x": os.O_CREAT | os.O_EXCL}.get(
            mode[0], 0
        )
        raw = _Passing(os.open(path, flags | os.O_CLOEXEC, 0o666))
        raw.seek(0, os.SEEK_END if mode[0] == "a" else os.SEEK_SET)
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding=named.get("encoding", "utf-8"))


class _Passing(io.RawIOBase):
    """A file to write to, by `os.write`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def writable(self) -> bool:
        return True

    readable = seekable = writable

    def readinto(self, buffer: Any) -> int:
        return os.readv(self._fd, [buffer])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return _lseek(self._fd, offset, whence)

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        return os.write(self._fd, data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._fd)


class SqliteFiles(apsw.VFS):
    """SQLite's way to the disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("tests", SYSTEM, makedefault=True)
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = self._disk.below(text) if text else None
        if path is None:
            return apsw.VFSFile(SYSTEM, name, flags)
        kind = _Reading if "read" in self._disk.plan.kinds or self._disk.plan.act == "obey" else _Writing
        with self._disk.lock:
            new = not _exists(path)
            if not new:
                return kind(self._disk, name, flags, path, False)
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                return apsw.VFSFile(SYSTEM, name, flags)
            file: apsw.VFSFile = _refusing(
                apsw.CantOpenError,
                lambda: self._disk.do(
                    "create",
                    path,
                    lambda: kind(self._disk, name, flags, path, True),
                    lambda: ("create", path, _ino(path)),
                    late=True,
                ),
            )
            return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        path = self._disk.below(filename)
        if path is None or not _exists(path):
            super().xDelete(filename, syncdir)
            return
        _refusing(
            apsw.IOError,
            lambda: self._disk.do(
                "unlink",
                path,
                lambda: super(SqliteFiles, self).xDelete(filename, False),
                lambda: ("unlink", path),
                late=True,
            ),
        )
        if syncdir:
            self._disk.note(("sync", _ino(os.path.dirname(path))))


class _Writing(apsw.VFSFile):
    """One of SQLite's files."""

    def __init__(self, disk: Disk, name: Any, flags: list[int], path: str, new: bool) -> None:
        super().__init__(SYSTEM, name, flags)
        self._disk = disk
        self._path = path
        self._ino = _ino(path)
        self._entry_is_durable = not new or not path.endswith(("-wal", "-journal"))

    def xWrite(self, data: bytes, offset: int) -> None:
        def half() -> None:
            piece = bytes(data[: len(data) // 2])
            self._disk.note(("write", self._ino, offset, piece))
            super(_Writing, self).xWrite(piece, offset)

        _refusing(
            apsw.IOError,
            lambda: self._disk.do(
                "write",
                self._path,
                lambda: super(_Writing, self).xWrite(data, offset),
                lambda: ("write", self._ino, offset, bytes(data)),
                half,
            ),
        )

    def xTruncate(self, size: int) -> None:
        _refusing(
            apsw.IOError,
            lambda: self._disk.do(
                "truncate",
                self._path,
                lambda: super(_Writing, self).xTruncate(size),
                lambda: ("truncate", self._ino, size),
            ),
        )

    def xSync(self, flags: int) -> None:
        _refusing(
            apsw.IOError,
            lambda: self._disk.do("sync", self._path, lambda: None, lambda: ("sync", self._ino)),
        )
        if not self._entry_is_durable:  # as SQLite's own VFS does for a journal that it has made
            self._entry_is_durable = True
            self._disk.note(("sync", _ino(os.path.dirname(self._path))))


class _Reading(_Writing):
    """The same, where reading may fail as well."""

    def xRead(self, amount: int, offset: int) -> bytes:
        data: bytes = _refusing(
            apsw.IOError,
            lambda: self._disk.do(
                "read", self._path, lambda: super(_Reading, self).xRead(amount, offset), lambda: None
            ),
        )
        return data


def _refusing(kind: type[apsw.Error], act: Callable[[], Any]) -> Any:
    """Do it; an OSError becomes what SQLite's own VFS would have said."""
    try:
        return act()
    except OSError as problem:
        refused = apsw.FullError if problem.errno == errno.ENOSPC and kind is apsw.IOError else kind
        raise refused(problem.strerror) from None


def _by_the_system(place: type[Any]) -> None:
    """Have what the system would write by itself written by a thread, with the functions of `os`."""
    outcomes: dict[Any, int] = {}

    def write(self: Any, fd: int, address: int, octets: int, at: int) -> None:
        data = ctypes.string_at(address, octets)

        def perform() -> None:
            try:
                outcomes[self] = os.pwritev(fd, (data,), at, os.RWF_DSYNC)
            except OSError as refused:
                outcomes[self] = -(refused.errno or errno.EIO)
            os.eventfd_write(self.fileno(), 1)

        threading.Thread(target=perform, daemon=True).start()

    place.write = write
    place._outcome = lambda self: outcomes.pop(self)


def main() -> None:
    """Put the disk in between, then be mailhorn."""
    plan = Plan.load(sys.argv[1])
    from mailhorn.store import aio, journal
    from mailhorn.store.blobs.maildir import MaildirBlobs
    from mailhorn.store.index import database, writer

    real_init = MaildirBlobs.__init__
    if "delay" in inspect.signature(real_init).parameters:

        def init(self: MaildirBlobs, *args: Any, **named: Any) -> None:
            real_init(self, *args, **{"delay": plan.settle_after, **named})

        MaildirBlobs.__init__ = init  # type: ignore[method-assign]
    writer.WAL_PAGES = plan.checkpoint_after  # type: ignore[attr-defined]
    journal.PART = plan.journal_part
    journal.PARTS = plan.journal_parts
    journal.KEPT = plan.journal_part
    database.WAL_SIZE = plan.checkpoint_after * 4_120
    disk = Disk(plan)
    Files(disk).install()
    vfs = SqliteFiles(disk)
    _by_the_system(aio.Aio)
    from mailhorn.cli.main import main as mailhorn

    sys.argv = ["mailhorn", *sys.argv[2:]]
    try:
        mailhorn()
    finally:
        del vfs


if __name__ == "__main__":
    main()
