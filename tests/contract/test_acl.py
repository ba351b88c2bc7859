"""What every index promises of access control lists and of messages that go to another account."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.kit.stores import account, deliver, digest_of, lose_index, message_files, opened

from mailhorn.model.flags import DELETED, FLAGGED, SEEN
from mailhorn.model.ids import UID
from mailhorn.model.mailbox import INBOX
from mailhorn.store.abc import MAX_ACL, MailboxMissing, TooManyNotes
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.rebuild import rebuild
from mailhorn.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Every index there is."""
    async with opened(tmp_path) as made:
        yield made


async def test_a_list_is_kept_inherited_and_forgotten_with_its_mailbox(store: Store) -> None:
    """What is made below has a copy; RENAME leaves it alone, and that of INBOX goes along; DELETE takes it away."""
    index = store.index
    ada, inbox = await account(store)
    work = (await index.create_mailbox(ada, "work")).id
    assert await index.acl(work) == {}
    assert await index.set_acl(work, lambda acl: {**acl, "bob": "lr", "-bob": "r"}) == {"bob": "lr", "-bob": "r"}
    below = (await index.create_mailbox(ada, "work/a/b")).id
    level = await index.mailbox(ada, "work/a")
    assert level is not None and await index.acl(level.id) == await index.acl(below) == {"-bob": "r", "bob": "lr"}
    await index.set_acl(work, lambda acl: {"anyone": "l"})
    assert await index.acl(below) == {"-bob": "r", "bob": "lr"}
    await index.rename_mailbox(ada, "work", "other")
    assert await index.acl(work) == {"anyone": "l"}
    await index.set_acl(inbox, lambda acl: {"bob": "i"})
    await index.rename_mailbox(ada, INBOX, "other/old")
    old = await index.mailbox(ada, "other/old")
    assert old is not None and await index.acl(old.id) == {"anyone": "l", "bob": "i"}
    assert await index.acl(inbox) == {"bob": "i"}
    await index.delete_mailbox(work)
    assert await index.acl(work) == {}
    with pytest.raises(MailboxMissing):
        await index.set_acl(work, lambda acl: acl)


async def test_what_is_shared_with_somebody_is_found(store: Store) -> None:
    """In all accounts, with what the lists say of those who are asked for and nothing of others."""
    index = store.index
    ada, inbox = await account(store)
    bob, his = await account(store, "bob")
    work = (await index.create_mailbox(ada, "work")).id
    await index.set_acl(work, lambda acl: {"bob": "lr", "eve": "lrw"})
    await index.set_acl(inbox, lambda acl: {"anyone": "i", "-bob": "i"})
    await deliver(store, work)
    (one, two) = await index.shared(("bob", "anyone", "-bob", "-anyone"))
    assert (one.login, one.mailbox.id, one.acl) == ("ada@example.org", inbox, {"-bob": "i", "anyone": "i"})
    assert (two.mailbox.account, two.mailbox.name, two.acl) == (ada, "work", {"bob": "lr"})
    assert two.mailbox.messages == 1
    assert await index.shared(("ada@example.org",)) == []
    for number in range(100):
        await index.create_mailbox(bob, f"INBOX/{number}")
    await index.set_acl(his, lambda acl: {"ada@example.org": "l"})
    for number in range(100, 200):
        await index.create_mailbox(bob, f"INBOX/{number}")
    assert len(await index.shared(("ada@example.org",))) == 101


async def test_a_removed_account_has_rights_nowhere(store: Store) -> None:
    """Who gets its name later must not have them."""
    index = store.index
    _, inbox = await account(store)
    bob, _ = await account(store, "bob")
    await index.set_acl(inbox, lambda acl: {"bob": "lr", "-bob": "w", "eve": "l"})
    await index.remove_account(bob)
    assert await index.acl(inbox) == {"eve": "l"}


async def test_a_change_that_fails_changes_nothing(store: Store) -> None:
    """Too many identifiers, or an error in what makes the new list."""
    _, inbox = await account(store)

    def fails(acl: object) -> dict[str, str]:
        raise ValueError("no")

    with pytest.raises(TooManyNotes):
        await store.index.set_acl(inbox, lambda acl: {f"user{n}": "l" for n in range(MAX_ACL + 1)})
    with pytest.raises(ValueError, match="no"):
        await store.index.set_acl(inbox, fails)
    assert await store.index.acl(inbox) == {}


