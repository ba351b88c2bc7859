"""
From tokens to a tree (RFC 5228 §8.2). Knows the grammar, not one command.

Rule 1: every node has the offset where it begins; `Source` turns it into line and column. Rule 2: recursion
ends at `MAX_NESTING`, so no script reaches Python's own limit.
"""

from dataclasses import dataclass

from .errors import SieveError, Source
from .lexer import Kind, Token, tokens
from .limits import MAX_COMMANDS, MAX_NESTING


@dataclass(frozen=True, slots=True)
class Number:
    """A number, its K, M or G applied."""

    value: int
    start: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, in lower case and without its colon."""

    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Strings:
    """
    One string, or a list of strings.

    Attributes:
        values: The strings, escapes and dot-stuffing undone.
        is_list: It was written in brackets.
        start: Offset of the first character.

    """

    values: tuple[str, ...]
    is_list: bool
    start: int


Argument = Number | Tag | Strings


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command or a test.

    Attributes:
        name: The identifier in lower case.
        arguments: Strings, numbers and tags in their order.
        tests: The test, or the tests of a test list.
        is_test_list: The tests were written in parentheses.
        block: The commands of the block, None if it has none.
        start: Offset of the first character.
        head_end: Offset after the last argument, where a forgotten semicolon would be.
        end: Offset after the last character that belongs to it, block and semicolon not counted.

    """

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple["Command", ...]
    is_test_list: bool
    block: tuple["Command", ...] | None
    start: int
    head_end: int
    end: int


def parse(source: Source) -> tuple[Command, ...]:
    """
    Return the commands of a script.

    Raises:
        SieveError: It does not follow the grammar, or is nested too deep, or has too many commands.

    """
    parser = _Parser(source)
    commands = parser.commands(0)
    if parser.token.kind is not Kind.END:
        raise parser.unexpected("a command; there is no { that this } would close")
    return commands


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._count = 0
        self._end = 0
        self.token = next(self._tokens)

    def _advance(self) -> Token:
        token = self.token
        self._end = token.end
        self.token = next(self._tokens)
        return token

    def _sees(self, sign: str) -> bool:
        return self.token.kind is Kind.PUNCTUATION and self.token.text == sign

    def unexpected(self, expected: str) -> SieveError:
        return self._source.error(self.token.start, f"expected {expected}, found {_describe(self.token)}")

    def _deeper(self, depth: int, what: str) -> int:
        if depth >= MAX_NESTING:
            raise self._source.error(self.token.start, f"more than {MAX_NESTING} nested {what}")
        return depth + 1

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAX_COMMANDS:
            raise self._source.error(self.token.start, f"more than {MAX_COMMANDS} commands and tests in one script")

    def commands(self, depth: int) -> tuple[Command, ...]:
        """commands = *command"""
        found: list[Command] = []
        while self.token.kind is Kind.IDENTIFIER:
            found.append(self._command(depth))
        if self.token.kind is not Kind.END and not self._sees("}"):
            raise self.unexpected("a command")
        return tuple(found)

    def _command(self, depth: int) -> Command:
        """command = identifier arguments (";" / block)"""
        self._count_one()
        name = self._advance()
        arguments, head_end, tests, is_list = self._arguments(0)
        end = self._end
        block: tuple[Command, ...] | None = None
        if self._sees(";"):
            self._advance()
        elif self._sees("{"):
            opened = self.token.start
            inner = self._deeper(depth, "blocks")
            self._advance()
            block = self.commands(inner)
            if not self._sees("}"):
                raise self._source.error(opened, "this block is not closed; expected }")
            self._advance()
        else:
            expected, after = ('"{"', "the test") if tests else ('";"', name.text)
            raise self._source.error(end, f"expected {expected} after {after}, found {_describe(self.token)}")
        return Command(name.text, arguments, tests, is_list, block, name.start, head_end, end)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], int, tuple[Command, ...], bool]:
        """arguments = *argument [ test / test-list ]"""
        found: list[Argument] = []
        while True:
            token = self.token
            if token.kind is Kind.NUMBER:
                self._advance()
                found.append(Number(token.number, token.start))
            elif token.kind is Kind.TAG:
                self._advance()
                found.append(Tag(token.text, token.start))
            elif token.kind is Kind.STRING:
                self._advance()
                found.append(Strings((token.text,), False, token.start))
            elif self._sees("["):
                found.append(self._string_list())
            else:
                break
        head_end = self._end
        if self.token.kind is Kind.IDENTIFIER:
            return tuple(found), head_end, (self._test(self._deeper(depth, "tests")),), False
        if self._sees("("):
            return tuple(found), head_end, self._test_list(self._deeper(depth, "tests")), True
        return tuple(found), head_end, (), False

    def _string_list(self) -> Strings:
        """string-list = "[" string *("," string) "]" """
        start = self._advance().start
        values: list[str] = []
        while True:
            if self.token.kind is not Kind.STRING:
                raise self.unexpected("a string")
            values.append(self._advance().text)
            if self._sees("]"):
                self._advance()
                return Strings(tuple(values), True, start)
            if not self._sees(","):
                raise self.unexpected('"," or "]"')
            self._advance()

    def _test_list(self, depth: int) -> tuple[Command, ...]:
        """test-list = "(" test *("," test) ")" """
        self._advance()
        found: list[Command] = []
        while True:
            if self.token.kind is not Kind.IDENTIFIER:
                raise self.unexpected("a test")
            found.append(self._test(depth))
            if self._sees(")"):
                self._advance()
                return tuple(found)
            if not self._sees(","):
                raise self.unexpected('"," or ")"')
            self._advance()

    def _test(self, depth: int) -> Command:
        """test = identifier arguments"""
        self._count_one()
        name = self._advance()
        arguments, head_end, tests, is_list = self._arguments(depth)
        return Command(name.text, arguments, tests, is_list, None, name.start, head_end, self._end)


def _describe(token: Token) -> str:
    if token.kind is Kind.END:
        return str(token.kind.value)
    if token.kind is Kind.TAG:
        return f'":{token.text}"'
    if token.kind is Kind.STRING:
        return "a string"
    return f'"{token.text}"'
