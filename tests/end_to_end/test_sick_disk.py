"""A disk that is full, broken, read-only or damaged: what is answered, what the operator reads, and that it passes."""

import imaplib
import json
import os
import re
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.kit.process import DOMAIN, PATIENCE, environment, message, running
from tests.kit.sick_disk import WRITING, SickDiskServer, opened, picture, text_of

from mailhorn.store.check import Checker

SMALL = [f"small{n}" for n in range(100) if len(text_of(f"small{n}")) < 100_000]
BIG = next(f"big{n}" for n in range(100) if len(text_of(f"big{n}")) > 130_000)
"""The name of a message that goes to the spool."""

INDEX = r"/index\."
TABLES = r"/index\.sqlite"
ERRORS = ("ENOSPC", "EIO", "EROFS")


class Sick:
    """A server on a disk that refuses what it is told to refuse."""

    def __init__(self, folder: Path) -> None:
        self.server = SickDiskServer(folder)
        self.server.plan = self.server.planned("obey", armed=True, settle_after=0.0)

    def deliver(self, token: str) -> int:
        """Deliver by LMTP; return the reply's code."""
        with self.server.lmtp() as lmtp:
            try:
                lmtp.sendmail("sender@example.net", [f"ann@{DOMAIN}"], message(token, text_of(token)))
            except smtplib.SMTPRecipientsRefused as refused:
                ((code, _),) = refused.recipients.values()
                return code
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
            return 250

    def errors(self) -> list[dict[str, str]]:
        """Return what the log has for the operator."""
        entries = [json.loads(line) for line in self.server.log.read_text().splitlines()]
        return [entry for entry in entries if entry["level"] in ("error", "critical")]


def inbox(server: SickDiskServer) -> list[tuple[str, frozenset[str]]]:
    """Return what is in INBOX, in order."""
    seen, _ = picture(server)
    return [message for _, message in sorted(seen[min(seen)].items())]


def tried(session: imaplib.IMAP4, *command: str) -> str:
    """Return OK, or the response code of a NO."""
    kind, data = session.uid(*command) if command[0] != "EXPUNGE" or len(command) > 1 else session.expunge()
    code = re.match(rb"\[([A-Z]+)", data[-1] or b"")
    return kind if kind == "OK" else code[1].decode() if code else kind


@pytest.mark.parametrize("error", ERRORS)
def test_index_refuses(error: str, tmp_path: Path) -> None:
    """Nothing is stored, everybody is told so, the operator once; and when the disk is well, so is the server."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["the store", "Maildirs"]
    with running(server):
        server.start()
        for token in SMALL[:3]:
            assert sick.deliver(token) == 250
        with server.imap() as session:
            assert session.create("Archive")[0] == "OK"
            opened(session, "INBOX")
            before = picture(server)
            with server.refusing(error, WRITING, INDEX):
                for token in SMALL[3:6]:
                    assert sick.deliver(token) == (452 if error == "ENOSPC" else 451)
                kind, data = session.append("INBOX", "", "", message(SMALL[7], text_of(SMALL[7])))
                assert kind == "NO" and data[0].startswith(b"[UNAVAILABLE]"), data
                assert tried(session, "STORE", "1", "+FLAGS", "(\\Deleted)") == "UNAVAILABLE"
                assert tried(session, "MOVE", "2", "Archive") == "UNAVAILABLE"
                assert tried(session, "COPY", "2", "Archive") == "UNAVAILABLE"
                assert picture(server)[0] == before[0]
            assert sick.deliver(SMALL[8]) == 250
            assert tried(session, "STORE", "1", "+FLAGS", "(\\Deleted)") == "OK"
            with server.refusing(error, WRITING, INDEX):
                assert tried(session, "EXPUNGE", "1") == "UNAVAILABLE"
            assert tried(session, "MOVE", "2", "Archive") == "OK"
            assert tried(session, "EXPUNGE", "1") == "OK"
        seen, _ = picture(server)
        assert [sorted(token for token, _ in box.values()) for _, box in sorted(seen.items())] == [
            [SMALL[2], SMALL[8]],
            [SMALL[1]],
        ]
        said = [entry for entry in sick.errors() if "Maildirs" not in entry["event"]]
        assert 1 <= len(said) <= 3, said  # of the journal and of the database, each time it begins
        assert all(str(server.data / "index.") in json.dumps(entry) for entry in said)
        server.stop()
        assert Checker(server.data, live=False).check().findings == []


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("error", ERRORS)
def test_tables_refuse(error: str, killed: bool, tmp_path: Path) -> None:
    """What the journal has taken is safe though the tables cannot have it; then nothing more is taken."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["the store", "Maildirs", "index.sqlite cannot be used"]
    with running(server):
        server.start()
        taken = [token for token in SMALL[:3] if sick.deliver(token) == 250]
        with server.imap() as session:
            opened(session, "INBOX")
            with server.refusing(error, WRITING, TABLES):
                answers = {SMALL[3]: sick.deliver(SMALL[3])}
                assert answers[SMALL[3]] == 250
                assert tried(session, "FETCH", "1:*", "FLAGS") == "UNAVAILABLE", "not everything is in the tables"
                answers |= {token: sick.deliver(token) for token in SMALL[4:7]}
                assert [answers[token] for token in SMALL[4:7]] == [452 if error == "ENOSPC" else 451] * 3
                assert tried(session, "STORE", "1", "+FLAGS", "(\\Deleted)") == "UNAVAILABLE"
                if killed:
                    server.kill()
        taken += [token for token, code in answers.items() if code == 250]
        if killed:
            server.start()
        taken += [token for token in SMALL[7:9] if sick.deliver(token) == 250]
        assert [token for token, _ in inbox(server)] == taken and SMALL[8] in taken
        server.stop()
        assert Checker(server.data, live=False).check().findings == []


