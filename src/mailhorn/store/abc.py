"""The two seams under the store and what an implementation promises.

`Index` knows mailboxes, messages and what happened to them; `Blobs` keeps bodies. `store.store` puts the
two in order and is the only one that does. All verbs are async: an implementation brings its own threads.
"""

import asyncio
import errno
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Self

import msgspec

from ..model.change import Change
from ..model.flags import Flag, Flags
from ..model.ids import UID, AccountId, MailboxId, ModSeq, UIDValidity
from ..model.mailbox import Account, Mailbox, Usage
from ..model.message import Digest, MessageDigest, MessageOrigin, MessageRow, Placed, Placement
from ..model.rights import Acl


class StoreError(Exception):
    """Anything the store refuses. The text says what, where and what to do, in one line."""


class MailboxMissing(StoreError):
    """The mailbox is gone, or never was. Answer TRYCREATE or NONEXISTENT."""


class MailboxExists(StoreError):
    """The name is taken. Answer ALREADYEXISTS."""


class MessageMissing(StoreError):
    """The message, or its body, is gone. Answer EXPUNGEISSUED."""


class TooManyFlags(StoreError):
    """A message would have more than MAX_FLAGS; nothing was changed. Answer LIMIT."""


class TooManyNotes(StoreError):
    """Of a mailbox or account more would be noted than MAX_NOTES, MAX_NOTES_SIZE or MAX_ACL; nothing was changed."""


class StoreUnavailable(StoreError):
    """The disk is full, broken or read-only; nothing was changed. Answer 4xx or NO [UNAVAILABLE]."""


class StoreFull(StoreUnavailable):
    """Of these: there is no room."""


NO_ROOM = frozenset({errno.EDQUOT, errno.ENOSPC})
"""Errors of a disk that pass when files are removed."""


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
class FileRef(BlobRef):
    """
    A body that is a file.

    Attributes:
        path: The file below the blob store's root, as far as the index knows. "" if only its key is known.

    """

    path: str


@dataclass(frozen=True, slots=True)
class Append:
    """
    One message to be made part of some mailboxes in one transaction.

    Attributes:
        blob: Its body.
        placements: Where to.
        internal_date: Seconds since 1970, UTC.
        digest: What FETCH needs of it; None if the body is inline: then the index computes it when nobody waits.

    """

    blob: BlobRef
    placements: tuple[Placement, ...]
    internal_date: int
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """
    What COPY or MOVE did.

    Attributes:
        source: Which messages, ascending.
        mailbox: Where their copies are.
        uid_validity: That mailbox's.
        uids: What they became, in the same order.
        changes: To be told.

    """

    source: tuple[UID, ...]
    mailbox: MailboxId
    uid_validity: UIDValidity
    uids: tuple[UID, ...]
    changes: tuple[Change, ...]

    @property
    def target(self) -> tuple[Placed, ...]:
        """The copies one by one."""
        return tuple([Placed(self.mailbox, self.uid_validity, uid) for uid in self.uids])


class Columns(NamedTuple):
    """Messages side by side: what stands at one place in each column belongs to one message. See `MessageRow`."""

    uids: Sequence[UID]
    mod_seqs: Sequence[ModSeq]
    flags: Sequence[str]
    dates: Sequence[int]
    sizes: Sequence[int]
    envelopes: Sequence[bytes] = ()
    """This and the next only if they were asked for. See `Digest`."""
    body_structures: Sequence[bytes] = ()

    def at(self, places: Sequence[int]) -> "Columns":
        """Return those at these places."""
        return Columns(
            [self.uids[at] for at in places],
            [self.mod_seqs[at] for at in places],
            [self.flags[at] for at in places],
            [self.dates[at] for at in places],
            [self.sizes[at] for at in places],
            [self.envelopes[at] for at in places] if self.envelopes else (),
            [self.body_structures[at] for at in places] if self.body_structures else (),
        )


class Stored(NamedTuple):
    """A message and where its body is."""

    row: MessageRow
    digest: Digest
    """Empty if it was not asked for."""
    where: bytes | str | None
    """The body itself if it is at hand, the path of its file below the blob store's root, None if `blob` has to say."""


class Note(NamedTuple):
    """What is to be noted: of a mailbox, or of the account (None); `value` None: no longer."""

    mailbox: MailboxId | None
    entry: str
    """In lower case."""
    value: bytes | None


