"""Puts the parts together as the settings want it. The only module that names SQLite and Maildir."""

import asyncio
import contextlib
import os
import platform
import resource
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import unidata_version

import structlog

from .. import __version__
from ..model.change import Change
from ..model.ids import AccountId, MailboxId
from ..net.listen import Keepalive
from ..net.tls import client_context, end_point, objection, self_signed, server_context
from ..push.hub import Hub
from ..relay.letter import RelayUnavailable
from ..relay.memory import Memory
from ..server.accounts import AccountOptions, Accounts, Scram
from ..server.delivery import Delivery
from ..server.digest import digest
from ..server.filtering.events import Events
from ..server.filtering.service import Filter
from ..server.imap.context import ImapOptions
from ..server.imap.keepalive import KeepAliveOptions
from ..server.imap.matching import searchable
from ..server.limits import ConnectionLimits
from ..server.logins import LoginOptions
from ..server.mailserver import HANDSHAKES, MailServer, ServerOptions
from ..server.managesieve.session import Language, ManageSieveOptions
from ..server.quota import QuotaLimits
from ..server.reports import Reports
from ..server.scriptbook import ScriptBook, ScriptLimits
from ..server.scripts import Scripts
from ..server.smtp.session import SmtpOptions
from ..server.tokens import TokenOptions, Tokens
from ..sieve.limits import MAX_REDIRECTS
from ..store.abc import Index, StoreError, StoreUnavailable
from ..store.blobs.maildir import MaildirBlobs
from ..store.index.outside import SqliteOutside
from ..store.index.sqlite import SqliteIndex
from ..store.index.text import SqliteTexts, forget_all
from ..store.outside import Noticing, Watchman
from ..store.settle import Places
from ..store.store import Store
from ..store.texts import TEXTS
from .filtering import list_schemes, scripts_of, tools_of
from .find import ConfigError, state_folder
from .lock import DataLock, InUse
from .relaying import FILE as QUEUE
from .relaying import Relaying, relay_options, relaying
from .secret import kept_secret, secret_of
from .settings import PORTS, OAuth, ServeSettings, Sessions

if TYPE_CHECKING:  # a server does not carry what only a command needs, or a start after a loss
    from ..store.adopt import Adoption

log = structlog.get_logger("mailhorn.config")

Stir = Callable[[Sequence[AccountId], Sequence[MailboxId]], None]

MAILDIRS_ASKED = 100
"""Of how many mailboxes the directories are looked for where the Maildirs seem to be missing: a few may be."""

FILES = 128
"""Descriptors kept for what is no connection: the index and its readers, listening sockets, messages being read."""

REMEMBERED = "remembered.sqlite"
"""What rules have seen and answered, in the data directory."""

BESIDE = {
    REMEMBERED: "what rules have answered and seen before is forgotten",
    QUEUE: "letters that wait in it are not sent",
}
"""The databases in it beside the index, with what it means to do without what is in one."""


def is_root() -> bool:
    """Return whether the defaults of root apply."""
    return os.geteuid() == 0


@dataclass(frozen=True, slots=True)
class Server:
    """
    A mail server, put together and not started.

    Attributes:
        mail: To start and to stop.
        hub: Who watches what.
        delivery: Says what was delivered, and how long it took.
        data: Where everything is kept.
        hostname: What it calls itself.
        hosts: What each service listens on, by name.
        fingerprint: SHA-256 of its certificate, as mail clients show it.
        memory: What rules have seen and answered.
        relaying: The outbound queue; None without a smarthost.

    """

    mail: MailServer
    hub: Hub
    accounts: Accounts
    delivery: Delivery
    data: Path
    hostname: str
    hosts: dict[str, str]
    fingerprint: str
    memory: Memory
    relaying: Relaying | None = None

    async def start(self) -> None:
        """Start the server. Raises as `MailServer.start`, and ConfigError if the queue cannot be used."""
        await self.mail.start()
        if self.relaying is not None:
            try:
                await self.relaying.start()
            except RelayUnavailable as error:
                await self.mail.stop()
                raise ConfigError(str(error)) from error

    async def stop(self) -> None:
        """Stop the server and let go of everything; the log says how instant it was."""
        if self.relaying is None:
            await self.mail.stop()
        else:  # side by side: what is delivered to the end may still be put into the queue
            await asyncio.gather(self.mail.stop(), self.relaying.sender.stop())
            await self.relaying.queue.close()
        await self.accounts.close()
        await self.delivery.filter.close()
        await self.memory.close()
        if self.delivery.timeline.durable.count:
            self.delivery.timeline.tell()


