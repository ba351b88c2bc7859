"""What is put in front of a message."""

from email.utils import parsedate_to_datetime

import pytest

from mailhorn.server.smtp.trace import address_literal, came_from, date_time, ids, trace, with_protocol

AT = "Sat, 21 Nov 2026 20:52:02 +0100"


def test_the_lines() -> None:
    """RFC 5321 §4.4."""
    stamp = came_from("a.example", "192.0.2.1", "mx.example", "ESMTP")
    assert trace("ann@a.example", "bob@b.example", stamp, "1f", AT) == (
        b"Return-Path: <ann@a.example>\r\n"
        b"Received: from a.example ([192.0.2.1])\r\n"
        b"\tby mx.example with ESMTP id 1f for <bob@b.example>;\r\n"
        b"\tSat, 21 Nov 2026 20:52:02 +0100\r\n"
    )


@pytest.mark.parametrize("name", ["", "a b", "x\r\nEvil: yes", "(comment", "höst.example", "[127.0.0.1"])
def test_a_client_cannot_write_into_the_header(name: str) -> None:
    """What is no domain is not repeated."""
    made = trace("", "", came_from(name, "2001:db8::1", "mx", "SMTP"), "1", AT)
    assert made.startswith(b"Return-Path: <>\r\nReceived: from unknown ([IPv6:2001:db8::1])\r\n")
    assert made.count(b"\r\n") == 4


def test_the_time() -> None:
    """To the second, with its zone."""
    at = parsedate_to_datetime(date_time(1_700_000_000))
    assert at.timestamp() == 1_700_000_000 and at.tzinfo is not None


def test_ids_are_unique() -> None:
    """Of one server and of the next one."""
    one, other = ids(), ids()
    assert len({next(source) for source in (one, other) for _ in range(1000)}) == 2000


def test_what_was_spoken() -> None:
    """RFC 3848 and RFC 6531."""
    spoken = [
        with_protocol(lmtp=False, extended=False, tls=False, authenticated=False, utf8=False),
        with_protocol(lmtp=False, extended=True, tls=False, authenticated=False, utf8=False),
        with_protocol(lmtp=False, extended=True, tls=True, authenticated=True, utf8=False),
        with_protocol(lmtp=False, extended=True, tls=True, authenticated=False, utf8=True),
        with_protocol(lmtp=True, extended=True, tls=False, authenticated=False, utf8=False),
        with_protocol(lmtp=True, extended=True, tls=True, authenticated=False, utf8=True),
    ]
    assert spoken == ["SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPS", "LMTP", "UTF8LMTPS"]


def test_addresses() -> None:
    """As literals."""
    assert address_literal("192.0.2.1") == "[192.0.2.1]"
    assert address_literal("::1") == "[IPv6:::1]"
