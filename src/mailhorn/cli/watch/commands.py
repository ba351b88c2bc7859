"""The commands of `mailhorn watch`, their options and their help.

Rule: as in `cli.commands`, nothing is imported before it is needed.
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


@watch.command("test", short_help="Connect to an account, and say what would be done there.")
@click.argument("account")
@with_json
@with_config
@click.pass_context
def test(context: click.Context, account: str, as_json: bool, config: Path | None) -> None:
    """
    Connect to an ACCOUNT of the settings: can it be logged in to, what can its server do, what would the watcher do?

    Nothing is changed: mailboxes are opened read-only, and the journal is left alone. It may run beside the watcher.

    Exit status: 0 if the account can be watched, 1 if not.

    \b
    Examples:
      mailhorn watch test work
      mailhorn watch test work --json
    """
    from . import test as command

    command.test(_settings(context, config), account, as_json)


@watch.command("login", short_help="Log in to an account that wants tokens instead of a password.")
@click.argument("account")
@click.option(
    "--device/--browser",
    "on_device",
    default=None,
    help="On any other device, or in a browser on this machine. Default: the browser, if the provider has both.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where the browser comes back to. Default: any.")
@click.option("--open/--no-open", "opens", default=True, help="Open the browser, too. Default: yes.")
@with_config
@click.pass_context
def login(
    context: click.Context, account: str, on_device: bool | None, port: int, opens: bool, config: Path | None
) -> None:
    """
    Get the first access token of an ACCOUNT with oauth_client_id; the watcher renews it from then on.

    A running watcher that has given the account up takes the token at the next SIGHUP.

    \b
    Examples:
      mailhorn watch login work
      mailhorn watch login work --device
      ssh -L 8400:localhost:8400 server mailhorn watch login work --port 8400 --no-open
    """
    from . import login as command

    command.login(_settings(context, config), account, on_device, port, opens)


with_account = click.option("--account", "-a", "name", metavar="NAME", help="The account; needed if there are several.")
with_mailbox = click.option("--mailbox", "-m", metavar="NAME", help="The mailbox. Default: those that are watched.")
with_rules = click.option(
    "--rules",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Other rules than those in the settings, say new ones.",
)


@watch.command("explain", short_help="Which tests matched a message, line by line?")
@click.argument("message")
@with_account
@with_mailbox
@with_rules
@with_json
@with_config
@click.pass_context
def explain(
    context: click.Context,
    message: str,
    name: str | None,
    mailbox: str | None,
    file: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Say what the rules make of MESSAGE: every test that was asked, its line and its answer; and what was done to it.

    MESSAGE is its UID (123, Lists/123, or work/Lists/123 of the account work), as `mailhorn watch log` shows it, or its
    Message-ID. It is looked for in the watched mailbox, and then where the watcher has put it. Nothing is changed.

    \b
    Examples:
      mailhorn watch explain 4711
      mailhorn watch explain '<1234@example.org>' --rules new.sieve
    """
    from . import explain as command

    command.explain(_settings(context, config), message, name, mailbox, file, as_json)


@watch.command("try", short_help="What would the rules do to the mail that is there?")
@with_account
@with_mailbox
@with_rules
@click.option("--last", "-n", type=click.IntRange(min=1), help="Only so many messages, the newest. Default: all.")
@click.option("--all", "every", is_flag=True, help="Also those that stay as they are.")
@with_json
@with_config
@click.pass_context
def try_(
    context: click.Context,
    name: str | None,
    mailbox: str | None,
    file: Path | None,
    last: int | None,
    every: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Run the rules over the mail that is there, and say what they would do. Nothing is changed, not even marked as read.

    \b
    Examples:
      mailhorn watch try --rules new.sieve
      mailhorn watch try --mailbox Archive --last 1000
    """
    from . import trial as command

    command.trial(_settings(context, config), name, mailbox, file, last, every, as_json)


with_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@watch.command("undo", short_help="Take back what was done.")
@click.option("--last", "-n", type=click.IntRange(min=1), help="What was done to so many messages, the latest.")
@click.option("--rule", metavar="NAME", help="What this rule did.")
@click.option("--since", type=When(), metavar="WHEN", help="What was done since: 2h, 3d, 14:30, 2026-11-22.")
@click.option("--account", "-a", "name", metavar="NAME", help="Only of this account.")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be undone.")
@with_yes
@with_json
@with_config
@click.pass_context
def undo(
    context: click.Context,
    last: int | None,
    rule: str | None,
    since: float | None,
    name: str | None,
    dry: bool,
    yes: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Take back what was done to messages: they go back where they were, flags they got are taken off, copies are deleted.

    What you have done yourself since then stays: a message that you have read stays read, one that you have moved on is
    left alone. The watcher may run meanwhile; it leaves alone what comes back. What was deleted for good (discard =
    "delete") cannot be undone. Exit status: 0 if all was undone, 1 if not.

    \b
    Examples:
      mailhorn watch undo --last 5 --dry-run
      mailhorn watch undo --rule Lists --since 2h
    """
    if last is None and rule is None and since is None:
        raise click.UsageError("say what: --last 10, --rule NAME or --since 2h")
    from ...watch.history import Wanted
    from . import undo as command

    wanted = Wanted(last=last, rule=rule, since=since, account=name)
    command.undo(_settings(context, config), wanted, yes, dry, as_json)


@watch.command("apply", short_help="File mail that was there before.")
@click.option("--backlog", is_flag=True, help="Yes: the rules are to act on old mail, too.")
@with_account
@with_mailbox
@with_yes
@with_json
@with_config
@click.pass_context
def apply(
    context: click.Context,
    backlog: bool,
    name: str | None,
    mailbox: str | None,
    yes: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    File the mail that is in the watched mailboxes by the rules as they are now; otherwise rules act on new mail only.

    Says first what would be done, and asks. The watcher may run meanwhile. It can be undone.

    \b
    Example:
      mailhorn watch apply --backlog --account work
    """
    if not backlog:
        raise click.UsageError("rules act on new mail only; to have them act on what is there: --backlog")
    from . import undo as command

    command.apply(_settings(context, config), name, mailbox, yes, as_json)


@watch.command("release", short_help="Do what the brake holds, or let it be.")
@click.option("--account", "-a", "name", metavar="NAME", help="Only of this account.")
@click.option("--rule", metavar="NAME", help="Only of this rule.")
@click.option("--drop", is_flag=True, help="Leave the messages where they are; the rule goes on with new mail.")
@with_yes
@with_json
@with_config
@click.pass_context
def release(
    context: click.Context,
    name: str | None,
    rule: str | None,
    drop: bool,
    yes: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """
    Do what the brake holds, or let it be (--drop). Then the rule goes on.

    A rule that takes more out of a mailbox within five minutes than `brake` in the settings allows is held: what it
    matches stays where it is until you say what is to become of it.

    \b
    Examples:
      mailhorn watch log --held
      mailhorn watch release --rule Lists
    """
    from . import undo as command

    command.release(_settings(context, config), name, rule, drop, yes, as_json)
