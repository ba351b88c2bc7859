"""managesieve/framing.py: where a command ends."""

import tracemalloc

import pytest

from mailhorn.managesieve.framing import (
    COMMAND_TOO_LONG,
    LINE_TOO_LONG,
    LITERAL_TOO_LARGE,
    Broken,
    Frame,
    Framer,
    Signal,
)
from mailhorn.managesieve.limits import FramingLimits

SMALL = FramingLimits(line=40, literal=20, frame=70, skip=1_000)


def frames(data: bytes, size: int = 0, limits: FramingLimits = SMALL) -> list[Frame | Broken | Signal]:
    """Return what is found, fed in pieces of that size."""
    framer = Framer(limits)
    found: list[Frame | Broken | Signal] = []
    for at in range(0, len(data), size or len(data) or 1):
        framer.receive_data(data[at : at + (size or len(data))])
        while (one := framer.next_frame()) is not Signal.NEED_DATA:
            found.append(one)
            if one is Signal.LOST:
                return found
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"NOOP\r\n", [Frame(b"NOOP\r\n")]),
        (b"NOOP\nNOOP\r\n", [Frame(b"NOOP\n"), Frame(b"NOOP\r\n")]),
        (b'PUTSCRIPT "a" {5+}\r\nkeep;\r\n', [Frame(b'PUTSCRIPT "a" {5+}\r\nkeep;\r\n')]),
        (b"X {3}\r\nabc {0+}\r\n\r\nNOOP\r\n", [Frame(b"X {3}\r\nabc {0+}\r\n\r\n"), Frame(b"NOOP\r\n")]),
        (b"X {4+}\r\n\r\n\r\n\r\n", [Frame(b"X {4+}\r\n\r\n\r\n\r\n")]),
        (b"X {3+} y\r\n", [Frame(b"X {3+} y\r\n")]),
        (
            b"X {21+}\r\n" + b"a" * 21 + b" b\r\nNOOP\r\n",
            [Broken(LITERAL_TOO_LARGE, b"X {21+}\r\n"), Frame(b"NOOP\r\n")],
        ),
        (
            b"PUTSCRIPT {999}\r\n" + b"\r\n" * 499 + b"a {2+}\r\n\r\n\r\nNOOP\r\n",
            [Broken(LITERAL_TOO_LARGE, b"PUTSCRIPT {999}\r\n"), Frame(b"NOOP\r\n")],
        ),
        (b"X" * 40 + b"\r\nNOOP\r\n", [Frame(b"X" * 40 + b"\r\n"), Frame(b"NOOP\r\n")]),
        (b"X" * 41 + b"\r\nNOOP\r\n", [Broken(LINE_TOO_LONG, b"X" * 32), Frame(b"NOOP\r\n")]),
        (b"X" * 400 + b"{6+}\r\nNOOP\r\n\r\nNOOP\r\n", [Broken(LINE_TOO_LONG, b"X" * 32), Frame(b"NOOP\r\n")]),
        (
            b"Y {20+}\r\n" + b"a" * 20 + b" {20+}\r\n" + b"b" * 20 + b" {20+}\r\n" + b"c" * 20 + b"\r\nNOOP\r\n",
            [Broken(COMMAND_TOO_LONG, (b"Y {20+}\r\n" + b"a" * 30)[:29] + b" {2"), Frame(b"NOOP\r\n")],
        ),
        (b"X {1001+}\r\nabc", [Signal.LOST]),
        (b"X {99999999999999999999+}\r\n", [Signal.LOST]),
    ],
)
def test_commands_end_where_they_end(data: bytes, expected: list[Frame | Broken | Signal]) -> None:
    """However they were split."""
    for size in (0, 1, 2, 3, 7, 38):
        assert frames(data, size) == expected, size


def test_half_a_command_is_none_yet() -> None:
    """Neither half a line nor half a literal."""
    assert frames(b"NOOP") == frames(b"X {3+}\r\nab") == frames(b"X {3+}\r\nabc") == []


def test_what_is_too_large_takes_no_memory() -> None:
    """A line without end, and a literal that is passed over."""
    framer = Framer(FramingLimits(line=1_000, literal=1_000, frame=2_000, skip=100_000_000))
    piece = b"x" * 10_000
    tracemalloc.start()
    for begin in (b"", b"\r\nX {90000000+}\r\n"):
        framer.receive_data(begin)
        for _ in range(1_000):
            framer.receive_data(piece)
            framer.next_frame()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_no_octet_is_searched_twice() -> None:
    """A line that comes octet by octet costs what it costs at once: no more than a look at each."""
    framer = Framer(FramingLimits(line=50_000, literal=1, frame=60_000, skip=1))
    for _ in range(50_000):
        framer.receive_data(b"x")
        assert framer.next_frame() is Signal.NEED_DATA
        assert framer._searched == framer.pending


def test_what_is_cleared_is_forgotten() -> None:
    """Half a command, half a literal, and whole ones that wait."""
    for begun in (b"NOOP\r\nNO", b"X {5+}\r\nab", b"X {999+}\r\nab", b"X" * 99):
        framer = Framer(SMALL)
        framer.receive_data(begun)
        if not begun.startswith(b"NOOP"):
            framer.next_frame()
        framer.clear()
        framer.receive_data(b"LOGOUT\r\n")
        assert framer.next_frame() == Frame(b"LOGOUT\r\n")
