"""`mailhorn watch explain`: which tests of the rules matched a message, line by line."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ...config.watching import journal_path
from ...model.mailbox import canonical_name
from ...watch.history import Entry, Wanted, entries
from ...watch.journal import JournalError
from ...watch.judging import Verdict
from ...watch.ledger import ActionState
from ...watch.looking import explaining
from ..failure import CommandFailed
from ..table import shown, table
from ..when import local
from .accounts import Chosen, carry_out, chosen, settings_of
from .told import as_object, done, rules, step_as_object, to_do


def explain(
    config: Path | None, message: str, name: str | None, mailbox: str | None, file: Path | None, as_json: bool
) -> None:
    """Print what the rules say to a message, and what was done to it. Raises CommandFailed if it is nowhere."""
    settings = settings_of(config)
    if name is None:
        name, message = _of_account(message, [account.name for account in settings.account], journal_path(settings))
    one = chosen(settings, name, file)
    box, uid, message_id = _asked(message, one, mailbox)
    known = _known(one, box, uid, message_id)
    found: list[tuple[str, Verdict]] = []
    for place, number in _places(known, box, uid):
        verdicts: list[Verdict] = []
        carry_out(one.account, explaining(place, number, message_id, box, verdicts.append))
        if verdicts:
            found = [(place, verdicts[-1])]
            break
    if not found and not known:
        which = f"with the Message-ID {message_id}" if uid is None else str(uid)
        raise CommandFailed(f"there is no message {which} in {box}, and nothing is known of it")
    if as_json:
        print(json.dumps(_object(found, known), ensure_ascii=False))
        return
    if found:
        _print(*found[0], box)
    else:
        print("It is not there any more.")
    for entry in known:
        what = "; ".join(filter(None, (done(entry.doings), entry.trouble))) or "nothing"
        of = rules(doing.step for doing in entry.doings)
        print(f"{local(entry.recorded_at)}, as {entry.place.mailbox}/{entry.uid}: {what}" + (f" ({of})" if of else ""))


def _of_account(message: str, names: Sequence[str], journal: Path) -> tuple[str | None, str]:
    """Return the account that `work/INBOX/12` names, or of which the journal knows the Message-ID; and the rest."""
    first, slash, rest = message.partition("/")
    if slash and first in names and rest:
        return first, rest
    if "@" in message and journal.exists():
        known = entries(
            journal, Wanted(message_id=message if message.startswith("<") else f"<{message}>", untouched=True)
        )
        found = {entry.place.account for entry in known if entry.place.account in names}
        if len(found) == 1:
            return found.pop(), message
    return None, message


def _asked(message: str, one: Chosen, mailbox: str | None) -> tuple[str, int | None, str]:
    """Return mailbox, UID or None, and Message-ID or "", of what people write: `123`, `Lists/123`, `<id@host>`."""
    box, _, last = message.rpartition("/")
    home = canonical_name(mailbox or one.account.mailboxes[0])
    if "@" not in message and last.isascii() and last.isdigit() and 0 < len(last) < 11:
        return canonical_name(box) or home, int(last), ""
    return home, None, message if message.startswith("<") else f"<{message}>"


def _known(one: Chosen, box: str, uid: int | None, message_id: str) -> list[Entry]:
    """Return what the journal knows of it."""
    try:
        if uid is None:
            return entries(one.journal, Wanted(account=one.account.name, message_id=message_id, untouched=True))
        wanted = Wanted(account=one.account.name, mailbox=box, uid=uid, untouched=True)
        return entries(one.journal, wanted)[-1:]  # of the present epoch, if there was another one
    except JournalError as error:
        print(f"mailhorn: {error}", file=sys.stderr)
        return []


def _places(known: list[Entry], box: str, uid: int | None) -> list[tuple[str, int | None]]:
    """Return where to look: where it was asked for, then where we have put it."""
    moved = [
        (doing.step.target, doing.target[1] if doing.target else None)
        for entry in known
        for doing in entry.doings
        if doing.step.target and doing.state is ActionState.DONE
    ]
    return [(box, uid), *((place, number) for place, number in reversed(moved) if number is not None or uid is None)]


def _print(place: str, verdict: Verdict, home: str) -> None:
    message = verdict.message
    print(f"{place}/{message.uid}  {shown(message.sender, 50)}  {shown(message.subject, 80)}")
    tests = sorted(verdict.trace, key=lambda matched: matched.line)
    if tests:
        rows = [(str(t.line), "yes" if t.result else "no", shown(t.text, 100)) for t in tests]
        print(table(("line", "", "test"), rows, right=(0,)), end="")
    elif not verdict.trouble:
        print("No test was asked.")
    if verdict.trouble:
        print(f"It is left alone: {verdict.trouble}.")
    elif verdict.steps:
        print(f"In {home} the rules would now: {to_do(verdict.steps)} ({rules(verdict.steps)}).")
    else:
        print("The rules leave it as it is.")


def _object(found: list[tuple[str, Verdict]], known: list[Entry]) -> dict[str, object]:
    told: dict[str, object] = {"journal": [as_object(entry) for entry in known]}
    for place, verdict in found:
        message = verdict.message
        told |= {
            "mailbox": place,
            "uid": message.uid,
            "message_id": message.message_id,
            "from": message.sender,
            "subject": message.subject,
            "tests": [{"line": t.line, "test": t.text, "result": t.result} for t in verdict.trace],
            "would": [step_as_object(step) for step in verdict.steps],
            "trouble": verdict.trouble,
        }
    return told
