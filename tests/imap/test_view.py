"""The view: positions, two cursors, shared storage."""

from array import array

import pytest

from mailhorn.imap.view import Count, Flagged, Gone, MailboxView
from mailhorn.model.change import Change, FlagUpdate
from mailhorn.model.ids import UID, MailboxId, ModSeq, SeqNum
from mailhorn.model.numbers import SAVED, SeqSet, UIDSet

BOX = MailboxId(1)


def change(
    before: int,
    after: int,
    appended: tuple[int, ...] = (),
    updated: tuple[tuple[int, str], ...] = (),
    expunged: tuple[int, ...] = (),
) -> Change:
    return Change(
        BOX,
        ModSeq(before),
        ModSeq(after),
        tuple(map(UID, appended)),
        tuple(FlagUpdate(UID(uid), ModSeq(after), flags) for uid, flags in updated),
        tuple(map(UID, expunged)),
    )


def view_of(*uids: int, mod_seq: int = 5) -> MailboxView:
    return MailboxView(array("I", uids), mod_seq)


def test_positions_and_uids_lead_to_each_other() -> None:
    """The n-th UID has sequence number n; a UID that is not there has none."""
    view = view_of(3, 7, 9)
    assert [view.uid_at(SeqNum(n)) for n in (1, 2, 3)] == [3, 7, 9]
    assert [view.seq_of(UID(n)) for n in (3, 7, 9, 8, 10)] == [1, 2, 3, None, None]
    assert view.last_uid == 9
    for outside in (0, 4):
        with pytest.raises(IndexError):
            view.uid_at(SeqNum(outside))


def test_neighbours_are_found_at_once() -> None:
    """One range of few numbers, of messages that are there; anything else is for `uids`."""
    view = view_of(3, 7, 9)
    for numbers, found in (
        (UIDSet(((7, 7),)), (2, [7])),
        (UIDSet(((4, 9),)), (2, [7, 9])),
        (UIDSet(((8, 8),)), None),
        (UIDSet(((10, 12),)), None),
        (SeqSet(((1, 3),)), (1, [3, 7, 9])),
        (SeqSet(((3, 4),)), None),
        (SeqSet(((3, 2),)), None),
        (SeqSet(((1, 0),)), None),
        (SeqSet(SAVED), None),
        (SeqSet(()), None),
        (SeqSet(((1, 1), (2, 2))), None),
        (UIDSet(((1, 8),)), None),
    ):
        neighbours = view.between(numbers, 7)
        assert (neighbours and (neighbours[0], list(neighbours[1]))) == found, numbers
    view.fork().apply(change(5, 6, appended=(12,)), expunge=False)  # it shares the array
    assert view.between(SeqSet(((4, 4),)), 7) is None and view.between(UIDSet(((12, 12),)), 7) is None
    assert view.between(UIDSet(((9, 12),)), 7) == (3, array("I", [9]))


def test_sets_name_what_is_there() -> None:
    """UIDs that are not there are passed over; sequence numbers that are not there are an error."""
    view = view_of(3, 7, 9)
    assert list(view.uids(UIDSet(((1, 8), (100, 0))))) == [3, 7, 9]
    assert list(view.uids(SeqSet(((2, 0),)))) == [7, 9]
    with pytest.raises(IndexError):
        view.uids(SeqSet(((1, 4),)))
    with pytest.raises(IndexError):
        view_of().uids(SeqSet(((1, 0),)))


def test_appends_are_told_as_a_count_and_known_ones_passed_over() -> None:
    """A UID that the view has already is not counted twice."""
    view = view_of(3, 7)
    assert view.apply(change(5, 6, appended=(7, 8, 9)), expunge=True) == [Count(4)]
    assert (view.changed_to, view.expunged_to) == (6, 6)


def test_expunges_are_told_from_the_end() -> None:
    """Told in descending order no position moves before it is told; UIDs that were never seen are not told."""
    view = view_of(1, 2, 3, 4)
    assert view.apply(change(5, 6, expunged=(1, 3, 99)), expunge=True) == [
        Gone(SeqNum(3), UID(3)),
        Gone(SeqNum(1), UID(1)),
    ]
    assert [view.uid_at(SeqNum(n)) for n in (1, 2)] == [2, 4]


def test_an_expunge_that_may_not_be_told_leaves_its_cursor_behind() -> None:
    """Where EXPUNGE is forbidden the position stays, and the next sync starts from where the cursor stayed."""
    view = view_of(1, 2, 3)
    assert view.apply(change(5, 6, appended=(4,), expunged=(2,)), expunge=False) == [Count(4)]
    assert (view.changed_to, view.expunged_to) == (6, 5)
    assert view.uid_at(SeqNum(2)) == 2
    assert view.apply(change(6, 7, appended=(5,)), expunge=False) == [Count(5)]
    assert view.expunged_to == 5
    assert view.apply(change(7, 7, expunged=(2,)), expunge=True) == [Gone(SeqNum(2), UID(2))]
    assert (view.changed_to, view.expunged_to) == (7, 7)


def test_a_change_without_expunges_moves_both_cursors() -> None:
    """Otherwise every STORE would cost a query for expunges that are not there."""
    view = view_of(1)
    view.apply(change(5, 6, updated=((1, "\\Seen"),)), expunge=False)
    assert view.expunged_to == 6


