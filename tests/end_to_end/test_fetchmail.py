"""fetchmail --idle against `mailhorn serve`."""

from pathlib import Path

from tests.kit.clients import Arrivals, client, need
from tests.kit.process import PASSWORD, running_server
from tests.kit.tap import Tap

SETTINGS = """\
poll 127.0.0.1 protocol IMAP port {port} username "ann" password "{password}" sslproto "" keep fetchall
mda "cat > {fifo}"
"""


def test_idle(tmp_path: Path) -> None:
    """What is delivered while fetchmail idles is in its hands within two seconds, and again after it idles anew."""
    need("fetchmail")
    with running_server(tmp_path) as server, Tap(server.host, server.ports["imap"]) as tap:
        server.deliver("ann", "there before")
        with Arrivals(tmp_path / "fifo") as arrivals:
            settings = tmp_path / "fetchmailrc"
            settings.touch(mode=0o600)  # fetchmail insists
            settings.write_text(SETTINGS.format(port=tap.port, password=PASSWORD, fifo=arrivals.fifo))
            command = ["fetchmail", "-f", settings, "--pidfile", tmp_path / "pid", "--idle", "--folder", "INBOX"]
            with client(command, tmp_path):
                arrivals.wait_for("there before")
                for number in (1, 2, 3):
                    tap.wait_for_idle(number)
                    server.deliver("ann", f"while idle {number}")
                    seconds = arrivals.wait_for(f"while idle {number}")
                    print(f"in its hands after {seconds * 1000:.0f} ms")
                    assert seconds <= 2.0
