"""Other programs at work in the Maildirs of a running server, and an idling client who is told."""

import os
import re
import socket
from pathlib import Path

from tests.kit.process import HOST, PASSWORD, PATIENCE, Server, message, running_server


class Idler:
    """A client that idles and reads what it is told."""

    def __init__(self, server: Server, mailbox: str = "INBOX") -> None:
        self._line = socket.create_connection((HOST, server.ports["imap"]), PATIENCE)
        self._file = self._line.makefile("rb")
        self._line.sendall(f'a LOGIN ann "{PASSWORD}"\r\nb SELECT {mailbox}\r\nc IDLE\r\n'.encode())
        self.hear(rb"\+ ")

    def hear(self, pattern: bytes) -> bytes:
        """Return the first line that begins so."""
        while True:
            line = self._file.readline()
            assert line, "the server hung up"
            if re.match(pattern, line):
                return line

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._line.close()


def drop(folder: Path, name: str, data: bytes) -> Path:
    """Deliver as every Maildir program does."""
    (folder / "tmp" / name).write_bytes(data)
    return (folder / "tmp" / name).rename(folder / "new" / name)


def test_an_idling_client_is_told(tmp_path: Path) -> None:
    """Mail that comes, flags that change, files that move and go: each is pushed; what came while it was down, too."""
    with running_server(tmp_path) as server:
        server.deliver("ann", "first")
        home = server.data / "mail" / "ann"
        with server.imap() as session:
            session.create("Archive")
        while not ((home / "tmp").is_dir() and (home / ".Archive" / "mailhorn-mailbox").exists()):
            assert server.process.poll() is None
        idler, other = Idler(server), Idler(server, "Archive")
        drop(home, "1.x.host", message("dropped").replace(b"\r\n", b"\n"))
        idler.hear(rb"\* 2 EXISTS")
        (dropped,) = (path for path in _files(home) if path.name.startswith("1.x.host"))
        flagged = dropped.rename(f"{dropped}F")
        assert b"\\Flagged" in idler.hear(rb"\* 2 FETCH")
        flagged.rename(home / ".Archive" / "cur" / flagged.name)
        idler.hear(rb"\* 2 EXPUNGE")
        other.hear(rb"\* 1 EXISTS")
        (first,) = _files(home)
        first.unlink()
        idler.hear(rb"\* 1 EXPUNGE")
        idler.close()
        other.close()
        (entry,) = server.mailbox("Archive").values()
        assert (entry.subject, entry.flags) == ("dropped", {"\\Flagged"})
        server.stop()
        drop(home, "2.x.host", message("while it was down"))
        server.start()
        idler = Idler(server)
        drop(home, "3.x.host", message("after"))
        while len(server.mailbox()) < 2:
            idler.hear(rb"\* \d EXISTS")
        assert [entry.subject for entry in server.mailbox().values()] == ["while it was down", "after"]
        idler.close()


def _files(home: Path) -> list[Path]:
    """Return the files of INBOX, once the server has called all by its own names."""
    while True:
        coming = os.listdir(home / "new")  # first, or one that moves meanwhile is seen in neither
        found = sorted((home / "cur").iterdir())
        if not coming and all(",U=" in path.name for path in found):
            return found
