"""The hub: who is woken, in which order and in which slices, what it remembers and what it forgets."""

import asyncio
from collections.abc import Callable

import pytest

from mailhorn.model.change import Change
from mailhorn.model.ids import UID, AccountId, MailboxId, ModSeq
from mailhorn.push.hub import RING, RING_UIDS, SLICE, Channel, Hub
from mailhorn.store.abc import StoreUnavailable

BOX, OTHER = MailboxId(1), MailboxId(2)


class Listener:
    """Notes how far the mailbox was whenever it was woken."""

    def __init__(self, up_to_date: bool = True) -> None:
        self.heard: list[int] = []
        self.up_to_date = up_to_date
        self.channel: Channel | None = None

    def wake(self) -> bool:
        assert self.channel is not None
        self.heard.append(self.channel.reached)
        return self.up_to_date


class Loop:
    """Turns of an event loop, taken one by one."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def later(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def watching(hub: Hub, mailbox: MailboxId = BOX, up_to_date: bool = True) -> Listener:
    listener = Listener(up_to_date)
    listener.channel = hub.watch(mailbox, listener)
    return listener


def change(before: int, after: int, mailbox: MailboxId = BOX) -> Change:
    return Change(mailbox, ModSeq(before), ModSeq(after), (UID(after),))


def big(before: int, uids: int) -> Change:
    return Change(BOX, ModSeq(before), ModSeq(before + 1), tuple(map(UID, range(1, uids + 1))))


def test_only_those_who_watch_the_mailbox_are_woken_in_the_order_of_changes() -> None:
    """Another mailbox's watchers hear nothing; after `unwatch` nobody does."""
    hub = Hub()
    here, there = watching(hub), watching(hub, OTHER)
    hub.tell(change(1, 2))
    hub.tell(change(2, 3))
    hub.unwatch(BOX, here)
    hub.unwatch(BOX, here)
    hub.tell(change(3, 4))
    assert (here.heard, there.heard) == ([2, 3], [])


def test_a_watcher_that_leaves_while_all_are_told_does_not_disturb() -> None:
    """A session may end because of what it hears."""
    hub = Hub()

    class Leaver(Listener):
        def wake(self) -> bool:
            hub.unwatch(BOX, self)
            return super().wake()

    leaver = Leaver()
    leaver.channel = hub.watch(BOX, leaver)
    last = watching(hub)
    hub.tell(change(1, 2))
    hub.tell(change(2, 3))
    assert (leaver.heard, last.heard) == ([2], [2, 3])


def test_a_long_fan_out_is_cut_into_slices_and_all_know_from_the_first_on() -> None:
    """The first slice is woken in the tick of the commit, each further one in a turn of its own, in order."""
    loop = Loop()
    hub = Hub(loop.later)
    listeners = [watching(hub) for _ in range(2 * SLICE + 1)]
    hub.tell(change(1, 2))
    assert {listener.channel.reached for listener in listeners if listener.channel} == {2}
    counts = []
    for _ in range(3):
        counts.append(sum(bool(listener.heard) for listener in listeners))
        assert all(listener.heard for listener in listeners[: counts[-1]])
        loop.turn()
    assert counts == [SLICE, 2 * SLICE, 2 * SLICE + 1]
    assert loop.calls == []
    assert all(listener.heard == [2] for listener in listeners)


def test_what_is_told_during_a_fan_out_wakes_all_once_more_after_it() -> None:
    """Two more changes make one further round, not two; a watcher that came meanwhile is in it."""
    loop = Loop()
    hub = Hub(loop.later)
    listeners = [watching(hub) for _ in range(SLICE + 1)]
    hub.tell(change(1, 2))
    hub.tell(change(2, 3))
    late = watching(hub)
    hub.tell(change(3, 4))
    for _ in range(4):
        loop.turn()
    assert loop.calls == []
    assert listeners[0].heard == [2, 4]
    assert listeners[-1].heard == [4, 4]
    assert late.heard == [4]


