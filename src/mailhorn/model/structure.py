"""What FETCH tells of a message without its body: ENVELOPE and BODYSTRUCTURE as data (RFC 9051 §7.5.2).

Texts are bytes as they stand in the message or on the wire (encoded words not decoded); None is NIL. They are structs
because every delivery makes a dozen of them: a frozen dataclass takes five times as long to make.
"""

import msgspec

Params = tuple[tuple[bytes, bytes], ...]
"""body-fld-param: attribute and value pairs in the order they were written."""


class Address(msgspec.Struct, frozen=True):
    """`address` (RFC 9051 §9). A group starts with host None and mailbox its name, and ends with both None."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


class Envelope(msgspec.Struct, frozen=True):
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


class Disposition(msgspec.Struct, frozen=True):
    """`body-fld-dsp` (RFC 9051 §9): attachment or inline, and its parameters."""

    kind: bytes
    params: Params


class Extension(msgspec.Struct, frozen=True):
    """`body-ext-1part` less its MD5, `body-ext-mpart` less its parameters: what BODY leaves out."""

    disposition: Disposition | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None


class SinglePart(msgspec.Struct, frozen=True):
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


class MultiPart(msgspec.Struct, frozen=True):
    """`body-type-mpart`: one part or more, and what kind of multipart they make."""

    parts: tuple["BodyStructure", ...]
    subtype: bytes
    params: Params = ()
    extension: Extension | None = None


BodyStructure = SinglePart | MultiPart
