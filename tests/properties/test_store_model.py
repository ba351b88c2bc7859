"""The store against a dict: whatever is done in whatever order, both tell the same, and so does every view of it."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.kit.stores import account, deliver, digest_of, opened

from mailhorn.model.change import Change
from mailhorn.model.flags import DELETED, SEEN
from mailhorn.model.ids import UID, AccountId, MailboxId, ModSeq
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.rebuild import needs_rebuild, rebuild
from mailhorn.store.store import Store

FLAGS = st.frozensets(st.sampled_from([SEEN, DELETED, "\\Flagged", "$Forwarded", "work", "play"]), max_size=3)
NUMBERS = st.lists(st.integers(1, 12), max_size=5)
BOXES = st.integers(0, 2)


@dataclass
class Box:
    """A mailbox as it should be."""

    id: MailboxId
    messages: dict[int, tuple[frozenset[str], bytes]] = field(default_factory=dict)
    last_uid: int = 0

    def add(self, flags: frozenset[str], body: bytes) -> int:
        """Append a message."""
        self.last_uid += 1
        self.messages[self.last_uid] = (flags, body)
        return self.last_uid


@dataclass
class View:
    """What a session knows of a mailbox, by `changes_since` alone."""

    uids: set[int] = field(default_factory=set)
    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    changed_to: ModSeq = ModSeq(0)
    expunged_to: ModSeq = ModSeq(0)
    last_uid: UID = UID(0)


class StoreMachine(RuleBasedStateMachine):
    """Three mailboxes, three slow views, one store on a real disk."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name)
        self.told: list[Change] = []
        self.serial = 0

    def run(self, verb: Any) -> Any:
        """Await it."""
        return self.runner.run(verb)

    async def _open(self) -> Store:
        self.context = opened(self.path, tell=self.told.append, grace=0.0)
        return await self.context.__aenter__()

    @initialize()
    def begin(self) -> None:
        """An account with three mailboxes."""

        async def make() -> None:
            self.store = await self._open()
            self.account, inbox = await account(self.store)
            made = [inbox]
            for name in ("Work", "Work/Old.2020"):
                made.append((await self.store.index.create_mailbox(self.account, name)).id)
            self.boxes = [Box(mailbox) for mailbox in made]
            self.views = [View() for _ in made]

        self.run(make())

    @rule(box=BOXES, flags=FLAGS, size=st.integers(0, 400))
    def append(self, box: int, flags: frozenset[str], size: int) -> None:
        """A message arrives."""
        self.serial += 1
        body = b"%d:" % self.serial + b"x" * size
        (placed,) = self.run(deliver(self.store, self.boxes[box].id, body=body, flags=flags))
        assert placed.uid == self.boxes[box].add(flags, body)

    @rule(box=BOXES, numbers=NUMBERS, add=FLAGS, remove=FLAGS, replace=st.booleans())
    def set_flags(
        self, box: int, numbers: list[int], add: frozenset[str], remove: frozenset[str], replace: bool
    ) -> None:
        """STORE."""
        remove = remove - add
        mailbox = self.boxes[box]
        change = self.run(self.store.index.set_flags(mailbox.id, [UID(n) for n in numbers], add, remove, replace))
        expected = []
        for uid in sorted(set(numbers) & mailbox.messages.keys()):
            flags, body = mailbox.messages[uid]
            new = add if replace else (flags | add) - remove
            if new != flags:
                expected.append((uid, new))
                mailbox.messages[uid] = (new, body)
        assert [(update.uid, frozenset(update.flags.split())) for update in change.updated] == expected
        assert change.after - change.before == bool(expected)

    @rule(box=BOXES, numbers=st.none() | NUMBERS, deleted_only=st.booleans())
    def expunge(self, box: int, numbers: list[int] | None, deleted_only: bool) -> None:
        """EXPUNGE and UID EXPUNGE."""
        mailbox = self.boxes[box]
        uids = None if numbers is None else [UID(n) for n in numbers]
        change = self.run(self.store.index.expunge(mailbox.id, uids, deleted_only))
        expected = [
            uid
            for uid, (flags, _) in mailbox.messages.items()
            if (numbers is None or uid in numbers) and (DELETED in flags or not deleted_only)
        ]
        assert list(change.expunged) == expected
        for uid in expected:
            del mailbox.messages[uid]

    @rule(source=BOXES, to=BOXES, numbers=NUMBERS, move=st.booleans())
    def copy(self, source: int, to: int, numbers: list[int], move: bool) -> None:
        """COPY and MOVE."""
        there, here = self.boxes[source], self.boxes[to]
        copied = self.run(self.store.index.copy(there.id, [UID(n) for n in numbers], here.id, move))
        expected = sorted(set(numbers) & there.messages.keys())
        assert list(copied.source) == expected
        taken = [there.messages[uid] for uid in expected]
        if move:
            for uid in expected:
                del there.messages[uid]
        assert [placed.uid for placed in copied.target] == [here.add(*message) for message in taken]

    @rule(name=st.sampled_from(["Work", "Play", "A/B.c"]))
    def rename(self, name: str) -> None:
        """The second mailbox gets another name, with its directory."""
        box = self.run(self.store.index.mailbox_by_id(self.boxes[1].id))
        if self.run(self.store.index.mailbox(self.account, name)) is None:
            self.run(self.store.index.rename_mailbox(self.account, box.name, name))

    @rule(box=BOXES, appends=st.booleans(), expunges=st.booleans())
    def sync(self, box: int, appends: bool, expunges: bool) -> None:
        """A view catches up, with either cursor or both, and is then right where it should be."""
        view, mailbox = self.views[box], self.boxes[box]
        change = self.run(self.store.index.changes_since(mailbox.id, view.changed_to, view.expunged_to, view.last_uid))
        if appends:
            rows = self.run(self.store.index.rows(mailbox.id, change.appended))
            view.uids |= set(change.appended)
            view.flags |= {row.uid: frozenset(row.flags.split()) for row in rows}
            view.flags |= {update.uid: frozenset(update.flags.split()) for update in change.updated}
            view.last_uid = UID(max([view.last_uid, *change.appended]))
            view.changed_to = change.after
            assert view.uids >= mailbox.messages.keys()
            assert all(view.flags[uid] == flags for uid, (flags, _) in mailbox.messages.items())
        if expunges:
            view.uids -= set(change.expunged)
            view.expunged_to = change.after
            if appends:
                assert view.uids == mailbox.messages.keys()

    @precondition(lambda self: self.serial > 2)
    @rule(lose_index=st.booleans())
    def reopen(self, lose_index: bool) -> None:
        """A clean stop; afterwards even the index may be lost, and all is as before but the mod-sequences."""

        async def again() -> None:
            names = {box.name: box.id for box in await self.store.index.mailboxes(self.account)}
            before = {
                box.name: (box.uid_validity, box.uid_next, box.messages, box.unseen, box.size)
                for box in await self.store.index.mailboxes(self.account)
            }
            await self.context.__aexit__(None, None, None)
            if lose_index:
                (self.path / "index.db").unlink()
                index = SqliteIndex(self.path / "index.db", digest_of)
                assert needs_rebuild(index, self.path)
                await rebuild(index, self.path, digest_of)
                await index.close()
            self.store = await self._open()
            found = await self.store.index.account("ada@example.org")
            assert found is not None and found.password_hash == "hash"
            self.account = AccountId(found.id)
            boxes = await self.store.index.mailboxes(self.account)
            assert before == {
                box.name: (box.uid_validity, box.uid_next, box.messages, box.unseen, box.size) for box in boxes
            }
            now = {names[box.name]: box.id for box in boxes}
            for box in self.boxes:
                box.id = now[box.id]
            if lose_index:
                self.views = [View() for _ in self.boxes]
            self.told.clear()

        self.run(again())

    @invariant()
    def same(self) -> None:
        """Every message, flag, counter and body is as the dict has it."""
        if not hasattr(self, "boxes"):
            return

        async def compare() -> None:
            for box in self.boxes:
                uids = [UID(uid) for uid in box.messages]
                rows = await self.store.index.rows(box.id, [UID(n) for n in range(1, box.last_uid + 2)])
                assert {row.uid: frozenset(row.flags.split()) for row in rows} == {
                    uid: flags for uid, (flags, _) in box.messages.items()
                }
                head = await self.store.index.mailbox_by_id(box.id)
                assert head is not None
                assert (head.messages, head.unseen, head.size, head.uid_next) == (
                    len(uids),
                    sum(SEEN not in flags for flags, _ in box.messages.values()),
                    sum(len(body) for _, body in box.messages.values()),
                    box.last_uid + 1,
                )
                for uid in uids[-2:]:
                    assert await self.store.body(box.id, uid) == box.messages[uid][1]

        self.run(compare())
        for box in self.boxes:
            chain = [change for change in self.told if change.mailbox == box.id]
            assert all(first.after == then.before for first, then in zip(chain, chain[1:], strict=False))

    def teardown(self) -> None:
        """Every file that is there is a message, and every message has one."""
        if hasattr(self, "context"):
            self.run(self.context.__aexit__(None, None, None))
            files = [path for path in self.path.glob("mail/**/cur/*") if path.is_file()]
            assert len(files) == sum(len(box.messages) for box in self.boxes)
        self.runner.close()
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
