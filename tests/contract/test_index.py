"""What every index promises, over every implementation."""

import asyncio
import shutil
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from tests.kit.stores import DATE, digest_of

from mailhorn.model.change import Change, FlagUpdate
from mailhorn.model.flags import DELETED, FLAGGED, SEEN, Flags
from mailhorn.model.ids import UID, AccountId, MailboxId, ModSeq
from mailhorn.model.mailbox import INBOX
from mailhorn.model.message import Placed, Placement
from mailhorn.store.abc import (
    MAX_NOTES,
    MAX_NOTES_SIZE,
    Append,
    BlobRef,
    Index,
    MailboxExists,
    MailboxMissing,
    MessageMissing,
    Note,
    StoreError,
    StoreUnavailable,
    TooManyNotes,
)
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.names import InvalidName

NONE: Flags = frozenset()


@pytest.fixture(params=["sqlite"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Index]:
    """Every index there is."""
    made = SqliteIndex(tmp_path / "index.db", digest_of)
    yield made
    await made.close()


@pytest.fixture
async def ada(index: Index) -> AccountId:
    """An account."""
    await index.add_accounts([("ada@example.org", "hash")])
    account = await index.account("ada@example.org")
    assert account is not None
    return account.id


@pytest.fixture
async def inbox(index: Index, ada: AccountId) -> MailboxId:
    """Its INBOX."""
    mailbox = await index.mailbox(ada, INBOX)
    assert mailbox is not None
    return mailbox.id


@pytest.fixture
def told(index: Index) -> list[Change]:
    """What is told."""
    changes: list[Change] = []
    index.told = changes.append
    return changes


_serial = iter(range(1_000_000))


def message(*placements: MailboxId | Placement, body: bytes = b"body") -> Append:
    """A message to append."""
    return Append(
        BlobRef(f"key{next(_serial)}", len(body), body),
        tuple(p if isinstance(p, Placement) else Placement(p) for p in placements),
        DATE,
    )


async def test_logins_compare_in_lower_case(index: Index, ada: AccountId) -> None:
    """A login is found in any case; adding it again changes nothing."""
    found = await index.account("Ada@Example.ORG")
    assert found is not None and (found.id, found.login, found.password_hash) == (ada, "ada@example.org", "hash")
    assert await index.add_accounts([("ADA@example.org", "other"), ("bob", "x")]) == 1
    assert [account.login for account in await index.accounts()] == ["ada@example.org", "bob"]
    await index.set_password_hash(ada, "new")
    changed = await index.account("ada@example.org")
    assert changed is not None and changed.password_hash == "new"
    assert await index.account("nobody\ud800") is None


async def test_ten_thousand_accounts_are_one_commit(index: Index) -> None:
    """Importing accounts is quick, and each one has an INBOX with a UIDVALIDITY of its own."""
    assert await index.add_accounts([(f"user{n}", "hash") for n in range(2000)]) == 2000
    everybody = await index.accounts()
    boxes = [(await index.mailboxes(account.id))[0] for account in everybody]
    assert len({box.uid_validity for box in boxes}) == 2000
    assert await index.accounts(3, after=everybody[1200].login) == everybody[1201:1204]
    assert await index.accounts(3, after=everybody[-1].login) == []


async def test_account_names_that_cannot_be_directories(index: Index) -> None:
    """A login that is empty or too long is refused and nothing is added."""
    with pytest.raises(InvalidName):
        await index.add_accounts([("fine", ""), ("x" * 300, "")])
    assert await index.accounts() == []


async def test_a_removed_account_leaves_nothing(index: Index, ada: AccountId, inbox: MailboxId) -> None:
    """Its mailboxes and messages are gone, and its number is not given again."""
    await index.append(message(inbox))
    await index.remove_account(ada)
    assert await index.account("ada@example.org") is None
    assert await index.mailbox_by_id(inbox) is None
    await index.add_accounts([("ada@example.org", "hash")])
    again = await index.account("ada@example.org")
    assert again is not None and again.id > ada


async def test_creating_makes_the_levels_above(index: Index, ada: AccountId) -> None:
    """CREATE a/b/c makes a and a/b too (RFC 9051 §6.3.4)."""
    made = await index.create_mailbox(ada, "a/b/c")
    assert [box.name for box in await index.mailboxes(ada)] == [INBOX, "a", "a/b", "a/b/c"]
    assert (made.uid_next, made.messages, made.unseen, made.size) == (1, 0, 0, 0)
    with pytest.raises(MailboxExists):
        await index.create_mailbox(ada, "a/b")
    with pytest.raises(MailboxExists):
        await index.create_mailbox(ada, "inBOX")


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "/a", "a/", "../x", "a/../b", ".", "a\0b", "a\nb", "x" * 300, "ä" * 100, "\ud800"]
)
async def test_hostile_names_are_refused(index: Index, ada: AccountId, name: str) -> None:
    """A name that could leave the directory or cannot be written is refused in every verb that makes it."""
    with pytest.raises(InvalidName):
        await index.create_mailbox(ada, name)
    await index.create_mailbox(ada, "fine")
    with pytest.raises(InvalidName):
        await index.rename_mailbox(ada, "fine", name)
    with pytest.raises(InvalidName):
        await index.subscribe(ada, name, True)
    assert await index.mailbox(ada, name) is None