def data_folder(settings: ServeSettings) -> Path:
    """Return where everything is kept. Raises ConfigError if there is no such place."""
    return settings.data if settings.data is not None else state_folder(os.environ, is_root())


def open_store(
    data: Path,
    tell: Callable[[Change], None],
    noticing: Noticing | None = None,
    restored: Callable[[str, int], None] = lambda login, messages: None,
    text_index: bool = False,
    stir: Stir = lambda accounts, mailboxes: None,
) -> Store:
    """
    Return the store in a directory, which exists; `start` it before use.

    Args:
        data: The directory.
        tell: Called for each change.
        noticing: How to notice what other tools do in the Maildirs; None: not at all.
        restored: Called while an index that was lost is made anew: login, messages of it so far.
        text_index: Whether it has an index of texts.
        stir: Called with the accounts in which, or the mailboxes of which, another tool has changed a name.

    Raises StoreUnavailable.

    """
    return _store_of(SqliteIndex(data / "index.sqlite", digest), data, tell, noticing, restored, text_index, stir)


def _store_of(
    index: SqliteIndex,
    data: Path,
    tell: Callable[[Change], None],
    noticing: Noticing | None = None,
    restored: Callable[[str, int], None] = lambda login, messages: None,
    text_index: bool = False,
    stir: Stir = lambda accounts, mailboxes: None,
) -> Store:
    async def restore() -> None:
        if not index.fresh:
            _expect_maildirs(index, Places(data))
            return
        from ..store.rebuild import needs_rebuild, rebuild

        if needs_rebuild(index, data):
            forget_all(data / TEXTS)  # mailboxes get other numbers
            log.warning("the index is gone, it is made anew from the Maildirs", data=str(data))
            messages = await rebuild(index, data, digest, restored)
            log.warning("the index is back", messages=messages)

    def watch(places: Places, quiet: threading.Lock) -> Watchman:
        return Watchman(_Telling(index, stir), places, quiet, digest, noticing or Noticing())

    texts = SqliteTexts(data / TEXTS, index, searchable, _text_rules()) if text_index else None
    return Store(index, MaildirBlobs(data, index, watch=watch if noticing else None), tell, digest, restore, texts)


def _expect_maildirs(index: SqliteIndex, places: Places) -> None:
    """
    Raise StoreUnavailable if none of the Maildirs is there that the index knows: their disk may not be mounted.

    What would be taken meanwhile would be hidden when it is, and be taken for deleted.
    """
    if places.lock.exists():  # made by every start
        return
    outside = SqliteOutside(index)
    try:
        known = outside.folders(0, MAILDIRS_ASKED)
    finally:
        outside.close()
    if known and not any((places.root / folder.dir).is_dir() for folder in known):
        raise StoreUnavailable(
            f"the Maildirs are not at {places.root}: is their disk mounted? "
            f"If they are lost for good, say so: mkdir -p {places.root} && touch {places.lock}"
        )


class _Telling(SqliteOutside):
    """Tells that other tools have made or renamed a mailbox, once that is durable."""

    def __init__(self, index: SqliteIndex, stir: Stir) -> None:
        super().__init__(index)
        self._stir = stir

    async def claim(self, account: AccountId, name: str, directory: str) -> MailboxId | None:
        mailbox = await super().claim(account, name, directory)
        self._stir((account,), ())
        return mailbox

    async def moved(self, mailbox: MailboxId, name: str, directory: str) -> MailboxId | None:
        moved = await super().moved(mailbox, name, directory)
        self._stir((), (mailbox,))
        return moved


def _text_rules() -> str:
    """Name what decides what can be found in a message: this program, Python's charsets, and Unicode's letters."""
    return f"mailhorn {__version__}, Python {platform.python_version()}, Unicode {unidata_version}"


