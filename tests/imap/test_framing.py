"""Frames from bytes: literals, streams, limits, and what happens to input that breaks them."""

from collections.abc import Iterable

import pytest

from mailhorn.imap.framing import (
    CLIENT_LIMITS,
    COMMAND_TOO_LONG,
    LINE_TOO_LONG,
    LITERAL_TOO_LARGE,
    NEED_DATA,
    NUL_IN_LINE,
    SERVER_LIMITS,
    SERVER_LIMITS_BEFORE_LOGIN,
    Eof,
    Event,
    Frame,
    FrameError,
    Framer,
    FramingLimits,
    Line,
    LiteralChunk,
    LiteralEnd,
    LiteralWanted,
    StreamStart,
)

SMALL = FramingLimits(line=40, literal=10, frame=100, stream=1000, skip=50)


def server(limits: FramingLimits = SMALL) -> Framer:
    return Framer(limits, synchronizing=True, stream=lambda head, size: b" APPEND " in head)


def client(limits: FramingLimits = CLIENT_LIMITS) -> Framer:
    return Framer(limits, synchronizing=False)


def events(framer: Framer, *pieces: bytes) -> list[Event]:
    got: list[Event] = []
    for piece in pieces:
        framer.receive_data(piece)
        got += pulled(framer)
    return got


def pulled(framer: Framer) -> Iterable[Event]:
    while (event := framer.next_event()) is not NEED_DATA:
        yield event


def test_a_line_is_a_frame_without_its_end() -> None:
    """CRLF ends a line; a bare LF is tolerated."""
    assert events(server(), b"a NOOP\r\nb NOOP\nc") == [Frame(b"a NOOP"), Frame(b"b NOOP")]


def test_a_synchronizing_literal_is_asked_for() -> None:
    """The server is told to send `+`, and the frame holds the literal as the ABNF has it."""
    got = events(server(), b"a LOGIN {3}\r\n", b"x\r\n y\r\n")
    assert got == [LiteralWanted(3), Frame(b"a LOGIN {3}\r\nx\r\n y")]


def test_a_non_synchronizing_literal_just_comes() -> None:
    """LITERAL+ needs no answer (RFC 7888 §3)."""
    got = events(server(), b"a LOGIN {3+}\r\nabc {0+}\r\n\r\nb NOOP\r\n")
    assert got == [Frame(b"a LOGIN {3+}\r\nabc {0+}\r\n"), Frame(b"b NOOP")]


def test_a_literal_may_hold_any_octet() -> None:
    """NUL, CR and LF in a literal end nothing."""
    assert events(client(), b"* X ~{4}\r\n\0\r\n}\r\n") == [Frame(b"* X ~{4}\r\n\0\r\n}")]


@pytest.mark.parametrize(
    "line",
    [b"* OK wait {5}", b"a1 NO [X] see {12}", b"+ more {1}", b"* bye {1}", b"* BAD [ALERT] {1}"],
)
def test_text_for_people_announces_no_literal(line: bytes) -> None:
    """A server's human text that ends in `{5}` is the whole response."""
    assert events(client(), line + b"\r\n* 1 EXISTS\r\n") == [Frame(line), Frame(b"* 1 EXISTS")]


def test_a_code_may_hold_a_literal() -> None:
    """BADCHARSET's astrings are still inside the brackets."""
    got = events(client(), b"a NO [BADCHARSET ({3}\r\nabc)] no\r\n")
    assert got == [Frame(b"a NO [BADCHARSET ({3}\r\nabc)] no")]


def test_an_accepted_stream_comes_in_chunks_and_ends_with_the_rest_of_the_line() -> None:
    """The head is told, the literal passed on, and the end of the line is a frame."""
    framer = server()
    assert events(framer, b"a APPEND b {5}\r\n") == [StreamStart(b"a APPEND b {5}", 5, True)]
    assert framer.next_event() is NEED_DATA
    framer.accept()
    assert events(framer, b"12", b"345\r\nb NOOP\r\n") == [
        LiteralChunk(b"12"),
        LiteralChunk(b"345"),
        LiteralEnd(),
        Frame(b""),
        Frame(b"b NOOP"),
    ]
    assert framer.buffered == 0


