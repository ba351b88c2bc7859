"""curl against `mailhorn serve`: IMAP and SMTP over TLS, one connection for each command."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.clients import need, run
from tests.kit.process import HOST, PASSWORD, Server, message, running_server

LOGIN_DENIED = 67
MAIL_REFUSED = 55


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    need("curl")
    with running_server(tmp_path) as server:
        yield server


def curl(server: Server, service: str, path: str, *options: str | Path, code: int = 0) -> str:
    """Run curl on a service; it trusts whatever certificate it gets."""
    url = f"{service}://{HOST}:{server.ports[service]}/{path}"
    return run(["curl", "--silent", "--insecure", "--max-time", "10", url, *options], server.folder, code)


def test_imap(server: Server) -> None:
    """curl lists, searches, fetches a section and appends, over TLS from the first byte and over STARTTLS."""
    login = ("--user", f"ann:{PASSWORD}")
    server.deliver("ann", "by curl", "the body\n")
    assert '"/" INBOX' in curl(server, "imaps", "", *login)
    assert "* SEARCH 1" in curl(server, "imaps", "INBOX", *login, "--request", "SEARCH ALL")
    section = curl(server, "imaps", "INBOX;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)", *login)
    assert section == "Subject: by curl\r\n\r\n"
    assert curl(server, "imap", "INBOX;UID=1/;SECTION=TEXT", *login, "--ssl-reqd") == "the body\r\n"
    curl(server, "imaps", "", *login, "--request", "CREATE Sent")
    file = server.folder / "message"
    file.write_bytes(message("uploaded"))
    curl(server, "imaps", "Sent", *login, "--upload-file", file)
    assert [entry.subject for entry in server.mailbox("Sent").values()] == ["uploaded"]


@pytest.mark.parametrize(
    "more", [(), ("--login-options", "AUTH=PLAIN", "--sasl-ir"), ("--login-options", "AUTH=LOGIN")]
)
def test_login(server: Server, more: tuple[str, ...]) -> None:
    """Each way to log in works with the right password and not with a wrong one."""
    curl(server, "imaps", "", "--user", f"ann:{PASSWORD}", *more)
    curl(server, "imaps", "", "--user", "ann:wrong", *more, code=LOGIN_DENIED)


def test_smtp(server: Server) -> None:
    """curl delivers over TLS from the first byte and over STARTTLS; a stranger's mail is not relayed."""
    file = server.folder / "message"
    send = ("--mail-from", "ann@example.net", "--upload-file", file, "--mail-rcpt")
    file.write_bytes(message("by smtps"))
    curl(server, "smtps", "", *send, "ann@example.org")
    file.write_bytes(message("by starttls"))
    curl(server, "smtp", "", "--ssl-reqd", *send, "ann@example.org")
    curl(server, "smtp", "", *send, "someone@elsewhere.example", code=MAIL_REFUSED)
    assert [entry.subject for entry in server.mailbox().values()] == ["by smtps", "by starttls"]
