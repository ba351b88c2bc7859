"""Coming to rest: what other tools find in the Maildirs once nothing is on its way."""

import asyncio
import errno
import functools
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from tests.kit.stores import DATE, account, deliver, digest_of, message_files, opened
from tests.store.test_making_way import rests

from mailhorn.model.ids import UID, AccountId, MailboxId
from mailhorn.model.mailbox import INBOX
from mailhorn.store.abc import MessageMissing, Note, StoreError, StoreUnavailable
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.settle import Flusher, Keywords, Places, Settler, read_settings, write_file
from mailhorn.store.store import Store

ADA = "ada@example.org"


def tree(directory: Path) -> set[str]:
    """Return the folders of the account, "" for INBOX."""
    home = directory / "mail" / ADA
    return {str(path.parent.relative_to(home)) for path in home.glob("**/cur")}


async def mailbox(store: Store, ada: AccountId, name: str) -> MailboxId:
    """Return the id of the mailbox."""
    found = await store.index.mailbox(ada, name)
    assert found is not None
    return found.id


async def test_a_message_becomes_a_file_others_can_read(tmp_path: Path) -> None:
    """Size, UID and flags are in its name, its date is the internal date, only its owner may read it."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"hello", flags=frozenset({"\\Seen", "\\Flagged", "work"}))
    (path,) = message_files(tmp_path)
    assert path.parent == tmp_path / "mail" / ADA / "cur"
    assert path.name.endswith(",S=5,U=1:2,FSa") and path.read_bytes() == b"hello"
    assert path.stat().st_mtime == DATE and path.stat().st_mode & 0o777 == 0o600
    assert (path.parent.parent / "dovecot-keywords").read_text() == "0 work\n"
    assert read_settings(path.parent.parent / "mailhorn-mailbox")["uid_next"] == 2


async def test_the_inline_copy_is_retired(tmp_path: Path) -> None:
    """At rest, the body is in its file only."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    async with opened(tmp_path) as store:
        assert (await store.index.blob(inbox, UID(1))).inline is None
        assert await store.body(inbox, UID(1)) == b"Subject: x\r\n\r\nhello\r\n"


async def test_flags_are_in_the_name(tmp_path: Path) -> None:
    """A change of flags renames the file."""
    for flags, letters in ((["\\Seen"], "S"), (["\\Answered", "\\Seen", "$Forwarded"], "PRS"), ([], ""), (["k"], "a")):
        async with opened(tmp_path) as store:
            ada, inbox = await account(store)
            if letters == "S":
                await deliver(store, inbox)
            await store.index.set_flags(inbox, [UID(1)], frozenset(flags), frozenset(), replace=True)
        (path,) = message_files(tmp_path)
        assert path.name.endswith(f",U=1:2,{letters}")


async def test_more_keywords_than_letters(tmp_path: Path) -> None:
    """The 27th keyword of a folder is kept in a file of ours, and goes when it is taken away."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, flags=frozenset(f"k{n:02}" for n in range(30)))
        await deliver(store, inbox, flags=frozenset({"k29"}))
    home = tmp_path / "mail" / ADA
    known = Keywords.load(str(home))
    assert len(known.names) == 26 and known.more == {1: ("k26", "k27", "k28", "k29"), 2: ("k29",)}
    async with opened(tmp_path) as store:
        await store.index.set_flags(inbox, [UID(1)], frozenset({"k00"}), frozenset(), replace=True)
    assert Keywords.load(str(home)).more == {1: (), 2: ("k29",)}


async def test_copies_share_the_file(tmp_path: Path) -> None:
    """A copy is a link, in whatever account."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        _, bobs = await account(store, "bob")
        await deliver(store, inbox, bobs)
        work = (await store.index.create_mailbox(ada, "Work")).id
        await store.index.copy(inbox, [UID(1)], work)
    files = message_files(tmp_path)
    assert len(files) == 3 and len({path.stat().st_ino for path in files}) == 1


