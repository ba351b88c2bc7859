"""getmail6 --idle against `mailhorn serve`."""

from pathlib import Path

from tests.kit.clients import Arrivals, client, need, run
from tests.kit.process import PASSWORD, running_server
from tests.kit.tap import Tap

SETTINGS = """\
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {port}
username = ann
password = {password}
mailboxes = ("INBOX",)

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > {fifo}")
allow_root_commands = true

[options]
read_all = false
delete = false
verbose = 1
"""


def test_idle(tmp_path: Path) -> None:
    """What is delivered while getmail idles is in its hands within two seconds, and it knows its UIDs again."""
    need("getmail")
    with running_server(tmp_path) as server, Tap(server.host, server.ports["imap"]) as tap:
        server.deliver("ann", "there before")
        with Arrivals(tmp_path / "fifo") as arrivals:
            settings = tmp_path / "getmailrc"
            settings.write_text(SETTINGS.format(port=tap.port, password=PASSWORD, fifo=arrivals.fifo))
            command = ["getmail", f"--getmaildir={tmp_path}", f"--rcfile={settings}"]
            with client([*command, "--idle", "INBOX"], tmp_path):
                arrivals.wait_for("there before")
                for number in (1, 2):
                    tap.wait_for_idle(number)
                    server.deliver("ann", f"while idle {number}")
                    seconds = arrivals.wait_for(f"while idle {number}")
                    print(f"in its hands after {seconds * 1000:.0f} ms")
                    assert seconds <= 2.0
                tap.wait_for_idle(3)  # by now it has written down what it has
            assert "0 messages (0 bytes) retrieved, 3 skipped" in run(command, tmp_path)