def test_an_empty_stream_ends_at_once() -> None:
    """A literal of no octets has no chunk."""
    framer = server()
    assert events(framer, b"a APPEND b {0+}\r\n\r\n") == [StreamStart(b"a APPEND b {0+}", 0, False)]
    framer.accept()
    assert list(pulled(framer)) == [LiteralEnd(), Frame(b"")]


def test_a_refused_synchronizing_stream_does_not_come() -> None:
    """Without `+` the client goes on with its next command."""
    framer = server()
    events(framer, b"a APPEND b {5}\r\n")
    framer.refuse()
    assert events(framer, b"b NOOP\r\n") == [Frame(b"b NOOP")]


def test_a_refused_stream_that_comes_anyhow_is_skipped_with_the_rest_of_its_line() -> None:
    """Nothing of it is told or kept, nor of the literals after it."""
    framer = server()
    events(framer, b"a APPEND b {500+}\r\n")
    framer.refuse()
    for _ in range(100):
        assert events(framer, b"\r\nxyz") == []
        assert framer.buffered == 0
    assert events(framer, b" more {3+}\r\n\r\n\n x\r\nb NOOP\r\n") == [Frame(b"b NOOP")]


def test_answers_without_an_offer_are_a_mistake_of_ours() -> None:
    """accept and refuse need a StreamStart."""
    with pytest.raises(RuntimeError):
        server().accept()
    with pytest.raises(RuntimeError):
        server().refuse()


def test_a_bare_line_knows_no_literals() -> None:
    """After expect_line `{3}` is text; the next line is a frame again."""
    framer = server()
    framer.expect_line()
    assert events(framer, b"DONE{3}\r\na NOOP\r\n") == [Line(b"DONE{3}"), Frame(b"a NOOP")]


def test_an_overlong_bare_line_is_an_error_without_a_tag() -> None:
    """What the first word of a base64 line looks like does not matter."""
    framer = server()
    framer.expect_line()
    assert events(framer, b"a " + b"x" * 50 + b"\r\nb NOOP\r\n") == [
        FrameError(b"*", LINE_TOO_LONG, False),
        Frame(b"b NOOP"),
    ]


def test_an_overlong_line_is_skipped_without_being_kept() -> None:
    """10 MB in a line cost one error and no memory, and the next command works."""
    framer = server(SERVER_LIMITS_BEFORE_LOGIN)
    got = events(framer, b"tag1 ")
    for _ in range(10_000):
        got += events(framer, b"x" * 1000)
        assert framer.buffered <= SERVER_LIMITS_BEFORE_LOGIN.line + 1
    got += events(framer, b"\r\nb NOOP\r\n")
    assert got == [FrameError(b"tag1", LINE_TOO_LONG, False), Frame(b"b NOOP")]


def test_the_longest_line_is_still_one() -> None:
    """The limit does not count the end of line, whatever its form and however it is split."""
    exact = b"a" * 40
    assert events(server(), exact + b"\r", b"\n") == [Frame(exact)]
    assert events(server(), exact + b"\n") == [Frame(exact)]
    assert events(server(), exact + b"a", b"\r\n") == [FrameError(b"*", LINE_TOO_LONG, False)]


@pytest.mark.parametrize("digits", [b"11", b"9223372036854775807", b"9223372036854775808", b"9" * 25])
def test_a_synchronizing_literal_that_is_too_large_is_not_read(digits: bytes) -> None:
    """The client was not asked for it, so the next line is a command."""
    got = events(server(), b"a SELECT {" + digits + b"}\r\nb NOOP\r\n")
    assert got == [FrameError(b"a", LITERAL_TOO_LARGE, False), Frame(b"b NOOP")]


