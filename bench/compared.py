"""Programs that file mail while it comes, side by side: the same server, faults and messages, at the same moment.

Each scenario has a server of its own, and each program its own account on it, behind a proxy of its own. A message for
the list comes first and has to be filed: then the program is known to work, and its processor time counts from there.
Then the fault, and MESSAGES messages meanwhile. What is not filed when the grace is over is missed; what is in more
than one place, or twice in one, is doubled; `back after` is the time from when both the fault is over and the last
message delivered until all are filed.
"""

import argparse
import asyncio
import contextlib
import imaplib
import json
import re
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from mailhorn.testing import Cut, FaultProxy, Insert, Plan, Reset, Stall, Swallow, Trickle

from . import machine
from .contenders import ALL, FILED, RENEWAL, WORD, Contender, Watch
from .figures import markdown
from .process import HOST
from .servers import PASSWORD, Dovecot, Mailhorn, Server, Unusable, login

MESSAGES = 5
"""That come during a fault."""
READY_WITHIN = 60.0
"""Seconds a program has to file the first message."""
SETTLED = 2.0
"""Seconds it has to come to rest after that."""
DOUBLED_WITHIN = 3.0
"""Seconds that are waited, when all is filed, for what is filed again."""
LOOK = 0.2
"""Seconds between two looks at what is filed."""
DURING = 10.0
"""Seconds a fault lasts that is no single moment."""
QUICK_DURING = 4.0
"""The same in a quick run."""
BRIEFLY = 0.2
"""Seconds between two messages when the fault is a moment."""
SILENCE = 70.0
"""Seconds without mail where nothing else is wrong: longer than the time limits people set to a socket."""
GRACE = 60.0
"""Seconds after a fault until what is not filed is missed: the longest pause that a person would not notice."""
LONG_GRACE = 120.0
"""The same where nothing but a renewal of IDLE can find out: two of them."""
LIMIT_GRACE = 360.0
"""The same where the server says that it has enough: mailhorn then stays away for two and a half to five minutes."""
QUICK_RENEWAL = 15
"""Seconds an IDLE lasts in a quick run."""
DEAF = rb"^\* \d+ (EXISTS|RECENT)"
CAST_OUT = b"* BYE Too many simultaneous connections\r\n"


class Field:
    """
    What a scenario has to do with.

    Attributes:
        server: The server.
        proxies: One before it for each program.
        users: The programs' accounts.
        during: Seconds a fault lasts that is no single moment.
        sent: The names of the messages that were delivered.

    """

    def __init__(self, server: Server, proxies: Sequence[FaultProxy], users: Sequence[str], during: float) -> None:
        self.server = server
        self.during = during
        self.proxies = proxies
        self.users = users
        self.sent: list[str] = []

    def strike(self, plan: Plan) -> None:
        """Have something happen to all connections, from now on."""
        for proxy in self.proxies:
            proxy.strike(plan)

    def plan(self, plan: Plan) -> None:
        """Have something happen to the connections that come."""
        for proxy in self.proxies:
            proxy.plan = plan

    async def mail(self) -> None:
        """Deliver a message to everybody at once."""
        name = f"{len(self.sent)}.{time.time_ns()}"
        self.sent.append(name)
        await asyncio.to_thread(self._mail, name)

    def _mail(self, name: str) -> None:
        text = (
            f"From: List <list@example.org>\r\nTo: you@localhost\r\nSubject: {WORD} {name}\r\n"
            f"Message-ID: <{name}@compared>\r\n\r\nHello.\r\n"
        )
        with smtplib.LMTP(HOST, self.server.ports["lmtp"], timeout=READY_WITHIN) as lmtp:
            for user in self.users:
                lmtp.sendmail("list@example.org", [f"{user}@localhost"], text)

    async def mails(self, count: int, pause: float) -> None:
        """Deliver messages with pauses behind them."""
        for _ in range(count):
            await self.mail()
            await asyncio.sleep(pause)


async def _quiet(field: Field) -> None:
    await asyncio.sleep(SILENCE)
    await field.mails(MESSAGES, field.during / MESSAGES)


async def _hang_up(field: Field) -> None:
    field.strike(Plan(to_client=[Insert(0, b"* BYE Autologout; idle for too long\r\n"), Cut(0)]))
    await field.mails(MESSAGES, BRIEFLY)


