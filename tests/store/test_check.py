"""What a check finds, what it takes for normal, and that mending it is enough."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
from tests.kit.stores import deliver

from mailhorn.config.wire import open_store, recover
from mailhorn.model.ids import UID, MailboxId, ModSeq
from mailhorn.model.mailbox import INBOX
from mailhorn.store.abc import StoreUnavailable
from mailhorn.store.check import LOST_AND_FOUND, Checker
from mailhorn.store.store import Store
from mailhorn.store.texts import TEXTS

LOGIN = "ada@example.org"
CHEAP = "$argon2id$v=19$m=1024,t=1,p=1$Ni0tjYm4vGwGPrQVcgQuzA$Dui8+xNMSv5Lh93GUX3zElFYbGaWKc8y7tX5c8z0Xlk"
DEAR = "$argon2id$v=19$m=19456,t=2,p=1$eNvnn6FzT4Jo0kD7DrLd8w$zKN3VYBSHPNhvDCA7Jq6DrYzbzOQIqJ6h/IbXqqZ9lc"
KEYS = (
    "{SCRAM-SHA-256}4096,r7RB5MhRUJVV3wfGE3HejQ==,OejtD4KaL3jEBMbDcv+lfc35HY19rwpZvDc0hKkDTU4=,"
    "JBajnd9iY5TTX4bhVLNXNO97jn+KdemytomBPrS+ICo="
)
BODY = "Subject: number {}\r\n\r\nhello {}\r\n"


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[tuple[Store, MailboxId]]:
    """Give a started store and the account's INBOX; everything is at rest afterwards."""
    store = open_store(data, lambda change: None, text_index=True)
    await store.start()
    try:
        await store.index.add_accounts([(LOGIN, CHEAP)])
        found = await store.index.account(LOGIN)
        assert found is not None
        inbox = await store.index.mailbox(found.id, INBOX)
        assert inbox is not None
        yield store, inbox.id
    finally:
        await store.close()


def body(number: int) -> bytes:
    """Return a message of its own length."""
    return BODY.format(number, "x" * number).encode()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store at rest with ten messages, some with flags and keywords, one expunged, and a copy in another mailbox."""

    async def fill() -> None:
        async with opened(tmp_path) as (store, inbox):
            for number in range(1, 11):
                await deliver(store, inbox, body=body(number))
            index = store.index
            await index.set_flags(inbox, [UID(2), UID(3)], frozenset(("\\Seen", "work")), frozenset())
            await index.set_flags(inbox, [UID(4)], frozenset(("\\Deleted",)), frozenset())
            await index.expunge(inbox, None)
            found = await index.account(LOGIN)
            assert found is not None
            other = await index.create_mailbox(found.id, "Other")
            await index.copy(inbox, [UID(5)], other.id)

    asyncio.run(fill())
    return tmp_path


def change(data: Path, *statements: str) -> None:
    """Do to the database what no part of the program would."""
    db = apsw.Connection(str(data / "index.sqlite"))
    for statement in statements:
        db.execute(statement)
    db.close()


def file_of(data: Path, uid: int) -> Path:
    """Return the file of a message in INBOX."""
    (path,) = (data / "mail" / LOGIN / "cur").glob(f"*,U={uid}:2,*")
    return path


def kinds(data: Path) -> list[str]:
    """Return what a check finds."""
    return sorted(finding.kind for finding in Checker(data, live=False).check().findings)


def mended(data: Path) -> dict[int, bytes]:
    """Mend, start and stop the store; return what is in INBOX then, if nothing is wrong with it any more."""
    checker = Checker(data, live=False)
    report = checker.check()
    assert report.findings and not report.damaged
    checker.mend(report)
    return contents(data)


def contents(data: Path) -> dict[int, bytes]:
    """Return the messages of INBOX; a check afterwards finds nothing."""

    async def read() -> dict[int, bytes]:
        async with opened(data) as (store, inbox):
            _, uids = await store.index.uids(inbox)
            return {uid: await store.body(inbox, UID(uid)) for uid in uids}

    found = asyncio.run(read())
    assert kinds(data) == []
    return found


ALL = {number: body(number) for number in range(1, 11) if number != 4}


def test_well(data: Path) -> None:
    """A store at rest has nothing to be told of."""
    report = Checker(data, live=False).check()
    assert (report.findings, report.pending, report.messages, report.mailboxes) == ([], [], 10, 2)


def test_changes_nothing(data: Path) -> None:
    """A check leaves every file as it is."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"}

    file_of(data, 1).unlink()
    change(data, "UPDATE mailbox SET messages = 99")
    before = files()
    assert kinds(data) == ["count", "count", "vanished"]
    assert {path: body for path, body in files().items() if not path.name.endswith(("-shm", "-wal"))} == before


