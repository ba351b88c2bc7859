"""What programs have written down about the mail in a Maildir: UIDs, keywords, subscriptions, folders.

Read are mailhorn's own files, Dovecot's (`dovecot-uidlist` of version 3 and 1, `subscriptions`) and mbsync's
(`.uidvalidity`, and UIDs in the names). What makes no sense is passed over: then a message gets a new UID. Nothing is
written here.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..model.ids import MAX_UID
from ..model.mailbox import DELIMITER, INBOX, canonical_name
from .intake import date_of, safe_key
from .names import InvalidName, decode_utf7, folder_of, parse_file_name
from .settle import KEYWORDS_FILE, MAILBOX_FILE, MORE_KEYWORDS_FILE, SUBSCRIPTIONS_FILE, read_settings

UIDLIST = "dovecot-uidlist"
MBSYNC_FILE = ".uidvalidity"

MAX_KEPT_UID = MAX_UID - 2**24
"""UIDs beyond are damage, not mail that has come, and leave no room for what comes: such messages get new ones."""

MAX_DEPTH = 20
"""Levels of directories that are searched for folders; more is a loop of links."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What is recorded of a folder.

    Attributes:
        uid_validity: 0 if it is not known.
        uid_next: The least that it can be.
        uids: UIDs by the files' names up to the flags; None: they are in the names.

    """

    uid_validity: int = 0
    uid_next: int = 1
    uids: dict[str, int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """A message's file as it lies there; `uid` None: none is recorded."""

    path: str
    key: str
    uid: int | None
    letters: str
    size: int
    internal_date: int


