"""The journal of arrivals: what was flushed is read again, whatever else is in the file."""

import errno
import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.kit.stores import account, deliver, digest_of, lose_index, message_files, opened

from mailhorn.model.flags import DELETED, FLAGGED, SEEN
from mailhorn.model.ids import UID, MailboxId
from mailhorn.store import journal as journals
from mailhorn.store.abc import StoreUnavailable
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.check import Checker
from mailhorn.store.direct import BLOCK
from mailhorn.store.index import writer
from mailhorn.store.index.arrivals import Arrivals, _by_uid_validity
from mailhorn.store.index.database import Database, open_reader
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.writer import Writer
from mailhorn.store.journal import START, Entry, Journal, Place, pack, read_body, read_journal
from mailhorn.store.rebuild import rebuild
from mailhorn.store.settle import Settler
from mailhorn.store.store import Store


def entry(number: int) -> Entry:
    """Return an entry to tell apart."""
    return Entry(number, f"key {number}", number, 1_700_000_000, (Place(3, 1, number, number, "\\Seen"),), None)


def write(journal: Journal, bodies: Sequence[bytes | None]) -> None:
    """Write records in one go."""
    first = journal.number
    journal.write([pack(entry(number), body, number) for number, body in enumerate(bodies, first)])


def told(path: Path) -> list[tuple[int, str, bytes | None]]:
    """Return what who comes after a crash reads: number, key and body."""
    journal = Journal(path)
    try:
        records = journal.records()
        assert (records, journal.lost) == read_journal(path, journal.identity)
        assert all(read_body(path, body) == journal.read(body) for _, _, body in records if body is not None)
        return [(number, entry.key, None if body is None else journal.read(body)) for number, entry, body in records]
    finally:
        journal.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Where a journal is that was begun; the parameter says how big a part of it is."""
    monkeypatch.setattr(journals, "PART", getattr(request, "param", journals.PART))
    journal = Journal(tmp_path / "journal")
    journal.begin(7, tmp_path)
    journal.close()
    return tmp_path / "journal"


def test_what_was_written_is_read(path: Path) -> None:
    """Numbers, entries and bodies, an empty one and none; nothing of another journal."""
    journal = Journal(path)
    write(journal, [b"one", None])
    write(journal, [b"", b"four" * 1000])
    journal.write([pack(2, None, 5)])
    journal.close()
    bodies = [b"one", None, b"", b"four" * 1000]
    assert told(path) == [(n, f"key {n}", body) for n, body in enumerate(bodies, 1)]
    assert read_journal(path, 8) == ([], 0) == read_journal(path.with_name("nowhere"), 7)
    again = Journal(path)
    again.records()
    assert (again.number, again.resting, again.identity) == (6, 2, 7)
    again.close()


@pytest.mark.parametrize("octets", [0, 1, journals.UNHURRIED, journals.UNHURRIED + 1, 70_001])
def test_the_sum_is_the_same_without_the_faster_library(
    path: Path, monkeypatch: pytest.MonkeyPatch, octets: int
) -> None:
    """A journal may be read where that is not installed, and the other way round."""
    body = Random(octets).randbytes(octets)
    journal = Journal(path)
    write(journal, [body])
    monkeypatch.setattr(journals, "crc32", zlib.crc32)
    write(journal, [body])
    journal.close()
    assert [found for *_, found in told(path)] == [body, body]
    monkeypatch.undo()
    assert [found for *_, found in told(path)] == [body, body]


def test_one_process_at_a_time(path: Path) -> None:
    """The second is refused."""
    journal = Journal(path)
    with pytest.raises(BlockingIOError):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_damage_costs_what_is_damaged(path: Path) -> None:
    """Whatever octet is wrong: all records of other groups are read, and nothing that was never written."""
    journal = Journal(path)
    places: list[tuple[int, int]] = []
    groups: list[int] = []
    for group in ([b"first", None], [b"third" * 20, b""], [b"fifth"]):
        groups += [groups[-1] + 1 if groups else 0] * len(group)
        at = journal._at
        for number, body in enumerate(group, journal.number):
            places.append((at, at := at + sum(map(len, pack(entry(number), body, number)))))
        write(journal, group)
    journal.close()
    whole, good = told(path), path.read_bytes()
    assert len(whole) == 5 and places[2][0] == BLOCK
    for number, (start, end) in enumerate(places):
        for at in range(start, end):
            damaged = bytearray(good)
            damaged[START + at] ^= 0x55
            path.write_bytes(damaged)
            found = told(path)
            others = [one for one, group in zip(whole, groups, strict=True) if group != groups[number]]
            assert [one for one in found if one in others] == others, at
            if at - start < 4 or at - start >= 20:  # how long it is can still be told
                others = [one for one in whole if one != whole[number]]
            else:
                others = [one for n, one in enumerate(whole) if n < number or groups[n] != groups[number]]
            assert found == others
    for end in range(0, places[-1][1], 97):
        path.write_bytes(good[: START + end])
        assert told(path) == whole[: sum(last <= end for _, last in places)]


@pytest.mark.parametrize("path", [2000], indirect=True)
def test_the_parts_take_turns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in a part is there until it is written again, and never anything older than what follows it."""
    monkeypatch.setattr(journals, "STEP", 300)
    journal = Journal(path)
    chance = Random(1)
    parts: dict[int, list[int]] = {0: []}
    for _ in range(300):
        body = bytes(chance.randrange(400))
        size = sum(map(len, pack(entry(journal.number), body, journal.number)))
        if not journal.fits(size):
            journal.turn(chance.choice([part for part in range(min(len(parts) + 1, 5)) if part != journal.part]))
            parts[journal.part] = []
        parts[journal.part].append(journal.number)
        write(journal, [body])
        records = journal.records()
        assert [record.number for record in records][-len(parts[journal.part]) :] == parts[journal.part]
        assert {record.number for record in records} >= {number for part in parts.values() for number in part}
        assert journal.parts == len(parts)
    assert len(parts) == 5
    journal.close()


