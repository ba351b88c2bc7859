"""The index of texts: it never leaves out who contains a text, and it can be lost, at any moment and in any way."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
from tests.kit.stores import account, deliver, digest_of

from mailhorn.model.ids import UID, MailboxId
from mailhorn.store.abc import MessageMissing
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.text import BEGINNINGS, OPEN_FILES, SqliteTexts, forget_all
from mailhorn.store.store import Store
from mailhorn.store.texts import FEW, mailboxes_in, path_of

NOBODY: frozenset[int] = frozenset()


def extracted(body: bytes) -> str:
    return body.decode("utf-8").lower()


class World:
    """A store with an index of texts, of which a new one can take the place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "text"
        self.index = SqliteIndex(directory / "index.db", digest_of)
        self.texts = self.new()
        blobs = MaildirBlobs(directory, self.index, delay=0.0)
        self.store = Store(self.index, blobs, lambda change: None, digest_of, texts=self.texts)
        self.inbox = MailboxId(0)

    def new(self, rules: str = "rules") -> SqliteTexts:
        return SqliteTexts(self.directory, self.index, extracted, rules, forget_after=0.0)

    async def again(self, rules: str = "rules") -> None:
        """Have another one take its place, as after a start."""
        await self.texts.close()
        self.texts = self.new(rules)
        self.texts.begin(self.store.body)

    async def learn(self, *texts: str) -> None:
        """Append messages, and have them learned by a search that reads them."""
        covered = (await self.texts.hints(self.inbox, ())).covered
        uids = [(await deliver(self.store, self.inbox, body=text.encode()))[0].uid for text in texts]
        assert await self.texts.add(self.inbox, covered, list(zip(uids, texts, strict=True)))

    async def may(self, text: str) -> frozenset[int] | None:
        return (await self.texts.hints(self.inbox, [text])).may.get(text)

    async def covered(self) -> int:
        return (await self.texts.hints(self.inbox, ())).covered

    async def done(self) -> None:
        """Wait until it has nothing more to do by itself."""
        while tasks := list(self.texts._tasks.values()):
            await asyncio.gather(*tasks)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    made = World(directory)
    await made.store.start()
    _, made.inbox = await account(made.store)
    try:
        yield made
    finally:
        await made.texts.close()
        await made.store.close()


async def test_nothing_is_known_before_somebody_has_searched(tmp_path: Path) -> None:
    """A delivery costs nothing, and makes no file."""
    async with world(tmp_path) as w:
        await deliver(w.store, w.inbox)
        hints = await w.texts.hints(w.inbox, ["hello"])
        assert (hints.covered, dict(hints.may)) == (0, {})
        assert not w.directory.exists()


async def test_whoever_contains_a_text_is_named(tmp_path: Path) -> None:
    """Of any length, with any characters; who has all of its trigrams may be named, too."""
    async with world(tmp_path) as w:
        said = [
            "apple pie",
            "pie",
            "ab",
            "b",
            "",
            'say "hi" and not or ^*():-',
            "我住在台北",
            "a\0b",
            "\U0001f600!",
            "apples",
        ]
        await w.learn(*said)
        assert await w.covered() == len(said)
        for text in (
            "apple",
            "pie",
            "ab",
            "b",
            "a",
            'y "hi" a',
            "not or ^*():-",
            "台北",
            "北",
            "a\0b",
            "\0",
            "\U0001f600",
        ):
            there = {number for number, message in enumerate(said, 1) if text in message}
            assert await w.may(text) is not None and there <= (await w.may(text) or NOBODY), text
        assert await w.may("apple pie") == {1}
        assert await w.may("zebra") == await w.may("zz") == await w.may("鯨") == NOBODY


async def test_a_text_that_is_no_unicode_is_looked_up_all_the_same(tmp_path: Path) -> None:
    """Half a character comes out of no decoder that is known, and would break SQLite."""
    async with world(tmp_path) as w:
        await deliver(w.store, w.inbox)
        assert await w.texts.add(w.inbox, UID(0), [(UID(1), "half \ud800 a character")])
        assert await w.may("\ud800 a") == {1}


async def test_random_texts_are_never_missed(tmp_path: Path) -> None:
    """Whatever is said, whatever is asked."""
    dice = random.Random(3)
    letters = 'aab c"\0é台\ufffe\U0001f600'
    async with world(tmp_path) as w:
        said = ["".join(dice.choices(letters, k=dice.randrange(30))) for _ in range(60)]
        await w.learn(*said)
        for _ in range(400):
            text = "".join(dice.choices(letters, k=dice.randrange(1, 40 if dice.random() < 0.1 else 5)))
            may = await w.may(text)
            assert may is None or {n for n, message in enumerate(said, 1) if text in message} <= may, text


