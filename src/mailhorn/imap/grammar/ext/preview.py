"""PREVIEW (RFC 8970).

Changes: `fetch-att =/ "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]`, `preview-mod = "LAZY"`,
`msg-att-dynamic =/ "PREVIEW" SP nstring`.
"""

import re

from ...commands import Preview
from ...responses import PreviewItem
from ..atoms import parse_nstring, write_nstring
from ..cursor import Cursor, Writer

_LAZY = re.compile(rb" \(LAZY\)", re.IGNORECASE)


def parse_fetch_preview(cur: Cursor) -> Preview:
    """
    "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]

    RFC 8970 §6. Reads on behind the word. Other parentheses than LAZY's are the modifiers of FETCH.
    """
    found = _LAZY.match(cur.data, cur.pos)
    if found is not None:
        cur.pos = found.end()
    return Preview(found is not None)


def write_fetch_preview(out: Writer, item: Preview) -> None:
    """Write the item."""
    out.write(b"PREVIEW (LAZY)" if item.lazy else b"PREVIEW")


def parse_msg_att_preview(cur: Cursor) -> PreviewItem:
    """
    "PREVIEW" SP nstring

    RFC 8970 §6. Reads on behind the space.
    """
    return PreviewItem(parse_nstring(cur))


def write_msg_att_preview(out: Writer, item: PreviewItem) -> None:
    """Write the item with its name."""
    out.write(b"PREVIEW ")
    write_nstring(out, item.text)


def preview_bytes(item: PreviewItem) -> bytes:
    """Return the item as it is sent."""
    out = Writer()
    write_msg_att_preview(out, item)
    return out.data()
