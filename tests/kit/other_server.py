"""Plays a dialogue to another server, and says which commands it answers otherwise than the dialogue has it.

Rule 1: what the RFCs leave open is no difference: text for people, quoted or literal, order of items and of untagged
responses, \\Recent. Rule 2: a difference belongs to the command that the client gave last, by its tag; a tag that is
used again is `A003#2`. Rule 3: the dialogue goes on whatever is answered: a literal that is not asked for is not sent,
one that is asked for against the dialogue is filled up.
"""

import asyncio
import contextlib
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mailhorn.net.deflate import Deflate

PATIENCE = 30.0
"""Seconds to wait for a tagged answer."""
PUSH = 2.5
"""Seconds to wait for what is told unasked; Dovecot gathers for half a second."""
SHORT = 1.5
"""The same where it is known that something else will come, or nothing."""

LINE = re.compile(
    r"(?P<who>[CS])(?P<client>\d): ?(?P<text>.*)"
    r"|(?P<macro>login|select|deflate|deliver|with|hold|release|limit|show) (?P<args>.*)"
)
NAMED = re.compile("‹([a-z]+)›")
LITERAL = re.compile(r"~?\{(\d+|…)(\+?)\}$")
TOKEN = re.compile(
    r'\s*(?:(?P<literal>~?\{(?P<size>\d+|…)\+?\}\r\n)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<mark>[()])'
    r'|(?P<atom>[^\s()"\[]*\[[^\]]*\](?:<[^>]*>)?|[^\s()"]+))',
    re.DOTALL,
)
CHILDREN = re.compile(r"(?<=\()\\Has(?:No)?Children ?| \\Has(?:No)?Children")
UNKNOWN = re.compile(r".*?(?=(?: FLAGS \([^()]*\))?\)$)", re.DOTALL)
"""A literal of which the dialogue does not say how long it is."""
STATUS = re.compile(r"(\S+ (?:OK|NO|BAD|BYE|PREAUTH))(?: \[(.*?)\](?= |$)| \[([^\]]*…)$)?.*", re.DOTALL)
UNCOMPARED = re.compile(
    r"\* (FLAGS|\d+ RECENT|OK \[(PERMANENTFLAGS|UNSEEN|HIGHESTMODSEQ|MAILBOXID|NOMODSEQ|CLOSED)|CAPABILITY|ID ).*",
    re.DOTALL,
)
"""What each server says in its own way, or may say at any time."""
IGNORED_CODES = re.compile("HIGHESTMODSEQ|CAPABILITY|READ-WRITE")
"""Codes of a tagged OK that a server may leave out."""

Deliver = Callable[[str, str], Awaitable[None]]
Tree = list["str | Tree"]


def tree(text: str) -> Tree:
    """Return a response as words and lists. Raises ValueError where its parentheses do not close."""
    stack: list[Tree] = [[]]
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(text)
        at = found.end()
        if found["literal"]:
            if found["size"] == "…" or text.startswith("…", at):
                value = UNKNOWN.match(text, at)[0]  # type: ignore[index]
            else:
                value = text[at:].encode()[: int(found["size"])].decode("utf-8", "replace")
            at += len(value)
            stack[-1].append(value or '""')
        elif found["quoted"] is not None:
            stack[-1].append(re.sub(r"\\(.)", r"\1", found["quoted"]) or '""')
        elif found["mark"] == "(":
            stack.append([])
        elif found["mark"]:
            if len(stack) == 1:
                raise ValueError(text)
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(found["atom"])
    if len(stack) != 1:
        raise ValueError(text)
    return stack[0]


def flat(value: "str | Tree") -> str:
    return value if isinstance(value, str) else "(" + " ".join(map(flat, value)) + ")"