def test_a_non_synchronizing_literal_that_is_too_large_is_skipped() -> None:
    """Its octets come whether or not they are wanted (RFC 7888 §3)."""
    got = events(server(), b"a SELECT {50+}\r\n" + b"\nb NOOP\r\n " * 5 + b"\r\nc NOOP\r\n")
    assert got == [FrameError(b"a", LITERAL_TOO_LARGE, False), Frame(b"c NOOP")]


@pytest.mark.parametrize("digits", [b"51", b"9223372036854775808", b"9" * 25])
def test_a_non_synchronizing_literal_beyond_all_measure_is_fatal(digits: bytes) -> None:
    """There is no telling where the next command starts; only the end of the stream is told."""
    framer = server()
    got = events(framer, b"a SELECT {" + digits + b"+}\r\nb NOOP\r\n", b"c NOOP\r\n")
    assert got == [FrameError(b"a", LITERAL_TOO_LARGE, True)]
    assert framer.buffered == 0
    framer.receive_eof()
    assert list(pulled(framer)) == [Eof()]


def test_a_stream_that_is_too_large_is_an_error() -> None:
    """A synchronizing one is not asked for."""
    assert events(server(), b"a APPEND b {1001}\r\nb NOOP\r\n") == [
        FrameError(b"a", LITERAL_TOO_LARGE, False),
        Frame(b"b NOOP"),
    ]


def test_many_small_literals_do_not_get_past_the_limit_of_the_frame() -> None:
    """The whole frame has a limit, and the error bears its tag."""
    framer = server()
    got = events(framer, b"t1 X " + b"{5+}\r\n12345 " * 20 + b"\r\nb NOOP\r\n")
    assert got[0] == FrameError(b"t1", COMMAND_TOO_LONG, False)
    assert got[-1] == Frame(b"b NOOP")


def test_nul_in_a_line_is_an_error_of_that_line() -> None:
    """The literal it may announce is skipped as well."""
    assert events(server(), b"a N\0OP\r\nb N\0 {3+}\r\nxyz\r\nc NOOP\r\n") == [
        FrameError(b"a", NUL_IN_LINE, False),
        FrameError(b"b", NUL_IN_LINE, False),
        Frame(b"c NOOP"),
    ]


def test_the_end_of_the_stream_is_told_once() -> None:
    """An unfinished frame is dropped."""
    framer = server()
    framer.receive_data(b"a NOOP\r\nb NO")
    framer.receive_eof()
    assert list(pulled(framer)) == [Frame(b"a NOOP"), Eof()]
    assert framer.next_event() is NEED_DATA


def test_an_idle_framer_holds_nothing() -> None:
    """After the last event there is no buffer, however the bytes came."""
    framer = server()
    events(framer, b"a NO", b"OP\r\n")
    assert framer.buffered == 0
    assert framer._buffer == b""
    assert isinstance(framer._buffer, bytes)


def test_limits_may_be_replaced_after_login() -> None:
    """The next line counts by the new ones."""
    framer = server()
    framer.limits = SERVER_LIMITS
    line = b"a " + b"x" * 1000
    assert events(framer, line + b"\r\n") == [Frame(line)]


@pytest.mark.timeout(60)
def test_work_stays_linear_whatever_comes() -> None:
    """Neither many literals nor one-octet reads are searched or copied again and again."""
    framer = Framer(SERVER_LIMITS, synchronizing=True)
    assert len(events(framer, b"a X" + b"{1+}\r\n1" * 60_000 + b"\r\n")) == 1
    framer = Framer(SERVER_LIMITS, synchronizing=True)
    assert len(events(framer, *(b"x" for _ in range(200_000)), b"\r\n")) == 1
    framer = Framer(SERVER_LIMITS, synchronizing=True)
    assert len(events(framer, b"a X\r\n" * 100_000)) == 100_000