async def test_a_name_used_again_has_a_greater_uid_validity(index: Index, ada: AccountId) -> None:
    """Deleting and creating gives another id and a greater UIDVALIDITY (RFC 9051 §2.3.1.1)."""
    first = await index.create_mailbox(ada, "work")
    await index.delete_mailbox(first.id)
    second = await index.create_mailbox(ada, "work")
    assert second.id > first.id and second.uid_validity > first.uid_validity


async def test_deleting_tells_that_it_is_gone(
    index: Index, ada: AccountId, inbox: MailboxId, told: list[Change]
) -> None:
    """Watchers hear `gone`, later verbs MailboxMissing; INBOX cannot be deleted."""
    work = await index.create_mailbox(ada, "work")
    await index.append(message(work.id))
    told.clear()
    await index.delete_mailbox(work.id)
    assert [change.gone for change in told] == [True]
    assert (await index.changes_since(work.id, told[0].before, told[0].before, UID(1))).gone
    for verb in (
        index.delete_mailbox(work.id),
        index.append(message(work.id)),
        index.uids(work.id),
        index.set_flags(work.id, [UID(1)], NONE, NONE),
        index.expunge(work.id, None),
        index.copy(work.id, [UID(1)], inbox),
        index.copy(inbox, [UID(1)], work.id),
    ):
        with pytest.raises(MailboxMissing):
            await verb
    assert await index.rows(work.id, [UID(1)]) == []
    with pytest.raises(MessageMissing):
        await index.blob(work.id, UID(1))
    with pytest.raises(InvalidName):
        await index.delete_mailbox(inbox)


async def test_renaming_takes_what_is_below(index: Index, ada: AccountId) -> None:
    """RENAME moves inferiors and keeps ids, UIDVALIDITY and messages (RFC 9051 §6.3.6)."""
    below = await index.create_mailbox(ada, "a/b")
    await index.create_mailbox(ada, "ab")
    await index.append(message(below.id))
    await index.rename_mailbox(ada, "a", "x/y")
    assert [box.name for box in await index.mailboxes(ada)] == [INBOX, "ab", "x", "x/y", "x/y/b"]
    after = await index.mailbox_by_id(below.id)
    assert after is not None and (after.uid_validity, after.messages) == (below.uid_validity, 1)
    with pytest.raises(MailboxMissing):
        await index.rename_mailbox(ada, "a", "z")
    with pytest.raises(MailboxExists):
        await index.rename_mailbox(ada, "ab", "x")
    with pytest.raises(InvalidName):
        await index.rename_mailbox(ada, "x", "x/z")


async def test_renaming_a_level_that_is_no_mailbox(index: Index, ada: AccountId) -> None:
    """What is below a name that LIST tells as \\Noselect is renamed, and the name stays none (RFC 9051 §6.3.6)."""
    above = await index.create_mailbox(ada, "foo")
    below = await index.create_mailbox(ada, "foo/bar")
    await index.delete_mailbox(above.id)
    await index.rename_mailbox(ada, "foo", "x/zowie")
    assert [box.name for box in await index.mailboxes(ada)] == [INBOX, "x", "x/zowie/bar"]
    after = await index.mailbox_by_id(below.id)
    assert after is not None and after.uid_validity == below.uid_validity
    await index.create_mailbox(ada, "y/bar")
    await index.delete_mailbox((await index.mailboxes(ada))[-2].id)  # y
    with pytest.raises(MailboxExists):
        await index.rename_mailbox(ada, "x/zowie", "y")
    with pytest.raises(MailboxMissing):
        await index.rename_mailbox(ada, "foo", "z")


