"""FETCH of a message and of all its parts, beside Dovecot: equal octet for octet, or listed with who is right and why.

`MAILHORN_LETTERS=2000` in the environment compares so many generated messages.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.clients import need
from tests.kit.dovecot import running_dovecot
from tests.kit.fetching import Fetcher, logged_in, with_quotes
from tests.kit.letters import AWKWARD, generated
from tests.kit.mailserver import running_server

from mailhorn.mime.scan import Part, scan

GENERATED = int(os.environ.get("MAILHORN_LETTERS", "60"))
DIFFERENCES = Path(__file__).parents[2] / "docs/reference/differences.md"

WHOLE = (
    "ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE RFC822.HEADER BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1]"
    " BODY.PEEK[1.MIME] BODY.PEEK[]<5.20> BODY.PEEK[HEADER]<3.9999> BODY.PEEK[TEXT]<99999.5> BODY.PEEK[TEXT]<0.1>"
    " BODY.PEEK[HEADER.FIELDS (Subject to X-Other)] BODY.PEEK[HEADER.FIELDS (None)]"
    " BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT to From)] BODY.PEEK[HEADER.FIELDS.NOT (None)]"
    " BODY.PEEK[HEADER.FIELDS (subject)]<2.7>"
)
"""What is asked of every message."""

PART = "BODY.PEEK[{0}] BODY.PEEK[{0}.MIME] BODY.PEEK[{0}]<2.5>"
MESSAGE = (
    "BODY.PEEK[{0}.HEADER] BODY.PEEK[{0}.TEXT] BODY.PEEK[{0}.HEADER.FIELDS (Subject)]"
    " BODY.PEEK[{0}.HEADER.FIELDS.NOT (Subject)] BODY.PEEK[{0}.TEXT]<1.9>"
)
MOST_PARTS = 14
DEEPEST = 20
"""Of a message so many parts, and so deep ones, are asked for."""


def numbered(part: Part, number: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Part]]:
    """Yield the parts below a part with their numbers (RFC 9051 §6.4.5.1)."""
    if part.is_message and number:
        part = part.children[0]
        if not part.is_multipart:
            yield (*number, 1), part
    for n, child in enumerate(part.children if part.is_multipart else (), 1):
        yield (*number, n), child
        yield from numbered(child, (*number, n))


def questions(message: bytes) -> bytes:
    """Return all that is asked of this message."""
    items = [WHOLE]
    parts = [(number, part) for number, part in numbered(scan(message)) if len(number) < DEEPEST]
    for number, part in parts[:MOST_PARTS]:
        items.append((f"{PART} {MESSAGE}" if part.is_message else PART).format(".".join(map(str, number))))
    return " ".join(items).encode()


def leaves(message: bytes) -> list[str]:
    """Return the numbers of some leaves."""
    root = scan(message)
    parts = numbered(root) if root.children else [((1,), root)]
    return [".".join(map(str, number)) for number, part in parts if not part.children and len(number) < DEEPEST][:4]


@asynccontextmanager
async def both(directory: Path) -> AsyncIterator[tuple[Fetcher, Fetcher]]:
    """Log in to both servers, INBOX selected."""
    need("dovecot")
    with running_dovecot() as dovecot:
        async with (
            running_server(directory, ("ann",)) as server,
            logged_in(server.ports["imap"], "ann", server.password) as ours,
            logged_in(dovecot.imap_port, "ann", dovecot.password) as theirs,
        ):
            yield ours, theirs


async def differing(ours: Fetcher, theirs: Fetcher, number: int, message: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Ask both for all of their message of that number; return both answers where they differ."""
    items = questions(message)
    asked = b"%d" % number
    a, b = (await ours.fetch(asked, items))[number], (await theirs.fetch(asked, items))[number]
    assert set(a) == set(b)
    for name in ("ENVELOPE", "BODY", "BODYSTRUCTURE"):
        a[name], b[name] = with_quotes(a[name]), with_quotes(b[name])
    return {name: (a[name], b[name]) for name in a if a[name] != b[name]}


async def differing_decoded(ours: Fetcher, theirs: Fetcher, number: int, message: bytes) -> list[str]:
    """Ask both for the leaves without their encodings, one item after the other; return what differs."""
    differ = []
    asked = b"%d" % number
    for leaf in leaves(message):
        for item in (f"BINARY.PEEK[{leaf}]", f"BINARY.PEEK[{leaf}]<1.10>"):
            mine = (await ours.fetch(asked, item.encode())).get(number, {})
            try:
                yours = (await theirs.fetch(asked, item.encode())).get(number, {})
            except asyncio.IncompleteReadError:  # it hangs up
                return [*differ, item]
            yours.pop("UID", None)  # what it says if there is nothing else to say
            if {name: value.lstrip(b"~") for name, value in yours.items()} != {
                name: value.lstrip(b"~") for name, value in mine.items()
            }:
                differ.append(item)
            if item.endswith("]") and mine:  # Dovecot's own do not always fit its own data
                size = (await ours.fetch(asked, f"BINARY.SIZE[{leaf}]".encode()))[number][f"BINARY.SIZE[{leaf}]"]
                assert mine[f"BINARY[{leaf}]"].lstrip(b"~").startswith(b"{%b}" % size)
    return differ