@pytest.mark.parametrize("column", ["messages", "unseen", "deleted", "size"])
def test_counts(data: Path, column: str) -> None:
    """A wrong count is found and set right."""
    change(data, f"UPDATE mailbox SET {column} = {column} + 1 WHERE name = 'INBOX'")
    assert kinds(data) == ["count"]
    assert mended(data) == ALL


@pytest.mark.parametrize("column", ["uid_next", "highest_mod_seq"])
def test_numbers_too_low(data: Path, column: str) -> None:
    """UIDNEXT and the mod-sequence are above all that were ever given."""
    change(data, f"UPDATE mailbox SET {column} = 2 WHERE name = 'INBOX'")
    assert kinds(data) == ["count"]
    assert mended(data) == ALL


def test_vanished(data: Path) -> None:
    """A message whose file is gone is named with its path, and expunged: who comes back is told so."""
    path = file_of(data, 3)
    path.unlink()
    (finding,) = Checker(data, live=False).check().findings
    assert finding.kind == "vanished" and str(path) in finding.what
    assert expunged_since(data, 14) == ()
    assert mended(data) == {uid: text for uid, text in ALL.items() if uid != 3}
    assert expunged_since(data, 14) == (3,)


def expunged_since(data: Path, mod_seq: int) -> tuple[UID, ...]:
    """Return what one is told is gone who comes back to INBOX."""

    async def ask() -> tuple[UID, ...]:
        async with opened(data) as (store, inbox):
            change = await store.index.changes_since(inbox, ModSeq(mod_seq), ModSeq(mod_seq), UID(10))
            return change.expunged

    return asyncio.run(ask())


def test_truncated(data: Path) -> None:
    """What is left of a message whose file was cut is kept, as a new one; the old one is expunged."""
    path = file_of(data, 7)
    path.write_bytes(path.read_bytes()[:20])
    assert kinds(data) == ["truncated"]
    assert mended(data) == {uid: text for uid, text in ALL.items() if uid != 7}
    (left,) = (
        path for part in ("new", "cur") for path in (data / "mail" / LOGIN / part).glob("*") if ",U=" not in path.name
    )
    assert left.read_bytes() == body(7)[:20]


def test_cut_to_nothing(data: Path) -> None:
    """A file with nothing in it is no mail, and is kept all the same."""
    file_of(data, 7).write_bytes(b"")
    assert mended(data) == {uid: text for uid, text in ALL.items() if uid != 7}
    assert len(list((data / LOST_AND_FOUND).iterdir())) == 1


