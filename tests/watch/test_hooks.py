"""Hooks over a real journal: real commands, a real web server, deaths in between."""

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog
import uvloop
from tests.kit.stage import Stage, done, idle, moved, ready
from tests.kit.stage import mail as fetched

from mailhorn.model.ids import UID, UIDValidity
from mailhorn.testing import Peer
from mailhorn.watch import hooks as module
from mailhorn.watch.act import Kind, Step
from mailhorn.watch.hooks import Hook, Hooks
from mailhorn.watch.journal import Journal, JournalError
from mailhorn.watch.ledger import ActionState, Baseline, Outcome, Place, Record, Request, Row, Settle

PLACE = Place("ann", "INBOX")
V = UIDValidity(7)
WRITES = "import sys, os; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


class Mail:
    """A journal in which messages are recorded."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"
        self.told = folder / "told"
        self._journal = Journal(self.path)
        self.do(Baseline(PLACE, V, 1))

    def do(self, request: Request) -> None:
        """Have the journal carry something out."""
        self._journal.carry_out([request])

    def record(self, uid: int, *steps: Step) -> None:
        """A message comes."""
        row = Row(UID(uid), f"<{uid}@x>", 0, 10, steps, sender="bob@example.org", subject="é")
        self.do(Record(PLACE, V, uid + 1, (row,)))

    def settle(self, uid: int) -> None:
        """Its first step is done."""
        self.do(Settle(PLACE, V, (Outcome(UID(uid), 0, ActionState.DONE, target=(V, UID(1))),)))

    def writing(self, **more: Any) -> Hook:
        """Return a hook that writes down what it is told."""
        return Hook("write", (sys.executable, "-c", WRITES, str(self.told)), **more)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written down."""
        return [json.loads(line) for line in self.told.read_text().splitlines()] if self.told.exists() else []

    def close(self) -> None:
        """Close it."""
        self._journal.close()


@pytest.fixture
async def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mail]:
    """A journal; what is tried again is tried at once."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(module, "NOT_YET", 0.02)
    made = Mail(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def running(mail: Mail, *hooks: Hook, at_once: int = 4) -> AsyncIterator[Callable[[int], Any]]:
    """Run hooks; gives what waits until so many lines of the log are about them."""
    changed = asyncio.Event()

    def note(_: object, __: str, entry: Any) -> Any:
        changed.set()
        return entry

    with structlog.testing.capture_logs() as logged:
        structlog.get_config()["processors"].insert(0, note)
        async with Hooks(mail.path, hooks, at_once) as run:

            async def until(count: int) -> list[dict[str, Any]]:
                run.news()
                async with asyncio.timeout(30):
                    while len(logged) < count:
                        changed.clear()
                        await changed.wait()
                return list(logged)

            yield until


async def test_each_new_message_is_told_of_once(mail: Mail) -> None:
    """Those before the hook was there are not; what was done to it is told, and a key that is its own."""
    mail.record(1)
    async with running(mail, mail.writing()) as until:
        mail.record(2)
        mail.record(3, Step(Kind.MOVE, "Lists", rule="Lists"))
        await until(1)
        assert [line["uid"] for line in mail.lines()] == [2]
        mail.settle(3)
        await until(2)
    two, three = mail.lines()
    assert (two["account"], two["mailbox"], two["uid_validity"], two["message_id"]) == ("ann", "INBOX", 7, "<2@x>")
    assert (two["from"], two["subject"], two["actions"]) == ("bob@example.org", "é", [])
    (done,) = three["actions"]
    assert (done["action"], done["target"], done["rule"], done["state"], done["uid"]) == (
        "move",
        "Lists",
        "Lists",
        "done",
        1,
    )
    assert two["key"] != three["key"] and len(two["key"]) == 32
    async with running(mail, mail.writing()) as until:
        mail.record(4)
        await until(1)
    assert [line["uid"] for line in mail.lines()] == [2, 3, 4]


async def test_only_what_a_rule_has_done(mail: Mail) -> None:
    """And only of the accounts and mailboxes it is for."""
    wanted = mail.writing(rule="Lists", accounts=("ann",), mailboxes=("INBOX",))
    other = Hook("other", wanted.command, accounts=("bob",))
    async with running(mail, wanted, other) as until:
        mail.record(1)
        mail.record(2, Step(Kind.MOVE, "Lists", rule="Lists"))
        mail.record(3, Step(Kind.MOVE, "Else", rule="Else"))
        mail.settle(2)
        mail.settle(3)
        logged = await until(1)
    assert [line["uid"] for line in mail.lines()] == [2]
    assert [entry["hook"] for entry in logged] == ["write"]


async def test_who_dies_is_told_again_with_the_same_key(mail: Mail, tmp_path: Path) -> None:
    """At least once: the process ends while the command runs; the command, too."""
    slow = WRITES + "; open(sys.argv[2], 'w').write('x'); import time; time.sleep(600)"
    pipe, written = tmp_path / "pipe", asyncio.Event()
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    asyncio.get_running_loop().add_reader(reading, written.set)
    command = (sys.executable, "-c", slow, str(mail.told), str(pipe))
    async with Hooks(mail.path, [Hook("write", command)], 4) as run:
        mail.record(1)
        run.news()
        async with asyncio.timeout(30):
            await written.wait()
    asyncio.get_running_loop().remove_reader(reading)
    os.close(reading)
    async with running(mail, mail.writing()) as until:
        await until(1)
    first, again = mail.lines()
    assert first == again and first["key"]


async def test_what_fails_is_tried_again_and_holds_up_nothing(mail: Mail) -> None:
    """A command that fails twice, one that is not there, one that never ends; the good one goes on beside them."""
    counts = "import sys, os; f = open(sys.argv[1], 'a'); f.write('x'); f.flush(); sys.exit(f.tell() < 3)"
    tries = mail.told.with_name("tries")
    hooks = (
        mail.writing(),
        Hook("twice", (sys.executable, "-c", counts, str(tries))),
        Hook("nowhere", ("/nowhere",)),
        Hook("endless", (sys.executable, "-c", "import time; time.sleep(600)"), timeout=0.2),
    )
    async with running(mail, *hooks) as until:
        mail.record(1)
        logged = await until(12)
    assert tries.read_text() == "xxx" and len(mail.lines()) == 1
    reasons = {(entry["hook"], entry.get("reason", "")) for entry in logged}
    assert ("nowhere", "/nowhere cannot be run: No such file or directory") in reasons
    assert ("endless", f"{sys.executable} has taken more than 0.2 s") in reasons
    assert ("twice", f"{sys.executable} ended with 1") in reasons and ("twice", "") in reasons


def test_who_does_not_read_has_been_told(mail: Mail) -> None:
    """A command that ends at once, over and over, on the loop that the watcher has."""

    lost: list[Any] = []

    async def scenario() -> list[dict[str, Any]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        async with running(mail, *(Hook(f"deaf {number}", ("true",)) for number in range(4))) as until:
            for uid in range(1, 26):
                mail.record(uid)
            told: list[dict[str, Any]] = await until(100)
            return told

    logged = uvloop.run(scenario())
    gc.collect()  # a task that died is told of when it is collected
    assert not lost
    assert {entry["event"] for entry in logged} == {"hook"} and len(logged) == 100


async def test_a_bug_is_a_failure_like_any_other(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again after a pause, not at once and for ever."""
    monkeypatch.setattr(module, "run_command", lambda *_: 1 / 0)
    async with running(mail, Hook("odd", ("true",))) as until:
        mail.record(1)
        logged = await until(2)
    assert [(entry["event"], entry["attempt"]) for entry in logged[:2]] == [("hook failed", 1), ("hook failed", 2)]


