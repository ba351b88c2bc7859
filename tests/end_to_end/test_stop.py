"""The end of `mailhorn serve` while its clients sleep, do not read or never finish what they began."""

import contextlib
import socket
import ssl
from pathlib import Path

from tests.kit.process import HOST, PASSWORD, PATIENCE, Server, running_server

BYE = 1.0
"""Seconds the server gives its clients to hang up."""
OVERHEAD = 1.5
"""Seconds more that everything else may take on a busy machine; the next limit would be five."""


class Sleeper:
    """A client that reads what it waits for, and then nothing more."""

    def __init__(self, server: Server, service: str, shake_hands: bool = True) -> None:
        self.line = socket.socket()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.line.settimeout(PATIENCE)
        self.line.connect((HOST, server.ports[service]))
        if service == "imaps" and shake_hands:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.line = context.wrap_socket(self.line)

    def say(self, text: str, answer: bytes = b"") -> None:
        self.line.sendall(text.encode())
        heard = b""
        while answer not in heard:
            piece = self.line.recv(1)
            assert piece, f"{heard!r} and the end, not {answer!r}"
            heard += piece


def test_nobody_holds_up_the_end(tmp_path: Path) -> None:
    """Who reads is told BYE; the others have a second, whatever they wait for; what was acknowledged is there again."""
    with running_server(tmp_path) as server, contextlib.ExitStack() as stack:
        server.deliver("ann", "big", ("x" * 70 + "\n") * 150_000)

        def sleeper(service: str, shake_hands: bool = True) -> Sleeper:
            found = Sleeper(server, service, shake_hands)
            stack.callback(found.line.close)
            return found

        for service in ("imap", "imaps"):
            for ends in ("c IDLE\r\n", "c FETCH 1 BODY.PEEK[]\r\n", "c APPEND INBOX {100000}\r\n"):
                for _ in range(4):
                    client = sleeper(service)
                    client.say(f'a LOGIN ann "{PASSWORD}"\r\n', b"a OK")
                    client.say("b SELECT INBOX\r\n", b"b OK")
                    client.say(ends, b"+ " if "FETCH" not in ends else b"* 1 FETCH")
        for _ in range(6):  # the last of them wait for seconds: that is what a wrong password costs
            sleeper("imap").say("a LOGIN ann wrong\r\n", b"* OK")
        sleeper("imaps", shake_hands=False)
        half = sleeper("lmtp")
        half.say("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n", b"354 ")
        half.say("Subject: half")
        server.deliver("ann", "just in time")
        reads = sleeper("imap")
        reads.say(f'a LOGIN ann "{PASSWORD}"\r\n', b"a OK")
        seconds = server.stop()
        print(f"stopped after {seconds:.2f} s")
        assert seconds < BYE + OVERHEAD
        reads.say("", b"* BYE [UNAVAILABLE]")
        server.start()
        assert [entry.subject for entry in server.mailbox().values()] == ["big", "just in time"]
