"""What other tools do in the Maildirs, noticed: with a real inotify, a real settler and real files."""

import asyncio
import errno
import gc
import os
import shutil
import threading
from pathlib import Path

import pytest
import structlog
from tests.kit.outside import PATIENCE, Noticed, noticing
from tests.kit.stores import DATE, account, deliver, digest_of, opened

from mailhorn.model.ids import UID, AccountId, MailboxId
from mailhorn.model.message import Digest
from mailhorn.store.abc import Dropped, FolderAt, KnownFile, StoreUnavailable
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.outside import SqliteOutside
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.inotify import Inotify
from mailhorn.store.outside import BATCH, NAMES, Differences, Noticing, Suspect, Watchman

ADA = "ada@example.org"
QUEUE = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
"""Events that the kernel keeps."""
MAIL = b"Subject: dropped\r\n\r\nhello\r\n"


async def at_rest(noticed: Noticed, number: int = 1, folder: str = ADA) -> list[str]:
    """Wait until so many files are there; return their names."""
    cur = noticed.home / folder / "cur"
    await noticed.until(lambda: cur.is_dir() and len(os.listdir(cur)) >= number)
    return noticed.files(folder)


async def begun(noticed: Noticed) -> tuple[AccountId, MailboxId]:
    """Give an account with one message that is at rest."""
    ada, inbox = await account(noticed.store)
    await deliver(noticed.store, inbox)
    await at_rest(noticed)
    return ada, inbox


async def begun_with(noticed: Noticed, name: str) -> tuple[MailboxId, MailboxId]:
    """The same with a second mailbox, which has a message too; return both."""
    ada, inbox = await begun(noticed)
    other = (await noticed.store.index.create_mailbox(ada, name)).id
    await deliver(noticed.store, other)
    await at_rest(noticed, folder=f"{ADA}/.{name}")
    return inbox, other


async def named(noticed: Noticed, ada: AccountId, name: str) -> MailboxId:
    """Return a mailbox by its name."""
    found = await noticed.store.index.mailbox(ada, name)
    assert found is not None
    return found.id


async def test_mail_dropped_in_is_told(tmp_path: Path) -> None:
    """It gets the next UID, our kind of name and its own date; lines get their CR."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        noticed.drop(ADA, "1.dropped.host", b"Subject: a\n\nhello\n")
        assert await noticed.told(inbox, "appended", 2) == [1, 2]
        assert (await noticed.seen(inbox))[2] == ("", b"Subject: a\r\n\r\nhello\r\n")
        (row,) = await noticed.store.index.rows(inbox, [UID(2)])
        assert row.internal_date == DATE and row.size == 21
        await noticed.until(lambda: "1.dropped.host,S=21,U=2:2," in noticed.files(ADA))
        noticed.drop(ADA, "2.dropped.host:2,FS", MAIL, "cur")
        await noticed.told(inbox, "appended", 3)
        assert (await noticed.seen(inbox))[3] == ("\\Flagged \\Seen", MAIL)


async def test_flags_changed_by_renaming_are_told(tmp_path: Path) -> None:
    """Added and removed ones; the file keeps its UID and body."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        (name,) = noticed.files(ADA)
        cur = noticed.home / ADA / "cur"
        os.rename(cur / name, cur / f"{name}FS")
        assert await noticed.told(inbox, "updated") == [1]
        assert (await noticed.seen(inbox))[1][0] == "\\Flagged \\Seen"
        os.rename(cur / f"{name}FS", cur / f"{name}S")
        await noticed.told(inbox, "updated", 2)
        assert (await noticed.seen(inbox))[1][0] == "\\Seen"


