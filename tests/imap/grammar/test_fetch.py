"""What FETCH asks and what it answers."""

import pytest

from mailhorn.imap.commands import Attribute, BodySection, FetchItem, Section, SectionText
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.fetch import (
    parse_fetch_atts,
    parse_msg_att,
    write_fetch_att,
    write_fetch_atts,
    write_msg_att_item,
)
from mailhorn.imap.responses import (
    BinaryItem,
    BodyItem,
    FetchedItem,
    FlagsItem,
    InternalDateItem,
    ModSeqItem,
    SizeItem,
    UidItem,
    UnknownItem,
)
from mailhorn.model.ids import UID, ModSeq

FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (b"FAST", FAST),
        (b"all", (*FAST, Attribute.ENVELOPE)),
        (b"FULL", (*FAST, Attribute.ENVELOPE, Attribute.BODY)),
        (b"RFC822.HEADER", (Attribute.RFC822_HEADER,)),
        (b"(UID BODYSTRUCTURE)", (Attribute.UID, Attribute.BODYSTRUCTURE)),
        (b"BODY[]", (BodySection(Section()),)),
        (b"body.peek[1]<0.2048>", (BodySection(Section((1,)), True, (0, 2048)),)),
        (
            b"(FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
            (Attribute.FLAGS, BodySection(Section((), SectionText.HEADER_FIELDS, (b"DATE", b"FROM")))),
        ),
    ],
)
def test_what_is_asked(data: bytes, items: tuple[FetchItem, ...]) -> None:
    """RFC 9051 §6.4.5."""
    cur = Cursor(data)
    assert parse_fetch_atts(cur) == items
    cur.end()


@pytest.mark.parametrize(
    "data",
    [b"", b"()", b"(ALL)", b"BODY.PEEK", b"BODY[]<0>", b"BODY[]<0.0>", b"FLAGS[]", b"FOO", b"(FLAGS", b"(FLAGS  UID)"],
)
def test_what_cannot_be_asked(data: bytes) -> None:
    """A macro stands alone; a partial has a length."""
    with pytest.raises(SyntaxProblem):
        cur = Cursor(data)
        parse_fetch_atts(cur)
        cur.end()


def test_the_number_of_items_has_a_limit() -> None:
    """Each is answered for each message."""
    assert len(parse_fetch_atts(Cursor(b"(" + b"UID " * 199 + b"UID)"))) == 200
    with pytest.raises(SyntaxProblem):
        parse_fetch_atts(Cursor(b"(" + b"UID " * 200 + b"UID)"))


def test_what_is_asked_is_something() -> None:
    """FETCH of nothing, or of no octets, is refused."""
    with pytest.raises(Unwritable):
        write_fetch_atts(Writer(), ())
    with pytest.raises(Unwritable):
        write_fetch_att(Writer(), BodySection(Section(), partial=(0, 0)))


@pytest.mark.parametrize(
    ("data", "item"),
    [
        (b"UID 1", UidItem(UID(1))),
        (b"FLAGS (\\Seen)", FlagsItem(("\\Seen",))),
        (b'INTERNALDATE "17-Jul-1996 02:44:25 -0700"', InternalDateItem(837596665)),
        (b"RFC822.SIZE 44827", SizeItem(44827)),
        (b"BODY[HEADER] {3}\r\na)\n", BodyItem(Section((), SectionText.HEADER), None, b"a)\n")),
        (b'BODY[1]<5> "x"', BodyItem(Section((1,)), 5, b"x")),
        (b"BODY[] NIL", BodyItem(Section(), None, None)),
        (b"RFC822.TEXT {1}\r\nx", BodyItem(Section((), SectionText.TEXT), None, b"x", b"RFC822.TEXT")),
        (b"MODSEQ (12121231000)", ModSeqItem(ModSeq(12121231000))),
        (b"X-GM-LABELS ({5}\r\nhello \\x)", UnknownItem("X-GM-LABELS", b"({5}\r\nhello \\x)")),
        (b"BINARY[1] ~{2}\r\n\0\0", BinaryItem((1,), None, b"\0\0")),
    ],
)
@pytest.mark.parametrize("dialect", [STRICT, LENIENT])
def test_what_is_answered(data: bytes, item: FetchedItem, dialect: Dialect) -> None:
    """RFC 9051 §7.5.2; items of extensions are kept as they stood (fault F16)."""
    cur = Cursor(b"(" + data + b" UID 2)", dialect)
    assert parse_msg_att(cur) == (item, UidItem(UID(2)))
    cur.end()


def test_a_broken_item_does_not_take_the_others_with_it() -> None:
    """Fault F19: one bad envelope, and UID is still known."""
    found = parse_msg_att(Cursor(b'(ENVELOPE ("x" bad) UID 7 INTERNALDATE "yesterday")', LENIENT))
    assert found == (
        UnknownItem("ENVELOPE", b'("x" bad)'),
        UidItem(UID(7)),
        UnknownItem("INTERNALDATE", b'"yesterday"'),
    )
    with pytest.raises(SyntaxProblem):
        parse_msg_att(Cursor(b'(ENVELOPE ("x" bad))'))


@pytest.mark.parametrize(
    "item",
    [
        UnknownItem("a b", b"x"),
        UnknownItem("X", b"x y"),
        UnknownItem("X", b"(x"),
        UnknownItem("X", b"a\r\nb"),
        BodyItem(Section(), None, b"", b"BAD"),
    ],
)
def test_what_would_break_out_is_not_written(item: FetchedItem) -> None:
    """Fault F90."""
    with pytest.raises(Unwritable):
        write_msg_att_item(Writer(), item)
