"""A message as scripts see it: octets, header and parts, each looked for once, and what edits make of it."""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from ...mime.decode import decoded_header
from ...mime.entity import Entity
from ...mime.header import fields, unfold
from ...sieve.actions import Edit
from ...sieve.edit import edited

HEADER_LOOKED_AT = 256 * 1024
"""Octets of a header that rules may ask about."""


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


class Message:
    """
    One message, for all whose scripts look at it.

    Attributes:
        size: Octets.
        original: It is as it came: no script has changed it.

    """

    __slots__ = ("_body", "_content", "_decoded", "_entity", "_fields", "_variants", "original", "size")

    def __init__(self, body: Body, original: bool = True) -> None:
        """Look at a body, which stays as it is."""
        self._body = body
        self._content: bytes | None = None
        self._fields: tuple[tuple[str, str], ...] | None = None
        self._entity: Entity | None = None
        self._decoded: dict[str, str] = {}
        self._variants: dict[tuple[Edit, ...], Message] = {}
        self.size = body.size
        self.original = original

    @property
    def content(self) -> bytes:
        """All its octets."""
        if self._content is None:
            self._content = bytes(self._body.view())
        return self._content

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names and unfolded values of its header's fields; octets that are no UTF-8 are surrogates."""
        if self._fields is None:
            header = bytes(self._body.view()[:HEADER_LOOKED_AT])
            self._fields = tuple(
                [
                    (name.decode("ascii", "replace"), unfold(value).decode("utf-8", "surrogateescape"))
                    for name, value in fields(header[: end_of_header(header)])
                ]
            )
        return self._fields

    @property
    def entity(self) -> Entity:
        """Its parts."""
        if self._entity is None:
            self._entity = Entity(self.content)
        return self._entity

    def decode(self, value: str) -> str:
        """Return a header field's value with its encoded words decoded (RFC 2047)."""
        known = self._decoded.get(value)
        if known is None:
            known = self._decoded[value] = decoded_header(value.encode("utf-8", "surrogateescape"))
        return known

    def values(self, name: str) -> list[str]:
        """Return the values of all fields of that name in lower case."""
        return [value for written, value in self.fields if written.rstrip(" \t").lower() == name]

    def edited(self, edits: Sequence[Edit], boundary: Callable[[], str] = lambda: secrets.token_hex(16)) -> "Message":
        """Return what edits make of it, the very same if there are none."""
        if not edits:
            return self
        key = tuple(edits)
        found = self._variants.get(key)
        if found is None:
            octets = edited(self.content, key, Entity, boundary())
            found = self._variants[key] = Message(Octets(octets), original=False)
        return found


def end_of_header(head: bytes) -> int:
    """Return where the last field of a header ends, its line end included."""
    if head.startswith((b"\r\n", b"\n")):
        return 0
    ends = [at for at in (head.find(b"\r\n\r\n"), head.find(b"\n\n")) if at >= 0]
    return min(ends) + 2 if ends else len(head)


__all__ = ["Body", "Message", "Octets", "end_of_header"]
