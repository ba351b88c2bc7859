"""swaks against `mailhorn serve`: SMTP and LMTP, reply by reply."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.clients import need, run
from tests.kit.process import HOST, Server, running_server

RECIPIENTS_REFUSED = 24


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    need("swaks")
    with running_server(tmp_path, "ann", "bob") as server:
        yield server


def swaks(server: Server, service: str, to: str, subject: str, *options: str, code: int = 0) -> list[str]:
    """Send a message, and return the server's replies, a line each."""
    transaction = run(
        ["swaks", "--server", f"{HOST}:{server.ports[service]}", "--from", "carl@example.net", "--to", to]
        + ["--header", f"Subject: {subject}", "--body", "hello", "--timeout", "10", *options],
        server.folder,
        code,
    )
    return re.findall(r"^<[-~*]+ +(\d{3}[ -].*)$", transaction, re.MULTILINE)


def subjects(server: Server, login: str) -> list[str]:
    return [entry.subject for entry in server.mailbox(login=login).values()]


def test_smtp(server: Server) -> None:
    """SMTP delivers to a local user, in the plain and encrypted, with and without pipelining."""
    assert any(reply.startswith("250 2.0.0") for reply in swaks(server, "smtp", "ann@example.org", "plain"))
    swaks(server, "smtp", "ann@example.org", "encrypted", "--tls")
    swaks(server, "smtps", "ann@example.org", "from the first byte", "--tls-on-connect")
    swaks(server, "smtp", "ann@example.org", "pipelined", "--pipeline")
    assert subjects(server, "ann") == ["plain", "encrypted", "from the first byte", "pipelined"]


def test_relay(server: Server) -> None:
    """Mail for elsewhere is refused: 550 5.7.1."""
    replies = swaks(server, "smtp", "someone@elsewhere.example", "relay", code=RECIPIENTS_REFUSED)
    assert any(reply.startswith("550 5.7.1 ") for reply in replies)


def test_lmtp(server: Server) -> None:
    """LMTP answers each recipient: two good ones get the message, the one between them does not exist."""
    to = "ann@example.org,nobody@example.org,bob@example.org"
    replies = swaks(server, "lmtp", to, "to three", "--protocol", "LMTP")
    codes = [reply[:9] for reply in replies]
    begin = codes.index("250 2.1.5")
    assert codes[begin : begin + 6] == [
        "250 2.1.5",
        "550 5.1.1",
        "250 2.1.5",
        replies[begin + 3][:9],
        "250 2.0.0",
        "250 2.0.0",
    ]
    assert replies[begin + 3].startswith("354 ")
    assert subjects(server, "ann") == subjects(server, "bob") == ["to three"]
