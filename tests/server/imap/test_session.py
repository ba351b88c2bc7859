"""Sessions over real sockets: big messages, TLS, slow readers, dead ones, the end of the server."""

import asyncio
import contextlib
import random
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.config.settings import Maildir
from mailhorn.imap.server import ServerConnection
from mailhorn.model.change import Change
from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import MessageRow
from mailhorn.model.numbers import UIDSet
from mailhorn.net.pump import Pump
from mailhorn.push.hub import Channel
from mailhorn.server.imap import conversation as conversation_module
from mailhorn.server.imap import session as session_module
from mailhorn.server.imap.commands import idle
from mailhorn.server.imap.commands.fetch import PIECE
from mailhorn.server.imap.session import ImapSession
from mailhorn.store.abc import StoreUnavailable

PATIENCE = 30.0


OPEN: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def _close_clients() -> AsyncIterator[None]:
    yield
    for writer in OPEN:
        writer.transport.abort()
    OPEN.clear()
    await asyncio.sleep(0)


class Client:
    """Speaks bytes to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        OPEN.append(writer)

    @classmethod
    async def connect(cls, server: ServerInTest, service: str = "imap", login: str | None = None) -> "Client":
        tls = insecure() if service == "imaps" else None
        client = cls(*await asyncio.open_connection("127.0.0.1", server.ports[service], ssl=tls, limit=2**24))
        await client.until(b"* OK")
        if login is not None:
            await client.command(f"LOGIN {login} {server.password}")
        return client

    async def line(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n")

    async def until(self, start: bytes) -> list[bytes]:
        lines = [await self.line()]
        while not lines[-1].startswith(start):
            lines.append(await self.line())
        return lines

    async def command(self, text: str, expect: bytes = b"OK") -> list[bytes]:
        self.writer.write(b"x " + text.encode() + b"\r\n")
        lines = await self.until(b"x ")
        assert lines[-1].startswith(b"x " + expect), lines[-1]
        return lines

    async def end(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def sessions(server: ServerInTest) -> list[ImapSession]:
    all_sessions = server.server.mail.sessions
    return [session for session in all_sessions if isinstance(session, ImapSession) and not session.pump.closed]


async def test_a_big_message_appended_is_there_afterwards(tmp_path: Path) -> None:
    """Bodies beyond the inline limit go another way through the store; nothing of them is lost, ever."""
    body = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 40_000
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"x APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body))
        assert (await client.until(b"x "))[-1].startswith(b"x OK [APPENDUID")
        await client.command("SELECT INBOX")
        client.writer.write(b"y FETCH 1 BODY.PEEK[]\r\n")
        assert await client.line() == b"* 1 FETCH (BODY[] {%d}\r\n" % len(body)
        assert await client.reader.readexactly(len(body)) == body
        client.writer.close()
    async with running_server(tmp_path, ()) as server:
        client = await Client.connect(server, login="ann")
        await client.command("SELECT INBOX")
        client.writer.write(b"y FETCH 1 RFC822\r\n")
        assert await client.line() == b"* 1 FETCH (RFC822 {%d}\r\n" % len(body)
        assert await client.reader.readexactly(len(body)) == body


@pytest.mark.parametrize(
    ("pieces", "hastened"),
    [
        ((b"x APPEND INBOX {14+}\r\nSubject: a\r\n\r\n", b"\r\n"), 1),
        ((b"x APPEND INBOX (", b"\\Seen) {14+}\r\nSubject:", b" a\r\n\r\n", b"\r", b"\n"), 2),
        ((b"x STATUS {5+}\r\nINBOX", b" (MESSAGES)\r\n"), 1),
        ((b"x APPEND INBOX {14+}\r\nSubject: a\r\n\r\n\r\n",), 0),
        ((b"x NO", b"OP\r\n"), 0),
    ],
)
async def test_who_sends_the_end_of_a_line_by_itself_does_not_wait_for_an_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: Sequence[bytes], hastened: int
) -> None:
    """imaplib keeps the CRLF behind a message back until that is acknowledged, which systems put off for 40 ms."""
    called = []
    plain = Pump.acknowledge
    monkeypatch.setattr(Pump, "acknowledge", lambda pump: called.append(plain(pump)))
    taken = asyncio.Event()
    data_received = Pump.data_received
    monkeypatch.setattr(Pump, "data_received", lambda pump, data: (data_received(pump, data), taken.set()) and None)
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        for piece in pieces:
            taken.clear()
            client.writer.write(piece)
            await taken.wait()
        assert (await client.until(b"x "))[-1].startswith(b"x OK")
    assert len(called) == hastened


async def test_a_big_message_is_sent_in_pieces(tmp_path: Path) -> None:
    """As a client reads it; the octets, the partial ones too, and what stands around them are right."""
    body = b"Subject: big\r\n\r\n" + random.Random(3).randbytes(PIECE * 3 + 5)
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"x APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body))
        await client.until(b"x OK")
        await client.command("SELECT INBOX")
        client.writer.write(b"y FETCH 1 (UID BODY[] RFC822.SIZE BODY[]<5.%d> BODY[HEADER])\r\n" % (PIECE + 1))
        partial = body[5 : PIECE + 6]
        expected = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b RFC822.SIZE %d BODY[]<5> {%d}\r\n%b BODY[HEADER] {16}\r\n%b" % (
            len(body),
            body,
            len(body),
            len(partial),
            partial,
            b"Subject: big\r\n\r\n FLAGS (\\Seen))\r\ny OK FETCH completed\r\n",
        )
        async with asyncio.timeout(PATIENCE):
            assert await client.reader.readexactly(len(expected)) == expected


async def test_a_body_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    """If the rest of a literal cannot be read, the client is cut off: anything said would be taken for the message."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"x APPEND INBOX {%d+}\r\n%b\r\n" % (PIECE * 3, b"x" * PIECE * 3))
        await client.until(b"x OK")
        await client.command("SELECT INBOX")
        (file,) = [
            file for file in (tmp_path / "mail").rglob("*") if file.is_file() and file.stat().st_size == PIECE * 3
        ]
        with file.open("r+b") as body:
            body.truncate(PIECE + 10)
        client.writer.write(b"y FETCH 1 BODY[]\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"y " not in (await client.end()).replace(b"x", b"")
        other = await Client.connect(server, login="ann")
        await other.command("SELECT INBOX")


@pytest.mark.parametrize("leaves", ["UID MOVE 1 Elsewhere", "UID EXPUNGE 1"])
async def test_a_big_message_that_leaves_while_it_is_fetched(tmp_path: Path, leaves: str) -> None:
    """A slow client gets it to its end, every octet, though another session has moved or expunged it meanwhile."""
    body = b"Subject: big\r\n\r\n" + random.Random(5).randbytes(24_000_000)
    async with running_server(tmp_path, ("ann",)) as server:
        other = await Client.connect(server, login="ann")
        other.writer.write(b"x APPEND INBOX (\\Deleted) {%d+}\r\n%b\r\n" % (len(body), body))
        await other.until(b"x OK")
        await other.command("CREATE Elsewhere")
        await other.command("SELECT INBOX")
        slow = Client(*await asyncio.open_connection("127.0.0.1", server.ports["imap"], limit=65536))
        await slow.until(b"* OK")
        await slow.command("LOGIN ann secret")
        await slow.command("EXAMINE INBOX")
        slow.writer.write(b"y FETCH 1 BODY[]\r\n")
        assert await slow.line() == b"* 1 FETCH (BODY[] {%d}\r\n" % len(body)
        await other.command(leaves)
        async with asyncio.timeout(PATIENCE):
            assert await slow.reader.readexactly(len(body)) == body
        assert await slow.line() == b")\r\n"
        await slow.until(b"y OK")


async def test_a_message_that_is_too_big_is_refused_before_it_comes(tmp_path: Path) -> None:
    """NO [TOOBIG], whether the client waits for the word or not, and the connection goes on."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        await client.command("APPEND INBOX {60000000}", b"NO [TOOBIG]")
        client.writer.write(b"y APPEND INBOX {60000000+}\r\n" + b"x" * 60_000_000 + b"\r\n")
        assert (await client.until(b"y "))[-1].startswith(b"y NO [TOOBIG]")
        await client.command("NOOP")


async def test_starttls_and_what_was_smuggled_in_before_it(tmp_path: Path) -> None:
    """Commands pipelined in the clear behind STARTTLS are not run inside TLS; afterwards login is offered."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server)
        client.writer.write(b"a STARTTLS\r\n")
        assert (await client.line()).startswith(b"a OK")
        await client.writer.start_tls(insecure())
        capabilities = (await client.command("CAPABILITY"))[0]
        assert b"STARTTLS" not in capabilities and b"AUTH=PLAIN" in capabilities
        await client.command("STARTTLS", b"BAD")
        await client.command("LOGIN ann secret")


async def test_imaps_idles(tmp_path: Path) -> None:
    """The push goes through TLS as well."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, "imaps", "ann")
        await client.command("SELECT INBOX")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+")
        await server.deliver("ann", "Hello")
        assert await client.line() == b"* 1 EXISTS\r\n"


async def test_who_does_not_read_costs_no_memory_and_is_told_all_when_he_does(tmp_path: Path) -> None:
    """While an idling client does not read, changes are not queued for it; when it reads again it is told how it is."""
    async with running_server(tmp_path, ("ann",)) as server:
        slow = await Client.connect(server, login="ann")
        await slow.command("SELECT INBOX")
        slow.writer.write(b"i IDLE\r\n")
        await slow.until(b"+")
        (session,) = sessions(server)
        session.pump.pause_writing()
        for number in range(5):
            await server.deliver("ann", f"Message {number}")
        assert session.selected is not None and len(session.selected.view) == 0
        session.pump.resume_writing()
        assert await slow.line() == b"* 5 EXISTS\r\n"


async def test_nothing_is_told_in_the_moment_after_idle_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients read the answer and what is right behind it in one go, and lose it; DONE brings it at once."""
    monkeypatch.setattr(idle, "BREATH", 3600.0)
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        await client.command("SELECT INBOX")
        (session,) = sessions(server)
        for messages in (1, 2):
            client.writer.write(b"i IDLE\r\n")
            assert await client.line() == b"+ idling\r\n"
            await server.deliver("ann", "comes at once")
            assert len(session.open_mailbox.view) == messages - 1
            breath = session.breath
            assert breath is not None and not session.idling
            if messages == 1:
                session.rest()
                assert session.idling
                assert await client.line() == b"* 1 EXISTS\r\n"
            client.writer.write(b"DONE\r\n")
            assert (await client.until(b"i OK"))[0].startswith(b"i OK" if messages == 1 else b"* 2 EXISTS")
            assert breath.cancelled() and session.breath is None and not session.idling


async def test_sessions_on_one_mailbox_share_its_uids(tmp_path: Path) -> None:
    """They hold one array, through appends, until one of them is told of an expunge; what each is told stays right."""
    async with running_server(tmp_path, ("ann",)) as server:
        for subject in "abc":
            await server.deliver("ann", subject)
        clients = [await Client.connect(server, login="ann") for _ in range(3)]
        for client in clients:
            await client.command("SELECT INBOX")
        for client in clients[:2]:
            client.writer.write(b"i IDLE\r\n")
            await client.until(b"+")
        for subject, count in (("d", 4), ("e", 5)):
            await server.deliver("ann", subject)
            for client in clients[:2]:
                assert await client.line() == b"* %d EXISTS\r\n" % count
        views = [session.open_mailbox.view for session in sessions(server)]
        assert len({id(view._uids) for view in views}) == 1
        assert sorted(len(view) for view in views) == [3, 5, 5]
        await clients[2].command("STORE 2 +FLAGS.SILENT (\\Deleted)")
        await clients[2].command("EXPUNGE")
        for client in clients[:2]:
            assert b"FETCH (UID 2 FLAGS (\\Deleted))" in await client.line()
            assert await client.line() == b"* 2 EXPUNGE\r\n"
        views = [session.open_mailbox.view for session in sessions(server)]
        assert len({id(view) for view in views}) == 1, "who stands at the same point holds the same view"
        assert list(views[0].uids(UIDSet(((1, 0),)))) == [1, 3, 4, 5]


async def test_who_opens_what_another_has_open_asks_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its UIDs are there already; but if a hint was lost they are not all, and then they are read."""
    async with running_server(tmp_path, ("ann",)) as server:
        await server.deliver("ann", "first")
        clients = [await Client.connect(server, login="ann") for _ in range(3)]
        index = server.server.mail.store.index
        await clients[0].command("SELECT INBOX")
        with monkeypatch.context() as without:
            without.setattr(index, "uids", None)
            assert b"* 1 EXISTS\r\n" in await clients[1].command("SELECT INBOX")
        with monkeypatch.context() as deaf:
            deaf.setattr(index, "told", lambda change: None)
            await server.deliver("ann", "second")
        assert b"* 2 EXISTS\r\n" in await clients[2].command("SELECT INBOX")


async def test_a_client_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    """No session, no watcher in the hub, no half message."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        await client.command("SELECT INBOX")
        (session,) = sessions(server)
        assert session.selected is not None
        mailbox = session.selected.mailbox
        client.writer.write(b"a APPEND INBOX {1000000}\r\n")
        await client.until(b"+")
        client.writer.write(b"x" * 500_000)
        await client.writer.drain()
        client.writer.transport.abort()
        hub = server.server.hub
    assert hub.watchers(mailbox) == 0
    assert not any((tmp_path / "mail").rglob("*1000000*"))


async def test_the_end_of_the_server_is_said(tmp_path: Path) -> None:
    """BYE, to those who idle too."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+")
    assert (await client.end()).startswith(b"* BYE [UNAVAILABLE]")


async def test_three_wrong_passwords_end_the_connection(tmp_path: Path) -> None:
    """Guessing goes on over new connections only, and those are slowed down."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server)
        for _ in range(2):
            await client.command("LOGIN ann wrong", b"NO [AUTHENTICATIONFAILED]")
        client.writer.write(b"z LOGIN ann wrong\r\n")
        assert b"* BYE " in await client.end()


async def test_logins_are_in_the_log(tmp_path: Path) -> None:
    """Who and from where, for whoever shuts out those who guess; never the password."""
    async with running_server(tmp_path, ("ann",)) as server:
        with structlog.testing.capture_logs() as logged:
            client = await Client.connect(server)
            await client.command("LOGIN ann guessed", b"NO [AUTHENTICATIONFAILED]")
            await client.command("LOGIN ann secret")
    assert [(entry["event"], entry["login"]) for entry in logged] == [("login failed", "ann"), ("logged in", "ann")]
    assert all(entry["peer"].startswith("127.0.0.1:") for entry in logged)
    assert "guessed" not in repr(logged) and "secret" not in repr(logged)


async def test_a_password_does_not_go_in_the_clear_over_a_network(tmp_path: Path) -> None:
    """Off this machine and without TLS: LOGINDISABLED in the greeting, and PRIVACYREQUIRED for who tries."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server)
        (session,) = sessions(server)
        session.pump.address = "192.0.2.1"
        capabilities = (await client.command("CAPABILITY"))[0]
        assert b"LOGINDISABLED" in capabilities and b"AUTH=" not in capabilities
        await client.command("LOGIN ann secret", b"NO [PRIVACYREQUIRED]")
        await client.command("AUTHENTICATE PLAIN", b"NO [PRIVACYREQUIRED]")
        session.pump.address = "127.0.0.1"


async def test_deadlines(tmp_path: Path) -> None:
    """Who does not log in is sent away; who idles is kept warm; whose command runs is left alone."""
    async with running_server(tmp_path, ("ann",)) as server:
        stranger = await Client.connect(server)
        (session,) = sessions(server)
        session.overdue()
        assert b"* BYE " in await stranger.end()
        client = await Client.connect(server, login="ann")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+")
        (session,) = sessions(server)
        session.overdue()
        assert await client.line() == b"* OK Still here\r\n"
        assert session.deadline == session.context.keep_alive.next_beat("ann", "127.0.0.1")
        client.writer.write(b"DONE\r\n")
        await client.until(b"i OK")
        session.overdue()
        assert b"* BYE " in await client.end()


@pytest.mark.parametrize("login", ["LOGIN ann secret", "AUTHENTICATE PLAIN AGFubgBzZWNyZXQ="])
async def test_who_has_logged_in_may_be_silent_for_half_an_hour(login: str, tmp_path: Path) -> None:
    """RFC 9051 §5.4, from the login on: not as short as before it."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server)
        (session,) = sessions(server)
        await client.command(login)
        assert session.deadline >= session.context.clock() + 1800


async def test_who_idles_and_never_reads_is_cut_off(tmp_path: Path) -> None:
    """At the second keep-alive there is no room for; until then nothing more piles up, and who reads again is fine."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+")
        (session,) = sessions(server)
        session.pump.pause_writing()
        session.overdue()
        session.pump.resume_writing()
        session.pump.pause_writing()
        session.overdue()
        assert session.beats == 0
        assert session in server.server.mail.sessions
        session.overdue()
        assert await client.end() == b""
        assert session not in server.server.mail.sessions


async def test_an_idle_connection_that_died_silently_makes_keep_alives_more_frequent(tmp_path: Path) -> None:
    """If its client was there meanwhile, as it is here; a phone that just left changes nothing."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+")
        (session,) = sessions(server)
        keep_alive = session.context.keep_alive
        before = keep_alive.interval("ann", "127.0.0.1")
        session.overdue()
        session.pump.connection_lost(TimeoutError(110, "Connection timed out"))
        assert keep_alive.interval("ann", "127.0.0.1") == before / 2
        session.pump.abort()