class Shared(NamedTuple):
    """A mailbox of an account, and what its access control list says of those who were asked for."""

    login: str
    mailbox: Mailbox
    acl: dict[str, str]


MAX_ACL = 500
"""Identifiers of one mailbox's access control list: all of them are told, and written anew, when one changes."""

MAX_NOTES = 500
"""Entries of one mailbox, or of the account. Clients keep a handful; all of them are written anew when one changes."""

MAX_NOTES_SIZE = 256 * 1024
"""Octets of their values in all: the file that keeps them is written within a millisecond."""


class Appended(tuple[Placed, ...]):
    """
    Where a message went, in the order of its placements.

    Attributes:
        durable_at: When it was safe, seconds on the monotonic clock: a point on the message's timeline.

    """

    durable_at: float


NO_NOTES: Mapping[str, bytes] = MappingProxyType({})


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
    async def accounts(self, limit: int | None = None, after: str = "") -> list[Account]:
        """Return all accounts by login, or the first so many after this login."""

    @abstractmethod
    async def add_accounts(self, accounts: Sequence[tuple[str, str]]) -> int:
        """Add (login, password_hash) pairs, each with an INBOX, in one commit; return how many were new."""

    @abstractmethod
    async def set_password_hash(self, account: AccountId, password_hash: str, same_password: bool = False) -> None:
        """
        Replace the hash.

        Args:
            account: Whose.
            password_hash: The new one.
            same_password: What is kept beside the index may go on with the old one until something else changes in it.

        """

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
    async def create_mailbox(self, account: AccountId, name: str, notes: Mapping[str, bytes] = NO_NOTES) -> Mailbox:
        """Create it, with what is noted of it, and the levels above it that do not exist. Raises MailboxExists."""

    @abstractmethod
    async def delete_mailbox(self, mailbox: MailboxId) -> None:
        """Delete it with its messages; tells a change with `gone`. Raises MailboxMissing."""

    @abstractmethod
    async def rename_mailbox(self, account: AccountId, name: str, new_name: str) -> None:
        """
        Rename it and all below it; of INBOX, move its messages to a new mailbox (RFC 9051 §6.3.6).

        If nothing is called so, but something is below, that is renamed, and there is no such mailbox afterwards.

        Raises MailboxMissing, MailboxExists.
        """

    @abstractmethod
    async def subscriptions(self, account: AccountId) -> list[str]:
        """Return the subscribed names, existing or not, sorted."""

    @abstractmethod
    async def subscribe(self, account: AccountId, name: str, on: bool) -> None:
        """Add the name to the subscriptions or take it away."""

    @abstractmethod
    async def usage(self, account: AccountId, exact: bool = True) -> Usage:
        """Return what the account keeps; without `exact`, as it was a moment ago, at once."""

    # what clients note of mailboxes (RFC 5464)

    @abstractmethod
    async def notes(self, account: AccountId, mailbox: MailboxId | None) -> dict[str, bytes]:
        """Return what is noted of a mailbox, or of the account, by entry."""

    @abstractmethod
    async def noted(self, account: AccountId, entry: str) -> dict[MailboxId, bytes]:
        """Return what is noted under that entry of each of the account's mailboxes."""

    @abstractmethod
    async def note(self, account: AccountId, notes: Sequence[Note]) -> None:
        """Note all of it or nothing. Raises MailboxMissing, TooManyNotes."""

    # access control lists (RFC 4314): what they mean is the caller's business

    @abstractmethod
    async def acl(self, mailbox: MailboxId) -> dict[str, str]:
        """Return who has which rights in a mailbox, sorted; empty if nobody but its owner has any."""

    @abstractmethod
    async def set_acl(self, mailbox: MailboxId, change: Callable[[Acl], Acl]) -> dict[str, str]:
        """
        Change the list; a mailbox made below this one has a copy of it, one that is deleted takes it along.

        Args:
            mailbox: Whose.
            change: Returns the list that is to be for the one there is; whatever it raises leaves all as it was. It
                runs in another thread.

        Returns the list as it is now. Raises MailboxMissing, TooManyNotes.
        """

    @abstractmethod
    async def shared(self, identifiers: Sequence[str]) -> list[Shared]:
        """Return the mailboxes, of whatever account, whose lists name one of the identifiers."""

    # messages

    async def append(self, message: Append) -> Appended:
        """Insert the message once per placement, in their order. Raises MailboxMissing (then nothing was)."""
        answer: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def then(outcome: Appended | Exception) -> None:
            if answer.done():
                return  # who asked has gone away
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self.append_soon(message, then)
        return await answer

    @abstractmethod
    def append_soon(self, message: Append, then: Callable[[Appended | Exception], None]) -> None:
        """
        Do as `append`, without a task: the way of almost every delivery.

        Args:
            message: What to append.
            then: Called in the event loop, after `told`, with the outcome or what `append` would raise. Must not raise.

        Raises StoreUnavailable at once if the index is closed.
        """

    @abstractmethod
    async def append_together(
        self, messages: Sequence[Append], replacing: tuple[MailboxId, UID] | None = None
    ) -> list[Placed]:
        """
        Insert several messages in one transaction, which a crash leaves whole or not at all.

        Args:
            messages: What to append.
            replacing: A message that is expunged by the same transaction.

        Returns where they went, in their order. Raises MailboxMissing, MessageMissing (then nothing was done).
        """

    @abstractmethod
    async def set_flags(
        self,
        mailbox: MailboxId,
        uids: Sequence[UID],
        add: Flags,
        remove: Flags,
        replace: bool = False,
        unchanged_since: ModSeq | None = None,
        may: Callable[[Flag], bool] | None = None,
    ) -> Change:
        """
        Change flags; with `replace` the flags become exactly `add`. A flag that is not `may` stays as it is.

        Messages that do not exist are passed over, and with `unchanged_since` those whose mod-sequence is greater, by
        the same transaction that changes the others; a message that already is as asked keeps its
        mod-sequence and is not in the answer. Keywords compare without regard to case and keep their
        first spelling.
        """

    @abstractmethod
    async def expunge(
        self, mailbox: MailboxId, uids: Sequence[UID] | None, deleted_only: bool = True, most: int | None = None
    ) -> Change:
        """Remove messages (all if None; of these only the ones with \\Deleted, if so asked), or the first `most`."""

    @abstractmethod
    async def copy(
        self,
        source: MailboxId,
        uids: Sequence[UID],
        target: MailboxId,
        move: bool = False,
        whole: bool = False,
        may: Callable[[Flag], bool] | None = None,
    ) -> Copied:
        """
        Copy messages with flags and dates, or move them, in one transaction.

        Args:
            source: Where they are.
            uids: Which; what is not there is passed over.
            target: Where to; it may be the source, and another account's.
            move: Take them out of the source.
            whole: Pass over nothing: raise MessageMissing, and copy nothing, if one is not there.
            may: Which flags come along; all if not given.

        Raises MailboxMissing, MessageMissing.
        """

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
    async def columns(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool = False) -> Columns:
        """
        Return the messages that exist, ascending by UID, by the column: of thousands that is a tenth of the work.

        Args:
            mailbox: Where they are.
            uids: Which, ascending.
            digested: With what their digests tell in an envelope and a body structure.

        """

    def mailbox_at_hand(self, account: AccountId, name: str) -> Mailbox | None:
        """Do as `mailbox`, without waiting; None: there is none, or it has to be asked."""
        return None

    def columns_at_hand(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool = False) -> Columns | None:
        """Do as `columns`, without waiting, if all of these few messages are at hand; None if not: ask `columns`."""
        return None

    @abstractmethod
    async def origins(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageOrigin]:
        """Return where the messages that exist come from, ascending by UID."""

    @abstractmethod
    async def digests(self, mailbox: MailboxId, uids: Sequence[UID]) -> list[MessageDigest]:
        """Return the messages that exist with their digests, ascending by UID."""

    @abstractmethod
    async def blob(self, mailbox: MailboxId, uid: UID) -> BlobRef:
        """Return where the body is (inline bytes if it is not settled yet). Raises MessageMissing."""

    @abstractmethod
    async def stored(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool) -> list["Stored"]:
        """Return the messages that exist, ascending by UID, with digests if `digested`, and where their bodies are."""

    def stored_at_hand(self, mailbox: MailboxId, uids: Sequence[UID], digested: bool) -> list["Stored"] | None:
        """Do as `stored`, without waiting, if all of these few messages are at hand; None if not: ask `stored`."""
        return None

    @abstractmethod
    async def close(self) -> None:
        """Finish what was accepted, then let go of everything. Verbs called later raise StoreUnavailable."""


