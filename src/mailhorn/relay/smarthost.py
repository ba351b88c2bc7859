"""A connection to the smarthost: what it says of each recipient, and what it says of us. The protocol is aiosmtplib's.

Rule 1: `Unreachable` is about the smarthost as a whole: no letter is to blame. What a letter got is an `Answer` for
each recipient. Rule 2: nothing goes out in the clear that the settings want encrypted, and no password before it is.
Rule 3: every wait has a limit, and a connection that is given up is cut, not closed politely: the other side may be
gone. Rule 4: what the other side says is made printable here.
"""

import asyncio
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Literal

import aiosmtplib

from ..net.dial import dial
from ..net.tls import abort
from ..smtp.address import parse_path
from ..smtp.data import write_data
from ..smtp.reply import CommandProblem
from .queue import Taken
from .retry import NOT_OURS, Answer

Encryption = Literal["tls", "starttls", "none"]

PORTS: dict[Encryption, int] = {"tls": 465, "starttls": 587, "none": 25}
"""RFC 8314 §3.3, RFC 6409 §3.1, RFC 5321 §4.5.4.2."""

SLOWEST = 16 * 1024
"""Octets a second that a line is expected to carry at the least; large letters have more time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long the other side may take, seconds.

    Attributes:
        connect: To connect, with TLS, up to its greeting.
        command: To answer a command (RFC 5321 §4.5.3.2 has 5 minutes).
        data: To take a small letter, once all of it was sent (10 minutes).

    """

    connect: float = 30.0
    command: float = 300.0
    data: float = 600.0


@dataclass(frozen=True, slots=True)
class Smarthost:
    """
    Where letters go.

    Attributes:
        host: Name or address.
        port: Port.
        encryption: TLS from the first byte, STARTTLS or nothing.
        context: How its certificate is verified; None without encryption.
        hello: What we call ourselves (EHLO).
        user: Login, "" for none.
        password: Its password.
        patience: How long it may take.

    """

    host: str
    port: int
    encryption: Encryption
    context: ssl.SSLContext | None
    hello: str
    user: str = ""
    password: str = field(default="", repr=False)
    patience: Patience = Patience()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Unreachable(Exception):
    """The smarthost cannot be used now, whatever the letter. The text says why."""


