"""Copies into mailboxes, all or none: the message as it came, what scripts made of it, and copies of what was sent."""

import time
from collections.abc import Sequence

from ...model.message import Placement
from ...store.abc import Appended, StagedBlob
from ...store.store import Store
from .carrying import Filing


def placements(filings: Sequence[Filing]) -> list[Placement] | None:
    """Return where a message goes that nothing was made of; None if there is more, or nothing, to keep."""
    if not filings or not all([filing.message.original for filing in filings]):
        return None
    if len(filings) == 1:
        return [Placement(filings[0].mailbox, filings[0].flags)]
    found: dict[int, Placement] = {}
    for filing in filings:
        earlier = found.get(filing.mailbox)
        flags = filing.flags if earlier is None else earlier.flags | filing.flags
        found[filing.mailbox] = Placement(filing.mailbox, flags)
    return list(found.values())


async def append(store: Store, staged: StagedBlob, filings: Sequence[Filing], internal_date: int) -> Appended | None:
    """
    Make all copies, in one commit.

    Args:
        store: Where they go.
        staged: The message as it came; consumed.
        filings: What goes where; nothing at all is fine.
        internal_date: Seconds since 1970, UTC.

    Returns:
        Where they went; None if there was nothing to keep.

    Raises:
        MailboxMissing: One of the mailboxes is gone; nothing was kept.
        StoreUnavailable: The disk will not have it; nothing was kept.

    """
    simple = placements(filings)
    if simple is not None:
        return await store.append(staged, simple, internal_date)
    if not filings:
        staged.discard()
        return None
    unused: StagedBlob | None = staged
    messages: list[tuple[StagedBlob, Placement, int]] = []
    try:
        for filing in filings:
            whole = filing.message.original and unused is not None
            body = unused if whole and unused is not None else store.stage()
            messages.append((body, Placement(filing.mailbox, filing.flags), internal_date))
            if whole:
                unused = None
            else:
                for piece in filing.message.pieces():
                    body.write(piece)
    except BaseException:
        for body, _, _ in messages:
            body.discard()
        raise
    finally:
        if unused is not None:
            unused.discard()
    appended = Appended(await store.append_together(messages))
    appended.durable_at = time.monotonic()
    return appended


__all__ = ["append", "placements"]
