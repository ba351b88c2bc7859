"""The mail server as a whole: which port speaks what, over one store, one hub and one clock.

`config.wire` makes the parts; this starts and stops them in the right order. Nothing is accepted before the
store is ready; at the end nothing more is accepted, what was accepted is finished, then the store is closed.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ssl import SSLContext

from ..imap.server import ServerConnection
from ..net.deadlines import Deadlines
from ..net.listen import SERVER_KEEPALIVE, Keepalive, Listener, listen
from ..net.pump import Pump
from ..push.hub import Hub
from ..store.store import Store
from .accounts import Accounts
from .delivery import Delivery
from .imap.columns import Columns
from .imap.context import ImapContext, ImapOptions
from .imap.keepalive import KeepAlive
from .imap.session import ImapSession
from .limits import ConnectionLimits, Connections
from .logins import LoginOptions, Logins
from .managesieve.session import ManageSieveContext, ManageSieveOptions, ManageSieveSession
from .refusals import Refusals
from .sessions import Sessions
from .smtp.session import SmtpContext, SmtpOptions, SmtpSession
from .tokens import Tokens

LAST_WORDS = 1.0
"""Seconds that clients have, at the end, to read BYE or 421 and to hang up. Who does not is cut off: phones that sleep,
and who asked for more than it reads."""

GRACE = 5.0
"""Seconds that the store has beyond that to finish the deliveries and commands it works on; it takes this only where a
disk is that slow, and then its own end would wait for the same."""

HANDSHAKES = 0.25
"""TLS handshakes under way, as a part of the connections there may be: they come beside these, and a fleet that is back
after a restart needs twenty seconds for five thousand."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """
    What to listen on and how.

    Attributes:
        listen: Service name (imap, imaps, smtp, smtps, lmtp, managesieve) to host and port; 0 takes any free port.
        tls: Certificate for imaps, smtps and STARTTLS; without one these are not offered.
        smtp_tls: For STARTTLS of SMTP, if not the same: other servers come there, and show certificates of theirs.
        logins: What is offered to who wants to log in.
        tokens: Whose OAuth tokens are whose; None: they are not offered.
        imap: Settings of the IMAP side.
        smtp: Settings of the SMTP side.
        managesieve: Settings of the ManageSieve side; without them it is not offered.
        connections: How many there may be at once.
        tcp: When the kernel finds out that a peer is gone.

    """

    listen: Mapping[str, tuple[str, int]]
    tls: SSLContext | None
    smtp_tls: SSLContext | None = None
    logins: LoginOptions = field(default_factory=LoginOptions)
    tokens: Tokens | None = None
    imap: ImapOptions = field(default_factory=ImapOptions)
    smtp: SmtpOptions = field(default_factory=SmtpOptions)
    managesieve: ManageSieveOptions | None = None
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    tcp: Keepalive = SERVER_KEEPALIVE


class MailServer:
    """
    A running mail server.

    Attributes:
        store: Its mail.
        ports: The port of each service, once started.
        sessions: Who is connected.
        connections: How many there are, by address and account.
        handshakes: How many are not that far yet: a TLS handshake is under way.

    """

    def __init__(self, store: Store, hub: Hub, accounts: Accounts, delivery: Delivery, options: ServerOptions) -> None:
        """Take the parts; nothing happens before `start`."""
        self.store = store
        self.ports: dict[str, int] = {}
        self.sessions = Sessions()
        self._accounts = accounts
        self._options = options
        self._listeners: list[Listener] = []
        self._refusals = Refusals()
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, grain=5.0)
        self.connections = Connections(options.connections)
        self.handshakes = Connections(
            replace(options.connections, total=math.ceil(options.connections.total * HANDSHAKES))
        )
        logins = Logins(accounts, options.logins, options.tokens)
        self._imap = ImapContext(
            store,
            hub,
            accounts,
            logins,
            self.connections,
            deadlines,
            KeepAlive(options.imap.keep_alive, loop.time, options.tcp.unacknowledged),
            options.imap,
            options.tls,
            loop.time,
            time.time,
            self.sessions,
            delivery.timeline,
            self._refusals,
            Columns(deadlines, loop.time),
            delivery.events,
        )
        self._smtp = SmtpContext(
            delivery,
            store,
            accounts,
            logins,
            deadlines,
            options.smtp,
            options.smtp_tls or options.tls,
            self.connections,
            self.sessions,
            self._refusals,
        )

        self._managesieve = None
        if options.managesieve is not None:
            self._managesieve = ManageSieveContext(
                store,
                logins,
                deadlines,
                options.managesieve,
                options.tls,
                loop.time,
                self.connections,
                self.sessions,
                self._refusals,
            )

    async def start(self) -> None:
        """
        Start the store, then listen.

        Raises:
            ListenError: A port cannot be had; nothing is left listening.
            StoreUnavailable: The store cannot be opened.

        """
        await self.store.start()
        try:
            await self._accounts.survey()
            for service, (host, port) in self._options.listen.items():
                secure = service in ("imaps", "smtps")
                if secure and self._options.tls is None:
                    continue
                if service == "managesieve" and self._managesieve is None:
                    continue
                tls = self._options.tls if secure else None
                listener = await listen(host, port, self._factory(service), tls, self._options.tcp, self.handshakes)
                self._listeners.append(listener)
                self.ports[service] = listener.port
        except BaseException:
            self._close_listeners()
            await self.store.close()
            raise

    def _factory(self, service: str) -> Callable[[], asyncio.Protocol]:
        if service in ("imap", "imaps"):
            return self._imap_connection
        managesieve = self._managesieve
        if service == "managesieve" and managesieve is not None:
            return lambda: ManageSieveSession.connection(managesieve)
        return lambda: SmtpSession.connection(self._smtp, lmtp=service == "lmtp")

    def _imap_connection(self) -> asyncio.Protocol:
        core = ServerConnection()
        return Pump(core, ImapSession(self._imap, core))

    async def stop(self) -> None:
        """Accept no more, say BYE and 421, finish deliveries under way, bring all to rest on disk."""
        self._close_listeners()
        await self.sessions.end(LAST_WORDS, GRACE)
        if self._imap.events is not None:
            await self._imap.events.settled(GRACE)
        self._refusals.tell()
        if self._managesieve is not None:
            self._managesieve.close()
        await self._accounts.close()
        if self._options.tokens is not None:
            self._options.tokens.close()
        await self.store.close()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
