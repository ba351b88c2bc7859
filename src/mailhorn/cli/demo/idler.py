"""A mail client that idles on one mailbox and notes the moment each message is told, on a real socket."""

import asyncio
import time

from ...imap.client import ClientConnection, Completed, Eof, Greeting, ProtocolViolation, UntaggedReceived
from ...imap.commands import Command, Keyword, Login, Select, Simple
from ...imap.responses import Exists, Expunged
from ...net.dial import connect
from ...net.pump import Pump
from ..failure import CommandFailed


class Idler:
    """
    One connection in IDLE.

    Attributes:
        moments: When each message that came was told, in seconds of `time.monotonic`, in order.

    """

    def __init__(self, login: str, password: str, mailbox: str) -> None:
        self.moments: list[float] = []
        self._core = ClientConnection()
        self._pump: Pump | None = None
        self._mailbox = mailbox
        self._steps: list[Command] = [
            Login(login.encode(), password.encode()),
            Select(mailbox),
            Simple(Keyword.IDLE),
        ]
        self._held = 0
        self._idling = False
        self._error: str | None = None
        self._changed = asyncio.Event()

    async def start(self, host: str, port: int) -> None:
        """Connect, log in, select and idle. Raises CommandFailed, OSError."""
        await connect(host, port, self._core, self)
        while not self._idling:
            await self._change()

    async def arrival(self, number: int) -> float:
        """Return when message `number`, from 0, was told; waits for it. Raises CommandFailed if the server is gone."""
        while len(self.moments) <= number:
            await self._change()
        return self.moments[number]

    def close(self) -> None:
        """End the connection."""
        if self._pump is not None:
            self._pump.close()

    async def _change(self) -> None:
        if self._error is not None:
            raise CommandFailed(f"the IDLE client on {self._mailbox}: {self._error}")
        self._changed.clear()
        await self._changed.wait()

    # net.pump.Session

    def connected(self, pump: Pump) -> None:
        """Keep the pump; the server speaks first."""
        self._pump = pump

    def received(self) -> None:
        """Go on with the log-in, or note what was told."""
        now = time.monotonic()
        for event in self._core.events_received():
            match event:
                case Greeting():
                    self._core.send(self._steps.pop(0))
                case Completed(condition=condition, text=text) if not event.ok:
                    self._fail(f"{condition.name} {text.decode('utf-8', 'replace')}")
                case Completed() if self._steps:
                    step = self._steps.pop(0)
                    self._core.send(step)
                    self._idling = not self._steps
                case UntaggedReceived(response=Exists(count)):
                    if self._idling:
                        self.moments += [now] * (count - self._held)
                    self._held = count
                case UntaggedReceived(response=Expunged()):
                    self._held -= 1
                case ProtocolViolation(reason=reason):
                    self._fail(reason)
                case Eof():
                    self._fail("the server closed the connection")
                case _:
                    pass
        self._changed.set()

    def writable(self) -> None:
        """Nothing waits to be sent."""

    def lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        self._fail(f"the connection was lost{f': {error}' if error else ''}")
        self._changed.set()

    def _fail(self, reason: str) -> None:
        if self._error is None:
            self._error = reason
