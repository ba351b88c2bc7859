"""
vnd.mailhorn.pipe, vnd.mailhorn.filter and vnd.mailhorn.execute: run a program that the administrator allows.

Adds: pipe [:copy] [:try] <program: string> [<arguments: string-list>],
      filter <program> [<arguments>] and execute [:input <text> / :pipe] [:output <varname>] <program> [<arguments>],
      both as actions and as tests: did it succeed?

Extensions of our own, in the manner of Pigeonhole's. A program is a name, never a path; which ones there are is the
administrator's list, and nothing is run here: pipe is an action, the others are questions.
"""

import re

from ..actions import NewBody, Pipe
from ..language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..limits import MAX_ARGUMENT, MAX_ARGUMENTS
from ..program import Step, Test
from ..questions import Ran, Structure
from ..run import Run, octets
from .variables import variable_name

_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def _program(call: Call) -> str:
    """Return the program's name, which must be constant: an administrator can see what a script runs."""
    name = call.string(0)
    if not _PROGRAM.fullmatch(name):
        raise call.error("a program is a name of letters, digits, dots, dashes and underscores", 0)
    if len(call.values) > 1 and len(call.texts(1)) > MAX_ARGUMENTS:
        raise call.error(f"more than {MAX_ARGUMENTS} arguments", 1)
    call.inventory.actions.add(call.node.name)
    return name


def _arguments(call: Call, run: Run) -> tuple[str, ...]:
    texts = call.texts(1) if len(call.values) > 1 else ()
    return tuple([text.value(run).replace("\0", "")[:MAX_ARGUMENT] for text in texts])


def _pipe(call: Call) -> Step:
    program, copy, tries, line = _program(call), call.has("copy"), call.has("try"), call.line
    return lambda run: run.pipe(Pipe(program, _arguments(call, run), copy, tries, line, run.made()))


def _filter(call: Call) -> Test:
    program, line = _program(call), call.line
    call.inventory.questions.add(Structure())

    def filter_message(run: Run) -> bool:
        good, output = run.answer(Ran("filter", program, _arguments(call, run), run.current()))
        if good and output:
            run.edit_body(NewBody(output), line)
        return good

    return filter_message


def _execute(call: Call) -> Test:
    program, text = _program(call), call.tag_text("input")
    target = call.tag_text("output")
    name = None if target is None else variable_name(call, target, index=None)
    if name is not None and "variables" not in call.scope.requires:
        raise call.error(':output needs: require "variables";')
    whole = call.choice("input", "") == "pipe"
    if whole:
        call.inventory.questions.add(Structure())

    def execute(run: Run) -> bool:
        given = run.current() if whole else octets("" if text is None else text.value(run))
        good, output = run.answer(Ran("execute", program, _arguments(call, run), given))
        if good and name is not None:
            run.set(name, output.decode("utf-8", "surrogateescape"))
        return good

    return execute


def _as_step(call: Call) -> Step:
    test = _filter(call) if call.node.name == "filter" else _execute(call)

    def step(run: Run) -> None:
        test(run)

    return step


_TAKES = (Takes.STRING, Takes.STRINGS)
_EXECUTE = (
    Tagged("input", "input", Takes.STRING),
    Tagged("pipe", "input"),
    Tagged("output", "output", Takes.STRING),
)
_EXECUTE_USAGE = "execute [:input <text> / :pipe] [:output <variable>] <program> [<arguments>]"

PIPE: Extension = Extension(
    "vnd.mailhorn.pipe",
    actions=(
        ActionWord(
            "pipe",
            "pipe [:copy] [:try] <program> [<arguments>];",
            _pipe,
            _TAKES,
            (Tagged("copy", "copy"), Tagged("try", "try")),
            optional=1,
        ),
    ),
    asks=frozenset({"programs"}),
    rfc="mailhorn",
)
FILTER: Extension = Extension(
    "vnd.mailhorn.filter",
    tests=(TestWord("filter", "filter <program> [<arguments>]", _filter, _TAKES, optional=1),),
    actions=(ActionWord("filter", "filter <program> [<arguments>];", _as_step, _TAKES, optional=1),),
    asks=frozenset({"programs", "body", "edit"}),
    rfc="mailhorn",
)
EXECUTE: Extension = Extension(
    "vnd.mailhorn.execute",
    tests=(TestWord("execute", _EXECUTE_USAGE, _execute, _TAKES, _EXECUTE, optional=1),),
    actions=(ActionWord("execute", _EXECUTE_USAGE + ";", _as_step, _TAKES, _EXECUTE, optional=1),),
    asks=frozenset({"programs", "body"}),
    rfc="mailhorn",
)
