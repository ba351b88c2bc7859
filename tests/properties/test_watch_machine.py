"""The watcher's machine against a server in memory, in virtual time, with cuts at any point."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.simulated_imap import Mailboxes, SimulatedServer

from mailhorn.imap.client import ClientConnection
from mailhorn.watch import filing
from mailhorn.watch.account import WatchAccount
from mailhorn.watch.events import (
    Answered,
    Ask,
    Connect,
    DeadlineReached,
    Disconnect,
    Event,
    Filed,
    Heard,
    Lost,
    Output,
    Started,
    State,
    StateChanged,
    StopRequested,
    Warned,
)
from mailhorn.watch.facts import install
from mailhorn.watch.journal import Journal
from mailhorn.watch.machine import Machine

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where journals are kept: on a disk, flushing would be most of what a run does."""

RULES = """
require ["fileinto", "imap4flags", "copy", "mailbox"];
if header :contains "subject" "list" { fileinto "Lists"; }
elsif header :contains "subject" "both" { fileinto :copy "Copies"; }
elsif header :contains "subject" "flag" { addflag "\\\\Flagged"; fileinto :create "Flagged"; }
elsif header :contains "subject" "spam" { discard; }
"""
PROGRAM = install(RULES)
EXPECTED = {
    "list": {"Lists": 1},
    "both": {"INBOX": 1, "Copies": 1},
    "flag": {"Flagged": 1},
    "spam": {"Bin": 1},
    "plain": {"INBOX": 1},
}
CAPABILITIES = {
    "all": ("IDLE", "MOVE", "UIDPLUS", "SASL-IR", "AUTH=PLAIN", "ID", "LITERAL+"),
    "no move": ("IDLE", "UIDPLUS", "LITERAL+"),
    "no idle": ("MOVE", "UIDPLUS"),
}


class World:
    """A machine, its journal, a server, and the bytes and answers that are on their way between them."""

    def __init__(self, mailboxes: Mailboxes, journal: Journal, seed: int) -> None:
        self.mailboxes = mailboxes
        self.journal = journal
        self.random = random.Random(seed)
        self.now = 1000.0
        self.number = 0
        self.sent: list[tuple[str, int]] = []
        self.filed: list[Filed] = []
        self.warnings: list[str] = []
        self.events = 0
        self.outputs = 0
        self.commands = 0
        self.account = WatchAccount("a", "imap.example.com", 993, "u", "secret", PROGRAM)
        mailboxes.create("Bin")
        self.start()

    def start(self) -> None:
        """A new process begins."""
        self.machine = Machine(self.account, "INBOX")
        self.connection: ClientConnection | None = None
        self.server: SimulatedServer | None = None
        self.to_server = b""
        self.to_client = b""
        self.asked: list[Ask] = []
        self.deliver(Started())

    def deliver(self, event: Event) -> None:
        """Let the machine take one step."""
        self.events += 1
        outputs = self.machine.step(event, self.now, self.random.random())
        self.outputs += len([output for output in outputs if not isinstance(output, Filed | Warned | StateChanged)])
        for output in outputs:
            self.take(output)
        if self.connection is not None:
            sent = self.connection.data_to_send()
            self.commands += sent.count(b"\r\n")
            self.to_server += sent

    def take(self, output: Output) -> None:
        """Do what the machine wants."""
        match output:
            case Connect(connection):
                self.connection = connection
                self.server = SimulatedServer(self.mailboxes)
                self.to_server = self.to_client = b""
            case Disconnect():
                self.hang_up()
            case Ask():
                self.asked.append(output)
            case Filed():
                self.filed.append(output)
            case Warned(text):
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
                part, self.to_server = self.cut(self.to_server)
                self.server.receive_data(part)
            case "to client":
                assert self.connection is not None
                part, self.to_client = self.cut(self.to_client)
                self.connection.receive_data(part)
                self.deliver(Heard(tuple(self.connection.events_received())))
            case "journal":
                ask = self.asked.pop(0)
                self.deliver(Answered(ask.number, self.journal.carry_out([ask.request])[0]))
            case "eof":
                self.deliver(Lost("the server closed the connection"))
        self.now += 0.001
        return True

    def cut(self, data: bytes) -> tuple[bytes, bytes]:
        """Cut what is on its way somewhere."""
        at = len(data) if self.random.random() < 0.6 else self.random.randint(1, len(data))
        return data[:at], data[at:]

    def mail(self) -> None:
        """A message arrives."""
        kind = self.random.choice(list(EXPECTED))
        self.number += 1
        self.sent.append((kind, self.number))
        self.mailboxes.deliver(f"{kind} {self.number}", self.number)

    def lose_connection(self) -> None:
        """The connection is cut."""
        if self.connection is not None:
            self.hang_up()
            self.deliver(Lost("reset"))

    def kill(self) -> None:
        """The process is killed: what it asked of the journal is done up to some point, and what it sent arrives."""
        for ask in self.asked[: self.random.randint(0, len(self.asked))]:
            self.journal.carry_out([ask.request])
        self.hang_up()
        self.start()

    def reach_transfer(self) -> None:
        """Let things happen until a message is about to be moved or copied, if one is."""
        for _ in range(300):
            if b"MOVE " in self.to_server or b"COPY " in self.to_server or not self.advance():
                return

    def wait(self) -> None:
        """Time passes up to the deadline."""
        assert self.machine.deadline is not None, "somebody must wake the machine"
        self.now = max(self.now, self.machine.deadline)
        self.deliver(DeadlineReached())

    def settle(self) -> None:
        """Let everything happen, and time pass, until the machine is at rest with nothing on its way."""
        for _ in range(20_000):
            if self.advance():
                continue
            if self.machine.state in (State.IDLE, State.POLLING) and self.looked:
                return
            self.looked = self.machine.state in (State.IDLE, State.POLLING)
            self.wait()
        raise AssertionError(f"no rest: {self.machine.state}")

    looked = False

    def places(self, number: int) -> dict[str, int]:
        """Return how often a message is where."""
        found: dict[str, int] = {}
        for name, box in self.mailboxes.boxes.items():
            for message in box.messages.values():
                if f"<{number}@".encode() in message.raw and "\\Deleted" not in message.flags:
                    found[name] = found.get(name, 0) + 1
        return found