async def test_the_end_of_the_server_stumbles_over_no_connection(tmp_path: Path) -> None:
    """One that was reset in this very moment, of which the loop has not heard yet."""
    async with running_server(tmp_path, ("ann",)) as server:
        with socket.create_connection(("127.0.0.1", server.ports["imap"])) as gone:
            gone.setblocking(False)
            await asyncio.get_running_loop().sock_recv(gone, 1000)
            others = [await Client.connect(server, login="ann") for _ in range(2)]
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for session in sessions(server):
            session.shut_down()
        for client in others:
            assert b"* BYE" in await client.end()


async def test_who_asks_and_never_reads_is_cut_off(tmp_path: Path) -> None:
    """Not at the first deadline, which may have come just after it stopped reading, but at the one after that."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        client.writer.write(b"x APPEND INBOX {%d+}\r\n%b\r\n" % (30_000_000, b"x" * 30_000_000))
        await client.until(b"x OK")
        await client.command("LOGOUT")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imap"], limit=65536)
        stuck = Client(reader, writer)
        await stuck.until(b"* OK")
        await stuck.command("LOGIN ann secret")
        await stuck.command("SELECT INBOX")
        (session,) = sessions(server)
        stuck.writer.write(b"y FETCH 1 BODY[]\r\n")
        assert (await stuck.line()).startswith(b"* 1 FETCH")
        for _ in range(100_000):  # turns of the loop, until all buffers on the way are full
            if not session.pump.writable:
                break
            await asyncio.sleep(0)
        session.overdue()
        assert not session.pump.closed
        session.overdue()
        assert session.pump.closed


async def test_an_error_of_ours_is_answered_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO [SERVERBUG], and the connection goes on."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(server.server.mail.store.index, "subscriptions", broken)
        await client.command('LSUB "" *', b"NO [SERVERBUG]")
        await client.command("NOOP")


async def test_an_idle_session_is_small() -> None:
    """Slots all the way: a session without a mailbox has no dictionary."""
    assert all("__slots__" in vars(kind) for kind in ImapSession.__mro__[:-1])
    assert not hasattr(ServerConnection(), "__dict__")


async def test_a_message_that_the_disk_will_not_have(tmp_path: Path) -> None:
    """NO [UNAVAILABLE] at its end, and the connection goes on; with room again the same works."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        spool = tmp_path / "mail" / ".spool"
        spool.rmdir()
        spool.touch()  # no file can be made in it now, by root neither
        client.writer.write(b"x APPEND INBOX {1000000+}\r\n%b\r\n" % (b"x" * 1_000_000))
        assert (await client.until(b"x "))[-1].startswith(b"x NO [UNAVAILABLE]")
        await client.command("NOOP")
        spool.unlink()
        spool.mkdir()
        client.writer.write(b"y APPEND INBOX {1000000+}\r\n%b\r\n" % (b"x" * 1_000_000))
        assert (await client.until(b"y "))[-1].startswith(b"y OK [APPENDUID")


