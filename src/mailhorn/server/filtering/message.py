"""A message as scripts see it: octets, header and parts, each looked for once, and what edits make of it."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from ...mime.decode import decoded_header
from ...mime.entity import Entity
from ...mime.header import fields, line_start, searched, unfold, values_in
from ...sieve.actions import AddHeader, DeleteHeader, Edit
from ...sieve.edit import edited, edited_header, header_end

HEADER_LOOKED_AT = 256 * 1024
"""Octets of a header that rules may ask about."""

PIECE = 256 * 1024
"""Octets of a piece: what is copied at a time."""

FEW = 8
"""Fields that are looked for one by one, at 2 us each if they are there; then all are sorted out at once, at 15 us."""


class Body(Protocol):
    """Where the octets are; `store.abc.StagedBlob` is one."""

    @property
    def size(self) -> int:
        """How many octets."""

    def view(self) -> memoryview:
        """Return all of them, without copying."""


class Octets:
    """A body at hand."""

    __slots__ = ("_octets", "size")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size = len(octets)

    def view(self) -> memoryview:
        """Return all of them."""
        return memoryview(self._octets)


class Headed:
    """A body that has another header, and all else from where it is."""

    __slots__ = ("header", "rest", "size")

    def __init__(self, header: bytes, rest: memoryview) -> None:
        self.header = header
        self.rest = rest
        self.size = len(header) + len(rest)

    def view(self) -> memoryview:
        """Return all of them, copied."""
        return memoryview(b"".join((self.header, self.rest)))


class Message:
    """
    One message, for all whose scripts look at it.

    Attributes:
        size: Octets.
        original: It is as it came: no script has changed it.

    """

    __slots__ = (
        "_body",
        "_by_name",
        "_content",
        "_decoded",
        "_entity",
        "_head",
        "_lower",
        "_searched",
        "_unfolded",
        "_variants",
        "original",
        "size",
    )

    def __init__(self, body: Body, original: bool = True) -> None:
        """Look at a body, which stays as it is."""
        self._body = body
        self._content: bytes | None = None
        self._head: bytes | None = None
        self._searched: bytes | None = None
        self._lower = b""
        self._by_name: dict[str, list[bytes]] | None = None
        self._unfolded: dict[str, tuple[str, ...]] = {}
        self._decoded: dict[str, tuple[str, ...]] = {}
        self._entity: Entity | None = None
        self._variants: dict[tuple[Edit, ...], Message] = {}
        self.size = body.size
        self.original = original

    @property
    def content(self) -> bytes:
        """All its octets."""
        if self._content is None:
            self._content = bytes(self._body.view())
        return self._content

    def pieces(self) -> Iterator[bytes]:
        """Yield all its octets, without holding a copy of what it shares with the message it was made of."""
        body = self._body
        if self._content is None and isinstance(body, Headed):
            yield body.header
            for at in range(0, len(body.rest), PIECE):
                yield bytes(body.rest[at : at + PIECE])
        else:
            yield self.content

    @property
    def entity(self) -> Entity:
        """Its parts."""
        if self._entity is None:
            self._entity = Entity(self.content)
        return self._entity

    def values(self, name: str) -> tuple[str, ...]:
        """Return the unfolded values of all fields of that name in lower case; what is no UTF-8 are surrogates."""
        found = self._unfolded.get(name)
        if found is None:
            if self._searched is None:
                self._searched = searched(self._header())
                self._lower = self._searched.lower()
            if line_start(name) not in self._lower:
                return ()  # as most fields that rules ask for
            if self._by_name is None and len(self._unfolded) < FEW:
                found = tuple([_unfolded(value) for value in values_in(self._searched, name)])
            else:
                found = tuple([_unfolded(value) for value in self._all().get(name, ())])
            self._unfolded[name] = found
        return found

    def decoded(self, name: str) -> tuple[str, ...]:
        """Return the same with encoded words decoded (RFC 2047)."""
        found = self._decoded.get(name)
        if found is None:
            values = self.values(name)
            if not values:
                return ()
            found = self._decoded[name] = tuple([_decoded(value) for value in values])
        return found

    def header(self) -> tuple[tuple[str, str, str], ...]:
        """Return of all fields the name as written, the unfolded value, and the decoded one."""
        return tuple([(name, value, _decoded(value)) for name, value in self.fields])

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names as written and unfolded values of all fields."""
        return tuple([(name.decode("ascii", "replace"), _unfolded(value)) for name, value in fields(self._header())])

    @staticmethod
    def decode(value: str) -> str:
        """Return an unfolded value with its encoded words decoded (RFC 2047)."""
        return _decoded(value)

    def _header(self) -> bytes:
        if self._head is None:
            body = self._body
            if isinstance(body, Headed):
                head = (body.header + body.rest[:HEADER_LOOKED_AT])[:HEADER_LOOKED_AT]
            else:
                head = bytes(body.view()[:HEADER_LOOKED_AT])
            self._head = head[: end_of_header(head)]
        return self._head

    def _all(self) -> dict[str, list[bytes]]:
        if self._by_name is None:
            self._by_name = {}
            for name, value in fields(self._header()):
                self._by_name.setdefault(name.lower().decode("ascii", "replace"), []).append(value)
        return self._by_name

    def edited(self, edits: Sequence[Edit], boundary: Callable[[], str] = lambda: secrets.token_hex(16)) -> "Message":
        """Return what edits make of it, the very same if there are none."""
        if not edits:
            return self
        key = tuple(edits)
        found = self._variants.get(key)
        if found is None:
            of_header = [edit for edit in edits if isinstance(edit, AddHeader | DeleteHeader)]
            body: Body
            if len(of_header) == len(edits):  # as most are: a large message is not copied for each of them
                header, rest = self._split()
                body = Headed(edited_header(header, of_header), rest)
            else:
                body = Octets(edited(self.content, key, Entity, boundary()))
            found = self._variants[key] = Message(body, original=False)
        return found

    def _split(self) -> tuple[bytes, memoryview]:
        body = self._body
        if self._content is None and isinstance(body, Headed):
            return body.header, body.rest
        end = header_end(self.content)
        return self.content[:end], memoryview(self.content)[end:]


def _unfolded(value: bytes) -> str:
    return unfold(value).decode("utf-8", "surrogateescape")


def _decoded(value: str) -> str:
    if value.isascii() and "=?" not in value:
        return value
    return decoded_header(value.encode("utf-8", "surrogateescape"))


def end_of_header(head: bytes) -> int:
    """Return where the last field of a header ends, its line end included."""
    if head.startswith((b"\r\n", b"\n")):
        return 0
    end = head.find(b"\r\n\r\n")
    other = head.find(b"\n\n", 0, end if end >= 0 else len(head))
    end = other if other >= 0 else end
    return end + 2 if end >= 0 else len(head)


__all__ = ["Body", "Headed", "Message", "Octets", "end_of_header"]