class StagedBlob(ABC):
    """A body on its way in. Feed it, then hand it to `Store.append`, or drop it with `discard`."""

    size: int

    @property
    @abstractmethod
    def rides(self) -> bool:
        """Whether the body, as far as it has come, is small enough to ride in the index's commit."""

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Small bodies stay in memory; beyond a limit they go to a file at once."""

    @abstractmethod
    def view(self) -> memoryview:
        """Return the whole body to read, without copying it (a map of the file when it is one)."""

    @abstractmethod
    def at_hand(self) -> BlobRef:
        """Return a body that rides, inline."""

    @abstractmethod
    async def finish(self) -> BlobRef:
        """Make a big body durable in the blob store; a small one comes back inline. Raises StoreUnavailable."""

    @abstractmethod
    def discard(self) -> None:
        """Forget it; harmless after `finish` if the blob was never referred to."""


class OpenBlob(ABC):
    """A body that is being read: it stays what it is, whatever becomes of the message meanwhile. Close it."""

    @abstractmethod
    async def read(self, start: int, end: int) -> bytes:
        """Return bytes start to end, which are within it. Raises StoreUnavailable, MessageMissing if it was cut."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


class Taker(ABC):
    """Who takes many bodies, one after the other, in a thread."""

    @abstractmethod
    def take(self, number: int, body: bytes | int) -> bool:
        """Take one: its octets, or the descriptor of its file, open as long as this runs. False: it is not taken."""

    @abstractmethod
    def end(self) -> None:
        """There are no more; called in the same thread, whatever has happened."""