async def test_renaming_inbox_moves_its_messages(index: Index, ada: AccountId, inbox: MailboxId) -> None:
    """INBOX stays, empty, and its messages are in the new mailbox (RFC 9051 §6.3.6)."""
    await index.append(message(inbox))
    await index.append(message(inbox))
    await index.rename_mailbox(ada, INBOX, "old/mail")
    moved = await index.mailbox(ada, "old/mail")
    there = await index.mailbox_by_id(inbox)
    assert moved is not None and there is not None
    assert (moved.messages, there.messages, there.uid_next) == (2, 0, 3)


async def test_subscriptions_are_names(index: Index, ada: AccountId) -> None:
    """A name may be subscribed that does not exist, and is there once."""
    for name in ("b", "a/x", "b", "inbox"):
        await index.subscribe(ada, name, True)
    assert await index.subscriptions(ada) == [INBOX, "a/x", "b"]
    await index.subscribe(ada, "b", False)
    await index.subscribe(ada, "never", False)
    assert await index.subscriptions(ada) == [INBOX, "a/x"]


async def test_append_counts_and_tells_before_it_returns(index: Index, inbox: MailboxId, told: list[Change]) -> None:
    """UIDs ascend, counters follow, and each change continues where the last one ended."""
    for n in range(1, 4):
        (placed,) = await index.append(message(Placement(inbox, frozenset({SEEN}) if n == 2 else NONE), body=b"x" * n))
        assert placed.uid == n and told[-1].appended == (n,)
    assert [a.after for a in told[:-1]] == [b.before for b in told[1:]]
    box = await index.mailbox_by_id(inbox)
    assert box is not None
    assert (box.uid_next, box.messages, box.unseen, box.size, box.highest_mod_seq) == (4, 3, 2, 6, told[-1].after)
    mod_seq, uids = await index.uids(inbox)
    assert (mod_seq, list(uids), uids.typecode) == (told[-1].after, [1, 2, 3], "I")
    (row,) = await index.rows(inbox, [UID(2), UID(9)])
    assert row == (2, told[1].after, SEEN, DATE, 2)
    (full,) = await index.digests(inbox, [UID(2)])
    assert full.row == row and full.digest == digest_of(b"xx")
    assert (await index.blob(inbox, UID(3))).inline == b"xxx"


async def test_one_message_in_several_mailboxes(
    index: Index, ada: AccountId, inbox: MailboxId, told: list[Change]
) -> None:
    """All placements or none, in their order; the same mailbox twice is two messages."""
    work = (await index.create_mailbox(ada, "work")).id
    placed = await index.append(message(inbox, work, inbox))
    assert [(p.mailbox, p.uid) for p in placed] == [(inbox, 1), (work, 1), (inbox, 2)]
    told.clear()
    with pytest.raises(MailboxMissing):
        await index.append(message(inbox, MailboxId(999)))
    box = await index.mailbox_by_id(inbox)
    assert box is not None and (box.messages, box.uid_next) == (2, 3) and told == []
    with pytest.raises(StoreError):
        await index.append(message())


async def test_a_refused_job_does_not_spoil_its_group(index: Index, inbox: MailboxId) -> None:
    """Fifty at a time, every third to a mailbox that is not there: the others have gapless UIDs in order."""
    verbs = [index.append(message(MailboxId(999) if n % 3 == 0 else inbox)) for n in range(50)]
    results = await asyncio.gather(*verbs, return_exceptions=True)
    assert [isinstance(result, MailboxMissing) for result in results] == [n % 3 == 0 for n in range(50)]
    placed = [result[0].uid for result in results if not isinstance(result, BaseException)]
    assert placed == list(range(1, len(placed) + 1))


async def test_telling_follows_the_order_of_commits(index: Index, inbox: MailboxId) -> None:
    """`told` comes once per change, in order, and before the verb that made it returns."""
    order: list[object] = []
    index.told = lambda change: order.append(change.appended[0])

    async def one() -> None:
        (placed,) = await index.append(message(inbox))
        order.append(f"answered {placed.uid}")

    await asyncio.gather(*(one() for _ in range(30)))
    assert [entry for entry in order if isinstance(entry, int)] == list(range(1, 31))
    assert all(order.index(uid) < order.index(f"answered {uid}") for uid in range(1, 31))


