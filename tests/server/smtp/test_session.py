"""SMTP and LMTP over real sockets into a real store."""

import asyncio
import smtplib
from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog.testing
from tests.kit.mail import Line, Receiving, receiving

from mailhorn.net.pump import Pump
from mailhorn.server.accounts import AccountOptions
from mailhorn.server.limits import ConnectionLimits, GuessLimits
from mailhorn.server.smtp.session import SmtpOptions
from mailhorn.store.abc import Append, Appended, StoreUnavailable

T = TypeVar("T")

BODY = b"Subject: Hi\r\n\r\nHello\r\n"


def _message(text: str = "Hello") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "carl@elsewhere.example"
    message["To"] = "ann@example.org"
    message["Subject"] = "Hi"
    message.set_content(text)
    return message


async def _smtp(server: Receiving, talk: Callable[[smtplib.SMTP], T]) -> T:
    """Talk with smtplib in a thread."""

    def run() -> T:
        with smtplib.SMTP("127.0.0.1", server.smtp, "client.example", timeout=10) as smtp:
            return talk(smtp)

    return await asyncio.to_thread(run)


async def test_a_message_is_delivered_with_its_trace(tmp_path: Path) -> None:
    """From smtplib to INBOX: Return-Path and Received in front, the rest as it was sent."""
    async with receiving(tmp_path) as server:
        refused = await _smtp(server, lambda smtp: smtp.send_message(_message()))
        assert refused == {}
        (message,) = await server.messages("ann")
        head, _, rest = message.partition(b"From: carl")
        lines = head.decode().split("\r\n")
        assert lines[0] == "Return-Path: <carl@elsewhere.example>"
        assert lines[1] == "Received: from client.example ([127.0.0.1])"
        assert lines[2].startswith("\tby mx.test with ESMTP id ") and lines[2].endswith(" for <ann@example.org>;")
        assert rest.endswith(b"\r\n\r\nHello\r\n")
        (delivered,) = server.delivered
        assert delivered.accepted_at <= delivered.durable_at <= delivered.told_at
        assert delivered.size == len(message) and delivered.id in lines[2]
        assert [change.appended for change in server.changes] == [(delivered.placed[0].uid,)]


async def test_it_is_told_before_it_is_answered(tmp_path: Path) -> None:
    """Durable, told, answered."""
    async with receiving(tmp_path) as server:
        order: list[str] = []
        server.store.index.told = lambda change: order.append("told")
        server.delivery.on_delivered = lambda delivered: order.append("delivered")
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\n", 4)
        await line.say(BODY + b".\r\n")
        order.append("answered")
        assert order == ["told", "delivered", "answered"]
        line.close()


async def test_strangers_cannot_relay(tmp_path: Path) -> None:
    """550 5.7.1 elsewhere, 550 5.1.1 for nobody here, and no message for either."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<carl@elsewhere.example>\r\n", 2)
        (elsewhere,) = await line.say(b"RCPT TO:<dora@elsewhere.example>\r\n")
        (nobody,) = await line.say(b"RCPT TO:<nobody@example.org>\r\n")
        (percent,) = await line.say(b"RCPT TO:<dora%elsewhere.example@example.org>\r\n")
        (route,) = await line.say(b"RCPT TO:<@example.org:dora@elsewhere.example>\r\n")
        (data,) = await line.say(b"DATA\r\n")
        assert elsewhere.startswith("550 5.7.1 ") and route.startswith("550 5.7.1 ")
        assert nobody.startswith("550 5.1.1 ") and percent.startswith("550 5.1.1 ")
        assert data.startswith("503 ")
        line.close()
        assert server.changes == []


async def test_logging_in_does_not_open_the_relay(tmp_path: Path) -> None:
    """There is no outbound queue in this version; the answer says so."""
    async with receiving(tmp_path) as server:

        def talk(smtp: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
            smtp.starttls(context=server.trusting)
            smtp.login("ann", "secret")
            try:
                smtp.sendmail("ann@example.org", ["dora@elsewhere.example"], "x")
            except smtplib.SMTPRecipientsRefused as error:
                return error.recipients
            return {}

        code, text = (await _smtp(server, talk))["dora@elsewhere.example"]
        assert code == 550 and text.startswith(b"5.7.1 Relaying is not available")


async def test_starttls_and_auth(tmp_path: Path) -> None:
    """The Received field says ESMTPSA."""
    async with receiving(tmp_path) as server:

        def talk(smtp: smtplib.SMTP) -> int:
            smtp.starttls(context=server.trusting)
            code, _ = smtp.login("ann", "secret")
            smtp.send_message(_message())
            return code

        assert await _smtp(server, talk) == 235
        (message,) = await server.messages("ann")
        assert b" with ESMTPSA id " in message


async def test_login_step_by_step(tmp_path: Path) -> None:
    """The mechanism LOGIN, and its failures."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        (offer,) = await line.say(b"EHLO c\r\n")
        assert "AUTH PLAIN LOGIN" in offer
        assert await line.say(b"AUTH LOGIN\r\n") == ["334 " + b64encode(b"Username:").decode()]
        assert await line.say(b64encode(b"ann") + b"\r\n") == ["334 " + b64encode(b"Password:").decode()]
        (wrong,) = await line.say(b64encode(b"wrong") + b"\r\n")
        assert wrong.startswith("535 5.7.8 ")
        (malformed,) = await line.say(b"AUTH PLAIN " + b64encode(b"nonsense") + b"\r\n")
        assert malformed.startswith("501 5.5.2 ")
        await line.say(b"AUTH LOGIN\r\n")
        (cancelled,) = await line.say(b"*\r\n")
        assert cancelled.startswith("501 ")
        (other,) = await line.say(b"AUTH PLAIN " + b64encode(b"bob\0ann\0secret") + b"\r\n")
        assert other.startswith("535 5.7.8 ")
        (right,) = await line.say(b"AUTH PLAIN " + b64encode(b"\0ann\0secret") + b"\r\n")
        assert right.startswith("235 2.7.0 ")
        line.close()


