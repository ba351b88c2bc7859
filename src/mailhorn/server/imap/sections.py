"""Which octets of a message an item of FETCH names, and how it is said once they are at hand.

Rule: nothing here reads. `of_header` tells what has to be read so that `said_of` can say all that was asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ...imap.commands import Attribute, BinarySection, BinarySize, BodySection, FetchItem, Preview, Section, SectionText
from ...imap.grammar.ext.preview import preview_bytes
from ...imap.grammar.section import section_bytes
from ...imap.responses import PreviewItem
from ...mime.header import header_fields
from ...mime.limits import MAX_PREVIEW
from ...mime.packed import What, find_part, part_range, unpack
from ...mime.preview import preview, preview_part
from ...mime.scan import Part
from ...mime.transfer import IDENTITY, decoded, decoder
from ...model.message import Digest

WHOLE = {
    Attribute.RFC822: Section(),
    Attribute.RFC822_HEADER: Section(text=SectionText.HEADER),
    Attribute.RFC822_TEXT: Section(text=SectionText.TEXT),
}
"""Attributes that are sections by another name (RFC 3501 §6.4.5)."""


WHAT: dict[SectionText, What] = {
    SectionText.PART: "body",
    SectionText.HEADER: "header",
    SectionText.HEADER_FIELDS: "header",
    SectionText.HEADER_FIELDS_NOT: "header",
    SectionText.TEXT: "text",
    SectionText.MIME: "mime",
}
"""Which section of a part a section-text means."""


class UnknownEncoding(Exception):
    """A part whose Content-Transfer-Encoding nobody knows (RFC 3516 §4.3)."""


class Octets:
    """A message of which octets are named: its size, its digest, and its parts, unpacked only if one is asked for."""

    __slots__ = ("_root", "digest", "size")

    def __init__(self, size: int, digest: Digest) -> None:
        """Take the size of the whole, octets; of a digest that is empty only the whole may be asked for."""
        self.size = size
        self.digest = digest
        self._root: Part | None = None

    @property
    def root(self) -> Part:
        """The message as a part."""
        if self._root is None:
            self._root = unpack(self.digest.parts)
        return self._root

    def span(self, part: tuple[int, ...], what: What) -> tuple[int, int] | None:
        """Return from where to where a section goes, None if there is no such thing."""
        if part or what == "mime":
            return part_range(self.root, part, what)
        if what == "body":
            return 0, self.size
        return (0, self.digest.header_size) if what == "header" else (self.digest.header_size, self.size)


class Place(NamedTuple):
    """Where the octets of an item are."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal:
    """
    BODY[...], RFC822, RFC822.HEADER or RFC822.TEXT.

    Attributes:
        name: As it is answered.
        part: Of which part; () for the message.
        what: Which section of it.
        fields: Of its header only some fields, None for all that is there.
        partial: First octet, and how many, of that.

    """

    name: bytes
    part: tuple[int, ...]
    what: What
    fields: Section | None
    partial: tuple[int, int] | None

    @property
    def all_of_it(self) -> bool:
        """Whether it is the whole message."""
        return self.part == () and self.what == "body" and self.partial is None

    @property
    def digested(self) -> bool:
        """Whether the digest has to be known."""
        return self.part != () or self.what != "body"

    @property
    def of_header(self) -> bool:
        """Whether it lies in the message's own header."""
        return self.part == () and self.what == "header"

    def place(self, octets: Octets) -> Place | None:
        """Return what has to be read; None if there is no such section."""
        span = octets.span(self.part, self.what)
        if span is None:
            return None
        start, end = span
        if self.partial is not None and self.fields is None:
            start = min(start + self.partial[0], end)
            end = min(start + self.partial[1], end)
        return Place(start, end)

    def picked(self, data: bytes) -> bytes:
        """Return of what was read that which is said."""
        if self.fields is None:
            return data
        data = header_fields(data, self.fields.fields, self.fields.text is SectionText.HEADER_FIELDS_NOT)
        return data if self.partial is None else data[self.partial[0] : self.partial[0] + self.partial[1]]


