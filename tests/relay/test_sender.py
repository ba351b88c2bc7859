"""What is due goes to the smarthost, over real sockets; what cannot go waits, on a clock that jumps, or is told of."""

import asyncio
import email
import email.message
import email.policy
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from tests.kit.loops import on_both_loops
from tests.kit.smarthost import DROP, HANG, Smarthost

from mailhorn.net.tls import client_context, self_signed, server_context
from mailhorn.relay.letter import Letter, RelayUnavailable
from mailhorn.relay.queue import Queue, Queued
from mailhorn.relay.retry import LONGEST, MAX_AGE, SMARTHOST_LONGEST
from mailhorn.relay.sender import IDLE, Sender, SenderOptions, WallClock, nowhere
from mailhorn.relay.smarthost import Patience
from mailhorn.relay.smarthost import Smarthost as Target

LETTER = Letter(
    "sender@example.org", ("bob@example.net",), b"Subject: x\r\n\r\n.Hello\r\n..\r\n.\r\nend\r\n", "redirect", "ann"
)
TO_THREE = replace(LETTER, recipients=("good@example.net", "later@example.net", "never@example.net"))


class JumpingTime:
    """A clock that stands still until the sender waits for a time, and then jumps to it when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        self.busy: Callable[[], bool] = lambda: False
        self._sleepers: dict[asyncio.Event, float | None] = {}
        self._changed = asyncio.Event()

    def now(self) -> float:
        return self.seconds

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is not None and until <= self.seconds:
            return
        jumped = asyncio.Event()
        self._sleepers[jumped] = until
        self._changed.set()
        waits = [asyncio.ensure_future(one.wait()) for one in (event, jumped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self._sleepers.pop(jumped, None)
            self._changed.set()

    async def quiet(self, what: Callable[[], bool] = lambda: True, busy: bool = False) -> float | None:
        """Wait until that is so and nothing is done but waiting; return for what time, None: for something new."""
        async with asyncio.timeout(30):
            while not (self._sleepers and (busy or not self.busy()) and what()):
                self._changed.clear()
                await self._changed.wait()
        return min((until for until in self._sleepers.values() if until is not None), default=None)

    async def until(self, busy: bool = False) -> float:
        """Wait until it waits for a time, and return which."""
        until = await self.quiet(lambda: any(self._sleepers.values()), busy)
        assert until is not None
        return until

    async def jump(self, busy: bool = False) -> float:
        """Go on to what it waits for; return the seconds that took."""
        until = await self.until(busy)
        before, self.seconds = self.seconds, until
        for jumped, wanted in tuple(self._sleepers.items()):
            if wanted is not None and wanted <= until:
                del self._sleepers[jumped]
                jumped.set()
        return until - before


class Relay:
    """A queue, its sender and a clock."""

    def __init__(self, folder: Path, roll: float = 1.0) -> None:
        self.time = JumpingTime()
        self.queue = Queue(folder / "queue.sqlite", clock=self.time.now)
        self.roll = roll
        self.sender: Sender | None = None
        self.home = nowhere
        self.max_age = MAX_AGE

    async def start(self, smarthost: Smarthost, **target: object) -> Sender:
        """Send there."""
        options = {"encryption": "none", "context": None, "hello": "mail.example.org", **target}
        to = Target("127.0.0.1", smarthost.port, **options)  # type: ignore[arg-type]
        self.sender = Sender(
            self.queue,
            SenderOptions(to, "mail.example.org", max_age=self.max_age),
            self.home,
            self.time,
            lambda: self.roll,
        )
        sender = self.sender
        self.time.busy = lambda: bool(sender._sending) or sender._wake.is_set()
        await sender.start()
        return sender

    async def stop(self) -> None:
        if self.sender is not None:
            await self.sender.stop()
        await self.queue.close()

    async def empty(self) -> None:
        """Wait until nothing is in the queue that can be sent."""
        assert await self.time.quiet() is None
        assert not [row for row in await self.queue.listing() if row.state in ("due", "sending")]

    async def rows(self) -> list[Queued]:
        """What is in the queue once the sender waits for a time."""
        await self.time.until()
        return await self.queue.listing()


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    relay = Relay(tmp_path)
    yield relay
    await relay.stop()


def by_verb(**answers: str) -> Callable[[str, str], str | None]:
    """Answer always the same to a verb."""
    return lambda verb, argument: answers.get(verb)


def by_recipient(verb: str, argument: str) -> str | None:
    if verb == "RCPT" and "later@" in argument:
        return "450 4.2.1 come again"
    if verb == "RCPT" and "never@" in argument:
        return "550 5.1.1 no such user"
    return None


class Once:
    """Gives an answer to a verb as often as said, then the usual one."""

    def __init__(self, verb: str, answer: str, times: int = 1) -> None:
        self.verb, self.answer, self.left = verb, answer, times

    def __call__(self, verb: str, argument: str) -> str | None:
        if verb != self.verb or not self.left:
            return None
        self.left -= 1
        return self.answer


async def until_taken(smarthost: Smarthost, letters: int = 1) -> None:
    await asyncio.to_thread(smarthost.wait_for, letters)


def report_of(content: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[return-value]


async def test_it_is_sent_as_it_is(relay: Relay) -> None:
    """Octet for octet, dots and all; the smarthost hears who we are and how large it is."""
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        await until_taken(smarthost)
        await relay.empty()
        (got,) = smarthost.letters
        assert (got.sender, got.recipients, got.content) == (LETTER.sender, LETTER.recipients, LETTER.content)
        assert got.parameters == (f"SIZE={len(LETTER.content)}",)
        assert smarthost.commands[0] == "EHLO mail.example.org"


async def test_what_waited_before_the_start(relay: Relay) -> None:
    """It is sent without anybody asking, what was being sent included."""
    await relay.queue.submit([LETTER, LETTER])
    await relay.queue.take(1, LONGEST)
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await until_taken(smarthost, 2)
        await relay.empty()


async def test_nothing_to_send_is_nothing_to_do(relay: Relay) -> None:
    """An empty queue connects to nobody and waits for no time."""
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        assert await relay.time.quiet() is None
        assert smarthost.connections == 0


async def test_one_connection_for_many(relay: Relay) -> None:
    """What comes together goes together, over two connections at the most."""
    with Smarthost().running() as smarthost:
        await relay.queue.submit([LETTER] * 30)
        await relay.start(smarthost)
        await until_taken(smarthost, 30)
        await relay.empty()
        assert smarthost.connections <= 2


async def test_later_is_later(relay: Relay) -> None:
    """4xx: again after a minute, two, four …, and done when the server wants it."""
    with Smarthost(Once("RCPT", "450 4.2.1 busy", 3)).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert [await relay.time.jump() for _ in range(3)] == [60, 120, 240]
        await until_taken(smarthost)
        await relay.empty()


async def test_each_recipient_gets_its_own(relay: Relay) -> None:
    """Who was refused does not keep it from the others; who has it does not get it again."""
    with Smarthost(by_recipient).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([TO_THREE])
        await until_taken(smarthost, 2)
        assert smarthost.letters[0].recipients == ("good@example.net",)
        # at once: the report to the sender
        assert (smarthost.letters[1].sender, smarthost.letters[1].recipients) == ("", (LETTER.sender,))
        first = [row for row in await relay.rows() if row.letter == 1]
        assert [row.state for row in first] == ["done", "due", "failed"]
        smarthost.answer = lambda verb, argument: None
        await relay.time.jump()
        await until_taken(smarthost, 3)
        assert smarthost.letters[2].recipients == ("later@example.net",)
        await relay.empty()


async def test_the_report(relay: Relay) -> None:
    """It says to whom, what the server said, and what message it was (RFC 3464)."""
    with Smarthost(by_verb(RCPT="550 5.1.1 <bob@example.net>: no such user")).running() as smarthost:
        told: list[tuple[str, bytes]] = []

        async def home(address: str, content: bytes) -> bool:
            told.append((address, content))
            return True

        relay.home = home
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert await relay.time.quiet(lambda: bool(told)) is None
        ((address, content),) = told
        assert address == LETTER.sender
        report = report_of(content)
        assert report.get_content_type() == "multipart/report" and report["To"] == LETTER.sender
        assert report["Auto-Submitted"] == "auto-replied"
        _, status, returned = report.iter_parts()
        assert status.get_content_type() == "message/delivery-status"
        _, recipient = status.iter_parts()  # type: ignore[attr-defined]
        assert recipient["Final-Recipient"] == "rfc822; bob@example.net"
        assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
        assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 <bob@example.net>: no such user"
        assert b"Subject: x" in returned.get_payload(decode=True)
        assert [row.state for row in await relay.queue.listing()] == ["failed"]


async def test_a_report_that_cannot_be_delivered(relay: Relay) -> None:
    """A failure is none before its report is safe: the letter is tried again instead."""
    full = True

    async def home(address: str, content: bytes) -> bool:
        if full:
            raise RelayUnavailable("the disk is full")
        return True

    relay.home = home
    with Smarthost(by_verb(MAIL="550 5.7.1 no")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert [row.state for row in await relay.rows()] == ["due"]
        full = False
        await relay.time.jump()
        await relay.empty()
        assert [row.state for row in await relay.queue.listing()] == ["failed"]


async def test_a_letter_without_sender_is_never_told_of(relay: Relay) -> None:
    """A report of a report would have a report (RFC 5321 §4.5.5)."""
    with Smarthost(by_verb(CONTENT="554 5.6.0 no")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, sender="")])
        assert await relay.time.quiet(lambda: smarthost.told("DATA") == 1) is None
        assert [row.state for row in await relay.queue.listing()] == ["failed"]


async def test_too_old(relay: Relay) -> None:
    """After five days of 4xx the sender is told."""
    relay.roll = 0.9
    with Smarthost(by_verb(RCPT="451 4.3.0 busy")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, sender="")])
        begin = relay.time.seconds
        while await relay.time.quiet(lambda: smarthost.told("RCPT") > 0) is not None:
            await relay.time.jump()
        assert [row.state for row in await relay.queue.listing()] == ["failed"]
        took = relay.time.seconds - begin
        assert MAX_AGE <= took <= MAX_AGE + LONGEST
        assert smarthost.told("RCPT") < 60


async def test_nobody_listens(relay: Relay) -> None:
    """All wait, with one backoff, and no attempt is counted; when somebody listens again, all go."""
    smarthost = Smarthost()
    with smarthost.running():
        pass  # now its port is free
    with structlog.testing.capture_logs() as logs:
        sender = await relay.start(smarthost)
        await relay.queue.submit([LETTER] * 5)
        waits = [await relay.time.jump() for _ in range(9)]
        assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300]
        assert {(row.state, row.attempts) for row in await relay.rows()} == {("due", 0)}
        assert "refused" in sender.trouble.lower() or "cannot be used" in sender.trouble
        await relay.queue.submit([LETTER])  # nobody is asked sooner because of that
        assert await relay.time.until() == sender.not_before
        with smarthost.running():
            await relay.time.jump()
            await until_taken(smarthost, 6)
            await relay.empty()
        assert sender.trouble == ""
    warnings = [log["event"] for log in logs if log["log_level"] == "warning"]
    assert len(warnings) == 1, "once, not for each attempt"
    assert sum(log["event"] == "the smarthost can be used again" for log in logs) == 1


async def test_nobody_listens_and_the_clock_is_set_back(relay: Relay) -> None:
    """It waits between two attempts as before, whatever the time of the next one was to be."""
    smarthost = Smarthost()
    with smarthost.running():
        pass
    sender = await relay.start(smarthost)
    await relay.queue.submit([LETTER])
    assert [await relay.time.jump() for _ in range(3)] == [2, 4, 8]
    await relay.time.until()
    relay.time.seconds -= 86400
    sender.wake()
    await relay.time.quiet(lambda: sender.not_before < relay.time.seconds + SMARTHOST_LONGEST)
    assert [await relay.time.jump() for _ in range(2)] == [32, 64]


async def test_somebody_says_now(relay: Relay) -> None:
    """An operator who has mended it does not wait for the backoff."""
    smarthost = Smarthost()
    with smarthost.running():
        pass
    sender = await relay.start(smarthost)
    await relay.queue.submit([LETTER])
    await relay.time.jump()
    await relay.time.until()
    with smarthost.running():
        sender.wake(now=True)
        await until_taken(smarthost)
        await relay.empty()


async def test_too_old_while_nobody_listens(relay: Relay) -> None:
    """Who waits for an answer gets one, also if there never was a server; each of them."""
    smarthost = Smarthost()
    with smarthost.running():
        pass
    told: list[str] = []

    async def home(address: str, content: bytes) -> bool:
        told.append(address)
        return True

    relay.home = home
    await relay.queue.submit([replace(LETTER, sender=f"{n}@example.org") for n in range(3)])
    relay.time.seconds += MAX_AGE
    await relay.queue.submit([replace(LETTER, sender="new@example.org")])
    await relay.start(smarthost)
    states = [row.state for row in await relay.rows()]
    assert sorted(told) == ["0@example.org", "1@example.org", "2@example.org"]
    assert states == ["failed", "failed", "failed", "due"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate and what serves it."""
    made, key = self_signed(tmp_path / "tls", ["127.0.0.1"])
    return made, server_context(made, key)


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_encrypted(relay: Relay, certificate: tuple[Path, ssl.SSLContext], implicit: bool) -> None:
    """The login and the letter go over TLS."""
    made, context = certificate
    users = {"ann": "correct horse"}
    with Smarthost(tls=context, implicit=implicit, users=users).running() as smarthost:
        await relay.start(
            smarthost,
            encryption="tls" if implicit else "starttls",
            context=client_context(made),
            user="ann",
            password="correct horse",
        )
        await relay.queue.submit([LETTER])
        await until_taken(smarthost)
        assert smarthost.letters[0].encrypted and smarthost.letters[0].user == "ann"
        await relay.empty()


