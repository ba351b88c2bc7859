"""Scripts for what IMAP clients do (RFC 6785): APPEND, COPY, MOVE, flags; over real sockets."""

import asyncio
import imaplib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from tests.kit.mailserver import PASSWORD, ServerInTest, running_server

from mailhorn.config.settings import Sieve

T = TypeVar("T")
MAIL = b"From: carl@example.net\r\nTo: ann@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\nHi\r\n"
WHAT = (
    'require ["environment", "imapsieve", "imap4flags", "variables"];'
    'if environment :matches "imap.cause" "*" { set "cause" "${1}"; }'
    'if environment :matches "imap.changedflags" "*" { set "changed" "${1}"; }'
)


@dataclass
class People:
    """A server, ann's scripts, and ann's client."""

    server: ServerInTest
    scripts: Path

    def script(self, name: str, text: str) -> None:
        """Give ann a script."""
        self.scripts.mkdir(parents=True, exist_ok=True)
        (self.scripts / f"{name}.sieve").write_text(text)
        self.server.server.delivery.filter.scripts.recheck()

    @contextmanager
    def _client(self, login: str) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=30) as client:
            client.login(login, PASSWORD)
            yield client

    async def do(self, work: Callable[[imaplib.IMAP4], T], login: str = "ann") -> T:
        """Let a client do something, and wait until the scripts have done their part."""

        def run() -> T:
            with self._client(login) as client:
                return work(client)

        done = await asyncio.to_thread(run)
        events = self.server.server.delivery.events
        assert events is not None
        await events.settled()
        return done

    async def there(self, mailbox: str) -> list[tuple[bytes, set[str]]]:
        """Return the messages of a mailbox, each with its flags."""

        def look(client: imaplib.IMAP4) -> list[tuple[bytes, set[str]]]:
            if client.select(f'"{mailbox}"', readonly=True)[0] != "OK":
                return []
            _, found = client.fetch("1:*", "(FLAGS BODY.PEEK[])") if client.search(None, "ALL")[1][0] else ("", [])
            return [
                (part[1], {flag.decode() for flag in imaplib.ParseFlags(part[0])})
                for part in found
                if isinstance(part, tuple)
            ]

        return await self.do(look)


def named(client: imaplib.IMAP4, mailbox: str, script: str) -> None:
    """Have a mailbox name its script."""
    client.create(mailbox)
    assert client.xatom("SETMETADATA", mailbox, f'(/shared/imapsieve/script "{script}")')[0] == "OK"


@asynccontextmanager
async def people(folder: Path, **settings: object) -> AsyncIterator[People]:
    """Run the server."""
    sieve = Sieve(directory=folder / "sieve", **settings)  # type: ignore[arg-type]  # what a test wants
    async with running_server(folder / "data", ["ann", "bob"], sieve=sieve) as server:
        yield People(server, folder / "sieve" / "ann")


async def test_a_message_that_is_appended_copied_or_moved(tmp_path: Path) -> None:
    """The script that the mailbox names runs for each; in other mailboxes none does."""
    async with people(tmp_path) as ann:
        ann.script("what", WHAT + 'addflag "${cause}";')

        def work(client: imaplib.IMAP4) -> None:
            named(client, "Work", "what")
            client.append("Work", "\\Seen", None, MAIL)  # type: ignore[arg-type]  # no date is a date of its own
            client.append("INBOX", None, None, MAIL)  # type: ignore[arg-type]
            client.append("INBOX", None, None, MAIL)  # type: ignore[arg-type]
            client.select("INBOX")
            client.copy("1", "Work")
            client.xatom("MOVE", "2", "Work")

        await ann.do(work)
        assert [flags for _, flags in await ann.there("Work")] == [{"\\Seen", "APPEND"}, {"COPY"}, {"COPY"}]
        assert [flags for _, flags in await ann.there("INBOX")] == [set()]


async def test_a_flag_that_changes(tmp_path: Path) -> None:
    """Which one is told, what was so before is not; and what the script does causes nothing (RFC 6785 §2.2.3)."""
    async with people(tmp_path) as ann:
        ann.script(
            "what",
            WHAT + 'if string "${cause}" "FLAG" { if hasflag "\\\\Flagged" { addflag ["on", "x${changed}"]; }'
            ' else { removeflag "on"; addflag "off"; } }',
        )

        def work(client: imaplib.IMAP4) -> None:
            named(client, "Work", "what")
            client.append("Work", "\\Seen", None, MAIL)  # type: ignore[arg-type]
            client.select("Work")
            client.store("1", "+FLAGS", "(\\Flagged \\Seen)")

        await ann.do(work)
        assert [flags for _, flags in await ann.there("Work")] == [{"\\Seen", "\\Flagged", "on"}]

        def again(client: imaplib.IMAP4) -> None:
            client.select("Work")
            client.store("1", "FLAGS", "(on)")

        await ann.do(again)
        assert [flags for _, flags in await ann.there("Work")] == [{"off"}]


