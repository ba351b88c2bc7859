"""managesieve/grammar.py: every command of RFC 5804 §2, and what is none."""

import pytest

from mailhorn.managesieve.commands import (
    Authenticate,
    CheckScript,
    Command,
    DeleteScript,
    GetScript,
    HaveSpace,
    Noop,
    PutScript,
    RenameScript,
    SetActive,
    Word,
)
from mailhorn.managesieve.grammar import SyntaxProblem, parse_answer, parse_command

KNOWN: list[tuple[bytes, Command]] = [
    (b"CAPABILITY\r\n", Word.CAPABILITY),
    (b"Logout\r\n", Word.LOGOUT),
    (b"StartTls\r\n", Word.STARTTLS),
    (b"listscripts\r\n", Word.LISTSCRIPTS),
    (b"UNAUTHENTICATE\n", Word.UNAUTHENTICATE),
    (b'Authenticate "DIGEST-MD5"\r\n', Authenticate("DIGEST-MD5")),
    (b'AUTHENTICATE "plain" "AGEAYg=="\r\n', Authenticate("PLAIN", b"\0a\0b")),
    (b'AUTHENTICATE "PLAIN" {8+}\r\nAGEAYg==\r\n', Authenticate("PLAIN", b"\0a\0b")),
    (b'AUTHENTICATE {8+}\r\nEXTERNAL ""\r\n', Authenticate("EXTERNAL", b"")),
    (b'AUTHENTICATE "X" "' + b"QUFB" * 1000 + b'"\r\n', Authenticate("X", b"AAA" * 1000)),
    (b'HAVESPACE "myscript" 999999\r\n', HaveSpace(b"myscript", 999999)),
    (b'HAVESPACE "" 0\r\n', HaveSpace(b"", 0)),
    (b'HAVESPACE "x" 4294967295\r\n', HaveSpace(b"x", 2**32 - 1)),
    (
        b'Putscript "foo" {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\n',
        PutScript(b"foo", b"#comment\r\nInvalidSieveCommand\r\n"),
    ),
    (b'PUTSCRIPT "a \\"b\\\\" "keep;"\r\n', PutScript(b'a "b\\', b"keep;")),
    (b"PUTSCRIPT {3}\r\nfoo {5}\r\nkeep;\r\n", PutScript(b"foo", b"keep;")),
    (b"PUTSCRIPT {8+}\r\n{3+}\r\nab {0+}\r\n\r\n", PutScript(b"{3+}\r\nab", b"")),
    (b'Setactive ""\r\n', SetActive(b"")),
    ('SETACTIVE "räge"\r\n'.encode(), SetActive("räge".encode())),
    (b'Getscript "myscript"\r\n', GetScript(b"myscript")),
    (b'Deletescript\t "foo" \r\n', DeleteScript(b"foo")),
    (b'Renamescript "foo" "bar"\r\n', RenameScript(b"foo", b"bar")),
    (b"CheckScript {5+}\r\nkeep;\r\n", CheckScript(b"keep;")),
    (b"NOOP\r\n", Noop()),
    (b'NOOP "STARTTLS-SYNC-42"\r\n', Noop(b"STARTTLS-SYNC-42")),
    (b'NOOP ""\r\n', Noop(b"")),
]


@pytest.mark.parametrize(("data", "expected"), KNOWN)
def test_every_command_is_understood(data: bytes, expected: Command) -> None:
    """In capitals or not, strings in either form."""
    assert parse_command(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b" NOOP\r\n",
        b"NOOP\r",
        b"NOOP\0\r\n",
        b"NOOP x\r\n",
        b'NOOP "a" "b"\r\n',
        b'NOOP"a"\r\n',
        b"NOOP {1025+}\r\n" + b"a" * 1025 + b"\r\n",
        b"LOGOUT now\r\n",
        b'"LOGOUT"\r\n',
        b"NOSUCH\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\xff\r\n",
        b"(\r\n",
        b"GETSCRIPT\r\n",
        b"GETSCRIPT \r\n",
        b"GETSCRIPT foo\r\n",
        b'GETSCRIPT "foo\r\n',
        b'GETSCRIPT "fo\\o"\r\n',
        b'GETSCRIPT "fo\0o"\r\n',
        b'GETSCRIPT "' + b"a" * 1025 + b'"\r\n',
        b"GETSCRIPT {3+} foo\r\n",
        b'PUTSCRIPT "a"\r\n',
        b'PUTSCRIPT "a" "b" "c"\r\n',
        b'HAVESPACE "a"\r\n',
        b'HAVESPACE "a" -1\r\n',
        b'HAVESPACE "a" 01\r\n',
        b'HAVESPACE "a" 4294967296\r\n',
        b'HAVESPACE "a" 99999999999\r\n',
        b'HAVESPACE "a" "1"\r\n',
        b'AUTHENTICATE "PLAIN" "="\r\n',
        b'AUTHENTICATE "PLAIN" "AG EAYg=="\r\n',
        b"AUTHENTICATE PLAIN\r\n",
        b"AUTHENTICATE\r\n",
    ],
)
def test_anything_else_is_a_syntax_problem(data: bytes) -> None:
    """That says what was expected."""
    with pytest.raises(SyntaxProblem, match="Expected|at most|There is no command"):
        parse_command(data)


def test_an_answer_is_base64_in_a_string() -> None:
    """Quoted or literal, empty too; `*` cancels (§2.1)."""
    assert parse_answer(b'"AGEAYg=="\r\n') == parse_answer(b"{8+}\r\nAGEAYg==\r\n") == b"\0a\0b"
    assert parse_answer(b'""\r\n') == parse_answer(b"{0+}\r\n\r\n") == b""
    assert parse_answer(b'"*"\r\n') is parse_answer(b"{1+}\r\n*\r\n") is None
    for data in (b"AGEAYg==\r\n", b'"a"\r\n', b'"" ""\r\n', b"\r\n", b"*\r\n"):
        with pytest.raises(SyntaxProblem):
            parse_answer(data)
