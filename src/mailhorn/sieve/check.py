"""
From the tree to a program: every check that can be made before a message comes (RFC 5228 §2.10.6).

Rule 1: the whole script is checked, also what may never run. Rule 2: an error says what was expected and, where it
can, what was probably meant. Rule 3: what an assembly does not offer is refused here, when the script is installed.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from . import base
from .actions import Matched
from .errors import Source, printable
from .ext import EXTENSIONS
from .ext.encoded_character import decode
from .language import ActionWord, Call, Tagged, Takes, Tests, TestWord, Value
from .limits import MAX_SCRIPT
from .parser import Argument, Command, Number, Strings, Tag, parse
from .program import Inventory, Program, Step, Test
from .run import Run

ALL: frozenset[str] = frozenset(extension.capability for extension in EXTENSIONS)
"""The capabilities this engine knows; an assembly offers these, or fewer."""

_NO_REFUSALS: Mapping[str, str] = MappingProxyType({})
"""Refuses no action."""

_CONTROLS = ("require", "if", "elsif", "else")
_SHOWN = 76
"""Characters of a test that a trace shows."""


def compile_script(text: str, offers: frozenset[str] = ALL, refuses: Mapping[str, str] = _NO_REFUSALS) -> Program:
    """
    Return the program of a script.

    Args:
        text: The script. Octets that are no UTF-8 may come as surrogates (`errors="surrogateescape"`).
        offers: The capabilities that may be required; a watcher has no envelope, for one.
        refuses: Actions of the base language that the assembly cannot carry out, each with the message of the error.

    Raises:
        SieveError: The script is not valid, requires what is not offered, or has an action that is refused.

    """
    source = Source(text)
    if len(text) > MAX_SCRIPT:
        raise source.error(0, f"this script is longer than {MAX_SCRIPT} characters")
    commands = parse(source)
    count, requires = _requires(source, commands, offers)
    checker = _Checker(source, requires, refuses)
    body = checker.commands(commands[count:])
    seen = checker.inventory
    return Program(
        requires=requires,
        headers=frozenset(seen.headers),
        needs_size=seen.size,
        needs_envelope=frozenset(seen.envelope),
        actions=frozenset(seen.actions),
        mailboxes=frozenset(seen.filed_mailboxes | seen.tested_mailboxes),
        tested_mailboxes=frozenset(seen.tested_mailboxes),
        body=body,
    )


def _requires(source: Source, commands: Sequence[Command], offers: frozenset[str]) -> tuple[int, frozenset[str]]:
    """require = "require" <capabilities: string-list>; "MUST be used before anything other" (RFC 5228 §3.2)"""
    requires: set[str] = set()
    count = 0
    for command in commands:
        if command.name != "require":
            break
        count += 1
        arguments = command.arguments
        if len(arguments) != 1 or not isinstance(arguments[0], Strings):
            raise source.error(command.start, 'expected require and a list of extensions, as in require ["fileinto"];')
        if command.tests or command.block is not None:
            raise source.error(command.head_end, 'expected ";" after require')
        for capability in arguments[0].values:
            if capability not in offers:
                raise source.error(arguments[0].start, _not_offered(capability, offers))
            requires.add(capability)
    return count, frozenset(requires)


def _not_offered(capability: str, offers: frozenset[str]) -> str:
    shown = capability if len(capability) <= _SHOWN else capability[:_SHOWN] + "..."
    if capability in ALL:
        return f'the extension "{shown}" is not available here'
    return f'unknown extension "{shown}"{_did_you_mean(capability, offers)}'


def _did_you_mean(word: str, known: Sequence[str] | frozenset[str], sign: str = "") -> str:
    from difflib import get_close_matches  # here and not above: it is needed for mistakes only

    close = get_close_matches(word.lower()[:64], sorted(known), 1, 0.6)
    return f'; did you mean "{sign}{close[0]}"?' if close else ""


class _Checker:
    """Checks and compiles with the words that the required extensions bring."""

    def __init__(self, source: Source, requires: frozenset[str], refuses: Mapping[str, str]) -> None:
        self._source = source
        self._refuses = refuses
        self._decodes = "encoded-character" in requires
        self.inventory = Inventory()
        self._tests: dict[str, TestWord] = {word.name: word for word in base.TESTS}
        self._actions: dict[str, ActionWord] = {word.name: word for word in base.ACTIONS}
        self._extra_tags: dict[str, dict[str, Tagged]] = {}
        self._elsewhere: dict[str, str] = {}
        """Words of extensions that are not required: which one brings them."""
        self._tags_elsewhere: dict[tuple[str, str], str] = {}
        for extension in EXTENSIONS:
            if extension.capability in requires:
                self._tests |= {word.name: word for word in extension.tests}
                self._actions |= {word.name: word for word in extension.actions}
                for name, tags in extension.tags.items():
                    self._extra_tags.setdefault(name, {}).update((tag.name, tag) for tag in tags)
            else:
                names = (*(word.name for word in extension.tests), *(word.name for word in extension.actions))
                self._elsewhere |= {name: extension.capability for name in names}
                for name, tags in extension.tags.items():
                    self._tags_elsewhere |= {(name, tag.name): extension.capability for tag in tags}

    def commands(self, commands: Sequence[Command]) -> Step:
        """Return the step that runs the commands one after the other."""
        steps: list[Step] = []
        index = 0
        while index < len(commands):
            command = commands[index]
            if command.name == "if":
                chain = [command]
                while index + len(chain) < len(commands) and commands[index + len(chain)].name in ("elsif", "else"):
                    chain.append(commands[index + len(chain)])
                steps.append(self._choice(chain))
                index += len(chain)
            else:
                steps.append(self._action(command))
                index += 1
        return _sequence(tuple(steps))

    def _choice(self, chain: Sequence[Command]) -> Step:
        """if <test> <block> *(elsif <test> <block>) [else <block>] (RFC 5228 §3.1)"""
        branches: list[tuple[Test, Step]] = []
        otherwise: Step | None = None
        for command in chain:
            if otherwise is not None:
                raise self._source.error(command.start, f'"{command.name}" after "else"; expected "if" or an action')
            if command.arguments:
                raise self._source.error(command.arguments[0].start, f'expected a test after "{command.name}"')
            if command.name == "else":
                if command.tests:
                    hint = '; for "else if" write "elsif"' if command.tests[0].name == "if" else ""
                    raise self._source.error(command.tests[0].start, f'expected "{{" after "else"{hint}')
                otherwise = self._block(command)
                continue
            if len(command.tests) != 1 or command.is_test_list:
                hint = "; several tests are written anyof (...) or allof (...)" if command.is_test_list else ""
                raise self._source.error(command.head_end, f'expected one test after "{command.name}"{hint}')
            test = self._test(command.tests[0])
            branches.append((test, self._block(command)))
        return _choice(tuple(branches), otherwise)

    def _block(self, command: Command) -> Step:
        if command.block is None:
            raise self._source.error(command.end, f'expected "{{" after {command.name}')
        return self.commands(command.block)

    def _action(self, command: Command) -> Step:
        word = self._actions.get(command.name)
        if word is None:
            raise self._source.error(command.start, self._no_action(command.name))
        if command.name in self._refuses:
            raise self._source.error(command.start, self._refuses[command.name])
        if command.tests:
            what = "its arguments" if command.arguments else f'"{command.name}"'
            raise self._source.error(command.head_end, f'expected ";" after {what}; {command.name} takes no test')
        if command.block is not None:
            raise self._source.error(command.end, f'expected ";" after {command.name}; it takes no block')
        return word.build(self._call(word, command, ()))

    def _no_action(self, name: str) -> str:
        if name == "require":
            return "require must come before everything else"
        if name in ("elsif", "else"):
            return f'"{name}" without an "if" before it'
        if name in self._tests:
            return f'"{name}" is a test, not an action; it belongs after "if"'
        if name in self._elsewhere:
            return f'"{name}" needs: require "{self._elsewhere[name]}";'
        return f'unknown command "{name[:_SHOWN]}"{_did_you_mean(name, (*self._actions, *_CONTROLS, *self._elsewhere))}'

    def _test(self, node: Command) -> Test:
        word = self._tests.get(node.name)
        if word is None:
            raise self._source.error(node.start, self._no_test(node.name))
        if word.tests is Tests.LIST:
            fits = node.is_test_list
        elif word.tests is Tests.ONE:
            fits = len(node.tests) == 1 and not node.is_test_list
        else:
            fits = not node.tests
        if not fits:
            if word.tests is Tests.NONE:
                raise self._source.error(node.head_end, f'expected "{{", "," or ")" after the test {node.name}')
            at = node.tests[0].start if node.tests else node.head_end
            raise self._source.error(at, f"{node.name} takes {word.tests.value}; usage: {word.usage}")
        call = self._call(word, node, tuple(self._test(inner) for inner in node.tests))
        return _traced(word.build(call), call.line, self._shown(node))

    def _no_test(self, name: str) -> str:
        if name in self._actions or name in _CONTROLS:
            return f'expected a test, found the command "{name}"'
        if name in self._elsewhere:
            return f'"{name}" needs: require "{self._elsewhere[name]}";'
        return f'unknown test "{name[:_SHOWN]}"{_did_you_mean(name, (*self._tests, *self._elsewhere))}'

    def _shown(self, node: Command) -> str:
        text = " ".join(self._source.text[node.start : min(node.end, node.start + 4 * _SHOWN)].split())
        return printable(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")

    def _call(self, word: TestWord | ActionWord, node: Command, tests: tuple[Test, ...]) -> Call:
        """Check the arguments: tags first in any order, then the positional ones (RFC 5228 §2.6.2)."""
        known = {tag.name: tag for tag in word.tags} | self._extra_tags.get(word.name, {})
        tags: dict[str, tuple[str, Value]] = {}
        rest = list(reversed(node.arguments))
        while rest and isinstance(rest[-1], Tag):
            written = rest.pop()
            assert isinstance(written, Tag)
            tag = known.get(written.name)
            if tag is None:
                raise self._source.error(written.start, self._no_tag(word, written.name, known))
            if tag.group in tags:
                earlier = tags[tag.group][0]
                twice = "twice" if earlier == tag.name else f"with :{earlier}"
                raise self._source.error(written.start, f":{tag.name} cannot be given {twice}")
            value: Value = tag.name
            if tag.takes is not None:
                if not rest or isinstance(rest[-1], Tag):
                    raise self._source.error(written.start, f"expected {tag.takes.value} after :{tag.name}")
                value = self._value(rest.pop(), tag.takes, f"after :{tag.name}")
            tags[tag.group] = (tag.name, value)
        positional = tuple(reversed(rest))
        for argument in positional:
            if isinstance(argument, Tag):
                raise self._source.error(argument.start, f":{argument.name} must come before the other arguments")
        if len(positional) != len(word.takes):
            at = node.head_end if len(positional) < len(word.takes) else positional[len(word.takes)].start
            counted = f"{len(word.takes)} argument{'' if len(word.takes) == 1 else 's'}"
            found = f"{len(positional)} {'is' if len(positional) == 1 else 'are'} given"
            raise self._source.error(at, f"{word.name} takes {counted}, {found}; usage: {word.usage}")
        values = tuple(
            self._value(argument, takes, f"as argument {number} of {word.name}; usage: {word.usage}")
            for number, (argument, takes) in enumerate(zip(positional, word.takes, strict=True), 1)
        )
        line = self._source.line(node.start)
        return Call(self._source, node, line, tags, values, positional, tests, self.inventory)

    def _no_tag(self, word: TestWord | ActionWord, name: str, known: Mapping[str, Tagged]) -> str:
        capability = self._tags_elsewhere.get((word.name, name))
        if capability is not None:
            return f':{name} needs: require "{capability}";'
        return f"{word.name} has no argument :{name[:_SHOWN]}{_did_you_mean(name, tuple(known), ':')}"

    def _value(self, argument: Argument, takes: Takes, where: str) -> Value:
        if isinstance(argument, Number) and takes is Takes.NUMBER:
            return argument.value
        if isinstance(argument, Strings) and takes is Takes.STRINGS:
            return tuple(self._decoded(argument, value) for value in argument.values)
        if isinstance(argument, Strings) and takes is Takes.STRING and not argument.is_list:
            return self._decoded(argument, argument.values[0])
        raise self._source.error(argument.start, f"expected {takes.value} {where}")

    def _decoded(self, argument: Strings, text: str) -> str:
        if not self._decodes:
            return text
        try:
            return decode(text)
        except ValueError as error:
            raise self._source.error(argument.start, str(error)) from None


def _sequence(steps: tuple[Step, ...]) -> Step:
    if len(steps) == 1:
        return steps[0]

    def sequence(run: Run) -> None:
        for step in steps:
            step(run)

    return sequence


def _choice(branches: tuple[tuple[Test, Step], ...], otherwise: Step | None) -> Step:
    def choice(run: Run) -> None:
        for test, block in branches:
            if test(run):
                block(run)
                return
        if otherwise is not None:
            otherwise(run)

    return choice


def _traced(test: Test, line: int, text: str) -> Test:
    yes, no = Matched(line, text, True), Matched(line, text, False)

    def traced(run: Run) -> bool:
        result = test(run)
        run.trace.append(yes if result else no)
        return result

    return traced
