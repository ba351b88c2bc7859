"""PREVIEW."""

import pytest

from mailhorn.imap.commands import Attribute, Fetch, Preview
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.ext.preview import preview_bytes
from mailhorn.imap.responses import PreviewItem


def test_modifiers() -> None:
    """RFC 8970 §3.1: LAZY is PREVIEW's; other parentheses are FETCH's own."""
    lazy = parse_command(b"a FETCH 1 (PREVIEW (lazy) UID)")[1]
    assert isinstance(lazy, Fetch) and lazy.items == (Preview(True), Attribute.UID)
    both = parse_command(b"a FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 5)")[1]
    assert isinstance(both, Fetch) and both.items == (Preview(True),) and both.changed_since == 5
    since = parse_command(b"a FETCH 1 PREVIEW (CHANGEDSINCE 5)")[1]
    assert isinstance(since, Fetch) and since.items == (Preview(),) and since.changed_since == 5
    assert write_command(b"a", lazy) == [b"a FETCH 1 (PREVIEW (LAZY) UID)\r\n"]
    with pytest.raises(CommandProblem):
        parse_command(b"a FETCH 1 (PREVIEW (EAGER))")


def test_text() -> None:
    """UTF-8 that is no ASCII is a literal; NIL is not the empty string (§3.2)."""
    assert preview_bytes(PreviewItem(b"text")) == b'PREVIEW "text"'
    assert preview_bytes(PreviewItem("ä".encode())) == b"PREVIEW {2}\r\n\xc3\xa4"
    assert preview_bytes(PreviewItem(b"")) == b'PREVIEW ""' and preview_bytes(PreviewItem(None)) == b"PREVIEW NIL"