async def test_the_wire_log_has_no_passwords(tmp_path: Path) -> None:
    """It shows the rest, when asked for."""
    async with receiving(tmp_path, options=SmtpOptions(hostname="mx.test", wire_log=True)) as server:
        line = await Line.to(server.smtp)
        with structlog.testing.capture_logs() as logs:
            await line.say(b"EHLO c\r\n")
            await line.say(b"AUTH PLAIN\r\n")
            secret = b64encode(b"\0ann\0secret")
            await line.say(secret + b"\r\n")
            await line.say(b"NOOP\r\n")
        shown = [(entry["event"], entry["line"]) for entry in logs if "line" in entry]
        assert ("<", "EHLO c") in shown and ("<", "NOOP") in shown and ("<", "<hidden>") in shown
        assert secret.decode() not in repr(logs)
        line.close()


async def test_wrong_passwords_end_the_connection(tmp_path: Path) -> None:
    """After the third."""
    async with receiving(tmp_path, account_options=AccountOptions(guesses=GuessLimits(free=100))) as server:
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\n")
        wrong = b"AUTH PLAIN " + b64encode(b"\0ann\0wrong") + b"\r\n"
        assert all([(await line.say(wrong))[0].startswith("535") for _ in range(3)])
        assert (await line.ended()).startswith(b"421 4.7.0 ")


async def test_no_password_in_the_clear_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUTH is offered only behind STARTTLS."""
    monkeypatch.setattr(Pump, "loopback", False)
    async with receiving(tmp_path) as server:

        def talk(smtp: smtplib.SMTP) -> tuple[bool, int, bool]:
            smtp.ehlo()
            before = smtp.has_extn("auth")
            refused, _ = smtp.docmd("AUTH PLAIN", b64encode(b"\0ann\0secret").decode())
            smtp.starttls(context=server.trusting)
            smtp.ehlo()
            return before, refused, smtp.has_extn("auth")

        assert await _smtp(server, talk) == (False, 502, True)


async def test_nothing_said_before_tls_counts(tmp_path: Path) -> None:
    """What is pipelined behind STARTTLS in the clear is thrown away (CVE-2011-0411 and its kind)."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        (ehlo, go) = await line.say(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<evil@elsewhere.example>\r\n", 2)
        assert "STARTTLS" in ehlo and go.startswith("220 ")
        await line.writer.start_tls(server.trusting, server_hostname="localhost")
        (early,) = await line.say(b"RCPT TO:<ann@example.org>\r\n")
        assert early.startswith("503 ")
        (again,) = await line.say(b"EHLO c\r\n")
        assert "STARTTLS" not in again
        line.close()


async def test_implicit_tls(tmp_path: Path) -> None:
    """SMTPS: no STARTTLS, AUTH at once."""
    async with receiving(tmp_path) as server:

        def run() -> bool:
            with smtplib.SMTP_SSL("localhost", server.smtps, context=server.trusting, timeout=10) as smtp:
                smtp.login("bob", "secret")
                smtp.send_message(_message())
                return smtp.has_extn("starttls")

        assert await asyncio.to_thread(run) is False
        assert len(await server.messages("ann")) == 1