async def test_reading_is_a_flag_too(tmp_path: Path) -> None:
    """FETCH of BODY[] sets \\Seen."""
    async with people(tmp_path) as ann:
        ann.script("what", WHAT + 'if string "${changed}" "\\\\Seen" { addflag "read"; }')

        def work(client: imaplib.IMAP4) -> None:
            named(client, "Work", "what")
            client.append("Work", None, None, MAIL)  # type: ignore[arg-type]
            client.select("Work")
            client.fetch("1", "BODY[]")

        await ann.do(work)
        assert [flags for _, flags in await ann.there("Work")] == [{"\\Seen", "read"}]


async def test_what_is_filed_is_a_copy_and_what_is_not_kept_is_deleted(tmp_path: Path) -> None:
    """RFC 6785 §3.3, §3.5, §3.7: messages do not change, and another mailbox's script is not run for it."""
    async with people(tmp_path) as ann:
        ann.script("file", 'require ["fileinto", "imapsieve", "editheader"]; addheader "X-New" "1"; fileinto "Filed";')
        ann.script("loop", 'require ["fileinto", "imapsieve", "mailbox"]; fileinto :create "Looped";')

        def work(client: imaplib.IMAP4) -> None:
            named(client, "Work", "file")
            named(client, "Filed", "loop")
            client.append("Work", None, None, MAIL)  # type: ignore[arg-type]

        await ann.do(work)
        assert await ann.there("Work") == [(MAIL, {"\\Deleted"})]
        assert await ann.there("Filed") == [(b"X-New: 1\r\n" + MAIL, set())]
        assert await ann.there("Looped") == []


async def test_the_operator_has_a_script_for_all(tmp_path: Path) -> None:
    """A mailbox that names one has that one; one that names nothing, or what is not there, has none (§2.3.1)."""
    (tmp_path / "all.sieve").write_text('require ["imapsieve", "imap4flags"]; addflag "all";')
    async with people(tmp_path, imap_default=tmp_path / "all.sieve") as ann:
        ann.script("mine", 'require ["imapsieve", "imap4flags"]; addflag "mine";')

        def work(client: imaplib.IMAP4) -> None:
            for mailbox, script in (("Mine", "mine"), ("None", ""), ("Lost", "lost")):
                named(client, mailbox, script)
            for mailbox in ("INBOX", "Mine", "None", "Lost"):
                client.append(mailbox, None, None, MAIL)  # type: ignore[arg-type]

        await ann.do(work)
        found = {mailbox: (await ann.there(mailbox))[0][1] for mailbox in ("INBOX", "Mine", "None", "Lost")}
        assert found == {"INBOX": {"all"}, "Mine": {"mine"}, "None": set(), "Lost": set()}


@pytest.mark.parametrize("what", ['require "envelope";', 'require "vacation"; vacation "x";', 'require "ereject";'])
async def test_what_is_for_delivery_only_is_refused(tmp_path: Path, what: str) -> None:
    """RFC 6785 §3.11: the message is kept, and its owner is told once."""
    async with people(tmp_path) as ann:
        ann.script("bad", what)

        def work(client: imaplib.IMAP4) -> None:
            named(client, "Work", "bad")
            client.append("Work", None, None, MAIL)  # type: ignore[arg-type]
            client.append("Work", None, None, MAIL)  # type: ignore[arg-type]

        await ann.do(work)
        assert await ann.there("Work") == [(MAIL, set()), (MAIL, set())]
        ((told, _),) = await ann.there("INBOX")
        assert b"not for what an IMAP client does" in told


async def test_of_a_shared_mailbox_its_owners_script_runs(tmp_path: Path) -> None:
    """And knows who did it (§4.2)."""
    async with people(tmp_path) as ann:
        ann.script(
            "who",
            'require ["environment", "imapsieve", "imap4flags"];'
            'if environment "imap.user" "bob" { addflag "bobs"; } else { addflag "other"; }',
        )

        def share(client: imaplib.IMAP4) -> None:
            named(client, "Work", "who")
            client.setacl("Work", "bob", "lrsi")

        def append(client: imaplib.IMAP4) -> None:
            status, told = client.append('"Other Users/ann/Work"', None, None, MAIL)  # type: ignore[arg-type]
            assert status == "OK", told

        await ann.do(share)
        await ann.do(append, "bob")
        assert [flags for _, flags in await ann.there("Work")] == [{"bobs"}]
