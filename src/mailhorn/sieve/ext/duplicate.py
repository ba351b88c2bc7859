"""
duplicate: was such a message here before? (RFC 7352)

Adds: duplicate [:handle <handle: string>] [:header <header-name: string> / :uniqueid <value: string>]
                [:seconds <timeout: number>] [:last]
"""

from ..actions import Remember
from ..language import Call, Extension, Tagged, Takes, TestWord
from ..limits import DEFAULT_DUPLICATE, MAX_DUPLICATE, MIN_DUPLICATE
from ..match import is_field_name
from ..program import Test
from ..questions import Duplicate
from ..run import Run
from ..text import Text


def _duplicate(call: Call) -> Test:
    """Remembered only if the script succeeds, and asked of earlier messages only (RFC 7352 §3)."""
    handle = call.tag_text("handle") or Text(())
    source = call.choice("source", "header")
    value = call.tag_text("source") or Text(("message-id",))
    seconds = min(max(call.tag_number("seconds", DEFAULT_DUPLICATE), MIN_DUPLICATE), MAX_DUPLICATE)
    last, line = call.has("last"), call.line
    call.inventory.actions.add("duplicate")
    if source == "header":
        if value.constant is None:
            call.inventory.any_header = True
        elif is_field_name(value.constant):
            call.inventory.headers.add(value.constant.lower())

    if call.has("seconds") and call.tag_number("seconds", 0) == 0:
        return lambda run: False  # "the "duplicate" test MUST yield "false" unconditionally" (RFC 7352 §3.3)

    def duplicate(run: Run) -> bool:
        text = value.value(run)
        if source == "header":
            found = run.header(text.lower()) if is_field_name(text) else []
            if not found:
                return False
            text = found[0]
        name = handle.value(run)
        seen = run.answer(Duplicate(name, text))
        if not seen or last:
            run.remember(Remember(name, text, seconds, last, line))
        return seen

    return duplicate


EXTENSION: Extension = Extension(
    "duplicate",
    tests=(
        TestWord(
            "duplicate",
            "duplicate [:handle <handle>] [:header <field> / :uniqueid <value>] [:seconds <number>] [:last]",
            _duplicate,
            (),
            (
                Tagged("handle", "handle", Takes.STRING),
                Tagged("header", "source", Takes.STRING),
                Tagged("uniqueid", "source", Takes.STRING),
                Tagged("seconds", "seconds", Takes.NUMBER),
                Tagged("last", "last"),
            ),
        ),
    ),
    asks=frozenset({"memory"}),
    rfc="RFC 7352",
)
