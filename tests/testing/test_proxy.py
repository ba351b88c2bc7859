"""The proxy that breaks connections: what happens to the bytes, and to the connection."""

import asyncio
import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhorn.net.tls import self_signed, server_context
from mailhorn.testing import (
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    FaultProxy,
    HostileServer,
    Insert,
    Peer,
    Plan,
    Reset,
    Stall,
    Swallow,
    Trickle,
)
from mailhorn.testing.proxy import Fault, Lane

DATA = b"0123456789"


def passed(faults: list[Fault], pieces: list[bytes]) -> list[object]:
    """Return what comes out, with neighbouring bytes in one piece, and all pauses."""
    lane = Lane(faults)
    actions: list[object] = []
    for action in (*lane.begin(), *(action for piece in pieces for action in lane.take(piece))):
        if actions and isinstance(actions[-1], Cut | Reset | Stall):
            break
        if isinstance(action, bytes) and actions and isinstance(actions[-1], bytes):
            actions[-1] += action
        else:
            actions.append(action)
    return actions


@pytest.mark.parametrize(
    ("faults", "result"),
    [
        ([], [DATA]),
        ([Cut(0)], [Cut(0)]),
        ([Cut(4)], [b"0123", Cut(4)]),
        ([Reset(10)], [DATA, Reset(10)]),
        ([Stall(11)], [DATA]),
        ([Delay(3, 1.5)], [b"012", 1.5, b"3456789"]),
        ([Insert(0, b"ab"), Insert(5, b"cd")], [b"ab01234cd56789"]),
        ([Duplicate(2, 3)], [b"0123423456789"]),
        ([Corrupt(1, 0x01)], [b"0023456789"]),
        ([Corrupt(9), Cut(9)], [b"012345678", Cut(9)]),
        ([Insert(4, b"x"), Cut(4)], [b"0123x", Cut(4)]),
        ([Swallow(b"x")], []),
    ],
)
@settings(max_examples=20)
@given(cuts=st.sets(st.integers(1, 9)))
def test_bytes(faults: list[Fault], result: list[object], cuts: set[int]) -> None:
    """Whatever pieces they come in."""
    edges = [0, *sorted(cuts), 10]
    assert passed(faults, [DATA[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == result


def test_trickle() -> None:
    """Pieces of one size, each with its pause."""
    assert Lane([Trickle(4, 0.5)]).take(DATA) == [b"0123", 0.5, b"4567", 0.5, b"89", 0.5]


async def greets(peer: Peer) -> None:
    """A server that says ten octets and then repeats what it hears."""
    await peer.send(DATA)
    while data := await peer.reader.read(100):
        await peer.send(data)


async def through(plan: Plan, said: bytes = b"", upto: int = 100) -> tuple[bytes, BaseException | None]:
    """Return what a client gets that says something, and how its connection ends."""
    async with HostileServer(greets) as server, FaultProxy(server.host, server.port, plan) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(said)
        got = b""
        error: BaseException | None = None
        try:
            async with asyncio.timeout(0.3):
                while len(got) < upto and (data := await reader.read(100)):
                    got += data
        except (ConnectionError, TimeoutError) as problem:
            error = problem
        writer.close()
        return got, error


async def test_connections() -> None:
    """Untouched; cut in order; reset; and stalled, either way."""
    assert await through(Plan(), b"abc", upto=13) == (DATA + b"abc", None)
    assert await through(Plan(to_client=[Cut(3)])) == (b"012", None)
    got, error = await through(Plan(to_server=[Reset(2)]), b"abc")
    assert isinstance(error, ConnectionResetError)
    got, error = await through(Plan(to_client=[Stall(5)]), b"abc")
    assert got == b"01234" and isinstance(error, TimeoutError)
    assert await through(Plan(to_server=[Duplicate(0, 3)], to_client=[Trickle()]), b"abc", 16) == (
        DATA + b"abcabc",
        None,
    )


async def test_a_plan_for_each_connection_and_no_server() -> None:
    """The number says which; where there is no server the connection is reset; all can be reset at once."""
    async with HostileServer(greets) as server:
        async with FaultProxy(server.host, server.port, lambda number: Plan(to_client=[Cut(number)])) as proxy:
            for number in range(3):
                reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
                assert await reader.read() == DATA[:number]
                writer.close()
            assert proxy.connections == 3
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await reader.read(3) == DATA[:3]
            writer.close()
        async with FaultProxy(server.host, server.port) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await reader.readexactly(10) == DATA
            proxy.reset_all()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            await server.stop()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()


@settings(max_examples=20)
@given(cuts=st.sets(st.integers(1, 22)))
def test_swallowed_lines(cuts: set[int]) -> None:
    """Whole lines in which something is found do not come through; what begins a line waits for its end."""
    said = b"* 4 EXISTS\r\n+ on\r\n* OK"
    edges = [0, *sorted(cuts), len(said)]
    pieces = [said[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert passed([Swallow(rb"^\* \d+ EXISTS")], pieces) == [b"+ on\r\n"]


async def test_strike() -> None:
    """A plan may begin in the middle: for those who are connected, and not for those who come."""
    async with HostileServer(greets) as server, FaultProxy(server.host, server.port) as proxy:
        first = await asyncio.open_connection(proxy.host, proxy.port)
        assert await first[0].readexactly(10) == DATA
        proxy.strike(Plan(to_client=[Swallow(b"deaf")]))
        first[1].write(b"deaf\nand not\nhalf")
        assert await first[0].readexactly(8) == b"and not\n"
        proxy.strike(Plan(to_client=[Trickle(1, 60.0)]))
        proxy.strike(Plan(to_client=[Insert(0, b"over ")]))  # none of the first one's sixty seconds is waited for
        assert await first[0].readexactly(9) == b"over half"
        proxy.strike(Plan(to_server=[Cut(2)]))
        proxy.plan = Plan(to_client=[Cut(1)])
        second = await asyncio.open_connection(proxy.host, proxy.port)
        assert await second[0].read() == b"0"
        first[1].write(b"abc")
        assert await first[0].read() == b""
        third = await asyncio.open_connection(proxy.host, proxy.port)
        proxy.strike(Plan(to_client=[Reset(0)]))
        for _, writer in (first, second, third):
            writer.close()


async def test_what_was_held_back_at_the_end() -> None:
    """A line without an end comes with the end of the connection."""
    got, _ = await through(Plan(to_client=[Swallow(b"x"), Cut(100)], to_server=[Cut(0)]))
    assert got == b""
    async with HostileServer(says_and_leaves) as server:
        async with FaultProxy(server.host, server.port, Plan(to_client=[Swallow(b"x")])) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            assert await reader.read() == DATA
            writer.close()


async def says_and_leaves(peer: Peer) -> None:
    """A server that says ten octets and ends."""
    await peer.send(DATA)
    peer.close()


async def test_tls_breaks(tmp_path: Path) -> None:
    """A turned bit in what is encrypted is an error of TLS, not of what is inside."""
    certificate = self_signed(tmp_path, ["127.0.0.1"])
    trusted = ssl.create_default_context(cafile=str(certificate[0]))

    async def scenario(peer: Peer) -> None:
        await peer.say("x" * 5000)
        await peer.gone()

    async with HostileServer(scenario, tls=server_context(*certificate)) as server:
        plan = Plan(to_client=[Corrupt(5000)])
        async with FaultProxy(server.host, server.port, plan) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port, ssl=trusted)
            with pytest.raises(ssl.SSLError):
                await reader.readexactly(5000)
            writer.close()
