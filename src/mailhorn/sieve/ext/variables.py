"""
variables: remember strings, and what a match found (RFC 5229).

Adds: set [:lower / :upper] [:lowerfirst / :upperfirst] [:quotewildcard] [:length] <name: string> <value: string>,
      string [MATCH-TYPE] [COMPARATOR] <source: string-list> <key-list: string-list>, and `${name}` in strings
"""

import re

from ..language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Step, Test
from ..run import Run, ascii_lower, ascii_upper, values_of
from ..text import Text

_NAME = re.compile(r"(?:global\.)?[a-z_][a-z0-9_]*", re.IGNORECASE | re.ASCII)
_WILDCARD = re.compile(r"[*?\\]")


def variable_name(call: Call, text: Text, what: str = "the name of a variable", index: int | None = 0) -> str:
    """Return a name in lower case, "global." before it if it is shared. Raises SieveError if it is none."""
    name = text.constant
    if name is None or not _NAME.fullmatch(name):
        raise call.error(f'expected {what}: letters, digits and "_", not beginning with a digit', index)
    name = name.lower()
    if name.startswith("global."):
        if "include" not in call.scope.requires:
            raise call.error('variables that begin with "global." need: require "include";')
        return name
    call.scope.used.add(name)
    return f"global.{name}" if name in call.scope.shared else name


def _set(call: Call) -> Step:
    """The modifiers are applied "according to this precedence list, largest value first" (RFC 5229 §4.1)."""
    name = variable_name(call, call.text(0))
    value = call.text(1)
    modifiers = [call.choice(group, "") for group in GROUPS if call.has(group)]

    def put(run: Run) -> None:
        run.set(name, modified(value.value(run), modifiers))

    return put


def modified(text: str, modifiers: list[str]) -> str:
    """Apply modifiers (RFC 5229 §4.1) in their order."""
    for modifier in modifiers:
        if modifier == "lower":
            text = ascii_lower(text)
        elif modifier == "upper":
            text = ascii_upper(text)
        elif modifier == "lowerfirst":
            text = ascii_lower(text[:1]) + text[1:]
        elif modifier == "upperfirst":
            text = ascii_upper(text[:1]) + text[1:]
        elif modifier == "quotewildcard":
            text = _WILDCARD.sub(r"\\\g<0>", text)
        elif modifier == "quoteregex":
            text = _REGEX_SIGN.sub(r"\\\g<0>", text)
        elif modifier == "encodeurl":
            text = _RESERVED.sub(lambda found: "".join(f"%{o:02X}" for o in found[0].encode("utf-8", "replace")), text)
        else:
            text = str(len(text))
    return text


_REGEX_SIGN = re.compile(r"[.*+?^$|()\[\]{}\\]")
_RESERVED = re.compile(r"[^A-Za-z0-9._~-]")


def _string(call: Call) -> Test:
    """No white space is stripped; an empty string counts as none (RFC 5229 §5)."""
    sources = call.texts(0)
    with_keys = matcher(call, call.texts(1))

    def string(run: Run) -> bool:
        values = values_of([source.value(run) for source in sources], with_keys.comparator)
        return with_keys.any(run, (values._replace(number=sum(map(bool, values.plain))),))

    return string


GROUPS = ("case", "first", "quote", "encode", "length")
"""The groups of modifiers, the one applied first in front."""

MODIFIERS = (
    Tagged("lower", "case"),
    Tagged("upper", "case"),
    Tagged("lowerfirst", "first"),
    Tagged("upperfirst", "first"),
    Tagged("quotewildcard", "quote"),
    Tagged("length", "length"),
)

EXTENSION: Extension = Extension(
    "variables",
    tests=(
        TestWord(
            "string",
            "string [:comparator <name>] [:is / :contains / :matches] <sources> <keys>",
            _string,
            (Takes.STRINGS, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE),
        ),
    ),
    actions=(
        ActionWord(
            "set",
            "set [:lower / :upper] [:lowerfirst / :upperfirst] [:quotewildcard] [:length] <name> <value>;",
            _set,
            (Takes.STRING, Takes.STRING),
            MODIFIERS,
        ),
    ),
    rfc="RFC 5229",
)
