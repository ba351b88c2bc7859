"""`mailhorn serve` and `mailhorn watch` as processes, for tests of what a person does with them."""

import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner
from tests.kit.commands import Serving, environment, mailhorn, serving

from mailhorn.cli.failure import explain
from mailhorn.cli.main import app

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
PATIENCE = 20.0


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


@contextmanager
def watching(home: Path, until: str = "idle") -> Iterator["subprocess.Popen[str]"]:
    """Run the watcher until the block ends; it begins when the log has that word."""
    log = home / "watch.log"
    with log.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailhorn", "watch", "--config", home / "watch.toml"],
            env=environment(home),
            stdout=err,
            stderr=err,
            text=True,
        )
    try:
        told(home, until)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def told(home: Path, text: str, times: int = 1) -> None:
    """Wait until the watcher's log has a text so often."""
    deadline = time.monotonic() + PATIENCE
    log = home / "watch.log"
    while log.read_text().count(text) < times:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


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