async def test_no_encryption_no_password(relay: Relay) -> None:
    """A server that offers no STARTTLS, as one does from which somebody has taken the offer, gets neither."""
    with Smarthost(users={"ann": "correct horse"}).running() as smarthost:
        sender = await relay.start(
            smarthost, encryption="starttls", context=client_context(), user="ann", password="correct horse"
        )
        await relay.queue.submit([LETTER])
        await relay.time.until()
        assert "STARTTLS" in sender.trouble
        assert not smarthost.told("AUTH") and not smarthost.told("MAIL")


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_certificate_of_somebody_else(
    relay: Relay, certificate: tuple[Path, ssl.SSLContext], implicit: bool
) -> None:
    """It is not trusted; letters wait, and the log can say why."""
    _, context = certificate
    with Smarthost(tls=context, implicit=implicit).running() as smarthost:
        sender = await relay.start(smarthost, encryption="tls" if implicit else "starttls", context=client_context())
        await relay.queue.submit([LETTER])
        await relay.time.until()
        assert "certificate" in sender.trouble.lower(), sender.trouble
        assert not smarthost.told("MAIL")


async def test_the_server_refuses_to_encrypt(relay: Relay, certificate: tuple[Path, ssl.SSLContext]) -> None:
    """454 to STARTTLS is no reason to go on without."""
    made, context = certificate
    with Smarthost(by_verb(STARTTLS="454 4.7.0 not now"), tls=context).running() as smarthost:
        sender = await relay.start(smarthost, encryption="starttls", context=client_context(made))
        await relay.queue.submit([LETTER])
        await relay.time.until()
        assert "454" in sender.trouble
        assert not smarthost.told("MAIL")


