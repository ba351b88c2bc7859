"""The wire log shows the dialogue and never a credential."""

import pytest
from structlog.testing import capture_logs

from mailhorn.net.protocol_log import ProtocolLog

Dialogue = list[tuple[str, bytes]]


def _shown(dialogue: Dialogue, step: int = 0, server: bool = True) -> list[str]:
    wire = ProtocolLog("test", server=server)
    with capture_logs() as logs:
        for side, data in dialogue:
            take = wire.received if (side == "C") == server else wire.sent
            pieces = [data[i : i + step] for i in range(0, len(data), step)] if step else [data]
            for piece in pieces:
                take(piece)
    return [f"{entry['event']} {entry['line']}" for entry in logs]


IMAP_LOGIN: Dialogue = [
    ("C", b"a1 LOGIN alice secret\r\n"),
    ("S", b"* CAPABILITY IMAP4rev1\r\na1 OK done\r\n"),
    ("C", b"a2 NOOP\r\n"),
]
LITERAL_LOGIN: Dialogue = [
    ("C", b"a1 login {5}\r\n"),
    ("S", b"+ go on\r\n"),
    ("C", b"alice {6}\r\n"),
    ("S", b"+ go on\r\n"),
    ("C", b"secret\r\n"),
    ("S", b"a1 NO wrong\r\n"),
    ("C", b"a2 NOOP\r\n"),
]
IMAP_SASL: Dialogue = [
    ("C", b"a1 AUTHENTICATE PLAIN\r\n"),
    ("S", b"+ \r\n"),
    ("C", b"secret==\r\n"),
    ("S", b"a1 OK done\r\n"),
    ("C", b"a2 NOOP\r\n"),
]
SMTP_AUTH: Dialogue = [
    ("C", b"auth login\r\n"),
    ("S", b"334 VXNlcm5hbWU6\r\n"),
    ("C", b"secretuser\r\n"),
    ("S", b"334 UGFzc3dvcmQ6\r\n"),
    ("C", b"secret\r\n"),
    ("S", b"235 2.7.0 ok\r\n"),
    ("C", b"a2 NOOP\r\n"),
]


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("dialogue", [IMAP_LOGIN, LITERAL_LOGIN, IMAP_SASL, SMTP_AUTH])
def test_credentials_are_hidden_until_the_answer(dialogue: Dialogue, step: int, server: bool) -> None:
    """However the bytes are split, and whichever side we are."""
    shown = _shown(dialogue, step, server)
    assert not any("secret" in line for line in shown)
    assert shown[-1] == f"{'<' if server else '>'} a2 NOOP"
    assert "<hidden>" in shown[0]


def test_long_lines_are_cut_and_odd_bytes_escaped() -> None:
    """The log is for following a dialogue."""
    assert _shown([("C", b"a\xff\x00" + b"x" * 500 + b"\r\n")])[0].startswith("< a\\xff")
    assert _shown([("C", b"x" * 500 + b"\r\n")]) == ["< " + "x" * 200 + "… 301 octets more"]


def test_an_endless_line_is_not_kept() -> None:
    """And stays hidden where its beginning was a secret."""
    shown = _shown([("C", b"a LOGIN "), ("C", b"secret" * 5000), ("C", b"secret" * 5000 + b"\r\n")])
    assert len(shown) == 3 or len(shown) == 2
    assert not any("secret" in line for line in shown)
