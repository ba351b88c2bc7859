"""An hour of a server's life: mail all the time, clients that come, go, suspend and vanish, a restart in the middle.

What is promised: every message that was accepted is seen once by every client, no UID is given twice, memory and files
do not grow, and nothing ever blocks. Nothing is judged that the run is too short for.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from . import machine
from .clients import Refused, now
from .figures import percentile
from .ledger import Ledger
from .lives import POSTMEN, Client, Habits, Post, Session, State, World
from .servers import Mailhorn, login

PERIOD = 60.0
"""Seconds that are summed up in one line; a sixth of a run of less than six minutes."""
SAMPLES = 6
"""Of the memory in each period; the middle one counts."""
PROBE = 1.0
"""Seconds between two NOOPs of the watchdog, which does nothing else on its connection."""
BLOCKED = 2.0
"""Seconds a NOOP or a push may take at most: what takes longer on a busy machine is a server that stands still."""
REFERENCE_MINUTE = 10
"""The memory at the end is compared with this one: by then all clients have come and gone a few times."""
GROWTH = 0.05
"""Share by which the memory may have grown since then."""
JUDGED = 20.0
"""Minutes a run must last before growth means anything."""
SETTLING = 120.0
"""Seconds everybody may take to be there, or to have seen all that is owed to them."""
SPARE_FILES = 10
"""Open files a server may have more, when everybody has left, than when it was fresh: its database's and so on."""


@dataclass
class Period:
    """
    What happened in a minute. Times in milliseconds.

    Attributes:
        minute: When it ended, in minutes.
        idle: Clients that idled at its end; the others were suspended or away.
        suspended: Clients that did not read.
        ghosts: Connections whose client had walked away.
        accepted: Messages that were answered 250.
        told: Pushes to clients that had idled since before the message was sent.
        push: p50, p99 and the longest of these.
        reply: p50, p99 and the longest time from the end of DATA to the 250.
        noop: p50, p99 and the longest answer to the watchdog.
        lag: The longest delay of this process itself: what it measures is not more precise.
        memory: MiB of the server (PSS).
        allocated: Of these what it has allocated itself, without mapped files: that is what may not grow.
        files: Its open files.
        threads: Its threads.
        cpu: Share of a core it used.

    """

    minute: float
    idle: int
    suspended: int
    ghosts: int
    accepted: int
    told: int
    push: tuple[float, float, float]
    reply: tuple[float, float, float]
    noop: tuple[float, float, float]
    lag: float
    memory: float
    allocated: float
    files: int
    threads: int
    cpu: float

    HEAD = (
        "minute   idle susp ghost   mails  told    push p50 / p99 / max ms   noop p99 / max  lag ms"
        "     MiB  alloc files thr  cpu %"
    )

    def line(self) -> str:
        """Return it as a line under HEAD."""
        push = " / ".join(f"{value:.1f}" for value in self.push)
        noop = " / ".join(f"{value:.1f}" for value in self.noop[1:])
        people = f"{self.idle:6} {self.suspended:4} {self.ghosts:5} {self.accepted:7} {self.told:5}"
        server = f"{self.memory:7.1f} {self.allocated:6.1f} {self.files:5} {self.threads:3} {self.cpu * 100:6.1f}"
        return f"{self.minute:6.1f} {people} {push:>26} {noop:>16} {self.lag:7.1f} {server}"


@dataclass
class Result:
    """
    What came of it.

    Attributes:
        settings: Of the run.
        machine: On which it ran.
        periods: Minute by minute.
        events: How often each kind of thing happened.
        restart: Seconds the server was down, and until everybody was back.
        verdict: What was promised: whether it was kept, and how it was.

    """

    settings: dict[str, float | int]
    machine: str
    periods: list[Period] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    restart: dict[str, float] = field(default_factory=dict)
    verdict: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def judge(self, what: str, kept: bool, how: str) -> None:
        """Add to the verdict."""
        self.verdict[what] = kept, how


