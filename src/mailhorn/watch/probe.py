"""Looking at an account once, and changing nothing: the watcher's own login, mailboxes opened read-only. Pure.

A probe is driven like a machine; it makes one connection, looks, logs out, and has stopped then.
"""

from dataclasses import dataclass

from ..imap.client import ClientConnection
from ..imap.responses import Exists
from .account import Security, WatchAccount
from .conversation import Script, Stop
from .events import Connect, Event, Heard, Output, State
from .login import log_in
from .machine import Machine
from .mailbox import Directory
from .trouble import Over, said


@dataclass(frozen=True, slots=True)
class Looked:
    """
    A mailbox that was to be watched.

    Attributes:
        name: Which.
        messages: How many it has; None if it cannot be opened.
        trouble: Why it cannot be watched, "" if it can.

    """

    name: str
    messages: int | None
    trouble: str = ""


class Probe(Machine):
    """
    Looks at an account.

    Attributes:
        over: Why it could not be looked at; None as long as nothing went wrong.
        greeting: What the server said first.
        capabilities: What it can do after the login, sorted.
        mechanism: How we have logged in.
        encrypted: Whether the connection is.
        mailboxes: How many there are.
        trash: Where discarded messages go.
        looked: The mailboxes that were to be watched.

    """

    def __init__(self, account: WatchAccount, *mailboxes: str) -> None:
        self.over: Over | None = None
        self.greeting = b""
        self.capabilities: tuple[str, ...] = ()
        self.mechanism = ""
        self.encrypted = False
        self.mailboxes = 0
        self.trash = ""
        self.looked: list[Looked] = []
        self._messages = 0
        super().__init__(account, *mailboxes)

    def step(self, event: Event, now: float, roll: float = 0.5) -> list[Output]:
        """Take one event, as `Machine.step`."""
        if isinstance(event, Heard):
            for heard in event.events:
                response = getattr(heard, "response", None)
                if isinstance(response, Exists):
                    self._messages = response.count
        return super().step(event, now, roll)

    def _life(self) -> Script[None]:
        try:
            yield from self._look()
        except Over as over:
            self.over = over
        except Stop:
            pass
        yield from self._farewell()
        self._enter(State.STOPPED, "" if self.over is None else self.over.told)

    def _look(self) -> Script[None]:
        talk, account = self._talk, self._account
        talk.begin()
        talk.connection = ClientConnection()
        talk.out.append(Connect(talk.connection, account.tls is Security.IMPLICIT))
        yield from log_in(talk, account, self._provider.sends_id)
        self.greeting = b"" if talk.greeting is None else talk.greeting.text
        self.capabilities = tuple(sorted(talk.imap.capabilities or ()))
        self.mechanism = talk.logged_in_by
        self.encrypted = talk.upgraded or account.tls is Security.IMPLICIT
        directory = Directory(talk, account)
        self.trash = yield from directory.trash()
        if directory.names is None:
            yield from directory.learn()
        self.mailboxes = directory.count
        for name in account.mailboxes:
            self._messages = 0
            done = yield from talk.select(name, read_only=True)
            if not done.ok:
                self.looked.append(Looked(name, None, said(done.text) or "it cannot be opened"))
            else:
                trouble = "" if talk.numbers.get("UIDVALIDITY") else "the server tells no UIDVALIDITY for it"
                self.looked.append(Looked(name, self._messages, trouble))


__all__ = ["Looked", "Probe"]
