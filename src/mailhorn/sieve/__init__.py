"""
Sieve: a mail filtering language (RFC 5228), for delivery and for the watcher alike.

Rule 1: `compile_script` finds everything that can be wrong with a script; `evaluate` is pure. Rule 2: nothing is
fetched or carried out here: facts come in, `Actions` go out, and a fact that is not there yet is a `Need`. Rule 3:
when a script fails on a message, the message is kept (§2.10.6).

    program = compile_script(text, offers)
    decision = evaluate(program, facts)
    if isinstance(decision, Need):
        decision = evaluate(program, gather(decision))
"""

from .actions import Actions, Discard, FileInto, Keep, Matched, Redirect, Step
from .check import ALL, compile_script, offered
from .errors import SieveError, SieveProblem, SieveRuntimeError
from .evaluate import evaluate
from .facts import Facts, HeaderFacts, Need
from .program import Program

__all__ = [
    "ALL",
    "Actions",
    "Discard",
    "Facts",
    "FileInto",
    "HeaderFacts",
    "Keep",
    "Matched",
    "Need",
    "Program",
    "Redirect",
    "SieveError",
    "SieveProblem",
    "SieveRuntimeError",
    "Step",
    "compile_script",
    "evaluate",
    "offered",
]
