"""Python's imaplib and IMAPClient against `mailhorn serve`."""

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient
from tests.kit.process import HOST, PASSWORD, PATIENCE, Server, message, running_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as server:
        yield server


@pytest.fixture
def watching(server: Server) -> Iterator[IMAPClient]:
    with imap_client(server) as client:
        yield client


@pytest.fixture
def acting(server: Server) -> Iterator[IMAPClient]:
    with imap_client(server) as client:
        yield client


def imap_client(server: Server) -> IMAPClient:
    client = IMAPClient(HOST, server.ports["imap"], ssl=False, timeout=PATIENCE)
    client.login("ann", PASSWORD)
    return client


def news(client: IMAPClient, until: bytes) -> list[tuple[Any, ...]]:
    """Return what an idling client is told, up to the first response of that kind."""
    told: list[tuple[Any, ...]] = []
    deadline = time.monotonic() + PATIENCE
    while not any(until in response for response in told):
        told += client.idle_check(timeout=max(0.0, deadline - time.monotonic()))
        assert time.monotonic() < deadline, f"no {until!r} among {told}"
    return told


def test_imaplib(server: Server) -> None:
    """A whole day of imaplib: append, search, fetch, store, copy, expunge, and mailboxes come and go."""
    with server.imap() as session:
        assert session.append("INBOX", r"(\Flagged work)", None, message("first", "needle\n"))[0] == "OK"
        assert session.append("INBOX", None, None, message("second"))[0] == "OK"
        assert session.select("INBOX") == ("OK", [b"2"])
        assert session.search(None, "SUBJECT", "first") == ("OK", [b"1"])
        assert session.search(None, "BODY", '"needle"') == ("OK", [b"1"])
        assert session.search(None, "KEYWORD", "work", "UNSEEN") == ("OK", [b"1"])
        assert session.search(None, "NOT", "FLAGGED") == ("OK", [b"2"])
        kind, data = session.fetch("1", "(UID RFC822.SIZE BODY[TEXT])")
        assert (kind, data[0][1]) == ("OK", b"needle\r\n")
        assert session.store("2", "+FLAGS", r"(\Deleted)") == ("OK", [rb"2 (FLAGS (\Deleted))"])
        assert session.create('"To do"')[0] == "OK"
        assert session.copy("1:2", '"To do"')[0] == "OK"
        assert session.response("COPYUID")[1][0].endswith(b" 1:2 1:2")
        assert session.expunge() == ("OK", [b"2"])
        assert session.status('"To do"', "(MESSAGES UNSEEN)")[1] == [b'"To do" (MESSAGES 2 UNSEEN 1)']
        assert session.rename('"To do"', "Done")[0] == "OK"
        assert [line.decode().split('"/" ')[1] for line in session.list()[1]] == ["INBOX", "Done"]
        assert session.delete("Done")[0] == "OK"
        assert session.list()[1] == [b'(\\HasNoChildren) "/" INBOX']


def test_imapclient(acting: IMAPClient) -> None:
    """A whole day of IMAPClient: it understands all that the server answers, and names beyond ASCII."""
    acting.append("INBOX", message("first"), [b"\\Seen", b"work"], datetime.datetime(2020, 2, 3, 4, 5, 6))
    acting.append("INBOX", message("second"))
    acting.create_folder("Ablage/Größe")
    acting.select_folder("INBOX")
    first, second = acting.search()
    assert acting.search(["SUBJECT", "second"]) == [second]
    fetched = acting.fetch([first], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])[first]
    assert fetched[b"ENVELOPE"].subject == b"first"
    assert fetched[b"ENVELOPE"].from_[0].mailbox == b"sender"
    assert fetched[b"BODYSTRUCTURE"][:2] == (b"text", b"plain")
    assert {b"\\Seen", b"work"} <= set(fetched[b"FLAGS"])
    assert fetched[b"INTERNALDATE"] == datetime.datetime(2020, 2, 3, 4, 5, 6)
    assert fetched[b"RFC822.SIZE"] == len(message("first"))
    assert b"\\Answered" in acting.add_flags([second], [b"\\Answered"])[second]
    acting.copy([first], "Ablage/Größe")
    acting.move([second], "Ablage/Größe")
    assert acting.search() == [first]
    assert acting.folder_status("Ablage/Größe", ["MESSAGES", "UIDNEXT"]) == {b"MESSAGES": 2, b"UIDNEXT": 3}
    assert {name for _, _, name in acting.list_folders()} >= {"INBOX", "Ablage/Größe"}
    acting.select_folder("Ablage/Größe")
    assert [acting.fetch([uid], ["FLAGS"])[uid][b"FLAGS"] for uid in acting.search()]
    acting.delete_messages([1])
    acting.uid_expunge([1])
    assert acting.search() == [2]


def test_idle(server: Server, watching: IMAPClient, acting: IMAPClient) -> None:
    """An idling session is told of a delivery, of a flag and of an expunge in another session, as they happen."""
    watching.select_folder("INBOX")
    acting.select_folder("INBOX")
    watching.idle()
    server.deliver("ann", "new")
    assert (1, b"EXISTS") in news(watching, b"EXISTS")
    acting.noop()
    acting.add_flags([1], [b"\\Flagged", b"work"])
    (change,) = [item for item in news(watching, b"FETCH") if item[1] == b"FETCH"]
    assert change[0] == 1
    assert {b"\\Flagged", b"work"} <= set(change[2][change[2].index(b"FLAGS") + 1])
    acting.delete_messages([1])
    acting.expunge()
    assert (1, b"EXPUNGE") in news(watching, b"EXPUNGE")
    watching.idle_done()
    assert watching.search() == []