async def test_lmtp_answers_for_each_recipient(tmp_path: Path) -> None:
    """Two good ones and a bad one; one copy each, one change each."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.lmtp)
        (hello,) = await line.say(b"LHLO mta\r\n")
        assert "PIPELINING" in hello
        replies = await line.say(
            b"MAIL FROM:<carl@elsewhere.example>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
            b"RCPT TO:<bob@example.org>\r\nDATA\r\n",
            5,
        )
        assert [reply[:3] for reply in replies] == ["250", "250", "550", "250", "354"]
        replies = await line.say(BODY + b".\r\n", 2)
        assert all(reply.startswith("250 2.0.0 ") for reply in replies)
        (bye,) = await line.say(b"QUIT\r\n")
        assert bye.startswith("221") and await line.ended() == b""
        (anns,), (bobs,) = await server.messages("ann"), await server.messages("bob")
        assert anns == bobs and anns.endswith(BODY)
        assert b" for <" not in anns and b" with LMTP id " in anns
        assert len(server.changes) == 2


async def test_two_addresses_of_one_account_are_one_copy(tmp_path: Path) -> None:
    """Each is answered in LMTP."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.lmtp)
        await line.say(b"LHLO m\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nRCPT TO:<ann+x@example.org>\r\nDATA\r\n", 5)
        assert [reply[:3] for reply in await line.say(BODY + b".\r\n", 2)] == ["250", "250"]
        assert len(await server.messages("ann")) == 1
        line.close()


async def test_everything_in_one_packet(tmp_path: Path) -> None:
    """Pipelined to the end, with two messages, and the client ends its side at once."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        one = b"MAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n" + BODY + b".\r\n"
        line.writer.write(b"EHLO c\r\n" + one + one + b"QUIT\r\n")
        line.writer.write_eof()
        replies = (await line.ended()).decode().splitlines()
        assert [reply[:4] for reply in replies if reply[3] == " "] == [
            *("250 ", "250 ", "250 ", "354 ", "250 "),
            *("250 ", "250 ", "354 ", "250 ", "221 "),
        ]
        assert len(await server.messages("ann")) == 2


async def test_chunks(tmp_path: Path) -> None:
    """BDAT: binary-safe, no dot-stuffing, in pieces."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        body = b"Subject: chunks\r\n\r\n.\r\n..\r\nend\r\n"
        replies = await line.say(
            b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nBDAT 10\r\n"
            + body[:10]
            + b"BDAT %d LAST\r\n" % (len(body) - 10)
            + body[10:],
            5,
        )
        assert [reply[:3] for reply in replies] == ["250"] * 5
        (message,) = await server.messages("ann")
        assert message.endswith(body)
        line.close()


