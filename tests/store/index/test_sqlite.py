"""What is SQLite's own; the rest is the contract of an index."""

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.stores import account, deliver, digest_of, opened

from mailhorn.model.flags import SEEN
from mailhorn.store.index.database import Database
from mailhorn.store.index.messages import flag_text, with_flags
from mailhorn.store.index.outside import SqliteOutside
from mailhorn.store.index.reading import ranges
from mailhorn.store.index.sqlite import SqliteIndex

ADD = """
import asyncio, sys
from pathlib import Path
from mailhorn.server.digest import digest
from mailhorn.store.index.sqlite import SqliteIndex

async def main():
    index = SqliteIndex(Path(sys.argv[1]), digest)
    await index.add_accounts([("second", "x")])
    await index.close()

asyncio.run(main())
"""


@given(st.lists(st.integers(1, 30)))
def test_ranges(numbers: list[int]) -> None:
    """Ascending, apart, and all of the numbers."""
    found = list(ranges(numbers))
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(set(numbers))
    assert all(last + 1 < first for (_, last), (first, _) in zip(found, found[1:], strict=False))


def test_flag_texts() -> None:
    """\\Recent is no message's own; spellings of system flags are the usual ones, of keywords the first."""
    assert flag_text(["\\sEEN", "\\Recent", "b", "B"]) == "\\Seen b"
    assert with_flags("\\Seen Work", frozenset({"work", "x"}), frozenset({"\\seen"}), False) == "Work x"
    assert with_flags("Work", frozenset({"WORK"}), frozenset({SEEN}), False) is None
    assert with_flags("Work", frozenset(), frozenset(), True) == ""


async def test_another_process_may_write(tmp_path: Path) -> None:
    """`mailhorn account add` beside `mailhorn serve`, while it is writing."""
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    await index.add_accounts([("first", "")])
    child = asyncio.create_task(
        asyncio.to_thread(subprocess.run, [sys.executable, "-c", ADD, str(tmp_path / "index.db")], check=True)
    )
    n = 0
    while not child.done():
        n += 1
        await index.add_accounts([(f"user{n}", "")])
    await child
    assert await index.account("second") is not None
    assert len(await index.accounts()) == n + 2
    await index.close()


async def test_account_numbers_are_never_given_again(tmp_path: Path) -> None:
    """Nor those of mailboxes, after all are gone and the server was restarted."""
    seen: set[tuple[int, int]] = set()
    for _ in range(3):
        index = SqliteIndex(tmp_path / "index.db", digest_of)
        await index.add_accounts([("ada", "")])
        ada = await index.account("ada")
        assert ada is not None
        (inbox,) = await index.mailboxes(ada.id)
        assert all(ada.id > account and inbox.id > mailbox for account, mailbox in seen)
        seen.add((ada.id, inbox.id))
        await index.remove_account(ada.id)
        await index.close()


async def test_uid_validity_ascends_though_the_clock_goes_back(tmp_path: Path) -> None:
    """It is the time, or one more than the last."""
    times = iter([1000.0, 500.0, 2000.0, 0.0])
    index = SqliteIndex(tmp_path / "index.db", digest_of, clock=lambda: next(times))
    await index.add_accounts([("a", ""), ("b", ""), ("c", ""), ("d", "")])
    boxes = [(await index.mailboxes(account.id))[0].uid_validity for account in await index.accounts()]
    assert boxes == [1000, 1001, 2000, 2001]
    await index.close()


async def test_uid_validity_has_32_bits_whatever_the_clock_says(tmp_path: Path) -> None:
    """A glimpse of another century counts for nothing, neither now nor later, whoever makes the mailboxes."""
    now = 1000.0
    index = SqliteIndex(tmp_path / "index.db", digest_of, clock=lambda: now)
    outside = SqliteOutside(index)
    await index.add_accounts([("a", "")])
    (ada,) = await index.accounts()
    now = 6e9
    await index.create_mailbox(ada.id, "by us")
    await outside.claim(ada.id, "by others/below", "a/.by others.below")
    now = 1500.0
    await outside.claim(ada.id, "now", "a/.now")
    assert [box.uid_validity for box in await index.mailboxes(ada.id)] == [1000, 1002, 1003, 1001, 1500]
    await index.close()


@pytest.mark.parametrize(("now", "given"), [(900.0, 1001), (5000.0, 5000), (6e9, 1001)])
async def test_what_was_given_beyond_32_bits_does_not_count(tmp_path: Path, now: float, given: int) -> None:
    """A database that has recorded such a glimpse goes on above all else that it knows of."""
    clock = 1000.0
    index = SqliteIndex(tmp_path / "index.db", digest_of, clock=lambda: clock)
    await index.add_accounts([("a", "")])
    (ada,) = await index.accounts()
    await index.begin_restore(2**32 + 5)
    clock = now
    made = [(await index.create_mailbox(ada.id, name)).uid_validity for name in ("b", "c")]
    assert made == [given, given + 1]
    await index.close()


@pytest.mark.parametrize("deleted_by", ["expunge", "mailbox", "account"])
async def test_nothing_is_left_of_what_is_gone(tmp_path: Path, deleted_by: str) -> None:
    """Bodies and digests go with the last message that shares them."""
    async with opened(tmp_path, grace=0.0) as store:
        ada, inbox = await account(store)
        _, bobs = await account(store, "bob")
        work = (await store.index.create_mailbox(ada, "work")).id
        (placed, *_) = await deliver(store, work, bobs)
        await store.index.copy(work, [placed.uid], work)
        if deleted_by == "expunge":
            await store.index.expunge(work, None, deleted_only=False)
        elif deleted_by == "mailbox":
            await store.index.delete_mailbox(work)
        else:
            await store.index.remove_account(ada)
        assert await store.body(bobs, placed.uid)
        await store.index.expunge(bobs, None, deleted_only=False)
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    for table in (
        "blob",
        "digest",
        "inline_body",
        "message",
        "leaving",
        "dirty_mailbox",
        "dirty_account",
        "removed_account",
    ):
        assert await index._there(partial(Database.ask, sql=f"SELECT * FROM {table}")) == [], table
    await index.close()
