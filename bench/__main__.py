"""Measure push latency, delivery rate and idle memory, and print them as a table.

Everything runs on this machine, over loopback, with client and server sharing its processors, and is bounded
in count and time. Read ratios and repeat on a quiet machine before quoting a figure.
"""

import argparse
import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence

from rich.progress import Progress, SpinnerColumn, TextColumn

from .clients import Deliverer, Watcher, message, now
from .server import PASSWORD, Server, running

try:
    from uvloop import run
except ImportError:
    from asyncio import run

MAX_WATCHERS = 10_000


def user(i: int) -> str:
    return f"u{i:05d}"


async def fleet(server: Server, count: int, told: Callable[[], None]) -> list[Watcher]:
    """Open idle connections, each on a mailbox of its own, fifty logins at a time."""
    gate = asyncio.Semaphore(50)

    async def one(i: int) -> Watcher:
        async with gate:
            return await Watcher.open(server.ports["imap"], user(i), PASSWORD, told)

    return await asyncio.gather(*map(one, range(count)))


def milliseconds(seconds: Sequence[float]) -> str:
    """p50 / p99."""
    ordered = sorted(seconds)
    return " / ".join(f"{ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000:.2f} ms" for q in (0.5, 0.99))


async def push(server: Server, watchers: int, seconds: float, rate: float) -> list[tuple[str, str]]:
    """Deliver at a steady rate, round robin; time from the end of DATA to each EXISTS."""
    before = server.memory_kib()
    told = asyncio.Event()
    sessions = await fleet(server, watchers, told.set)
    per_connection = (server.memory_kib() - before) / watchers
    deliverer = await Deliverer.open(server.ports["lmtp"])
    sent: list[list[float]] = [[] for _ in sessions]
    replies = []
    count = max(1, int(seconds * rate))
    start = now()
    for n in range(count):
        await asyncio.sleep(max(0.0, start + n / rate - now()))
        handed_over, replied = await deliverer.deliver(f"{user(n % watchers)}@localhost", message(n))
        sent[n % watchers].append(handed_over)
        replies.append(replied - handed_over)
    async with asyncio.timeout(15):
        while sum(len(session.seen) for session in sessions) < count:
            told.clear()
            await told.wait()
    latencies = [
        at - was
        for session, times in zip(sessions, sent, strict=True)
        for at, was in zip(session.seen, times, strict=True)
    ]
    for session in sessions:
        session.transport.abort()
    deliverer.transport.abort()
    name = f"{watchers} idle connection" + ("s" if watchers > 1 else "")
    rows = [(f"push, {name}: end of DATA to EXISTS, p50 / p99", milliseconds(latencies))]
    rows.append((f"the same to the 250, p50 / p99 (n = {count})", milliseconds(replies)))
    if watchers >= 100:
        rows.append((f"memory per idle connection, plaintext, {watchers}", f"{per_connection:.1f} KiB"))
    return rows


async def delivery(server: Server, sessions: int, seconds: float) -> list[tuple[str, str]]:
    """Deliver 4 KiB as fast as the answers come, over 100 mailboxes."""
    deliverers = [await Deliverer.open(server.ports["lmtp"]) for _ in range(sessions)]
    done = 0
    stop = now() + seconds
    cpu = server.cpu_seconds()

    async def loop(number: int, deliverer: Deliverer) -> None:
        nonlocal done
        turn = number
        while now() < stop:
            await deliverer.deliver(f"{user(turn % 100)}@localhost", message(turn))
            turn += sessions
            done += 1

    start = now()
    await asyncio.gather(*(loop(n, deliverer) for n, deliverer in enumerate(deliverers)))
    rate = done / (now() - start)
    cpu = server.cpu_seconds() - cpu
    for deliverer in deliverers:
        deliverer.transport.abort()
    return [(f"durable deliveries, 4 KiB, {sessions} session(s)", f"{rate:.0f}/s, {cpu / done * 1000:.2f} ms CPU each")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--watchers", type=int, default=1000, help="idle connections of the large case (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each case (%(default)s)")
    parser.add_argument("--rate", type=float, default=17.0, help="messages a second while pushing (%(default)s)")
    options = parser.parse_args()
    if not 1 <= options.watchers <= MAX_WATCHERS:
        parser.error(f"--watchers must be from 1 to {MAX_WATCHERS}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cases: list[tuple[str, Callable[[Server], Awaitable[list[tuple[str, str]]]]]] = [
        ("push to 1", lambda server: push(server, 1, options.seconds, options.rate)),
        (f"push to {options.watchers}", lambda server: push(server, options.watchers, options.seconds, options.rate)),
    ]
    for sessions in (1, 10, 50):
        cases.append((f"delivery over {sessions}", lambda server, n=sessions: delivery(server, n, options.seconds / 2)))  # type: ignore[misc]
    rows: list[tuple[str, str]] = []
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), transient=True) as progress:
        task = progress.add_task("importing accounts")
        with running(max(options.watchers, 100)) as server:
            rows.append(("server alone", f"{server.memory_kib() / 1024:.1f} MiB"))
            for name, case in cases:
                progress.update(task, description=name)
                rows.extend(run(case(server)))
    width = max(len(name) for name, _ in rows)
    sys.stdout.write(f"| {'measured':<{width}} | result |\n| {'-' * width} | --- |\n")
    sys.stdout.writelines(f"| {name:<{width}} | {value} |\n" for name, value in rows)


if __name__ == "__main__":
    main()
