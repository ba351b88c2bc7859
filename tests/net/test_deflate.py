"""DEFLATE in both directions, in pieces."""

import tracemalloc
import zlib

import pytest

from mailhorn.net.deflate import PIECE, Deflate


def inflated(deflate: Deflate) -> bytes:
    whole = b""
    while deflate.waiting:
        piece = deflate.take()
        assert len(piece) <= PIECE
        whole += piece
    return whole


def test_what_one_end_sends_the_other_gets() -> None:
    """At once, and also after the compressor was thrown away."""
    here, there = Deflate(), Deflate()
    for number in range(20):
        line = b"* %d EXISTS\r\n" % number
        there.received(here.compress(line))
        assert inflated(there) == line
        if number % 3 == 0:
            here.rest()


def test_what_comes_octet_by_octet() -> None:
    """Any split of what is received gives the same."""
    here, there = Deflate(), Deflate()
    got = b""
    for octet in here.compress(b"a1 NOOP\r\na2 NOOP\r\n"):
        there.received(bytes([octet]))
        got += inflated(there)
    assert got == b"a1 NOOP\r\na2 NOOP\r\n"


def test_a_bomb_comes_in_pieces() -> None:
    """A thousandfold is inflated piece by piece, and never kept whole."""
    here, there = Deflate(), Deflate()
    there.received(here.compress(b"\0" * 50 * PIECE))
    tracemalloc.start()
    try:
        pieces = 0
        while there.waiting:
            there.take()
            pieces += 1
        assert tracemalloc.get_traced_memory()[1] < 8 * PIECE
    finally:
        tracemalloc.stop()
    assert pieces >= 50


@pytest.mark.parametrize("data", [b"a1 NOOP\r\n", zlib.compress(b"x"), b"\x03\x00"])
def test_what_is_no_deflate(data: bytes) -> None:
    """Plain text, a zlib header and the end of a stream are errors."""
    deflate = Deflate()
    deflate.received(data)
    with pytest.raises(zlib.error):
        inflated(deflate)


def test_memory_of_an_idle_connection() -> None:
    """At rest only what inflating needs is left, which docs/connections.md states."""
    peer = Deflate()
    sent = [peer.compress(b"a%d NOOP\r\n" % number) for number in range(100)]
    tracemalloc.start()
    try:
        ends = [Deflate() for _ in range(20)]
        for end in ends:
            for data in sent:
                end.received(data)
                inflated(end)
                end.compress(b"* 1 EXISTS\r\n")
        busy = tracemalloc.get_traced_memory()[0] / len(ends)
        for end in ends:
            end.rest()
        idle = tracemalloc.get_traced_memory()[0] / len(ends)
    finally:
        tracemalloc.stop()
    print(f"busy {busy / 1024:.0f} KiB, idle {idle / 1024:.0f} KiB")
    assert idle < 50 * 1024 < busy < 150 * 1024