async def test_generated_messages(tmp_path: Path) -> None:
    """Of messages as programs write them, every answer is equal."""
    async with both(tmp_path) as (ours, theirs):
        for seed in range(GENERATED):
            message = generated(seed)
            await ours.append(b"INBOX", message)
            await theirs.append(b"INBOX", message)
            assert await differing(ours, theirs, seed + 1, message) == {}, f"seed {seed}"
            assert await differing_decoded(ours, theirs, seed + 1, message) == [], f"seed {seed}"


async def test_awkward_messages(tmp_path: Path) -> None:
    """Of the others, what differs is in the table, and nothing else is."""
    found = set()
    async with both(tmp_path) as (ours, theirs):
        for number, (name, message) in enumerate(AWKWARD.items(), 1):
            asked = b"%d" % number
            await theirs.append(b"INBOX", message)
            kept = (await theirs.fetch(asked, b"BODY.PEEK[]"))[number]["BODY[]"].partition(b"\r\n")[2]
            if kept != message:
                found.add(name)
            await ours.append(b"INBOX", kept)  # so that all the rest can be compared
            if await differing(ours, theirs, number, kept):
                found.add(name)
    assert found == _named("## Messages and their parts")


async def test_awkward_messages_decoded(tmp_path: Path) -> None:
    """BINARY of what is encoded in odd ways: the same, or in the second table."""
    found = set()
    messages = {
        name: AWKWARD[name] for name in AWKWARD if name.startswith(("base64", "quoted", "uuencode", "encoding"))
    }
    need("dovecot")
    with running_dovecot() as dovecot:
        async with (
            running_server(tmp_path, ("ann",)) as server,
            logged_in(server.ports["imap"], "ann", server.password) as ours,
        ):
            for number, (name, message) in enumerate(messages.items(), 1):
                async with logged_in(dovecot.imap_port, "ann", dovecot.password) as theirs:
                    await ours.append(b"INBOX", message)
                    await theirs.append(b"INBOX", message)
                    if await differing_decoded(ours, theirs, number, message):
                        found.add(name)
    assert found == _named("## Decoded parts")


async def test_octets_are_kept(tmp_path: Path) -> None:
    """Whatever is appended comes back octet for octet, and its size is what was sent."""
    async with (
        running_server(tmp_path, ("ann",)) as server,
        logged_in(server.ports["imap"], "ann", server.password) as ours,
    ):
        for number, message in enumerate(AWKWARD.values(), 1):
            await ours.append(b"INBOX", message)
            got = (await ours.fetch(b"%d" % number, b"RFC822.SIZE BODY.PEEK[] RFC822.HEADER RFC822.TEXT"))[number]
            assert got["BODY[]"] == b"{%d}\r\n%b" % (len(message), message)
            assert got["RFC822.SIZE"] == b"%d" % len(message)
            head, text = (got[name].partition(b"\r\n")[2] for name in ("RFC822.HEADER", "RFC822.TEXT"))
            assert head + text == message


async def test_sections_that_are_not_there(tmp_path: Path) -> None:
    """NIL here, an empty string there, or the part itself for its part 1 (see the table's last lines)."""
    items = b"BODY.PEEK[99] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.9] BODY.PEEK[1.1]"
    message = AWKWARD["boundary with spaces behind"]
    async with both(tmp_path) as (ours, theirs):
        await ours.append(b"INBOX", message)
        await theirs.append(b"INBOX", message)
        assert set((await ours.fetch(b"1", items))[1].values()) == {b"NIL"}
        assert set((await theirs.fetch(b"1", items))[1].values()) == {b"{0}\r\n", b"{3}\r\none"}


def _named(heading: str) -> set[str]:
    """Return the messages that the last column of a table names."""
    text = DIFFERENCES.read_text("utf-8")
    table = text[text.index(heading) :].split("\n## ")[0].split("| --- |\n", 1)[1]
    return set(re.findall(r"`([^`]+)`", "".join(re.findall(r"\|([^|]*)\|$", table, re.MULTILINE))))


def test_tables() -> None:
    """Every message that a table names exists."""
    assert _named("## Messages and their parts") | _named("## Decoded parts") <= set(AWKWARD)


@pytest.mark.parametrize("seed", range(3))
def test_generator(seed: int) -> None:
    """The same seed, the same message; CR LF only."""
    message = generated(seed)
    assert message == generated(seed)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", message)
