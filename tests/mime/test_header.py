"""mime/header.py: fields and parameters."""

import pytest

from mailhorn.mime.header import (
    HeaderReader,
    comment_end,
    content_fields,
    fields,
    header_fields,
    line_start,
    parse_content_type,
    parse_disposition,
    parse_token,
    searched,
    unfold,
    values_in,
    without_comments,
)
from mailhorn.mime.limits import MAX_HEADER, MAX_HEADERS, MAX_PARAMS

HEADER = b"From: a@x\r\nX-Long: one\r\n two\r\n\tthree\r\nno field\r\nTo : b@y\r\nEmpty:\r\nfrom: c@z\r\n: x\r\n\r\n"


def test_fields() -> None:
    """In their order, as they stand; what is no field is passed over."""
    assert fields(HEADER) == [
        (b"From", b" a@x"),
        (b"X-Long", b" one\r\n two\r\n\tthree"),
        (b"To", b" b@y"),
        (b"Empty", b""),
        (b"from", b" c@z"),
    ]
    assert [unfold(value) for _, value in fields(HEADER)] == [b"a@x", b"one two\tthree", b"b@y", b"", b"c@z"]
    assert fields(HEADER.replace(b"\r\n", b"\r")) == fields(HEADER.replace(b"\r\n", b"\n"))
    assert fields(b"") == []
    assert fields(b"Last: without line end") == [(b"Last", b" without line end")]


def test_header_fields() -> None:
    """BODY[HEADER.FIELDS]: any case, all of a name, their order in the message, the empty line always."""
    assert header_fields(HEADER, [b"FROM", b"x-long"]) == (
        b"From: a@x\r\nX-Long: one\r\n two\r\n\tthree\r\nfrom: c@z\r\n\r\n"
    )
    assert header_fields(HEADER, [b"Subject"]) == b"\r\n"
    assert header_fields(HEADER, [b"from", b"X-Long"], exclude=True) == (
        b"no field\r\nTo : b@y\r\nEmpty:\r\n: x\r\n\r\n"
    )
    assert header_fields(b"A: b", [b"a"]) == b"A: b\r\n"
    assert header_fields(b"A: b", [], exclude=True) == b"A: b"
    assert header_fields(b"A: b\nC: d\n\n", [b"a"]) == b"A: b\r\n\r\n"
    assert header_fields(b"junk\r\nA: b\r\n more\r\n: junk\r\n\r\n", [b"a"], exclude=True) == b"junk\r\n: junk\r\n\r\n"


def test_content_fields() -> None:
    """By the rest of the name; the first one counts."""
    header = b"X: y\nCONTENT-Id: <1>\nContent-\nContent-ID: <2>\nContent-Type: a/b;\n c=d\nX-Content-Type: no\n"
    assert content_fields(header) == {b"id": b" <1>", b"type": b" a/b;\n c=d"}
    assert content_fields(b"Content-Type: a/b") == {b"type": b" a/b"}


def test_unfold() -> None:
    """One line, without what IMAP cannot carry."""
    assert unfold(b" a\r\n b\n\tc \r\n") == b"a b\tc"
    assert unfold(b"a\0b\rc\r") == b"ab c"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b"a(b)c", b"a c"),
        (b"a(b(c)d)e", b"a e"),
        (b'a "(b)" c', b'a "(b)" c'),
        (b"a (b\\)c) d", b"a   d"),
        (b"a (never closed", b"a  "),
        (b"(x) a) b", b"  a  b"),
        (b"a\\", b"a\\"),
        (b"(a\\", b" "),
    ],
)
def test_comments(value: bytes, plain: bytes) -> None:
    """RFC 5322 §3.2.2: nested, escaped, not within quotes."""
    assert without_comments(value) == plain


