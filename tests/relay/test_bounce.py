"""The report that a sender gets: what programs and people can read of it (RFC 3464, RFC 6522)."""

from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Any

import pytest

from mailhorn.relay.bounce import MAX_HEADER, Failure, bounce
from mailhorn.relay.queue import Taken

CONTENT = b"From: a@example.org\r\nSubject: lunch\r\nX-Long: " + b"x" * 60 + b"\r\n\r\nsecret body\r\n"
LETTER = Taken(7, "sender@example.org", (), CONTENT, "redirect", "ann", 1_000_000)
REFUSED = Failure(1, "bob@example.net", "550 5.1.1 no such user", expired=False)
OLD = Failure(2, "cid@example.net", "450 4.2.1 busy", expired=True)


def made(letter: Taken = LETTER, *failures: Failure) -> bytes:
    return bounce(letter, failures or (REFUSED,), "mail.example.org", "smarthost.example", 1_000_060.0)


def read(content: bytes) -> tuple[EmailMessage, list[Any]]:
    """Parse it, strictly: a defect is an error."""
    report = message_from_bytes(content, policy=policy.default.clone(raise_on_defect=True))
    assert isinstance(report, EmailMessage)
    return report, list(report.iter_parts())


def status(content: bytes) -> list[Message]:
    """Return the groups of fields of the delivery status."""
    _, (_, part, _) = read(content)
    return list(part.iter_parts())


def test_it_is_a_report() -> None:
    """Three parts, as RFC 6522 has them, and nothing of the body."""
    report, (text, told, returned) = read(made())
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in (text, told, returned)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert "bob@example.net" in text.get_content() and "550 5.1.1 no such user" in text.get_content()
    assert "rules of ann (redirect)" in text.get_content()
    assert b"Subject: lunch" in made() and b"secret body" not in made()


def test_nobody_answers_it() -> None:
    """It says that a machine wrote it, and who reports (RFC 3834 §5)."""
    report, _ = read(made())
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.org>"
    assert report["To"] == "sender@example.org"


def test_refused_and_expired() -> None:
    """Each recipient has its group (RFC 3464 §2.3); what nobody ever answered has the status of that."""
    silent = Failure(3, "dot@example.net", "smarthost.example:25 cannot be used: Connection refused", expired=True)
    about, *groups = status(made(LETTER, REFUSED, OLD, silent))
    assert about["Reporting-MTA"] == "dns; mail.example.org"
    assert [group["Action"] for group in groups] == ["failed"] * 3
    assert [group["Status"] for group in groups] == ["5.1.1", "4.2.1", "4.4.7"]
    assert groups[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert groups[2]["Diagnostic-Code"] is None
    assert {group["Remote-MTA"] for group in groups} == {"dns; smarthost.example"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [("550 no such user", "5.0.0"), ("550 4.1.1 what", "5.0.0"), ("554 5.7.1", "5.7.1"), ("554 5.7.1x", "5.0.0")],
)
def test_without_a_status(said: str, expected: str) -> None:
    """A server that gives none, or a wrong one, has one made for it."""
    assert status(made(LETTER, Failure(1, "bob@example.net", said, expired=False)))[1]["Status"] == expected


def test_an_address_beyond_ascii() -> None:
    """It is written so that any mail server can carry it (RFC 6533 §3)."""
    content = made(LETTER, Failure(1, "jürgen+a@example.net", "553 5.6.7 no", expired=False))
    assert status(content)[1]["Final-Recipient"] == r"utf-8; j\x{FC}rgen\x{2B}a@example.net"
    assert content.isascii()


@pytest.mark.parametrize("evil", ["550 5.1.1 x\r\nTo: all@example.org", "550 \0\x1b[2J", "550 " + "x" * 5000])
def test_what_others_said_stays_where_it_is(evil: str) -> None:
    """No server's answer and no address makes a header field, a part, or a line that is too long."""
    content = made(LETTER, Failure(1, "bob@example.net\r\nX: y", evil, expired=False))
    report, parts = read(content)
    assert report["To"] == "sender@example.org" and len(parts) == 3
    assert all(len(line) < 1100 and b"\r" not in line for line in content.split(b"\r\n"))
    assert all(group["X"] is None for group in status(content))


@pytest.mark.parametrize(
    "content",
    [b"", b"no header at all", b"\r\nbody", b"Subject: \xff\0\r\n\r\n", b"A: " + b"b\r\n c" * 20_000 + b"\r\n\r\n"],
)
def test_any_header(content: bytes) -> None:
    """Whatever the letter was, the report can be read, and is not large."""
    made_of_it = bounce(
        Taken(7, "sender@example.org", (), content, "redirect", "ann", 0), [REFUSED], "mail.example.org", "s", 0.0
    )
    report = message_from_bytes(made_of_it, policy=policy.default)
    assert len(list(report.iter_parts())) == 3  # type: ignore[attr-defined]
    assert len(made_of_it) < MAX_HEADER + 4096 and b"\0" not in made_of_it


def test_told_twice_is_seen_once() -> None:
    """The same failure has the same Message-ID, another one another."""
    once, again = (read(made())[0]["Message-ID"] for _ in range(2))
    assert once == again
    assert read(made(LETTER, OLD))[0]["Message-ID"] != once


def test_a_header_with_its_boundary() -> None:
    """The boundary is drawn of what no sender knows beforehand: their own copy of it stays text."""
    report, _ = read(made())
    boundary = report.get_boundary()
    again = Taken(7, "sender@example.org", (), f"X: y\r\n--{boundary}--\r\n\r\n".encode(), "redirect", "ann", 1_000_001)
    assert read(made(again))[0].get_boundary() != boundary
