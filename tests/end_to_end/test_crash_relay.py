"""Mail that rules send on is not lost: `mailhorn serve` killed before it was sent, while it is sent, time and again."""

import smtplib
from collections import Counter
from email import message_from_bytes
from pathlib import Path

import pytest
from tests.kit.process import DOMAIN, Server, message, running
from tests.kit.smarthost import HANG, Smarthost

RULE = 'redirect :copy "away@example.net";'


def server_with(folder: Path, smarthost: Smarthost, *logins: str) -> Server:
    """Prepare a server whose account ann has all mail sent on."""
    server = Server(folder, logins or ("ann",), f'[relay]\nhost = "127.0.0.1"\nport = {smarthost.port}\n')
    scripts = server.data / "sieve"
    scripts.mkdir()
    (scripts / "ann.sieve").write_text('require "copy"; ' + RULE)
    return server


def deliver(server: Server, subject: str, sender: str = "sender@example.net") -> bool:
    """Deliver a message to ann; return whether it was acknowledged."""
    try:
        with server.lmtp() as lmtp:
            mail = message(subject, Message_ID=f"<{subject}@example.net>")
            lmtp.sendmail(sender, [f"ann@{DOMAIN}"], mail)
        return True
    except (OSError, smtplib.SMTPException):
        return False


def ids(smarthost: Smarthost) -> Counter[str]:
    """How often each message was taken by the smarthost."""
    return Counter(message_from_bytes(letter.content)["Message-ID"] for letter in smarthost.letters)


def test_killed_before_it_was_sent(tmp_path: Path) -> None:
    """What was acknowledged while there was no smarthost is sent by the next process, once."""
    smarthost = Smarthost()
    with smarthost.running():
        pass  # now its port is free
    server = server_with(tmp_path, smarthost)
    with running(server):
        server.start()
        subjects = [f"mail-{number}" for number in range(10)]
        assert all(deliver(server, subject) for subject in subjects)
        server.kill()
        with smarthost.running():
            server.start()
            smarthost.wait_for(10)
            assert ids(smarthost) == {f"<{subject}@example.net>": 1 for subject in subjects}
            assert {letter.recipients for letter in smarthost.letters} == {("away@example.net",)}


def test_killed_between_sent_and_recorded(tmp_path: Path) -> None:
    """It is sent again, with the same Message-ID: nobody can know that the answer would have been 250."""
    smarthost = Smarthost()
    with smarthost.running():
        server = server_with(tmp_path, smarthost)
        with running(server):

            def kill(verb: str, argument: str) -> str | None:
                if verb == "CONTENT" and server._process is not None and not smarthost.letters:
                    server.kill()
                return None

            smarthost.answer = kill
            server.start()
            deliver(server, "twice")
            smarthost.wait_for(1)
            server.start()
            smarthost.wait_for(2)
            assert ids(smarthost) == {"<twice@example.net>": 2}


@pytest.mark.timeout(180)
def test_killed_again_and_again(tmp_path: Path) -> None:
    """Whatever was acknowledged comes out, whenever the process ends; what was not may."""
    smarthost = Smarthost()
    with smarthost.running():
        server = server_with(tmp_path, smarthost)
        with running(server):
            acknowledged: set[str] = set()
            for life in range(4):
                server.start()
                for number in range(9):
                    subject = f"mail-{life}-{number}"
                    if number == 4 + life:
                        smarthost.answer = lambda verb, argument: HANG if verb == "CONTENT" else None
                    if deliver(server, subject):
                        acknowledged.add(f"<{subject}@example.net>")
                server.kill()
                smarthost.answer = lambda verb, argument: None
            server.start()
            smarthost.wait(lambda: acknowledged <= set(ids(smarthost)))
            assert len(acknowledged) == 36


def test_refused_for_good(tmp_path: Path) -> None:
    """A sender of this server finds a report in the mailbox; another one is sent it."""
    smarthost = Smarthost(lambda verb, what: "550 5.1.1 nobody there" if verb == "RCPT" and "away@" in what else None)
    with smarthost.running():
        server = server_with(tmp_path, smarthost, "ann", "bob")
        with running(server):
            server.start()
            assert deliver(server, "from-bob", f"bob@{DOMAIN}")
            assert deliver(server, "from-far", "far@example.com")
            (letter,) = smarthost.wait_for(1)
            assert (letter.sender, letter.recipients) == ("", ("far@example.com",))
            assert b"away@example.net" in letter.content and b"550 5.1.1 nobody there" in letter.content
            with server.imap("bob") as session:
                session.select("INBOX")
                while session.uid("SEARCH", "ALL")[1] == [b""]:
                    session.noop()
                kind, data = session.uid("FETCH", "1", "(BODY[])")
                assert kind == "OK" and isinstance(data[0], tuple)
                report = message_from_bytes(data[0][1])
                assert report.get_content_type() == "multipart/report"
                assert report["Return-Path"] == "<>"


def test_full(tmp_path: Path) -> None:
    """A queue that takes no more has the sender try again later; nothing of the message is filed."""
    smarthost = Smarthost()
    with smarthost.running():
        pass
    server = server_with(tmp_path, smarthost)
    settings = tmp_path / "serve.toml"
    settings.write_text(settings.read_text() + "max_letters = 2\n")
    server.expected.append("the outbound queue is full")
    with running(server):
        server.start()
        assert deliver(server, "one") and deliver(server, "two")
        with server.lmtp() as lmtp, pytest.raises(smtplib.SMTPDataError) as refused:
            lmtp.sendmail("sender@example.net", [f"ann@{DOMAIN}"], message("three", Message_ID="<three@example.net>"))
        assert refused.value.smtp_code == 451
        assert sorted(entry.subject for entry in server.mailbox().values()) == ["one", "two"]


def test_stopped_while_the_smarthost_hangs(tmp_path: Path) -> None:
    """SIGTERM ends it as soon as always."""
    smarthost = Smarthost(lambda verb, argument: HANG if verb == "CONTENT" else None)
    with smarthost.running():
        server = server_with(tmp_path, smarthost)
        with running(server):
            server.start()
            assert deliver(server, "held")
            smarthost.wait(lambda: smarthost.told("DATA") == 1)
            server.stop()  # which fails if it takes ten seconds; the smarthost would be given ten minutes
            smarthost.answer = lambda verb, argument: None
            server.start()
            smarthost.wait(lambda: len(smarthost.letters) == 2)
