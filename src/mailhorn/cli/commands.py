"""The commands of `mailhorn`, their options and their help.

Rule: nothing is imported here that a command may not need; `mailhorn --help` and completion stay quick.
"""

from pathlib import Path
from typing import Any

import click

from .. import __version__
from .main import run_server
from .options import CONTEXT, Commands, with_config, with_json, with_print_config
from .sieve.commands import sieve
from .watch.commands import watch

with_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version, and whether the hot modules are compiled."""
    if not wanted or ctx.resilient_parsing:
        return
    from ..imap import framing

    click.echo(f"mailhorn {__version__}" + ("" if framing.__file__.endswith(".py") else ", compiled"))
    ctx.exit()


@click.group(cls=Commands, context_settings=CONTEXT, no_args_is_help=True)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Print the version and exit; says whether the hot modules are compiled.",
)
def app() -> None:
    """Instant mail: a server that pushes within a millisecond, and a watcher that is never deaf."""


@app.command(short_help="Run the mail server.")
@with_config
@with_print_config
def serve(config: Path | None, print_config: bool) -> None:
    """
    Run the mail server: SMTP and LMTP in, IMAP out, every idle client told at once.

    Needs no settings and no root. Says how to connect a mail client, and stops on Ctrl-C or SIGTERM.

    \b
    Examples:
      mailhorn account add ann        first make an account,
      mailhorn serve                  then serve it
      mailhorn serve --print-config > ~/.config/mailhorn/serve.toml
    """
    if print_config:
        from . import serve as command

        command.print_example()
    else:
        run_server(config)


app.add_command(watch)
app.add_command(sieve)


@app.command(short_help="Watch mail travel, in milliseconds.")
@click.option(
    "--once",
    type=click.IntRange(min=1),
    metavar="N",
    help="Send N messages, print a summary in JSON; exit 0 if all arrived.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two messages.",
)
def demo(once: int | None, interval: float) -> None:
    """
    Watch mail travel: accepted, durable, pushed to an idle client, filed by a rule, each in milliseconds.

    Everything is made up and made in a temporary folder: a server on free ports, an account, an IMAP client, a
    watcher with a rule. Ends with Ctrl-C.

    \b
    Examples:
      mailhorn demo
      mailhorn demo --once 20
    """
    from . import demo as command

    command.demo(once, interval)


@app.group(cls=Commands, no_args_is_help=True)
def account() -> None:
    """Who may log in and receive mail. Works while the server runs."""


@account.command("add")
@click.argument("login")
@with_password_stdin
@with_config
def account_add(login: str, password_stdin: bool, config: Path | None) -> None:
    """
    Make an account, LOGIN as ann or ann@example.org; asks for its password.

    \b
    Examples:
      mailhorn account add ann
      pass show ann | mailhorn account add ann@example.org --password-stdin
    """
    from . import account as command

    command.add(config, login, password_stdin)


@account.command("passwd")
@click.argument("login")
@with_password_stdin
@with_config
def account_passwd(login: str, password_stdin: bool, config: Path | None) -> None:
    """Give an account a new password."""
    from . import account as command

    command.passwd(config, login, password_stdin)


@account.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_config
def account_list(as_json: bool, config: Path | None) -> None:
    """List all accounts with their number of messages and octets."""
    from . import account as command

    command.list_all(config, as_json)


@account.command("remove")
@click.argument("login")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@with_config
def account_remove(login: str, yes: bool, config: Path | None) -> None:
    """Remove an account and all its mail."""
    from . import account as command

    command.remove(config, login, yes)


@account.command("share")
@click.argument("owner")
@click.argument("mailbox")
@click.argument("who", required=False)
@click.argument("rights", required=False)
@with_config
def account_share(owner: str, mailbox: str, who: str | None, rights: str | None, config: Path | None) -> None:
    """
    Say who else may use a MAILBOX of OWNER, or let WHO have other RIGHTS: read, write, all, none, or letters.

    WHO is a login or `anyone`. Mail clients show the mailbox to them below "Other Users". The letters are those of
    RFC 4314: l see it, r read, s mark as read, w set other flags, i put mail in, p post, k make mailboxes below it,
    x delete it, t mark as deleted, e expunge, a share it with others.

    \b
    Examples:
      mailhorn account share ann Projects              who may use it
      mailhorn account share ann Projects bob write    bob may read, write and delete there
      mailhorn account share ann Projects bob none     not any more
    """
    from . import share as command

    if who is not None and rights is None:
        raise click.UsageError("say which rights: read, write, all, none, or letters")
    command.share(config, owner, mailbox, who, rights)


@account.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--scram/--no-scram", default=True, help="Make keys for SCRAM, too. It takes four times as long. Default: yes."
)
@with_config
def account_import(file: Path, scram: bool, config: Path | None) -> None:
    """
    Make many accounts at once from a CSV file, a line `login,password` each; all or none of them.

    The file is UTF-8; a header line is fine.

    A password may be an argon2 hash ($argon2id$...), keys for SCRAM as Dovecot writes them ({SCRAM-SHA-256}...), or
    both with a space between them; they are taken as they are. Logins that exist stay as they are.

    \b
    Example:
      mailhorn account import people.csv
    """
    from . import account as command

    command.import_csv(config, file, scram)


@account.command("adopt")
@click.argument("login")
@click.argument("maildir", type=click.Path(path_type=Path))
@with_password_stdin
@with_config
def account_adopt(login: str, maildir: Path, password_stdin: bool, config: Path | None) -> None:
    """
    Make an account of a MAILDIR of Dovecot or mbsync, with its folders, flags, keywords and UIDs.

    The server must be stopped. The Maildir stays as it is: its files are linked, or copied where that is not possible.

    \b
    Examples:
      mailhorn account adopt ann /home/ann/Maildir
      mailhorn account adopt ann@example.org /var/vmail/example.org/ann --password-stdin < password
    """
    from . import account as command

    command.adopt(config, login, maildir, password_stdin)


@app.group(cls=Commands, no_args_is_help=True)
def queue() -> None:
    """What rules send, while it waits to leave. Works while the server runs, and without it."""


with_watcher = click.option("--watch", "watcher", is_flag=True, help="The queue of `mailhorn watch`, not the server's.")


@queue.command("list")
@with_watcher
@with_json
@with_config
def queue_list(watcher: bool, as_json: bool, config: Path | None) -> None:
    """
    List the letters: since when, when again, from and to whom, why, and what the smarthost said last.

    What has failed stays in the list for a week, and can be tried again.
    """
    from . import queue as command

    command.list_all(config, watcher, as_json)


@queue.command("show")
@click.argument("letter", type=click.IntRange(min=1))
@click.option("--message", is_flag=True, help="Print the message itself, as it is sent, and nothing else.")
@with_watcher
@with_json
@with_config
def queue_show(letter: int, message: bool, watcher: bool, as_json: bool, config: Path | None) -> None:
    """Show all about one LETTER, and its header."""
    from . import queue as command

    command.show(config, watcher, letter, message, as_json)


@queue.command("retry")
@click.argument("letters", nargs=-1, type=click.IntRange(min=1))
@with_watcher
@with_config
def queue_retry(letters: tuple[int, ...], watcher: bool, config: Path | None) -> None:
    """
    Send LETTERS now, or all: what waits, and what has failed.

    \b
    Examples:
      mailhorn queue retry         all, as after mending a setting
      mailhorn queue retry 12 15
    """
    from . import queue as command

    command.retry(config, watcher, letters)


@queue.command("delete")
@click.argument("letters", nargs=-1, required=True, type=click.IntRange(min=1))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@with_watcher
@with_config
def queue_delete(letters: tuple[int, ...], yes: bool, watcher: bool, config: Path | None) -> None:
    """Delete LETTERS; nobody is told."""
    from . import queue as command

    command.delete(config, watcher, letters, yes)


@app.command(short_help="Verify the store against the Maildirs, and repair it.")
@click.option("--repair", is_flag=True, help="Mend what is found; the server has to be stopped.")
@click.option("--account", "login", metavar="LOGIN", help="Only what is this one's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_config
def check(repair: bool, login: str | None, as_json: bool, config: Path | None) -> None:
    """
    Verify the index in itself and against the Maildirs; say in a line each what is wrong and what repair would do.

    A check changes nothing and may run beside the server. Exit status: 0 if all is well (now), 1 if not, 2 if the
    command is wrong.

    \b
    Examples:
      mailhorn check
      mailhorn check --account ann --json
      mailhorn check --repair
    """
    from . import check as command

    command.check(config, repair, login, as_json)


@app.command(short_help="Print completion for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """
    Print what teaches a shell to complete mailhorn's commands and options.

    \b
    Example:
      mailhorn completion bash > ~/.local/share/bash-completion/completions/mailhorn
    """
    from click.shell_completion import get_completion_class

    kind: Any = get_completion_class(shell)
    click.echo(kind(app, {}, "mailhorn", "_MAILHORN_COMPLETE").source())


@app.command(short_help="Draw what a running watcher or server does with the processor.")
@click.argument("program", required=False, type=click.Choice(["watch", "serve"]))
@click.option(
    "--seconds", "-s", type=click.FloatRange(0.1, 120), default=10.0, show_default=True, help="How long to look."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("mailhorn-profile.svg"),
    show_default=True,
    metavar="FILE",
    help="Where the flame graph goes; any browser shows it.",
)
@with_json
@with_config
def profile(program: str | None, seconds: float, output: Path, as_json: bool, config: Path | None) -> None:
    """
    Draw a flame graph of a running `mailhorn watch` or `mailhorn serve`, without restarting it.

    What is drawn is processor time, by thread: a box for each function, as wide as its share, upon what called it. Who
    waits is not in it. It is looked 200 times a second, which costs about a hundredth of a processor. Compiled modules
    (see `mailhorn --version`) show as their callers.

    \b
    Examples:
      mailhorn profile
      mailhorn profile serve --seconds 30 -o serve.svg
    """
    from .profile import command

    command.profile(program, config, seconds, output, as_json)
