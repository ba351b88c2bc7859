"""What every blob store promises, over every implementation (with the store around it: bodies are read through it)."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.stores import DATE, account, deliver, digest_of, message_files, opened

from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import Placement
from mailhorn.store.abc import MessageMissing, StoreUnavailable, Taker
from mailhorn.store.blobs.maildir import INLINE_LIMIT
from mailhorn.store.store import Store

SMALL = b"Subject: small\r\n\r\n" + b"s" * 1000
BIG = b"Subject: big\r\n\r\n" + b"0123456789" * (INLINE_LIMIT // 8)


@pytest.fixture(params=["maildir"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Every blob store there is, under a store."""
    async with opened(tmp_path) as made:
        yield made


@pytest.mark.parametrize("body", [b"", SMALL, BIG], ids=["empty", "small", "big"])
async def test_a_body_comes_back_whole_and_in_ranges(store: Store, body: bytes) -> None:
    """What was written in pieces is seen in one, before the append and after it."""
    _, inbox = await account(store)
    staged = store.stage()
    for start in range(0, len(body), 7000):
        staged.write(body[start : start + 7000])
    assert staged.size == len(body)
    with staged.view() as view:
        assert view == body
    (placed,) = await store.append(staged, [Placement(inbox)], DATE)
    assert await store.body(inbox, placed.uid) == body
    assert await store.read(inbox, placed.uid, 5, 12) == body[5:12]
    assert await store.read(inbox, placed.uid, 3) == body[3:]
    assert await store.read(inbox, placed.uid, len(body) + 1, len(body) + 5) == b""
    assert await store.read(inbox, placed.uid, 0, 10**9) == body


async def test_a_file_that_has_got_another_name(tmp_path: Path) -> None:
    """Who knows the old one is told that it is gone, and asks again; it is searched only if that does not help."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=SMALL)
    async with opened(tmp_path) as store:
        before = await store.index.blob(inbox, UID(1))
        await store.index.set_flags(inbox, [UID(1)], frozenset(("\\Seen",)), frozenset())
    async with opened(tmp_path) as store:
        now = await store.index.blob(inbox, UID(1))
        assert now != before
        with pytest.raises(MessageMissing):
            await store._blobs.read(inbox, UID(1), before, 0, len(SMALL), False)
        assert await store._blobs.read(inbox, UID(1), before, 0, len(SMALL), True) == SMALL
        assert await store._blobs.read(inbox, UID(1), now, 0, len(SMALL), False) == SMALL
        (file,) = message_files(tmp_path)
        file.rename(file.with_name(file.name + "F"))
        assert await store.body(inbox, UID(1)) == SMALL  # searched, as the index does not know it
        with await store.open(inbox, UID(1)) as body:
            assert await body.read(0, len(SMALL)) == SMALL


class Collector(Taker):
    """Reads what it is given, up to some number of bodies."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: list[bytes] = []
        self.ended = 0

    def take(self, number: int, body: bytes | int) -> bool:
        assert number == len(self.taken) and not self.ended
        if number == self.most:
            return False
        self.taken.append(body if isinstance(body, bytes) else os.pread(body, 10 * len(BIG), 0))
        return True

    def end(self) -> None:
        self.ended += 1


async def test_bodies_are_handed_over(tmp_path: Path) -> None:
    """Open files and octets in order, up to one that is not wanted or not there; and the end of it, always."""
    bodies = [SMALL, BIG, b"", SMALL * 2]
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        for body in bodies:
            await deliver(store, inbox, body=body)
    async with opened(tmp_path) as store:
        places = [one.where for one in await store.index.stored(inbox, [UID(n + 1) for n in range(4)], False)]
        wanted = [where for where in places if where is not None]
        assert len(wanted) == 4
        for given, most, taken in (
            (wanted, 9, bodies),
            ([b"ready", *wanted], 9, [b"ready", *bodies]),
            (wanted, 2, bodies[:2]),
            ([*wanted[:3], "nowhere", wanted[3]], 9, bodies[:3]),
            ([], 9, []),
        ):
            collector = Collector(most)
            assert await store.hand_over(given, collector) == len(taken)
            assert (collector.taken, collector.ended) == (taken, 1)


