"""BODYSTRUCTURE out of a scanned message (RFC 9051 §7.5.2). Octets and lines are those of the encoded body."""

from mmap import mmap

from ..model.structure import BodyStructure, Disposition, Extension, MultiPart, Params, SinglePart
from .envelope import envelope
from .header import HeaderReader, content_fields, parse_disposition, unfold, without_comments
from .scan import Buffer, Part, line_ends, searchable


def body_structure(root: Part, data: Buffer) -> BodyStructure:
    """
    Return the structure of a message with all extension data.

    Args:
        root: The message, from `scan`.
        data: The octets it was scanned from.

    """
    return _Structure(searchable(data)).of(root)


class _Structure:
    """One message under way. Inner headers are read twice, for the part's fields and for its envelope."""

    def __init__(self, data: bytes | bytearray | mmap) -> None:
        self._data = data
        self._headers = HeaderReader(data)
        self._envelopes = HeaderReader(data)

    def of(self, part: Part) -> BodyStructure:
        content = content_fields(self._headers.read(part.header_start, part.body_start))
        extension = _extension(content)
        if part.is_multipart:
            parts = tuple([self.of(child) for child in part.children])
            return MultiPart(parts, part.subtype, part.params, extension)
        inner = part.children[0] if part.is_message else None
        lines = count_lines(self._data, part)
        return SinglePart(
            type=part.type,
            subtype=part.subtype,
            params=with_charset(part.type, part.params),
            content_id=_text(content.get(b"id")),
            description=_text(content.get(b"description")),
            encoding=part.encoding,
            octets=part.body_end - part.body_start,
            lines=lines,
            envelope=envelope(self._envelopes.read(inner.header_start, inner.body_start)) if inner else None,
            body=self.of(inner) if inner else None,
            md5=_text(content.get(b"md5")),
            extension=extension,
        )


def plain_leaf(kind: bytes, subtype: bytes, params: Params, encoding: bytes) -> SinglePart:
    """Return the structure of a part of which its header says no more than this; the numbers are 0."""
    lines = 0 if kind == b"text" else None
    return SinglePart(
        kind, subtype, with_charset(kind, params), None, None, encoding, 0, lines, extension=Extension(None, (), None)
    )


def with_charset(kind: bytes, params: Params) -> Params:
    """Return the parameters; text that names no charset is in US-ASCII (RFC 2045 §5.2), and is shown so by Dovecot."""
    if kind != b"text" or any([name in (b"charset", b"charset*") for name, _ in params]):
        return params
    return (*params, (b"charset", b"us-ascii"))


def count_lines(data: Buffer, part: Part) -> int | None:
    """Return the line ends of the body of a part that is text or a message; None of others, which have none."""
    if part.type != b"text" and not part.is_message:
        return None
    return line_ends(searchable(data), part.body_start, part.body_end)


def _extension(content: dict[bytes, bytes]) -> Extension:
    """body-fld-dsp, body-fld-lang and body-fld-loc (RFC 2183, RFC 3282, RFC 2557)."""
    disposition = parse_disposition(content[b"disposition"]) if b"disposition" in content else None
    language: tuple[bytes, ...] = ()
    if b"language" in content:
        words = without_comments(unfold(content[b"language"])).split(b",")
        language = tuple(word.strip() for word in words if word.strip())
    location = _text(content.get(b"location"))
    return Extension(Disposition(*disposition) if disposition else None, language, location)


def _text(value: bytes | None) -> bytes | None:
    return unfold(value) if value is not None else None