@dataclass(frozen=True, slots=True)
class Binary:
    """
    BINARY[...] or BINARY.SIZE[...] (RFC 3516).

    Attributes:
        name: As it is answered.
        part: Of which part.
        partial: First octet, and how many, of what is decoded.
        size_only: BINARY.SIZE.

    """

    name: bytes
    part: tuple[int, ...]
    partial: tuple[int, int] | None
    size_only: bool

    @property
    def nothing(self) -> bytes:
        """What is said if there is no such part."""
        return self.name + (b" 0" if self.size_only else b" NIL")

    def place(self, octets: Octets) -> tuple[Place, bytes] | None:
        """
        Return what has to be read and how it is encoded; None if there is no such part.

        Whole messages, multiparts and messages in messages have no encoding of their own (RFC 2045 §6.4).

        Raises UnknownEncoding.
        """
        found = find_part(octets.root, self.part)
        if found is None:
            return None
        encoding = found.encoding if self.part and not found.children else b"8bit"
        if encoding not in IDENTITY and decoder(encoding) is None:
            raise UnknownEncoding
        return Place(found.body_start if self.part else found.header_start, found.body_end), encoding

    def head(self, size: int, nul: bool) -> bytes:
        """Return what is said before that many decoded octets, which have a NUL among them or not."""
        if self.size_only:
            return b"%b %d" % (self.name, size)
        return b"%b %b{%d}\r\n" % (self.name, b"~" if nul else b"", size)


Named = Literal | Binary | Preview


def named(item: FetchItem) -> Named:
    """Return how an item that asks for octets is answered."""
    if isinstance(item, Preview):
        return item
    if isinstance(item, BinarySection | BinarySize):
        number = b".".join([b"%d" % n for n in item.part])
        if isinstance(item, BinarySize):
            return Binary(b"BINARY.SIZE[%b]" % number, item.part, None, True)
        return Binary(_from(b"BINARY[%b]" % number, item.partial), item.part, item.partial, False)
    if isinstance(item, Attribute):
        section = WHOLE[item]
        return Literal(item.value, section.part, WHAT[section.text], None, None)
    return _literal(item)


def _literal(item: BodySection) -> Literal:
    section = item.section
    fields = section if section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT) else None
    name = _from(b"BODY[%b]" % section_bytes(section), item.partial)
    return Literal(name, section.part, WHAT[section.text], fields, item.partial)


def _from(name: bytes, partial: tuple[int, int] | None) -> bytes:
    return name if partial is None else b"%b<%d>" % (name, partial[0])


def of_header(items: Iterable[Named]) -> bool:
    """Say whether all the items lie in the message's own header: nothing else has to be at hand then."""
    return all(isinstance(item, Literal) and item.of_header for item in items)


def said_of(item: Named, octets: Octets, data: bytes) -> list[bytes]:
    """Return one item in pieces, made of the first octets of the message. Raises UnknownEncoding."""
    if isinstance(item, Literal):
        if not item.all_of_it:
            place = item.place(octets)
            if place is None:
                return [item.name + b" NIL"]
            data = item.picked(data[place.start : place.end])
        return [b"%b {%d}\r\n" % (item.name, len(data)), data]
    if isinstance(item, Preview):
        part = preview_part(octets.root)
        return [previewed(part, b"" if part is None else data[part.body_start : preview_end(part)])]
    found = item.place(octets)
    if found is None:
        return [item.nothing]
    (start, end), encoding = found
    data = data[start:end] if encoding in IDENTITY else decoded(data[start:end], encoding)
    if item.partial is not None:
        data = data[item.partial[0] : item.partial[0] + item.partial[1]]
    return [item.head(len(data), b"\0" in data), *(() if item.size_only else (data,))]


def preview_end(part: Part) -> int:
    """Return up to where a text is read to preview it."""
    return min(part.body_end, part.body_start + MAX_PREVIEW)


def previewed(part: Part | None, body: bytes) -> bytes:
    """Return PREVIEW (RFC 8970), made each time, of the first octets of a text: LAZY needs no other answer."""
    text = b"" if part is None else preview(part, body).encode("utf-8", "replace")
    return preview_bytes(PreviewItem(text))


__all__ = [
    "WHAT",
    "WHOLE",
    "Binary",
    "Literal",
    "Named",
    "Octets",
    "Place",
    "UnknownEncoding",
    "named",
    "of_header",
    "preview_end",
    "previewed",
    "said_of",
]
