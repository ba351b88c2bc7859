"""Puts the watcher together as the settings want it. Apart from `wire`: who serves need not carry the watcher about."""

import os
import shlex
import subprocess
from pathlib import Path

from ..sieve import Program
from ..watch.account import Security, WatchAccount
from ..watch.facts import install
from ..watch.supervisor import Watcher
from .find import ConfigError, state_folder
from .rules import rules_of
from .settings import AccountSettings, WatchSettings

PASSWORD_COMMAND_LIMIT = 60
"""Seconds a password command may take: a person may have to unlock a key ring."""

_SECURITY = {"tls": Security.IMPLICIT, "starttls": Security.STARTTLS, "none": Security.NONE}


def build_watcher(settings: WatchSettings) -> Watcher:
    """
    Return the watcher; call in its event loop. Passwords are read, and password commands run, here and now.

    Raises:
        ConfigError: An account's settings contradict each other, or its password or rules cannot be had.
        TLSProblem: A list of trusted certificates cannot be used.

    """
    accounts = watched_accounts(settings)
    journal = journal_path(settings)
    try:
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"journal: {journal.parent} cannot be made: {error.strerror}") from error
    return Watcher(accounts, journal)


def journal_path(settings: WatchSettings) -> Path:
    """Return where the journal is. Raises ConfigError if there is no place for it."""
    return settings.journal or state_folder(os.environ, os.geteuid() == 0) / "watch.sqlite"


def control_path(settings: WatchSettings) -> Path:
    """Return the socket at which a running watcher answers: beside its journal. Raises ConfigError."""
    journal = journal_path(settings)
    return journal.with_name(f"{journal.name}.control")


def watched_accounts(settings: WatchSettings) -> list[WatchAccount]:
    """
    Return the accounts, all of them checked. Passwords are read, and password commands run, here and now.

    Raises:
        ConfigError: An account's settings contradict each other, or its password or rules cannot be had.

    """
    names = [account.name for account in settings.account]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two accounts are called {name!r}; give each its own name")
    return [_watched(account) for account in settings.account]


def _watched(account: AccountSettings) -> WatchAccount:
    who = f"account {account.name!r}"
    if account.encryption == "none" and not _is_loopback(account.host):
        raise ConfigError(f"{who}: without encryption only a server on this machine; set encryption to tls or starttls")
    texts: list[str] = []

    def installed(text: str) -> Program:
        texts.append(text)
        return install(text)

    rules = installed("keep;") if account.rules is None else rules_of(account.rules, f"{who}: rules", installed)
    return WatchAccount(
        name=account.name,
        host=account.host,
        port=account.port or (993 if account.encryption == "tls" else 143),
        user=account.user,
        password=password_of(account),
        program=rules,
        tls=_SECURITY[account.encryption],
        ca_file=account.ca,
        verify=account.verify,
        mailboxes=account.mailboxes,
        create_mailboxes=account.create_mailboxes,
        backlog=account.backlog,
        discard_deletes=account.discard == "delete",
        trash=account.trash,
        idle_renewal=account.idle_renewal,
        connections=account.connections,
        brake=account.brake,
        brake_at_least=account.brake_at_least,
        source=texts[0],
    )


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def password_of(account: AccountSettings) -> str:
    """Return the account's password, wherever the settings say it is. Raises ConfigError, never with the password."""
    who = f"account {account.name!r}"
    given = [account.password, account.password_file, account.password_command]
    if sum(way is not None for way in given) != 1:
        raise ConfigError(f"{who}: set one of password, password_file and password_command")
    if account.password is not None:
        return account.password.reveal()
    if account.password_file is not None:
        try:
            text = account.password_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"{who}: password_file {account.password_file} cannot be read: {reason}") from error
    else:
        text = _printed(who, account.password_command or ())
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise ConfigError(f"{who}: the password is empty")
    return password


def _printed(who: str, command: tuple[str, ...]) -> str:
    shown = shlex.join(command)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PASSWORD_COMMAND_LIMIT, check=False, text=True)
    except OSError as error:
        raise ConfigError(f"{who}: password_command {shown} cannot be run: {error.strerror}") from error
    except (subprocess.TimeoutExpired, UnicodeDecodeError, IndexError) as error:
        raise ConfigError(f"{who}: password_command {shown} printed nothing usable in time") from error
    if done.returncode != 0:
        raise ConfigError(f"{who}: password_command {shown} failed with exit code {done.returncode}")
    return done.stdout


__all__ = ["build_watcher", "control_path", "journal_path", "password_of", "watched_accounts"]
