"""What a client lacks who was away: by the changes, or by all that is there."""

import random
from array import array
from pathlib import Path

import pytest
from tests.kit.stores import DATE, digest_of

from mailhorn.imap.view import MailboxView
from mailhorn.model.ids import MAX_UID, UID, MailboxId, ModSeq
from mailhorn.model.message import Placement
from mailhorn.model.numbers import STAR, SeqSet, UIDSet
from mailhorn.server.imap import changed as module
from mailhorn.server.imap.changed import SLICE, Missed, matched, missed_since
from mailhorn.store.abc import Append, BlobRef
from mailhorn.store.index.sqlite import SqliteIndex

ALL = UIDSet(((1, STAR),))
FLAGS = ("\\Seen", "\\Flagged", "work", "\\Draft")


def message(mailbox: MailboxId, number: int) -> Append:
    return Append(BlobRef(f"k{number}", 3, b"x\r\n"), (Placement(mailbox),), DATE)


async def picture(index: SqliteIndex, mailbox: MailboxId) -> tuple[MailboxView, dict[int, str]]:
    """Return a view, and the flags of all messages."""
    mod_seq, uids = await index.uids(mailbox)
    rows = await index.rows(mailbox, [UID(uid) for uid in uids])
    return MailboxView(uids, mod_seq), {row.uid: row.flags for row in rows}


@pytest.mark.parametrize("seed", range(6))
async def test_from_everywhere_a_client_comes_to_what_is_there(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that happened, and not much more: what did not change is not told."""
    monkeypatch.setattr(module, "SLICE", 3)
    chance = random.Random(seed)
    index = SqliteIndex(tmp_path / "index.sqlite", digest_of)
    try:
        await index.add_accounts([("ann", "")])
        account = await index.account("ann")
        assert account is not None
        inbox = account.inbox
        stood: list[tuple[ModSeq, dict[int, str]]] = []
        for number in range(60):
            view, flags = await picture(index, inbox)
            stood.append((view.changed_to, flags))
            some = [UID(uid) for uid in flags if chance.random() < 0.2]
            match chance.choices(("append", "flag", "expunge"), (5, 4, 2))[0]:
                case "append":
                    await index.append(message(inbox, number))
                case "flag":
                    await index.set_flags(inbox, some, frozenset(chance.sample(FLAGS, 2)), frozenset(), True)
                case _:
                    await index.expunge(inbox, some[:3], deleted_only=False)
        view, flags = await picture(index, inbox)
        uid_next = 1 + max(uid for _, known in stood for uid in known)
        for mod_seq, known in stood:
            missed = await missed_since(index, inbox, view, mod_seq)
            gone = set(await missed.vanished(UIDSet.of(known) if known else ALL, view, uid_next))
            assert gone.isdisjoint(flags) and known.keys() - gone == known.keys() & flags.keys()
            there = {uid: text for uid, text in known.items() if uid not in gone}
            assert list(missed.changed) == sorted(missed.changed)
            assert flags == there | {uid: flags[uid] for uid in missed.changed}
            rows = await index.rows(inbox, [UID(uid) for uid in flags])
            assert set(missed.changed) == {row.uid for row in rows if row.mod_seq > mod_seq}
            assert missed.gone is None or set(await missed.vanished(ALL, view, MAX_UID)) == set(missed.gone)
    finally:
        await index.close()


def view_of(*uids: int) -> MailboxView:
    return MailboxView(array("I", uids), ModSeq(5))


async def test_where_nothing_is_known_all_that_is_not_there_is_gone() -> None:
    """And nothing that was never there, or that the client knows to be gone."""
    missed = Missed(array("I"), None)
    view = view_of(2, 3, 7)
    assert (await missed.vanished(ALL, view, 10)).ranges == ((1, 1), (4, 6), (8, 9))
    assert (await missed.vanished(UIDSet(((3, 5), (9, 4_000_000_000))), view, 10)).ranges == ((4, 5), (9, 9))
    assert (await missed.vanished(ALL, view, 10, beyond=3)).ranges == ((4, 6), (8, 9))
    assert (await missed.vanished(ALL, view_of(), 1)).ranges == ()
    assert (await missed.vanished(UIDSet(()), view, 10)).ranges == ()


async def test_known_to_be_gone() -> None:
    """Of what is remembered, only what the client asks about."""
    missed = Missed(array("I"), array("I", (1, 4, 5, 9)))
    view = view_of(2, 3, 7)
    assert (await missed.vanished(ALL, view, 10)).ranges == ((1, 1), (4, 5), (9, 9))
    assert (await missed.vanished(UIDSet(((2, 4), (9, 9))), view, 9, beyond=1)).ranges == ((4, 4),)


async def test_of_some_those_that_changed() -> None:
    """Of more than are looked at in one go, and wherever the changed ones lie."""
    chance = random.Random(7)
    for size in (0, 1, SLICE, SLICE + 1, 3 * SLICE):
        uids = array("I", sorted(chance.sample(range(1, 10 * SLICE), size)))
        changed = array("I", sorted(chance.sample(range(1, 10 * SLICE), 2 * SLICE)))
        expected = [uid for uid in uids if uid in changed]
        assert list(await Missed(changed, None).among(uids)) == expected
        assert list(await Missed(uids, None).among(uids)) == list(uids)
        assert list(await Missed(array("I"), None).among(uids)) == []


@pytest.mark.parametrize(
    ("seqs", "uids", "beyond"),
    [
        (((1, 1), (3, 4)), ((2, 2), (7, 8)), 7),
        (((1, 3),), ((1, 3),), 0),
        (((2, 2), (3, 3)), ((3, 3), (9, 9)), 3),
        (((1, 4_000_000_000),), ((2, 4_000_000_001),), 3),
    ],
)
def test_where_numbers_and_uids_match(seqs: object, uids: object, beyond: int) -> None:
    """The last of them counts, whatever stands before it (RFC 7162 §3.2.5.2)."""
    assert matched((SeqSet(seqs), UIDSet(uids)), view_of(2, 3, 7)) == beyond  # type: ignore[arg-type]
    assert matched(None, view_of(2)) == 0
