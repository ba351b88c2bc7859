"""SCRAM with other programs: mbsync and doveadm against our server, our watcher against Dovecot and ourselves."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kit import mbsync
from tests.kit.clients import need, run
from tests.kit.dovecot import Dovecot
from tests.kit.mailserver import PASSWORD, running_server
from tests.kit.sasl import sasl_line

from mailhorn.sasl.scram import ScramClient
from mailhorn.server.logins import Logins
from mailhorn.server.passwords import ITERATIONS, hash_password, verify_password
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import State, StateChanged
from mailhorn.watch.facts import install
from mailhorn.watch.ledger import Place
from mailhorn.watch.supervisor import Watcher


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every mechanism that a client of our server chose."""
    names: list[str] = []
    begin = Logins.begin

    def noted(self: Logins, mechanism: str, *rest: object) -> object:
        names.append(mechanism)
        return begin(self, mechanism, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Logins, "begin", noted)
    return names


async def until_idle(account: WatchAccount, journal: Path) -> None:
    """Run the watcher until it has logged in and idles."""
    idles = asyncio.Event()

    def changed(place: Place, change: StateChanged) -> None:
        if change.state in (State.IDLE, State.BACKOFF, State.PARKED):
            assert change.state is State.IDLE, change.reason
            idles.set()

    watcher = Watcher([account], journal, on_state=changed)
    running = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(30):
            await idles.wait()
    finally:
        watcher.stop()
        await running


@pytest.mark.parametrize("mechanisms", ["SCRAM-SHA-256", "*"])
async def test_mbsync(tmp_path: Path, chosen: list[str], mechanisms: str) -> None:
    """Cyrus SASL takes our iterations, and chooses SCRAM of itself."""
    program = need("mbsync")
    (tmp_path / "mail").mkdir()
    async with running_server(tmp_path / "data", []) as server:
        stored = hash_password(PASSWORD, iterations=ITERATIONS)
        await server.server.mail.store.index.add_accounts([("ann", stored)])
        await server.server.accounts.survey()
        await server.deliver("ann", "Hello")
        text = mbsync.settings(server.ports["imap"], PASSWORD, tmp_path / "mail", both_ways=False)
        settings = tmp_path / "mbsyncrc"
        settings.write_text(text.replace("AuthMechs LOGIN", f"AuthMechs {mechanisms}"))
        await asyncio.to_thread(run, [program, "-c", settings, "all"], tmp_path)
    assert chosen == ["SCRAM-SHA-256"]
    assert len(list((tmp_path / "mail/INBOX/new").iterdir())) == 1


async def test_keys_of_dovecot(tmp_path: Path) -> None:
    """What doveadm makes lets in, by SCRAM and by PLAIN."""
    made = [need("doveadm"), "-O", "pw", "-s", "SCRAM-SHA-256", "-p", PASSWORD]
    stored = (await asyncio.to_thread(subprocess.run, made, capture_output=True, check=True)).stdout.decode().strip()
    assert verify_password(stored, PASSWORD.encode()) and not verify_password(stored, b"else")
    async with running_server(tmp_path, []) as server:
        await server.server.mail.store.index.add_accounts([("ann", stored)])
        async with sasl_line(server.ports["imap"]) as line:
            assert (await line.authenticate(ScramClient("ann", PASSWORD, "n"))).startswith("x OK")


@pytest.mark.parametrize(
    ("security", "mechanism"),
    [
        (Security.IMPLICIT, "SCRAM-SHA-256-PLUS"),
        (Security.STARTTLS, "SCRAM-SHA-256-PLUS"),
        (Security.NONE, "SCRAM-SHA-256"),
    ],
)
async def test_our_watcher_proves_itself_to_our_server(
    tmp_path: Path, chosen: list[str], security: Security, mechanism: str
) -> None:
    """Bound to the TLS connection, if there is one."""
    data = tmp_path / "data"
    async with running_server(data, ["ann"]) as server:
        port = server.ports["imaps" if security is Security.IMPLICIT else "imap"]
        certificate = data / "tls/self-signed.crt"
        account = WatchAccount("a", "localhost", port, "ann", PASSWORD, install("keep;"), security, certificate)
        await until_idle(account, tmp_path / "journal")
    assert chosen == [mechanism]


@contextmanager
def dovecot_with(stored: str) -> Iterator[Dovecot]:
    """Run a Dovecot that offers SCRAM and PLAIN, with this password of everybody's."""
    need("dovecot")
    directory = Path(tempfile.mkdtemp(prefix="dovecot-"))  # a short path: it holds Unix sockets
    server = Dovecot(directory)
    text = server.configuration.read_text().replace(f"args = password={PASSWORD}", f"args = password={stored}")
    server.configuration.write_text(text + "auth_mechanisms = plain scram-sha-256\nauth_verbose = yes\n")
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory)


@pytest.mark.parametrize("keys", [True, False])
async def test_our_watcher_and_dovecot(tmp_path: Path, keys: bool) -> None:
    """Dovecot takes our proof; where an account of its has no keys for SCRAM, the password is sent."""
    stored = hash_password(PASSWORD, iterations=4096)
    with dovecot_with(stored.split(" ")[1] if keys else "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69") as server:
        account = WatchAccount(
            "a", "localhost", server.imaps_port, "ann", PASSWORD, install("keep;"), ca_file=server.certificate
        )
        await until_idle(account, tmp_path / "journal")
        log = server.log()
    assert f"Login: user=<ann>, method={'SCRAM-SHA-256' if keys else 'PLAIN'}" in log
