"""What a server answers to FETCH, as the octets it sent, to lay two servers' answers side by side."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from mailhorn.imap.grammar.cursor import LENIENT, Cursor
from mailhorn.imap.grammar.fetch import parse_unknown_item

PATIENCE = 30.0
"""Seconds an answer may take."""

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_FETCH = re.compile(rb"\* (\d+) FETCH \(")
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}\r\n|[^"{~]+|.', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class Fetcher:
    """A connection that is logged in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0

    async def close(self) -> None:
        """Log out and hang up."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.command(b"LOGOUT")
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def command(self, text: bytes) -> list[bytes]:
        """Give a command; return its untagged responses, and the tagged one without its tag."""
        self._number += 1
        tag = b"f%d" % self._number
        self._writer.write(tag + b" " + text + b"\r\n")
        responses = []
        while True:
            response = await self.response()
            if response.startswith(tag + b" "):
                return [*responses, response[len(tag) + 1 :]]
            responses.append(response)

    async def append(self, mailbox: bytes, message: bytes) -> None:
        """Append a message."""
        answer = await self.command(b"APPEND %b {%d+}\r\n%b" % (mailbox, len(message), message))
        assert answer[-1].startswith(b"OK"), answer

    async def fetch(self, numbers: bytes, items: bytes) -> dict[int, dict[str, bytes]]:
        """FETCH; return the value of every item, as it came, by message and name."""
        *responses, end = await self.command(b"FETCH %b (%b)" % (numbers, items))
        found: dict[int, dict[str, bytes]] = {}
        for response in responses:
            head = _FETCH.match(response)
            if head:
                found.setdefault(int(head[1]), {}).update(_items(response, head.end() - 1))
        assert end.startswith(b"OK") or end.startswith(b"NO"), end
        return found

    async def response(self) -> bytes:
        """Return one response with its literals, without its end of line."""
        async with asyncio.timeout(PATIENCE):
            data = await self._reader.readuntil(b"\n")
            while literal := _LITERAL.search(data[-24:]):
                data += await self._reader.readexactly(int(literal[1]))
                data += await self._reader.readuntil(b"\n")
        return data.removesuffix(b"\r\n")


@asynccontextmanager
async def logged_in(port: int, user: str, password: str) -> AsyncIterator[Fetcher]:
    """Connect, log in and select INBOX."""
    fetcher = Fetcher(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))
    try:
        await fetcher.response()
        for command in (f"LOGIN {user} {password}", "SELECT INBOX"):
            assert (await fetcher.command(command.encode()))[-1].startswith(b"OK")
        yield fetcher
    finally:
        await fetcher.close()


def _items(response: bytes, at: int) -> dict[str, bytes]:
    cur = Cursor(response, LENIENT, at)
    found: dict[str, bytes] = {}
    cur.opens()
    while not cur.closes():
        if found:
            cur.space()
        item = parse_unknown_item(cur)
        found[item.name.upper()] = item.value
    return found


def with_quotes(value: bytes) -> bytes:
    """Return a value with every string in it quoted: a literal of the same octets means the same (RFC 9051 §4.3)."""
    out: list[bytes] = []
    at = 0
    while at < len(value):
        token = _TOKEN.match(value, at)
        assert token is not None, value
        at = token.end()
        if token[2]:
            text = value[at : at + int(token[2])]
            at += int(token[2])
        elif token[1] is not None:
            text = _ESCAPED.sub(rb"\1", token[1])
        else:
            out.append(token[0])
            continue
        out.append(b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    return b"".join(out)
