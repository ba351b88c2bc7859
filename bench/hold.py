"""How long one client keeps all others waiting: what a mailbox of many messages costs those who watch another one.

While one connection lets a command look at all of a large mailbox, messages are delivered to another mailbox, and those
who idle there note when they are told; a third connection asks for nothing over and over, and notes the longest it had
to wait. The command runs in a thread, so that who measures is not kept waiting by it as well.
"""

import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from .clients import Commander, Deliverer, Talker, now
from .commands import LIST_VIEW, grow
from .figures import Figure, milliseconds, percentile
from .fleet import Fleet
from .mail import payloads
from .servers import PASSWORD, Server, address, login

WATCHERS = 10
"""Who idle on the other mailbox."""
SWITCH = 0.0005
"""Seconds after which the thread that reads a command's answer lets go of the interpreter: by default it keeps who
measures waiting for ten times as long, and that was taken for the server's."""
PAUSE = 0.01
"""Seconds between an answer to a delivery and the next one."""
LOST = 15.0
"""Seconds after which a push is taken to be lost."""
ROUNDS = 40
"""Times that a command is run at most, to have enough deliveries beside it."""


@dataclass(frozen=True)
class Step:
    """
    A command.

    Attributes:
        name: In the table.
        command: What is measured; more than one are given in turn.
        before: What has to be done for it, not measured, each time.
        once: It cannot be done again.

    """

    name: str
    command: tuple[bytes, ...]
    before: tuple[bytes, ...] = ()
    once: bool = False


STEPS = (
    Step("nothing", (b"NOOP",)),
    Step("SELECT", (b"SELECT INBOX",)),
    Step("FETCH FLAGS", (b"FETCH 1:* (FLAGS)",)),
    Step("FETCH ENVELOPE", (b"FETCH 1:* (ENVELOPE)",)),
    Step("FETCH BODYSTRUCTURE", (b"FETCH 1:* (BODYSTRUCTURE)",)),
    Step("the list view", (LIST_VIEW,)),
    Step("FETCH of headers", (b"FETCH 1:* (BODY.PEEK[HEADER])",), once=True),
    Step("FETCH of bodies", (b"FETCH 1:* (BODY.PEEK[])",), once=True),
    Step("SEARCH ALL", (b"SEARCH ALL",)),
    Step("SEARCH UNSEEN", (b"SEARCH UNSEEN",)),
    Step("SEARCH SUBJECT", (b"UID SEARCH SUBJECT invoice",)),
    Step("SEARCH TEXT", (b"UID SEARCH TEXT needle000777",)),
    Step("SEARCH TEXT of what is nowhere", (b"UID SEARCH TEXT neverwritten",)),
    Step("SORT SUBJECT", (b"SORT (SUBJECT) UTF-8 ALL",)),
    Step("SORT DATE", (b"UID SORT (REVERSE DATE) UTF-8 ALL",)),
    Step("THREAD REFERENCES", (b"THREAD REFERENCES UTF-8 ALL",), once=True),
    Step("THREAD ORDEREDSUBJECT", (b"THREAD ORDEREDSUBJECT UTF-8 ALL",)),
    Step("STORE", (b"STORE 1:* +FLAGS (\\Flagged)", b"STORE 1:* -FLAGS (\\Flagged)")),
    Step("STORE.SILENT", (b"STORE 1:* +FLAGS.SILENT (work)", b"STORE 1:* -FLAGS.SILENT (work)")),
    Step("COPY", (b"COPY 1:* Copies",), once=True),
    Step("MOVE", (b"MOVE 1:* Moved",), (b"SELECT Copies",), once=True),
    Step("EXPUNGE", (b"EXPUNGE",), (b"SELECT Moved", b"STORE 1:* +FLAGS.SILENT (\\Deleted)"), once=True),
    Step("DELETE of a mailbox", (b"DELETE Gone",), (b"CREATE Gone", b"SELECT INBOX", b"COPY 1:* Gone"), once=True),
)


@dataclass
class Beside:
    """
    What was seen while a command ran, in seconds.

    Attributes:
        told: From the end of DATA to EXISTS, of what was sent while it ran, also if that came only after it.
        waited: For the answer to NOOP.
        commands: How long each run of it took.
        over: It will not run again.

    """

    told: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    over: bool = False


