"""An errand: what a person wants done once, on a connection of its own, beside a watcher or without one. Pure.

Rule 1: an errand is driven like a machine, and ends. Rule 2: what it does to messages is in the journal first, and if
the connection is lost it begins again, so its script must be one that can be begun twice. Rule 3: it is not patient:
what a watcher waits hours for, a person is told at once.
"""

from collections.abc import Callable

from ..model.ids import UIDValidity
from .account import WatchAccount
from .conversation import Conversation, Script, Stop
from .events import Disconnect, Event, Output, State, StateChanged
from .machine import Machine
from .trouble import Over, Trouble, refused

TRIES = 3
"""Connections that are made for one errand."""

ErrandScript = Callable[[Conversation, WatchAccount], Script[None]]


class Errand(Machine):
    """
    Carries out a script on an account, and has stopped then.

    Attributes:
        finished: Whether the script came to its end.
        over: Why not; None if it did, or if somebody stopped it.
        bug: What went wrong here, if that is the reason.

    """

    def __init__(self, account: WatchAccount, script: ErrandScript) -> None:
        self.finished = False
        self.over: Over | None = None
        self.bug: Exception | None = None
        self._script_of_errand = script
        self._tries = 0
        super().__init__(account, *account.mailboxes[:1])

    def step(self, event: Event, now: float, roll: float = 0.5) -> list[Output]:
        """Take one event, as `Machine.step`; a bug ends the errand."""
        try:
            return super().step(event, now, roll)
        except Exception as error:
            self.bug = error
            self.state, self.deadline = State.STOPPED, None
            return [Disconnect(), StateChanged(State.STOPPED, "a bug")]

    def _watch(self) -> Script[Over]:
        yield from self._arrive()
        yield from self._script_of_errand(self._talk, self._account)
        self.finished = True
        raise Stop

    def _rest(self, over: Over) -> Script[None]:
        self._tries += 1
        if over.trouble is not Trouble.NET or self._tries >= TRIES:
            self.over = over
            raise Stop
        yield from super()._rest(over)


def opened(talk: Conversation, mailbox: str, read_only: bool) -> Script[UIDValidity]:
    """Select a mailbox and return its epoch. Raises Over if it cannot be had."""
    done = yield from talk.select(mailbox, read_only)
    if not done.ok:
        raise refused(f"cannot open {mailbox}", done, Trouble.MAILBOX)
    return UIDValidity(talk.numbers.get("UIDVALIDITY", 0))


__all__ = ["Errand", "ErrandScript", "opened"]