def read_recorded(folder: str | Path) -> Recorded:
    """
    Return what the first of the three programs that has written something down says of a folder.

    Raises OSError: something of it, or of the keywords and subscriptions, is there and may not be read. What it says
    could not be had later.
    """
    for name in (MAILBOX_FILE, UIDLIST, MBSYNC_FILE, KEYWORDS_FILE, MORE_KEYWORDS_FILE, SUBSCRIPTIONS_FILE):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.close(os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    ours = read_settings(f"{folder}/{MAILBOX_FILE}")
    if "uid_validity" in ours:
        return Recorded(_number(ours["uid_validity"]), max(1, ours.get("uid_next", 1)))
    with contextlib.suppress(OSError), open(f"{folder}/{UIDLIST}", encoding="utf-8", errors="surrogateescape") as file:
        return _dovecot(file)
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path(folder, MBSYNC_FILE).read_text("ascii").split()
        return _with_room(Recorded(_number(int(lines[0])), _number(int(lines[1])) + 1))
    return Recorded()


def _with_room(recorded: Recorded) -> Recorded:
    """Return what is recorded; nothing if it leaves no UIDs for what is to come."""
    return recorded if recorded.uid_next <= MAX_KEPT_UID else Recorded(uids={})


def _number(number: int) -> int:
    return number if 0 < number <= MAX_UID else 0


def _dovecot(lines: Iterator[str]) -> Recorded:
    """
    Read a `dovecot-uidlist`.

    Version 3: `3 V<UIDVALIDITY> N<UIDNEXT> G<GUID>`, then `<UID> [<letter><value> ...] :<name>`. Version 1:
    `1 <UIDVALIDITY> <UIDNEXT>`, then `<UID> <name>`.
    """
    head = next(lines, "").split()
    version = head[0] if head else ""
    if version == "3":
        told = {word[0]: word[1:] for word in head[1:]}
        validity, uid_next = told.get("V", ""), told.get("N", "")
    elif version == "1" and len(head) >= 3:
        validity, uid_next = head[1:3]
    else:
        return Recorded(uids={})
    uids: dict[str, int] = {}
    pattern = re.compile(r"(\d{1,10})(?: .*?)? :(.+)\n?" if version == "3" else r"(\d{1,10}) (.+)\n?")
    greatest = 0
    for line in lines:
        found = pattern.fullmatch(line)
        if found and _number(int(found[1])):
            greatest = max(greatest, int(found[1]))
            uids[found[2].partition(":")[0]] = int(found[1])
    return _with_room(
        Recorded(
            _number(int(validity)) if validity.isdecimal() else 0,
            max(greatest + 1, _number(int(uid_next)) if uid_next.isdecimal() else 1),
            uids,
        )
    )


def list_found(folder: str, recorded: Recorded) -> list[Found]:
    """Return the messages of a folder: those with a UID by it, then the others by their age."""
    found = []
    seen: set[int] = set()
    for part in ("cur", "new"):
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{folder}/{part}") as entries:
            for entry in sorted(entries, key=lambda e: e.name):  # of two with one UID the older name has it
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                key, _, uid, letters = parse_file_name(entry.name)
                if recorded.uids is not None:
                    uid = recorded.uids.get(entry.name.partition(":")[0])
                if uid in seen or (uid or 0) > MAX_KEPT_UID >= recorded.uid_next:
                    uid = None
                elif uid is not None:
                    seen.add(uid)
                status = entry.stat()
                found.append(Found(entry.path, safe_key(key), uid, letters, status.st_size, date_of(status)))
    return sorted(found, key=lambda f: (f.uid is None, f.uid or 0, f.internal_date, f.path))


def read_subscriptions(home: str | Path) -> list[str]:
    """
    Return the subscribed names.

    Dovecot's file of version 2 begins with `V<tab>2` and an empty line and has tabs between levels; before, as in
    ours, each line is a folder's name with dots.
    """
    try:
        lines = Path(home, SUBSCRIPTIONS_FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    names = []
    tabs = bool(lines) and lines[0] == "V\t2"
    for line in filter(None, lines[2:] if tabs else lines):
        with contextlib.suppress(InvalidName):
            name = canonical_name(DELIMITER.join(map(decode_utf7, line.split("\t" if tabs else "."))))
            folder_of(name)
            names.append(name)
    return sorted(set(names))


def find_folders(maildir: Path) -> tuple[list[tuple[str, Path]], list[tuple[Path, str]]]:
    """
    Return (mailbox, directory) of every folder, INBOX first, and (directory, reason) of those that cannot be one.

    INBOX is the directory itself or `INBOX` in it. Folders are `.Work.Today` (Maildir++), `.Work/.Today` or
    `Work/Today`; their names are modified UTF-7 (RFC 3501 §5.1.3), or plain where they are not.
    """
    inbox = next((path for path in (maildir, maildir / INBOX) if (path / "cur").is_dir()), None)
    if inbox is None:
        return [], []
    found: dict[str, Path] = {INBOX: inbox}
    odd: list[tuple[Path, str]] = []

    def search(directory: Path, levels: tuple[str, ...]) -> None:
        for entry in sorted(os.scandir(directory), key=lambda e: e.name):
            path = Path(entry.path)
            name = entry.name
            if not entry.is_dir(follow_symlinks=False) or name in ("cur", "new", "tmp") or path == inbox:
                continue
            mail = (path / "cur").is_dir()
            if name.startswith(".") and not mail:
                continue
            below = (*levels, *map(_level, name[1:].split(".") if name.startswith(".") else [name]))
            if mail:
                try:
                    mailbox = canonical_name(DELIMITER.join(below))
                    folder_of(mailbox)
                    if mailbox in found:
                        raise InvalidName(f"{found[mailbox]} is called so, too")
                    found[mailbox] = path
                except InvalidName as problem:
                    odd.append((path, str(problem)))
            if len(below) < MAX_DEPTH:
                search(path, below)

    search(maildir, ())
    if inbox != maildir:
        search(inbox, ())
    return list(found.items()), odd


def _level(name: str) -> str:
    try:
        return decode_utf7(name)
    except InvalidName:
        return name


__all__ = ["Found", "Recorded", "find_folders", "list_found", "read_recorded", "read_subscriptions"]
