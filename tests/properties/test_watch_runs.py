"""A watcher's whole life by seed: mail, cuts at any byte, kills between any two steps, in virtual time.

    MAILHORN_RUNS=100000 pytest tests/properties/test_watch_runs.py     all that there is, a quarter of an hour

Each message ends in exactly the mailbox where the rules want it, each letter is with the queue exactly once, and every
run ends with the machine at rest.
"""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.simulated_imap import Mailboxes
from tests.kit.watched import CAPABILITIES, MEMORY, World

from mailhorn.watch import filing
from mailhorn.watch.journal import Journal

RUNS = int(os.environ.get("MAILHORN_RUNS", "1000"))
ACTIONS = (
    *("run", "run", "run", "mail", "mail", "burst", "cut", "cut move", "kill", "kill move", "wait"),
    *("post", "kill post"),
)


@pytest.fixture
def journals() -> Iterator[Path]:
    """A directory in memory."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        yield Path(directory)


def one_run(path: Path, seed: int) -> None:
    """A life that the seed decides: what the server can do, what is watched, what happens when."""
    pick = random.Random(seed)
    capabilities = CAPABILITIES[pick.choice(list(CAPABILITIES))]
    watched = pick.choice([("INBOX",), ("INBOX",), ("INBOX", "Second"), ("INBOX", "Second", "Third")])
    journal = Journal(path)
    try:
        world = World(Mailboxes(*capabilities), journal, seed, watched)
        if pick.random() < 0.5:
            world.cut_at = {pick.choice(["to server", "to client"]): pick.randint(1, 4000)}
        world.settle()
        if pick.random() < 0.5:
            world.kill_at = world.events + pick.randint(1, 80)
        for _ in range(pick.randint(3, 24)):
            world.act(pick.choice(ACTIONS))
        world.check()
        world.stop()
    finally:
        journal.close()
        for file in path.parent.glob(path.name + "*"):
            file.unlink()


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("part", range(10))
def test_runs_by_seed(journals: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens: exactly once, in the right mailbox, and alive at the end."""
    for seed in range(part, RUNS, 10):
        monkeypatch.setattr(filing, "GROUP", 2 if seed % 3 else 100)
        try:
            one_run(journals / f"j{seed}", seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


SCENE = ("mail", "burst", "wait", "wait", "burst", "wait", "wait")


def scene(journal: Journal, capabilities: str, cut_at: dict[str, int], kill_at: int = -1) -> World:
    """The same few messages each time, but for one fault."""
    world = World(Mailboxes(*CAPABILITIES[capabilities]), journal, 7)
    world.cut_at, world.kill_at = cut_at, kill_at
    world.settle()
    world.random = random.Random(11)
    for action in SCENE:
        world.act(action)
        for _ in range(400):
            if not world.advance():
                break
    world.check()
    return world


def faults(of: World, stride: int) -> Iterator[tuple[dict[str, int], int]]:
    """Return a cut at every byte each way, and a kill at every step."""
    for way, count in of.passed.items():
        for at in range(1, count, stride):
            yield {way: at}, -1
    for at in range(2, of.events, max(1, stride // 20)):
        yield {}, at


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("capabilities", CAPABILITIES)
def test_every_byte_and_every_step(journals: Path, capabilities: str) -> None:
    """The connection is cut at each byte in turn, either way, and the process is killed at each step in turn."""
    journal = Journal(journals / "whole")
    whole = scene(journal, capabilities, {})
    journal.close()
    for number, (cut_at, kill_at) in enumerate(faults(whole, 1 if RUNS >= 100_000 else 61)):
        journal = Journal(journals / f"j{number}")
        try:
            scene(journal, capabilities, cut_at, kill_at)
        except BaseException as error:
            error.add_note(f"cut {cut_at}, kill at step {kill_at}")
            raise
        finally:
            journal.close()
            for file in journals.glob(f"j{number}*"):
                file.unlink()
