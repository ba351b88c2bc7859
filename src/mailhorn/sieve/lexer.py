"""
From a script's text to tokens (RFC 5228 §8.1).

Rule 1: one pass, no backtracking, no recursion. Rule 2: tokens are made as they are asked for, so a parser
that gives up early never pays for the rest. Rule 3: a line may end in CRLF or LF; inside a string's value it
is always CRLF. A CR on its own and NUL are errors.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from .errors import Source, printable
from .limits import MAX_NUMBER, MAX_STRING


class Kind(Enum):
    """What a token is; the value is how an error message calls it."""

    IDENTIFIER = "a word"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    PUNCTUATION = "punctuation"
    END = "the end of the script"


class Token(NamedTuple):
    """
    One token.

    Attributes:
        kind: What it is.
        text: Identifiers and tags in lower case, tags without colon; the value of a string; the sign itself.
        number: The value of a number, else 0.
        start: The offset of its first character.
        end: The offset after its last character.

    """

    kind: Kind
    text: str
    number: int
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\n]+)
    | (?P<hash>\#[^\n]*)
    | (?P<comment>/\*)
    | (?P<text>text:)
    | (?P<quote>")
    | (?P<tag>:[a-z_][a-z0-9_]*)
    | (?P<identifier>[a-z_][a-z0-9_]*)
    | (?P<number>[0-9]+[kmg]?)
    | (?P<punctuation>[;,(){}\[\]])
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_WORD_CHARACTER = re.compile(r"[a-z0-9_]", re.IGNORECASE | re.ASCII)
_REST_OF_QUOTED = re.compile(r'[^"\\]*+(?>(?:\\.[^"\\]*+)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_REST_OF_TEXT_LINE = re.compile(r"[ \t]*(?:#[^\n]*)?\n")
_END_OF_TEXT = re.compile(r"^\.(?:\n|\Z)", re.MULTILINE)
_STUFFED = re.compile(r"^\.\.", re.MULTILINE)
_QUANTIFIER = {"k": 2**10, "m": 2**20, "g": 2**30}


def tokens(source: Source) -> Iterator[Token]:
    """
    Yield the tokens of a script; the last one is of kind END.

    Raises:
        SieveError: The text is not made of tokens.

    """
    text = source.text
    for sign, name in (("\0", "NUL"), ("\r", "a carriage return without a line feed")):
        found = text.find(sign)
        if found >= 0:
            raise source.error(found, f"{name} is not allowed in a script")
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise source.error(at, _strange(text[at]))
        start, at = at, match.end()
        kind = match.lastgroup
        word = match.group()
        if kind == "blank" or kind == "hash":
            continue
        if kind == "comment":
            at = text.find("*/", at) + 2
            if at == 1:
                raise source.error(start, "this comment is not closed; expected */")
        elif kind == "quote":
            rest = _REST_OF_QUOTED.match(text, at)
            if rest is None:
                raise source.error(start, 'this string is not closed; expected "')
            at = rest.end()
            value = _ESCAPE.sub(r"\1", rest.group()[:-1])
            yield _string(source, value, start, at)
        elif kind == "text":
            value, at = _multi_line(source, start, at)
            yield _string(source, value, start, at)
        elif kind == "number":
            yield Token(Kind.NUMBER, word, _number(source, word, start), start, at)
        elif kind == "tag":
            yield Token(Kind.TAG, word[1:].lower(), 0, start, at)
        elif kind == "identifier":
            yield Token(Kind.IDENTIFIER, word.lower(), 0, start, at)
        else:
            yield Token(Kind.PUNCTUATION, word, 0, start, at)
    yield Token(Kind.END, "", 0, at, at)


def _strange(character: str) -> str:
    if character == "'":
        return "unexpected '; strings are written in double quotes"
    if character == "-":
        return "unexpected -; numbers are not negative"
    if character == "/":
        return "unexpected /; a comment begins with # or /*"
    if character == ":":
        return "expected the name of a tag after :"
    return f"unexpected character {printable(character)}"


def _string(source: Source, value: str, start: int, end: int) -> Token:
    if len(value) > MAX_STRING:
        raise source.error(start, f"this string is longer than {MAX_STRING} characters")
    return Token(Kind.STRING, value.replace("\n", "\r\n"), 0, start, end)


def _multi_line(source: Source, start: int, at: int) -> tuple[str, int]:
    """multi-line = "text:" *(SP / HTAB) (hash-comment / CRLF) *(multiline-literal / multiline-dotstart) "." CRLF"""
    first = _REST_OF_TEXT_LINE.match(source.text, at)
    if first is None:
        raise source.error(start, "expected the end of the line after text:")
    last = _END_OF_TEXT.search(source.text, first.end())
    if last is None:
        raise source.error(start, "this text is not closed; expected a line with only a dot")
    return _STUFFED.sub(".", source.text[first.end() : last.start()]), last.end()


def _number(source: Source, word: str, start: int) -> int:
    after = start + len(word)
    if _WORD_CHARACTER.match(source.text, after):
        raise source.error(after, "expected K, M, G or nothing after a number")
    factor = _QUANTIFIER.get(word[-1].lower(), 1)
    digits = word.rstrip("kmgKMG").lstrip("0")
    # A million digits are refused unread: int() takes quadratic time over them.
    value = int(digits or "0") * factor if len(digits) <= len(str(MAX_NUMBER)) else MAX_NUMBER + 1
    if value > MAX_NUMBER:
        raise source.error(start, f"this number is too large; the largest is {MAX_NUMBER}")
    return value
