"""neomutt, in a terminal, against `mailhorn serve`."""

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kit.clients import need
from tests.kit.process import PASSWORD, PATIENCE, environment, running_server
from tests.kit.tap import Tap

SETTINGS = """\
set folder="imap://ann@127.0.0.1:{port}/"
set spoolfile="+INBOX"
set imap_user="ann" imap_pass="{password}"
set imap_idle=yes imap_check_subscribed=no
set mail_check=1 timeout=1
set ssl_starttls=no ssl_force_tls=no
set header_cache="" message_cachedir=""
set confirmappend=no confirmcreate=no delete=yes move=no quit=yes
set sort=date
set index_format="%Z %s"
set status_format="[%m]"
set help=no wait_key=no
"""


class Terminal:
    """A terminal that nobody looks at: a tmux server of its own, with one window."""

    def __init__(self, home: Path) -> None:
        self._socket = f"mailhorn-{os.getpid()}-{secrets.token_hex(4)}"
        self._home = home

    def tmux(self, *arguments: str) -> str:
        """Give tmux a command, and return what it prints."""
        result = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments],
            env={**environment(self._home), "TERM": "xterm", "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    @contextlib.contextmanager
    def runs(self, command: str) -> Iterator["Terminal"]:
        """Have a command running in it."""
        self.tmux("new-session", "-d", "-x", "100", "-y", "20", command)
        try:
            yield self
        finally:
            with contextlib.suppress(AssertionError):  # it has ended with the command
                self.tmux("kill-server")

    def type(self, *keys: str) -> None:
        """Type these keys, by tmux's names of them or literally."""
        self.tmux("send-keys", *keys)

    def screen(self) -> list[str]:
        """Return the lines on the screen, without the empty ones."""
        return [line.strip() for line in self.tmux("capture-pane", "-p").splitlines() if line.strip()]

    def wait_for(self, *there: str, gone: tuple[str, ...] = ()) -> None:
        """Wait until these are on the screen and those are not. A look takes milliseconds, so it does not spin."""
        deadline = time.monotonic() + PATIENCE
        while True:
            screen = "\n".join(self.screen())
            if all(text in screen for text in there) and not any(text in screen for text in gone):
                return
            assert time.monotonic() < deadline, f"not {there} without {gone} on the screen, but:\n{screen}"


def test_a_session(tmp_path: Path) -> None:
    """New mail shows by itself while neomutt idles; what is saved elsewhere and deleted is so on the server."""
    need("neomutt")
    need("tmux")
    with running_server(tmp_path) as server, Tap(server.host, server.ports["imap"]) as tap:
        for subject in ("first", "second", "third"):
            server.deliver("ann", subject)
        settings = tmp_path / "neomuttrc"
        settings.write_text(SETTINGS.format(port=tap.port, password=PASSWORD))
        terminal = Terminal(tmp_path)
        with terminal.runs(f"neomutt -n -F {settings}"):
            terminal.wait_for("first", "second", "third")
            tap.wait_for_idle()
            begin = time.monotonic()
            server.deliver("ann", "fourth")
            terminal.wait_for("fourth")
            assert time.monotonic() - begin <= 3.0  # neomutt looks once a second
            terminal.type("2", "Enter", "s", "C-a", "C-k", "=Kept", "Enter")
            terminal.wait_for("D  second")
            terminal.type("3", "Enter", "d", "$")
            tap.wait_for("client", rb"(?i)EXPUNGE")
            terminal.wait_for("first", "fourth", gone=("second", "third"))
            terminal.type("q")
            tap.wait_for("client", rb"(?i)CLOSE")
        assert [entry.subject for entry in server.mailbox("INBOX").values()] == ["first", "fourth"]
        assert [entry.subject for entry in server.mailbox("Kept").values()] == ["second"]