def _pairs(items: Tree) -> Tree:
    """Sort names with their values by name."""
    pairs = []
    for name, value in zip(items[::2], items[1::2], strict=True):
        if flat(name).upper() == "FLAGS" and isinstance(value, list):
            value = sorted((flag for flag in value if flag != "\\Recent"), key=flat)
        pairs.append((flat(name).upper(), value))
    pairs.sort(key=lambda pair: pair[0])
    return [part for pair in pairs for part in pair]


def canonical(text: str) -> str:
    """Return a response in a form that is the same for all that mean the same."""
    if text.startswith("+"):
        return "+"
    found = STATUS.fullmatch(text)
    if found:
        code = found[2] or found[3] or ""
        if not code or IGNORED_CODES.match(code):
            return found[1]
        return f"{found[1]} [{code}]"
    try:
        words = tree(text)
    except ValueError:
        # What stands for any text goes over a parenthesis.
        return re.sub(r"\s+", " ", re.sub(r'~?\{(\d+|…)\+?\}\r\n|"', "", text)).strip()
    with contextlib.suppress(ValueError, IndexError):
        kind = flat(words[1]).upper()
        if len(words) > 3 and flat(words[2]).upper() == "FETCH":
            words[3] = _pairs(list(words[3]))
        elif kind == "STATUS":
            words[3] = _pairs(list(words[3]))
        elif kind == "ESEARCH":
            start = 3 if isinstance(words[2], list) else 2
            start += words[start : start + 1] == ["UID"]
            words[start:] = _pairs(words[start:])
        elif kind in ("LIST", "LSUB"):
            words[2] = sorted(words[2], key=lambda flag: flat(flag).lower())
            words[5:] = [_pairs(list(words[5]))] if len(words) > 5 and words[5] else []
        elif kind in ("ENABLED", "SEARCH"):
            words[2:] = sorted(words[2:], key=flat)
        elif kind == "METADATA":
            words[3] = _pairs(list(words[3]))
        elif kind in ("MYRIGHTS", "LISTRIGHTS", "ACL"):
            # Identifiers with their rights come in any order, and so do the letters.
            words[3:] = ["".join(sorted(flat(word))) for word in words[3:]]
            if kind != "MYRIGHTS":
                words[3:] = sorted(words[3:], key=flat)
    return " ".join(map(flat, words))


EVERYWHERE: dict[str, Callable[[str, str], tuple[str, str]]] = {
    "code": lambda wanted, got: (re.sub(r"^(\S+ NO) \[.*", r"\1", wanted), got),
    "uid": lambda wanted, got: (re.sub(r"^(\* \d+ FETCH \(.*?) ?UID \d+\)$", r"\1)", wanted), got),
    "children": lambda wanted, got: (re.sub(CHILDREN, "", wanted), re.sub(CHILDREN, "", got)),
    "rev2": lambda wanted, got: (_as_rev1(wanted), got),
}
"""What is forgiven in all dialogues, as it would be seen in most of them: what both say instead."""


def same(expected: str, received: str) -> str | None:
    """Return "" if what was received is what the dialogue has, or what was forgiven; otherwise None."""
    wanted, got = canonical(expected), canonical(received)
    if _alike(expected, wanted, received, got):
        return ""
    for name, change in EVERYWHERE.items():
        if _alike(expected, *(changed := change(wanted, got))[:1], received, changed[1]):
            return name
    return None


def _alike(expected: str, wanted: str, received: str, got: str) -> bool:
    if wanted == got:
        return True
    if "…" not in wanted and not STATUS.fullmatch(expected):
        return False
    pattern = ".*".join(map(re.escape, wanted.split("…")))
    if STATUS.fullmatch(expected) and "[" not in wanted and "[" not in expected:
        pattern += r"( \[.*)?"
    plain = re.sub(r"\s+", " ", re.sub(r'~?\{\d+\+?\}\r\n|"', "", received)).strip()
    return any(re.fullmatch(pattern, text, re.DOTALL) for text in (got, plain))


