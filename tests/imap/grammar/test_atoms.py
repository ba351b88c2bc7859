"""Words, strings and numbers: what each accepts, and the form each is written in."""

from collections.abc import Callable
from typing import Any

import pytest

from mailhorn.imap.grammar.atoms import (
    parse_astring,
    parse_atom,
    parse_nstring,
    parse_number,
    parse_number64,
    parse_nz_number,
    parse_quoted,
    parse_string,
    parse_tag,
    skip_nil,
    write_astring,
    write_atom,
    write_number,
    write_string,
    write_tag,
    write_word,
)
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer


def written(write: Callable[[Writer, Any], None], value: object, dialect: Dialect = STRICT) -> bytes:
    out = Writer(dialect)
    write(out, value)
    return out.data()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"abc", b"abc"),
        (b"a]b[c}", b"a]b[c}"),
        (b'"a b"', b"a b"),
        (b'"a\\"b\\\\"', b'a"b\\'),
        (b'""', b""),
        (b'"\xc3\xa9"', b"\xc3\xa9"),
        (b'{5}\r\n"\r\n\0)', b'"\r\n\0)'),
        (b"NIL", b"NIL"),
    ],
)
def test_an_astring_is_a_word_or_a_string(data: bytes, value: bytes) -> None:
    """RFC 9051 §4.3."""
    cur = Cursor(data)
    assert parse_astring(cur) == value
    cur.end()


@pytest.mark.parametrize("data", [b"", b" ", b"(", b'"abc', b'"a\\b"', b'"a\rb"', b'"a\0"', b"\x80", b"{1}\r\n"])
def test_what_is_no_astring(data: bytes) -> None:
    """Strictly; a quoted string ends, and escapes nothing but its two specials."""
    with pytest.raises(SyntaxProblem):
        parse_astring(Cursor(data))


def test_atoms_and_tags_have_their_own_characters() -> None:
    """`]` ends an atom, `+` cannot be in a tag."""
    cur = Cursor(b"a+b]c")
    assert parse_atom(cur) == b"a+b"
    assert parse_tag(Cursor(b"a]1+b")) == b"a]1"
    with pytest.raises(SyntaxProblem):
        parse_tag(Cursor(b"+ x"))


def test_real_servers_put_8_bit_octets_into_words() -> None:
    """Fault F19."""
    assert parse_atom(Cursor(b"Caf\xe9 x", LENIENT)) == b"Caf\xe9"
    assert parse_astring(Cursor(b"Public\\Caf\xe9 x", LENIENT)) == b"Public\\Caf\xe9"
    assert parse_quoted(Cursor(b'"a\\b"', LENIENT)) == b"ab"
    assert parse_string(Cursor(b"word ", LENIENT)) == b"word"
    assert parse_string(Cursor(b"~{1}\r\n\0", LENIENT)) == b"\0"


def test_nil_is_no_string_and_no_word_that_starts_so() -> None:
    """In any case; NILE is something else."""
    assert parse_nstring(Cursor(b"nil")) is None
    assert parse_nstring(Cursor(b"NIL)")) is None
    assert parse_nstring(Cursor(b'"NIL"')) == b"NIL"
    assert not skip_nil(Cursor(b"NILE"))
    with pytest.raises(SyntaxProblem):
        parse_nstring(Cursor(b"NILE"))


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"abc", b"abc"),
        (b"", b'""'),
        (b"NIL", b'"NIL"'),
        (b"a b", b'"a b"'),
        (b'a"\\', b'"a\\"\\\\"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"\xc3\xa9", b"{2}\r\n\xc3\xa9"),
        (b"a\0", b"{2}\r\na\0"),
        (b" " * 2000, b"{2000}\r\n" + b" " * 2000),
    ],
)
def test_an_astring_is_written_in_its_shortest_safe_form(value: bytes, data: bytes) -> None:
    """Nothing in a value can end the line (fault F90)."""
    assert written(write_astring, value) == data


@pytest.mark.parametrize("data", [b'"\xe9"', b'"\\"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\xaf"'])
def test_a_quoted_string_holds_no_octets_that_are_no_utf8(data: bytes) -> None:
    """RFC 6855 §3: a server says BAD to them; a client takes what it gets."""
    for parse in (parse_string, parse_nstring):
        with pytest.raises(SyntaxProblem):
            parse(Cursor(data))
        assert parse(Cursor(data, LENIENT)) is not None
    assert parse_string(Cursor(b"{1}\r\n\xe9")) == b"\xe9"


def test_utf8_is_quoted_once_it_was_enabled() -> None:
    """RFC 6855 §3; what is no UTF-8 is still a literal."""
    assert written(write_string, b"\xc3\xa9", Dialect(utf8=True)) == b'"\xc3\xa9"'
    assert written(write_string, b"\xe9", Dialect(utf8=True)) == b"{1}\r\n\xe9"


def test_numbers_have_bounds() -> None:
    """RFC 9051 §9: 32 and 63 bits."""
    assert parse_number(Cursor(b"4294967295")) == 2**32 - 1
    assert parse_number(Cursor(b"007")) == 7
    assert parse_number64(Cursor(b"9223372036854775807")) == 2**63 - 1
    for parse, data in [
        (parse_number, b"4294967296"),
        (parse_number, b"-1"),
        (parse_number64, b"9223372036854775808"),
        (parse_number64, b"1" * 5000),
        (parse_nz_number, b"0"),
        (parse_nz_number, b"01"),
    ]:
        with pytest.raises(SyntaxProblem):
            parse(Cursor(data))


def test_what_cannot_be_written_is_refused() -> None:
    """None of it reaches the wire."""
    for write, value in [
        (write_atom, b"a b"),
        (write_atom, b""),
        (write_tag, b"a\r\nb"),
        (write_word, "é"),
        (write_word, "a\r\n"),
        (write_number, -1),
        (write_number, 2**63),
    ]:
        with pytest.raises(Unwritable):
            written(write, value)
