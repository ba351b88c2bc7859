"""The machine and the client's end of a connection against servers that say anything at any time."""

import os
import random
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailhorn.imap.client import ClientConnection, ClientEvent
from mailhorn.watch.account import WatchAccount
from mailhorn.watch.events import (
    Answered,
    Ask,
    Connect,
    DeadlineReached,
    Disconnect,
    Event,
    Heard,
    Lost,
    Output,
    Started,
    State,
    StopRequested,
    Upgraded,
)
from mailhorn.watch.facts import install
from mailhorn.watch.journal import Journal
from mailhorn.watch.ledger import JournalFailed
from mailhorn.watch.machine import Machine

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where journals are kept: on a disk, flushing would be most of what a run does."""

PROGRAM = install(
    """
    require ["fileinto", "imap4flags", "copy", "mailbox"];
    if header :contains "subject" "a" { fileinto "A"; addflag "work"; }
    elsif header :contains "subject" "b" { discard; }
    elsif mailboxexists "B" { fileinto :copy "B"; }
    """
)

LINES = [
    "* OK [CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS] ready",
    "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN ID] ready",
    "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ready",
    "* CAPABILITY IMAP4rev1 IDLE ID MOVE UIDPLUS LITERAL+",
    "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED",
    "* BYE too many connections",
    "* BYE",
    "+ idling",
    "+ ",
    "$ OK done",
    "$ OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] done",
    "$ OK [COPYUID 9 1:4294967295 1:4294967295] done",
    "$ OK [COPYUID 9 % %] done",
    "$ OK [COPYUID 9 1:* 1:*] done",
    "$ OK [READ-ONLY] done",
    "$ NO no",
    "$ NO [TRYCREATE] no",
    "$ NO Request is throttled. Suggested Backoff Time: 999999999999 milliseconds",
    "$ BAD what?",
    "m% OK done",
    "* % EXISTS",
    "* % RECENT",
    "* % EXPUNGE",
    "* OK [UIDVALIDITY %] v",
    "* OK [UIDNEXT %] n",
    "* OK [UIDNEXT 4294967295] n",
    "* OK [COPYUID 9 % %] moved",
    "* SEARCH",
    "* SEARCH % % 4294967295",
    "* ESEARCH (TAG x) ALL 1:*",
    '* LIST (\\Trash) "/" Bin',
    "* LIST () NIL B",
    "* % FETCH (UID %)",
    "* % FETCH (UID % BODY[HEADER.FIELDS (SUBJECT)] NIL)",
    "* % FETCH (UID % FLAGS (\\Seen))",
    '* % FETCH (UID % RFC822.SIZE 5 BODY[HEADER.FIELDS (SUBJECT)] "Subject: a")',
    '* % FETCH (UID % RFC822.SIZE 5 BODY[HEADER.FIELDS (SUBJECT)] "Subject: b")',
    '* % FETCH (UID % RFC822.SIZE 5 BODY[HEADER.FIELDS (SUBJECT)] "Subject: c")',
    "* % FETCH (UID % BODY[HEADER.FIELDS (SUBJECT)] {3}\r\n\xff\r\n)",
    "* % FETCH broken",
    "\xff\x00",
    "",
]

LIKELY = [LINES[0], "$ OK done", "$ OK done", "$ OK done", "* OK [UIDVALIDITY 7] v", "* OK [UIDNEXT 3] n", "+ idling"]
"""Without these few machines would get far."""


class AnyServer:
    """A machine with a journal; the server's words are chosen at random, likely answers more often."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self.journal = journal
        self.random = random.Random(seed)
        self.now = 0.0
        self.connection: ClientConnection | None = None
        self.asked: list[Ask] = []
        self.tag = "m1"
        self.events = 0
        self.made = 0
        account = WatchAccount("a", "imap.example.com", 993, "u", "p", PROGRAM, backlog=self.random.random() < 0.5)
        self.machine = Machine(account, "INBOX")
        self.deliver(Started())

    def deliver(self, event: Event) -> None:
        """Let the machine take one step; it must not fail whatever it was told."""
        self.events += 1
        for output in self.machine.step(event, self.now, self.random.random()):
            self.take(output)
        if self.connection is not None:
            sent = self.connection.data_to_send().decode("latin-1")
            self.made += sent.count("\r\n")
            tags = [line.partition(" ")[0] for line in sent.split("\r\n") if line.startswith("m")]
            self.tag = tags[-1] if tags else self.tag

    def take(self, output: Output) -> None:
        """Do what it wants."""
        match output:
            case Connect(connection):
                self.made += 1
                self.connection = connection
            case Disconnect():
                self.connection = None
            case Ask():
                self.made += 1
                self.asked.append(output)
            case _:
                pass

    def line(self) -> bytes:
        """Return something a server may say."""
        text = self.random.choice(LIKELY if self.random.random() < 0.7 else LINES)
        while "%" in text:
            text = text.replace("%", str(self.random.choice([0, 1, 2, 3, 7, 600, 70_000])), 1)
        return text.replace("$", self.tag).encode("latin-1") + b"\r\n"

    def happen(self) -> None:
        """Let something happen."""
        dice = self.random.random()
        if self.asked and dice < 0.5:
            ask = self.asked.pop(0)
            failed = self.random.random() < 0.05
            answer = JournalFailed("disk full") if failed else self.journal.carry_out([ask.request])[0]
            self.deliver(Answered(ask.number, answer))
        elif self.connection is not None and dice < 0.94:
            data = b"".join(self.line() for _ in range(self.random.choice([1, 1, 1, 2, 6])))
            self.connection.receive_data(data)
            self.deliver(Heard(tuple(self.connection.events_received())))
        elif self.connection is not None and dice < 0.95:
            self.deliver(Lost("reset"))
        elif self.connection is not None and dice < 0.96:
            self.deliver(Upgraded())
        else:
            deadline = self.machine.deadline
            self.now = self.now + 1 if deadline is None else max(self.now, deadline)
            self.deliver(DeadlineReached())


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_machine_takes_anything(seed: int) -> None:
    """No answer of a server breaks the machine, makes it busy without an event, or keeps it from stopping."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        journal = Journal(Path(directory) / "journal")
        world = AnyServer(journal, seed)
        for _ in range(300):
            world.happen()
            if world.machine.state is State.PARKED:
                break
            assert world.machine.deadline is not None, "it would never be woken"
        assert world.made <= 4 * world.events + 4
        begin = world.now
        world.deliver(StopRequested())
        while world.machine.state is not State.STOPPED:
            assert world.machine.deadline is not None
            world.now = max(world.now, world.machine.deadline)
            world.deliver(DeadlineReached())
        assert world.now - begin < 1.0
        journal.close()


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 2000), max_size=12))
@example(seed=0, cuts=list(range(0, 2000)))
def test_any_split_of_the_bytes_gives_the_same_events(seed: int, cuts: list[int]) -> None:
    """Also when the commands that are answered were sent before (fault F07)."""
    pick = random.Random(seed)
    lines = [
        pick.choice(LINES).replace("%", str(pick.randint(1, 9))).replace("$", f"m{pick.randint(1, 3)}")
        for _ in range(20)
    ]
    data = b"".join(line.encode("latin-1") + b"\r\n" for line in [LINES[2], *lines])

    def events(pieces: list[bytes]) -> list[ClientEvent]:
        connection = ClientConnection()
        told = []
        for piece in pieces:
            connection.receive_data(piece)
            told += connection.events_received()
        connection.receive_eof()
        return told + connection.events_received()

    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    assert events([data[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == events([data])
