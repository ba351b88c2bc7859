"""Settling: what is durable in the index comes to rest in the Maildirs (design decision D3).

Rule 1: level-triggered. A round does what the index says is not at rest, in batches, and tells the index
after one flush; whatever a crash interrupts is done again, and doing it twice changes nothing. Rule 2:
what needs a file comes before what takes it away: nothing is removed in a round that makes copies. Rule 3:
it has a thread of its own and never holds up a commit. Rule 4: a directory is ours if its
`mailhorn-mailbox` file has our UIDVALIDITY, which no two mailboxes of a server share. Rule 5: what goes wrong with one
file, folder or list is put aside and told when all others have had their turn; what all would meet ends the round.
"""

import contextlib
import ctypes
import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from ..model.ids import MAX_UID, UID, AccountId, MailboxId
from .abc import (
    NO_ROOM,
    AccountsWork,
    Done,
    Filed,
    FolderNow,
    FolderWork,
    Leaving,
    Renamed,
    Resting,
    StoreError,
    Unfiled,
    Work,
)
from .names import KEYWORD_LETTERS, file_name, folder_of, login_dir, system_letters
from .notes import NOTES_FILE

ROUND = 512
"""Messages of each kind in one round: one flush serves them all, and 512 small bodies are a few MiB."""

DELAY = 1.0
"""Seconds to let messages gather before a round. A round costs some 2 ms whatever it does, most of it the flush; a
message waits in the index meanwhile, as durable and as readable as it will be in its file. Five seconds were tried: ten
MiB more at 1,000 mails a minute, and flushes that held up the commits in their way for longer."""

HURRY = 300
"""Messages a second from which on settling makes way for them, as long as there is room: it wants the same interpreter
and the same disk, and takes a quarter of their rate. Slower ones leave it time enough."""

HURRY_OCTETS = 8 * 1024 * 1024
"""The same for octets a second: 160 messages of 50 KiB."""

LOOK = 0.25
"""Seconds over which it is found out whether they still come so fast."""

BREATH = 0.25
"""Seconds between two rounds that do nothing but call files by the letters of new flags; 2,000 a second, then. Nobody
waits for these names, but often for the server: who marks a whole mailbox as read goes on to look at it."""

MAX_LATE = 20_000
"""Messages without a file that are never left waiting, whatever room there is: three seconds of settling."""

NO_NAMELESS = frozenset({errno.EISDIR, errno.ENOENT, errno.EOPNOTSUPP})
"""What a file system says that cannot make a file without a name; NFS, for one."""

RETRY_MIN, RETRY_MAX = 1.0, 30.0
"""Seconds between attempts while the disk refuses."""

SICK_DISK = NO_ROOM | {errno.EIO, errno.EROFS}
"""Errors that every other file would meet too."""

MAX_FOLDERS_KNOWN = 4096
"""Folders whose keywords are kept in memory, some 200 octets each."""

STILL_DIRTY = "?"
"""No message's flags: what is told to be settled with these is not."""

MAILBOX_FILE = "mailhorn-mailbox"
KEYWORDS_FILE = "dovecot-keywords"
MORE_KEYWORDS_FILE = "mailhorn-keywords"
SUBSCRIPTIONS_FILE = "subscriptions"

AnyWork = TypeVar("AnyWork", FolderWork, Unfiled, Renamed, Leaving)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are on disk. Everything below `root` is on one file system."""

    data: Path

    @property
    def root(self) -> Path:
        """The Maildirs: `<root>/<login>/cur` is an INBOX, `<root>/<login>/.Work/cur` a folder."""
        return self.data / "mail"

    @property
    def accounts(self) -> Path:
        """The file of accounts, with their password hashes."""
        return self.data / "accounts"

    @property
    def spool(self) -> Path:
        """Bodies on their way; no login's directory begins with a dot."""
        return self.root / ".spool"

    @property
    def trash(self) -> Path:
        """Directories on their way out."""
        return self.root / ".trash"

    @property
    def lock(self) -> Path:
        """Held by the one process that settles."""
        return self.root / ".lock"

    @property
    def times(self) -> Path:
        """When the directories were last changed, written at a clean stop: what was changed since shows."""
        return self.root / ".times"

    @property
    def running(self) -> Path:
        """Exists from start to clean stop: UIDNEXT in the folders is not exact, spool and folders may hold more."""
        return self.root / ".running"


