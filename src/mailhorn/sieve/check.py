"""
From the tree to a program: every check that can be made before a message comes (RFC 5228 §2.10.6).

Rule 1: the whole script is checked, also what may never run; only what stands behind a test ihave that fails is not
(RFC 5463 §4). Rule 2: an error says what was expected and, where it can, what was probably meant; up to MAX_ERRORS of
them come together. Rule 3: what an assembly does not offer is refused here, when the script is installed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from . import base
from .actions import Matched
from .comparator import Comparator
from .errors import SieveError, SieveRuntimeError, Source, printable, together
from .ext import EXTENSIONS
from .ext.encoded_character import decode
from .language import ActionWord, Call, Extension, MatchType, Scope, Tagged, Takes, Tests, TestWord, Value
from .limits import MAX_ERRORS, MAX_INCLUDED, MAX_INCLUDES_DEEP, MAX_MATCH_VARIABLES, MAX_SCRIPT
from .match import COMPARATORS, MATCH_TYPES
from .parser import SEVERAL_STRINGS, Argument, Command, Number, Strings, Tag, parsed
from .program import Inventory, Program, Step, Test
from .run import Return as _Return
from .run import Run, Variables
from .skip import FEW, Clues, Skip, note_all
from .text import Part, Text

ALL: frozenset[str] = frozenset(extension.capability for extension in EXTENSIONS)
"""The capabilities this engine knows; an assembly offers these, or fewer: see `offered`."""

_NO_REFUSALS: Mapping[str, str] = MappingProxyType({})
"""Refuses no action."""

_CONTROLS = ("require", "if", "elsif", "else")
_ELSE = ("elsif", "else")
_ELSEWHERE_CALLED = {
    "forward": "redirect", "bounce": "reject", "delete": "discard", "drop": "discard", "trash": "discard",
    "move": "fileinto", "file": "fileinto", "store": "fileinto", "save": "fileinto", "exit": "stop", "quit": "stop",
    "end": "stop", "finish": "stop", "reply": "vacation", "autoreply": "vacation", "let": "set", "import": "include",
    "mark": "addflag", "elif": "elsif", "elseif": "elsif",
}  # fmt: skip
"""What other languages and other programs call it."""
_THEN = frozenset(("then", "do", "begin"))
"""Words before a block in other languages."""
_SIZES = frozenset(("k", "m", "g", "kb", "mb", "gb"))
_COMBINED = "; several tests are combined with allof (...) or anyof (...)"
_BRACES = "what is done then is written in braces, { keep; }"
_FEW_WORDS = 4
"""Words that are named as those to which a tag belongs; more of them do not help."""
_FIELDS = frozenset(("subject", "from", "to", "cc", "bcc", "sender"))

_SHOWN = 76
"""Characters of a test that a trace shows."""

Scripts = Callable[[str, str], str | None]
"""Returns the text of a script to include: its place ("personal" or "global") and its name; None if there is none."""


def offered(able: Iterable[str] = (), extensions: Sequence[Extension] = EXTENSIONS) -> frozenset[str]:
    """
    Return what an assembly may offer that knows a message's header, size and mailboxes, files and redirects.

    Args:
        able: What it can beyond that, as in `Extension.asks`.
        extensions: Those there are.

    """
    able = frozenset(able)
    return frozenset(extension.capability for extension in extensions if extension.asks <= able)


def _no_scripts(place: str, name: str) -> str | None:
    return None


def compile_script(
    text: str,
    offers: frozenset[str] = ALL,
    refuses: Mapping[str, str] = _NO_REFUSALS,
    scripts: Scripts = _no_scripts,
    extensions: Sequence[Extension] = EXTENSIONS,
    checks_includes: bool = True,
) -> Program:
    """
    Return the program of a script.

    Args:
        text: The script. Octets that are no UTF-8 may come as surrogates (`errors="surrogateescape"`).
        offers: The capabilities that may be required; a watcher has no envelope, for one.
        refuses: Actions of the base language that the assembly cannot carry out, each with the message of the error;
            and capabilities that it does not offer, if there is more to say than that.
        scripts: Where included scripts are (RFC 6609).
        extensions: The extensions there are; more than the engine's own may be given.
        checks_includes: A script to include that is missing, or includes itself, is a mistake; else it is an error only
            when a message gets there, and `Program.warnings` tells: "implementations MUST NOT generate errors for
            scripts missing at upload time" (RFC 6609 §3.1).

    Raises:
        SieveError: The script is not valid, requires what is not offered, or has an action that is refused.

    """
    compilation = _Compilation(offers, refuses, scripts, extensions, checks_includes)
    body = compilation.script(text, "", compilation.requires)
    seen = compilation.inventory
    return Program(
        requires=frozenset(compilation.requires),
        headers=frozenset(seen.headers),
        needs_size=seen.size,
        needs_envelope=frozenset(seen.envelope),
        actions=frozenset(seen.actions),
        mailboxes=frozenset(seen.filed_mailboxes | seen.tested_mailboxes),
        tested_mailboxes=frozenset(seen.tested_mailboxes),
        body=body,
        any_header=seen.any_header,
        any_mailbox=seen.any_mailbox,
        questions=frozenset(seen.questions),
        warnings=tuple(seen.warnings),
    )


class _Compilation:
    """A script and all that it includes."""

    def __init__(
        self,
        offers: frozenset[str],
        refuses: Mapping[str, str],
        scripts: Scripts,
        extensions: Sequence[Extension],
        checks_includes: bool,
    ) -> None:
        self.offers = offers
        self.refuses = refuses
        self.extensions = extensions
        self.inventory = Inventory()
        self.requires: set[str] = set()
        self._scripts = scripts
        self._checks_includes = checks_includes
        self._under_way: list[tuple[str, str]] = []
        self._done: dict[tuple[str, str], Step] = {}
        self._length = 0

    def script(self, text: str, name: str, requires: set[str]) -> Step:
        """Return the step that runs a script; fill in what it requires. Raises SieveError."""
        source = Source(text, name)
        self._length += len(text)
        if self._length > MAX_SCRIPT:
            whole = "this script is" if not name else "all included scripts together are"
            raise source.error(0, f"{whole} longer than {MAX_SCRIPT} characters")
        commands, errors = parsed(source)
        checker = _Checker(source, self, requires, errors)
        try:
            count = checker.require(commands)
            body = checker.commands(commands[count:])
        except _Enough:
            body = _nothing
        if errors:
            raise together(errors)
        return body

    def include(self, place: str, name: str, optional: bool, once: bool, call: Call) -> Step | None:
        """Return the step that runs an included script with variables of its own; None if there is nothing to run."""
        key = (place, name)
        if key in self._under_way:
            if once:
                return None
            return self._in_vain(call, f'the script "{name}" includes itself (RFC 6609 §3)')
        if len(self._under_way) >= MAX_INCLUDES_DEEP:
            raise call.error(f"more than {MAX_INCLUDES_DEEP} scripts include each other")
        known = self._done.get(key)
        if known is not None:
            return known
        if len(self._done) >= MAX_INCLUDED:
            raise call.error(f"more than {MAX_INCLUDED} scripts are included")
        text = self._scripts(place, name)
        if text is None:
            if optional:
                return None
            return self._in_vain(call, f'there is no {place} script "{name}" to include')
        self._under_way.append(key)
        inner: set[str] = set()
        step = self.script(text, name, inner)
        self.requires |= inner  # what the whole program needs
        self._under_way.pop()
        self._done[key] = step = partial(_included, step)
        return step

    def _in_vain(self, call: Call, message: str) -> Step:
        """Return the step that fails because there is nothing to include. Raises SieveError if that is a mistake."""
        if self._checks_includes:
            raise call.error(message)
        line = call.line
        call.warn(message)

        def fail(run: Run) -> None:
            raise SieveRuntimeError(line, message)

        return fail


class _Enough(Exception):
    """More errors than anybody reads."""


def _included(body: Step, run: Run) -> None:
    outside, run.variables = run.variables, Variables()
    in_loop = run.enter()
    try:
        body(run)
    except _Return:
        pass
    finally:
        run.variables = outside
        if in_loop:
            run.leave()


def _not_offered(capability: str, offers: frozenset[str], known: Iterable[str]) -> str:
    shown = capability if len(capability) <= _SHOWN else capability[:_SHOWN] + "..."
    if capability in known:
        return f'the extension "{shown}" is not available here'
    return f'unknown extension "{shown}"{_did_you_mean(capability, offers)}'


def _did_you_mean(word: str, known: Sequence[str] | frozenset[str], sign: str = "") -> str:
    from difflib import get_close_matches  # here and not above: it is needed for mistakes only

    close = get_close_matches(word.lower()[:64], sorted(known), 1, 0.6)
    return f'; did you mean "{sign}{close[0]}"?' if close else ""


_VARIABLE = re.compile(
    r"\$\{((?:[a-z_][a-z0-9_]*\.(?:(?:[a-z_][a-z0-9_]*|[0-9]+)\.)*)?)([a-z_][a-z0-9_]*|[0-9]+)\}",
    re.IGNORECASE | re.ASCII,
)
"""variable-ref = "${" [namespace] variable-name "}" (RFC 5229 §3)"""

_NUMBER, _STRING, _STRINGS = Takes.NUMBER, Takes.STRING, Takes.STRINGS

_Decided = bool | None
"""What a test is known to say whenever it runs; None: that depends."""


class _Checker:
    """Checks and compiles one script with the words that the required extensions bring."""

    def __init__(self, source: Source, whole: _Compilation, requires: set[str], errors: list[SieveError]) -> None:
        self._source = source
        self._whole = whole
        self._errors = errors
        self.inventory = whole.inventory
        self._tests: dict[str, TestWord] = {word.name: word for word in base.TESTS}
        self._actions: dict[str, ActionWord] = {word.name: word for word in base.ACTIONS}
        self._extra_tags: dict[str, dict[str, Tagged]] = {}
        self._extra_before: dict[str, int] = {}
        self._plain = True
        """Strings mean what they say: nothing in them is encoded, and there are no variables."""
        self._tags: dict[int, dict[str, Tagged]] = {}
        """The tags that each word takes with what is in force, by the word's identity."""
        self._namespaces: dict[str, Callable[[str], Callable[[Run], str]]] = {}
        comparators: dict[str, Comparator] = {one.name: one for one in COMPARATORS}
        match_types: dict[str, MatchType] = {one.tag.name: one for one in MATCH_TYPES}
        self._scope = Scope(
            requires,
            comparators,
            match_types,
            set(),
            set(),
            [],
            whole.include,
            {"from", "to"},
            self._has,
            self._enable,
        )

    def require(self, commands: Sequence[Command]) -> int:
        """require = "require" <capabilities: string-list>; "MUST be used before anything other" (RFC 5228 §3.2)"""
        count = 0
        wanted: list[str] = []
        for number, command in enumerate(commands):
            if command.name == "require":
                count = number + 1
                wanted += self._required(command)
            elif command.name:
                break
        for capability in wanted:
            self._enable(capability)
        return count

    def _required(self, command: Command) -> Sequence[str]:
        """Return what a command brings into force; note what is wrong."""
        arguments = command.arguments
        if not arguments or not isinstance(arguments[0], Strings):
            found = f', found "{command.tests[0].name[:_SHOWN]}"' if command.tests else ""
            at = (*[one.start for one in (*arguments, *command.tests)], command.head_end)[0]
            message = f'expected a list of extensions after require{found}; as in require ["fileinto", "vacation"];'
            self._note(self._source.error(at, message))
            return ()
        if len(arguments) > 1:
            self._note(self._source.error(arguments[1].start, f'expected ";" after require{SEVERAL_STRINGS}'))
            return [value for one in arguments if isinstance(one, Strings) for value in one.values]
        if command.tests or command.block is not None:
            self._note(self._source.error(command.head_end, 'expected ";" after require'))
        known = [extension.capability for extension in self._whole.extensions]
        for capability in arguments[0].values:
            if not self._has(capability):
                reason = self._whole.refuses.get(capability) or _not_offered(capability, self._whole.offers, known)
                self._note(self._source.error(arguments[0].start, reason))
        return arguments[0].values  # what is not offered here, too: its words are not one mistake more

    def _has(self, capability: str) -> bool:
        return capability in self._whole.offers

    def _enable(self, capability: str) -> None:
        """Bring an extension into force."""
        if capability in self._scope.requires:
            return
        self._scope.requires.add(capability)
        self._plain = self._plain and capability not in ("encoded-character", "variables")
        self._tags.clear()
        for extension in self._whole.extensions:
            if extension.capability == capability:
                self._tests |= {word.name: word for word in extension.tests}
                self._actions |= {word.name: word for word in extension.actions}
                for name, tags in extension.tags.items():
                    self._extra_tags.setdefault(name, {}).update((tag.name, tag) for tag in tags)
                for match_type in extension.match_types:
                    self._scope.match_types[match_type.tag.name] = match_type
                    self._extra_tags.setdefault("match type", {})[match_type.tag.name] = match_type.tag
                self._scope.comparators.update((one.name, one) for one in extension.comparators)
                self._namespaces |= extension.namespaces
                self._scope.envelope.update(extension.envelope)
                for name, number in extension.before.items():
                    self._extra_before[name] = max(number, self._extra_before.get(name, 0))

    def _elsewhere(self, kind: str = "") -> dict[str, str]:
        """Return the words of extensions that are not in force, "tests" or "actions" only: which one brings them."""
        found: dict[str, str] = {}
        for extension in self._whole.extensions:
            if extension.capability not in self._scope.requires:
                tests = () if kind == "actions" else extension.tests
                actions = () if kind == "tests" else extension.actions
                for name in (*[word.name for word in tests], *[word.name for word in actions]):
                    found.setdefault(name, extension.capability)
        return found

    def _tag_elsewhere(self, word: TestWord | ActionWord, name: str) -> str | None:
        """Return the extension that would bring a tag, None if there is none."""
        places = {word.name, *(tag.group for tag in word.tags)}
        for extension in self._whole.extensions:
            if extension.capability in self._scope.requires:
                continue
            brought = {tag.name for place in places for tag in extension.tags.get(place, ())}
            if "match type" in places:
                brought |= {one.tag.name for one in extension.match_types}
            if name in brought:
                return extension.capability
        return None

    def _note(self, error: SieveError) -> None:
        self._errors.append(error)
        if len(self._errors) >= MAX_ERRORS:
            raise _Enough

    def commands(self, commands: Sequence[Command]) -> Step:
        """Return the step that runs the commands one after the other."""
        steps: list[Step] = []
        chain: list[Command] = []
        for command in commands:
            name = command.name
            if chain and name in _ELSE:
                chain.append(command)
                continue
            if chain:
                steps.append(self._choice(chain))
                chain = []
            if name == "if" or not name:
                chain = [command]
                continue
            if name in _ELSE:
                self._note(self._source.error(command.start, f'"{name}" without an "if" before it'))
                chain = [replace(command, name="")]  # what follows it is no second mistake
                continue
            try:
                steps.append(self._action(command))
            except SieveError as error:
                self._note(error)
        if chain:
            steps.append(self._choice(chain))
        return self._sequence(tuple(steps), self._source.line(commands[0].start) if commands else 1)

    def _sequence(self, steps: tuple[Step, ...], line: int) -> Step:
        clues = [self.inventory.clues.get(step) for step in steps]
        if len(clues) - clues.count(None) < FEW:
            return _sequence(steps, line)
        return _sparse(steps, clues, line)

    def _choice(self, chain: Sequence[Command]) -> Step:
        """if <test> <block> *(elsif <test> <block>) [else <block>] (RFC 5228 §3.1)"""
        branches: list[tuple[Test, Step]] = []
        otherwise: Step | None = None
        settled = False
        for command in chain:
            if not command.name:  # could not be read; what follows it is no mistake
                continue
            decided: _Decided = None
            test: Test = base.never
            errors = len(self._errors)
            try:
                if otherwise is not None:
                    message = f'"{command.name}" after "else"; expected "if" or an action'
                    raise self._source.error(command.start, message)
                if command.arguments:
                    raise self._source.error(command.arguments[0].start, f'expected a test after "{command.name}"')
                if command.name == "else":
                    if command.tests:
                        hint = '; for "else if" write "elsif"' if command.tests[0].name == "if" else ""
                        raise self._source.error(command.tests[0].start, f'expected "{{" after "else"{hint}')
                    otherwise = _nothing if settled else self._block(command)
                    continue
                if len(command.tests) != 1 or command.is_test_list:
                    hint = ""
                    if command.is_test_list:
                        hint = ", without parentheses; several tests are written anyof (...) or allof (...)"
                    raise self._source.error(command.head_end, f'expected one test after "{command.name}"{hint}')
                if settled:
                    continue
                test, decided = self._test(command.tests[0])
            except SieveError as error:
                self._note(error)
            try:
                branches.append((test, _nothing if decided is False else self._block(command)))
            except SieveError as error:
                if len(self._errors) == errors:  # else the block is missing because of what is wrong before it
                    self._note(error)
            settled = decided is True
        step = _choice(tuple(branches), otherwise)
        if otherwise is None:
            note_all(self.inventory.clues, step, [test for test, _ in branches])
        return step

    def _block(self, command: Command) -> Step:
        if command.block is None:
            raise self._source.error(command.end, f'expected "{{" after {command.name}')
        return self.commands(command.block)

    def _action(self, command: Command) -> Step:
        word = self._actions.get(command.name)
        if word is None:
            raise self._source.error(command.start, self._no_action(command.name))
        if command.name in self._whole.refuses:
            raise self._source.error(command.start, self._whole.refuses[command.name])
        if command.tests:
            message = f'expected ";" after {command.name}{self._instead(command, word)}'
            raise self._source.error(command.head_end, message)
        if not word.block:
            if command.block is not None:
                raise self._source.error(command.end, f'expected ";" after {command.name}; it takes no block')
            return word.build(self._call(word, command, ()))
        call = self._call(word, command, ())
        self._scope.blocks.append((word.name, call.tag_string("name", "")))
        block = self._block(command)
        self._scope.blocks.pop()
        return word.build(replace(call, block=block))

    def _no_action(self, name: str) -> str:
        if name == "require":
            return "require must come before everything else"
        if name in self._tests:
            return f'"{name}" is a test, not an action; it belongs after "if"'
        elsewhere = self._elsewhere()
        if name in elsewhere:
            return f'"{name}" needs: require "{elsewhere[name]}";'
        meant = _ELSEWHERE_CALLED.get(name)
        hint = f'; did you mean "{meant}"?' if meant else ""
        hint = hint or _did_you_mean(name, (*self._actions, *_CONTROLS, *self._elsewhere("actions")))
        return f'unknown command "{name[:_SHOWN]}"{hint}'

    def _instead(self, node: Command, word: TestWord | ActionWord, combined: str = "") -> str:
        """Return what may be meant with a word that stands where the arguments should be over."""
        name = node.tests[0].name
        if name in ("and", "or"):
            return _COMBINED
        if name in self._known_tags(word):
            return f'; did you mean ":{name}"?'
        found = f', found "{name[:_SHOWN]}"'
        if name in _THEN:
            return f"{found}; {_BRACES}"
        if name in _SIZES and node.arguments and isinstance(node.arguments[-1], Number):
            return f"{found}; K, M or G follows its number without a blank"
        if name in self._tests or name in self._elsewhere("tests"):
            return found + combined
        if name in self._actions or name in _CONTROLS or name in self._elsewhere("actions"):
            return f"{found}; {_BRACES}" if isinstance(word, TestWord) else found
        return f'{found}; strings are written in double quotes, as "{name[:_SHOWN]}"'

    def _test(self, node: Command, following: str = '"{"') -> tuple[Test, _Decided]:
        """Return a test, and what it says if that is known; `following` is what may stand behind it."""
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
                message = f"expected {following} after the test {node.name}"
                combined = _COMBINED if following == '"{"' else ""
                raise self._source.error(node.head_end, message + self._instead(node, word, combined))
            at = node.tests[0].start if node.tests else node.head_end
            plain = ", without parentheses" if word.tests is Tests.ONE and node.is_test_list else ""
            raise self._source.error(at, f"{node.name} takes {word.tests.value}{plain}; usage: {word.usage}")
        tests, decided = self._inner(word, node, following)
        call = self._call(word, node, tests)
        test = word.build(call)
        if "ihave" in self._scope.requires and test in (base.always, base.never):
            decided = test is base.always
        return self._traced(test, call.line, node), decided

    def _inner(self, word: TestWord, node: Command, following: str) -> tuple[tuple[Test, ...], _Decided]:
        """Return the tests of a test, and what it says if they are enough to know: the rest is not looked at then."""
        tests: list[Test] = []
        known: list[_Decided] = []
        for inner in node.tests:
            try:
                test, decided = self._test(inner, '"," or ")"' if node.is_test_list else following)
            except SieveError as error:
                self._note(error)
                test, decided = base.never, None
            tests.append(test)
            known.append(decided)
            if word.name == "not" and decided is not None:
                return tuple(tests), not decided
            if (word.name == "allof" and decided is False) or (word.name == "anyof" and decided is True):
                return tuple(tests), decided
        if known and word.name in ("allof", "anyof") and None not in known:
            return tuple(tests), word.name == "allof"
        return tuple(tests), None

    def _no_test(self, name: str) -> str:
        if name in self._actions or name in _CONTROLS:
            return f'expected a test, found the command "{name}"'
        elsewhere = self._elsewhere()
        if name in elsewhere:
            return f'"{name}" needs: require "{elsewhere[name]}";'
        hint = _did_you_mean(name, (*self._tests, *self._elsewhere("tests")))
        if name in _FIELDS:
            hint = f'; fields of the message are tested with header and address, as header "{name}" "..."'
        return f'unknown test "{name[:_SHOWN]}"{hint}'

    def _traced(self, test: Test, line: int, node: Command) -> Test:
        """Return the test that leaves its trace; what is shown of it is made when it first runs."""
        source, start, end = self._source, node.start, min(node.end, node.start + 4 * _SHOWN)
        found: list[Matched] = []

        def traced(run: Run) -> bool:
            result = test(run)
            if not run.traced:
                return result
            if not found:
                text = " ".join(source.text[start:end].split())
                shown = printable(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
                found.extend((Matched(line, shown, False), Matched(line, shown, True)))
            run.trace.append(found[result])
            return result

        clues = self.inventory.clues.get(test)
        if clues is not None:
            self.inventory.clues[traced] = clues
        return traced

    def _call(self, word: TestWord | ActionWord, node: Command, tests: tuple[Test, ...]) -> Call:
        """Check the arguments: tags first in any order, then the positional ones (RFC 5228 §2.6.2)."""
        known = self._known_tags(word)
        tags: dict[str, tuple[str, Value]] = {}
        arguments = node.arguments
        at, end = 0, len(arguments)
        while at < end:
            written = arguments[at]
            if not isinstance(written, Tag):
                break
            at += 1
            tag = known.get(written.name)
            if tag is None:
                raise self._source.error(written.start, self._no_tag(word, written.name, known))
            if tag.group in tags:
                earlier = tags[tag.group][0]
                twice = "twice" if earlier == tag.name else f"with :{earlier}"
                raise self._source.error(written.start, f":{tag.name} cannot be given {twice}")
            value: Value = None
            if tag.takes is not None:
                if at == end or isinstance(arguments[at], Tag):
                    raise self._source.error(written.start, f"expected {tag.takes.value} after :{tag.name}")
                value = self._value(arguments[at], tag.takes, tag)
                at += 1
            tags[tag.group] = (tag.name, value)
        positional = arguments[at:]
        for argument in positional:
            if isinstance(argument, Tag):
                raise self._source.error(argument.start, f":{argument.name} must come before the other arguments")
        first: tuple[tuple[Text, ...], ...] = ()
        takes = word.takes
        if len(positional) != len(takes):
            first = self._first(word, node, positional)
            positional = positional[len(first) :]
        values = tuple(
            [self._value(argument, takes[number], word, number + 1) for number, argument in enumerate(positional)]
        )
        line = self._source.line(node.start)
        return Call(self._source, node, line, tags, values, positional, tests, self.inventory, self._scope, None, first)

    def _known_tags(self, word: TestWord | ActionWord) -> dict[str, Tagged]:
        """Return the tags that a word takes with what is in force."""
        known = self._tags.get(id(word))
        if known is None:
            known = {tag.name: tag for tag in word.tags} | self._extra_tags.get(word.name, {})
            for group in {tag.group for tag in word.tags}:
                known |= self._extra_tags.get(group, {})
            self._tags[id(word)] = known
        return known

    def _first(
        self, word: TestWord | ActionWord, node: Command, positional: Sequence[Argument]
    ) -> tuple[tuple[Text, ...], ...]:
        """Return what stands before the arguments that must be there. Raises SieveError if too many or too few are."""
        before = min(max(len(positional) - len(word.takes), 0), word.before + self._extra_before.get(word.name, 0))
        count = len(positional) - before
        if not len(word.takes) - word.optional <= count <= len(word.takes):
            at = node.head_end if count < len(word.takes) else positional[before + len(word.takes)].start
            raise self._source.error(at, self._wrong_number(word, node, count))
        found: list[tuple[Text, ...]] = []
        for argument in positional[:before]:
            value = self._value(argument, Takes.STRINGS, word, 1)
            assert isinstance(value, tuple)
            found.append(value)
        return tuple(found)

    def _wrong_number(self, word: TestWord | ActionWord, node: Command, count: int) -> str:
        counted = f"{len(word.takes) or 'no'} argument{'' if len(word.takes) == 1 else 's'}"
        found = f"{count} {'is' if count == 1 else 'are'} given"
        return f"{word.name} takes {counted}, {found}; usage: {word.usage}"

    def _no_tag(self, word: TestWord | ActionWord, name: str, known: Mapping[str, Tagged]) -> str:
        capability = self._tag_elsewhere(word, name)
        if capability is not None:
            return f':{name} needs: require "{capability}";'
        hint = _did_you_mean(name, tuple(known), ":") or f"{self._others_tag(name)}; usage: {word.usage}"
        return f"{word.name} has no argument :{name[:_SHOWN]}{hint}"

    def _others_tag(self, name: str) -> str:
        """Return which words have a tag, in the base language and in extensions."""
        words: list[TestWord | ActionWord] = [*base.TESTS, *base.ACTIONS]
        found: set[str] = set()
        for extension in self._whole.extensions:
            words += [*extension.tests, *extension.actions]
            for place, tags in extension.tags.items():
                found.update(place for tag in tags if tag.name == name and " " not in place)
        found.update(word.name for word in words for tag in word.tags if tag.name == name)
        return f"; it belongs to {', '.join(sorted(found))}" if 0 < len(found) <= _FEW_WORDS else ""

    def _value(self, argument: Argument, takes: Takes, of: TestWord | ActionWord | Tagged, number: int = 0) -> Value:
        if isinstance(argument, Strings):
            values = argument.values
            if takes is _STRINGS:
                if self._plain:
                    return tuple([Text((value,)) for value in values])
                return tuple([self._text(argument, value) for value in values])
            if takes is _STRING and not argument.is_list:
                return Text(values) if self._plain else self._text(argument, values[0])
        elif isinstance(argument, Number) and takes is _NUMBER:
            return argument.value
        found = "a list of strings" if isinstance(argument, Strings) and argument.is_list else "a string"
        hint = "; numbers are written without quotes" if takes is _NUMBER and found == "a string" else ""
        if isinstance(argument, Number):
            found, hint = "a number", "; strings are written in double quotes"
        where = f"after :{of.name}" if isinstance(of, Tagged) else f"as argument {number} of {of.name}"
        usage = "" if isinstance(of, Tagged) else f"; usage: {of.usage}"
        raise self._source.error(argument.start, f"expected {takes.value} {where}, found {found}{hint}{usage}")

    def _text(self, argument: Strings, text: str) -> Text:
        """Return a string, its encoded characters decoded, and then its variables found (RFC 5229 §3.1)."""
        if "encoded-character" in self._scope.requires:
            try:
                text = decode(text)
            except ValueError as error:
                raise self._source.error(argument.start, str(error)) from None
        if "${" not in text or "variables" not in self._scope.requires:
            return Text((text,))
        parts: list[Part] = []
        at = 0
        for found in _VARIABLE.finditer(text):
            if found.start() > at:
                parts.append(text[at : found.start()])
            at = found.end()
            parts.append(self._variable(found[1].lower(), found[2].lower(), argument))
        if at < len(text):
            parts.append(text[at:])
        return Text(tuple(parts))

    def _variable(self, namespace: str, name: str, argument: Strings) -> Part:
        """Return what says the value of a variable; one that is not set is empty."""
        if namespace:
            first, _, rest = namespace.partition(".")
            knows = self._namespaces.get(first)
            if knows is None:
                known = "".join(
                    f'; it needs: require "{extension.capability}";'
                    for extension in self._whole.extensions
                    if first in extension.namespaces
                )
                raise self._source.error(argument.start, f'no variables begin with "{first}." here{known}')
            try:
                return knows(rest + name)
            except ValueError as error:
                raise self._source.error(argument.start, str(error)) from None
        if name.isdecimal():
            index = int(name) if len(name) < 10 else 10**9
            if index > MAX_MATCH_VARIABLES:
                shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
                message = f"${{{shown}}} is beyond the match variables, of which there are {MAX_MATCH_VARIABLES}"
                raise self._source.error(argument.start, message)
            return lambda run: run.match_variable(index)
        self._scope.used.add(name)
        if name in self._scope.shared:
            return lambda run: run.shared.get(name, "")
        return lambda run: run.variables.local.get(name, "")


def _nothing(run: Run) -> None:
    """Do nothing."""


def _sequence(steps: tuple[Step, ...], line: int) -> Step:
    count = len(steps)

    def sequence(run: Run) -> None:
        run.spend(count, line)
        for step in steps:
            step(run)

    return sequence


def _sparse(steps: tuple[Step, ...], clues: list[Clues | None], line: int) -> Step:
    """The same of so many steps that it pays to find out first which of them can do anything."""
    count = len(steps)
    skip: Skip | None = None

    def sparse(run: Run) -> None:
        nonlocal skip
        run.spend(count, line)
        edits = len(run.edits)
        numbers: Sequence[int] = range(count)
        if not run.traced:
            if skip is None:  # only now: most scripts are compiled to be checked
                skip = Skip(clues)  # two threads that come at once make the same
            numbers = skip.steps(run)
        for number in numbers:
            steps[number](run)
            if len(run.edits) != edits:  # what was found of the header is not true any more
                for step in steps[number + 1 :]:
                    step(run)
                return

    return sparse


def _choice(branches: tuple[tuple[Test, Step], ...], otherwise: Step | None) -> Step:
    def choice(run: Run) -> None:
        for test, block in branches:
            if test(run):
                block(run)
                return
        if otherwise is not None:
            otherwise(run)

    return choice
