"""What sessions that have one mailbox open share, and what they do not."""

from array import array

import pytest

from mailhorn.imap.view import MailboxView
from mailhorn.model.change import Change, FlagUpdate
from mailhorn.model.ids import UID, MailboxId, ModSeq, SeqNum
from mailhorn.push.hub import Channel, Difference, Hub
from mailhorn.server.imap import selected as module
from mailhorn.server.imap.selected import MANY, Selected

BOX = MailboxId(1)


class Idler:
    """Takes what it is told at once, if it is not more than it likes."""

    def __init__(self, hub: Hub, most: int = 1_000_000) -> None:
        self.most = most
        self.told: bytes | None = b""
        self.selected = Selected(hub.watch(BOX, self), False)
        self.selected.begin(MailboxView(array("I", range(1, 10_001)), ModSeq(1)))

    def wake(self) -> bool:
        self.told = self.selected.at_once(self.most)
        return self.told is not None


def flagged(uids: range) -> Change:
    updates = tuple(FlagUpdate(UID(uid), ModSeq(2), "\\Seen") for uid in uids)
    return Change(BOX, ModSeq(1), ModSeq(2), updated=updates)


def test_a_change_of_a_thousand_messages_is_formatted_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """All watchers that stand together send the same octets, and stand at the same view afterwards."""
    calls = []
    format_ = module.told
    monkeypatch.setattr(module, "told", lambda *asked: calls.append(1) or format_(*asked))
    hub = Hub()
    idlers = [Idler(hub) for _ in range(50)]
    assert len({id(idler.selected.view) for idler in idlers}) == 1
    hub.tell(flagged(range(1, MANY + 1)))
    assert len(calls) == 1
    assert len({id(idler.told) for idler in idlers}) == 1
    assert idlers[0].told is not None and idlers[0].told.count(b"\r\n") == MANY
    assert len({id(idler.selected.view) for idler in idlers}) == 1
    hub.tell(Change(BOX, ModSeq(2), ModSeq(3), (UID(10_001),)))
    assert len(calls) == 2
    assert {idler.told for idler in idlers} == {b"* 10001 EXISTS\r\n"}


def test_what_is_more_than_may_be_sent_at_once_leaves_the_session_where_it_was() -> None:
    """It is told in pieces, as the client reads; until then nothing of it is held for the session."""
    hub = Hub()
    slow = Idler(hub, most=1_000)
    before = slow.selected.view
    hub.tell(flagged(range(1, 10_001)))
    assert slow.told is None
    assert slow.selected.view is before and slow.selected.behind(True)


def test_who_comes_to_the_same_place_another_way_shares_again() -> None:
    """One took two steps, one took both as one, one begins there: they hold one view."""
    hub = Hub()
    idler, behind = Idler(hub), Idler(hub, most=-1)
    hub.tell(Change(BOX, ModSeq(1), ModSeq(2), (UID(10_001),), expunged=(UID(1),)))
    hub.tell(Change(BOX, ModSeq(2), ModSeq(3), (UID(10_002),)))
    assert idler.told == b"* 10001 EXISTS\r\n"
    behind.most = 1_000
    assert behind.wake() and behind.told == b"* 1 EXPUNGE\r\n* 10001 EXISTS\r\n"
    begins = Selected(hub.watch(BOX, Idler(Hub())), False)
    begins.begin(MailboxView(array("I", range(2, 10_003)), ModSeq(3)))
    assert idler.selected.view is behind.selected.view is begins.view


def test_who_may_not_be_told_of_expunges_goes_its_own_way_meanwhile() -> None:
    """One session's FETCH must not keep another's view from losing the message."""
    channel = Channel(BOX)
    one, other = Selected(channel, False), Selected(channel, False)
    for selected in (one, other):
        selected.begin(MailboxView(array("I", (1, 2)), ModSeq(1)))
    difference = Difference(Change(BOX, ModSeq(1), ModSeq(2), (UID(3),), expunged=(UID(1),)))
    assert one.advance(difference, expunge=False) == b"* 3 EXISTS\r\n"
    assert other.advance(difference, expunge=True) == b"* 1 EXPUNGE\r\n* 2 EXISTS\r\n"
    assert (len(one.view), len(other.view)) == (3, 2)
    assert one.behind(True) and not one.behind(False)


@pytest.mark.parametrize("expunge", [True, False])
@pytest.mark.parametrize("flags", [True, False])
def test_what_is_much_is_told_in_parts_and_is_the_same(expunge: bool, flags: bool) -> None:
    """No part takes long; where it ends, and what was told, is what one step would have been."""
    at_once, in_parts = Idler(Hub(), most=-1).selected, Idler(Hub(), most=-1).selected
    updates = tuple(FlagUpdate(UID(uid), ModSeq(2), "\\Seen") for uid in range(2, 10_001, 2))
    gone = tuple(UID(uid) for uid in range(1, 10_001, 2))
    change = Change(BOX, ModSeq(1), ModSeq(3), (UID(10_001), UID(10_002)), updates, gone)
    whole = at_once.advance(Difference(change), expunge, flags)
    parts = list(in_parts.in_parts(change, expunge, flags))
    assert max(part.count(b"\r\n") for part in parts) <= MANY
    assert sorted(b"".join(parts).splitlines()) == sorted(whole.splitlines())
    one, other = at_once.view, in_parts.view
    assert (one.changed_to, one.expunged_to, len(one)) == (other.changed_to, other.expunged_to, len(other))
    assert at_once.unheard == in_parts.unheard
    if expunge:
        assert [other.uid_at(SeqNum(seq)) for seq in range(1, len(other) + 1)] == [*range(2, 10_001, 2), 10_001, 10_002]


def test_what_is_much_is_not_told_at_once() -> None:
    """The session looks it up in its own time."""
    hub = Hub()
    idler = Idler(hub)
    hub.tell(flagged(range(1, MANY + 2)))
    assert idler.told is None and idler.selected.behind(True)
