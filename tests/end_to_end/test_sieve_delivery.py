"""Rules at delivery as people meet them: a real server, mail by LMTP and SMTP, an IMAP client that looks."""

import imaplib
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.process import DOMAIN, HOST, PATIENCE, Server, message, running
from tests.kit.smarthost import Smarthost

ANN, BOB = f"ann@{DOMAIN}", f"bob@{DOMAIN}"


@pytest.fixture
def smarthost() -> Iterator[Smarthost]:
    """Takes what leaves."""
    smarthost = Smarthost()
    with smarthost.running():
        yield smarthost


def _server(folder: Path, smarthost: Smarthost, settings: str = "") -> Server:
    server = Server(folder, ("ann", "bob"), f'{settings}\n[relay]\nhost = "127.0.0.1"\nport = {smarthost.port}\n')
    (server.data / "sieve").mkdir()
    return server


def _smtp(server: Server) -> smtplib.SMTP:
    return smtplib.SMTP(HOST, server.ports["smtp"], timeout=PATIENCE)


def _script(server: Server, login: str, text: str) -> None:
    (server.data / "sieve" / f"{login}.sieve").write_text(text)


def _there(server: Server, login: str, mailbox: str = "INBOX") -> list[tuple[str, set[str]]]:
    """Return subjects and flags, as an IMAP client sees them."""
    found: list[tuple[str, set[str]]] = []
    with server.imap(login) as client:
        if client.select(f'"{mailbox}"', readonly=True)[0] != "OK":
            return []
        for number in client.search(None, "ALL")[1][0].split():
            _, data = client.fetch(number, "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            assert isinstance(data[0], tuple)
            subject = data[0][1].decode().partition(":")[2].strip()
            found.append((subject, {flag.decode() for flag in imaplib.ParseFlags(data[0][0])}))
    return found


def test_by_lmtp_and_by_smtp(tmp_path: Path, smarthost: Smarthost) -> None:
    """Filed, refused, redirected and answered; each recipient as their own rules want."""
    (tmp_path / "first.sieve").write_text('require "imap4flags"; if header "subject" "spam" { addflag "Junk"; }')
    server = _server(tmp_path, smarthost, f'[sieve]\nbefore = ["{tmp_path}/first.sieve"]\n')
    _script(
        server,
        "ann",
        'require ["fileinto", "mailbox", "environment", "reject", "vacation", "copy", "variables"];'
        'if header :contains "subject" "no" { reject "Not wanted"; stop; }'
        'if environment :matches "remote-ip" "*" { set "ip" "${1}"; }'
        'if header "subject" "work" { fileinto :create "Work/${ip}"; stop; }'
        'if header "subject" "on" { redirect :copy "away@example.net"; }'
        'if header "subject" "there?" { vacation "I am away"; }',
    )
    with running(server):
        server.start()
        for kind, connect in (("LMTP", server.lmtp), ("SMTP", lambda: _smtp(server))):
            with connect() as client:
                for subject in ("work", "on", "spam", "there?"):
                    mail = message(subject, Message_ID=f"<{subject[0]}-{kind}@example.net>", To=ANN)
                    assert client.sendmail("sender@example.net", [ANN], mail) == {}
                with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)):
                    client.sendmail("sender@example.net", [ANN], message("no", Message_ID=f"<n-{kind}@example.net>"))
        assert _there(server, "ann") == [("on", set()), ("spam", {"Junk"}), ("there?", set())] * 2
        assert _there(server, "ann", "Work/127.0.0.1") == [("work", set())] * 2
        letters = smarthost.wait_for(3)
        assert sorted((letter.sender, *letter.recipients) for letter in letters) == [
            ("", "sender@example.net"),
            ("sender@example.net", "away@example.net"),
            ("sender@example.net", "away@example.net"),
        ]


def test_two_recipients_of_one_message(tmp_path: Path, smarthost: Smarthost) -> None:
    """By LMTP who refuses says so; by SMTP it is a letter."""
    server = _server(tmp_path, smarthost)
    _script(server, "ann", 'require "ereject"; ereject "Not for me";')
    with running(server):
        server.start()
        with server.lmtp() as client:  # the standard library reads one answer only
            client.ehlo_or_helo_if_needed()
            for command in ("MAIL FROM:<sender@example.net>", f"RCPT TO:<{ANN}>", f"RCPT TO:<{BOB}>", "DATA"):
                assert client.docmd(command)[0] in (250, 354)
            client.send(message("lmtp", Message_ID="<1@example.net>") + b".\r\n")
            refused, (taken, _) = client.getreply(), client.getreply()
            assert refused == (550, b"5.7.1 Not for me") and taken == 250
        with _smtp(server) as client:
            assert client.sendmail("sender@example.net", [ANN, BOB], message("s", Message_ID="<2@example.net>")) == {}
        (letter,) = smarthost.wait_for(1)
        assert letter.recipients == ("sender@example.net",) and b"delivery-status" in letter.content
        assert _there(server, "ann") == [] and [subject for subject, _ in _there(server, "bob")] == ["lmtp", "s"]


def test_killed_between_the_queue_and_the_answer(tmp_path: Path, smarthost: Smarthost) -> None:
    """The sender tries again: the copy is there, and what was queued is not queued again (decision 34)."""
    server = _server(tmp_path, smarthost)
    _script(server, "ann", 'require "copy"; redirect :copy "away@example.net";')
    with running(server):
        for number in range(5):
            mail = message(f"mail-{number}", Message_ID=f"<{number}@example.net>")
            server.start()
            taken = _killed_meanwhile(server, smarthost, mail)
            server.start()
            while not taken:
                taken = _taken(server, mail)
            smarthost.wait_for(number + 1)
            server.stop()  # so that it is known to be sent
        server.start()
        assert {subject for subject, _ in _there(server, "ann")} == {f"mail-{number}" for number in range(5)}
        assert len(smarthost.letters) == 5


def _killed_meanwhile(server: Server, smarthost: Smarthost, mail: bytes) -> bool:
    """Deliver, with the server killed as soon as the queue begins to send; return whether it was acknowledged."""
    killed = threading.Event()

    def kill(verb: str, argument: str) -> str | None:
        if verb == "MAIL" and not killed.is_set():
            server.kill()
            killed.set()
        return None

    smarthost.answer = kill
    taken = _taken(server, mail)
    assert killed.wait(PATIENCE)
    smarthost.answer = lambda verb, argument: None
    return taken


def _taken(server: Server, mail: bytes) -> bool:
    try:
        with server.lmtp() as client:
            client.sendmail("sender@example.net", [ANN], mail)
        return True
    except (OSError, smtplib.SMTPException):
        return False
