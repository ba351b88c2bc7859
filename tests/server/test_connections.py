"""Limits of connections over real sockets: what is said to whom, and that every kind of end makes room again."""

import asyncio
import resource
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.kit.loops import on_both_loops
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.cli.serve import introduction
from mailhorn.config.settings import Limits, ServeSettings
from mailhorn.config.wire import FILES, build_server
from mailhorn.server.imap.session import ImapSession
from mailhorn.server.mailserver import HANDSHAKES

PATIENCE = 30.0


class Client:
    """Speaks lines to one port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: ServerInTest, service: str) -> "Client":
        tls = insecure() if service in ("imaps", "smtps") else None
        return cls(*await asyncio.open_connection("127.0.0.1", server.ports[service], ssl=tls))

    @classmethod
    async def connect_plain(cls, server: ServerInTest, service: str) -> "Client":
        """Connect and begin no handshake."""
        return cls(*await asyncio.open_connection("127.0.0.1", server.ports[service]))

    async def line(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readline()

    async def say(self, text: str, until: bytes) -> bytes:
        self.writer.write(text.encode() + b"\r\n")
        while not (line := await self.line()).startswith(until):
            assert line, f"ended before {until!r}"
        return line

    async def end(self) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read()
        finally:
            self.writer.transport.abort()


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def limited(**limits: int) -> dict[str, Any]:
    return {"limits": Limits(count_this_machine=True, **limits)}


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is."""
    async with asyncio.timeout(PATIENCE):
        for _ in count():
            if true():
                return
            await asyncio.sleep(0)


async def empty(server: ServerInTest) -> None:
    """Wait until nobody is counted any more, anywhere."""
    mail = server.server.mail
    counted = (mail.connections, mail.handshakes)
    await until(lambda: all((one.total, one.addresses, one.accounts) == (0, 0, 0) for one in counted))
    assert len(mail.sessions) == 0


@pytest.mark.parametrize("service", ["imap", "imaps", "smtp", "smtps", "lmtp"])
async def test_an_address_has_so_many_connections_and_no_more(tmp_path: Path, service: str) -> None:
    """The one too many is told why, also under TLS; when one of the others goes, there is room again."""
    async with running_server(tmp_path, ("ann",), **limited(connections_per_address=2)) as server:
        first, second = [await Client.connect(server, service) for _ in range(2)]
        assert (await first.line())[:4] in (b"* OK", b"220 ")
        assert (await second.line())[:4] in (b"* OK", b"220 ")
        with structlog.testing.capture_logs() as logs:
            third = await Client.connect(server, service)
            words = await third.line()
        if "imap" in service:
            assert words == b"* BYE [LIMIT] Too many connections from your address, 2 are open\r\n"
        else:
            assert words == b"421 4.7.0 " + words[10:]
            assert b"Too many connections from your address" in words
        assert await third.end() == b""
        assert [entry["event"] for entry in logs] == ["connection refused"]
        first.writer.close()
        await until(lambda: len(server.server.mail.sessions) < 2)
        fourth = await Client.connect(server, service)
        assert (await fourth.line())[:4] in (b"* OK", b"220 ")
        for client in (second, fourth):
            client.writer.close()
        await empty(server)


@pytest.mark.parametrize("service", ["imap", "smtp"])
@on_both_loops
async def test_who_is_sent_away_holds_nothing(tmp_path: Path, service: str) -> None:
    """Whoever is not counted is not waited for either: the socket is closed though the client keeps its own."""
    async with running_server(tmp_path, ("ann",), limits=Limits(connections=1)) as server:
        first = await Client.connect(server, service)
        await first.line()
        with socket.create_connection(("127.0.0.1", server.ports[service])) as second:
            second.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE):
                words = await loop.sock_recv(second, 1000)
                assert b"Too many connections" in words
                assert await loop.sock_recv(second, 1000) == b""
            second.send(b"x")  # what answers is the kernel, at once: there is no such connection
            with pytest.raises(BrokenPipeError):
                second.send(b"x")
        first.writer.transport.abort()
        await empty(server)


async def test_a_full_server_says_so(tmp_path: Path) -> None:
    """Nobody is to blame for it, so the code is another one: waiting helps."""
    async with running_server(tmp_path, ("ann",), limits=Limits(connections=1)) as server:
        first = await Client.connect(server, "imap")
        await first.line()
        second = await Client.connect(server, "imap")
        assert await second.end() == b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
        first.writer.close()


async def test_an_account_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    """
    The one too many gets BYE, and no NO, after which mail clients ask for another password.

    What logs in to send counts, too, and is told 421.
    """
    async with running_server(tmp_path, ("ann", "bob"), **limited(connections_per_account=2)) as server:
        clients = [await Client.connect(server, "imap") for _ in range(2)]
        for client in clients:
            await client.say("x LOGIN ann secret", b"x OK")
        third = await Client.connect(server, "imap")
        await third.line()
        third.writer.write(b"x LOGIN ann secret\r\n")
        assert await third.end() == b"* BYE [LIMIT] Too many connections of this account, 2 are open\r\n"
        other = await Client.connect(server, "imap")
        await other.say("x LOGIN bob secret", b"x OK")
        sender = await Client.connect(server, "smtps")
        await sender.say("EHLO there", b"250 ")
        plain = b64encode(b"\0ann\0secret").decode()
        assert (await sender.say(f"AUTH PLAIN {plain}", b"421")).startswith(b"421 4.7.0 Too many connections of this")
        await sender.end()
        await clients[0].say("x LOGOUT", b"x OK")
        await clients[0].end()
        sender = await Client.connect(server, "smtps")
        await sender.say("EHLO there", b"250 ")
        await sender.say(f"AUTH PLAIN {plain}", b"235")
        fourth = await Client.connect(server, "imap")
        await fourth.line()
        fourth.writer.write(b"x LOGIN ann secret\r\n")
        assert (await fourth.end()).startswith(b"* BYE [LIMIT]")
        for client in (clients[1], other, sender):
            client.writer.close()
        await empty(server)


