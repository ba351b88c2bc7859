"""A scripted IMAP server that says exactly what it is told to, when it is told to, and hangs up where it is told to.

    async def scenario(peer: Peer) -> None:
        await peer.say("* OK [CAPABILITY IMAP4rev1 IDLE] ready")
        await peer.command("LOGIN")
        await peer.say("$ OK in")
        ...
        peer.reset()

Rule 1: it knows no IMAP but lines, literals and tags: what it answers is the script's business. Rule 2: a client that
does not do what the script expects is an error of the test, with both sides' words in it. Rule 3: when a script ends,
its connection is closed in order.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from ..net.tls import abort

Scenario = Callable[["Peer"], Awaitable[None]]

MAX_LINE = 1024 * 1024
"""Octets of a client's line and of its literals: more is a mistake of the client under test."""

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")


class Unexpected(AssertionError):
    """The client did not do what the script expects."""


class PeerGone(ConnectionError):
    """The client has closed the connection; a script that is left because of it has ended as it should."""


@dataclass(frozen=True, slots=True)
class Command:
    """
    What the client said.

    Attributes:
        tag: Its tag, "" for a line without one, as DONE.
        name: The command in capitals, with UID in front if there is: "UID FETCH".
        arguments: The rest of the line, literals in place.
        at: When it came, on the loop's clock.

    """

    tag: str
    name: str
    arguments: str
    at: float

    def __str__(self) -> str:
        return " ".join(part for part in (self.tag, self.name, self.arguments) if part)