async def test_a_moved_message_has_one_file(tmp_path: Path) -> None:
    """Whether it had come to rest before or not."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        await deliver(store, inbox)
        await store.index.copy(inbox, [UID(1)], work, move=True)
        await deliver(store, inbox)
    async with opened(tmp_path) as store:
        await store.index.copy(inbox, [UID(2)], work, move=True)
    assert sorted(path.parent.parent.name + path.name[-7:] for path in message_files(tmp_path)) == [
        ".Work,U=1:2,",
        ".Work,U=2:2,",
    ]


async def test_expunged_files_wait_out_the_grace_and_go_at_a_clean_stop(tmp_path: Path) -> None:
    """Meanwhile the body can be read."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"late")
    async with opened(tmp_path) as store:
        await store.index.expunge(inbox, None, deleted_only=False)
        assert await store.body(inbox, UID(1)) == b"late"
        assert len(message_files(tmp_path)) == 1
    assert message_files(tmp_path) == []


async def test_what_is_deleted_on_a_full_disk_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what came cannot be written; but the file that a copy is still to be made of stays."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        await deliver(store, inbox, body=b"deleted")
        await deliver(store, inbox, body=b"copied")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with opened(tmp_path, delay=3600, grace=0) as store:
        monkeypatch.setattr(Settler, "_put", full)
        await deliver(store, inbox, body=b"new")
        await store.index.copy(inbox, [UID(2)], work)
        await store.index.expunge(inbox, [UID(1), UID(2)], deleted_only=False)
        with pytest.raises(OSError, match="No space"):
            await asyncio.to_thread(store._blobs._settler.round)
        assert {path.read_bytes() for path in message_files(tmp_path)} == {b"copied"}
        assert any(",U=2:" in path.name for path in message_files(tmp_path))
        assert await store.body(work, UID(1)) == b"copied" and await store.body(inbox, UID(3)) == b"new"
        monkeypatch.undo()
    assert sorted(path.read_bytes() for path in message_files(tmp_path)) == [b"copied", b"new"]


@pytest.mark.parametrize("full", [False, True])
async def test_what_was_expunged_while_the_clock_was_wrong_is_due(tmp_path: Path, full: bool) -> None:
    """Its grace does not last until the clock says so again; one that may still be running does."""
    index = SqliteIndex(tmp_path / "index.db", digest_of, grace=100, clock=lambda: now)
    blobs = MaildirBlobs(tmp_path, index, delay=3600, clock=lambda: now)
    settle = functools.partial(asyncio.to_thread, blobs._settler.round)
    store = Store(index, blobs, lambda change: None, digest_of)
    now = 1e9
    await store.start()
    try:
        _, inbox = await account(store)
        for body in (b"dead", b"dying", b"living"):
            await deliver(store, inbox, body=body)
        while (await settle(everything=True))[0]:
            pass
        now = 4e9
        await index.expunge(inbox, [UID(1)], deleted_only=False)
        now = 1e9 + 50
        await index.expunge(inbox, [UID(2)], deleted_only=False)
        if full:
            await asyncio.to_thread(blobs._settler._make_room)
        else:
            assert await settle() == (False, now + 100)
        assert {path.read_bytes() for path in message_files(tmp_path)} == {b"dying", b"living"}
        assert await settle() == (False, now + 100)
    finally:
        await store.close()
    assert [path.read_bytes() for path in message_files(tmp_path)] == [b"living"]


async def test_folders_follow_create_rename_delete(tmp_path: Path) -> None:
    """Directories are made, moved with what is below, and removed with their messages."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        await store.index.create_mailbox(ada, "a/b")
        await deliver(store, await mailbox(store, ada, "a/b"))
    assert tree(tmp_path) == {".", ".a", ".a.b"}
    async with opened(tmp_path) as store:
        await store.index.rename_mailbox(ada, "a", "x/y")
        assert await store.body(await mailbox(store, ada, "x/y/b"), UID(1))
    assert tree(tmp_path) == {".", ".x", ".x.y", ".x.y.b"}
    assert [path.parent.parent.name for path in message_files(tmp_path)] == [".x.y.b"]
    async with opened(tmp_path) as store:
        await store.index.delete_mailbox(await mailbox(store, ada, "x/y/b"))
    assert tree(tmp_path) == {".", ".x", ".x.y"}


async def test_names_may_be_exchanged(tmp_path: Path) -> None:
    """Two folders that take each other's name between two rounds, and a third that takes a deleted one's."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        for name in ("one", "two", "three"):
            made = await store.index.create_mailbox(ada, name)
            await deliver(store, made.id, body=name.encode())
    async with opened(tmp_path, delay=3600) as store:  # nothing settles before the stop
        index = store.index
        for name, new in (("one", "tmp"), ("two", "one"), ("tmp", "two")):
            await index.rename_mailbox(ada, name, new)
        await index.delete_mailbox(await mailbox(store, ada, "three"))
        again = await index.create_mailbox(ada, "three")
        await deliver(store, again.id, body=b"again")
    found = {path.parent.parent.name: path.read_bytes() for path in message_files(tmp_path)}
    assert found == {".one": b"two", ".two": b"one", ".three": b"again"}
    assert tree(tmp_path) == {".", ".one", ".two", ".three"}
    async with opened(tmp_path) as store:
        for name, body in (("one", b"two"), ("two", b"one"), ("three", b"again")):
            assert await store.body(await mailbox(store, ada, name), UID(1)) == body


