"""Eight clients do whatever comes to their minds to the same three mailboxes, and believe nothing they are told."""

import asyncio
import random
import re
from pathlib import Path

import pytest
from tests.kit.process import HOST, PASSWORD, Server, running_server
from tests.kit.strict_client import Broken, StrictClient, number_set

CLIENTS = 8
COMMANDS = 200
"""Of each client; a step may be several of them."""
MAILBOXES = ("INBOX", "Two", "Three")
FLAGS = (r"\Seen", r"\Deleted", r"\Flagged", r"\Answered", "work", "$Junk")
LARGE = 150_000
"""Octets of some messages: more than the store keeps in its database."""


class Book:
    """
    What all clients together know.

    Attributes:
        appended: The Subject of every message that was appended, by mailbox and UID.
        steps: How many things were done.
        active: Clients that are not at their end.

    """

    def __init__(self) -> None:
        self.appended: dict[tuple[str, int], str] = {}
        self.steps = 0
        self.active = CLIENTS
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def step(self) -> None:
        """Count a step."""
        self.steps += 1
        self._wake()

    def after(self, steps: int) -> "asyncio.Future[None]":
        """Return what is done so many steps later, or when all the others wait as well or are at their end."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.steps + steps, future))
        self._wake()
        return future

    def leave(self) -> None:
        """Note that a client is at its end."""
        self.active -= 1
        self._wake()

    def _wake(self) -> None:
        everybody = len(self._waiting) >= self.active
        for due, future in self._waiting:
            if everybody or due <= self.steps:
                future.set_result(None)
        self._waiting = [(due, future) for due, future in self._waiting if not future.done()]


class Wanderer:
    """One client that does something at random."""

    def __init__(self, client: StrictClient, choices: random.Random, book: Book) -> None:
        self.client, self.choices, self.book = client, choices, book
        self.sent = 0

    async def run(self) -> None:
        await self.client.select(self.choices.choice(MAILBOXES))
        what = {
            self.append: 14,
            self.store: 16,
            self.expunge: 20,
            self.copy_or_move: 10,
            self.fetch: 14,
            self.bodies: 8,
            self.search: 8,
            self.noop: 8,
            self.idle: 5,
            self.pipeline: 8,
            self.select: 3,
        }
        while self.sent < COMMANDS:
            await self.choices.choices(list(what), list(what.values()))[0]()
            self.sent += 1
            self.book.step()
        self.book.leave()

    def some(self) -> list[int]:
        """Return sequence numbers, ascending; none of an empty mailbox."""
        count = len(self.client.messages)
        return sorted(self.choices.sample(range(1, count + 1), min(count, self.choices.choice((1, 1, 2, 3, 8)))))

    def named(self, numbers: list[int]) -> tuple[bytes, bytes, bool]:
        """Return "UID " and UIDs, if they are known and it comes to that, or nothing and the numbers themselves."""
        uids = [self.client.messages[number - 1].uid for number in numbers]
        if None not in uids and self.choices.random() < 0.5:
            return b"UID ", number_set(uid for uid in uids if uid is not None), False
        return b"", number_set(numbers), True

    async def append(self) -> None:
        mailbox = self.choices.choice(MAILBOXES)
        name = f"{self.client.name}-{self.sent}"
        text = f"Subject: {name}\r\n\r\n" + "x" * (LARGE if self.choices.random() < 0.03 else 20) + "\r\n"
        answer, _ = await self.client.command(
            b"APPEND %b (%b) {%d+}\r\n%b"
            % (mailbox.encode(), b"work" if self.sent % 2 else b"", len(text), text.encode())
        )
        found = re.match(rb"OK \[APPENDUID \d+ (\d+)\]", answer)
        assert found, answer
        place = (mailbox, int(found[1]))
        assert place not in self.book.appended, f"{place} was given twice"
        self.book.appended[place] = name

    async def store(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        sign = self.choices.choice(("+", "+", "-", ""))
        flags = frozenset(self.choices.sample(FLAGS, self.choices.choice((1, 2))))
        silent = self.choices.random() < 0.3
        uid, named, by_number = self.named(numbers)
        if silent:
            self.client.assume(numbers, sign, flags)
        await self.client.command(
            b"%bSTORE %b %bFLAGS%b (%b)"
            % (uid, named, sign.encode(), b".SILENT" if silent else b"", " ".join(flags).encode()),
            by_number,
            b"NO [EXPUNGEISSUED]",
        )

    async def expunge(self) -> None:
        if self.choices.random() < 0.5:
            await self.client.command(b"EXPUNGE")
        else:
            uids = [uid for number in self.some() if (uid := self.client.messages[number - 1].uid) is not None]
            await self.client.command(b"UID EXPUNGE " + (number_set(uids) if uids else b"4294967295"))

    async def copy_or_move(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        uid, named, _ = self.named(numbers)
        target = self.choices.choice(MAILBOXES)
        verb = self.choices.choice((b"COPY", b"MOVE"))
        answer, _ = await self.client.command(
            b"%b%b %b %b" % (uid, verb, named, target.encode()), may_fail=b"NO [EXPUNGEISSUED]"
        )
        self.client.take_copies(answer, target)

    async def fetch(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        uid, named, by_number = self.named(numbers)
        items = self.choice(b"(FLAGS UID)", b"(UID)", b"(FLAGS UID RFC822.SIZE INTERNALDATE)")
        if self.choices.random() < 0.3:
            named = b"1:*"
        await self.client.command(b"%bFETCH %b %b" % (uid, named, items), by_number)

    def choice(self, *what: bytes) -> bytes:
        return self.choices.choice(what)

    async def bodies(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        uid, named, by_number = self.named(numbers)
        items = self.choice(b"(UID BODY[])", b"(UID FLAGS BODY.PEEK[])", b"(UID BODY.PEEK[HEADER])", b"(UID ENVELOPE)")
        await self.client.command(b"%bFETCH %b %b" % (uid, named, items), by_number, b"NO [EXPUNGEISSUED]")

    async def search(self) -> None:
        by_uid = self.choices.random() < 0.5
        key = self.choice(b"ALL", b"UNSEEN", b"OR DELETED NOT KEYWORD work", b"SUBJECT client3", b"1:*")
        if not self.client.messages and key == b"1:*":
            return
        answered = await self.client.command((b"UID SEARCH " if by_uid else b"SEARCH ") + key, not by_uid)
        found = answered[1].found
        if found != sorted(set(found)) or (not by_uid and found and found[-1] > len(self.client.messages)):
            raise Broken(f"SEARCH found {found} of {len(self.client.messages)}")

    async def noop(self) -> None:
        await self.client.command(self.choice(b"NOOP", b"NOOP", b"CHECK", b"STATUS Two (MESSAGES UIDNEXT)"))

    async def idle(self) -> None:
        await self.client.idle(self.book.after(self.choices.randrange(20)) if self.choices.random() < 0.6 else None)

    async def pipeline(self) -> None:
        """Send several at once; sequence numbers stay what they are while only such commands go before."""
        count = len(self.client.messages)
        if not count:
            return
        number = self.choices.randrange(1, count + 1)
        self.client.send(b"FETCH %d (UID FLAGS)" % number, by_number=True)
        self.client.send(b"STORE %d +FLAGS (work)" % number, by_number=True)
        self.client.send(b"SEARCH %d KEYWORD work" % number, by_number=True)
        last = self.client.send(b"FETCH 1:%d (UID)" % count, by_number=True)
        answer, _ = await self.client.answer(last)
        assert answer.startswith(b"OK"), answer

    async def select(self) -> None:
        if self.choices.random() < 0.4:
            await self.client.command(self.choice(b"CLOSE", b"UNSELECT"))
        await self.client.select(self.choices.choice(MAILBOXES))


Contents = dict[int, tuple[frozenset[str], str]]
"""Flags and Subject by UID."""


async def contents(server: Server, mailbox: str) -> Contents:
    """Return what a new session finds."""
    client = await StrictClient.connect("fresh", HOST, server.ports["imap"], "ann", PASSWORD)
    client.mailbox = mailbox
    await client.command(b"EXAMINE " + mailbox.encode())
    await client.command(b"UID FETCH 1:* (FLAGS BODY.PEEK[])")
    await client.close()
    subjects = {uid: subject for _, uid, subject in client.read}
    return {m.uid: (m.flags, subjects[m.uid]) for m in client.messages if m.uid is not None and m.flags is not None}


def check_bodies(book: Book, clients: list[StrictClient]) -> int:
    """Check that every message that was read was the one appended there, or a copy of it; return how many."""
    names = dict(book.appended)
    copies = {copy for client in clients for copy in client.copied}
    origin = {(target, new): (source, old) for source, old, target, new in copies}
    assert len(origin) == len(copies), "two copies in one place"
    assert not origin.keys() & names.keys(), "a UID was given twice"
    read = {one for client in clients for one in client.read}
    for mailbox, uid, subject in read:
        place = (mailbox, uid)
        while place in origin:
            place = origin[place]
        assert names[place] == subject, f"{mailbox} {uid} was {subject}, but {names[place]} was put there"
    return len(read)


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_clients(tmp_path: Path, seed: int) -> None:
    """Nobody is told what cannot be; in the end all agree with each other, with a new session and with the Maildir."""
    with running_server(tmp_path) as server:
        port, book = server.ports["imap"], Book()
        first = await StrictClient.connect("first", HOST, port, "ann", PASSWORD)
        for mailbox in MAILBOXES[1:]:
            await first.command(b"CREATE " + mailbox.encode())
        clients = [
            await StrictClient.connect(f"client{number}", HOST, port, "ann", PASSWORD) for number in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(Wanderer(client, random.Random(f"{seed} {client.name}"), book).run())

        fresh = {mailbox: await contents(server, mailbox) for mailbox in MAILBOXES}
        for client in clients:
            await client.command(b"NOOP")
            told = [(message.uid, message.flags) for message in client.messages]
            true = [(uid, flags) for uid, (flags, _) in sorted(fresh[client.mailbox].items())]
            assert len(told) == len(true), client.name
            for (uid, flags), (true_uid, true_flags) in zip(told, true, strict=True):
                assert uid in (None, true_uid), client.name
                assert flags in (None, true_flags), (client.name, uid)
            for mailbox, uid in client.gone:
                assert uid not in fresh[mailbox], f"{client.name} was told that {mailbox} {uid} is gone"
        read = check_bodies(book, clients)
        left = {mailbox: len(messages) for mailbox, messages in fresh.items()}
        print(f"\n{book.steps} steps, {len(book.appended)} messages appended, {read} read; left: {left}")
        for client in (first, *clients):
            await client.close()

        server.stop()
        for file in server.data.glob("index.sqlite*"):
            file.unlink()
        server.start()
        assert {mailbox: await contents(server, mailbox) for mailbox in MAILBOXES} == fresh
