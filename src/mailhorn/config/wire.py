"""Puts the parts together as the settings want it. The only module that names SQLite and Maildir."""

import contextlib
import os
import platform
import shlex
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import structlog

from ..model.change import Change
from ..net.tls import objection, self_signed, server_context
from ..push.hub import Hub
from ..server.accounts import AccountOptions, Accounts
from ..server.delivery import Delivery
from ..server.digest import digest
from ..server.imap.context import ImapOptions
from ..server.limits import ConnectionLimits
from ..server.mailserver import MailServer, ServerOptions
from ..server.scripts import ScriptRefused, Scripts, check_script
from ..server.smtp.session import SmtpOptions
from ..sieve import Program, SieveError
from ..store.abc import Index
from ..store.blobs.maildir import MaildirBlobs
from ..store.index.sqlite import SqliteIndex
from ..store.rebuild import needs_rebuild, rebuild
from ..store.store import Store
from ..watch.facts import install
from ..watch.machine import Security, WatchAccount
from ..watch.supervisor import Watcher
from .find import ConfigError, state_folder
from .lock import DataLock, InUse
from .settings import PORTS, AccountSettings, ServeSettings, WatchSettings

PASSWORD_COMMAND_LIMIT = 60
"""Seconds a password command may take: a person may have to unlock a key ring."""

log = structlog.get_logger("mailhorn.config")

_SECURITY = {"tls": Security.IMPLICIT, "starttls": Security.STARTTLS, "none": Security.NONE}


def is_root() -> bool:
    """Return whether the defaults of root apply."""
    return os.geteuid() == 0


# the mail server


@dataclass(frozen=True, slots=True)
class Server:
    """
    A mail server, put together and not started.

    Attributes:
        mail: To start and to stop.
        hub: Who watches what.
        delivery: Says what was delivered.
        data: Where everything is kept.
        hostname: What it calls itself.
        hosts: What each service listens on, by name.
        fingerprint: SHA-256 of its certificate, as mail clients show it.

    """

    mail: MailServer
    hub: Hub
    accounts: Accounts
    delivery: Delivery
    data: Path
    hostname: str
    hosts: dict[str, str]
    fingerprint: str

    async def stop(self) -> None:
        """Stop the server and let go of everything."""
        await self.mail.stop()
        await self.accounts.close()


def data_folder(settings: ServeSettings) -> Path:
    """Return where everything is kept. Raises ConfigError if there is no such place."""
    return settings.data if settings.data is not None else state_folder(os.environ, is_root())


def open_store(data: Path, tell: Callable[[Change], None]) -> Store:
    """Return the store in a directory, which exists; `start` it before use. Raises StoreUnavailable."""
    index = SqliteIndex(data / "index.sqlite")

    async def restore() -> None:
        if needs_rebuild(index, data):
            log.warning("the index is gone, it is made anew from the Maildirs", data=str(data))
            messages = await rebuild(index, data, digest)
            log.warning("the index is back", messages=messages)

    return Store(index, MaildirBlobs(data, index), tell, restore)


def build_server(settings: ServeSettings) -> Server:
    """
    Return the mail server; call in its event loop, with the data directory locked.

    Raises:
        ConfigError: A setting cannot be carried out.
        TLSProblem: The certificate cannot be used, or none can be made.
        StoreUnavailable: The index cannot be opened.

    """
    data = data_folder(settings)
    hostname = settings.hostname or platform.node() or "localhost"
    certificate, key = _certificate(settings, data, hostname)
    tls = server_context(certificate, key)
    if problem := objection(tls, certificate):
        log.warning("mail clients will not accept the certificate", certificate=str(certificate), reason=problem)
    _check_default_script(settings.sieve.default)
    listen_on = {str(service): settings.listen_on(service, is_root()) for service in PORTS}
    chosen = {service: place for service, place in listen_on.items() if place is not None}
    hub = Hub()
    store = open_store(data, hub.tell)
    accounts = Accounts(
        store.index,
        AccountOptions(hostname=hostname, domains=settings.domains, postmaster=settings.postmaster),
    )
    delivery = Delivery(store, Scripts(settings.sieve.directory or data / "sieve", settings.sieve.default))
    limits, sessions = settings.limits, settings.sessions
    options = ServerOptions(
        listen=chosen,
        tls=tls,
        imap=ImapOptions(
            max_message_size=limits.message_size,
            login_timeout=sessions.login_timeout,
            inactivity_timeout=sessions.inactivity_timeout,
            keep_alive=sessions.keep_alive,
            plaintext_off_loopback=settings.tls.plaintext_login,
        ),
        smtp=SmtpOptions(
            hostname=hostname,
            max_message_size=limits.message_size,
            plaintext_off_loopback=settings.tls.plaintext_login,
            wire_log=settings.log.level == "debug",
        ),
        connections=ConnectionLimits(
            total=limits.connections,
            per_address=limits.connections_per_address,
            per_account=limits.connections_per_account,
        ),
    )
    return Server(
        MailServer(store, hub, accounts, delivery, options),
        hub,
        accounts,
        delivery,
        data,
        hostname,
        {service: host for service, (host, _) in chosen.items()},
        _fingerprint(certificate),
    )