@pytest.mark.parametrize("kinds", [1, 3, 20])
async def test_many_flags_change_at_once(index: Index, inbox: MailboxId, kinds: int) -> None:
    """Whatever the flags were: each message gets its own, and those that are as asked already stay as they are."""
    for number in range(60):
        await index.append(message(Placement(inbox, frozenset({f"kind{number % kinds}"}))))
    uids = [UID(uid) for uid in range(1, 61) if uid % 7]
    change = await index.set_flags(inbox, uids, frozenset({SEEN}), frozenset({"kind0"}))
    want = {uid: {SEEN, f"kind{(uid - 1) % kinds}"} - {"kind0"} for uid in uids}
    assert {update.uid: set(update.flags.split()) for update in change.updated} == want
    rows = await index.rows(inbox, [UID(uid) for uid in range(1, 61)])
    assert {row.uid: set(row.flags.split()) for row in rows if row.uid % 7} == want
    assert {row.mod_seq for row in rows if row.uid % 7} == {change.after}
    assert all(row.flags == f"kind{(row.uid - 1) % kinds}" for row in rows if not row.uid % 7)
    found = await index.mailbox_by_id(inbox)
    assert found is not None and found.unseen == 60 - len(uids)
    assert (await index.set_flags(inbox, uids, frozenset({SEEN}), frozenset({"kind0"}))).updated == ()


async def test_columns_are_rows_by_the_column(index: Index, ada: AccountId, inbox: MailboxId) -> None:
    """Also of many, which are kept in memory: whatever happens to them, few or many at once."""
    everything = [UID(uid) for uid in range(1, 1_000)]

    async def same() -> None:
        assert await index.mailbox(ada, INBOX) == index.mailbox_at_hand(ada, INBOX)
        assert index.mailbox_at_hand(ada, "None") is None
        for uids in (everything[:1], everything[11:12], everything[31:32], everything[40:60], everything[600:601]):
            rows = await index.rows(inbox, uids)
            whole = len(rows) == len(uids)
            at_hand = index.columns_at_hand(inbox, uids)
            assert (list(zip(*at_hand[:5], strict=True)) if at_hand else None) == (rows if whole else None)
            digested = index.columns_at_hand(inbox, uids, digested=True)
            assert digested == (await index.columns(inbox, uids, digested=True) if whole else None)
            for wanted in (False, True):
                stored = await index.stored(inbox, uids, wanted)
                assert index.stored_at_hand(inbox, uids, wanted) == (stored if whole else None)
        assert (await index.columns(inbox, cast(Sequence[UID], array("I")), digested=True)).uids == ()
        for uids in (everything, everything[100:300], everything[3:650:2], everything[:3], everything[-1:], []):
            rows = await index.rows(inbox, uids)
            found = await index.columns(inbox, uids)
            assert list(zip(*found[:5], strict=True)) == rows
            told = await index.columns(inbox, uids, digested=True)
            assert list(zip(*told[:5], strict=True)) == rows
            digests = [one.digest for one in await index.digests(inbox, uids)]
            assert list(told.envelopes) == [digest.envelope for digest in digests]
            assert list(told.body_structures) == [digest.body_structure for digest in digests]
        mod_seq, uids = await index.uids(inbox)
        found = await index.mailbox_by_id(inbox)
        assert found is not None and found.highest_mod_seq == mod_seq
        assert list(uids) == [row.uid for row in await index.rows(inbox, everything)]

    await same()
    await asyncio.gather(*[index.append(message(inbox)) for _ in range(600)])
    await same()
    await index.append(message(Placement(inbox, frozenset({"one"}))))
    await index.set_flags(inbox, everything[10:20], frozenset({FLAGGED}), NONE)
    await same()
    await index.expunge(inbox, everything[30:33], deleted_only=False)
    await index.set_flags(inbox, [UID(601)], frozenset({SEEN}), NONE)
    await same()
    await index.set_flags(inbox, everything[::3], frozenset({SEEN}), NONE)
    await index.expunge(inbox, everything[200:400], deleted_only=False)
    await same()
    other = await index.create_mailbox(ada, "Other")
    await index.copy(inbox, everything[:50], inbox)
    await index.copy(inbox, everything[:50], other.id, move=True)
    await same()
    kept = (await index.uids(inbox))[1]
    before = list(kept)
    await index.append(message(inbox))
    await same()
    assert list(kept) == before
    await index.delete_mailbox(other.id)
    assert (await index.columns(other.id, everything)).uids == ()


