"""Who watches what in this process (design decision D1).

Rule 1: a hint says "this mailbox has reached this mod-sequence". All watchers of a mailbox share that number, so
raising it tells every one of them, however many there are; the change itself is a courtesy. Rule 2: `wake` is a
plain call that says "look": it writes or leaves it, and it never raises, waits or calls the hub back. Being woken
for nothing, twice or late does no harm. Rule 3: a long fan-out is cut into slices, the first in the tick of the
commit; between slices everybody else has a turn. Rule 4: what was computed for one watcher is there for all who stand
at the same point, and nothing of it is kept once all have been woken and none is behind. Rule 5: who looks after many
mailboxes at once (`Overseer`) costs an entry of a dict for each; it is told the change and takes note of it at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from time import monotonic
from typing import Any, Protocol

from ..model.change import Change, merged
from ..model.ids import UID, AccountId, MailboxId, ModSeq

RING = 16
"""Changes kept while a watcher is behind, so that those who were busy need not ask the store one by one."""

RING_UIDS = 1_000
"""Messages that the changes kept for those behind may name, all together: some 100 KB. More comes from the store."""

SLICE = 64
"""Watchers woken in one go: half a millisecond of system calls in the clear, a millisecond under TLS."""


class Watcher(Protocol):
    """What is woken."""

    def wake(self) -> bool:
        """
        Look how far the mailbox is and tell it, or leave it for later; returns whether all is told. Must not raise.

        Who returns False has to look again by itself, at the latest before it rests.
        """


class Overseer(Protocol):
    """Who looks after all mailboxes of an account at once. Must not raise, wait or call the hub back."""

    def note(self, change: Change) -> None:
        """Take note of a change in one of its mailboxes, which is durable."""

    def stirred(self, hint: object) -> None:
        """Take note that something else of the account is another now: its mailboxes' names, what is noted of them."""

    def wake(self) -> None:
        """Tell everybody who listens and can be told now."""


class Difference:
    """
    A change, and what those who took it made of it.

    Attributes:
        change: What to take.
        steps: Where a taker stood to where it stands then and what it told; its own business, shared by all takers.

    """

    __slots__ = ("change", "steps")

    def __init__(self, change: Change) -> None:
        """Nobody has taken it yet."""
        self.change = change
        self.steps: dict[Any, Any] = {}


