"""The index made anew from what is on disk."""

import os
from pathlib import Path

import pytest
from tests.kit.stores import DATE, account, deliver, digest_of, lose_index, message_files, opened

from mailhorn.model.ids import UID
from mailhorn.model.mailbox import INBOX
from mailhorn.model.message import Digest
from mailhorn.store.abc import Note, StoreUnavailable
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.names import login_dir
from mailhorn.store.notes import NOTES_FILE
from mailhorn.store.rebuild import Validities, needs_rebuild, rebuild
from mailhorn.store.store import Store


async def _rebuild(directory: Path) -> tuple[int, list[tuple[str, int]]]:
    progress: list[tuple[str, int]] = []
    index = SqliteIndex(directory / "index.db", digest_of)
    assert needs_rebuild(index, directory)
    count = await rebuild(index, directory, digest_of, lambda login, n: progress.append((login, n)))
    assert not needs_rebuild(index, directory)
    await index.close()
    return count, progress


async def _everything(store: Store) -> object:
    told = []
    for person in await store.index.accounts():
        told.append((person.login, person.password_hash, await store.index.subscriptions(person.id)))
        for box in await store.index.mailboxes(person.id):
            told.append((box.name, box.uid_validity, box.uid_next, box.messages, box.unseen, box.size))
            _, uids = await store.index.uids(box.id)
            for row in await store.index.rows(box.id, [UID(uid) for uid in uids]):
                body = await store.body(box.id, row.uid)
                told.append((row.uid, set(row.flags.split()), row.internal_date, row.size, body))
    return told


async def test_all_comes_back_as_it_was(tmp_path: Path) -> None:
    """Accounts, passwords, mailboxes, UIDVALIDITY, UIDs, UIDNEXT, flags, keywords, dates, subscriptions."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        await account(store, "bob")
        work = (await store.index.create_mailbox(ada, "Wörk/A.b")).id
        for n in range(5):
            flags = frozenset({"\\Seen", "$Forwarded", *(f"k{i:02}" for i in range(n * 9))})
            await deliver(store, inbox, work, body=b"Subject: %d\r\n\r\n" % n, flags=flags)
        await store.index.expunge(inbox, [UID(2), UID(5)], deleted_only=False)
        await store.index.copy(inbox, [UID(1)], work)
        for name in (INBOX, "Wörk/A.b", "not there"):
            await store.index.subscribe(ada, name, True)
        before = await _everything(store)
        head = await store.index.mailbox_by_id(work)
    lose_index(tmp_path)
    count, progress = await _rebuild(tmp_path)
    assert count == 9 and progress[-1] == ("ada@example.org", 9)
    async with opened(tmp_path) as store:
        assert await _everything(store) == before
        found = await store.index.account("ada@example.org")
        assert found is not None
        box = await store.index.mailbox(found.id, "Wörk/A.b")
        assert box is not None and head is not None and box.highest_mod_seq > head.highest_mod_seq
        (digest,) = await store.index.digests(box.id, [UID(1)])
        assert digest.digest == digest_of(memoryview(b"Subject: 0\r\n\r\n"))
        again = await store.index.create_mailbox(found.id, "new")
        assert again.uid_validity > box.uid_validity
    lose_index(tmp_path)
    assert (await _rebuild(tmp_path))[0] == 9


async def test_what_clients_noted_comes_back(tmp_path: Path) -> None:
    """Of mailboxes and of the account, octet for octet, and EMAILIDs; what was un-noted does not."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        sent = (await store.index.create_mailbox(ada, "Out", {"/private/specialuse": b"\\Sent"})).id
        await deliver(store, inbox, sent)
        await store.index.note(
            ada, [Note(inbox, "/private/comment", b"\xff\xfe\0 \xc3\xa9"), Note(None, "/private/a", b"x")]
        )
        await store.index.note(ada, [Note(sent, "/private/gone", b"x")])
        await store.index.note(ada, [Note(sent, "/private/gone", None)])
        (before,) = await store.index.origins(inbox, [UID(1)])
    lose_index(tmp_path)
    (tmp_path / "mail" / "ada@example.org" / ".Broken" / "cur").mkdir(parents=True)
    (tmp_path / "mail" / "ada@example.org" / ".Broken" / NOTES_FILE).write_bytes(
        b'{"mailbox": {"a": "\\ud800", "b": 1}}'
    )
    await _rebuild(tmp_path)
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        assert await store.index.notes(ada, inbox) == {"/private/comment": b"\xff\xfe\0 \xc3\xa9"}
        assert await store.index.notes(ada, None) == {"/private/a": b"x"}
        boxes = {box.name: box.id for box in await store.index.mailboxes(ada)}
        assert await store.index.notes(ada, boxes["Out"]) == {"/private/specialuse": b"\\Sent"}
        assert await store.index.notes(ada, boxes["Broken"]) == {}
        (origin,) = await store.index.origins(boxes["Out"], [UID(1)])
        assert origin.email_id == before.email_id and origin.saved == DATE
        await store.index.note(ada, [Note(boxes["Out"], "/private/specialuse", None)])
    assert not (tmp_path / "mail" / "ada@example.org" / ".Out" / NOTES_FILE).exists()


