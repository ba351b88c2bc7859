"""Sends a message by SMTP over a real socket, as any mail server would, and notes the moment it was sent."""

import asyncio
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid

from ..failure import CommandFailed

SENDER = "demo@example.org"
_BODY = "How long does a letter take?\nThe horn is heard before the coach is seen.\n"


def message(number: int, recipient: str) -> bytes:
    """Return a message, ready for DATA: CRLF lines, dots stuffed, without the final dot."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"Demo <{SENDER}>"
    mail["To"] = recipient
    mail["Subject"] = f"Demo message {number}"
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = make_msgid(domain="example.org")
    mail.set_content(_BODY * 20)
    return mail.as_bytes().replace(b"\r\n.", b"\r\n..")


async def send(host: str, port: int, recipient: str, data: bytes) -> float:
    """
    Send a message.

    Returns:
        When its last octet was given to the socket, in seconds of `time.monotonic`.

    Raises:
        CommandFailed: The server refused it, or is gone.

    """
    try:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            await _expect(reader, b"220")
            for line in (
                b"EHLO demo.example.org",
                b"MAIL FROM:<%b>" % SENDER.encode(),
                b"RCPT TO:<%b>" % recipient.encode(),
            ):
                writer.write(line + b"\r\n")
                await _expect(reader, b"250")
            writer.write(b"DATA\r\n")
            await _expect(reader, b"354")
            writer.write(data)
            await writer.drain()
            sent = time.monotonic()
            writer.write(b".\r\n")
            await _expect(reader, b"250")
            writer.write(b"QUIT\r\n")
            await _expect(reader, b"221")
        finally:
            writer.close()
    except OSError as error:
        raise CommandFailed(f"SMTP: the connection to {host}:{port} failed: {error}") from error
    return sent


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    while True:
        line = await reader.readline()
        if not line.startswith(code):
            raise CommandFailed(
                f"SMTP: the server answered {line.decode('utf-8', 'replace').strip()!r}, not {code.decode()}"
            )
        if line[3:4] != b"-":
            return
