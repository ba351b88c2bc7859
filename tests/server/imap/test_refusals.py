"""What is refused, and how: BAD with the position for what does not parse, NO with a code for what cannot be done."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.kit.mailserver import running_server

FOR_BOB = b64encode(b"bob\0ann\0secret").decode()
MANY = " ".join(f"a{n}" for n in range(101))

BEFORE_LOGIN = (
    ("FLY", "BAD Unknown command"),
    ("LOGIN", "BAD Expected a space at position 8"),
    ("LOGIN ann", "BAD Expected a space at position 12"),
    ("LOGIN ann secret now", "BAD Expected the end of the line at position 19"),
    ("LOGIN ann wrong", "NO [AUTHENTICATIONFAILED] "),
    ("AUTHENTICATE", "BAD Expected a space at position 15"),
    ("AUTHENTICATE NOSUCH", "NO [CANNOT] "),
    (f"AUTHENTICATE PLAIN {FOR_BOB}", "NO [AUTHORIZATIONFAILED] "),
    ("AUTHENTICATE PLAIN =", "BAD "),
    ("STARTTLS now", "BAD Expected the end of the line at position 11"),
    ("CAPABILITY IMAP4rev1", "BAD Expected the end of the line at position 13"),
    ("NOOP 1", "BAD Expected the end of the line at position 7"),
    ("ID", "BAD Expected a space at position 5"),
    ("ID (one)", "BAD Expected "),
    ("UNAUTHENTICATE", "BAD Not allowed in the not authenticated state"),
    ("COMPRESS DEFLATE", "BAD Not allowed in the not authenticated state"),
    ('LIST "" *', "BAD Not allowed in the not authenticated state"),
)

LOGGED_IN = (
    ("LOGIN ann secret", "BAD Not allowed in the authenticated state"),
    ("STARTTLS", "BAD Not allowed in the authenticated state"),
    ("AUTHENTICATE PLAIN", "BAD Not allowed in the authenticated state"),
    ("ENABLE", "BAD Expected a space at position 9"),
    ("ENABLE (X)", "BAD Expected "),
    ("NAMESPACE x", "BAD Expected the end of the line at position 12"),
    ("UNAUTHENTICATE x", "BAD Expected the end of the line at position 17"),
    ("COMPRESS LZ4", "BAD Expected DEFLATE at position 12"),
    ("COMPRESS DEFLATE x", "BAD Expected the end of the line at position 19"),
    ("CREATE", "BAD Expected a space at position 9"),
    ("CREATE a b", "BAD Expected the end of the line at position 11"),
    ("CREATE x&y", "BAD Expected a mailbox name in modified UTF-7 at position 10"),
    ("CREATE INBOX", "NO [ALREADYEXISTS] "),
    ("CREATE here", "NO [ALREADYEXISTS] "),
    ("CREATE here/", "NO [ALREADYEXISTS] "),
    ("CREATE a//b", "NO [CANNOT] "),
    ("CREATE ../up", "NO [CANNOT] "),
    ('CREATE ""', "NO [CANNOT] "),
    ("CREATE all (USE (\\All))", "NO [USEATTR] "),
    ("CREATE x (FOR (\\Sent))", "BAD Expected USE at position 13"),
    ("DELETE", "BAD Expected a space at position 9"),
    ("DELETE inbox", "NO [CANNOT] "),
    ("DELETE nowhere", "NO [NONEXISTENT] "),
    ("RENAME here", "BAD Expected a space at position 14"),
    ("RENAME nowhere there", "NO [NONEXISTENT] "),
    ("RENAME here INBOX", "NO [ALREADYEXISTS] "),
    ("RENAME here here", "NO [ALREADYEXISTS] "),
    ("RENAME here here/below", "NO [CANNOT] "),
    ("RENAME here a//b", "NO [CANNOT] "),
    ("SUBSCRIBE", "BAD Expected a space at position 12"),
    ("SUBSCRIBE nowhere", "NO [NONEXISTENT] "),
    ("UNSUBSCRIBE", "BAD Expected a space at position 14"),
    ("LIST", "BAD Expected a space at position 7"),
    ('LIST ""', "BAD Expected a space at position 10"),
    ('LIST "" * x', "BAD Expected the end of the line at position 12"),
    ('LIST (RECURSIVEMATCH) "" *', "BAD Expected RECURSIVEMATCH together with what it shall match at position 8"),
    ('LIST (NEWEST) "" *', "BAD Expected a selection option at position 9"),
    ('LIST "" * RETURN (HERRIGHTS)', "BAD Expected a return option at position 21"),
    ("SETACL here", "BAD Expected a space at position 14"),
    ("SETACL here bob", "BAD Expected a space at position 18"),
    ("SETACL here bob lrQ", "BAD Expected rights, in lower case, after + or - or neither at position 19"),
    ("SETACL here bob lrq", "BAD The q right is not supported"),
    ("SETACL here nobody lr", "NO [CANNOT] "),
    ("SETACL nowhere ann lr", "NO [NONEXISTENT] "),
    ('SETACL here "" lr', "BAD Expected an identifier that is not empty at position 15"),
    ("SETACL here ann lr", "NO [CANNOT] "),
    ("DELETEACL here ann", "NO [CANNOT] "),
    ("DELETEACL here", "BAD Expected a space at position 17"),
    ("GETACL", "BAD Expected a space at position 9"),
    ("GETACL nowhere", "NO [NONEXISTENT] "),
    ("LISTRIGHTS here", "BAD Expected a space at position 18"),
    ("LISTRIGHTS here nobody", "NO [CANNOT] "),
    ("MYRIGHTS", "BAD Expected a space at position 11"),
    ("MYRIGHTS nowhere", "NO [NONEXISTENT] "),
    ('CREATE "Other Users/bob/x"', "NO [NOPERM] "),
    ('CREATE "Other Users"', "NO [NOPERM] "),
    ('RENAME here "Other Users/bob/x"', "NO [NOPERM] "),
    ('RENAME "Other Users/bob/INBOX" mine', "NO [NONEXISTENT] "),
    ('SELECT "Other Users/bob/INBOX"', "NO [NONEXISTENT] "),
    ('LIST "" * RETURN (STATUS (LENGTH))', "BAD Expected a status item at position 29"),
    (f'LIST "" ({MANY})', "NO [LIMIT] "),
    ('LSUB "" (a b)', "BAD Expected "),
    ("STATUS here", "BAD Expected a space at position 14"),
    ("STATUS here ()", "BAD Expected a status item at position 16"),
    ("STATUS here (LENGTH)", "BAD Expected a status item at position 16"),
    ("STATUS nowhere (MESSAGES)", "NO [NONEXISTENT] "),
    ("SELECT nowhere", "NO [NONEXISTENT] "),
    ("FETCH 1 FLAGS", "BAD Not allowed in the authenticated state"),
)

SELECTED = (
    ("DELETE here", "NO [INUSE] "),
    ("UNSELECT x", "BAD Expected the end of the line at position 11"),
    ("COPY 1 here", "BAD There is no message"),
    ("UID FLY 1", "BAD Unknown command"),
)


async def refusals(port: int, first: Sequence[str], table: Sequence[tuple[str, str]]) -> list[str]:
    """Return what was answered otherwise than the table says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    wrong = []
    for number, (command, expected) in enumerate([*((line, "OK ") for line in first), *table]):
        tag = "abcdefghij"[number // 10] + str(number % 10)
        writer.write(f"{tag} {command}\r\n".encode())
        while not (answer := (await reader.readline()).decode()).startswith(tag + " "):
            assert answer.startswith("* ") and not answer.startswith("* BYE"), (command, answer)
        if not answer.startswith(f"{tag} {expected}"):
            wrong.append(f"{command}: {answer.strip()}, not {expected}")
    writer.close()
    return wrong


@pytest.mark.parametrize(
    ("first", "table"),
    [
        pytest.param((), BEFORE_LOGIN, id="before login"),
        pytest.param(("LOGIN ann secret", "CREATE here"), LOGGED_IN, id="logged in"),
        pytest.param(("LOGIN ann secret", "CREATE here", "SELECT here"), SELECTED, id="selected"),
    ],
)
async def test_each_refusal_says_why(first: Sequence[str], table: Sequence[tuple[str, str]], tmp_path: Path) -> None:
    """RFC 5530: each code where it should be; BAD says where the command stops making sense."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        assert await refusals(server.ports["imap"], first, table) == []


async def test_four_refused_logins_end_the_connection_by_their_kind(tmp_path: Path) -> None:
    """Only wrong passwords count: who is refused for another reason may go on."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        table = [("AUTHENTICATE NOSUCH", "NO [CANNOT] ")] * 5
        assert await refusals(server.ports["imap"], (), [*table, ("LOGIN ann secret", "OK ")]) == []
