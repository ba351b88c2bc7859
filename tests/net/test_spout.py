"""Octets and files into a socket as long as it takes them: what it does not take is left, in order."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhorn.net.spout import GATHERED, SMALL, Spout

LARGE = SMALL * 3 + 7


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of a TCP connection; the first does not block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = socket.create_connection(server.getsockname())
        here, _ = server.accept()
    here.setblocking(False)
    with here, there:
        yield here, there


def received(there: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = there.recv(size - len(data))
        assert more, "the connection ended"
        data += more
    return data


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, LARGE])
def test_octets_and_files_come_in_order(line: tuple[socket.socket, socket.socket], tmp_path: Path, size: int) -> None:
    """Small files are gathered, large ones go by themselves; of a file only so much as was asked for."""
    here, there = line
    body = os.urandom(size)
    (tmp_path / "file").write_bytes(body + b"more than is told")
    spout = Spout(here.fileno())
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    for number in range(3):
        assert spout.file(b"<%d>" % number, fd, size)
    spout.say(b"end")
    spout.end()
    os.close(fd)
    spout.close()
    assert not spout.full
    expected = b"".join([b"<%d>%b" % (number, body) for number in range(3)]) + b"end"
    assert received(there, len(expected)) == expected
    here.send(b"the connection is as it was")
    assert received(there, 27) == b"the connection is as it was"


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_file_that_is_too_short_is_not_begun(
    line: tuple[socket.socket, socket.socket], tmp_path: Path, size: int
) -> None:
    """Not even what stands before it is sent."""
    here, there = line
    (tmp_path / "file").write_bytes(b"x" * (size - 1))
    spout = Spout(here.fileno())
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    assert not spout.file(b"before", fd, size)
    os.close(fd)
    assert not spout.file(b"before", fd, size)  # it cannot be read at all
    spout.say(b"other")
    spout.end()
    spout.close()
    assert received(there, 5) == b"other"


@pytest.mark.parametrize("size", [SMALL, LARGE, GATHERED * 4])
def test_what_the_socket_does_not_take_is_left(
    line: tuple[socket.socket, socket.socket], tmp_path: Path, size: int
) -> None:
    """Sent and left together are what was said, every octet in its place, wherever it became full."""
    here, there = line
    body = os.urandom(size)
    (tmp_path / "file").write_bytes(body)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    spout = Spout(here.fileno())
    said = 0
    while not spout.full:
        assert spout.file(b"<%08d>" % said, fd, size)
        said += 1
    assert spout.file(b"<%08d>" % said, fd, size)  # one more is left as a whole
    spout.say(b"end")
    spout.end()
    spout.close()
    os.close(fd)
    assert not spout.lost
    whole = b"".join([b"<%08d>%b" % (number, body) for number in range(said + 1)]) + b"end"
    left = b"".join(spout.left)
    assert received(there, len(whole) - len(left)) + left == whole


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_connection_that_ends_is_lost(line: tuple[socket.socket, socket.socket], tmp_path: Path, size: int) -> None:
    """It is no error, and nothing is left for anybody."""
    here, there = line
    (tmp_path / "file").write_bytes(b"x" * size)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    there.close()
    spout = Spout(here.fileno())
    while not spout.full:
        assert spout.file(b"before", fd, size)
        spout.end()
    spout.close()
    os.close(fd)
    assert spout.lost


def test_its_descriptor_is_its_own(line: tuple[socket.socket, socket.socket]) -> None:
    """Whoever gets the connection's number next does not get its octets."""
    here, there = line
    spout = Spout(here.fileno())
    here.close()
    one, other = socket.socketpair()  # the system gives the lowest number that is free
    with one, other:
        spout.say(b"for the first")
        spout.end()
        spout.close()
    assert received(there, 13) == b"for the first"
