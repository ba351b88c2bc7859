"""A client that logs in to a real server by any mechanism, over IMAP or SMTP."""

import asyncio
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from mailhorn.net.tls import end_point
from mailhorn.sasl import ClientMechanism

PATIENCE = 30.0
"""Seconds to wait for a line that must come; failed logins are slowed down."""


class SaslLine:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, smtp: bool) -> None:
        self.reader, self.writer, self.smtp = reader, writer, smtp
        self.said: list[bytes] = []
        """Every challenge of the last exchange."""

    async def line(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return (await self.reader.readline()).decode().rstrip("\r\n")

    async def command(self, text: str) -> list[str]:
        """Give a command and return all that is answered, up to the line that ends it."""
        self.writer.write(text.encode() + b"\r\n")
        lines = [await self.line()]
        end = ("x ", "+") if not self.smtp else ()
        while not (lines[-1].startswith(end) if end else lines[-1][3:4] == " "):
            lines.append(await self.line())
        return lines

    async def mechanisms(self) -> set[str]:
        """Return what is offered."""
        if self.smtp:
            return {
                name
                for line in await self.command("EHLO client.test")
                if line[4:].startswith("AUTH ")
                for name in line.split()[1:]
            }
        words = (await self.command("x CAPABILITY"))[0].split()
        return {word.removeprefix("AUTH=") for word in words if word.startswith("AUTH=")}

    async def authenticate(self, mechanism: ClientMechanism, initial: bool = True) -> str:
        """Run an exchange, and return the line that ends it; cancels where the mechanism does."""
        self.said = []
        first = mechanism.initial()
        start = "AUTH" if self.smtp else "x AUTHENTICATE"
        given = f" {b64encode(first).decode() or '='}" if initial and first is not None else ""
        line = (await self.command(f"{start} {mechanism.name}{given}"))[-1]
        go_on = "334 " if self.smtp else "+ "
        while line.startswith(go_on):
            challenge = b64decode(line.removeprefix(go_on))
            self.said.append(challenge)
            if challenge or initial or first is None or len(self.said) > 1:
                answer = mechanism.answer(challenge)
            else:
                answer = first
            line = (await self.command("*" if answer is None else b64encode(answer).decode()))[-1]
        return line

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on under TLS."""
        assert (await self.command("STARTTLS" if self.smtp else "x STARTTLS"))[-1].split()[1] in ("OK", "2.0.0")
        await self.writer.start_tls(context, server_hostname="localhost")

    @property
    def binding(self) -> tuple[str, bytes]:
        """Return the channel binding of the TLS connection."""
        certificate = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        binding = end_point(certificate)
        assert binding is not None
        return "tls-server-end-point", binding


@asynccontextmanager
async def sasl_line(port: int, smtp: bool = False, tls: ssl.SSLContext | None = None) -> AsyncIterator[SaslLine]:
    """Connect and be greeted."""
    name = {"server_hostname": "localhost"} if tls else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, **name)
    line = SaslLine(reader, writer, smtp)
    try:
        assert (await line.line())[:4] in ("* OK", "220 ")
        if smtp:
            await line.command("EHLO client.test")
        yield line
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


__all__ = ["SaslLine", "sasl_line"]
