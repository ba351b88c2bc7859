"""THREAD."""

import pytest

from mailhorn.imap.grammar.cursor import STRICT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext.thread import parse_thread_data, write_thread_data
from mailhorn.imap.responses import Thread

T = Thread


@pytest.mark.parametrize(
    ("data", "threads"),
    [
        (b"", ()),
        (
            b" (2)(3 6 (4 23)(44 7 96))",
            (T(2), T(3, (T(6, (T(4, (T(23),)), T(44, (T(7, (T(96),)),)))),))),
        ),  # RFC 5256 §4
        (b" ((3)(5))", (T(None, (T(3), T(5))),)),
        (b" (1 ((2)(3))(4))", (T(1, (T(None, (T(2), T(3))), T(4))),)),
    ],
)
def test_threads(data: bytes, threads: tuple[Thread, ...]) -> None:
    """Down by spaces, apart by parentheses."""
    assert parse_thread_data(Cursor(data)) == threads
    out = Writer(STRICT)
    write_thread_data(out, threads)
    assert out.data() == data


@pytest.mark.parametrize(
    "data", [b" (", b" )", b" ()", b" (0)", b" 1", b" ((1))", b" (1 (2) 3)", b" (4294967296)", b" (a)"]
)
def test_what_is_no_thread(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_thread_data(Cursor(data))


def test_a_thread_has_somebody() -> None:
    """Numbers from 1, and something below a dummy."""
    for thread in [T(None), T(0)]:
        with pytest.raises(Unwritable):
            write_thread_data(Writer(STRICT), (thread,))


@pytest.mark.timeout(60)
def test_any_depth() -> None:
    """A conversation of a hundred thousand answers, in either shape."""
    deep = b" (" + b" ".join([b"1"] * 100_000) + b")"
    threads = parse_thread_data(Cursor(deep))
    out = Writer(STRICT)
    write_thread_data(out, threads)
    assert out.data() == deep
