"""ID."""

import pytest

from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem
from mailhorn.imap.grammar.ext.id import parse_id_params_list


def test_fields_have_a_name_and_perhaps_a_value() -> None:
    """RFC 2971 §4; octets that are no UTF-8 survive."""
    assert parse_id_params_list(Cursor(b'("a" NIL "b" {1}\r\n\xe9)')) == (("a", None), ("b", "\udce9"))
    assert parse_id_params_list(Cursor(b"()")) == ()
    assert parse_id_params_list(Cursor(b"nil")) is None
    for data in [b"", b'("a")', b'("a" NIL', b"(NIL NIL)"]:
        with pytest.raises(SyntaxProblem):
            parse_id_params_list(Cursor(data))