async def _reset(field: Field) -> None:
    field.strike(Plan(to_client=[Reset(0)]))
    await field.mails(MESSAGES, BRIEFLY)


async def _half_open(field: Field) -> None:
    field.strike(Plan(to_client=[Stall(0)]))
    await field.mails(MESSAGES, BRIEFLY)


async def _restart(field: Field) -> None:
    await field.mail()
    await asyncio.to_thread(field.server.stop)
    await asyncio.sleep(field.during / 2)
    await asyncio.to_thread(field.server.start)
    await field.mails(MESSAGES - 1, BRIEFLY)


async def _deaf(field: Field) -> None:
    deaf = Plan(to_client=[Swallow(DEAF)])
    field.plan(deaf)
    field.strike(deaf)
    await field.mails(MESSAGES, field.during / MESSAGES)
    field.plan(Plan())
    field.strike(Plan())


async def _slow(field: Field) -> None:
    slow = Plan(to_client=[Trickle(16, 0.05)])
    field.plan(slow)
    field.strike(slow)
    await field.mails(MESSAGES, field.during / MESSAGES)
    field.plan(Plan())
    field.strike(Plan())


async def _limit(field: Field) -> None:
    field.plan(Plan(to_client=[Insert(0, CAST_OUT), Cut(0)]))
    field.strike(Plan(to_client=[Insert(0, CAST_OUT), Cut(0)]))
    await field.mails(MESSAGES, field.during / MESSAGES)
    field.plan(Plan())