async def test_a_wrong_password(relay: Relay) -> None:
    """It is the settings' fault, not the letter's: it waits, and the password is in no log."""
    with structlog.testing.capture_logs() as logs, Smarthost(users={"ann": "other"}).running() as smarthost:
        sender = await relay.start(smarthost, user="ann", password="correct horse")
        await relay.queue.submit([LETTER])
        assert [(row.state, row.attempts) for row in await relay.rows()] == [("due", 0)]
        assert "refuses the login of ann" in sender.trouble and "535" in sender.trouble
    assert "correct horse" not in str(logs)


@pytest.mark.parametrize(
    ("verb", "waited"),
    [
        ("CONNECT", "connect"), ("EHLO", "connect"),
        ("MAIL", "command"), ("RCPT", "command"), ("DATA", "command"), ("CONTENT", "data"),
    ],
)  # fmt: skip
async def test_a_server_that_hangs(relay: Relay, verb: str, waited: str) -> None:
    """Wherever it falls silent, the letter waits and is sent again; it is not lost."""
    with Smarthost(Once(verb, HANG)).running() as smarthost:
        sender = await relay.start(smarthost, patience=Patience(**{waited: 0.3}))
        await relay.queue.submit([LETTER])
        assert [row.state for row in await relay.rows()] == ["due"]
        # Who does answer now has the time that a busy machine may take.
        patient = replace(sender._options.smarthost, patience=Patience())
        sender._options = replace(sender._options, smarthost=patient)
        for _ in range(2 if verb == "MAIL" else 1):  # there the letter waits, and the others wait, too
            await relay.time.jump()
        await until_taken(smarthost, 2 if verb == "CONTENT" else 1)
        await relay.empty()


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
async def test_a_server_that_hangs_up(relay: Relay, verb: str) -> None:
    """The same for a connection that is lost."""
    with Smarthost(Once(verb, DROP)).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert [row.state for row in await relay.rows()] == ["due"]
        for _ in range(2 if verb == "MAIL" else 1):  # there the letter waits, and the others wait, too
            await relay.time.jump()
        await until_taken(smarthost, 2 if verb == "CONTENT" else 1)
        await relay.empty()


