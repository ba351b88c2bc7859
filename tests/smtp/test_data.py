"""smtp/data.py: where a message ends, and nowhere else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.smtp.data import _LOOKED_AT, WRITTEN_AT_ONCE, ChunkReader, DataReader, Fault, write_data


def read(*pieces: bytes, max_size: int = 1_000) -> tuple[bytes, bytes | None, Fault | None]:
    """Feed the pieces; return the message, what follows it and what is wrong with it."""
    reader = DataReader(max_size)
    message, rest = b"", None
    for piece in pieces:
        assert rest is None
        good, rest = reader.feed(piece)
        message += good
    return message, rest, reader.fault


@pytest.mark.parametrize(
    ("stream", "message", "rest"),
    [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n.\r\nNOOP\r\n", b"a\r\n", b"NOOP\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b".a\r\n..b\r\n...\r\nc.\r\n.\r\n", b"a\r\n.b\r\n..\r\nc.\r\n", b""),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
        (b"a\r\n.\r\n.\r\n", b"a\r\n", b".\r\n"),
    ],
)
def test_end_of_data(stream: bytes, message: bytes, rest: bytes) -> None:
    """RFC 5321 §4.5.2, at once and octet by octet."""
    assert read(stream) == (message, rest, None)
    end = len(stream) - len(rest)
    assert read(*[stream[i : i + 1] for i in range(end)]) == (message, b"", None)


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n\r.\r\n", b"\r\r\n.\r\r\n", b"\n.\r"]
)
def test_other_ends_end_nothing(end: bytes) -> None:
    """SMTP smuggling: what another server takes for the end spoils the message and does not end it."""
    smuggled = b"one\r\nx" + end + b"MAIL FROM:<evil@x>\r\n.\r\n"
    message, rest, fault = read(smuggled)
    assert (rest, fault) == (b"", Fault.BARE_LINE_END)
    assert message.startswith(b"one\r\n") and b"MAIL" not in message
    assert read(*[smuggled[i : i + 1] for i in range(len(smuggled))]) == (message, rest, fault)


def test_nul() -> None:
    """RFC 2045 §2.8 forbids it and IMAP cannot carry it."""
    assert read(b"a\0\nb\r\n.\r\n") == (b"a", b"", Fault.NUL)
    assert read(b"a\n\0b\r\n.\r\n") == (b"a", b"", Fault.BARE_LINE_END)
    assert read(b"a\r", b"\0b\r\n.\r\n") == (b"a", b"", Fault.BARE_LINE_END)
    assert chunked(b"a\r\n\0") == (b"a\r\n", Fault.NUL)


@pytest.mark.parametrize("shift", range(-3, 4))
@pytest.mark.parametrize(
    ("middle", "good"),
    [
        (b"\r\n", b"\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"\r", b""),
        (b"\n", b""),
        (b"\r\r\n", b""),
        (b"\r\n\n", b"\r\n"),
        (b"\n\r", b""),
        (b"\r\n\r", b"\r\n"),
    ],
)
def test_line_ends_of_a_large_piece(middle: bytes, good: bytes, shift: int) -> None:
    """Wherever they stand between what is looked at together: the piece comes at once, or from two sides of them."""
    size = 2 * _LOOKED_AT + shift
    fault = None if good == middle else Fault.BARE_LINE_END
    stream = b"x" * size + middle + b"x" * size + b"\r\n.\r\n"
    message = b"x" * size + (middle + b"x" * size + b"\r\n" if fault is None else good)
    assert read(stream, max_size=len(stream)) == (message, b"", fault)
    for cut in range(size, size + len(middle) + 1):
        assert read(stream[:cut], stream[cut:], max_size=len(stream)) == (message, b"", fault)
    assert chunked(stream[:-3], max_size=len(stream)) == (message, fault)
    last = b"".join(write_data(stream[:-5], len(stream)))
    mended = re.sub(rb"\r\n|\r|\n", b"\r\n", stream[:-5]) + b"\r\n.\r\n"
    assert last == mended


def test_no_end_no_message() -> None:
    """The end is still missing."""
    for stream in (b"a", b"a\r\n", b"a\r\n.", b"a\r\n.\r", b".", b".\r", b""):
        assert read(stream)[1] is None


def test_size_counts_unstuffed_octets() -> None:
    """RFC 1870 §5: the message as it is delivered, line ends included."""
    assert read(b"..23456\r\n.\r\n", max_size=8) == (b".23456\r\n", b"", None)
    assert read(b"..23456\r\n.\r\n", max_size=7) == (b".23456\r", b"", Fault.TOO_BIG)
    assert read(b"..2345", b"6\r", b"\n.\r\n", max_size=7) == (b".23456\r", b"", Fault.TOO_BIG)


def chunked(*chunks: bytes, max_size: int = 1_000) -> tuple[bytes, Fault | None]:
    """Feed whole chunks, the last one as LAST."""
    reader = ChunkReader(max_size)
    message = b""
    for i, chunk in enumerate(chunks):
        reader.begin(len(chunk), last=i == len(chunks) - 1)
        good, rest = reader.feed(chunk + b"NOOP")
        assert (rest, reader.missing) == (b"NOOP", 0)
        message += good
    return message, reader.fault


def test_chunks() -> None:
    """BDAT carries the message as it is: no dots, no end marker (RFC 3030 §2)."""
    assert chunked(b"a\r\n.\r\n..b\r\n") == (b"a\r\n.\r\n..b\r\n", None)
    assert chunked(b"a\r", b"\nb", b"") == (b"a\r\nb", None)
    assert chunked(b"") == (b"", None)


def test_bare_line_ends_in_chunks() -> None:
    """Without BINARYMIME lines end with CRLF here as well, so nothing can be smuggled when mail goes on."""
    assert chunked(b"a\nb") == (b"a", Fault.BARE_LINE_END)
    assert chunked(b"a\r", b"b") == (b"a", Fault.BARE_LINE_END)
    assert chunked(b"a\r") == (b"a", Fault.BARE_LINE_END)
    assert chunked(b"a\r", b"") == (b"a", Fault.BARE_LINE_END)


def test_too_big_chunks() -> None:
    """A chunk that cannot fit is a fault when it is announced."""
    reader = ChunkReader(10)
    reader.begin(2**64, last=True)
    assert reader.fault is Fault.TOO_BIG
    assert reader.feed(b"x" * 100) == (b"", b"")
    assert reader.missing == 2**64 - 100
    assert chunked(b"123456", b"78901", max_size=10) == (b"123456", Fault.TOO_BIG)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@given(lines=st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"a" * 9])))
def test_what_is_written_is_read(size: int, lines: list[bytes]) -> None:
    """Dots or none, wherever a piece ends."""
    message = b"".join(line + b"\r\n" for line in lines)
    written = b"".join(write_data(message, size))
    assert read(written) == (message, b"", None)


@pytest.mark.parametrize("size", [1, 2, 3, 64])
@given(message=st.text(alphabet="a.\r\n", max_size=12).map(str.encode))
def test_a_bare_line_end_is_written_as_a_whole_one(size: int, message: bytes) -> None:
    """Whatever it was, the next server sees one message."""
    written = b"".join(write_data(message, size))
    mended = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    assert read(written) == (mended if mended.endswith(b"\r\n") or not mended else mended + b"\r\n", b"", None)


def test_it_is_written_in_pieces() -> None:
    """A large message is no one large octet string more."""
    pieces = list(write_data(b"." * 200_000))
    assert max(map(len, pieces)) <= WRITTEN_AT_ONCE + 1