@pytest.mark.parametrize("error", ERRORS)
def test_maildirs_refuse(error: str, tmp_path: Path) -> None:
    """A disk that will not have the files: nobody notices but the operator, who is told once; later they are there."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["Maildirs", "spool"]
    with running(server):
        server.start()
        assert sick.deliver(SMALL[0]) == 250
        with server.imap() as session:
            opened(session, "INBOX")
            with server.refusing(error, WRITING, "/mail/"):
                for token in SMALL[1:4]:
                    assert sick.deliver(token) == 250
                assert tried(session, "STORE", "1", "+FLAGS", "(\\Seen)") == "OK"
                assert [token for token, _ in inbox(server)] == SMALL[:4]
                assert sick.deliver(BIG) == (452 if error == "ENOSPC" else 451)
            assert sick.deliver(BIG) == 250
        server.stop()
        assert len(sick.errors()) <= 3, sick.errors()
        assert len(list((server.data / "mail").glob("*/cur/*"))) == 5
        assert Checker(server.data, live=False).check().findings == []
        server.start()
        assert len(inbox(server)) == 5


def test_message_cannot_be_read(tmp_path: Path) -> None:
    """A sector that cannot be read costs its message only, and only as long as it cannot."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["the store refused", "could not be"]
    with running(server):
        server.start()
        for token in SMALL[:2]:
            assert sick.deliver(token) == 250
        server.stop()
        server.start()
        with server.imap() as session:
            opened(session, "INBOX")
            with server.refusing("EIO", ["read"], "U=1:"):
                for _ in range(3):
                    assert tried(session, "FETCH", "1", "(BODY.PEEK[])") == "UNAVAILABLE"
                assert tried(session, "FETCH", "2", "(BODY.PEEK[])") == "OK"
            assert tried(session, "FETCH", "1", "(BODY.PEEK[])") == "OK"
        (said,) = sick.errors()
        assert ",U=1:2," in said["reason"] or "message 1" in said["reason"], said


