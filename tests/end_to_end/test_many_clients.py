"""Twenty clients do whatever comes to their minds to the same three mailboxes, and believe nothing they are told.

The suite has a short run of a fixed seed. `MAILHORN_MINUTES=5 ./dev test tests/end_to_end/test_many_clients.py` is the
long one; `MAILHORN_SEED` gives it another seed. Whoever finds a contradiction prints its conversation; those of all the
others are in the folder of the test, each line with its moment, which is the same for all.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.kit.chronicle import Broken, Chronicle, Found
from tests.kit.process import DOMAIN, HOST, PASSWORD, Server, running_server
from tests.kit.process import message as letter_of
from tests.kit.strict_client import Cache, Manner, Message, StrictClient, number_set, numbers_of, values

CLIENTS = 20
COMMANDS = 110
"""Of each client, in the short run; a step may be several of them."""
MINUTES = float(os.environ.get("MAILHORN_MINUTES", "0"))
"""Of the long run; 0 for the short one."""
SEED = os.environ.get("MAILHORN_SEED", "1")
MANNERS = (Manner.PLAIN, Manner.QRESYNC, Manner.CONDSTORE, Manner.REV2, Manner.QRESYNC, Manner.REV2_QRESYNC)
"""What the clients enable, in turn."""
MAILBOXES = ("INBOX", "Two", "Wild")
WILD = "Wild"
"""Where flags are replaced."""
CROWDED = 60
"""Messages beyond which a mailbox is rather emptied than filled."""
FLAGS = (r"\Seen", r"\Deleted", r"\Flagged", r"\Answered", "work", "$Junk")
LARGE = 150_000
"""Octets of some messages: more than the store keeps in its database."""
DELIVERIES = 25
"""Steps of the clients for each message that is delivered."""


class Book:
    """
    How far all clients are.

    Attributes:
        steps: How many things were done.
        active: Clients that are not at their end.
        done: What was done, by name.

    """

    def __init__(self) -> None:
        self.steps = 0
        self.active = CLIENTS
        self.done: Counter[str] = Counter()
        self._end = asyncio.get_running_loop().time() + 60 * MINUTES
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def over(self, sent: int) -> bool:
        """Say whether a client has done enough."""
        return asyncio.get_running_loop().time() >= self._end if MINUTES else sent >= COMMANDS

    def step(self, name: str) -> None:
        """Count a step."""
        self.steps += 1
        self.done[name] += 1
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
        waiting, self._waiting = self._waiting, []
        for due, future in waiting:
            if everybody or due <= self.steps:
                if not future.done():
                    future.set_result(None)
            else:
                self._waiting.append((due, future))


class Wanderer:
    """One client that does something at random."""

    def __init__(self, server: Server, number: int, chronicle: Chronicle, book: Book, marks: tuple[str, ...]) -> None:
        self.server, self.chronicle, self.book, self.marks = server, chronicle, book, marks
        self.name = f"client{number:02}x"
        self.manner = MANNERS[number % len(MANNERS)]
        self.choices = random.Random(f"{SEED} {self.name}")
        self.caches: dict[str, Cache] = {}
        self.sent = 0
        self._connection = 0
        self.client: StrictClient

    async def connect(self) -> None:
        """Be there for the first time, or again."""
        self._connection += 1
        self.client = await StrictClient.connect(
            self.name, HOST, self.server.ports["imap"], "ann", PASSWORD, self.chronicle, self.manner, self.caches
        )
        await self.client.select(self.choices.choice(MAILBOXES))

    async def run(self) -> None:
        what: dict[Callable[[], Awaitable[None]], int] = {
            self.append: 14,
            self.store: 16,
            self.expunge: 14,
            self.copy_or_move: 10,
            self.fetch: 12,
            self.bodies: 8,
            self.search: 10,
            self.sort: 3,
            self.changed: 5,
            self.learn: 6,
            self.noop: 8,
            self.idle: 5,
            self.pipeline: 6,
            self.select: 6,
            self.again: 1,
        }
        while not self.book.over(self.sent):
            step = self.choices.choices(list(what), list(what.values()))[0]
            await step()
            self.sent += 1
            self.book.step(step.__name__)
        self.book.leave()

    # what is chosen

    def some(self) -> list[int]:
        """Return sequence numbers, ascending; none of an empty mailbox."""
        count = len(self.client.messages)
        return sorted(self.choices.sample(range(1, count + 1), min(count, self.choices.choice((1, 1, 2, 3, 8)))))

    def named(self, numbers: list[int]) -> tuple[bytes, bytes, bool]:
        """Return "UID " and UIDs, if they are known and it comes to that, or nothing and the numbers themselves."""
        uids = self.uids(numbers)
        if len(uids) == len(numbers) and self.choices.random() < 0.5:
            return b"UID ", number_set(uids), False
        return b"", number_set(numbers), True

    def uids(self, numbers: list[int]) -> list[int]:
        """Return those UIDs that are known."""
        return [uid for number in numbers if (uid := self.client.messages[number - 1].uid) is not None]

    def asked(self, numbers: list[int]) -> list[Message]:
        return [self.client.messages[number - 1] for number in numbers]

    def choice(self, *what: bytes) -> bytes:
        return self.choices.choice(what)

    def often(self, share: float) -> bool:
        return self.choices.random() < share

    # what is done

    async def append(self) -> None:
        """Append one message or two, or put one in another's place."""
        mailbox = self.choices.choice(MAILBOXES)
        crowded = len(self.client.messages) > CROWDED
        names = [f"{self.name}-{self._connection}-{self.sent}"]
        if self.often(0.2) and not crowded:
            names.append(names[0] + "b")
        uids = self.uids(self.some()[:1])
        replaced = uids[0] if uids and (crowded or self.often(0.2)) and self.client.mailbox else None
        verb = b"APPEND %b" % mailbox.encode()
        if replaced is not None:
            names = names[:1]
            verb = b"UID REPLACE %d %b" % (replaced, mailbox.encode())
            self.chronicle.deleted.add((self.client.mailbox, replaced))
        for name in names:
            body = "x" * (LARGE if self.often(0.03) else 20)
            self.chronicle.letters[name] = f"Subject: {name}\r\n\r\n{body}\r\n".encode()
        least = self.chronicle.counts[mailbox, "UIDNEXT"]
        answer, command = await self.client.command(
            verb
            + b"".join(
                b" (%b) {%d+}\r\n%b" % (self.choice(b"", b"work"), len(letter), letter)
                for letter in map(self.chronicle.letters.__getitem__, names)
            ),
            may_fail=b"NO [" if replaced is not None else b"OK",
        )
        if answer.startswith(b"NO"):
            if not answer.startswith((b"NO [NONEXISTENT]", b"NO [EXPUNGEISSUED]")):
                raise self.client.broken("REPLACE", answer)
            return
        validity, told = command.codes[b"APPENDUID"].split(b" ")
        self.chronicle.valid(mailbox, int(validity))
        for uid, name in zip(numbers_of(told), names, strict=True):
            self.chronicle.appended(mailbox, uid, name, self.marks)
            self.chronicle.grows(mailbox, "UIDNEXT", uid + 1, least + 1)

    async def store(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        client, mailbox = self.client, self.client.mailbox
        learnt = len(self.uids(numbers)) == len(numbers)
        if learnt and mailbox != WILD and self.often(0.4):
            flags, sign = frozenset((client.mark,)), self.choices.choice(("+", "-"))
        else:
            signs = ("+", "+", "-", "") if mailbox == WILD else ("+", "+", "-")
            sign = self.choices.choice(signs)
            flags = frozenset(self.choices.sample(FLAGS if learnt else FLAGS[2:], self.choices.choice((1, 2))))
        uid, named, by_number = self.named(numbers)
        asked = self.asked(numbers)
        uids = {message.uid: message for message in asked if message.uid is not None}
        if sign != "-" and r"\Deleted" in flags:
            self.chronicle.deleted |= {(mailbox, one) for one in uids}
        since = ""
        if self.manner.mod_seqs and learnt and self.often(0.3):
            newest = max(message.mod_seq for message in asked)
            since = f" (UNCHANGEDSINCE {max(0, newest - (1 if self.often(0.2) else 0))})"
        silent = self.often(0.3)
        if silent and not since:
            client.assume(numbers, sign, flags)
        marked = {
            one: self.chronicle.begin_mark((mailbox, one), client.mark, sign == "+")
            for one in (uids if client.mark in flags else ())
        }
        stood = {message: message.mod_seq for message in asked}
        answer, command = await client.command(
            b"%bSTORE %b%b %bFLAGS%b (%b)"
            % (uid, named, since.encode(), sign.encode(), b".SILENT" if silent else b"", " ".join(flags).encode()),
            by_number,
            b"NO [",
        )
        refused = self._refused(answer, command.codes.get(b"MODIFIED"), bool(uid), asked, since)
        for one, change in marked.items():
            self.chronicle.end_mark((mailbox, one), client.mark, change, uids[one] not in refused)
        if since:
            limit = int(since.strip(" )").rpartition(" ")[2])
            for message in refused:
                if message in client.messages and message.mod_seq <= limit:
                    raise client.broken(f"UID {message.uid} was refused, but had not changed", answer)
            if silent:
                for message in set(asked) - refused:
                    self._assume_what_was_done(message, sign, flags, stood[message])
        there = set(client.messages)
        if not silent and not since:
            client.unanswered(asked, command)
        for message in asked:
            if message in there and message.uid in marked and message not in refused and message.flags is not None:
                if (client.mark in message.flags) is not (sign == "+") and message in command.fetched:
                    raise client.broken(f"STORE did nothing to UID {message.uid}", answer)

    def _assume_what_was_done(self, message: Message, sign: str, flags: frozenset[str], stood: int) -> None:
        """Of a silent STORE with UNCHANGEDSINCE only the mod-sequence is told, and flags if others changed them too."""
        if message.mod_seq != stood and message in self.client.messages and message.flags is not None:
            place = (self.client.mailbox, message.uid or 0)
            known = self.chronicle.flags_at(place, message.mod_seq)
            before = message.flags
            message.flags = {"+": before | flags, "-": before - flags, "": flags}[sign] if known is None else known
            self.chronicle.told_flags(place, message.mod_seq, message.flags)

    def _refused(
        self, answer: bytes, modified: bytes | None, by_uid: bool, asked: list[Message], since: str
    ) -> set[Message]:
        """Return the messages that UNCHANGEDSINCE kept from being changed."""
        if modified is None:
            if answer.startswith(b"NO") and not answer.startswith(b"NO [EXPUNGEISSUED]"):
                raise self.client.broken("STORE", answer)
            return set()
        if not since:
            raise self.client.broken("MODIFIED without UNCHANGEDSINCE", answer)
        told = set(numbers_of(modified))
        there = {(message.uid if by_uid else number): message for number, message in enumerate(self.client.messages, 1)}
        refused = {there[number] for number in told if number in there}
        if not refused <= set(asked) or (not by_uid and len(refused) < len(told)):
            raise self.client.broken("MODIFIED of others", answer)
        return refused

    async def expunge(self) -> None:
        if self.often(0.5 if len(self.client.messages) < CROWDED else 0.9):
            await self.client.command(b"EXPUNGE")
        else:
            uids = self.uids(self.some())
            await self.client.command(b"UID EXPUNGE " + (number_set(uids) if uids else b"4294967295"))

    async def copy_or_move(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        client = self.client
        source, target = client.mailbox, self.choices.choice(MAILBOXES)
        uid, named, _ = self.named(numbers)
        asked = set(self.uids(numbers))
        whole = len(asked) == len(numbers)
        move = self.often(0.8 if len(client.messages) > CROWDED else 0.4)
        begun, least = self.chronicle.tick(), self.chronicle.counts[target, "UIDNEXT"]
        answer, command = await client.command(
            b"%b%b %b %b" % (uid, b"MOVE" if move else b"COPY", named, target.encode()),
            may_fail=b"NO [EXPUNGEISSUED]",
        )
        if b"COPYUID" not in command.codes:
            if answer.startswith(b"OK") and not uid:
                raise client.broken("no COPYUID", answer)
            return
        validity, old, new = command.codes[b"COPYUID"].split(b" ")
        self.chronicle.valid(target, int(validity))
        sources, copies = numbers_of(old), numbers_of(new)
        if copies != sorted(set(copies)) or copies[0] < least:
            raise client.broken("the copies' UIDs", new)
        if len(set(sources)) != len(sources) or whole and not set(sources) <= asked:
            raise client.broken("the copied UIDs", old)
        if not uid and len(sources) != len(numbers):
            raise client.broken("not all were copied", old)
        for one, copy in zip(sources, copies, strict=True):
            self.chronicle.copied((source, one), (target, copy), begun, move, self.marks)
        self.chronicle.grows(target, "UIDNEXT", copies[-1] + 1, least)
        if move and source == client.mailbox:
            still = {message.uid for message in client.messages} & set(sources)
            if still:
                raise client.broken(f"{still} were moved, and still are there", answer)

    async def fetch(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        uid, named, by_number = self.named(numbers)
        flags = b"FLAGS MODSEQ" if self.manner.mod_seqs else b"FLAGS"
        items = self.choice(b"(%b UID)", b"(UID)", b"(%b UID RFC822.SIZE INTERNALDATE)").replace(b"%b", flags)
        if self.often(0.3):
            named, numbers = b"1:*", list(range(1, len(self.client.messages) + 1))
        asked = self.asked(numbers)
        _, command = await self.client.command(b"%bFETCH %b %b" % (uid, named, items), by_number)
        self.client.unanswered(asked, command)

    async def learn(self) -> None:
        """Ask for what is new, as clients do."""
        known = [message.uid for message in self.client.messages if message.uid is not None]
        await self.client.learn(b"%d:*" % (max(known, default=0) + 1))

    async def changed(self) -> None:
        """Ask for what changed, and what is gone."""
        if not self.manner.mod_seqs:
            return
        known = [message.mod_seq for message in self.client.messages if message.uid is not None]
        if len(known) < len(self.client.messages) or not known:
            return
        since = self.choices.choice(known)
        vanished = b" VANISHED" if self.manner.resyncs and self.often(0.5) else b""
        before = [message for message in self.client.messages if message.mod_seq > since]
        _, command = await self.client.command(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d%b)" % (since, vanished))
        self.client.unanswered(before, command)

    async def bodies(self) -> None:
        numbers = self.some()
        if not numbers:
            return
        uid, named, by_number = self.named(numbers)
        flags = b"FLAGS MODSEQ" if self.manner.mod_seqs else b"FLAGS"
        items = self.choice(
            b"(UID BODY[])", b"(UID %b BODY.PEEK[])", b"(UID BODY.PEEK[HEADER])", b"(UID ENVELOPE BODYSTRUCTURE)"
        ).replace(b"%b", flags)
        asked = self.asked(numbers)
        answer, command = await self.client.command(
            b"%bFETCH %b %b" % (uid, named, items), by_number, b"NO [EXPUNGEISSUED]"
        )
        command.fetched = command.read
        self.client.unanswered(asked, command)
        if answer.startswith(b"NO") and set(asked) <= command.read:
            raise self.client.broken("NO, but nothing is missing", answer)

    async def search(self) -> None:
        client = self.client
        by_uid, before = self.often(0.5), list(client.messages)
        number = len(before) or 1
        keys = [
            b"ALL",
            b"UNSEEN",
            b"OR DELETED NOT KEYWORD work",
            b"KEYWORD " + client.mark.encode(),
            b"SUBJECT client0",
        ]
        keys += [b"TEXT client1"]
        keys += [b"%d:*" % self.choices.randrange(1, number + 1)] if before else []
        known = [message.mod_seq for message in before if message.mod_seq]
        keys += [b"MODSEQ %d" % self.choices.choice(known)] if self.manner.mod_seqs and known else []
        key = self.choices.choice(keys)
        returns = self.choice(b"", b"", b"RETURN (ALL COUNT MIN MAX) ", b"RETURN (COUNT) ", b"RETURN () ")
        in_sequence = key[:1].isdigit()
        marked = {message: self._marked(message) for message in before}
        _, command = await client.command(
            b"%bSEARCH %b%b" % (b"UID " if by_uid else b"", returns, key), not by_uid or in_sequence
        )
        found = command.found or []
        if found != sorted(set(found)):
            raise client.broken("SEARCH is out of order", key)
        if command.returned:
            self._agree(command.returned, found, b"ALL" in returns or b"COUNT" not in returns)
        elif returns and not by_uid and not command.returned and b"COUNT" in returns:
            raise client.broken("no COUNT", returns)
        if b"COUNT" in returns and b"ALL" not in returns:
            return
        if not by_uid and found and found[-1] > len(before):
            raise client.broken("SEARCH found what is not there", key)
        uids = {message.uid: message for message in before}
        if by_uid and None not in uids and not set(found) <= set(uids):
            raise client.broken("SEARCH found a message that this client has not been told of", key)
        hits = {uids[one] for one in found if one in uids} if by_uid else {before[one - 1] for one in found}
        if key == b"ALL":
            command.fetched = hits
            client.unanswered(before, command)
        elif key.startswith(b"KEYWORD"):
            for message, there in marked.items():
                if there is False and message in hits:
                    raise client.broken(f"SEARCH found UID {message.uid}", key)
            command.fetched = hits
            client.unanswered([message for message, there in marked.items() if there], command)
        elif key.startswith(b"SUBJECT"):
            for message in before:
                subject = self._subject(message)
                if subject is not None and ("client0" in subject) is not (message in hits):
                    if message in hits:
                        raise client.broken(f"SEARCH found {subject}", key)
                    command.fetched = hits
                    client.unanswered([message], command)

    def _marked(self, message: Message) -> bool | None:
        if message.uid is None:
            return None
        return self.chronicle.marked((self.client.mailbox, message.uid), self.client.mark)

    def _subject(self, message: Message) -> str | None:
        return None if message.uid is None else self.chronicle.subject((self.client.mailbox, message.uid))

    def _agree(self, returned: dict[bytes, bytes], found: list[int], told: bool) -> None:
        """What ESEARCH returns must fit together."""
        if not told:
            return
        if b"COUNT" in returned and int(returned[b"COUNT"]) != len(found):
            raise self.client.broken("COUNT", repr(returned).encode())
        for name, at in ((b"MIN", 0), (b"MAX", -1)):
            if name in returned and (not found or int(returned[name]) != found[at]):
                raise self.client.broken("MIN and MAX", repr(returned).encode())

    async def sort(self) -> None:
        client = self.client
        by_uid, before = self.often(0.5), list(client.messages)
        words = self.choice(
            b"SORT (ARRIVAL) UTF-8 ALL", b"SORT (REVERSE SUBJECT) UTF-8 ALL", b"THREAD REFERENCES UTF-8 ALL"
        )
        _, command = await client.command((b"UID " if by_uid else b"") + words, not by_uid)
        found = command.found or []
        if len(found) != len(set(found)):
            raise client.broken("a message twice", words)
        uids = {message.uid: message for message in before}
        if by_uid and None in uids:
            return
        there = uids if by_uid else dict(enumerate(before, 1))
        if not set(found) <= set(there):
            raise client.broken("what is not there", words)
        command.fetched = {there[one] for one in found}
        client.unanswered(before, command)

    async def noop(self) -> None:
        mailbox = self.choices.choice(MAILBOXES)
        if self.often(0.6):
            await self.client.command(b"NOOP" if self.client.rev2 else self.choice(b"NOOP", b"CHECK"))
            return
        known = {name: self.chronicle.counts[mailbox, name] for name in ("UIDNEXT", "HIGHESTMODSEQ")}
        names = b"MESSAGES UIDNEXT UIDVALIDITY" + (b" HIGHESTMODSEQ" if self.manner.mod_seqs else b"")
        _, command = await self.client.command(b"STATUS %b (%b)" % (mailbox.encode(), names))
        told = values(command.status)[2]
        assert isinstance(told, list)
        numbers = {str(name, "ascii"): int(value) for name, value in zip(told[::2], told[1::2], strict=True)}  # type: ignore[arg-type]
        self.chronicle.valid(mailbox, numbers["UIDVALIDITY"])
        for name, least in known.items():
            if name in numbers:
                self.chronicle.grows(mailbox, name, numbers[name], least)

    async def idle(self) -> None:
        await self.client.idle(self.book.after(self.choices.randrange(40)) if self.often(0.6) else None)

    async def pipeline(self) -> None:
        """Send several at once; sequence numbers stay what they are while only such commands go before."""
        client = self.client
        count = len(client.messages)
        if not count:
            return
        number = self.choices.randrange(1, count + 1)
        items = b"(UID FLAGS MODSEQ)" if self.manner.mod_seqs else b"(UID FLAGS)"
        client.send(b"FETCH %d %b" % (number, items), by_number=True)
        client.send(b"STORE %d +FLAGS (work)" % number, by_number=True)
        client.send(b"SEARCH %d KEYWORD work" % number, by_number=True)
        last = client.send(b"FETCH 1:%d (UID)" % count, by_number=True)
        answer, _ = await client.answer(last)
        if not answer.startswith(b"OK"):
            raise client.broken("unexpected", answer)

    async def select(self) -> None:
        if self.often(0.4):
            await self.client.unselect(self.choice(b"CLOSE", b"UNSELECT"))
        await self.client.select(self.choices.choice(MAILBOXES), named=self.often(0.5))

    async def again(self) -> None:
        """Log out, and come back."""
        await self.client.close()
        await self.connect()


class Postman:
    """Delivers by LMTP and by SMTP, in turn."""

    def __init__(self, server: Server, chronicle: Chronicle, book: Book) -> None:
        self.server, self.chronicle, self.book = server, chronicle, book

    async def run(self) -> None:
        lines = [await self._open("lmtp", b"LHLO"), await self._open("smtp", b"EHLO")]
        try:
            await self._deliver(lines)
        finally:
            for _, writer in lines:
                writer.transport.abort()

    async def _deliver(self, lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        number = 0
        while self.book.active:
            number += 1
            subject = f"letter-{number}"
            text = letter_of(subject, "x" * (LARGE if number % 20 == 0 else 30) + "\n")
            self.chronicle.letters[subject] = text
            reader, writer = lines[number % 2]
            for words in (b"MAIL FROM:<s@example.net>", b"RCPT TO:<ann@%b>" % DOMAIN.encode(), b"DATA"):
                await self._say(reader, writer, words + b"\r\n")
            await self._say(reader, writer, text + b".\r\n")
            self.chronicle.delivered.add(subject)
            await self.book.after(DELIVERIES)

    async def _open(self, service: str, hello: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HOST, self.server.ports[service])
        await self._reply(reader)
        await self._say(reader, writer, hello + b" here\r\n")
        return reader, writer

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> None:
        writer.write(words)
        await self._reply(reader)

    async def _reply(self, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(30):
            while (line := await reader.readline())[3:4] == b"-":
                pass
        assert line[:1] in b"23", line


async def contents(server: Server, chronicle: Chronicle, mailbox: str) -> tuple[dict[int, Found], int]:
    """Return what a new session finds, and UIDNEXT."""
    client = await StrictClient.connect("fresh", HOST, server.ports["imap"], "ann", PASSWORD, chronicle)
    _, opened = await client.command(b"EXAMINE " + mailbox.encode())
    found: dict[int, Found] = {}
    tag = client.send(b"UID FETCH 1:* (FLAGS MODSEQ BODY.PEEK[])")
    while not (response := await client._response()).startswith(tag):
        if b" FETCH (" not in response[:30]:
            continue
        told = values(response.split(b" ", 3)[3])[0]
        items = dict(zip(told[::2], told[1::2], strict=True))  # type: ignore[call-overload]
        subject = re.search(rb"^Subject: (\S+)", items[b"BODY[]"], re.MULTILINE)
        assert subject is not None
        flags = frozenset(flag.decode() for flag in items[b"FLAGS"])
        found[int(items[b"UID"])] = Found(subject[1].decode(), flags, int(items[b"MODSEQ"][0]), items[b"BODY[]"])
    client._writer.close()
    await client._writer.wait_closed()
    return found, int(opened.codes[b"UIDNEXT"])


def agrees(client: StrictClient, true: dict[int, Found]) -> None:
    """Compare what a client believes with what is."""
    told = [(message.uid, message.flags) for message in client.messages]
    if client.ghosts & set(client.messages):
        raise client.broken("a message is there that has no UID", b"")
    if len(told) != len(true):
        raise client.broken(f"there are {sorted(true)}", b"")
    for (uid, flags), (true_uid, one) in zip(told, sorted(true.items()), strict=True):
        if uid not in (None, true_uid) or flags not in (None, one.flags):
            raise client.broken(f"UID {true_uid} has {sorted(one.flags)}, told was {uid} with {flags}", b"")


async def wander(server: Server, wanderers: list[Wanderer], postman: Postman) -> None:
    """Let all of them go."""
    for wanderer in wanderers:
        await wanderer.connect()
    async with asyncio.TaskGroup() as group:
        for wanderer in wanderers:
            group.create_task(wanderer.run())
        group.create_task(postman.run())


def first_of(problem: BaseException) -> BaseException:
    """Return what was wrong first, of those that then were wrong all together."""
    while isinstance(problem, BaseExceptionGroup):
        problem = next((one for one in problem.exceptions if isinstance(one, Broken)), problem.exceptions[0])
    return problem


@pytest.mark.timeout(60 * MINUTES + 120)
async def test_many_clients(tmp_path: Path) -> None:
    """Nobody is told what cannot be; in the end all agree with each other, with a new session and with the Maildir."""
    with running_server(tmp_path) as server:
        book, chronicle = Book(), Chronicle(WILD)
        first = await StrictClient.connect("first", HOST, server.ports["imap"], "ann", PASSWORD, chronicle)
        for mailbox in MAILBOXES[1:]:
            await first.command(b"CREATE " + mailbox.encode())
        marks = tuple(f"mark-client{number:02}x" for number in range(CLIENTS))
        wanderers = [Wanderer(server, number, chronicle, book, marks) for number in range(CLIENTS)]
        try:
            await wander(server, wanderers, Postman(server, chronicle, book))
            fresh = await settled(server, chronicle, wanderers, marks)
        except BaseException as problem:
            for wanderer in wanderers:
                (tmp_path / f"{wanderer.name}.talk").write_text(wanderer.client.talk())
            one = first_of(problem)
            for client in (first, *(wanderer.client for wanderer in wanderers)):
                client.hang_up()
            one.add_note(f"seed {SEED}, {book.steps} steps; the conversations of all are in {tmp_path}")
            raise one from None
        left = {mailbox: len(found) for mailbox, found in fresh.items()}
        print(f"\n{book.steps} steps, {len(chronicle.put)} messages appended, {len(chronicle.delivered)} delivered")
        print(f"{len(chronicle.origin)} copies, {len(chronicle.gone)} gone, {len(chronicle.missing)} passed over")
        print(f"left: {left}; {dict(book.done.most_common())}")
        for client in (first, *(wanderer.client for wanderer in wanderers)):
            await client.close()

        server.stop()
        for file in server.data.glob("index.*"):
            file.unlink()
        server.start()
        for mailbox, found in fresh.items():
            again, _ = await contents(server, Chronicle(WILD), mailbox)
            assert {uid: (one.subject, one.flags, one.text) for uid, one in again.items()} == {
                uid: (one.subject, one.flags, one.text) for uid, one in found.items()
            }


async def settled(
    server: Server, chronicle: Chronicle, wanderers: list[Wanderer], marks: tuple[str, ...]
) -> dict[str, dict[int, Found]]:
    """Compare what everybody believes, in the mailbox it is in and in those it remembers, with what is."""
    fresh: dict[str, dict[int, Found]] = {}
    from_outside = 0
    for mailbox in MAILBOXES:
        fresh[mailbox], uid_next = await contents(server, chronicle, mailbox)
        from_outside += chronicle.agree(mailbox, fresh[mailbox], uid_next, marks)
    if from_outside != len(chronicle.delivered):
        raise Broken(f"{len(chronicle.delivered)} messages were delivered, and {from_outside} came from nowhere")
    for wanderer in wanderers:
        client = wanderer.client
        await client.command(b"NOOP")
        agrees(client, fresh[client.mailbox])
        if client.manner.resyncs:
            for mailbox in MAILBOXES:
                await client.select(mailbox, b"EXAMINE")
                agrees(client, fresh[mailbox])
    return fresh
