"""Facts, rules, placements, one commit."""

import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing
from tests.kit.mail import Receiving, receiving

from mailhorn.server.delivery import Recipient, refusal
from mailhorn.server.scripts import problem_of
from mailhorn.store.abc import Append, Appended, MailboxMissing, StoreFull, StoreUnavailable

BODY = b"From: Carl <carl@elsewhere.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"


async def _deliver(
    server: Receiving, *logins: str, body: bytes = BODY, sender: str = "carl@elsewhere.example"
) -> list[int]:
    """Deliver to the logins and return the codes."""
    recipients = []
    for login in logins:
        account = await server.store.index.account(login)
        assert account is not None
        recipients.append(Recipient(account, f"{login}@example.org"))
    staged = server.store.stage()
    for start in range(0, len(body), 50_000):
        staged.write(body[start : start + 50_000])
    replies = await server.delivery.deliver(staged, sender, recipients, time.monotonic(), "id")
    return [reply.code for reply in replies]


def _script(directory: Path, login: str, text: str) -> None:
    (directory / "sieve").mkdir(exist_ok=True)
    (directory / "sieve" / f"{login}.sieve").write_text(text)


async def test_without_a_script_it_goes_to_inbox(tmp_path: Path) -> None:
    """For all recipients in one commit."""
    async with receiving(tmp_path) as server:
        assert await _deliver(server, "ann", "bob") == [250, 250]
        assert await server.messages("ann") == await server.messages("bob") == [BODY]
        (delivered,) = server.delivered
        assert len(delivered.placed) == 2 and delivered.recipients == ("ann@example.org", "bob@example.org")


async def test_a_script_files_flags_and_copies(tmp_path: Path) -> None:
    """Decoded headers, envelope and size are facts; a mailbox is made if the rule says so."""
    async with receiving(tmp_path) as server:
        _script(
            tmp_path,
            "ann",
            'require ["fileinto", "copy", "mailbox", "imap4flags", "envelope"];\r\n'
            'if allof (header :is "subject" "Grüße", envelope :domain "from" "elsewhere.example",\r\n'
            '          envelope "to" "ann@example.org", size :under 1K, not mailboxexists "Work/Elsewhere") {\r\n'
            '  fileinto :copy :create :flags ["\\\\Seen", "work"] "Work/Elsewhere";\r\n}\r\n',
        )
        assert await _deliver(server, "ann", "bob") == [250, 250]
        assert await server.messages("ann") == await server.messages("ann", "Work/Elsewhere") == [BODY]
        assert await server.flags("ann", "Work/Elsewhere") == [{"\\Seen", "work"}]
        assert await server.flags("ann") == [set()]
        assert await server.messages("bob") == [BODY]


async def test_a_mailbox_a_script_makes_is_called_in_normal_form(tmp_path: Path) -> None:
    """So that a mailbox that looks the same is the same, whoever names it (RFC 9051 §5.1)."""
    async with receiving(tmp_path) as server:
        script = 'require ["fileinto", "mailbox"]; fileinto :create "{}";'
        for name in (unicodedata.normalize("NFD", "Café"), "Café"):
            _script(tmp_path, "ann", script.format(name))
            assert await _deliver(server, "ann") == [250]
        assert await server.messages("ann", "Café") == [BODY, BODY]


async def test_the_default_script_is_for_whoever_has_none(tmp_path: Path) -> None:
    """One's own goes before it."""
    async with receiving(tmp_path) as server:
        (tmp_path / "default.sieve").write_text("discard;")
        _script(tmp_path, "ann", "keep;")
        assert await _deliver(server, "ann", "bob") == [250, 250]
        assert (len(await server.messages("ann")), len(await server.messages("bob"))) == (1, 0)


async def test_discarded_by_all_is_accepted_and_leaves_nothing(tmp_path: Path) -> None:
    """The sender cannot tell."""
    async with receiving(tmp_path) as server:
        _script(tmp_path, "ann", "discard;")
        assert await _deliver(server, "ann", body=BODY + b"x" * 200_000) == [250]
        assert server.delivered == [] and list((tmp_path / "mail").rglob("spool/*")) == []


