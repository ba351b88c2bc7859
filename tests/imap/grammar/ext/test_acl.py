"""What is and is not said about rights (RFC 4314 §7)."""

import pytest

from mailhorn.imap.commands import AclChange, DeleteAcl, List, ListReturn, ListRights, SetAcl
from mailhorn.imap.grammar.command import CommandProblem, parse_command
from mailhorn.imap.grammar.cursor import LENIENT, STRICT
from mailhorn.imap.grammar.response import parse_response
from mailhorn.imap.responses import AclResponse, ListRightsResponse, MyRightsResponse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"SeTacl INBOX/Drafts David lrswida", SetAcl("INBOX/Drafts", "David", "lrswida")),
        (b"SETACL INBOX/Drafts Chris +cda", SetAcl("INBOX/Drafts", "Chris", "cda", AclChange.ADD)),
        (b'SETACL INBOX -fred "-w"', SetAcl("INBOX", "-fred", "w", AclChange.REMOVE)),
        (b'SETACL INBOX fred ""', SetAcl("INBOX", "fred", "")),
        (b'SETACL INBOX "J\xc3\xbcrgen" +', SetAcl("INBOX", "Jürgen", "", AclChange.ADD)),
        (b"DeleteAcl INBOX Fred", DeleteAcl("INBOX", "Fred")),
        (b"LISTRIGHTS ~/Mail/saved smith", ListRights("~/Mail/saved", "smith")),
        (b'LIST "" % RETURN (MYRIGHTS)', List("", "%", returns=frozenset({ListReturn.MYRIGHTS}))),
    ],
)
def test_commands(line: bytes, command: object) -> None:
    """The forms that RFC 4314's examples have, and some that its grammar allows."""
    assert parse_command(b"a " + line, LENIENT if b"\xc3" in line else STRICT) == (b"a", command)


@pytest.mark.parametrize(
    ("line", "position"),
    [
        (b"SETACL INBOX/Drafts John lrQswicda", 27),
        (b"SETACL INBOX fred l+r", 20),
        (b"SETACL INBOX fred ++r", 20),
        (b'SETACL INBOX "" lr', 15),
        (b"SETACL INBOX fred", 19),
        (b"SETACL INBOX", 14),
        (b"GETACL", 8),
        (b"GETACL INBOX fred", 14),
        (b"MYRIGHTS", 10),
        (b"DELETEACL INBOX", 17),
        (b"LISTRIGHTS INBOX", 18),
        (b"LISTRIGHTS INBOX {1}\r\n\xff", 19),
    ],
)
def test_wrong_arguments_are_named(line: bytes, position: int) -> None:
    """Rights in capitals (RFC 4314 §3.1), two signs, no identifier, one that is no UTF-8."""
    with pytest.raises(CommandProblem) as problem:
        parse_command(b"a " + line)
    assert problem.value.position == position


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (
            b"* ACL INBOX Fred rwipslxetad -Fred wetd $team w",
            AclResponse("INBOX", (("Fred", "rwipslxetad"), ("-Fred", "wetd"), ("$team", "w"))),
        ),
        (b"* ACL INBOX", AclResponse("INBOX", ())),
        (
            b"* LISTRIGHTS ~/Mail/saved smith la r swicdkxte",
            ListRightsResponse("~/Mail/saved", "smith", "la", ("r", "swicdkxte")),
        ),
        (
            b'* LISTRIGHTS archive/imap anyone "" l r s w i p k x t e c d a 0 1 2 3 4 5 6 7 8 9',
            ListRightsResponse("archive/imap", "anyone", "", tuple("lrswipkxtecda0123456789")),
        ),
        (b"* MYRIGHTS INBOX rwiptsldaex", MyRightsResponse("INBOX", "rwiptsldaex")),
    ],
)
def test_responses(line: bytes, response: object) -> None:
    """The examples of RFC 4314 §3, as a client reads them."""
    assert parse_response(line) == response
