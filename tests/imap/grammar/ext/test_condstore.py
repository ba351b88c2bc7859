"""CONDSTORE."""

import pytest

from mailhorn.imap.commands import Attribute, Fetch, Search, Select, Status, StatusItem, Store, StoreMode
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext.condstore import (
    parse_resp_code_modified,
    write_fetch_modifiers,
    write_resp_code_modified,
    write_search_modsequence,
)
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Condition, Fetched, FlagsItem, Modified, ModSeqItem, SearchResponse, Tagged, UidItem
from mailhorn.model.ids import UID, ModSeq, SeqNum
from mailhorn.model.numbers import STAR, NumberSet, SeqSet, UIDSet
from mailhorn.model.search import ModSeqKey, Not, Or, SizeKey

EXAMPLES = [
    (
        b"a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        Store(UIDSet(((6, 6), (4, 4), (8, 8))), StoreMode.ADD, ("\\Deleted",), True, ModSeq(12121230045)),
    ),
    (
        b"a104 STORE * (UNCHANGEDSINCE 0) FLAGS (\\Deleted $Processed)",
        Store(SeqSet(((STAR, STAR),)), StoreMode.REPLACE, ("\\Deleted", "$Processed"), False, ModSeq(0)),
    ),
    (
        b"s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)",
        Fetch(UIDSet(((1, STAR),)), (Attribute.FLAGS,), ModSeq(12345)),
    ),
    (b"a FETCH 1:3 (MODSEQ)", Fetch(SeqSet(((1, 3),)), (Attribute.MODSEQ,))),
    (
        b'a SEARCH MODSEQ "/flags/\\\\draft" all 620162338',
        Search(ModSeqKey(ModSeq(620162338), ("/flags/\\draft", "all"))),
    ),
    (
        b"t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
        Search(Or(Not(ModSeqKey(ModSeq(720162338))), SizeKey(True, 50000))),
    ),
    (
        b"A042 STATUS blurdybloop (UIDNEXT MESSAGES HIGHESTMODSEQ)",
        Status("blurdybloop", (StatusItem.UIDNEXT, StatusItem.MESSAGES, StatusItem.HIGHESTMODSEQ)),
    ),
    (b"A142 SELECT INBOX (CONDSTORE)", Select("INBOX", condstore=True)),
]
"""The commands of RFC 7162 §3.1."""


@pytest.mark.parametrize(("line", "command"), EXAMPLES)
def test_an_example(line: bytes, command: object) -> None:
    """Read and written; parentheses and the order of options aside, as it was."""
    tag, parsed = parse_command(line)
    assert parsed == command
    (written,) = write_command(tag, parsed)
    assert parse_command(written.removesuffix(b"\r\n")) == (tag, command)


@pytest.mark.parametrize(
    "line",
    [
        b"a STORE 1 () FLAGS ()",
        b"a STORE 1 (UNCHANGEDSINCE) FLAGS ()",
        b"a STORE 1 (UNCHANGEDSINCE 1)",
        b"a STORE 1 (UNCHANGEDSINCE 1 2) FLAGS ()",
        b"a STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS ()",
        b"a STORE 1 (CHANGEDSINCE 1) FLAGS ()",
        b"a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()",
        b"a FETCH 1 FLAGS (CHANGEDSINCE)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE -1)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1) ",
        b"a FETCH 1 FLAGS (UNCHANGEDSINCE 1)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        b"a UID FETCH 1 FLAGS (VANISHED)",
        b"a UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED VANISHED)",
        b'a SEARCH MODSEQ "/flags/" all 1',
        b'a SEARCH MODSEQ "/comment" all 1',
        b'a SEARCH MODSEQ "/flags/\\\\seen" some 1',
        b'a SEARCH MODSEQ "/flags/\\\\seen" 1',
        b"a SEARCH MODSEQ all 1",
        b"a SEARCH MODSEQ",
        b"a SELECT INBOX ()",
        b"a SELECT INBOX (CONDSTORE CONDSTORE)",
        b"a SELECT INBOX CONDSTORE",
    ],
)
def test_what_is_none(line: bytes) -> None:
    """Strictly."""
    with pytest.raises(CommandProblem):
        parse_command(line)


def test_responses() -> None:
    """Of RFC 7162 §3.1.3, §3.1.4.2, §3.1.6."""
    for data, response in [
        (
            b"* 1 FETCH (UID 4 MODSEQ (12121231000) FLAGS (\\Seen))",
            Fetched(SeqNum(1), (UidItem(UID(4)), ModSeqItem(ModSeq(12121231000)), FlagsItem(("\\Seen",)))),
        ),
        (
            b"* SEARCH 2 5 (MODSEQ 917162500)",
            SearchResponse((2, 5), ModSeq(917162500)),
        ),
        (
            b"d105 OK [MODIFIED 7,9] Conditional STORE failed",
            Tagged(b"d105", Condition.OK, Modified(NumberSet(((7, 7), (9, 9)))), b"Conditional STORE failed"),
        ),
    ]:
        assert parse_response(data) == response
        assert write_response(response) == data + b"\r\n"


def test_what_cannot_be_written() -> None:
    """A caller's mistake stays here."""
    with pytest.raises(SyntaxProblem):
        parse_resp_code_modified(Cursor(b" 3:*"))
    for value in (
        lambda out: write_resp_code_modified(out, Modified(NumberSet(((1, STAR),)))),
        lambda out: write_fetch_modifiers(out, None, True),
        lambda out: write_search_modsequence(out, ModSeqKey(ModSeq(1), ("/flags/é", "all"))),
        lambda out: write_search_modsequence(out, ModSeqKey(ModSeq(1), ("/flags/x", "any"))),
    ):
        with pytest.raises(Unwritable):
            value(Writer())
