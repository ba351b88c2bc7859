"""NAMESPACE's answer."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem
from mailhorn.imap.grammar.ext.namespace import parse_namespace_response
from mailhorn.imap.responses import Namespaces


def test_extensions_are_skipped() -> None:
    """RFC 2342 §5's last example."""
    data = b' (("" "/" "X-PARAM" ("FLAG1" "FLAG2"))) (("~" "/")) NIL'
    assert parse_namespace_response(Cursor(data)) == Namespaces((("", "/"),), (("~", "/"),), None)


def test_spaces_between_descriptions_are_a_quirk() -> None:
    """Seen from servers."""
    data = b' (("a." ".") ("b." "."))  NIL NIL'
    assert parse_namespace_response(Cursor(data, LENIENT)).personal == (("a.", "."), ("b.", "."))
    with pytest.raises(SyntaxProblem):
        parse_namespace_response(Cursor(data))


@pytest.mark.parametrize("data", [b"", b" NIL NIL", b" () NIL NIL", b' (("a")) NIL NIL', b' (("a" "//")) NIL NIL'])
def test_what_is_none(data: bytes) -> None:
    """Strictly: three of them, none empty."""
    with pytest.raises(SyntaxProblem):
        parse_namespace_response(Cursor(data))
