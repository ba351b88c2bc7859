"""A real receiving server: SMTP, SMTPS and LMTP on free ports over SQLite and Maildir in a directory."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailhorn.model.change import Change
from mailhorn.net.deadlines import Deadlines
from mailhorn.net.listen import listen
from mailhorn.net.tls import client_context, self_signed, server_context
from mailhorn.server.accounts import AccountOptions, Accounts
from mailhorn.server.delivery import Delivered, Delivery
from mailhorn.server.digest import digest
from mailhorn.server.filtering.abilities import Abilities
from mailhorn.server.filtering.service import Filter, Tools
from mailhorn.server.limits import ConnectionLimits, Connections
from mailhorn.server.logins import Logins
from mailhorn.server.passwords import Profile, hash_password
from mailhorn.server.scripts import Everybody, Scripts
from mailhorn.server.smtp.session import SmtpContext, SmtpOptions, SmtpSession
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store

QUICK = Profile(memory=64, passes=1)
"""For tests that are not about passwords."""


class Sessions(set[SmtpSession]):
    """Sessions one can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._left = asyncio.Event()

    def discard(self, session: SmtpSession, /) -> None:
        super().discard(session)
        self._left.set()

    async def gone(self) -> None:
        """Wait until there is none."""
        while self:
            self._left.clear()
            await self._left.wait()


@dataclass
class Receiving:
    """What a test can look at."""

    store: Store
    delivery: Delivery
    context: SmtpContext
    smtp: int
    smtps: int
    lmtp: int
    trusting: ssl.SSLContext
    sessions: Sessions
    changes: list[Change] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)

    async def messages(self, login: str, mailbox: str = "INBOX") -> list[bytes]:
        """Return all messages of a mailbox."""
        account = await self.store.index.account(login)
        assert account is not None
        found = await self.store.index.mailbox(account.id, mailbox)
        if found is None:
            return []
        _, uids = await self.store.index.uids(found.id)
        return [await self.store.body(found.id, uid) for uid in uids]

    async def flags(self, login: str, mailbox: str = "INBOX") -> list[set[str]]:
        """Return the flags of all messages of a mailbox."""
        account = await self.store.index.account(login)
        assert account is not None
        found = await self.store.index.mailbox(account.id, mailbox)
        assert found is not None
        _, uids = await self.store.index.uids(found.id)
        return [set(row.flags.split()) for row in await self.store.index.rows(found.id, list(uids))]


@asynccontextmanager
async def receiving(
    directory: Path,
    logins: Sequence[str] = ("ann", "bob"),
    options: SmtpOptions | None = None,
    account_options: AccountOptions | None = None,
    limits: ConnectionLimits | None = None,
    grain: float = 1.0,
    tools: Tools | None = None,
    everybody: Everybody | None = None,
) -> AsyncIterator[Receiving]:
    """Run the server; every account's password is `secret`, scripts are in `<directory>/sieve`."""
    changes: list[Change] = []
    delivered: list[Delivered] = []
    sessions = Sessions()
    index = SqliteIndex(directory / "index.sqlite", digest)
    store = Store(index, MaildirBlobs(directory, index), changes.append, digest)
    await store.start()
    await index.add_accounts([(login, hash_password("secret", QUICK)) for login in logins])
    accounts = Accounts(index, account_options or AccountOptions(hostname="mx.test", domains=("example.org",)))
    abilities = Abilities() if tools is None else Abilities(*[True] * 7)
    scripts = Scripts(directory / "sieve", directory / "default.sieve", abilities=abilities, everybody=everybody)
    delivery = Delivery(store, filter=Filter(index, scripts, tools))
    delivery.on_delivered = delivered.append
    certificate, key = self_signed(directory / "tls", ["localhost", "127.0.0.1"])
    tls = server_context(certificate, key)
    context = SmtpContext(
        delivery,
        store,
        accounts,
        Logins(accounts),
        Deadlines(asyncio.get_running_loop(), grain),
        options or SmtpOptions(hostname="mx.test"),
        tls,
        Connections(limits),
        sessions,
    )
    listeners = [
        await listen("127.0.0.1", 0, lambda: SmtpSession.connection(context, lmtp=False)),
        await listen("127.0.0.1", 0, lambda: SmtpSession.connection(context, lmtp=False), tls),
        await listen("127.0.0.1", 0, lambda: SmtpSession.connection(context, lmtp=True)),
    ]
    ports = [listener.port for listener in listeners]
    try:
        yield Receiving(store, delivery, context, *ports, client_context(certificate), sessions, changes, delivered)
    finally:
        for listener in listeners:
            listener.close()
        for session in list(sessions):
            session.shut_down()
        await sessions.gone()
        await accounts.close()
        await store.close()


class Line:
    """A client that says exactly what the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: int) -> "Line":
        """Connect, and take the greeting."""
        line = cls(*await asyncio.open_connection("127.0.0.1", port))
        assert (await line.reply()).startswith("220 ")
        return line

    async def reply(self) -> str:
        """Return the next reply, lines joined by LF."""
        lines = []
        while True:
            text = (await self.reader.readline()).decode().rstrip("\r\n")
            lines.append(text)
            if text[3:4] != "-":
                return "\n".join(lines)

    async def say(self, data: bytes, replies: int = 1) -> list[str]:
        """Send bytes as they are and return as many replies."""
        self.writer.write(data)
        return [await self.reply() for _ in range(replies)]

    async def ended(self) -> bytes:
        """Return what is still sent until the server ends."""
        rest = await self.reader.read()
        self.close()
        return rest

    def close(self) -> None:
        """End."""
        self.writer.close()
