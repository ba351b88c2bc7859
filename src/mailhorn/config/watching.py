"""Puts the watcher together as the settings want it. Apart from `wire`: who serves need not carry the watcher about."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.mailbox import canonical_name
from ..net.control import Answers
from ..net.webhook import checked
from ..relay.letter import RelayUnavailable
from ..sieve import Program
from ..sieve.address import outbound
from ..sieve.listname import list_name
from ..sieve.verdicts import Verdicts
from ..smtp.address import is_domain
from ..watch.account import Security, WatchAccount
from ..watch.facts import install
from ..watch.hooks import Hook, Hooks
from ..watch.parts import looks_beyond_texts
from ..watch.post import Post
from ..watch.providers import provider_of
from ..watch.supervisor import Watcher
from .credentials import password_of, token_source_of
from .find import ConfigError, state_folder
from .pyrules import SUFFIX, LoadedRule, load
from .relaying import Relaying, relay_options, relaying
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
    Return who runs hooks for new messages; call in the event loop.

    Raises:
        ConfigError: One of them cannot be.

    """
    return Hooks(journal_path(settings), list_of_hooks(settings), settings.hooks_at_once)


def list_of_hooks(settings: WatchSettings) -> list[Hook]:
    """
    Return what is run for new messages, or told of them.

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
    return hooks


class Posting:
    """Sends what rules want to send, for as long as it is entered: the queue, who empties it, and who fills it."""

    def __init__(self, relaying: Relaying, post: Post) -> None:
        """Take them; nothing happens yet."""
        self.post = post
        self.answers: Answers = {"queue": relaying.answer, "post": self._look}
        """What `mailhorn queue` and `mailhorn watch release` ask at the control socket."""
        self._relaying = relaying

    async def _look(self, _: dict[str, Any]) -> dict[str, Any]:
        """Look for letters that another process has set free in the journal."""
        self.post.news()
        return {}

    async def __aenter__(self) -> "Posting":
        """Begin. Raises ConfigError if the queue cannot be used."""
        try:
            await self._relaying.start()
        except RelayUnavailable as error:
            raise ConfigError(str(error)) from error
        await self.post.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, within a second; what is left is sent next time."""
        await self.post.__aexit__()
        await self._relaying.stop()


def posting_of(settings: WatchSettings) -> Posting | None:
    """
    Return who sends what rules want to send, None if the settings name no smarthost; call in the event loop.

    Raises:
        ConfigError: The settings cannot be carried out, or the queue cannot be used.
        TLSProblem: A list of trusted certificates cannot be used.

    """
    name = socket.gethostname()
    options = relay_options(settings.relay, name if name.isascii() and is_domain(name) else "localhost")
    if options is None:
        return None
    leaving = relaying(settings.relay, queue_path(settings), options)
    return Posting(leaving, Post(journal_path(settings), leaving.queue))


def journal_path(settings: WatchSettings) -> Path:
    """Return where the journal is. Raises ConfigError if there is no place for it."""
    return settings.journal or state_folder(os.environ, os.geteuid() == 0) / "watch.sqlite"


def queue_path(settings: WatchSettings) -> Path:
    """Return where letters wait to be sent: beside the journal. Raises ConfigError."""
    journal = journal_path(settings)
    return journal.with_name(f"{journal.stem}.queue.sqlite")


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
    journal, sends = journal_path(settings), settings.relay.host is not None
    return [_watched(account, journal, sends) for account in settings.account]


