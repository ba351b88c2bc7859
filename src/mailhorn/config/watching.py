"""Puts the watcher together as the settings want it. Apart from `wire`: who serves need not carry the watcher about."""

import os
from pathlib import Path

from ..net.webhook import checked
from ..sieve import Program
from ..watch.account import Security, WatchAccount
from ..watch.facts import install
from ..watch.hooks import Hook, Hooks
from ..watch.providers import provider_of
from ..watch.supervisor import Watcher
from .credentials import password_of, token_source_of
from .find import ConfigError, state_folder
from .rules import rules_of
from .settings import AccountSettings, WatchSettings

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


def hooks_of(settings: WatchSettings) -> Hooks:
    """
    Return what is run for new messages, or told of them; call in its event loop.

    Raises:
        ConfigError: One of them cannot be.

    """
    hooks: list[Hook] = []
    for one in settings.hook:
        who = f"hook {one.name!r}"
        if any(other.name == one.name for other in hooks):
            raise ConfigError(f"two hooks are called {one.name!r}; give each its own name")
        if (one.command is None) is (one.url is None):
            raise ConfigError(f"{who}: set one of command and url")
        unknown = set(one.accounts) - {account.name for account in settings.account}
        if unknown:
            raise ConfigError(f"{who}: accounts: there is no account {min(unknown)!r}")
        try:
            url = checked(one.url) if one.url is not None else ""
        except ValueError as error:
            raise ConfigError(f"{who}: url: {error}") from error
        hooks.append(Hook(one.name, one.command or (), url, one.accounts, one.mailboxes, one.rule, one.timeout))
    return Hooks(journal_path(settings), hooks, settings.hooks_at_once)


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
    journal = journal_path(settings)
    return [_watched(account, journal) for account in settings.account]


def _watched(account: AccountSettings, journal: Path) -> WatchAccount:
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
        connections=account.connections or provider_of(account.host).connections,
        tokens=token_source_of(account, journal),
        brake=account.brake,
        brake_at_least=account.brake_at_least,
        source=texts[0],
    )


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


__all__ = ["build_watcher", "control_path", "hooks_of", "journal_path", "watched_accounts"]
