"""
From tokens to a tree (RFC 5228 §8.2). Knows the grammar, not one command.

Rule 1: every node has the offset where it begins; `Source` turns it into line and column. Rule 2: recursion
ends at `MAX_NESTING`, so no script reaches Python's own limit. Rule 3: behind a mistake it goes on with the next
command, so that who made five is told five.
"""

from dataclasses import dataclass

from .errors import SieveError, Source, together
from .lexer import Kind, Token, scan
from .limits import MAX_COMMANDS, MAX_ERRORS, MAX_NESTING, MAX_PASSED_OVER


@dataclass(slots=True)  # thousands are made of each of these; frozen ones take three times as long
class Number:
    """A number, its K, M or G applied."""

    value: int
    start: int


@dataclass(slots=True)
class Tag:
    """A tag, in lower case and without its colon."""

    name: str
    start: int


@dataclass(slots=True)
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


@dataclass(slots=True)
class Command:
    """
    A command or a test.

    Attributes:
        name: The identifier in lower case; "" where a command could not be read.
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
    commands, errors = parsed(source)
    if errors:
        raise together(errors)
    return commands


def parsed(source: Source) -> tuple[tuple[Command, ...], list[SieveError]]:
    """Return the commands, and what is wrong; in the place of a command that cannot be read is one without a name."""
    parser = _Parser(source)
    try:
        return parser.script(), parser.errors
    except _Enough:
        return (), parser.errors


class _Enough(Exception):
    """More errors than anybody reads, or nothing can be read any more."""


_IDENTIFIER, _TAG, _NUMBER, _STRING = Kind.IDENTIFIER, Kind.TAG, Kind.NUMBER, Kind.STRING
SEVERAL_STRINGS = '; several strings are written ["a", "b"]'
"""What may be meant where strings stand beside each other."""
_SEVERAL = "; several tests are combined with allof (...) or anyof (...)"
_SIGN, _WRONG, _END = Kind.PUNCTUATION, Kind.WRONG, Kind.END


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._next = scan(source).__next__
        self._count = 0
        self._end = 0
        self._lost = False
        """The rest was passed over, so what it would have closed is not missing."""
        self.errors: list[SieveError] = []
        self.token = self._next()

    def _advance(self) -> Token:
        token = self.token
        self._end = token[4]
        self.token = self._next()
        return token

    def _sees(self, sign: str) -> bool:
        return self.token.text == sign and self.token.kind is _SIGN

    def _wrong(self, at: int, message: str) -> SieveError:
        """Return the error, or the one of the token that is none, which is why the parser came here."""
        if self.token.kind is _WRONG:
            return self._source.error(self.token.start, self.token.text)
        return self._source.error(at, message)

    def _unexpected(self, expected: str) -> SieveError:
        return self._wrong(self.token.start, f"expected {expected}, found {_describe(self.token)}")

    def _note(self, error: SieveError) -> None:
        self.errors.append(error)
        if len(self.errors) >= MAX_ERRORS:
            raise _Enough

    def _deeper(self, depth: int, what: str) -> int:
        if depth >= MAX_NESTING:
            raise self._source.error(self.token.start, f"more than {MAX_NESTING} nested {what}")
        return depth + 1

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAX_COMMANDS:
            message = f"more than {MAX_COMMANDS} commands and tests in one script"
            self.errors.append(self._source.error(self.token.start, message))
            raise _Enough

    def script(self) -> tuple[Command, ...]:
        """start = commands"""
        found = self.commands(0)
        while self.token.kind is not _END:
            self._note(self._unexpected("a command; there is no { that this } would close"))
            self._advance()
            found += self.commands(0)
        return found

    def commands(self, depth: int) -> tuple[Command, ...]:
        """commands = *command"""
        found: list[Command] = []
        while True:
            start = self.token.start
            try:
                if self.token.kind is _IDENTIFIER:
                    found.append(self._command(depth))
                elif self.token.kind is _END or self._sees("}"):
                    return tuple(found)
                elif self._sees(";"):
                    error = self._unexpected("a command")
                    if self._source.text[self._end - 1 : self._end] in ("}", ";"):
                        error.message += "; a block ends without it, and a command with one"
                    self._note(error)
                    self._advance()
                else:
                    raise self._unexpected("a command")
            except SieveError as error:
                self._note(error)
                self._recover()
                found.append(Command("", (), (), False, None, start, start, self._end))

    def _recover(self) -> None:
        """Go on behind the next semicolon, behind the next block, or where the block ends that this is in."""
        depth = 0
        for _ in range(MAX_PASSED_OVER):
            if self.token.kind is _END:
                self._lost = True
                return
            if self.token.kind is _SIGN:
                if self.token.text == "{":
                    depth += 1
                elif self.token.text == "}":
                    if not depth:
                        return
                    depth -= 1
                    if not depth:
                        self._advance()
                        return
                elif self.token.text == ";" and not depth:
                    self._advance()
                    return
            self._advance()
        raise _Enough

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
            if self._sees("}"):
                self._advance()
            elif not self._lost:
                self._lost = True
                self._note(self._source.error(opened, "this block is not closed; expected }"))
        else:
            expected, after = ('"{"', "the test") if tests else ('";"', name.text)
            message = f"expected {expected} after {after}, found {_describe(self.token)}"
            if self._sees(","):
                message += self._after_comma(_SEVERAL if tests else SEVERAL_STRINGS)
            raise self._wrong(end, message)
        return Command(name.text, arguments, tests, is_list, block, name.start, head_end, end)

    def _after_comma(self, otherwise: str) -> str:
        """Return what may be meant with a comma where none belongs, by what follows it."""
        before, comma = self._end, self._advance()
        if self.token.kind is _NUMBER and self._source.text[before - 1 : before].isdigit():
            return "; numbers are written without commas"
        if self.token.kind is _STRING and comma:
            return '; arguments stand without commas, and several strings in brackets, ["a", "b"]'
        return otherwise

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], int, tuple[Command, ...], bool]:
        """arguments = *argument [ test / test-list ]"""
        found: list[Argument] = []
        while True:
            kind, text, number, start, end = self.token
            if kind is _STRING:
                found.append(Strings((text,), False, start))
            elif kind is _TAG:
                found.append(Tag(text, start))
            elif kind is _NUMBER:
                found.append(Number(number, start))
            elif kind is _SIGN and text == "[":
                found.append(self._string_list())
                continue
            else:
                break
            self._end = end
            self.token = self._next()
        head_end = self._end
        if kind is _IDENTIFIER:
            return tuple(found), head_end, (self._test(self._deeper(depth, "tests")),), False
        if kind is _SIGN and text == "(":
            return tuple(found), head_end, self._test_list(self._deeper(depth, "tests")), True
        return tuple(found), head_end, (), False

    def _string_list(self) -> Strings:
        """string-list = "[" string *("," string) "]" """
        start = self._advance().start
        values: list[str] = []
        while True:
            if self.token.kind is not _STRING:
                error = self._unexpected("a string")
                if values and self._sees("]"):
                    error.message += "; the last one has no comma behind it"
                raise error
            values.append(self._advance().text)
            if self._sees("]"):
                self._advance()
                return Strings(tuple(values), True, start)
            if not self._sees(","):
                raise self._unexpected('"," or "]"')
            self._advance()

    def _test_list(self, depth: int) -> tuple[Command, ...]:
        """test-list = "(" test *("," test) ")" """
        self._advance()
        found: list[Command] = []
        while True:
            if self.token.kind is not _IDENTIFIER:
                error = self._unexpected("a test")
                if self.token.kind is _STRING:
                    error.message += "; strings stand without parentheses, and several of them in [brackets]"
                raise error
            found.append(self._test(depth))
            if self._sees(")"):
                self._advance()
                return tuple(found)
            if not self._sees(","):
                raise self._unexpected('"," or ")"')
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
