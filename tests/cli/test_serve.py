"""`mailhorn serve` as a process: ready, refused, stopped."""

import hashlib
import imaplib
import os
import re
import signal
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.commands import FREE_PORTS, mailhorn, serving


def test_it_says_how_to_connect(tmp_path: Path) -> None:
    """Port, encryption and certificate are what a mail client finds there."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    with serving(tmp_path) as server:
        context = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls" / "self-signed.crt"))
        with imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=context) as imap:
            certificate = imap.sock.getpeercert(binary_form=True)
            imap.login("ann", "secret")
        assert f"IMAP      127.0.0.1, port {server.ports['imaps']}, SSL/TLS" in server.said
        assert hashlib.sha256(certificate).digest().hex(":").upper() in server.said
        assert "user      ann" in server.said
        assert set(server.ports) == {"imap", "imaps", "smtp", "smtps", "lmtp", "managesieve"}


def test_a_first_start_says_how_to_make_an_account(tmp_path: Path) -> None:
    """Nobody has to look that up."""
    with serving(tmp_path) as server:
        assert "mailhorn account add LOGIN" in server.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it(tmp_path: Path, number: signal.Signals) -> None:
    """Cleanly, with exit code 0, and idle connections do not hold it up."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    with serving(tmp_path) as server:
        imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        imap.login("ann", "secret")
        imap.select()
        imap.send(b"a IDLE\r\n")
        assert imap.readline().startswith(b"+")
        begin = time.monotonic()
        server.process.send_signal(number)
        assert imap.readline().startswith(b"* BYE")
        imap.shutdown()
        assert server.process.wait(20) == 0
        assert time.monotonic() - begin < 5
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


@pytest.fixture
def hangups() -> Iterator[None]:
    """Those who are started get SIGHUP, also if the tests were by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups")
def test_somebody_wants_other_settings(tmp_path: Path) -> None:
    """A service that is sent SIGHUP serves on, and says what to do instead."""
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGHUP)
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            assert imap.noop()[0] == "OK"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert "restart the server for others" in (tmp_path / "serve.log").read_text()


@pytest.mark.usefixtures("hangups")
def test_its_terminal_is_closed(tmp_path: Path) -> None:
    """It stops as if it had been told to."""
    terminal, its_end = os.openpty()
    try:
        with serving(tmp_path, stdin=its_end) as server:
            server.process.send_signal(signal.SIGHUP)
            assert server.process.wait(20) == 0
    finally:
        os.close(terminal)
        os.close(its_end)


def test_nobody_has_to_read_what_it_says(tmp_path: Path) -> None:
    """As in `mailhorn serve | head`: it stops as cleanly, and says nothing of it."""
    with serving(tmp_path) as server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert server.stop() == 1
    assert (tmp_path / "serve.log").read_text() == ""


def test_it_tells_how_instant_it_is_when_asked(tmp_path: Path) -> None:
    """SIGUSR1, one line in the log."""
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGUSR1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    told = [line for line in (tmp_path / "serve.log").read_text().splitlines() if "timeline" in line]
    assert len(told) == 1
    assert "n=0 p50=0.0 p90=0.0 p99=0.0 max=0.0" in told[0]


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    """One line that names the directory and the process that has it."""
    with serving(tmp_path) as server:
        second = mailhorn("serve", home=tmp_path, **FREE_PORTS)
        assert second.returncode == 2
        assert second.stderr == (
            f"mailhorn: {tmp_path / 'data'} is in use by another mailhorn (pid {server.process.pid}); stop that one, "
            "or set another `data` in serve.toml\n"
        )


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """One line: which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = mailhorn("serve", home=tmp_path, **{**FREE_PORTS, "MAILHORN_IMAP_PORT": str(port)})
    assert result.returncode == 1
    assert result.stderr == (
        f"mailhorn: cannot listen on 127.0.0.1:{port}: another program listens there; stop it or choose another port\n"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[tls]\nkey = 'k.pem'", "tls.certificate is missing: a certificate and its key are set together, or neither"),
        ("[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'", "c.pem: it does not exist"),
        ("[sieve]\ndefault = 'd.sieve'", "sieve.default: {home}/d.sieve cannot be read: No such file or directory"),
        (
            "[imap]\nhost = 'no.such.host.invalid'",
            "cannot listen on no.such.host.invalid:0: the host name is not known",
        ),
        ("data = 'serve.toml/mail'", "serve.toml/mail cannot be used: Not a directory"),
    ],
)
def test_what_cannot_be_carried_out_is_one_line(tmp_path: Path, settings: str, message: str) -> None:
    """Settings that are well-formed and still wrong are found before the first client comes."""
    file = tmp_path / "serve.toml"
    file.write_text(settings)
    more = {name: value for name, value in FREE_PORTS.items() if name != "MAILHORN_IMAP_HOST"}
    if settings.startswith("data"):
        more["MAILHORN_DATA"] = str(file / "mail")
    result = mailhorn("serve", "--config", file, home=tmp_path, **more)
    assert result.returncode in (1, 2)
    assert message.format(home=tmp_path) in result.stderr
    assert result.stderr.count("\n") == 1


FOR_FEW = (
    # of the standard library, as large as some of our parts
    *("bz2", "email.message", "html", "http", "importlib.resources", "lzma", "shutil", "sqlite3", "stringprep"),
    *("tempfile", "zipfile"),
    # what our dependencies would bring (pygments comes with rich)
    *("cryptography", "keyring", "pygments"),
    # what reads a command line
    *("click", "mailhorn.cli.commands"),
    # ours: other commands, mail that leaves, a loss, tokens
    *("mailhorn.cli.account", "mailhorn.cli.check", "mailhorn.cli.demo", "mailhorn.cli.queue", "mailhorn.cli.share"),
    *("mailhorn.config.watching", "mailhorn.imap.client", "mailhorn.net.certificate", "mailhorn.net.dial"),
    *("mailhorn.net.introspection", "mailhorn.relay.queue", "mailhorn.relay.sender", "mailhorn.relay.smarthost"),
    *("mailhorn.sieve.convert", "mailhorn.sieve.formatting", "mailhorn.store.adopt", "mailhorn.store.check"),
    *("mailhorn.store.rebuild", "mailhorn.testing", "mailhorn.watch"),
)
"""Packages and modules that a server imports when the first one needs them, if ever (docs/decisions/0040)."""


def test_it_carries_what_most_servers_need(tmp_path: Path) -> None:
    """Nothing for few is imported by a start after the first, by a login, a delivery, and looking at the mail."""
    mailhorn("account", "add", "ann", "--password-stdin", home=tmp_path, text="secret\n")
    with serving(tmp_path) as server:  # makes the certificate, for which it needs more
        server.stop()
    before = (tmp_path / "serve.log").stat().st_size
    with serving(tmp_path, PYTHONPROFILEIMPORTTIME="1") as server:
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            imap.starttls(ssl._create_unverified_context())
            imap.login("ann", "secret")
            imap.select()
            with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as lmtp:
                lmtp.sendmail("bob@example.org", ["ann@localhost"], "Subject: hello\r\n\r\nworld\r\n")
            imap.noop()
            assert imap.search(None, "BODY", "world")[1] == [b"1"]
            assert b"hello" in imap.fetch("1", "(ENVELOPE BODYSTRUCTURE PREVIEW BODY[])")[1][0][0]
        assert server.stop() == 0
    log = (tmp_path / "serve.log").read_text()[before:]
    imported = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", log, re.MULTILINE)
    assert "mailhorn.server.mailserver" in imported
    assert [name for name in imported if f"{name}.".startswith(tuple(f"{few}." for few in FOR_FEW))] == []