async def test_what_was_done_but_not_noted_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if power failed between the flush and the note: folders, files, flags, moves and removals come out right."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        boxes = {}
        for name in ("one", "two", "three"):
            boxes[name] = (await store.index.create_mailbox(ada, name)).id
            for n in range(3):
                await deliver(store, boxes[name], body=f"{name} {n}".encode())

    def lost(*args: object) -> None:
        raise StoreUnavailable("power failed")

    monkeypatch.setattr(SqliteIndex, "settled", lost)
    async with opened(tmp_path, delay=3600) as store:
        index = store.index
        for name, new in (("one", "tmp"), ("two", "one"), ("tmp", "two")):
            await index.rename_mailbox(ada, name, new)
        await index.delete_mailbox(boxes["three"])
        boxes["three"] = (await index.create_mailbox(ada, "three")).id
        await deliver(store, boxes["three"], body=b"again")
        await deliver(store, inbox, body=b"new", flags=frozenset({"k"}))
        await index.set_flags(boxes["one"], [UID(1)], frozenset({"\\Seen"}), frozenset())
        await index.copy(boxes["one"], [UID(2)], boxes["two"], move=True)
        await index.expunge(boxes["two"], [UID(3)], deleted_only=False)
    monkeypatch.undo()
    async with opened(tmp_path, delay=3600) as store:
        await store.index.set_flags(inbox, [UID(1)], frozenset({"\\Seen"}), frozenset())
        await store.index.set_flags(boxes["one"], [UID(1)], frozenset({"\\Draft"}), frozenset())
    expected = {
        (".two", ",U=1:2,DS", b"one 0"),
        (".two", ",U=3:2,", b"one 2"),
        (".one", ",U=1:2,", b"two 0"),
        (".one", ",U=2:2,", b"two 1"),
        (".one", ",U=4:2,", b"one 1"),
        (".three", ",U=1:2,", b"again"),
        (ADA, ",U=1:2,Sa", b"new"),
    }
    files = message_files(tmp_path)
    assert len(files) == len(expected)
    assert {(f.parent.parent.name, f.name[f.name.index(",U=") :], f.read_bytes()) for f in files} == expected
    assert tree(tmp_path) == {".", ".one", ".two", ".three"}