class Flusher:
    """Makes what was done since the last flush durable: one `syncfs`, or where there is none an fsync for each."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._syncfs: Callable[[int], int] | None = ctypes.CDLL(None, use_errno=True).syncfs
        except AttributeError:
            self._syncfs = None
        self._paths: dict[str, None] = {}

    def touched(self, *paths: str) -> None:
        """Remember files that were written and directories that were changed."""
        if self._syncfs is None:
            self._paths.update(dict.fromkeys(paths))

    def flush(self) -> None:
        """Return when it is durable. Raises OSError."""
        if self._syncfs is not None:
            if self._syncfs(self._root) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            return
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):
                fsync_path(path)
        self._paths.clear()

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._root)


def fsync_path(path: str | Path) -> None:
    """Make a file's bytes, or a directory's entries, durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_file(path: str | Path, content: bytes | bytearray, flushed: bool = False) -> None:
    """
    Replace a small file at one stroke, readable by its owner only. Durable after the next flush.

    Args:
        path: The file.
        content: All of it.
        flushed: Whether a power cut before the next flush must leave the old content or this: else it may leave
            nothing, which does where it is written again after a crash.

    """
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while written < len(content):
            written += os.write(fd, content[written:])
        if flushed:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def _add_line(path: str, line: bytes) -> None:
    """Add a line to a file, also after one that a power cut has cut off."""
    with open(path, "a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line + b"\n")


def read_settings(path: str | Path) -> dict[str, int]:
    """Return the `name=number` lines of a file of ours; of one that is missing or broken, what can be read."""
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError:
        return {}
    return {name: int(value) for name, value in re.findall(r"^(\w+)=(\d{1,18})$", text, re.MULTILINE)}


def sign(path: str | Path, uid_validity: int, uid_next: int, since: int = 0) -> None:
    """
    Sign a directory as a mailbox's. Durable after the next flush.

    Args:
        path: The directory.
        uid_validity: The mailbox's; 0: not yet, only `since` is.
        uid_next: As far as it is known now.
        since: A directory that vanished was made anew: that a message with a smaller UID has no file in it does not
            mean that somebody deleted it. 0: it is the first one.

    """
    content = f"mailhorn-mailbox 1\nuid_validity={uid_validity}\nuid_next={uid_next}\n"
    write_file(f"{path}/{MAILBOX_FILE}", (content + (f"since={since}\n" if since else "")).encode())


def _write_notes(path: str, notes: bytes) -> None:
    """Write down what clients have noted of a mailbox, unless it stands there. Durable after the next flush."""
    try:
        known = Path(path, NOTES_FILE).read_bytes()
    except OSError:
        known = b""
    if notes and notes != known:
        write_file(f"{path}/{NOTES_FILE}", notes, flushed=True)
    elif known and not notes:
        os.unlink(f"{path}/{NOTES_FILE}")


def list_messages(folder: str) -> dict[str, str]:
    """Return the paths of all files in `cur` and `new` by what does not change of their names (key, size, UID)."""
    found = {}
    for part in ("new", "cur"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(f"{folder}/{part}"):
                found[name.partition(":")[0]] = f"{folder}/{part}/{name}"
    return found


@dataclass(slots=True)
class Keywords:
    """
    A folder's keywords.

    Attributes:
        names: In the order of their letters, as in Dovecot's file; at most 26.
        more: Keywords that have no letter, by UID.

    """

    names: list[str] = field(default_factory=list)
    more: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str) -> "Keywords":
        """Read both files of a folder; lines that make no sense are passed over."""
        known = cls()
        with contextlib.suppress(OSError), open(f"{folder}/{KEYWORDS_FILE}", encoding="utf-8", errors="replace") as f:
            for line in f:
                number, _, name = line.rstrip("\n").partition(" ")
                if name and number.isdecimal() and int(number) < len(KEYWORD_LETTERS):
                    known.names += [""] * (int(number) + 1 - len(known.names))
                    known.names[int(number)] = name
        with (
            contextlib.suppress(OSError),
            open(f"{folder}/{MORE_KEYWORDS_FILE}", encoding="utf-8", errors="replace") as f,
        ):
            for line in f:
                uid, *names = line.split()
                if uid.isdecimal():
                    known.more[int(uid)] = tuple(names)
        return known

    def flags(self, letters: str) -> list[str]:
        """Return the keywords that letters of a file's name stand for."""
        numbers = (KEYWORD_LETTERS.find(letter) for letter in letters)
        return [self.names[n] for n in numbers if 0 <= n < len(self.names) and self.names[n]]

    def letters(self, keywords: Iterable[str]) -> tuple[str, tuple[str, ...], bool]:
        """Return the letters for the keywords, the keywords that have none, and whether `names` has grown."""
        known = {name.lower(): n for n, name in enumerate(self.names)}
        letters, more, grown = [], [], False
        for keyword in keywords:
            n = known.get(keyword.lower())
            if n is None and len(self.names) < len(KEYWORD_LETTERS):
                n = known[keyword.lower()] = len(self.names)
                self.names.append(keyword)
                grown = True
            if n is None:
                more.append(keyword)
            else:
                letters.append(KEYWORD_LETTERS[n])
        return "".join(sorted(letters)), tuple(more), grown


class Settler:
    """The thread and its rounds."""

    def __init__(self, resting: Resting, places: Places, delay: float, clock: Callable[[], float] = time.time) -> None:
        """
        Make it; `start` before use.

        Args:
            resting: The index.
            places: Where the Maildirs are.
            delay: Seconds to let messages gather.
            clock: Seconds since 1970, for the grace of expunged messages.

        """
        self._resting = resting
        self._places = places
        self._root = str(places.root)
        self._delay = delay
        self._clock = clock
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._keywords: dict[MailboxId, Keywords] = {}
        self._careful = False
        self._doubtful: set[int] = set()
        """Mailboxes to be as careful with, as all the others have come to rest since."""
        self._troubled: set[int] | None = set()
        """
        Mailboxes of which something could not be written since the work was last begun; None: nobody knows.

        Until all others have had their turn, their files keep their names and are not removed.
        """
        self._unnoted: set[tuple[MailboxId, UID]] = set()
        """Of what was expunged and waits for its time, what may have files that nobody noted."""
        self._came = 0
        self._filed = 0
        self._seen = (0.0, 0, 0)
        """When it was last looked how many have come, on the monotonic clock, how many had, and how many octets."""
        self._at_leisure = False
        """Whether the last round did nothing that anybody could miss."""
        self._listings: dict[str, dict[str, str]] = {}
        self._directories: dict[str, dict[int, str]] = {}
        self._problems: list[OSError] = []
        self._unplaced: set[int] = set()
        """Mailboxes whose directory could not be placed in this round: where their files are is not known."""
        self._beyond = 0
        """The blob behind which a round looks for what has no file, as those up to there could not get theirs."""
        self._trouble = ""
        """Why not, the first reason."""
        self._nameless = os.path.exists("/proc/self/fd")
        self._odd: set[MailboxId] = set()
        self.quiet = threading.Lock()
        """Held while files are where the index does not know yet; who does not find one looks again under it."""
        self.noticed: Callable[[MailboxId], None] | None = None
        """Called when a file is not where, or not called as, it was left: another tool's doing, to be looked into."""
        self.placed: Callable[[list[MailboxId]], None] = lambda mailboxes: None
        """Called with the mailboxes that have just got their directories."""
        self.filed: Callable[[list[tuple[MailboxId, str]]], None] = lambda files: None
        """Called with the mailboxes and names of the files that a round made."""
        self.rested: Callable[[], None] = lambda: None
        """Called in the settler's thread after each round."""
        self._thread = threading.Thread(target=self._run, name="mailhorn-settler", daemon=True)

    def start(self, careful: bool) -> None:
        """
        Start the thread.

        Args:
            careful: After a crash: files may be there that the index does not know of.

        """
        self._careful = careful
        self._came = self._resting.waiting()
        self._flusher = Flusher(self._places.root)
        self._bell.set()
        self._thread.start()

    def wake(self, unfiled: int) -> None:
        """Take note of new work; called in the event loop only."""
        self._came += unfiled
        if not self._bell.is_set():
            self._bell.set()

    @property
    def backlog(self) -> int:
        """How many messages have no file yet, nor are copies of one that has."""
        return self._came - self._filed

    def finish(self) -> None:
        """Bring everything to rest, end the thread and wait for it."""
        self._closing.set()
        self._bell.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._flusher.close()

    def doubts(self, mailbox: MailboxId | None) -> bool:
        """Say whether a mailbox (None: any one) may have files, of before a crash or a failure, that nobody noted."""
        return self._careful or mailbox in self._doubtful

    def _doubts_some(self) -> bool:
        return self._careful or bool(self._doubtful)

    @property
    def clean(self) -> bool:
        """Whether everything was at rest when the thread ended."""
        return self._clean

    _clean = False

    # the thread

    def _run(self) -> None:
        due: float | None = None
        retry = 0.0
        while not self._closing.is_set():
            timeout = None if due is None else max(0.0, due - self._clock())
            self._bell.wait(retry or timeout)
            self._seen = (time.monotonic(), self._came, self._resting.arrived())
            if retry:
                self._closing.wait(retry)
            elif self._bell.is_set():
                self._closing.wait(self._delay if self.backlog < ROUND else min(self._delay, LOOK))
            self._bell.clear()
            try:
                more = True
                while more and not self._closing.is_set():
                    self._make_way()
                    more, due = self.round()
                    if more and self._at_leisure:
                        self._closing.wait(BREATH)
                if retry and not more:
                    log.warning("messages are written into the Maildirs again")
                retry = 0.0
            except Exception as problem:
                if not retry:
                    self._complain("messages cannot be written into the Maildirs, will retry", problem)
                retry = min(RETRY_MAX, retry * 2 or RETRY_MIN)
                self._beyond, self._trouble = 0, ""
        try:
            while self.round(everything=True)[0]:
                pass
            self._clean = True
        except Exception as problem:
            self._complain("not everything is in the Maildirs; the next start will see to it", problem)

    def _make_way(self) -> None:
        """Wait as long as messages come in a hurry and there is room for them."""
        while self.backlog < MAX_LATE and self._hurried() and not self._resting.pressed():
            if self._closing.wait(LOOK):
                return

    def _hurried(self) -> bool:
        """Return whether messages have come fast since this was last asked."""
        then, had, had_octets = self._seen
        self._seen = now, came, octets = time.monotonic(), self._came, self._resting.arrived()
        seconds = max(now - then, LOOK)
        return came - had >= HURRY * seconds or octets - had_octets >= HURRY_OCTETS * seconds

    def _complain(self, what: str, problem: Exception) -> None:
        """Log one line if it is the disk's fault, all there is if it is ours; the thread must not end by it."""
        ours = not isinstance(problem, OSError | StoreError)
        log.error(what, problem=str(problem) or repr(problem), exc_info=problem if ours else None)

    def round(self, everything: bool = False) -> tuple[bool, float | None]:
        """
        Bring one batch to rest.

        Returns:
            Whether there may be more to do now, and when an expunged message is due next (seconds since 1970).

        Raises OSError, StoreError: what was not done will be tried again. Those who cannot get their files keep nobody
        from getting his: what they meet is told when all others have had their turn.

        """
        with self.quiet:
            came = self._came
            if not self._trouble:
                self._troubled = set()
            passing = frozenset(self._troubled or ())
            work = self._resting.unsettled(self._clock(), ROUND, everything, self._beyond, passing)
            if not work.unfiled and not self._beyond:  # what was moved or expunged before it had a file never gets one
                self._filed = came
            self._at_leisure = bool(work.renamed) and not (work.unfiled or work.leaving or work.folders)
            if not work and self._trouble:
                raise self._told_trouble(work)
            if not work:
                self._is_sure()
                return False, work.next_due
            try:
                done = self._settle(work)
            except Exception as problem:
                self._careful = True  # as after a crash: files are there that nobody noted, perhaps not whole
                if isinstance(problem, OSError) and problem.errno in NO_ROOM:
                    self._make_room()
                raise
        self.empty_trash()
        self._filed += sum(first for _, _, first, _ in done.filed)
        self.rested()
        if self._problems:  # the others are at rest all the same
            self._trouble = self._trouble or f"{len(self._problems)} could not be written: {self._problems[0]}"
        elif not done:
            self._trouble = self._trouble or "there is something that does not come to rest"
            self._troubled = None
        if self._trouble:
            if work.full:
                self._beyond = work.unfiled[-1].blob
                return True, work.next_due
            more_trouble = len(self._troubled or ()) > len(passing)
            if work.more and (more_trouble or done.left or any(map(_is_settled, done.renamed))):
                return True, work.next_due
            with self.quiet:
                raise self._told_trouble(work)
        if not work.more:
            self._is_sure()
        return work.more or everything, work.next_due

    def _is_sure(self) -> None:
        """Take note that nothing is left of what was not noted, but in mailboxes that cannot be written."""
        if self._troubled is None:
            return
        if self._careful:
            self._unnoted |= self._resting.nameless()
        self._doubtful = self._troubled if self._careful else self._doubtful & self._troubled
        self._careful = False

    def _told_trouble(self, work: Work) -> StoreError:
        """Return what has kept some from getting their files; the next round begins with them again."""
        if not work.complete:  # a round that makes copies removes nothing, and the one to be made may be one of theirs
            self._make_room()
        if not work.more:
            self._is_sure()
        trouble = StoreError(self._trouble)
        self._beyond, self._trouble = 0, ""
        return trouble

    def _make_room(self) -> None:
        """
        Remove what was expunged or thrown away, though what came does not come to rest: who deletes mail makes room.

        Only what is where it is noted to be; nothing of what failed is noted as done, and all that goes wrong here has
        been said already.
        """
        passing = set(self._troubled or ())
        with contextlib.suppress(OSError, StoreError):
            removed = True
            while removed:
                done, known = Done(), len(passing)
                for message, directory in self._resting.removable(self._clock(), ROUND, passing).items():
                    try:
                        os.unlink(f"{self._root}/{directory}/cur/{message.name}")
                        self._flusher.touched(f"{self._root}/{directory}/cur")
                        done.left.append((message.mailbox, message.uid))
                    except FileNotFoundError:
                        pass  # a round will look for it
                    except OSError:
                        passing.add(message.mailbox)
                if done.left:
                    self._flusher.flush()
                    self._note(done)
                removed = bool(done.left) or len(passing) > known
            self.empty_trash()

    def _note(self, done: Done) -> None:
        """Have the index take note, and remove what nobody needs any more."""
        for key in self._resting.settled(done):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._root}/.spool/{key}")  # not by pathlib, which interns every name

    def _settle(self, work: Work) -> Done:
        done = Done()
        self._listings, self._directories, self._problems, self._unplaced = {}, {}, [], set()
        self._remove_accounts(work, done)
        self._place_folders(work, done)
        self._file_all(work, done)
        self._each(work.renamed, lambda renamed: self._rename(renamed, work.dirs, done))
        self._each(work.leaving, lambda leaving: self._remove(leaving, work.dirs, done))
        self._write_lists(work, done)
        self._flusher.flush()
        self._note(done)
        if done.folders:
            self.placed(list(done.folders))
        if done.filed:
            self.filed([(filed.mailbox, filed.name) for filed, *_ in done.filed])
        if self.noticed is not None:
            for mailbox in self._odd:
                self.noticed(mailbox)
        self._odd.clear()
        return done

    def _each(self, messages: Iterable[AnyWork], do: Callable[[AnyWork], None]) -> None:
        """Do it for each; what goes wrong with one file or folder does not hold up the others, a sick disk does."""
        for message in messages:
            try:
                do(message)
            except OSError as problem:
                self._bear(problem)
                self._trouble_in(message.mailbox)

    def _bear(self, problem: OSError) -> None:
        """Put aside what goes wrong with one file or folder; raises what every other would meet too."""
        if problem.errno in SICK_DISK:
            raise problem
        self._problems.append(problem)

    def _trouble_in(self, mailbox: int) -> None:
        """Take note that something in a mailbox could not be brought to rest."""
        if self._troubled is not None:
            self._troubled.add(mailbox)

    def empty_trash(self) -> None:
        """Remove what was thrown away."""
        with os.scandir(self._places.trash) as entries:
            thrown = [entry.path for entry in entries]
        if thrown:
            from shutil import rmtree  # it brings bz2 and lzma, and on most days nothing is thrown away

            for path in thrown:
                rmtree(path, ignore_errors=True)

    # directories

    def _owner(self, directory: str) -> int:
        """Return the UIDVALIDITY of the mailbox whose directory it is, 0 if it is nobody's."""
        return read_settings(f"{self._root}/{directory}/{MAILBOX_FILE}").get("uid_validity", 0)

    def _throw_away(self, directory: str, name: str) -> None:
        os.rename(f"{self._root}/{directory}", self._places.trash / f"{name}-{time.time_ns()}")
        self._flusher.touched(self._root, str(self._places.trash))

    def _remove_accounts(self, work: Work, done: Done) -> None:
        """Throw away their directories, but not while a copy is still to be made of what somebody else was given."""
        for account, directory, uid_validity in work.removed:
            if not work.complete:
                continue
            try:
                if self._owner(directory) == uid_validity:
                    self._throw_away(directory, f"account-{account}")
                done.removed.append(account)
            except OSError as problem:
                self._bear(problem)

    def _taken(self, work: Work, done: Done) -> set[str]:
        """Return the directories of removed accounts that are still there; the next one of that name has to wait."""
        return {removed.dir for removed in work.removed if removed.account not in done.removed}

    def _place_folders(self, work: Work, done: Done) -> None:
        occupants = {folder.at: folder for folder in work.folders if folder.at is not None}
        taken = self._taken(work, done)

        def wait(folder: FolderWork) -> None:
            work.dirs.pop(folder.mailbox, None)
            self._unplaced.add(folder.mailbox)
            self._trouble_in(folder.mailbox)

        def place(folder: FolderWork) -> None:
            if folder.wanted is not None and folder.wanted.partition("/")[0] in taken:
                wait(folder)  # the next account of that name: its messages wait, too
                return
            if folder.wanted is not None:
                occupant = occupants.get(folder.wanted)
                try:
                    if occupant is not None and occupant.mailbox != folder.mailbox:
                        self._step_aside(occupant, folder.wanted, work.dirs, done)
                    self._place(folder, folder.wanted, work.dirs)
                except OSError:
                    wait(folder)  # then its messages wait, and copies of them elsewhere
                    raise
                done.folders[folder.mailbox] = FolderNow(folder.wanted, folder.uid_validity, folder.uid_next)
            elif work.complete:
                at = self._whereabouts(folder, work.dirs)
                if at is not None:
                    self._throw_away(at, f"folder-{folder.mailbox}")
                done.folders[folder.mailbox] = FolderNow(None, 0, 0)
            else:
                return
            done.mailboxes.append((folder.mailbox, folder.stamp))

        self._each(work.folders, place)

    def _place(self, folder: FolderWork, wanted: str, dirs: dict[int, str]) -> None:
        """Make the folder's directory, or move it to where it is wanted."""
        at = self._whereabouts(folder, dirs)
        if at != wanted and os.path.exists(f"{self._root}/{wanted}"):
            if at is not None or (self._doubts_some() and self._owner(wanted)):
                self._clear(wanted)
        if at is not None and at != wanted:
            os.rename(f"{self._root}/{at}", f"{self._root}/{wanted}")
            self._flusher.touched(self._root, os.path.dirname(f"{self._root}/{wanted}"))
        dirs[folder.mailbox] = wanted
        self._make_folder(wanted, folder)

    def _clear(self, directory: str) -> None:
        """Make room where a directory is that nobody knows of: another tool made it, or a crash left it unnoted."""
        owner = self._owner(directory)
        if self._doubts_some() and owner:
            account = directory.partition("/")[0]
            aside = f"{account}/mailhorn-moving-of-{owner}"
            os.rename(f"{self._root}/{directory}", f"{self._root}/{aside}")
            self._directories_of(account)[owner] = aside
        else:
            self._throw_away(directory, "stranger")

    def _directories_of(self, account: str) -> dict[int, str]:
        """Return an account's directories by the UIDVALIDITY of the mailboxes whose they are; read once a round."""
        known = self._directories.get(account)
        if known is None:
            known = self._directories[account] = {}
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(f"{self._root}/{account}"):
                    known[self._owner(f"{account}/{name}")] = f"{account}/{name}"
        return known

    def _aside(self, folder: FolderWork) -> str:
        account = (folder.at or folder.wanted or "").partition("/")[0]
        return f"{account}/mailhorn-moving-{folder.mailbox}"

    def _whereabouts(self, folder: FolderWork, dirs: dict[int, str]) -> str | None:
        """Return where the folder's directory really is: a crash may have come between moving it and noting it."""
        if not folder.uid_validity:  # deleted before it ever had one
            return None
        noted = dirs.get(folder.mailbox)
        for directory in (noted, self._aside(folder), folder.wanted):
            if directory and self._owner(directory) == folder.uid_validity:
                return directory
        if self._doubts_some():  # and the mailbox may have been renamed again since
            stray = self._directories_of((folder.at or folder.wanted or "").partition("/")[0]).get(folder.uid_validity)
            if stray is not None and self._owner(stray) == folder.uid_validity:
                return stray
        unsigned = noted and not self._owner(noted) and os.path.isdir(f"{self._root}/{noted}/cur")
        return noted if unsigned else None

    def _step_aside(self, folder: FolderWork, wanted: str, dirs: dict[int, str], done: Done) -> None:
        """Move a folder that is where another one is to be; its own turn comes, or it is to be removed."""
        if dirs.get(folder.mailbox) != wanted:
            return
        aside = self._aside(folder)
        if self._owner(wanted) == folder.uid_validity:
            os.rename(f"{self._root}/{wanted}", f"{self._root}/{aside}")
        dirs[folder.mailbox] = aside
        done.folders[folder.mailbox] = FolderNow(aside, folder.uid_validity, folder.uid_next)

    def _make_folder(self, directory: str, folder: FolderWork) -> None:
        path = f"{self._root}/{directory}"
        before = read_settings(f"{path}/{MAILBOX_FILE}")
        lost = folder.at is not None and not os.path.isdir(f"{path}/cur")  # and with it all its messages
        self._make_parts(path)
        if "/" in directory and not os.path.exists(f"{path}/maildirfolder"):
            write_file(f"{path}/maildirfolder", b"")  # Maildir++: this is a folder, not an account
        since = min(before.get("since", 0), folder.uid_next) if not lost else folder.uid_next
        sign(path, folder.uid_validity, folder.uid_next, since)
        _write_notes(path, folder.notes)
        self._flusher.touched(self._root, os.path.dirname(path), path, f"{path}/{MAILBOX_FILE}")

    def _make_parts(self, path: str) -> None:
        for part in ("cur", "new", "tmp"):
            os.makedirs(f"{path}/{part}", 0o700, exist_ok=True)
        self._flusher.touched(path)

    # messages

    def _folder_keywords(self, mailbox: MailboxId, path: str) -> Keywords:
        known = self._keywords.get(mailbox)
        if known is None:
            if len(self._keywords) >= MAX_FOLDERS_KNOWN:
                self._keywords.clear()
            known = self._keywords[mailbox] = Keywords.load(path)
        return known

    def _letters(self, mailbox: MailboxId, path: str, uid: UID, flags: str) -> str:
        """Return the letters for the file's name; keywords that are new to the folder are written down before."""
        letters, keywords = system_letters(flags.split())
        known = self._folder_keywords(mailbox, path)
        if not keywords and uid not in known.more:
            return letters
        custom, more, grown = known.letters(keywords)
        try:
            if grown:
                lines = "".join(f"{n} {name}\n" for n, name in enumerate(known.names))
                write_file(f"{path}/{KEYWORDS_FILE}", lines.encode(), flushed=True)  # what letters mean
                self._flusher.touched(f"{path}/{KEYWORDS_FILE}", path)
            if more != known.more.get(uid, ()):
                known.more[uid] = more
                _add_line(f"{path}/{MORE_KEYWORDS_FILE}", " ".join((str(uid), *more)).encode())
                self._flusher.touched(f"{path}/{MORE_KEYWORDS_FILE}", path)
        except OSError:
            del self._keywords[mailbox]  # what stands there is what holds
            raise
        return letters + custom

    def _file_all(self, work: Work, done: Done) -> None:
        here: dict[int, str] = {}
        checked: set[str] = set()

        def file(message: Unfiled) -> None:
            if message.mailbox not in work.dirs:
                return
            if message.origin is not None and int(message.origin.partition("/")[0]) in self._unplaced:
                self._trouble_in(message.mailbox)
                return  # what it is a copy of is somewhere, and not gone
            folder = f"{self._root}/{work.dirs[message.mailbox]}"
            if folder not in checked:
                checked.add(folder)
                if not os.path.isdir(f"{folder}/cur"):  # somebody has removed it
                    self._make_parts(folder)
                    sign(folder, 0, 1, MAX_UID)
            letters = self._letters(message.mailbox, folder, message.uid, message.flags)
            name = file_name(message.key, message.size, message.uid, letters)
            target = f"{folder}/cur/{name}"
            if not (
                self.doubts(message.mailbox)
                and self._is_there(message, folder, target, here.get(message.blob), work.dirs)
            ):
                self._file(message, target, here.get(message.blob), work.dirs)
            here[message.blob] = target
            self._flusher.touched(target, f"{folder}/cur")
            filed = Filed(message.mailbox, message.uid, message.flags, letters, name)
            done.filed.append((filed, message.blob, message.origin is None, message.body))

        self._each(work.unfiled, file)

    def _find(self, folder: str, name: str) -> str | None:
        """Return the path of the message's file whatever its flags; a folder is listed once in a round."""
        if folder not in self._listings:
            self._listings[folder] = list_messages(folder)
        return self._listings[folder].get(name.partition(":")[0])

    def _is_there(self, message: Unfiled, folder: str, target: str, here: str | None, dirs: dict[int, str]) -> bool:
        """
        Return whether a round that a crash interrupted has written the file and nothing is left to write it from.

        As long as there is, it is written again: after a power cut the name may have survived and not the bytes. It
        may have had other flags. What has lost its source was flushed before the source was removed.
        """
        name = os.path.basename(target)
        found = self._find(folder, name)
        if found is None:
            return False
        source = here or self._source(message, dirs)
        written = source is not None and os.path.exists(source) and os.path.samefile(source, found)
        if not written and (source is None or os.path.exists(source)):
            self._file(message, f"{self._root}/.spool/{name}.new", here, dirs)
            os.rename(f"{self._root}/.spool/{name}.new", found)
        if found != target:
            os.rename(found, target)
        return True

    def _source(self, message: Unfiled, dirs: dict[int, str]) -> str | None:
        """Return the path of the file to make a link to, None if the body is at hand."""
        if message.origin is None:
            return None if message.body is not None else f"{self._root}/.spool/{message.key}"
        mailbox, _, name = message.origin.partition("/")
        folder = f"{self._root}/{dirs.get(int(mailbox), '.trash')}"
        source = f"{folder}/cur/{name}"
        return source if os.path.exists(source) else self._find(folder, name) or source

    def _file(self, message: Unfiled, target: str, here: str | None, dirs: dict[int, str]) -> None:
        source = here or self._source(message, dirs)
        if source is None:
            self._put(message, target)
            return
        if message.origin is None and here is None:
            with contextlib.suppress(FileNotFoundError):
                os.utime(source, (message.internal_date, message.internal_date))
        try:
            os.link(source, target)
        except FileExistsError:
            pass  # done before
        except FileNotFoundError:
            if not os.path.exists(target):
                log.error("the file of a message is gone", file=source, mailbox=message.mailbox, uid=message.uid)
                self._odd.add(message.mailbox)

    def _put(self, message: Unfiled, target: str) -> None:
        """Give a body its file: one without a name first, which takes half the time of a rename from the spool."""
        body = message.body or b""
        temporary = f"{self._root}/.spool/{message.key}"
        try:
            fd = os.open(self._root, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600) if self._nameless else -1
        except OSError as problem:
            if problem.errno not in NO_NAMELESS:
                raise
            fd, self._nameless = -1, False
        nameless = fd >= 0
        if not nameless:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, body)
            while written < len(body):
                written += os.write(fd, body[written:])
            os.utime(fd, (message.internal_date, message.internal_date))
            if nameless:
                try:
                    os.link(f"/proc/self/fd/{fd}", target, src_dir_fd=fd)  # which makes Python follow the link
                    return
                except FileExistsError:  # from before a crash, and perhaps not whole
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(temporary)
                    os.link(f"/proc/self/fd/{fd}", temporary, src_dir_fd=fd)
        finally:
            os.close(fd)
        os.rename(temporary, target)

    def _rename(self, message: Renamed, dirs: dict[int, str], done: Done) -> None:
        if message.mailbox not in dirs:
            return
        folder = f"{self._root}/{dirs[message.mailbox]}"
        letters = self._letters(message.mailbox, folder, message.uid, message.flags)
        name = file_name(message.key, message.size, message.uid, letters)
        doubtful = self.doubts(message.mailbox)
        if letters != message.letters or doubtful:
            old = f"{folder}/cur/{file_name(message.key, message.size, message.uid, message.letters)}"
            try:
                os.rename(old, f"{folder}/cur/{name}")
            except FileNotFoundError:
                found = self._find(folder, name)
                ours = doubtful or found == f"{folder}/cur/{name}"
                if self.noticed is not None and not ours:  # the two changes become one
                    self._odd.add(message.mailbox)
                    name = file_name(message.key, message.size, message.uid, message.letters)
                    done.renamed.append(Filed(message.mailbox, message.uid, STILL_DIRTY, message.letters, name))
                    return
                if found is not None:
                    os.rename(found, f"{folder}/cur/{name}")
                else:
                    log.error("the file of a message is gone", file=old, mailbox=message.mailbox, uid=message.uid)
            self._flusher.touched(f"{folder}/cur")
        done.renamed.append(Filed(message.mailbox, message.uid, message.flags, letters, name))

    def _remove(self, message: Leaving, dirs: dict[int, str], done: Done) -> None:
        if message.mailbox in self._unplaced:
            return  # its file is somewhere, and not gone
        if message.mailbox in dirs:
            folder = f"{self._root}/{dirs[message.mailbox]}"
            if message.name is not None:
                try:
                    os.unlink(f"{folder}/cur/{message.name}")
                except FileNotFoundError:
                    self._unlink_found(self._find(folder, message.name))
            elif self.doubts(message.mailbox) or (message.mailbox, message.uid) in self._unnoted:
                for found in self._files_of(folder, message.uid):
                    self._unlink_found(found)
            self._flusher.touched(f"{folder}/cur")
        done.left.append((message.mailbox, message.uid))
        self._unnoted.discard((message.mailbox, message.uid))

    def _files_of(self, folder: str, uid: UID) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(f"{folder}/cur"):
                if f",U={uid}:2," in name:
                    yield f"{folder}/cur/{name}"

    def _unlink_found(self, path: str | None) -> None:
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    # lists

    def _write_lists(self, work: Work, done: Done) -> None:
        taken = self._taken(work, done)
        for account, directory, names, stamp in work.subscriptions:
            if directory in taken:
                continue
            try:
                if directory is not None:
                    self._write_subscriptions(f"{self._root}/{directory}", names)
                done.accounts.append((account, stamp))
            except OSError as problem:
                self._bear(problem)
        if work.accounts is not None:
            try:
                self._write_accounts(work.accounts)
                done.accounts.append((AccountId(0), work.accounts.stamp))
            except OSError as problem:
                self._bear(problem)

    def _write_subscriptions(self, path: str, names: Iterable[str]) -> None:
        os.makedirs(path, 0o700, exist_ok=True)
        lines = "".join(f"{folder_of(name)[1:] or name}\n" for name in names)
        write_file(f"{path}/{SUBSCRIPTIONS_FILE}", lines.encode())
        self._flusher.touched(f"{path}/{SUBSCRIPTIONS_FILE}", path)

    def _write_accounts(self, work: AccountsWork) -> None:
        head = "# Accounts of mailhorn; should the index be lost, they come back from here.\n"
        content = bytearray(f"{head}last_uid_validity={work.last_uid_validity}\n".encode())
        for line in re.finditer("[^\n]+", work.lines):  # one by one: ten thousand lines at once leave 3 MiB behind
            content += _account_line(line[0]).encode()
        write_file(self._places.accounts, content, flushed=True)
        fsync_path(self._places.accounts)
        fsync_path(self._places.data)


def _is_settled(renamed: Filed) -> bool:
    return renamed.flags != STILL_DIRTY


def _account_line(line: str) -> str:
    login, password_hash, uid_validity = line.split("\t")
    return f"{login_dir(login)}:{password_hash}:{uid_validity}\n"


__all__ = [
    "DELAY",
    "Flusher",
    "Keywords",
    "Places",
    "Settler",
    "fsync_path",
    "list_messages",
    "read_settings",
    "sign",
    "write_file",
]
