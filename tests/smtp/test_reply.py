"""smtp/reply.py: replies as bytes."""

import pytest

from mailhorn.smtp.reply import CommandProblem, Reply, write_reply


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (Reply(250, "2.1.0", "Ok"), b"250 2.1.0 Ok\r\n"),
        (Reply(354, "", "Go on"), b"354 Go on\r\n"),
        (Reply(250, "", "mx\nPIPELINING\nHELP"), b"250-mx\r\n250-PIPELINING\r\n250 HELP\r\n"),
        (Reply(550, "5.7.1", "no\r\nnever"), b"550-5.7.1 no\r\n550 5.7.1 never\r\n"),
        (Reply(550, "5.1.1", "no \r250 2.0.0 yes\0 é"), b"550 5.1.1 no ?250 2.0.0 yes? ?\r\n"),
        (Reply(334, "", ""), b"334 \r\n"),
    ],
)
def test_write_reply(reply: Reply, wire: bytes) -> None:
    """The enhanced code stands on every line, and nothing quoted can end a line."""
    assert write_reply(reply) == wire


def test_lines_are_never_longer_than_512() -> None:
    """RFC 5321 §4.5.3.1.5."""
    assert len(write_reply(Reply(550, "5.7.1", "x" * 10_000))) <= 512


def test_positive() -> None:
    """Only 2xx is Positive Completion."""
    assert [code for code in (235, 250, 334, 354, 421, 550) if Reply(code, "", "").positive] == [235, 250]


def test_a_problem_carries_its_reply() -> None:
    """What cannot be parsed knows its answer."""
    assert CommandProblem(501, "5.5.4", "no").reply == Reply(501, "5.5.4", "no")