async def test_a_deleted_file_is_an_expunged_message(tmp_path: Path) -> None:
    """And leaves a tombstone, so that a client that was away learns of it."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        (name,) = noticed.files(ADA)
        os.unlink(noticed.home / ADA / "cur" / name)
        assert await noticed.told(inbox, "expunged") == [1]
        assert await noticed.seen(inbox) == {}
        change = await noticed.store.index.changes_since(inbox, *(noticed.changes[0].after,) * 2, UID(1))
        assert change.expunged == (1,)


async def test_a_moved_file_is_a_moved_message(tmp_path: Path) -> None:
    """New there, with its flags and keywords, and gone here."""
    async with noticing(tmp_path) as noticed:
        ada, inbox = await account(noticed.store)
        archive = (await noticed.store.index.create_mailbox(ada, "Archive")).id
        await deliver(noticed.store, archive)
        await at_rest(noticed, folder=f"{ADA}/.Archive")
        await deliver(noticed.store, inbox, body=MAIL, flags=frozenset({"\\Seen", "work"}))
        (name,) = await at_rest(noticed)
        os.rename(noticed.home / ADA / "cur" / name, noticed.home / ADA / ".Archive" / "cur" / name)
        assert await noticed.told(inbox, "expunged") == [1]
        assert await noticed.told(archive, "appended", 2) == [1, 2]
        assert (await noticed.seen(archive))[2] == ("\\Seen work", MAIL)


async def test_new_folders_become_mailboxes(tmp_path: Path) -> None:
    """With the mail that is in them; of a renamed one the mailbox is renamed and keeps its UIDs."""
    async with noticing(tmp_path) as noticed:
        ada, _ = await begun(noticed)
        for part in ("cur", "new", "tmp"):
            (noticed.home / ADA / ".Work.Today" / part).mkdir(parents=True)
        noticed.drop(f"{ADA}/.Work.Today", "1.x.host", MAIL)
        await noticed.until(lambda: any(change.mailbox > 1 for change in noticed.changes))
        work = await named(noticed, ada, "Work/Today")
        assert await named(noticed, ada, "Work")
        assert await noticed.seen(work) == {1: ("", MAIL)}
        noticed.drop(f"{ADA}/.Work.Today", "2.x.host", MAIL)
        await noticed.told(work, "appended", 2)
        await noticed.until(lambda: sum(",U=" in name for name in noticed.files(f"{ADA}/.Work.Today")) == 2)
        assert (noticed.home / ADA / ".Work.Today" / "mailhorn-mailbox").exists(), "signed before they came to rest"
        os.rename(noticed.home / ADA / ".Work.Today", noticed.home / ADA / ".Job")
        noticed.drop(f"{ADA}/.Job", "3.x.host", MAIL)
        await noticed.told(work, "appended", 3)
        assert await named(noticed, ada, "Job") == work
        shutil.copytree(noticed.home / ADA / ".Job", noticed.home / ADA / ".Copy")
        await noticed.until(lambda: any(change.mailbox > work for change in noticed.changes))
        copy = await named(noticed, ada, "Copy")
        assert [body for _, body in (await noticed.seen(copy)).values()] == [MAIL] * 3
        assert len(await noticed.seen(work)) == 3


async def test_a_folder_taken_away_loses_nothing(tmp_path: Path) -> None:
    """Its messages stay in the index though the settler makes it anew: a disk may not be mounted. They come back."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        (name,) = noticed.files(ADA)
        os.rename(noticed.home / ADA, tmp_path / "elsewhere")
        await deliver(noticed.store, inbox)
        await at_rest(noticed)
        noticed.watchman.look(inbox)
        noticed.drop(ADA, "1.dropped.host", MAIL)
        await noticed.told(inbox, "appended", 3)
        await at_rest(noticed, 2)
        await noticed.until(
            lambda: (noticed.home / ADA / "mailhorn-mailbox").read_text().endswith("uid_next=4\nsince=4\n")
        )
        noticed.watchman.look(inbox)
        noticed.drop(ADA, "2.dropped.host", MAIL)
        await noticed.told(inbox, "appended", 4)
        assert not [change for change in noticed.changes if change.expunged]
        os.rename(tmp_path / "elsewhere" / "cur" / name, noticed.home / ADA / "cur" / name)
        assert (await noticed.seen(inbox)).keys() == {1, 2, 3, 4}


async def test_what_was_done_meanwhile_is_noticed_at_the_start(tmp_path: Path) -> None:
    """Dropped, renamed, deleted while the server was stopped."""
    async with noticing(tmp_path) as noticed:
        ada, inbox = await account(noticed.store)
        for _ in range(3):
            await deliver(noticed.store, inbox)
    cur = noticed.home / ADA / "cur"
    first, second, third = noticed.files(ADA)
    os.rename(cur / first, cur / f"{first}S")
    os.unlink(cur / second)
    noticed.drop(ADA, "1.dropped.host", MAIL)
    async with noticing(tmp_path) as again:
        await again.told(inbox, "appended")
        await again.told(inbox, "expunged")
        assert {uid: flags for uid, (flags, _) in (await again.seen(inbox)).items()} == {1: "\\Seen", 3: "", 4: ""}