class Asker(Talker):
    """Asks for nothing."""

    def line(self, line: bytes) -> None:
        """Take greeting and answers."""
        if not line.startswith(b"* ") or line.startswith(b"* OK [CAPABILITY"):
            self.answered(line)


async def hold(
    server: Server, large: int, other: int, messages: int, seconds: float, names: Sequence[str] = ()
) -> list[Figure]:
    """Run each command for about so long, and return what the others had of it."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        return await _hold(server, large, other, messages, seconds, names)
    finally:
        sys.setswitchinterval(usual)


async def _hold(
    server: Server, large: int, other: int, messages: int, seconds: float, names: Sequence[str]
) -> list[Figure]:
    await grow(server, large, messages)
    session = Commander(server.ports["imap"], login(large))
    asker = Asker()
    fleet = Fleet()
    deliverer = await Deliverer.open(server.ports["lmtp"])
    figures = []
    try:
        for name in (b"Copies", b"Moved"):
            session.ask(b"CREATE " + name)
        session.ask(b"SELECT INBOX")
        await asker.connect(server.ports["imap"], b"* OK")
        await asker.ask(b"a LOGIN %b %b\r\n" % (login(other).encode(), PASSWORD.encode()), b"a OK")
        await fleet.open(server, [other] * WATCHERS, encrypted=False)
        await asyncio.to_thread(session.ask, b"FETCH 1:* (FLAGS)")
        for step in STEPS:
            if names and step.name not in names:
                continue
            await server.quiet()
            figures.append(await _step(step, session, asker, fleet, deliverer, other, seconds))
    finally:
        session.close()
        asker.transport.abort()
        deliverer.transport.abort()
        await fleet.close(server)
    return figures


async def _step(
    step: Step, session: Commander, asker: Asker, fleet: Fleet, deliverer: Deliverer, other: int, seconds: float
) -> Figure:
    seen = Beside()
    running = asyncio.Event()
    beside = [asyncio.create_task(_deliver(deliverer, fleet, other, running, seen))]
    beside.append(asyncio.create_task(_ask(asker, running, seen)))
    try:
        while sum(seen.commands) < seconds and len(seen.commands) < ROUNDS * len(step.command):
            command = step.command[len(seen.commands) % len(step.command)]
            for line in step.before:
                await asyncio.to_thread(session.ask, line)
            running.set()
            if step.name == "nothing":
                await asyncio.sleep(seconds)
                seen.commands.append(seconds)
            else:
                seen.commands.append(await asyncio.to_thread(session.ask, command))
            running.clear()
            if step.once:
                break
    finally:
        seen.over = True  # what is under way comes to its end: nothing of it is left for the next command
        running.set()
        outcomes = await asyncio.gather(*beside, return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    middle, late, worst = percentile(seen.told, 0.5), percentile(seen.told, 0.99), max(seen.waited, default=0.0)
    took = sum(seen.commands) / len(seen.commands)
    return Figure(
        f"push beside {step.name}",
        late,
        f"{milliseconds(middle)} / {milliseconds(late)} ms, longest wait {milliseconds(worst)} ms, took {took:.2f} s",
        details={
            "p50_ms": middle * 1000,
            "p99_ms": late * 1000,
            "longest_wait_ms": worst * 1000,
            "seconds": took,
            "messages": len(seen.told) // WATCHERS,
            "told": len(seen.told),
        },
    )


async def _deliver(deliverer: Deliverer, fleet: Fleet, other: int, running: asyncio.Event, seen: Beside) -> None:
    """Deliver while a command runs, and note when each watcher was told."""
    for payload in payloads(4096):
        await running.wait()
        if seen.over:
            return
        before = fleet.tally.told
        sent, _ = await deliverer.deliver(address(other), payload)
        came = await fleet.tally.reach(before + WATCHERS, LOST)
        seen.told += [watcher.seen[-1] - sent if came else math.inf for watcher in fleet.watchers]
        await asyncio.sleep(PAUSE)


async def _ask(asker: Asker, running: asyncio.Event, seen: Beside) -> None:
    """Ask for nothing while a command runs, and note how long the answer took."""
    while True:
        await running.wait()
        if seen.over:
            return
        begin = now()
        await asker.ask(b"n NOOP\r\n", b"n OK")
        seen.waited.append(now() - begin)
        await asyncio.sleep(0.001)
