"""`mailhorn watch` as a process, against `mailhorn serve` as another."""

import imaplib
import os
import select
import signal
import smtplib
import subprocess
import sys
import time
from pathlib import Path

from tests.kit.commands import environment, mailhorn, serving

RULES = """require ["fileinto", "mailbox"];
if header :contains "subject" "list" { fileinto :create "Lists"; }
"""
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
"""


def test_mail_is_filed_and_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    """Over TLS with the server's own certificate; exit code 0 within a second; no password in the log."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="hunter2\n")
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "ann.sieve").write_text(RULES)
    with serving(tmp_path) as server, imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
        config = tmp_path / "watch.toml"
        config.write_text(SETTINGS.format(port=server.ports["imaps"]))
        imap.login("ann", "hunter2")
        imap.create("Lists")
        imap.select("Lists")
        imap.send(b"i IDLE\r\n")
        assert imap.readline().startswith(b"+")
        log = tmp_path / "watch.log"
        with log.open("w") as err:
            watcher = subprocess.Popen(
                [sys.executable, "-m", "mailhorn", "watch", "--config", str(config)],
                env=environment(tmp_path, MAILHORN_LOG_LEVEL="debug"),
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "Watching ann (localhost)\n"
        try:
            deliver_until_filed(server.ports["smtp"], imap)
            begin = time.monotonic()
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait(10) == 0
            assert time.monotonic() - begin < 1
        finally:
            watcher.kill()
            watcher.wait()
            watcher.stdout.close()
        imap.send(b"DONE\r\n")
        imap.readline()
    assert "hunter2" not in log.read_text()
    assert "Traceback" not in log.read_text()


def deliver_until_filed(port: int, imap: imaplib.IMAP4) -> None:
    """Deliver mail for the rule, again and again until the watcher is there, and see it told in its new place."""
    for _ in range(40):
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.sendmail("a@example.org", ["ann@localhost"], "Subject: a list\r\n\r\nhello\r\n")
        if select.select([imap.sock], [], [], 0.5)[0]:
            assert imap.readline().endswith(b"EXISTS\r\n")
            return
    raise AssertionError("nothing was filed")


def test_without_accounts_there_is_nothing_to_watch(tmp_path: Path) -> None:
    """The line says which file, and how to begin."""
    result = mailhorn("watch", home=tmp_path)
    assert result.returncode == 2
    place = tmp_path / ".config" / "mailhorn" / "watch.toml"
    assert result.stderr == (
        f"mailhorn: {place}: no such file, so there is nothing to watch; begin with: mailhorn watch --print-config\n"
    )


def test_a_second_watcher_on_the_journal_is_refused(tmp_path: Path) -> None:
    """Two would do everything twice."""
    (tmp_path / "password").write_text("x\n")
    (tmp_path / "ann.sieve").write_text(RULES)
    config = tmp_path / "watch.toml"
    config.write_text(SETTINGS.format(port=1).replace('ca = "data/tls/self-signed.crt"\n', ""))
    command = [sys.executable, "-m", "mailhorn", "watch", "--config", str(config)]
    first = subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert first.stderr is not None
        os.read(first.stderr.fileno(), 1)  # it complains of the port, so it has the journal
        second = mailhorn("watch", "--config", config, home=tmp_path)
        assert second.returncode == 1
        assert second.stderr.startswith("mailhorn: ")
        assert "watch.sqlite" in second.stderr
        assert second.stderr.count("\n") == 1
        first.terminate()
        first.communicate(timeout=10)
        assert first.returncode == 0
    finally:
        first.kill()
        first.communicate()
