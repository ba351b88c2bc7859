"""An IMAP client that holds the server to every word: what it is told must fit what it was told before.

It keeps its own picture of the mailbox, with nothing of mailhorn in it, and raises `Broken` at the first response that
RFC 9051 does not allow: a sequence number outside the mailbox, fewer messages without EXPUNGE, EXPUNGE in answer to a
FETCH, STORE or SEARCH by sequence number or while no command runs (§7.5.1), a UID that is not the one told before.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

PATIENCE = 20.0
"""Seconds an answer may take."""

ATTRIBUTE = re.compile(rb"UID (\d+)|FLAGS \(([^)]*)\)")
LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
SUBJECT = re.compile(rb"^Subject: (\S+)\r$", re.MULTILINE)


class Broken(AssertionError):
    """The server said what it may not say."""


@dataclass
class Message:
    """What the client knows of a message; None is what it has not been told."""

    uid: int | None = None
    flags: frozenset[str] | None = None


@dataclass
class Command:
    """One that has not been answered."""

    text: bytes
    by_number: bool
    found: list[int] = field(default_factory=list)
    """What SEARCH found."""


def number_set(numbers: Iterable[int]) -> bytes:
    """Return numbers as a set of IMAP."""
    return b",".join(b"%d" % number for number in numbers)


def uids_of(text: bytes) -> list[int]:
    """Return the UIDs of a set, in its order."""
    uids: list[int] = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        uids += range(int(first), int(last or first) + 1)
    return uids


class StrictClient:
    """
    One connection.

    Attributes:
        messages: The selected mailbox as it was told.
        mailbox: Its name, "" if none is selected.
        read: (mailbox, UID, Subject) of every message that was read.
        gone: (mailbox, UID) of every message that was told to be gone.
        copied: (mailbox, UID, mailbox, UID) of every copy that was told.

    """

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.messages: list[Message] = []
        self.mailbox = ""
        self.read: set[tuple[str, int, str]] = set()
        self.gone: set[tuple[str, int]] = set()
        self.copied: set[tuple[str, int, str, int]] = set()
        self._reader, self._writer = reader, writer
        self._running: dict[bytes, Command] = {}
        self._number = 0
        self._said: list[bytes] = []

    @classmethod
    async def connect(cls, name: str, host: str, port: int, login: str, password: str) -> "StrictClient":
        """Connect and log in."""
        client = cls(name, *await asyncio.open_connection(host, port, limit=2**22))
        await client._response()
        await client.command(b'LOGIN %b "%b"' % (login.encode(), password.encode()))
        return client

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()

    # saying

    def send(self, text: bytes, by_number: bool = False) -> bytes:
        """Send a command and return its tag; `by_number` if it may not be answered with EXPUNGE."""
        self._number += 1
        tag = b"%b%d" % (self.name.encode(), self._number)
        self._running[tag] = Command(text, by_number)
        self._said = [*self._said[-40:], b"C: " + tag + b" " + text[:120]]
        self._writer.write(tag + b" " + text + b"\r\n")
        return tag

    async def answer(self, tag: bytes) -> tuple[bytes, Command]:
        """Read up to the tagged response; return that without its tag, and the command."""
        while True:
            response = await self._response()
            first, _, rest = response.partition(b" ")
            if first == b"*":
                self._untagged(rest)
            elif first in self._running:
                if first != next(iter(self._running)):
                    raise self._broken("answered out of turn", response)
                command = self._running.pop(first)
                if first == tag:
                    return rest, command
                if rest.startswith(b"BAD"):
                    raise self._broken("BAD", response)
            elif not response.startswith(b"+"):
                raise self._broken("neither", response)

    async def command(self, text: bytes, by_number: bool = False, may_fail: bytes = b"OK") -> tuple[bytes, Command]:
        """Give a command; its answer must be OK or begin with `may_fail`."""
        answer, command = await self.answer(self.send(text, by_number))
        if not answer.startswith((b"OK", may_fail)):
            raise self._broken("unexpected", answer)
        return answer, command

    async def idle(self, until: "asyncio.Future[None] | None") -> None:
        """Idle until then, or end it in the same packet if that is None."""
        tag = self.send(b"IDLE" if until else b"IDLE\r\nDONE")
        hearing = asyncio.ensure_future(self.answer(tag))
        if until is not None:
            await asyncio.wait({hearing, until}, return_when="FIRST_COMPLETED")
            self._writer.write(b"DONE\r\n")
        answer, _ = await hearing
        if not answer.startswith(b"OK"):
            raise self._broken("the end of IDLE", answer)

    async def select(self, mailbox: str) -> None:
        """Select a mailbox and learn all UIDs and flags."""
        self.messages, self.mailbox = [], mailbox
        await self.command(b"SELECT " + mailbox.encode())
        await self.command(b"UID FETCH 1:* (FLAGS)")

    # hearing

    async def _response(self) -> bytes:
        """Read one response with its literals, without its last end of line."""
        async with asyncio.timeout(PATIENCE):
            data = await self._reader.readuntil(b"\r\n")
            while literal := LITERAL.search(data):
                data += await self._reader.readexactly(int(literal[1]))
                data += await self._reader.readuntil(b"\r\n")
        self._said.append(b"S: " + data[:200].strip())
        return data[:-2]

    def _broken(self, why: str, response: bytes) -> Broken:
        talk = "\n".join(line.decode("ascii", "replace") for line in self._said[-60:])
        known = [message.uid for message in self.messages]
        return Broken(f"{why}: {response[:200]!r}\nknown UIDs: {known}\n{talk}")

    def _untagged(self, text: bytes) -> None:
        if not self._running:
            raise self._broken("no command runs", text)
        words = text.split(b" ", 2)
        if words[0].isdigit():
            number = int(words[0])
            if words[1] == b"EXISTS":
                if number < len(self.messages):
                    raise self._broken("fewer messages", text)
                self.messages += [Message() for _ in range(number - len(self.messages))]
            elif words[1] == b"EXPUNGE":
                self._expunge(number, text)
            elif words[1] == b"FETCH":
                self._fetch(number, text)
        elif words[0] == b"SEARCH":
            next(iter(self._running.values())).found = [int(word) for word in text.split()[1:]]
        elif text.startswith(b"OK [COPYUID"):
            self.take_copies(text)
        elif words[0] == b"BYE":
            raise self._broken("hung up", text)

    def _message(self, number: int, text: bytes) -> Message:
        if not 1 <= number <= len(self.messages):
            raise self._broken("no such message", text)
        return self.messages[number - 1]

    def _expunge(self, number: int, text: bytes) -> None:
        if next(iter(self._running.values())).by_number:
            raise self._broken("EXPUNGE in answer to a command by sequence number", text)
        message = self._message(number, text)
        if message.uid is not None:
            self.gone.add((self.mailbox, message.uid))
        del self.messages[number - 1]

    def _fetch(self, number: int, text: bytes) -> None:
        message = self._message(number, text)
        head = text.split(b"BODY[", 1)
        outside = head[0] + (text.rpartition(b"\r\n")[2] if len(head) == 2 else b"")
        for uid, flags in ATTRIBUTE.findall(outside):
            if not uid:
                message.flags = frozenset(flags.decode().split())
                continue
            if message.uid not in (None, int(uid)):
                raise self._broken(f"was UID {message.uid}", text)
            message.uid = int(uid)
            known = [one.uid for one in self.messages if one.uid is not None]
            if any(one >= other for one, other in zip(known, known[1:], strict=False)):
                raise self._broken("UIDs do not ascend", text)
        subject = SUBJECT.search(text)
        if subject is not None and message.uid is not None:
            self.read.add((self.mailbox, message.uid, subject[1].decode()))

    def take_copies(self, text: bytes, target: str = "") -> None:
        """Take note of what COPYUID says; of a MOVE it comes untagged."""
        found = re.search(rb"\[COPYUID \d+ ([\d:,]+) ([\d:,]+)\]", text)
        if found is None:
            return
        target = target or next(iter(self._running.values())).text.rsplit(b" ", 1)[1].decode()
        sources, copies = uids_of(found[1]), uids_of(found[2])
        if len(sources) != len(copies):
            raise self._broken("COPYUID of different lengths", text)
        self.copied |= {(self.mailbox, old, target, new) for old, new in zip(sources, copies, strict=True)}

    def assume(self, numbers: list[int], sign: str, flags: frozenset[str]) -> None:
        """Think of the flags as changed: of STORE.SILENT, only what others did is told."""
        for number in numbers:
            message = self.messages[number - 1]
            if message.flags is not None:
                message.flags = {"+": message.flags | flags, "-": message.flags - flags, "": flags}[sign]