class Blobs(ABC):
    """Bodies: written once, read in ranges, removed late."""

    @abstractmethod
    def stage(self) -> StagedBlob:
        """Begin a new body."""

    @abstractmethod
    async def read(self, mailbox: MailboxId, uid: UID, ref: BlobRef, start: int, end: int, search: bool) -> bytes:
        """
        Return bytes start to end of a settled body.

        If its file is not there, it may have been under way: when MessageMissing is raised, it has arrived where the
        index says now. `search` finds it if another tool renamed it. Raises MessageMissing, StoreUnavailable.
        """

    @abstractmethod
    def at_once(self, path: str, start: int, end: int) -> bytes | None:
        """Return bytes start to end of a body's file if that waits for nothing; None: it would, or there is none."""

    @abstractmethod
    async def read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        """Return bytes start to end of each body's file, None for one that is not there or cannot be read."""

    @abstractmethod
    async def hand_over(self, bodies: Sequence[bytes | str], taker: Taker) -> int:
        """
        Give bodies to somebody who takes them in a thread, in order: octets as they are, files open.

        Ends at the first whose file cannot be opened, or that is not taken. Returns how many were.
        """

    @abstractmethod
    async def open(self, mailbox: MailboxId, uid: UID, ref: BlobRef, search: bool) -> OpenBlob:
        """Open a settled body, to read it in pieces; args and errors as for `read`."""

    @abstractmethod
    async def start(self) -> None:
        """Take hold of the place where bodies are, clear what a crash left. Raises StoreUnavailable."""

    @property
    @abstractmethod
    def roomy(self) -> bool:
        """Whether `room` would not wait."""

    @abstractmethod
    async def room(self) -> None:
        """Wait while too much is on its way to rest. Raises StoreUnavailable if that does not get better."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way: afterwards every body is at rest, if the disk lets it."""


# Settling: how an index and a blob store agree on what still has to become a file.


class Unfiled(NamedTuple):
    """A message without a file: bytes in hand (`body`), spooled under its key, or in the file it is a copy of."""

    mailbox: MailboxId
    uid: UID
    blob: int
    key: str
    size: int
    flags: str
    internal_date: int
    body: bytes | None
    origin: str | None
    """ "mailbox/file" of the file it is a copy of."""


class Renamed(NamedTuple):
    """A message whose file's name does not tell its flags any more."""

    mailbox: MailboxId
    uid: UID
    key: str
    size: int
    flags: str
    letters: str