async def test_flags_are_added_removed_replaced(index: Index, inbox: MailboxId, told: list[Change]) -> None:
    """Only messages that change are in the answer; keywords keep their first spelling."""
    await index.append(message(Placement(inbox, frozenset({"Work"}))))
    await index.append(message(inbox))
    told.clear()
    change = await index.set_flags(inbox, [UID(1), UID(2), UID(7)], frozenset({"WORK", SEEN}), NONE)
    assert [(u.uid, set(u.flags.split())) for u in change.updated] == [(1, {"Work", SEEN}), (2, {"WORK", SEEN})]
    assert told == [change] and change.after == change.before + 1
    again = await index.set_flags(inbox, [UID(1)], frozenset({"work"}), NONE)
    assert again.updated == () and again.before == again.after == change.after and told == [change]
    await index.set_flags(inbox, [UID(1)], NONE, frozenset({"wOrK"}))
    await index.set_flags(inbox, [UID(2)], frozenset({FLAGGED, "work"}), NONE, replace=True)
    rows = await index.rows(inbox, [UID(1), UID(2)])
    assert [set(row.flags.split()) for row in rows] == [{SEEN}, {FLAGGED, "WORK"}]
    box = await index.mailbox_by_id(inbox)
    assert box is not None and box.unseen == 1


async def test_flags_change_only_where_nothing_has(index: Index, inbox: MailboxId, told: list[Change]) -> None:
    """UNCHANGEDSINCE: of two who ask for the same at the same mod-sequence, one gets each message (RFC 7162 §3.1.3)."""
    for _ in range(3):
        await index.append(message(inbox))
    stood, _ = await index.uids(inbox)
    await index.set_flags(inbox, [UID(2)], frozenset({FLAGGED}), NONE)
    mine, yours = frozenset({"mine"}), frozenset({"yours"})
    told.clear()
    changes = await asyncio.gather(
        index.set_flags(inbox, [UID(1), UID(2)], mine, NONE, unchanged_since=stood),
        index.set_flags(inbox, [UID(1), UID(2), UID(3)], yours, NONE, unchanged_since=stood),
    )
    assert [[update.uid for update in change.updated] for change in changes] == [[1], [3]]
    assert told == list(changes)
    assert (await index.set_flags(inbox, [UID(1), UID(2), UID(3)], mine, NONE, unchanged_since=ModSeq(0))).updated == ()
    rows = await index.rows(inbox, [UID(1), UID(2), UID(3)])
    assert [row.flags for row in rows] == ["mine", FLAGGED, "yours"]


async def test_expunge_leaves_what_is_not_deleted(index: Index, inbox: MailboxId, told: list[Change]) -> None:
    """EXPUNGE takes messages with \\Deleted, UID EXPUNGE those of them in its set (RFC 9051 §6.4.3, §6.4.9)."""
    for _ in range(4):
        await index.append(message(inbox))
    assert (await index.expunge(inbox, None)).expunged == ()
    await index.set_flags(inbox, [UID(1), UID(3), UID(4)], frozenset({DELETED}), NONE)
    told.clear()
    assert (await index.expunge(inbox, [UID(2), UID(3)])).expunged == (3,)
    assert (await index.expunge(inbox, None)).expunged == (1, 4)
    assert (await index.expunge(inbox, [UID(2)], deleted_only=False)).expunged == (2,)
    assert [change.expunged for change in told] == [(3,), (1, 4), (2,)]
    box = await index.mailbox_by_id(inbox)
    assert box is not None and (box.messages, box.unseen, box.size, box.uid_next) == (0, 0, 0, 5)
    assert (await index.append(message(inbox)))[0].uid == 5


async def test_expunge_takes_at_most_so_many_the_first_first(index: Index, inbox: MailboxId) -> None:
    """A mailbox of very many is emptied in several commits, between which others have theirs."""
    for _ in range(7):
        await index.append(message(inbox))
    await index.set_flags(inbox, [UID(2), UID(3), UID(5), UID(6), UID(7)], frozenset({DELETED}), NONE)
    assert (await index.expunge(inbox, [UID(3), UID(5), UID(7)], most=2)).expunged == (3, 5)
    assert (await index.expunge(inbox, None, most=2)).expunged == (2, 6)
    assert (await index.expunge(inbox, None, most=2)).expunged == (7,)
    assert (await index.expunge(inbox, None, deleted_only=False, most=1)).expunged == (1,)