async def test_a_folder_without_new(tmp_path: Path) -> None:
    """What is in cur is noticed all the same, there and in the folders that are compared after it."""
    async with noticing(tmp_path) as noticed:
        inbox, other = await begun_with(noticed, "Other")
    shutil.rmtree(noticed.home / ADA / "new")
    for folder in (ADA, f"{ADA}/.Other"):
        noticed.drop(folder, "1.dropped.host:2,", MAIL, "cur")
    async with noticing(tmp_path) as again:
        assert await again.told(inbox, "appended") == [2]
        assert await again.told(other, "appended") == [2]


async def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """It is told of; the folders behind it are looked at and watched like any other, and it is looked at later."""
    async with noticing(tmp_path) as noticed:
        ada, inbox = await begun(noticed)
        other = (await noticed.store.index.create_mailbox(ada, "Other")).id
        await deliver(noticed.store, other)
        await at_rest(noticed, folder=f"{ADA}/.Other")
    cur = noticed.home / ADA / "cur"
    cur.rename(noticed.home / "cur")
    cur.symlink_to(cur)
    noticed.drop(f"{ADA}/.Other", "1.dropped.host:2,", MAIL, "cur")
    with structlog.testing.capture_logs() as logs:
        async with noticing(tmp_path) as again:
            assert await again.told(other, "appended") == [2]
            again.drop(f"{ADA}/.Other", "2.dropped.host:2,", MAIL, "cur")
            assert await again.told(other, "appended", 2) == [2, 3]
    assert [line["event"] for line in logs if "cannot be read" in line["event"]]
    assert not [line for line in logs if line["log_level"] == "error"]
    cur.unlink()
    (noticed.home / "cur").rename(cur)
    noticed.drop(ADA, "1.dropped.host:2,", MAIL, "cur")
    async with noticing(tmp_path) as again:
        assert await again.told(inbox, "appended") == [2]


async def test_what_did_not_change_is_not_read_at_the_start(tmp_path: Path) -> None:
    """The directories' times are kept over a clean stop; one whose time is too fresh to tell is compared."""
    async with noticing(tmp_path) as noticed:
        await begun(noticed)
    for part in ("cur", "new"):
        os.utime(noticed.home / ADA / part, (DATE, DATE))
    async with noticing(tmp_path) as noticed:
        await noticed.until(lambda: not (noticed.home / ".times").exists())
    times = (noticed.home / ".times").read_text()
    assert times == f"{DATE}000000000 {DATE}000000000 {ADA}\n"


async def test_scanning(tmp_path: Path) -> None:
    """Without inotify the same is found by the times of the directories."""
    async with noticing(tmp_path, Noticing("scan", 0.2)) as noticed:
        _, inbox = await begun(noticed)
        noticed.drop(ADA, "1.dropped.host", MAIL)
        await noticed.told(inbox, "appended", 2)
        (noticed.home / ADA / "cur" / noticed.files(ADA)[0]).unlink()
        await noticed.told(inbox, "expunged")