def test_recent_changes_lead_on_from_where_a_session_stands() -> None:
    """All of the way or nothing: a gap means that the store must be asked."""
    hub = Hub()
    channel = watching(hub, up_to_date=False).channel
    assert channel is not None
    for n in range(1, RING + 3):
        hub.tell(change(n, n + 1))
    found = channel.since(ModSeq(RING))
    assert found is not None and (found.change.before, found.change.after) == (RING, RING + 3)
    assert found.change.appended == (RING + 1, RING + 2, RING + 3)
    assert channel.since(ModSeq(RING)) is found, "all who stand there share it"
    assert channel.since(ModSeq(1)) is None
    assert channel.since(ModSeq(RING + 3)) is None


def test_a_gap_among_the_recent_changes_is_not_bridged() -> None:
    """A hint may be lost; then what is at hand does not lead on, and the store is asked."""
    hub = Hub()
    channel = watching(hub, up_to_date=False).channel
    assert channel is not None
    hub.tell(change(1, 2))
    hub.tell(change(3, 4))
    assert channel.since(ModSeq(1)) is None
    assert channel.since(ModSeq(3)) is not None


def test_nothing_is_kept_once_all_have_been_told() -> None:
    """While somebody is behind the changes are at hand; when nobody is, or the only one has caught up, they go."""
    hub = Hub()
    listener = watching(hub, up_to_date=False)
    assert listener.channel is not None
    hub.tell(change(1, 2))
    assert listener.channel.since(ModSeq(1)) is not None
    listener.channel.alone()
    assert listener.channel.since(ModSeq(1)) is None
    hub.tell(change(2, 3))
    listener.up_to_date = True
    hub.tell(change(3, 4))
    assert listener.channel.since(ModSeq(2)) is None


def test_another_who_may_be_behind_keeps_the_changes() -> None:
    """One of two that has caught up does not know of the other."""
    hub = Hub()
    channel = watching(hub, up_to_date=False).channel
    watching(hub)
    assert channel is not None
    hub.tell(change(1, 2))
    channel.alone()
    assert channel.since(ModSeq(1)) is not None


def test_large_changes_are_not_kept_for_those_behind() -> None:
    """A client that never reads must not make the server remember what happened to a hundred thousand messages."""
    hub = Hub()
    channel = watching(hub, up_to_date=False).channel
    assert channel is not None
    hub.tell(change(1, 2))
    hub.tell(big(2, RING_UIDS + 1))
    hub.tell(change(3, 4))
    assert channel.since(ModSeq(1)) is None
    assert channel.since(ModSeq(2)) is None
    assert channel.since(ModSeq(3)) is not None


def test_a_mailbox_that_nobody_watches_any_more_is_forgotten() -> None:
    """It costs nothing in the hub until somebody watches it, and nothing afterwards."""
    hub = Hub()
    hub.tell(change(1, 2))
    listener = watching(hub)
    hub.unwatch(BOX, listener)
    assert hub.watchers(BOX) == 0
    again = watching(hub)
    assert again.channel is not listener.channel


