"""Connecting, over real sockets."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from tests.kit.loops import on_both_loops

from mailhorn.net import dial
from mailhorn.net.listen import listen
from mailhorn.net.pump import Pump
from mailhorn.net.tls import client_context, self_signed, server_context


class Silent:
    """A core that says one thing and keeps what it hears."""

    def __init__(self, say: bytes = b"") -> None:
        self.say = say
        self.heard = b""

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        pass

    def data_to_send(self) -> bytes:
        say, self.say = self.say, b""
        return say


class Listening:
    """A session that tells when something was heard and when the connection is gone."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.gone = asyncio.Event()

    def connected(self, pump: Pump) -> None:
        self.pump = pump

    def received(self) -> None:
        self.heard.set()
        if self.pump.eof:
            self.pump.close()

    def writable(self) -> None:
        pass

    def lost(self, error: Exception | None) -> None:
        self.gone.set()


def _server() -> tuple[list[Listening], type[Pump] | object]:
    sessions: list[Listening] = []

    def make() -> Pump:
        sessions.append(Listening())
        return Pump(Silent(b"welcome"), sessions[-1])

    return sessions, make


@on_both_loops
async def test_it_connects_and_pumps() -> None:
    """Both ends are pumps; the name has two addresses of which one answers."""
    sessions, make = _server()
    listener = await listen("127.0.0.1", 0, make)  # type: ignore[arg-type]
    core, session = Silent(b"hello"), Listening()
    pump = await dial.connect("localhost", listener.port, core, session)
    await session.heard.wait()
    assert core.heard == b"welcome"
    assert pump.address in ("127.0.0.1", "::1")
    await sessions[0].heard.wait()
    pump.close()
    await session.gone.wait()
    await sessions[0].gone.wait()
    listener.close()


@on_both_loops
async def test_tls_is_verified(tmp_path: Path) -> None:
    """The right name and authority pass; another name, or no known authority, does not."""
    certificate, key = self_signed(tmp_path, ["mail.example"])
    sessions, make = _server()
    listener = await listen("127.0.0.1", 0, make, server_context(certificate, key))  # type: ignore[arg-type]

    async def attempt(context: ssl.SSLContext, name: str) -> None:
        core, session = Silent(), Listening()
        pump = await dial.connect(
            "127.0.0.1", listener.port, core, session, tls=context, server_hostname=name, timeout=10
        )
        assert pump.tls
        await session.heard.wait()
        assert core.heard == b"welcome"
        pump.close()
        await session.gone.wait()

    await attempt(client_context(certificate), "mail.example")
    await attempt(client_context(verify=False), "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        await attempt(client_context(certificate), "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        await attempt(client_context(), "mail.example")
    listener.close()
    for session in sessions:
        if hasattr(session, "pump"):
            session.pump.abort()
            await session.gone.wait()


@on_both_loops
async def test_a_refused_port_says_so() -> None:
    """The error is the operating system's."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await dial.connect("127.0.0.1", port, Silent(), Listening())


@on_both_loops
async def test_it_gives_up_in_time() -> None:
    """A server that accepts and never speaks TLS is a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        with pytest.raises(TimeoutError):
            await dial.connect(
                "127.0.0.1", sock.getsockname()[1], Silent(), Listening(), tls=client_context(), timeout=0.1
            )


def test_families_take_turns() -> None:
    """One broken family costs one head start and not one for each of its addresses."""
    v6, v4 = socket.AF_INET6, socket.AF_INET
    mixed: list[dial.Address] = [(v6, ("a",)), (v6, ("b",)), (v6, ("c",)), (v4, ("d",))]
    assert [address[0] for _, address in dial.interleaved(mixed)] == ["a", "d", "b", "c"]


@on_both_loops
async def test_encrypted_connections_share_a_buffer(tmp_path: Path) -> None:
    """A thousand watched accounts would keep 256 KiB each to receive into."""
    certificate, key = self_signed(tmp_path, ["mail.example"])
    _, make = _server()
    listener = await listen("127.0.0.1", 0, make, server_context(certificate, key))  # type: ignore[arg-type]
    sessions = [Listening(), Listening()]
    trust = client_context(certificate)
    for session in sessions:
        await dial.connect("127.0.0.1", listener.port, Silent(), session, tls=trust, server_hostname="mail.example")
    layers = [session.pump._transport._ssl_protocol for session in sessions]  # type: ignore[union-attr]
    assert layers[0]._ssl_buffer is layers[1]._ssl_buffer
    for session in sessions:
        session.pump.abort()
        await session.gone.wait()
    listener.close()