class Connection:
    """
    One connection to a smarthost.

    Attributes:
        opened: It was open once.
        letters: How many it has carried.

    """

    def __init__(self, smarthost: Smarthost) -> None:
        """Prepare it; nothing happens before `open`."""
        self._smarthost = smarthost
        self._client = aiosmtplib.SMTP(
            hostname=smarthost.host,
            local_hostname=smarthost.hello,
            timeout=smarthost.patience.connect,
            use_tls=smarthost.encryption == "tls",
            start_tls=smarthost.encryption == "starttls",
            tls_context=smarthost.context,
        )
        self._transport: asyncio.BaseTransport | None = None
        self.opened = False
        self.letters = 0

    @property
    def usable(self) -> bool:
        """It is open, as far as one knows without asking."""
        return self._client.is_connected

    async def open(self) -> None:
        """
        Connect, encrypt, log in.

        Raises:
            Unreachable: It did not work.

        """
        smarthost, client = self._smarthost, self._client
        try:
            async with asyncio.timeout(smarthost.patience.connect):
                await client.connect(sock=await dial(smarthost.host, smarthost.port))
                self._transport = client.transport
                await client.ehlo()
                if smarthost.user:
                    await client.login(smarthost.user, smarthost.password)
                self.opened = True
        except (aiosmtplib.SMTPException, OSError, ValueError) as problem:
            self.cut()
            raise Unreachable(f"{smarthost} {self._why(problem)}") from problem
        except BaseException:
            self.cut()
            raise

    def _why(self, problem: Exception) -> str:
        """Return why it cannot be used, as the rest of a sentence."""
        if isinstance(problem, aiosmtplib.SMTPAuthenticationError):
            return f"refuses the login of {self._smarthost.user}: {_answer(problem)}"
        if isinstance(problem, aiosmtplib.SMTPResponseException):
            return f"refuses us: {_answer(problem)}"
        cause = problem.__cause__ if isinstance(problem.__cause__, OSError) else problem
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted: {_printable(cause.verify_message)}"
        if isinstance(cause, ssl.SSLError):
            return f"cannot be spoken to encrypted: {_printable(cause.reason or str(cause))}"
        if isinstance(problem, TimeoutError):
            return f"did not answer within {self._smarthost.patience.connect:g} s"
        told = str(cause)
        if isinstance(cause, OSError) and cause.errno:  # asyncio's own words have the address once more
            told = cause.strerror or told if isinstance(cause, socket.gaierror) else os.strerror(cause.errno)
        return f"cannot be used: {_printable(told)}"

    async def send(self, letter: Taken) -> dict[int, Answer]:
        """
        Send a letter.

        Returns:
            What was said of each recipient, by its number.

        Raises:
            Unreachable: The smarthost wants nothing to do with us (421, another login), or a connection that had been
                idle is gone. No octet of the letter has left.

        """
        answers: dict[int, Answer] = {}
        try:
            await self._transaction(letter, answers)
        except (aiosmtplib.SMTPException, OSError, ValueError) as problem:
            self.cut()
            lost = Answer(0, f"the connection to {self._smarthost} was lost: {_printable(str(problem))}")
            for waiting in letter.recipients:
                answers.setdefault(waiting.id, lost)
        except BaseException:
            self.cut()
            raise
        self.letters += 1
        return answers

    async def _transaction(self, letter: Taken, answers: dict[int, Answer]) -> None:
        """Put an answer for each recipient into `answers`; those that were accepted get theirs at the end."""
        try:
            sender = _path(letter.sender) if letter.sender else b"<>"
        except _NotPossible as problem:
            answers.update((waiting.id, problem.answer) for waiting in letter.recipients)
            return
        paths: dict[int, bytes] = {}
        for waiting in letter.recipients:
            try:
                path = paths[waiting.id] = _path(waiting.address)
            except _NotPossible as problem:
                answers[waiting.id] = problem.answer
                continue
            if not (sender + path).isascii() and not self._client.supports_extension("smtputf8"):
                del paths[waiting.id]
                text = f"5.6.7 {self._smarthost} takes no addresses beyond ASCII (SMTPUTF8)"
                answers[waiting.id] = Answer(553, text)
        if not paths:
            return
        international = not (sender + b"".join(paths.values())).isascii()
        started = await self._mail(sender, letter, international)
        if not started.good:
            answers.update((number, started) for number in paths)
            await self._reset()
            return
        accepted: list[int] = []
        for number, path in paths.items():
            answer = await self._command(b"RCPT", b"TO:" + path)
            if answer.good:
                accepted.append(number)
            else:
                # 552 once meant "too many recipients" (RFC 5321 §4.5.3.1.10).
                answers[number] = Answer(452, answer.text) if accepted and answer.code == 552 else answer
        if not accepted:
            await self._reset()
            return
        said = await self._content(letter.content)
        answers.update((number, said) for number in accepted)
        if not said.good:
            await self._reset()

    async def _mail(self, sender: bytes, letter: Taken, international: bool) -> Answer:
        """Begin. Raises Unreachable for what is no letter's fault."""
        options = []
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % len(letter.content))
        if self._client.supports_extension("8bitmime") and not letter.content.isascii():
            options.append(b"BODY=8BITMIME")
        if international:
            options.append(b"SMTPUTF8")
        try:
            answer = await self._command(b"MAIL", b"FROM:" + sender, *options)
        except (aiosmtplib.SMTPServerDisconnected, OSError) as problem:
            self.cut()
            raise Unreachable(f"{self._smarthost} has closed the connection: {_printable(str(problem))}") from problem
        if answer.code in NOT_OURS:
            self.cut()
            raise Unreachable(f"{self._smarthost} refuses us: {answer}")
        return answer

    async def _content(self, content: bytes) -> Answer:
        """Send the message, in pieces and as the other side reads: a large one must not keep all others waiting."""
        started = await self._command(b"DATA")
        if started.code != 354:
            return Answer(0, f"{self._smarthost} does not know what it wants: {started}") if started.good else started
        protocol = self._client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("closed after 354")
        async with asyncio.timeout(self._smarthost.patience.data + len(content) / SLOWEST):
            reading = asyncio.ensure_future(protocol.read_response())
            try:
                await asyncio.sleep(0)  # from here on it listens: an answer may come before the end
                for piece in write_data(content):
                    protocol.write(piece)
                    await protocol._drain_helper()  # what StreamWriter.drain calls; there is no other way to wait
                    await asyncio.sleep(0)
                    if reading.done():
                        break
                else:
                    response = await reading
                    return Answer(response.code, _printable(response.message))
                response = await reading
            finally:
                reading.cancel()
        self.cut()  # it does not want the rest, and would take it for commands
        return Answer(0 if 200 <= response.code < 300 else response.code, _printable(response.message))

    async def _command(self, *words: bytes) -> Answer:
        response = await self._client.execute_command(*words, timeout=self._smarthost.patience.command)
        return Answer(response.code, _printable(response.message))

    async def _reset(self) -> None:
        if self.usable and not (await self._command(b"RSET")).good:
            self.cut()

    def leave(self) -> None:
        """Say QUIT and hang up, without waiting for an answer."""
        protocol = self._client.protocol
        if protocol is not None and self.usable:
            protocol.write(b"QUIT\r\n")
        self._client.close()

    def cut(self) -> None:
        """End the connection at once."""
        transport = self._client.transport or self._transport
        self._client.close()
        if isinstance(transport, asyncio.WriteTransport):
            abort(transport)


class _NotPossible(Exception):
    """An address cannot be written in SMTP."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


def _path(address: str) -> bytes:
    """Return an address as it is written (RFC 5321 §4.1.2, RFC 6531 §3.3). Raises _NotPossible."""
    try:
        mailbox, rest = parse_path(f"<{address}>")
    except CommandProblem as problem:
        raise _NotPossible(Answer(553, f"{problem.reply.enhanced} {problem.reply.text}")) from problem
    if mailbox is None or rest or not mailbox.domain:
        raise _NotPossible(Answer(553, "5.1.3 Bad address syntax"))
    return f"<{mailbox}>".encode()


def _answer(problem: aiosmtplib.SMTPResponseException) -> Answer:
    code = problem.code if 200 <= problem.code <= 599 else 0
    return Answer(code, _printable(problem.message))


def _printable(text: str) -> str:
    """Return what somebody else has said on one line, in ASCII."""
    return re.sub(r"[^ -~]", "?", " ".join(text.split()))[:500]


__all__ = ["PORTS", "Connection", "Encryption", "Patience", "Smarthost", "Unreachable"]
