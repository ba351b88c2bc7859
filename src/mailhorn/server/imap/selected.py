"""The selected mailbox of one session, and what is told of it.

Rule: a view is never changed here but replaced: sessions that stand at the same point hold the same view, take the same
step from it, and tell the same octets, which are made once.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from enum import Enum

from ...imap.grammar.ext.qresync import vanished_lines
from ...imap.view import Count, Gone, MailboxView, Update
from ...model.change import Change
from ...model.flags import SYSTEM_FLAGS
from ...model.ids import UID, MailboxId, ModSeq, SeqNum
from ...model.numbers import UIDSet
from ...model.rights import EVERY, flags_allowed
from ...push.hub import Channel, Difference
from .contexts import Contexts


class Manner(Enum):
    """How a client is told what happens: what it asked for once holds while it is connected (RFC 7162 §3.1)."""

    PLAIN = "EXPUNGE, and FETCH without mod-sequences"
    MOD_SEQ = "EXPUNGE, and FETCH with mod-sequences: CONDSTORE"
    VANISHED = "VANISHED, and FETCH with mod-sequences: QRESYNC"


class Selected:
    """
    A mailbox that is open in a session.

    Attributes:
        channel: How far the mailbox is; what the sessions that have it open share.
        view: What the client knows of it.
        read_only: EXAMINE.
        manner: How the client is told.
        uid_only: Without message numbers (RFC 9586).
        announced: The HIGHESTMODSEQ the client was told last.
        seen: The greatest mod-sequence of what a command told that read more than the view stands for.
        unheard: Where it stood when flags changed that the client did not want to be told of (RFC 5465 §5.1).
        uid_next: No message of the view, as it was when the mailbox was opened, had this UID or a greater one.
        saved: What `$` stands for (RFC 5182).
        rights: What may be done with it; all if it is one's own.
        guest: It is somebody else's.
        unsure: Somebody has changed who may do what with it.
        revoked: It may not be read any more.
        contexts: Searches whose results are kept up to date, None while there are none (RFC 5267).

    """

    __slots__ = (
        "announced",
        "channel",
        "contexts",
        "guest",
        "manner",
        "read_only",
        "revoked",
        "rights",
        "saved",
        "seen",
        "uid_next",
        "uid_only",
        "unheard",
        "unsure",
        "view",
    )

    def __init__(self, channel: Channel, read_only: bool, manner: Manner = Manner.PLAIN) -> None:
        """Stand nowhere yet: the view comes after the session has registered with the hub."""
        self.channel = channel
        self.read_only = read_only
        self.manner = manner
        self.view = _NOWHERE
        self.announced = self.seen = ModSeq(0)
        self.unheard: ModSeq | None = None
        self.uid_only = False
        self.uid_next = 1
        self.saved = UIDSet(())
        self.contexts: Contexts | None = None
        self.rights = EVERY
        self.guest = self.unsure = self.revoked = False

    @property
    def mailbox(self) -> MailboxId:
        """Which mailbox it is."""
        return self.channel.mailbox

    @property
    def gone(self) -> bool:
        """Whether the mailbox has been deleted, or is as good as deleted for who has it open."""
        return self.channel.gone or self.revoked

    @property
    def permanent(self) -> tuple[str, ...]:
        """The flags that can be changed for good, `\\*` for keywords (RFC 4314 §5.1.1)."""
        if self.read_only:
            return ()
        may = flags_allowed(self.rights)
        flags = SYSTEM_FLAGS if may is None else tuple(filter(may, SYSTEM_FLAGS))
        return (*flags, "\\*") if "w" in self.rights else flags

    def behind(self, expunge: bool) -> bool:
        """Say whether there is something to tell, given whether EXPUNGE may be told."""
        view = self.view
        return self.channel.reached > view.changed_to or (expunge and view.expunged_to < view.changed_to)

    def note(self, mod_seqs: Iterable[ModSeq]) -> None:
        """
        Take note that messages with these mod-sequences are told.

        They were read from the index, which may be ahead of what this process has been told by one group of commits:
        a sync that goes only as far as that would tell flags that are older than these, and a client that knows
        mod-sequences would believe to have heard of all that happened before.
        """
        if self.manner is not Manner.PLAIN or self.channel.reached > self.view.changed_to:
            self.seen = max(self.seen, max(mod_seqs, default=self.seen))

    @property
    def astray(self) -> bool:
        """
        Whether a client that knows mod-sequences would be wrong about where it stands, by what it was told.

        It takes the greatest mod-sequence of a FETCH, though an expunge before it may be held back (RFC 7162 §3.2, §6).
        """
        if self.manner is Manner.PLAIN or self.gone:
            return False
        return self.announced != self._heard or self.seen > self.announced or self.behind(True)

    @property
    def _heard(self) -> ModSeq:
        """How far the client has heard of everything."""
        return self.view.expunged_to if self.unheard is None else min(self.unheard, self.view.expunged_to)

    def announce(self) -> ModSeq:
        """Return the HIGHESTMODSEQ that the client is told now: all that happened up to there it has heard of."""
        self.announced = self._heard
        return self.announced

    def begin(self, view: MailboxView) -> None:
        """Stand where the mailbox was read."""
        self.view = self._same(view)

    def advance(self, difference: Difference, expunge: bool, flags: bool = True) -> bytes:
        """Take a difference, and return what the client is told of it; without `flags`, not which are others now."""
        contexts, left = self.contexts, b""
        if contexts is not None:
            left = contexts.leave(self.view, difference.change) if expunge else b""
            contexts.stir(difference.change)
        if not flags and difference.change.updated:
            self.unheard = self.unheard or self.view.changed_to
            difference = Difference(replace(difference.change, updated=()))
        self.view, data = self._step(difference, expunge)
        return left + data

    def in_parts(self, change: Change, expunge: bool, flags: bool = True) -> Iterator[bytes]:
        """Take a change as `advance` does, and yield what the client is told of it, each part the work of a moment."""
        if expunge:
            for end in range(len(change.expunged), 0, -MANY):  # from the end, as one would be told
                gone = Change(
                    change.mailbox, change.before, change.before, expunged=change.expunged[max(0, end - MANY) : end]
                )
                view = self.view.fork()
                data = told(view.apply(gone, expunge=True), self.manner, self.uid_only)
                self.view = view
                yield data
        if flags:
            for start in range(0, len(change.updated), MANY):
                updates = self.view.flagged(change.updated[start : start + MANY])
                yield told(updates, self.manner, self.uid_only)
        elif change.updated:
            self.unheard = self.unheard or self.view.changed_to
        rest = replace(change, updated=(), expunged=() if expunge else change.expunged)
        self.view, data = self._step(Difference(rest), expunge)
        yield data

    def at_once(self, most: int) -> bytes | None:
        """Take all there is if the hub has it, and return what the client is told; None if it is more than `most`."""
        channel, view = self.channel, self.view
        if view.changed_to != view.expunged_to or channel.gone or self.contexts is not None:
            return None
        if channel.reached <= view.changed_to:
            return b""
        difference = channel.since(view.changed_to)
        if difference is None or is_much(difference.change):
            return None
        step = difference.steps.get(self._point(True)) or self._step(difference, True)
        if len(step[1]) > most:
            return None
        self.view = step[0]
        data: bytes = step[1]
        return data

    def _point(self, expunge: bool) -> Hashable:
        """Return what all have in common who take the same step and tell it in the same words."""
        if self.manner is Manner.PLAIN and not self.uid_only:
            return self.view if expunge else (self.view, False)
        return self.view, self.manner, self.uid_only, expunge

    def _step(self, difference: Difference, expunge: bool) -> tuple[MailboxView, bytes]:
        point = self._point(expunge)
        step: tuple[MailboxView, bytes] | None = difference.steps.get(point)
        if step is None:
            view = self.view.fork()
            data = told(view.apply(difference.change, expunge=expunge), self.manner, self.uid_only)
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

MANY = 1_000
"""Messages of a change that are told in one go, some 3 ms. What is more is told in parts, and others have turns."""


def is_much(change: Change) -> bool:
    """Say whether it takes long to tell a change: new messages are only counted."""
    return len(change.updated) + len(change.expunged) > MANY


def told(updates: Iterable[Update], manner: Manner = Manner.PLAIN, uid_only: bool = False) -> bytes:
    """Return the untagged responses for what a view says must be told (RFC 9051 §7.4.1, §7.5; RFC 7162 §3.2.4)."""
    lines = []
    vanished = []
    for update in updates:
        if isinstance(update, Count):
            lines.append(b"* %d EXISTS\r\n" % update.messages)
        elif isinstance(update, Gone):
            if manner is Manner.VANISHED or uid_only:
                vanished.append(update.uid)
            else:
                lines.append(b"* %d EXPUNGE\r\n" % update.seq)
        else:
            lines.append(flags_line(update.seq, update.uid, update.flags, update.mod_seq, manner, uid_only))
    return vanished_lines(UIDSet.of(vanished), earlier=False) + b"".join(lines)  # a view tells first who is gone


def flags_line(seq: SeqNum, uid: UID, flags: str, mod_seq: ModSeq, manner: Manner, uid_only: bool = False) -> bytes:
    """Return the FETCH that nobody asked for: with its UID always, with its mod-sequence where it is wanted."""
    if uid_only:
        mod_seq_item = b"" if manner is Manner.PLAIN else b" MODSEQ (%d)" % mod_seq
        return b"* %d UIDFETCH (FLAGS (%b)%b)\r\n" % (uid, flags.encode("ascii"), mod_seq_item)
    if manner is Manner.PLAIN:
        return b"* %d FETCH (UID %d FLAGS (%b))\r\n" % (seq, uid, flags.encode("ascii"))
    return b"* %d FETCH (UID %d FLAGS (%b) MODSEQ (%d))\r\n" % (seq, uid, flags.encode("ascii"), mod_seq)


__all__ = ["Manner", "Selected", "flags_line", "told"]