def test_index_cannot_be_read(tmp_path: Path) -> None:
    """An index that cannot be read is told of once, everybody is asked to come back, and nobody is thrown out."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["index.sqlite cannot be used", "index.journal cannot be written"]
    with running(server):
        server.start()
        for token in SMALL[:3]:
            assert sick.deliver(token) == 250
        with server.imap() as session:
            opened(session, "INBOX")
            with server.refusing("EIO", ["read", "write", "sync"], INDEX):
                assert sick.deliver(SMALL[3]) in (451, 250)
                for _ in range(3):
                    assert tried(session, "FETCH", "1:*", "(BODY.PEEK[])") in ("UNAVAILABLE", "OK")
            assert tried(session, "FETCH", "1:*", "(BODY.PEEK[])") == "OK"
            assert sick.deliver(SMALL[4]) == 250


def test_damaged_index(tmp_path: Path) -> None:
    """Nonsense in the database: one line with the command that repairs it, and after that everything is there."""
    sick = Sick(tmp_path)
    server = sick.server
    server.expected = ["is damaged"]
    with running(server):
        server.start()
        for token in SMALL[:20]:
            assert sick.deliver(token) == 250
        server.stop()
        before = Checker(server.data, live=False).check()
        assert before.findings == []
        server.plan = None
        database = server.data / "index.sqlite"
        pages = database.stat().st_size // 4096
        with database.open("r+b") as file:
            for page in range(2, pages):
                file.seek(page * 4096)
                file.write(b"nonsense" * 512)
        server.launch()
        code = server.process.wait(20)
        log = server.log.read_text()
        server._reap()
        assert code == 1 and "mailhorn check --repair" in log.splitlines()[-1], log[-2000:]
        assert "Traceback" not in log
        checked = repair(server)
        assert checked.returncode == 0, checked
        assert b"damaged" in checked.stdout and b"All is well: 20 messages" in checked.stdout, checked
        server.start()
        assert [token for token, _ in inbox(server)] == SMALL[:20]


def repair(server: SickDiskServer) -> "subprocess.CompletedProcess[bytes]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "mailhorn", "check", "--repair", "--config", "serve.toml"],
        cwd=server.folder,
        env=environment(server.folder),
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize("notice", ["inotify", "off"])
def test_file_taken_away(notice: str, tmp_path: Path) -> None:
    """A message whose file is gone is no ghost: it is expunged, by the server that notices or by repair."""
    server = SickDiskServer(tmp_path, more=f'[maildir]\nnotice = "{notice}"')
    server.expected = ["could not be sent", "is gone", "file"]
    with running(server):
        server.start()
        for token in SMALL[:3]:
            server.deliver("ann", token, text_of(token))
        server.stop()
        server.start()
        (path,) = (server.data / "mail" / "ann" / "cur").glob("*,U=2:2,*")
        with server.imap() as session:
            opened(session, "INBOX")
            path.unlink()
            kind, data = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
            assert (kind, data[-1][:15]) == ("NO", b"[EXPUNGEISSUED]") or kind == "OK", data
            if notice == "inotify":
                waiting_for(session, b"EXPUNGE")
            else:
                assert kind == "NO"
        if notice == "off":
            assert str(path.name) in server.log.read_text()
            server.stop()
            checked = repair(server)
            assert checked.returncode == 0 and str(path).encode() in checked.stdout, checked
            server.start()
        assert [token for token, _ in inbox(server)] == [SMALL[0], SMALL[2]]


def test_file_cut_short(tmp_path: Path) -> None:
    """What is left of a message is not sent as if it were all; repair makes it a message of its own."""
    server = SickDiskServer(tmp_path, more='[maildir]\nnotice = "off"')
    server.expected = ["shorter than it was"]
    with running(server):
        server.start()
        for token in SMALL[:3]:
            server.deliver("ann", token, text_of(token))
        server.stop()
        server.start()
        (path,) = (server.data / "mail" / "ann" / "cur").glob("*,U=2:2,*")
        os.truncate(path, 300)
        with server.imap() as session:
            opened(session, "INBOX")
            kind, data = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
            assert kind == "NO" and data[-1].startswith(b"[EXPUNGEISSUED]"), data
        server.stop()
        checked = repair(server)
        assert checked.returncode == 0 and b"its file has 300 octets" in checked.stdout, checked
        (server.folder / "serve.toml").write_text((server.folder / "serve.toml").read_text().replace('"off"', '"scan"'))
        server.start()
        with server.imap() as session:
            while session.select("INBOX")[1] != [b"3"]:
                pass
            kind, data = session.uid("FETCH", "1:*", "(RFC822.SIZE)")
            assert kind == "OK" and re.search(rb"UID 4\b", data[-1]) and b"RFC822.SIZE 300" in data[-1], data


def waiting_for(session: imaplib.IMAP4, word: bytes) -> None:
    """Ask until the server has told it."""
    deadline = time.monotonic() + PATIENCE
    while not session.response(word.decode())[1][0]:
        assert time.monotonic() < deadline
        session.noop()
