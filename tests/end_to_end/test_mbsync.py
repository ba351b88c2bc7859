"""mbsync (isync) against `mailhorn serve`."""

import email
import re
from pathlib import Path

from tests.kit import mbsync
from tests.kit.clients import need, run
from tests.kit.process import PASSWORD, Server, contents, message, running_server

MESSAGES = 500

CHANGES = re.compile(r"STORE|APPEND|EXPUNGE|COPY|MOVE|CREATE|DELETE")


class Maildir:
    """The near side: a Maildir tree as mbsync keeps it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, subject: str, mailbox: str = "INBOX") -> Path:
        """The file of a message."""
        return self.messages(mailbox)[subject]

    def messages(self, mailbox: str = "INBOX") -> dict[str, Path]:
        """All files of a mailbox by the Subject in them."""
        return {
            email.message_from_bytes(file.read_bytes())["Subject"]: file
            for part in ("cur", "new")
            for file in (self.folder / mailbox / part).iterdir()
        }

    def flags(self, mailbox: str = "INBOX") -> dict[str, str]:
        """The flags of all messages, as letters."""
        return {subject: file.name.partition(":2,")[2] for subject, file in self.messages(mailbox).items()}

    def add(self, mailbox: str, name: str, data: bytes, flags: str = "") -> None:
        """Put a message there as another mail program would."""
        for part in ("cur", "new", "tmp"):
            (self.folder / mailbox / part).mkdir(parents=True, exist_ok=True)
        (self.folder / mailbox / "cur" / f"{name}:2,{flags}").write_bytes(data.replace(b"\r\n", b"\n"))

    def mark(self, subject: str, flags: str) -> None:
        """Give a message other flags."""
        file = self.file(subject)
        file.rename(self.folder / "INBOX" / "cur" / f"{file.name.partition(':2,')[0]}:2,{flags}")

    def picture(self) -> dict[str, tuple[int, int]]:
        """Every file of the tree with its size and the time it was changed."""
        return {
            str(file.relative_to(self.folder)): (file.stat().st_size, file.stat().st_mtime_ns)
            for file in self.folder.rglob("*")
            if file.is_file()
        }


def fill(server: Server) -> None:
    """Deliver the messages."""
    with server.lmtp() as lmtp:
        for number in range(MESSAGES):
            lmtp.sendmail("a@example.net", ["ann@example.org"], message(f"message {number}"))


def test_two_way(tmp_path: Path) -> None:
    """Messages, flags, deletions and new mailboxes go both ways, and then there is nothing left to do."""
    need("mbsync")
    maildir = Maildir(tmp_path / "mail")
    maildir.folder.mkdir()
    settings = tmp_path / "mbsyncrc"
    with running_server(tmp_path) as server:
        settings.write_text(mbsync.settings(server.ports["imap"], PASSWORD, maildir.folder, both_ways=True))
        fill(server)
        run(["mbsync", "-c", settings, "all"], tmp_path, patience=60)
        assert set(maildir.messages()) == {f"message {number}" for number in range(MESSAGES)}

        # Here: flags, two deletions, a new message, a new mailbox.
        for number in range(10):
            maildir.mark(f"message {number}", "FS")
        maildir.mark("message 20", "ST")
        maildir.file("message 21").unlink()
        maildir.add("INBOX", "1.new.here", message("written here"), "DS")
        maildir.add("Work", "2.new.here", message("filed here"), "S")
        # There: flags, two deletions, a new message, a new mailbox.
        with server.imap() as session:
            uids = {entry.subject: uid for uid, entry in contents(session, "INBOX").items()}
            session.select("INBOX")
            answered = ",".join(str(uids[f"message {number}"]) for number in range(10, 20))
            assert session.uid("STORE", answered, "+FLAGS", r"(\Answered \Seen)")[0] == "OK"
            gone = f"{uids['message 30']},{uids['message 31']}"
            assert session.uid("STORE", gone, "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
            assert session.expunge()[0] == "OK"
            assert session.create("Play")[0] == "OK"
            assert session.append("Play", r"(\Flagged)", None, message("filed there"))[0] == "OK"
        server.deliver("ann", "delivered there")

        run(["mbsync", "-c", settings, "all"], tmp_path, patience=60)
        gone_now = {f"message {number}" for number in (20, 21, 30, 31)}
        there = {entry.subject: entry.flags for entry in server.mailbox("INBOX").values()}
        here = maildir.flags()
        expected = {f"message {number}" for number in range(MESSAGES)} - gone_now | {"written here", "delivered there"}
        assert set(there) == set(here) == expected
        for number in range(10):
            assert there[f"message {number}"] == {"\\Flagged", "\\Seen"}
        for number in range(10, 20):
            assert here[f"message {number}"] == "RS"
        assert there["written here"] == {"\\Draft", "\\Seen"}
        assert [(entry.subject, entry.flags) for entry in server.mailbox("Work").values()] == [
            ("filed here", {"\\Seen"})
        ]
        assert maildir.flags("Play") == {"filed there": "F"}

        before = maildir.picture(), server.mailbox("INBOX")
        said = run(["mbsync", "-D", "-c", settings, "all"], tmp_path, patience=60)
        commands = re.findall(r">>> \d+ (.*)", said)
        assert any(command.startswith("SELECT") for command in commands)
        assert not [command for command in commands if CHANGES.search(command)]
        assert (maildir.picture(), server.mailbox("INBOX")) == before
