"""Rules in Python in a watcher: asked through real sockets, with the message fetched when they want it."""

import asyncio
import contextlib
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from tests.kit.simulated_imap import Mailboxes
from tests.watch.test_supervisor import Net, Watch

from mailhorn.config.pyrules import load
from mailhorn.watch.account import WatchAccount
from mailhorn.watch.history import Wanted, entries
from mailhorn.watch.judging import Verdict
from mailhorn.watch.looking import trying
from mailhorn.watch.runner import run_errand

RULE = """
async def rule(message, actions):
    # rule:[Numbers]
    if "body 2" in await message.text():
        actions.file_into("Lists")
        return
    # rule:[Trouble]
    if message.subject == "odd 3":
        raise KeyError("what")
    # rule:[Flags]
    if message.header("subject") == ["flag 4"]:
        actions.add_flags("\\\\Flagged", "work")
"""


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A server that listens."""
    made = Net(Mailboxes("IDLE", "MOVE", "UIDPLUS", "LITERAL+"))
    made.mailboxes.create("Lists")
    await made.listen()
    yield made
    await made.close()


def ruled(net: Net, folder: Path, text: str, seconds: float = 10.0) -> WatchAccount:
    """Return an account with this rule."""
    path = folder / "rules.py"
    path.write_text(textwrap.dedent(text))
    rule = load(path, "rules", seconds, frozenset())
    return replace(net.account(), python=rule, source=rule.source)


@contextlib.asynccontextmanager
async def watching(account: WatchAccount, journal: Path) -> AsyncIterator[Watch]:
    """Watch until the end of the block."""
    watch = Watch([account], journal)
    try:
        yield watch
    finally:
        watch.watcher.stop()
        await watch.running


async def test_what_a_rule_decides_is_done(net: Net, tmp_path: Path) -> None:
    """Filed, flagged, kept; what it fails on stays, the journal says why, and the rest goes on."""
    async with watching(ruled(net, tmp_path, RULE), tmp_path / "journal") as watch:
        await watch.until(lambda: any(change.state.value == "idle" for change in watch.changes))
        for number, subject in enumerate(["plain", "plain", "odd", "flag", "plain"], 1):
            net.deliver(f"{subject} {number}", number)
        await watch.until(lambda: len(watch.filed) == 2)
    lists = net.mailboxes.boxes["Lists"].messages
    assert [b"body 2" in message.raw for message in lists.values()] == [True]
    inbox = net.mailboxes.boxes["INBOX"].messages
    assert {uid: message.flags for uid, message in inbox.items()} == {
        1: set(),
        3: set(),
        4: {"\\Flagged", "work"},
        5: set(),
    }
    known = entries(tmp_path / "journal", Wanted(untouched=True))
    assert {entry.uid: entry.trouble for entry in known if entry.trouble} == {
        3: "the rules fail, line 9: KeyError: 'what'"
    }
    assert [doing.step.rule for entry in known for doing in entry.doings] == ["Numbers", "Flags"]


async def test_a_dry_run_asks_the_same_rule(net: Net, tmp_path: Path) -> None:
    """And nothing is done or written down; the trace says what the rule said."""
    for number in range(1, 4):
        net.deliver("plain", number)
    verdicts: list[Verdict] = []
    await run_errand(ruled(net, tmp_path, RULE), trying("INBOX", None, lambda _: None, verdicts.append), None)
    assert [[step.target for step in verdict.steps] for verdict in verdicts] == [[], ["Lists"], []]
    assert [test.text for test in verdicts[1].trace] == ["file_into('Lists')"]
    assert len(net.mailboxes.boxes["INBOX"].messages) == 3


async def test_a_rule_that_does_not_end(net: Net, tmp_path: Path) -> None:
    """Its message is left alone after its time, and the next one is looked at; stopping does not wait for it."""
    text = """
    import asyncio
    async def rule(message, actions):
        if message.subject == "slow":
            await asyncio.Event().wait()
        actions.file_into("Lists")
    """
    async with watching(ruled(net, tmp_path, text, 3.0), tmp_path / "journal") as watch:
        await watch.until(lambda: any(change.state.value == "idle" for change in watch.changes))
        net.deliver("slow", 1)
        net.deliver("quick", 2)
        await watch.until(lambda: len(watch.filed) == 1)
    (slow,) = [entry for entry in entries(tmp_path / "journal", Wanted(untouched=True)) if entry.trouble]
    assert slow.trouble == "the rules fail, it took more than 3 s"
    async with watching(ruled(net, tmp_path, text, 60.0), tmp_path / "other") as watch:
        await watch.until(lambda: any(change.state.value == "idle" for change in watch.changes))
        net.deliver("slow", 3)
        await watch.until(lambda: watch.watcher.steps > 0)
        async with asyncio.timeout(30):
            watch.watcher.stop()
            await watch.running


async def test_many_messages_at_once(net: Net, tmp_path: Path) -> None:
    """A rule that answers for hundreds of messages in a moment is no session that spins."""
    for number in range(1, 401):
        net.mailboxes.deliver("plain", number)
    text = "async def rule(message, actions): actions.file_into('Lists')\n"
    account = replace(ruled(net, tmp_path, text), backlog=True)
    with structlog.testing.capture_logs() as logged:
        async with watching(account, tmp_path / "journal") as watch:
            await watch.until(lambda: len(watch.filed) == 400)
    assert not [entry for entry in logged if entry["log_level"] in ("warning", "error")]
    assert len(net.mailboxes.boxes["Lists"].messages) == 400
