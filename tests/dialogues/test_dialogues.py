"""Runs every dialogue of this folder over real sockets against a real server (see README.md)."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.kit.certificates import Authority
from tests.kit.introspection import introspection
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.config.settings import Tls
from mailhorn.net.deflate import Deflate
from mailhorn.net.tls import client_context
from mailhorn.server.imap.session import ImapSession

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.txt"))
PATIENCE = 30.0
"""Seconds to wait for a line that must come."""

LINE = re.compile(
    r"(?P<who>[CS])(?P<client>\d): ?(?P<text>.*)"
    r"|(?P<macro>login|select|deflate|deliver|hold|release|limit|rule|show|with) (?P<args>.*)"
)


class Client:
    """One connection of a dialogue."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._came = b""
        self._deflate: Deflate | None = None
        self._macros = 0

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> "Client":
        name = "localhost" if tls else None
        client = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name))
        assert (await client.line()).startswith("* OK ")
        return client

    def send(self, text: str) -> None:
        data = text.encode() + b"\r\n"
        self._writer.write(data if self._deflate is None else self._deflate.compress(data))

    async def line(self) -> str:
        async with asyncio.timeout(PATIENCE):
            while b"\n" not in self._came:
                came = await self._reader.read(65536)
                assert came, f"the connection has ended after {self._came!r}"
                self._came += self._plain(came)
        data, end, self._came = self._came.partition(b"\n")
        data += end
        assert data.endswith(b"\r\n")
        return data[:-2].decode()

    async def command(self, text: str) -> None:
        """Give a command of a macro and read up to its OK."""
        self._macros += 1
        tag = f"macro{self._macros}"
        self.send(f"{tag} {text}")
        while not (line := await self.line()).startswith(tag):
            pass
        assert line.startswith(f"{tag} OK"), line

    async def close(self) -> str:
        """Close our side and return what came that was not expected."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        else:  # TLS has no half of a connection
            self._writer.close()
        async with asyncio.timeout(PATIENCE):
            rest = self._came + self._plain(await self._reader.read())
        self._writer.close()
        return rest.decode()

    def deflate(self) -> None:
        """Compress from now on."""
        assert not self._came
        self._deflate = Deflate()

    def _plain(self, came: bytes) -> bytes:
        if self._deflate is None:
            return came
        self._deflate.received(came)
        plain = b""
        while self._deflate.waiting:
            plain += self._deflate.take()
        return plain


def as_pattern(expected: str) -> re.Pattern[str]:
    """`…` stands for any text."""
    return re.compile(".*".join(map(re.escape, expected.split("…"))), re.DOTALL)


NAMED = re.compile("‹([a-z]+)›")


def named(expected: str, received: str, names: dict[str, str]) -> None:
    """Remember what stands where the line has names."""
    parts = NAMED.split(expected)
    pattern = "".join("(.*?)" if i % 2 else as_pattern(part).pattern for i, part in enumerate(parts))
    found = re.fullmatch(pattern, received, re.DOTALL)
    if found is not None:
        names.update(zip(parts[1::2], found.groups(), strict=True))


class Hold:
    """Makes the index slow, so that there is something to be told of."""

    def __init__(self, server: ServerInTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self._mail, self._monkeypatch = server.server.mail, monkeypatch
        self._released: dict[str, asyncio.Event] = {}

    def hold(self, verb: str) -> None:
        """Let it wait from now on, for so long that who waits is told of once."""
        index = self._mail.store.index
        work, released = getattr(index, verb), asyncio.Event()

        async def waiting(*arguments: object, **named: object) -> object:
            if not released.is_set():
                for session in self._mail.sessions:
                    if isinstance(session, ImapSession) and session.progress is not None:
                        session.progress.overdue()
            await released.wait()
            return await work(*arguments, **named)

        self._monkeypatch.setattr(index, verb, waiting)
        self._released[verb] = released

    def release(self, verb: str) -> None:
        """Let it go on, and be as fast as before."""
        self._released.pop(verb).set()


WITH = re.compile("^with (.*)$", re.MULTILINE)


@contextlib.contextmanager
def settings_of(script: str, authority: Authority) -> Iterator[dict[str, object]]:
    """Give the settings that the dialogue wants, and run what they name."""
    with contextlib.ExitStack() as stack:
        wanted: dict[str, object] = {}
        for name in WITH.findall(script):
            if name == "tokens":
                wanted["oauth"] = stack.enter_context(introspection())[0]
            else:
                assert name == "certificates"
                wanted["tls"] = Tls(client_ca=authority.certificate)
        yield wanted


async def play(script: str, server: ServerInTest, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    holding = Hold(server, monkeypatch)
    clients: dict[str, Client] = {}
    names: dict[str, str] = {}

    async def client(number: str) -> Client:
        if number not in clients:
            clients[number] = await Client.connect(server.ports["imap"])
        return clients[number]

    for number, line in enumerate(script.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        assert found, f"line {number} is not of a dialogue: {line}"
        if found["macro"] == "with":
            continue
        if found["macro"] == "login":
            who, login = found["args"].split()
            await (await client(who)).command(f"LOGIN {login} {server.password}")
        elif found["macro"] == "select":
            who, mailbox = found["args"].split(" ", 1)
            await (await client(who)).command(f"SELECT {mailbox}")
        elif found["macro"] == "show":
            who, login = found["args"].split()
            tls = client_context(server.server.data / "tls" / "self-signed.crt")
            tls.load_cert_chain(*authority.client(login))
            clients[who] = await Client.connect(server.ports["imaps"], tls)
        elif found["macro"] == "deflate":
            (await client(found["args"])).deflate()
        elif found["macro"] == "hold":
            holding.hold(found["args"])
        elif found["macro"] == "release":
            holding.release(found["args"])
        elif found["macro"] == "limit":
            for session in server.server.mail.sessions:
                if isinstance(session, ImapSession):
                    options = replace(session.context.options, message_limit=int(found["args"]))
                    session.context.options = options
        elif found["macro"] == "rule":
            login, name, text = found["args"].split(" ", 2)
            path = server.server.data / "sieve" / login / f"{name}.sieve"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif found["macro"] == "deliver":
            login, subject = found["args"].split(" ", 1)
            await server.deliver(login, subject)
        elif found["who"] == "C":
            (await client(found["client"])).send(NAMED.sub(lambda name: names[name[1]], found["text"]))
        else:
            received = await (await client(found["client"])).line()
            named(found["text"], received, names)
            text = NAMED.sub(lambda name: names.get(name[1], name[0]), found["text"])
            assert as_pattern(text).fullmatch(received), f"line {number}: {line!r}, but was {received!r}"
    for who, connection in clients.items():
        rest = await connection.close()
        assert not rest or rest.startswith("* BYE"), f"client {who} received more: {rest!r}"


@pytest.mark.parametrize("script", [pytest.param(file.read_text("utf-8"), id=file.stem) for file in FILES])
async def test_dialogue(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server says what the file says, in that order, and nothing else."""
    authority = Authority(tmp_path / "ca")
    with settings_of(script, authority) as settings:
        async with running_server(tmp_path / "data", ("ann", "bob", "eve"), **settings) as server:
            await play(script, server, monkeypatch, authority)
