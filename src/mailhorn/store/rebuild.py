"""The index is lost: make it anew from the Maildirs and the file of accounts.

After a clean stop everything comes back as it was: accounts and passwords, mailboxes, UIDVALIDITY, UIDs,
UIDNEXT, flags, keywords, internal dates, subscriptions. After a crash UIDNEXT is not known exactly and a
gap is left, so that no UID is ever given twice. Mod-sequences begin anew far above all former ones.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from ..model.flags import flag_set
from ..model.ids import MAX_UID, UID
from ..model.mailbox import INBOX
from ..model.message import Digest
from .abc import AccountLine, Resting, RestoredMessage, StoreUnavailable
from .intake import digest, plain_letters, with_line_ends
from .names import InvalidName, file_name, flags_of_letters, login_of, mailbox_of
from .notes import read_acl, read_notes
from .records import Found, find_folders, list_found, read_recorded, read_subscriptions
from .settle import MAILBOX_FILE, Keywords, Places, read_settings, sign
from .validity import MAX_UID_VALIDITY, counted

UID_GAP = 1_000_000
"""UIDs skipped after a crash: more than a folder's file can be behind (`UID_SLACK`) and than can be unsettled."""

BATCH = 200
"""Messages per transaction; their digests are in memory meanwhile."""

log = structlog.get_logger(__name__)


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

    Raises StoreUnavailable: not all that is there can be read. What is left out now could have its UIDs and flags never
    again, so nothing is.

    """
    places = Places(data)
    gap = UID_GAP if places.running.exists() else 0
    lines, last_uid_validity = _read_accounts(places)
    for directory in account_dirs(places):
        if directory not in lines:
            if _is_laid_out_otherwise(places.root / directory):
                log.warning(
                    "a Maildir has folders that are no Maildir++ and is left alone; "
                    "to see its mail: mailhorn account adopt, with the server stopped",
                    where=str(places.root / directory),
                )
                continue
            log.warning(
                "an account comes back without a password: the file of accounts does not name it", account=directory
            )
            lines[directory] = AccountLine(login_of(directory), "", 0)
    validities = Validities(last_uid_validity, clock)
    await resting.begin_restore(last_uid_validity)
    total = 0
    for directory in sorted(lines):
        try:
            total += await _rebuild_account(
                resting, places, directory, lines[directory], validities, gap, int(clock() * 1000), digest_of, progress
            )
        except OSError as problem:
            raise StoreUnavailable(
                f"the index is gone and cannot be made anew from {places.root / directory} ({problem}): "
                "see to it, to whom it belongs and who may read it, and start again"
            ) from problem
    await resting.end_restore()
    return total


class Validities:
    """
    UIDVALIDITYs: in an account each one once, new ones greater than all that the server ever gave.

    Which numbers count says `validity`.
    """

    def __init__(self, last: int, clock: Callable[[], float]) -> None:
        self._last = max(counted(last), counted(clock()))
        self._used: set[int] = set()

    def next_account(self) -> None:
        """Begin with another account: what two accounts have in common does not matter."""
        self._used.clear()

    def take(self, wanted: int) -> int:
        """Return the wanted one if it is one and still free, else a new one."""
        if not 0 < wanted <= MAX_UID_VALIDITY or wanted in self._used:
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


def _is_laid_out_otherwise(home: Path) -> bool:
    """Return whether a directory is another program's, with folders that an account's directory has no place for."""
    if (home / MAILBOX_FILE).exists():
        return False
    try:
        found, _ = find_folders(home)
    except OSError:
        return False  # making the account anew tells what it is
    return not {path for _, path in found} <= {home, *(home / folder for folder, _ in _mailboxes(home))}


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
    validities: Validities,
    gap: int,
    mod_seq: int,
    digest_of: Callable[[memoryview], Digest],
    progress: Callable[[str, int], None],
) -> int:
    home = places.root / directory
    validities.next_account()
    told = read_recorded(home).uid_validity
    line = line._replace(uid_validity=validities.take(told or line.uid_validity))
    _, of_account = read_notes(home)
    account = await resting.restore_account(line, read_subscriptions(home), 1 + gap, mod_seq, of_account)
    total = 0
    for folder, name in _mailboxes(home):
        path = str(home / folder) if folder else str(home)
        recorded = await asyncio.to_thread(read_recorded, path)
        uid_validity = line.uid_validity if name == INBOX else validities.take(recorded.uid_validity)
        files = await asyncio.to_thread(list_found, path, recorded)
        uid_next = max([recorded.uid_next, *(file.uid + 1 for file in files if file.uid)]) + gap
        if read_settings(f"{path}/{MAILBOX_FILE}").get("uid_validity") != uid_validity:
            sign(path, uid_validity, uid_next)
        mailbox = await resting.restore_mailbox(
            account,
            name,
            uid_validity,
            min(uid_next, MAX_UID),
            mod_seq,
            f"{directory}/{folder}" if folder else directory,
            read_notes(path)[0],
        )
        await resting.restore_acl(mailbox, read_acl(path))
        batches = restored(path, files, Keywords.load(path), uid_next, places.spool, digest_of)
        while batch := await asyncio.to_thread(next, batches, None):
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


def restored(
    path: str,
    files: list[Found],
    keywords: Keywords,
    next_uid: int,
    spool: Path,
    digest_of: Callable[[memoryview], Digest],
) -> Iterator[list[RestoredMessage]]:
    """
    Yield the messages to put into the index, in batches; files that are not called as they should be are renamed.

    Args:
        path: The folder.
        files: What is in it, as `list_found` gives it.
        keywords: The folder's.
        next_uid: For files without a UID, from here on.
        spool: For files that have to be written anew; on the same file system.
        digest_of: Computes what FETCH needs.

    Raises OSError.

    """
    for start in range(0, len(files), BATCH):
        batch = []
        for file in files[start : start + BATCH]:
            uid, size, letters = file.uid, file.size, plain_letters(file.letters)
            if uid is None:
                uid, next_uid = next_uid, next_uid + 1
            wanted = f"{path}/cur/{file_name(file.key, size, uid, letters)}"
            if wanted != file.path:  # it is not ours, or not yet
                spool.mkdir(0o700, parents=True, exist_ok=True)
                with_line_ends(file.path, spool)
                size = os.stat(file.path).st_size
                wanted = f"{path}/cur/{file_name(file.key, size, uid, letters)}"
                os.rename(file.path, wanted)
            flags = flag_set([*flags_of_letters(letters), *keywords.flags(letters), *keywords.more.get(uid, ())])
            with open(wanted, "rb") as body:
                digested = digest(body.fileno(), size, digest_of)
            batch.append(
                RestoredMessage(
                    UID(uid), file.key, letters, " ".join(sorted(flags)), file.internal_date, size, digested
                )
            )
        yield batch


__all__ = ["Validities", "needs_rebuild", "rebuild", "restored"]
