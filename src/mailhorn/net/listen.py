"""Listening sockets: bound, tuned and handed to the event loop. What to do with a connection is the factory's."""

import asyncio
import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from .eager import begin
from .pump import LINGER, TLS_HANDSHAKE, plain_address
from .tls import start_tls

BACKLOG = 1024
"""Connections waiting to be accepted: a fleet that reconnects after a restart comes all at once."""


class ListenError(OSError):
    """The address cannot be listened on. The text says what, why and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When the kernel finds out that a peer is gone, in seconds."""

    idle: int
    interval: int
    count: int
    unacknowledged: int
    """How long what we sent may stay unacknowledged, or a peer may refuse to read anything. Where this is over before
    the first probe, Linux lets it decide instead of the count: a probe that stays unanswered for one interval is the
    last."""


SERVER_KEEPALIVE = Keepalive(idle=1000, interval=60, count=5, unacknowledged=300)
"""Idling clients get keep-alives of IMAP, every sixteen minutes at the rarest: the kernel asks only later, so that no
phone is woken twice. Five minutes in a tunnel do not cost it its connection."""
CLIENT_KEEPALIVE = Keepalive(idle=60, interval=15, count=4, unacknowledged=120)
"""A watcher wants to know within two minutes that a NAT box forgot it, but one lost probe proves nothing (RFC 1122
§4.2.3.6): four are sent in that time."""


def tune(sock: socket.socket, keepalive: Keepalive) -> None:
    """Set what TCP lets us set; a listening socket passes it on to the connections it accepts."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive.idle)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, keepalive.interval)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, keepalive.count)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, keepalive.unacknowledged * 1000)


class Door(Protocol):
    """Who may begin a TLS handshake; without one anybody may."""

    def enter(self, address: str, /) -> object:
        """Count who comes and return None; anything else sends it away."""

    def leave(self, address: str, /) -> None:
        """The handshake of somebody who was counted is over, whatever came of it."""


class Listener:
    """One port, on one address or several."""

    __slots__ = ("_servers", "host", "port")

    def __init__(self, host: str, port: int, servers: list[asyncio.AbstractServer]) -> None:
        self.host = host
        self.port = port
        """The port that was bound, also if any was asked for (0)."""
        self._servers = servers

    def close(self) -> None:
        """Accept no more; connections that are there stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()


async def listen(
    host: str,
    port: int,
    factory: Callable[[], asyncio.BaseProtocol],
    tls: ssl.SSLContext | None = None,
    keepalive: Keepalive = SERVER_KEEPALIVE,
    door: Door | None = None,
    backlog: int = BACKLOG,
) -> Listener:
    """
    Listen on a port.

    Args:
        host: An address, a name (all its addresses), or "" or "*" for every address of the machine.
        port: The port, 0 for any that is free.
        factory: Makes the protocol of each connection; under TLS when the handshake is done.
        tls: Encrypts from the first byte if given.
        keepalive: When the kernel finds out that a peer is gone.
        door: Who may begin a handshake: one that is never finished holds a place for `TLS_HANDSHAKE` seconds.
        backlog: Connections that may wait to be accepted.

    Raises:
        ListenError: No address could be bound.

    """
    loop = asyncio.get_running_loop()
    made = factory if tls is None else lambda: _Handshake(factory, tls, door)
    shown = f"{host or '*'}:{port}"
    try:
        found = await loop.getaddrinfo(
            None if host in ("", "*") else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ListenError(f"cannot listen on {shown}: the host name is not known ({error.strerror})") from error
    sockets: list[socket.socket] = []
    problem: OSError | None = None
    servers: list[asyncio.AbstractServer] = []
    bound = port
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                sock = _bind(family, kind, protocol, (address[0], bound, *address[2:]), keepalive)
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                problem = error  # a name may have an IPv6 address on a machine that has none
                continue
            sockets.append(sock)
            bound = sock.getsockname()[1]
        if not sockets:
            raise problem or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        while sockets:
            servers.append(await loop.create_server(made, sock=sockets[0], backlog=backlog))
            sockets.pop(0)
    except OSError as error:
        for server in servers:
            server.close()
        raise ListenError(f"cannot listen on {shown}: {_reason(error)}") from error
    finally:
        for sock in sockets:
            sock.close()
    return Listener(host, bound, servers)


class _Handshake(asyncio.Protocol):
    """
    A connection that is to be encrypted from its first byte, until it is.

    The event loop would do the same unasked, but tells nobody of it before it is done: then whoever begins a handshake
    and does not go on is not counted anywhere.
    """

    __slots__ = ("_door", "_factory", "_held", "_lost", "_tls")

    def __init__(self, factory: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext, door: Door | None) -> None:
        self._factory = factory
        self._tls = tls
        self._door = door
        self._held: list[bytes] = []
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        name = plain.get_extra_info("peername")
        address = plain_address(name[0]) if isinstance(name, tuple) else "unknown"
        if self._door is not None and self._door.enter(address) is not None:
            plain.abort()
            return
        begin(self._shake_hands(plain, address))

    def data_received(self, data: bytes) -> None:
        self._held.append(data)  # what came with the end of the handshake

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    async def _shake_hands(self, plain: asyncio.Transport, address: str) -> None:
        try:
            encrypted = await start_tls(
                plain, self, self._tls, server_side=True, handshake_timeout=TLS_HANDSHAKE, shutdown_timeout=LINGER
            )
        except OSError:  # no TLS, another version of it, a certificate that was not liked: the client's log knows
            return
        finally:
            if self._door is not None:
                self._door.leave(address)
        if self._lost:
            return
        protocol = cast(asyncio.Protocol, self._factory())
        encrypted.set_protocol(protocol)
        protocol.connection_made(encrypted)
        for data in self._held:
            protocol.data_received(data)


_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def _bind(family: int, kind: int, protocol: int, address: tuple[object, ...], keepalive: Keepalive) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has its own socket
        tune(sock, keepalive)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; stop it or choose another port"
    if error.errno == errno.EACCES:
        return "not permitted; use a port above 1023, or give the program the right to bind low ports"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return error.strerror or str(error)


__all__ = ["CLIENT_KEEPALIVE", "SERVER_KEEPALIVE", "Door", "Keepalive", "ListenError", "Listener", "listen", "tune"]
