"""Responses: RFC examples, what a client forgives, and the work that hostile ones cause."""

import time

import pytest

from mailhorn.imap.commands import StatusItem
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import (
    Capabilities,
    Code,
    Condition,
    Continuation,
    Enabled,
    Exists,
    Expunged,
    Fetched,
    FlagsItem,
    FlagsResponse,
    IdResponse,
    ListResponse,
    Namespaces,
    NumberCode,
    Recent,
    Response,
    SearchResponse,
    StatusItems,
    StatusResponse,
    Tagged,
    UidItem,
    Unknown,
    UnknownItem,
)
from mailhorn.model.ids import UID, ModSeq, SeqNum


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (b"* OK IMAP4rev2 server ready", StatusResponse(Condition.OK, None, b"IMAP4rev2 server ready")),
        (
            b"* OK [UIDVALIDITY 3857529045] UIDs valid",
            StatusResponse(Condition.OK, NumberCode("UIDVALIDITY", 3857529045), b"UIDs valid"),
        ),
        (b"* BYE Autologout; idle for too long", StatusResponse(Condition.BYE, None, b"Autologout; idle for too long")),
        (b"* PREAUTH hello", StatusResponse(Condition.PREAUTH, None, b"hello")),
        (
            b"A142 OK [READ-WRITE] SELECT completed",
            Tagged(b"A142", Condition.OK, Code("READ-WRITE"), b"SELECT completed"),
        ),
        (b"A223 NO COPY failed", Tagged(b"A223", Condition.NO, None, b"COPY failed")),
        (b"+ idling", Continuation(b"idling")),
        (b"* CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI", Capabilities(("IMAP4rev2", "STARTTLS", "AUTH=GSSAPI"))),
        (b"* ENABLED CONDSTORE", Enabled(("CONDSTORE",))),
        (b"* FLAGS (\\Answered \\Seen)", FlagsResponse(("\\Answered", "\\Seen"))),
        (b'* LIST (\\Noselect) "/" ""', ListResponse(("\\Noselect",), "/", "")),
        (b'* LSUB () "." #news.comp.mail.mime', ListResponse((), ".", "#news.comp.mail.mime", True)),
        (
            b"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)",
            StatusItems("blurdybloop", ((StatusItem.MESSAGES, 231), (StatusItem.UIDNEXT, 44292))),
        ),
        (b"* SEARCH 2 84 882", SearchResponse((2, 84, 882))),
        (b"* SEARCH", SearchResponse(())),
        (b"* SEARCH 2 5 (MODSEQ 917162500)", SearchResponse((2, 5), ModSeq(917162500))),
        (b"* 23 EXISTS", Exists(23)),
        (b"* 5 RECENT", Recent(5)),
        (b"* 44 EXPUNGE", Expunged(SeqNum(44))),
        (b"* 2 FETCH (UID 17 FLAGS (\\Seen))", Fetched(SeqNum(2), (UidItem(UID(17)), FlagsItem(("\\Seen",))))),
        (
            b'* NAMESPACE (("" "/")) NIL (("a" NIL)("b/" "/"))',
            Namespaces((("", "/"),), None, (("a", None), ("b/", "/"))),
        ),
        (b"* ID NIL", IdResponse(None)),
        (b'* ID ("name" "Cyrus")', IdResponse((("name", "Cyrus"),))),
    ],
)
def test_a_response(line: bytes, response: Response) -> None:
    """The examples of RFC 9051 §6 and §7, both ways, octet by octet, for strict and for lenient clients."""
    assert parse_response(line, STRICT) == response
    assert parse_response(line, LENIENT) == response
    assert write_response(response) == line + b"\r\n"


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (b"* OK", StatusResponse(Condition.OK, None, b"")),
        (b"A1 OK", Tagged(b"A1", Condition.OK, None, b"")),
        (b"+", Continuation(b"")),
        (b"+idling", Continuation(b"idling")),
        (b"* OK Caf\xe9 ready", StatusResponse(Condition.OK, None, b"Caf\xe9 ready")),  # lefcha/imapfilter PR#10
        (b"* OK [ALERT]no space", StatusResponse(Condition.OK, Code("ALERT"), b"no space")),
        (b"* OK [not closed", StatusResponse(Condition.OK, None, b"[not closed")),
        (b"* 5 EXISTS ", Exists(5)),
        (b"*  5   EXISTS", Exists(5)),
        (b"* SEARCH  1  2 ", SearchResponse((1, 2))),
        (b"* CAPABILITY A  B ", Capabilities(("A", "B"))),
        (b"* 5 FETCH ( UID  7 )", Fetched(SeqNum(5), (UidItem(UID(7)),))),
        (
            b"* 2 FETCH (FLAGS () X-GM-LABELS ({5}\r\nhello))",
            Fetched(SeqNum(2), (FlagsItem(()), UnknownItem("X-GM-LABELS", b"({5}\r\nhello)"))),
        ),  # F16
        (b'* LIST () "/" R&D', ListResponse((), "/", "R\udc26D")),
        (b"* XLIST () x", Unknown(b"XLIST () x")),
        (b"* 5 VANISHED", Unknown(b"5 VANISHED")),
        (b"* FLAGS", Unknown(b"FLAGS")),
        (b"* 0 EXPUNGE", Unknown(b"0 EXPUNGE")),
        (b"* 5 FETCH (UID", Unknown(b"5 FETCH (UID")),
        (b"* ", Unknown(b"")),
        (b"* \xff\xfe", Unknown(b"\xff\xfe")),
    ],
)
def test_what_a_client_forgives(line: bytes, response: Response) -> None:
    """Faults F11, F16 and F19: nothing untagged ends the connection."""
    assert parse_response(line) == response