async def test_what_nearly_everybody_has_is_not_looked_up(tmp_path: Path) -> None:
    """A character with which too many trigrams begin."""
    async with world(tmp_path) as w:
        await w.learn(*(f"e{chr(0x4E00 + number)}x" for number in range(BEGINNINGS + 1)))
        assert await w.may("e") is None
        assert await w.may("x") is not None


async def test_messages_enter_one_after_the_other(tmp_path: Path) -> None:
    """Who does not know what is covered adds nothing: two searches that learn at a time leave no hole."""
    async with world(tmp_path) as w:
        await w.learn("one", "two")
        await deliver(w.store, w.inbox, body=b"three")
        assert not await w.texts.add(w.inbox, UID(1), [(UID(3), "three")])
        assert not await w.texts.add(w.inbox, UID(3), [(UID(3), "three")])
        assert await w.covered() == 2
        assert await w.texts.add(w.inbox, UID(2), []) and await w.covered() == 2
        assert await w.texts.add(w.inbox, UID(2), [(UID(3), "three")])
        assert await w.may("three") == {3}


async def test_it_stays_as_it_was_after_a_start(tmp_path: Path) -> None:
    """And what was expunged while it did not run is forgotten by the first who asks."""
    async with world(tmp_path) as w:
        await w.learn("apple", "apple", "plum")
        w.store.texts = None
        await w.texts.close()
        await w.index.expunge(w.inbox, [UID(1)], deleted_only=False)
        await w.again()
        assert await w.may("apple") == {2}
        assert await w.covered() == 3


async def test_a_process_that_is_killed_leaves_what_it_had_committed(tmp_path: Path) -> None:
    """A copy of the files at any moment is as good as they are."""
    async with world(tmp_path) as w:
        await w.learn("apple", "plum")
        copy = tmp_path / "copy"
        copy.mkdir()
        for path in w.directory.iterdir():
            if not path.name.endswith("-shm"):
                (copy / path.name).write_bytes(path.read_bytes())
        other = SqliteTexts(copy, w.index, extracted, "rules")
        other.begin(w.store.body)
        hints = await other.hints(w.inbox, ["apple"])
        await other.close()
        assert (hints.covered, hints.may["apple"]) == (2, {1})


async def test_the_expunged_is_forgotten_soon(tmp_path: Path) -> None:
    """Nothing that was said in it stays to be looked up."""
    async with world(tmp_path) as w:
        await w.learn("apple", "apple")
        await w.index.expunge(w.inbox, [UID(1)], deleted_only=False)
        await w.done()
        assert await w.may("apple") == {2}


async def test_a_mailbox_that_is_deleted_takes_its_file_along(tmp_path: Path) -> None:
    """At once; and at the next start if it was deleted by somebody else."""
    async with world(tmp_path) as w:
        owner, _ = await account(w.store)
        for name in ("One", "Two"):
            mailbox = await w.index.create_mailbox(owner, name)
            await deliver(w.store, mailbox.id, body=b"apple")
            assert await w.texts.add(mailbox.id, UID(0), [(UID(1), "apple")])
            if name == "Two":
                await w.texts.close()
            await w.index.delete_mailbox(mailbox.id)
            if name == "Two":
                assert mailboxes_in(w.directory) == [mailbox.id]
                await w.again()
            await w.done()
            assert not mailboxes_in(w.directory)
            assert (await w.texts.hints(mailbox.id, ["apple"])).covered == 0
        assert not list(w.directory.iterdir())


