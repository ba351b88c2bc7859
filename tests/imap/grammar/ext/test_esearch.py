"""ESEARCH."""

import pytest

from mailhorn.imap.commands import Attribute, BodySection, Search, Section, SectionText
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext.esearch import parse_search_return_opts, write_esearch_response, write_search_return_opts
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import ESearchResponse, ResultUpdate
from mailhorn.model.ids import ModSeq, UIDValidity
from mailhorn.model.numbers import SeqSet, UIDSet
from mailhorn.model.search import All, Return, Returns


@pytest.mark.parametrize(
    ("data", "response"),
    [
        (b'(TAG "A282") MIN 2 COUNT 3', ESearchResponse(b"A282", low=2, count=3)),  # RFC 9051 §7.3.4
        (b'(TAG "A284") MIN 4', ESearchResponse(b"A284", low=4)),
        (b'(TAG "A285") UID MIN 7 MAX 3800', ESearchResponse(b"A285", True, low=7, high=3800)),
        (
            b"UID COUNT 17 ALL 4:18,21,28",
            ESearchResponse(None, True, count=17, numbers=UIDSet(((4, 18), (21, 21), (28, 28)))),
        ),
        (b"COUNT 5 ALL 1:17,21", ESearchResponse(None, count=5, numbers=SeqSet(((1, 17), (21, 21))))),
        (
            b'(TAG "a") ALL 1:3,5 MODSEQ 1236',
            ESearchResponse(b"a", numbers=SeqSet(((1, 3), (5, 5))), mod_seq=ModSeq(1236)),
        ),
        (b'(TAG "A04") UID PARTIAL (24000:24500 NIL)', ESearchResponse(b"A04", True, partial=((24000, 24500), None))),
        (b'(TAG "A01") PARTIAL (-1:-100 5:9)', ESearchResponse(b"A01", partial=((-1, -100), SeqSet(((5, 9),))))),
        (
            b'(TAG "B01") UID ADDTO (1 2733 1 2731:2732) REMOVEFROM (0 32768)',  # RFC 5267 §4.3
            ESearchResponse(
                b"B01",
                True,
                updates=(
                    ResultUpdate(True, 1, UIDSet(((2733, 2733),))),
                    ResultUpdate(True, 1, UIDSet(((2731, 2732),))),
                    ResultUpdate(False, 0, UIDSet(((32768, 32768),))),
                ),
            ),
        ),
        (
            b'(TAG "tag1" MAILBOX "folder1" UIDVALIDITY 1) UID ALL 4001,4003',  # RFC 7377 §3
            ESearchResponse(
                b"tag1",
                True,
                numbers=UIDSet(((4001, 4001), (4003, 4003))),
                mailbox="folder1",
                uid_validity=UIDValidity(1),
            ),
        ),
        (b'(TAG "a" X-NEW (1 (2 "3"))) X-DATA (a (b) "c") Y 1:5 COUNT 1', ESearchResponse(b"a", count=1)),
        (b"", ESearchResponse(None)),
    ],
)
def test_what_is_answered(data: bytes, response: ESearchResponse) -> None:
    """The examples of the RFCs; what we never heard of is passed over (RFC 4466 §2.6.2)."""
    frame = b"* ESEARCH" + (b" " + data if data else b"")
    for dialect in (STRICT, LENIENT):
        assert parse_response(frame, dialect) == response
    assert parse_response(write_response(response)[:-2], STRICT) == response


@pytest.mark.parametrize(
    "data",
    [
        b"()",
        b'(TAG "a"',
        b"UID MIN 0",
        b"ALL *x",
        b"COUNT",
        b"ADDTO ()",
        b"ADDTO (1)",
        b"PARTIAL (1:2)",
        b"X ((((",
        b"MIN 1 ",
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_response(b"* ESEARCH " + data, STRICT)


@pytest.mark.timeout(60)
def test_nesting_has_a_limit() -> None:
    """In what is passed over, too."""
    with pytest.raises(SyntaxProblem):
        parse_response(b"* ESEARCH X " + b"(" * 100_000, STRICT)


def test_what_is_asked_for() -> None:
    """Nothing at all is not the same as no RETURN; PARTIAL and ALL exclude each other (RFC 9394 §3.1)."""
    for data, returns in [
        (b" ALL", None),
        (b" RETURN () ALL", Returns()),
        (b" return (min Save) ALL", Returns(frozenset({Return.MIN, Return.SAVE}))),
        (b" RETURN (PARTIAL -5:-1 COUNT) ALL", Returns(frozenset({Return.COUNT}), (-5, -1))),
    ]:
        cur = Cursor(data)
        assert parse_search_return_opts(cur) == returns
        assert data.endswith(b" ALL") and cur.pos == len(data) - 4
    for bad in [b"( )", b"(MIN ", b"(MIN  MAX)", b"(FOO)", b"(PARTIAL 0:1)", b"(PARTIAL 1:*)", b"(PARTIAL 1:2 ALL)"]:
        with pytest.raises(SyntaxProblem):
            parse_search_return_opts(Cursor(b" RETURN " + bad))


def test_what_cannot_be_said() -> None:
    """A mailbox is told with the tag; a set has numbers."""
    with pytest.raises(Unwritable):
        write_search_return_opts(Writer(), Returns(frozenset({Return.ALL}), (1, 2)))
    for response in [
        ESearchResponse(None, mailbox="a"),
        ESearchResponse(b"a", numbers=SeqSet(())),
        ESearchResponse(b"a", partial=((1, -2), None)),
    ]:
        with pytest.raises(Unwritable):
            write_esearch_response(Writer(), response)


def test_update_may_say_what_to_fetch() -> None:
    """RFC 5465 §7; it goes with UPDATE alone."""
    line = b'a00 SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (TO FROM SUBJECT)])) FROM "boss"'
    _, command = parse_command(line)
    assert isinstance(command, Search) and command.returns is not None
    assert command.returns.options == {Return.COUNT, Return.UPDATE}
    header = Section(text=SectionText.HEADER_FIELDS, fields=(b"TO", b"FROM", b"SUBJECT"))
    assert command.returns.fetch == (Attribute.UID, BodySection(header))
    assert parse_command(b"".join(write_command(b"a00", command))[:-2])[1] == command
    with pytest.raises(CommandProblem):
        parse_command(b"a SEARCH RETURN (COUNT (UID)) ALL")
    with pytest.raises(Unwritable):
        write_command(b"a", Search(All(), returns=Returns(frozenset((Return.COUNT,)), fetch=(Attribute.UID,))))
