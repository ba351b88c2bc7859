"""What a connection needed is free when it ends, without waiting for the collector, which comes by rarely."""

import asyncio
import gc
import socket
import ssl
from pathlib import Path

import pytest
from tests.kit.loops import on_both_loops
from tests.kit.mailserver import running_server

from mailhorn.net.pump import Pump

CONNECTIONS = 5


def talk(port: int, encrypted: bool, lines: list[bytes], reset: bool) -> None:
    """Say the lines, one answer each, and go: in order, or by a reset."""
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        connection = raw
        if encrypted:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(raw)
        with connection, connection.makefile("rwb") as stream:
            stream.readline()
            for line in lines:
                stream.write(line + b"\r\n")
                stream.flush()
                tag = line.split(b" ")[0]
                while not (answer := stream.readline()).startswith((tag, b"+", b"2", b"OK")):
                    assert answer, line
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def alive() -> list[object]:
    """Return the pumps there are, and what they hold with them."""
    return [thing for thing in gc.get_objects() if isinstance(thing, Pump) or type(thing).__name__.endswith("Session")]


@pytest.mark.parametrize(
    ("service", "lines", "reset"),
    [
        ("imap", [b"a LOGIN ann secret", b"b SELECT INBOX", b"c IDLE"], True),
        ("imaps", [b"a LOGIN ann secret", b"b LOGOUT"], False),
        ("smtp", [b"EHLO there", b"QUIT"], False),
        ("managesieve", [b'AUTHENTICATE "PLAIN" "AGFubgBzZWNyZXQ="', b'PUTSCRIPT "a" "keep;"', b'GETSCRIPT "a"'], True),
    ],
)
@on_both_loops
async def test_freed(tmp_path: Path, service: str, lines: list[bytes], reset: bool) -> None:
    """No pump and no session outlives its connection and the server."""
    gc.collect()
    gc.disable()
    try:
        before = alive()
        async with running_server(tmp_path, ["ann"]) as server:
            for _ in range(CONNECTIONS):
                await asyncio.to_thread(talk, server.ports[service], service == "imaps", lines, reset)
        assert alive() == before
    finally:
        gc.enable()
