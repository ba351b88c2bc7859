"""UIDONLY, both ways."""

import pytest

from mailhorn.imap.grammar.cursor import STRICT, SyntaxProblem
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Code, Condition, FlagsItem, ModSeqItem, Tagged, UidFetched
from mailhorn.model.ids import UID, ModSeq


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (b"* 25996 UIDFETCH (FLAGS (\\Seen))", UidFetched(UID(25996), (FlagsItem(("\\Seen",)),))),
        (b"* 5 UIDFETCH (MODSEQ (320162350))", UidFetched(UID(5), (ModSeqItem(ModSeq(320162350)),))),
        (
            b"07 BAD [UIDREQUIRED] Message numbers are not allowed once UIDONLY is enabled",
            Tagged(
                b"07",
                Condition.BAD,
                Code("UIDREQUIRED"),
                b"Message numbers are not allowed once UIDONLY is enabled",
            ),
        ),
    ],
)
def test_examples(line: bytes, response: UidFetched | Tagged) -> None:
    """RFC 9586 §3."""
    assert parse_response(line, STRICT) == response
    assert write_response(response) == line + b"\r\n"


def test_zero_is_no_uid() -> None:
    """uniqueid = nz-number."""
    with pytest.raises(SyntaxProblem):
        parse_response(b"* 0 UIDFETCH (FLAGS ())", STRICT)