async def _log_in(server: ServerInTest) -> Client:
    client = await Client.connect(server, "imap")
    await client.say("x LOGIN ann secret", b"x OK")
    await client.say("x SELECT INBOX", b"x OK")
    return client


async def logout(server: ServerInTest) -> None:
    """The client says so."""
    client = await _log_in(server)
    await client.say("x LOGOUT", b"x OK")
    await client.end()


async def hang_up(server: ServerInTest) -> None:
    """The client ends its side, and reads on."""
    client = await _log_in(server)
    client.writer.write_eof()
    await client.end()


async def reset(server: ServerInTest) -> None:
    """The client vanishes while it idles."""
    client = await _log_in(server)
    await client.say("x IDLE", b"+")
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


async def dead(server: ServerInTest) -> None:
    """The kernel gives up on an idling client that confirms nothing."""
    client = await _log_in(server)
    await client.say("x IDLE", b"+")
    (session,) = server.server.mail.sessions
    session.pump.connection_lost(TimeoutError(110, "Connection timed out"))
    client.writer.transport.abort()


async def says_nothing(server: ServerInTest) -> None:
    """Nobody logs in."""
    clients = [await Client.connect(server, service) for service in ("imap", "imaps", "smtp", "lmtp")]
    for client in clients:
        await client.line()
    for session in server.server.mail.sessions:
        session.overdue()
    for client in clients:
        assert b"too long" in await client.end()


async def half_a_handshake(server: ServerInTest) -> None:
    """The client says hello in TLS, or not even that, and no more."""
    silent = await Client.connect_plain(server, "imaps")
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        insecure().wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    began = await Client.connect_plain(server, "smtps")
    began.writer.write(hello.read()[:100])
    for client in (silent, began):
        await client.end()


async def half_a_starttls(server: ServerInTest) -> None:
    """The client asks for TLS and then says nothing."""
    client = await Client.connect(server, "imap")
    await client.say("x STARTTLS", b"x OK")
    await client.end()


async def no_tls(server: ServerInTest) -> None:
    """The client speaks plain IMAP to the port for TLS; or hangs up at once."""
    for words in (b"x LOGIN ann secret\r\n", b""):
        client = await Client.connect_plain(server, "imaps")
        client.writer.write(words)
        client.writer.write_eof()
        await client.end()


async def the_end(server: ServerInTest) -> None:
    """The server stops, with handshakes under way, too."""
    client = await _log_in(server)
    waiting = await Client.connect_plain(server, "imaps")
    await server.server.mail.stop()
    await client.end()
    await waiting.end()


ENDS = [logout, hang_up, reset, dead, says_nothing, half_a_handshake, half_a_starttls, no_tls, the_end]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@on_both_loops
async def test_every_end_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[ServerInTest], Awaitable[None]]
) -> None:
    """Whoever ends it, and however: nobody is counted afterwards."""
    monkeypatch.setattr("mailhorn.net.listen.TLS_HANDSHAKE", 0.2)
    monkeypatch.setattr("mailhorn.net.pump.TLS_HANDSHAKE", 0.2)
    async with running_server(tmp_path, ("ann",), **limited()) as server:
        await end(server)
        await empty(server)


@pytest.mark.parametrize("service", ["imap", "imaps"])
@on_both_loops
async def test_a_reset_in_answer_to_a_keep_alive_makes_them_more_frequent(tmp_path: Path, service: str) -> None:
    """A router that has forgotten a connection says so when something is sent on it."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, service)
        await client.say("x LOGIN ann secret", b"x OK")
        await client.say("x IDLE", b"+")
        (session,) = server.server.mail.sessions
        assert isinstance(session, ImapSession)
        keep_alive = session.context.keep_alive
        before = keep_alive.interval("ann", "127.0.0.1")
        session.overdue()
        assert await client.line() == b"* OK Still here\r\n"
        session.deadline = asyncio.get_running_loop().time() + before  # it was just now
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await empty(server)
        assert keep_alive.interval("ann", "127.0.0.1") == before / 2


@on_both_loops
async def test_handshakes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds too many of them open is cut off, before it costs more than a socket; what is done makes room."""
    async with running_server(tmp_path, ("ann",), **limited(connections_per_address=2)) as server:
        silent = [await Client.connect_plain(server, "imaps") for _ in range(2)]
        await until(lambda: server.server.mail.handshakes.total == 2)
        with pytest.raises(OSError):
            await Client.connect(server, "imaps")
        silent[0].writer.close()
        await until(lambda: server.server.mail.handshakes.total < 2)
        client = await Client.connect(server, "imaps")
        assert (await client.line()).startswith(b"* OK")
        for each in (client, silent[1]):
            each.writer.transport.abort()
        await empty(server)


async def test_the_limit_of_open_files_is_one_of_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that finds no file descriptor left could take no mail; what is said at the start tells what to do."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, hard))
    server = build_server(ServeSettings(data=tmp_path))
    possible = server.mail.connections.limits.total
    assert possible + server.mail.handshakes.limits.total + FILES <= 1024 < (possible + 2) * (1 + HANDSHAKES) + FILES
    said = await introduction(server, None, 20_000)
    assert f"At most {possible} connections are taken, not 20000" in said
    assert "LimitNOFILE" in said
    assert "At most" not in await introduction(server, None, possible)
    await server.accounts.close()
    await server.mail.store.close()