async def test_a_file_that_somebody_took_away(tmp_path: Path) -> None:
    """All others are sent, the end says that not all are, and the log says which is not."""
    async with running_server(tmp_path, ("ann",)) as server:
        for subject in "abc":
            await server.deliver("ann", subject)
    first, *_ = sorted((tmp_path / "mail" / "ann").glob("*/*,S=*"))
    first.unlink()
    async with running_server(tmp_path, (), maildir=Maildir(notice="off")) as server:
        client = await Client.connect(server, login="ann")
        await client.command("SELECT INBOX")
        with structlog.testing.capture_logs() as logged:
            answer = await client.command("FETCH 1:* (UID BODY.PEEK[])", b"NO [EXPUNGEISSUED]")
        assert sum(b" FETCH (UID " in line for line in answer) == 2
        (entry,) = [entry for entry in logged if entry["log_level"] == "error"]
        assert "the file of message 1 of mailbox" in entry["reason"]
        await client.command("FETCH 1:* FLAGS")


async def test_a_message_that_is_moved_while_it_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is nobody's fault: the log does not complain, and by UID it is no error (RFC 9051 §6.4.9)."""
    async with running_server(tmp_path, ("ann",)) as server:
        for subject in "abc":
            await server.deliver("ann", subject)
        client = await Client.connect(server, login="ann")
        await client.command("CREATE Elsewhere")
        await client.command("SELECT INBOX")
        store = server.server.mail.store
        read_stored = store.read_stored

        async def move_and_read(wanted: Sequence[tuple[UID, bytes | str, int, int]]) -> dict[UID, bytes]:
            monkeypatch.undo()
            account = await store.index.account("ann")
            assert account is not None
            elsewhere = await store.index.mailbox(account.id, "Elsewhere")
            assert elsewhere is not None
            await store.index.copy(account.inbox, [wanted[0][0]], elsewhere.id, move=True)
            return await read_stored(wanted[1:])  # its file is moved at some time, or is the journal's

        with structlog.testing.capture_logs() as logged:
            monkeypatch.setattr(store, "read_stored", move_and_read)
            answer = await client.command("UID FETCH 1:* (BODY.PEEK[])")
            assert answer.count(b"* 1 EXPUNGE\r\n") == 1
            monkeypatch.setattr(store, "read_stored", move_and_read)
            await client.command("FETCH 1:* (BODY.PEEK[])", b"NO [EXPUNGEISSUED]")
        assert not [entry for entry in logged if entry["log_level"] == "error"]