class Watchdog:
    """Looks at the server every second, and sums up every minute."""

    def __init__(self, world: World, begin: float) -> None:
        self.world, self.begin = world, begin
        self._noops: list[float] = []
        self._lag = 0.0
        self._memory: list[int] = []
        self._allocated: list[int] = []
        self._accepted = 0
        self._used = 0.0
        self._since = begin

    async def look(self, period: float) -> None:
        """Probe and sample until cancelled."""
        session: Session | None = None
        sample = 0.0
        try:
            while True:
                due = now() + PROBE
                await asyncio.sleep(PROBE)
                self._lag = max(self._lag, now() - due)
                if self.world.down:
                    session = None
                    continue
                try:
                    if session is None:
                        session = Session(_nothing, self.world.ledger.fault)
                        await session.open(self.world.server.ports["imap"], None, login(0))
                    begin = now()
                    await session.command(b"NOOP")
                    self._noops.append(now() - begin)
                except (Refused, OSError, TimeoutError) as error:
                    session = None
                    if not self.world.down:
                        self.world.ledger.fault(f"the watchdog was not answered: {error!r}")
                if now() >= sample and not self.world.down:
                    sample = now() + period / SAMPLES
                    self._sample()
        finally:
            if session is not None:
                session.drop()

    def _sample(self) -> None:
        pid = self.world.server.pid
        self._memory.append(machine.memory(pid))
        self._allocated.append(machine.memory(pid, "Pss_Anon"))

    def sum_up(self) -> Period:
        """Return what happened since the last time."""
        world, server = self.world, self.world.server
        states = world.states()
        threads, files = machine.threads_and_files(server.pid)
        if not self._memory:
            self._sample()
        used, at = server.processor_seconds(), now()
        period = Period(
            (at - self.begin) / 60,
            states[State.IDLE] + states[State.BUSY],
            states[State.SUSPENDED],
            len(world.ghosts),
            world.ledger.accepted - self._accepted,
            len(world.latencies),
            _spread(world.latencies),
            _spread(world.replies),
            _spread(self._noops),
            self._lag * 1000,
            median(self._memory) / 2**20,
            median(self._allocated) / 2**20,
            files,
            threads,
            max(0.0, used - self._used) / (at - self._since),  # a server that was started anew counts anew
        )
        self._accepted, self._used, self._since, self._lag = world.ledger.accepted, used, at, 0.0
        for past in (world.latencies, world.replies, self._noops, self._memory, self._allocated):
            past.clear()
        return period


async def soak(options: argparse.Namespace, folder: Path) -> int:
    """Do all of it; prints a line a minute and the verdict, and returns the exit status."""
    seconds, connections = options.minutes * 60, options.connections
    mailboxes = max(1, connections // 2)
    server = Mailhorn(folder / "mailhorn", mailboxes)
    readers = [range(mailbox, connections, mailboxes) for mailbox in range(mailboxes)]
    ledger = Ledger(readers)
    world = World(server, ledger, Habits.for_length(seconds), random.Random(options.seed))
    world.clients = [
        Client(world, number, number % mailboxes, owner=number < mailboxes) for number in range(connections)
    ]
    settings = {name: getattr(options, name) for name in ("minutes", "connections", "rate", "seed")}
    result = Result(settings, f"{machine.description()}; {server.version()}")
    _say(f"{result.machine}\n{options.minutes:g} minutes, {connections} connections, {options.rate:g} mails a minute")
    try:
        server.start()
        await server.quiet()
        fresh = machine.threads_and_files(server.pid)
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(client.live()) for client in world.clients]
            try:
                await _run(options, world, result)
            except BaseException:
                for life in lives:
                    life.cancel()
                raise
        await _after(world, fresh, result)
    finally:
        server.stop()
    return _conclude(options, world, result)


