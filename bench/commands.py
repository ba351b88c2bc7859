"""What mail clients ask for."""

import asyncio
import itertools
from statistics import median

from .clients import Commander, Visitor, now
from .delivery import fill, one_at_a_time
from .figures import Figure, milliseconds
from .servers import Server, login

TOGETHER = 100
"""Commands in one write where they are pipelined."""
AT_ONCE = 10
"""Clients that log in at the same time."""
REPEATS = 3
"""Of each command on a large mailbox; the middle one counts."""
LONG = 1.0
"""Seconds after which a command is not repeated any more."""
SMALL = 100
"""Messages of the mailbox of single commands."""
COPIED = 1000
"""Messages that are copied by one command, where a mailbox is made large that way."""
LIST_VIEW = b"FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)"
STATUS = b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN)"
ONE_BY_ONE = 200
"""Messages of the large mailbox that are fetched each by a command of its own."""


async def rates(server: Server, account: int, seconds: float) -> list[Figure]:
    """Return how many commands a second one connection gets answered."""
    await fill(server, account, SMALL)
    figures = []
    session = Commander(server.ports["imap"], login(account))
    try:
        for what, commands in (
            ("STATUS", [STATUS] * TOGETHER),
            ("NOOP", [b"NOOP"] * TOGETHER),
            ("FETCH FLAGS of one message", _one_each(b"FLAGS")),
            ("FETCH ENVELOPE of one message", _one_each(b"ENVELOPE")),
            ("FETCH BODY[] of one message", _one_each(b"BODY.PEEK[]")),
        ):
            if what == "NOOP":
                session.ask(b"SELECT INBOX")
            for together in (1, TOGETHER):
                turns = itertools.cycle([commands[at : at + together] for at in range(0, TOGETHER, together)])
                used, begin, count = await server.quiet(), now(), 0
                while now() < begin + seconds:
                    session.ask(*next(turns))
                    count += together
                took = now() - begin
                label = f"{what}, {'one' if together == 1 else together} at a time"
                figures.append(_rate(label, count, took, await server.quiet() - used))
    finally:
        session.close()
    return figures


def _one_each(item: bytes) -> list[bytes]:
    return [b"UID FETCH %d (%b)" % (number % SMALL + 1, item) for number in range(TOGETHER)]


async def logins(server: Server, account: int, seconds: float) -> list[Figure]:
    """Return how many times a second somebody can connect, log in and log out."""
    used, begin, count = await server.quiet(), now(), 0

    async def client() -> None:
        nonlocal count
        while now() < begin + seconds:
            await Visitor().visit(server.ports["imap"], login(account))
            count += 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    took = now() - begin
    return [_rate(f"connect, LOGIN, LOGOUT, {AT_ONCE} at once", count, took, await server.quiet() - used)]


async def large_mailbox(server: Server, account: int, messages: int) -> list[Figure]:
    """Return how long commands take that look at all of a mailbox, the second time and later."""
    figures = []
    session = Commander(server.ports["imap"], login(account))
    try:
        session.ask(b"SELECT INBOX")
        for name, command, undo in (
            ("SELECT", b"SELECT INBOX", b""),
            ("FETCH FLAGS of all", b"FETCH 1:* (FLAGS)", b""),
            ("list view: ENVELOPE, BODYSTRUCTURE … of all", LIST_VIEW, b""),
            ("ENVELOPE and BODYSTRUCTURE of all", b"FETCH 1:* (ENVELOPE BODYSTRUCTURE)", b""),
            ("BODY[] of all", b"FETCH 1:* (UID BODY.PEEK[])", b""),
            ("SEARCH SUBJECT", b"UID SEARCH SUBJECT invoice", b""),
            ("SEARCH FROM", b"UID SEARCH FROM alice", b""),
            ("SEARCH TEXT", b"UID SEARCH TEXT needle000777", b""),
            ("STORE of all", b"STORE 1:* +FLAGS (\\Flagged)", b"STORE 1:* -FLAGS (\\Flagged)"),
        ):
            session.ask(command)
            if undo:
                session.ask(undo)
            times: list[float] = []
            for _ in range(REPEATS):
                if sum(times) > LONG:
                    break
                await server.quiet()
                times.append(session.ask(command))
                if undo:
                    session.ask(undo)
            figures.append(_middle(f"{messages:,} messages: {name}", times))
        await server.quiet()
        step = messages // ONE_BY_ONE
        ones = [session.ask(b"FETCH %d (UID BODY.PEEK[])" % at) for at in range(1, messages + 1, step)]
        figures.append(_middle(f"{messages:,} messages: BODY[] of one", ones))
    finally:
        session.close()
    return figures


async def delivery_into(server: Server, empty: int, large: int, messages: int) -> list[Figure]:
    """Return how long a delivery takes into an empty mailbox and into a large one."""
    await grow(server, large, messages)
    return [
        await one_at_a_time(server, empty, 100, "delivery into an empty mailbox"),
        await one_at_a_time(server, large, 100, f"delivery into a mailbox of {messages:,}"),
    ]


async def grow(server: Server, account: int, messages: int) -> None:
    """Make a mailbox large by copying its first messages over and over, which is faster than delivering them."""
    await fill(server, account, COPIED)
    session = Commander(server.ports["imap"], login(account))
    try:
        session.ask(b"SELECT INBOX")
        for _ in range(messages // COPIED - 1):
            session.ask(b"COPY 1:%d INBOX" % COPIED)
            await asyncio.sleep(0)  # where a Ctrl-C is heard
    finally:
        session.close()
    await server.quiet()


def _middle(label: str, times: list[float]) -> Figure:
    middle = median(times)
    return Figure(label, middle, f"{milliseconds(middle)} ms", details={"ms": middle * 1000})


def _rate(label: str, count: int, took: float, used: float) -> Figure:
    each = used / count * 1e6
    shown = f"{each:.1f} µs" if each < 1000 else f"{each / 1000:.2f} ms"
    return Figure(
        label,
        count / took,
        f"{count / took:,.0f}/s ({shown})",
        more_is_better=True,
        details={"count": count, "server_cpu_us": each},
    )
