"""Rules at delivery, with everything they may use, and a queue that one can look into."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailhorn.relay.letter import Letter, RelayUnavailable
from mailhorn.relay.memory import Memory
from mailhorn.server.delivery import Recipient
from mailhorn.server.filtering.carrying import Manner
from mailhorn.server.filtering.lists import Lists
from mailhorn.server.filtering.programs import Programs
from mailhorn.server.filtering.service import Came, Tools
from mailhorn.server.scripts import Everybody
from mailhorn.sieve.verdicts import Verdicts
from mailhorn.smtp.reply import Reply

from .mail import Receiving, receiving

BODY = (
    b"Return-Path: <carl@elsewhere.example>\r\nReceived: from a ([192.0.2.1])\r\n\tby mx.test with ESMTP id 1;\r\n"
    b"\tSun, 22 Nov 2026 09:00:00 +0000\r\n"
    b"From: Carl <carl@elsewhere.example>\r\nTo: Ann <ann@example.org>\r\nSubject: Hello\r\n"
    b"Message-ID: <1@elsewhere.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n\r\nHi Ann\r\n"
)


@dataclass
class Queue:
    """A queue in memory; it takes a key once, as the real one does."""

    letters: list[Letter] = field(default_factory=list)
    refuses: bool = False

    async def submit(self, letters: Sequence[Letter]) -> None:
        """Take them."""
        if self.refuses:
            raise RelayUnavailable("the queue is full")
        known = {letter.key for letter in self.letters if letter.key}
        self.letters += [letter for letter in letters if letter.key not in known]


@dataclass
class Ruled:
    """A server whose people have rules."""

    server: Receiving
    queue: Queue
    directory: Path

    def script(self, text: str, login: str = "ann") -> Path:
        """Give somebody a script."""
        path = self.directory / "sieve" / f"{login}.sieve"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.server.delivery.filter.scripts.recheck()
        return path

    async def deliver(
        self,
        *logins: str,
        body: bytes = BODY,
        sender: str = "carl@elsewhere.example",
        came: Came | None = None,
        address: str = "{}@example.org",
    ) -> list[Reply]:
        """Deliver, to ann if nobody is named, and return the answers."""
        recipients = []
        for login in logins or ("ann",):
            account = await self.server.store.index.account(login)
            assert account is not None
            recipients.append(Recipient(account, address.format(login)))
        staged = self.server.store.stage()
        for start in range(0, len(body), 50_000):
            staged.write(body[start : start + 50_000])
        return await self.server.delivery.deliver(staged, sender, recipients, time.monotonic(), "id", came)

    async def messages(self, mailbox: str = "INBOX", login: str = "ann") -> list[bytes]:
        """Return all messages of a mailbox."""
        return await self.server.messages(login, mailbox)

    async def flags(self, mailbox: str = "INBOX", login: str = "ann") -> list[set[str]]:
        """Return the flags of all messages of a mailbox."""
        return await self.server.flags(login, mailbox)

    async def make(self, name: str, login: str = "ann", **notes: bytes) -> str:
        """Make a mailbox and return its MAILBOXID."""
        account = await self.server.store.index.account(login)
        assert account is not None
        mailbox = await self.server.store.index.create_mailbox(account.id, name, notes)
        self.server.delivery.filter.places.forget((account.id,))
        return f"F{mailbox.uid_validity}"


@asynccontextmanager
async def ruled(
    directory: Path,
    everybody: Everybody | None = None,
    manner: Manner | None = None,
    lists: Lists | None = None,
    programs: Programs | None = None,
) -> AsyncIterator[Ruled]:
    """Run a server where rules may do all there is."""
    queue = Queue()
    memory = Memory(directory / "remembered.sqlite")
    tools = Tools(
        queue,
        memory,
        lists or Lists(),
        Verdicts("X-Spam-Score", 10.0, "X-Virus"),
        programs or Programs(),
        manner or Manner("mx.test"),
    )
    try:
        async with receiving(directory, tools=tools, everybody=everybody) as server:
            yield Ruled(server, queue, directory)
            await server.delivery.filter.close()
    finally:
        await memory.close()


__all__ = ["BODY", "Queue", "Ruled", "ruled"]
