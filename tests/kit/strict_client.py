"""An IMAP client that holds the server to every word: what it is told must fit what it was told before.

It keeps its own picture of the mailbox, with nothing of mailhorn in it, and raises `Broken` at the first response that
is not allowed: a sequence number outside the mailbox, fewer messages without EXPUNGE, EXPUNGE in answer to a FETCH,
STORE or SEARCH by sequence number or while no command runs (RFC 9051 §7.5.1), a UID that is not the one told before,
a mod-sequence that goes back or is left out, EXPUNGE instead of VANISHED, VANISHED of what is not there (RFC 7162
§3.2). What it is told is compared with what all the others know in a `Chronicle`.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from .chronicle import Broken, Chronicle

PATIENCE = 30.0
"""Seconds an answer may take."""

REMEMBERED = 120
"""Lines of the conversation that are shown if something is wrong."""

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
SUBJECT = re.compile(rb"^Subject: (\S+)\r$", re.MULTILINE)
TOKEN = re.compile(
    rb' *(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|~?\{(?P<literal>\d+)\}\r\n'
    rb'|(?P<atom>(?:[^ ()"\[{]|\[[^\]]*\])+))'
)

Value = "bytes | list[Value]"


class Manner(Enum):
    """What a client enables."""

    PLAIN = b""
    CONDSTORE = b"CONDSTORE"
    QRESYNC = b"QRESYNC"
    REV2 = b"IMAP4rev2"
    REV2_QRESYNC = b"IMAP4rev2 QRESYNC"

    @property
    def resyncs(self) -> bool:
        """Whether it is told VANISHED."""
        return b"QRESYNC" in self.value

    @property
    def mod_seqs(self) -> bool:
        """Whether it is told mod-sequences."""
        return self.resyncs or self is Manner.CONDSTORE


@dataclass(eq=False)
class Message:
    """What the client knows of a message; None is what it has not been told."""

    uid: int | None = None
    flags: frozenset[str] | None = None
    mod_seq: int = 0


@dataclass
class Command:
    """One that has not been answered, and what has been said of it."""

    text: bytes
    by_number: bool
    tag: bytes
    found: list[int] | None = None
    """What SEARCH or SORT found, or all numbers of THREAD."""
    returned: dict[bytes, bytes] = field(default_factory=dict)
    """What ESEARCH returned."""
    codes: dict[bytes, bytes] = field(default_factory=dict)
    """Response codes with their arguments."""
    fetched: set[Message] = field(default_factory=set)
    read: set[Message] = field(default_factory=set)
    """Those of which more than UID, flags and mod-sequence was told."""
    status: bytes = b""
    exists: int | None = None
    """What the first EXISTS said."""
    grown: int = 0
    """How many more the others said."""


@dataclass
class Cache:
    """What a client remembers of a mailbox that it is not in."""

    validity: int = 0
    point: int = 0
    messages: dict[int, Message] = field(default_factory=dict)


def number_set(numbers: Iterable[int]) -> bytes:
    """Return numbers as a set of IMAP."""
    return b",".join(b"%d" % number for number in numbers)


def numbers_of(text: bytes) -> list[int]:
    """Return the numbers of a set, in its order."""
    numbers: list[int] = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def values(text: bytes) -> list[Value]:
    """Return atoms, strings and lists in lists."""
    stack: list[list[Value]] = [[]]
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"no response: {text[at : at + 60]!r}")
        at = token.end()
        match token.lastgroup:
            case "open":
                stack.append([])
            case "close":
                done = stack.pop()
                stack[-1].append(done)
            case "literal":
                size = int(token["literal"])
                stack[-1].append(text[at : at + size])
                at += size
            case _:
                stack[-1].append(cast(bytes, token[token.lastgroup or "atom"]))
    if len(stack) != 1:
        raise ValueError(f"a parenthesis is open: {text[:60]!r}")
    return stack[0]


class StrictClient:
    """
    One connection.

    Attributes:
        name: Of the client; its mark is a keyword made of it.
        manner: What it has enabled.
        chronicle: What it shares with all others.
        messages: The selected mailbox as it was told.
        mailbox: Its name, "" if none is selected.
        point: How far it has heard of everything, as a mod-sequence (RFC 7162 §3.2).
        ghosts: Messages of which not even the UID was told when it was asked for: they must be gone.
        rev2: Whether IMAP4rev2 is enabled.
        caches: What a client that resyncs remembers of each mailbox.

    """

    def __init__(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chronicle: Chronicle,
        caches: dict[str, Cache],
        manner: Manner = Manner.PLAIN,
    ) -> None:
        self.name, self.manner, self.chronicle, self.caches = name, manner, chronicle, caches
        self.mark = f"mark-{name}"
        self.messages: list[Message] = []
        self.mailbox = ""
        self.point = 0
        self._validity = 0
        self._reader, self._writer = reader, writer
        self._running: dict[bytes, Command] = {}
        self._number = 0
        self._said: deque[str] = deque(maxlen=REMEMBERED)
        self._unlearnt = 0
        self._leaving = False
        self.rev2 = False
        self.ghosts: set[Message] = set()

    @classmethod
    async def connect(
        cls,
        name: str,
        host: str,
        port: int,
        login: str,
        password: str,
        chronicle: Chronicle,
        manner: Manner = Manner.PLAIN,
        caches: dict[str, Cache] | None = None,
    ) -> "StrictClient":
        """Connect, log in and enable what the manner says."""
        streams = await asyncio.open_connection(host, port, limit=2**22)
        client = cls(name, *streams, chronicle, {} if caches is None else caches, manner)
        await client._response()
        await client.command(b'LOGIN %b "%b"' % (login.encode(), password.encode()))
        if manner.value:
            await client.command(b"ENABLE " + manner.value)
        return client

    async def close(self) -> None:
        """Log out."""
        self.remember()
        self._leaving = True
        await self.command(b"LOGOUT")
        self._writer.close()
        await self._writer.wait_closed()

    def hang_up(self) -> None:
        """Go, whatever is under way."""
        self._writer.transport.abort()

    # saying

    def send(self, text: bytes, by_number: bool = False) -> bytes:
        """Send a command and return its tag; `by_number` if it may not be answered with EXPUNGE."""
        self._number += 1
        tag = b"%b%d" % (self.name.encode(), self._number)
        self._running[tag] = Command(text, by_number, tag)
        self._note("C", tag + b" " + text)
        self._writer.write(tag + b" " + text + b"\r\n")
        return tag

    async def answer(self, tag: bytes) -> tuple[bytes, Command]:
        """Read up to the tagged response; return that without its tag, and the command."""
        while True:
            response = await self._response()
            try:
                answered = self._take(response)
            except (Broken, ValueError, IndexError, KeyError) as problem:
                raise self.broken(f"{type(problem).__name__} {problem}", response) from problem
            if answered is not None and answered[1].tag == tag:
                return answered

    async def command(self, text: bytes, by_number: bool = False, may_fail: bytes = b"OK") -> tuple[bytes, Command]:
        """Give a command; its answer must be OK or begin with `may_fail`."""
        answer, command = await self.answer(self.send(text, by_number))
        if not answer.startswith((b"OK", may_fail)):
            raise self.broken("unexpected", answer)
        return answer, command

    async def idle(self, until: "asyncio.Future[None] | None") -> None:
        """Idle until then, or end it in the same packet if that is None."""
        tag = self.send(b"IDLE" if until else b"IDLE\r\nDONE")
        hearing = asyncio.ensure_future(self.answer(tag))
        if until is not None:
            await asyncio.wait({hearing, until}, return_when="FIRST_COMPLETED")
            self._note("C", b"DONE")
            self._writer.write(b"DONE\r\n")
        answer, _ = await hearing
        if not answer.startswith(b"OK"):
            raise self.broken("the end of IDLE", answer)

    # mailboxes

    async def select(self, mailbox: str, verb: bytes = b"SELECT", named: bool = False) -> None:
        """
        Select a mailbox, with what is remembered of it or without, and learn all UIDs and flags.

        If what is remembered is `named`, only that is told of (RFC 7162 §3.2.5.1), and not what is new.
        """
        known = {name: self.chronicle.counts[mailbox, name] for name in ("HIGHESTMODSEQ", "UIDNEXT")}
        self.remember()
        was_open, cache = bool(self.mailbox), self.caches.get(mailbox)
        self.messages, self.mailbox, self._unlearnt = [], mailbox, 0
        text = b"%b %b" % (verb, mailbox.encode())
        resyncs = self.manner.resyncs and cache is not None
        if resyncs and cache is not None:
            self.point = cache.point
            text += b" (QRESYNC (%d %d%b))" % (
                cache.validity,
                cache.point,
                b" " + number_set(sorted(cache.messages)) if named and cache.messages else b"",
            )
        _, command = await self.command(text)
        codes = command.codes
        if was_open and b"CLOSED" not in codes:
            raise self.broken("SELECT does not say CLOSED", text)
        self._validity = int(codes[b"UIDVALIDITY"])
        self.chronicle.valid(mailbox, self._validity)
        for name, least in known.items():
            self.chronicle.grows(mailbox, name, int(codes[name.encode()]), least)
        stands = int(codes[b"HIGHESTMODSEQ"])
        if resyncs and cache is not None:
            self._resynced(cache, command, stands)
        await self.learn(b"1:*")
        if resyncs:
            for message in self.messages:
                before = cache.messages.get(message.uid or 0) if cache is not None else None
                if before is not None and before.mod_seq < message.mod_seq <= stands and message not in command.fetched:
                    raise self.broken(
                        f"UID {message.uid} changed at {message.mod_seq}, and QRESYNC did not say so", b""
                    )

    def _resynced(self, cache: Cache, command: Command, stands: int) -> None:
        """Put together what was remembered and what was told; that must be all there is."""
        earlier = self.messages[
            : len(self.messages) - command.grown
        ]  # of those that came later some may be told as well
        told = {message.uid: message for message in earlier if message.uid is not None}
        expected = cache.messages if _names(command.text) else {**cache.messages, **told}
        new = len(self.messages) - len(expected)
        if new < command.grown or (new > command.grown and not _names(command.text)):
            count = f"{len(self.messages)} messages, {command.grown} of them later"
            raise self.broken(f"after QRESYNC {sorted(expected)} is not {count}", b"")
        for number, uid in enumerate(sorted(expected)):  # what is new has greater ones
            message = self.messages[number]
            if message.uid not in (None, uid):
                raise self.broken(f"after QRESYNC message {number + 1} is {message.uid}, and should be {uid}", b"")
            if message.uid is None:
                known = expected[uid]
                message.uid, message.flags, message.mod_seq = uid, known.flags, known.mod_seq
        self._unlearnt = sum(message.uid is None for message in self.messages)

    def remember(self) -> None:
        """Keep what is known of the selected mailbox for the next time."""
        if self.mailbox and self.manner.resyncs and not self._unlearnt:
            known = {message.uid: message for message in self.messages if message.uid is not None}
            if all(message.flags is not None for message in self.messages):
                self.caches[self.mailbox] = Cache(self._validity, self.point, known)

    async def learn(self, uids: bytes) -> None:
        """Ask for UIDs and flags."""
        items = b"(UID FLAGS MODSEQ)" if self.manner.mod_seqs else b"(UID FLAGS)"
        before = list(self.messages)
        _, command = await self.command(b"UID FETCH %b %b" % (uids, items))
        if uids == b"1:*":
            self.unanswered(before, command)
            self.ghosts |= {message for message in before if message.uid is None}

    async def unselect(self, word: bytes) -> None:
        """CLOSE or UNSELECT."""
        self.remember()
        await self.command(word)
        self.messages, self.mailbox, self._unlearnt = [], "", 0

    def unanswered(self, asked: Iterable[Message], command: Command) -> None:
        """Take note of what was left out of an answer: it must be gone."""
        there = set(self.messages)
        for message in asked:
            if message not in command.fetched and message.uid is not None and message in there:
                self.chronicle.missing.setdefault((self.mailbox, message.uid), f"{command.tag!r} {command.text[:60]!r}")

    # hearing

    async def _response(self) -> bytes:
        """Read one response with its literals, without its last end of line."""
        async with asyncio.timeout(PATIENCE):
            data = await self._reader.readuntil(b"\r\n")
            while literal := LITERAL.search(data):
                data += await self._reader.readexactly(int(literal[1]))
                data += await self._reader.readuntil(b"\r\n")
        self._note("S", data)
        return data[:-2]

    def _note(self, who: str, data: bytes) -> None:
        moment = self.chronicle.tick()
        self._said.append(f"{moment:7} {who}: {data[:400].strip().decode('ascii', 'replace')}")

    def talk(self) -> str:
        """Return the last lines of the conversation, with moments that are the same for all clients."""
        return "\n".join(self._said)

    def broken(self, why: str, response: bytes) -> Broken:
        """Return what to raise."""
        known = [message.uid for message in self.messages]
        return Broken(f"{self.name}: {why}: {response[:300]!r}\nknown UIDs of {self.mailbox}: {known}\n{self.talk()}")

    def _take(self, response: bytes) -> tuple[bytes, Command] | None:
        first, _, rest = response.partition(b" ")
        if first == b"*":
            self._untagged(rest)
        elif first in self._running:
            if first != next(iter(self._running)):
                raise Broken("answered out of turn")
            if rest.startswith(b"BAD"):
                raise Broken("BAD")
            self._code(rest)
            return rest, self._running.pop(first)
        elif not response.startswith(b"+"):
            raise Broken("neither an answer nor untagged")
        return None

    def _untagged(self, text: bytes) -> None:
        if not self._running:
            raise Broken("no command runs")
        command = next(iter(self._running.values()))
        words = text.split(b" ", 2)
        if words[0].isdigit():
            number = int(words[0])
            if words[1] == b"EXISTS":
                self._exists(number, command)
            elif words[1] == b"EXPUNGE":
                self._expunge(number, command)
            elif words[1] == b"FETCH":
                self._fetch(number, words[2], command)
            elif words[1] != b"RECENT":
                raise Broken("unknown")
            return
        match words[0]:
            case b"VANISHED":
                self._vanished(text, command)
            case b"SEARCH" | b"SORT" | b"THREAD":
                self._found(words[0], text, command)
            case b"ESEARCH":
                self._returned(text, command)
            case b"OK":
                self._code(text)
            case b"STATUS":
                command.status = text
            case b"BYE":
                if not self._leaving:
                    raise Broken("hung up")
            case b"ENABLED":
                self.rev2 = b"IMAP4REV2" in text.upper()
            case b"FLAGS" | b"CAPABILITY" | b"LIST":
                pass
            case _:
                raise Broken("unknown")

    def _code(self, text: bytes) -> None:
        """Take a response code."""
        found = re.match(rb"(?:OK|NO) \[([A-Z0-9-]+) ?([^\]]*)\]", text)
        if found is not None:
            next(iter(self._running.values())).codes[found[1]] = found[2]
            if found[1] == b"HIGHESTMODSEQ":
                self.point = int(found[2])

    def _exists(self, number: int, command: Command) -> None:
        new = number - len(self.messages)
        if new < 0:
            raise Broken("fewer messages")
        if command.exists is None:
            command.exists = number
        else:
            command.grown += new
        self.messages += [Message() for _ in range(new)]
        self._unlearnt += new

    def _message(self, number: int) -> Message:
        if not 1 <= number <= len(self.messages):
            raise Broken("no such message")
        return self.messages[number - 1]

    def _may_expunge(self, command: Command) -> None:
        if command.by_number:
            raise Broken("an expunge in answer to a command by sequence number")

    def _expunge(self, number: int, command: Command) -> None:
        self._may_expunge(command)
        if self.manner.resyncs:
            raise Broken("EXPUNGE for one who has enabled QRESYNC")
        self._remove(number - 1, self._message(number))

    def _remove(self, at: int, message: Message) -> None:
        if message.uid is not None:
            self.chronicle.gone.add((self.mailbox, message.uid))
        else:
            self._unlearnt -= 1
        del self.messages[at]

    def _vanished(self, text: bytes, command: Command) -> None:
        if not self.manner.resyncs:
            raise Broken("VANISHED for one who has not enabled QRESYNC")
        *_, told = text.split(b" ")
        uids = numbers_of(told)
        if uids != sorted(set(uids)):
            raise Broken("VANISHED out of order")
        if text.startswith(b"VANISHED (EARLIER)"):
            self._vanished_earlier(uids, command)
            return
        self._may_expunge(command)
        for uid in uids:
            if b"(QRESYNC" in command.text:
                self.caches[self.mailbox].messages.pop(uid, None)
            known = [message.uid or 0 for message in self.messages]
            if uid in known:
                at = known.index(uid)
            else:  # one of those that are not known, between its neighbours
                after = next((at for at, other in enumerate(known) if other > uid), len(known))
                at = after - 1
                if at < 0 or known[at]:
                    raise Broken(f"{uid} is not there")
                self.chronicle.gone.add((self.mailbox, uid))
            self._remove(at, self.messages[at])

    def _vanished_earlier(self, uids: list[int], command: Command) -> None:
        if b"QRESYNC" not in command.text and b"VANISHED" not in command.text:
            raise Broken("EARLIER, but nobody asked")
        known = {message.uid for message in self.messages}
        for uid in uids:
            if uid in known:
                raise Broken(f"{uid} is there")
            self.chronicle.gone.add((self.mailbox, uid))
            if b"QRESYNC" in command.text and self.mailbox in self.caches:
                if self.caches[self.mailbox].messages.pop(uid, None) is None and _names(command.text):
                    raise Broken(f"{uid} was not asked for")

    def _fetch(self, number: int, text: bytes, command: Command) -> None:
        message = self._message(number)
        told = cast("list[Value]", values(text)[0])
        items = dict(zip(cast("list[bytes]", told[::2]), told[1::2], strict=True))
        if b"UID" in items:
            self._learn(number, message, int(cast(bytes, items[b"UID"])))
        if b"MODSEQ" in items:
            assumed = b"FLAGS" not in items and b"UNCHANGEDSINCE" not in command.text  # STORE.SILENT
            self._mod_seq(message, int(cast("list[bytes]", items[b"MODSEQ"])[0]), assumed)
        if b"FLAGS" in items:
            if self.manner.mod_seqs and b"MODSEQ" not in items:
                raise Broken("FLAGS without MODSEQ")
            if self.manner.resyncs and b"UID" not in items:
                raise Broken("FLAGS without UID")
            flags = frozenset(flag.decode() for flag in cast("list[bytes]", items[b"FLAGS"]))
            self._flagged(message, flags, b"MODSEQ" in items, command)
        command.fetched.add(message)
        if items.keys() - {b"UID", b"FLAGS", b"MODSEQ"}:
            command.read.add(message)
        for name, value in items.items():
            if name.startswith((b"BODY[", b"RFC822")) and isinstance(value, bytes) and message.uid is not None:
                self._read((self.mailbox, message.uid), name, value)

    def _learn(self, number: int, message: Message, uid: int) -> None:
        if message.uid == uid:
            return
        if message.uid is not None:
            raise Broken(f"was UID {message.uid}")
        message.uid = uid
        self._unlearnt -= 1
        before = next((m.uid for m in reversed(self.messages[: number - 1]) if m.uid is not None), 0)
        after = next((m.uid for m in self.messages[number:] if m.uid is not None), uid + 1)
        if not before < uid < after:
            raise Broken("UIDs do not ascend")

    def _mod_seq(self, message: Message, mod_seq: int, assumed: bool) -> None:
        if mod_seq < message.mod_seq:
            raise Broken(f"the mod-sequence was {message.mod_seq}")
        if mod_seq > message.mod_seq and assumed and message.flags is not None and message.uid is not None:
            self.chronicle.told_flags((self.mailbox, message.uid), mod_seq, message.flags)
        message.mod_seq = mod_seq
        self.point = max(self.point, mod_seq)

    def _flagged(self, message: Message, flags: frozenset[str], known_when: bool, command: Command) -> None:
        message.flags = flags
        if message.uid is None:
            return
        place = (self.mailbox, message.uid)
        if known_when:
            self.chronicle.told_flags(place, message.mod_seq, flags)
        if self.chronicle.marked(place, self.mark) is (self.mark not in flags):
            raise Broken(f"{self.mark} of UID {message.uid} is wrong")

    def _read(self, place: tuple[str, int], name: bytes, text: bytes) -> None:
        subject = SUBJECT.search(text)
        if name == b"RFC822.SIZE":
            known = self.chronicle.subject(place)
            if known is not None and int(text) != len(self.chronicle.letters[known]):
                raise Broken(f"{known} has {len(self.chronicle.letters[known])} octets")
            return
        if subject is None:
            raise Broken("no Subject")
        known, told = self.chronicle.subject(place), subject[1].decode()
        if known not in (None, told):
            raise Broken(f"{known} was put there")
        letter = self.chronicle.letters[told]
        if name == b"BODY[]" and (text != letter if known else not text.endswith(letter)):
            raise Broken(f"not the octets of {told}")

    def _found(self, word: bytes, text: bytes, command: Command) -> None:
        if word == b"SEARCH" and self.rev2:
            raise Broken("SEARCH for one who has enabled IMAP4rev2")
        text = re.sub(rb" \(MODSEQ \d+\)$", b"", text) if word != b"THREAD" else text
        command.found = [int(number) for number in re.findall(rb"\d+", text)]

    def _returned(self, text: bytes, command: Command) -> None:
        told = values(text)[1:]
        if told[0] != [b"TAG", command.tag]:
            raise Broken("ESEARCH of another command")
        rest = cast("list[bytes]", told[1:])
        by_uid = rest[:1] == [b"UID"]
        if by_uid is not command.text.startswith(b"UID "):
            raise Broken("numbers of the wrong kind")
        rest = rest[by_uid:]
        command.returned = dict(zip(rest[::2], rest[1::2], strict=True))
        if b"ALL" in command.returned:
            command.found = numbers_of(command.returned[b"ALL"])

    def assume(self, numbers: list[int], sign: str, flags: frozenset[str]) -> None:
        """Think of the flags as changed: of STORE.SILENT, only what others did is told."""
        for number in numbers:
            message = self.messages[number - 1]
            if message.flags is not None:
                message.flags = {"+": message.flags | flags, "-": message.flags - flags, "": flags}[sign]


def _names(text: bytes) -> bool:
    """Say whether a SELECT names what is known."""
    return text.count(b" ") == 5


__all__ = ["Cache", "Command", "Manner", "Message", "StrictClient", "number_set", "numbers_of", "values"]
