"""The beginning of what a message says, for lists of messages (RFC 8970). Any text gives one; nothing here raises."""

import re
from collections.abc import Iterable, Iterator

from .decode import text_parts, to_text
from .limits import MAX_PREVIEW
from .scan import Part
from .transfer import decoded

LENGTH = 200
"""Characters of a preview: RFC 8970 §3 asks for this many, and allows 256."""

_ENOUGH = 2 * LENGTH
"""Characters gathered, spaces and all; quoted lines are left out of these."""

_TAG = re.compile(r"/?([A-Za-z][A-Za-z0-9]*)")
_SILENT = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("head", "style", "script", "title", "template")}
"""Elements that show nothing, and where they end."""

_INLINE = frozenset({"a", "b", "em", "font", "i", "s", "small", "span", "strong", "u"})
"""Elements that end no word."""

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
"""Senders of newsletters fill their previews with these."""


def preview_part(root: Part) -> Part | None:
    """Return the part to make a preview of: the first plain text with octets in it, else the first HTML."""
    texts = [part for part in text_parts(root) if part.body_end > part.body_start]
    for subtype in (b"plain", b"html"):
        for part in texts:
            if part.subtype == subtype:
                return part
    return texts[0] if texts else None


def preview(part: Part, body: bytes) -> str:
    """
    Return the preview of a part.

    Args:
        part: From `preview_part`.
        body: Its first octets, encoded as they are; MAX_PREVIEW of them are looked at.

    """
    text = to_text(decoded(body[:MAX_PREVIEW], part.encoding), part.param(b"charset") or b"")
    pieces = _shown(text) if part.subtype == b"html" else _said(text)
    return _short(pieces)


def _said(text: str) -> Iterator[str]:
    """Yield the lines that are no quotation, up to the signature; all if there are no others."""
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if line == "-- "), len(lines))
    own = [line for line in lines[:end] if not line.startswith(">")]
    for line in own if any(map(str.strip, own)) else lines:
        yield line
        yield " "


def without_markup(source: str) -> str:
    """Return the text of HTML."""
    return "".join(_shown(source))


def _shown(source: str) -> Iterator[str]:
    """Yield the text of HTML, tag by tag; what is not closed goes on to the end."""
    from html import unescape  # a table of 0.3 MiB

    at = 0
    while at < len(source):
        start = source.find("<", at)
        if start < 0:
            yield unescape(source[at:])
            return
        yield unescape(source[at:start])
        if source.startswith("<!--", start):
            end = source.find("-->", start)
            at = len(source) if end < 0 else end + 3
            continue
        tag = _TAG.match(source, start + 1)
        if tag is None and source[start + 1 : start + 2] != "!":
            yield "<"
            at = start + 1
            continue
        end = source.find(">", start)
        at = len(source) if end < 0 else end + 1
        name = tag[1].lower() if tag else ""
        if name in _SILENT and source[start + 1] != "/":
            closed = _SILENT[name].search(source, at)
            at = closed.start() if closed else len(source)
        elif name not in _INLINE:
            yield " "


def _short(pieces: Iterable[str]) -> str:
    """Return the beginning with one space for each run of white space."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        words = piece.translate(_INVISIBLE)
        if words.isspace():
            words = " "
        kept.append(words)
        size += len(words.strip()) + 1 if words else 0
        if size > _ENOUGH:
            break
    return " ".join("".join(kept).split())[:LENGTH].rstrip()
