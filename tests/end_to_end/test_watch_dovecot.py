"""The watcher against a real Dovecot: IDLE, rule, MOVE; and whatever is killed, each message is filed once."""

import asyncio
import contextlib
import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.clients import need
from tests.kit.dovecot import Dovecot, running_dovecot
from tests.kit.process import environment

from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import Filed, State, StateChanged
from mailhorn.watch.facts import install
from mailhorn.watch.ledger import Place
from mailhorn.watch.supervisor import Watcher

RULES = """
require ["fileinto", "imap4flags", "copy"];
if header :contains "subject" "list" { fileinto "Lists/Python"; }
elsif header :contains "subject" "both" { fileinto :copy "Copies"; }
elsif header :is "subject" "Grüße" { addflag "\\\\Flagged"; fileinto "Grüße"; }
elsif header :contains "subject" "spam" { discard; }
"""

PATIENCE = 100.0


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """A Dovecot with no mail."""
    need("dovecot")
    with running_dovecot() as server:
        yield server


class Watch:
    """A watcher in this process, and what it told."""

    def __init__(self, accounts: list[WatchAccount], journal: Path) -> None:
        self.filed: list[Filed] = []
        self.states: dict[Place, State] = {}
        self._news = asyncio.Event()
        self.watcher = Watcher(accounts, journal, on_filed=self._on_filed, on_state=self._on_state)

    def _on_filed(self, place: Place, filed: Filed) -> None:
        self.filed.append(filed)
        self._news.set()

    def _on_state(self, place: Place, change: StateChanged) -> None:
        self.states[place] = change.state
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def idle(self) -> None:
        """Wait until every mailbox idles."""
        await self.until(lambda: all(state is State.IDLE for state in self.watcher.states.values()))


@contextlib.asynccontextmanager
async def watching(accounts: list[WatchAccount], journal: Path) -> AsyncIterator[Watch]:
    """Run a watcher; on the way out it is stopped, which must not take long."""
    watch = Watch(accounts, journal)
    running = asyncio.create_task(watch.watcher.run())
    try:
        yield watch
        begin = time.monotonic()
        watch.watcher.stop()
        await running
        assert time.monotonic() - begin < 3.0, "stopping took too long"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def account(server: Dovecot, user: str = "ann", rules: str = RULES, **more: object) -> WatchAccount:
    """Return the settings of one account."""
    return WatchAccount(
        user, server.host, server.imap_port, user, server.password, install(rules), Security.NONE, **more
    )


def deliver(server: Dovecot, subject: str, message_id: str, user: str = "ann") -> None:
    """Deliver one message; returns when the server has it."""
    with server.lmtp() as lmtp:
        lmtp.sendmail("sender@example.com", [f"{user}@example.org"], _message(subject, message_id))


def _message(subject: str, message_id: str) -> bytes:
    head = f"From: sender@example.com\r\nSubject: {subject}\r\nMessage-ID: <{message_id}>\r\n"
    return f"{head}\r\nHello.\r\n".encode()


def contents(server: Dovecot, user: str = "ann") -> dict[str, Counter[str]]:
    """Return how often each Message-ID is in each mailbox; what is only marked deleted does not count."""
    found: dict[str, Counter[str]] = {}
    with server.imap(user) as session:
        _, names = session.list()
        for line in names:
            name = re.fullmatch(rb'\(.*\) "/" "?([^"]+)"?', line)
            assert name is not None, line
            if b"\\Noselect" in line:
                continue
            session.select(b'"%s"' % name[1], readonly=True)
            _, data = session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            pairs = [item for item in data if isinstance(item, tuple) and b"\\Deleted" not in item[0]]
            ids = [re.search(rb"<([^>]+)>", item[1]) for item in pairs]
            found[name[1].decode()] = Counter(one[1].decode() for one in ids if one)
    return found


async def test_mail_is_filed_while_idling(dovecot: Dovecot, tmp_path: Path) -> None:
    """EXISTS while idling leads to what the rules want: moved, copied, flagged, in the trash, or left alone."""
    async with watching([account(dovecot)], tmp_path / "journal") as watch:
        await watch.idle()
        for subject in ("list", "both", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "spam", "plain"):
            await asyncio.to_thread(deliver, dovecot, subject, f"{subject.strip('=?')[-4:]}@x")
        await watch.until(lambda: len(watch.filed) == 4)
        await watch.idle()
    found = await asyncio.to_thread(contents, dovecot)
    assert found == {
        "INBOX": Counter({"both@x": 1, "lain@x": 1}),
        "Lists/Python": Counter({"list@x": 1}),
        "Copies": Counter({"both@x": 1}),
        "Gr&APwA3w-e": Counter({"=9Fe@x": 1}),
        "Trash": Counter({"spam@x": 1}),
    }
    assert all(filed.heard_at is not None and filed.target is not None for filed in watch.filed)


