"""What other tools do in the Maildirs: noticed, put into the index, told.

Rule 1: an event is a hint and a name; what is so is what the disk says and the index says, compared. Rule 2: first
without a lock, because almost every name is the settler's doing and fits the index already; what does not fit is
looked at again under the settler's `quiet`, and only what does not fit then is somebody else's. Rule 3: a message
is gone only if it was at rest, its file is not there, and its directory is signed as ours. Rule 4: what was noticed
is durable before it is told, and nothing is answered by it.

It has a thread of its own: neither the event loop nor a delivery ever waits for it.
"""

import asyncio
import contextlib
import errno
import math
import os
import select
import stat
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeVar

import msgspec
import structlog

from ..model.flags import flag_set
from ..model.ids import MAX_UID, AccountId, MailboxId
from ..model.mailbox import INBOX
from ..model.message import Digest
from .abc import Dropped, FolderAt, KnownFile, Outside, Relettered, StoreError, StoreUnavailable, Vanished
from .inotify import CAME, CREATE, IGNORED, IS_DIRECTORY, MOVED_SELF, ONLY_DIRECTORY, OVERFLOW, WENT, WRITTEN, Inotify
from .intake import plain_letters, prepare, safe_key
from .names import InvalidName, file_name, flags_of_letters, folder_of, login_of, mailbox_of, parse_file_name
from .settle import MAILBOX_FILE, Flusher, Keywords, Places, read_settings, sign, write_file

How = Literal["inotify", "scan"]

GATHER = 0.1
"""Seconds to let events gather: a tool that renames a thousand files costs ten looks, not a thousand."""

AGAIN = 1.0
"""Seconds until what cannot be judged yet (its settling is under way) is looked at again."""

RETRY = 10.0
"""Seconds until the next attempt when the disk or the index refuses."""

SLICE = 0.005
"""Seconds of a sweep in one go; it is the interpreter's own time slice, so the event loop does not notice."""

REST = 0.01
"""Seconds between two slices: a sweep of the whole server takes a third of a core, and not for long."""

BATCH = 200
"""New files of one folder that are taken in together, while the settler waits."""

TURN = 1.0
"""Seconds that new files of one folder may take before others are looked at: of a whole folder brought back there are
many, and each look at it costs as much as the folder is big."""

BLURRED = 2_000_000_000
"""Nanoseconds for which a directory's time may not tell its last change: file systems count in ticks, up to 2 s."""

NAMES = 500
"""Names that are compared together and then let go of: what 100,000 of them take is not given back in one go, for which
all others would have to wait 5 ms and more."""

PAGE = 500
"""Folders asked of the index at once."""

MAX_TRIES = 30
"""Looks at a new directory that has no `cur` yet: half a minute for a tool to make it."""

MAX_COMPLAINTS = 1_000
"""Things of which is remembered that they were complained about."""

FOLDER_MASK = CAME | WENT | WRITTEN | MOVED_SELF | ONLY_DIRECTORY
HOME_MASK = CAME | WENT | ONLY_DIRECTORY

CUR, NEW, HOME, ROOT = range(4)
PARTS = ("cur", "new")

T = TypeVar("T")

log = structlog.get_logger("mailhorn.maildir")


@dataclass(frozen=True, slots=True)
class Noticing:
    """
    How to notice.

    Attributes:
        how: By inotify, or by looking at the times of all directories now and then.
        every: Seconds between two such scans, of all folders or of those inotify cannot watch.

    """

    how: How = "inotify"
    every: float = 300.0


class Suspect(msgspec.Struct, frozen=True, gc=False):
    """A file that is not called as the index knows it; as many as `KnownFile`."""

    part: str
    name: str
    key: str
    uid: int | None
    letters: str


@dataclass(slots=True)
class Differences:
    """What a folder and the index do not agree about."""

    suspects: list[Suspect] = field(default_factory=list)
    missing: list[KnownFile] = field(default_factory=list)
    unsure: dict[tuple[int, str], int] = field(default_factory=dict)
    """Names, with their events, of messages that are on their way."""
    written: list[KnownFile] = field(default_factory=list)
    """Messages whose files were written to."""