async def test_what_is_much_is_told_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idling client gets all of it, in order, and what happens meanwhile after it."""
    for module in (session_module, conversation_module):
        monkeypatch.setattr(module, "HIGH_WATER", 50)
    async with running_server(tmp_path, ("ann",)) as server:
        for n in range(8):
            await server.deliver("ann", str(n))
        idler, other = [await Client.connect(server, login="ann") for _ in range(2)]
        for client in (idler, other):
            await client.command("SELECT INBOX")
        idler.writer.write(b"i IDLE\r\n")
        await idler.until(b"+")
        await other.command("STORE 1 +FLAGS.SILENT (\\Seen)")
        assert await idler.line() == b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"  # told after the breath: now it idles
        await other.command("STORE 1:8 FLAGS.SILENT (\\Deleted)")
        await other.command("EXPUNGE")
        for seq in range(1, 9):
            assert await idler.line() == b"* %d FETCH (UID %d FLAGS (\\Deleted))\r\n" % (seq, seq)
        for seq in range(8, 0, -1):
            assert await idler.line() == b"* %d EXPUNGE\r\n" % seq


async def test_what_was_read_ahead_of_what_was_told_is_not_taken_back(tmp_path: Path) -> None:
    """FETCH sees the newest commit, the hub knows the one before: no flags are told that are older."""
    async with running_server(tmp_path, ["ann"]) as server:
        await server.deliver("ann", "one")
        reader, writer = [await Client.connect(server, login="ann") for _ in range(2)]
        for client in (reader, writer):
            await client.command("ENABLE CONDSTORE")
            await client.command("SELECT INBOX")
        index = server.server.mail.store.index
        tell, held = index.told, list[Change]()
        await writer.command("STORE 1 +FLAGS (one)")
        index.told = held.append
        await writer.command("STORE 1 +FLAGS (two)")
        *fetched, _ = await reader.command("FETCH 1 (FLAGS MODSEQ)")
        assert fetched and all(b"(one two)" in line for line in fetched), fetched
        index.told = tell
        tell(held[0])
        assert all(b"FETCH" not in line or b"(one two)" in line for line in await reader.command("NOOP"))


async def test_who_was_told_ahead_of_all_others_learns_how_far_it_has_heard_of_everything(tmp_path: Path) -> None:
    """A mod-sequence that FETCH tells may be greater than one of an expunge that nobody was told of."""
    async with running_server(tmp_path, ["ann"]) as server:
        for subject in ("one", "two"):
            await server.deliver("ann", subject)
        reader, writer = [await Client.connect(server, login="ann") for _ in range(2)]
        for client in (reader, writer):
            await client.command("ENABLE QRESYNC")
            await client.command("SELECT INBOX")
        index = server.server.mail.store.index
        tell, held = index.told, list[Change]()
        await writer.command(r"STORE 2 +FLAGS (\Deleted)")
        before = (await reader.command("NOOP"))[0]
        index.told = held.append
        await writer.command("EXPUNGE")
        await writer.command("STORE 1 +FLAGS (work)")
        fetched, ok = await reader.command("FETCH 1 (FLAGS MODSEQ)")
        stands = int(re.findall(rb"MODSEQ \((\d+)\)", before)[0])
        assert b"MODSEQ (%d)" % (stands + 2) in fetched
        assert b"[HIGHESTMODSEQ %d]" % stands in ok
        index.told = tell
        for change in held:
            tell(change)
        assert b"VANISHED 2" in b"".join(await reader.command("NOOP"))


async def test_what_goes_while_a_client_comes_back_is_told_before_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the UIDs and the look at the flags: else it knew nothing of a message that it had."""
    async with running_server(tmp_path, ["ann"]) as server:
        for subject in ("one", "two"):
            await server.deliver("ann", subject)
        reader, writer = [await Client.connect(server, login="ann") for _ in range(2)]
        for client in (reader, writer):
            await client.command("ENABLE QRESYNC")
        opened = b"".join(await writer.command("SELECT INBOX"))
        validity = int(re.findall(rb"UIDVALIDITY (\d+)", opened)[0])
        await writer.command(r"STORE 1 +FLAGS (\Deleted)")
        index = server.server.mail.store.index
        rows, tell, held = index.rows, index.told, list[Change]()

        async def late(mailbox: MailboxId, uids: Sequence[UID]) -> Sequence[MessageRow]:
            monkeypatch.setattr(index, "rows", rows)
            index.told = held.append
            await index.expunge(mailbox, None)
            return await rows(mailbox, uids)

        monkeypatch.setattr(index, "rows", late)
        told = await reader.command(f"SELECT INBOX (QRESYNC ({validity} 1))")
        assert b"* 2 EXISTS\r\n" in told and b"* VANISHED 1\r\n" in told, told
        index.told = tell
        for change in held:
            tell(change)
        assert len(await reader.command("NOOP")) == 1