@pytest.mark.parametrize("put", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_no_file_but_something_else(data: Path, put: Callable[[Path], None]) -> None:
    """What is called as a message is a directory, a pipe or a link: it is kept, and is no mail."""
    path = file_of(data, 3)
    path.unlink()
    put(path)
    (finding,) = Checker(data, live=False).check().findings
    assert finding.kind == "vanished" and str(path) in finding.what and LOST_AND_FOUND in finding.repair
    assert mended(data) == {uid: text for uid, text in ALL.items() if uid != 3}
    assert [left.name for left in (data / LOST_AND_FOUND).iterdir()] == [path.name]


def test_a_database_of_nothing(data: Path) -> None:
    """It was cut to nothing: that is damage, and no matter of the disk."""
    (data / "index.sqlite").write_bytes(b"")
    assert Checker(data, live=False).check().damaged


def test_stranger(data: Path) -> None:
    """A file that is called as one of ours and is none becomes a new message; it is not lost."""
    (data / "mail" / LOGIN / "cur" / "key,S=5,U=4:2,S").write_bytes(b"a: b\n")
    assert kinds(data) == ["stranger"]
    assert mended(data) == ALL
    (left,) = (path for path in (data / "mail" / LOGIN / "cur").glob("key*"))
    assert ",U=" not in left.name and left.read_bytes() == b"a: b\n"


def test_dropped_is_normal(data: Path) -> None:
    """What other programs do to a Maildir is no finding: the server sees to it."""
    (data / "mail" / LOGIN / "new" / "dropped").write_bytes(b"a: b\n")
    path = file_of(data, 1)
    path.rename(f"{path}F")
    report = Checker(data, live=False).check()
    assert report.findings == [] and len(report.pending) == 2


def test_what_is_no_mail_is_not_taken_in(data: Path) -> None:
    """Links, pipes and directories that lie in `cur` are nobody's business."""
    cur = data / "mail" / LOGIN / "cur"
    (cur / "link").symlink_to(file_of(data, 1))
    (cur / "directory").mkdir()
    os.mkfifo(cur / "pipe")
    report = Checker(data, live=False).check()
    assert (report.findings, report.pending) == ([], [])


def test_references(data: Path) -> None:
    """How many messages share a body is counted again."""
    change(data, "UPDATE blob SET refs = 7 WHERE id = (SELECT blob FROM message WHERE uid = 5 LIMIT 1)")
    assert kinds(data) == ["references"]
    assert mended(data) == ALL


def test_bodies_of_nobody(data: Path) -> None:
    """Bodies in the index that no message has go to lost+found."""
    change(
        data,
        "INSERT INTO inline_body (blob, body) VALUES (99, x'616263')",
        "INSERT INTO blob (id, key, refs) VALUES (100, 'somekey', 1)",
        "INSERT INTO inline_body (blob, body) VALUES (100, x'646566')",
    )
    assert kinds(data) == ["orphan", "references"]
    assert mended(data) == ALL
    assert {path.name: path.read_bytes() for path in (data / LOST_AND_FOUND).iterdir()} == {
        "body-99": b"abc",
        "somekey": b"def",
    }


def test_no_record(data: Path) -> None:
    """A message whose body has no record any more comes back from its file."""
    change(data, "DELETE FROM blob WHERE id = (SELECT blob FROM message WHERE uid = 6)")
    assert "record" in kinds(data)
    assert mended(data) == {uid: text for uid, text in ALL.items() if uid != 6}
    assert any(path.read_bytes() == body(6) for path in (data / "mail" / LOGIN / "new").iterdir())


def test_signature(data: Path) -> None:
    """A folder's own file is written anew."""
    path = data / "mail" / LOGIN / "mailhorn-mailbox"
    before = path.read_text()
    path.write_text("mailhorn-mailbox 1\nuid_validity=5\nuid_next=1\n")
    assert kinds(data) == ["signature"]
    assert mended(data) == ALL
    assert path.read_text() == before


def test_keywords_lost(data: Path) -> None:
    """Where the names of keywords are gone, files are renamed and the names written again."""
    (data / "mail" / LOGIN / "dovecot-keywords").unlink()
    assert kinds(data) == ["flags", "flags"]
    assert mended(data) == ALL
    assert (data / "mail" / LOGIN / "dovecot-keywords").read_text() == "0 work\n"


def test_accounts(data: Path) -> None:
    """The file of accounts is written anew if it does not tell what the index knows."""
    before = (data / "accounts").read_text()
    (data / "accounts").write_text("")
    assert kinds(data) == ["accounts"]
    assert mended(data) == ALL
    assert (data / "accounts").read_text() == before


def logged_in(data: Path, better: str) -> None:
    """Have a login make the hash better."""

    async def log_in() -> None:
        async with opened(data) as (store, _):
            found = await store.index.account(LOGIN)
            assert found is not None
            await store.index.set_password_hash(found.id, better, same_password=True)

    asyncio.run(log_in())


@pytest.mark.parametrize("better", [DEAR, f"{CHEAP} {KEYS}", f"{DEAR} {KEYS}"])
def test_a_hash_that_was_made_better_is_no_damage(data: Path, better: str) -> None:
    """The same password, hashed anew at a login: the file goes on with the old hash until an account changes."""
    before = (data / "accounts").read_text()
    logged_in(data, better)
    report = Checker(data, live=False).check()
    assert report.findings == [] and len(report.pending) == 1
    assert (data / "accounts").read_text() == before


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (CHEAP, ""),
        (CHEAP, "secret"),
        (CHEAP, CHEAP[:40]),
        (CHEAP, CHEAP.replace("Dui8", "Dui9")),
        (CHEAP, CHEAP.replace("Ni0t", "Ni0u")),
        (CHEAP, f"{CHEAP} {CHEAP}"),
        (CHEAP, f"{CHEAP} {KEYS[:-3]}"),
        (DEAR, CHEAP.replace("Dui8", "D\ufffd8")),
        (f"{CHEAP} {KEYS}", f"{CHEAP} {KEYS.replace('JBaj', 'JBak')}"),
    ],
)
def test_a_hash_that_no_login_has_made_better_is_damage(data: Path, stored: str, told: str) -> None:
    """Garbage, half a hash, or one as dear with other digits: of an older state, or of another password."""
    logged_in(data, stored)
    whole = (data / "accounts").read_text()
    (data / "accounts").write_text(whole.replace(f":{CHEAP}:", f":{told}:"))
    assert kinds(data) == ["accounts"]
    assert mended(data) == ALL
    assert (data / "accounts").read_text() == whole.replace(f":{CHEAP}:", f":{stored}:")