async def test_it_is_given_up_in_the_end(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said in the log, and then there is peace."""
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 3)
    async with running(mail, Hook("nowhere", ("/nowhere",))) as until:
        mail.record(1)
        logged = await until(3)
    assert [entry["event"] for entry in logged] == ["hook failed", "hook failed", "hook given up"]


async def test_a_file_that_cannot_be_used(mail: Mail) -> None:
    """An error that is told in one line, as that of the journal is."""
    (mail.path.parent / "journal.hooks").mkdir()
    with pytest.raises(JournalError, match="what hooks are told is kept in .*journal.hooks: "):
        async with Hooks(mail.path, [mail.writing()], 1):
            pass


async def test_so_many_at_a_time(mail: Mail) -> None:
    """A burst does not start a hundred programs."""
    peak = "import os, sys, time\nd = sys.argv[1]\nopen(f'{d}/{os.getpid()}', 'w').close()\n"
    peak += "n = len(os.listdir(d))\ntime.sleep(0.05)\nos.unlink(f'{d}/{os.getpid()}')\nsys.exit(n > 2)"
    folder = mail.told.with_name("running")
    folder.mkdir()
    async with running(mail, Hook("peak", (sys.executable, "-c", peak, str(folder))), at_once=2) as until:
        for uid in range(1, 9):
            mail.record(uid)
        logged = await until(8)
    assert {entry["event"] for entry in logged} == {"hook"}


async def test_a_web_address(mail: Mail) -> None:
    """POST with the key in a header; anything but 2xx is tried again with the same one."""
    posted: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            posted.append((self.headers["Idempotency-Key"], body))
            self.send_response(503 if len(posted) == 1 else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            async with running(mail, Hook("web", url=f"http://127.0.0.1:{server.server_port}/new")) as until:
                mail.record(1)
                logged = await until(2)
        finally:
            server.shutdown()
            thread.join()
    assert [entry.get("reason", "") for entry in logged] == ["it answered 503", ""]
    assert posted[0] == posted[1] and posted[0][0] == posted[0][1]["key"]


async def test_f84_a_hook_that_does_not_end(tmp_path: Path) -> None:
    """The reader never waits for work: mail is filed beside a hook that runs and runs, and stopping does not wait."""
    stage = Stage(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    endless = ("sh", "-c", 'echo >"$0"; exec sleep 600', str(fifo))
    stage.hooks = Hooks(tmp_path / "journal", [Hook("endless", endless, timeout=600.0)], 1)

    async def scenario(peer: Peer) -> None:
        await ready(peer)
        for uid in (5, 6, 7):
            await peer.say(f"* {uid} EXISTS")
            await done(peer, fetched(uid))
            await moved(peer, uid)
            await idle(peer)
            if uid == 5:
                await asyncio.to_thread(fifo.read_bytes)  # now it runs
        await peer.gone()

    async with stage.play(scenario):
        await stage.files(5, 6, 7)
        assert stage.steps <= 60
