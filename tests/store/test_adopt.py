"""Maildirs become accounts; what a real Dovecot and a real mbsync leave behind is in end_to_end."""

import os
import time
from pathlib import Path

import pytest
from tests.kit.stores import DATE, digest_of, lose_index, message_files, opened

from mailhorn.model.ids import UID, ModSeq
from mailhorn.store.abc import StoreError
from mailhorn.store.adopt import Adoption, adopt
from mailhorn.store.index.outside import SqliteOutside
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.rebuild import rebuild
from mailhorn.store.settle import Places
from mailhorn.store.store import Store

VALIDITY = 1_275_660_208
UIDLIST = f"3 V{VALIDITY} N20 G0\n7 :1.a.host,S=5\n9 :2.b.host\n"


def make(path: Path, uidlist: str | None = UIDLIST) -> Path:
    """Make a Maildir as Dovecot leaves it, with one message it has not seen."""
    for folder in (path, path / ".Work"):
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        for name in ("cur/1.a.host,S=5:2,FSa", "cur/2.b.host:2,", "new/3.c.host"):
            (folder / name).write_bytes(b"a\n\nb\n")
            os.utime(folder / name, (DATE, DATE))
        if uidlist:
            (folder / "dovecot-uidlist").write_text(uidlist.replace("08 N", "09 N") if folder != path else uidlist)
        (folder / "dovecot-keywords").write_text("0 work\n")
    (path / "subscriptions").write_text("V\t2\n\nWork\n")
    return path


async def adopted(store: Store, data: Path, login: str, maildir: Path) -> Adoption:
    """Adopt into an open store."""
    assert isinstance(store.index, SqliteIndex)
    outside = SqliteOutside(store.index)
    try:
        return await adopt(outside, Places(data), login, "hash", maildir, digest_of)
    finally:
        outside.close()


async def look(store: Store, login: str) -> dict[str, tuple[int, int, dict[int, tuple[str, int, bytes]]]]:
    """Return UIDVALIDITY, UIDNEXT, and flags, date and text by UID, of all mailboxes of an account."""
    account = await store.index.account(login)
    assert account is not None
    seen = {}
    for box in await store.index.mailboxes(account.id):
        rows = await store.index.rows(box.id, [UID(uid) for uid in range(1, box.uid_next)])
        messages = {row.uid: (row.flags, row.internal_date, await store.body(box.id, row.uid)) for row in rows}
        seen[box.name] = box.uid_validity, box.uid_next, messages
    return seen


BODY = b"a\r\n\r\nb\r\n"
MESSAGES = {7: ("\\Flagged \\Seen work", DATE, BODY), 9: ("", DATE, BODY), 20: ("", DATE, BODY)}
EXPECTED = {"INBOX": (VALIDITY, 21, MESSAGES), "Work": (VALIDITY + 1, 21, MESSAGES)}


async def test_what_is_recorded_is_kept(tmp_path: Path) -> None:
    """For two accounts with the same UIDVALIDITY, and also after the index was lost; the source stays as it was."""
    source = make(tmp_path / "source")
    before = {path: (path.stat().st_ino, path.stat().st_size) for path in source.rglob("*") if path.is_file()}
    async with opened(tmp_path / "data") as store:
        for login in ("ann", "eve"):
            adoption = await adopted(store, tmp_path / "data", login, source)
            assert (adoption.mailboxes, adoption.messages, adoption.kept, adoption.remarks) == (2, 6, 4, [])
            assert await look(store, login) == EXPECTED
            account = await store.index.account(login)
            assert account is not None and await store.index.subscriptions(account.id) == ["Work"]
            known = int((time.time() - 3600) * 1000)  # from the server before, which counts from milliseconds, too
            change = await store.index.changes_since(account.inbox, ModSeq(known), ModSeq(known), UID(20))
            assert change.after > known, "who comes with the mod-sequences of the server before misses nothing"
    assert {path: (path.stat().st_ino, path.stat().st_size) for path in source.rglob("*") if path.is_file()} == before
    lose_index(tmp_path / "data")
    index = SqliteIndex(tmp_path / "data" / "index.db", digest_of)
    assert await rebuild(index, tmp_path / "data", digest_of) == 12
    await index.close()
    async with opened(tmp_path / "data") as store:
        for login in ("ann", "eve"):
            assert await look(store, login) == EXPECTED
        account = await store.index.account("ann")
        assert account is not None and account.password_hash == "hash"
        new = await store.index.create_mailbox(account.id, "New")
        assert new.uid_validity > VALIDITY + 1