class Leaving(NamedTuple):
    """An expunged message; `name` is its file's, None if it never had one."""

    mailbox: MailboxId
    uid: UID
    name: str | None


class FolderWork(NamedTuple):
    """A mailbox (`name` None: deleted) and where its directory is now (`at` None: nowhere)."""

    mailbox: MailboxId
    name: str | None
    wanted: str | None
    at: str | None
    uid_validity: int
    uid_next: int
    stamp: int
    notes: bytes = b""
    """What is to be written there of what clients have noted; b"" if there is nothing."""


class SubscriptionsWork(NamedTuple):
    """An account's subscriptions, to be written into its directory (None: the account is gone)."""

    account: AccountId
    dir: str | None
    names: tuple[str, ...]
    stamp: int


class AccountLine(NamedTuple):
    """What the file of accounts tells of one; with the index gone it is all that is left of an empty account."""

    login: str
    password_hash: str
    uid_validity: int
    """Of its INBOX."""


class AccountsWork(NamedTuple):
    """All accounts, to be written into their file."""

    lines: str
    """A line each: login, password hash and the UIDVALIDITY of its INBOX, with tabs between; ordered by login. One
    text and no objects, because there may be ten thousand, and this is made whenever one of them changes."""
    last_uid_validity: int
    stamp: int


class RemovedAccount(NamedTuple):
    """An account removed from the index whose directory may still be there."""

    account: AccountId
    dir: str
    uid_validity: int


@dataclass(frozen=True, slots=True)
class Work:
    """
    What was not at rest at one moment, as much of it as fits one round, in the order to do it.

    Attributes:
        complete: No copy waits for its file to be made; files and directories may be removed.
        more: There is more to do after this.
        dirs: Where the directories of all mailboxes named here are, below the root.
        next_due: When the next expunged message may leave, seconds since 1970.
        full: There may be more messages without a file, with greater blobs.

    """

    complete: bool
    more: bool
    dirs: dict[int, str]
    removed: tuple[RemovedAccount, ...]
    folders: tuple[FolderWork, ...]
    unfiled: tuple[Unfiled, ...]
    renamed: tuple[Renamed, ...]
    leaving: tuple[Leaving, ...]
    subscriptions: tuple[SubscriptionsWork, ...]
    accounts: AccountsWork | None
    next_due: float | None
    full: bool

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(
            self.removed
            or self.folders
            or self.unfiled
            or self.renamed
            or self.leaving
            or self.subscriptions
            or self.accounts
        )


class Filed(NamedTuple):
    """A message that has a file now, or a file whose name tells new flags."""

    mailbox: MailboxId
    uid: UID
    flags: str
    letters: str
    name: str


class FolderNow(NamedTuple):
    """Where a mailbox's directory is now (None: gone) and what was written into it."""

    dir: str | None
    uid_validity: int
    uid_next: int


@dataclass(slots=True)
class Done:
    """What a round has brought to rest; filled while it goes on, told to the index after the flush."""

    removed: list[AccountId] = field(default_factory=list)
    folders: dict[MailboxId, FolderNow] = field(default_factory=dict)
    mailboxes: list[tuple[MailboxId, int]] = field(default_factory=list)
    """Dirty mailboxes that are as they should be, with their stamps."""
    filed: list[tuple[Filed, int, bool, bytes | None]] = field(default_factory=list)
    """With its blob, whether the body was no file of a mailbox before, and the body if it was inline."""
    renamed: list[Filed] = field(default_factory=list)
    left: list[tuple[MailboxId, UID]] = field(default_factory=list)
    accounts: list[tuple[AccountId, int]] = field(default_factory=list)
    """Dirty accounts (0: the file of accounts) with their stamps."""

    def __bool__(self) -> bool:
        """Return whether anything was done."""
        return bool(
            self.removed or self.folders or self.mailboxes or self.filed or self.renamed or self.left or self.accounts
        )


class RestoredMessage(NamedTuple):
    """A message found in a Maildir."""

    uid: UID
    key: str
    letters: str
    flags: str
    internal_date: int
    size: int
    digest: Digest


