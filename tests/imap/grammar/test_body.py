"""Body structures."""

import pytest

from mailhorn.imap.grammar.body import body_structure_bytes, parse_body
from mailhorn.imap.grammar.cursor import LENIENT, MAX_DEPTH, Cursor, SyntaxProblem, Unwritable
from mailhorn.model.structure import BodyStructure, Disposition, Envelope, Extension, MultiPart, SinglePart

TEXT = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)'
NAMED = (
    b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu>" '
    b'"Compiler diff" "BASE64" 4554 73)'
)
PLAIN = SinglePart(b"TEXT", b"PLAIN", ((b"CHARSET", b"US-ASCII"),), None, None, b"7BIT", 1152, 23)
DIFF = SinglePart(
    *(b"TEXT", b"PLAIN", ((b"CHARSET", b"US-ASCII"), (b"NAME", b"cc.diff"))),
    *(b"<960723163407.20117h@cac.washington.edu>", b"Compiler diff", b"BASE64", 4554, 73),
)
NOBODY = Envelope(None, None, (), (), (), (), (), (), None, None)
NIL_ENVELOPE = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


@pytest.mark.parametrize(
    ("data", "value", "extended"),
    [
        (TEXT, PLAIN, False),
        (b"(" + TEXT + NAMED + b' "MIXED")', MultiPart((PLAIN, DIFF), b"MIXED"), False),  # RFC 9051 §7.5.2
        (
            b"(" + TEXT + b' "MIXED" ("BOUNDARY" "x") ("INLINE" ("a" "b")) ("en" "de") "loc")',
            MultiPart(
                *((PLAIN,), b"MIXED", ((b"BOUNDARY", b"x"),)),
                Extension(Disposition(b"INLINE", ((b"a", b"b"),)), (b"en", b"de"), b"loc"),
            ),
            True,
        ),
        (
            b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 10 ' + NIL_ENVELOPE + b" " + TEXT + b' 5 "md5" NIL NIL NIL)',
            SinglePart(
                *(b"MESSAGE", b"RFC822", (), None, None, b"7BIT", 10, 5, NOBODY, PLAIN, b"md5", Extension()),
            ),
            True,
        ),
        (
            b'("IMAGE" "PNG" NIL NIL NIL "BASE64" 10 NIL ("ATTACHMENT" NIL) ("en") NIL)',
            SinglePart(
                *(b"IMAGE", b"PNG", (), None, None, b"BASE64", 10, None, None, None, None),
                Extension(Disposition(b"ATTACHMENT", ()), (b"en",), None),
            ),
            True,
        ),
    ],
)
def test_a_structure(data: bytes, value: BodyStructure, extended: bool) -> None:
    """Both ways, octet by octet."""
    cur = Cursor(data)
    assert parse_body(cur) == value
    cur.end()
    assert body_structure_bytes(value, extended) == data


@pytest.mark.parametrize(
    ("tail", "extension"),
    [
        (b'"md5"', Extension()),
        (b"NIL NIL", Extension()),
        (b'NIL ("INLINE" NIL)', Extension(Disposition(b"INLINE", ()))),
        (b'NIL NIL "en"', Extension(language=(b"en",))),
        (b'NIL NIL NIL "loc" 1 (x ("y" NIL)) NIL', Extension(location=b"loc")),
    ],
)
def test_extension_data_may_end_anywhere(tail: bytes, extension: Extension) -> None:
    """RFC 9051 §9: clients MUST accept body-extension fields."""
    found = parse_body(Cursor(TEXT[:-1] + b" " + tail + b")"))
    assert isinstance(found, SinglePart)
    assert found.extension == extension


def test_without_extension_data_there_is_none() -> None:
    """BODY has none, and BODYSTRUCTURE has what the part has."""
    part = MultiPart((PLAIN,), b"MIXED", ((b"a", b"b"),), Extension())
    assert body_structure_bytes(part, False) == b"(" + TEXT + b' "MIXED")'


def test_quirks_of_real_servers() -> None:
    """NIL where a string or a number belongs, spaces between parts."""
    data = b"( " + TEXT + b" " + TEXT + b' "MIXED" () )'
    found = parse_body(Cursor(data, LENIENT))
    assert isinstance(found, MultiPart) and len(found.parts) == 2
    part = parse_body(Cursor(b'("a" "b" ("c" NIL) NIL NIL NIL NIL)', LENIENT))
    assert part == SinglePart(b"a", b"b", ((b"c", b""),), None, None, b"7BIT", 0)


def test_depth_has_a_limit_both_ways() -> None:
    """Neither side recurses without end."""
    value: BodyStructure = PLAIN
    for _ in range(MAX_DEPTH - 1):
        value = MultiPart((value,), b"X")
    assert parse_body(Cursor(body_structure_bytes(value, True))) == value
    with pytest.raises(Unwritable):
        body_structure_bytes(MultiPart((value,), b"X"), True)
    with pytest.raises(SyntaxProblem):
        parse_body(Cursor(b"(" * 100_000))


@pytest.mark.parametrize("data", [b"", b"()", TEXT[:-1], b'("a")', b'(("a") "x")', b"(" + TEXT + b")"])
def test_what_is_no_structure(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_body(Cursor(data))
