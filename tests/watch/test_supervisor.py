"""The supervisor with a server in memory behind real sockets: connections, log, clock, and how it ends."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog
from tests.kit.process import free_port
from tests.kit.simulated_imap import Mailboxes, SimulatedServer

from mailhorn.net.tls import TLSProblem, self_signed, server_context
from mailhorn.sieve.run import Run
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import Event, Filed, Output, Started, State, StateChanged
from mailhorn.watch.facts import install
from mailhorn.watch.journal import JournalError, JournalThread
from mailhorn.watch.ledger import Place
from mailhorn.watch.machine import Machine
from mailhorn.watch.supervisor import Watcher, boottime

PATIENCE = 30.0
PROGRAM = install('require "fileinto"; if header :contains "subject" "list" { fileinto "Lists"; }')


class Line(asyncio.Protocol):
    """One connection to the mailboxes."""

    def __init__(self, net: "Net") -> None:
        self._net = net

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, if this server greets."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._net.lines.add(self)
        self._net.changed.set()
        if not self._net.mute:
            self._server = SimulatedServer(self._net.mailboxes)
            self.flush()

    def data_received(self, data: bytes) -> None:
        """Carry out commands, and tell all others what came of it."""
        self._server.receive_data(data)
        for line in tuple(self._net.lines):
            line.flush()
        if self._server.closed:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._net.lines.discard(self)
        self._net.changed.set()
        if not self._net.mute:
            self._server.end()

    def flush(self) -> None:
        """Send what is to be sent."""
        self._transport.write(self._server.data_to_send())

    def cut(self) -> None:
        """End it."""
        self._transport.abort()


class Net:
    """The mailboxes, behind a port."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self.mailboxes = mailboxes
        self.lines: set[Line] = set()
        self.mute = False
        self.port = 0
        self.changed = asyncio.Event()

    async def listen(self) -> None:
        """Begin to listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Line(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end all connections."""
        self._server.close()
        for line in tuple(self.lines):
            line.cut()
        await self._server.wait_closed()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of the connections."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def deliver(self, subject: str, number: int) -> None:
        """A message arrives, and who idles is told."""
        self.mailboxes.deliver(subject, number)
        for line in tuple(self.lines):
            line.flush()

    def account(self, name: str = "ann", **more: object) -> WatchAccount:
        """Return the settings of an account there."""
        return WatchAccount(name, "127.0.0.1", self.port, "u", "secret", PROGRAM, Security.NONE, **more)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A server that listens."""
    made = Net(Mailboxes("IDLE", "MOVE", "UIDPLUS", "LITERAL+"))
    made.mailboxes.create("Lists")
    await made.listen()
    yield made
    await made.close()


class Watch:
    """A watcher that runs, and what it told."""

    def __init__(self, accounts: list[WatchAccount], journal: Path) -> None:
        self.filed: list[tuple[Place, Filed]] = []
        self.changes: list[StateChanged] = []
        self.news = asyncio.Event()
        self.watcher = Watcher(accounts, journal, on_filed=self._on_filed, on_state=self._on_state)
        self.running = asyncio.create_task(self.watcher.run())

    def _on_filed(self, place: Place, filed: Filed) -> None:
        self.filed.append((place, filed))
        self.news.set()

    def _on_state(self, place: Place, change: StateChanged) -> None:
        self.changes.append(change)
        self.news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def idle(self) -> None:
        """Wait until every mailbox idles."""
        await self.until(lambda: set(self.watcher.states.values()) == {State.IDLE})

    async def stop(self) -> None:
        """Stop it; that takes less than a second whatever it is doing."""
        self.watcher.stop()
        async with asyncio.timeout(3.0):
            await self.running


@contextlib.asynccontextmanager
async def watching(accounts: list[WatchAccount], journal: Path) -> AsyncIterator[Watch]:
    """Run a watcher for as long as the block lasts."""
    watch = Watch(accounts, journal)
    try:
        yield watch
        await watch.stop()
    finally:
        watch.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch.running


async def test_one_line_for_each_message(net: Net, tmp_path: Path) -> None:
    """What was filed is told with its time, in the log and to who asked; the password is nowhere."""
    with structlog.testing.capture_logs() as logged:
        async with watching([net.account()], tmp_path / "j") as watch:
            await watch.idle()
            begin = boottime()
            net.deliver("list", 1)
            await watch.until(lambda: bool(watch.filed))
    ((place, filed),) = watch.filed
    assert place == Place("ann", "INBOX")
    assert filed.heard_at is not None and begin <= filed.heard_at <= filed.filed_at <= boottime()
    (line,) = [entry for entry in logged if entry["event"] == "filed"]
    assert (line["account"], line["uid"], line["message_id"]) == ("ann", 1, "<1@example.com>")
    assert line["done"] == "move Lists" and line["ms"] >= 0
    assert [entry["event"] for entry in logged] == ["syncing", "idle", "filed", "stopped"]
    assert "secret" not in repr(logged) and "secret" not in repr(net.account())


async def test_a_server_that_comes_later(net: Net, tmp_path: Path) -> None:
    """Fault F59: nobody there at first, and gone in between; it is found again, and nothing is missed."""
    await net.close()
    async with watching([net.account()], tmp_path / "j") as watch:
        await watch.until(lambda: State.BACKOFF in {change.state for change in watch.changes})
        await net.listen()
        await watch.idle()
        await net.close()
        await watch.until(lambda: watch.changes[-1].state is not State.IDLE)
        net.mailboxes.deliver("list", 1)
        await net.listen()
        await watch.until(lambda: bool(watch.filed))
    assert [watch.filed[0][1].uid, len(watch.filed)] == [1, 1]


async def test_stopping_never_waits(net: Net, tmp_path: Path) -> None:
    """Before it runs, while a server says nothing, while it idles: `run` ends within a second."""
    watcher = Watcher([net.account()], tmp_path / "before")
    watcher.stop()
    async with asyncio.timeout(3.0):
        await watcher.run()
    net.mute = True
    async with watching([net.account()], tmp_path / "mute") as watch:
        await net.until(lambda: bool(net.lines))
    net.mute = False
    assert watch.watcher.states == {Place("ann", "INBOX"): State.STOPPED}


async def test_nothing_to_watch(tmp_path: Path) -> None:
    """No account: `run` ends at once."""
    async with asyncio.timeout(3.0):
        await Watcher([], tmp_path / "j").run()


async def test_a_bug_of_ours_is_logged_and_the_others_go_on(net: Net, tmp_path: Path) -> None:
    """A machine that fails is replaced after a while; its connection is closed, and stopping still works."""
    with structlog.testing.capture_logs() as logged:
        async with watching([net.account("bad"), net.account("good")], tmp_path / "j") as watch:
            await watch.idle()
            (broken, _) = watch.watcher.watches

            def breaks(*_: object) -> None:
                raise RuntimeError("boom")

            broken.machine.step = breaks
            net.deliver("list", 1)
            await watch.until(lambda: bool(watch.filed))
            await net.until(lambda: len(net.lines) == 1)
    (line,) = [entry for entry in logged if entry["log_level"] == "error"]
    assert "bug" in line["event"] and line["account"] == "bad"


async def test_who_begins_anew_does_so_when_its_time_has_come(net: Net, tmp_path: Path) -> None:
    """Not when the network has changed meanwhile: it would be thought to have stopped, and not be told to."""
    async with watching([net.account()], tmp_path / "j") as watch:
        await watch.idle()
        (broken,) = watch.watcher.watches

        def breaks(*_: object) -> None:
            raise RuntimeError("boom")

        broken.machine.step = breaks
        watch.watcher.network_changed()
        await net.until(lambda: not net.lines)
        watch.watcher.network_changed()
        assert broken.stopped and broken.machine.steps == 0


async def test_settings_that_are_read_again_before_anything_is_watched(net: Net, tmp_path: Path) -> None:
    """What is new in them begins once, with all the others."""
    begun: list[str] = []

    class Counted(Machine):
        def step(self, event: Event, now: float, roll: float = 0.5) -> list[Output]:
            if isinstance(event, Started):
                begun.append(self.places[0].account)
            return super().step(event, now, roll)

    first, second, third = (net.account(name) for name in ("first", "second", "third"))
    watcher = Watcher([first], tmp_path / "j", machine=Counted)
    assert watcher.reload([first, second]) == (0, 1)

    @contextlib.asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        assert watcher.reload([first, second, third]) == (0, 1)
        yield

    running = asyncio.create_task(watcher.run(beside()))
    await net.until(lambda: len(net.lines) == 3)
    assert watcher.reload([first, second, third]) == (0, 0)
    watcher.stop()
    async with asyncio.timeout(PATIENCE):
        await running
    assert sorted(begun) == ["first", "second", "third"]


async def test_connections_have_their_time_to_end_whatever_was_before(tmp_path: Path) -> None:
    """Also if there was none in between."""

    class Wire:
        cuts = 0

        def cut(self) -> None:
            self.cuts += 1

    watcher = Watcher([], tmp_path / "j")
    before, last = Wire(), Wire()

    @contextlib.asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        watcher.opened(before)  # type: ignore[arg-type]  # as much of a connection as is asked for
        watcher.closed(before)  # type: ignore[arg-type]
        watcher.opened(last)  # type: ignore[arg-type]
        asyncio.get_running_loop().call_soon(watcher.closed, last)
        yield

    async with asyncio.timeout(PATIENCE):
        await watcher.run(beside())
    assert (before.cuts, last.cuts) == (0, 0)


async def test_a_message_that_breaks_the_rules_does_not_keep_the_others(net: Net, tmp_path: Path) -> None:
    """Fault F85: it is left alone, in so many words, and what comes behind it is filed."""

    def breaks(run: Run) -> None:
        if run.size(1) > 150:
            raise RuntimeError("boom")
        PROGRAM.body(run)

    broken = dataclasses.replace(net.account("ann"), program=dataclasses.replace(PROGRAM, body=breaks))
    with structlog.testing.capture_logs() as logged:
        async with watching([broken], tmp_path / "j") as watch:
            await watch.idle()
            net.deliver("poison" * 20, 1)
            net.deliver("list", 2)
            await watch.until(lambda: bool(watch.filed))
    assert [filed.uid for _, filed in watch.filed] == [2]
    (line,) = [entry for entry in logged if entry["log_level"] == "warning"]
    assert "message 1 of INBOX stays where it is" in line["event"] and "boom" in line["event"]


async def test_connections_leave_nothing_behind(net: Net, tmp_path: Path) -> None:
    """Fault F81: after a number of cuts there is one connection and one task, as at the beginning."""
    async with watching([net.account()], tmp_path / "j") as watch:
        await watch.idle()
        tasks = len(asyncio.all_tasks())
        for _ in range(5):
            watch.changes.clear()
            for line in tuple(net.lines):
                line.cut()
            await watch.until(lambda: State.IDLE in {change.state for change in watch.changes})
        assert (len(asyncio.all_tasks()), len(net.lines)) == (tasks, 1)


async def test_the_journal_is_needed(net: Net, tmp_path: Path) -> None:
    """Held by another watcher: `run` says so, and nothing was begun."""
    other = JournalThread(tmp_path / "j")
    with pytest.raises(JournalError, match="in use"):
        await Watcher([net.account()], tmp_path / "j").run()
    other.close()
    assert not net.lines


def test_names_are_distinct(tmp_path: Path) -> None:
    """The journal tells accounts apart by them."""
    account = WatchAccount("a", "localhost", 1, "u", "p", PROGRAM, Security.NONE)
    with pytest.raises(ValueError, match="same name"):
        Watcher([account, account], tmp_path / "j")


def test_one_mailbox_of_two_accounts(tmp_path: Path) -> None:
    """It is said: what their rules copy is there twice. Other mailboxes of the same user are all right."""
    account = WatchAccount("a", "localhost", 1, "u", "p", PROGRAM, Security.NONE)
    others = [
        dataclasses.replace(account, name="b", mailboxes=("Lists",)),
        dataclasses.replace(account, name="c", user="v"),
    ]
    with structlog.testing.capture_logs() as logged:
        Watcher([account, *others], tmp_path / "j")
        assert not logged
        Watcher([account, *others, dataclasses.replace(account, name="d", host="LOCALHOST")], tmp_path / "j")
    assert [(entry["account"], entry["other"], entry["mailbox"]) for entry in logged] == [("a", "d", "INBOX")]


@pytest.mark.parametrize(
    ("names", "own", "advice"),
    [(["127.0.0.1"], False, "set `ca` of this account"), (["elsewhere.example"], True, "set `host` to a name")],
    ids=["nobody's", "another's"],
)
async def test_a_certificate_that_is_not_trusted(tmp_path: Path, names: list[str], own: bool, advice: str) -> None:
    """What is wrong with it, and what to do."""
    certificate, key = self_signed(tmp_path, names)
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=server_context(certificate, key))
    port = listening.sockets[0].getsockname()[1]
    trusted = certificate if own else None
    account = WatchAccount("ann", "127.0.0.1", port, "u", "secret", PROGRAM, Security.IMPLICIT, ca_file=trusted)
    async with listening, watching([account], tmp_path / "j") as watch:
        await watch.until(lambda: State.BACKOFF in {change.state for change in watch.changes})
    reason = next(change.reason for change in watch.changes if change.state is State.BACKOFF)
    assert f"127.0.0.1:{port}: its certificate is not trusted: " in reason and advice in reason


async def test_why_nobody_can_be_reached(tmp_path: Path) -> None:
    """In words, not numbers: nobody listens, or not with TLS."""

    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK hello\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(greets, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    account = WatchAccount("ann", "127.0.0.1", port, "u", "secret", PROGRAM, Security.IMPLICIT)
    nobody = dataclasses.replace(account, name="bob", port=free_port())
    async with listening, watching([account, nobody], tmp_path / "j") as watch:
        await watch.until(lambda: all(state is State.BACKOFF for state in watch.watcher.states.values()))
    reasons = [change.reason for change in watch.changes if change.state is State.BACKOFF]
    assert f"cannot connect to 127.0.0.1:{nobody.port}: Connection refused" in reasons
    assert any(f":{port}: no TLS is spoken there; set `port` of this account" in reason for reason in reasons)


async def test_other_settings_while_it_runs(net: Net, tmp_path: Path) -> None:
    """What changed is stopped and begun anew, what is new begins, what is gone ends; the rest is not disturbed."""
    stays, goes, changes = net.account("stays"), net.account("goes"), net.account("changes")
    async with watching([stays, goes, changes], tmp_path / "j") as watch:
        await watch.idle()
        kept = watch.watcher.watches[0]
        before = set(net.lines)
        wanted = [net.account("comes"), stays, dataclasses.replace(changes, source="other rules")]
        assert watch.watcher.reload(wanted) == (2, 2)
        await watch.until(
            lambda: (
                {place.account: state for place, state in watch.watcher.states.items()}
                == dict.fromkeys(["comes", "stays", "changes"], State.IDLE)
            )
        )
        await net.until(lambda: len(net.lines) == 3)
        assert kept in watch.watcher.watches and len(before & net.lines) == 1
        net.deliver("list", 1)
        await watch.until(lambda: len(watch.filed) == 1)
        assert watch.watcher.reload(wanted) == (0, 0)


async def test_settings_that_cannot_be_change_nothing(net: Net, tmp_path: Path) -> None:
    """All or nothing: two accounts of one name, a list of certificates that is none."""
    async with watching([net.account()], tmp_path / "j") as watch:
        await watch.idle()
        watches = list(watch.watcher.watches)
        with pytest.raises(ValueError, match="same name"):
            watch.watcher.reload([net.account("b"), net.account("b")])
        with pytest.raises(TLSProblem):
            watch.watcher.reload([net.account("b"), net.account("c", ca_file=tmp_path / "none")])
        assert watch.watcher.watches == watches and len(net.lines) == 1


async def test_a_parked_account_is_tried_again_after_a_reload(net: Net, tmp_path: Path) -> None:
    """Settings that are read again are a reason to try once more, also if they are the same."""
    wrong = dataclasses.replace(net.account(), password="wrong")
    net.mailboxes.capabilities = ("IMAP4rev1", "IDLE", "LOGINDISABLED")
    async with watching([wrong], tmp_path / "j") as watch:
        await watch.until(lambda: State.PARKED in watch.watcher.states.values())
        assert watch.watcher.alive and watch.watcher.reports[0].reason.startswith("settings: ")
        net.mailboxes.capabilities = ("IMAP4rev1", "IDLE", "MOVE", "UIDPLUS")
        assert watch.watcher.reload([net.account()]) == (1, 1)
        await watch.idle()


async def test_reports(net: Net, tmp_path: Path) -> None:
    """What people and a watchdog want to know of each connection."""
    async with watching([net.account(mailboxes=("INBOX", "Lists"))], tmp_path / "j") as watch:
        await watch.idle()
        (first, second) = watch.watcher.reports
        assert (first.places, second.places) == ((Place("ann", "INBOX"),), (Place("ann", "Lists"),))
        assert (first.state, first.reason, first.push, first.renewal) == (State.IDLE, "", True, 540)
        assert first.since <= first.heard_at + 1 <= boottime() + 1
        assert watch.watcher.alive
        watch.watcher.watches[0].due = boottime() - 60
        assert not watch.watcher.alive


async def test_a_session_that_spins_is_named_and_begins_anew(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose deadline is always over: the log has the session, and where its script stands."""
    plain = Machine.step

    def step(self: Machine, event: Event, now: float, roll: float = 0.5) -> list[Output]:
        outputs = plain(self, event, now, roll)
        self.deadline = 0.0
        return outputs

    with structlog.testing.capture_logs() as logs:
        async with watching([net.account()], tmp_path / "journal") as watch:
            await watch.idle()
            monkeypatch.setattr(Machine, "step", step)
            watch.watcher.network_changed()
            for _ in range(100_000):
                if any("spinning" in entry["event"] for entry in logs):
                    break
                await asyncio.sleep(0)
            monkeypatch.undo()
            (session,) = watch.watcher.watches
            assert session.stopped, "until it begins anew"
    entry = next(entry for entry in logs if "spinning" in entry["event"])
    assert entry["account"] == "ann" and any("watch/idling.py" in place for place in entry["stack"]), entry
