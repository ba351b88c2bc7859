"""What a server that is started as a process of its own finds: the environment, and ports that nobody else is given."""

import atexit
import contextlib
import functools
import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import mailhorn

HOST = "127.0.0.1"

PORTS = range(15_000, 32_000)
"""Below those the system gives to outgoing connections: they are still free after a restart."""

BLOCK = 200
"""Ports that one process gives out, in turn: more than forty servers have at a time, and 85 processes find a block."""


def free_port() -> int:
    """Return a port that no other process which asks here is given, and that nobody listens on."""
    for port in itertools.islice(_block(), BLOCK):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise OSError(f"no port of this process's block of {PORTS} is free")


@functools.cache
def _block() -> Iterator[int]:
    """Claim a block by its first port, which stays bound until this process ends; return the others, for ever."""
    firsts = list(PORTS[::BLOCK])
    random.SystemRandom().shuffle(firsts)  # the tests' own generator is seeded alike in every worker
    for first in firsts:
        claim = socket.socket()
        try:
            claim.bind((HOST, first))
        except OSError:
            claim.close()
            continue
        atexit.register(claim.close)
        return itertools.cycle(range(first + 1, first + BLOCK))
    raise OSError(f"all of {PORTS} is taken")


def environment(home: Path) -> dict[str, str]:
    """Return what a child process sees of ours: this checkout, and a home of its own."""
    path = [str(Path(mailhorn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MAILHORN_"))},
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
