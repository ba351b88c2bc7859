"""A child to be killed: appends, flags and moves, and writes a line for each that is acknowledged."""

import asyncio
import os
import sys
from pathlib import Path

from tests.kit.stores import deliver, opened

from mailhorn.model.mailbox import INBOX
from mailhorn.store.blobs.maildir import INLINE_LIMIT


async def main(directory: Path) -> None:
    """Go on until killed."""
    async with opened(directory, grace=0.0) as store:
        ada = await store.index.account("ada@example.org")
        assert ada is not None
        inbox, moved = await store.index.mailbox(ada.id, INBOX), await store.index.mailbox(ada.id, "Moved")
        assert inbox is not None and moved is not None
        serial = 0

        async def work(worker: int) -> None:
            nonlocal serial
            while True:
                serial += 1
                mark = f"{os.getpid()}-{serial}"
                body = mark.encode() + b"\r\n" + b"x" * (2 * INLINE_LIMIT if serial % 20 == 0 else 500)
                (placed,) = await deliver(store, inbox.id, body=body)
                os.write(1, f"appended {placed.uid} {mark}\n".encode())
                if worker % 2:
                    await store.index.set_flags(inbox.id, [placed.uid], frozenset({"\\Seen", "k"}), frozenset())
                if worker % 3 == 0:
                    (new,) = (await store.index.copy(inbox.id, [placed.uid], moved.id, move=True)).target
                    os.write(1, f"moved {new.uid} {mark}\n".encode())

        await asyncio.gather(*(work(n) for n in range(6)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
