"""The commands of `mailhorn`, their options and their help.

Rule: nothing is imported here that a command may not need; `mailhorn --help` and completion stay quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from .failure import explain

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Settings file (TOML). Default: the first that exists of $MAILHORN_SERVE_CONFIG (or _WATCH_), "
        "~/.config/mailhorn and /etc/mailhorn, serve.toml or watch.toml.",
    ),
]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print an annotated settings file and exit.")]

app = typer.Typer(
    name="mailhorn",
    help="Instant mail: a server that pushes within a millisecond, and a watcher that is never deaf.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
accounts = typer.Typer(
    help="Who may log in and receive mail. Works while the server runs.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(accounts, name="account")


def main() -> None:
    """Run the command line; what is expected to go wrong ends in one line, never in a traceback."""
    try:
        app(prog_name="mailhorn")
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        print(f"mailhorn: {failure}", file=sys.stderr)
        raise SystemExit(failure.code) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mailhorn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that come before any command."""


@app.command()
def serve(config: Config = None, print_config: PrintConfig = False) -> None:
    """
    Run the mail server: SMTP and LMTP in, IMAP out, every idle client told at once.

    Needs no settings and no root. Says how to connect a mail client, and stops on Ctrl-C or SIGTERM.

    \b
    Examples:
      mailhorn account add ann        first make an account,
      mailhorn serve                  then serve it
      mailhorn serve --print-config > ~/.config/mailhorn/serve.toml
    """
    from . import serve as command

    if print_config:
        command.print_example()
    else:
        command.serve(config)


@app.command()
def watch(config: Config = None, print_config: PrintConfig = False) -> None:
    """
    Watch IMAP accounts anywhere and file new mail by Sieve rules the moment it arrives.

    \b
    Examples:
      mailhorn watch --print-config > ~/.config/mailhorn/watch.toml    edit this,
      mailhorn watch                                                   then run
    """
    from . import watch as command

    if print_config:
        command.print_example()
    else:
        command.watch(config)


@app.command()
def demo(
    once: Annotated[
        int | None,
        typer.Option(
            "--once", min=1, metavar="N", help="Send N messages, print a summary in JSON; exit 0 if all arrived."
        ),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.0, help="Seconds between two messages.")] = 1.0,
) -> None:
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


@accounts.command("add")
def account_add(
    login: Annotated[str, typer.Argument(help="As ann or ann@example.org.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
    config: Config = None,
) -> None:
    """
    Make an account; asks for its password.

    \b
    Examples:
      mailhorn account add ann
      pass show ann | mailhorn account add ann@example.org --password-stdin
    """
    from . import account as command

    command.add(config, login, password_stdin)


@accounts.command("passwd")
def account_passwd(
    login: Annotated[str, typer.Argument(help="Whose password.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
    config: Config = None,
) -> None:
    """Give an account a new password."""
    from . import account as command

    command.passwd(config, login, password_stdin)


@accounts.command("list")
def account_list(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    config: Config = None,
) -> None:
    """List all accounts with their number of messages and octets."""
    from . import account as command

    command.list_all(config, as_json)


@accounts.command("remove")
def account_remove(
    login: Annotated[str, typer.Argument(help="Which account.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Remove an account and all its mail."""
    from . import account as command

    command.remove(config, login, yes)


@accounts.command("import")
def account_import(
    file: Annotated[Path, typer.Argument(help="CSV file, UTF-8: login,password; a header line is fine.")],
    config: Config = None,
) -> None:
    """
    Make many accounts at once from a CSV file; all or none of them.

    A password may be an argon2 hash ($argon2id$...), which is taken as it is. Logins that exist stay as they are.

    \b
    Example:
      mailhorn account import people.csv
    """
    from . import account as command

    command.import_csv(config, file)