@contextlib.asynccontextmanager
async def open_accounts(settings: ServeSettings) -> AsyncIterator[Index]:
    """
    Give the index to change accounts in, whether the server runs or not.

    Without a server the store is started too: it restores an index that was lost, and brings what changes to rest.

    Raises:
        ConfigError: The data directory cannot be used, or its server has only begun to start.
        StoreUnavailable: The index cannot be opened.

    """
    data = data_folder(settings)
    try:
        lock = DataLock(data)
    except InUse as in_use:
        if not in_use.ready:
            raise ConfigError(f"the server on {data} is just starting or busy; try again in a moment") from in_use
        index: Index = SqliteIndex(data / "index.sqlite")
        try:
            yield index
        finally:
            await index.close()
        return
    with lock:
        store = open_store(data, lambda change: None)
        await store.start()
        try:
            yield store.index
        finally:
            await store.close()


def _certificate(settings: ServeSettings, data: Path, hostname: str) -> tuple[Path, Path]:
    tls = settings.tls
    if tls.certificate is not None and tls.key is not None:
        return tls.certificate, tls.key
    if tls.certificate is not None or tls.key is not None:
        missing = "key" if tls.key is None else "certificate"
        raise ConfigError(f"tls.{missing} is missing: a certificate and its key are set together, or neither")
    return self_signed(data / "tls", [hostname, "localhost", "127.0.0.1", "::1"])


def _fingerprint(certificate: Path) -> str:
    first = certificate.read_text("ascii", "replace").partition("-----END CERTIFICATE-----")
    der = ssl.PEM_cert_to_DER_cert(first[0][first[0].index("-----BEGIN") :] + first[1])
    return sha256(der).digest().hex(":").upper()


def _check_default_script(path: Path | None) -> None:
    """Refuse at the start what would otherwise be found when the first mail comes."""
    if path is not None:
        _script(path, "sieve.default", check_script)


def _script(path: Path, setting: str, compiled: Callable[[str], Program]) -> Program:
    try:
        return compiled(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{setting}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting}: {path} is not UTF-8 text") from error
    except SieveError as error:
        place = f"{path}, line {error.line}, column {error.column}"
        raise ConfigError(f"{setting}: {place}: {error.message}") from error
    except ScriptRefused as error:
        raise ConfigError(f"{setting}: {path}: {error}") from error


# the watcher


def build_watcher(settings: WatchSettings) -> Watcher:
    """
    Return the watcher; call in its event loop. Passwords are read, and password commands run, here and now.

    Raises:
        ConfigError: An account's settings contradict each other, or its password or rules cannot be had.
        TLSProblem: A list of trusted certificates cannot be used.

    """
    names = [account.name for account in settings.account]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two accounts are called {name!r}; give each its own name")
    journal = settings.journal or state_folder(os.environ, is_root()) / "watch.sqlite"
    try:
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"journal: {journal.parent} cannot be made: {error.strerror}") from error
    return Watcher([_watched(account) for account in settings.account], journal)


def _watched(account: AccountSettings) -> WatchAccount:
    who = f"account {account.name!r}"
    if account.encryption == "none" and not _is_loopback(account.host):
        raise ConfigError(f"{who}: without encryption only a server on this machine; set encryption to tls or starttls")
    rules = install("keep;") if account.rules is None else _script(account.rules, f"{who}: rules", install)
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
