"""A message as a tree of entities that can be asked for what they say: fields, octets, text. Nothing here raises.

The octets are copied out of the message when they are asked for.
"""

from collections.abc import Iterator

from .decode import decoded_header, to_text
from .header import fields, unfold
from .limits import MAX_TEXT
from .preview import without_markup
from .scan import Part, scan
from .transfer import decoded


class Entity:
    """A message, or a part of one (RFC 2045 §2.4)."""

    def __init__(self, data: bytes, part: Part | None = None) -> None:
        """
        Look at a message.

        Args:
            data: The octets of the whole message.
            part: The part of it that this is; None: the message itself.

        """
        self._data = data
        self._part = scan(data) if part is None else part
        self._fields: list[tuple[str, bytes]] | None = None
        self._children: tuple[Entity, ...] | None = None

    @property
    def type(self) -> str:
        """The media type in lower case."""
        return self._part.type.decode("ascii", "replace")

    @property
    def subtype(self) -> str:
        """The subtype in lower case."""
        return self._part.subtype.decode("ascii", "replace")

    @property
    def span(self) -> tuple[int, int]:
        """Offsets into the message: where its header begins, where its body ends."""
        return self._part.header_start, self._part.body_end

    @property
    def children(self) -> "tuple[Entity, ...]":
        """The parts of a multipart, the message in a message/rfc822, else none."""
        if self._children is None:
            self._children = tuple([Entity(self._data, child) for child in self._part.children])
        return self._children

    def walk(self) -> "Iterator[Entity]":
        """Yield this and all below it, in the order of the message."""
        yield self
        for child in self.children:
            yield from child.walk()

    def header(self, name: str) -> list[str]:
        """Return the values of all fields of that name (in lower case), decoded (RFC 2047), unfolded and trimmed."""
        return [decoded_header(value) for written, value in self._all_fields() if written.lower() == name]

    def structured(self, name: str) -> list[str]:
        """Return the same with encoded words left as they are; octets that are no UTF-8 become surrogates."""
        return [_unfolded(value) for written, value in self._all_fields() if written.lower() == name]

    def fields(self) -> list[tuple[str, str]]:
        """Return names and unfolded values of all fields of its header."""
        return [(name, _unfolded(value)) for name, value in self._all_fields()]

    def decoded_fields(self) -> list[str]:
        """Return the values of all fields of its header, decoded (RFC 2047), unfolded and trimmed."""
        return [decoded_header(value) for _, value in self._all_fields()]

    @staticmethod
    def parsed(data: bytes) -> "Entity":
        """Return another message."""
        return Entity(data)

    def raw(self) -> bytes:
        """Return the octets of its body as they stand in the message."""
        return self._data[self._part.body_start : self._part.body_end]

    def whole(self) -> bytes:
        """Return its octets, header and body, as they stand in the message."""
        return self._data[self._part.header_start : self._part.body_end]

    def data(self) -> bytes:
        """Return its body with the transfer encoding undone."""
        return decoded(self.raw(), self._part.encoding)

    def text(self) -> str:
        """Return its body as text, encoding and charset undone, up to MAX_TEXT octets; "" for a multipart."""
        if self._part.children:
            return ""
        return to_text(self.data()[:MAX_TEXT], self._part.param(b"charset") or b"")

    def plain(self) -> str:
        """Return its text as one reads it: of HTML without the markup. "" if its transfer encoding is unknown."""
        encoding = "".join(self.structured("content-transfer-encoding")[:1]).strip().lower()
        if encoding and encoding not in _ENCODINGS:  # RFC 2045 §6.4: it is application/octet-stream then
            return ""
        text = self.text()
        return without_markup(text) if self.subtype in ("html", "xhtml+xml") else text

    def around(self) -> list[str]:
        """Return of a multipart what stands before its first part and after its last one, as text."""
        if self.type != "multipart" or not self._part.children:
            return []
        boundary = b"--" + (self._part.param(b"boundary") or b"").rstrip()
        before = self._data[self._part.body_start : self._part.children[0].header_start].rstrip()
        after = self._data[self._part.children[-1].body_end : self._part.body_end].lstrip()
        before = before.removesuffix(boundary)
        after = after.removeprefix(boundary + b"--").lstrip(b" \t\r\n")
        return [to_text(before), to_text(after)]

    def _all_fields(self) -> list[tuple[str, bytes]]:
        if self._fields is None:
            header = self._data[self._part.header_start : self._part.body_start]
            self._fields = [(name.decode("ascii", "replace"), value) for name, value in fields(header)]
        return self._fields


_ENCODINGS = frozenset(("7bit", "8bit", "binary", "quoted-printable", "base64"))
"""Transfer encodings there are (RFC 2045 §6.1)."""


def _unfolded(value: bytes) -> str:
    return unfold(value).decode("utf-8", "surrogateescape")
