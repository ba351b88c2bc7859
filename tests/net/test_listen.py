"""Listening sockets."""

import asyncio
import socket
import sys

import pytest

from mailhorn.net.listen import Keepalive, ListenError, listen


async def _reach(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    await writer.wait_closed()


async def test_port_zero_is_the_same_free_port_on_every_address() -> None:
    """`localhost` is often two addresses; a client must find the port on both."""
    listener = await listen("*", 0, asyncio.Protocol)
    assert listener.port > 0
    await _reach("127.0.0.1", listener.port)
    listener.close()
    listener.close()
    with pytest.raises(OSError):
        await _reach("127.0.0.1", listener.port)


async def test_a_taken_port_is_one_clear_line() -> None:
    """What, where, what to do."""
    listener = await listen("127.0.0.1", 0, asyncio.Protocol)
    with pytest.raises(ListenError) as caught:
        await listen("127.0.0.1", listener.port, asyncio.Protocol)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{listener.port}: another program listens there; stop it or choose another port"
    )
    listener.close()


async def test_an_address_of_another_machine_is_one_clear_line() -> None:
    """As is one that does not exist."""
    with pytest.raises(ListenError, match="this machine does not have that address"):
        await listen("192.0.2.1", 0, asyncio.Protocol)
    with pytest.raises(ListenError, match="the host name is not known"):
        await listen("no-such-host.invalid", 0, asyncio.Protocol)


async def test_accepted_connections_are_tuned() -> None:
    """No delay for small answers, and the kernel finds out about dead peers."""
    accepted: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

    class Once(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport)

    listener = await listen("127.0.0.1", 0, Once, keepalive=Keepalive(900, 30, 7, 240))
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    transport = await accepted
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if sys.platform == "linux":
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [900, 30, 7, 240_000]
    transport.close()
    writer.close()
    listener.close()