async def _numbered_anew(field: Field) -> None:
    await field.mails(2, 1.0)
    for number, user in enumerate(field.users):
        command = ["doveadm", "-c", str(field.server.folder / "dovecot.conf"), "mailbox", "update", "-u", user]
        command += ["--uid-validity", str(int(time.time()) + 1000 + number), "INBOX"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unusable(f"doveadm: {done.stderr.strip()}")
    await asyncio.sleep(field.during / 2)
    await field.mails(MESSAGES - 2, BRIEFLY)


@dataclass(frozen=True)
class Scenario:
    """
    A fault.

    Attributes:
        name: What the table calls it.
        happens: Lets it happen, and the mail come.
        grace: Seconds after it.
        beside: Whether it is mostly waiting, so that it may run beside others.
        quick: Whether it is short enough for a quick run.
        dovecot_only: Whether only Dovecot can do it.
        promised: Whether mailhorn promises to miss nothing in it; docs/compared.md says why not.

    """

    name: str
    happens: Callable[[Field], Awaitable[None]]
    grace: float = GRACE
    beside: bool = False
    quick: bool = True
    dovecot_only: bool = False
    promised: bool = True


SCENARIOS = (
    Scenario("none: silence, then mail", _quiet, beside=True, quick=False),
    Scenario("the server hangs up (BYE)", _hang_up),
    Scenario("the connection is reset", _reset),
    Scenario("the server is restarted", _restart),
    Scenario("320 octets a second", _slow, quick=False),
    Scenario("the mailbox is numbered anew", _numbered_anew, quick=False, dovecot_only=True, promised=False),
    Scenario("half open: the route is gone", _half_open, LONG_GRACE, beside=True, quick=False),
    Scenario("IDLE says nothing", _deaf, LONG_GRACE, beside=True),
    Scenario("too many connections", _limit, LIMIT_GRACE, beside=True, quick=False),
)


@dataclass
class Outcome:
    """
    How a program did in a scenario.

    Attributes:
        scenario: Its name.
        program: Its name.
        sent: Messages, the first one included.
        missed: Those that were not filed in time.
        doubled: Copies too many.
        back_after: Seconds until all were filed; None if they were not.
        processor: Seconds of processor time.
        window: Seconds in which they were used.
        starts: How often it was started again.

    """

    scenario: str
    program: str
    sent: int
    missed: int
    doubled: int
    back_after: float | None
    processor: float
    window: float
    starts: int

    @property
    def flawless(self) -> bool:
        """Whether every message was filed, once."""
        return not self.missed and not self.doubled

    def text(self) -> str:
        """Return a cell of the table."""
        flaws = [f"**{self.missed} missed**"] if self.missed else []
        flaws += [f"**{self.doubled} doubled**"] if self.doubled else []
        flaws += ["" if self.back_after is None else f"{self.back_after:.1f} s"]
        flaws += [f"{self.starts} restarts" if self.starts > 1 else "1 restart"] if self.starts else []
        return ", ".join([*filter(None, flaws), f"{self.processor:.2f} s CPU"])


class Runner:
    """One scenario over one server."""

    def __init__(
        self, scenario: Scenario, folder: Path, server: type[Server], programs: Sequence[type[Contender]]
    ) -> None:
        self._scenario = scenario
        self._folder = folder
        self._server = server
        self._programs = programs

    async def run(self, quick: bool) -> list[Outcome]:
        """Run it and say how each program did."""
        users = [login(number) for number in range(len(self._programs))]
        async with AsyncExitStack() as stack:
            self._folder.mkdir(mode=0o755)
            server = self._server(self._folder / "server", len(users))
            stack.callback(server.stop)
            await asyncio.to_thread(server.start)
            port = server.ports["imap"]
            proxies = [await stack.enter_async_context(FaultProxy(HOST, port)) for _ in users]
            field = Field(server, proxies, users, QUICK_DURING if quick else DURING)
            programs = []
            for kind, user, proxy in zip(self._programs, users, proxies, strict=True):
                program = kind(self._folder / user, proxy.port, user, QUICK_RENEWAL if quick else RENEWAL)
                stack.callback(program.stop)
                program.start()
                programs.append(program)
            eyes = [Eye(server, program) for program in programs]
            for program, proxy in zip(programs, proxies, strict=True):
                await _until(lambda proxy=proxy: proxy.connections > 0, "does not connect", program)  # type: ignore[misc]
            await asyncio.sleep(SETTLED)
            await field.mail()
            for program, eye in zip(programs, eyes, strict=True):
                await _until(lambda eye=eye: eye.filed() > 0, "does not file", program)  # type: ignore[misc]
            await asyncio.sleep(SETTLED)
            used, begin = [program.processor_seconds() for program in programs], time.monotonic()
            await self._scenario.happens(field)
            over = time.monotonic()
            back = await asyncio.gather(*(self._back(eye, field, over) for eye in eyes))
            await asyncio.sleep(DOUBLED_WITHIN)
            window = time.monotonic() - begin
            found = []
            for program, eye, before, after in zip(programs, eyes, used, back, strict=True):
                processor = program.processor_seconds() - before
                places = Counter(await asyncio.to_thread(eye.places))
                missed = sum(not places[name, FILED] for name in field.sent)
                doubled = sum(places.values()) - len({name for name, _ in places})
                found.append(
                    Outcome(
                        self._scenario.name,
                        program.name,
                        len(field.sent),
                        missed,
                        doubled,
                        None if missed else after,
                        processor,
                        window,
                        program.starts - 1,
                    )
                )
            return found

    async def _back(self, eye: "Eye", field: Field, over: float) -> float | None:
        """Return how long after the fault all was filed; None if it was not in time."""
        while (now := time.monotonic()) < over + self._scenario.grace:
            if await asyncio.to_thread(eye.filed) >= len(field.sent):
                return max(0.0, now - over)
            await asyncio.sleep(LOOK)
        return None


async def _until(true: Callable[[], bool], otherwise: str, program: Contender) -> None:
    """Wait until a program has done something."""
    stop = time.monotonic() + READY_WITHIN
    while not await asyncio.to_thread(true):
        if time.monotonic() > stop:
            raise Unusable(f"{program.name} {otherwise}:\n{program.log()}")
        await asyncio.sleep(LOOK)


class Eye:
    """Looks at what a program has filed, on the server itself or where the program puts it."""

    def __init__(self, server: Server, program: Contender) -> None:
        self._server = server
        self._program = program
        self._session: imaplib.IMAP4 | None = None

    def filed(self) -> int:
        """Return how many messages are filed; 0 if nobody answers."""
        if not self._program.files_on_server:
            return len(list((self._program.folder / FILED).iterdir()))
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            if self._session is None:
                self._session = self._opened()
            told = self._session.status(FILED, "(MESSAGES)")
            return int(told[1][0].rpartition(b" ")[2].rstrip(b")")) if told[0] == "OK" else 0
        self._session = None
        return 0

    def places(self) -> Iterator[tuple[str, str]]:
        """Return the name of each message and where it is; several times if it is there several times."""
        if not self._program.files_on_server:
            for path in (self._program.folder / FILED).iterdir():
                yield _name(path.read_bytes()), FILED
            return
        with self._opened() as session:
            for mailbox in (FILED, "INBOX"):
                if session.select(mailbox, readonly=True)[0] != "OK":
                    continue
                wanted = "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
                numbers = session.search(None, "UNDELETED")[1][0].decode().replace(" ", ",")
                for part in session.fetch(numbers, wanted)[1] if numbers else ():
                    if isinstance(part, tuple):
                        yield _name(part[1]), mailbox

    def _opened(self) -> imaplib.IMAP4:
        session = imaplib.IMAP4(HOST, self._server.ports["imap"], timeout=READY_WITHIN)
        session.login(self._program.user, PASSWORD)
        return session


def _name(octets: bytes) -> str:
    found = re.search(rb"<([0-9.]+)@compared>", octets)
    return found[1].decode() if found else ""


async def compare(options: argparse.Namespace, folder: Path) -> int:
    """Run the scenarios and print the table; the exit status says whether mailhorn missed or doubled anything."""
    kind: type[Server] = Dovecot if Dovecot.installed() and not options.own_server else Mailhorn
    programs = [Watch] if options.quick else [one for one in ALL if one.version()]
    chosen = [
        scenario
        for scenario in SCENARIOS
        if (scenario.quick or not options.quick) and (kind is Dovecot or not scenario.dovecot_only)
        if options.only in scenario.name
    ]
    begin = time.monotonic()

    async def one(scenario: Scenario) -> list[Outcome]:
        runner = Runner(scenario, folder / f"{SCENARIOS.index(scenario)}", kind, programs)
        outcomes = await runner.run(options.quick)
        sys.stderr.write(f"{time.monotonic() - begin:5.0f} s  {scenario.name}\n")
        return outcomes

    async def in_turns(scenarios: Sequence[Scenario]) -> list[list[Outcome]]:
        return [await one(scenario) for scenario in scenarios]

    beside = [scenario for scenario in chosen if scenario.beside or options.quick]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turns([scenario])) for scenario in beside]
            tasks.append(group.create_task(in_turns([scenario for scenario in chosen if scenario not in beside])))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    every = [outcome for task in tasks for outcomes in task.result() for outcome in outcomes]
    facts = ", ".join([_version(kind), *(program.version() for program in programs), machine.description()])
    sys.stdout.write(f"{table(chosen, programs, every)}\n{facts}.\n")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": facts, "outcomes": [asdict(outcome) for outcome in every]}, indent=1) + "\n"
        )
    promised = {scenario.name for scenario in chosen if scenario.promised}
    ours = [outcome for outcome in every if outcome.program == Watch.name and outcome.scenario in promised]
    return 0 if all(outcome.flawless for outcome in ours) else 1


def _version(kind: type[Server]) -> str:
    return kind.version(kind.__new__(kind))


def table(scenarios: Sequence[Scenario], programs: Sequence[type[Contender]], outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as Markdown, a row for each scenario."""
    cells = {(outcome.scenario, outcome.program): outcome.text() for outcome in outcomes}
    lines = [["fault", *(program.name for program in programs)]]
    lines += [
        [scenario.name, *(cells.get((scenario.name, program.name), "–") for program in programs)]
        for scenario in scenarios
    ]
    return markdown(lines)


def parser() -> argparse.ArgumentParser:
    """Return what takes the arguments."""
    found = argparse.ArgumentParser(prog="./dev bench compared", description=__doc__)
    found.add_argument("--quick", action="store_true", help="mailhorn alone, and only what takes half a minute")
    found.add_argument("--own-server", action="store_true", help="before mailhorn's server, also if Dovecot is there")
    found.add_argument("--only", default="", metavar="TEXT", help="the faults whose names have this in them")
    found.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there, too")
    found.add_argument("--directory", type=Path, metavar="DIR", help="where the server keeps its mail")
    return found


__all__ = ["SCENARIOS", "Outcome", "compare", "parser", "table"]
