"""A watcher on the real asyncio stack, before a scripted server, in virtual time; what it costs is bounded."""

import asyncio
import contextlib
import functools
import inspect
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from mailhorn.testing import HostileServer, Peer, Scenario, VirtualLoop
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import Filed, State, StateChanged
from mailhorn.watch.facts import install
from mailhorn.watch.hooks import Hooks
from mailhorn.watch.journal import JournalThread
from mailhorn.watch.ledger import Answer, Place, Request
from mailhorn.watch.supervisor import Watcher

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
PATIENCE = 100_000.0
"""Virtual seconds for anything to happen: more than any deadline of the watcher."""
CAPABILITIES = "IMAP4rev1 IDLE MOVE UIDPLUS"
RULES = """
require ["fileinto", "copy", "mailbox"];
if header :contains "subject" "list" { fileinto "Lists"; }
elsif header :contains "subject" "both" { fileinto :copy "Copies"; }
elsif header :contains "subject" "spam" { discard; }
"""
PROGRAM = install(RULES)
DATE = "01-Feb-2026 10:00:00 +0000"


class Stage:
    """A watcher, its server, and what it told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.filed: list[Filed] = []
        self.changes: list[StateChanged] = []
        self.logged: list[Any] = []
        self.news = asyncio.Event()
        self.asleep = 0.0
        self.hooks: Hooks | None = None
        self.watcher: Watcher
        self.server: HostileServer
        self.running: asyncio.Task[None]

    def account(self, port: int, **more: Any) -> WatchAccount:
        """Return the account that is watched."""
        told: dict[str, Any] = {"program": PROGRAM, "tls": Security.NONE, "name": "ann", "host": "127.0.0.1"}
        return WatchAccount(port=port, user="u", password="secret", **{**told, **more})

    @contextlib.asynccontextmanager
    async def play(self, *scenarios: Scenario, server_tls: Any = None, **account: Any) -> AsyncIterator[HostileServer]:
        """Run a server with these scripts and a watcher before it, for as long as the block lasts."""
        async with HostileServer(*scenarios, tls=server_tls) as self.server, self.watch(self.server.port, **account):
            yield self.server

    @contextlib.asynccontextmanager
    async def watch(self, port: int, accounts: int = 1, **account: Any) -> AsyncIterator[Watcher]:
        """Run a watcher before a port."""
        named = [{"name": f"ann{i}"} if i else {} for i in range(accounts)]
        watched = [self.account(port, **{**account, **more}) for more in named]
        awake = asyncio.get_running_loop().time

        def clock() -> float:
            return awake() + self.asleep

        self.watcher = Watcher(
            watched, self.directory / "journal", on_filed=self._on_filed, on_state=self._on_state, clock=clock
        )
        if self.hooks is not None:
            self.watcher.on_journal = self.hooks.news
        self.running = asyncio.create_task(self.watcher.run(self._beside()))
        with structlog.testing.capture_logs() as self.logged:
            try:
                yield self.watcher
                self.watcher.stop()
                async with asyncio.timeout(1.0):
                    await self.running
            finally:
                self.running.cancel()
                await asyncio.gather(self.running, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        async with self.hooks or contextlib.nullcontext():
            yield

    def _on_filed(self, place: Place, filed: Filed) -> None:
        self.filed.append(filed)
        self.news.set()

    def _on_state(self, place: Place, change: StateChanged) -> None:
        self.changes.append(change)
        self.news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true; what went wrong in a script is raised."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                if getattr(self, "server", None) is not None and self.server.problems:
                    raise self.server.problems[0]
                self.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE / 100):
                        await self.news.wait()

    async def files(self, *uids: int, within: float = PATIENCE) -> None:
        """Wait until so many messages are where the rules want them, and see that they are these, and in time."""
        begin = asyncio.get_running_loop().time()
        await self.until(lambda: len(self.filed) >= len(uids))
        assert asyncio.get_running_loop().time() - begin <= within
        assert [filed.uid for filed in self.filed] == list(uids)

    async def enters(self, state: State, times: int = 1) -> StateChanged:
        """Wait until the watch has come to a state so many times, and return the last of these changes."""

        def found() -> list[StateChanged]:
            return [change for change in self.changes if change.state is state]

        await self.until(lambda: len(found()) >= times)
        return found()[times - 1]

    @property
    def steps(self) -> int:
        """How many steps all machines have taken."""
        return sum(watch.machine.steps for watch in self.watcher.watches)

    @property
    def warnings(self) -> list[str]:
        """What the user was told."""
        return [str(entry["event"]) for entry in self.logged if entry["log_level"] == "warning"]


def on_stage(turns: int = 200, calls: int = 80, steps: int = 60) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """
    Decorate a coroutine test that takes a Stage and then fixtures.

    Args:
        turns: Turns of the event loop, of watcher and server together, that the whole of it may take.
        calls: System calls of the watcher that move bytes.
        steps: Steps of the machines.

    """

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            with tempfile.TemporaryDirectory(dir=MEMORY) as directory, pytest.MonkeyPatch.context() as patch:
                with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                    loop = runner.get_loop()
                    assert isinstance(loop, VirtualLoop)
                    _hold_for_the_journal(loop, patch)

                    async def play() -> Stage:
                        stage = Stage(Path(directory))
                        await test(stage, **fixtures)
                        return stage

                    stage = runner.run(play())
                    budget = loop.budget
            assert budget.turns <= turns, f"{budget.turns} turns of the loop, {turns} are enough"
            assert budget.calls <= calls, f"{budget.calls} calls that move bytes, {calls} are enough"
            if hasattr(stage, "watcher"):
                assert stage.steps <= steps, f"{stage.steps} steps, {steps} are enough"

        signature = inspect.signature(test)
        run.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
        return run

    return decorate


def _hold_for_the_journal(loop: VirtualLoop, patch: pytest.MonkeyPatch) -> None:
    """Keep time from jumping while the journal's thread works."""
    ask = JournalThread.ask

    def held(self: JournalThread, request: Request, answer: Callable[[Answer], None]) -> None:
        release = loop.hold()

        def answered(given: Answer) -> None:
            answer(given)
            release()

        ask(self, request, answered)

    patch.setattr(JournalThread, "ask", held)


