"""What SEARCH asks."""

from datetime import date

import pytest

from mailhorn.imap.grammar.cursor import Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.search import parse_search_program, write_search_program
from mailhorn.model.numbers import SAVED, SeqSet, UIDSet
from mailhorn.model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    Not,
    Or,
    SearchKey,
    SizeKey,
    TextKey,
)

SINCE = DateKey(DateField.INTERNAL, DateTest.SINCE, date(1994, 2, 1))


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"ALL", All()),
        (
            b'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"',  # RFC 9051 §6.4.4
            And((HasFlag("\\Flagged"), SINCE, Not(AddressKey("From", "Smith")))),
        ),
        (b'TEXT "string not in mailbox"', TextKey("string not in mailbox", False)),
        (b"body {3}\r\na\r\n", TextKey("a\r\n", True)),
        (
            b"OR SEEN (UNSEEN 1:*)",
            Or(HasFlag("\\Seen"), And((HasFlag("\\Seen", False), InSequence(SeqSet(((1, 0),)))))),
        ),
        (b"UID 3,5 LARGER 10", And((InUIDs(UIDSet(((3, 3), (5, 5)))), SizeKey(True, 10)))),
        (b"((DELETED))", HasFlag("\\Deleted")),
        (b"NEW", And((HasFlag("\\Recent"), HasFlag("\\Seen", False)))),
        (b"OLD", HasFlag("\\Recent", False)),
        (b"KEYWORD $Junk UNKEYWORD x", And((HasFlag("$Junk"), HasFlag("x", False)))),
        (b'HEADER Message-ID "" SUBJECT a', And((HeaderKey("Message-ID", ""), HeaderKey("Subject", "a")))),
        (b"FROM a HEADER From b", And((AddressKey("From", "a"), HeaderKey("From", "b")))),
        (b"OLDER 5 younger 6", And((AgeKey(False, 5), AgeKey(True, 6)))),
        (b"$ NOT UID $", And((InSequence(SeqSet(SAVED)), Not(InUIDs(UIDSet(SAVED)))))),
        (b'sentbefore "1-Feb-1994"', DateKey(DateField.SENT, DateTest.BEFORE, date(1994, 2, 1))),
    ],
)
def test_a_search(data: bytes, key: SearchKey) -> None:
    """Several keys in a row are an And."""
    cur = Cursor(data)
    assert parse_search_program(cur) == (key, None)
    cur.end()


def test_a_charset_says_how_to_read_the_texts() -> None:
    """Without one, UTF-8 is taken for what it is (RFC 9051 §6.4.4)."""
    assert parse_search_program(Cursor(b"CHARSET utf-8 TEXT {2}\r\n\xc3\xa9")) == (TextKey("é", False), "utf-8")
    assert parse_search_program(Cursor(b"CHARSET ISO-8859-1 TEXT {1}\r\n\xe9")) == (TextKey("é", False), "ISO-8859-1")
    assert parse_search_program(Cursor(b"TEXT {2}\r\n\xc3\xa9")) == (TextKey("é", False), None)
    with pytest.raises(SyntaxProblem):
        parse_search_program(Cursor(b"TEXT {1}\r\n\xe9"))


def test_an_unknown_charset_is_for_the_server_to_refuse() -> None:
    """NO [BADCHARSET] needs the name; the texts are not looked at."""
    assert parse_search_program(Cursor(b"CHARSET KOI8-R TEXT {1}\r\n\xe9"))[1] == "KOI8-R"


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"()", b"FOO", b"NOT", b"OR SEEN", b"(SEEN", b"SEEN)", b"SEEN ", b"SINCE x", b"HEADER a", b"UID x"),
        *(
            b"LARGER -1",
            b"KEYWORD (a)",
            b"CHARSET",
            b"CHARSET UTF-8",
            b"SEEN  SEEN",
            b"0",
            b"SEENX",
            b"RETURN () ALL",
            b"OLDER 0",
            b"$,1",
            b"$:5",
            b"1,$",
        ),
    ],
)
def test_what_is_no_search(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        cur = Cursor(data)
        parse_search_program(cur)
        cur.end()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("data", [b"(" * 100_000, b"NOT " * 100_000, b"OR SEEN " * 100_000, b"(NOT OR " * 100_000])
def test_nesting_has_a_limit(data: bytes) -> None:
    """A hundred thousand levels are a problem of the client's, no crash of ours."""
    with pytest.raises(SyntaxProblem):
        parse_search_program(Cursor(data + b"SEEN"))


def test_a_hundred_alternatives_are_fine() -> None:
    """OR takes two keys, so clients nest it."""
    key, _ = parse_search_program(Cursor(b"OR SEEN " * 150 + b"SEEN"))
    assert isinstance(key, Or)


def test_the_number_of_keys_has_a_limit_however_they_are_arranged() -> None:
    """Each is asked of each message."""
    parse_search_program(Cursor(b"SEEN " * 999 + b"SEEN"))
    for data in [b"SEEN " * 1000 + b"SEEN", b"(SEEN DELETED) " * 400 + b"SEEN"]:
        with pytest.raises(SyntaxProblem) as caught:
            parse_search_program(Cursor(data))
        assert caught.value.expected == "fewer keys"


def test_what_cannot_be_asked_is_refused() -> None:
    """Text must fit the charset, an And has keys."""
    deep: SearchKey = All()
    for _ in range(300):
        deep = Not(deep)
    for key, charset in [
        (TextKey("é", False), None),
        (TextKey("é", False), "X-UNKNOWN"),
        (TextKey("台", False), "ISO-8859-1"),
        (HeaderKey("é", "a"), "UTF-8"),
        (And(()), None),
        (Not(And(())), None),
        (HasFlag("a b"), None),
        (deep, None),
    ]:
        with pytest.raises(Unwritable):
            write_search_program(Writer(), key, charset)


def test_utf8_needs_no_charset_once_it_was_enabled() -> None:
    """RFC 6855 §3: CHARSET must not be given then."""
    out = Writer(Dialect(utf8=True))
    write_search_program(out, TextKey("é", False), None)
    assert out.data() == 'TEXT "é"'.encode()