async def test_mail_from_before_is_left_alone_and_mail_from_between_is_filed(dovecot: Dovecot, tmp_path: Path) -> None:
    """A rule is for new mail: not for what was there at the first contact, but for what came while nobody watched."""
    deliver(dovecot, "list", "before@x")
    async with watching([account(dovecot)], tmp_path / "journal") as watch:
        await watch.idle()
    deliver(dovecot, "list", "between@x")
    async with watching([account(dovecot)], tmp_path / "journal") as watch:
        await watch.until(lambda: len(watch.filed) == 1)
    found = await asyncio.to_thread(contents, dovecot)
    assert found["INBOX"] == Counter({"before@x": 1})
    assert found["Lists/Python"] == Counter({"between@x": 1})


async def test_backlog_in_windows(dovecot: Dovecot, tmp_path: Path) -> None:
    """With `backlog` all that is there is filed, 500 messages at a time."""
    with dovecot.lmtp() as lmtp:
        for i in range(1203):
            lmtp.sendmail("s@example.com", ["ann@example.org"], _message("list" if i % 2 else "plain", f"{i}@x"))
    async with watching([account(dovecot, backlog=True)], tmp_path / "journal") as watch:
        await watch.until(lambda: len(watch.filed) == 601)
        await watch.idle()
    found = await asyncio.to_thread(contents, dovecot)
    assert found["Lists/Python"] == Counter(f"{i}@x" for i in range(1203) if i % 2)
    assert found["INBOX"] == Counter(f"{i}@x" for i in range(1203) if not i % 2)


async def test_several_accounts_and_mailboxes(dovecot: Dovecot, tmp_path: Path) -> None:
    """Several accounts in one process, several mailboxes of one account; what we put there is not filed again."""
    chain = 'require "fileinto"; if header :contains "subject" "list" { fileinto "Work"; } else { fileinto "Later"; }'
    with dovecot.imap("cat") as session:
        session.create("Work")
    accounts = [account(dovecot), account(dovecot, "bob"), account(dovecot, "cat", chain, mailboxes=("INBOX", "Work"))]
    async with watching(accounts, tmp_path / "journal") as watch:
        await watch.idle()
        for user in ("ann", "bob", "cat"):
            await asyncio.to_thread(deliver, dovecot, "list", f"{user}@x", user)
        await asyncio.to_thread(deliver, dovecot, "other", "other@x", "cat")
        await watch.until(lambda: len(watch.filed) == 4)
        await watch.idle()
    for user in ("ann", "bob"):
        assert (await asyncio.to_thread(contents, dovecot, user))["Lists/Python"] == Counter({f"{user}@x": 1})
    found = await asyncio.to_thread(contents, dovecot, "cat")
    assert (found["Work"], found["Later"]) == (Counter({"cat@x": 1}), Counter({"other@x": 1}))


async def test_wrong_password_is_not_tried_again_and_again(dovecot: Dovecot, tmp_path: Path) -> None:
    """A refused login waits for minutes, says why, and stopping does not wait for it."""
    reasons = []
    wrong = WatchAccount("ann", dovecot.host, dovecot.imap_port, "ann", "wrong", install(RULES), Security.NONE)
    watch = Watch([wrong], tmp_path / "journal")
    watch.watcher.on_state = lambda place, change: (reasons.append(change), watch._on_state(place, change))
    running = asyncio.create_task(watch.watcher.run())
    await watch.until(lambda: State.BACKOFF in watch.states.values())
    watch.watcher.stop()
    async with asyncio.timeout(3.0):
        await running
    change = next(change for change in reasons if change.state is State.BACKOFF)
    assert change.reason.startswith("login refused") and "wrong" not in change.reason


@pytest.mark.parametrize("security", [Security.IMPLICIT, Security.STARTTLS])
async def test_with_tls(dovecot: Dovecot, tmp_path: Path, security: Security) -> None:
    """From the first byte or by STARTTLS, with a certificate that is trusted by name."""
    port = dovecot.imaps_port if security is Security.IMPLICIT else dovecot.imap_port
    tls = WatchAccount(
        "ann", "localhost", port, "ann", dovecot.password, install(RULES), security, ca_file=dovecot.certificate
    )
    async with watching([tls], tmp_path / "journal") as watch:
        await watch.idle()
        await asyncio.to_thread(deliver, dovecot, "list", "1@x")
        await watch.until(lambda: len(watch.filed) == 1)


