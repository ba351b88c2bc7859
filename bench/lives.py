"""The people of the soak: clients that come, idle, read, tidy up, go, fall asleep and vanish, and who writes to them.

Every client keeps its own view of its mailbox by what it is told, as RFC 9051 §7 has it; the ledger is told what it
sees. What it does next is drawn from a generator with a seed; how long it takes does not depend on the server.
"""

import asyncio
import contextlib
import random
import re
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from .clients import Deliverer, Refused, Talker, now, unverified_tls
from .ledger import Ledger
from .mail import LINE, Payload
from .process import HOST
from .servers import PASSWORD, Server, address, login

LOGINS_AT_ONCE = 50
"""Of the clients of one soak; the others wait for their turn, as a thousand people do not press a key together."""
KEPT = 8
"""Messages a mailbox may hold before its owner tidies up, so that the mailboxes stay as they are for an hour."""
TIDY = 5
"""Messages that are then deleted."""
GRUDGE = 2.0
"""Seconds, at most and at random, before a client whose connection was lost tries again."""
ANSWER_WITHIN = 30.0
"""Seconds after which a client believes that the server is dead, and comes again."""
ENCRYPTED = 4
"""Every so many clients use TLS."""
OVERDUE = 0.25
"""Seconds after which a message was not just crossing with a client that stopped idling, but was not told in time."""
GONE_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset instead of a good-bye."""
SIZES = (3_000,) * 16 + (50_000,) * 3 + (300_000,)
"""Octets of the messages, drawn from these: small ones ride in the index, the last kind goes to a file first."""
POSTMEN = 4
"""Connections that deliver by LMTP, and as many by SMTP."""


class State(Enum):
    """What a client is doing."""

    AWAY = "away"
    COMING = "coming"
    IDLE = "idle"
    BUSY = "busy"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Habits:
    """
    How long people do things, in seconds; each time is drawn between half and twice of it.

    Attributes:
        stay: Between two of the events below.
        away: Between going and coming back.
        suspend: How long a suspended client does not read.
        ghost: How long a connection lingers whose client has walked out of reach and come back on another.

    """

    stay: float
    away: float
    suspend: float
    ghost: float

    @classmethod
    def for_length(cls, seconds: float) -> "Habits":
        """Return those of a run: two minutes between events in an hour, less in a short one."""
        stay = min(120.0, seconds / 6)
        return cls(stay, stay / 8, stay / 4, stay / 2)


@dataclass
class World:
    """
    What all of them share.

    Attributes:
        server: Who is soaked.
        ledger: What was sent and seen.
        habits: How long people do things.
        events: How often each kind of thing happened.
        latencies: Of this minute: seconds from the end of DATA to EXISTS at a client that idled all the while, or to
            the end of its idling if it was never told.
        replies: Of this minute: seconds from the end of DATA to its answer.
        sent: When each message was handed over.
        assembled: Set while everybody shall be there and stay.
        down: While the server is restarted: a lost connection is no surprise.
        closing: Set when the clients shall log out and end.

    """

    server: Server
    ledger: Ledger
    habits: Habits
    generator: random.Random
    clients: "list[Client]" = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    replies: list[float] = field(default_factory=list)
    sent: dict[int, float] = field(default_factory=dict)
    assembled: bool = False
    down: bool = False
    closing: bool = False
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOGINS_AT_ONCE))
    tls: ssl.SSLContext = field(default_factory=unverified_tls)
    ghosts: "set[Session]" = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def states(self) -> Counter[State]:
        """Return how many clients do what."""
        return Counter(client.state for client in self.clients)

    def draw(self, seconds: float) -> float:
        """Return a time between half and twice of this."""
        return seconds * self.generator.uniform(0.5, 2.0)

    def assemble(self, wanted: bool) -> None:
        """Call everybody to be there and stay, or let them live on."""
        self.assembled = wanted
        for client in self.clients:
            client.wake.set()

    async def until(self, true: Callable[[], bool], within: float) -> bool:
        """Wait until something is true of the clients, and return whether it was in time (seconds)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not true():
                    self.changed.clear()
                    await self.changed.wait()
        return true()


@dataclass(slots=True)
class Entry:
    """
    A message in a client's view.

    Attributes:
        arrived: When it was told of it.
        idle_since: Since when it had idled then; None if it did not.
        uid: Its UID once that is known.

    """

    arrived: float
    idle_since: float | None
    uid: int | None = None