def _as_rev1(wanted: str) -> str:
    """Return what an IMAP4rev1 server says where the dialogue has IMAP4rev2 enabled."""
    wanted = wanted.replace("\\NonExistent", "\\Noselect")
    found = re.fullmatch(
        r"\* ESEARCH \(TAG \S+\)(?: ALL (\S+))?(?: UID)?|\* ESEARCH \(TAG \S+\) UID(?: ALL (\S+))?", wanted
    )
    if found is None:
        return wanted
    numbers: list[str] = []
    for part in filter(None, (found[1] or found[2] or "").split(",")):
        first, _, last = part.partition(":")
        numbers += map(str, range(int(first), int(last or first) + 1))
    return " ".join(["* SEARCH", *sorted(numbers)])


@dataclass
class Other:
    """One connection to the other server; what comes is gathered as whole responses."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tag: str = "connect"
    pending: int = 0
    """Octets of a literal that may be asked for."""
    asked: bool = False
    """The next line goes on with the command."""
    came: list[tuple[str, str]] = field(default_factory=list)
    """The command it came after, and the response."""
    done: set[str] = field(default_factory=set)
    ended: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    deflate: Deflate | None = None
    task: asyncio.Task[None] | None = None
    waiting: bytes = b""

    @classmethod
    async def connect(cls, port: int) -> "Other":
        other = cls(*await asyncio.open_connection("127.0.0.1", port))
        assert (await other.reader.readline()).startswith(b"* OK")
        other.task = asyncio.create_task(other.read())
        return other

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
        if self.task is not None:
            await self.task

    def send(self, text: str) -> None:
        if self.ended:
            return
        data = text.encode() + b"\r\n"
        self.writer.write(data if self.deflate is None else self.deflate.compress(data))

    async def _bytes(self) -> bytes:
        came = await self.reader.read(65536)
        if self.deflate is None or not came:
            return came
        self.deflate.received(came)
        plain = b""
        while self.deflate.waiting:
            plain += self.deflate.take()
        return plain

    async def read(self) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            while came := await self._bytes():
                data += came
                while (end := _whole(data)) is not None:
                    self._received(data[:end].decode("utf-8", "replace").removesuffix("\r\n"))
                    data = data[end:]
        self.ended = True
        self.news.set()

    def _received(self, text: str) -> None:
        self.came.append((self.tag, text))
        found = re.match(r"(\S+) (OK|NO|BAD)\b", text)
        if found and found[1] != "*":
            self.done.add(found[1])
        self.news.set()

    async def until(self, true: Callable[[], bool], patience: float) -> bool:
        """Wait for it to become true by what comes; return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not true() and not self.ended:
                    self.news.clear()
                    await self.news.wait()
        return true()


def _whole(data: bytes) -> int | None:
    """Return where the first response ends, if it is here."""
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        found = re.search(rb"\{(\d+)\}$", data[at:end])
        at = end + 2
        if found is None:
            return at
        at += int(found[1])
        if at > len(data):
            return None


