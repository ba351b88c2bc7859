"""Files of other programs, made ready to be taken in."""

import os
import tracemalloc
from pathlib import Path

import pytest
from tests.kit.stores import digest_of

from mailhorn.imap.grammar.date import date_time_bytes
from mailhorn.store.intake import PIECE, date_of, prepare, with_line_ends


def written(directory: Path, body: bytes) -> str:
    """Return the path of a file with this in it."""
    (directory / "file").write_bytes(body)
    return str(directory / "file")


@pytest.mark.parametrize("before", range(-2, 3))
def test_lines_end_the_same_wherever_a_file_is_cut(tmp_path: Path, before: int) -> None:
    """A CR LF that lies across two pieces is one, and a CR alone stays one."""
    head = b"x" * (PIECE + before)
    for body, wanted in (
        (head + b"\r\n\r\r\n\n", head + b"\r\n\r\r\n\r\n"),
        (head + b"\n", head + b"\r\n"),
        (head + b"\n\r", head + b"\r\n\r"),
    ):
        path = written(tmp_path, body)
        with_line_ends(path, tmp_path)
        assert Path(path).read_bytes() == wanted
    path = written(tmp_path, head + b"\r\n\r")
    inode = os.stat(path).st_ino
    with_line_ends(path, tmp_path)
    assert os.stat(path).st_ino == inode


def test_a_big_file_is_not_read_into_memory(tmp_path: Path) -> None:
    """Whoever may write into a Maildir cannot have the server killed for want of memory."""
    path = written(tmp_path, b"\n")
    os.truncate(path, 64 * PIECE)
    tracemalloc.start()
    try:
        with_line_ends(path, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * PIECE
    finally:
        tracemalloc.stop()
    assert os.stat(path).st_size == 64 * PIECE + 1


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, b'"31-Dec-1969 23:59:59 +0000"'),
        (-(2**40), b'" 1-Jan-0001 00:00:00 +0000"'),
        (2**40, b'"31-Dec-9999 23:59:59 +0000"'),
    ],
)
def test_every_time_of_a_file_is_a_date(seconds: int, told: bytes) -> None:
    """A file may come from a backup with any time; what IMAP has no word for is the nearest that it has."""
    assert date_time_bytes(date_of(os.stat_result((0,) * 8 + (seconds, 0)))) == told


def test_the_date_is_the_files(tmp_path: Path) -> None:
    """Also when the file had to be replaced for its lines."""
    path = written(tmp_path, b"Subject: x\n\nhello\n")
    os.utime(path, (86_400, 86_400))
    assert prepare(path, tmp_path, digest_of).internal_date == 86_400
