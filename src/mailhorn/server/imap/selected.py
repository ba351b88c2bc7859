"""The selected mailbox of one session, and what is told of it."""

from collections.abc import Iterable

from ...imap.view import Count, Gone, MailboxView, Update
from ...model.ids import MailboxId, ModSeq


class Selected:
    """
    A mailbox that is open in a session.

    Attributes:
        mailbox: Which.
        view: What the client knows of it.
        read_only: EXAMINE.
        reached: How far the hub says the mailbox is; the one bit "dirty" is `reached > view.changed_to`.
        gone: The mailbox has been deleted.

    """

    __slots__ = ("gone", "mailbox", "reached", "read_only", "view")

    def __init__(self, mailbox: MailboxId, read_only: bool) -> None:
        """Stand nowhere yet: the view comes after the session has registered with the hub."""
        self.mailbox = mailbox
        self.read_only = read_only
        self.view = MailboxView()
        self.reached = ModSeq(0)
        self.gone = False

    def behind(self, expunge: bool) -> bool:
        """Say whether there is something to tell, given whether EXPUNGE may be told."""
        return self.reached > self.view.changed_to or (expunge and self.view.expunged_to < self.view.changed_to)


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
