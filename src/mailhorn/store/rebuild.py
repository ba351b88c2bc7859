"""The index is lost: make it anew from the Maildirs and the file of accounts.

After a clean stop everything comes back as it was: accounts and passwords, mailboxes, UIDVALIDITY, UIDs,
UIDNEXT, flags, keywords, internal dates, subscriptions. After a crash UIDNEXT is not known exactly and a
gap is left, so that no UID is ever given twice. Mod-sequences begin anew far above all former ones.
"""

import asyncio
import contextlib
import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..model.flags import flag_set
from ..model.ids import MAX_UID, UID
from ..model.mailbox import INBOX
from ..model.message import Digest
from .abc import AccountLine, Resting, RestoredMessage
from .names import InvalidName, file_name, flags_of_letters, login_of, mailbox_of, parse_file_name
from .settle import MAILBOX_FILE, SUBSCRIPTIONS_FILE, Keywords, Places, read_settings

UID_GAP = 1_000_000
"""UIDs skipped after a crash: more than a folder's file can be behind (`UID_SLACK`) and than can be unsettled."""

BATCH = 200
"""Messages per transaction; their digests are in memory meanwhile."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A message's file as it lies there."""

    path: str
    key: str
    uid: int | None
    letters: str
    size: int
    internal_date: int


def needs_rebuild(resting: Resting, data: Path) -> bool:
    """Return whether the index was made anew although there are accounts on disk."""
    places = Places(data)
    return resting.fresh and (places.accounts.exists() or any(account_dirs(places)))


async def rebuild(
    resting: Resting,
    data: Path,
    digest_of: Callable[[memoryview], Digest],
    progress: Callable[[str, int], None] = lambda login, messages: None,
    clock: Callable[[], float] = time.time,
) -> int:
    """
    Fill a fresh index; call it before `Store.start`.

    Args:
        resting: The index, `fresh`.
        data: The directory of everything.
        digest_of: Computes what FETCH needs of a message; runs in a thread.
        progress: Called in the event loop after each batch: login, messages of it so far.
        clock: Seconds since 1970.

    Returns:
        How many messages came back.

    If it is interrupted, it begins anew at the next start.

    """
    places = Places(data)
    gap = UID_GAP if places.running.exists() else 0
    lines, last_uid_validity = _read_accounts(places)
    for directory in account_dirs(places):
        if directory not in lines:
            log.warning(
                "an account comes back without a password: the file of accounts does not name it", account=directory
            )
            lines[directory] = AccountLine(login_of(directory), "", 0)
    validities = _Validities(last_uid_validity, clock)
    await resting.begin_restore(last_uid_validity)
    total = 0
    for directory in sorted(lines):
        total += await _rebuild_account(
            resting, places, directory, lines[directory], validities, gap, int(clock() * 1000), digest_of, progress
        )
    await resting.end_restore()
    return total


class _Validities:
    """UIDVALIDITYs: each one once, new ones greater than all."""

    def __init__(self, last: int, clock: Callable[[], float]) -> None:
        self._last = max(last, int(clock()))
        self._used: set[int] = set()

    def take(self, wanted: int) -> int:
        """Return the wanted one if it is one and still free, else a new one."""
        if not 0 < wanted <= MAX_UID or wanted in self._used:
            wanted = self._last + 1
        self._last = max(self._last, wanted)
        self._used.add(wanted)
        return wanted


