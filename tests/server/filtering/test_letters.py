"""What leaves: redirect, reject, vacation, notify; and that it is safe before the sender is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.filtering import BODY, ruled

from mailhorn.server.filtering import service
from mailhorn.server.filtering.carrying import Manner, lines_of
from mailhorn.server.filtering.lists import Lists
from mailhorn.server.filtering.service import Came
from mailhorn.smtp.reply import Reply

SMTP = Came(lmtp=False)


def codes(replies: Sequence[Reply]) -> list[int]:
    return [reply.code for reply in replies]


async def test_a_redirect_leaves_as_it_came(tmp_path: Path) -> None:
    """With its sender, without our Return-Path, and with a sign for the case that it comes back (RFC 5228 §4.2)."""
    async with ruled(tmp_path) as server:
        server.script('redirect "dora@there.example";')
        assert codes(await server.deliver()) == [250]
        (letter,) = server.queue.letters
        assert (letter.sender, letter.recipients, letter.why, letter.account) == (
            "carl@elsewhere.example",
            ("dora@there.example",),
            "redirect",
            "ann",
        )
        _, _, rest = BODY.partition(b"\r\n")
        assert letter.content == b"X-Sieve-Redirected-From: <ann@example.org>\r\n" + rest
        assert await server.messages() == []


async def test_what_comes_back_is_kept(tmp_path: Path) -> None:
    """And what has gone round in circles."""
    async with ruled(tmp_path) as server:
        server.script('redirect "dora@there.example";')
        back = b"X-Sieve-Redirected-From: <Ann@Example.org>\r\n" + BODY
        far = b"Received: from a by b; now\r\n" * 60 + BODY
        for body in (back, far):
            assert codes(await server.deliver(body=body)) == [250]
        assert server.queue.letters == [] and await server.messages() == [back, far]


async def test_a_sender_that_tries_again_sends_on_once(tmp_path: Path) -> None:
    """What was put in front here differs each time."""
    async with ruled(tmp_path) as server:
        server.script('redirect "dora@there.example";')
        await server.deliver()
        await server.deliver(body=BODY.replace(b"ESMTP id 1", b"ESMTP id 2"))
        assert len(server.queue.letters) == 1
        await server.deliver(body=BODY.replace(b"<1@", b"<2@"))
        assert len(server.queue.letters) == 2


async def test_a_queue_that_refuses_is_a_4xx_and_nothing_is_done(tmp_path: Path) -> None:
    """The sender comes again."""
    async with ruled(tmp_path) as server:
        server.script('require "copy"; redirect :copy "dora@there.example";')
        server.queue.refuses = True
        assert codes(await server.deliver()) == [451]
        assert await server.messages() == []


async def test_redirects_have_an_end(tmp_path: Path) -> None:
    """Then the message is kept."""
    async with ruled(tmp_path, manner=Manner("mx.test", max_redirects=2)) as server:
        server.script("".join(f'redirect "{n}@there.example";' for n in range(3)))
        await server.deliver()
        assert len(server.queue.letters) == 2 and await server.messages() == [BODY]


async def test_a_redirect_goes_to_all_of_a_list_with_ones_own_sender(tmp_path: Path) -> None:
    """RFC 6134 §2.7; null senders stay what they are."""
    (tmp_path / "team").write_text("a@there.example\nb@there.example\n")
    lists = Lists({"team": str(tmp_path / "team")})
    async with ruled(tmp_path, manner=Manner("mx.test", own_sender=True), lists=lists) as server:
        server.script('require "extlists"; redirect :list "team";')
        await server.deliver()
        assert [(letter.sender, letter.recipients) for letter in server.queue.letters] == [
            ("ann@example.org", ("a@there.example",)),
            ("ann@example.org", ("b@there.example",)),
        ]
        await server.deliver(sender="", body=BODY.replace(b"<1@", b"<2@"))
        assert server.queue.letters[-1].sender == ""


@pytest.mark.parametrize("action", ["reject", "ereject"])
async def test_a_refusal_is_ones_own_reply_in_lmtp(tmp_path: Path, action: str) -> None:
    """The others have the message."""
    async with ruled(tmp_path) as server:
        server.script(f'require "{action}"; {action} "Not\r\nthis";')
        refused, taken = await server.deliver("ann", "bob")
        assert (refused.code, refused.enhanced, refused.text, taken.code) == (550, "5.7.1", "Not\nthis", 250)
        assert await server.messages() == [] == server.queue.letters
        assert await server.messages(login="bob") == [BODY]


async def test_a_refusal_by_smtp_needs_everybody(tmp_path: Path) -> None:
    """Else it is a letter: a disposition for reject, a delivery status for ereject (RFC 5429 §2)."""
    async with ruled(tmp_path) as server:
        server.script('require "reject"; reject "No";')
        assert codes(await server.deliver(came=SMTP)) == [550] and server.queue.letters == []
        assert codes(await server.deliver("ann", "bob", came=SMTP)) == [250, 250]
        server.script('require "ereject"; ereject "No";')
        assert codes(await server.deliver("ann", "bob", came=SMTP, body=BODY.replace(b"<1@", b"<2@"))) == [250, 250]
        server.script('require "ereject"; ereject "No";', "bob")
        assert codes(await server.deliver("ann", "bob", came=SMTP)) == [550, 550]
        mdn, dsn = server.queue.letters
        assert (mdn.sender, mdn.recipients, mdn.why) == ("", ("carl@elsewhere.example",), "reject")
        assert b"disposition-notification" in mdn.content and b"delivery-status" in dsn.content


async def test_a_reason_that_is_not_ascii_goes_by_letter(tmp_path: Path) -> None:
    """RFC 5429 §2.2: reject keeps the exact text; ereject does not."""
    async with ruled(tmp_path) as server:
        server.script('require "reject"; reject "Grüße";')
        assert codes(await server.deliver()) == [250]
        assert "Grüße".encode() in server.queue.letters[0].content and await server.messages() == []
        server.script('require "ereject"; ereject "Grüße";')
        assert [reply.text for reply in await server.deliver()] == ["Gr?e"]
        assert len(server.queue.letters) == 1


def test_a_long_reason_becomes_lines() -> None:
    """RFC 5429 §2.5."""
    assert lines_of("a" * 900 + "\r\n\r\nb") == "\n".join(["a" * 400, "a" * 400, "a" * 100, "b"])


async def test_an_absent_owner_answers_once(tmp_path: Path) -> None:
    """RFC 5230 §4.2; and not at all to what is not for them, to lists and to nobody."""
    async with ruled(tmp_path) as server:
        await server.make("Answers")
        server.script(
            'require ["vacation", "fcc", "imap4flags"];'
            'vacation :days 3 :fcc "Answers" :flags "\\\\Seen" :subject "Away" "I am away";'
        )
        await server.deliver()
        await server.deliver(body=BODY.replace(b"<1@", b"<2@"))
        (letter,) = server.queue.letters
        assert (letter.sender, letter.recipients) == ("", ("carl@elsewhere.example",))
        assert b"In-Reply-To: <1@elsewhere.example>" in letter.content and b"I am away" in letter.content
        assert b"From: <ann@example.org>" in letter.content
        assert await server.messages("Answers") == [letter.content] and await server.flags("Answers") == [{"\\Seen"}]
        for number, body in enumerate(
            (
                b"List-Id: <l.example>\r\n" + BODY,
                b"Auto-Submitted: auto-replied\r\n" + BODY,
                BODY.replace(b"To: Ann <ann@example.org>", b"To: x@example.org"),
            )
        ):
            await server.deliver(body=body, sender=f"other{number}@elsewhere.example")
        await server.deliver(sender="")
        assert len(server.queue.letters) == 1 and len(await server.messages()) == 6


async def test_two_at_once_get_one_answer(tmp_path: Path) -> None:
    """Each has its turn."""
    async with ruled(tmp_path) as server:
        server.script('require "vacation"; vacation "Away";')
        bodies = [BODY.replace(b"<1@", b"<%d@" % n) for n in range(5)]
        await asyncio.gather(*(server.deliver(body=body) for body in bodies))
        assert len(server.queue.letters) == 1 and len(await server.messages()) == 5


async def test_an_answer_that_could_not_be_kept_is_given_the_next_time(tmp_path: Path) -> None:
    """What is remembered is what was done."""
    async with ruled(tmp_path) as server:
        server.script('require "vacation"; vacation "Away";')
        server.queue.refuses = True
        assert codes(await server.deliver()) == [451]
        server.queue.refuses = False
        assert codes(await server.deliver()) == [250]
        assert len(server.queue.letters) == 1


async def test_somebody_is_notified_by_mail(tmp_path: Path) -> None:
    """RFC 5436; not of what a machine sent (§2.7)."""
    async with ruled(tmp_path) as server:
        server.script('require "enotify"; notify :importance "1" :message "Look" "mailto:pager@there.example";')
        await server.deliver()
        await server.deliver(body=b"Auto-Submitted: auto-generated\r\n" + BODY)
        (letter,) = server.queue.letters
        assert letter.recipients == ("pager@there.example",) and b"Subject: Look" in letter.content
        assert len(await server.messages()) == 2


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[int, "asyncio.Queue[bytes]"]]:
    told: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        told.put_nowait(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], told


async def test_a_web_address_is_told_only_if_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no certificate here, so the scheme is changed on the way out."""
    posted = service.webhook.post
    async with _listening() as (port, told):
        allowed = f"https://127.0.0.1:{port}/"
        monkeypatch.setattr(
            service.webhook, "post", lambda url, *rest: posted(url.replace("https:", "http:", 1), *rest)
        )
        async with ruled(tmp_path, manner=Manner("mx.test", webhooks=(allowed,))) as server:
            server.script(
                f'require "enotify"; notify :message "Look" "{allowed}hook"; notify "https://127.0.0.2:{port}/";'
            )
            await server.deliver()
            heard = json.loads(await told.get())
            assert (heard["account"], heard["subject"], heard["message"]) == ("ann", "Hello", "Look")
            assert await server.messages() == [BODY] and told.empty()


async def test_a_copy_of_a_bounce_answers_nobody(tmp_path: Path) -> None:
    """Mail without a sender is refused in the answer, and never by letter (RFC 5429 §2.2.1)."""
    async with ruled(tmp_path) as server:
        server.script('require "reject"; reject "Grüße";')
        assert codes(await server.deliver(sender="")) == [250]
        assert server.queue.letters == [] and await server.messages() == []