class Watchman:
    """The thread that notices."""

    def __init__(
        self,
        outside: Outside,
        places: Places,
        quiet: threading.Lock,
        digest_of: Callable[[memoryview], Digest],
        noticing: Noticing,
    ) -> None:
        """
        Make it; `start` before use.

        Args:
            outside: The index.
            places: Where the Maildirs are.
            quiet: The settler's lock: who holds it finds files where the index says.
            digest_of: Computes what FETCH needs of a message; runs in this thread.
            noticing: How, and how often.

        """
        self._outside = outside
        self._places = places
        self._root = str(places.root)
        self._quiet = quiet
        self._digest_of = digest_of
        self._noticing = noticing
        self._inotify: Inotify | None = None
        self._full = False
        self._watches = array("q", [0])
        """By number of the watch: four times the MailboxId, and which of its directories it is."""
        self._hints: dict[int, dict[tuple[int, str], int]] = {}
        """Names in folders, and what was told of them."""
        self._whole: dict[int, None] = {}
        """Folders to be compared name by name."""
        self._homes: dict[int, int] = {}
        """Accounts, by their INBOX, to be searched for new folders, and how often that was done in vain."""
        self._strangers: dict[str, int] = {}
        """New directories beside the accounts, and how often they were looked at in vain."""
        self._sweep: Iterator[None] | None = None
        self._times: dict[str, tuple[int, int]] = {}
        """What the directories' times were, of folders that inotify does not watch."""
        self._complaints: set[str] = set()
        self._due: float | None = None
        self._asked: deque[tuple[bool, int]] = deque()
        self._filed: deque[list[tuple[MailboxId, str]]] = deque()
        self._filed_before: list[list[tuple[MailboxId, str]]] = []
        """Of the look before; their events may only have come since."""
        self._closing = False
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ring, False)
        self._looks = 0
        self.looked: Callable[[int], None] = lambda looks: None
        """Called in the thread whenever nothing is left to look at, with how often that was."""
        self._thread = threading.Thread(target=self._run, name="mailhorn-watchman", daemon=True)

    # other threads

    def start(
        self, loop: asyncio.AbstractEventLoop, doubts: Callable[[MailboxId | None], bool] = lambda mailbox: False
    ) -> None:
        """
        Begin: look at all folders once, then notice.

        Args:
            loop: The one the index lives in.
            doubts: Whether, after a crash or when the disk has refused, the settler has not yet done again what
                nobody noted of this mailbox (None: of any one); until then the files tell what we did ourselves.

        """
        self._loop = loop
        self._doubts = doubts
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    def close(self) -> None:
        """Let go of everything, when nobody calls any more."""
        self._outside.close()
        os.close(self._ring)
        os.close(self._bell)

    def look(self, mailbox: MailboxId) -> None:
        """Compare a folder soon: somebody did not find a file, or found it called otherwise."""
        self._asked.append((True, mailbox))
        self._wake()

    def placed(self, mailboxes: list[MailboxId]) -> None:
        """Take note that mailboxes have directories now."""
        self._asked.extend((False, mailbox) for mailbox in mailboxes)
        self._wake()

    def filed(self, files: list[tuple[MailboxId, str]]) -> None:
        """Take note of files that the settler made: that they came is no news. It holds its lock meanwhile."""
        if self._inotify is not None:
            self._filed.append(files)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # then it is ringing
            os.write(self._ring, b".")

    def remember(self) -> None:
        """
        Write down the times of all directories, when everything is at rest: what changes from now on shows.

        Only what was compared is remembered, and only if it was not changed just now.
        """
        if not self._all_seen:
            return
        watched = self._inotify is not None and not self._full
        lines = []
        after = 0
        while found := self._outside.folders(after, PAGE):
            after = found[-1].mailbox
            for folder in found:
                if folder.mailbox in self._whole or folder.mailbox in self._hints:
                    continue
                times = self._times_of(folder.dir) if watched else self._times.get(folder.dir)
                if times is not None and max(times) < self._last_look - BLURRED:
                    lines.append(f"{times[0]} {times[1]} {folder.dir}\n")
        write_file(self._places.times, "".join(lines).encode())

    # the thread

    def _run(self) -> None:
        self._flusher = Flusher(self._places.root)
        try:
            while self._doubts(None) and not self._closing:
                self._pause(GATHER)
            self._open()
            failing = False
            while not self._closing:
                try:
                    self._turn()
                    if failing and self._due is None and self._sweep is None:
                        log.warning("the Maildirs are looked at again")
                        failing = False
                except Exception as problem:
                    if self._closing:
                        break
                    if not failing:
                        ours = not isinstance(problem, OSError | StoreError)
                        log.error(
                            "the Maildirs cannot be looked at, will retry",
                            problem=str(problem) or repr(problem),
                            exc_info=problem if ours else None,
                        )
                    failing = True
                    if self._sweep is not None:
                        self._sweep = self._look_at_all()
                    self._soon()
                    self._pause(RETRY)
            self._last_look = time.time_ns()
            try:
                if self._inotify is not None:
                    self._take_events(self._inotify)
                self._look()
            except (OSError, StoreError):
                self._all_seen = False  # the next start looks at everything
        finally:
            self._flusher.close()
            if self._inotify is not None:
                self._inotify.close()

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._closing and (left := end - time.monotonic()) > 0:
            _poll([self._bell], left)
            self._hear()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell, 4096)

    def _open(self) -> None:
        """Begin to watch, and have everything looked at once."""
        if self._noticing.how == "inotify":
            try:
                self._inotify = Inotify()
                self._register(ROOT, self._inotify.watch(self._root, HOME_MASK))
            except OSError as problem:
                self._cannot_watch(problem)
        with contextlib.suppress(OSError, ValueError):
            text = self._places.times.read_text("utf-8", "surrogateescape")
            self._places.times.unlink()
            for line in text.splitlines():
                cur, new, directory = line.split(" ", 2)
                self._times[directory] = int(cur), int(new)
        self._sweep = self._look_at_all()

    def _cannot_watch(self, problem: OSError) -> None:
        """Say it once, and what to do."""
        if self._full:
            return
        self._full = True
        advice = {
            errno.ENOSPC: "raise fs.inotify.max_user_watches (sysctl) to three times the number of mailboxes",
            errno.EMFILE: "raise fs.inotify.max_user_instances (sysctl)",
            errno.EACCES: "see to its permissions",
            errno.ENOTDIR: "it is no directory",
        }.get(problem.errno or 0, 'set maildir.notice to "scan" if this system has no inotify')
        log.warning(
            f"not every Maildir can be watched, the others are looked at every {self._noticing.every:g} s: {advice}",
            problem=str(problem),
        )

    def _turn(self) -> None:
        self._wait()
        self._take_requests()
        if self._inotify is not None and (self._due is None or time.monotonic() >= self._due):
            self._take_events(self._inotify)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._look()
        if self._sweep is not None:
            end = time.monotonic() + SLICE
            while self._sweep is not None and time.monotonic() < end:
                if next(self._sweep, self) is self:
                    self._sweep = None
                    self._all_seen = True
                    self._next_scan = time.monotonic() + self._noticing.every
        if self._due is None and self._sweep is None:
            self._looks += 1
            self.looked(self._looks)

    _next_scan = float("inf")
    _all_seen = False
    _last_look = 0

    def _wait(self) -> None:
        """Sleep until there is something to do."""
        fds = [self._bell]
        now = time.monotonic()
        if self._sweep is not None:
            timeout = REST
        elif self._due is not None:
            timeout = self._due - now
        else:
            timeout = None
            if self._inotify is None or self._full:
                timeout = self._next_scan - now
        if self._due is None and self._inotify is not None:
            fds.append(self._inotify.fd)
        ready = _poll(fds, timeout)
        if self._bell in ready:
            self._hear()
        if len(fds) == 2 and fds[1] in ready:
            self._soon()
        if self._sweep is None and now >= self._next_scan and (self._inotify is None or self._full):
            self._sweep = self._look_at_all()

    def _soon(self, delay: float = GATHER) -> None:
        due = time.monotonic() + delay
        if self._due is None or due < self._due:
            self._due = due

    def _take_requests(self) -> None:
        while self._asked:
            whole, mailbox = self._asked.popleft()
            if whole:
                self._whole[mailbox] = None
                self._soon()
            else:
                folder = self._outside.folder(MailboxId(mailbox))
                if folder is not None and self._watch(folder):
                    self._whole[mailbox] = None
                    self._soon(0.0)

    def _take_events(self, inotify: Inotify) -> None:
        """Sort what the kernel tells by mailbox."""
        watches, hints = self._watches, self._hints
        mailbox, names = -1, {}
        for number, mask, raw in inotify.read():
            if mask & OVERFLOW:
                log.warning("so much happened in the Maildirs that all of them are looked at again")
                self._sweep, self._all_seen = self._look_at_all(), False
                self._times.clear()
                continue
            what = watches[number] if number < len(watches) else 0
            part = what & 3
            if mask & (IGNORED | MOVED_SELF):  # another directory may be called so now
                if number < len(watches):
                    watches[number] = 0
                if what and part in (CUR, NEW):
                    self._asked.append((False, what >> 2))
                continue
            if part < HOME:
                if what >> 2 != mailbox:
                    mailbox = what >> 2
                    names = hints.setdefault(mailbox, {})
                name = os.fsdecode(raw)
                names[part, name] = names.get((part, name), 0) | mask
            elif mask & IS_DIRECTORY and mask & CAME and what:
                if part == ROOT:
                    self._strangers[os.fsdecode(raw)] = 0
                elif raw.startswith(b"."):
                    self._homes[what >> 2] = 0
        hints.pop(0, None)
        if self._asked:
            self._take_requests()
        if (hints or self._homes or self._strangers) and self._due is None:
            self._soon()

    # watching

    def _register(self, what: int, number: int) -> bool:
        """Note what a watch is for; return whether it is new."""
        watches = self._watches
        if number >= len(watches):
            watches.extend([0] * (number + 1 - len(watches)))
        new = watches[number] != what
        watches[number] = what
        return new

    def _watch(self, folder: FolderAt) -> bool:
        """Watch a folder; return whether it has to be compared, because until now nobody did."""
        inotify = self._inotify
        if inotify is None:
            return True
        path = f"{self._root}/{folder.dir}"
        new = False
        try:
            for part in (CUR, NEW):
                new |= self._register(folder.mailbox * 4 + part, inotify.watch(f"{path}/{PARTS[part]}", FOLDER_MASK))
            if folder.name == INBOX:
                new |= self._register(folder.mailbox * 4 + HOME, inotify.watch(path, HOME_MASK))
        except OSError as problem:
            if problem.errno != errno.ENOENT:
                self._cannot_watch(problem)
            return True
        return new

    # looking

    def _times_of(self, directory: str) -> tuple[int, int] | None:
        try:
            return (
                os.stat(f"{self._root}/{directory}/cur").st_mtime_ns,
                os.stat(f"{self._root}/{directory}/new").st_mtime_ns,
            )
        except OSError:
            return None

    def _look_at_all(self) -> Iterator[None]:
        """Watch every folder, and compare those whose directories have changed."""
        after = 0
        by_time = self._times
        lasting = self._inotify is None
        self._times = {}
        while found := self._outside.folders(after, PAGE):
            after = found[-1].mailbox
            for folder in found:
                watched = not lasting
                if watched:
                    self._watch(folder)
                    watched = not self._full
                times = self._times_of(folder.dir)
                if times is None or by_time.get(folder.dir) != times:
                    self._compare_all(folder)
                if not watched and times is not None and max(times) < time.time_ns() - BLURRED:
                    self._times[folder.dir] = times
                if folder.name == INBOX:
                    self._homes[folder.mailbox] = MAX_TRIES
                    self._look_for_folders()
                yield
        with contextlib.suppress(OSError):
            for name in os.listdir(self._root):
                if not name.startswith(".") and self._outside.folder_at(name) is None:
                    self._strangers[name] = MAX_TRIES
                    self._look_at_strangers()
                yield

    def _look(self) -> None:
        """Judge all that was hinted at."""
        self._forget_the_settlers()
        self._look_at_strangers()
        self._look_for_folders()
        hints, self._hints = self._hints, {}
        whole, self._whole = self._whole, {}
        try:
            self._judge(hints, whole)
        except BaseException:
            self._whole |= dict.fromkeys([*hints, *whole])  # nothing of it is lost
            raise

    def _judge(self, hints: dict[int, dict[tuple[int, str], int]], whole: dict[int, None]) -> None:
        found: list[tuple[FolderAt, Differences]] = []
        for mailbox in hints.keys() | whole.keys():
            folder = self._outside.folder(MailboxId(mailbox))
            if folder is None:
                continue
            differences = self._differences(folder, None if mailbox in whole else hints[mailbox])
            if differences is not None:
                found.append((folder, differences))
        self._settle_differences(found)

    def _forget_the_settlers(self) -> None:
        """Drop the hints at files that the settler made: almost all there are, so that most mail costs no look."""
        with self._quiet:  # a round that is under way has not told yet what it made
            pass
        told = [self._filed.popleft() for _ in range(len(self._filed))]
        hints = self._hints
        for files in (*self._filed_before, *told):
            for mailbox, name in files:
                names = hints.get(mailbox)
                if names is not None and not names.get((CUR, name), WENT) & ~CAME:
                    del names[CUR, name]
                    if not names:
                        del hints[mailbox]
        self._filed_before = told

    def _compare_all(self, folder: FolderAt) -> None:
        differences = self._differences(folder, None)
        if differences is not None:
            self._settle_differences([(folder, differences)])

    def _settle_differences(self, found: list[tuple[FolderAt, Differences]]) -> None:
        gone = {(file.key, file.size): file for _, differences in found for file in differences.missing}
        for folder, differences in sorted(found, key=lambda one: not one[1].suspects):  # there before gone here
            if differences.unsure:
                self._hint(folder.mailbox, differences.unsure)
            for file in differences.written:
                self._check_size(folder, file)
            if not differences.suspects and not differences.missing:
                continue
            try:
                self._reconcile(folder, differences, gone)
            except StoreUnavailable:
                self._hint_all(folder.mailbox)
                if self._closing:
                    return
                raise
            except FileNotFoundError:  # a file was called otherwise once more just now
                self._hint_all(folder.mailbox)
            except OSError as problem:
                self._complain("a folder cannot be read; see to its permissions", folder.dir, problem)

    def _hint(self, mailbox: int, names: dict[tuple[int, str], int]) -> None:
        """Look at these again in a while."""
        there = self._hints.setdefault(mailbox, {})
        for name, mask in names.items():
            there[name] = there.get(name, 0) | mask
        self._soon(AGAIN)

    def _hint_all(self, mailbox: int) -> None:
        self._whole[mailbox] = None
        self._soon(AGAIN)

    # comparing without a lock

    def _differences(self, folder: FolderAt, hints: dict[tuple[int, str], int] | None) -> Differences | None:
        """Return what does not fit, None if the folder is not there to look at."""
        path = f"{self._root}/{folder.dir}"
        try:
            return self._compare_names(folder, path, hints) if hints is not None else self._compare(folder, path)
        except (FileNotFoundError, NotADirectoryError):
            if self._outside.folder(folder.mailbox) == folder and self._signature(folder.dir)[0] != folder.uid_validity:
                self._complain(
                    "the folder of a mailbox is gone: bring it back, or delete the mailbox with a mail program",
                    folder.dir,
                )
            return None
        except OSError as problem:  # the others are looked at; this one is again with the next scan
            self._complain("a folder cannot be read; see to its permissions", folder.dir, problem)
            return None

    def _compare(self, folder: FolderAt, path: str) -> Differences:
        """Compare name by name."""
        cur = set(os.listdir(f"{path}/cur"))
        new: list[str] = []
        with contextlib.suppress(FileNotFoundError):  # a tool has taken it away, or the mailbox is being deleted
            new = os.listdir(f"{path}/new")
        found = Differences()
        for file in self._outside.known_files(folder.mailbox):
            if file.letters is not None:
                name = file_name(file.key, file.size, file.uid, file.letters)
                if name in cur:
                    cur.discard(name)
                else:
                    found.missing.append(file)
        for part, names in ((CUR, cur), (NEW, new)):
            for name in names:
                self._suspect(found, part, name)
        return found

    def _suspect(self, found: Differences, part: int, name: str) -> None:
        if name[0] != ".":
            key, _, uid, letters = parse_file_name(name)
            found.suspects.append(Suspect(PARTS[part], name, safe_key(key), uid, letters))

    def _compare_names(self, folder: FolderAt, path: str, hints: dict[tuple[int, str], int]) -> Differences:
        """Compare the names that were hinted at, which are the settler's almost always; they are let go of."""
        found = Differences()
        while hints:
            some = list(islice(hints.items(), NAMES))
            for hint, _ in some:
                del hints[hint]
            self._compare_some(folder, path, some, found)
        return found

    def _compare_some(
        self, folder: FolderAt, path: str, hints: Sequence[tuple[tuple[int, str], int]], found: Differences
    ) -> None:
        parsed = [(part, name, mask, parse_file_name(name)) for (part, name), mask in hints if name[0] != "."]
        known = self._outside.known(folder.mailbox, [uid for *_, (_, _, uid, _) in parsed if uid is not None])
        for part, name, mask, (key, _, uid, letters) in parsed:
            file = known.get(uid or 0)
            if file is not None and file.letters is None:
                if file.key in ("", key):
                    found.unsure[part, name] = mask
                    continue
            elif (
                file is not None
                and part == CUR
                and name == file_name(file.key, file.size, file.uid, file.letters or "")
            ):
                if mask & WENT and not os.path.lexists(f"{path}/cur/{name}"):
                    found.missing.append(file)
                elif mask & WRITTEN:
                    found.written.append(file)
                continue
            if mask & (CAME | WRITTEN) and os.path.lexists(f"{path}/{PARTS[part]}/{name}"):
                found.suspects.append(Suspect(PARTS[part], name, safe_key(key), uid, letters))

    # deciding under the lock

    def _signature(self, directory: str) -> tuple[int, int]:
        """Return whose directory it is, and since which UID."""
        said = read_settings(f"{self._root}/{directory}/{MAILBOX_FILE}")
        return said.get("uid_validity", 0), said.get("since", 0)

    def _reconcile(self, folder: FolderAt, differences: Differences, gone: dict[tuple[str, int], KnownFile]) -> None:
        """Make the index say what the folder says."""
        path = f"{self._root}/{folder.dir}"
        keywords = Keywords.load(path)
        missing_keys = {file.key for file in differences.missing}
        known = self._outside.known(folder.mailbox, [s.uid for s in differences.suspects if s.uid is not None])
        strangers: list[Suspect] = []
        part = Differences(missing=differences.missing)
        for suspect in sorted(differences.suspects, key=lambda s: s.name):
            file = known.get(suspect.uid or 0)
            new = suspect.key not in missing_keys and (file is None or file.key not in ("", suspect.key))
            (strangers if new else part.suspects).append(suspect)
        end = time.monotonic() + TURN
        for at in range(0, len(strangers) or 1, BATCH):
            began = time.monotonic()
            if at and (self._closing or began >= end):
                self._whole[folder.mailbox] = None
                self._soon(0.0)
                return
            batch = strangers[at : at + BATCH]
            part.suspects += batch
            ready: dict[tuple[str, str], tuple[os.stat_result, Dropped]] = {}
            for suspect in batch:
                prepared = self._prepare(folder, path, suspect, keywords, gone)
                if prepared is not None:
                    ready[suspect.part, suspect.name] = prepared
            with self._quiet:
                if self._outside.folder(folder.mailbox) != folder:
                    return
                if self._doubts(folder.mailbox):
                    self._whole[folder.mailbox] = None
                    self._soon(RETRY)
                    return
                owner, since = self._signature(folder.dir)
                if owner not in (0, folder.uid_validity):
                    self._complain("a folder is another mailbox's copy; it is left alone", folder.dir)
                    return
                since = since if owner == folder.uid_validity else MAX_UID
                self._decide(folder, path, part, ready, since, keywords)
            part = Differences()
            if at + BATCH < len(strangers):
                time.sleep(min(time.monotonic() - began, GATHER))  # half of a core is the event loop's

    def _decide(
        self,
        folder: FolderAt,
        path: str,
        differences: Differences,
        ready: dict[tuple[str, str], tuple[os.stat_result, Dropped]],
        since: int,
        keywords: Keywords,
    ) -> None:
        known = self._outside.known(
            folder.mailbox,
            {s.uid for s in differences.suspects if s.uid is not None} | {file.uid for file in differences.missing},
        )
        absent = {
            file.uid: file
            for uid in {file.uid for file in differences.missing} | {s.uid for s in differences.suspects if s.uid}
            if (file := known.get(uid)) is not None
            and file.letters is not None
            and not os.path.lexists(f"{path}/cur/{file_name(file.key, file.size, file.uid, file.letters)}")
        }
        by_key: dict[str, list[KnownFile]] = {}
        for file in absent.values():
            by_key.setdefault(file.key, []).append(file)
        relettered: list[Relettered] = []
        dropped: list[tuple[Suspect, Dropped]] = []

        def judge(suspect: Suspect) -> None:
            """Say what a file that is not called as expected is: a message under another name, or a new one."""
            now = f"{path}/{suspect.part}/{suspect.name}"
            if not os.path.lexists(now):
                return
            file = known.get(suspect.uid or 0)
            if file is not None and file.key in ("", suspect.key) and file.letters is None:
                return  # on its way, in or out
            if file is not None and file.letters is not None and suspect.part == "cur":
                if suspect.name == file_name(file.key, file.size, file.uid, file.letters):
                    return  # noted meanwhile
            same = by_key.get(suspect.key)
            if same:
                file = next((one for one in same if one.uid == suspect.uid), same[0])
                same.remove(file)
                del absent[file.uid]
                relettered.append(self._reletter(path, suspect, file, keywords))
            elif (suspect.part, suspect.name) in ready:
                before, drop = ready[suspect.part, suspect.name]
                status = os.lstat(now)
                if (status.st_ino, status.st_size, status.st_mtime_ns) == (
                    before.st_ino,
                    before.st_size,
                    before.st_mtime_ns,
                ):
                    dropped.append((suspect, drop))
                else:
                    self._hint(folder.mailbox, {(PARTS.index(suspect.part), suspect.name): CREATE})

        for suspect in sorted(differences.suspects, key=lambda s: s.name):
            judge(suspect)
        if absent:
            others = []
            for part in PARTS:
                for name in self._list(f"{path}/{part}"):
                    key, _, uid, letters = parse_file_name(name)
                    if safe_key(key) in by_key:
                        others.append(Suspect(part, name, safe_key(key), uid, letters))
            known |= self._outside.known(folder.mailbox, {s.uid for s in others if s.uid is not None})
            for suspect in others:
                judge(suspect)
        vanished = [Vanished(file.uid, file.letters or "") for file in absent.values() if file.uid >= since]
        if len(vanished) < len(absent):
            self._complain(
                "the folder of a mailbox was lost; of its messages that are not in it any more only the index knows: "
                "bring them back, or delete them with a mail program",
                folder.dir,
            )
        if dropped or relettered or vanished:
            self._take_in(folder, path, dropped, relettered, vanished)

    def _take_in(
        self,
        folder: FolderAt,
        path: str,
        dropped: list[tuple[Suspect, Dropped]],
        relettered: Sequence[Relettered],
        vanished: Sequence[Vanished],
    ) -> None:
        """Have the index say it; then new files are called as it calls them."""
        if dropped:
            dropped.sort(key=lambda one: (one[1].internal_date, one[0].name))
            self._flusher.flush()
        uids = self._run_in_loop(
            self._outside.take_in(folder.mailbox, [drop for _, drop in dropped], relettered, vanished)
        )
        for uid, (suspect, drop) in zip(uids, dropped, strict=True):
            name = file_name(drop.key, drop.size, uid, drop.letters)
            try:
                os.rename(f"{path}/{suspect.part}/{suspect.name}", f"{path}/cur/{name}")
            except FileNotFoundError:  # moved on meanwhile
                self._hint_all(folder.mailbox)
        log.info(
            "other tools changed a folder",
            folder=folder.dir,
            new=len(dropped),
            renamed=len(relettered),
            gone=len(vanished),
        )

    def _prepare(
        self,
        folder: FolderAt,
        path: str,
        suspect: Suspect,
        keywords: Keywords,
        gone: dict[tuple[str, int], KnownFile],
    ) -> tuple[os.stat_result, Dropped] | None:
        """Read a new file; None if it is none, or cannot be read."""
        where = f"{path}/{suspect.part}/{suspect.name}"
        try:
            if not stat.S_ISREG(os.lstat(where).st_mode):
                return None
            prepared = prepare(where, self._places.spool, self._digest_of)
            status = os.lstat(where)
        except FileNotFoundError:
            return None
        except OSError as problem:
            self._complain("a file cannot be taken in; see to its permissions", f"{folder.dir}/{suspect.name}", problem)
            return None
        flags = [*flags_of_letters(suspect.letters), *keywords.flags(suspect.letters)]
        came_from = gone.get((suspect.key, prepared.size))
        if came_from is not None:  # letters of keywords mean something else in every folder
            flags = [flag for flag in flags if flag.startswith("\\") or flag == "$Forwarded"]
            flags += [flag for flag in came_from.flags.split() if not flag.startswith("\\")]
        return status, Dropped(
            suspect.key,
            prepared.size,
            plain_letters(suspect.letters),
            flag_set(flags),
            prepared.internal_date,
            prepared.digest,
        )

    def _reletter(self, path: str, suspect: Suspect, file: KnownFile, keywords: Keywords) -> Relettered:
        """Return what a message's file says now, after giving it the name that says just that."""
        letters = plain_letters(suspect.letters)
        before = file.letters or ""
        was = flag_set([*flags_of_letters(before), *keywords.flags(before)])
        is_now = flag_set([*flags_of_letters(letters), *keywords.flags(letters)])
        wanted = f"{path}/cur/{file_name(file.key, file.size, file.uid, letters)}"
        now = f"{path}/{suspect.part}/{suspect.name}"
        if now != wanted:
            os.rename(now, wanted)
        return Relettered(file.uid, before, letters, is_now - was, was - is_now)

    def _list(self, path: str) -> list[str]:
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def _check_size(self, folder: FolderAt, file: KnownFile) -> None:
        """Say that a message was changed, which nobody may do: clients keep what they were once told."""
        path = f"{folder.dir}/cur/{file_name(file.key, file.size, file.uid, file.letters or '')}"
        with contextlib.suppress(FileNotFoundError):
            size = os.stat(f"{self._root}/{path}").st_size
            if size != file.size:
                self._complain(
                    f"a message was changed by another tool, it has {size} octets and had {file.size}: "
                    "restore it from a backup",
                    path,
                )

    def _run_in_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # new directories

    def _look_for_folders(self) -> None:
        """Make mailboxes of directories that other tools made in the accounts'."""
        homes, self._homes = self._homes, {}
        for inbox, tries in homes.items():
            home = self._outside.folder(MailboxId(inbox))
            if home is None:
                continue
            again = False
            try:
                names = self._list(f"{self._root}/{home.dir}")
            except OSError as problem:
                self._complain("a folder cannot be read; see to its permissions", home.dir, problem)
                continue
            for name in names:
                directory = f"{home.dir}/{name}"
                if name[0] != ".":
                    continue
                if (known := self._outside.folder_at(directory)) is not None:
                    if tries == 0:
                        self._watch_again(known)
                    continue
                if os.path.isdir(f"{self._root}/{directory}/cur"):
                    again |= not self._claim_folder(home.account, directory, name)
                else:
                    again |= os.path.isdir(f"{self._root}/{directory}")
            if again and tries < MAX_TRIES:
                self._homes[inbox] = tries + 1
                self._soon(AGAIN)

    def _claim_folder(self, account: AccountId, directory: str, folder: str) -> bool:
        """Make a mailbox of a directory, or follow one that was renamed; return False if it is too early."""
        try:
            name = mailbox_of(folder)
        except InvalidName as problem:
            self._complain("a folder is left out", directory, problem)
            return True
        with self._quiet:
            if self._outside.folder_at(directory) is not None:
                return True
            owner, _ = self._signature(directory)
            former = self._outside.signed(account, owner) if owner else None
            if former is not None and (not os.path.isdir(f"{self._root}/{former.dir}/cur") or self._made_anew(former)):
                home = directory.partition("/")[0]
                if former.name != name and former.dir != f"{home}/{folder_of(former.name)}":
                    return False  # it is being renamed by a client, too
                mailbox = self._run_in_loop(self._outside.moved(former.mailbox, name, directory))
                if mailbox is not None:
                    self._bring_over(former.dir, directory)
            else:
                mailbox = self._run_in_loop(self._outside.claim(account, name, directory))
                self._sign(mailbox)
        if mailbox is None:
            return False
        log.info("another tool made a mailbox", folder=directory)
        self._begin_with(mailbox)
        return True

    def _made_anew(self, folder: FolderAt) -> bool:
        """Return whether the settler found the directory gone, and made it again."""
        owner, since = self._signature(folder.dir)
        return owner != folder.uid_validity or since > 0

    def _bring_over(self, old: str, new: str) -> None:
        """Move what was put into a directory while it was not known that it is called otherwise now."""
        for part in PARTS:
            for name in self._list(f"{self._root}/{old}/{part}"):
                os.rename(f"{self._root}/{old}/{part}/{name}", f"{self._root}/{new}/{part}/{name}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{self._root}/{old}", self._places.trash / f"renamed-{time.time_ns()}")

    def _sign(self, mailbox: MailboxId | None) -> None:
        """Sign a directory as the mailbox's; it may be a copy of another one's."""
        folder = None if mailbox is None else self._outside.folder(mailbox)
        if folder is not None:
            sign(f"{self._root}/{folder.dir}", folder.uid_validity, 1)

    def _look_at_strangers(self) -> None:
        """Take in directories that other tools made for accounts that have none yet."""
        strangers, self._strangers = self._strangers, {}
        for name, tries in strangers.items():
            try:
                inbox = self._outside.inbox_of(login_of(name))
            except InvalidName:
                continue
            if not os.path.isdir(f"{self._root}/{name}/cur"):
                if tries < MAX_TRIES and os.path.isdir(f"{self._root}/{name}"):
                    self._strangers[name] = tries + 1
                    self._soon(AGAIN)
                continue
            with self._quiet:
                if (known := self._outside.folder_at(name)) is not None:
                    self._watch_again(known)
                    continue
                if inbox is None:
                    self._complain(
                        "a directory is no account's; to see its mail: mailhorn account adopt, with the server stopped",
                        name,
                    )
                    continue
                mailbox = self._run_in_loop(self._outside.claim(inbox[0], INBOX, name))
                self._sign(mailbox)
            if mailbox is not None:
                self._begin_with(mailbox)

    def _watch_again(self, folder: FolderAt) -> None:
        """Watch a folder whose directory may be another one than it was: taken away, and made anew or brought back."""
        if self._inotify is not None and folder.account and self._watch(folder):
            self._whole[folder.mailbox] = None
            self._soon(0.0)

    def _begin_with(self, mailbox: MailboxId) -> None:
        """Watch a folder that is new here, and take in what is in it."""
        folder = self._outside.folder(mailbox)
        if folder is not None:
            self._watch(folder)
            self._whole[mailbox] = None
            if folder.name == INBOX:
                self._homes[mailbox] = 0
            self._soon(0.0)

    def _complain(self, what: str, where: str, problem: Exception | None = None) -> None:
        """Log a line once in the life of the process."""
        if (text := f"{what} {where}") not in self._complaints:
            if len(self._complaints) >= MAX_COMPLAINTS:
                self._complaints.clear()
            self._complaints.add(text)
            more = {} if problem is None else {"problem": _printable(str(problem))}
            log.warning(what, where=_printable(f"{self._root}/{where}"), **more)


def _printable(text: str) -> str:
    """Return a text with a file's name in it, which may be any octets, as it can be written into a log."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _poll(fds: list[int], timeout: float | None) -> set[int]:
    """Wait until one of the files can be read, at most so many seconds; return which can."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if timeout is None else max(0, math.ceil(timeout * 1000)))}


__all__ = ["Noticing", "Watchman"]
