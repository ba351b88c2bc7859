"""Header fields, their values and parameters (RFC 5322 §2.2, RFC 2045 §5, RFC 2231).

Lines that are no fields are passed over. One compiled pattern walks the header; possessive quantifiers keep
each of them linear on hostile input.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from mmap import mmap

from ..model.structure import Params
from .limits import MAX_HEADER, MAX_HEADERS, MAX_PARAMS

_LF, _CR, _NUL, _PARENTHESIS, _BACKSLASH, _STAR = b"\n\r\0(\\*"
"""Octets to look for as numbers: `b"x" in value` takes five times as long as `120 in value`."""

_FIELD = re.compile(rb"\n([^\x00-\x20:]++)[ \t]*+:([^\n]*+(?>(?:\n[ \t][^\n]*+)*))")
_ENVELOPE = re.compile(
    rb"\n(date|subject|from|sender|reply-to|to|cc|bcc|in-reply-to|message-id)"
    rb"[ \t]*+:([^\n]*+(?>(?:\n[ \t][^\n]*+)*))",
    re.IGNORECASE,
)
_MORE_CONTENT = re.compile(rb"\ncontent-(?!type[ \t]*:|transfer-encoding[ \t]*:)", re.IGNORECASE)
_EMPTY_LINE = re.compile(rb"\n\r?\n\Z")
_SPACES = re.compile(rb"[ \t\r\n]{2,}|[\t\r\n]")
_FOLD = re.compile(rb"(?<!\r)\r*+\n")
_QUOTED = rb'"(?>(?:[^"\\]++|\\.)*)"?'
_UNCOMMENTED = re.compile(rb'(?>(?:[^"()\\]++|\\.|\\\Z|%s)+)' % _QUOTED, re.DOTALL)
_COMMENT_TOKEN = re.compile(rb"\\.|[()]", re.DOTALL)
_MEDIA_TYPE = re.compile(rb"\s*+([^\s;/\"]++)\s*+/\s*+([^\s;/\"]++)")
_TOKEN = re.compile(rb'\s*+([^\s;"]++)')
_PARAM = re.compile(rb";\s*+([^\s=;\"]++)\s*+=\s*+(%s|[^;]*+)" % _QUOTED, re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(rb"([^*]++)(?:\*([0-9]{1,4}))?(\*)?")


class HeaderReader:
    """Takes the headers out of a message, one after the other, as far as the limits allow."""

    def __init__(self, data: bytes | bytearray | mmap) -> None:
        self._data = data
        self._left = MAX_HEADERS

    def read(self, start: int, end: int) -> bytes:
        """Return what may be looked into of the header between two offsets."""
        size = min(end - start, MAX_HEADER, self._left)
        self._left -= size
        return bytes(self._data[start : start + size])


def fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return the fields of a header in their order: name as written, value as it stands (folds and all).

    RFC 5322 §2.2. Only the first MAX_HEADER octets are looked into.
    """
    return [(found[1], found[2].rstrip(b"\r")) for found in _FIELD.finditer(b"\n" + _lines(header))]


def envelope_fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Return what `fields` does, of the fields of an ENVELOPE only: the name in lower case, and the value."""
    return [(name.lower(), value.rstrip(b"\r")) for name, value in _ENVELOPE.findall(b"\n" + _lines(header))]


def is_described(header: bytes) -> bool:
    """Return whether there may be more `Content-*` fields than say what kind of body it is and how it is encoded."""
    return _MORE_CONTENT.search(b"\n" + _lines(header)) is not None


def searched(header: bytes) -> bytes:
    """Return a header as `values_in` searches it; a field can only be where, in lower case, its `line_start` is."""
    return b"\n" + _lines(header)


def values_in(text: bytes, name: str) -> list[bytes]:
    """Return the values that `fields` has of that name, in any case, some with a CR; from what `searched` returned."""
    return _named(name).findall(text)


@lru_cache(maxsize=4096)
def line_start(name: str) -> bytes:
    """Return what the first line of a field begins with; the name is in lower case."""
    return b"\n" + name.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def _named(name: str) -> re.Pattern[bytes]:
    wanted = re.escape(name.encode("utf-8", "surrogatepass"))
    return re.compile(rb"\n" + wanted + rb"[ \t]*+:([^\n]*+(?>(?:\n[ \t][^\n]*+)*))", re.IGNORECASE)


def content_fields(header: bytes) -> dict[bytes, bytes]:
    """Return the raw values of `Content-*` fields by the rest of their name in lower case; the first one counts."""
    text = b"\n" + _lines(header)
    lower = text.lower()
    found: dict[bytes, bytes] = {}
    at = lower.find(b"\ncontent-")
    while at >= 0:
        field = _FIELD.match(text, at)
        if field:
            found.setdefault(field[1][8:].lower(), field[2])
        at = lower.find(b"\ncontent-", field.end() if field else at + 9)
    return found


def header_fields(header: bytes, names: Collection[bytes], exclude: bool = False) -> bytes:
    """
    Return the fields of these names, or all the rest of the header, as it stands, and the empty line if there is one.

    For BODY[HEADER.FIELDS (...)] and BODY[HEADER.FIELDS.NOT (...)], RFC 9051 §6.4.5.1. Lines that are no fields are
    of the rest.
    """
    wanted = {name.lower() for name in names}
    text = b"\n" + _lines(header)
    empty_line = b"\r\n" if _EMPTY_LINE.search(b"\n" + _lines(header[-3:])) else b""
    kept: list[bytes] = []
    at = 1
    for field in _FIELD.finditer(text):
        if field[1].lower() in wanted:
            if exclude:
                kept.append(text[at : field.start() + 1])
                at = field.end() + 1
            else:
                kept.append(field[0][1:].rstrip(b"\r") + b"\r\n")
    if exclude:
        kept.append(text[at:])
    if not exclude or len(header) > MAX_HEADER:
        kept.append(empty_line)
    return b"".join(kept)


def unfold(value: bytes) -> bytes:
    """Return a field's value on one line, outer white space, NUL and stray CR removed (RFC 5322 §2.2.3)."""
    if _LF in value:
        value = _FOLD.sub(b"", value)
    if _NUL in value:
        value = value.replace(b"\0", b"")
    if _CR in value:
        value = value.replace(b"\r", b" ").strip()
    return value.strip()


