"""The order of a delivery; it stands here and nowhere else.

Rule 1: durable first, then tell, then answer. Rule 2: nobody above this file orders writes. Rule 3: what is
durable comes to rest in its own time; only a disk that cannot keep up makes a delivery wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ..model.change import Change
from ..model.ids import UID, MailboxId
from ..model.message import Digest, Placed, Placement
from .abc import Append, Appended, BlobRef, Blobs, Index, MessageMissing, OpenBlob, StagedBlob, StoreError, Taker
from .complaints import Complaints
from .texts import TextIndex

FEW_FILES = 4
"""Files that are read at once if they are in memory: 8 us each; a thread's round trip is 60 or more under load."""


class Store:
    """Index and blobs, in order."""

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        tell: Callable[[Change], None],
        digest: Callable[[memoryview], Digest],
        restore: Callable[[], Awaitable[None]] | None = None,
        texts: TextIndex | None = None,
    ) -> None:
        """
        Put the two together; `start` before use.

        Args:
            index: Public as `index`, for all verbs but `append` and reading. `complaints` is for whoever is refused.
            blobs: Where bodies are.
            tell: Called in the event loop for each change, after its commit and before its answer.
            digest: Computes what FETCH needs of a big message; runs in a thread, must not raise.
            restore: Run first of all, to bring back an index that was lost.
            texts: Public as `texts`: says which messages may contain what. None: nothing does.

        """
        self.index = index
        self.complaints = Complaints()
        self._blobs = blobs
        self._digest = digest
        self._restore = restore
        self.texts = texts
        index.told = tell if texts is None else _both(tell, texts.told)

    async def start(self) -> None:
        """Bring back what was lost, clear what a crash left and begin to settle. Raises StoreUnavailable."""
        if self._restore is not None:
            await self._restore()
        await self._blobs.start()
        if self.texts is not None:
            self.texts.begin(self.body)

    def stage(self) -> StagedBlob:
        """Begin a new body."""
        return self._blobs.stage()

    async def append(self, staged: StagedBlob, placements: Sequence[Placement], internal_date: int) -> Appended:
        """
        Make a staged message part of mailboxes, all or none.

        When this returns, the message survives a power cut and every session of this process that watches
        one of the mailboxes has been told.

        Args:
            staged: From `stage`, complete; consumed, whether or not this succeeds.
            placements: Where to and with which flags; one at least. Mailboxes are looked up in the transaction.
            internal_date: Seconds since 1970, UTC.

        Raises:
            MailboxMissing: One is gone; nothing was appended. Answer TRYCREATE.
            StoreUnavailable: The disk will not have it; nothing was appended. Answer 4xx or UNAVAILABLE.

        """
        try:
            if not self._blobs.roomy:
                await self._blobs.room()
            blob, digest = await self._finish(staged)  # big: flushed here; small: rides in the commit
        except BaseException:
            staged.discard()
            raise
        try:
            placed = await self.index.append(  # one commit, then told, then we go on
                Append(blob, tuple(placements), internal_date, digest)
            )
        except StoreError:  # but not when cancelled: the commit may be under way
            staged.discard()
            raise
        self.complaints.well()
        return placed

    async def _finish(self, staged: StagedBlob) -> tuple[BlobRef, Digest | None]:
        """Return the body as the index takes it; the digest of a big one is computed while it is flushed."""
        if staged.rides:
            return await staged.finish(), None
        digesting = asyncio.get_running_loop().run_in_executor(None, self._digest, staged.view())
        return await staged.finish(), await digesting

    async def append_together(
        self, messages: Sequence[tuple[StagedBlob, Placement, int]], replacing: tuple[MailboxId, UID] | None = None
    ) -> list[Placed]:
        """
        Make several staged messages parts of mailboxes, all or none, also after a power cut.

        Args:
            messages: Each as for `append`, with its place and its internal date; all are consumed.
            replacing: A message that is expunged with it, or nothing is done at all.

        Returns where they went, in their order. Raises as `append`, and MessageMissing.

        """
        try:
            if not self._blobs.roomy:
                await self._blobs.room()
            appends = []
            for staged, placement, internal_date in messages:
                blob, digest = await self._finish(staged)
                appends.append(Append(blob, (placement,), internal_date, digest))
        except BaseException:
            for staged, _, _ in messages:
                staged.discard()
            raise
        try:
            placed = await self.index.append_together(appends, replacing)
        except StoreError:  # but not when cancelled: the commit may be under way
            for staged, _, _ in messages:
                staged.discard()
            raise
        self.complaints.well()
        return placed

    def append_soon(
        self,
        staged: StagedBlob,
        placements: Sequence[Placement],
        internal_date: int,
        then: Callable[[Appended | Exception], None],
    ) -> bool:
        """
        Do as `append`, without a task, if there is nothing to wait for but the commit.

        Args:
            staged: As for `append`.
            placements: As for `append`.
            internal_date: As for `append`.
            then: Called in the event loop with the outcome, or with what `append` would raise. Must not raise.

        Returns:
            Whether it was taken on; else nothing was done.

        Raises StoreUnavailable: the store is closed.

        """
        if not (staged.rides and self._blobs.roomy):
            return False

        def told(outcome: Appended | Exception) -> None:
            if isinstance(outcome, Exception):
                staged.discard()
            else:
                self.complaints.well()
            then(outcome)

        self.index.append_soon(Append(staged.at_hand(), tuple(placements), internal_date), told)
        return True

    async def read(self, mailbox: MailboxId, uid: UID, start: int = 0, end: int | None = None) -> bytes:
        """
        Return bytes start to end of a message, clipped to its size; expunged ones for a while yet.

        Raises MessageMissing, StoreUnavailable.
        """
        ref = await self.index.blob(mailbox, uid)
        search = False
        while True:
            stop = ref.size if end is None else min(end, ref.size)
            if start >= stop:
                return b""
            if ref.inline is not None:
                return ref.inline if (start, stop) == (0, ref.size) else ref.inline[start:stop]
            try:
                return await self._blobs.read(mailbox, uid, ref, start, stop, search)
            except MessageMissing:
                again = await self.index.blob(mailbox, uid)
                if again == ref and search:
                    raise
                ref, search = again, again == ref  # it came to rest, or was renamed, in between

    async def read_many(self, mailbox: MailboxId, spans: Mapping[UID, tuple[int, int]]) -> dict[UID, bytes]:
        """Do as `read_stored` with messages that have to be looked up."""
        found = await self.index.stored(mailbox, list(spans), digested=False)
        return await self.read_stored(
            [(one.row.uid, one.where, *spans[one.row.uid]) for one in found if one.where is not None]
        )

    def read_at_hand(self, wanted: Sequence[tuple[UID, bytes | str, int, int]]) -> dict[UID, bytes] | None:
        """Do as `read_stored`, without waiting; None if the system's memory does not have all, or it is much."""
        if len(wanted) > FEW_FILES:
            return None
        found: dict[UID, bytes] = {}
        for uid, where, start, end in wanted:
            data = self.octets_at_hand(where, start, end)
            if data is None:
                return None
            found[uid] = data
        return found

    def octets_at_hand(self, where: bytes | str, start: int, end: int) -> bytes | None:
        """Return bytes start to end of one body that is there, without waiting; None: it has to be waited for."""
        return where[start:end] if isinstance(where, bytes) else self._blobs.at_once(where, start, end)

    async def read_stored(self, wanted: Sequence[tuple[UID, bytes | str, int, int]]) -> dict[UID, bytes]:
        """
        Return of several messages of a mailbox the bytes start to end; a few MB at most in all.

        Args:
            wanted: UID, where the body is (`Stored`), from where to where: all of it there is.

        One that is no longer where it was is not in the answer: ask for it with `read`. Few messages whose files are
        in the system's memory are read without waiting. Raises StoreUnavailable.
        """
        found: dict[UID, bytes] = {}
        uids: list[UID] = []
        files: list[tuple[str, int, int]] = []
        for uid, where, start, end in wanted:
            if isinstance(where, bytes):
                found[uid] = where[start:end]
                continue
            data = self._blobs.at_once(where, start, end) if len(wanted) <= FEW_FILES else None
            if data is None:
                uids.append(uid)
                files.append((where, start, end))
            else:
                found[uid] = data
        if files:
            read = await self._blobs.read_many(files)
            found.update((uid, data) for uid, data in zip(uids, read, strict=True) if data is not None)
        return found

    async def hand_over(self, bodies: Sequence[bytes | str], taker: Taker) -> int:
        """
        Give whole bodies, as `Stored` says where they are, to somebody who takes them in a thread, in order.

        Returns how many were taken: the next one is no longer where it was, or was not wanted.
        """
        return await self._blobs.hand_over(bodies, taker)

    async def open(self, mailbox: MailboxId, uid: UID) -> OpenBlob:
        """
        Open a message to read it in pieces; it stays readable though it be moved or expunged meanwhile.

        Raises MessageMissing, StoreUnavailable.
        """
        ref = await self.index.blob(mailbox, uid)
        search = False
        while ref.inline is None:
            try:
                return await self._blobs.open(mailbox, uid, ref, search)
            except MessageMissing:
                again = await self.index.blob(mailbox, uid)
                if again == ref and search:
                    raise
                ref, search = again, again == ref
        return _Inline(ref.inline)

    async def body(self, mailbox: MailboxId, uid: UID) -> bytes:
        """Return a whole message. Raises MessageMissing, StoreUnavailable."""
        return await self.read(mailbox, uid)

    async def close(self) -> None:
        """Bring everything to rest in the Maildirs, then let go. Verbs called later raise StoreUnavailable."""
        if self.texts is not None:
            await self.texts.close()
        await self._blobs.close()
        await self.index.close()


def _both(first: Callable[[Change], None], second: Callable[[Change], None]) -> Callable[[Change], None]:
    def told(change: Change) -> None:
        first(change)
        second(change)

    return told


class _Inline(OpenBlob):
    """A body at hand."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self, start: int, end: int) -> bytes:
        return self._body[start:end]

    def close(self) -> None:
        self._body = b""


__all__ = ["Appended", "Store"]
