"""Connecting: every address of a host is tried, the quick ones first, and each for a limited time (RFC 8305)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from itertools import chain, zip_longest

from .listen import CLIENT_KEEPALIVE, tune
from .protocol_log import ProtocolLog
from .pump import LINGER, TLS_HANDSHAKE, Core, Pump, Session
from .tls import connect_tls

HEAD_START = 0.25
"""Seconds an address has before the next one is tried beside it (RFC 8305 §5)."""
ADDRESS_TIMEOUT = 10.0
"""Seconds for one address: an answer later than this would not make a usable connection."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


async def connect(
    host: str,
    port: int,
    core: Core,
    session: Session,
    *,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109  # every way to connect must end, also where the caller sets no limit
    log: ProtocolLog | None = None,
) -> Pump:
    """
    Connect and return the pump; `session.connected` has been called.

    Args:
        host: Name or address.
        port: Port.
        core: The core that is fed.
        session: Who takes its events.
        tls: Encrypts from the first byte if given.
        server_hostname: Name the certificate must have, `host` by default.
        timeout: Seconds for everything: resolving, connecting, TLS.
        log: The wire log, if someone wants to see it.

    Raises:
        OSError: It did not work; TimeoutError, socket.gaierror and ssl.SSLError are kinds of it.

    """
    loop = asyncio.get_running_loop()
    pump = Pump(core, session, log)
    async with asyncio.timeout(timeout):
        sock = await dial(host, port)
        try:
            if tls is None:
                await loop.create_connection(lambda: pump, sock=sock)
            else:
                await connect_tls(
                    sock,
                    pump,
                    tls,
                    server_hostname=server_hostname or host,
                    handshake_timeout=TLS_HANDSHAKE,
                    shutdown_timeout=LINGER,
                )
        except BaseException:
            sock.close()
            raise
    return pump


async def dial(host: str, port: int) -> socket.socket:
    """Return a connected socket, for a protocol of somebody else. Raises OSError; the caller sets the limit."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sock = await _first([(family, address) for family, _, _, _, address in found])
    try:
        tune(sock, CLIENT_KEEPALIVE)
    except BaseException:
        sock.close()
        raise
    return sock


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses with their families taking turns, the first one's first (RFC 8305 §4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain(*zip_longest(first, others)) if address is not None]


async def _first(addresses: Sequence[Address]) -> socket.socket:
    """Return a socket connected to whichever address answers first."""
    waiting = interleaved(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    problems: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(_one(*waiting.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            won: list[socket.socket] = []
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    won.append(attempt.result())
                elif isinstance(error, OSError):
                    problems.append(error)
                else:
                    raise error
            if won:
                for late in won[1:]:
                    late.close()
                return won[0]
    finally:
        for attempt in running:
            attempt.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, socket.socket):
                outcome.close()
    if len(problems) == 1:
        raise problems[0]
    raise OSError("; ".join(dict.fromkeys(str(problem) for problem in problems)) or "the host has no address")


async def _one(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(ADDRESS_TIMEOUT):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except TimeoutError as error:
        sock.close()
        raise TimeoutError(f"{address[0]} did not answer within {ADDRESS_TIMEOUT:g} s") from error
    except BaseException:
        sock.close()
        raise
    return sock


__all__ = ["connect", "dial", "interleaved"]
