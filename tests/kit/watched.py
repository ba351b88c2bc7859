"""A watcher's machine, its journal and a server in memory, in virtual time, with cuts and kills at any point."""

import math
import os
import random
import time
from collections.abc import Iterator

from tests.kit.simulated_imap import Mailboxes, SimulatedServer

from mailhorn.imap.client import ClientConnection
from mailhorn.watch import events
from mailhorn.watch.account import WatchAccount
from mailhorn.watch.facts import install
from mailhorn.watch.journal import Journal
from mailhorn.watch.machine import Machine
from mailhorn.watch.post import Due, PostBook

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where journals are kept: on a disk, flushing would be most of what a run does."""

RULES = """
require ["fileinto", "imap4flags", "copy", "mailbox"];
if header :contains "subject" "list" { fileinto "Lists"; }
elsif header :contains "subject" "both" { fileinto :copy "Copies"; }
elsif header :contains "subject" "flag" { addflag "\\\\Flagged"; fileinto :create "Flagged"; }
elsif header :contains "subject" "spam" { discard; }
elsif header :contains "subject" "away" { redirect "bob@example.com"; fileinto "Lists"; }
elsif header :contains "subject" "twin" { redirect :copy "bob@example.com"; redirect :copy "cat@example.com"; }
"""
PROGRAM = install(RULES, sends=True)
EXPECTED = {
    "list": {"Lists": 1},
    "both": {"INBOX": 1, "Copies": 1},
    "flag": {"Flagged": 1},
    "spam": {"Bin": 1},
    "plain": {"INBOX": 1},
    "away": {"Lists": 1},
    "twin": {"INBOX": 1},
}
SENT = {"away": ["bob@example.com"], "twin": ["bob@example.com", "cat@example.com"]}
CAPABILITIES = {
    "all": ("IDLE", "MOVE", "UIDPLUS", "SASL-IR", "AUTH=PLAIN", "ID", "LITERAL+"),
    "no move": ("IDLE", "UIDPLUS", "LITERAL+"),
    "no idle": ("MOVE", "UIDPLUS"),
}


class World:
    """A machine, its journal, a server, and the bytes and answers that are on their way between them."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        journal: Journal,
        seed: int,
        watched: tuple[str, ...] = ("INBOX",),
        account: WatchAccount | None = None,
    ) -> None:
        self.watched = watched
        self.mailboxes = mailboxes
        self.journal = journal
        self.random = random.Random(seed)
        self.now = 1000.0
        self.number = 0
        self.sent: list[tuple[str, int, str]] = []
        self.filed: list[events.Filed] = []
        self.warnings: list[str] = []
        self.events = 0
        self.outputs = 0
        self.commands = 0
        self.account = account or WatchAccount(
            "a", "imap.example.com", 993, "u", "secret", PROGRAM, sends=True, addresses=("ann@example.org",)
        )
        self.queue: dict[str, Due] = {}
        self.began = int(time.time())
        mailboxes.create("Bin")
        for name in watched[1:]:
            mailboxes.create(name)
        self.cut_at: dict[str, int] = {}
        self.passed = {"to server": 0, "to client": 0}
        self.kill_at = -1
        self.start()

    def start(self) -> None:
        """A new process begins."""
        self.machine = Machine(self.account, *self.watched)
        self.connection: ClientConnection | None = None
        self.server: SimulatedServer | None = None
        self.to_server = b""
        self.to_client = b""
        self.asked: list[events.Ask] = []
        self.deliver(events.Started())

    def deliver(self, event: events.Event) -> None:
        """Let the machine take one step; the process may be killed before its journal and its server hear of it."""
        self.events += 1
        if self.events == self.kill_at:
            self.kill()
            return
        outputs = self.machine.step(event, self.now, self.random.random())
        self.outputs += len(
            [output for output in outputs if not isinstance(output, events.Filed | events.Warned | events.StateChanged)]
        )
        for output in outputs:
            self.take(output)
        if self.connection is not None:
            sent = self.connection.data_to_send()
            self.commands += sent.count(b"\r\n")
            self.to_server += sent

    def take(self, output: events.Output) -> None:
        """Do what the machine wants."""
        match output:
            case events.Connect(connection):
                self.connection = connection
                self.server = SimulatedServer(self.mailboxes)
                self.to_server = self.to_client = b""
            case events.Disconnect():
                self.hang_up()
            case events.Ask():
                self.asked.append(output)
            case events.Filed():
                self.filed.append(output)
            case events.Warned(text):
                self.warnings.append(text)
            case _:
                pass

    def hang_up(self) -> None:
        """The connection ends; what is on its way to the server may or may not arrive."""
        if self.server is not None and not self.server.closed:
            if self.to_server and self.random.random() < 0.7:
                self.server.torn = self.random.random() < 0.5
                self.server.receive_data(self.to_server)
            self.server.end()
        self.server = None
        self.connection = None
        self.to_server = self.to_client = b""

    # what may happen next

    def choices(self) -> Iterator[str]:
        """Name what can happen without time passing."""
        if self.server is not None and self.to_server and not self.server.closed:
            yield "to server"
        if self.connection is not None and self.to_client:
            yield "to client"
        if self.asked:
            yield "journal"
        if self.connection is not None and self.server is not None and self.server.closed and not self.to_client:
            yield "eof"

    def advance(self) -> bool:
        """Let one thing happen; returns whether anything could, short of a deadline."""
        if self.server is not None:
            self.to_client += self.server.data_to_send()
        possible = list(self.choices())
        if not possible:
            return False
        match self.random.choice(possible):
            case "to server":
                assert self.server is not None
                part, self.to_server = self.cut(self.to_server, "to server")
                self.server.receive_data(part)
                self.fail("to server")
            case "to client":
                assert self.connection is not None
                part, self.to_client = self.cut(self.to_client, "to client")
                self.connection.receive_data(part)
                self.deliver(events.Heard(tuple(self.connection.events_received())))
                self.fail("to client")
            case "journal":
                ask = self.asked.pop(0)
                self.deliver(events.Answered(ask.number, self.journal.carry_out([ask.request])[0]))
            case "eof":
                self.deliver(events.Lost("the server closed the connection"))
        self.now += 0.001
        return True

    def cut(self, data: bytes, way: str) -> tuple[bytes, bytes]:
        """Cut what is on its way somewhere."""
        at = len(data) if self.random.random() < 0.6 else self.random.randint(1, len(data))
        left = self.cut_at.get(way, -1) - self.passed[way]
        if left > 0:
            at = min(at, left)
        self.passed[way] += at
        return data[:at], data[at:]

    def fail(self, way: str) -> None:
        """The connection ends before a given byte, if that was reached."""
        if self.passed[way] == self.cut_at.get(way):
            self.lose_connection()

    def mail(self) -> None:
        """A message arrives."""
        kind = self.random.choice(list(EXPECTED))
        self.number += 1
        mailbox = self.random.choice(self.watched)
        self.sent.append((kind, self.number, mailbox))
        self.mailboxes.deliver(f"{kind} {self.number}", self.number, mailbox, self.began)

    def lose_connection(self) -> None:
        """The connection is cut."""
        if self.connection is not None:
            self.hang_up()
            self.deliver(events.Lost("reset"))

    def kill(self) -> None:
        """The process is killed: what it asked of the journal is done up to some point, and what it sent arrives."""
        for ask in self.asked[: self.random.randint(0, len(self.asked))]:
            self.journal.carry_out([ask.request])
        self.hang_up()
        self.start()

    def post(self, is_killed: bool) -> None:
        """What is to leave goes to the queue, which takes a key once; the process may die before that is noted."""
        book = PostBook(self.journal.path)
        try:
            due, _ = book.take(math.inf, set())
            for one in due:
                self.queue.setdefault(one.key, one)
            if not is_killed:
                book.done([one.id for one in due])
        finally:
            book.close()
        if is_killed:
            self.kill()

    def reach_transfer(self) -> None:
        """Let things happen until a message is about to be moved or copied, if one is."""
        for _ in range(300):
            if b"MOVE " in self.to_server or b"COPY " in self.to_server or not self.advance():
                return

    def wait(self) -> None:
        """Time passes up to the deadline."""
        assert self.machine.deadline is not None, "somebody must wake the machine"
        self.now = max(self.now, self.machine.deadline)
        self.deliver(events.DeadlineReached())

    def settle(self) -> None:
        """Let everything happen, and time pass, until the machine is at rest with nothing on its way."""
        rested = 0
        for _ in range(20_000):
            if self.advance():
                continue
            resting = self.machine.state in (events.State.IDLE, events.State.POLLING)
            rested = rested + 1 if resting else 0
            if rested > len(self.watched):
                return
            self.wait()
        raise AssertionError(f"no rest: {self.machine.state}")

    def act(self, action: str) -> None:
        """Let something happen that has a name."""
        match action:
            case "run":
                for _ in range(self.random.randint(1, 12)):
                    self.advance()
            case "mail":
                self.mail()
            case "burst":
                for _ in range(self.random.randint(2, 8)):
                    self.mail()
            case "cut":
                self.lose_connection()
            case "cut move":
                self.reach_transfer()
                self.lose_connection()
            case "kill move":
                self.reach_transfer()
                self.kill()
            case "kill":
                self.kill()
            case "post" | "kill post":
                self.post(action == "kill post")
            case "wait":
                if not self.advance():
                    self.wait()

    def check(self) -> None:
        """See that each message is where the rules want it, and nowhere else, and each event led to few commands."""
        self.settle()
        for kind, number, mailbox in self.sent:
            wanted = {mailbox if name == "INBOX" else name: count for name, count in EXPECTED[kind].items()}
            assert self.places(number) == wanted, f"{kind} {number} in {mailbox}"
        self.post(False)
        letters = [(one.content, address) for one in self.queue.values() for address in one.recipients]
        for kind, number, mailbox in self.sent:
            sent = sorted(to for content, to in letters if f"<{number}@".encode() in content)
            assert sent == SENT.get(kind, []), f"{kind} {number} in {mailbox}"
        assert self.commands + self.outputs <= 4 * self.events + 8 * len(self.watched)

    def stop(self) -> None:
        """See that the machine ends when it is told to."""
        self.kill_at, self.cut_at = -1, {}
        self.deliver(events.StopRequested())
        for _ in range(100):
            if self.machine.state is events.State.STOPPED:
                return
            if not self.advance():
                self.wait()
        raise AssertionError(f"it does not stop: {self.machine.state}")

    def places(self, number: int) -> dict[str, int]:
        """Return how often a message is where."""
        found: dict[str, int] = {}
        for name, box in self.mailboxes.boxes.items():
            for message in box.messages.values():
                if f"<{number}@".encode() in message.raw and "\\Deleted" not in message.flags:
                    found[name] = found.get(name, 0) + 1
        return found