def test_flags_are_told_for_known_messages_only() -> None:
    """A flag change of a message the client does not know is told when it asks for the message."""
    view = view_of(1, 2)
    told = view.apply(change(5, 6, updated=((2, "\\Seen"), (9, "x"))), expunge=True)
    assert told == [Flagged(SeqNum(2), UID(2), "\\Seen", ModSeq(6))]


def test_a_change_that_is_known_says_nothing() -> None:
    """Doubled and late hints do no harm."""
    view = view_of(1)
    append = change(5, 6, appended=(2,))
    assert view.apply(append, expunge=True) == [Count(2)]
    assert view.apply(append, expunge=True) == []


def test_views_share_one_array_until_an_expunge() -> None:
    """Ten views of a mailbox cost one array: appends extend it, whoever comes first."""
    first = view_of(1, 2)
    second = first.fork()
    first.apply(change(5, 6, appended=(3,)), expunge=True)
    assert len(second) == 2
    second.apply(change(5, 6, appended=(3,)), expunge=True)
    assert first._uids is second._uids
    third = first.fork()
    first.apply(change(6, 7, expunged=(1,)), expunge=True)
    assert (len(first), len(second), len(third)) == (2, 3, 3)
    assert second._uids is third._uids


def test_a_view_that_missed_what_others_saw_gets_its_own_array() -> None:
    """A message appended and expunged before this view synced is not there for it."""
    ahead = view_of(1)
    behind = ahead.fork()
    ahead.apply(change(5, 6, appended=(2,)), expunge=True)
    behind.apply(change(5, 8, appended=(3, 4), expunged=(2,)), expunge=True)
    assert [behind.uid_at(SeqNum(n)) for n in (1, 2, 3)] == [1, 3, 4]
    assert [ahead.uid_at(SeqNum(n)) for n in (1, 2)] == [1, 2]


def test_a_view_half_way_along_the_shared_array_extends_it() -> None:
    """What is there already is taken as it is, the rest is appended for all."""
    ahead = view_of(1)
    behind = ahead.fork()
    ahead.apply(change(5, 6, appended=(2,)), expunge=True)
    behind.apply(change(5, 7, appended=(2, 3)), expunge=True)
    assert ahead._uids is behind._uids and len(ahead) == 2 and len(behind) == 3
    assert ahead.apply(change(6, 7, appended=(3,)), expunge=True) == [Count(3)]


def test_a_client_learns_uids_as_it_is_told() -> None:
    """EXISTS makes unknown messages, FETCH names them, EXPUNGE takes them."""
    view = MailboxView()
    view.exists(3)
    view.learn(SeqNum(1), UID(10))
    view.learn(SeqNum(3), UID(30))
    assert view.expunge(SeqNum(2)) == 0
    assert [view.uid_at(SeqNum(n)) for n in (1, 2)] == [10, 30]
    view.exists(1)
    assert len(view) == 1
    with pytest.raises(IndexError):
        view.expunge(SeqNum(2))


def test_what_vanishes_by_uid() -> None:
    """Known messages go, and of the new ones, which are all alike, as many as are greater than all that is known."""
    view = view_of(2, 4, 6)
    view.exists(5)
    assert view.vanish(UIDSet(((4, 4), (8, 8)))) == [4]
    assert [view.uid_at(SeqNum(n)) for n in (1, 2, 3)] == [2, 6, 0] and len(view) == 3
    assert view.vanish(UIDSet(((9, 9), (2, 2)))) == [2]
    assert [view.uid_at(SeqNum(n)) for n in range(1, len(view) + 1)] == [6]


def test_a_known_message_vanishes_before_many_new_ones() -> None:
    """The new ones stay as they are."""
    view = view_of(6)
    view.exists(4)
    assert view.vanish(UIDSet(((6, 6),))) == [6]
    assert [view.uid_at(SeqNum(n)) for n in (1, 2, 3)] == [0, 0, 0]


@pytest.mark.parametrize("uids", [((3, 3),), ((6, 9),), ((1, 4294967295),)])
def test_what_vanishes_though_it_was_not_there(uids: tuple[tuple[int, int], ...]) -> None:
    """A server that says so has lost its way, or the client has; nothing is taken (RFC 7162 §3.2.10.2)."""
    view = view_of(2, 4, 6)
    view.exists(5)
    with pytest.raises(LookupError):
        view.vanish(UIDSet(uids))
    assert len(view) == 5


def test_what_vanishes_among_messages_that_are_half_known() -> None:
    """One of the new ones was named, so they are not alike: nobody can say which it was."""
    view = view_of(2)
    view.exists(4)
    view.learn(SeqNum(3), UID(7))
    with pytest.raises(LookupError):
        view.vanish(UIDSet(((5, 5),)))


def test_side_by_side() -> None:
    """Positions come at once if nothing stands between; what others appended to the shared array does not count."""
    view = view_of(2, 3, 5, 9)
    assert list(view.side_by_side(array("I", [3, 5])) or ()) == [2, 3]
    assert view.side_by_side(array("I", [3, 9])) is None
    assert view.side_by_side(array("I", [4])) is None
    assert view.side_by_side(array("I", [9, 10])) is None
    other = view.fork()
    other.apply(change(5, 6, appended=(10,)), expunge=True)
    assert view.side_by_side(array("I", [9, 10])) is None
    assert list(other.side_by_side(array("I", [9, 10])) or ()) == [4, 5]