async def test_mail_of_other_tools_is_taken_in(tmp_path: Path) -> None:
    """Files without a UID get new ones, oldest first; they are renamed so that they keep them."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    home = tmp_path / "mail" / "ada@example.org"
    for name, age in (("new/3.b.host", 2), ("cur/3.a.host,S=99:2,FS", 1), ("cur/4.c.host,S=3,U=1:2,S", 3)):
        (home / name).write_bytes(b"abc")
        os.utime(home / name, (DATE + age, DATE + age))
    (home / "cur" / ".hidden").write_bytes(b"")
    (home / ".Other&" / "cur").mkdir(parents=True)
    (home / ".Mine" / "cur").mkdir(parents=True)
    (home / ".Mine" / "cur" / "5.x.host").write_bytes(b"")
    (tmp_path / "mail" / "stranger" / "cur").mkdir(parents=True)
    (tmp_path / "mail" / "Not An Account").mkdir()
    lose_index(tmp_path)
    await _rebuild(tmp_path)
    async with opened(tmp_path) as store:
        found = await store.index.account("ada@example.org")
        stranger = await store.index.account("stranger")
        assert found is not None and stranger is not None and stranger.password_hash == ""
        assert len(await store.index.accounts()) == 2
        boxes = {box.name: box for box in await store.index.mailboxes(found.id)}
        assert boxes.keys() == {INBOX, "Mine"} and boxes[INBOX].uid_next == 5
        rows = await store.index.rows(boxes[INBOX].id, [UID(n) for n in range(1, 9)])
        assert [(row.uid, set(row.flags.split()), row.internal_date - DATE) for row in rows][1:] == [
            (2, {"\\Flagged", "\\Seen"}, 1),
            (3, set(), 2),
            (4, {"\\Seen"}, 3),
        ]
        for row in rows:
            assert len(await store.body(boxes[INBOX].id, row.uid)) == row.size
        assert await store.body(boxes["Mine"].id, UID(1)) == b""
    names = [path.name for path in message_files(tmp_path) if path.name.startswith("3.")]
    assert sorted(names) == ["3.a.host,S=3,U=2:2,FS", "3.b.host,S=3,U=3:2,"]


async def test_interrupted_it_begins_anew(tmp_path: Path) -> None:
    """A half-made index is not taken for one."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    lose_index(tmp_path)

    index = SqliteIndex(tmp_path / "index.db", digest_of)
    with pytest.raises(ValueError, match="interrupted"):
        await rebuild(index, tmp_path, _interrupted)
    await index.close()
    assert (await _rebuild(tmp_path))[0] == 1


def _interrupted(body: memoryview) -> Digest:
    raise ValueError("interrupted")


async def test_a_new_server_needs_none(tmp_path: Path) -> None:
    """Nothing on disk, nothing to rebuild; and an index that was there is never one to be filled."""
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    assert not needs_rebuild(index, tmp_path)
    await index.add_accounts([("ada", "")])
    await index.close()
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    (tmp_path / "mail" / login_dir("ada")).mkdir(parents=True)
    assert not needs_rebuild(index, tmp_path)
    await index.close()


@pytest.mark.parametrize("made", [False, True], ids=["no octets", "tables and nothing in them"])
async def test_an_empty_index_is_a_lost_one(tmp_path: Path, made: bool) -> None:
    """A file system that broke leaves a file without octets, a crash at the wrong moment one without rows."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    lose_index(tmp_path)
    (tmp_path / "index.db").touch()
    if made:
        await SqliteIndex(tmp_path / "index.db", digest_of).close()
    assert (await _rebuild(tmp_path))[0] == 1


async def test_an_index_whose_accounts_were_removed_is_not_a_lost_one(tmp_path: Path) -> None:
    """What was removed stays so, though the Maildir may still be there."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        await store.index.remove_account(ada)
    (tmp_path / "mail" / "ada@example.org" / "cur").mkdir(parents=True)
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    assert not needs_rebuild(index, tmp_path)
    await index.close()


@pytest.mark.parametrize(
    ("last", "now", "given"), [(5, 9.5, 10), (12, 9.5, 13), (5, 6e9, 6), (2**32, 9.5, 10), (2**32, 6e9, 1)]
)
def test_a_clock_of_another_century(last: int, now: float, given: int) -> None:
    """A UIDVALIDITY has 32 bits whatever the clock says, or has said."""
    validities = Validities(last, lambda: now)
    assert [validities.take(0), validities.take(0)] == [given, given + 1]


async def test_what_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    """A folder that cannot be read now would never have its UIDs again: there is no index until it can."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "Work")).id
        await deliver(store, inbox, work)
        before = await _everything(store)
    lose_index(tmp_path)
    new = tmp_path / "mail" / "ada@example.org" / ".Work" / "new"
    new.rmdir()
    new.symlink_to(new)
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    with pytest.raises(StoreUnavailable, match=r"Work/new.*start again"):
        await rebuild(index, tmp_path, digest_of)
    await index.close()
    new.unlink()
    await _rebuild(tmp_path)
    async with opened(tmp_path) as store:
        assert await _everything(store) == before