@pytest.mark.parametrize("number", [0, 12])
async def test_several_bodies_are_read_together(tmp_path: Path, number: int) -> None:
    """Before they come to rest and after it; copies as well; of what is not there nothing is returned."""
    bodies = [b"", SMALL, BIG] + [b"%d" % n * 1000 for n in range(number)]
    uids = [UID(n + 1) for n in range(len(bodies))]

    async def read(store: Store, inbox: MailboxId, other: MailboxId) -> None:
        stored = {one.row.uid: one.where for one in await store.index.stored(inbox, [*uids, UID(999)], False)}
        assert stored.keys() == set(uids)
        known = [(uid, stored[uid], 0, len(body)) for uid, body in zip(uids, bodies, strict=True)]
        wanted = [(uid, where, start, end) for uid, where, start, end in known if where is not None]
        assert {uid for uid, *_ in wanted} >= set(uids) - {UID(3)}  # a big one has no path before it rests
        found = await store.read_stored(wanted)
        assert found == {uid: body for uid, body in zip(uids, bodies, strict=True) if stored[uid] is not None}
        small, empty = stored[UID(2)], stored[UID(1)]
        assert small is not None and empty is not None
        some = await store.read_stored([(UID(2), small, 5, 12), (UID(1), empty, 0, 0)])
        assert some == {1: b"", 2: SMALL[5:12]}
        copy = (await store.index.stored(other, [UID(1)], True))[0]
        assert copy.where is not None and copy.digest.header_size == digest_of(SMALL).header_size
        assert await store.read_stored([(UID(1), copy.where, 0, len(SMALL))]) == {1: SMALL}
        assert await store.read_many(inbox, {UID(2): (5, 12), UID(999): (0, 1)}) == {2: SMALL[5:12]}

    async with opened(tmp_path, delay=1000.0) as store:
        who, inbox = await account(store)
        for body in bodies:
            await deliver(store, inbox, body=body)
        other = await store.index.create_mailbox(who, "Other")
        await store.index.copy(inbox, [UID(2), UID(3)], other.id)
        await read(store, inbox, other.id)
    async with opened(tmp_path) as store:
        await read(store, inbox, other.id)
        gone = next(
            path for path in message_files(tmp_path) if path.stat().st_size == len(SMALL) and ".Other" not in str(path)
        )
        gone.rename(gone.with_name("elsewhere"))
        stored = await store.index.stored(inbox, [UID(2), UID(3)], False)
        assert all(isinstance(one.where, str) for one in stored)
        assert await store.read_stored([(one.row.uid, str(one.where), 0, 10) for one in stored]) == {3: BIG[:10]}


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
async def test_an_open_body_outlives_its_message(store: Store, body: bytes) -> None:
    """Whoever has begun to read it can go on, whatever becomes of the message."""
    _, inbox = await account(store)
    staged = store.stage()
    staged.write(body)
    (placed,) = await store.append(staged, [Placement(inbox)], DATE)
    with await store.open(inbox, placed.uid) as opened_body:
        assert await opened_body.read(0, 10) == body[:10]
        await store.index.expunge(inbox, None, deleted_only=False)
        assert await opened_body.read(10, len(body)) == body[10:]
    with pytest.raises(MessageMissing):
        await store.open(inbox, UID(placed.uid + 1))


async def test_a_small_body_rides_inline_and_a_big_one_does_not(store: Store) -> None:
    """The limit decides, and nothing else."""
    for body, inline in ((b"x" * INLINE_LIMIT, True), (b"x" * (INLINE_LIMIT + 1), False)):
        staged = store.stage()
        staged.write(body)
        ref = await staged.finish()
        assert (ref.inline is not None, ref.size) == (inline, len(body))
        staged.discard()


async def test_keys_are_unique(store: Store) -> None:
    """No two bodies are ever called the same."""
    refs = [await store.stage().finish() for _ in range(200)]
    assert len({ref.key for ref in refs}) == 200


async def test_discarding_is_harmless_at_any_time(store: Store, tmp_path: Path) -> None:
    """Before, while and after a body is big, finished or not, nothing stays behind."""
    for body in (b"", SMALL, BIG):
        for finish in (False, True):
            staged = store.stage()
            staged.write(body)
            if finish:
                await staged.finish()
            staged.discard()
            staged.discard()
    assert list((tmp_path / "mail" / ".spool").iterdir()) == []


async def test_copies_and_moves_keep_the_body(store: Store) -> None:
    """Whether the original has a file yet or not, and when it is gone as well."""
    ada, inbox = await account(store)
    work = (await store.index.create_mailbox(ada, "work")).id
    for body in (SMALL, BIG):
        (placed,) = await deliver(store, inbox, body=body)
        (copy,) = (await store.index.copy(inbox, [placed.uid], work)).target
        (moved,) = (await store.index.copy(work, [copy.uid], inbox, move=True)).target
        await store.index.expunge(inbox, [placed.uid], deleted_only=False)
        assert await store.body(inbox, moved.uid) == body
        with pytest.raises(MessageMissing):
            await store.body(work, UID(99))


async def test_many_at_once_and_read_while_they_settle(store: Store) -> None:
    """A body can be read at every moment of its way to rest."""
    ada, inbox = await account(store)
    work = (await store.index.create_mailbox(ada, "work")).id

    async def one(n: int) -> None:
        body = b"%06d" % n * (1 + 3000 * (n % 40 == 0) * 10)
        (placed,) = await deliver(store, inbox, body=body)
        for step in range(4):
            assert await store.body(inbox, placed.uid) == body
            await store.index.set_flags(inbox, [placed.uid], frozenset({f"k{step}"}), frozenset(), replace=True)
        (moved,) = (await store.index.copy(inbox, [placed.uid], work, move=True)).target
        assert await store.body(work, moved.uid) == body

    await asyncio.gather(*(one(n) for n in range(150)))


async def test_a_place_is_one_process_s(store: Store, tmp_path: Path) -> None:
    """A second store on the same directory is refused in one clear line."""
    with pytest.raises(StoreUnavailable, match="another mailhorn"):
        async with opened(tmp_path):
            pass
