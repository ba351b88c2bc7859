"""The pump over real sockets, on asyncio's own loop and on uvloop."""

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import structlog.testing
from tests.kit.loops import on_both_loops

from mailhorn.net.listen import Listener, listen
from mailhorn.net.pump import HIGH_WATER, Pump, plain_address
from mailhorn.net.tls import client_context, self_signed, server_context


class Echo:
    """A core that sends back what it gets."""

    def __init__(self) -> None:
        self.out = b""
        self.eof = False

    def receive_data(self, data: bytes) -> None:
        if data.startswith(b"bad core"):
            raise ZeroDivisionError("core")
        self.out += data

    def receive_eof(self) -> None:
        self.eof = True

    def data_to_send(self) -> bytes:
        out, self.out = self.out, b""
        return out


class Host:
    """A session that does what the test wants, and remembers."""

    def __init__(self, core: Echo) -> None:
        self.core = core
        self.pump: Pump
        self.events: list[str] = []
        self.error: Exception | None = None
        self.gone = asyncio.Event()
        self.drained = asyncio.Event()
        self.on_received: Callable[[], None] = lambda: None

    def connected(self, pump: Pump) -> None:
        self.pump = pump
        self.core.out += b"hello\n"
        self.events.append("connected")

    def received(self) -> None:
        self.on_received()
        if self.core.eof:
            self.core.out += b"bye\n"
            self.pump.close()

    def writable(self) -> None:
        self.drained.set()

    def lost(self, error: Exception | None) -> None:
        self.events.append("lost")
        self.error = error
        self.gone.set()


class Server:
    """A listener and the sessions it made."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self.listener: Listener

    def make(self) -> Pump:
        core = Echo()
        host = Host(core)
        self.hosts.append(host)
        return Pump(core, host)

    async def connect(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = "localhost" if context else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.listener.port, ssl=context, server_hostname=name
        )
        assert await reader.readline() == b"hello\n"
        return reader, writer


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Listen, and leave nothing behind."""
    server = Server()
    server.listener = await listen("127.0.0.1", 0, server.make, context)
    yield server
    server.listener.close()
    for host in server.hosts:
        host.pump.abort()
        await host.gone.wait()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path, ["localhost"])


@on_both_loops
async def test_it_greets_feeds_the_core_and_sends_the_answer() -> None:
    """What the core has to say is sent after every event without the session asking."""
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"abc\n")
        assert await reader.readline() == b"abc\n"
        pump = server.hosts[0].pump
        assert pump.peer == f"127.0.0.1:{writer.get_extra_info('sockname')[1]}"
        assert pump.loopback and not pump.tls and pump.writable and not pump.closed
        writer.close()
        await server.hosts[0].gone.wait()
        assert server.hosts[0].events == ["connected", "lost"]


@on_both_loops
async def test_what_was_received_is_acknowledged_at_once() -> None:
    """Asked for, the system puts no acknowledgement off, of whatever kind the connection is."""
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(3):  # questions and answers: where that is so, the system waits for an answer to go with it
            writer.write(b"abc\n")
            assert await reader.readline() == b"abc\n"
        pump = server.hosts[0].pump
        sock = pump._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 0
        pump.acknowledge()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        writer.close()
        await server.hosts[0].gone.wait()
        pump.acknowledge()


@on_both_loops
async def test_a_peer_that_has_ended_its_side_still_gets_its_answer() -> None:
    """A client may send all it has, end its side and read on."""
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"abc\n")
        writer.write_eof()
        assert await reader.read() == b"abc\nbye\n"
        await server.hosts[0].gone.wait()
        assert server.hosts[0].pump.eof
        writer.close()


