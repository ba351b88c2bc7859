"""The commands of `mailhorn sieve`, their options and their help.

Rule: as in `cli.commands`, nothing is imported before it is needed.
"""

from pathlib import Path

import click

from ..options import Commands, with_config, with_json
from ..when import When

FILE = click.Path(path_type=Path, allow_dash=True)


@click.group(cls=Commands, no_args_is_help=True, short_help="Check, try, format and convert rules.")
def sieve() -> None:
    """Rules in Sieve, before they are in force: check them, see what they would do, write them well, convert others."""


@sieve.command("check", short_help="Is a script right, and where can it run?")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@with_json
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """
    Say what is wrong with a script: file:line:column, the line itself, what was expected, what was probably meant.

    Of a script that is right it says which extensions it requires, and whether it can run at delivery (mailhorn serve)
    and on any IMAP account (mailhorn watch). `-` is standard input. Scripts that it includes are looked for beside it.

    Exit status: 0 if all scripts are right, 1 if one is not.

    \b
    Examples:
      mailhorn sieve check rules.sieve
      mailhorn sieve check --json *.sieve
    """
    from . import check as command

    command.check(files, as_json)


@sieve.command("test", short_help="What would a script do to messages, and why?")
@click.argument("script", type=FILE)
@click.argument("messages", nargs=-1, type=FILE, metavar="[MESSAGE]...")
@click.option("--mailbox", "-m", metavar="ACCOUNT/MAILBOX", help="A table of what it would do to a real mailbox.")
@click.option("--last", "-n", type=click.IntRange(min=1), help="Of a mailbox: only so many messages, the newest.")
@click.option("--all", "every", is_flag=True, help="Of a mailbox: also messages that stay as they are.")
@click.option("--envelope-from", "sender", metavar="ADDRESS", help="Who sent it. Default: Return-Path, or From.")
@click.option("--envelope-to", "recipient", metavar="ADDRESS", help="Who gets it. Default: Delivered-To, or To.")
@click.option("--now", type=When(), metavar="WHEN", help="What time it is: 14:30, 2026-11-22, '2026-11-22 14:30'.")
@click.option(
    "--mailbox-exists", "mailboxes", multiple=True, metavar="NAME", help="A mailbox that there is; repeat it."
)
@with_json
@with_config
def test(
    script: Path,
    messages: tuple[Path, ...],
    mailbox: str | None,
    last: int | None,
    every: bool,
    sender: str | None,
    recipient: str | None,
    now: float | None,
    mailboxes: tuple[str, ...],
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Run a SCRIPT on messages and say what it would do, and which tests led to that. Nothing is done, nothing is sent.

    MESSAGE is a file with one message, an mbox file, a Maildir folder, or `-` for standard input.

    With --mailbox it is run on the mail of an account of watch.toml, or of this machine's server. Only the header
    fields that it asks for are fetched; nothing is changed there.

    Exit status: 0, or 1 if the script does not compile or fails on a message.

    \b
    Examples:
      mailhorn sieve test rules.sieve message.eml
      mailhorn sieve test rules.sieve --envelope-to ann+lists@example.org - < message.eml
      mailhorn sieve test rules.sieve --mailbox work/INBOX --last 1000
    """
    if mailbox is not None:
        if messages:
            raise click.UsageError("either messages or --mailbox")
        if script == Path("-"):
            raise click.UsageError("with --mailbox the script must be a file")
        from . import mailbox as on_mailbox

        on_mailbox.test(script, mailbox, last, every, as_json, config)
        return
    from . import test as command

    if not messages:
        raise click.UsageError("say which messages: files, folders, `-`, or --mailbox ACCOUNT/MAILBOX")
    if script == Path("-") and Path("-") in messages:
        raise click.UsageError("only one of script and message can be standard input")
    command.on_messages(script, messages, command.Circumstances(sender, recipient, now, mailboxes), as_json)


@sieve.command("format", short_help="Write a script the way it is best read.")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--write", "-w", is_flag=True, help="Change the files.")
@click.option("--check", "only_check", is_flag=True, help="Only say which files would change; exit 1 if any would.")
def format_(files: tuple[Path, ...], write: bool, only_check: bool) -> None:
    """
    Print a script the one way that it is best read; its meaning and its comments stay. `-` is standard input.

    Exit status: 0, or 1 if a script cannot be read, or with --check if one would change.

    \b
    Examples:
      mailhorn sieve format rules.sieve
      mailhorn sieve format --write *.sieve
      mailhorn sieve format --check *.sieve
    """
    from . import format as command

    if write and only_check:
        raise click.UsageError("either --write or --check")
    command.format_files(files, write, only_check)


@sieve.command("convert", short_help="Make Sieve of the filters of Gmail, Thunderbird or procmail.")
@click.argument("kind", type=click.Choice(["gmail", "thunderbird", "procmail"]))
@click.argument("file", type=FILE)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@with_json
def convert(kind: str, file: Path, output: Path | None, as_json: bool) -> None:
    """
    Print the Sieve of a filter FILE; on standard error, what could not be said in Sieve.

    The same stands as comments where it is missing. A rule is never made to match more than it did: where a condition
    cannot be said, the rule is left out. What is printed always compiles.

    \b
    The files are
      gmail         mailFilters.xml: Settings, Filters and Blocked Addresses, Export
      thunderbird   msgFilterRules.dat, in the folder of the account in the profile
      procmail      .procmailrc

    \b
    Examples:
      mailhorn sieve convert gmail mailFilters.xml > rules.sieve
      mailhorn sieve convert thunderbird ~/.thunderbird/*.default/ImapMail/imap.example.org/msgFilterRules.dat
      mailhorn sieve convert procmail ~/.procmailrc -o rules.sieve
    """
    from . import convert as command

    command.convert(kind, file, output, as_json)
