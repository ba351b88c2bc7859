"""What is refused, and how: BAD with the position for what does not parse, NO with a code for what cannot be done."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.kit.mailserver import running_server

from mailhorn.imap.commands import Keyword
from mailhorn.imap.grammar import command

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


ANYWHERE = (
    ("LOGOUT now", "BAD Expected the end of the line at position 9"),
    ("IDLE now", "BAD Expected the end of the line at position 7"),
    ("EXAMINE", "BAD Expected a space at position 10"),
    ("EXAMINE nowhere", "NO [NONEXISTENT] "),
    ("SELECT", "BAD Expected a space at position 9"),
    ("SELECT here (FAST)", "BAD "),
    ("SELECT here (QRESYNC (0 1))", "BAD "),
    ("SELECT here (QRESYNC (1 1))", "BAD QRESYNC has to be enabled first"),
    ("LSUB", "BAD Expected a space at position 7"),
    ('LSUB ""', "BAD Expected a space at position 10"),
    ("APPEND", "BAD Expected a space at position 9"),
    ("APPEND here", "BAD Expected a space at position 14"),
    ("APPEND here abc", "BAD "),
    ("APPEND here (\\Seen {5}", "BAD "),
    ('APPEND here "1-Jan-2020" {5}', "BAD "),
    ("APPEND nowhere {5}", "NO [TRYCREATE] "),
    ("APPEND here {0}", "NO [CANNOT] "),
    ("APPEND here {60000000}", "NO [TOOBIG] "),
    ("APPEND here CATENATE ()", "BAD Expected URL or TEXT at position 25"),
    ("APPEND here CATENATE (URL /here/;UID=1)", "NO [BADURL /here/;UID=1] "),
    ("APPEND nowhere CATENATE (TEXT {5}", "NO [TRYCREATE] "),
    ("GETMETADATA", "BAD Expected a space at position 14"),
    ("GETMETADATA here", "BAD Expected a space at position 19"),
    ("GETMETADATA (DEPTH 2) here /private", "BAD "),
    ("GETMETADATA nowhere /private/comment", "NO [NONEXISTENT] "),
    ("SETMETADATA here", "BAD Expected a space at position 19"),
    ("SETMETADATA here /private/comment", "BAD "),
    ("SETMETADATA here (/private/comment x)", "BAD Expected a string at position 38"),
    ('SETMETADATA nowhere (/private/comment "x")', "NO [NONEXISTENT] "),
    ("GETQUOTA", "BAD Expected a space at position 11"),
    ('GETQUOTA "other"', "NO [NONEXISTENT] "),
    ("GETQUOTAROOT", "BAD Expected a space at position 15"),
    ("GETQUOTAROOT nowhere", "NO [NONEXISTENT] "),
    ("NOTIFY", "BAD Expected a space at position 9"),
    ("NOTIFY MAYBE", "BAD "),
    ("ESEARCH", "BAD Expected a space at position 10"),
    ("ESEARCH IN (nowhere) ALL", "BAD "),
    ("ESEARCH UNSEEN", "BAD No mailbox is selected"),
    ("ESEARCH IN (personal) CHARSET KOI8-R ALL", "NO [BADCHARSET "),
    ("REPLACE 1 here {5}", "BAD Not allowed in the authenticated state"),
    ("REPLACE 1 here CATENATE (URL /here/;UID=1)", "BAD Not allowed in the authenticated state"),
)

IN_A_MAILBOX = (
    ("CHECK x", "BAD Expected the end of the line at position 8"),
    ("CLOSE x", "BAD Expected the end of the line at position 8"),
    ("EXPUNGE 1", "BAD Expected the end of the line at position 10"),
    ("UID", "BAD Expected a space at position 6"),
    ("UID EXPUNGE", "BAD Expected a space at position 14"),
    ("UID EXPUNGE x", "BAD "),
    ("UID EXPUNGE 0", "BAD "),
    ("FETCH", "BAD Expected a space at position 8"),
    ("FETCH 1", "BAD Expected a space at position 10"),
    ("FETCH 0 FLAGS", "BAD "),
    ("FETCH 1, FLAGS", "BAD "),
    ("FETCH 1 (FLAGS", "BAD Expected a space at position 17"),
    ("FETCH 1 (FLAGS COLOUR)", "BAD Expected a fetch item at position 18"),
    ("FETCH 1 BODY[9", "BAD "),
    ("FETCH 1 BODY[MIME]", "BAD "),
    ("FETCH 1 BODY[]<5>", "BAD "),
    ("FETCH 1 FLAGS (CHANGEDSINCE)", "BAD "),
    ("FETCH 4 FLAGS", "BAD There is no message 4"),
    ("UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "BAD QRESYNC has to be enabled first"),
    ("STORE", "BAD Expected a space at position 8"),
    ("STORE 1", "BAD Expected a space at position 10"),
    ("STORE 1 SEEN", "BAD "),
    ("STORE 1 +FLAGS (\\Seen", "BAD "),
    ("STORE 1 (UNCHANGEDSINCE x) FLAGS ()", "BAD "),
    ("STORE 4 FLAGS ()", "BAD There is no message 4"),
    ("STORE 1 +FLAGS (\\Recent)", "NO [CANNOT] "),
    (f"STORE 1 FLAGS ({MANY})", "NO [LIMIT] "),
    ("SEARCH", "BAD Expected a space at position 9"),
    ("SEARCH COLOUR red", "BAD Expected a search key at position 10"),
    ("SEARCH SUBJECT", "BAD Expected a space at position 17"),
    ("SEARCH SINCE yesterday", "BAD "),
    ("SEARCH OR SEEN", "BAD Expected a space at position 17"),
    ("SEARCH (SEEN", "BAD "),
    ("SEARCH LARGER x", "BAD "),
    ("SEARCH CHARSET KOI8-R SUBJECT x", "NO [BADCHARSET "),
    ("SEARCH RETURN (FIRST) ALL", "BAD "),
    ("UID SEARCH UIDAFTER 0", "BAD "),
    ("SORT", "BAD Expected a space at position 7"),
    ("SORT (COLOUR) UTF-8 ALL", "BAD "),
    ("SORT (DATE) UTF-8", "BAD Expected a space at position 20"),
    ("SORT (DATE) KOI8-R ALL", "NO [BADCHARSET "),
    ("THREAD", "BAD Expected a space at position 9"),
    ("THREAD COLOUR UTF-8 ALL", "BAD "),
    ("THREAD REFERENCES KOI8-R ALL", "NO [BADCHARSET "),
    ("UID STORE 1", "BAD Expected a space at position 14"),
    ("UID SORT", "BAD Expected a space at position 11"),
    ("UID THREAD", "BAD Expected a space at position 13"),
    ("CANCELUPDATE", "BAD Expected a space at position 15"),
    ("CANCELUPDATE a", "BAD "),
    ('CANCELUPDATE "nosuch"', "NO [CLIENTBUG] "),
    ("COPY", "BAD Expected a space at position 7"),
    ("COPY 1", "BAD Expected a space at position 9"),
    ("COPY 1 nowhere", "NO [TRYCREATE] "),
    ("UID COPY 1 nowhere", "NO [TRYCREATE] "),
    ("MOVE", "BAD Expected a space at position 7"),
    ("MOVE 1", "BAD Expected a space at position 9"),
    ("MOVE 1 nowhere", "NO [TRYCREATE] "),
    ("MOVE 4 here", "BAD There is no message 4"),
    ("UID MOVE x here", "BAD "),
    ("REPLACE", "BAD Expected a space at position 10"),
    ("REPLACE 1:2 here {5}", "BAD Expected the number of one message at position 11"),
    ("REPLACE 4 here {5}", "BAD There is no message 4"),
    ("UID REPLACE 9 here {5}", "NO [NONEXISTENT] "),
    ("REPLACE 1 nowhere {5}", "NO [TRYCREATE] "),
)

READ_ONLY = (
    ("STORE 1 FLAGS ()", "NO [READ-ONLY] "),
    ("EXPUNGE", "NO [READ-ONLY] "),
    ("UID EXPUNGE 1", "NO [READ-ONLY] "),
    ("MOVE 1 here", "NO [READ-ONLY] "),
    ("REPLACE 1 here {5}", "NO [READ-ONLY] "),
)

UID_ONLY = (
    ("FETCH 1 FLAGS", "BAD [UIDREQUIRED] "),
    ("UID SEARCH 1", "BAD [UIDREQUIRED] "),
)

CODES = {
    "UNAVAILABLE": "tests/server/imap/test_session.py",
    "AUTHENTICATIONFAILED": "here",
    "AUTHORIZATIONFAILED": "here",
    "EXPIRED": "",  # passwords do not expire
    "PRIVACYREQUIRED": "tests/server/imap/test_session.py",
    "CONTACTADMIN": "",  # nobody is blocked in a way that only an administrator could undo
    "NOPERM": "here",
    "INUSE": "here",
    "EXPUNGEISSUED": "tests/dialogues/copy-of-the-gone.txt",
    "CORRUPTION": "",  # what is lost of the index is rebuilt; a message whose octets are gone is EXPUNGEISSUED
    "SERVERBUG": "tests/server/imap/test_session.py",
    "CLIENTBUG": "here",
    "CANNOT": "here",
    "LIMIT": "here",
    "OVERQUOTA": "tests/server/imap/test_quota.py",
    "ALREADYEXISTS": "here",
    "NONEXISTENT": "here",
}
"""All codes of RFC 5530 §3, and which file proves each; "" for those that the server has no use for."""


async def refusals(port: int, first: Sequence[str], table: Sequence[tuple[str, str]]) -> list[str]:
    """Return what was answered otherwise than the table says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    wrong = []
    for number, (line, expected) in enumerate([*((one, "OK ") for one in first), *table]):
        tag = "abcdefghijklmnopqrstuvwxyz"[number // 10] + str(number % 10)
        if number % 10 == 0:  # twenty that make no sense in a row would be the end
            writer.write(f"{tag} NOOP\r\n".encode())
            while not (await reader.readline()).startswith(tag.encode()):
                pass
        writer.write(f"{tag} {line}\r\n".encode())
        while not (answer := (await reader.readline()).decode()).startswith(tag + " "):
            if answer.startswith("+"):  # a literal in what will not parse
                writer.write(b"hello\r\n")
                continue
            assert answer.startswith("* ") and not answer.startswith("* BYE"), (line, answer)
        if not answer.startswith(f"{tag} {expected}"):
            wrong.append(f"{line}: {answer.strip()}, not {expected}")
    writer.close()
    return wrong


@pytest.mark.parametrize(
    ("first", "table"),
    [
        pytest.param((), BEFORE_LOGIN, id="before login"),
        pytest.param(("LOGIN ann secret", "CREATE here"), LOGGED_IN, id="logged in"),
        pytest.param(("LOGIN ann secret", "CREATE here", "SELECT here"), SELECTED, id="selected"),
        pytest.param(("LOGIN ann secret", "CREATE here"), ANYWHERE, id="anywhere"),
        pytest.param(("LOGIN ann secret", "CREATE here", "SELECT INBOX"), IN_A_MAILBOX, id="in a mailbox"),
        pytest.param(("LOGIN ann secret", "CREATE here", "EXAMINE INBOX"), READ_ONLY, id="read-only"),
        pytest.param(("LOGIN ann secret", "ENABLE UIDONLY", "SELECT INBOX"), UID_ONLY, id="UIDs only"),
    ],
)
async def test_each_refusal_says_why(first: Sequence[str], table: Sequence[tuple[str, str]], tmp_path: Path) -> None:
    """RFC 5530: each code where it should be; BAD says where the command stops making sense."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        for subject in ("One", "Two", "Three"):
            await server.deliver("ann", subject)
        assert await refusals(server.ports["imap"], first, table) == []


EVERY = (*BEFORE_LOGIN, *LOGGED_IN, *SELECTED, *ANYWHERE, *IN_A_MAILBOX, *READ_ONLY, *UID_ONLY)


def test_every_command_is_in_the_tables() -> None:
    """Each word that the grammar knows, alone and behind UID, is refused once at least for what follows it."""
    words = {word.decode() for word in command.PARSERS} | {keyword.value.decode() for keyword in Keyword}
    tried = {line.split()[0] for line, expected in EVERY if expected.startswith("BAD ")}
    assert words - tried == set()
    behind_uid = {word.decode() for word in command.PARSERS_BEHIND_UID}
    assert behind_uid - {line.split()[1] for line, _ in EVERY if line.startswith("UID ")} == set()


@pytest.mark.parametrize(("code", "proof"), CODES.items())
def test_every_code_is_used_where_it_should_be(code: str, proof: str) -> None:
    """RFC 5530 §3: a row here, or a test elsewhere, or the server never says it."""
    root = Path(__file__).parents[3]
    if proof == "here":
        assert any(expected.startswith(f"NO [{code}]") for _, expected in EVERY)
    elif proof:
        assert f"[{code}]" in (root / proof).read_text("utf-8")
    else:
        said = [path for path in (root / "src/mailhorn/server").rglob("*.py") if f'"{code}"' in path.read_text("utf-8")]
        assert said == []


async def test_four_refused_logins_end_the_connection_by_their_kind(tmp_path: Path) -> None:
    """Only wrong passwords count: who is refused for another reason may go on."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        table = [("AUTHENTICATE NOSUCH", "NO [CANNOT] ")] * 5
        assert await refusals(server.ports["imap"], (), [*table, ("LOGIN ann secret", "OK ")]) == []