class Resting(ABC):
    """
    What an index tells a blob store that settles bodies into files, and is told by it.

    The plain verbs block and are for the blob store's own thread. Nothing they do has to be durable when they
    return: what is lost in a power cut is settled again.
    """

    pending: Callable[[int], None]
    """Called in the event loop with the number of new messages, of which nothing may be seen yet, and with 0 when there
    is more to settle."""

    @abstractmethod
    def catch_up(self) -> None:
        """Make known to readers what was durable when the last process ended, however it ended: first of all."""

    @abstractmethod
    def unsettled(
        self, now: float, limit: int, everything: bool = False, beyond: int = 0, passing: Collection[int] = ()
    ) -> Work:
        """
        Return what is not at rest.

        Args:
            now: Expunged messages due by then leave, seconds since 1970.
            limit: At most so many messages of each kind.
            everything: No grace for expunged messages, and every mailbox whose UIDNEXT moved is told (clean stop).
            beyond: Of messages without a file, those with a greater blob only; no file is told to be removed then.
            passing: Mailboxes of which no file is told to be called otherwise, or to be removed.

        """

    @abstractmethod
    def removable(self, now: float, limit: int, passing: Collection[int] = ()) -> dict[Leaving, str]:
        """
        Return expunged messages, due by then, whose files no copy is to be made of, and the directories they are in.

        Unlike `unsettled`, whatever else waits: on a full disk their files are what makes room. `passing` as there.
        """

    @abstractmethod
    def settled(self, done: Done) -> list[str]:
        """Take note; return the keys of spooled bodies that nobody needs any more."""

    @abstractmethod
    def waiting(self) -> int:
        """Return how many messages have no file yet."""

    @abstractmethod
    def pressed(self) -> bool:
        """Return whether what has no file yet will soon be in the way of what arrives."""

    @abstractmethod
    def arrived(self) -> int:
        """Return how many octets small messages have brought since the start."""

    @abstractmethod
    def spooled(self) -> set[str]:
        """Return the keys of all bodies that are in the spool and still needed."""

    @abstractmethod
    def nameless(self) -> set[tuple[MailboxId, UID]]:
        """Return what was expunged before a file of it was noted, and waits for its time."""

    @abstractmethod
    def letters_are(self, mailbox: MailboxId, uid: UID, letters: str) -> None:
        """Take note that another tool renamed the file."""

    # restoring an index from files

    @property
    @abstractmethod
    def fresh(self) -> bool:
        """Return whether the index was made anew and is still empty."""

    @abstractmethod
    async def begin_restore(self, last_uid_validity: int) -> None:
        """Begin; if `end_restore` is never reached, the index is made anew when it is opened again."""

    @abstractmethod
    async def restore_account(
        self,
        line: AccountLine,
        subscriptions: Sequence[str],
        uid_next: int,
        mod_seq: int,
        notes: Mapping[str, bytes] = NO_NOTES,
    ) -> AccountId:
        """Add an account with its INBOX."""

    @abstractmethod
    async def restore_mailbox(
        self,
        account: AccountId,
        name: str,
        uid_validity: int,
        uid_next: int,
        mod_seq: int,
        directory: str,
        notes: Mapping[str, bytes] = NO_NOTES,
    ) -> MailboxId:
        """Add a mailbox, or give the INBOX that is there already its numbers; messages follow after `mod_seq`."""

    @abstractmethod
    async def restore_acl(self, mailbox: MailboxId, acl: Mapping[str, str]) -> None:
        """Give a mailbox its access control list."""

    @abstractmethod
    async def restore_messages(self, mailbox: MailboxId, messages: Sequence[RestoredMessage]) -> None:
        """Add messages, UIDs ascending from call to call."""

    @abstractmethod
    async def end_restore(self) -> None:
        """Make it all durable."""


# Other tools: what an index tells who looks after files that they change, and is told by it.


class FolderAt(NamedTuple):
    """A mailbox that has a directory, below the root."""

    mailbox: MailboxId
    account: AccountId
    name: str
    dir: str
    uid_validity: int


class KnownFile(msgspec.Struct, frozen=True, gc=False):
    """A message's file as the index knows it. All of a mailbox may be at hand: the collector does not look at them."""

    uid: UID
    key: str
    size: int
    letters: str | None
    """None: it is on its way, in or out, and its file is the settler's business."""
    flags: str


class Dropped(NamedTuple):
    """A file that is to become a message."""

    key: str
    size: int
    letters: str
    flags: Flags
    internal_date: int
    digest: Digest