async def test_mail_comes_to_an_account_without_a_directory(tmp_path: Path) -> None:
    """A Maildir that another tool makes for an account is its INBOX."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await account(noticed.store)
        for part in ("cur", "new", "tmp"):
            (noticed.home / ADA / part).mkdir(parents=True)
        noticed.drop(ADA, "1.dropped.host", MAIL)
        assert await noticed.told(inbox, "appended") == [1]
        await deliver(noticed.store, inbox)
        await at_rest(noticed, 2)


async def test_more_events_than_the_kernel_keeps(tmp_path: Path) -> None:
    """Then everything is looked at again."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        busy, free = threading.Event(), threading.Event()
        digest_of = noticed.watchman._digest_of

        def slow(body: memoryview) -> Digest:
            busy.set()
            assert free.wait(PATIENCE)
            return digest_of(body)

        noticed.watchman._digest_of = slow
        noticed.drop(ADA, "1.dropped.host", MAIL)
        assert await asyncio.to_thread(busy.wait, PATIENCE)
        cur = noticed.home / ADA / "cur"
        (cur / ".a").touch()
        for n in range(QUEUE // 2 + 10):
            os.rename(cur / (".a", ".b")[n % 2], cur / (".b", ".a")[n % 2])
        noticed.drop(ADA, "2.dropped.host", MAIL)
        free.set()
        await noticed.told(inbox, "appended", 3)


@pytest.mark.parametrize("names", [NAMES, 3])
async def test_settling_and_other_tools_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: int) -> None:
    """Deliveries, drops, flags from both sides and deletions, all at once: in the end index and files agree."""
    monkeypatch.setattr("mailhorn.store.outside.NAMES", names)  # so many are compared at once
    async with noticing(tmp_path, delay=0.01) as noticed:
        _, inbox = await begun(noticed)
        for n in range(19):
            await deliver(noticed.store, inbox, body=b"Subject: first %d\r\n\r\n" % n)
        await at_rest(noticed, 20)
        cur = noticed.home / ADA / "cur"

        async def deliveries() -> None:
            for n in range(150):
                await deliver(noticed.store, inbox, body=b"Subject: delivered %d\r\n\r\n" % n)

        async def flags() -> None:
            for n in range(150):
                _, uids = await noticed.store.index.uids(inbox)
                await noticed.store.index.set_flags(
                    inbox, [UID(uids[n * 7 % len(uids)])], frozenset({"\\Answered"}), frozenset()
                )

        def tools() -> tuple[int, int]:
            renamed = deleted = 0
            for n in range(150):
                noticed.drop(ADA, f"{n}.dropped.host", b"Subject: dropped %d\r\n\r\n" % n)
                names = sorted(os.listdir(cur))
                name = names[n * 5 % len(names)]
                try:
                    if n % 10 == 5:
                        os.unlink(cur / name)
                        deleted += 1
                    elif "F" not in name.rpartition(",")[2]:
                        letters = "".join(sorted(name.rpartition(",")[2] + "F"))
                        os.rename(cur / name, cur / f"{name.rpartition(',')[0]},{letters}")
                        renamed += 1
                except FileNotFoundError:
                    pass  # the settler was faster
            return renamed, deleted

        (renamed, deleted), *_ = await asyncio.gather(asyncio.to_thread(tools), deliveries(), flags())
        assert renamed > 10 and deleted > 3
        await noticed.told(inbox, "appended", 320)
        await noticed.told(inbox, "expunged", deleted)
        box = await noticed.store.index.mailbox_by_id(inbox)
        assert box is not None and box.messages == 320 - deleted
        seen = await noticed.seen(inbox)
    letters_of = {"\\Answered": "R", "\\Flagged": "F"}
    there = {int(name.partition(",U=")[2].partition(":")[0]): name.rpartition(",")[2] for name in noticed.files(ADA)}
    assert there == {
        uid: "".join(sorted(letters_of[flag] for flag in flags.split())) for uid, (flags, _) in seen.items()
    }
    assert sum("F" in letters for letters in there.values()) >= renamed - deleted
    assert len({body for _, body in seen.values()}) == len(seen)


async def test_fewer_watches_than_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the kernel refuses to watch is looked at now and then; one line says what to raise."""
    watch = Inotify.watch
    monkeypatch.setattr(
        Inotify, "watch", lambda self, path, mask: _refuse() if "bob" in path else watch(self, path, mask)
    )
    async with noticing(tmp_path, Noticing("inotify", 0.2)) as noticed:
        _, inbox = await begun(noticed)
        for login in ("bob", "bobby"):
            _, refused = await account(noticed.store, login)
            await deliver(noticed.store, refused)
            await at_rest(noticed, folder=login)
            noticed.drop(login, "1.dropped.host", MAIL)
            await noticed.told(refused, "appended", 2)
        noticed.drop(ADA, "1.dropped.host", MAIL)
        await noticed.told(inbox, "appended", 2)
    assert capsys.readouterr().out.count("max_user_watches") == 1


def _refuse() -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_file_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody may change a message; that somebody did is said."""
    async with noticing(tmp_path) as noticed:
        await begun(noticed)
        (name,) = noticed.files(ADA)
        fd = os.open(noticed.home / ADA / "cur" / name, os.O_RDWR)
        os.ftruncate(fd, 5)  # in one step, or it is said of the first one
        os.close(fd)
        said = ""

        def told() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return "a message was changed by another tool, it has 5 octets and had 21" in said

        await noticed.until(told)


