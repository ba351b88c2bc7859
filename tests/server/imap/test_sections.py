"""Octets that are named, and how they are said."""

import pytest
from tests.kit.letters import generated

from mailhorn.imap.commands import Attribute, BinarySection, BinarySize, BodySection, FetchItem, Section, SectionText
from mailhorn.mime.packed import What, part_range
from mailhorn.server.digest import digest
from mailhorn.server.imap.sections import Octets, UnknownEncoding, named, of_header, said_of

LETTER = b"Subject: s\r\nTo: t\r\n\r\none two\r\n"
HEADER = Section(text=SectionText.HEADER)
HEADER_OF_PART = Section((1,), SectionText.HEADER)


@pytest.mark.parametrize("seed", range(60))
def test_the_messages_own_sections_are_where_its_parts_say(seed: int) -> None:
    """They are found without unpacking the parts; nothing may differ."""
    body = generated(seed)
    known = digest(body)
    octets = Octets(len(body), known)
    sections: tuple[What, ...] = ("body", "header", "text", "mime")
    for what in sections:
        assert octets.span((), what) == part_range(octets.root, (), what)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (BodySection(Section()), b"BODY[] {30}\r\n" + LETTER),
        (BodySection(Section(), partial=(19, 8)), b"BODY[]<19> {8}\r\n\r\none tw"),
        (BodySection(Section(), partial=(90, 8)), b"BODY[]<90> {0}\r\n"),
        (Attribute.RFC822, b"RFC822 {30}\r\n" + LETTER),
        (Attribute.RFC822_TEXT, b"RFC822.TEXT {9}\r\none two\r\n"),
        (BodySection(HEADER), b"BODY[HEADER] {21}\r\nSubject: s\r\nTo: t\r\n\r\n"),
        (
            BodySection(Section(text=SectionText.HEADER_FIELDS, fields=(b"to",)), partial=(0, 5)),
            b"BODY[HEADER.FIELDS (to)]<0> {5}\r\nTo: t",
        ),
        (BodySection(Section((1,))), b"BODY[1] {9}\r\none two\r\n"),
        (BodySection(Section((2,))), b"BODY[2] NIL"),
        (BinarySection((1,), partial=(4, 3)), b"BINARY[1]<4> {3}\r\ntwo"),
        (BinarySize((1,)), b"BINARY.SIZE[1] 9"),
        (BinarySize((7,)), b"BINARY.SIZE[7] 0"),
    ],
)
def test_what_is_said_of_octets_at_hand(item: FetchItem, said: bytes) -> None:
    """Each form; of what lies in the header nothing but that is needed."""
    octets = Octets(len(LETTER), digest(LETTER))
    name = named(item)
    assert b"".join(said_of(name, octets, LETTER[: octets.digest.header_size if of_header([name]) else None])) == said


def test_of_headers_no_body_is_read() -> None:
    """Lists of messages are made of headers."""
    header, whole = named(BodySection(HEADER)), named(Attribute.RFC822)
    assert of_header([header, named(Attribute.RFC822_HEADER)])
    assert not of_header([header, whole]) and not of_header([named(BodySection(HEADER_OF_PART))])


def test_an_encoding_that_nobody_knows() -> None:
    """It cannot be undone (RFC 3516 §4.3)."""
    body = b"Content-Transfer-Encoding: x-strange\r\n\r\nabc"
    with pytest.raises(UnknownEncoding):
        said_of(named(BinarySection((1,))), Octets(len(body), digest(body)), body)