async def test_a_maildir_that_lies_where_it_belongs(tmp_path: Path) -> None:
    """It is adopted in place; also if that was interrupted between moving the old aside and the new in."""
    data = tmp_path / "data"
    home = make(data / "mail" / "ann")
    async with opened(data) as store:
        with pytest.raises(StoreError, match="there already"):
            await adopted(store, data, "ann", make(tmp_path / "other"))
        home.rename(data / "mail" / ".adopted-ann")
        await adopted(store, data, "ann", home)
        assert await look(store, "ann") == EXPECTED
    assert not list((data / "mail").glob(".adopt*"))
    assert not list(home.glob("dovecot-uidlist"))


async def test_the_index_lost_before_it_was_there(tmp_path: Path) -> None:
    """Maildirs put where accounts are, and no index: rebuilding keeps what Dovecot recorded, too."""
    make(tmp_path / "mail" / "ann")
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    assert await rebuild(index, tmp_path, digest_of) == 6
    await index.close()
    async with opened(tmp_path) as store:
        assert await look(store, "ann") == EXPECTED


@pytest.mark.parametrize("folder", ["INBOX", "Work/Today", ".Work/.Today"])
async def test_the_index_lost_and_folders_of_another_layout(tmp_path: Path, folder: str) -> None:
    """What has no place in an account's directory is no account until it is adopted, with all that is in it."""
    home = tmp_path / "mail" / "ann"
    make(home / folder)
    for above in (home, (home / folder).parent) if folder != "INBOX" else ():
        (above / "cur").mkdir(exist_ok=True)
    make(tmp_path / "mail" / "bob")
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    assert await rebuild(index, tmp_path, digest_of) == 6
    await index.close()
    async with opened(tmp_path) as store:
        assert await store.index.account("ann") is None
        assert (await adopted(store, tmp_path, "ann", home)).messages == 6
        assert await look(store, "bob") == EXPECTED


async def test_what_is_an_account_already(tmp_path: Path) -> None:
    """Nobody is told to remove the account whose directory is to be adopted: that is the only copy of the mail."""
    home = make(tmp_path / "mail" / "ann")
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    await rebuild(index, tmp_path, digest_of)
    await index.close()
    async with opened(tmp_path) as store:
        with pytest.raises(StoreError, match="there already, with what is in .*: mailhorn account passwd ann"):
            await adopted(store, tmp_path, "ann", home)
        with pytest.raises(StoreError, match="there already; remove it, or adopt"):
            await adopted(store, tmp_path, "ann", make(tmp_path / "other"))


async def test_links_where_they_are_possible(tmp_path: Path) -> None:
    """A message whose lines end as they should is not copied."""
    source = make(tmp_path / "source", None)
    (source / "cur" / "4.d.host:2,").write_bytes(BODY)
    async with opened(tmp_path / "data") as store:
        await adopted(store, tmp_path / "data", "ann", source)
    inodes = {path.stat().st_ino for path in message_files(tmp_path / "data")}
    assert (source / "cur" / "4.d.host:2,").stat().st_ino in inodes


async def test_one_uidvalidity_in_two_folders(tmp_path: Path) -> None:
    """The second one gets a new one, and it is said; UIDs stay."""
    source = make(tmp_path / "source")
    (source / ".Work" / "dovecot-uidlist").write_text(UIDLIST)
    async with opened(tmp_path / "data") as store:
        adoption = await adopted(store, tmp_path / "data", "ann", source)
        assert len(adoption.remarks) == 1 and adoption.remarks[0].startswith("Work gets a new UIDVALIDITY")
        seen = await look(store, "ann")
        assert seen["Work"][0] > VALIDITY and seen["Work"][2] == MESSAGES
        with pytest.raises(StoreError, match="ann is there already"):
            await adopted(store, tmp_path / "data", "ann", source)
        with pytest.raises(StoreError, match="is no Maildir"):
            await adopted(store, tmp_path / "data", "eve", tmp_path / "nowhere")


async def test_uids_that_leave_no_room(tmp_path: Path) -> None:
    """A list with the greatest UID there is keeps nothing: mail that comes has to have one, too."""
    source = make(tmp_path / "source", f"3 V{VALIDITY} N20 G0\n7 :1.a.host,S=5\n4294967295 :2.b.host\n")
    async with opened(tmp_path / "data") as store:
        adoption = await adopted(store, tmp_path / "data", "ann", source)
        seen = await look(store, "ann")
    assert adoption.kept == 0
    for uid_validity, uid_next, messages in seen.values():
        assert uid_validity not in (VALIDITY, VALIDITY + 1) and uid_next == 4 and set(messages) == {1, 2, 3}