class Player:
    """One dialogue."""

    def __init__(self, port: int, password: str, deliver: Deliver, left_out: set[str], listed: set[str]) -> None:
        self._listed = listed
        self._port, self._password, self._deliver, self._left_out = port, password, deliver, left_out
        self.clients: dict[str, Other] = {}
        self.names: dict[str, str] = {}
        self.seen: dict[str, int] = defaultdict(int)
        self.different: dict[str, list[str]] = defaultdict(list)
        self.tags: set[str] = set()
        self.forgiven: set[str] = set()
        """What of EVERYWHERE was seen."""
        self._expected: dict[str, list[str]] = defaultdict(list)
        self._literal: dict[str, int] = defaultdict(int)
        self.opening: dict[str, bool] = defaultdict(bool)
        """By command: whether it opens a mailbox or enables something."""
        self._skipped: set[str] = set()

    async def play(self, script: str) -> dict[str, list[str]]:
        """Return, by the command, what was awaited (-) and what came (+)."""
        try:
            await self._play(script)
        finally:
            for client in self.clients.values():
                await client.close()
        return dict(self.different)

    async def _play(self, script: str) -> None:
        for line in script.splitlines():
            found = LINE.fullmatch(line)
            if not line or line.startswith("#") or found is None:
                continue
            if found["who"] == "S":
                self._expect(found["client"], found["text"])
                continue
            await self._settle()
            if found["who"] == "C":
                await self._say(found["client"], found["text"])
            else:
                await self._macro(found["macro"], found["args"])
        await self._settle()
        for client in self.clients.values():
            self._clear(client)

    async def _client(self, number: str) -> Other:
        if number not in self.clients:
            self.clients[number] = await Other.connect(self._port)
        return self.clients[number]

    async def _macro(self, macro: str, args: str) -> None:
        if macro in ("login", "select"):
            number, what = args.split(" ", 1)
            client = await self._client(number)
            self.seen[macro] += 1
            tag = client.tag = f"{macro}{self.seen[macro]}"
            client.send(f"{tag} LOGIN {what} {self._password}" if macro == "login" else f"{tag} SELECT {what}")
            assert await client.until(lambda: tag in client.done, PATIENCE), f"{macro} {args} was not answered"
            client.came = [one for one in client.came if one[0] != tag]
        elif macro == "deliver":
            await self._deliver(*args.split(" ", 1))
        elif macro == "deflate":
            (await self._client(args)).deflate = Deflate()

    def _expect(self, number: str, text: str) -> None:
        expected = self._expected[number]
        starts = re.match(r"\* |\+|(\S+) (OK|NO|BAD)\b", text)
        begins = starts is not None and (starts[1] is None or starts[1] in self.tags)
        if expected:
            found = re.search(r"\{(\d+)\}\r\n", expected[-1])
            if expected[-1].endswith("}") or (
                found is not None and len(expected[-1][found.end() :].encode()) < int(found[1])
            ):
                begins = False
        if begins or not expected:
            expected.append(text)
        else:
            expected[-1] += "\r\n" + text

    async def _say(self, number: str, text: str) -> None:
        client = await self._client(number)
        text = NAMED.sub(lambda name: self.names.get(name[1], "1"), text)
        rest = text
        if self._literal[number] > 0:
            client.pending = 0
            size = self._literal[number]
            octets = text.encode()
            if number in self._skipped:
                pass
            else:
                client.send(text)
            if len(octets) + 2 <= size:
                self._literal[number] = size - len(octets) - 2
                if self._literal[number] > 0:
                    return
                # The literal ends with this line; the command goes on with the next one.
                self._literal[number] = -1
                return
            rest = octets[size:].decode("utf-8", "replace")
            self._literal[number] = 0
        elif self._literal[number] == -1:
            self._literal[number] = 0
            if number not in self._skipped:
                client.send(text)
        else:
            self._skipped.discard(number)
            word = text.split(" ")[0] or "-"
            if " " in text and not client.asked:
                self.tags.add(word)
                client.done.discard(word)
                self.seen[word] += 1
                client.tag = word if self.seen[word] == 1 else f"{word}#{self.seen[word]}"
                self.opening[client.tag] = bool(re.match(r"\S+ (SELECT|EXAMINE|ENABLE) ", text))
                if client.tag in self._left_out:
                    self._skipped.add(number)
            client.asked = False
            if number not in self._skipped:
                client.send(text)
        found = LITERAL.search(rest)
        if found is not None and found[1] != "…":
            self._literal[number] = int(found[1])
            client.pending = 0 if found[2] else int(found[1])

    async def _settle(self) -> None:
        """Wait for what the dialogue has next, and compare."""
        waits = {number: expected for number, expected in self._expected.items() if expected}
        self._expected.clear()
        await asyncio.gather(*(self._compare(number, expected) for number, expected in waits.items()))

    async def _compare(self, number: str, expected: list[str]) -> None:
        client = await self._client(number)
        tagged = [
            found[1] for one in expected if (found := re.match(r"(\S+) (?:OK|NO|BAD)\b", one)) and found[1] != "*"
        ]
        asked = expected[-1].startswith("+") and not tagged
        if number in self._skipped:
            if tagged:
                self._literal[number] = client.pending = 0
            return
        if tagged:
            last = client.tag.partition("#")[0]

            def answered() -> bool:
                self._fill(client)
                return all(tag in client.done for tag in tagged)

            if not await client.until(answered, PATIENCE):
                assert client.ended, f"{last} was not answered: {client.came}"
        elif asked:
            tag = client.tag.partition("#")[0]
            await client.until(lambda: tag in client.done or any(t.startswith("+") for _, t in client.came), PATIENCE)
        wanted = _expunged([(client.tag, one) for one in expected])
        if not tagged and not asked:
            await self._push(client, wanted)
        elif not re.match(r"\S+ (OK|NO|BAD)\b", expected[-1]) and not asked:
            await self._push(client, wanted)
        unmet, rest = self._unmet(wanted, _expunged(client.came))
        for _, one in wanted:
            self._learn(one, client.came)
        for tag, one in unmet:
            if not UNCOMPARED.fullmatch(one):
                self.different[tag].append(f"- {one}")
        client.came = rest
        if tagged:
            self._clear(client)
            self._literal[number] = 0
        client.asked = asked and not client.pending
        if asked and client.tag.partition("#")[0] in client.done:
            self._skipped.add(number)  # it is not asked for: the literal is not sent

    async def _push(self, client: Other, wanted: list[tuple[str, str]]) -> None:
        patience = SHORT if client.tag in self._listed else PUSH
        await client.until(lambda: not self._unmet(wanted, _expunged(client.came))[0], patience)

    def _fill(self, client: Other) -> None:
        """Give a literal that is asked for, though the dialogue has it refused."""
        if client.pending and client.came and client.came[-1][1].startswith("+"):
            client.send("x" * client.pending)
            client.pending = 0
            client.came.pop()

    def _unmet(
        self, wanted: list[tuple[str, str]], came: list[tuple[str, str]]
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        unmet, rest = [], list(came)
        for tag, one in wanted:
            text = NAMED.sub(lambda name: self.names.get(name[1], "…"), one)
            for received in rest:
                if (forgiven := same(text, received[1])) is not None:
                    self.forgiven.add(forgiven)
                    rest.remove(received)
                    break
            else:
                if re.match(r"\* ENABLED IMAP4rev2$|\* LIST .*(?<!\))$", one) and self.opening[tag]:
                    self.forgiven.add("rev2")
                else:
                    unmet.append((tag, one))
        return unmet, rest

    def _learn(self, expected: str, came: list[tuple[str, str]]) -> None:
        parts = NAMED.split(expected)
        if len(parts) == 1:
            return
        pattern = "".join(
            "(.*?)" if i % 2 else ".*".join(map(re.escape, part.split("…"))) for i, part in enumerate(parts)
        )
        for _, text in came:
            if found := re.fullmatch(pattern, text, re.DOTALL):
                self.names.update(zip(parts[1::2], found.groups(), strict=True))

    def _clear(self, client: Other) -> None:
        """What came and was not awaited is a difference."""
        for tag, one in client.came:
            if not UNCOMPARED.fullmatch(one) and not one.startswith("+"):
                self.different[tag].append(f"+ {one}")
        client.came = []


def _expunged(came: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put the EXPUNGEs of a list into one: it does not matter in which order they are told."""
    gone: list[int] = []
    others, tag = [], ""
    for one in came:
        found = re.fullmatch(r"\* (\d+) EXPUNGE", one[1])
        if found is None:
            others.append(one)
            continue
        tag, number = one[0], int(found[1])
        for before in sorted(gone):
            number += before <= number
        gone.append(number)
    return [(tag, f"* EXPUNGE {' '.join(map(str, sorted(gone)))}"), *others] if gone else others
