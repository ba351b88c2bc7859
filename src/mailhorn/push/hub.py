"""Who watches what in this process (design decision D1).

Rule 1: a hint says "this mailbox has reached this mod-sequence". It carries the change as a courtesy; who
does not stand at `change.before` takes the difference from the store instead. Rule 2: `wake` is a plain
call in the same tick, it writes or remembers "dirty", and it never raises, waits or calls the hub back.
"""

from collections import deque
from itertools import pairwise
from typing import Protocol

from ..model.change import Change, merged
from ..model.ids import MailboxId, ModSeq

RING = 16
"""Changes kept per watched mailbox, so that a thousand woken sessions need not ask the store one by one."""


class Watcher(Protocol):
    """What is woken."""

    def wake(self, change: Change) -> None:
        """Take note that the mailbox has reached `change.after`. Must not raise."""


class _Channel:
    """The watchers of one mailbox, in the order they came, and its latest changes."""

    __slots__ = ("merged", "recent", "watchers")

    def __init__(self) -> None:
        self.watchers: dict[Watcher, None] = {}
        self.merged: dict[ModSeq, Change] = {}
        self.recent: deque[Change] | None = None


class Hub:
    """Sessions register here before they sync, and sync before they idle."""

    def __init__(self) -> None:
        self._channels: dict[MailboxId, _Channel] = {}

    def watch(self, mailbox: MailboxId, watcher: Watcher) -> None:
        """Wake the watcher at every later change of the mailbox. Sync after this, never before."""
        self._channels.setdefault(mailbox, _Channel()).watchers[watcher] = None

    def unwatch(self, mailbox: MailboxId, watcher: Watcher) -> None:
        """Stop waking the watcher; unknown ones are fine."""
        channel = self._channels.get(mailbox)
        if channel is not None:
            channel.watchers.pop(watcher, None)
            if not channel.watchers:
                del self._channels[mailbox]

    def tell(self, change: Change) -> None:
        """Wake all who watch the mailbox. Called after the commit and before the answer."""
        channel = self._channels.get(change.mailbox)
        if channel is None:
            return
        if channel.recent is None:
            channel.recent = deque(maxlen=RING)
        channel.recent.append(change)
        channel.merged.clear()
        for watcher in tuple(channel.watchers):
            watcher.wake(change)

    def since(self, mailbox: MailboxId, mod_seq: ModSeq) -> Change | None:
        """
        Return what leads from `mod_seq` to the latest change told, as one change; all who stand there share it.

        Returns None if it is not at hand: then ask the store.

        """
        channel = self._channels.get(mailbox)
        if channel is None or not channel.recent:
            return None
        found = channel.merged.get(mod_seq)
        if found is None:
            changes = tuple(channel.recent)
            for i, change in enumerate(changes):
                if change.before == mod_seq and _unbroken(changes[i:]):
                    found = channel.merged[mod_seq] = merged(changes[i:])
                    break
        return found

    def watchers(self, mailbox: MailboxId) -> int:
        """Return how many watch the mailbox."""
        channel = self._channels.get(mailbox)
        return len(channel.watchers) if channel else 0


def _unbroken(changes: tuple[Change, ...]) -> bool:
    return all(one.after == next_.before for one, next_ in pairwise(changes))
