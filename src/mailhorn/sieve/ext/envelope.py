"""
envelope: test the SMTP sender and recipient (RFC 5228 §5.4).

Adds: envelope [COMPARATOR] [ADDRESS-PART] [MATCH-TYPE] <envelope-part: string-list> <key-list: string-list>
"""

from ..language import Call, Extension, Takes, TestWord
from ..match import ADDRESS_PART, COMPARATOR, MATCH_TYPE, any_value
from ..program import Test


def _envelope(call: Call) -> Test:
    """Unknown parts SHOULD be an error; the parts are compared without case (RFC 5228 §5.4)."""
    parts = tuple(part.lower() for part in call.strings(0))
    for part in parts:
        if part not in call.scope.envelope:
            raise call.error('the parts of an envelope are "from" and "to"', 0)
    call.inventory.envelope.update(parts)
    return any_value(call, "envelope", parts, call.choice("address part", "all"), call.texts(1))


EXTENSION: Extension = Extension(
    "envelope",
    tests=(
        TestWord(
            "envelope",
            "envelope [:all / :localpart / :domain] [:comparator <name>] [:is / :contains / :matches] <parts> <keys>",
            _envelope,
            (Takes.STRINGS, Takes.STRINGS),
            (*COMPARATOR, *ADDRESS_PART, *MATCH_TYPE),
        ),
    ),
    asks=frozenset({"envelope"}),
    rfc="RFC 5228 §5.4",
)