async def test_a_store_that_cannot_say_what_happened_is_asked_again_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once, again and again: an idling session would burn a core for as long as the disk is sick."""
    monkeypatch.setattr(session_module, "RETRY", 0.1)
    monkeypatch.setattr(Channel, "since", lambda channel, mod_seq: None)
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        await client.command("SELECT INBOX")
        client.writer.write(b"i IDLE\r\n")
        await client.until(b"+ ")
        index = server.server.mail.store.index
        ask, loop = index.changes_since, asyncio.get_running_loop()
        asked: list[float] = []

        async def sick(*about: Any) -> Change:
            asked.append(loop.time())
            if len(asked) < 4:
                raise StoreUnavailable("the disk is sick")
            return await ask(*about)

        monkeypatch.setattr(index, "changes_since", sick)
        await server.deliver("ann", "hello")
        assert await client.line() == b"* 1 EXISTS\r\n"
        assert len(asked) == 4 and all(later - one >= 0.1 for one, later in pairwise(asked))


async def test_what_has_been_done_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags are changed, and then the store cannot say which others the messages have: nothing of it is a NO."""
    async with running_server(tmp_path, ("ann",)) as server:
        client = await Client.connect(server, login="ann")
        for _ in range(2):
            await server.deliver("ann", "hello")
        await client.command("SELECT INBOX")
        await client.command("STORE 1 +FLAGS.SILENT (\\Seen)")
        index = server.server.mail.store.index

        async def sick(*about: Any) -> None:
            raise StoreUnavailable("the disk is sick")

        with monkeypatch.context() as spell:
            spell.setattr(index, "rows", sick)
            told = await client.command("STORE 1:2 +FLAGS (\\Seen)")
            assert b" OK " in told[-1] and len(told) == 2 and told[0].startswith(b"* 2 FETCH (FLAGS (\\Seen")
            client.writer.write(b"n STORE 1:2 +FLAGS (\\Seen)\r\n")
            assert (await client.line()).startswith(b"n NO [UNAVAILABLE]"), "nothing was done, nothing can be told"
