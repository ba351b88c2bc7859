"""The two seams under the store and what an implementation promises.

`Index` knows mailboxes, messages and what happened to them; `Blobs` keeps bodies. `store.store` puts the
two in order and is the only one that does. All verbs are async: an implementation brings its own threads.
"""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..model.change import Change
from ..model.flags import Flags
from ..model.ids import UID, AccountId, MailboxId, ModSeq
from ..model.mailbox import Account, Mailbox
from ..model.message import Digest, MessageDigest, MessageRow, Placed, Placement


class StoreError(Exception):
    """Anything the store refuses. The text says what, where and what to do, in one line."""


class MailboxMissing(StoreError):
    """The mailbox is gone, or never was. Answer TRYCREATE or NONEXISTENT."""


class MailboxExists(StoreError):
    """The name is taken. Answer ALREADYEXISTS."""


class MessageMissing(StoreError):
    """The message, or its body, is gone. Answer EXPUNGEISSUED."""


class StoreUnavailable(StoreError):
    """The disk is full, broken or read-only; nothing was changed. Answer 4xx or NO [UNAVAILABLE]."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """
    One stored body, before or after it has come to rest.

    Attributes:
        key: Name of the blob, unique for all time; what the file is called up to its flags.
        size: Octets.
        inline: The body itself if it rides in the index's transaction, None if it is in the blob store.

    """

    key: str
    size: int
    inline: bytes | None


@dataclass(frozen=True, slots=True)
class Append:
    """One message to be made part of some mailboxes in one transaction."""

    blob: BlobRef
    placements: tuple[Placement, ...]
    internal_date: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPY or MOVE did: sources and, in the same order, what they became; and the changes to tell."""

    source: tuple[UID, ...]
    target: tuple[Placed, ...]
    changes: tuple[Change, ...]


