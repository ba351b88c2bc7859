"""One message, one script: what to do (RFC 5228 §2.10). Pure; the same facts give the same answer."""

from .actions import Actions, Flags
from .facts import Facts, Need
from .program import Program
from .run import Missing, Return, Run, Stop


def evaluate(program: Program, facts: Facts, flags: Flags | None = None, traced: bool = True) -> Actions | Need:
    """
    Run the script over the facts.

    The script asks only for what its path needs. The first fact that is missing ends the run, and all that the
    program could ask and that is not there comes back as one `Need`: who gathers that needs no third call, unless the
    script computes what it asks for (`Program.any_header`, `any_mailbox`).

    Args:
        program: The compiled script.
        facts: What is known about the message.
        flags: Those in the internal variable when the script begins (RFC 5232 §2), as of a message that has some
            already; None: the script begins with none, and has said nothing about flags as long as it does not.
        traced: Whether the trace is wanted; without it a script of many rules runs several times as fast.

    Returns:
        Actions, or Need if a fact is missing; then gather it and call again.

    Raises:
        SieveRuntimeError: The script failed on this message. Keep the message and tell its owner (§2.10.6).

    """
    run = Run(facts)
    run.traced = traced
    if flags is not None:
        run.flags = {flag.lower(): flag for flag in flags}
    try:
        program.body(run)
    except (Stop, Return):
        pass
    except Missing as error:
        return missing(program, facts) | error.need
    return Actions(run.steps(), run.implicit_keep, run.current_flags(), tuple(run.trace), tuple(run.edits))


def missing(program: Program, facts: Facts) -> Need:
    """Return all that the program may ask and that is not gathered."""
    return Need(
        headers=frozenset(
            name for name in program.headers if facts.header(name) is None or facts.structured(name) is None
        ),
        size=program.needs_size and facts.size() is None,
        envelope=frozenset(part for part in program.needs_envelope if facts.envelope(part) is None),
        mailboxes=frozenset(name for name in program.tested_mailboxes if facts.mailbox_exists(name) is None),
        questions=frozenset(question for question in program.questions if facts.answer(question) is None),
    )