async def test_a_client_and_a_tool_change_the_same_flags(tmp_path: Path) -> None:
    """Both changes stay, whoever comes first; here the settler finds the file called otherwise."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        (name,) = noticed.files(ADA)
        with noticed.watchman._quiet:  # nobody settles, nobody judges
            cur = noticed.home / ADA / "cur"
            os.rename(cur / name, cur / f"{name}F")
            await noticed.store.index.set_flags(inbox, [UID(1)], frozenset({"\\Seen"}), frozenset())
        await noticed.until(lambda: noticed.files(ADA) == [f"{name}FS"])
        assert (await noticed.seen(inbox))[1][0] == "\\Flagged \\Seen"


async def test_a_name_that_nobody_noted_is_no_tools_doing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settler called a file by a new flag, and the index took no note: taken away since, the flag stays away."""
    loop, judged = asyncio.get_running_loop(), asyncio.Event()

    def refused(*args: object) -> None:
        raise StoreUnavailable("the disk is full")

    async with noticing(tmp_path, delay=3600.0) as noticed:
        assert isinstance(noticed.store._blobs, MaildirBlobs)
        settle, doubts = noticed.store._blobs._settler.round, noticed.watchman._doubts
        _, inbox = await account(noticed.store)
        await deliver(noticed.store, inbox)
        assert await noticed.store.index.blob(inbox, UID(1)), "it is in the tables, where the settler looks"
        while (await asyncio.to_thread(settle))[0]:
            pass
        (name,) = noticed.files(ADA)

        def asked(mailbox: MailboxId | None) -> bool:
            loop.call_soon_threadsafe(judged.set)
            return doubts(mailbox)

        with monkeypatch.context() as sick:
            sick.setattr(SqliteIndex, "settled", refused)
            await noticed.store.index.set_flags(inbox, [UID(1)], frozenset({"\\Flagged"}), frozenset())
            with pytest.raises(StoreUnavailable):
                await asyncio.to_thread(settle)
            assert noticed.files(ADA) == [f"{name}F"]
            await noticed.store.index.set_flags(inbox, [UID(1)], frozenset(), frozenset({"\\Flagged"}))
            noticed.watchman._doubts = asked
            noticed.watchman.look(inbox)
            async with asyncio.timeout(PATIENCE):
                await judged.wait()
    assert noticed.files(ADA) == [name]
    assert [change.updated[0].flags for change in noticed.changes if change.updated] == ["\\Flagged", ""]


async def test_a_crash_between_the_index_and_the_name(tmp_path: Path) -> None:
    """A file that is in the index, and was not yet called by its UID: it is the same message, not another one."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
    noticed.drop(ADA, "1.dropped.host", MAIL)
    async with opened(tmp_path, grace=0.0) as store:
        assert isinstance(store.index, SqliteIndex)
        outside = SqliteOutside(store.index)
        drop = Dropped("1.dropped.host", len(MAIL), "", frozenset(), DATE, digest_of(memoryview(MAIL)))
        assert await outside.take_in(inbox, [drop], [], []) == [2]
        outside.close()
    async with noticing(tmp_path) as noticed:
        await noticed.until(lambda: "1.dropped.host,S=27,U=2:2," in noticed.files(ADA))
        assert (await noticed.seen(inbox))[2] == ("", MAIL)
        box = await noticed.store.index.mailbox_by_id(inbox)
        assert box is not None and (box.messages, box.uid_next) == (2, 3)


async def test_one_of_two_of_the_same_key_is_deleted(tmp_path: Path) -> None:
    """A file that is another message's is not taken for it, though it came from the same delivery."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        await noticed.store.index.copy(inbox, [UID(1)], inbox)
        first, second = await at_rest(noticed, 2)
        os.unlink(noticed.home / ADA / "cur" / first)
        assert await noticed.told(inbox, "expunged") == [1]
        assert noticed.files(ADA) == [second]