class Index(ABC):
    """
    Mailboxes, messages, UID and mod-sequence allocation, the log of changes.

    Promises:
        - UID and mod-sequence are given in the transaction that inserts the message, under the mailbox's
          lock, held to commit: a reader that sees UID n sees every smaller one that still exists.
        - A UID is never given twice in one UIDVALIDITY, a MailboxId never at all.
        - When a writing verb returns, what it did survives a power cut.
        - Writing verbs are grouped: what waits while one commit runs shares the next. `told` is called in
          the event loop once for each change, in the order of commits, before the verb that made it returns.
        - Every verb raises StoreUnavailable if the disk will not have it, and has then changed nothing.
    """

    told: Callable[[Change], None]

    # accounts

    @abstractmethod
    async def account(self, login: str) -> Account | None:
        """Return the account; logins are compared in lower case."""

    @abstractmethod
    async def accounts(self) -> list[Account]:
        """Return all accounts by login."""

    @abstractmethod
    async def add_accounts(self, accounts: Sequence[tuple[str, str]]) -> int:
        """Add (login, password_hash) pairs, each with an INBOX, in one commit; return how many were new."""

    @abstractmethod
    async def set_password_hash(self, account: AccountId, password_hash: str) -> None:
        """Replace the hash."""

    @abstractmethod
    async def remove_account(self, account: AccountId) -> None:
        """Remove the account, its mailboxes and messages from the index."""

    # mailboxes

    @abstractmethod
    async def mailboxes(self, account: AccountId) -> list[Mailbox]:
        """Return the account's mailboxes by name."""

    @abstractmethod
    async def mailbox(self, account: AccountId, name: str) -> Mailbox | None:
        """Return the mailbox of that exact (canonical) name."""

    @abstractmethod
    async def mailbox_by_id(self, mailbox: MailboxId) -> Mailbox | None:
        """Return the mailbox as it stands now."""

    @abstractmethod
    async def create_mailbox(self, account: AccountId, name: str) -> Mailbox:
        """Create it, and the levels above it that do not exist. Raises MailboxExists."""

    @abstractmethod
    async def delete_mailbox(self, mailbox: MailboxId) -> None:
        """Delete it with its messages; tells a change with `gone`. Raises MailboxMissing."""

    @abstractmethod
    async def rename_mailbox(self, account: AccountId, name: str, new_name: str) -> None:
        """
        Rename it and all below it; of INBOX, move its messages to a new mailbox (RFC 9051 §6.3.6).

        Raises MailboxMissing, MailboxExists.
        """

    @abstractmethod
    async def subscriptions(self, account: AccountId) -> list[str]:
        """Return the subscribed names, existing or not, sorted."""

    @abstractmethod
    async def subscribe(self, account: AccountId, name: str, on: bool) -> None:
        """Add the name to the subscriptions or take it away."""

    # messages

    @abstractmethod
    async def append(self, message: Append) -> tuple[Placed, ...]:
        """Insert the message once per placement, in their order. Raises MailboxMissing (then nothing was)."""

    @abstractmethod
    async def set_flags(
        self, mailbox: MailboxId, uids: Sequence[UID], add: Flags, remove: Flags, replace: bool = False
    ) -> Change:
        """
        Change flags; with `replace` the flags become exactly `add`.

        Messages that do not exist are passed over; a message that already is as asked keeps its
        mod-sequence and is not in the answer. Keywords compare without regard to case and keep their
        first spelling.
        """

    @abstractmethod
    async def expunge(self, mailbox: MailboxId, uids: Sequence[UID] | None, deleted_only: bool = True) -> Change:
        """Remove messages (all if None; of these only the ones with \\Deleted, if so asked)."""

    @abstractmethod
    async def copy(self, source: MailboxId, uids: Sequence[UID], target: MailboxId, move: bool = False) -> Copied:
        """Copy messages with flags and dates, or move them, in one transaction. Raises MailboxMissing."""

    @abstractmethod
    async def uids(self, mailbox: MailboxId) -> tuple[ModSeq, "array[int]"]:
        """Return all UIDs, ascending, and the mod-sequence at which they were read."""

    @abstractmethod
    async def changes_since(self, mailbox: MailboxId, changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Change:
        """
        Return what a view needs that stands there: one consistent read.

        Args:
            mailbox: Which one.
            changed_to: Appends and flag changes after this mod-sequence are told.
            expunged_to: Expunges after this one are told.
            last_uid: The greatest UID the view knows or ever knew; greater ones are `appended`.

        """

    @abstractmethod
    async def rows(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageRow]:
        """Return the messages that exist, ascending by UID."""

    @abstractmethod
    async def digests(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageDigest]:
        """Return the messages that exist with their digests, ascending by UID."""

    @abstractmethod
    async def blob(self, mailbox: MailboxId, uid: UID) -> BlobRef:
        """Return where the body is (inline bytes if it is not settled yet). Raises MessageMissing."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was accepted, then let go of everything. Verbs called later raise StoreUnavailable."""


class StagedBlob(ABC):
    """A body on its way in. Feed it, then hand it to `Store.append`, or drop it with `discard`."""

    size: int

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Small bodies stay in memory; beyond a limit they go to a file at once."""

    @abstractmethod
    def view(self) -> memoryview:
        """Return the whole body to read, without copying it (a map of the file when it is one)."""

    @abstractmethod
    async def finish(self) -> BlobRef:
        """Make a big body durable in the blob store; a small one comes back inline. Raises StoreUnavailable."""

    @abstractmethod
    def discard(self) -> None:
        """Forget it; harmless after `finish` if the blob was never referred to."""


class Blobs(ABC):
    """Bodies: written once, read in ranges, removed late."""

    @abstractmethod
    def stage(self) -> StagedBlob:
        """Begin a new body."""

    @abstractmethod
    async def read(self, mailbox: MailboxId, uid: UID, ref: BlobRef, start: int, end: int) -> bytes:
        """Return bytes start to end of a settled body; find the file if another tool renamed it."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way."""


__all__ = [
    "Append",
    "BlobRef",
    "Blobs",
    "Copied",
    "Index",
    "MailboxExists",
    "MailboxMissing",
    "MessageMissing",
    "StagedBlob",
    "StoreError",
    "StoreUnavailable",
]
