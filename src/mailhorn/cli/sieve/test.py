"""`mailhorn sieve test`: what a script would do to messages, and which tests led to that."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ...mime.entity import Entity
from ...sieve import Actions, Matched, Need, Program, SieveRuntimeError, evaluate
from ...sieve.actions import Remember
from ...sieve.questions import Instant
from ...watch.rules import RuleNames
from ..failure import CANNOT, CommandFailed
from ..table import shown, table
from .mail import Circumstances, Mail, facts_of, mails_of
from .script import compiled
from .told import as_objects, in_words


def on_messages(script: Path, messages: tuple[Path, ...], around: Circumstances, as_json: bool) -> None:
    """Print what a script does to each message. Ends with 1 if it fails on one."""
    program, names = compiled(script)
    now = instant(time.time() if around.now is None else around.now)
    seen: set[tuple[str, str]] = set()
    good = True
    number = 0
    for path in messages:
        for mail in mails_of(path):
            actions, problem = decided(program, mail, around, now, seen)
            good = good and not problem
            if as_json:
                print(json.dumps(as_object(mail, actions, problem, names), ensure_ascii=False))
            else:
                if number:
                    print()
                _print(mail, actions, problem, names)
            number += 1
    if not number:
        raise CommandFailed("there are no messages in " + ", ".join(map(str, messages)))
    if not good:
        raise SystemExit(CANNOT)


def decided(
    program: Program, mail: Mail, around: Circumstances, now: Instant, seen: set[tuple[str, str]]
) -> tuple[Actions, str]:
    """Return what the script decides, and why it failed; then the message is kept (RFC 5228 §2.10.6)."""
    try:
        actions = evaluate(program, facts_of(mail, around, now, seen))
    except SieveRuntimeError as error:
        return Actions(), str(error)
    if isinstance(actions, Need):
        return Actions(), f"it asks for what nobody here can answer: {actions}"
    seen.update((step.handle, step.value) for step in actions.steps if isinstance(step, Remember))
    return actions, ""


def instant(seconds: float) -> Instant:
    """Return a time in the zone of this machine."""
    offset = datetime.fromtimestamp(seconds).astimezone().utcoffset()
    return Instant(int(seconds), 0 if offset is None else int(offset.total_seconds() // 60))


def _print(mail: Mail, actions: Actions, problem: str, names: RuleNames) -> None:
    sender, subject = known_by(mail)
    print("  ".join(filter(None, (shown(mail.name, 80), shown(sender, 50), shown(subject, 80)))))
    tests = _in_order(actions)
    if tests:
        rows = [(str(one.line), "yes" if one.result else "no", shown(one.text, 100)) for one in tests]
        print(table(("line", "", "test"), rows, right=(0,)), end="")
    if problem:
        print(f"The script fails, and the message is kept: {problem}")
    for words in in_words(actions, names):
        print(f"  -> {words}")


def _in_order(actions: Actions) -> list[Matched]:
    return sorted(actions.trace, key=lambda matched: matched.line)


def as_object(mail: Mail, actions: Actions, problem: str, names: RuleNames) -> dict[str, Any]:
    """Return what would be done to a message, for programs."""
    sender, subject = known_by(mail)
    return {
        "message": mail.name,
        "from": sender,
        "subject": subject,
        "actions": as_objects(actions, names),
        "mailboxes": [filing.mailbox for filing in actions.filings()],
        "tests": [{"line": one.line, "test": one.text, "result": one.result} for one in actions.trace],
        "problem": problem,
    }


def known_by(mail: Mail) -> tuple[str, str]:
    """Return From and Subject, decoded."""
    entity = Entity(mail.data)
    found = ["".join(entity.header(name)[:1]) for name in ("from", "subject")]
    return found[0], found[1]


__all__ = ["Circumstances", "as_object", "decided", "instant", "known_by", "on_messages"]
