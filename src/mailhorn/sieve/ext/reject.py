"""
reject and ereject: refuse a message (RFC 5429).

Adds: reject <reason: string>, ereject <reason: string>
"""

from ..actions import Reject
from ..language import ActionWord, Call, Extension, Takes
from ..program import Step
from ..run import Run


def _reject(call: Call) -> Step:
    reason, line, in_protocol = call.text(0), call.line, call.node.name == "ereject"
    call.inventory.actions.add(call.node.name)

    def reject(run: Run) -> None:
        run.reject(Reject(reason.value(run), in_protocol, line))

    return reject


REJECT: Extension = Extension(
    "reject",
    actions=(ActionWord("reject", "reject <reason>;", _reject, (Takes.STRING,)),),
    asks=frozenset({"send", "refuse"}),
    rfc="RFC 5429 §2.2",
)
EREJECT: Extension = Extension(
    "ereject",
    actions=(ActionWord("ereject", "ereject <reason>;", _reject, (Takes.STRING,)),),
    asks=frozenset({"refuse"}),
    rfc="RFC 5429 §2.1",
)
