"""Stores to test with: the real ones, in a directory of the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mailhorn.model.change import Change
from mailhorn.model.flags import NO_FLAGS, Flags
from mailhorn.model.ids import AccountId, MailboxId
from mailhorn.model.mailbox import INBOX
from mailhorn.model.message import Digest, Placed, Placement
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store

DATE = 1_700_000_000


def digest_of(body: bytes | memoryview) -> Digest:
    """Stand in for mime: something that depends on the body."""
    return Digest(len(body), bytes(body[:10]), b"s", b"p")


@asynccontextmanager
async def opened(
    directory: Path,
    tell: Callable[[Change], None] = lambda change: None,
    grace: float = 60.0,
    delay: float = 0.0,
) -> AsyncIterator[Store]:
    """Give a started store; everything is at rest afterwards."""
    index = SqliteIndex(directory / "index.db", digest_of, grace=grace)
    store = Store(index, MaildirBlobs(directory, index, delay=delay), tell, digest_of)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def account(store: Store, login: str = "ada@example.org") -> tuple[AccountId, MailboxId]:
    """Make an account; return it and its INBOX."""
    await store.index.add_accounts([(login, "hash")])
    made = await store.index.account(login)
    assert made is not None
    inbox = await store.index.mailbox(made.id, INBOX)
    assert inbox is not None
    return made.id, inbox.id


async def deliver(
    store: Store, *mailboxes: MailboxId, body: bytes = b"Subject: x\r\n\r\nhello\r\n", flags: Flags = NO_FLAGS
) -> tuple[Placed, ...]:
    """Append one message to the mailboxes."""
    staged = store.stage()
    staged.write(body)
    return await store.append(staged, [Placement(mailbox, flags) for mailbox in mailboxes], DATE)


def message_files(directory: Path) -> list[Path]:
    """Return the files of all messages of all accounts."""
    return sorted(path for path in directory.glob("mail/**/cur/*") if path.is_file())


def lose_index(directory: Path) -> None:
    """Delete the database."""
    for path in directory.glob("index.db*"):
        path.unlink()
