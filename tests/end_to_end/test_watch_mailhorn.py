"""`mailhorn watch` against `mailhorn serve`, both as processes of their own."""

import contextlib
import re
import select
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from imapclient import IMAPClient
from tests.kit.deliveries import Deliveries
from tests.kit.process import HOST, PASSWORD, PATIENCE, Program, Server, processor_time, running, running_server
from tests.kit.tap import Tap

MESSAGES = 500
KILLS = 10
QUIET = 10.0
"""Seconds over which an idle watcher is observed."""

RULES = """\
require ["fileinto"];
if header :contains "subject" "odd" { fileinto "Odd"; } else { fileinto "Even"; }
"""

ACCOUNT = """\
[[account]]
name = "{login}"
host = "127.0.0.1"
port = {port}
user = "{login}"
password = "{password}"
encryption = "none"
backlog = true
rules = "{rules}"
"""


class Watcher(Program):
    """`mailhorn watch` over some accounts of a server."""

    def __init__(self, folder: Path, port: int, logins: Sequence[str]) -> None:
        super().__init__(folder, "watch", "--config", "watch.toml")
        rules = folder / "rules.sieve"
        rules.write_text(RULES)
        head = f'journal = "{folder}/journal.sqlite"\n[log]\nformat = "json"\n'
        accounts = [ACCOUNT.format(login=login, port=port, password=PASSWORD, rules=rules) for login in logins]
        (folder / "watch.toml").write_text(head + "\n".join(accounts))


@contextlib.contextmanager
def observed(server: Server, login: str, mailbox: str) -> Iterator[IMAPClient]:
    """An IMAP session in a mailbox."""
    with IMAPClient(HOST, server.ports["imap"], ssl=False, timeout=PATIENCE) as session:
        session.login(login, PASSWORD)
        session.select_folder(mailbox)
        yield session


def wait_until_empty(server: Server, login: str, patience: float) -> None:
    """Wait until there is nothing in INBOX any more."""
    deadline = time.monotonic() + patience
    with observed(server, login, "INBOX") as session:
        while left := session.search():
            assert time.monotonic() < deadline, f"{len(left)} messages are still in INBOX"
            session.idle()
            session.idle_check(timeout=1.0)  # IMAPClient may have read the news along with the answer to IDLE
            session.idle_done()


def subject(number: int) -> str:
    return f"{'odd' if number % 2 else 'even'} {number}"


@pytest.mark.timeout(180)  # ten starts, and then the pause before the watcher's last attempt to connect
def test_server_killed_while_mail_arrives(tmp_path: Path) -> None:
    """The server killed ten times while 500 messages arrive: the watcher files every message exactly once."""
    server = Server(tmp_path)
    with running(server):
        server.start()
        watcher = Watcher(tmp_path, server.ports["imap"], ["ann"])
        with running(watcher):
            watcher.launch()
            server.deliver("ann", subject(100_000))
            wait_until_empty(server, "ann", PATIENCE)
            deliveries = Deliveries(server, "ann", subject)
            with deliveries.under_way(MESSAGES):
                for kill in range(1, KILLS + 1):
                    deliveries.wait_for(kill * MESSAGES // (KILLS + 1))
                    deliveries.server_is(up=False)
                    server.kill()
                    server.start()
                    deliveries.server_is(up=True)
            wait_until_empty(server, "ann", 6 * PATIENCE)
            assert watcher.stop() < 3.0
        filed = {
            mailbox: Counter(entry.subject for entry in server.mailbox(mailbox).values()) for mailbox in ("Odd", "Even")
        }
        count = filed["Odd"] + filed["Even"]
        assert set(count.values()) == {1}
        del count[subject(100_000)]
        assert deliveries.acknowledged <= count.keys() <= deliveries.tried
        assert all(name.startswith("odd") for name in filed["Odd"])
        assert all(name.startswith("even") for name in filed["Even"])


def test_idle(tmp_path: Path) -> None:
    """A watcher of four idle accounts uses at most 0.05 % of a processor, and SIGTERM ends it within a second."""
    logins = ("ann", "bob", "cat", "dan")
    with running_server(tmp_path, *logins) as server, Tap(HOST, server.ports["imap"]) as tap:
        watcher = Watcher(tmp_path, tap.port, logins)
        with running(watcher):
            watcher.launch()
            watcher.said(b"\n")
            tap.wait_for_idle(len(logins))
            for number, login in enumerate(logins, 1):
                server.deliver(login, "even")
                tap.wait_for_idle(len(logins) + number)
            used, switches = processor_time(watcher.process.pid).used, voluntary_switches(watcher.process.pid)
            assert watcher.process.stdout is not None
            said, _, _ = select.select([watcher.process.stdout], [], [], QUIET)
            assert not said, watcher.process.stdout.read1()
            used = processor_time(watcher.process.pid).used - used
            switches = voluntary_switches(watcher.process.pid) - switches
            print(f"{used * 1e6:.0f} µs of processor time and {switches} switches in {QUIET:.0f} s")
            assert used <= 0.0005 * QUIET
            assert switches <= 10
            assert watcher.stop() < 3.0


def voluntary_switches(pid: int) -> int:
    """Return how often all threads of a process have gone to sleep."""
    return sum(
        int(number)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for number in re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(), re.MULTILINE)
    )