async def recover(data: Path) -> None:
    """
    Have all that was acknowledged known to whoever reads the index; the server must not run.

    Raises StoreUnavailable.
    """
    index = SqliteIndex(data / "index.sqlite", digest)
    try:
        await asyncio.to_thread(index.catch_up)
    finally:
        await index.close()


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
    tools = tools_of(settings.sieve, hostname)
    leaving = relay_options(settings.relay, hostname)
    scripts = scripts_of(settings.sieve, data, tools, queue=leaving is not None)
    listen_on = {str(service): settings.listen_on(service, is_root()) for service in PORTS}
    chosen = {service: place for service, place in listen_on.items() if place is not None}
    options = _server_options(settings, data, hostname, certificate, key, scripts, chosen)
    hub = Hub()
    maildir = settings.maildir
    noticing = Noticing(maildir.notice, maildir.scan_interval) if maildir.notice != "off" else None
    store = open_store(data, hub.tell, noticing, text_index=settings.search.text_index, stir=hub.stir)
    accounts = Accounts(store.index, _account_options(settings, data, hostname))
    tools.memory = memory = _memory(data)
    delivery = Delivery(store, filter=Filter(store.index, scripts, tools))
    queue: Relaying | None = None
    if leaving is not None:
        queue = relaying(settings.relay, data / QUEUE, leaving, Reports(store, accounts, delivery, hostname).deliver)
        tools.outbound = queue.queue
    hub.pushed = delivery.timeline.note_pushed
    delivery.filter.places.on_created = lambda mailbox: hub.stir((mailbox.account,))
    if settings.sieve.imap_events:
        delivery.events = Events(store, delivery.filter, settings.sieve.imap_default)
    hub.renamed = delivery.renamed
    return Server(
        MailServer(store, hub, accounts, delivery, options),
        hub,
        accounts,
        delivery,
        data,
        hostname,
        {service: host for service, (host, _) in chosen.items()},
        _fingerprint(certificate),
        memory,
        queue,
    )


def _account_options(settings: ServeSettings, data: Path, hostname: str) -> AccountOptions:
    return AccountOptions(
        hostname=hostname,
        domains=settings.domains,
        postmaster=settings.postmaster,
        scram=Scram(settings.sasl.scram),
        iterations=settings.sasl.scram_iterations,
        secret=kept_secret(data / "secret"),
    )