@pytest.mark.parametrize("answer", ["421 4.3.2 going down", "530 5.7.0 log in", "no number at all", "999 what"])
async def test_it_wants_nothing_to_do_with_us(relay: Relay, answer: str) -> None:
    """At MAIL: no letter is refused because of that; the one that was tried is not the next one."""
    with Smarthost(Once("MAIL", answer)).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert [row.state for row in await relay.rows()] == ["due"]
        await relay.queue.submit([replace(LETTER, recipients=("cid@example.net",))])
        await relay.time.jump()
        await until_taken(smarthost)
        assert smarthost.letters[0].recipients == ("cid@example.net",)


async def test_an_idle_connection_that_was_closed(relay: Relay) -> None:
    """The next letter goes over a new one, at once: nothing has failed."""
    with Smarthost(Once("CONTENT", "250 2.0.0 taken")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        await until_taken(smarthost)
        await relay.empty()
        smarthost.answer = Once("MAIL", "421 4.4.2 idle for too long")
        await relay.queue.submit([LETTER])
        await until_taken(smarthost, 2)
        await relay.empty()
        assert smarthost.connections == 2


async def test_an_idle_connection_is_closed(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Politely, after a few seconds."""
    assert 0 < IDLE < 60
    monkeypatch.setattr("mailhorn.relay.sender.IDLE", 0.05)
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        await until_taken(smarthost)
        await asyncio.to_thread(smarthost.wait, lambda: smarthost.told("QUIT") == 1)


async def test_letters_beyond_ascii(relay: Relay) -> None:
    """8BITMIME and SMTPUTF8 are said where they are needed."""
    eight = "Subject: x\r\n\r\nGrüße\r\n".encode()
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, content=eight)])
        await until_taken(smarthost)
        await relay.queue.submit([replace(LETTER, recipients=("jürgen@example.net",), content=eight)])
        await until_taken(smarthost, 2)
        await relay.empty()
        assert smarthost.letters[0].parameters[1:] == ("BODY=8BITMIME",)
        assert smarthost.letters[1].parameters[1:] == ("BODY=8BITMIME", "SMTPUTF8")
        assert smarthost.letters[1].recipients == ("jürgen@example.net",)


async def test_a_server_without_smtputf8(relay: Relay) -> None:
    """An address that cannot be said to it fails; the others get the letter."""
    with Smarthost(extensions=()).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, sender="", recipients=("jürgen@example.net", "bob@example.net"))])
        await until_taken(smarthost)
        assert await relay.time.quiet() is None
        assert smarthost.letters[0].recipients == ("bob@example.net",)
        failed = [row for row in await relay.queue.listing() if row.state == "failed"]
        assert [row.said[:9] for row in failed] == ["553 5.6.7"]


@pytest.mark.parametrize("address", ["a b@example.net", "x@example.net> SIZE=1", "x@example.net\r\nDATA", "x", "@", ""])
async def test_an_address_that_is_none(relay: Relay, address: str) -> None:
    """It fails without a word of it to the server; the others get the letter."""
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, sender="", recipients=(address, "bob@example.net"))])
        await until_taken(smarthost)
        assert await relay.time.quiet() is None
        assert smarthost.letters[0].recipients == ("bob@example.net",)
        assert [row.state for row in await relay.queue.listing()] == ["failed", "done"]


async def test_bare_line_ends(relay: Relay) -> None:
    """What is no line end to us is none to the next server: nothing can be smuggled out (RFC 5321 §2.3.8)."""
    smuggled = b"Subject: x\r\n\r\nhi\n.\nMAIL FROM:<evil@example.org>\r.\r\nend\r\n"
    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, content=smuggled)])
        await until_taken(smarthost)
        await relay.empty()
        assert len(smarthost.letters) == 1 and smarthost.told("MAIL") == 1


async def test_a_disk_that_refuses(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent and cannot be recorded is recorded when it can, and not sent again."""
    record = relay.queue.record
    refusing = 3

    async def refuse(*arguments: object) -> None:
        nonlocal refusing
        if refusing:
            refusing -= 1
            raise RelayUnavailable("the disk is full")
        await record(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(relay.queue, "record", refuse)
    with structlog.testing.capture_logs() as logs, Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        await until_taken(smarthost)
        for _ in range(3):
            await relay.time.jump(busy=True)
        await relay.empty()
        assert len(smarthost.letters) == 1
    assert sum(log["log_level"] == "error" for log in logs) == 1


async def test_it_stops_at_once(relay: Relay) -> None:
    """Whatever the smarthost does; and what was being sent is due."""
    with Smarthost(by_verb(CONTENT=HANG)).running() as smarthost:
        sender = await relay.start(smarthost)
        await relay.queue.submit([LETTER] * 4)
        await asyncio.to_thread(smarthost.wait, lambda: smarthost.told("DATA") == 2)
        async with asyncio.timeout(20):  # half a second, on a machine that is busy; the smarthost has ten minutes
            await sender.stop()
        assert {row.state for row in await relay.queue.listing()} == {"due"}


async def test_what_is_nearly_sent_is_sent(relay: Relay) -> None:
    """At the end there is a moment for the answer that saves a double."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def late(verb: str, argument: str) -> str | None:
        if verb == "CONTENT":
            asyncio.run_coroutine_threadsafe(stopping.wait(), loop).result(10)
        return None

    with Smarthost(late).running() as smarthost:
        sender = await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        await asyncio.to_thread(smarthost.wait, lambda: smarthost.told("DATA") == 1)
        stop = asyncio.create_task(sender.stop())
        await asyncio.sleep(0)
        stopping.set()
        await stop
        assert await relay.queue.listing() == []


@on_both_loops
async def test_on_the_wall_clock(tmp_path: Path) -> None:
    """The real clock wakes it for what is due, on both kinds of loop."""
    smarthost = Smarthost(Once("MAIL", "451 4.3.0 wait"))
    with smarthost.running():
        clock = Hurried()
        queue = Queue(tmp_path / "queue.sqlite", clock=clock.now)
        to = Target("127.0.0.1", smarthost.port, "none", None, "mail.example.org")
        sender = Sender(queue, SenderOptions(to, "mail.example.org"), clock=clock, roll=lambda: 0.0)
        await sender.start()
        await queue.submit([LETTER])
        await until_taken(smarthost)
        await sender.stop()
        await queue.close()


class Hurried(WallClock):
    """Waits a hundredth of the time."""

    def __init__(self) -> None:
        self.begin = time.time()

    def now(self) -> float:
        return self.begin + (time.time() - self.begin) * 100

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is not None:
            until = time.time() + (until - self.now()) / 100
        await WallClock().wait(event, until)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nobody", "cannot be used: Connection refused"),
        ("certificate", "has a certificate that is not trusted: self-signed certificate"),
        ("plain", "cannot be spoken to encrypted: "),
        ("silent", "did not answer within 0.3 s"),
        ("busy", "refuses us: 421 4.3.2 too many"),
        ("odd", "refuses us: Malformed SMTP response line: HTTP/1.1 400 Bad Request"),
    ],
)
async def test_the_reason(relay: Relay, certificate: tuple[Path, ssl.SSLContext], what: str, reason: str) -> None:
    """The log and the list say in one line why the smarthost cannot be used."""
    answers = {"silent": HANG, "busy": "421 4.3.2 too many", "odd": "HTTP/1.1 400 Bad Request"}
    answer = by_verb(**({"CONNECT": answers[what]} if what in answers else {}))
    smarthost = Smarthost(answer, tls=certificate[1] if what == "certificate" else None, implicit=what == "certificate")
    with smarthost.running():
        encrypted = what in ("certificate", "plain")
        sender = await relay.start(
            smarthost if what != "nobody" else Smarthost(port=1),
            encryption="tls" if encrypted else "none",
            context=client_context() if encrypted else None,
            patience=Patience(0.3, 0.3, 0.3) if what == "silent" else Patience(),
        )
        await relay.queue.submit([LETTER])
        await relay.time.until()
        assert sender.trouble.partition(" ")[2].startswith(reason)
        await relay.stop()


async def test_an_answer_before_the_content(relay: Relay) -> None:
    """250 to DATA has taken nothing."""
    with Smarthost(Once("DATA", "250 2.0.0 taken")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER])
        assert [row.state for row in await relay.rows()] == ["due"]
        await relay.time.jump()
        await until_taken(smarthost)
        await relay.empty()


async def test_a_large_letter_goes_in_pieces(relay: Relay) -> None:
    """The loop comes by many times while it is sent; the other side gets every octet."""
    content = b"Subject: large\r\n\r\n" + b".".join([b"x" * 70 + b"\r\n"] * 60_000)
    turns = 0
    ended = asyncio.Event()

    async def count() -> None:
        nonlocal turns
        while not ended.is_set():
            turns += 1
            await asyncio.sleep(0)

    with Smarthost().running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, content=content)])
        await asyncio.to_thread(smarthost.wait, lambda: smarthost.told("DATA") == 1)
        counting = asyncio.create_task(count())
        await until_taken(smarthost)
        ended.set()
        await counting
        await relay.empty()
        assert smarthost.letters[0].content == content
        assert turns > 60


async def test_an_answer_in_the_middle_of_the_content(relay: Relay) -> None:
    """A server that refuses what it has seen of it gets no rest of it, and no command in its place."""
    with Smarthost(early="552 5.3.4 too large").running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([replace(LETTER, sender="", content=b"x" * 70 + b"\r\n" + b"y" * 20_000_000)])
        assert await relay.time.quiet(lambda: smarthost.told("DATA") == 1) is None
        (row,) = await relay.queue.listing()
        assert (row.state, row.said) == ("failed", "552 5.3.4 too large")


class Moody:
    """Answers as it pleases, by a seed; what it was told at CONTENT it may have taken although it hangs up."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.calm = False

    def __call__(self, verb: str, argument: str) -> str | None:
        mood = self._dice.random()
        if self.calm or mood < 0.8:
            return None
        if mood < 0.88:
            return "451 4.3.0 not now"
        if mood < 0.93 and verb in ("RCPT", "CONTENT"):
            return "550 5.7.1 never"
        return "421 4.3.2 enough" if mood < 0.96 else DROP


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_nothing_is_lost(relay: Relay, seed: int) -> None:
    """Each recipient gets the letter or is reported, with restarts in between; nobody gets both a 250 and a report."""
    letters = [
        replace(
            LETTER,
            sender=f"s{n}@example.org",
            recipients=tuple(f"{who}{n}@example.net" for who in "abc"[: n % 3 + 1]),
            content=f"Subject: {n}\r\n\r\n".encode(),
        )
        for n in range(40)
    ]
    reported: list[str] = []

    async def home(address: str, content: bytes) -> bool:
        reported.extend(re.findall(r"Final-Recipient: rfc822; (\S+)", content.decode()))
        return True

    relay.home = home
    mood = Moody(seed)
    relay.roll = 0.5
    with Smarthost(mood).running() as smarthost:
        sender = await relay.start(smarthost)
        for n, letter in enumerate(letters):
            await relay.queue.submit([letter])
            if n % 9 == 8:
                await sender.stop()
                sender = await relay.start(smarthost)
            if n % 4 == 3:
                await relay.time.quiet()
                if await relay.queue.next_due() is not None:
                    await relay.time.jump()
        mood.calm = True
        while await relay.time.quiet() is not None:
            await relay.time.jump()
        left = {row.state for row in await relay.queue.listing()}
        assert left <= {"done", "failed"}
        taken = [address for letter in smarthost.letters for address in letter.recipients]
        wanted = [address for letter in letters for address in letter.recipients]
        assert set(taken) | set(reported) == set(wanted)
        assert len(reported) == len(set(reported))


async def test_one_connection_asks(relay: Relay) -> None:
    """A smarthost that is in trouble is not asked by all letters at once."""
    with Smarthost(by_verb(CONNECT="421 4.3.2 busy")).running() as smarthost:
        await relay.start(smarthost)
        await relay.queue.submit([LETTER] * 9)
        await relay.time.until()
        before = smarthost.connections
        assert before <= 2
        for _ in range(3):
            await relay.time.jump()
        await relay.time.until()
        assert smarthost.connections == before + 3


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_certificate_for_another_name(relay: Relay, tmp_path: Path, implicit: bool) -> None:
    """Trusted, but not that of the server that was asked for."""
    made, key = self_signed(tmp_path / "tls", ["other.example"])
    with Smarthost(tls=server_context(made, key), implicit=implicit).running() as smarthost:
        sender = await relay.start(
            smarthost, encryption="tls" if implicit else "starttls", context=client_context(made)
        )
        await relay.queue.submit([LETTER])
        await relay.time.until()
        assert "not trusted" in sender.trouble and "mismatch" in sender.trouble
        assert not smarthost.told("MAIL")