async def test_an_expunged_body_can_still_be_read(index: Index, inbox: MailboxId) -> None:
    """Another session that has not heard of it yet may fetch it during the grace."""
    await index.append(message(inbox, body=b"late"))
    await index.expunge(inbox, None, deleted_only=False)
    assert (await index.blob(inbox, UID(1))).inline == b"late"
    with pytest.raises(MessageMissing):
        await index.blob(inbox, UID(2))


async def test_copy_and_move(index: Index, ada: AccountId, inbox: MailboxId, told: list[Change]) -> None:
    """Flags, dates and digests go along; MOVE takes the source away in the same commit (RFC 6851)."""
    work = await index.create_mailbox(ada, "work")
    for flags in (frozenset({SEEN, "k"}), NONE, frozenset({DELETED})):
        await index.append(message(Placement(inbox, flags)))
    told.clear()
    copied = await index.copy(inbox, [UID(1), UID(3), UID(8)], work.id)
    assert copied.source == (1, 3)
    assert copied.target == tuple(Placed(work.id, work.uid_validity, UID(n)) for n in (1, 2))
    assert told == list(copied.changes) and told[0].appended == (1, 2)
    moved = await index.copy(inbox, [UID(1), UID(2)], work.id, move=True)
    assert {(c.mailbox, c.appended, c.expunged) for c in moved.changes} == {
        (work.id, (3, 4), ()),
        (inbox, (), (1, 2)),
    }
    rows = await index.rows(work.id, [UID(n) for n in range(1, 5)])
    assert [set(row.flags.split()) for row in rows] == [{SEEN, "k"}, {DELETED}, {SEEN, "k"}, set()]
    assert {row.internal_date for row in rows} == {DATE}
    source, target = await index.mailbox_by_id(inbox), await index.mailbox_by_id(work.id)
    assert source is not None and target is not None
    assert (source.messages, source.unseen, source.size) == (1, 1, 4)
    assert (target.messages, target.unseen, target.size) == (4, 2, 16)
    assert (await index.copy(inbox, [UID(1)], work.id)).changes == ()
    assert (await index.blob(work.id, UID(3))).inline == b"body"


async def test_copy_whole(index: Index, ada: AccountId, inbox: MailboxId, told: list[Change]) -> None:
    """All or nothing, if that is asked for."""
    work = await index.create_mailbox(ada, "work")
    for _ in range(2):
        await index.append(message(inbox))
    await index.expunge(inbox, [UID(1)], deleted_only=False)
    told.clear()
    for move in (False, True):
        with pytest.raises(MessageMissing):
            await index.copy(inbox, [UID(1), UID(2)], work.id, move, whole=True)
    assert told == []
    assert (await index.uids(work.id))[1].tolist() == []
    assert (await index.copy(inbox, [UID(2)], work.id, whole=True)).source == (2,)


async def test_copy_and_move_within_a_mailbox(index: Index, inbox: MailboxId) -> None:
    """The target may be the source: new UIDs are given."""
    await index.append(message(inbox))
    await index.copy(inbox, [UID(1)], inbox)
    moved = await index.copy(inbox, [UID(1), UID(2)], inbox, move=True)
    assert [placed.uid for placed in moved.target] == [3, 4]
    assert list((await index.uids(inbox))[1]) == [3, 4]


async def test_changes_since_any_cursor(index: Index, inbox: MailboxId) -> None:
    """The two cursors are independent, and UIDs the view never knew are not told as expunged or updated."""
    for _ in range(3):
        await index.append(message(inbox))
    mod_seq, _ = await index.uids(inbox)
    await index.expunge(inbox, [UID(1)], deleted_only=False)
    flagged = await index.set_flags(inbox, [UID(2)], frozenset({SEEN}), NONE)
    await index.append(message(inbox))
    await index.append(message(inbox))
    await index.expunge(inbox, [UID(5)], deleted_only=False)
    change = await index.changes_since(inbox, mod_seq, mod_seq, UID(3))
    assert change.before == mod_seq
    assert change.appended == (4,) and change.expunged == (1,)
    assert change.updated == (FlagUpdate(UID(2), flagged.after, SEEN),)
    behind = await index.changes_since(inbox, change.after, mod_seq, UID(5))
    assert (behind.appended, behind.updated, behind.expunged) == ((), (), (1, 5))
    nothing = await index.changes_since(inbox, change.after, change.after, UID(5))
    assert (nothing.appended, nothing.updated, nothing.expunged, nothing.after) == ((), (), (), change.after)


