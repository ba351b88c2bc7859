"""
ihave: find out which extensions there are, in one script for all servers (RFC 5463).

Adds: ihave <capabilities: string-list>, error <message: string>

Where ihave says yes, the extensions are in force from there on. It is decided when the script is compiled: what stands
behind an ihave that says no is not looked at.
"""

from .. import base
from ..errors import SieveRuntimeError
from ..language import ActionWord, Call, Extension, Takes, TestWord
from ..program import Step, Test
from ..run import Run

GRAMMAR = frozenset(("encoded-character", "variables"))
"""They change how strings are read, so "The test MUST fail" (RFC 5463 §4); what the script requires is there anyway."""


def _ihave(call: Call) -> Test:
    """The capabilities must be constant strings (RFC 5463 §4)."""
    capabilities = call.strings(0)
    if not all(map(call.scope.has, capabilities)):
        return base.never
    if any(capability in GRAMMAR and capability not in call.scope.requires for capability in capabilities):
        return base.never
    for capability in capabilities:
        call.scope.enable(capability)
    return base.always


def _error(call: Call) -> Step:
    text, line = call.text(0), call.line

    def error(run: Run) -> None:
        raise SieveRuntimeError(line, f"the script says: {text.value(run)}")

    return error


EXTENSION: Extension = Extension(
    "ihave",
    tests=(TestWord("ihave", "ihave <capabilities>", _ihave, (Takes.STRINGS,)),),
    actions=(ActionWord("error", "error <message>;", _error, (Takes.STRING,)),),
    rfc="RFC 5463",
)
