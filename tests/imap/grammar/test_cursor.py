"""Cursor and Writer: literals, spaces, segments."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer


def test_a_literal_is_as_long_as_it_says() -> None:
    """Its octets are not looked at; a bare LF is tolerated before them."""
    cur = Cursor(b"{3}\r\na\r\n{2+}\n\0)x")
    assert cur.literal() == b"a\r\n"
    assert cur.literal() == b"\0)"
    assert cur.at(b"x")


@pytest.mark.parametrize("data", [b"{3}\r\nab", b"{}\r\n", b"{3}ab", b"{x}\r\n", b"{99999999999999999999}\r\n", b""])
def test_a_short_literal_is_a_problem(data: bytes) -> None:
    """A frame may lie about what follows."""
    with pytest.raises(SyntaxProblem):
        Cursor(data).literal()


def test_one_space_is_one_space_unless_the_dialect_is_loose() -> None:
    """RFC 9051 §9 (2): it is not permitted to insert additional spaces."""
    strict, loose = Cursor(b"  x", STRICT), Cursor(b"  x", LENIENT)
    strict.space()
    loose.space()
    assert (strict.pos, loose.pos) == (1, 2)
    with pytest.raises(SyntaxProblem) as caught:
        Cursor(b"x").space()
    assert (caught.value.position, caught.value.expected) == (0, "a space")


def test_the_end_is_the_end_unless_the_dialect_is_loose() -> None:
    """Servers leave spaces there; a client's command has none."""
    Cursor(b" ", LENIENT).end()
    with pytest.raises(SyntaxProblem):
        Cursor(b" ", STRICT).end()
    with pytest.raises(SyntaxProblem):
        Cursor(b" x", LENIENT).end()


def test_spaces_before_a_parenthesis_are_a_quirk() -> None:
    """closes moves only if it finds one."""
    cur = Cursor(b"  )", LENIENT)
    assert cur.closes() and cur.pos == 3
    assert not Cursor(b"  x", LENIENT).closes()
    assert not Cursor(b" )", STRICT).closes()


@pytest.mark.parametrize(
    ("dialect", "size", "segments"),
    [
        (Dialect(), 2, [b"a {2}\r\n", b"xx b"]),
        (Dialect(literal_plus=True), 2, [b"a {2+}\r\nxx b"]),
        (Dialect(literal_minus=True), 4096, [b"a {4096+}\r\n" + b"x" * 4096 + b" b"]),
        (Dialect(literal_minus=True), 4097, [b"a {4097}\r\n", b"x" * 4097 + b" b"]),
    ],
)
def test_a_command_is_cut_where_the_server_must_be_heard(dialect: Dialect, size: int, segments: list[bytes]) -> None:
    """RFC 7888 §3 and §5."""
    out = Writer(dialect, command=True)
    out.write(b"a ")
    out.literal(b"x" * size)
    out.write(b" b")
    assert out.segments() == segments


def test_an_empty_literal_at_the_end_is_waited_for_as_well() -> None:
    """What follows it is the end of the line at least."""
    out = Writer(command=True)
    out.literal(b"")
    out.write(b"\r\n")
    assert out.segments() == [b"{0}\r\n", b"\r\n"]


def test_nul_is_refused_in_a_command_and_passed_on_in_a_response() -> None:
    """A client chooses its strings; a server shows what is in a message."""
    with pytest.raises(Unwritable):
        Writer(command=True).literal(b"a\0b")
    out = Writer()
    out.literal(b"a\0b")
    assert out.data() == b"{3}\r\na\0b"