def _server_options(
    settings: ServeSettings,
    data: Path,
    hostname: str,
    certificate: Path,
    key: Path,
    scripts: Scripts,
    chosen: Mapping[str, tuple[str, int]],
) -> ServerOptions:
    """Return what connections get and how long; raises as `build_server`."""
    tls = server_context(certificate, key, settings.tls.client_ca)
    if problem := objection(tls, certificate):
        log.warning("mail clients will not accept the certificate", certificate=str(certificate), reason=problem)
    limits, sessions = settings.limits, settings.sessions
    quota = QuotaLimits(limits.quota_storage, limits.quota_messages, limits.quota_mailboxes)
    return ServerOptions(
        listen=chosen,
        tls=tls,
        smtp_tls=None if settings.tls.client_ca is None else server_context(certificate, key),
        logins=LoginOptions(
            _bindings(certificate) if settings.sasl.channel_binding else {}, settings.tls.plaintext_login
        ),
        tokens=_tokens(settings.oauth),
        imap=ImapOptions(
            max_message_size=limits.message_size,
            quota=quota,
            message_limit=limits.messages_per_command,
            login_timeout=sessions.login_timeout,
            inactivity_timeout=sessions.inactivity_timeout,
            keep_alive=_keep_alive(sessions),
            sieve_url=_sieve_url(settings, hostname, chosen),
        ),
        smtp=SmtpOptions(
            hostname=hostname,
            max_message_size=limits.message_size,
            quota=quota,
            wire_log=settings.log.level == "debug",
        ),
        managesieve=_managesieve(settings, data, scripts),
        connections=ConnectionLimits(
            total=_connections(limits.connections),
            per_address=limits.connections_per_address,
            per_account=limits.connections_per_account,
            this_machine=limits.count_this_machine,
        ),
        tcp=Keepalive(settings.tcp.idle, settings.tcp.interval, settings.tcp.count, settings.tcp.unacknowledged),
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
        index: Index = SqliteIndex(data / "index.sqlite", digest)
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


async def forget_account(settings: ServeSettings, login: str) -> None:
    """Forget what an account's rules have seen and answered, whether the server runs or not. Raises ConfigError."""
    data = data_folder(settings)
    if not (data / REMEMBERED).exists():
        return
    memory = _memory(data)
    try:
        await memory.forget(login)
    except RelayUnavailable as error:
        raise ConfigError(str(error)) from error
    finally:
        await memory.close()


async def adopt_maildir(
    settings: ServeSettings, login: str, password_hash: str, maildir: Path, progress: Callable[[int, int], None]
) -> "Adoption":
    """
    Make an account of a Maildir, with the UIDs that are recorded in it; the server must not run.

    Args:
        settings: The server's.
        login: The account's, which does not exist.
        password_hash: The account's.
        maildir: What to adopt; it stays as it is.
        progress: Called in threads with steps done and steps to do.

    Raises:
        ConfigError: The data directory cannot be used, or its server runs.
        StoreError: The Maildir or the account cannot be had.

    """
    from ..store.adopt import adopt

    data = data_folder(settings)
    try:
        lock = DataLock(data)
    except InUse as in_use:
        raise ConfigError(f"the server on {data} is running; stop it, adopt, and start it again") from in_use
    with lock:
        index = SqliteIndex(data / "index.sqlite", digest)
        store = _store_of(index, data, lambda change: None)
        await store.start()
        outside = SqliteOutside(index)
        try:
            return await adopt(outside, Places(data), login, password_hash, maildir, digest, progress)
        except OSError as problem:
            raise StoreError(f"{maildir} cannot be adopted: {problem}") from problem
        finally:
            outside.close()
            await store.close()


def _certificate(settings: ServeSettings, data: Path, hostname: str) -> tuple[Path, Path]:
    tls = settings.tls
    if tls.certificate is not None and tls.key is not None:
        return tls.certificate, tls.key
    if tls.certificate is not None or tls.key is not None:
        missing = "key" if tls.key is None else "certificate"
        raise ConfigError(f"tls.{missing} is missing: a certificate and its key are set together, or neither")
    return self_signed(data / "tls", [hostname, "localhost", "127.0.0.1", "::1"])


def _keep_alive(sessions: Sessions) -> KeepAliveOptions:
    options = KeepAliveOptions(sessions.keep_alive, sessions.keep_alive_shortest, sessions.keep_alive_longest)
    if not options.shortest <= options.start <= options.longest:
        raise ConfigError(
            f"sessions.keep_alive = {options.start:g} must lie between keep_alive_shortest = {options.shortest:g} and "
            f"keep_alive_longest = {options.longest:g}"
        )
    return options


def _connections(wanted: int) -> int:
    """Return how many connections this process can have: a store that finds no descriptor left can take no mail."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(1, int((descriptors - FILES) / (1 + HANDSHAKES))))


def _fingerprint(certificate: Path) -> str:
    return sha256(_der(certificate)).digest().hex(":").upper()


def _bindings(certificate: Path) -> dict[str, bytes]:
    binding = end_point(_der(certificate))
    return {} if binding is None else {"tls-server-end-point": binding}


def _der(certificate: Path) -> bytes:
    first = certificate.read_text("ascii", "replace").partition("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(first[0][first[0].index("-----BEGIN") :] + first[1])


def _tokens(oauth: OAuth) -> Tokens | None:
    if oauth.introspection is None:
        return None
    from ..net.introspection import Introspection  # what it needs is wanted by few

    try:
        asked = Introspection(
            oauth.introspection,
            oauth.client_id,
            secret_of("oauth.client_secret", oauth.client_secret, oauth.client_secret_file),
            oauth.timeout,
            None if oauth.ca is None else client_context(oauth.ca),
        )
    except ValueError as error:
        raise ConfigError(f"oauth.introspection: {error}") from error
    if not asked.private:
        raise ConfigError("oauth.introspection must be https, unless it is on this machine: tokens are sent there")
    return Tokens(asked.ask, asked.close, TokenOptions(oauth.login, oauth.scope, oauth.audience, oauth.discovery))


def script_book(settings: ServeSettings, data: Path) -> ScriptBook:
    """Return everybody's scripts."""
    limits = ScriptLimits(settings.managesieve.scripts, settings.managesieve.script_size)
    return ScriptBook(settings.sieve.directory or data / "sieve", limits)


def _managesieve(settings: ServeSettings, data: Path, scripts: Scripts) -> ManageSieveOptions:
    """Return what clients may do with their scripts; what they may put is what delivery runs."""
    offers, sieve = scripts.abilities.offers(), settings.sieve
    notifies = ("mailto", "https") if sieve.webhooks else ("mailto",)
    return ManageSieveOptions(
        script_book(settings, data),
        Language(
            lambda account, text: scripts.check(account.login, text),
            offers,
            min(sieve.redirects, MAX_REDIRECTS) if scripts.abilities.queue else 0,
            notifies if "enotify" in offers else (),
            scripts.recheck,
            list_schemes(settings.sieve.lists),
        ),
        settings.sessions.login_timeout,
        settings.sessions.inactivity_timeout,
    )


def _sieve_url(settings: ServeSettings, hostname: str, chosen: Mapping[str, tuple[str, int]]) -> str:
    """sieveurl-server = "sieve://" authority (RFC 5804 §3): where scripts for what IMAP clients do are managed."""
    port = chosen.get("managesieve", ("", 0))[1]
    if not port or not settings.sieve.imap_events:
        return ""
    return f"sieve://{hostname}" if port == PORTS["managesieve"][0] else f"sieve://{hostname}:{port}"


def _memory(data: Path) -> Memory:
    try:
        return Memory(data / REMEMBERED)
    except RelayUnavailable as error:
        raise ConfigError(str(error)) from error
