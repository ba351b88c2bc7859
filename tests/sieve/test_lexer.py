import pytest

from mailhorn.sieve.errors import SieveError, Source
from mailhorn.sieve.lexer import Kind, tokens
from mailhorn.sieve.limits import MAX_NUMBER, MAX_STRING


def lex(text: str) -> list[tuple[Kind, str | int]]:
    """Kinds and values without the end."""
    found = [(token.kind, token.number if token.kind is Kind.NUMBER else token.text) for token in tokens(Source(text))]
    assert found.pop() == (Kind.END, "")
    return found


def value(text: str) -> str:
    """The value of a script that is one string."""
    ((kind, text_value),) = lex(text)
    assert kind is Kind.STRING and isinstance(text_value, str)
    return text_value


def problem(text: str) -> SieveError:
    """The error of a text."""
    with pytest.raises(SieveError) as caught:
        lex(text)
    return caught.value


def test_words_tags_and_numbers_are_case_insensitive() -> None:
    """RFC 5228 §2.1: "Tokens other than strings are considered case-insensitive"."""
    assert lex("IF :Over 10k") == [(Kind.IDENTIFIER, "if"), (Kind.TAG, "over"), (Kind.NUMBER, 10240)]
    assert value('"MiXed"') == "MiXed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("007", 7), ("1K", 1024), ("1m", 1048576), ("2G", 2147483648), (str(MAX_NUMBER), MAX_NUMBER)],
)
def test_numbers_have_binary_quantifiers(text: str, expected: int) -> None:
    """RFC 5228 §2.4.1: K, M and G are powers of two."""
    assert lex(text) == [(Kind.NUMBER, expected)]


@pytest.mark.parametrize("text", [str(MAX_NUMBER + 1), "9" * 100_000, "9223372036854775807K"])
def test_a_number_too_large_is_an_error(text: str) -> None:
    """RFC 5228 §2.4.1: values above 2^31-1 MAY be supported; here up to 2^63-1."""
    assert "too large" in problem(text).message


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("10x", 3, "expected K, M, G"),
        ("10KB", 4, "expected K, M, G"),
        ("-5", 1, "not negative"),
        ("'a'", 1, "double quotes"),
        ("a $", 3, "unexpected character $"),
        ("a\x1b", 2, "unexpected character \\x1b"),
        (": is", 1, "name of a tag"),
        ("/ x", 1, "comment"),
        ('a "b', 3, "not closed"),
        ('"\\', 1, "not closed"),
        ("a /* b", 3, "not closed"),
        ("/*/", 1, "not closed"),
        ("text:\nabc\n", 1, "not closed"),
        ("text: abc\n.\n", 1, "end of the line after text:"),
        ("text: /* c */\n.\n", 1, "end of the line after text:"),
        ("keep;\0", 6, "NUL"),
        ('"\0"', 2, "NUL"),
        ("keep;\rstop;", 6, "carriage return"),
        ("é", 1, "unexpected character é"),
    ],
)
def test_what_is_no_token_is_named_with_its_place(text: str, column: int, message: str) -> None:
    """The error points at the first character that is wrong, or at what was not closed."""
    error = problem(text)
    assert (error.line, error.column) == (1, column)
    assert message in error.message


@pytest.mark.parametrize(
    "text", ["keep ;", "keep# comment\r\n;", "keep/* ; */;", "keep /* a\r\n * b **/ ;", "keep\t;", "/**/keep;#"]
)
def test_comments_are_whitespace(text: str) -> None:
    """RFC 5228 §2.3."""
    assert lex(text) == [(Kind.IDENTIFIER, "keep"), (Kind.PUNCTUATION, ";")]


def test_bracketed_comments_do_not_nest() -> None:
    """RFC 5228 §2.3."""
    assert lex("/* /* */ a") == [(Kind.IDENTIFIER, "a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('""', ""),
        (r'"a\\b\"c"', 'a\\b"c'),
        (r'"\a"', "a"),
        ('"# no /* comment */"', "# no /* comment */"),
        ('"a\r\nb"', "a\r\nb"),
        ('"a\nb"', "a\r\nb"),
        ('"tab\tand \x01"', "tab\tand \x01"),
        ('"é\U0001f600"', "é\U0001f600"),
        ('"\udcff"', "\udcff"),
    ],
)
def test_quoted_strings(text: str, expected: str) -> None:
    """RFC 5228 §2.4.2: two escapes, any other backslash is as if it were not there, lines may be spanned."""
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text:\r\n.\r\n", ""),
        ("text:\r\nabc\r\n.\r\n", "abc\r\n"),
        ("text:\nabc\n.\n", "abc\r\n"),
        ("TEXT: \t# comment\r\nabc\r\n.\r\n", "abc\r\n"),
        ("text:\r\n..\r\n...\r\n.foo\r\n.\r\n", ".\r\n..\r\n.foo\r\n"),
        ('text:\r\n"a" # no comment\r\n\r\n.\r\n', '"a" # no comment\r\n\r\n'),
        ("text:\r\na\r\n.", "a\r\n"),
    ],
)
def test_multi_line_strings_are_dot_unstuffed(text: str, expected: str) -> None:
    """RFC 5228 §2.4.2: a leading dot is removed only before another dot; the last CRLF is part of the value."""
    assert value(text) == expected


def test_a_string_too_long_is_an_error() -> None:
    """The limit itself still fits."""
    assert len(value('"' + "x" * MAX_STRING + '"')) == MAX_STRING
    assert "longer than" in problem('"' + "x" * (MAX_STRING + 1) + '"').message


def test_tokens_know_their_place() -> None:
    """Offsets lead back to the text."""
    source = Source('if "a\\"b" :x {')
    assert [source.text[token.start : token.end] for token in tokens(source)] == ["if", '"a\\"b"', ":x", "{", ""]