@pytest.mark.parametrize("change", ["expunge", "expunge with grace", "move", "flags", "none"])
async def test_what_changes_while_the_index_takes_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Files are there that the index does not know of, for once without a crash: nothing is left, nothing is twice."""

    def refused(*args: object) -> None:
        raise StoreUnavailable("the disk is full")

    async with opened(tmp_path, delay=3600, grace=60 if change == "expunge with grace" else 0) as store:
        assert isinstance(store._blobs, MaildirBlobs)
        settle = store._blobs._settler.round
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        await asyncio.to_thread(settle)
        for body in (b"one", b"two"):
            await deliver(store, inbox, body=body)
        assert await store.index.blob(inbox, UID(2)), "it is in the tables, where the settler looks"
        with monkeypatch.context() as sick:
            sick.setattr(SqliteIndex, "settled", refused)
            with pytest.raises(StoreUnavailable):
                await asyncio.to_thread(settle)
        assert [path.read_bytes() for path in message_files(tmp_path)] == [b"one", b"two"], "but not noted"
        if change.startswith("expunge"):
            await store.index.expunge(inbox, [UID(1)], deleted_only=False)
        elif change == "move":
            await store.index.copy(inbox, [UID(1)], work, move=True)
        elif change == "flags":
            await store.index.set_flags(inbox, [UID(1)], frozenset({"\\Seen"}), frozenset())
        while (await asyncio.to_thread(settle))[0]:
            pass
    found = {(f.parent.parent.name, f.name[f.name.index(",U=") :], f.read_bytes()) for f in message_files(tmp_path)}
    assert len(message_files(tmp_path)) == len(found)
    of_one = {
        "expunge": set(),
        "expunge with grace": set(),
        "move": {(".Work", ",U=1:2,", b"one")},
        "flags": {(ADA, ",U=1:2,S", b"one")},
        "none": {(ADA, ",U=1:2,", b"one")},
    }
    assert found == {(ADA, ",U=2:2,", b"two")} | of_one[change]


@pytest.mark.parametrize("refused", ["/cur/", "/mailhorn-mailbox"])
async def test_doubts_stay_only_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """A folder that takes no message for ever, or cannot be signed, keeps no other from being looked at."""
    rename = os.rename

    def unnoted(*args: object) -> None:
        raise StoreUnavailable("the disk is full")

    def refuse(source: str, target: str) -> None:
        if f"{ADA}{refused}" in str(target):
            raise PermissionError(13, "Permission denied", target)
        rename(source, target)

    async with opened(tmp_path, delay=3600) as store:
        assert isinstance(store._blobs, MaildirBlobs)
        settler = store._blobs._settler
        ada, adas = await account(store)
        _, bobs = await account(store, "bob")
        _, cats = await account(store, "cat")
        await deliver(store, adas)
        assert await store.index.blob(adas, UID(1)), "it is in the tables, where the settler looks"
        while (await asyncio.to_thread(settler.round))[0]:
            pass
        await store.index.note(ada, [Note(adas, "/private/comment", b"x")])  # so that it is signed once more
        for inbox in (adas, bobs, cats):
            (placed,) = await deliver(store, inbox)
            assert await store.index.blob(inbox, placed.uid)
        with monkeypatch.context() as sick:
            sick.setattr(SqliteIndex, "settled", unnoted)
            with pytest.raises(StoreUnavailable):
                await asyncio.to_thread(settler.round)
        assert settler.doubts(None) and settler.doubts(adas) and settler.doubts(bobs)
        await store.index.copy(adas, [UID(1)], cats)
        with monkeypatch.context() as sick:
            sick.setattr(os, "rename", refuse)
            with pytest.raises(StoreError, match="Permission denied"):
                await asyncio.to_thread(settler.round)
        assert settler.doubts(adas) and not settler.doubts(bobs) and not settler.doubts(None)
        assert settler.doubts(cats) == (refused != "/cur/"), "a copy waits for what it is a copy of"
        while (await asyncio.to_thread(settler.round))[0]:
            pass
        assert not any(settler.doubts(mailbox) for mailbox in (None, adas, cats))


async def test_a_list_that_cannot_be_written_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Each is tried again, and nothing else waits for it."""
    async with opened(tmp_path, delay=3600) as store:
        settle = functools.partial(asyncio.to_thread, store._blobs._settler.round)
        ada, adas = await account(store)
        bob, bobs = await account(store, "bob")
        await deliver(store, adas)
        assert await store.index.blob(adas, UID(1)), "it is in the tables, where the settler looks"
        while (await settle())[0]:
            pass
        obstacles = [tmp_path / "mail" / ADA / "subscriptions.new", tmp_path / "accounts.new"]
        for obstacle in obstacles:
            obstacle.mkdir()
        await store.index.subscribe(ada, "Work", True)
        await store.index.subscribe(bob, "Bees", True)
        await account(store, "cat")
        await deliver(store, bobs)
        assert await store.index.blob(bobs, UID(1))
        for _ in range(2):
            with pytest.raises(StoreError, match="2 could not be written: .*subscriptions"):
                await settle()
        assert (tmp_path / "mail" / "bob" / "subscriptions").read_text() == "Bees\n"
        assert len(message_files(tmp_path)) == 2
        for obstacle in obstacles:
            obstacle.rmdir()
        while (await settle())[0]:
            pass
        assert (tmp_path / "mail" / ADA / "subscriptions").read_text() == "Work\n"
        assert "cat:" in (tmp_path / "accounts").read_text()


