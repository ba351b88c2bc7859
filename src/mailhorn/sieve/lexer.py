"""
From a script's text to tokens (RFC 5228 §8.1).

Rule 1: one pass, no backtracking, no recursion. Rule 2: tokens are made as they are asked for, so a parser
that gives up early never pays for the rest. Rule 3: a line may end in CRLF or LF; inside a string's value it
is always CRLF. A CR on its own and NUL are errors. Rule 4: what is no token is one of kind WRONG that says why, so that
a parser can go on behind it and find more.
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import partial
from typing import NamedTuple

from .errors import Source, printable
from .limits import MAX_NUMBER, MAX_STRING, MAX_TOKENS


class Kind(Enum):
    """What a token is; the value is how an error message calls it."""

    IDENTIFIER = "a word"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    PUNCTUATION = "punctuation"
    WRONG = "what is no token"
    END = "the end of the script"


class Token(NamedTuple):
    """
    One token.

    Attributes:
        kind: What it is.
        text: Identifiers and tags in lower case, tags without colon; the value of a string; the sign itself; of kind
            WRONG what is wrong.
        number: The value of a number, else 0.
        start: The offset of its first character.
        end: The offset after its last character.

    """

    kind: Kind
    text: str
    number: int
    start: int
    end: int


_token = partial(tuple.__new__, Token)
"""Makes a token of its five values, in C: thousands are made of a script."""

_TOKEN = re.compile(
    r"""
    (?>(?: [ \t\n]++ | \#[^\n]*+ | /\*(?>.*?\*/) )*)
    (?: ([;,(){}\[\]])
      | "([^"\\]*+(?>(?:\\.[^"\\]*+)*))"
      | (text):[ \t]*+(?:\#[^\n]*+)?\n ((?>(?:(?!\.(?:\n|\Z))[^\n]*+\n)*)) \.(?:\n|\Z)
      | ([a-z_][a-z0-9_]*+)
      | :([a-z_][a-z0-9_]*+)
      | ([0-9]++[kmg]?+)(?![a-z0-9_])
      | (\Z)
      | (.)
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII | re.DOTALL,
)
"""Blanks and comments, and the token behind them; whatever else is one character of the last group."""
_SIGN, _QUOTED, _TEXT, _LINES, _IDENTIFIER, _TAG, _NUMBER, _END = range(1, 9)
_COMPARATOR = re.compile(r"i;[a-z][a-z-]*", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[^\s;,(){}\[\]\"]*+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STUFFED = re.compile(r"^\.\.", re.MULTILINE)
_TEXT_LINE = re.compile(r":[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_DOT_AND_MORE = re.compile(r"^\.[ \t]*;?[ \t]*$", re.MULTILINE)
_QUANTIFIER = {"k": 2**10, "m": 2**20, "g": 2**30}


def tokens(source: Source) -> Iterator[Token]:
    """
    Yield the tokens of a script; the last one is of kind END.

    Raises:
        SieveError: The text is not made of tokens.

    """
    for token in scan(source):
        if token.kind is Kind.WRONG:
            raise source.error(token.start, token.text)
        yield token


def scan(source: Source) -> Iterator[Token]:
    """Yield the same, and go on behind what is wrong where that makes sense."""
    text = source.text
    sign, string, word, tag = Kind.PUNCTUATION, Kind.STRING, Kind.IDENTIFIER, Kind.TAG
    for character, name in (("\0", "NUL"), ("\r", "a carriage return without a line feed")):
        found = text.find(character)
        if found >= 0:
            yield Token(Kind.WRONG, f"{name} is not allowed in a script", 0, found, found + 1)
            yield Token(Kind.END, "", 0, len(text), len(text))
            return
    at, size, match = 0, len(text), _TOKEN.match
    long = -1
    """Where the first string begins that goes on in the next line: its end may be missing."""
    for _ in range(MAX_TOKENS):
        token = match(text, at)
        assert token is not None  # the table covers every character
        kind = token.lastindex
        start, at = token.span(kind or 0)
        if kind == _SIGN:
            yield _token((sign, text[start], 0, start, at))
        elif kind == _IDENTIFIER:
            if text[at : at + 1] == ":" and text[start:at].lower() == "text":
                yield _open_text(text, start, at)
                at = size
            elif text[at : at + 1] == ";" and (comparator := _COMPARATOR.match(text, start)):
                name = comparator[0]
                yield Token(Kind.WRONG, f'a comparator is a string, write "{name}"', 0, start, comparator.end())
                at = comparator.end()
            else:
                yield _token((word, text[start:at].lower(), 0, start, at))
        elif kind == _QUOTED or kind == _LINES:
            value = text[start:at]
            if kind == _QUOTED:
                start -= 1
                at += 1
                if long < 0 and "\n" in value:
                    long = start
                if "\\" in value:
                    value = _ESCAPE.sub(r"\1", value)
            else:
                start, at = token.start(_TEXT), token.end()
                if ".." in value:
                    value = _STUFFED.sub(".", value)
            if len(value) > MAX_STRING:
                yield Token(Kind.WRONG, f"this string is longer than {MAX_STRING} characters", 0, start, at)
            else:
                yield _token((string, value.replace("\n", "\r\n") if "\n" in value else value, 0, start, at))
        elif kind == _TAG:
            yield _token((tag, text[start:at].lower(), 0, start - 1, at))
        elif kind == _NUMBER:
            yield _number(text[start:at], start, at)
        elif kind == _END:
            yield Token(Kind.END, "", 0, size, size)
            return
        else:
            wrong = _wrong(text, start)
            if long >= 0 and text[start] == '"':
                line, column = source.position(long)
                where = f"the string that begins in line {line}, column {column} goes on in the next line"
                wrong = wrong._replace(text=f"{wrong.text} here or further up: {where}")
            yield wrong
            at = wrong.end
    yield Token(Kind.WRONG, f"more than {MAX_TOKENS} words and signs in one script", 0, at, size)
    yield Token(Kind.END, "", 0, size, size)


def _open_text(text: str, start: int, colon: int) -> Token:
    """multi-line = "text:" *(SP / HTAB) (hash-comment / CRLF) *(multiline-literal / multiline-dotstart) "." CRLF"""
    if _TEXT_LINE.match(text, colon):
        message = "this text is not closed; expected a line with only a dot"
        if _DOT_AND_MORE.search(text, colon):
            message += ', and ";" in the line after it'
    else:
        message = "expected the end of the line after text:"
    return Token(Kind.WRONG, message, 0, start, len(text))


def _wrong(text: str, start: int) -> Token:
    """Return what is wrong with the character, and where to go on: at the end behind what was not closed."""
    sign, end = text[start], len(text)
    if sign == '"':
        return Token(Kind.WRONG, 'this string is not closed; expected "', 0, start, end)
    if text.startswith("/*", start):
        return Token(Kind.WRONG, "this comment is not closed; expected */", 0, start, end)
    word = _WORD.match(text, start + 1)
    end = word.end() if word else start + 1
    if sign.isdigit() and sign.isascii():
        digits = len(text[start:end]) - len(text[start:end].lstrip("0123456789"))
        after = start + digits + (text[start + digits : start + digits + 1] in "kmgKMG")
        found = printable(text[after:end])[:40]
        return Token(Kind.WRONG, f'expected K, M, G or nothing after a number, found "{found}"', 0, after, end)
    if sign == "'":
        message = "unexpected '; strings are written in double quotes"
    elif sign == "-":
        message = "unexpected -; numbers are not negative"
        if text.startswith("--", start):
            message = "unexpected -; a comment begins with # or /*"
    elif sign == "*" and text.startswith("*/", start):
        message = "unexpected */; there is no comment that it would close"
    elif sign == "." and text[start - 1 : start].isdigit():
        message = "unexpected .; numbers are whole, 1500K and not 1.5M"
    elif sign == "\\":
        message = 'unexpected \\; flags are strings, written in double quotes as "\\\\Seen"'
    elif sign == "/":
        message = "unexpected /; a comment begins with # or /*"
    elif sign == ":":
        message = "expected the name of a tag after :"
    elif sign in "“”„«»":
        message = f'unexpected {sign}; strings are written in straight double quotes, "'
    elif sign == "\u00a0":
        message = "unexpected no-break space; write a plain one"
    elif sign == "=":
        message = "unexpected =; values are compared with :is, :contains or :matches, and assigned with set"
    elif sign in "<>":
        message = f"unexpected {sign}; a size is compared with :over or :under, other values with :value"
    elif sign == "@":
        message = 'unexpected @; an address is a string and is written in double quotes, as "ann@example.org"'
    elif sign in "&|!":
        message = f"unexpected {sign}; tests are combined with allof (...), anyof (...) and not"
    elif "\udc80" <= sign <= "\udcff":
        message = f"octet {ord(sign) - 0xDC00:02X} is not UTF-8; scripts are written in UTF-8"
    else:
        message = f"unexpected character {printable(sign)}"
    return Token(Kind.WRONG, message, 0, start, end)


def _number(word: str, start: int, end: int) -> Token:
    factor = _QUANTIFIER.get(word[-1].lower(), 1)
    digits = word.rstrip("kmgKMG").lstrip("0")
    # A million digits are refused unread: int() takes quadratic time over them.
    value = int(digits or "0") * factor if len(digits) <= len(str(MAX_NUMBER)) else MAX_NUMBER + 1
    if value > MAX_NUMBER:
        return Token(Kind.WRONG, f"this number is too large; the largest is {MAX_NUMBER}", 0, start, end)
    return Token(Kind.NUMBER, word, value, start, end)