_UNTAGGED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)")
_UID = re.compile(rb"UID (\d+)")
_NAME = re.compile(rb'"soak (\d+)"')
_UID_VALIDITY = re.compile(rb"\* OK \[UIDVALIDITY (\d+)\]")


class Session(Talker):
    """
    One connection of a client.

    Attributes:
        view: The messages by sequence number, from what was told.
        idle_since: Since when it idles; None while it does not.
        idled: From when to when it idled, the last times.
        found: (UID, message) pairs that were told and are not in the ledger yet, with their entries.
        uid_validity: As SELECT told it.

    """

    def __init__(self, stirred: Callable[[], None], fault: Callable[[str], None]) -> None:
        """`stirred` is called when there is news, or no connection any more; `fault` with what cannot be true."""
        super().__init__()
        self.view: list[Entry] = []
        self.idle_since: float | None = None
        self.idled: deque[tuple[float, float]] = deque(maxlen=8)
        self.found: list[tuple[int, int, Entry]] = []
        self.uid_validity = 0
        self._stirred = stirred
        self._fault = fault
        self._connected = False
        self._greeted = False
        self._tag = 0
        self._idle_tag = b""
        self._socket: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        super().connection_made(transport)
        self._connected = True

    def line(self, line: bytes) -> None:
        """Take everything a server may say to this client."""
        if not line.startswith(b"* "):
            self.answered(line)
        elif not self._greeted:
            self._greeted = True
            self.answered(line)
        elif told := _UNTAGGED.match(line):
            self._told(int(told[1]), told[2], line)
        elif validity := _UID_VALIDITY.match(line):
            self.uid_validity = int(validity[1])

    def _told(self, number: int, what: bytes, line: bytes) -> None:
        exist = len(self.view)
        if (number < exist) if what == b"EXISTS" else not 1 <= number <= exist:
            self._fault(f"a client that knew of {exist} messages was told {line[:80]!r}")
            self.drop()
        elif what == b"EXISTS":
            self.view += [Entry(self.arrived, self.idle_since) for _ in range(number - exist)]
            self._stirred()
        elif what == b"EXPUNGE":
            del self.view[number - 1]
        elif uid := _UID.search(line):
            entry = self.view[number - 1]
            entry.uid = int(uid[1])
            if name := _NAME.search(line):
                self.found.append((entry.uid, int(name[1]), entry))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, and the client."""
        super().connection_lost(exc)
        self.rested()
        self._stirred()

    async def open(self, port: int, tls: ssl.SSLContext | None, user: str) -> None:
        """Connect, log in and select."""
        # Our own socket: the transport's does not let us choose how it is closed.
        self._socket = socket.socket()
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await loop.sock_connect(self._socket, (HOST, port))
                greeting = self.expect()
                name = HOST if tls else None
                await loop.create_connection(lambda: self, sock=self._socket, ssl=tls, server_hostname=name)
                await self.answer(greeting, b"* OK")
        except BaseException:
            self.drop()
            self._socket.close()
            raise
        await self.command(b"LOGIN %b %b" % (user.encode(), PASSWORD.encode()))
        await self.command(b"SELECT INBOX")

    async def command(self, command: bytes) -> None:
        """Send a command and wait for its OK."""
        self._tag += 1
        tag = b"s%d " % self._tag
        async with asyncio.timeout(ANSWER_WITHIN):
            await self.ask(tag + command + b"\r\n", tag + b"OK")

    async def idle(self) -> None:
        """Begin to idle."""
        self._tag += 1
        self._idle_tag = b"s%d " % self._tag
        async with asyncio.timeout(ANSWER_WITHIN):
            await self.ask(self._idle_tag + b"IDLE\r\n", b"+")
        self.idle_since = now()

    async def done(self) -> None:
        """End to idle."""
        self.rested()
        async with asyncio.timeout(ANSWER_WITHIN):
            await self.ask(b"DONE\r\n", self._idle_tag + b"OK")

    def rested(self) -> None:
        """Note that it does not idle any more, or does not listen."""
        if self.idle_since is not None:
            self.idled.append((self.idle_since, now()))
            self.idle_since = None

    async def learn(self) -> None:
        """Ask for UID and name of what is new."""
        while any(entry.uid is None for entry in self.view):
            known = max((entry.uid for entry in self.view if entry.uid is not None), default=0)
            await self.command(b"UID FETCH %d:* (UID ENVELOPE)" % (known + 1))

    def drop(self, reset: bool = False) -> None:
        """Close without a word; with a reset, or as a program that ends."""
        self.rested()
        if self.lost or self._socket is None or not self._connected:
            return
        if reset:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GONE_AT_ONCE)
        self.transport.abort()


class Client:
    """
    One mail client with its habits.

    Attributes:
        state: What it is doing.
        wake: Set when there is something to look at.
        session: Its connection.

    """

    def __init__(self, world: World, number: int, mailbox: int, owner: bool) -> None:
        """`owner` tidies the mailbox up."""
        self.world, self.number, self.mailbox, self.owner = world, number, mailbox, owner
        self.state = State.AWAY
        self.wake = asyncio.Event()
        self.session: Session | None = None
        self._encrypted = number % ENCRYPTED == 0

    async def live(self) -> None:
        """Come and go until the world ends."""
        while not self.world.closing:
            try:
                await self._visit()
            except (Refused, OSError, TimeoutError) as error:
                if not self.world.down:
                    self.world.events["cut off" if isinstance(error, Refused) else type(error).__name__] += 1
                if self.session is not None:
                    self.session.drop()
                self._be(State.AWAY)
                await self._doze(self.world.generator.uniform(0, GRUDGE), heed=False)

    async def _visit(self) -> None:
        """Be there once, from coming to going."""
        world = self.world
        async with world.gate:
            self._be(State.COMING)
            before = self.session
            session = self.session = Session(self.wake.set, world.ledger.fault)
            if before is not None:
                session.idled.extend(before.idled)
            port = world.server.ports["imaps" if self._encrypted else "imap"]
            await session.open(port, world.tls if self._encrypted else None, login(self.mailbox))
        world.ledger.select(self.mailbox, session.uid_validity)
        world.events["came"] += 1
        await self._look(session)
        leave = now() + world.draw(world.habits.stay)
        while True:
            await self._rest(session, leave)
            if world.closing:
                await session.done()
                await session.command(b"LOGOUT")
                session.drop()
                self._be(State.AWAY)
                return
            if any(entry.uid is None for entry in session.view):
                await session.done()
                await self._look(session)
            elif now() >= leave and not world.assembled:
                if await self._turn(session):
                    return
                leave = now() + world.draw(world.habits.stay)

    async def _look(self, session: Session) -> None:
        """Read what is new, tidy up, and idle."""
        self._be(State.BUSY)
        while True:
            await session.learn()
            self._note(session)
            if self.owner and len(common := self.world.ledger.common(self.mailbox)) > KEPT:
                await self._tidy(session, common[:TIDY])
            if all(entry.uid is not None for entry in session.view):
                break
        await session.idle()
        self._be(State.IDLE)

    def _note(self, session: Session) -> None:
        """Tell the ledger what was read, and how soon it was told of."""
        ledger, world = self.world.ledger, self.world
        for uid, message, entry in session.found:
            if not ledger.see(self.number, self.mailbox, uid, message):
                continue
            sent = world.sent[message]
            if entry.idle_since is not None:
                if entry.idle_since < sent:
                    world.latencies.append(entry.arrived - sent)
            else:  # should it not have been told before?
                world.latencies += [until - sent for since, until in session.idled if since < sent < until - OVERDUE]
        session.found.clear()

    async def _tidy(self, session: Session, uids: list[int]) -> None:
        """Delete messages for good."""
        self.world.ledger.delete(self.mailbox, uids)
        chosen = ",".join(map(str, uids)).encode()
        await session.command(b"UID STORE %b +FLAGS.SILENT (\\Deleted)" % chosen)
        await session.command(b"UID EXPUNGE %b" % chosen)
        self.world.events["deleted"] += len(uids)

    async def _rest(self, session: Session, leave: float) -> None:
        """Idle until there is news, or it is time to go."""
        while not session.lost and not self.world.closing and all(entry.uid is not None for entry in session.view):
            if self.world.assembled:
                await self._doze(3600.0)
            elif (left := leave - now()) > 0:
                await self._doze(left)
            else:
                return
        if session.lost:
            raise Refused("the connection was lost")

    async def _turn(self, session: Session) -> bool:
        """Do what people do to connections; return whether this one is over."""
        world = self.world
        what = world.generator.choices(("log out", "vanish", "close", "walk away", "suspend"), (8, 4, 3, 3, 6))[0]
        world.events[what] += 1
        if what == "suspend":
            session.transport.pause_reading()
            session.rested()  # what it is told late is told late by itself
            self._be(State.SUSPENDED)
            await self._doze(world.draw(world.habits.suspend))
            if session.lost:
                raise Refused("the connection was lost")
            session.transport.resume_reading()
            session.idle_since = now()
            self._be(State.IDLE)
            return False
        if what == "walk away":
            # The network changed: the old connection stays, deaf, and the client comes again at once.
            session.transport.pause_reading()
            session.rested()
            world.ghosts.add(session)
            asyncio.get_running_loop().call_later(world.draw(world.habits.ghost), self._bury, session)
            self._be(State.AWAY)
            return True
        if what == "log out":
            await session.done()
            await session.command(b"LOGOUT")
        session.drop(reset=what == "vanish")
        self._be(State.AWAY)
        await self._doze(world.draw(world.habits.away))
        return True

    def _bury(self, session: Session) -> None:
        self.world.ghosts.discard(session)
        session.drop(reset=True)

    async def _doze(self, seconds: float, heed: bool = True) -> None:
        """Wait for news, for the call to assemble, or for so many seconds."""
        self.wake.clear()
        if heed and self.state in (State.SUSPENDED, State.AWAY) and (self.world.assembled or self.world.closing):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()

    def _be(self, state: State) -> None:
        self.state = state
        self.world.changed.set()


class Post:
    """
    Who writes: so many messages a minute, over LMTP and SMTP in turns.

    Attributes:
        waiting: Messages that no postman has taken yet.
        late: The most there ever were, but for what piled up during a restart.

    """

    def __init__(self, world: World, mailboxes: int, rate: float) -> None:
        """`rate` is in messages a minute."""
        self.world, self.mailboxes, self.pause = world, mailboxes, 60.0 / rate
        self.waiting: asyncio.Queue[int] = asyncio.Queue()
        self.late = 0
        self._bodies = {octets: LINE * (octets // len(LINE)) + b".\r\n" for octets in SIZES}

    async def write(self, stop: float) -> None:
        """Have a message sent whenever it is time, until the time has come to stop."""
        due = now()
        catching_up = False
        while (due := due + self.pause) < stop:
            await asyncio.sleep(max(0.0, due - now()))
            self.waiting.put_nowait(self.world.generator.randrange(self.mailboxes))
            if self.world.down:
                catching_up = True
            elif self.waiting.empty():
                catching_up = False
            elif not catching_up:
                self.late = max(self.late, self.waiting.qsize())

    async def carry(self, protocol: str) -> None:
        """Be one postman: take messages and deliver them until cancelled; try again whatever happens."""
        deliverer: Deliverer | None = None
        try:
            while True:
                mailbox = await self.waiting.get()
                while True:
                    try:
                        if deliverer is None:
                            hello = b"LHLO" if protocol == "lmtp" else b"EHLO"
                            deliverer = await Deliverer.open(self.world.server.ports[protocol], hello)
                        await self._deliver(deliverer, mailbox)
                        break
                    except (Refused, OSError, TimeoutError):
                        if not self.world.down:
                            self.world.events["post refused"] += 1
                        if deliverer is not None:
                            deliverer.transport.abort()
                            deliverer = None
                        await asyncio.sleep(self.world.generator.uniform(0.1, 0.5))
                self.waiting.task_done()
        finally:
            if deliverer is not None:
                deliverer.transport.abort()

    async def _deliver(self, deliverer: Deliverer, mailbox: int) -> None:
        ledger = self.world.ledger
        message = ledger.issue(mailbox)
        try:
            _, replied = await deliverer.deliver(
                address(mailbox), self._payload(message), lambda at: self.world.sent.__setitem__(message, at)
            )
        except BaseException:
            if message in self.world.sent:
                ledger.doubt(message)
            raise
        ledger.accept(message)
        self.world.events["accepted"] += 1
        self.world.replies.append(replied - self.world.sent[message])

    def _payload(self, message: int) -> Payload:
        octets = self.world.generator.choice(SIZES)
        header = (
            b"From: Soak <soak@example.org>\r\nTo: you@localhost\r\nSubject: soak %d\r\n"
            b"Message-ID: <soak.%d@bench.example.org>\r\n\r\n" % (message, message)
        )
        return header, self._bodies[octets]