@pytest.mark.parametrize("security", [Security.IMPLICIT, Security.STARTTLS])
async def test_a_certificate_nobody_vouches_for(dovecot: Dovecot, tmp_path: Path, security: Security) -> None:
    """No password is sent, and the reason is said."""
    reasons: list[str] = []
    port = dovecot.imaps_port if security is Security.IMPLICIT else dovecot.imap_port
    tls = WatchAccount("ann", "localhost", port, "ann", dovecot.password, install(RULES), security)
    async with watching([tls], tmp_path / "journal") as watch:
        watch.watcher.on_state = lambda place, change: (reasons.append(change.reason), watch._on_state(place, change))
        await watch.until(lambda: State.BACKOFF in watch.states.values())
    assert any("certificate is not trusted" in reason for reason in reasons)
    assert "Login:" not in dovecot.log()


def deliver_while_it_dies(server: Dovecot, count: int) -> tuple[set[str], set[str]]:
    """Deliver messages to a server that is being killed; returns what it has, and what it may have."""
    certain: set[str] = set()
    attempted: set[str] = set()
    attempt = 0
    deadline = time.monotonic() + PATIENCE
    while len(certain) < count:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError, smtplib.SMTPException), server.lmtp() as lmtp:
            while len(certain) < count:
                attempt += 1
                message_id = f"{attempt}@x"
                attempted.add(message_id)
                lmtp.sendmail("sender@example.com", ["ann@example.org"], _message("list", message_id))
                certain.add(message_id)
    return certain, attempted


@pytest.mark.timeout(400)  # a Dovecot that was killed may wait for its own locks
async def test_server_killed_ten_times_while_500_messages_arrive(dovecot: Dovecot, tmp_path: Path) -> None:
    """However often the server is killed, each message is filed exactly once, and soon."""
    async with watching([account(dovecot)], tmp_path / "journal") as watch:
        await watch.idle()
        delivering = asyncio.create_task(asyncio.to_thread(deliver_while_it_dies, dovecot, 500))
        for kills in range(1, 11):
            await watch.until(lambda: len(watch.filed) >= 40 * kills or delivering.done())  # noqa: B023  # awaited here
            await asyncio.to_thread(dovecot.kill)
            await asyncio.to_thread(dovecot.start)
        certain, attempted = await delivering
        async with asyncio.timeout(PATIENCE):
            while (await asyncio.to_thread(contents, dovecot))["INBOX"]:  # takes a while of its own
                pass
        await watch.idle()
    filed = (await asyncio.to_thread(contents, dovecot))["Lists/Python"]
    assert set(filed.values()) == {1}, [found for found in filed.items() if found[1] > 1]
    assert certain <= filed.keys() <= attempted


PROGRAM = """
import asyncio, sys
from pathlib import Path
from mailhorn.watch.facts import install
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.supervisor import Watcher
port, journal, rules = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
account = WatchAccount("ann", "127.0.0.1", port, "ann", "secret", install(rules), Security.NONE)
def filed(place, filed):
    print(filed.message_id, flush=True)
def state(place, change):
    print(change.state.value, flush=True)
asyncio.run(Watcher([account], journal, on_filed=filed, on_state=state).run())
"""


def test_watcher_killed_five_times_while_messages_arrive(dovecot: Dovecot, tmp_path: Path) -> None:
    """kill -9 of the watcher itself: the journal knows what was begun, and each message is filed exactly once."""
    command = [sys.executable, "-c", PROGRAM, str(dovecot.imap_port), str(tmp_path / "journal"), RULES]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(tmp_path)
        )

    def read_until(process: subprocess.Popen[str], text: str) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == text:
                return
        raise AssertionError(f"it ended without saying {text!r}")

    process = start()
    sent = 0
    try:
        read_until(process, "idle")
        with dovecot.lmtp() as lmtp:
            for _ in range(5):
                for _ in range(30):
                    sent += 1
                    lmtp.sendmail("s@example.com", ["ann@example.org"], _message("list", f"{sent}@x"))
                read_until(process, f"<{sent - 20}@x>")
                process.send_signal(signal.SIGKILL)
                process.wait()
                assert process.stdout is not None
                process.stdout.close()
                process = start()
                read_until(process, "idle")
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert contents(dovecot)["Lists/Python"] == Counter(f"{i}@x" for i in range(1, sent + 1))
    assert not contents(dovecot)["INBOX"]
    assert os.stat(tmp_path / "journal").st_mode & 0o077 == 0
