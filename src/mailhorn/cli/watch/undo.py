"""`mailhorn watch undo`, `apply` and `release`: what a person has done to mail by the watcher's means."""

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from ...config.watching import control_path, journal_path
from ...net.control import ControlError, ask
from ...watch.applying import applying, releasing
from ...watch.events import Filed
from ...watch.history import Entry, Wanted, entries
from ...watch.judging import Verdict
from ...watch.ledger import ActionState
from ...watch.looking import trying
from ...watch.undoing import Found, undoable, undoing
from ..failure import CANNOT, CommandFailed
from ..table import shown, table
from ..when import local
from .accounts import carry_out, chosen, settings_of, with_mailboxes
from .progress import Bar
from .told import as_object, done, rules, to_do

SHOWN = 20
"""Messages in the preview."""


def undo(config: Path | None, wanted: Wanted, yes: bool, dry: bool, as_json: bool) -> None:
    """Take back what was done. Ends with 1 if not all could be."""
    settings = settings_of(config)
    journal = journal_path(settings)
    last, wanted = wanted.last, replace(wanted, last=None, state=ActionState.DONE)
    found = [one for one in map(undoable, entries(journal, wanted)) if one is not None]
    found = found[-last:] if last else found
    if not found:
        raise CommandFailed("there is nothing that could be undone; see: mailhorn watch log")
    if not as_json:
        _preview(found)
    if dry:
        if as_json:
            _as_json(one.entry for one in found)
        return
    if not yes and not click.confirm(f"Undo what was done to {_messages(len(found))}?", err=True):
        raise CommandFailed("nothing was undone")
    for name in dict.fromkeys(one.entry.place.account for one in found):
        group = [one for one in found if one.entry.place.account == name]
        account = chosen(settings, name).account
        with Bar(f"Undoing, {shown(name, 30)}") as bar:
            bar.total(len(group))

            def undone(_: Filed, bar: Bar = bar) -> None:
                bar.advance()

            carry_out(account, undoing(group), journal, undone)
    after = {entry.number: entry for entry in entries(journal, Wanted())}
    left = [one.entry for one in found if one.entry.number in after and undoable(after[one.entry.number]) is not None]
    if as_json:
        _as_json(after.get(one.entry.number, one.entry) for one in found)
    else:
        print(f"{_messages(len(found) - len(left))} are as they were.")
    if left:
        _tell_left(left)
        raise SystemExit(CANNOT)


def _as_json(told: Iterable[Entry]) -> None:
    for entry in told:
        print(json.dumps(as_object(entry), ensure_ascii=False))


def _preview(found: list[Found]) -> None:
    rows = [
        (
            local(max(doing.changed_at for doing in one.entry.doings)),
            one.entry.place.account,
            f"{shown(one.entry.place.mailbox, 30)}/{one.entry.uid}",
            shown(done(one.entry.doings), 60),
            shown(rules(doing.step for doing in one.entry.doings), 30),
            shown(one.entry.subject or one.entry.message_id, 60),
        )
        for one in found[-SHOWN:]
    ]
    print(table(("when", "account", "message", "what was done", "rule", "subject"), rows), end="")
    if len(found) > SHOWN:
        print(f"and {_messages(len(found) - SHOWN)} before these.")


def _tell_left(left: list[Entry]) -> None:
    some = ", ".join(f"{shown(entry.place.mailbox, 30)}/{entry.uid}" for entry in left[:5])
    print(
        f"mailhorn: {_messages(len(left))} were not found where they had been put, and were left alone: {some}"
        + (" and others" if len(left) > 5 else ""),
        file=sys.stderr,
    )


def apply(config: Path | None, name: str | None, mailbox: str | None, yes: bool, as_json: bool) -> None:
    """File what is in the mailboxes by the rules as they are now."""
    one = chosen(settings_of(config), name)
    boxes = with_mailboxes(one.account, mailbox)
    if not yes:
        would: list[Verdict] = []
        for box in boxes:
            verdicts: list[Verdict] = []

            def counted(_: int, verdicts: list[Verdict] = verdicts) -> None:
                verdicts.clear()

            carry_out(one.account, trying(box, None, counted, verdicts.append, is_new=False))
            would += [verdict for verdict in verdicts if verdict.steps]
        if not would:
            raise CommandFailed("the rules would leave everything as it is")
        _count((rules(verdict.steps), to_do(verdict.steps)) for verdict in would)
        if not click.confirm(f"Do that to {_messages(len(would))}?", err=True):
            raise CommandFailed("nothing was done")
    filed: list[Filed] = []
    began = int(time.time())
    for box in boxes:
        with Bar(f"Filing {shown(box, 30)}") as bar:
            carry_out(one.account, applying(box, bar.total, bar.advance), one.journal, filed.append)
    failed = Wanted(account=one.account.name, since=began, state=ActionState.FAILED)
    refused = len(entries(one.journal, failed))
    if as_json:
        print(json.dumps({"filed": len(filed), "refused": refused}))
    else:
        back = f" To take it back: mailhorn watch undo --last {len(filed)}" if filed else ""
        print(f"{_messages(len(filed))} filed.{back}")
    if refused:
        raise CommandFailed(f"the server refused to file {_messages(refused)}; see: mailhorn watch log")


def release(config: Path | None, name: str | None, rule: str | None, drop: bool, yes: bool, as_json: bool) -> None:
    """Do what the brake holds, or let it be."""
    settings = settings_of(config)
    journal = journal_path(settings)
    held = entries(journal, Wanted(account=name, rule=rule, state=ActionState.HELD))
    if not held:
        raise CommandFailed("the brake holds nothing")
    if not as_json:
        _count((rules(doing.step for doing in entry.doings), done(entry.doings)) for entry in held)
    what = "Leave where they are" if drop else "Do that to"
    if not yes and not click.confirm(f"{what}: {_messages(len(held))}?", err=True):
        raise CommandFailed("nothing was done")
    filed: list[Filed] = []
    for place in dict.fromkeys(entry.place for entry in held):
        group = [(entry.uid_validity, entry.uid) for entry in held if entry.place == place]
        account = chosen(settings, place.account).account
        carry_out(account, releasing(place.mailbox, group, drop), journal, filed.append)
    with contextlib.suppress(ControlError):  # without a watcher the next one finds the letters
        ask(control_path(settings), "post")
    if as_json:
        print(json.dumps({"held": len(held), "filed": len(filed)}))
    else:
        print(f"{_messages(len(held))} stay where they are." if drop else f"{_messages(len(filed))} filed.")


def _count(pairs: Iterable[tuple[str, str]]) -> None:
    counts = Counter(pairs).most_common(SHOWN)
    rows = [(f"{number:,}", shown(what, 60), shown(rule, 40)) for (rule, what), number in counts]
    print(table(("messages", "what", "rule"), rows, right=(0,)), end="")


def _messages(number: int) -> str:
    return f"{number:,} message" + ("" if number == 1 else "s")