@pytest.mark.parametrize("harm", ["garbage", "empty", "no table", "no row", "torn", "shadow"])
async def test_a_file_that_is_damaged_is_made_again(tmp_path: Path, harm: str) -> None:
    """Whatever happened to it: nothing is known for now, and the next search makes it anew."""
    async with world(tmp_path) as w:
        await w.learn(*(f"apple {number}" for number in range(200)))
        await w.texts.close()
        path = path_of(w.directory, w.inbox)
        data = path.read_bytes()
        match harm:
            case "garbage":
                path.write_bytes(b"garbage" * 1_000)
            case "empty":
                path.write_bytes(b"")
            case "no table":
                path.unlink()
                apsw.Connection(str(path)).execute("CREATE TABLE other (x)")
            case "no row":
                apsw.Connection(str(path)).execute("DELETE FROM about")
            case "torn":
                path.write_bytes(data[: len(data) // 2])
            case _:
                apsw.Connection(str(path)).execute("DELETE FROM trigrams_data WHERE id > 10")
        await w.again()
        found = await w.texts.hints(w.inbox, ["apple"])
        assert found.covered == 0 or found.may["apple"] == set(range(1, 201))
        covered = await w.covered()
        assert (
            await w.texts.add(w.inbox, covered, [(UID(uid), "apple") for uid in range(covered + 1, 202)]) or not covered
        )


async def test_a_file_of_other_rules_or_of_another_mailbox_is_made_again(tmp_path: Path) -> None:
    """What can be found in a message may be otherwise now; UIDs may be of other messages."""
    async with world(tmp_path) as w:
        await w.learn("apple")
        await w.again("other rules")
        assert await w.covered() == 0
        await w.texts.add(w.inbox, UID(0), [(UID(1), "apple")])
        for change in ("uid_validity = uid_validity + 1", "covered = 9"):
            await w.texts.close()
            apsw.Connection(str(path_of(w.directory, w.inbox))).execute(f"UPDATE about SET {change}")
            await w.again("other rules")
            assert await w.covered() == 0
            assert await w.texts.add(w.inbox, UID(0), [(UID(1), "apple")])


async def test_a_disk_that_refuses_leaves_searches_to_read(tmp_path: Path) -> None:
    """No search fails by it."""
    (tmp_path / "text").write_bytes(b"no directory")
    async with world(tmp_path) as w:
        await deliver(w.store, w.inbox)
        assert not await w.texts.add(w.inbox, UID(0), [(UID(1), "apple")])
        assert await w.covered() == 0


async def test_it_learns_the_rest_by_itself(tmp_path: Path) -> None:
    """All there is, in its order; what is gone is passed over, and few are left to whoever searches."""
    async with world(tmp_path) as w:
        for number in range(FEW - 1):
            await deliver(w.store, w.inbox, body=b"Apple %d" % number)
        w.texts.catch_up(w.inbox)
        await w.done()
        assert await w.covered() == 0
        await deliver(w.store, w.inbox, body=b"Plum")
        await w.index.expunge(w.inbox, [UID(2)], deleted_only=False)
        await deliver(w.store, w.inbox, body=b"Plum " * 100_000)
        w.texts.catch_up(w.inbox)
        w.texts.catch_up(w.inbox)
        await w.done()
        assert await w.may("plum") == {FEW, FEW + 1}
        assert await w.may("apple 1") == {uid for uid in range(1, FEW) if uid == 11 + 1 or 11 <= uid}


async def test_what_cannot_be_read_is_never_said_to_be_covered(tmp_path: Path) -> None:
    """A message whose file is away for a moment would never be found again."""
    async with world(tmp_path) as w:
        for number in range(FEW + 4):
            await deliver(w.store, w.inbox, body=b"apple %d" % number)
        await w.texts.close()
        texts = w.new()

        async def read(mailbox: MailboxId, uid: UID) -> bytes:
            if uid == 10:
                raise MessageMissing("its file is away")
            return await w.store.body(mailbox, uid)

        texts.begin(read)
        texts.catch_up(w.inbox)
        await asyncio.gather(*texts._tasks.values())
        assert (await texts.hints(w.inbox, ())).covered == 9
        await texts.close()


async def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    """Those that were used last."""
    async with world(tmp_path) as w:
        owner, _ = await account(w.store)
        for number in range(OPEN_FILES + 4):
            mailbox = await w.index.create_mailbox(owner, f"Box {number}")
            await deliver(w.store, mailbox.id, body=b"apple")
            assert await w.texts.add(mailbox.id, UID(0), [(UID(1), "apple")])
        first = mailboxes_in(w.directory)[0]
        assert (await w.texts.hints(first, ["apple"])).may["apple"] == {1}
        await w.texts.close()
        assert not list(w.directory.glob("*-wal"))  # each was closed, sooner or later
        forget_all(w.directory)
        assert not list(w.directory.iterdir())


async def test_who_asks_at_the_end_is_told_nothing(tmp_path: Path) -> None:
    """And nobody is kept waiting."""
    async with world(tmp_path) as w:
        await w.learn("apple")
        w.texts.catch_up(w.inbox)
        await w.texts.close()
        await w.texts.close()
        assert await w.covered() == 0
        assert not await w.texts.add(w.inbox, UID(0), [(UID(1), "apple")])
        w.texts.catch_up(w.inbox)
        assert not w.texts._tasks