async def test_too_big(tmp_path: Path) -> None:
    """By announcement and by deed; nothing is stored and the session goes on."""
    async with receiving(tmp_path, options=SmtpOptions(hostname="mx.test", max_message_size=10_000)) as server:
        line = await Line.to(server.smtp)
        (hello,) = await line.say(b"EHLO c\r\n")
        assert "SIZE 10000" in hello
        (announced,) = await line.say(b"MAIL FROM:<c@d.example> SIZE=10001\r\n")
        assert announced.startswith("552 5.3.4 ")
        await line.say(b"MAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 3)
        (done,) = await line.say(b"x" * 70 + b"\r\n" + b"y\r\n" * 10_000 + b".\r\n")
        assert done.startswith("552 5.3.4 ")
        await line.say(b"MAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 3)
        (fine,) = await line.say(BODY + b".\r\n")
        assert fine.startswith("250 ")
        assert len(await server.messages("ann")) == 1
        line.close()


async def test_nothing_is_smuggled(tmp_path: Path) -> None:
    """LF.LF and its kin do not end a message; they spoil it."""
    async with receiving(tmp_path) as server:
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"):
            line = await Line.to(server.smtp)
            await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
            (reply,) = await line.say(BODY + b"x" + end + b"MAIL FROM:<evil@d.example>\r\n\r\n.\r\n")
            assert reply.startswith("554 5.6.0 ")
            (fine,) = await line.say(b"NOOP\r\n")
            assert fine.startswith("250 ")
            line.close()
        assert server.changes == []


async def test_a_big_message_streams_through(tmp_path: Path) -> None:
    """Beyond what is held in memory."""
    async with receiving(tmp_path) as server:
        text = "0123456789\n" * 100_000
        await _smtp(server, lambda smtp: smtp.send_message(_message(text)))
        (message,) = await server.messages("ann")
        assert message.count(b"0123456789\r\n") == 100_000


async def test_a_message_cut_off_is_not_delivered(tmp_path: Path) -> None:
    """The client must try again; nothing is left behind."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
        line.writer.write(b"x" * 300_000)
        line.writer.write_eof()
        assert await line.ended() == b""
        await server.sessions.gone()
        assert server.changes == [] and list((tmp_path / "spool").glob("*")) == []


async def test_a_complete_message_is_delivered_though_the_client_vanishes(tmp_path: Path) -> None:
    """It may come twice then, but it is never lost."""
    async with receiving(tmp_path) as server:
        arrived = asyncio.Event()
        server.delivery.on_delivered = lambda delivered: arrived.set()
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
        line.writer.write(BODY + b".\r\n")
        await line.writer.drain()
        line.writer.transport.abort()
        await arrived.wait()
        assert len(await server.messages("ann")) == 1


async def test_the_store_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4xx, never a 2xx without durability."""
    async with receiving(tmp_path) as server:

        def full(_: Append, then: Callable[[Appended | Exception], None]) -> None:
            problem = StoreUnavailable("index.sqlite: cannot write")
            problem.__cause__ = OSError(28, "No space left on device")
            then(problem)

        monkeypatch.setattr(server.store.index, "append_soon", full)
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
        (reply,) = await line.say(BODY + b".\r\n")
        assert reply.startswith("452 4.3.1 ")
        assert server.delivered == []
        line.close()


async def test_a_silent_client_is_told_and_let_go(tmp_path: Path) -> None:
    """421 4.4.2."""
    options = SmtpOptions(hostname="mx.test", command_timeout=0.05)
    async with receiving(tmp_path, options=options, grain=0.01) as server:
        line = await Line.to(server.smtp)
        assert await line.ended() == b"421 4.4.2 Silent for too long\r\n"


async def test_a_client_that_stops_within_a_message_is_let_go(tmp_path: Path) -> None:
    """With nothing left behind."""
    options = SmtpOptions(hostname="mx.test", data_timeout=0.05)
    async with receiving(tmp_path, options=options, grain=0.01) as server:
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
        line.writer.write(b"Subject: ")
        assert await line.ended() == b"421 4.4.2 Silent for too long\r\n"
        assert server.changes == []


async def test_too_many_connections(tmp_path: Path) -> None:
    """421 4.7.0 instead of the greeting, and room again when one leaves."""
    async with receiving(tmp_path, limits=ConnectionLimits(total=1)) as server:
        first = await Line.to(server.smtp)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.smtp)
        assert await reader.read() == b"421 4.7.0 Too many connections, try again later\r\n"
        writer.close()
        await first.say(b"QUIT\r\n")
        await first.ended()
        await server.sessions.gone()
        (await Line.to(server.smtp)).close()


async def test_shutting_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """421 to who waits, the answer first to whose message is complete."""
    async with receiving(tmp_path) as server:
        idle, sending = await Line.to(server.smtp), await Line.to(server.smtp)
        await sending.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", 4)
        append, stopping = server.store.append_soon, asyncio.Event()

        def append_while_stopping(*args: Any) -> bool:
            for session in list(server.sessions):
                session.shut_down()
            stopping.set()
            return append(*args)

        monkeypatch.setattr(server.store, "append_soon", append_while_stopping)
        sending.writer.write(BODY + b".\r\n")
        await stopping.wait()
        assert (await idle.ended()).startswith(b"421 4.3.2 ")
        replies = (await sending.ended()).splitlines()
        assert [reply[:3] for reply in replies] == [b"250", b"421"]
        assert len(await server.messages("ann")) == 1


async def test_a_bug_closes_the_connection_and_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback for the client, no task left, no 2xx."""
    async with receiving(tmp_path) as server:

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(server.context.accounts, "account_for", broken)
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\n", 2)
        with structlog.testing.capture_logs() as logs:
            line.writer.write(b"RCPT TO:<ann@example.org>\r\n")
            assert await line.ended() == b""
        assert [type(entry["exc_info"]) for entry in logs if entry["log_level"] == "error"] == [ZeroDivisionError]


@pytest.mark.parametrize(
    "noise",
    [
        b"\0" * 5000,
        b"A" * 3_000_000,
        b"\r\n" * 5000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 999,
    ],
    ids=["nul", "long line", "empty lines", "http", "tls"],
)
async def test_noise(tmp_path: Path, noise: bytes) -> None:
    """A correct answer or the end, no error in the log."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        with structlog.testing.capture_logs() as logs:
            line.writer.write(noise + b"\r\nQUIT\r\n")
            line.writer.write_eof()
            rest = await line.ended()
        assert all(part[:1] in b"245" for part in rest.splitlines())
        assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_a_refused_message_is_in_the_log(tmp_path: Path) -> None:
    """Its sender's program may show only a number; the operator finds the reason."""
    async with receiving(tmp_path) as server:
        line = await Line.to(server.smtp)
        await line.say(b"EHLO c\r\nMAIL FROM:<c@d.example>\r\n", 2)
        await line.say(b"RCPT TO:<ann@example.org>\r\nDATA\r\n", 2)
        with structlog.testing.capture_logs() as logs:
            (reply,) = await line.say(b"Subject: x\n\nlines of Unix\n\r\n.\r\n")
        assert reply.startswith("554 5.6.0 Bare CR or LF")
        (entry,) = [entry for entry in logs if entry["event"] == "refused"]
        assert entry["log_level"] == "info" and "Bare CR or LF" in entry["reason"]
        line.close()