class Relettered(NamedTuple):
    """A message whose file was given other flags."""

    uid: UID
    before: str
    letters: str
    add: Flags
    remove: Flags


class Vanished(NamedTuple):
    """A message whose file is gone."""

    uid: UID
    letters: str


class Adopted(NamedTuple):
    """A mailbox of a Maildir that is adopted; each batch is read when its turn comes."""

    name: str
    dir: str
    uid_validity: int
    uid_next: int
    messages: Iterable[Sequence[RestoredMessage]]


class Outside(ABC):
    """
    An index as the one sees it who notices what other tools do in the Maildirs.

    The plain verbs block and are for a thread of their own; the others are called in the event loop, and what
    they do is durable and told when they return.
    """

    @abstractmethod
    def folders(self, after: int, limit: int) -> list[FolderAt]:
        """Return the mailboxes that have a directory, from the one after that MailboxId on, ascending."""

    @abstractmethod
    def folder(self, mailbox: MailboxId) -> FolderAt | None:
        """Return where the mailbox's directory is."""

    @abstractmethod
    def folder_at(self, directory: str) -> FolderAt | None:
        """Return the mailbox that has this directory; the account is 0 and the name "" if it is deleted."""

    @abstractmethod
    def inbox_of(self, login: str) -> tuple[AccountId, MailboxId] | None:
        """Return account and INBOX of a login."""

    @abstractmethod
    def signed(self, account: AccountId, uid_validity: int) -> FolderAt | None:
        """Return the account's mailbox of that UIDVALIDITY, if it has a directory."""

    @abstractmethod
    def last_uid_validity(self) -> int:
        """Return the greatest UIDVALIDITY that was ever given, 0 if there was none."""

    @abstractmethod
    def known_files(self, mailbox: MailboxId) -> Iterator[KnownFile]:
        """Yield all messages, ascending by UID: in one consistent read, which lasts until the last one."""

    @abstractmethod
    def known(self, mailbox: MailboxId, uids: Iterable[int]) -> dict[int, KnownFile]:
        """Return those of the UIDs that are messages, or expunged ones whose file may still be there."""

    @abstractmethod
    async def take_in(
        self,
        mailbox: MailboxId,
        dropped: Sequence[Dropped],
        relettered: Sequence[Relettered],
        vanished: Sequence[Vanished],
    ) -> list[UID]:
        """
        Take note of what happened to a folder; return the UIDs of the new messages.

        What is not as the caller saw it any more is passed over. Raises MailboxMissing.
        """

    @abstractmethod
    async def claim(self, account: AccountId, name: str, directory: str) -> MailboxId | None:
        """
        Make a directory that another tool made the mailbox's own; the mailbox is made if there is none.

        Returns None if the mailbox has another directory, or the directory another mailbox.
        """

    @abstractmethod
    async def moved(self, mailbox: MailboxId, name: str, directory: str) -> MailboxId | None:
        """Rename the mailbox whose directory another tool has renamed; return None if there is one of that name."""

    @abstractmethod
    async def adopt(
        self, login: str, password_hash: str, subscriptions: Sequence[str], mailboxes: Iterable[Adopted]
    ) -> int:
        """
        Make an account of directories that are in their places, in one transaction; return how many messages.

        The first mailbox is INBOX. Raises StoreError if there is such an account.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of what the plain verbs read from."""


__all__ = [
    "AccountLine",
    "AccountsWork",
    "Adopted",
    "Append",
    "BlobRef",
    "Blobs",
    "Copied",
    "Done",
    "Dropped",
    "FileRef",
    "Filed",
    "FolderAt",
    "FolderNow",
    "FolderWork",
    "Index",
    "KnownFile",
    "Leaving",
    "MAX_ACL",
    "MAX_NOTES",
    "MAX_NOTES_SIZE",
    "MailboxExists",
    "MailboxMissing",
    "MessageMissing",
    "NO_NOTES",
    "NO_ROOM",
    "Note",
    "OpenBlob",
    "Outside",
    "Relettered",
    "RemovedAccount",
    "Renamed",
    "RestoredMessage",
    "Shared",
    "Resting",
    "StagedBlob",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "SubscriptionsWork",
    "TooManyFlags",
    "TooManyNotes",
    "Unfiled",
    "Vanished",
    "Work",
]