async def test_a_removed_account_whose_directory_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one of its name waits, with its messages and lists, and does not get what is there; others go on."""
    rename = os.rename

    def refuse(source: str, target: str) -> None:
        if "/.trash/" in str(target):
            raise PermissionError(13, "Permission denied", target)
        rename(source, target)

    async with opened(tmp_path, delay=3600) as store:
        settle = functools.partial(asyncio.to_thread, store._blobs._settler.round)
        old, inbox = await account(store)
        await deliver(store, inbox, body=b"old")
        assert await store.index.blob(inbox, UID(1)), "it is in the tables, where the settler looks"
        while (await settle())[0]:
            pass
        await store.index.remove_account(old)
        new, inbox = await account(store)
        _, bobs = await account(store, "bob")
        await store.index.subscribe(new, "Work", True)
        for mailbox in (inbox, bobs):
            await deliver(store, mailbox, body=b"new")
            assert await store.index.blob(mailbox, UID(1))
        with monkeypatch.context() as sick:
            sick.setattr(os, "rename", refuse)
            for _ in range(2):
                with pytest.raises(StoreError, match="2 could not be written: .*Permission denied"):
                    await settle()
        files = sorted((path.parent.parent.name, path.read_bytes()) for path in message_files(tmp_path))
        assert files == [(ADA, b"old"), ("bob", b"new")]
        assert not (tmp_path / "mail" / ADA / "subscriptions").exists()
        while (await settle())[0]:
            pass
        files = sorted((path.parent.parent.name, path.read_bytes()) for path in message_files(tmp_path))
        assert files == [(ADA, b"new"), ("bob", b"new")]
        assert (tmp_path / "mail" / ADA / "subscriptions").read_text() == "Work\n"


@pytest.mark.parametrize("moved", [0, 6])
async def test_who_cannot_be_written_does_not_hold_up_who_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """However much waits for one mailbox, also from others, what was expunged and flagged there is seen to at once."""
    monkeypatch.setattr("mailhorn.store.settle.ROUND", 5)
    async with opened(tmp_path, delay=3600, grace=0) as store:
        settle = functools.partial(asyncio.to_thread, store._blobs._settler.round)
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        for _ in range(30):
            await deliver(store, adas)
        for _ in range(30 + moved):
            await deliver(store, bobs)
        assert await store.index.blob(bobs, UID(30 + moved)), "it is in the tables, where the settler looks"
        while (await settle())[0]:
            pass
        cur = tmp_path / "mail" / ADA / "cur"
        cur.rename(cur.with_name("aside"))
        cur.write_bytes(b"in the way")
        await deliver(store, adas)
        assert await store.index.blob(adas, UID(31))
        if moved:
            await store.index.copy(bobs, [UID(n) for n in range(31, 31 + moved)], adas, move=True)
        seen = frozenset({"\\Seen"})
        for inbox in (adas, bobs):
            await store.index.set_flags(inbox, [UID(n) for n in range(13, 31)], seen, frozenset())
            await store.index.expunge(inbox, [UID(n) for n in range(1, 13)], deleted_only=False)
        (gone,) = (path for path in message_files(tmp_path) if ",U=1:" in path.name and "bob" in path.parts)
        gone.unlink()
        with pytest.raises(StoreError, match="could not be written"):
            while (await settle())[0]:
                pass
        assert sorted(path.name.endswith("S") for path in message_files(tmp_path)) == [False] * moved + [True] * 18
        cur.unlink()
        cur.with_name("aside").rename(cur)
        while (await settle())[0]:
            pass
        names = [path.name for path in message_files(tmp_path)]
        assert len(names) == 18 + 19 + moved and sum(name.endswith("S") for name in names) == 36


async def test_letters_are_written_down_though_it_failed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a keyword's letter means stands in the folder whenever a file has it."""
    write = write_file

    def full(path: str, content: bytes, flushed: bool = False) -> None:
        if path.endswith("/dovecot-keywords"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content, flushed)

    async with opened(tmp_path, delay=3600) as store:
        assert isinstance(store._blobs, MaildirBlobs)
        _, inbox = await account(store)
        await deliver(store, inbox, flags=frozenset({"work"}))
        assert await store.index.blob(inbox, UID(1)), "it is in the tables, where the settler looks"
        with monkeypatch.context() as sick:
            sick.setattr("mailhorn.store.settle.write_file", full)
            with pytest.raises(OSError, match="No space"):
                await asyncio.to_thread(store._blobs._settler.round)
    (path,) = message_files(tmp_path)
    assert path.name.endswith(",U=1:2,a")
    assert (path.parent.parent / "dovecot-keywords").read_text() == "0 work\n"