# what most scripts begin with


def mail(uid: int, subject: str = "list", flags: str = "", body: bool = True, name: str = "") -> str:
    """Return the FETCH response for a message."""
    head = f"Subject: {subject}\r\nMessage-ID: <{name or uid}@x>\r\n\r\n"
    section = f"{{{len(head)}}}\r\n{head}" if body else "NIL"
    return (
        f'* {uid} FETCH (UID {uid} FLAGS ({flags}) INTERNALDATE "{DATE}" RFC822.SIZE 99 '
        f"BODY[HEADER.FIELDS (MESSAGE-ID SUBJECT)] {section})"
    )


async def log_in(peer: Peer, capabilities: str = CAPABILITIES) -> None:
    """Greet and let in."""
    await peer.say(f"* OK [CAPABILITY {capabilities}] ready")
    await peer.command("LOGIN")
    await peer.say(f"$ OK [CAPABILITY {capabilities}] in")


async def select(peer: Peer, uid_next: int = 5, uid_validity: int = 7) -> None:
    """Answer SELECT."""
    await peer.command("SELECT")
    await peer.say(f"* {uid_next - 1} EXISTS", f"* OK [UIDVALIDITY {uid_validity}] v", f"* OK [UIDNEXT {uid_next}] n")
    await peer.say("$ OK [READ-WRITE] selected")


async def fetch(peer: Peer, *lines: str) -> None:
    """Answer a FETCH."""
    await peer.command("UID FETCH")
    await peer.say(*lines, "$ OK fetched")


async def idle(peer: Peer) -> None:
    """Begin an IDLE."""
    await peer.command("IDLE")
    await peer.say("+ idling")


async def ready(peer: Peer, uid_next: int = 5, capabilities: str = CAPABILITIES) -> None:
    """From the greeting to IDLE, with nothing new."""
    await log_in(peer, capabilities)
    if "IMAP4rev2" in capabilities:
        await peer.command("NAMESPACE")
        await peer.say('* NAMESPACE (("" "/")) NIL NIL', "$ OK told")
    await select(peer, uid_next)
    await fetch(peer)
    await idle(peer)


async def done(peer: Peer, *lines: str) -> None:
    """Take DONE with the FETCH behind it, and answer both."""
    await peer.command("DONE")
    tag = peer.tag
    await peer.command("UID FETCH")
    await peer.say(f"{tag} OK idled", *lines, "$ OK fetched")


async def moved(peer: Peer, uid: int) -> None:
    """Take and answer the MOVE of a message."""
    said = await peer.command("UID MOVE")
    assert said.arguments.split(" ")[0] == str(uid), said
    await peer.say(f"* OK [COPYUID 70 {uid} {uid + 30}] moved", f"* {uid} EXPUNGE", "$ OK done")


async def delivers(peer: Peer, uid: int = 5) -> None:
    """After an announcement: what is announced is fetched and moved, and the client idles again, for good."""
    await done(peer, mail(uid))
    await moved(peer, uid)
    await idle(peer)
    await peer.gone()


async def comes_back(peer: Peer, uid: int = 5) -> None:
    """The connection after the fault: what came in between is found, and the client idles, for good."""
    await log_in(peer)
    await select(peer, uid + 1)
    await fetch(peer, mail(uid))
    await moved(peer, uid)
    await idle(peer)
    await peer.gone()


async def works(peer: Peer, uid: int = 5) -> None:
    """A first contact with a server that has no fault: mail comes and is filed."""
    await ready(peer, uid)
    await peer.say(f"* {uid} EXISTS")
    await delivers(peer, uid)