def test_in_a_burst_the_file_leaps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What grows again within a second grows by more, to its part's end at the most; else a lone message waits less."""
    now = 0.0
    monkeypatch.setattr(journals, "monotonic", lambda: now)
    step, leap, part = journals.STEP, journals.LEAP, journals.PART
    journal = Journal(path)

    def room_after(octets: int) -> int:
        journal.write([(bytes(octets),)])
        return path.stat().st_size - START - journal.written

    assert room_after(step // 2) == step
    assert room_after(step // 2) == step // 2
    now += journals.BURST / 2
    assert room_after(step) == leap
    now += journals.BURST
    assert room_after(leap + step) == step
    now += journals.BURST / 2
    assert room_after(part - journal.written - step) == step
    assert path.stat().st_size == START + part
    journal.close()


def test_a_full_disk_takes_what_fits_and_keeps_its_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot leap grows by what has to be; what has been begun of a growth is given back."""
    room = START + 20 * BLOCK
    pwrite, pwritev = os.pwrite, os.pwritev

    def write_some(fd: int, data: bytes | memoryview, at: int) -> int:
        if at + len(data) <= room:
            return pwrite(fd, data, at)
        pwrite(fd, data[: max(0, room - at)], at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_all(fd: int, buffers: Sequence[memoryview], at: int, flags: int = 0) -> int:
        if at + sum(map(len, buffers)) <= room:
            return pwritev(fd, buffers, at, flags)
        return write_some(fd, b"".join(buffers), at)

    journal = Journal(path)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", write_some)
        full.setattr(os, "pwritev", write_all)
        for number in range(2):
            write(journal, [b"%d" % number * 5 * BLOCK])
            assert path.stat().st_size < room, "no more than it needs"
        before = path.stat().st_size
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                write(journal, [b"x" * 20 * BLOCK])
            assert path.stat().st_size == before
    write(journal, [b"after"])
    assert [record.number for record in journal.records()] == [1, 2, 3] and journal.lost == 0
    journal.close()


@pytest.mark.parametrize("path", [3000], indirect=True)
def test_what_failed_is_written_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if there is no room left for the next, which goes to another part: no number is there twice."""
    journal = Journal(path)
    write(journal, [b"one"])

    def refuse(fd: int, buffers: Any, at: int, flags: int) -> int:
        os.pwrite(fd, b"".join(buffers), at)
        raise OSError(errno.EIO, "Input/output error")

    for after in ([b"two", b"three"], [b"x" * 2900]):
        with monkeypatch.context() as sick:
            sick.setattr(os, "pwritev", refuse)
            with pytest.raises(OSError, match="Input"):
                write(journal, [b"refused"])
        if not journal.fits(sum(map(len, after)) + 100):
            journal.turn(1 - journal.part)
        write(journal, after)
    journal.close()
    assert [(number, body) for number, _, body in told(path)] == [
        (1, b"one"), (2, b"two"), (3, b"three"), (4, b"x" * 2900),
    ]  # fmt: skip


def test_where_one_call_cannot_do_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written and flushed in two."""

    def refuse(fd: int, buffers: Any, at: int, flags: int) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    for names, value in (
        (("os.pwritev",), refuse),
        (("mailhorn.store.journal._DURABLY", "mailhorn.store.direct._DURABLY"), 0),
    ):
        flushed: list[int] = []
        with monkeypatch.context() as old:
            for name in names:
                old.setattr(name, value)
            old.setattr(journals, "_flush", flushed.append)
            journal = Journal(path)
            journal.records()
            journal.write([pack(entry(1), b"one", 1)])
            journal.close()
        assert told(path) == [(1, "key 1", b"one")] and flushed


def test_empty_is_empty(path: Path) -> None:
    """After a clean stop there is nothing to read."""
    journal = Journal(path)
    write(journal, [b"one"])
    journal.empty()
    journal.close()
    assert told(path) == []


# the store over it


def crashed_copy(source: Path, target: Path) -> None:
    """Copy what a server that was killed now would leave."""
    target.mkdir()
    for name in ("index.db", "index.db-wal", "index.journal", "accounts"):
        if (source / name).exists():
            (target / name).write_bytes((source / name).read_bytes())
    for path in source.glob("mail/**/*"):
        if path.is_file() and path.name != ".lock":
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


async def inbox_of(store: Store, inbox: MailboxId) -> list[tuple[int, bytes, frozenset[str]]]:
    """Return UIDs, bodies and flags."""
    _, uids = await store.index.uids(inbox)
    rows = await store.index.rows(inbox, [UID(uid) for uid in uids])
    return [(row.uid, await store.body(inbox, row.uid), frozenset(row.flags.split())) for row in rows]


async def test_who_reads_sees_what_was_answered(tmp_path: Path) -> None:
    """Although the tables get it later; and so does who changes it."""
    async with opened(tmp_path, delay=3600) as store:
        ada, inbox = await account(store)
        other = await store.index.create_mailbox(ada, "Other")
        for number in range(1, 40):
            (placed,) = await deliver(store, inbox, body=b"%d" % number)
            match number % 8:
                case 0:
                    assert (await store.index.uids(inbox))[1][-1] == placed.uid
                case 1:
                    assert await store.body(inbox, placed.uid) == b"%d" % number
                case 2:
                    box = await store.index.mailbox(ada, "INBOX")
                    assert box is not None and box.uid_next == placed.uid + 1 and box.messages == number
                case 3:
                    await store.index.set_flags(inbox, [placed.uid], frozenset((FLAGGED,)), frozenset())
                case 4:
                    assert (await store.index.copy(inbox, [placed.uid], other.id)).source == (placed.uid,)
                case 5:
                    (digest,) = await store.index.digests(inbox, [placed.uid])
                    assert digest.digest == digest_of(b"%d" % number)
                case 6:
                    boxes = await store.index.mailboxes(ada)
                    assert sorted(box.messages for box in boxes)[-1] == number
        assert len(await inbox_of(store, inbox)) == 39
    assert len(message_files(tmp_path)) == 39 + 5


@pytest.mark.parametrize("tables_know", [False, True])
async def test_a_crash_loses_nothing(tmp_path: Path, tables_know: bool) -> None:
    """What was answered is there, with body and flags, whether or not the tables had it; what was moved is moved."""
    async with opened(tmp_path, delay=3600) as store:
        ada, inbox = await account(store)
        other = await store.index.create_mailbox(ada, "Other")
        for number in range(1, 8):
            await deliver(store, inbox, other.id, body=b"%d" % number, flags=frozenset((FLAGGED,)))
        await store.index.copy(inbox, [UID(1)], other.id, move=True)
        await store.index.expunge(inbox, [UID(2)], deleted_only=False)
        await deliver(store, inbox, body=b"last", flags=frozenset((DELETED,)))
        if tables_know:
            await store.index.uids(inbox)
        crashed_copy(tmp_path, tmp_path / "crashed")
        before = await inbox_of(store, inbox), await inbox_of(store, other.id)
        counts = [await store.index.mailbox_by_id(box) for box in (inbox, other.id)]
    for _ in range(2):
        async with opened(tmp_path / "crashed") as store:
            assert (await inbox_of(store, inbox), await inbox_of(store, other.id)) == before
            assert [await store.index.mailbox_by_id(box) for box in (inbox, other.id)] == counts
    assert len(message_files(tmp_path / "crashed")) == 14


async def test_bodies_that_the_journal_has_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go into the tables, and are read there, also after a crash."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 2)
    wanted = {number: b"%d " % number * 50 for number in range(1, 101)}
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        for number, body in wanted.items():
            await deliver(store, inbox, body=body)
            assert await store.body(inbox, UID(max(1, number - 30))) == wanted[max(1, number - 30)]
        assert (tmp_path / "index.journal").stat().st_size <= START + 2 * 6000
        crashed_copy(tmp_path, tmp_path / "crashed")
        assert {uid: body for uid, body, _ in await inbox_of(store, inbox)} == wanted
    async with opened(tmp_path / "crashed") as store:
        assert {uid: body for uid, body, _ in await inbox_of(store, inbox)} == wanted
    assert len(message_files(tmp_path / "crashed")) == len(message_files(tmp_path)) == 100


@pytest.mark.parametrize("flags", [False, True])
async def test_what_was_entered_is_flushed_before_its_place_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: bool
) -> None:
    """Also if nothing waits and all has come to rest: a transaction that writes nothing would flush nothing."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 3)
    flushed, turns, spills = 0, 0, 0
    transact, turn, spill = Writer._transact, Arrivals.turn, Arrivals.spill

    def watched(self: Writer, group: Any, entering: bool) -> Any:
        nonlocal flushed
        before = self._db.total_changes() if self._db else 0
        done = transact(self, group, entering)
        assert self._db is not None
        if self._db.total_changes() > before and self._db.ask("PRAGMA synchronous")[0][0] == 2:
            flushed = self._db.ask("SELECT entered FROM server")[0][0]
        return done

    def turning(self: Arrivals) -> None:
        nonlocal turns
        turns += 1
        assert self._chosen == len(self._parts) or self._parts[self._chosen].last <= flushed
        turn(self)

    def spilling(self: Arrivals, db: Database) -> None:
        nonlocal spills
        spills += 1
        spill(self, db)

    monkeypatch.setattr(Writer, "_transact", watched)
    monkeypatch.setattr(Arrivals, "turn", turning)
    monkeypatch.setattr(Arrivals, "spill", spilling)
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        for number in range(100):
            await deliver(store, inbox, body=b"x" * 300)
            if flags or number % 3 == 0:
                await store.index.uids(inbox)
            if flags:  # the first time it changes something
                await store.index.set_flags(inbox, [UID(1)], frozenset((SEEN,)), frozenset())
    assert turns >= 6 and spills >= 1


async def test_damage_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what lies behind it comes."""
    monkeypatch.setattr(writer, "LINGER", 3600.0)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        for number in range(8):
            await deliver(store, inbox, body=b"number %d" % number)
        crashed_copy(tmp_path, tmp_path / "crashed")
    path = tmp_path / "crashed" / "index.journal"
    (tmp_path / "crashed" / "mail").mkdir(exist_ok=True)
    (tmp_path / "crashed" / "mail" / ".lock").touch()
    database = (tmp_path / "crashed" / "index.db").rename(tmp_path / "crashed" / "index.sqlite")
    (tmp_path / "crashed" / "index.db-wal").rename(tmp_path / "crashed" / "index.sqlite-wal")
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"number 3", b"nonsense"))
    checker = Checker(tmp_path / "crashed", live=False)
    (finding,) = [one for one in checker.check().findings if one.kind == "journal"]
    assert finding.where == str(path) and finding.what.startswith("1 records cannot be read: see to the disk")
    database.rename(tmp_path / "crashed" / "index.db")
    (tmp_path / "crashed" / "index.sqlite-wal").rename(tmp_path / "crashed" / "index.db-wal")
    capsys.readouterr()
    async with opened(tmp_path / "crashed") as store:
        there = {uid: body for uid, body, _ in await inbox_of(store, inbox)}
    assert "records of the journal cannot be read, see to the disk" in capsys.readouterr().out
    assert there.items() >= {number + 1: b"number %d" % number for number in range(8) if number != 3}.items()


async def test_it_stays_short_where_room_is_scarce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the tables get what has no room in it."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 10)
    monkeypatch.setattr(journals, "KEPT", 18_000)
    monkeypatch.setattr(journals, "SCARCE", 2**63)
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        for number in range(40):
            await deliver(store, inbox, body=b"%d" % number * 500)
        assert (tmp_path / "index.journal").stat().st_size <= START + 3 * 6000
        there = {uid: body for uid, body, _ in await inbox_of(store, inbox)}
    assert there == {number + 1: b"%d" % number * 500 for number in range(40)}


async def test_a_burst_makes_it_longer_and_its_end_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that nobody needs are written first; when nobody needs any, the file is as long as it was."""
    monkeypatch.setattr(journals, "PART", 6000)
    monkeypatch.setattr(journals, "PARTS", 10)
    monkeypatch.setattr(journals, "KEPT", 12_000)
    path = tmp_path / "index.journal"
    burst = threading.Event()
    monkeypatch.setattr(Settler, "_hurried", lambda self: not burst.is_set())
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        for number in range(30):
            await deliver(store, inbox, body=b"%d" % number * 500)
        longest = path.stat().st_size
        assert longest > START + 4 * 6000
        crashed_copy(tmp_path, tmp_path / "crashed")
        burst.set()
        while path.stat().st_size > START + 2 * 6000:
            await store.index.uids(inbox)
        for number in range(30, 40):
            await deliver(store, inbox, body=b"%d" % number * 500)
        there = {uid: body for uid, body, _ in await inbox_of(store, inbox)}
    assert there == {number + 1: b"%d" % number * 500 for number in range(40)}
    async with opened(tmp_path / "crashed") as store:
        assert {uid: body for uid, body, _ in await inbox_of(store, inbox)} == {uid: there[uid] for uid in range(1, 31)}


async def test_a_journal_in_two_halves_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as parts were when it was made: mail of before is read, and comes."""
    with monkeypatch.context() as before:
        before.setattr(journals, "PART", 9000)
        before.setattr(journals, "PARTS", 2)
        async with opened(tmp_path, delay=3600) as store:
            _, inbox = await account(store)
            for number in range(16):
                await deliver(store, inbox, body=b"%d" % number * 500)
            crashed_copy(tmp_path, tmp_path / "crashed")
    monkeypatch.setattr(journals, "PART", 4000)
    monkeypatch.setattr(journals, "PARTS", 9)
    async with opened(tmp_path / "crashed", delay=3600) as store:
        for number in range(16, 50):
            await deliver(store, inbox, body=b"%d" % number * 500)
        there = {uid: body for uid, body, _ in await inbox_of(store, inbox)}
        assert (tmp_path / "crashed" / "index.journal").stat().st_size > START + 3 * 9000
    assert there == {number + 1: b"%d" % number * 500 for number in range(50)}


async def test_a_lost_index(tmp_path: Path) -> None:
    """What was in the journal only comes back with its UID; what had come to rest and was expunged does not."""
    async with opened(tmp_path, grace=0.0) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"one")
        await deliver(store, inbox, body=b"two")
    async with opened(tmp_path, delay=3600) as store:
        await store.index.expunge(inbox, [UID(1)], deleted_only=False)
        await deliver(store, inbox, body=b"three", flags=frozenset((FLAGGED,)))
        crashed_copy(tmp_path, tmp_path / "crashed")
    lose_index(tmp_path / "crashed")
    index = SqliteIndex(tmp_path / "crashed" / "index.db", digest_of)

    async def restore() -> None:
        await rebuild(index, tmp_path / "crashed", digest_of)

    blobs = MaildirBlobs(tmp_path / "crashed", index, delay=0.0)
    store = Store(index, blobs, lambda change: None, digest_of, restore)
    await store.start()
    ada = await index.account("ada@example.org")
    assert ada is not None
    there = await inbox_of(store, ada.inbox)
    assert [(uid, body) for uid, body, _ in there] == [(1, b"one"), (2, b"two"), (3, b"three")]  # its file was there
    (placed,) = await deliver(store, ada.inbox, body=b"four")
    assert placed.uid > 3
    await store.close()


async def test_a_removed_mailbox_takes_its_mail_along(tmp_path: Path) -> None:
    """Another process removes an account while mail for it is under way; everybody else's is entered."""
    async with opened(tmp_path, delay=3600) as store:
        _, adas = await account(store)
        bob, bobs = await account(store, "bob")
        await deliver(store, adas, bobs, body=b"both")
        beside = SqliteIndex(tmp_path / "index.db", digest_of)
        await store.index.uids(adas)
        await deliver(store, adas, bobs, body=b"both again")
        await beside.remove_account(bob)
        await beside.close()
        assert [body for _, body, _ in await inbox_of(store, adas)] == [b"both", b"both again"]


@pytest.mark.parametrize("sick", [False, True])
async def test_a_stop_empties_it_if_the_tables_are_on_the_disk(
    tmp_path: Path, sick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who comes next reads it again."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
        if sick:
            monkeypatch.setattr(Arrivals, "seal", lambda self, db: db.execute("nonsense"))
        identity = store.index._writer._arrivals._journal.identity  # type: ignore[attr-defined]
    assert [record.number for record in read_journal(tmp_path / "index.journal", identity)[0]] == ([2] if sick else [])


async def test_a_mistake_of_ours_does_not_end_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to who waits, and the next is served."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        with monkeypatch.context() as broken:
            broken.setattr(Arrivals, "prepare", lambda self, db, arrivals: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await deliver(store, inbox)
        await deliver(store, inbox)
        assert len(await inbox_of(store, inbox)) == 1


async def test_two_mailboxes_with_one_uidvalidity(tmp_path: Path) -> None:
    """A Maildir was adopted twice: after a crash each account gets its own mail; an index made anew could not tell."""
    async with opened(tmp_path, delay=3600) as store:
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        await store.index._writer.run(lambda tx: tx.db.execute("UPDATE mailbox SET uid_validity = 7").fetchall())
        await deliver(store, adas, body=b"ada's")
        await deliver(store, bobs, body=b"bob's")
        crashed_copy(tmp_path, tmp_path / "crashed")
    async with opened(tmp_path / "crashed") as store:
        assert [body for box in (adas, bobs) for _, body, _ in await inbox_of(store, box)] == [b"ada's", b"bob's"]
        db = open_reader(tmp_path / "crashed" / "index.db")
        assert _by_uid_validity(db)(Place(99, 7, 1, 1, "")) is None
        await store.index._writer.run(
            lambda tx: tx.db.execute("UPDATE mailbox SET uid_validity = 8 WHERE id = ?", (bobs,)).fetchall()
        )
        assert [_by_uid_validity(db)(Place(99, validity, 1, 1, "")) for validity in (7, 8)] == [adas, bobs]
        db.close()


async def test_its_first_block_is_damaged(tmp_path: Path) -> None:
    """Whose it is cannot be told any more: no body is lost for that, and nothing expunged comes back."""
    async with opened(tmp_path, delay=3600) as store:
        _, inbox = await account(store)
        for body in (b"one", b"two", b"three"):
            await deliver(store, inbox, body=body)
        await store.index.expunge(inbox, [UID(2)], deleted_only=False)
        crashed_copy(tmp_path, tmp_path / "crashed")
    with (tmp_path / "crashed" / "index.journal").open("r+b") as journal:
        journal.write(b"x" * START)
    async with opened(tmp_path / "crashed") as store:
        assert [body for _, body, _ in await inbox_of(store, inbox)] == [b"one", b"three"]


async def test_two_servers_on_one_index(tmp_path: Path) -> None:
    """The second is told so."""
    async with opened(tmp_path):
        beside = SqliteIndex(tmp_path / "index.db", digest_of)
        with pytest.raises(StoreUnavailable, match="another mailhorn"):
            beside.catch_up()
        await beside.close()
