"""
A script as it is best read: one way to write each script, comments kept. Pure.

Rule 1: the meaning stays: what is printed parses to the same tree. Rule 2: what is printed is printed the same again.
Rule 3: no comment is lost. One that stands between commands, tests or strings of a list stays there; one in the midst
of a command moves before it. Rule 4: blank lines between commands stay, one at most; and one is put after `require`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import Source
from .lexer import Kind, Token, tokens
from .parser import parse

WIDTH = 88
"""Columns of a line; lists that do not fit are written one piece a line."""
INDENT = 4
"""Columns a block or a list is indented by."""

_COMMENT = re.compile(r"/\*.*?\*/|#[^\n]*", re.DOTALL)
_TEXT = re.compile(r"text:", re.IGNORECASE)
_END_OF_TEXT = "\n."
"""How a text ends; its line has to end behind it."""


@dataclass(slots=True)
class _Word:
    """
    A token, and the comments before it.

    Attributes:
        token: The token.
        text: How it is printed.
        same_line: Comments that begin on the line of the token before it.
        own_lines: The other ones, "" for a blank line.

    """

    token: Token
    text: str
    same_line: list[str] = field(default_factory=list)
    own_lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    """
    A command, a test, or a string of a list.

    Attributes:
        before: Comments above it, "" for a blank line.
        head: Its words: texts, and lists of strings.
        tests: Its tests; None if it has none.
        is_list: They are in parentheses.
        block: The commands of its block; None if it has none.
        opening: Comments behind the { of the block.
        ending: Comments above the } of the block.
        closing: Comments above the closing parenthesis.
        after: Comments behind it, on its line.

    """

    before: list[str] = field(default_factory=list)
    head: "list[str | _List]" = field(default_factory=list)
    tests: "list[_Node] | None" = None
    is_list: bool = False
    block: "list[_Node] | None" = None
    opening: list[str] = field(default_factory=list)
    ending: list[str] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _List:
    """
    A list of strings.

    Attributes:
        strings: Each with its comments.
        closing: Comments above the closing bracket.

    """

    strings: list[_Node]
    closing: list[str]


def formatted(text: str) -> str:
    """
    Return a script in the one way to write it. Lines end as the first one of the script does.

    Args:
        text: The script. It need not compile, but must follow the grammar.

    Raises:
        SieveError: It does not.

    """
    source = Source(text)
    parse(source)
    reader = _Reader(source)
    commands = reader.commands()
    lines = _Printer().script(commands, reader.rest())
    printed = "".join(f"{line}\n" for line in lines)
    first = text.find("\n")
    return printed.replace("\n", "\r\n") if first > 0 and text[first - 1] == "\r" else printed


class _Reader:
    """Reads the tokens of a script that is known to follow the grammar, with their comments."""

    def __init__(self, source: Source) -> None:
        self._words = _words(source)
        self._at = 0

    def rest(self) -> list[str]:
        """Return the comments at the end of the script."""
        last = self._words[-1]
        return last.same_line + last.own_lines

    def _sees(self, *signs: str) -> bool:
        token = self._words[self._at].token
        return token.kind is Kind.PUNCTUATION and token.text in signs

    def _next(self) -> _Word:
        word = self._words[self._at]
        self._at += 1
        return word

    def _trailing(self) -> list[str]:
        """Return what is commented behind the last word, on its line."""
        word = self._words[self._at]
        found, word.same_line = word.same_line, []
        return found

    def commands(self) -> list[_Node]:
        """commands = *command"""
        found = []
        while self._words[self._at].token.kind is Kind.IDENTIFIER:
            found.append(self._command())
        return found

    def _command(self) -> _Node:
        """command = identifier arguments (";" / block)"""
        word = self._next()
        node = _Node(before=word.same_line + word.own_lines, head=[word.text])
        self._arguments(node, node)
        sign = self._next()
        _hoist(node, sign)
        if sign.token.text == "{":
            node.opening = self._trailing()
            node.block = self.commands()
            closing = self._next()
            node.ending = closing.same_line + closing.own_lines
        node.after = self._trailing()
        return node

    def _arguments(self, node: _Node, home: _Node) -> None:
        """arguments = *argument [ test / test-list ]; comments in their midst go before what is `home`"""
        while True:
            token = self._words[self._at].token
            if token.kind in (Kind.NUMBER, Kind.TAG, Kind.STRING):
                word = self._next()
                _hoist(home, word)
                node.head.append(word.text)
            elif self._sees("["):
                _hoist(home, self._next())
                node.head.append(_List(*self._pieces("]", self._string)))
            else:
                break
        if self._words[self._at].token.kind is Kind.IDENTIFIER:
            node.tests = [self._test(home)]
        elif self._sees("("):
            _hoist(home, self._next())
            node.tests, node.closing = self._pieces(")", lambda: self._test(None))
            node.is_list = True

    def _test(self, home: _Node | None) -> _Node:
        """test = identifier arguments"""
        word = self._next()
        node = _Node(head=[word.text])
        if home is None:
            node.before = word.same_line + word.own_lines
        else:
            _hoist(home, word)
        self._arguments(node, home or node)
        return node

    def _string(self) -> _Node:
        word = self._next()
        return _Node(before=word.same_line + word.own_lines, head=[word.text])

    def _pieces(self, end: str, piece: Callable[[], _Node]) -> tuple[list[_Node], list[str]]:
        """Return the pieces of a list up to its end, and the comments before that."""
        found = [piece()]
        while True:
            sign = self._next()
            if sign.token.text == end:
                found[-1].after += sign.same_line
                return found, [comment for comment in sign.own_lines if comment]
            last = found[-1]
            last.after, sign.same_line = sign.same_line, []
            _hoist(last, sign)
            behind = self._trailing()
            if last.after:  # only the last of several could be a # comment
                last.before += behind
            else:
                last.after = behind
            found.append(piece())


def _hoist(node: _Node, word: _Word) -> None:
    node.before += word.same_line + [comment for comment in word.own_lines if comment]


def _words(source: Source) -> list[_Word]:
    found = []
    at = 0
    for token in tokens(source):
        word = _Word(token, _spelled(source, token))
        same_line = at > 0
        blank_from = at
        for comment in _COMMENT.finditer(source.text, at, token.start):
            between = source.text[blank_from : comment.start()]
            if "\n" in between:
                same_line = False
            if between.count("\n") > 1:
                word.own_lines.append("")
            (word.same_line if same_line else word.own_lines).append(comment.group().rstrip())
            if "\n" in comment.group():
                same_line = False
            blank_from = comment.end()
        if source.text.count("\n", blank_from, token.start) > 1:
            word.own_lines.append("")
        found.append(word)
        at = token.end
        if source.text[at - 1 : at] == "\n":  # the end of a text: its line is over
            at -= 1
    return found


def _spelled(source: Source, token: Token) -> str:
    if token.kind is Kind.TAG:
        return f":{token.text}"
    if token.kind is Kind.STRING:
        written = source.text[token.start : token.end]
        if _TEXT.match(written):
            first, _, rest = written.partition("\n")
            comment = first[5:].strip()
            return f"text:{' ' if comment else ''}{comment}\n{rest}".rstrip("\n")
        value = token.text.replace("\r\n", "\n").replace("\\", "\\\\").replace('"', '\\"')
        return f'"{value}"'
    if token.kind is Kind.NUMBER:
        return token.text.upper()
    return token.text


class _Printer:
    """Prints commands as lines; the heads of commands are laid out by `_Layout`."""

    def script(self, commands: list[_Node], rest: list[str]) -> list[str]:
        """Return the lines of a script; `rest` are the comments at its end."""
        return _stripped(self._commands(commands, 0) + rest)

    def _commands(self, commands: list[_Node], indent: int) -> list[str]:
        room = " " * indent
        lines: list[str] = []
        for number, node in enumerate(commands):
            before = node.before
            if number and node.head[0] != "require" and commands[number - 1].head[0] == "require":
                before = ["", *before]
            above = [room + comment if comment else "" for comment in before]
            if node.head[0] in ("elsif", "else") and not any(above) and lines[-1:] == [room + "}"]:
                lines.pop()
                lines += self._command(node, indent, "} ")
            else:
                lines += above + self._command(node, indent, "")
        return lines

    def _command(self, node: _Node, indent: int, before: str) -> list[str]:
        room = " " * indent
        behind = "".join(f"  {comment}" for comment in node.after)
        if node.block is None:
            return [_Layout(indent).head(node, before, ";" + behind)]
        lines = [_Layout(indent).head(node, before, " {" + "".join(f"  {comment}" for comment in node.opening))]
        inside = " " * (indent + INDENT)
        within = self._commands(node.block, indent + INDENT)
        within += [inside + comment if comment else "" for comment in node.ending]
        return [*lines, *_stripped(within), room + "}" + behind]


def _stripped(lines: list[str]) -> list[str]:
    """Return the lines with one blank line where there were several, and none at the beginning and the end."""
    found: list[str] = []
    for line in lines:
        if line or (found and found[-1]):
            found.append(line)
    while found and not found[-1]:
        found.pop()
    return found


@dataclass(frozen=True, slots=True)
class _Break:
    """
    A line end, if what it is in does not fit on one line.

    Attributes:
        inward: How the indent changes here.
        flat: What stands here if it fits.

    """

    inward: int = 0
    flat: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """What is on one line if it fits there, and else broken at all its breaks; `forced`: never on one line."""

    parts: "list[str | _Break | _Group]"
    forced: bool


class _Layout:
    """Lays out the head of one command; what is outside is broken before what is inside of it, the last list first."""

    def __init__(self, indent: int) -> None:
        self._indent = indent
        self._out: list[str] = [" " * indent]
        self._column = indent
        self._must_end = False

    def head(self, node: _Node, before: str, end: str) -> str:
        """Return the text of a head, several lines if need be."""
        self._lay([before, *_document(node), end], self._indent)
        return "".join(self._out)

    def _lay(self, parts: "list[str | _Break | _Group]", indent: int) -> None:
        # Items are taken from the end; each with its indent, and whether breaks in it are line ends.
        waiting: list[tuple[str | _Break | _Group, bool]] = [(part, True) for part in reversed(parts)]
        while waiting:
            part, broken = waiting.pop()
            if isinstance(part, str):
                self._put(part, indent)
            elif isinstance(part, _Break):
                if broken:
                    indent += part.inward
                    self._end_line(indent)
                else:
                    self._put(part.flat, indent)
            else:
                breaks = part.forced or not self._fits(part, waiting)
                waiting += [(inner, breaks) for inner in reversed(part.parts)]

    def _put(self, text: str, indent: int) -> None:
        if not text:
            return
        if self._must_end:
            self._end_line(indent)
            text = text.lstrip(" ")
        self._out.append(text)
        lines = text.rpartition("\n")
        self._column = len(lines[2]) + (0 if lines[1] else self._column)
        self._must_end = text.endswith(_END_OF_TEXT)

    def _end_line(self, indent: int) -> None:
        self._out.append("\n" + " " * indent)
        self._column = indent
        self._must_end = False

    def _fits(self, group: _Group, waiting: "list[tuple[str | _Break | _Group, bool]]") -> bool:
        """Say whether the group fits on this line, with what follows it up to where the line may end."""
        room = WIDTH - self._column
        ahead: list[tuple[str | _Break | _Group, bool]] = [(part, False) for part in reversed(group.parts)]
        later = len(waiting)
        while room >= 0:
            if not ahead:
                if not later:
                    return True
                later -= 1
                ahead.append(waiting[later])
            part, broken = ahead.pop()
            if isinstance(part, str):
                first, end, _ = part.partition("\n")
                room -= len(first)
                if end:
                    return room >= 0
            elif isinstance(part, _Break):
                if broken:
                    return True
                room -= len(part.flat)
            elif part.forced and not broken:
                return False
            else:
                ahead += [(inner, broken) for inner in reversed(part.parts)]
        return False


def _document(node: _Node) -> "list[str | _Break | _Group]":
    """Return how a command or test may be laid out."""
    parts: list[str | _Break | _Group] = []
    for number, word in enumerate(node.head):
        if number:
            parts.append(" ")
        parts.append(word if isinstance(word, str) else _bracketed("[", word.strings, word.closing, "]"))
    if node.tests is not None:
        parts.append(" ")
        if node.is_list:
            parts.append(_bracketed("(", node.tests, node.closing, ")"))
        else:
            parts += _document(node.tests[0])
    return parts


def _bracketed(opening: str, pieces: list[_Node], closing: list[str], end: str) -> _Group:
    """Return a list: on one line, or a line for each piece."""
    parts: list[str | _Break | _Group] = [opening, _Break(INDENT)]
    forced = bool(closing)
    for number, piece in enumerate(pieces):
        for comment in filter(None, piece.before):
            parts += [comment, _Break()]
            forced = True
        inner = _document(piece)
        forced = forced or any(isinstance(part, _Group) and part.forced for part in inner) or bool(piece.after)
        parts += inner
        last = number == len(pieces) - 1
        parts.append("" if last else ",")
        parts += [f"  {comment}" for comment in piece.after]
        if not last:
            parts.append(_Break(flat=" "))
    for comment in closing:
        parts += [_Break(), comment]
    parts += [_Break(-INDENT), end]
    return _Group(parts, forced)


__all__ = ["INDENT", "WIDTH", "formatted"]
