"""The hub: who is woken, in which order, and what it remembers."""

from mailhorn.model.change import Change
from mailhorn.model.ids import UID, MailboxId, ModSeq
from mailhorn.push.hub import RING, Hub

BOX, OTHER = MailboxId(1), MailboxId(2)


class Listener:
    def __init__(self) -> None:
        self.heard: list[int] = []

    def wake(self, change: Change) -> None:
        self.heard.append(change.after)


def change(before: int, after: int, mailbox: MailboxId = BOX) -> Change:
    return Change(mailbox, ModSeq(before), ModSeq(after), (UID(after),))


def test_only_those_who_watch_the_mailbox_are_woken_in_the_order_of_changes() -> None:
    """Another mailbox's watchers hear nothing; after `unwatch` nobody does."""
    hub, here, there = Hub(), Listener(), Listener()
    hub.watch(BOX, here)
    hub.watch(OTHER, there)
    hub.tell(change(1, 2))
    hub.tell(change(2, 3))
    hub.unwatch(BOX, here)
    hub.unwatch(BOX, here)
    hub.tell(change(3, 4))
    assert (here.heard, there.heard) == ([2, 3], [])


def test_a_watcher_that_leaves_while_all_are_told_does_not_disturb() -> None:
    """A session may end because of what it hears."""
    hub, last = Hub(), Listener()

    class Leaver(Listener):
        def wake(self, change: Change) -> None:
            super().wake(change)
            hub.unwatch(BOX, self)

    leaver = Leaver()
    hub.watch(BOX, leaver)
    hub.watch(BOX, last)
    hub.tell(change(1, 2))
    hub.tell(change(2, 3))
    assert (leaver.heard, last.heard) == ([2], [2, 3])


def test_recent_changes_lead_on_from_where_a_session_stands() -> None:
    """All of the way or nothing: a gap means that the store must be asked."""
    hub = Hub()
    hub.watch(BOX, Listener())
    for n in range(1, RING + 3):
        hub.tell(change(n, n + 1))
    whole = hub.since(BOX, ModSeq(RING))
    assert whole is not None and (whole.before, whole.after) == (RING, RING + 3)
    assert whole.appended == (RING + 1, RING + 2, RING + 3)
    assert hub.since(BOX, ModSeq(RING)) is whole, "all who stand there share it"
    assert hub.since(BOX, ModSeq(1)) is None
    assert hub.since(BOX, ModSeq(RING + 3)) is None
    assert hub.since(OTHER, ModSeq(1)) is None


def test_a_gap_among_the_recent_changes_is_not_bridged() -> None:
    """A hint may be lost; then the ring does not lead on, and the store is asked."""
    hub = Hub()
    hub.watch(BOX, Listener())
    hub.tell(change(1, 2))
    hub.tell(change(3, 4))
    assert hub.since(BOX, ModSeq(1)) is None
    assert hub.since(BOX, ModSeq(3)) is not None


def test_nothing_is_kept_for_mailboxes_that_nobody_watches() -> None:
    """A mailbox costs nothing in the hub until somebody watches it, and nothing afterwards."""
    hub, listener = Hub(), Listener()
    hub.tell(change(1, 2))
    assert hub.since(BOX, ModSeq(1)) is None
    hub.watch(BOX, listener)
    hub.tell(change(2, 3))
    hub.unwatch(BOX, listener)
    assert hub.since(BOX, ModSeq(2)) is None and hub.watchers(BOX) == 0
