"""Which account a command is about, and carrying out an errand on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...config.find import watch_settings
from ...config.settings import Log, WatchSettings
from ...config.watching import journal_path, watched_accounts
from ...model.mailbox import canonical_name
from ...watch.account import WatchAccount
from ...watch.errand import ErrandScript
from ...watch.events import Filed
from ...watch.runner import ErrandFailed, MailboxFailed, run_errand
from ..failure import WRONG, CommandFailed
from ..logs import set_up
from ..loop import on_stop_signal, run


@dataclass(frozen=True, slots=True)
class Chosen:
    """
    An account, and the journal.

    Attributes:
        account: With its password and rules.
        journal: Where the journal is.

    """

    account: WatchAccount
    journal: Path


class NoMailbox(CommandFailed):
    """A mailbox cannot be had; another one of the account may well be."""


def settings_of(config: Path | None) -> WatchSettings:
    """Return the settings; what goes wrong on the way is told from now on, nothing else. Raises ConfigError."""
    settings, _ = watch_settings(config)
    set_up(Log(level="warning", format=settings.log.format))
    return settings


def chosen(settings: WatchSettings, name: str | None, rules: Path | None = None) -> Chosen:
    """
    Return an account.

    Args:
        settings: Of the watcher.
        name: Its name; None if there is only one.
        rules: Other rules than those in the settings.

    Raises:
        CommandFailed: There is no such account, or there are several.
        ConfigError: Its password or its rules cannot be had.

    """
    names = [account.name for account in settings.account]
    if not names:
        raise CommandFailed("there is no [[account]] in the settings; see: mailhorn watch --print-config", WRONG)
    if name is None and len(names) > 1:
        raise CommandFailed(f"say which account: --account with one of {', '.join(names)}", WRONG)
    found = next((account for account in settings.account if account.name == (name or names[0])), None)
    if found is None:
        raise CommandFailed(f"there is no account {name!r} in the settings; there are: {', '.join(names)}", WRONG)
    if rules is not None:
        found = msgspec.structs.replace(found, rules=rules.absolute())
    (account,) = watched_accounts(msgspec.structs.replace(settings, account=(found,)))
    return Chosen(account, journal_path(settings))


def carry_out(
    account: WatchAccount,
    script: ErrandScript,
    journal: Path | None = None,
    on_filed: Callable[[Filed], None] | None = None,
) -> None:
    """
    Carry out an errand; Ctrl-C stops it between two steps.

    Raises:
        NoMailbox: The mailbox that it is about cannot be had.
        CommandFailed: It could not be carried out.
        JournalError: The journal cannot be used.

    """
    try:
        run(run_errand(account, script, journal, on_filed, lambda watcher: on_stop_signal(watcher.stop)))
    except MailboxFailed as error:
        raise NoMailbox(str(error)) from error
    except ErrandFailed as error:
        raise CommandFailed(str(error)) from error


def with_mailboxes(account: WatchAccount, mailbox: str | None) -> tuple[str, ...]:
    """Return the mailboxes that a command is about: one, or all that are watched."""
    return account.mailboxes if mailbox is None else (canonical_name(mailbox),)


__all__ = ["Chosen", "NoMailbox", "carry_out", "chosen", "settings_of", "with_mailboxes"]