@pytest.mark.parametrize(
    "script",
    [
        'require "fileinto"; fileinto "Missing";',
        'require ["fileinto", "mailbox"]; fileinto :create "../../etc";',
        'require ["fileinto", "mailbox"]; fileinto :create "a//b";',
        'redirect "dora@elsewhere.example";',
        "nonsense",
    ],
)
async def test_what_cannot_be_done_leaves_the_message_in_inbox(tmp_path: Path, script: str) -> None:
    """Once, whatever else the script asked for; of a script that cannot be used its owner is told."""
    async with receiving(tmp_path) as server:
        _script(tmp_path, "ann", script)
        assert await _deliver(server, "ann") == [250]
        first, *told = await server.messages("ann")
        assert first == BODY
        assert [b"do not work" in message for message in told] == [True] * ("fileinto" not in script)


async def test_a_bad_script_is_logged_once_and_its_owner_told_once(tmp_path: Path) -> None:
    """Not for every message; the mark beside the script outlives the server."""
    async with receiving(tmp_path) as server:
        _script(tmp_path, "ann", "nonsense")
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                await _deliver(server, "ann")
        assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1
        told = [message for message in await server.messages("ann") if message != BODY]
        assert len(await server.messages("ann")) == 4 and len(told) == 1 and b"nonsense" in told[0]
        own = tmp_path / "sieve" / "ann.sieve"
        assert "nonsense" in (problem_of(own) or "")
    async with receiving(tmp_path) as server:
        await _deliver(server, "ann")
        assert len(await server.messages("ann")) == 5
        own.write_text("nonsense too")
        assert problem_of(own) is None
        server.delivery.filter.scripts.recheck()
        await _deliver(server, "ann")
        assert len(await server.messages("ann")) == 7


async def test_one_mailbox_gets_one_copy_with_all_flags(tmp_path: Path) -> None:
    """A missing mailbox and the implicit keep are both INBOX."""
    async with receiving(tmp_path) as server:
        _script(
            tmp_path,
            "ann",
            'require ["fileinto", "copy", "imap4flags"]; '
            'fileinto :copy :flags "work" "Missing"; addflag "\\\\Flagged";',
        )
        assert await _deliver(server, "ann", "ann") == [250, 250]
        assert await server.flags("ann") == [{"work", "\\Flagged"}]


async def test_a_hostile_header_is_only_read_so_far(tmp_path: Path) -> None:
    """Ten megabytes of header are a message like any other."""
    async with receiving(tmp_path) as server:
        _script(tmp_path, "ann", 'if header :contains "x-late" "x" { discard; }')
        assert await _deliver(server, "ann", body=b"A: " + b"b" * 10_000_000 + b"\r\nX-Late: x\r\n\r\nHi\r\n") == [250]
        assert len(await server.messages("ann")) == 1


async def test_a_mailbox_that_vanishes_is_a_4xx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender comes again, and finds it as it is then."""
    async with receiving(tmp_path) as server:

        def gone(_: Append, then: Callable[[Appended | Exception], None]) -> None:
            then(MailboxMissing("gone"))

        monkeypatch.setattr(server.store.index, "append_soon", gone)
        assert await _deliver(server, "ann", "bob") == [451, 451]
        assert server.delivered == []


async def test_the_log_tells_the_timeline(tmp_path: Path) -> None:
    """One line per delivery."""
    async with receiving(tmp_path) as server:
        with structlog.testing.capture_logs() as logs:
            await _deliver(server, "ann")
        (line,) = [entry for entry in logs if entry["event"] == "delivered"]
        assert 0 <= line["durable_ms"] <= line["told_ms"] < 10_000
        assert line["copies"] == [(copy.mailbox, copy.uid) for copy in server.delivered[0].placed]


def test_a_full_disk_is_told_from_a_broken_one() -> None:
    """RFC 3463 §3.4: 4.3.1 is a full system."""
    full = StoreUnavailable("x")
    full.__cause__ = OSError(28, "No space left on device")
    assert (refusal(full).code, refusal(full).enhanced) == (452, "4.3.1")
    assert (refusal(StoreFull("x")).code, refusal(StoreFull("x")).enhanced) == (452, "4.3.1")
    assert (refusal(StoreUnavailable("x")).code, refusal(StoreUnavailable("x")).enhanced) == (451, "4.3.0")
