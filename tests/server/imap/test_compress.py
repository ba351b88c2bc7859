"""COMPRESS=DEFLATE over real sockets: much at once, and what is no DEFLATE."""

import asyncio
from pathlib import Path

import pytest
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.net.deflate import Deflate

COMMANDS = 10_000
"""Some 120 KiB: twice what a session keeps."""


async def compressing(server: ServerInTest) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, log in and agree."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imap"])
    writer.write(f"a LOGIN ann {server.password}\r\nb COMPRESS DEFLATE\r\n".encode())
    while not (await reader.readline()).startswith(b"b OK"):
        pass
    return reader, writer


async def test_many_commands_in_few_octets_are_all_answered(tmp_path: Path) -> None:
    """More than a session takes at a time waits compressed, and comes in order."""
    async with running_server(tmp_path, ("ann",)) as server:
        reader, writer = await compressing(server)
        mine, theirs = Deflate(), Deflate()
        sent = mine.compress(b"".join(b"c%d NOOP\r\n" % number for number in range(COMMANDS)))
        assert len(sent) < 40_000
        writer.write(sent)
        plain = b""
        while plain.count(b"\n") < COMMANDS:
            theirs.received(await reader.read(65536))
            while theirs.waiting:
                plain += theirs.take()
        assert plain == b"".join(b"c%d OK NOOP completed\r\n" % number for number in range(COMMANDS))
        writer.close()


@pytest.mark.parametrize("data", [b"c1 NOOP\r\n", b"\xff" * 100], ids=["plain text", "noise"])
async def test_what_is_no_deflate_ends_the_connection(data: bytes, tmp_path: Path) -> None:
    """There is no way back to where the stream makes sense."""
    async with running_server(tmp_path, ("ann",)) as server:
        reader, writer = await compressing(server)
        writer.write(data)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()


async def test_a_line_without_an_end_is_no_bomb(tmp_path: Path) -> None:
    """Ten megabytes in ten kilobytes: the line is refused, and never kept."""
    async with running_server(tmp_path, ("ann",)) as server:
        reader, writer = await compressing(server)
        mine, theirs = Deflate(), Deflate()
        writer.write(mine.compress(b"x" * 10 * 2**20 + b"\r\nd NOOP\r\n"))
        plain = b""
        while not plain.endswith(b"d OK NOOP completed\r\n"):
            assert (data := await reader.read(65536)), plain
            theirs.received(data)
            while theirs.waiting:
                plain += theirs.take()
        assert plain.startswith(b"* BAD ") and plain.count(b"\n") == 2, plain
        writer.close()