class Channel:
    """
    One watched mailbox: how far it is, who watches it, and what its watchers share.

    Attributes:
        mailbox: Which.
        reached: How far it is known to be. A watcher whose picture ends before has something to look up.
        gone: It has been deleted.
        latest: The newest picture that a watcher has of it, for others who stand there.
        acl: Who may do what with it, and how far it was when that was read; None if it has to be read again.

    """

    __slots__ = ("_asked", "_differences", "_recent", "acl", "gone", "latest", "mailbox", "reached", "watchers")

    def __init__(self, mailbox: MailboxId) -> None:
        """Know nothing yet: a watcher reads the mailbox after it has registered."""
        self.mailbox = mailbox
        self.reached = ModSeq(0)
        self.gone = False
        self.latest: Any = None
        self.acl: tuple[ModSeq, Mapping[str, str]] | None = None
        self.watchers: dict[Watcher, None] = {}
        self._recent: list[Change] | None = None
        self._differences: dict[ModSeq, Difference | None] | None = None
        self._asked: dict[tuple[ModSeq, ModSeq, UID], asyncio.Future[Difference]] | None = None

    def note(self, change: Change) -> None:
        """Take note of a change: with this, every watcher has been told."""
        self.reached = max(self.reached, change.after)
        self.gone = self.gone or change.gone
        self._differences = self._asked = None
        if self._recent is None:
            self._recent = [change]
        else:
            self._recent.append(change)
            del self._recent[:-RING]

    def since(self, mod_seq: ModSeq) -> Difference | None:
        """
        Return what leads from `mod_seq` to the latest change noted, as one difference; all who stand there share it.

        Returns None if it is not at hand: then ask the store.

        """
        recent = self._recent
        if not recent:
            return None
        if self._differences is None:
            self._differences = {}
        elif mod_seq in self._differences:
            return self._differences[mod_seq]
        found = None
        for i, change in enumerate(recent):
            if change.before == mod_seq:
                rest = recent[i:]
                if all(one.after == next_.before for one, next_ in pairwise(rest)):
                    found = Difference(merged(rest))
                break
        self._differences[mod_seq] = found
        return found

    async def ask(self, store: "Source", changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Difference:
        """
        Ask the store what `since` does not have; those who stand at the same point ask once between two changes.

        Raises what the store raises.
        """
        if len(self.watchers) == 1:
            return Difference(await store.changes_since(self.mailbox, changed_to, expunged_to, last_uid))
        point = (changed_to, expunged_to, last_uid)
        asked = self._asked = self._asked or {}
        answer = asked.get(point)
        if answer is None:
            # A task, since who asked first may go away while others wait.
            answer = asked[point] = asyncio.ensure_future(self._answer(store, *point))
        try:
            return await asyncio.shield(answer)
        finally:
            if answer.done() and asked.get(point) is answer and (answer.cancelled() or answer.exception()):
                del asked[point]  # the next one may have more luck

    async def _answer(self, store: "Source", changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Difference:
        return Difference(await store.changes_since(self.mailbox, changed_to, expunged_to, last_uid))

    def doubt(self, mod_seq: ModSeq) -> None:
        """Take a hint that more has happened than is noted, and after this: somebody saw it in the store."""
        self.reached = ModSeq(max(self.reached, mod_seq) + 1)

    def correct(self, reached: ModSeq, found: ModSeq) -> None:
        """
        Believe the store: a hint said `reached` before it was asked, and it knows of nothing after `found`.

        What was noted while it was asked stands.
        """
        if found < reached == self.reached:
            self.reached = found

    def rest(self, behind: bool) -> None:
        """Give memory back: all have been woken. If some are behind, keep for them what is small."""
        self._differences = self._asked = None
        recent = self._recent
        if recent and behind:
            left = RING_UIDS
            for i in range(len(recent) - 1, -1, -1):
                left -= len(recent[i].appended) + len(recent[i].updated) + len(recent[i].expunged)
                if left < 0:
                    del recent[: i + 1]
                    break
        else:
            self._recent = None

    def alone(self) -> None:
        """Give memory back if the watcher that is now up to date is the only one."""
        if self._recent is not None and len(self.watchers) == 1:
            self.rest(behind=False)


class Source(Protocol):
    """Where a difference is looked up: `store.abc.Index`."""

    async def changes_since(self, mailbox: MailboxId, changed_to: ModSeq, expunged_to: ModSeq, last_uid: UID) -> Change:
        """Return all that happened after the two points."""


class _Round:
    """A fan-out that is not at its end: who is to be woken, how many have been, and why it all begins again."""

    __slots__ = ("again", "at", "behind", "changes", "first_at", "watchers")

    def __init__(self, watchers: tuple[Watcher, ...], changes: list[Change]) -> None:
        self.watchers = watchers
        self.changes = changes
        self.first_at = 0.0
        self.at = 0
        self.behind = False
        self.again: list[Change] = []


class Hub:
    """
    Sessions register here before they sync, and sync before they idle.

    Attributes:
        pushed: Called, if given, when all watchers have been woken for new messages: with the change and with when
            the first and the last of them had been, on `time.monotonic`. Must not raise or block.
        renamed: Called, if given, with what `stir` is told: whose mailboxes, or which, are called otherwise. Must not
            raise or block.

    """

    def __init__(self, later: Callable[[Callable[[], None]], object] | None = None) -> None:
        """
        Make a hub that nobody watches.

        Args:
            later: Calls its argument in another turn of the event loop; the running loop's `call_soon` if not given.

        """
        self._channels: dict[MailboxId, Channel] = {}
        self._accounts: dict[AccountId, Overseer] = {}
        self._overseers: dict[MailboxId, tuple[Overseer, ...]] = {}
        self._rounds: dict[Channel, _Round] = {}
        self._later = later
        self.pushed: Callable[[Change, float, float], None] | None = None
        self.renamed: Callable[[Sequence[AccountId], Sequence[MailboxId]], None] | None = None

    def watch(self, mailbox: MailboxId, watcher: Watcher) -> Channel:
        """Wake the watcher at every later change of the mailbox. Sync after this, never before."""
        channel = self._channels.get(mailbox)
        if channel is None:
            channel = self._channels[mailbox] = Channel(mailbox)
        channel.watchers[watcher] = None
        return channel

    def unwatch(self, mailbox: MailboxId, watcher: Watcher) -> None:
        """Stop waking the watcher; unknown ones are fine."""
        channel = self._channels.get(mailbox)
        if channel is not None:
            channel.watchers.pop(watcher, None)
            if not channel.watchers:
                del self._channels[mailbox]

    def appoint(self, account: AccountId, overseer: Overseer) -> None:
        """Let it know from now on what `stir` says of the account; there is one for each."""
        self._accounts[account] = overseer

    def overseer(self, account: AccountId) -> Overseer | None:
        """Return who looks after the account's mailboxes, if anybody does."""
        return self._accounts.get(account)

    def oversee(self, mailboxes: Iterable[MailboxId], overseer: Overseer) -> None:
        """Let it know of every later change of the mailboxes. Read them after this, never before."""
        alone = (overseer,)
        for mailbox in mailboxes:
            known = self._overseers.get(mailbox)
            self._overseers[mailbox] = alone if known is None else (*known, overseer)

    def neglect(self, mailboxes: Iterable[MailboxId], overseer: Overseer) -> None:
        """Tell it no more of the mailboxes."""
        for mailbox in mailboxes:
            left = tuple([one for one in self._overseers.get(mailbox, ()) if one is not overseer])
            if left:
                self._overseers[mailbox] = left
            else:
                self._overseers.pop(mailbox, None)

    def dismiss(self, account: AccountId, mailboxes: Iterable[MailboxId]) -> None:
        """Nobody looks after the account any more; the mailboxes are those it was told to oversee."""
        overseer = self._accounts.pop(account, None)
        if overseer is not None:
            self.neglect(mailboxes, overseer)

    @property
    def overseen(self) -> bool:
        """Whether anybody looks after any account: if not, nobody need be told by `stir`."""
        return bool(self._accounts)

    def stir(self, accounts: Iterable[AccountId], mailboxes: Iterable[MailboxId] = (), hint: object = None) -> None:
        """
        Tell that mailboxes are called otherwise, or something else is noted of them.

        Called when it is durable and before the answer.

        Args:
            accounts: Those who look after these are told,
            mailboxes: and those who look after these.
            hint: What it is about, a matter between who tells and who listens.

        """
        accounts, mailboxes = tuple(accounts), tuple(mailboxes)
        if self.renamed is not None:
            self.renamed(accounts, mailboxes)
        found = {self._accounts[account]: None for account in accounts if account in self._accounts}
        for mailbox in mailboxes:
            found.update(dict.fromkeys(self._overseers.get(mailbox, ())))
        self._stir(tuple(found), hint)

    def stir_all(self) -> None:
        """Tell everybody: it is another matter who may see what."""
        self._stir(tuple(self._accounts.values()), None)

    def _stir(self, overseers: Sequence[Overseer], hint: object) -> None:
        for overseer in overseers:
            overseer.stirred(hint)
        if overseers:
            self._wake(overseers)

    def _wake(self, overseers: Sequence[Overseer]) -> None:
        """Wake the first of them now, the others in later turns: each wakes its own sessions, a handful."""
        for overseer in overseers[:SLICE]:
            overseer.wake()
        if len(overseers) > SLICE:
            later = self._later or asyncio.get_running_loop().call_soon
            later(lambda: self._wake(overseers[SLICE:]))

    def tell(self, change: Change) -> None:
        """
        Tell all who watch the mailbox. Called after the commit and before the answer.

        When this returns, every watcher knows that the mailbox has gone on, and no session rests before it has told
        its client; the first of them have already been woken, the others are in the next turns of the loop.
        """
        overseers = self._overseers.get(change.mailbox, ())
        self._tell_watchers(change)
        if overseers:
            self._tell_overseers(overseers, change)

    def _tell_overseers(self, overseers: Sequence[Overseer], change: Change) -> None:
        """Let the first of them know now, the others in later turns; who is known to have missed one looks it up."""
        for overseer in overseers[:SLICE]:
            overseer.note(change)
        self._wake(overseers[:SLICE])
        if len(overseers) > SLICE:
            later = self._later or asyncio.get_running_loop().call_soon
            later(lambda: self._tell_overseers(overseers[SLICE:], change))

    def _tell_watchers(self, change: Change) -> None:
        channel = self._channels.get(change.mailbox)
        if channel is None:
            return
        channel.note(change)
        round_ = self._rounds.get(channel)
        if round_ is not None:
            round_.again.append(change)
        elif len(channel.watchers) <= SLICE:
            behind = False
            first_at = 0.0
            for watcher in tuple(channel.watchers):
                if not watcher.wake():
                    behind = True
                first_at = first_at or monotonic()
            channel.rest(behind)
            self._done((change,), first_at)
        else:
            self._rounds[channel] = _Round(tuple(channel.watchers), [change])
            self._go_on(channel)

    def _go_on(self, channel: Channel) -> None:
        """Wake the next slice; who has left meanwhile is woken for nothing."""
        round_ = self._rounds[channel]
        start, round_.at = round_.at, round_.at + SLICE
        for watcher in round_.watchers[start : round_.at]:
            if not watcher.wake():
                round_.behind = True
            round_.first_at = round_.first_at or monotonic()
        if round_.at >= len(round_.watchers):
            self._done(round_.changes, round_.first_at)
            if not round_.again:
                del self._rounds[channel]
                channel.rest(round_.behind)
                return
            self._rounds[channel] = _Round(tuple(channel.watchers), round_.again)
        later = self._later or asyncio.get_running_loop().call_soon
        later(lambda: self._go_on(channel))

    def _done(self, changes: Sequence[Change], first_at: float) -> None:
        """Say when the new messages had been pushed. What came while others were told counts from its own round on."""
        if self.pushed is not None:
            last_at = monotonic()
            for change in changes:
                if change.appended:
                    self.pushed(change, first_at, last_at)

    def watchers(self, mailbox: MailboxId) -> int:
        """Return how many watch the mailbox."""
        channel = self._channels.get(mailbox)
        return len(channel.watchers) if channel else 0


__all__ = ["Channel", "Difference", "Hub", "Overseer", "Source", "Watcher"]
