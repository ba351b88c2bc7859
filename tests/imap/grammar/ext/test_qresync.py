"""QRESYNC."""

import pytest

from mailhorn.imap.commands import Attribute, Fetch, Resync, Select
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext.qresync import (
    MAX_RANGES,
    parse_expunged_resp,
    vanished_lines,
    write_expunged_resp,
    write_select_params,
)
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Code, Condition, StatusResponse, Vanished
from mailhorn.model.ids import ModSeq, UIDValidity
from mailhorn.model.numbers import SeqSet, UIDSet

V, M = UIDValidity(67890007), ModSeq(90060115194045000)
EXAMPLES = [
    (
        b"A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))",
        Select("INBOX", resync=Resync(V, M, UIDSet(((41, 211), (214, 541))))),
    ),
    (
        b"B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 15000,"
        b"22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997)))",
        Select(
            "INBOX",
            resync=Resync(
                V,
                M,
                UIDSet(((1, 29997),)),
                (
                    SeqSet(((5000, 5000), (7500, 7500), (9000, 9000), (9990, 9999))),
                    UIDSet(tuple((uid, uid) for uid in (15000, 22500, 27000, *range(29970, 30000, 3)))),
                ),
            ),
        ),
    ),
    (b"a EXAMINE x (QRESYNC (67890007 90060115194045000))", Select("x", True, resync=Resync(V, M))),
    (
        b"a SELECT x (QRESYNC (67890007 90060115194045000 (1:2 3:4)) CONDSTORE)",
        Select("x", False, True, Resync(V, M, None, (SeqSet(((1, 2),)), UIDSet(((3, 4),))))),
    ),
    (
        b"s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        Fetch(UIDSet(((300, 500),)), (Attribute.FLAGS,), ModSeq(12345), True),
    ),
]
"""The commands of RFC 7162 §3.2."""


@pytest.mark.parametrize(("line", "command"), EXAMPLES)
def test_an_example(line: bytes, command: object) -> None:
    """Read and written."""
    tag, parsed = parse_command(line)
    assert parsed == command
    (written,) = write_command(tag, parsed)
    assert parse_command(written.removesuffix(b"\r\n")) == (tag, command)


@pytest.mark.parametrize(
    "params",
    [
        b"QRESYNC",
        b"(QRESYNC)",
        b"(QRESYNC ())",
        b"(QRESYNC (1))",
        b"(QRESYNC (0 1))",
        b"(QRESYNC (4294967296 1))",
        b"(QRESYNC (1 9223372036854775808))",
        b"(QRESYNC (1 1 1:*))",
        b"(QRESYNC (1 1 ()))",
        b"(QRESYNC (1 1 1 (1)))",
        b"(QRESYNC (1 1 1 (1 1 1)))",
        b"(QRESYNC (1 1 1 (1:2 1)))",
        b"(QRESYNC (1 1 1 (2:1 1:2)))",
        b"(QRESYNC (1 1 1 (1,1 1,2)))",
        b"(QRESYNC (1 1 1 (1:* 1:*)))",
        b"(QRESYNC (1 1 1 (1 1) 1))",
        b"(QRESYNC (1 1 1 (1 1)) QRESYNC (1 1))",
        b"(QRESYNC (1 1)",
    ],
)
def test_what_is_none(params: bytes) -> None:
    """Strictly: the mailbox stays as it is (RFC 7162 §3.2.5)."""
    with pytest.raises(CommandProblem):
        parse_command(b"a SELECT INBOX " + params)


def test_vanished() -> None:
    """Both forms; the words in any case."""
    for data, response in [
        (b"* VANISHED 505,507,510,625", Vanished(UIDSet(((505, 505), (507, 507), (510, 510), (625, 625))))),
        (b"* VANISHED (EARLIER) 41,43:116", Vanished(UIDSet(((41, 41), (43, 116))), True)),
    ]:
        assert parse_response(data) == response
        assert write_response(response) == data + b"\r\n"
    assert parse_expunged_resp(Cursor(b" (Earlier) 1")) == Vanished(UIDSet(((1, 1),)), True)
    assert parse_response(b"* OK [CLOSED]") == StatusResponse(Condition.OK, Code("CLOSED"), b"")
    for data in (b" 1:*", b" ", b" (EARLIER)", b" (LATER) 1"):
        with pytest.raises(SyntaxProblem):
            parse_expunged_resp(Cursor(data))
    with pytest.raises(Unwritable):
        write_expunged_resp(Writer(), Vanished(UIDSet(((1, 0),))))


def test_much_has_vanished() -> None:
    """No line is longer than lines should be, and nothing is no line (RFC 7162 §4)."""
    assert vanished_lines(UIDSet(()), earlier=True) == b""
    assert vanished_lines(UIDSet.of((1, 2, 4)), earlier=False) == b"* VANISHED 1:2,4\r\n"
    uids = UIDSet.of(range(4_000_000_000, 4_000_002_000, 2))
    lines = vanished_lines(uids, earlier=True).splitlines()
    assert len(lines) == 1000 // MAX_RANGES and max(map(len, lines)) < 8192
    told = [parse_response(line) for line in lines]
    assert [uid for one in told if isinstance(one, Vanished) for uid in one.uids] == list(uids)


def test_a_match_that_is_none_is_not_written() -> None:
    """As many numbers as UIDs, ascending."""
    for match in ((SeqSet(((1, 2),)), UIDSet(((1, 1),))), (SeqSet(((2, 2), (1, 1))), UIDSet(((1, 2),)))):
        with pytest.raises(Unwritable):
            write_select_params(Writer(), False, Resync(V, M, None, match))
