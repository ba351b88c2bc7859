"""
environment: ask about where the script runs (RFC 5183), and with imapsieve about what happened (RFC 6785 §4).

Adds: environment [COMPARATOR] [MATCH-TYPE] <name: string> <key-list: string-list>
"""

from ..language import Call, Extension, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Test
from ..questions import Environment
from ..run import Run, values_of


def _environment(call: Call) -> Test:
    """False for an item that is not known (RFC 5183 §4)."""
    name = call.text(0)
    if name.constant is not None:
        call.inventory.questions.add(Environment(name.constant.lower()))
    with_keys = matcher(call, call.texts(1))

    def environment(run: Run) -> bool:
        found = run.answer(Environment(name.value(run).lower()))
        return bool(found) and with_keys.any(run, (values_of(found, with_keys.comparator),))

    return environment


EXTENSION: Extension = Extension(
    "environment",
    tests=(
        TestWord(
            "environment",
            "environment [:comparator <name>] [:is / :contains / :matches] <name> <keys>",
            _environment,
            (Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE),
        ),
    ),
    asks=frozenset({"environment"}),
    rfc="RFC 5183",
)