async def test_lists_come_back_without_the_index(tmp_path: Path) -> None:
    """They are written beside the messages; what makes no sense there is passed over."""
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        work = (await store.index.create_mailbox(ada, "work")).id
        await store.index.set_acl(inbox, lambda acl: {"anyone": "l"})
        await store.index.set_acl(work, lambda acl: {"bob": "lrs", "-bob": "w"})
    file = tmp_path / "mail" / "ada@example.org" / ".work" / "mailhorn-metadata"
    file.write_text(file.read_text().replace('"bob": "lrs"', '"bob": "srl", "x": "Q", "y": 1, "\\ud800": "l", "": "l"'))
    lose_index(tmp_path)
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    await rebuild(index, tmp_path, digest_of)
    await index.close()
    async with opened(tmp_path) as store:
        ada, inbox = await account(store)
        found = await store.index.mailbox(ada, "work")
        assert found is not None
        assert await store.index.acl(inbox) == {"anyone": "l"}
        assert await store.index.acl(found.id) == {"-bob": "w", "bob": "lrs"}


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("settled", [False, True])
async def test_messages_go_to_another_account(tmp_path: Path, move: bool, settled: bool) -> None:
    """With the flags that may come along, one transaction, durable; the source's account may be removed at once."""
    async with opened(tmp_path, delay=0.0 if settled else 60.0) as store:
        ada, inbox = await account(store)
        bob, his = await account(store, "bob")
        await deliver(store, inbox, body=b"one", flags=frozenset({SEEN, DELETED, "work"}))
        await deliver(store, inbox, body=b"two")
    async with opened(tmp_path, delay=0.0 if settled else 60.0) as store:
        index = store.index
        copied = await index.copy(
            inbox, [UID(1), UID(2)], his, move, may=lambda flag: flag.lower() in (SEEN.lower(), "work")
        )
        assert [(one.mailbox, one.uid) for one in copied.target] == [(his, 1), (his, 2)]
        box, source = await index.mailbox_by_id(his), await index.mailbox_by_id(inbox)
        assert box is not None and source is not None
        assert (box.messages, box.unseen, source.messages, source.unseen) == (2, 1, 0 if move else 2, 0 if move else 1)
        assert (await index.usage(bob)).messages == 2
        assert [set(row.flags.split()) for row in await index.rows(his, [UID(1), UID(2)])] == [{SEEN, "work"}, set()]
        assert (await index.expunge(his, None)).expunged == ()
        assert (await index.expunge(inbox, None)).expunged == (() if move else (1,))
        await index.remove_account(ada)
        assert [await store.body(his, UID(uid)) for uid in (1, 2)] == [b"one", b"two"]
        _, another = await account(store)  # of the same name, while the other's directory may still be needed
        await deliver(store, another, body=b"new")
    async with opened(tmp_path) as store:
        assert [await store.body(his, UID(uid)) for uid in (1, 2)] == [b"one", b"two"]
        assert await store.body(another, UID(1)) == b"new"
    homes = [path.parent.parent.name for path in message_files(tmp_path)]
    assert homes == ["ada@example.org", "bob", "bob"]


async def test_flags_that_may_not_be_changed_stay(store: Store) -> None:
    """Also where flags are replaced, and with keywords in another spelling."""
    _, inbox = await account(store)
    await deliver(store, inbox, flags=frozenset({SEEN, FLAGGED, "Work"}))
    index = store.index

    def may(flag: str) -> bool:
        return flag not in (SEEN, DELETED)

    await index.set_flags(inbox, [UID(1)], frozenset({DELETED, "b"}), frozenset(), replace=True, may=may)
    (row,) = await index.rows(inbox, [UID(1)])
    assert set(row.flags.split()) == {SEEN, "b"}
    await index.set_flags(inbox, [UID(1)], frozenset(), frozenset({SEEN, "B"}), may=may)
    (row,) = await index.rows(inbox, [UID(1)])
    assert row.flags == SEEN
    await index.set_flags(inbox, [UID(1)], frozenset({DELETED, FLAGGED}), frozenset(), may=may)
    (row,) = await index.rows(inbox, [UID(1)])
    assert set(row.flags.split()) == {SEEN, FLAGGED}