@on_both_loops
async def test_the_last_words_arrive_though_the_peer_goes_on_sending() -> None:
    """Closing with unread bytes would reset the connection and lose what we said last."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]

        def received() -> None:
            host.core.out = b"enough\n"
            host.pump.close()

        host.on_received = received
        writer.write(b"x" * 3_000_000)
        assert await reader.read() == b"enough\n"
        await writer.drain()
        assert not host.gone.is_set()
        writer.close()
        await host.gone.wait()
        assert host.error is None


@on_both_loops
async def test_a_peer_that_never_closes_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """We wait for the peer's end for a bounded time."""
    async with serving() as server:
        monkeypatch.setattr("mailhorn.net.pump.LINGER", 0.05)
        _, writer = await server.connect()
        server.hosts[0].pump.close()
        await server.hosts[0].gone.wait()
        writer.close()


@on_both_loops
async def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    """Answers that pile up stop the reading; both go on when the peer reads."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        sent = 0
        while host.pump.writable:
            writer.write(b"x" * 100_000)
            sent += 100_000
            await asyncio.sleep(0)
        for _ in range(100):
            writer.write(b"x" * 100_000)
            sent += 100_000
        transport = host.pump._transport
        assert transport is not None and transport.get_write_buffer_size() < HIGH_WATER + 2 * 1024 * 1024
        await reader.readexactly(sent)
        await host.drained.wait()
        writer.write(b"more\n")
        assert await reader.readline() == b"more\n"
        writer.close()


@on_both_loops
async def test_files_go_past_it_only_if_nothing_waits(tmp_path: Path) -> None:
    """What was sent before comes before; once the system has all of it, there is a way."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        sent = 0
        while host.pump.writable:
            host.core.out += b"x" * 1_000_000
            sent += 1_000_000
            host.pump.brim()
        assert host.pump.spout() is None
        await reader.readexactly(sent - 1)
        await host.drained.wait()
        spout = host.pump.spout()
        assert spout is not None
        spout.say(b"more\n")
        spout.end()
        spout.close()
        assert await reader.readline() == b"xmore\n"
        host.core.out += b"y" * (HIGH_WATER // 2)  # little may wait, as ever
        host.pump.flush()
        assert host.pump.writable
        writer.close()


@on_both_loops
async def test_files_do_not_go_past_what_changes_octets(certificate: tuple[Path, Path]) -> None:
    """With TLS, compression or the wire log there is no other way."""
    async with serving() as server:
        _, writer = await server.connect()
        pump = server.hosts[0].pump
        spout = pump.spout()
        assert spout is not None
        spout.close()
        pump.compress()
        assert pump.spout() is None
        writer.close()
    async with serving(server_context(*certificate)) as server:
        _, writer = await server.connect(client_context(certificate[0]))
        assert server.hosts[0].pump.spout() is None
        writer.close()


@on_both_loops
async def test_files_go_the_long_way_without_a_descriptor() -> None:
    """Where the system gives no further one, there is none for this either; the connection goes on."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # the numbers above are taken as far as they are open
        try:
            assert host.pump.spout() is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        host.core.out += b"there\n"
        host.pump.flush()
        assert await reader.readline() == b"there\n"
        writer.close()


@on_both_loops
async def test_paused_reading_holds_bytes_back_until_resumed() -> None:
    """A session that is busy reads no more."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        host.pump.pause()
        writer.write(b"later\n")
        answer = asyncio.ensure_future(reader.readline())
        done, _ = await asyncio.wait([answer], timeout=0.05)
        assert not done
        host.pump.resume()
        assert await answer == b"later\n"
        writer.close()


@pytest.mark.parametrize("where", ["core", "session"])
@on_both_loops
async def test_a_bug_ends_the_connection_and_is_logged_once(where: str) -> None:
    """Nothing of it reaches the peer; the session is told what it was."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]

        def received() -> None:
            raise ZeroDivisionError("session")

        host.on_received = received
        with structlog.testing.capture_logs() as logs:
            writer.write(b"bad core\n" if where == "core" else b"bad session\n")
            assert await reader.read() == b""
            writer.close()
            await host.gone.wait()
        assert isinstance(host.error, ZeroDivisionError)
        assert [(entry["log_level"], entry["exc_info"]) for entry in logs] == [("error", host.error)]


@on_both_loops
async def test_an_idle_connection_costs_little() -> None:
    """No dictionary, no task, no timer, no buffer."""
    async with serving() as server:
        _, writer = await server.connect()
        pump = server.hosts[0].pump
        assert not hasattr(pump, "__dict__")
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert sys.getsizeof(pump) < 300
        writer.close()


@on_both_loops
async def test_a_reset_is_no_bug() -> None:
    """What the network does is told to the session and not logged."""
    async with serving() as server:
        _, writer = await server.connect()
        with structlog.testing.capture_logs() as logs:
            writer.transport.abort()
            await server.hosts[0].gone.wait()
        assert logs == []


@on_both_loops
async def test_start_tls_encrypts_from_then_on(certificate: tuple[Path, Path]) -> None:
    """The handshake's first bytes may come together with the command: paused reading leaves them to TLS."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        tasks = []

        def received() -> None:
            if host.core.out == b"starttls\n":
                host.core.out = b"go\n"
                host.pump.pause()
                tasks.append(asyncio.ensure_future(host.pump.start_tls(server_context(*certificate))))

        host.on_received = received
        writer.write(b"starttls\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(client_context(certificate[0]), server_hostname="localhost")
        await tasks[0]
        assert host.pump.tls and host.pump.writable
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        host.pump.close()
        assert await reader.read() == b""
        writer.close()
        await host.gone.wait()


@on_both_loops
async def test_what_comes_with_the_end_of_the_handshake_is_not_lost(certificate: tuple[Path, Path]) -> None:
    """A client may speak first; its bytes are fed after whoever awaits the handshake has taken note of it."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        order = []
        host.on_received = lambda: order.append("received")

        async def upgrade() -> None:
            host.pump.pause()
            await host.pump.start_tls(server_context(*certificate))
            order.append("started")

        task = asyncio.ensure_future(upgrade())
        await writer.start_tls(client_context(certificate[0]), server_hostname="localhost")
        writer.write(b"at once\n")
        assert await reader.readline() == b"at once\n"
        await task
        assert order == ["started", "received"]
        writer.close()


@on_both_loops
async def test_a_failed_handshake_loses_the_connection(certificate: tuple[Path, Path]) -> None:
    """Whoever sends garbage instead of a ClientHello is gone, and the session knows."""
    async with serving() as server:
        reader, writer = await server.connect()
        host = server.hosts[0]
        host.pump.pause()
        upgrade = asyncio.ensure_future(host.pump.start_tls(server_context(*certificate)))
        writer.write(b"this is no handshake\r\n\r\n")
        with pytest.raises(OSError):
            await upgrade
        await host.gone.wait()
        assert host.events == ["connected", "lost"]
        await reader.read()
        writer.close()


@on_both_loops
async def test_implicit_tls(certificate: tuple[Path, Path]) -> None:
    """With a context the listener speaks TLS from the first byte, verified by the client, and ends cleanly."""
    async with serving(server_context(*certificate)) as server:
        reader, writer = await server.connect(client_context(certificate[0]))
        host = server.hosts[0]
        assert host.pump.tls
        writer.write(b"abc\n")
        assert await reader.readline() == b"abc\n"
        host.core.out = b"last\n"
        host.pump.close()
        assert await reader.read() == b"last\n"
        writer.close()
        await host.gone.wait()


def test_addresses_in_their_usual_form() -> None:
    """IPv4 in IPv6 counts as IPv4, a link-local scope is no part of the address."""
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("2001:db8::1") == "2001:db8::1"


@on_both_loops
async def test_a_peer_on_ipv6_is_shown_in_brackets() -> None:
    """So that address and port can be told apart."""
    async with serving() as server:
        pump = server.make()
        pump.address, pump.port = "2001:db8::1", 25
        assert pump.peer == "[2001:db8::1]:25" and not pump.loopback
        server.hosts.clear()