def test_directory_gone(data: Path) -> None:
    """A folder that somebody removed is made anew, empty."""
    for path in sorted((data / "mail" / LOGIN / ".Other").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert kinds(data) == ["directory", "vanished"]
    assert mended(data) == ALL


def test_maildirs_not_there(data: Path) -> None:
    """With the disk of the Maildirs not mounted nothing is expunged."""
    (data / "mail").rename(data / "elsewhere")
    with pytest.raises(StoreUnavailable, match="mounted"):
        Checker(data, live=False).check()
    (data / "mail").mkdir()
    with pytest.raises(StoreUnavailable, match="mounted"):
        Checker(data, live=False).check()


def test_one_account(data: Path) -> None:
    """A check of one account leaves out what is not its own."""
    change(data, "UPDATE mailbox SET messages = 99 WHERE name = 'INBOX'", "UPDATE blob SET refs = 7")
    report = Checker(data, live=False).check("ada@example.org")
    assert [finding.kind for finding in report.findings] == ["count"]
    with pytest.raises(StoreUnavailable, match="no account nobody"):
        Checker(data, live=False).check("nobody")


def texts_of(data: Path) -> Path:
    """Have INBOX's texts indexed; return the file."""

    async def learn() -> None:
        async with opened(data) as (store, inbox):
            assert store.texts is not None
            texts = [(UID(uid), body(uid).decode()) for uid in ALL]
            assert await store.texts.add(inbox, UID(0), texts)

    asyncio.run(learn())
    (path,) = (data / TEXTS).glob("*.sqlite")
    return path


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM trigrams WHERE rowid IN (5, 6)",
        "DELETE FROM trigrams_data WHERE id > 10",
        "DROP TABLE trigrams",
        "DELETE FROM about",
        None,
    ],
)
def test_an_index_of_texts_that_leaves_something_out_is_removed(data: Path, harm: str | None) -> None:
    """A search would not find what is there: it is the one thing it may not do."""
    path = texts_of(data)
    assert kinds(data) == []
    if harm is None:
        path.write_bytes(b"garbage" * 5_000)
    else:
        apsw.Connection(str(path)).execute(harm)
    assert kinds(data) == ["texts"]
    assert mended(data) == ALL
    assert not path.exists()


def test_an_index_of_texts_may_know_what_is_gone(data: Path) -> None:
    """Whoever looks leaves it out; and the file of a mailbox that is gone is removed by the next start."""
    path = texts_of(data)

    async def expunge() -> None:
        async with opened(data) as (store, inbox):
            await store.index.expunge(inbox, [UID(1)], deleted_only=False)

    asyncio.run(expunge())  # and stopped before it is forgotten
    assert kinds(data) == []
    path.rename(path.with_name("77.sqlite"))
    assert any("1 files of no mailbox" in line for line in Checker(data, live=False).check().pending)
    assert len(contents(data)) == len(ALL) - 1
    assert not list((data / TEXTS).glob("77.*"))


def test_lookup(data: Path) -> None:
    """A lookup table that does not fit its table is made anew; the rest stays."""
    for columns, row in (("size", 4_000_000), ("due", 4_000_001)):
        change(
            data,
            "PRAGMA writable_schema = 1",
            f"UPDATE sqlite_schema SET sql = 'CREATE INDEX leaving_by_due ON leaving ({columns})'"
            " WHERE name = 'leaving_by_due'",
        )
        change(data, f"INSERT INTO leaving (mailbox, uid, name, size, due) VALUES (1, {row}, 'x', 7, 5.0)")
    assert "lookup" in kinds(data)
    assert mended(data) == ALL


