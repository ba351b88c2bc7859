"""`mailhorn watch try`: what the rules would do to the mail that is there, without doing it."""

import json
import time
from collections import Counter
from pathlib import Path

from ...watch.judging import Verdict
from ...watch.looking import trying
from ..failure import CommandFailed
from ..table import shown, table
from ..when import local
from .accounts import NoMailbox, carry_out, chosen, settings_of, with_mailboxes
from .progress import Bar
from .told import rules, step_as_object, to_do

SHOWN = 200
"""Messages in the table; what they have in common is counted below it."""


def trial(
    config: Path | None,
    name: str | None,
    mailbox: str | None,
    file: Path | None,
    last: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """Judge the messages of the mailboxes and print what would be done."""
    one = chosen(settings_of(config), name, file)
    began = time.monotonic()
    judged: list[tuple[str, Verdict]] = []
    looked = 0
    missing: list[NoMailbox] = []
    for box in with_mailboxes(one.account, mailbox):
        verdicts: list[Verdict] = []
        with Bar(f"Judging {shown(box, 30)}") as bar:

            def counted(number: int, verdicts: list[Verdict] = verdicts, bar: Bar = bar) -> None:
                verdicts.clear()
                bar.total(number)

            def judge(verdict: Verdict, verdicts: list[Verdict] = verdicts, bar: Bar = bar) -> None:
                verdicts.append(verdict)
                bar.advance()

            try:
                carry_out(one.account, trying(box, last, counted, judge))
            except NoMailbox as error:  # the others are judged all the same
                missing.append(error)
        looked += len(verdicts)
        judged += [(box, verdict) for verdict in verdicts if every or verdict.steps or verdict.trouble]
    if as_json:
        for box, verdict in judged:
            print(json.dumps(_object(box, verdict), ensure_ascii=False))
    elif looked or not missing:
        _print(judged, looked, time.monotonic() - began)
    if missing:
        raise CommandFailed("; ".join(map(str, missing)))


def _print(judged: list[tuple[str, Verdict]], looked: int, seconds: float) -> None:
    rows = [
        (
            local(verdict.message.internal_date)[:16],
            f"{shown(box, 30)}/{verdict.message.uid}",
            shown(verdict.trouble or to_do(verdict.steps) or "nothing", 60),
            shown(rules(verdict.steps), 30),
            shown(verdict.message.sender, 30),
            shown(verdict.message.subject, 60),
        )
        for box, verdict in judged[-SHOWN:]
    ]
    if rows:
        print(table(("date", "message", "what would be done", "rule", "from", "subject"), rows))
    if len(judged) > SHOWN:
        print(f"These are the last {SHOWN} of {len(judged)}; --json tells of all.")
    counts = Counter((rules(verdict.steps), verdict.trouble or to_do(verdict.steps)) for _, verdict in judged)
    summary = [(f"{n:,}", shown(what or "nothing", 60), shown(rule, 40)) for (rule, what), n in counts.most_common(30)]
    if summary:
        print(table(("messages", "what would be done", "rule"), summary, right=(0,)), end="")
    touched = sum(bool(verdict.steps) for _, verdict in judged)
    print(f"{looked:,} messages in {seconds:.1f} s, {touched:,} of them would be touched. Nothing was changed.")


def _object(box: str, verdict: Verdict) -> dict[str, object]:
    message = verdict.message
    return {
        "mailbox": box,
        "uid": message.uid,
        "date": message.internal_date,
        "message_id": message.message_id,
        "from": message.sender,
        "subject": message.subject,
        "would": [step_as_object(step) for step in verdict.steps],
        "trouble": verdict.trouble,
    }
