"""UIDPLUS."""

import pytest

from mailhorn.imap.grammar.cursor import Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext.uidplus import (
    parse_resp_code_apnd,
    parse_resp_code_copy,
    parse_uid_expunge,
    write_resp_code_apnd,
)
from mailhorn.imap.responses import AppendUid
from mailhorn.model.ids import UIDValidity
from mailhorn.model.numbers import UIDSet


def test_new_uids_are_known() -> None:
    """RFC 4315 §3: there is no `*` among them."""
    assert parse_resp_code_apnd(Cursor(b" 38505 3955")) == AppendUid(UIDValidity(38505), UIDSet(((3955, 3955),)))
    for data in [b" 38505 *", b" 0 1", b" 1", b""]:
        with pytest.raises(SyntaxProblem):
            parse_resp_code_apnd(Cursor(data))
    with pytest.raises(SyntaxProblem):
        parse_resp_code_copy(Cursor(b" 1 2 3:*"))
    with pytest.raises(Unwritable):
        write_resp_code_apnd(Writer(), AppendUid(UIDValidity(1), UIDSet(((1, 0),))))


def test_uid_expunge_takes_any_set() -> None:
    """RFC 4315 §2.1."""
    assert parse_uid_expunge(Cursor(b" 3:*")).uids == UIDSet(((3, 0),))