def _watched(account: AccountSettings, journal: Path, sends: bool) -> WatchAccount:
    who = f"account {account.name!r}"
    if account.encryption == "none" and not _is_loopback(account.host):
        raise ConfigError(f"{who}: without encryption only a server on this machine; set encryption to tls or starttls")
    checkers = Verdicts(account.spam_header, account.spam_full, account.virus_header)
    addresses = _addresses(account, sends)
    rules = _rules(account, who, checkers, sends)
    return WatchAccount(
        name=account.name,
        host=account.host,
        port=account.port or (993 if account.encryption == "tls" else 143),
        user=account.user,
        password=password_of(account),
        program=rules.program,
        tls=_SECURITY[account.encryption],
        ca_file=account.ca,
        verify=account.verify,
        mailboxes=tuple(dict.fromkeys(map(canonical_name, account.mailboxes))),
        create_mailboxes=account.create_mailboxes,
        backlog=account.backlog,
        discard_deletes=account.discard == "delete",
        trash=account.trash,
        idle_renewal=account.idle_renewal,
        connections=account.connections or provider_of(account.host).connections,
        tokens=token_source_of(account, journal),
        brake=account.brake,
        brake_at_least=account.brake_at_least,
        source=rules.source,
        included=rules.included,
        python=rules.python,
        reads_all=rules.reads_all,
        sends=sends,
        addresses=addresses,
        lists=_lists(account.lists, who),
        checkers=checkers,
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of an account, as `WatchAccount` has them."""

    program: Program
    source: str
    included: tuple[tuple[str, str], ...] = ()
    python: LoadedRule | None = None
    reads_all: bool = True


def _rules(account: AccountSettings, who: str, checkers: Verdicts, sends: bool) -> _Rules:
    """Read and compile the rules, and what they include. Raises ConfigError."""
    setting = f"{who}: rules"
    if account.rules is not None and account.rules.suffix == SUFFIX:
        able = frozenset({"send", "refuse"}) if sends else frozenset[str]()
        rule = load(account.rules, setting, account.rule_timeout, able)
        return _Rules(install("keep;"), rule.source, python=rule)
    texts: list[str] = []
    included: dict[str, str] = {}

    def script(place: str, name: str) -> str | None:
        text = _included(account.shared, name)
        included[name] = text or ""
        return text

    def installed(text: str) -> Program:
        texts.append(text)
        return install(text, sends, checkers.kinds, script)

    program = installed("keep;") if account.rules is None else rules_of(account.rules, setting, installed)
    reads_all = any(map(looks_beyond_texts, (*texts, *included.values())))
    return _Rules(program, texts[0], tuple(sorted(included.items())), reads_all=reads_all)


def _included(folder: Path | None, name: str) -> str | None:
    """Return the text of a script that is included, None if there is none of that name."""
    if folder is None or "/" in name or "\0" in name or name.startswith("."):
        return None
    try:
        return (folder / f"{name}.sieve").read_text("utf-8", "surrogateescape")
    except OSError:
        return None


def _addresses(account: AccountSettings, sends: bool) -> tuple[str, ...]:
    """Return the owner's addresses. Raises ConfigError if there are none and mail may be sent."""
    written = account.addresses or ((account.user,) if "@" in account.user else ())
    found = [outbound(address) for address in written]
    if None in found:
        wrong = written[found.index(None)]
        raise ConfigError(f"account {account.name!r}: addresses: {wrong!r} is no address")
    if sends and not found:
        raise ConfigError(f"account {account.name!r}: addresses: say which address its rules send mail from")
    return tuple(address for address in found if address is not None)


def _lists(written: Sequence[str], who: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Read the lists. Raises ConfigError."""
    found: dict[str, frozenset[str]] = {}
    for entry in written:
        name, equals, path = (part.strip() for part in entry.partition("="))
        if not (equals and name and path):
            raise ConfigError(f'{who}: lists: expected "NAME=FILE", not {entry!r}')
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError as error:
            raise ConfigError(f"{who}: lists: {path} cannot be read: {error.strerror}") from error
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        found[list_name(name)] = frozenset({line.lower(): line for line in lines if line}.values())
    return tuple(sorted(found.items()))


def rule_files(settings: WatchSettings) -> list[Path]:
    """Return the files of which rules are made: when one of them changes, the settings are to be read again."""
    files: list[Path] = []
    for account in settings.account:
        if account.rules is not None:
            files.append(account.rules)
        if account.shared is not None:
            files += sorted(account.shared.glob("*.sieve"))
        files += [Path(entry.partition("=")[2].strip()) for entry in account.lists]
    return files


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


__all__ = [
    "build_watcher",
    "control_path",
    "hooks_of",
    "journal_path",
    "list_of_hooks",
    "posting_of",
    "queue_path",
    "rule_files",
    "watched_accounts",
]