class SlowStore:
    """Answers when it is let, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.broken = False

    async def changes_since(self, mailbox: MailboxId, changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Change:
        self.asked += 1
        await self.open.wait()
        if self.broken:
            raise StoreUnavailable("no")
        return change(changed_to, 9)


async def test_those_who_stand_at_the_same_point_ask_the_store_once() -> None:
    """A thousand at once, and who comes later, until the mailbox goes on; who asked first may go away."""
    hub, store = Hub(), SlowStore()
    channel = watching(hub).channel
    watching(hub)
    assert channel is not None
    asking = [asyncio.ensure_future(channel.ask(store, ModSeq(1), ModSeq(1), UID(1))) for _ in range(1000)]
    elsewhere = asyncio.ensure_future(channel.ask(store, ModSeq(2), ModSeq(2), UID(2)))
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    store.open.set()
    found = await asyncio.gather(*asking)
    assert len({id(difference) for difference in found}) == 1
    assert (await channel.ask(store, ModSeq(1), ModSeq(1), UID(1))) is found[0]
    assert (await elsewhere) is not found[0]
    assert store.asked == 2
    channel.note(change(9, 10))
    assert (await channel.ask(store, ModSeq(1), ModSeq(1), UID(1))) is not found[0]


async def test_an_answer_that_failed_is_not_shared_with_who_comes_later() -> None:
    """All who waited for it fail; the next one asks again."""
    hub, store = Hub(), SlowStore()
    channel = watching(hub).channel
    watching(hub)
    assert channel is not None
    store.open.set()
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await channel.ask(store, ModSeq(1), ModSeq(1), UID(1))
    store.broken = False
    assert (await channel.ask(store, ModSeq(1), ModSeq(1), UID(1))).change.after == 9


def test_a_hint_that_ran_ahead_of_the_store_is_corrected_but_not_what_came_meanwhile() -> None:
    """Else a session would ask for ever what the store does not have, or rest although there is more."""
    hub = Hub()
    channel = watching(hub).channel
    assert channel is not None
    hub.tell(change(1, 5))
    channel.correct(ModSeq(5), ModSeq(3))
    assert channel.reached == 3
    hub.tell(change(5, 6))
    channel.correct(ModSeq(5), ModSeq(3))
    assert channel.reached == 6


ANN, BEN = AccountId(1), AccountId(2)


class Overlooker:
    """Notes what it is told, and when it is woken."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def note(self, change: Change) -> None:
        self.heard.append(change.after)

    def stirred(self, hint: object) -> None:
        self.heard.append(hint)

    def wake(self) -> None:
        self.heard.append("wake")


def test_who_oversees_many_mailboxes_is_told_each_change_and_woken_after_it() -> None:
    """Of the mailboxes named, until they are neglected; two may oversee one."""
    hub, one, other = Hub(), Overlooker(), Overlooker()
    hub.oversee((BOX, OTHER), one)
    hub.oversee((OTHER,), other)
    hub.tell(change(1, 2))
    hub.tell(change(1, 3, OTHER))
    assert (one.heard, other.heard) == ([2, "wake", 3, "wake"], [3, "wake"])
    hub.neglect((OTHER, MailboxId(9)), one)
    hub.tell(change(3, 4, OTHER))
    hub.tell(change(2, 3))
    assert (one.heard[4:], other.heard[2:]) == ([3, "wake"], [4, "wake"])
    hub.neglect((BOX,), one)
    hub.neglect((OTHER,), other)
    assert hub._overseers == {}


def test_many_overseers_of_one_mailbox_are_told_in_slices() -> None:
    """A mailbox that a thousand share: others have their turn in between, and nobody is left out."""
    loop = Loop()
    hub, many = Hub(loop.later), [Overlooker() for _ in range(2 * SLICE + 1)]
    for one in many:
        hub.oversee((BOX,), one)
    hub.tell(change(1, 2))
    counts = []
    for _ in range(3):
        counts.append(sum(one.heard == [2, "wake"] for one in many))
        loop.turn()
    assert counts == [SLICE, 2 * SLICE, 2 * SLICE + 1]
    assert loop.calls == []


def test_a_stir_reaches_who_looks_after_the_account_or_the_mailbox_once() -> None:
    """And all, when it is another matter who may see what; after its dismissal nobody."""
    hub, ann, ben = Hub(), Overlooker(), Overlooker()
    assert not hub.overseen
    hub.appoint(ANN, ann)
    hub.appoint(BEN, ben)
    hub.oversee((BOX,), ann)
    hub.oversee((BOX,), ben)
    assert hub.overseen and hub.overseer(ANN) is ann
    hub.stir((ANN,), hint="names")
    hub.stir((ANN, AccountId(3)), (BOX, OTHER), "shared")
    hub.stir_all()
    assert ann.heard == ["names", "wake", "shared", "wake", None, "wake"]
    assert ben.heard == ["shared", "wake", None, "wake"]
    hub.dismiss(ANN, (BOX,))
    hub.dismiss(ANN, ())
    hub.stir((ANN,), (BOX,), "again")
    assert hub.overseer(ANN) is None and len(ann.heard) == 6 and ben.heard[4:] == ["again", "wake"]
