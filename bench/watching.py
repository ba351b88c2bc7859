"""What a watcher costs that has nothing to do: many accounts in one process, each idling on a connection of its own."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from . import machine
from .figures import Figure
from .process import HOST, environment
from .servers import MAILHORN, PASSWORD, Server, login

IDLE_WITHIN = 300.0
"""Seconds the accounts may take until all of them idle."""
SETTLED = 5.0
"""Seconds a watcher has to give back what the logins needed, before its memory is read."""


async def many(server: Server, accounts: Sequence[int], encrypted: bool, seconds: float) -> list[Figure]:
    """
    Have one watcher idle on the INBOX of each account, and measure it from outside.

    Args:
        server: It runs, and has the accounts.
        accounts: Which.
        encrypted: Whether by TLS.
        seconds: For which it is left alone; its server's signs of life and its renewals come every few minutes.

    """
    one = await _measured(server, accounts[:1], encrypted, 0.0)
    all_of_them = await _measured(server, accounts, encrypted, seconds)
    count = len(accounts)
    each = (all_of_them.memory - one.memory) / (count - 1) / 1024
    share = all_of_them.processor / all_of_them.seconds
    wakeups = all_of_them.switches / count / (all_of_them.seconds / 60)
    kind = f"watching {count:,} {'TLS ' if encrypted else ''}accounts"
    return [
        Figure(f"{kind}: memory each", each, f"{each:.1f} KiB (of one: {one.memory / 2**20:.1f} MiB)"),
        Figure(f"{kind}: processor", share, f"{share * 100:.2f} % of a core", details={"seconds": all_of_them.seconds}),
        Figure(f"{kind}: wakeups each", wakeups, f"{wakeups:.3f} a minute"),
        Figure(
            f"{kind}: all idle",
            all_of_them.begun,
            f"after {all_of_them.begun:.1f} s ({all_of_them.login / count * 1000:.1f} ms of processor each)",
        ),
    ]


class _Cost:
    """What a watcher has cost: octets, seconds of processor, voluntary switches, and how long it took to begin."""

    memory = 0
    processor = switches = login = begun = 0.0
    seconds = 1.0


async def _measured(server: Server, accounts: Sequence[int], encrypted: bool, seconds: float) -> _Cost:
    folder = server.folder / "watching"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    rules = 'require "fileinto"; if header :contains "subject" "list" { fileinto "L"; }\n'
    written(folder, server, accounts, encrypted, rules)
    log = folder / "log"
    cost, begin = _Cost(), time.monotonic()
    process = started(folder, log)
    try:
        async with asyncio.timeout(IDLE_WITHIN):
            while _idling(log) < len(accounts):
                if process.poll() is not None:
                    raise RuntimeError(f"the watcher ended: {log.read_text()[-500:]}")
                await asyncio.sleep(0.2)
        cost.begun = time.monotonic() - begin
        cost.login = machine.processor_seconds(process.pid)
        await asyncio.sleep(SETTLED)
        cost.memory = machine.memory(process.pid)
        used, switched, begin = machine.processor_seconds(process.pid), _switches(process.pid), time.monotonic()
        await asyncio.sleep(seconds)
        cost.seconds = max(time.monotonic() - begin, 1.0)
        cost.processor = machine.processor_seconds(process.pid) - used
        cost.switches = _switches(process.pid) - switched
    finally:
        process.terminate()
        process.wait()
    return cost


def written(
    folder: Path, server: Server, accounts: Sequence[int], encrypted: bool, rules: str, brake: bool = True
) -> None:
    """Write the settings of a watcher into a folder."""
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "rules.sieve").write_text(rules)
    port, security = (server.ports["imaps"], "tls") if encrypted else (server.ports["imap"], "none")
    more = "" if brake else "brake = 0\n"
    tables = "".join(
        f'[[account]]\nname = "{login(number)}"\nhost = "{HOST}"\nport = {port}\nencryption = "{security}"\n'
        f'verify = false\nuser = "{login(number)}"\npassword_file = "password"\nrules = "rules.sieve"\n{more}'
        for number in accounts
    )
    (folder / "watch.toml").write_text(f'journal = "journal"\n[log]\nformat = "json"\n{tables}')


def started(folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Start a watcher with the settings of a folder, its log in a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [*MAILHORN, "watch", "--config", "watch.toml"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )


def _idling(log: Path) -> int:
    """Return how many accounts have come to idle."""
    count = 0
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            count += json.loads(line).get("event") == "idle"
    return count


def _switches(pid: int) -> int:
    """Return how often all threads of a process have gone to sleep: each was woken as often."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    count += int(line.split()[1])
    return count


__all__ = ["many", "started", "written"]