def test_the_collector_passes_over_what_is_compared() -> None:
    """A hundred thousand files of one folder would cost everybody 100 ms, whenever it came by."""
    known = {1: KnownFile(UID(1), "k", 1, "S", "\\Seen")}
    suspects = (Suspect("cur", "n", "k", 1, "S"),)
    gc.collect()
    assert not any(map(gc.is_tracked, (known, known[1], suspects[0])))


async def test_directories_that_can_be_no_mailbox_stop_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that are no UTF-8, or that nobody could select, are left out; what comes afterwards is noticed."""
    odd = [b".\xff\xfe", b".a\nb", b".&", b".inbox", b".Inbox.Sub", b".INBOX"]
    async with noticing(tmp_path) as noticed:
        ada, inbox = await begun(noticed)
        for name in odd:
            os.makedirs(os.fsencode(noticed.home / ADA) + b"/" + name + b"/cur")
        os.makedirs(os.fsencode(noticed.home) + b"/\xff\xfe/cur")
        noticed.drop(ADA, "2.dropped.host", MAIL)
        await noticed.told(inbox, "appended", 2)
        await at_rest(noticed, 2)
        assert {box.name for box in await noticed.store.index.mailboxes(ada)} == {"INBOX"}
    async with noticing(tmp_path) as noticed:
        noticed.drop(ADA, "3.dropped.host", MAIL)
        assert await noticed.told(inbox, "appended") == [3]
    told = capsys.readouterr().out
    assert told.count("a folder is left out") >= len(odd) and "will retry" not in told


async def test_another_directory_in_the_place_of_cur(tmp_path: Path) -> None:
    """A copy takes its place, as of a backup: nothing is lost, and what is dropped there is noticed."""
    async with noticing(tmp_path) as noticed:
        inbox, work = await begun_with(noticed, "Work")
        for folder, mailbox in ((ADA, inbox), (f"{ADA}/.Work", work)):
            path = noticed.home / folder
            shutil.copytree(path / "cur", path / "tmp" / "copy")
            (path / "cur").rename(path / "tmp" / "former")
            (path / "tmp" / "copy").rename(path / "cur")
            noticed.drop(folder, "1.dropped.host:2,S", MAIL, "cur")
            assert await noticed.told(mailbox, "appended", 2) == [1, 2]
            assert not [change for change in noticed.changes if change.expunged]


async def test_a_folder_brought_back_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for each part of it that is taken in: looking at it costs as much as it is big."""
    monkeypatch.setattr("mailhorn.store.outside.TURN", PATIENCE)
    compared: list[str] = []
    compare = Watchman._compare

    def counted(watchman: Watchman, folder: FolderAt, path: str) -> Differences:
        compared.append(folder.name)
        return compare(watchman, folder, path)

    monkeypatch.setattr(Watchman, "_compare", counted)
    async with noticing(tmp_path) as noticed:
        ada, _ = await begun(noticed)
        for part in ("cur", "new", "tmp"):
            (tmp_path / "backup" / part).mkdir(parents=True)
        number = 4 * BATCH + 1
        for name in range(number):
            (tmp_path / "backup" / "cur" / f"{name}:2,S").write_bytes(MAIL)
        (tmp_path / "backup").rename(noticed.home / ADA / ".Back")
        await noticed.until(lambda: sum(len(change.appended) for change in noticed.changes) == number + 1)
        assert len(await noticed.seen(await named(noticed, ada, "Back"))) == number
    assert compared.count("Back") == 1


async def test_a_file_that_is_renamed_once_more_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen together with it is not forgotten."""
    async with noticing(tmp_path) as noticed:
        _, inbox = await begun(noticed)
        await deliver(noticed.store, inbox)
        cur = noticed.home / ADA / "cur"
        first, second = await at_rest(noticed, 2)
        rename = os.rename

        def raced(source: str, target: str) -> None:
            if source.endswith("SF"):
                rename(source, f"{source[:-2]}F")
            rename(source, target)

        monkeypatch.setattr(os, "rename", raced)
        os.link(cur / second, cur / f"{second}S")
        os.unlink(cur / second)
        rename(cur / first, cur / f"{first}SF")
        await noticed.told(inbox, "updated", 2)
        flags = {uid: flags for uid, (flags, _) in (await noticed.seen(inbox)).items()}
        assert flags == {1: "\\Flagged", 2: "\\Seen"}
