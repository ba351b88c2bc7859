"""`mailhorn account`: makes, lists and removes accounts, one by one or thousands at once.

Passwords come from a prompt, from standard input or from a file, never from the command line, where every user of
the machine could read them. All this works beside a running server: both write the same SQLite file.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..config.find import serve_settings
from ..config.settings import Log, ServeSettings
from ..config.wire import adopt_maildir, data_folder, forget_account, open_accounts, script_book
from ..model.mailbox import Account
from ..server.accounts import normal_login
from ..server.credential import is_stored, iterations_of
from ..server.passwords import BULK_ITERATIONS, MAX_PASSWORD, check_hash, hash_many, hash_password
from ..store.abc import Index
from .failure import WRONG, CommandFailed
from .logs import set_up
from .loop import run
from .people import read_people


def add(config: Path | None, login: str, password_stdin: bool) -> None:
    """Make an account."""
    settings = settings_of(config)
    name = login_of(login)
    stored = _hashed(_password(password_stdin), settings)

    async def work() -> None:
        async with open_accounts(settings) as index:
            if not await index.add_accounts([(name, stored)]):
                raise CommandFailed(
                    f"{name} is there already; change its password with: mailhorn account passwd {name}"
                )

    run(work())
    print(f"Added {name}.{_where(settings)}")


def passwd(config: Path | None, login: str, password_stdin: bool) -> None:
    """Give an account a new password."""
    settings = settings_of(config)
    name = login_of(login)

    async def find() -> Account:
        async with open_accounts(settings) as index:
            return await existing(index, name, settings)

    account = run(find())  # before the question, so that nobody types a password for nothing
    stored = _hashed(_password(password_stdin), settings)

    async def change() -> None:
        async with open_accounts(settings) as index:
            await index.set_password_hash(account.id, stored)

    run(change())
    print(f"Changed the password of {name}.")


def list_all(config: Path | None, as_json: bool) -> None:
    """Print all accounts."""
    settings = settings_of(config)

    async def work() -> list[tuple[str, int, int, int]]:
        async with open_accounts(settings) as index:
            rows = []
            for account in await index.accounts():
                mailboxes = await index.mailboxes(account.id)
                messages, octets = sum(box.messages for box in mailboxes), sum(box.size for box in mailboxes)
                rows.append((account.login, len(mailboxes), messages, octets))
            return rows

    rows = run(work())
    if as_json:
        for row in rows:
            print(json.dumps(dict(zip(("login", "mailboxes", "messages", "octets"), row, strict=True))))
        return
    width = max([len("login"), *(len(row[0]) for row in rows)])
    print(f"{'login':<{width}}  {'mailboxes':>9}  {'messages':>9}  {'octets':>15}")
    for login, mailboxes, messages, octets in rows:
        print(f"{login:<{width}}  {mailboxes:>9}  {messages:>9}  {octets:>15,}")
    print(f"{_count(len(rows))}.{_where(settings)}", file=sys.stderr)


def remove(config: Path | None, login: str, yes: bool) -> None:
    """Remove an account, its mail and its rules."""
    settings = settings_of(config)
    name = login_of(login)

    async def find() -> tuple[Account, int]:
        async with open_accounts(settings) as index:
            account = await existing(index, name, settings)
            return account, sum(mailbox.messages for mailbox in await index.mailboxes(account.id))

    account, messages = run(find())
    if not yes and not click.confirm(f"Remove {name} and its {messages} messages for good?"):
        raise CommandFailed("nothing was removed")

    async def work() -> None:
        async with open_accounts(settings) as index:
            script_book(settings, data_folder(settings)).forget(name)
            await forget_account(settings, name)
            await index.remove_account(account.id)

    run(work())
    print(f"Removed {name} and its {messages} messages.")


def import_csv(config: Path | None, file: Path, scram: bool) -> None:
    """Make all accounts of a CSV file, or none; with keys for SCRAM if wanted, unless the settings want none at all."""
    settings = settings_of(config)
    iterations = BULK_ITERATIONS if scram and settings.sasl.scram != "never" else 0
    people = read_people(file, _check)

    async def there() -> set[str]:
        async with open_accounts(settings) as index:
            return {account.login for account in await index.accounts()}

    known = run(there())  # whose passwords need not be hashed
    total = len(people)
    people = [(login, password) for login, password in people if login not in known]
    stored = _hash_all([password for _, password in people], iterations)

    async def work() -> int:
        async with open_accounts(settings) as index:
            logins = [login for login, _ in people]
            return await index.add_accounts(list(zip(logins, stored, strict=True)))

    new = run(work())
    old = total - new
    print(
        f"Imported {_count(new)}"
        + (f", left {old} that were there as they are" if old else "")
        + f".{_where(settings)}"
    )
    without = sum(not iterations_of(kept) for kept in stored)
    if without and settings.sasl.scram == "auto":
        print(
            f"mailhorn: {_count(without)} without keys for SCRAM: it is offered to nobody until they have logged in "
            'with their passwords; to offer it nevertheless, set sasl.scram to "always"',
            file=sys.stderr,
        )


def adopt(config: Path | None, login: str, maildir: Path, password_stdin: bool) -> None:
    """Make an account of a Maildir, with the UIDs that Dovecot or mbsync recorded in it."""
    settings = settings_of(config)
    name = login_of(login)
    stored = _hashed(_password(password_stdin), settings)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Adopting", total=None)
        adoption = run(
            adopt_maildir(
                settings, name, stored, maildir, lambda done, total: bar.update(task, completed=done, total=total)
            )
        )
    for remark in adoption.remarks:
        print(f"mailhorn: {remark}", file=sys.stderr)
    messages = f"{adoption.messages} message{'' if adoption.messages == 1 else 's'}"
    boxes = f"{adoption.mailboxes} mailbox{'' if adoption.mailboxes == 1 else 'es'}"
    print(f"Adopted {name}: {messages} in {boxes}, {adoption.kept} with the UIDs they had.{_where(settings)}")


def _hash_all(passwords: Sequence[str], iterations: int) -> list[str]:
    """Return the hashes, the ready-made ones as they are; shows on a terminal how far it is."""
    plain: list[str | bytes] = [password for password in passwords if not is_stored(password)]
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Hashing passwords", total=len(plain))
        hashed = iter(hash_many(plain, progress=lambda done: bar.update(task, completed=done), iterations=iterations))
    return [password if is_stored(password) else next(hashed) for password in passwords]


def _check(login: str, password: str) -> str:
    """Return the login as it is stored. Raises ValueError with what is wrong with either."""
    name = normal_login(login)
    if is_stored(password):
        try:
            check_hash(password)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    elif len(password.encode()) > MAX_PASSWORD or "\0" in password:
        raise ValueError(f"{name}: a password has 1 to {MAX_PASSWORD} octets and no NUL")
    return name


def settings_of(config: Path | None) -> ServeSettings:
    """Return the settings, and have only warnings logged."""
    settings, _ = serve_settings(config)
    set_up(Log(level="warning", format=settings.log.format))
    return settings


def login_of(login: str) -> str:
    """Return the login as it is stored. Raises CommandFailed."""
    try:
        return normal_login(login)
    except ValueError as error:
        raise CommandFailed(str(error), WRONG) from error


def _hashed(password: str, settings: ServeSettings) -> str:
    try:
        return hash_password(
            password, iterations=0 if settings.sasl.scram == "never" else settings.sasl.scram_iterations
        )
    except ValueError as error:
        raise CommandFailed(str(error), WRONG) from error


def _password(from_stdin: bool) -> str:
    """Return the password, asked for twice or read from the first line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandFailed("no terminal to ask for the password; give it with --password-stdin", WRONG)
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer


async def existing(index: Index, name: str, settings: ServeSettings) -> Account:
    """Return the account of that login. Raises CommandFailed."""
    account = await index.account(name)
    if account is None:
        raise CommandFailed(f"there is no account {name} in {data_folder(settings)}; see: mailhorn account list")
    return account


def _count(number: int) -> str:
    return f"{number} account{'' if number == 1 else 's'}"


def _where(settings: ServeSettings) -> str:
    return f" Data: {data_folder(settings)}"