async def _run(options: argparse.Namespace, world: World, result: Result) -> None:
    """Live through it, from everybody's coming to everybody's leaving."""
    seconds = options.minutes * 60
    period = min(PERIOD, seconds / 6)
    world.assemble(True)
    result.judge("everybody came", await _everybody(world), f"{world.events['came']} times")
    world.assemble(False)
    _say(f"all {len(world.clients)} are there\n{Period.HEAD}")
    post = Post(world, max(1, len(world.clients) // 2), options.rate)
    begin = now()
    watchdog = Watchdog(world, begin)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(post.write(begin + seconds))
        helpers = [group.create_task(post.carry(protocol)) for protocol in ("lmtp", "smtp") for _ in range(POSTMEN)]
        helpers.append(group.create_task(watchdog.look(period)))
        helpers.append(group.create_task(_sum_up(watchdog, result, period)))
        await asyncio.sleep(seconds / 2)
        await _restart(world, result)
        await writing
        async with asyncio.timeout(SETTLING):
            await post.waiting.join()
        world.assemble(True)
        await world.until(lambda: _all_there(world) and not world.ledger.owed, SETTLING)
        for helper in helpers[2 * POSTMEN :]:
            helper.cancel()
        last = watchdog.sum_up()
        result.periods.append(last)
        _say(last.line())
        for helper in helpers:
            helper.cancel()
    most = max(10.0, options.rate / 60 * BLOCKED)
    result.judge("mail was taken as it was written", post.late <= most, f"at most {post.late} messages waited")
    await _look_again(world)
    world.closing = True
    world.assemble(False)
    await world.until(lambda: world.states()[State.AWAY] == len(world.clients), SETTLING)


async def _sum_up(watchdog: Watchdog, result: Result, period: float) -> None:
    while True:
        await asyncio.sleep(period)
        if watchdog.world.down:
            continue
        result.periods.append(watchdog.sum_up())
        _say(result.periods[-1].line())


async def _restart(world: World, result: Result) -> None:
    """Have everybody idle, stop the server as an operator does, start it, and wait until everybody is back."""
    world.assemble(True)
    together = await _everybody(world)
    world.down, begin = True, now()
    await asyncio.to_thread(world.server.stop)
    stopped = now() - begin
    await asyncio.to_thread(world.server.start)
    down = now() - begin
    # Who was away by chance is no proof of anything: all must have come again.
    back = await world.until(lambda: _all_there(world), SETTLING)
    took = now() - begin
    world.down = False
    world.assemble(False)
    result.restart = {"stop": stopped, "down": down, "back": took if together and back else float("inf")}
    _say(f"   restart: {_told_of_restart(result)}")


def _told_of_restart(result: Result) -> str:
    restart = result.restart
    return (
        f"stopped in {restart['stop']:.1f} s, up again after {restart['down']:.1f} s, "
        f"all back after {restart['back']:.1f} s"
    )


def _all_there(world: World) -> bool:
    return all(
        client.state in (State.IDLE, State.BUSY) and client.session is not None and not client.session.lost
        for client in world.clients
    )


async def _everybody(world: World) -> bool:
    return await world.until(lambda: _all_there(world), SETTLING)


async def _look_again(world: World) -> None:
    """Compare what every client believes, and what a new session finds, with the ledger."""
    for client in world.clients:
        if client.session is not None:
            known = [entry.uid or 0 for entry in client.session.view]
            world.ledger.contents(client.mailbox, known, f"client {client.number}")
    for client in world.clients:
        if client.owner:
            session = Session(_nothing, world.ledger.fault)
            try:
                await session.open(world.server.ports["imap"], None, login(client.mailbox))
                await session.learn()
                for uid, message, _ in session.found:
                    world.ledger.see(-1, client.mailbox, uid, message)
                found = [entry.uid or 0 for entry in session.view]
                world.ledger.contents(client.mailbox, found, "a new session")
                mine = [entry.uid or 0 for entry in client.session.view] if client.session else []
                if mine != found:
                    world.ledger.fault(f"client {client.number} believes in {mine}, a new session finds {found}")
            except (Refused, OSError, TimeoutError) as error:
                world.ledger.fault(f"mailbox {client.mailbox} cannot be read at the end: {error!r}")
            finally:
                session.drop()


async def _after(world: World, fresh: tuple[int, int], result: Result) -> None:
    """Look at the server when everybody has left."""
    for ghost in list(world.ghosts):
        ghost.drop(reset=True)
    await world.server.quiet()
    threads, files = machine.threads_and_files(world.server.pid)
    kept = files <= fresh[1] + SPARE_FILES
    told = f"{files} files and {threads} threads when all had left, {fresh[1]} and {fresh[0]} when it was fresh"
    result.judge("everything was given back", kept, told)


def _conclude(options: argparse.Namespace, world: World, result: Result) -> int:
    ledger = world.ledger
    result.events = dict(sorted(world.events.items()))
    result.judge("a restart brings all back", result.restart["back"] <= SETTLING, _told_of_restart(result))
    missing = ledger.missing()
    told = f"{ledger.accepted} accepted, {len(missing)} never seen by somebody"
    if missing:
        told += f", as (client, message) {missing[:10]}"
    result.judge("nothing was lost", not missing, told + f" ({len(ledger.doubtful)} handed over and not answered)")
    result.judge(
        "nothing was doubled, moved or made up", not ledger.fault_count, "; ".join(ledger.faults) or "no fault found"
    )
    pushes = [period.push[2] for period in result.periods if period.told]
    noops = [period.noop[2] for period in result.periods]
    push, noop, own = max(pushes, default=0.0), max(noops), max(period.lag for period in result.periods)
    slowest = max(push, noop)
    told = f"the longest push {push:.0f} ms, NOOP {noop:.0f} ms; the clients' own lag {own:.0f} ms"
    result.judge("nothing blocked", slowest - own <= BLOCKED * 1000, told)
    cut = world.events["cut off"] + world.events["TimeoutError"]
    result.judge("nobody was cut off", not cut, f"{cut} connections were lost that nobody had closed")
    if options.minutes >= JUDGED:
        then = next(period for period in result.periods if period.minute >= REFERENCE_MINUTE)
        last = result.periods[-1]
        grown = last.allocated / then.allocated - 1
        told = (
            f"{then.allocated:.1f} MiB allocated in minute {then.minute:.0f}, {last.allocated:.1f} MiB at the end "
            f"({grown:+.1%}); with mapped files {then.memory:.1f} and {last.memory:.1f} MiB"
        )
        result.judge("memory did not grow", grown <= GROWTH, told)
    complaints = _complaints(world.server.folder / "output")
    result.judge("the log has no error", not complaints, ", ".join(f"{n} × {what}" for what, n in complaints.items()))
    _say("")
    for what, (kept, how) in result.verdict.items():
        _say(f"{'ok  ' if kept else 'FAIL'}  {what}: {how}")
    _say(", ".join(f"{what} {count}" for what, count in result.events.items()))
    good = all(kept for kept, _ in result.verdict.values())
    _say("PASSED" if good else "FAILED")
    if options.json:
        document = asdict(result) | {"passed": good}
        options.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 0 if good else 1


def _complaints(log: Path) -> Counter[str]:
    """Return what the server logged as an error, counted."""
    found: Counter[str] = Counter()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["level"] in ("error", "critical"):
                    found[entry["event"]] += 1
    return found


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the largest, in milliseconds."""
    if not seconds:
        return 0.0, 0.0, 0.0
    return percentile(seconds, 0.5) * 1000, percentile(seconds, 0.99) * 1000, max(seconds) * 1000


def _nothing() -> None:
    """No news for the watchdog."""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """Return what takes the arguments."""
    found = argparse.ArgumentParser(prog="./dev bench soak", description=__doc__)
    found.add_argument("--minutes", type=float, default=60.0, help="how long mail is sent (%(default)s)")
    found.add_argument("--connections", type=int, default=1000, help="clients, two a mailbox (%(default)s)")
    found.add_argument("--rate", type=float, default=1000.0, help="messages a minute (%(default)s)")
    found.add_argument("--seed", type=int, default=int(time.time()), help="of what the clients do (the time)")
    found.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there, too")
    found.add_argument("--directory", type=Path, metavar="DIR", help="where the server keeps its mail")
    return found
