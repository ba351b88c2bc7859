"""A Maildir of Dovecot, of mbsync, or of nobody becomes an account, with the UIDs that are recorded.

Rule 1: the Maildir that is adopted stays as it is: files are linked, or copied where they cannot be. Rule 2: all is
prepared beside the accounts and put into its place at one stroke, then into the index in one transaction; whatever
interrupts this, it can be done again. Rule 3: what a file is called afterwards tells its UID, so that the index can be
lost like any other.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..model.ids import MAX_UID
from ..model.mailbox import INBOX
from ..model.message import Digest
from .abc import Adopted, Outside, RestoredMessage, StoreError
from .intake import plain_letters, with_line_ends
from .names import file_name, folder_of, login_dir
from .rebuild import Validities, restored
from .records import Found, Recorded, find_folders, list_found, read_recorded, read_subscriptions
from .settle import (
    KEYWORDS_FILE,
    MORE_KEYWORDS_FILE,
    SUBSCRIPTIONS_FILE,
    Flusher,
    Keywords,
    Places,
    fsync_path,
    sign,
    write_file,
)

Progress = Callable[[int, int], None]
"""Called with steps done and steps to do."""


@dataclass(slots=True)
class Adoption:
    """
    What became of a Maildir.

    Attributes:
        mailboxes: How many there are.
        messages: How many there are.
        kept: How many of them have the UID that was recorded.
        remarks: What the operator should know, a line each.

    """

    mailboxes: int = 0
    messages: int = 0
    kept: int = 0
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to be adopted."""

    name: str
    source: Path
    files: list[Found]
    recorded: Recorded
    uid_validity: int


async def adopt(
    outside: Outside,
    places: Places,
    login: str,
    password_hash: str,
    maildir: Path,
    digest_of: Callable[[memoryview], Digest],
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.time,
) -> Adoption:
    """
    Make an account of a Maildir; the store is open and no server runs on it.

    Args:
        outside: The index.
        places: Where the Maildirs are.
        login: The account's, which does not exist.
        password_hash: The account's.
        maildir: The Maildir; it may lie where the account's directory belongs.
        digest_of: Computes what FETCH needs of a message.
        progress: Called in threads.
        clock: Seconds since 1970.

    Raises StoreError, OSError.

    """
    target = places.root / login_dir(login)
    if outside.inbox_of(login) is not None:
        if await asyncio.to_thread(_is_same, target, maildir):  # an index that was made anew has taken it in
            raise StoreError(
                f"{login} is there already, with what is in {maildir}; "
                f"its password is given with: mailhorn account passwd {login}"
            )
        raise StoreError(f"{login} is there already; remove it, or adopt {maildir} under another login")
    in_place = await asyncio.to_thread(_is_in_place, places, target, maildir)
    adoption = Adoption()
    folders = await asyncio.to_thread(_survey, maildir, Validities(outside.last_uid_validity(), clock), adoption)
    total = 2 * adoption.messages
    await asyncio.to_thread(_put_in_place, places, folders, target, in_place, lambda done: progress(done, total))
    home = target.name

    def mailboxes() -> Iterator[Adopted]:
        done = adoption.messages
        for folder in folders:
            directory = f"{home}/{folder_of(folder.name)}" if folder.name != INBOX else home
            path = f"{places.root}/{directory}"
            recorded = read_recorded(path)
            files = list_found(path, recorded)
            keywords = Keywords.load(path)

            def batches(
                path: str = path, files: list[Found] = files, keywords: Keywords = keywords, done: int = done
            ) -> Iterator[list[RestoredMessage]]:
                for batch in restored(path, files, keywords, MAX_UID, places.spool, digest_of):
                    yield batch
                    progress(done + len(batch), total)
                    done += len(batch)

            yield Adopted(folder.name, directory, folder.uid_validity, recorded.uid_next, batches())
            done += len(files)

    await outside.adopt(login, password_hash, read_subscriptions(target), mailboxes())
    if in_place:
        await asyncio.to_thread(shutil.rmtree, _former(places, home), ignore_errors=True)
    return adoption


def _is_same(target: Path, maildir: Path) -> bool:
    return target.exists() and maildir.exists() and target.samefile(maildir)