@pytest.mark.parametrize(
    "line", [b"", b"*", b"A1", b"A1 ", b"A1 FOO", b"A1 BYE x", b"A1 PREAUTH x", b"\xff OK", b" * 5 EXISTS"]
)
def test_what_no_client_can_use(line: bytes) -> None:
    """Neither tagged nor untagged nor a continuation: the stream is not IMAP, or we lost our place."""
    with pytest.raises(SyntaxProblem):
        parse_response(line)


@pytest.mark.parametrize("line", [b"* FLAGS", b"* 0 EXPUNGE", b"* 5 EXISTS ", b"* OK [APPENDUID x] y", b"* LIST () x"])
def test_a_strict_client_forgives_nothing(line: bytes) -> None:
    """The grammar proper; this is what our own server is tested with."""
    with pytest.raises(SyntaxProblem):
        parse_response(line, STRICT)


def test_text_for_people_cannot_break_out() -> None:
    """It may quote what a client said: line ends and a feigned code are replaced (fault F90)."""
    text = b"[ALERT] x\r\n* BYE\0"
    assert write_response(StatusResponse(Condition.NO, None, text)) == b"* NO (ALERT] x  * BYE \r\n"
    assert write_response(Tagged(b"a", Condition.NO, Code("X"), text)) == b"a NO [X] [ALERT] x  * BYE \r\n"
    assert write_response(Continuation(b"a\r\nb")) == b"+ a  b\r\n"


@pytest.mark.parametrize(
    "response",
    [
        Tagged(b"a b", Condition.OK, None, b""),
        Tagged(b"a", Condition.BYE, None, b""),
        Capabilities(("A B",)),
        FlagsResponse(("a\r\nb",)),
        Unknown(b"x\r\n* BYE"),
        Namespaces((), None, None),
        StatusItems("x", ((StatusItem.SIZE, -1),)),
        SearchResponse((), ModSeq(-1)),
    ],
)
def test_what_would_break_out_is_refused(response: Response) -> None:
    """What programs read is never altered, so it is refused."""
    with pytest.raises(Unwritable):
        write_response(response)


N = 60_000
HOSTILE = {
    "spaces": b"* " + b" " * N,
    "spaces before a parenthesis": b"* 1 FETCH (UID 1" + b" " * N + b"x",
    "parentheses": b"* 1 FETCH (X " + b"(" * N,
    "parts in parts": b"* 1 FETCH (BODYSTRUCTURE " + b"(" * N,
    "parts": b"* 1 FETCH (BODYSTRUCTURE (" + b'("a" "b" NIL NIL NIL "7bit" 1)' * 5000 + b' "mixed"))',
    "addresses": b"* 1 FETCH (ENVELOPE (NIL NIL (" + b'(NIL NIL "a" "b")' * 5000,
    "broken items": b"* 1 FETCH (" + b"ENVELOPE () " * 10_000,
    "numbers": b"* SEARCH" + b" 4294967295" * N,
    "digits": b"* SEARCH " + b"4" * N,
    "a code": b"* OK [" + b"X " * N,
    "spaces in a code": b"* OK [UIDVALIDITY" + b" " * N + b"x",
    "permanent flags": b"* OK [PERMANENTFLAGS (" + b"x " * N + b"(",
    "attributes": b"* LIST (" + b"\\x " * N,
    "status items": b"* STATUS x (" + b"FOO (a) " * 10_000,
    "braces": b"* 1 FETCH (X (" + b"{1}" * N,
    "quotes": b"* 1 FETCH (X (" + b'"\\' * N,
    "namespaces": b"* NAMESPACE (" + b'("" "/")' * 10_000,
    "octets": b"* 1 FETCH (" + bytes(range(1, 256)) * (N // 256),
}


@pytest.mark.parametrize("dialect", [STRICT, LENIENT], ids=["strict", "lenient"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_responses_cost_little(name: str, dialect: object) -> None:
    """Parsed or refused in time that grows with their length and no faster."""
    started = time.process_time()
    try:
        parse_response(HOSTILE[name], STRICT if dialect is STRICT else LENIENT)
    except SyntaxProblem:
        assert dialect is STRICT
    assert time.process_time() - started < 1.5
