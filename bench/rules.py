"""What rules cost a delivery: mail for people with scripts in turns with mail for people without."""

import asyncio
from collections.abc import Iterator, Sequence
from statistics import median

from .clients import Deliverer, now
from .figures import Figure
from .mail import Payload, payloads
from .servers import Server, address, login
from .sieve import headers, rules

MAILBOXES = 25
"""Accounts of each kind, that the messages go to in turn."""
ROUNDS = 7
"""Of each kind: a machine that becomes slower meanwhile slows all kinds alike, and the middle one counts."""
SHARE = 0.3
"""Of the seconds asked for, that one round takes."""

FIVE = """require ["fileinto", "imap4flags"];
if header :contains "X-Spam-Flag" "YES" { fileinto "Junk"; stop; }
if address :is :domain "from" "shop.example.net" { addflag "$Order"; }
elsif header :contains "List-Id" "users.example.org" { fileinto "Lists"; stop; }
if header :matches "subject" "[urgent]*" { addflag "\\\\Flagged"; }
if allof (size :over 10M, not exists "X-Large-Is-Fine") { fileinto "Large"; }
"""
FILED = """require ["fileinto", "mailbox", "imap4flags"];
if header :contains "subject" "benchmark" { fileinto :create :flags "$Bench" "Bench"; stop; }
"""
KINDS = {"no script": None, "200 rules": rules(headers), "five tests": FIVE, "filed with a keyword": FILED}
"""Scripts by what they are; the first three keep the messages of the benchmark where they are."""


async def cost(server: Server, sessions: int, size: int, seconds: float) -> list[Figure]:
    """Deliver messages of so many octets to each kind of people in turns; compare the rates of the middle rounds."""
    _install(server)
    deliverers = [await Deliverer.open(server.ports["lmtp"]) for _ in range(sessions)]
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    used = dict.fromkeys(KINDS, 0.0)
    sent = dict.fromkeys(KINDS, 0)
    try:
        for turn in range(ROUNDS + 1):
            kinds = list(KINDS)
            for kind in kinds if turn % 2 else reversed(kinds):
                before = await server.quiet()
                least = 1 if turn else 4 * MAILBOXES
                done, took = await _pour(deliverers, size, list(KINDS).index(kind) * MAILBOXES, seconds * SHARE, least)
                after = await server.quiet()
                if turn:  # the first made mailboxes and compiled scripts, everybody's
                    rates[kind].append(done / took)
                    used[kind] += after - before
                    sent[kind] += done
    finally:
        for deliverer in deliverers:
            deliverer.transport.abort()
    plain = median(rates["no script"])
    found = []
    for kind, each in rates.items():
        rate, cpu = median(each), used[kind] / sent[kind] * 1000
        found.append(
            Figure(
                f"deliveries, {size >> 10} KiB, {sessions} session{'s' if sessions > 1 else ''}, {kind}",
                rate,
                f"{rate:,.0f}/s ({cpu:.2f} ms), {rate / plain:.2f}",
                more_is_better=True,
                details={"messages": sent[kind], "server_cpu_ms": cpu, "of_plain": rate / plain},
            )
        )
    return found


async def _pour(
    deliverers: Sequence[Deliverer], size: int, first: int, seconds: float, least: int
) -> tuple[int, float]:
    """Deliver as fast as the answers come, so many at the least; return how many messages, and how long it took."""
    done = 0
    begin = now()

    def stream(number: int) -> Iterator[tuple[bytes, Payload]]:
        nonlocal done
        for payload in payloads(size):
            if done >= least and now() - begin >= seconds:
                return
            yield address(first + number % MAILBOXES), payload
            number += len(deliverers)
            done += 1

    await asyncio.gather(*(deliverer.pour(stream(number)) for number, deliverer in enumerate(deliverers)))
    return done, now() - begin


def _install(server: Server) -> None:
    """Give everybody the script of their kind."""
    folder = server.folder / "data" / "sieve"
    folder.mkdir(exist_ok=True)
    for kind, text in enumerate(KINDS.values()):
        for account in range(kind * MAILBOXES, (kind + 1) * MAILBOXES):
            if text is not None:
                (folder / f"{login(account)}.sieve").write_text(text)
