"""The selected mailbox of one session, and what is told of it.

Rule: a view is never changed here but replaced: sessions that stand at the same point hold the same view, take the same
step from it, and tell the same octets, which are made once.
"""

from collections.abc import Iterable

from ...imap.view import Count, Gone, MailboxView, Update
from ...model.ids import MailboxId
from ...push.hub import Channel, Difference


class Selected:
    """
    A mailbox that is open in a session.

    Attributes:
        channel: How far the mailbox is; what the sessions that have it open share.
        view: What the client knows of it.
        read_only: EXAMINE.

    """

    __slots__ = ("channel", "read_only", "view")

    def __init__(self, channel: Channel, read_only: bool) -> None:
        """Stand nowhere yet: the view comes after the session has registered with the hub."""
        self.channel = channel
        self.read_only = read_only
        self.view = _NOWHERE

    @property
    def mailbox(self) -> MailboxId:
        """Which mailbox it is."""
        return self.channel.mailbox

    @property
    def gone(self) -> bool:
        """Whether the mailbox has been deleted."""
        return self.channel.gone

    def behind(self, expunge: bool) -> bool:
        """Say whether there is something to tell, given whether EXPUNGE may be told."""
        view = self.view
        return self.channel.reached > view.changed_to or (expunge and view.expunged_to < view.changed_to)

    def begin(self, view: MailboxView) -> None:
        """Stand where the mailbox was read."""
        self.view = self._same(view)

    def advance(self, difference: Difference, expunge: bool) -> bytes:
        """Take a difference, and return what the client is told of it."""
        self.view, data = self._step(difference, expunge)
        return data

    def at_once(self, most: int) -> bytes | None:
        """Take all there is if the hub has it, and return what the client is told; None if it is more than `most`."""
        channel, view = self.channel, self.view
        if view.changed_to != view.expunged_to or channel.gone:
            return None
        if channel.reached <= view.changed_to:
            return b""
        difference = channel.since(view.changed_to)
        if difference is None:
            return None
        step = difference.steps.get(view) or self._step(difference, True)
        if len(step[1]) > most:
            return None
        self.view = step[0]
        data: bytes = step[1]
        return data

    def _step(self, difference: Difference, expunge: bool) -> tuple[MailboxView, bytes]:
        point = self.view if expunge else (self.view, False)
        step: tuple[MailboxView, bytes] | None = difference.steps.get(point)
        if step is None:
            view = self.view.fork()
            data = told(view.apply(difference.change, expunge=expunge))
            step = difference.steps[point] = (self._same(view), data)
        return step

    def _same(self, view: MailboxView) -> MailboxView:
        """Return the view that another session has already if it stands where this one does: they are the same."""
        latest: MailboxView | None = self.channel.latest
        if view.changed_to != view.expunged_to:
            return view
        if latest is not None:
            if latest.changed_to == view.changed_to and len(latest) == len(view):
                return latest
            if latest.changed_to > view.changed_to:
                return view
        self.channel.latest = view
        return view


_NOWHERE = MailboxView()


def told(updates: Iterable[Update]) -> bytes:
    """Return the untagged responses for what a view says must be told (RFC 9051 §7.4.1, §7.5)."""
    lines = []
    for update in updates:
        if isinstance(update, Count):
            lines.append(b"* %d EXISTS\r\n" % update.messages)
        elif isinstance(update, Gone):
            lines.append(b"* %d EXPUNGE\r\n" % update.seq)
        else:
            lines.append(b"* %d FETCH (UID %d FLAGS (%b))\r\n" % (update.seq, update.uid, update.flags.encode("ascii")))
    return b"".join(lines)


__all__ = ["Selected", "told"]
