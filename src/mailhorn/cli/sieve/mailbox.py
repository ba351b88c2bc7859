"""`mailhorn sieve test SCRIPT --mailbox ACCOUNT/MAILBOX`: what a script would do to a mailbox that is there.

Rule: an account of the watcher's is asked over IMAP, by the errand that `mailhorn watch try` is. Of this machine's
server the Maildir is read, as far as the script needs: the header, and the rest only if it looks into that.
"""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...config.find import ConfigError, serve_settings, watch_settings
from ...config.settings import WatchSettings
from ...config.wire import data_folder
from ...model.mailbox import INBOX, canonical_name
from ...sieve import Actions, Program
from ...sieve.questions import Structure
from ...store.names import InvalidName, folder_of, login_dir, mailbox_of
from ...watch.rules import RuleNames
from ..failure import WRONG, CommandFailed
from ..table import shown, table
from ..watch.progress import Bar
from ..when import local
from .mail import Circumstances, Mail
from .script import compiled
from .test import as_object, decided, instant, known_by
from .told import in_words

SHOWN = 200
"""Messages in the table; what they have in common is counted below it."""
_END_OF_HEADER = re.compile(rb"\n\r?\n")
HEADER = 256 * 1024
"""Octets read of a message if the script does not look into its body: the server reads no more of a header either."""


def test(script: Path, mailbox: str, last: int | None, every: bool, as_json: bool, config: Path | None) -> None:
    """Print what a script would do to the mail of an account of the watcher's, or of this machine's server."""
    program, names = compiled(script)
    settings = _watched(config)
    name, box = _split(mailbox, [] if settings is None else [account.name for account in settings.account])
    if settings is not None and name in [account.name for account in settings.account]:
        from ..watch.trial import trial

        trial(config, name, box or INBOX, script, last, every, as_json)
        return
    folder = _maildir(name, canonical_name(box or INBOX), None if settings is not None else config)
    if folder is None:
        known = ", ".join(account.name for account in settings.account) if settings is not None else ""
        raise CommandFailed(
            f"{mailbox}: there is no account {name}, neither in watch.toml ({known or 'none'}) nor on this machine",
            WRONG,
        )
    _try(program, names, folder, last, every, as_json)


def _watched(config: Path | None) -> WatchSettings | None:
    """Return the watcher's settings; None if the file is the server's. Raises ConfigError if it is neither's."""
    try:
        return watch_settings(config)[0]
    except ConfigError:
        if config is None:
            raise
        try:
            serve_settings(config)
        except ConfigError:
            pass
        else:
            return None
        raise


def _split(mailbox: str, names: list[str]) -> tuple[str, str]:
    """Return account and mailbox of ACCOUNT/MAILBOX; there may be a slash in either."""
    for name in sorted(names, key=len, reverse=True):
        if mailbox == name or mailbox.startswith(f"{name}/"):
            return name, mailbox[len(name) + 1 :]
    name, _, box = mailbox.partition("/")
    return name, box


def _maildir(login: str, box: str, config: Path | None) -> Path | None:
    """Return the Maildir of a mailbox of this machine's server, None if it has no such account."""
    home = data_folder(serve_settings(config)[0]) / "mail" / login_dir(login)
    if not home.is_dir():
        return None
    folder = home / folder_of(box)
    if not (folder / "cur").is_dir():
        raise CommandFailed(f"{login} has no mailbox {shown(box)}")
    return folder


@dataclass(frozen=True, slots=True)
class _Judged:
    """A message, and what the script would do to it."""

    mail: Mail
    date: float
    actions: Actions
    problem: str

    def words(self, names: RuleNames) -> str:
        """Return what would be done, in a few words; "" if it would stay as it is."""
        plain = not self.actions.steps and not self.actions.edits and not self.actions.implicit_flags
        told = (
            "" if plain else ", ".join(words.rpartition("  (")[0] or words for words in in_words(self.actions, names))
        )
        return self.problem or told


def _try(program: Program, names: RuleNames, folder: Path, last: int | None, every: bool, as_json: bool) -> None:
    began = time.monotonic()
    now = instant(time.time())
    mailboxes = Circumstances(mailboxes=tuple(_mailboxes(folder)))
    whole = any(isinstance(question, Structure) for question in program.questions)
    seen: set[tuple[str, str]] = set()
    judged: list[_Judged] = []
    looked = 0
    with Bar(f"Judging {shown(folder.name, 30)}") as bar:
        files = sorted(_files(folder))
        files = files[-last:] if last else files
        bar.total(len(files))
        for date, path in files:
            mail = _mail(path, whole)
            bar.advance()
            if mail is None:
                continue
            looked += 1
            actions, problem = decided(program, mail, mailboxes, now, seen)
            one = _Judged(mail, date, actions, problem)
            if every or one.words(names):
                judged.append(one)
    if as_json:
        for one in judged:
            print(json.dumps(as_object(one.mail, one.actions, one.problem, names), ensure_ascii=False))
    else:
        _print(judged, names, looked, time.monotonic() - began)


def _files(folder: Path) -> Iterator[tuple[float, Path]]:
    """Yield the messages' files with their times; what goes meanwhile is passed over."""
    for name in ("cur", "new"):
        for path in (folder / name).iterdir() if (folder / name).is_dir() else ():
            try:
                yield path.stat().st_mtime, path
            except OSError:
                continue


def _mail(path: Path, whole: bool) -> Mail | None:
    """Return a message, None if it went meanwhile. If only its header is read, it has its size nevertheless."""
    try:
        with path.open("rb") as file:
            data = file.read(-1 if whole else HEADER)
            size = os.fstat(file.fileno()).st_size
            end = None if whole else _END_OF_HEADER.search(data)
            return Mail(path.name, data[: end.end()] if end else data, size=size)
    except OSError:
        return None


def _mailboxes(folder: Path) -> Iterator[str]:
    """Yield the account's mailboxes."""
    home = folder if not folder.name.startswith(".") else folder.parent
    for path in home.iterdir():
        if path.name.startswith(".") and (path / "cur").is_dir():
            try:
                yield mailbox_of(path.name)
            except InvalidName:
                continue


def _print(judged: list[_Judged], names: RuleNames, looked: int, seconds: float) -> None:
    rows = []
    for one in judged[-SHOWN:]:
        sender, subject = known_by(one.mail)
        what, rule = shown(one.words(names) or "nothing", 60), shown(_rule(one, names), 30)
        rows.append((local(one.date)[:16], what, rule, shown(sender, 30), shown(subject, 60)))
    if rows:
        print(table(("date", "what would be done", "rule", "from", "subject"), rows))
    if len(judged) > SHOWN:
        print(f"These are the last {SHOWN} of {len(judged)}; --json tells of all.")
    counts = Counter((_rule(one, names), one.words(names)) for one in judged)
    summary = [(f"{n:,}", shown(what or "nothing", 60), shown(rule, 40)) for (rule, what), n in counts.most_common(30)]
    if summary:
        print(table(("messages", "what would be done", "rule"), summary, right=(0,)), end="")
    touched = sum(bool(one.words(names)) for one in judged)
    print(f"{looked:,} messages in {seconds:.1f} s, {touched:,} of them would be touched. Nothing was changed.")


def _rule(one: _Judged, names: RuleNames) -> str:
    """Return whose doing it is."""
    lines = [step.line for step in one.actions.steps]
    if not lines and one.words(names) and not one.problem:
        lines = [matched.line for matched in one.actions.trace if matched.result][-1:]
    return ", ".join(dict.fromkeys(names.at(line) for line in lines if line))


__all__ = ["test"]