async def test_many_messages_take_the_long_way(index: Index, inbox: MailboxId) -> None:
    """Scans answer as point reads do."""
    await asyncio.gather(*(index.append(message(inbox)) for _ in range(700)))
    mod_seq, uids = await index.uids(inbox)
    assert list(uids) == list(range(1, 701))
    rows = await index.rows(inbox, [UID(n) for n in range(700, 0, -2)])
    assert [row.uid for row in rows] == list(range(2, 701, 2))
    assert len(await index.digests(inbox, [UID(n) for n in range(1, 701)])) == 700
    change = await index.changes_since(inbox, rows[0].mod_seq, rows[0].mod_seq, UID(2))
    assert len(change.appended) == 698 and change.after == mod_seq


async def test_a_closed_index_says_so(index: Index, inbox: MailboxId) -> None:
    """Verbs after `close` raise StoreUnavailable, twice closing is fine."""
    await index.close()
    await index.close()
    for verb in (index.append(message(inbox)), index.uids(inbox), index.accounts(), index.blob(inbox, UID(1))):
        with pytest.raises(StoreUnavailable):
            await verb


async def test_a_group_is_appended_as_each_would_be_alone(index: Index, inbox: MailboxId, ada: AccountId) -> None:
    """Whatever their number, their flags and their mailboxes; one whose mailbox is gone fails alone."""
    work = (await index.create_mailbox(ada, "work")).id
    gone = (await index.create_mailbox(ada, "gone")).id
    await index.delete_mailbox(gone)
    seen = frozenset({SEEN})
    asked = [
        message(inbox),
        message(Placement(work, seen), inbox, body=b"two copies"),
        message(gone),
        message(inbox, Placement(gone, seen)),
        *[message(Placement(inbox, seen), body=b"x" * n) for n in range(30)],
    ]
    outcomes = await asyncio.gather(*map(index.append, asked), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[2:4]] == [MailboxMissing, MailboxMissing]
    placed = [tuple(outcome) for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert [place.uid for places in placed for place in places if place.mailbox == inbox] == list(range(1, 33))
    box, other = await index.mailbox_by_id(inbox), await index.mailbox_by_id(work)
    assert box is not None and other is not None
    assert (box.uid_next, box.messages, box.unseen, box.size) == (33, 32, 2, 4 + 10 + sum(range(30)))
    assert (other.uid_next, other.messages, other.unseen, other.size) == (2, 1, 0, 10)
    assert [row.mod_seq for row in await index.rows(inbox, [UID(n) for n in range(1, 33)])] == list(
        range(box.highest_mod_seq - 31, box.highest_mod_seq + 1)
    )
    assert (await index.blob(inbox, UID(32))).inline == b"x" * 29


async def test_what_is_noted_of_a_mailbox_goes_with_it(index: Index, ada: AccountId, inbox: MailboxId) -> None:
    """Notes are kept by entry, survive RENAME, and are gone with the mailbox; those of the account are apart."""
    sent = (await index.create_mailbox(ada, "Out", {"/private/specialuse": b"\\Sent"})).id
    await index.note(ada, [Note(sent, "/private/comment", b"\xff\0"), Note(None, "/private/x", b"y")])
    await index.rename_mailbox(ada, "Out", "Sent")
    assert await index.notes(ada, sent) == {"/private/comment": b"\xff\0", "/private/specialuse": b"\\Sent"}
    assert await index.notes(ada, None) == {"/private/x": b"y"}
    assert await index.notes(ada, inbox) == {}
    assert await index.noted(ada, "/private/specialuse") == {sent: b"\\Sent"}
    await index.note(ada, [Note(sent, "/private/comment", None), Note(inbox, "/private/specialuse", b"")])
    assert await index.noted(ada, "/private/specialuse") == {inbox: b"", sent: b"\\Sent"}
    await index.delete_mailbox(sent)
    assert await index.notes(ada, sent) == {}
    await index.rename_mailbox(ada, INBOX, "old")
    old = await index.mailbox(ada, "old")
    assert old is not None and await index.notes(ada, old.id) == {"/private/specialuse": b""}
    with pytest.raises(MailboxMissing):
        await index.note(ada, [Note(inbox, "/private/comment", b"no"), Note(sent, "/private/comment", b"no")])
    assert await index.notes(ada, inbox) == {"/private/specialuse": b""}


async def test_what_is_noted_of_a_mailbox_raises_its_mod_sequence(index: Index, ada: AccountId) -> None:
    """Only what is otherwise afterwards does, and not what is noted of the account (RFC 7162 §3.2)."""
    sent = (await index.create_mailbox(ada, "Sent")).id
    for notes, mod_seq in (
        ([Note(sent, "/private/comment", b"x"), Note(sent, "/shared/comment", b"y")], 2),
        ([Note(sent, "/private/comment", b"x")], 2),
        ([Note(sent, "/private/none", None)], 2),
        ([Note(None, "/private/comment", b"x")], 2),
        ([Note(sent, "/private/comment", None)], 3),
    ):
        await index.note(ada, notes)
        head = await index.mailbox_by_id(sent)
        assert head is not None and head.highest_mod_seq == mod_seq


async def test_no_more_is_noted_than_can_be_kept(index: Index, ada: AccountId, inbox: MailboxId) -> None:
    """Too many entries, or too much in them, change nothing."""
    with pytest.raises(TooManyNotes):
        await index.note(ada, [Note(inbox, f"/private/{n}", b"") for n in range(MAX_NOTES + 1)])
    with pytest.raises(TooManyNotes):
        await index.note(ada, [Note(None, "/private/a", bytes(MAX_NOTES_SIZE + 1))])
    with pytest.raises(TooManyNotes):
        await index.create_mailbox(ada, "none", {"/private/a": bytes(MAX_NOTES_SIZE + 1)})
    assert (await index.notes(ada, inbox), await index.notes(ada, None)) == ({}, {})
    assert await index.mailbox(ada, "none") is None


async def test_where_messages_come_from(index: Index, ada: AccountId, inbox: MailboxId, tmp_path: Path) -> None:
    """Copies share their EMAILID and nothing else does; each has the time at which it came into its mailbox."""
    work = (await index.create_mailbox(ada, "work")).id
    before = int(time.time())
    (here, _) = await index.append(message(inbox, work))
    await index.append(message(inbox))
    await index.copy(inbox, [here.uid], work)
    after = int(time.time())
    first, second = await index.origins(inbox, [UID(1), UID(2)])
    copies = await index.origins(work, [UID(1), UID(2)])
    assert [copy.email_id for copy in copies] == [first.email_id] * 2 and second.email_id != first.email_id
    assert all(before <= one.saved <= after for one in (first, second, *copies))


async def test_several_messages_are_appended_all_or_none(
    index: Index, ada: AccountId, inbox: MailboxId, told: list[Change], tmp_path: Path
) -> None:
    """They come in their order, also after a crash; if one cannot, none does."""
    work = (await index.create_mailbox(ada, "work")).id
    await index.append(message(inbox))
    told.clear()
    placed = await index.append_together([message(Placement(inbox, frozenset({SEEN}))), message(work), message(inbox)])
    assert [(one.mailbox, one.uid) for one in placed] == [(inbox, 2), (work, 1), (inbox, 3)]
    assert [(change.mailbox, change.appended) for change in told] == [(inbox, (2,)), (work, (1,)), (inbox, (3,))]
    with pytest.raises(MailboxMissing):
        await index.append_together([message(inbox), message(MailboxId(999))])
    box = await index.mailbox_by_id(inbox)
    assert box is not None and (box.messages, box.unseen, box.size, box.uid_next) == (3, 2, 12, 4)
    shutil.copytree(tmp_path, tmp_path.parent / "crashed")
    after = SqliteIndex(tmp_path.parent / "crashed" / "index.db", digest_of)
    try:
        await asyncio.to_thread(after.catch_up)
        assert [row.flags for row in await after.rows(inbox, [UID(1), UID(2), UID(3)])] == ["", SEEN, ""]
        assert [(await after.blob(inbox, UID(uid))).inline for uid in (1, 2, 3)] == [b"body"] * 3
    finally:
        await after.close()


async def test_a_message_is_replaced_in_one_step(
    index: Index, ada: AccountId, inbox: MailboxId, told: list[Change]
) -> None:
    """The new one comes and the old one goes, in another mailbox too; if the old one is gone, nothing happens."""
    work = (await index.create_mailbox(ada, "work")).id
    await index.append(message(inbox))
    told.clear()
    (new,) = await index.append_together([message(work, body=b"new")], (inbox, UID(1)))
    assert (new.mailbox, new.uid) == (work, 1)
    assert [(change.appended, change.expunged) for change in told] == [((1,), ()), ((), (1,))]
    with pytest.raises(MessageMissing):
        await index.append_together([message(work)], (inbox, UID(1)))
    _, uids = await index.uids(work)
    assert list(uids) == [1]
