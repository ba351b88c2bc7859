"""The scripted server, with a client of a few lines."""

import asyncio
import ssl
from pathlib import Path

import pytest

from mailhorn.net.tls import self_signed, server_context
from mailhorn.testing import HostileServer, Peer, Unexpected


class Client:
    """Says lines, reads lines."""

    @classmethod
    async def to(cls, server: HostileServer, tls: ssl.SSLContext | None = None) -> "Client":
        """Connect."""
        client = cls()
        client.reader, client.writer = await asyncio.open_connection(server.host, server.port, ssl=tls)
        return client

    def say(self, text: str) -> None:
        """Send a line."""
        self.writer.write(text.encode() + b"\r\n")

    async def line(self) -> bytes:
        """Return the next line, b"" at the end."""
        return await self.reader.readline()

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


async def test_a_dialogue() -> None:
    """Commands with their parts, `$` for the tag, literals asked for and put in place."""

    async def scenario(peer: Peer) -> None:
        await peer.say("* OK ready")
        said = await peer.command("LOGIN")
        assert (said.tag, said.arguments) == ("a", "ann se{cret")
        await peer.say("* CAPABILITY IMAP4rev1", "$ OK in")
        assert (await peer.command()).name == "UID FETCH"
        assert (await peer.command("DONE")).tag == ""
        assert peer.tag == "b", "a line without a tag leaves the last one"
        await peer.gone()

    async with HostileServer(scenario) as server:
        client = await Client.to(server)
        assert await client.line() == b"* OK ready\r\n"
        client.say("a login ann {7}")
        assert await client.line() == b"+ go on\r\n"
        client.writer.write(b"se{cret\r\n")
        assert await client.line() + await client.line() == b"* CAPABILITY IMAP4rev1\r\na OK in\r\n"
        client.say("b uid fetch 1:* FLAGS")
        client.say("done")
        await server.said("DONE")
        assert [str(said) for said in server.peers[0].heard][1:] == ["b UID FETCH 1:* FLAGS", "DONE"]
        await client.close()
        await server.over(1)
        assert server.open == 0


async def test_a_client_that_does_something_else_fails_the_test() -> None:
    """With what it said, and what it had said before."""

    async def scenario(peer: Peer) -> None:
        await peer.command("LOGIN")
        await peer.command("SELECT")

    with pytest.raises(Unexpected, match="connection 0: SELECT was expected, not b EXPUNGE .before that: a LOGIN x y"):
        async with HostileServer(scenario) as server:
            client = await Client.to(server)
            client.say("a LOGIN x y")
            client.say("b EXPUNGE")
            await client.reader.read()
            await client.close()


async def test_a_client_that_waits_for_too_much_fails_the_test() -> None:
    """Who waits for a connection or a command that cannot come is told what went wrong in the script."""

    async def scenario(peer: Peer) -> None:
        raise RuntimeError("the script is wrong")

    with pytest.raises(RuntimeError, match="the script is wrong"):
        async with HostileServer(scenario) as server:
            client = await Client.to(server)
            await client.close()
            await server.said("LOGIN")


@pytest.mark.parametrize("end", ["close", "reset", "half close"])
async def test_ends(end: str) -> None:
    """FIN after what was said; RST; or FIN while it goes on listening."""

    async def scenario(peer: Peer) -> None:
        await peer.say("* OK ready")
        if end == "half close":
            peer.half_close()
            await peer.command("LOGOUT")
            left.set()
        elif end == "reset":
            await peer.command("NOOP")
            peer.reset()
        else:
            peer.close()

    left = asyncio.Event()
    async with HostileServer(scenario) as server:
        client = await Client.to(server)
        assert await client.line() == b"* OK ready\r\n"
        if end == "reset":
            client.say("a NOOP")
            with pytest.raises(ConnectionResetError):
                await client.line()
        else:
            assert await client.line() == b""
        if end == "half close":
            client.say("a LOGOUT")
            await left.wait()
        await client.close()


async def test_one_scenario_for_each_connection() -> None:
    """In order, the last one for all that come later; connections are refused while it does not listen."""

    async def first(peer: Peer) -> None:
        await peer.say("* OK first")

    async def later(peer: Peer) -> None:
        await peer.say(f"* OK number {peer.number}")

    async with HostileServer(first, later) as server:
        lines = []
        for _ in range(3):
            client = await Client.to(server)
            lines.append(await client.line())
            await client.close()
        assert lines == [b"* OK first\r\n", b"* OK number 1\r\n", b"* OK number 2\r\n"]
        assert (await server.connected(3)).number == 2
        await server.stop()
        with pytest.raises(ConnectionRefusedError):
            await Client.to(server)
        await server.listen()
        await (await Client.to(server)).close()


async def test_pieces_arrive_as_pieces() -> None:
    """A client in the same loop reads each segment by itself."""

    class Pieces(asyncio.Protocol):
        def __init__(self) -> None:
            self.pieces: list[bytes] = []
            self.over = asyncio.Event()

        def data_received(self, data: bytes) -> None:
            """Keep it."""
            self.pieces.append(data)

        def connection_lost(self, exc: Exception | None) -> None:
            """End."""
            self.over.set()

    async def scenario(peer: Peer) -> None:
        await peer.send(b"* OK ready\r\n", piece=5)

    async with HostileServer(scenario) as server:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(Pieces, server.host, server.port)
        await client.over.wait()
        assert client.pieces == [b"* OK ", b"ready", b"\r\n"]


async def test_tls(tmp_path: Path) -> None:
    """From the first byte, or as after STARTTLS."""
    certificate = self_signed(tmp_path, ["127.0.0.1"])
    trusted = ssl.create_default_context(cafile=str(certificate[0]))

    async def scenario(peer: Peer) -> None:
        await peer.say("* OK ready")
        await peer.gone()

    async def starttls(peer: Peer) -> None:
        await peer.command("STARTTLS")
        await peer.say("$ OK go")
        await peer.start_tls(server_context(*certificate))
        await peer.say("* OK encrypted")
        await peer.gone()

    async with HostileServer(scenario, tls=server_context(*certificate)) as server:
        client = await Client.to(server, trusted)
        assert await client.line() == b"* OK ready\r\n"
        await client.close()
    async with HostileServer(starttls) as server:
        client = await Client.to(server)
        client.say("a STARTTLS")
        assert await client.line() == b"a OK go\r\n"
        await client.writer.start_tls(trusted, server_hostname=server.host)
        assert await client.line() == b"* OK encrypted\r\n"
        await client.close()