async def test_a_folder_that_moved_unnoted_is_found_after_more_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that stands where a crash left it is neither taken by the next of that name nor thrown away."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        for name in ("one", "two"):
            made = await store.index.create_mailbox(ada, name)
            await deliver(store, made.id, body=name.encode())

    def lost(*args: object) -> None:
        raise StoreUnavailable("power failed")

    monkeypatch.setattr(SqliteIndex, "settled", lost)
    async with opened(tmp_path, delay=3600) as store:
        await store.index.rename_mailbox(ada, "one", "three")
    monkeypatch.undo()
    assert tree(tmp_path) == {".", ".two", ".three"}
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    await index.rename_mailbox(ada, "three", "four")
    await index.rename_mailbox(ada, "two", "three")
    await index.close()
    async with opened(tmp_path) as store:
        pass
    found = {path.parent.parent.name: path.read_bytes() for path in message_files(tmp_path)}
    assert found == {".four": b"one", ".three": b"two"}
    assert tree(tmp_path) == {".", ".three", ".four"}


async def test_a_removed_account_takes_its_directory(tmp_path: Path) -> None:
    """And one added with the same name before that is settled keeps its own."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        await deliver(store, inbox, body=b"old")
        await store.index.create_mailbox(ada, "Work")
    async with opened(tmp_path, delay=3600) as store:
        await store.index.remove_account(ada)
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"new")
    assert [path.read_bytes() for path in message_files(tmp_path)] == [b"new"] and tree(tmp_path) == {"."}
    async with opened(tmp_path) as store:
        found = await store.index.account(ADA)
        assert found is not None
        await store.index.remove_account(found.id)
    assert not (tmp_path / "mail" / ADA).exists()


async def test_lists_are_files_too(tmp_path: Path) -> None:
    """Accounts with their hashes, readable by the owner only, and each account's subscriptions."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        await store.index.add_accounts([("Bob Smith/..", "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA")])
        for name in (INBOX, "Work/A.b", "Entwürfe"):
            await store.index.subscribe(ada, name, True)
    lines = (tmp_path / "accounts").read_text().splitlines()
    assert lines[2].startswith("ada@example.org:hash:")
    assert lines[3].startswith("bob%20smith%2f..:$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA:")
    assert (tmp_path / "accounts").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mail" / ADA / "subscriptions").read_text() == "Entw&APw-rfe\nINBOX\nWork.A&AC4-b\n"


async def test_a_file_renamed_by_another_tool_is_found(tmp_path: Path) -> None:
    """Reading finds it, and afterwards its name tells our flags again."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"hello")
    (path,) = message_files(tmp_path)
    path.rename(path.with_name(path.name + "S"))
    async with opened(tmp_path) as store:
        assert await store.body(inbox, UID(1)) == b"hello"
    assert message_files(tmp_path) == [path]


async def test_settling_goes_on_when_the_disk_lets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it does not, messages are accepted and read; then they come to rest. The log tells of both, once."""
    monkeypatch.setattr("mailhorn.store.settle.RETRY_MIN", 0.01)
    refused, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    told: list[str] = []

    def heard(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
        told.append(entry["event"])
        if entry["event"].endswith(" again"):
            loop.call_soon_threadsafe(again.set)
        raise structlog.DropEvent

    monkeypatch.setattr("mailhorn.store.settle.log", structlog.wrap_logger(None, [heard]))
    allowed = False

    def full(real: Callable[..., None], source: str, target: str, **named: int) -> None:
        if not allowed and "/cur/" in str(target):
            loop.call_soon_threadsafe(refused.set)
            raise OSError(28, "No space left on device")
        real(source, target, **named)

    for name in ("link", "rename"):
        monkeypatch.setattr(os, name, functools.partial(full, getattr(os, name)))
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"patient")
        await refused.wait()
        assert await store.body(inbox, UID(1)) == b"patient"
        allowed = True
        await again.wait()
        assert [path.read_bytes() for path in message_files(tmp_path)] == [b"patient"]
    assert told == [
        "messages cannot be written into the Maildirs, will retry",
        "messages are written into the Maildirs again",
    ]


