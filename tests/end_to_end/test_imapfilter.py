"""imapfilter against `mailhorn serve`."""

from pathlib import Path

from tests.kit.clients import client, need
from tests.kit.process import PASSWORD, PATIENCE, running_server
from tests.kit.tap import Tap

SCRIPT = """\
options.create = true
options.subscribe = true
options.starttls = false
options.timeout = 10
account = IMAP {{ server = "127.0.0.1", port = {port}, username = "ann", password = "{password}" }}
if not account.INBOX:enter_idle() then os.exit(3) end
messages = account.INBOX:contain_subject("needle")
messages:move_messages(account["Found/Needles"])
os.exit(#messages == 1 and 0 or 4)
"""


def test_idle_then_move(tmp_path: Path) -> None:
    """imapfilter wakes from IDLE, finds the message by SEARCH, and moves it to a mailbox that it makes."""
    need("imapfilter")
    with running_server(tmp_path) as server, Tap(server.host, server.ports["imap"]) as tap:
        server.deliver("ann", "hay")
        script = tmp_path / "filter.lua"
        script.write_text(SCRIPT.format(port=tap.port, password=PASSWORD))
        with client(["imapfilter", "-v", "-c", script], tmp_path) as process:
            tap.wait_for_idle()
            server.deliver("ann", "a needle")
            assert process.wait(PATIENCE) == 0
        assert [entry.subject for entry in server.mailbox("INBOX").values()] == ["hay"]
        assert [entry.subject for entry in server.mailbox("Found/Needles").values()] == ["a needle"]
        with server.imap() as session:
            assert session.lsub()[1] == [b'() "/" Found/Needles']