ACTIONS = st.sampled_from(
    ["run", "run", "run", "mail", "mail", "burst", "cut", "cut move", "kill", "kill move", "wait"]
)


@pytest.mark.parametrize("capabilities", CAPABILITIES)
@settings(max_examples=250)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=50), seed=st.integers(0, 2**32), group=st.sampled_from([2, 100]))
def test_every_message_is_filed_exactly_once(capabilities: str, actions: list[str], seed: int, group: int) -> None:
    """Whatever is cut or killed, each message ends where the rules want it, once, and the machine idles again."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(filing, "GROUP", group)  # how many messages one command moves
        journal = Journal(Path(directory) / "journal")
        world = World(Mailboxes(*CAPABILITIES[capabilities]), journal, seed)
        world.settle()  # first contact: what comes from here on is filtered
        for action in actions:
            match action:
                case "run":
                    for _ in range(world.random.randint(1, 12)):
                        world.advance()
                case "mail":
                    world.mail()
                case "burst":
                    for _ in range(world.random.randint(2, 8)):
                        world.mail()
                case "cut":
                    world.lose_connection()
                case "cut move":
                    world.reach_transfer()
                    world.lose_connection()
                case "kill move":
                    world.reach_transfer()
                    world.kill()
                case "kill":
                    world.kill()
                case "wait":
                    if not world.advance():
                        world.wait()
        world.looked = False
        world.settle()
        assert {number: world.places(number) for _, number in world.sent} == {
            number: EXPECTED[kind] for kind, number in world.sent
        }
        # Each step consumed an event, and none brought forth more than a few commands.
        assert world.commands + world.outputs <= 4 * world.events + 8
        world.deliver(StopRequested())
        for _ in range(100):
            if world.machine.state is State.STOPPED:
                break
            if not world.advance():
                world.wait()
        assert world.machine.state is State.STOPPED
        journal.close()
