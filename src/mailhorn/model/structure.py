"""What FETCH tells of a message without its body: ENVELOPE and BODYSTRUCTURE as data (RFC 9051 §7.5.2).

Texts are bytes as they stand in the message or on the wire (encoded words not decoded); None is NIL.
"""

from dataclasses import dataclass

Params = tuple[tuple[bytes, bytes], ...]
"""body-fld-param: attribute and value pairs in the order they were written."""


@dataclass(frozen=True, slots=True)
class Address:
    """`address` (RFC 9051 §9). A group starts with host None and mailbox its name, and ends with both None."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """`envelope` (RFC 9051 §9)."""

    date: bytes | None
    subject: bytes | None
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    in_reply_to: bytes | None
    message_id: bytes | None


@dataclass(frozen=True, slots=True)
class Disposition:
    """`body-fld-dsp` (RFC 9051 §9): attachment or inline, and its parameters."""

    kind: bytes
    params: Params


@dataclass(frozen=True, slots=True)
class Extension:
    """`body-ext-1part` less its MD5, `body-ext-mpart` less its parameters: what BODY leaves out."""

    disposition: Disposition | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None


@dataclass(frozen=True, slots=True)
class SinglePart:
    """
    `body-type-1part`: a leaf, or a message/rfc822 with its own envelope and structure inside.

    `lines` is given for text/* and message/rfc822 only; `envelope` and `body` for message/rfc822 only.
    `extension` is None in a BODY answer and in a shortened BODYSTRUCTURE.
    """

    type: bytes
    subtype: bytes
    params: Params
    content_id: bytes | None
    description: bytes | None
    encoding: bytes
    octets: int
    lines: int | None = None
    envelope: Envelope | None = None
    body: "BodyStructure | None" = None
    md5: bytes | None = None
    extension: Extension | None = None


@dataclass(frozen=True, slots=True)
class MultiPart:
    """`body-type-mpart`: one part or more, and what kind of multipart they make."""

    parts: tuple["BodyStructure", ...]
    subtype: bytes
    params: Params = ()
    extension: Extension | None = None


BodyStructure = SinglePart | MultiPart
