"""Names of mailboxes and messages, and the dates at which these were saved, both ways."""

from datetime import date

import pytest

from mailhorn.imap.commands import Attribute, Fetch, Search, Status, StatusItem
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import STRICT, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.ext.objectid import mailbox_id_code
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import EmailIdItem, Fetched, SaveDateItem, StatusItems, ThreadIdItem
from mailhorn.model.ids import SeqNum
from mailhorn.model.numbers import SeqSet
from mailhorn.model.search import DateTest, EmailIdKey, Or, SaveDateKey, SaveDateSupported, ThreadIdKey


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"STATUS foo (mailboxid)", Status("foo", (StatusItem.MAILBOXID,))),
        (
            b"FETCH 1 (EMAILID threadid SAVEDATE)",
            Fetch(SeqSet(((1, 1),)), (Attribute.EMAILID, Attribute.THREADID, Attribute.SAVEDATE)),
        ),
        (b"SEARCH EMAILID M6d99ac3275bb4e", Search(EmailIdKey("M6d99ac3275bb4e"))),
        (b"search threadid T64b478a75b7ea9", Search(ThreadIdKey("T64b478a75b7ea9"))),
        (
            b"SEARCH OR SAVEDON 28-Dec-2014 savedatesupported",
            Search(Or(SaveDateKey(DateTest.ON, date(2014, 12, 28)), SaveDateSupported())),
        ),
    ],
)
def test_commands_of_the_rfcs(line: bytes, command: object) -> None:
    """RFC 8474 §4 to §6, RFC 8514 §4; what is written means the same."""
    parsed = parse_command(b"a " + line)[1]
    assert parsed == command
    assert parse_command(b"".join(write_command(b"a", parsed)).removesuffix(b"\r\n"))[1] == command


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (
            b"* STATUS foo (MAILBOXID (F2212ea87-6097-4256-9d51-71338625))",
            StatusItems("foo", ((StatusItem.MAILBOXID, "F2212ea87-6097-4256-9d51-71338625"),)),
        ),
        (
            b"* 1 FETCH (EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9))",
            Fetched(SeqNum(1), (EmailIdItem("M6d99ac3275bb4e"), ThreadIdItem("T64b478a75b7ea9"))),
        ),
        (b"* 2 FETCH (THREADID NIL SAVEDATE NIL)", Fetched(SeqNum(2), (ThreadIdItem(None), SaveDateItem(None)))),
        (b'* 3 FETCH (SAVEDATE "01-Jan-1970 00:00:01 +0000")', Fetched(SeqNum(3), (SaveDateItem(1),))),
    ],
)
def test_responses_of_the_rfcs(line: bytes, response: object) -> None:
    """RFC 8474 §4.3, §5, RFC 8514 §4.2; what is written means the same."""
    parsed = parse_response(line, STRICT)
    assert parsed == response
    assert parse_response(write_response(parsed).removesuffix(b"\r\n"), STRICT) == response


@pytest.mark.parametrize(
    "line", [b"SEARCH EMAILID", b"SEARCH EMAILID (M1)", b"SEARCH THREADID T.1", b"SEARCH SAVEDON 1"]
)
def test_what_is_no_name(line: bytes) -> None:
    """Letters, digits, _ and - only, 255 of them at most."""
    with pytest.raises(CommandProblem):
        parse_command(b"a " + line)
    with pytest.raises(CommandProblem):
        parse_command(b"a SEARCH EMAILID " + b"x" * 256)
    with pytest.raises(SyntaxProblem):
        parse_response(b"* 1 FETCH (EMAILID NIL)", STRICT)
    with pytest.raises(Unwritable):
        mailbox_id_code("a.b")
