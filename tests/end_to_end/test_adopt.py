"""Maildirs that a real Dovecot and a real mbsync have filled become accounts: IMAP says the same before and after."""

import imaplib
import os
import re
from pathlib import Path

from tests.kit import mbsync
from tests.kit.clients import need, run
from tests.kit.dovecot import running_dovecot
from tests.kit.process import PASSWORD, Server, message, running, running_server

FOLDERS = ("Work", "Work/2026", "Entw&APw-rfe")
"""As they are called on the wire."""

Picture = dict[str, tuple[int, int, dict[int, tuple[frozenset[str], str, int, bytes]]]]


def picture(session: imaplib.IMAP4) -> Picture:
    """Return UIDVALIDITY, UIDNEXT and all messages of all mailboxes: flags, date, size and text by UID."""
    seen: Picture = {}
    _, lines = session.list()
    for line in lines:
        assert isinstance(line, bytes)
        name = line.decode().rpartition(' "/" ')[2].strip('"')
        kind, _ = session.select(f'"{name}"', readonly=True)
        assert kind == "OK"
        validity = int(session.response("UIDVALIDITY")[1][0])
        uid_next = int(session.response("UIDNEXT")[1][0])
        messages = {}
        _, data = session.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
        for item in data:
            if isinstance(item, tuple):
                head = item[0].decode()
                uid = re.search(r"UID (\d+)", head)
                flags = re.search(r"FLAGS \(([^)]*)\)", head)
                date = re.search(r'INTERNALDATE "([^"]*)"', head)
                size = re.search(r"RFC822.SIZE (\d+)", head)
                assert uid and flags and date and size
                kept = frozenset(flags[1].split()) - {"\\Recent"}
                messages[int(uid[1])] = kept, date[1], int(size[1]), item[1]
        seen[name] = validity, uid_next, messages
    return seen


def fill(session: imaplib.IMAP4) -> None:
    """Leave gaps in the UIDs, flags, keywords, subscriptions, and folders with other names than ASCII."""
    for folder in FOLDERS:
        session.create(f'"{folder}"')
        session.subscribe(f'"{folder}"')
        for number in range(6):
            flags = [r"(\Seen)", r"(\Flagged $Forwarded)", r"(work later)", "()", r"(\Draft work)", r"(\Answered)"][
                number
            ]
            session.append(f'"{folder}"', flags, None, message(f"{folder} {number}"))
    session.unsubscribe("Work")
    session.select("INBOX")
    session.uid("COPY", "2:4", "Work")
    session.uid("STORE", "1,3,9", "+FLAGS", r"(\Deleted)")
    session.uid("STORE", "2", "+FLAGS", r"(\Seen $Junk)")
    session.expunge()
    session.uid("STORE", "5", "+FLAGS", r"(\Deleted)")


def subscribed(session: imaplib.IMAP4) -> set[str]:
    """Return the subscribed names."""
    return {line.decode().rpartition(' "/" ')[2].strip('"') for line in session.lsub()[1] if isinstance(line, bytes)}


def test_dovecot(tmp_path: Path) -> None:
    """UIDVALIDITY, UIDNEXT, UIDs, flags, keywords, dates, texts and subscriptions are what Dovecot's IMAP said."""
    need("dovecot")
    server = Server(tmp_path, ("bob",))
    with running_dovecot() as dovecot:
        with dovecot.lmtp() as lmtp:
            for number in range(10):
                lmtp.sendmail("a@example.net", ["ann@example.org"], message(f"message {number}"))
        with dovecot.imap() as session:
            fill(session)
        with dovecot.imap() as session:
            before, names = picture(session), subscribed(session)
        dovecot.kill()
        maildir = dovecot.directory / "mail" / "ann" / "Maildir"
        files = sorted(str(path) for path in maildir.rglob("*"))
        server.adopt("ann", maildir)
        assert sorted(str(path) for path in maildir.rglob("*")) == files
    with running(server):
        server.start()
        with server.imap() as session:
            assert picture(session) == before
            assert subscribed(session) == names
        server.deliver("ann", "and on it goes")
        with server.imap() as session:
            after = picture(session)
            assert after["INBOX"][2].keys() - before["INBOX"][2].keys() == {before["INBOX"][1]}
        server.stop()
        for path in (tmp_path / "data").glob("index.sqlite*"):  # and should the index be lost:
            path.unlink()
        server.start()
        with server.imap() as session:
            again = picture(session)
            assert {name: seen[2] for name, seen in again.items()} == {name: seen[2] for name, seen in after.items()}
            assert {name: seen[0] for name, seen in again.items()} == {name: seen[0] for name, seen in after.items()}


def test_mbsync(tmp_path: Path) -> None:
    """UIDs and flags are mbsync's own; both of its layouts are understood."""
    need("mbsync")
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir()
    near.mkdir()
    server = Server(near, ("bob",))
    with running_server(far) as source:
        with source.lmtp() as lmtp:
            for number in range(10):
                lmtp.sendmail("a@example.net", ["ann@example.org"], message(f"message {number}"))
        with source.imap() as session:
            fill(session)
            theirs = picture(session)
        for login, style in (("ann", "Maildir++"), ("eve", "Verbatim")):
            maildir = tmp_path / login
            maildir.mkdir()
            settings = tmp_path / f"{login}.mbsyncrc"
            settings.write_text(mbsync.settings(source.ports["imap"], PASSWORD, maildir, both_ways=False, style=style))
            run(["mbsync", "-c", settings, "all"], tmp_path, patience=60)
            (file,) = (maildir / "INBOX" / "new").glob("*,U=4:2,*")
            file.rename(maildir / "INBOX" / "cur" / f"{file.name}F")
            server.adopt(login, maildir)
    with running(server):
        server.start()
        for login in ("ann", "eve"):
            with server.imap(login) as session:
                ours = picture(session)
            assert ours.keys() == theirs.keys()
            validities = [validity for validity, _, _ in ours.values()]
            assert len(set(validities)) == len(validities)
            for name, (validity, uid_next, messages) in ours.items():
                path = tmp_path / login / "INBOX"
                if name != "INBOX":
                    path = tmp_path / login / name if login == "eve" else path / f".{name.replace('/', '.')}"
                recorded = (path / ".uidvalidity").read_text().split()
                uids = {
                    int(found[1]): found[2]
                    for part in ("cur", "new")
                    for file in os.listdir(path / part)
                    if (found := re.search(r",U=(\d+)(?::2,(\w*))?$", file))
                }
                assert uid_next == int(recorded[1]) + 1
                if name == "INBOX":  # it comes first; of those that mbsync gave the same, the others get new ones
                    assert validity == int(recorded[0])
                assert messages.keys() == uids.keys()
                texts = sorted(re.sub(rb"X-TUID: .*\r\n", b"", text) for _, _, _, text in messages.values())
                assert texts == sorted(text for _, _, _, text in theirs[name][2].values())
                for uid, (flags, _, _, _) in messages.items():
                    letters = {r"\Seen": "S", r"\Flagged": "F", r"\Answered": "R", r"\Draft": "D", r"\Deleted": "T"}
                    got = "".join(sorted(letters[flag] for flag in flags if flag in letters))
                    assert got == "".join(sorted((uids[uid] or "").replace("P", "")))
