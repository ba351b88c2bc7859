"""What a script that compiles may still get wrong: told to who puts it (RFC 5804 §2.6, WARNINGS).

Rule 1: a warning names its line, and is never a guess: what depends on a variable is not warned of. Rule 2: all of it
is one line without quotes: clients are known that lose their place when OK is followed by a literal (sievelib).
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence

from ...managesieve.limits import MAX_QUOTED
from ...model.mailbox import canonical_name
from ...sieve.errors import Source, printable
from ...sieve.parser import Command, Strings, Tag, parse

PLACED = frozenset({"create", "mailboxid", "specialuse"})
"""Tags of fileinto that make a missing mailbox no mistake: it is made, or another is meant."""


def advice(text: str, mailboxes: Collection[str], redirects: int) -> str:
    """
    Return warnings, "" for none.

    Args:
        text: A script that compiles.
        mailboxes: Those its owner has.
        redirects: How often a message may be redirected.

    """
    source = Source(text)
    said = ""
    for warning in _warnings(parse(source), source, frozenset(map(_plain, mailboxes)), redirects):
        longer = f"{said}; {warning}" if said else warning
        if len(longer.encode()) > MAX_QUOTED:
            break
        said = longer
    return said


def _warnings(commands: Sequence[Command], source: Source, mailboxes: frozenset[str], redirects: int) -> Iterator[str]:
    redirected = 0
    for command, after in _all(commands):
        line = source.line(command.start)
        if after is not None:
            yield f"line {line}: this is never reached, as line {source.line(after.start)} ends the script"
        if command.name == "redirect":
            redirected += 1
            if redirected == redirects + 1:
                yield f"line {line}: a message is redirected {redirects} times at most, this redirect might fail"
        if command.name == "fileinto" and (missing := _missing(command, mailboxes)):
            yield (
                f"line {line}: there is no mailbox {missing}; with require mailbox, fileinto :create makes it wherever "
                "the script runs"
            )


def _all(commands: Sequence[Command]) -> Iterator[tuple[Command, Command | None]]:
    """Return each command, and the one before it in its block that stops, once."""
    stopped: Command | None = None
    for number, command in enumerate(commands):
        yield command, stopped if number and commands[number - 1] is stopped else None
        if command.block is not None:
            yield from _all(command.block)
        if command.name == "stop":
            stopped = command


def _missing(command: Command, mailboxes: frozenset[str]) -> str:
    """Return the mailbox a fileinto names that is not there, "" if it is or nobody can tell."""
    if any(isinstance(argument, Tag) and argument.name in PLACED for argument in command.arguments):
        return ""
    named = command.arguments[-1] if command.arguments else None
    if not isinstance(named, Strings) or "${" in named.values[0] or _plain(named.values[0]) in mailboxes:
        return ""
    return printable(named.values[0]).replace('"', "'").replace("\\", "/")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", canonical_name(name))


__all__ = ["advice"]