def spoil(path: Path, keep: Callable[[int], bool]) -> None:
    """Write nonsense over pages of the database."""
    with path.open("r+b") as file:
        for page in range(os.path.getsize(path) // 4096):
            if not keep(page):
                file.seek(page * 4096)
                file.write(b"nonsense" * 512)


@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_damaged(data: Path, first: int) -> None:
    """Whatever page is damaged, repair brings back every message from its file with its UID."""
    spoil(data / "index.sqlite", lambda page: page % 6 != first)
    checker = Checker(data, live=False)
    report = checker.check()
    assert report.damaged and [finding.kind for finding in report.findings] == ["damaged"]
    _, aside = checker.salvage()
    assert aside.exists()
    assert contents(data) == ALL


def test_damage_is_told_by_what_it_is(data: Path) -> None:
    """SQLite begins some of its reports with the database's name, which says nothing; the line does not."""
    spoil(data / "index.sqlite", page_of(data, "message_dirty").__ne__)
    (finding,) = Checker(data, live=False).check().findings
    assert finding.kind == "damaged" and "***" not in finding.what


@pytest.mark.parametrize("first", [0, 1])
def test_a_database_beside_the_index(data: Path, first: int) -> None:
    """A damaged one is found and set aside, with what lies beside it; a whole one stays as it is."""
    for name in ("whole.sqlite", "other.sqlite"):
        db = apsw.Connection(str(data / name))
        db.execute("PRAGMA journal_mode = wal; CREATE TABLE seen (key TEXT)").fetchall()
        db.execute("INSERT INTO seen VALUES (hex(zeroblob(9000)))").fetchall()
        db.close()
    beside = {"whole.sqlite": "nothing", "other.sqlite": "it is forgotten", "none.sqlite": "nothing"}
    checker = Checker(data, False, beside)
    assert checker.check().findings == []
    spoil(data / "other.sqlite", lambda page: page != first)
    report = checker.check()
    (finding,) = report.findings
    assert (finding.kind, finding.where) == ("beside", str(data / "other.sqlite"))
    assert finding.repair == "set it aside; it is forgotten" and not report.damaged
    assert checker.check(LOGIN).findings == []
    checker.mend(report)
    assert checker.check().findings == []
    assert (data / "whole.sqlite").exists() and not (data / "other.sqlite").exists()
    assert len(list(data.glob("other.sqlite-damaged-*[0-9]"))) == 1


def test_damaged_while_unsettled(data: Path) -> None:
    """Of messages that were only in a damaged index, what can be read is saved, with its UID; so is the spool."""
    big = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000

    async def crash() -> None:
        store = open_store(data, lambda change: None)  # never started: nothing comes to rest
        found = await store.index.account(LOGIN)
        assert found is not None
        inbox = await store.index.mailbox(found.id, INBOX)
        assert inbox is not None
        for number in range(11, 15):
            await deliver(store, inbox.id, body=body(number))
        (data / "mail" / ".spool").mkdir(exist_ok=True)
        await deliver(store, inbox.id, body=big)
        await store.index.close()

    asyncio.run(crash())
    assert len(Checker(data, live=False).check().pending) == 1
    spoil(data / "index.sqlite", lambda page: page != page_of(data, "tombstone"))
    checker = Checker(data, live=False)
    assert checker.check().damaged
    saved, _ = checker.salvage()
    assert saved == 5
    assert contents(data) == {**ALL, **{number: body(number) for number in range(11, 15)}, 15: big}


def page_of(data: Path, table: str) -> int:
    """Return the first page of a table, counted from 0."""
    db = apsw.Connection(str(data / "index.sqlite"))
    ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return int(page) - 1


async def test_a_damaged_index_does_not_keep_the_journal(data: Path) -> None:
    """Whatever page is damaged, what could not be opened is let go of, and the next try says what it is, too."""
    whole = (data / "index.sqlite").read_bytes()
    for page in range(1, len(whole) // 4096):
        spoil(data / "index.sqlite", page.__ne__)
        for _ in range(2):
            try:
                await recover(data)
            except StoreUnavailable as problem:
                assert "is damaged" in str(problem)
        (data / "index.sqlite").write_bytes(whole)
        for ending in ("-wal", "-shm"):
            (data / f"index.sqlite{ending}").unlink(missing_ok=True)
