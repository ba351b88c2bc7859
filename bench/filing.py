"""From `* n EXISTS` to a message that is where the rules want it: how soon `mailhorn watch` acts, on any server."""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from . import machine
from .clients import Deliverer
from .figures import Figure, milliseconds, percentile
from .mail import payloads
from .push import OCTETS, PAUSE
from .servers import Server, address
from .watching import started, written

RULES = """require ["fileinto", "mailbox"];
if not header :is "X-Never" "there" { fileinto :create "Filed"; }
"""
"""Every message is moved, and for that its header is looked at."""
WITHIN = 30.0
"""Seconds in which the watcher must be ready, and a message filed."""
FEWEST, MOST = 20, 200
"""Messages."""


async def filing(server: Server, account: int, encrypted: bool, seconds: float) -> list[Figure]:
    """
    Deliver one message after the other, the next when the one before was filed.

    Args:
        server: It runs, and has the account.
        account: Which.
        encrypted: Whether the watcher uses TLS.
        seconds: For how long.

    """
    folder = server.folder / "filing"
    folder.mkdir(exist_ok=True)
    written(folder, server, [account], encrypted, f"{RULES}", brake=False)
    log = folder / "log"
    generator = random.Random(account)
    mail = payloads(OCTETS)
    deliverer = await Deliverer.open(server.ports["lmtp"])
    whole: list[float] = []
    process = started(folder, log)
    try:
        await _told(_Events(log, "idle"), 1)
        filed = _Events(log, "filed")
        used, stop = machine.processor_seconds(process.pid), time.monotonic() + seconds
        while (time.monotonic() < stop or len(whole) < FEWEST) and len(whole) < MOST:
            begin, _ = await deliverer.deliver(address(account), next(mail))
            await _told(filed, len(whole) + 1)
            whole.append(time.perf_counter() - begin)
            await asyncio.sleep(generator.uniform(*PAUSE))
        used = (machine.processor_seconds(process.pid) - used) / len(whole)
    finally:
        deliverer.transport.abort()
        process.terminate()
        await asyncio.to_thread(process.wait)
    times = [one["ms"] / 1000 for one in _lines(log, "filed") if "ms" in one]
    middle, late = percentile(times, 0.5), percentile(times, 0.99)
    return [
        Figure(
            f"EXISTS to filed by mailhorn watch{' (TLS)' if encrypted else ''}",
            middle,
            f"{milliseconds(middle)} / {milliseconds(late)} ms",
            details={
                "p50_ms": middle * 1000,
                "p99_ms": late * 1000,
                "messages": len(whole),
                "announced": len(times),
                "delivery_to_filed_p50_ms": percentile(whole, 0.5) * 1000,
                "watcher_cpu_ms": used * 1000,
            },
        ),
        Figure(
            f"delivery to filed by mailhorn watch{' (TLS)' if encrypted else ''}",
            percentile(whole, 0.5),
            f"{milliseconds(percentile(whole, 0.5))} / {milliseconds(percentile(whole, 0.99))} ms",
        ),
    ]


class _Events:
    """Counts an event in a log that grows, and reads each octet once: looking must cost little."""

    def __init__(self, log: Path, event: str) -> None:
        self._log = log
        self._event = f'"event": "{event}"'.encode()
        self._read = self._count = 0

    def count(self) -> int:
        """Return how often it was logged."""
        if os.stat(self._log).st_size > self._read:
            with self._log.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            end = lines.rfind(b"\n") + 1
            self._read += end
            self._count += lines.count(self._event, 0, end)
        return self._count


async def _told(events: _Events, times: int) -> None:
    """Wait until the watcher has logged something so often."""
    async with asyncio.timeout(WITHIN):
        while events.count() < times:  # noqa: ASYNC110 - a file of another process has no event
            await asyncio.sleep(0.002)


def _lines(log: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    return [line for line in lines if line.get("event") == event]


__all__ = ["filing"]
