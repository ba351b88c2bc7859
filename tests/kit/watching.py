"""`mailhorn serve` and `mailhorn watch` as processes, for tests of what a person does with them."""

import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from click.testing import CliRunner
from tests.kit.commands import Serving, environment, mailhorn, serving

from mailhorn.cli.commands import app
from mailhorn.cli.failure import explain

SETTINGS = """
journal = "watch.sqlite"
[[account]]
name = "ann"
host = "localhost"
port = {port}
ca = "data/tls/self-signed.crt"
user = "ann"
password_file = "password"
rules = "ann.sieve"
{more}
"""
PATIENCE = 30.0


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def command(home: Path, *args: str, text: str = "") -> Said:
    """Run `mailhorn watch` with a command below it, in this process: a process of its own takes half a second."""
    result = CliRunner().invoke(app, ["watch", "--config", str(home / "watch.toml"), *args], input=text)
    failure = explain(result.exception) if isinstance(result.exception, Exception) else None
    if failure is not None:
        return Said(failure.code, result.stdout, f"{result.stderr}mailhorn: {failure}\n")
    if isinstance(result.exception, Exception):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


@contextmanager
def account_served(home: Path, rules: str, more: str = "") -> Iterator[Serving]:
    """Run a server with an account `ann`, and write the watcher's settings and rules for it."""
    mailhorn("account", "add", "ann", "--password-stdin", home=home, text="secret\n")
    (home / "password").write_text("secret\n")
    (home / "ann.sieve").write_text(rules)
    with serving(home) as server:
        (home / "watch.toml").write_text(SETTINGS.format(port=server.ports["imaps"], more=more))
        yield server


class Log:
    """What a watcher says, as it says it; kept in a file, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = ""
        self._over = False
        self._more = threading.Condition()

    def follow(self, stream: IO[str]) -> None:
        """Take everything until its end; for a thread."""
        with self._path.open("w") as copy:
            for line in stream:
                copy.write(line)
                copy.flush()
                with self._more:
                    self._said += line
                    self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()

    def wait_for(self, text: str, times: int) -> None:
        """Wait until it has said a text so often."""
        with self._more:
            self._more.wait_for(lambda: self._over or self._said.count(text) >= times, PATIENCE)
            assert self._said.count(text) >= times, self._said


_logs: dict[Path, Log] = {}
"""Of the watchers that run, by their home."""


@contextmanager
def watching(home: Path, until: str = "idle") -> Iterator["subprocess.Popen[str]"]:
    """Run the watcher until the block ends; it begins when the log has that word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhorn", "watch", "--config", home / "watch.toml"],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log = _logs[home] = Log(home / "watch.log")
    reader = threading.Thread(target=log.follow, args=(process.stderr,))
    reader.start()
    try:
        log.wait_for(until, 1)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
        reader.join()
        process.stderr.close()
        del _logs[home]


def told(home: Path, text: str, times: int = 1) -> None:
    """Wait until the watcher's log has a text so often."""
    _logs[home].wait_for(text, times)


def deliver(server: Serving, *subjects: str) -> None:
    """Deliver a message for each subject."""
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as lmtp:
        for subject in subjects:
            lmtp.sendmail(
                "bob@example.org",
                ["ann@localhost"],
                f"From: Bob <bob@example.org>\r\nSubject: {subject}\r\n"
                f"Message-ID: <{subject.replace(' ', '.')}@example.org>\r\n\r\nHi\r\n",
            )