def _is_in_place(places: Places, target: Path, maildir: Path) -> bool:
    """Return whether the Maildir lies where the account's directory belongs. Raises StoreError if another does."""
    if not target.exists() and _former(places, target.name).exists():  # interrupted between two strokes
        os.rename(_former(places, target.name), target)
    if not target.exists():
        return False
    if not _is_same(target, maildir):
        raise StoreError(
            f"{target} is there already: move it away, or adopt it: mailhorn account adopt {target.name} {target}"
        )
    return True


def _survey(maildir: Path, validities: Validities, adoption: Adoption) -> list[_Folder]:
    """Return what is there, changing nothing."""
    found, odd = find_folders(maildir)
    if not found:
        raise StoreError(f"{maildir} is no Maildir: neither it nor INBOX in it has a directory `cur`")
    adoption.remarks += [f"{path} is left out: {reason}" for path, reason in odd]
    folders = []
    for name, source in found:
        recorded = read_recorded(source)
        uid_validity = validities.take(recorded.uid_validity)
        if recorded.uid_validity not in (0, uid_validity):
            adoption.remarks.append(
                f"{name} gets a new UIDVALIDITY, mail clients will read it anew: "
                f"another folder has {recorded.uid_validity} too"
            )
        files = list_found(str(source), recorded)
        folders.append(_Folder(name, source, files, recorded, uid_validity))
        adoption.mailboxes += 1
        adoption.messages += len(files)
        adoption.kept += sum(file.uid is not None for file in files)
    return folders


def _former(places: Places, home: str) -> Path:
    return places.root / f".adopted-{home}"


def _put_in_place(
    places: Places, folders: list[_Folder], target: Path, in_place: bool, progress: Callable[[int], None]
) -> None:
    """Make the account's directory."""
    staging = places.root / f".adopt-{target.name}"
    shutil.rmtree(staging, ignore_errors=True)
    done = 0
    for folder in folders:
        path = staging / folder_of(folder.name)
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(0o700, parents=True)
        if folder.name != INBOX:
            write_file(path / "maildirfolder", b"")
        for name in (KEYWORDS_FILE, MORE_KEYWORDS_FILE):
            with contextlib.suppress(FileNotFoundError):
                write_file(path / name, (folder.source / name).read_bytes())
        uid_next = max([folder.recorded.uid_next, *(file.uid + 1 for file in folder.files if file.uid)])
        for file in folder.files:
            uid, uid_next = (file.uid, uid_next) if file.uid is not None else (uid_next, uid_next + 1)
            _take_over(places, file, path, uid)
            done += 1
            progress(done)
        sign(path, folder.uid_validity, uid_next)
    home = _home_of(folders)
    lines = "".join(f"{folder_of(name)[1:] or name}\n" for name in read_subscriptions(home))
    write_file(staging / SUBSCRIPTIONS_FILE, lines.encode())
    flusher = Flusher(places.root)
    try:
        flusher.touched(*(str(path) for path in staging.rglob("*")))
        flusher.flush()
    finally:
        flusher.close()
    if in_place:
        shutil.rmtree(_former(places, target.name), ignore_errors=True)
        os.rename(target, _former(places, target.name))
    os.rename(staging, target)
    fsync_path(places.root)


def _home_of(folders: list[_Folder]) -> Path:
    """Return where the file of subscriptions is: beside INBOX's `cur`, or where INBOX is a folder like all others."""
    inbox = folders[0].source
    above = inbox.parent
    return above if inbox.name == INBOX and not (inbox / SUBSCRIPTIONS_FILE).exists() else inbox


def _take_over(places: Places, file: Found, path: Path, uid: int) -> None:
    """Link or copy a message's file, give it the line ends of mail, and call it by its UID."""
    temporary = path / "tmp" / str(uid)
    owner = os.stat(places.root).st_uid
    if os.stat(file.path).st_uid == owner:  # else the server may not be able to read it
        try:
            os.link(file.path, temporary)
        except OSError:  # another file system, or one without links
            _copy(file.path, temporary)
    else:
        _copy(file.path, temporary)
    with_line_ends(str(temporary), path / "tmp")
    size = os.stat(temporary).st_size
    os.rename(temporary, path / "cur" / file_name(file.key, size, uid, plain_letters(file.letters)))


def _copy(source: str, target: Path) -> None:
    shutil.copyfile(source, target)
    stat = os.stat(source)
    os.chmod(target, 0o600)
    os.utime(target, ns=(stat.st_mtime_ns, stat.st_mtime_ns))


__all__ = ["Adoption", "adopt"]