@dataclass
class Peer:
    """
    One client's connection, as a script sees it.

    Attributes:
        number: Which connection to the server this is, from 0.
        tag: The tag of the last command; `$` in what is said stands for it.
        heard: Everything the client said, in order.
        told: Awaited after each command, by who wants to know of it.

    """

    number: int
    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    tag: str = ""
    heard: list[Command] = field(default_factory=list)
    told: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)

    # speaking

    async def say(self, *lines: str) -> None:
        """Send lines, in one segment; `$` at the beginning of one is the tag of the last command."""
        text = "".join((self.tag + line[1:] if line.startswith("$") else line) + "\r\n" for line in lines)
        await self.send(text.encode("latin-1"))

    async def send(self, data: bytes, piece: int | None = None, pause: float = 0.0) -> None:
        """
        Send bytes, whatever they are.

        Args:
            data: What to send.
            piece: Octets in a segment; None sends all at once.
            pause: Seconds between segments. 0 waits as long as a client in the same loop needs to read one.

        """
        pieces = [data] if piece is None else [data[at : at + piece] for at in range(0, len(data), piece)]
        for i, part in enumerate(pieces):
            if i:
                await self.wait(pause)
            self.writer.write(part)
            try:
                await self.writer.drain()
            except ConnectionError as error:
                raise PeerGone("the client is gone") from error

    async def wait(self, seconds: float = 0.0) -> None:
        """Let time pass on the loop's clock; 0 lets everybody else in this loop have a turn."""
        if seconds > 0:
            await asyncio.sleep(seconds)
        else:
            for _ in range(4):  # a write, its arrival, a step, and what it sends
                await asyncio.sleep(0)

    # listening

    async def line(self) -> bytes:
        """
        Return the client's next line without its end.

        Raises:
            PeerGone: The client has closed the connection.

        """
        try:
            line = await self.reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise PeerGone("the client is gone") from error
        return line[:-2]

    async def command(self, name: str | None = None) -> Command:
        """
        Return the client's next command; literals are asked for and put in place.

        Args:
            name: What it has to be, such as "UID FETCH" or "DONE"; None takes any.

        Raises:
            Unexpected: It was another one.
            PeerGone: The client has closed the connection.

        """
        text = await self.line()
        while found := _LITERAL.search(text):
            if not found[2]:
                await self.send(b"+ go on\r\n")
            try:
                literal = await self.reader.readexactly(int(found[1]))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise PeerGone("the client is gone") from error
            text = text[: found.start()] + literal + await self.line()
        words = text.decode("latin-1").split(" ")
        tag = "" if len(words) == 1 else words.pop(0)
        count = 2 if words[0].upper() == "UID" else 1
        said = Command(tag, " ".join(words[:count]).upper(), " ".join(words[count:]), _now())
        self.heard.append(said)
        self.tag = tag or self.tag
        if self.told is not None:
            await self.told()
        if name is not None and said.name != name:
            before = "; ".join(map(str, self.heard[-4:-1]))
            raise Unexpected(f"connection {self.number}: {name} was expected, not {said} (before that: {before})")
        return said

    async def expect(self, *exchanges: tuple[str, Sequence[str]]) -> None:
        """Take commands and answer them: pairs of a command's name and the lines to say."""
        for name, lines in exchanges:
            await self.command(name)
            await self.say(*lines)

    async def gone(self) -> None:
        """Say nothing, take whatever comes, and return when the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    async def deaf(self, seconds: float) -> None:
        """Neither read nor write for so long: what a dead route looks like from the client."""
        transport = cast(asyncio.Transport, self.writer.transport)
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(RuntimeError):
                transport.resume_reading()

    # ending

    def close(self) -> None:
        """End the connection in order: what was said is sent, then FIN."""
        self.writer.close()

    def reset(self) -> None:
        """End the connection with RST; what was not sent yet is lost."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        abort(self.writer.transport)

    def half_close(self) -> None:
        """Say no more (FIN), but go on listening."""
        self.writer.write_eof()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Encrypt the connection, as after STARTTLS."""
        await self.writer.start_tls(context)


def _now() -> float:
    return asyncio.get_running_loop().time()


class HostileServer:
    """
    Listens on a port of 127.0.0.1 and plays a script to each connection.

        async with HostileServer(scenario) as server:
            ... the client connects to server.host, server.port ...

    Leaving the block ends all connections and raises what went wrong in a script.

    Attributes:
        peers: The connections so far, those that are over too.
        problems: What went wrong in the scripts.

    """

    host = "127.0.0.1"

    def __init__(self, *scenarios: Scenario, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        """
        Make a server; it listens within `async with`.

        Args:
            scenarios: One for each connection, in order; the last one also for all that come later.
            tls: Encrypts from the first byte.
            port: Port to listen on; 0 takes a free one, `port` says which.

        """
        self.port = port
        self.peers: list[Peer] = []
        self.problems: list[BaseException] = []
        self._scenarios = scenarios
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._open = 0

    @property
    def open(self) -> int:
        """How many connections there are at present."""
        return self._open

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        await self.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            abort(peer.writer.transport)
        for _ in range(2):  # the loop takes leave of them
            await asyncio.sleep(0)
        if self.problems and (error is None or isinstance(error, TimeoutError)):
            raise self.problems[0]

    async def listen(self) -> None:
        """Begin to listen, at the second time on the same port."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self._tls, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more: connections are refused. Those that are there go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def connected(self, count: int) -> Peer:
        """Wait until there were so many connections, and return the last of these."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.peers) >= count or bool(self.problems))
        if len(self.peers) < count:
            raise self.problems[0]
        return self.peers[count - 1]

    async def said(self, name: str, count: int = 1) -> None:
        """Wait until clients have said a command so many times, on all connections together."""

        def enough() -> bool:
            return sum(said.name == name for peer in self.peers for said in peer.heard) >= count

        async with self._changed:
            await self._changed.wait_for(lambda: enough() or bool(self.problems))
        if not enough():
            raise self.problems[0]

    async def over(self, count: int) -> None:
        """Wait until the scripts of so many connections have ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.peers) - self._open >= count or bool(self.problems))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(len(self.peers), reader, writer, told=self._tell)
        self.peers.append(peer)
        self._open += 1
        await self._tell()
        try:
            await self._scenarios[min(peer.number, len(self._scenarios) - 1)](peer)
        except (ConnectionError, asyncio.CancelledError):  # PeerGone is one of the former
            pass
        except BaseException as error:
            self.problems.append(error)
        finally:
            writer.close()
            self._open -= 1
            self._tasks.discard(task)
            with contextlib.suppress(asyncio.CancelledError):
                await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


__all__ = ["Command", "HostileServer", "Peer", "PeerGone", "Scenario", "Unexpected"]