def account_dirs(places: Places) -> Iterator[str]:
    """Yield the directories that are accounts'."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(places.root)):
            with contextlib.suppress(InvalidName):
                login_of(name)
                if (places.root / name).is_dir():
                    yield name


def _read_accounts(places: Places) -> tuple[dict[str, AccountLine], int]:
    """Return what the file of accounts tells, by directory; lines that make no sense are passed over."""
    lines: dict[str, AccountLine] = {}
    try:
        text = places.accounts.read_text("utf-8", "replace")
    except FileNotFoundError:
        return lines, 0
    for line in text.splitlines():
        directory, _, rest = line.partition(":")
        password_hash, _, uid_validity = rest.rpartition(":")
        if not line.startswith("#") and uid_validity.isdecimal():
            with contextlib.suppress(InvalidName):
                lines[directory] = AccountLine(login_of(directory), password_hash, int(uid_validity))
    return lines, read_settings(places.accounts).get("last_uid_validity", 0)


async def _rebuild_account(
    resting: Resting,
    places: Places,
    directory: str,
    line: AccountLine,
    validities: _Validities,
    gap: int,
    mod_seq: int,
    digest_of: Callable[[memoryview], Digest],
    progress: Callable[[str, int], None],
) -> int:
    home = places.root / directory
    told = read_settings(home / MAILBOX_FILE).get("uid_validity", 0)
    line = line._replace(uid_validity=validities.take(told or line.uid_validity))
    account = await resting.restore_account(line, _read_subscriptions(home), 1 + gap, mod_seq)
    total = 0
    for folder, name in _mailboxes(home):
        path = str(home / folder) if folder else str(home)
        settings = read_settings(f"{path}/{MAILBOX_FILE}")
        uid_validity = line.uid_validity if name == INBOX else validities.take(settings.get("uid_validity", 0))
        files = await asyncio.to_thread(_messages, path)
        uid_next = max([settings.get("uid_next", 1), *(file.uid + 1 for file in files if file.uid)]) + gap
        mailbox = await resting.restore_mailbox(
            account,
            name,
            uid_validity,
            min(uid_next, MAX_UID),
            mod_seq,
            f"{directory}/{folder}" if folder else directory,
        )
        keywords = Keywords.load(path)
        for start in range(0, len(files), BATCH):
            batch = await asyncio.to_thread(
                _restored, path, files[start : start + BATCH], keywords, uid_next + start, digest_of
            )
            await resting.restore_messages(mailbox, batch)
            total += len(batch)
            progress(line.login, total)
    return total


def _mailboxes(home: Path) -> Iterator[tuple[str, str]]:
    """Yield (folder, name) of all mailboxes of an account."""
    if (home / "cur").is_dir():
        yield "", INBOX
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(os.listdir(home)):
            if folder.startswith(".") and (home / folder / "cur").is_dir():
                try:
                    yield folder, mailbox_of(folder)
                except InvalidName as problem:
                    log.warning("a folder is left out", folder=str(home / folder), problem=str(problem))


def _read_subscriptions(home: Path) -> list[str]:
    names = []
    with contextlib.suppress(FileNotFoundError):
        for line in (home / SUBSCRIPTIONS_FILE).read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(InvalidName):
                names.append(INBOX if line == INBOX else mailbox_of(f".{line}"))
    return names


def _messages(path: str) -> list[Found]:
    """Return the messages of a folder: those with a UID by it, then the others by their age."""
    found = []
    seen: set[int] = set()
    for part in ("cur", "new"):
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{path}/{part}") as entries:
            for entry in sorted(entries, key=lambda e: e.name):  # of two with one UID the older name has it
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                key, _, uid, letters = parse_file_name(entry.name)
                if uid in seen:
                    uid = None
                elif uid is not None:
                    seen.add(uid)
                stat = entry.stat()
                found.append(Found(entry.path, key, uid, letters, stat.st_size, int(stat.st_mtime // 1)))
    return sorted(found, key=lambda f: (f.uid is None, f.uid or 0, f.internal_date, f.path))


def _restored(
    path: str, files: list[Found], keywords: Keywords, next_uid: int, digest_of: Callable[[memoryview], Digest]
) -> list[RestoredMessage]:
    """Return the messages to put into the index; files that are not called as they should be are renamed."""
    batch = []
    for file in files:
        uid = file.uid
        if uid is None:
            uid, next_uid = next_uid, next_uid + 1
        wanted = f"{path}/cur/{file_name(file.key, file.size, uid, file.letters)}"
        if wanted != file.path:
            os.rename(file.path, wanted)
        flags = flag_set([*flags_of_letters(file.letters), *keywords.flags(file.letters), *keywords.more.get(uid, ())])
        batch.append(
            RestoredMessage(
                UID(uid),
                file.key,
                file.letters,
                " ".join(sorted(flags)),
                file.internal_date,
                file.size,
                _digest(wanted, file.size, digest_of),
            )
        )
    return batch


def _digest(path: str, size: int, digest_of: Callable[[memoryview], Digest]) -> Digest:
    if not size:
        return digest_of(memoryview(b""))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        with memoryview(body) as view:
            return digest_of(view)


__all__ = ["needs_rebuild", "rebuild"]
