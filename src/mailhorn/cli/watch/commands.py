"""The commands of `mailhorn watch`, their options and their help.

Rule: as in `cli.main`, nothing is imported before it is needed.
"""

from pathlib import Path

import click

from ..options import Commands, with_config, with_json, with_print_config
from ..when import When


@click.group(
    cls=Commands,
    invoke_without_command=True,
    short_help="File new mail of any IMAP account by rules; say what is done, try it, undo it.",
)
@with_config
@with_print_config
@click.pass_context
def watch(context: click.Context, config: Path | None, print_config: bool) -> None:
    """
    Watch IMAP accounts anywhere and file new mail by Sieve rules the moment it arrives.

    Without a command below it watches until Ctrl-C or SIGTERM, and takes changed settings while it runs.

    \b
    Examples:
      mailhorn watch --print-config > ~/.config/mailhorn/watch.toml    edit this,
      mailhorn watch                                                   then run
      mailhorn watch status                                            how is it?
    """
    if print_config:
        from . import run

        run.print_example()
        context.exit()
    context.obj = config
    if context.invoked_subcommand is None:
        from . import run

        run.watch(config)


def _settings(context: click.Context, config: Path | None) -> Path | None:
    """Return the settings file, wherever on the command line it was named."""
    given: Path | None = config if config is not None else context.obj
    return given


@watch.command("status", short_help="How is every session of the running watcher?")
@with_json
@with_config
@click.pass_context
def status(context: click.Context, as_json: bool, config: Path | None) -> None:
    """
    Say how the running watcher is: every session, its state and why, when the server was heard last.

    Wakeups are how often a session had something to do in a minute, of late. Push is "ok" as long as the server
    announces what comes; "unreliable" means that mail was found that it had not announced, so that it is looked at more
    often.

    Exit status: 0 if every session that is not parked is alive, 1 if not or if no watcher runs.

    \b
    Examples:
      mailhorn watch status
      mailhorn watch status --json
    """
    from . import status as command

    command.status(_settings(context, config), as_json)


@watch.command("log", short_help="What was done to which message, and by which rule?")
@click.option("--last", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="So many messages.")
@click.option("--since", type=When(), metavar="WHEN", help="What was done since: 2h, 3d, 14:30, 2026-11-22.")
@click.option("--rule", metavar="NAME", help="What this rule did.")
@click.option("--account", metavar="NAME", help="Of this account.")
@click.option("--message", "message_id", metavar="ID", help="The message with this Message-ID.")
@click.option("--held", is_flag=True, help="What the brake holds.")
@click.option("--all", "every", is_flag=True, help="Also messages that no rule wanted.")
@with_json
@with_config
@click.pass_context
def log(
    context: click.Context,
    last: int,
    since: float | None,
    rule: str | None,
    account: str | None,
    message_id: str | None,
    held: bool,
    every: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Say what was done to which message and by which rule, the latest last. Kept for 30 days.

    A rule is called by the last comment `# rule:[NAME]` above it in the script, or else by its line.

    \b
    Examples:
      mailhorn watch log
      mailhorn watch log --since 2h --rule Lists
      mailhorn watch log --message '<1234@example.org>' --json
    """
    from ...watch.history import Wanted
    from ...watch.ledger import ActionState
    from . import log as command

    wanted = Wanted(
        last=last,
        since=since,
        rule=rule,
        account=account,
        message_id=message_id,
        state=ActionState.HELD if held else None,
        untouched=every,
    )
    command.log(_settings(context, config), wanted, as_json)
