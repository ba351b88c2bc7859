"""smtp/command.py: command lines."""

import pytest

from mailhorn.smtp.address import Mailbox
from mailhorn.smtp.command import (
    Auth,
    Bdat,
    Bye,
    Command,
    Data,
    Expand,
    Hello,
    Help,
    Http,
    Mail,
    Noop,
    Rcpt,
    Rset,
    Tls,
    Verify,
    is_bdat,
    parse_base64,
    parse_command,
)
from mailhorn.smtp.events import BodyKind
from mailhorn.smtp.reply import CommandProblem

A = Mailbox("a", "b")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO mx.example", Hello("EHLO", "mx.example")),
        (b"helo [127.0.0.1] ", Hello("HELO", "[127.0.0.1]")),
        (b"LHLO not_a name", Hello("LHLO", "not_a")),
        (b"MAIL FROM:<>", Mail(None)),
        (b"MAIL FROM:<a@b>", Mail(A)),
        (b"mail from: <a@b> size=12 ", Mail(A, size=12)),
        (b"MAIL  FROM : a@b", Mail(A)),
        (b"MAIL FROM:<a@b> BODY=8bitmime SMTPUTF8 SIZE=0", Mail(A, 0, BodyKind.EIGHT_BIT, True)),
        (b"MAIL FROM:<a@b> AUTH=<>", Mail(A)),
        (b"MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", Mail(A)),
        ("MAIL FROM:<ä@b> SMTPUTF8".encode(), Mail(Mailbox("ä", "b"), smtputf8=True)),
        (b"RCPT TO:<a@b>", Rcpt(A)),
        (b"rcpt to: a@b", Rcpt(A)),
        (b"DATA", Data()),
        (b"data ", Data()),
        (b"BDAT 100", Bdat(100, False)),
        (b"BDAT 0  last", Bdat(0, True)),
        (b"RSET", Rset()),
        (b"NOOP", Noop()),
        (b"NOOP whatever", Noop()),
        (b"QUIT", Bye()),
        (b"HELP", Help()),
        (b"HELP MAIL", Help()),
        (b"VRFY joe", Verify()),
        (b"EXPN list", Expand()),
        (b"STARTTLS", Tls()),
        (b"AUTH plain", Auth("PLAIN")),
        (b"AUTH PLAIN AHUAcA==", Auth("PLAIN", b"\0u\0p")),
        (b"AUTH EXTERNAL =", Auth("EXTERNAL", b"")),
        (b"GET / HTTP/1.1", Http()),
    ],
)
def test_commands(line: bytes, command: Command) -> None:
    """Each command as RFC 5321 writes it and as clients do."""
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "code", "enhanced"),
    [
        (b"", 500, "5.5.2"),
        (b"XYZZY", 500, "5.5.2"),
        (b"EHLO", 501, "5.5.4"),
        (b"EHLO " + b"x" * 300, 501, "5.5.4"),
        (b"NOOP \0", 501, "5.5.2"),
        (b"NO\rOP", 501, "5.5.2"),
        (b"NOOP \xff", 501, "5.5.2"),
        (b"MAIL <a@b>", 501, "5.5.4"),
        (b"MAIL FROM <a@b>", 501, "5.5.4"),
        (b"MAIL TO:<a@b>", 501, "5.5.4"),
        (b"MAIL FROM:", 501, "5.1.3"),
        (b"MAIL FROM:<a@b> SIZE", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=-1", 501, "5.5.4"),
        ("MAIL FROM:<a@b> SIZE=²".encode(), 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=" + b"9" * 5000, 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=1 SIZE=1", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> BODY=BINARYMIME", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SMTPUTF8=1", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> =1", 501, "5.5.4"),
        (b"MAIL FROM:<a@b> RET=FULL", 555, "5.5.4"),
        ("MAIL FROM:<ä@b>".encode(), 553, "5.6.7"),
        (b"RCPT TO:<>", 501, "5.1.3"),
        (b"RCPT TO:<a@b> NOTIFY=NEVER", 555, "5.5.4"),
        (b"DATA now", 501, "5.5.4"),
        (b"RSET now", 501, "5.5.4"),
        (b"BDAT", 501, "5.5.4"),
        (b"BDAT -1", 501, "5.5.4"),
        (b"BDAT 1 FIRST", 501, "5.5.4"),
        (b"BDAT " + b"1" * 30, 501, "5.5.4"),
        (b"VRFY", 501, "5.5.4"),
        (b"AUTH", 501, "5.5.4"),
        (b"AUTH PLAIN !", 501, "5.5.2"),
        (b"AUTH PLAIN a b", 501, "5.5.4"),
    ],
)
def test_problems(line: bytes, code: int, enhanced: str) -> None:
    """What cannot be parsed says why."""
    with pytest.raises(CommandProblem) as caught:
        parse_command(line)
    assert (caught.value.reply.code, caught.value.reply.enhanced) == (code, enhanced)


def test_is_bdat() -> None:
    """Also a malformed one, because a chunk may follow it."""
    assert is_bdat(b" bdat x")
    assert not is_bdat(b"DATA")


def test_base64() -> None:
    """RFC 4954 §4: a lone = is nothing; junk is refused, never guessed."""
    assert parse_base64(b"=") == b""
    assert parse_base64(b"") == b""
    assert parse_base64(b"YQ==") == b"a"
    for bad in (b"YQ", b"Y Q==", b"YQ==YQ==", b"*"):
        with pytest.raises(CommandProblem):
            parse_base64(bad)


def test_secrets_are_not_shown() -> None:
    """An initial response does not reach a log by way of repr."""
    assert "secret" not in repr(Auth("PLAIN", b"secret"))