async def test_a_file_system_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS has none: then a file is made in the spool and renamed."""
    real = os.open
    asked: list[str] = []

    def without(path: str, flags: int, *args: int, **named: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            asked.append(path)
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(path, flags, *args, **named)

    monkeypatch.setattr(os, "open", without)
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        for body in (b"one", b"two"):
            await deliver(store, inbox, body=body)
    assert sorted(path.read_bytes() for path in message_files(tmp_path)) == [b"one", b"two"]
    assert len(asked) == 1


async def test_a_file_that_a_power_cut_left_empty_is_written_again(tmp_path: Path) -> None:
    """Its name had come to the disk, what was in it had not; the body is still in the index."""
    async with opened(tmp_path, delay=3600.0) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"whole")
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for file in map(tmp_path.joinpath, ("index.db", "index.db-wal", "index.journal")):
            shutil.copy(file, crashed)
    (file,) = message_files(tmp_path)
    shutil.copytree(tmp_path / "mail", crashed / "mail", ignore=shutil.ignore_patterns(".lock"))
    (left,) = message_files(crashed)
    assert left.name == file.name
    left.write_bytes(b"")
    (crashed / "mail" / ".running").touch()
    async with opened(crashed):
        pass
    assert [path.read_bytes() for path in message_files(crashed)] == [b"whole"]


async def test_a_folder_that_refuses_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One account's directory cannot be written; everybody else's messages come to rest."""
    async with opened(tmp_path) as store:
        _, adas = await account(store)
        _, bobs = await account(store, "bob")
        await deliver(store, adas)
        await deliver(store, bobs)
    rename = os.rename

    def refuse(source: str, target: str) -> None:
        if ADA in str(target):
            raise PermissionError(13, "Permission denied", target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    async with opened(tmp_path) as store:
        await deliver(store, adas, body=b"ada's")
        await deliver(store, bobs, body=b"bob's")
    assert sorted(path.read_bytes() for path in message_files(tmp_path)).count(b"bob's") == 1
    assert (tmp_path / "mail" / ".running").exists(), "not everything is at rest"
    monkeypatch.undo()
    async with opened(tmp_path) as store:
        assert await store.body(adas, UID(2)) == b"ada's"
    assert len(message_files(tmp_path)) == 4


@pytest.mark.parametrize("move", [False, True])
async def test_what_is_copied_from_a_folder_that_cannot_be_placed_waits(tmp_path: Path, move: bool) -> None:
    """As does what was expunged there: its files are not gone because nobody can say where they are."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        for body in (b"copied", b"expunged", b"kept"):
            await deliver(store, work, body=body)
    obstacle = tmp_path / "mail" / ADA / ".Work" / "mailhorn-mailbox.new"
    async with opened(tmp_path, delay=3600, grace=0) as store:

        async def settle() -> None:
            while (await asyncio.to_thread(store._blobs._settler.round))[0]:
                pass

        obstacle.mkdir()
        await store.index.note(ada, [Note(work, "/private/comment", b"x")])
        await store.index.expunge(work, [UID(2)], deleted_only=False)
        with pytest.raises(StoreError, match="1 could not be written"):
            await settle()
        assert {path.read_bytes() for path in message_files(tmp_path)} == {b"copied", b"expunged", b"kept"}
        await store.index.copy(work, [UID(1)], inbox, move=move)
        for _ in range(2):
            with pytest.raises(StoreError, match="1 could not be written"):
                await settle()
        assert await store.body(inbox, UID(1)) == b"copied"
        obstacle.rmdir()
        await settle()
        assert await store.body(inbox, UID(1)) == b"copied"
        found = [(path.parent.parent.name, path.read_bytes()) for path in message_files(tmp_path)]
        there = [(".Work", b"kept"), (ADA, b"copied")] + ([] if move else [(".Work", b"copied")])
        assert sorted(found) == sorted(there)


async def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """New mail finds its place; of the old the index says that it is gone."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    shutil.rmtree(tmp_path / "mail" / ADA)
    async with opened(tmp_path) as store:
        await deliver(store, inbox, body=b"new")
        await store.index.set_flags(inbox, [UID(1)], frozenset({"\\Seen"}), frozenset())
        with pytest.raises(MessageMissing):
            await store.body(inbox, UID(1))
    assert [path.read_bytes() for path in message_files(tmp_path)] == [b"new"]
    assert (tmp_path / "mail" / ADA / "mailhorn-mailbox").exists()


async def test_a_disk_limit_is_met_and_lifted(tmp_path: Path) -> None:
    """Files may not grow: deliveries are refused, nothing is lost, and afterwards all goes on."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox, body=b"before")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        refused = 0
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
            for n in range(60):
                try:
                    await deliver(store, inbox, body=b"%d" % n * 3000)
                except StoreUnavailable:
                    refused += 1
            with pytest.raises(StoreUnavailable):
                await deliver(store, inbox, body=b"x" * 300_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refused > 0
        await deliver(store, inbox, body=b"after")
        _, uids = await store.index.uids(inbox)
        assert len(uids) == 62 - refused
        for uid in uids:
            assert await store.body(inbox, UID(uid))
    assert len(message_files(tmp_path)) == len(uids)


async def test_without_syncfs_every_file_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback does the same, one by one."""
    flushed: list[str] = []
    monkeypatch.setattr("mailhorn.store.settle.fsync_path", lambda path: flushed.append(str(path)))
    flusher = Flusher(tmp_path)
    flusher._syncfs = None
    flusher.touched("a", "b")
    flusher.touched("b")
    flusher.flush()
    flusher.flush()
    flusher.close()
    assert flushed == ["a", "b"]


def test_files_of_ours(tmp_path: Path) -> None:
    """Settings are read as far as they make sense; a file is replaced at one stroke."""
    path = tmp_path / "file"
    assert read_settings(path) == {}
    write_file(path, b"mailhorn-mailbox 1\nuid_validity=5\nuid_next=x\nbig=" + b"9" * 30 + b"\n\xff=1\n")
    assert read_settings(path) == {"uid_validity": 5} and os.listdir(tmp_path) == ["file"]
    (tmp_path / "dovecot-keywords").write_text("0 a\n2 c\nx y\n99 z\n3\n")
    (tmp_path / "mailhorn-keywords").write_text("5 x y\nno\n5\n")
    known = Keywords.load(str(tmp_path))
    assert known.names == ["a", "", "c"] and known.more == {5: ()} and known.flags("acbz") == ["a", "c"]
    assert Places(tmp_path).spool.parent == tmp_path / "mail"


async def test_what_never_gets_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """A message that is moved or expunged before it has come to rest does not count as backlog for ever."""
    rested = asyncio.Event()
    async with opened(tmp_path, grace=0.0, delay=0.05) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        blobs = store._blobs
        assert isinstance(blobs, MaildirBlobs)
        loop = asyncio.get_running_loop()
        blobs._settler.rested = lambda: loop.call_soon_threadsafe(rested.set)
        for _ in range(5):
            (placed,) = await deliver(store, inbox)
            await store.index.copy(inbox, [placed.uid], work, move=True)
            (placed,) = await deliver(store, inbox)
            await store.index.expunge(inbox, [placed.uid], deleted_only=False)
        async with asyncio.timeout(30):
            on = False
            while blobs._settler.backlog:
                rested.clear()
                on = not on
                await store.index.subscribe(ada, "Work", on)  # something to settle, so that it goes round
                await rested.wait()


async def test_a_folder_that_cannot_be_written_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many messages wait for it, and however often it is tried."""
    monkeypatch.setattr("mailhorn.store.settle.ROUND", 5)
    monkeypatch.setattr("mailhorn.store.settle.RETRY_MAX", 0.05)
    monkeypatch.setattr("mailhorn.store.settle.RETRY_MIN", 0.01)
    async with opened(tmp_path, delay=0.0) as store:
        rested = rests(store)

        async def until(files: int) -> None:
            while len(message_files(tmp_path)) < files:
                assert await asyncio.to_thread(rested.wait, 20)
                rested.clear()

        ada, _ = await account(store)
        _, bobs = await account(store, "bob")
        work = (await store.index.create_mailbox(ada, "Work")).id
        await deliver(store, work)
        await until(1)
        cur = tmp_path / "mail" / ADA / ".Work" / "cur"
        cur.rename(cur.with_name("aside"))
        cur.write_bytes(b"in the way")
        for number in range(17):
            await deliver(store, work, body=b"ada %d" % number)
        for number in range(12):
            await deliver(store, bobs, body=b"bob %d" % number)
        await store.index.expunge(bobs, [UID(1)], deleted_only=False)
        await until(11)  # the one that was expunged may have been before it had a file
        for number in range(4):
            await deliver(store, bobs, body=b"later %d" % number)
        await until(15)
        cur.unlink()
        cur.with_name("aside").rename(cur)
        await until(33)
    bodies = sorted(path.read_bytes() for path in message_files(tmp_path))
    assert sum(body.startswith(b"ada") for body in bodies) == 17