def readable(value: bytes) -> bytes:
    """
    Return an unfolded text with one space for each run of white space.

    Programs have folded lines with a tab, or with several spaces, and meant one space (RFC 5256 §2.1).
    """
    return _SPACES.sub(b" ", value)


def without_comments(value: bytes) -> bytes:
    """Return a structured value with each comment (RFC 5322 §3.2.2) replaced by a space."""
    if _PARENTHESIS not in value:
        return value
    kept: list[bytes] = []
    at = 0
    while at < len(value):
        plain = _UNCOMMENTED.match(value, at)
        if plain:
            kept.append(plain[0])
            at = plain.end()
        else:
            kept.append(b" ")
            at = comment_end(value, at)
    return b"".join(kept)


def comment_end(value: bytes, at: int) -> int:
    """Return where the comment (or stray parenthesis) that begins at `at` is over."""
    depth = 0
    for token in _COMMENT_TOKEN.finditer(value, at):
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        if depth <= 0:
            return token.end()
    return len(value)


def parse_content_type(value: bytes) -> tuple[bytes, bytes, Params] | None:
    """
    content := "Content-Type" ":" type "/" subtype *(";" parameter)

    RFC 2045 §5.1; type and subtype in lower case. None if it makes no sense.
    """
    text = without_comments(unfold(value))
    found = _MEDIA_TYPE.match(text)
    if found is None:
        return None
    return found[1].lower(), found[2].lower(), _params(text, found.end())


def parse_disposition(value: bytes) -> tuple[bytes, Params] | None:
    """
    disposition := "Content-Disposition" ":" disposition-type *(";" disposition-parm)

    RFC 2183 §2; the type in lower case. None if it makes no sense.
    """
    text = without_comments(unfold(value))
    found = _TOKEN.match(text)
    return (found[1].lower(), _params(text, found.end())) if found else None


def parse_token(value: bytes) -> bytes | None:
    """A single token in lower case, such as a Content-Transfer-Encoding (RFC 2045 §6.1); None if there is none."""
    found = _TOKEN.match(without_comments(unfold(value)))
    return found[1].lower() if found else None


def _params(text: bytes, at: int) -> Params:
    """
    parameter := attribute "=" value

    RFC 2045 §5.1. Names in lower case; the first of a name counts. Continuations are joined (RFC 2231 §3);
    a value with a charset keeps its `*` and its percent signs (RFC 2231 §4), for the client to decode. Continuations
    of which one is missing stay as they are.
    """
    plain: dict[bytes, bytes] = {}
    sections: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    for count, found in enumerate(_PARAM.finditer(text, at)):
        if count >= MAX_PARAMS:
            break
        name, value = found[1].lower(), found[2]
        if value.startswith(b'"'):
            value = value[1:-1] if len(value) > 1 and value.endswith(b'"') else value[1:]
            if _BACKSLASH in value:
                value = _ESCAPED.sub(rb"\1", value)
        else:
            value = value.strip()
        section = _SECTION.fullmatch(name) if _STAR in name else None
        if section and section[2]:
            parts = sections.setdefault(section[1], {})
            parts.setdefault(int(section[2]), (section[3] is not None, value))
            plain.setdefault(b"*" + section[1], b"")  # keeps its place in the order
        else:
            plain.setdefault(name, value)
    params: list[tuple[bytes, bytes]] = []
    for name, value in plain.items():
        if name.startswith(b"*") and name[1:] in sections:
            params += _joined(name[1:], sections[name[1:]])
        else:
            params.append((name, value))
    return tuple(params)


def _joined(name: bytes, parts: dict[int, tuple[bool, bytes]]) -> Params:
    """Join sections 0, 1, 2 … of a parameter; if any is percent-encoded, all of the result is (RFC 2231 §4.1)."""
    if max(parts) != len(parts) - 1:
        return tuple([(b"%b*%d%b" % (name, n, b"*" * encoded), value) for n, (encoded, value) in parts.items()])
    ordered = [parts[n] for n in range(len(parts))]
    if not any(encoded for encoded, _ in ordered):
        return ((name, b"".join(value for _, value in ordered)),)
    if not ordered[0][0]:
        ordered.insert(0, (True, b"''"))
    return ((name + b"*", b"".join(value if encoded else _percent(value) for encoded, value in ordered)),)


def _percent(value: bytes) -> bytes:
    return re.sub(rb"[^A-Za-z0-9._-]", lambda found: b"%%%02X" % found[0][0], value)


def _lines(header: bytes) -> bytes:
    """Return what is looked into of a header; one without any LF has CR for line ends."""
    header = header[:MAX_HEADER]
    return header if _LF in header else header.replace(b"\r", b"\n")
