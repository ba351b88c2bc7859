"""Sections of a message."""

import pytest

from mailhorn.imap.commands import Section, SectionText
from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.section import parse_section, section_bytes


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", Section()),
        (b"1", Section((1,))),
        (b"4.2.1", Section((4, 2, 1))),
        (b"HEADER", Section(text=SectionText.HEADER)),
        (b"3.TEXT", Section((3,), SectionText.TEXT)),
        (b"4.1.MIME", Section((4, 1), SectionText.MIME)),
        (b"HEADER.FIELDS (Date From)", Section((), SectionText.HEADER_FIELDS, (b"Date", b"From"))),
        (b'2.HEADER.FIELDS.NOT ("a b")', Section((2,), SectionText.HEADER_FIELDS_NOT, (b"a b",))),
    ],
)
def test_a_section(data: bytes, value: Section) -> None:
    """RFC 9051 §6.4.5's kinds, both ways, in any case."""
    for form in (data, data.lower() if not value.fields else data):
        cur = Cursor(b"[" + form + b"]")
        assert parse_section(cur) == value
        cur.end()
    assert section_bytes(value) == data


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[", b"[0]", b"[1.]", b"[.1]", b"[01]", b"[MIME]", b"[HEADER.FIELDS]", b"[HEADER.FIELDS ()]"),
        *(b"[TEXT (a)]", b"[1 ]", b"[FOO]", b"[9999999999]", b"[" + b"1." * 300 + b"1]"),
    ],
)
def test_what_is_no_section(data: bytes) -> None:
    """Numbers have nine digits and levels have an end."""
    with pytest.raises(SyntaxProblem):
        parse_section(Cursor(data))


@pytest.mark.parametrize(
    "value",
    [
        Section((0,)),
        Section(text=SectionText.MIME),
        Section(text=SectionText.HEADER_FIELDS),
        Section(fields=(b"a",)),
        Section((1,) * 300),
    ],
)
def test_what_is_no_section_is_not_written(value: Section) -> None:
    """The type allows more than IMAP."""
    with pytest.raises(Unwritable):
        section_bytes(value)
