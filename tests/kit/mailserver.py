"""A whole server in this process, as `config.wire` puts it together, for tests that speak to its sockets."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhorn.config.settings import ManageSieve, ServeSettings, Service
from mailhorn.config.wire import Server, build_server
from mailhorn.server.passwords import BULK, BULK_ITERATIONS, hash_password

PASSWORD = "secret"
SERVICES = ("imap", "imaps", "smtp", "smtps", "lmtp", "managesieve")


@dataclass(frozen=True)
class ServerInTest:
    """A running server and how to log in."""

    server: Server
    password: str = PASSWORD

    @property
    def ports(self) -> dict[str, int]:
        return self.server.mail.ports

    async def deliver(self, login: str, subject: str) -> None:
        """Deliver a small message by LMTP; returns after its 250."""
        await asyncio.to_thread(self._deliver, login, subject)

    def _deliver(self, login: str, subject: str) -> None:
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as client:
            client.sendmail(
                "sender@example.org",
                [f"{login}@localhost"],
                f"From: sender@example.org\r\nTo: {login}@localhost\r\nSubject: {subject}\r\n\r\n"
                "The text of the message.\r\n",
            )


@asynccontextmanager
async def running_server(data: Path, logins: Sequence[str], **settings: object) -> AsyncIterator[ServerInTest]:
    """Run a server on free ports of 127.0.0.1 with these accounts, all with the same password."""
    kinds = {"managesieve": ManageSieve}
    services = {name: kinds.get(name, Service)(host="127.0.0.1", port=0) for name in SERVICES}
    server = build_server(ServeSettings(data=data, **{**services, **settings}))  # type: ignore[arg-type]
    await server.start()
    try:
        stored = hash_password(PASSWORD, BULK, BULK_ITERATIONS)
        await server.mail.store.index.add_accounts([(login, stored) for login in logins])
        yield ServerInTest(server)
    finally:
        await server.stop()