def test_comment_end() -> None:
    """Where the comment is over."""
    assert comment_end(b"x (a(b)) y", 2) == 8
    assert comment_end(b"(a", 0) == 2


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (b"text/plain", (b"text", b"plain", ())),
        (b" TEXT / Plain ; CharSet=UTF-8", (b"text", b"plain", ((b"charset", b"UTF-8"),))),
        (b'a/b; n="x;y \\"z\\""; m=1;', (b"a", b"b", ((b"n", b'x;y "z"'), (b"m", b"1")))),
        (b"a/b; name=two words.txt; x", (b"a", b"b", ((b"name", b"two words.txt"),))),
        (b'a/b; n="never closed', (b"a", b"b", ((b"n", b"never closed"),))),
        (b"a/b; n=1; n=2", (b"a", b"b", ((b"n", b"1"),))),
        (b"a/b;n=", (b"a", b"b", ((b"n", b""),))),
        (b"a/b; x*=utf-8''a%20b", (b"a", b"b", ((b"x*", b"utf-8''a%20b"),))),
        (b'a/b; x*1=b; y=0; x*0="a "', (b"a", b"b", ((b"x", b"a b"), (b"y", b"0")))),
        (b"a/b; x*0*=utf-8''a%20; x*1=\"b c\"; x*2*=%20d", (b"a", b"b", ((b"x*", b"utf-8''a%20b%20c%20d"),))),
        (b"a/b; x*0=a; x*1*=%20b", (b"a", b"b", ((b"x*", b"''a%20b"),))),
        (b"a/b; x*0=a; x*2=c", (b"a", b"b", ((b"x*0", b"a"), (b"x*2", b"c")))),
        (b"a/b; x*1*=b", (b"a", b"b", ((b"x*1*", b"b"),))),
    ],
)
def test_content_type(value: bytes, parsed: object) -> None:
    """RFC 2045 §5.1, RFC 2231 §3 and §4, and what real senders write."""
    assert parse_content_type(value) == parsed


@pytest.mark.parametrize("value", [b"", b"text", b"/plain", b"text/", b";x=y", b'"a"/b'])
def test_no_content_type(value: bytes) -> None:
    """What is none."""
    assert parse_content_type(value) is None


def test_too_many_parameters() -> None:
    """The rest is passed over."""
    parsed = parse_content_type(b"a/b" + b"".join(b";p%d=x" % i for i in range(1_000)))
    assert parsed is not None and len(parsed[2]) == MAX_PARAMS


def test_disposition_and_tokens() -> None:
    """RFC 2183 §2, RFC 2045 §6.1."""
    assert parse_disposition(b' Attachment; filename="a b.txt"') == (b"attachment", ((b"filename", b"a b.txt"),))
    assert parse_disposition(b"inline") == (b"inline", ())
    assert parse_disposition(b" ; filename=x") is None
    assert parse_token(b" Base64 (yes)\r\n") == b"base64"
    assert parse_token(b"  ") is None


def test_headers_are_read_as_far_as_allowed() -> None:
    """One header, and all of them together."""
    reader = HeaderReader(b"x" * (MAX_HEADER * 2))
    assert reader.read(5, 10) == b"xxxxx"
    sizes = [len(reader.read(0, MAX_HEADER * 2)) for _ in range(20)]
    assert sizes[0] == MAX_HEADER
    assert sum(sizes) == MAX_HEADERS - 5


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_the_values_of_one_field_are_those_of_all(end: bytes) -> None:
    """In any case, folded, with space before the colon; not of a name that begins or ends alike."""
    lines = (b"From: a", b"FROM : b", b" c", b"From-X: d", b"X-From: e", b"\tFrom: f", b"from:", b"no field", b"a.b: g")
    header = end.join(lines) + end
    for name in ("from", "x-from", "from-x", "a.b", "axb", "none"):
        found = [value.rstrip(b"\r") for value in values_in(searched(header), name)]
        assert found == [v for n, v in fields(header) if n.lower() == name.encode()], name
        assert not found or line_start(name.lower()) in searched(header).lower(), name
