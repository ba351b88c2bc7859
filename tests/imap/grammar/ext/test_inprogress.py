"""INPROGRESS, both ways."""

import pytest

from mailhorn.imap.grammar.cursor import STRICT, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Condition, InProgress, StatusResponse


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'* OK [INPROGRESS ("A001" 454 1000)] Processed 45% of the mailbox', InProgress(b"A001", 454, 1000)),
        (b"* OK [INPROGRESS] Still processing", InProgress()),
        (b'* OK [INPROGRESS ("A001" NIL NIL)] Still processing', InProgress(b"A001")),
        (b'* OK [INPROGRESS ("A001" 454 NIL)] Processed 454 messages', InProgress(b"A001", 454)),
        (b"* OK [INPROGRESS (NIL 0 1)] Hm", InProgress(None, 0, 1)),
    ],
)
def test_examples(line: bytes, code: InProgress) -> None:
    """RFC 9585 §4."""
    response = parse_response(line, STRICT)
    assert isinstance(response, StatusResponse) and response.code == code
    assert write_response(response) == line + b"\r\n"


@pytest.mark.parametrize("code", [b"(NIL NIL 5)", b"()", b"(A001 1 2)", b"(NIL 1 0)", b'("a" 1)', b"(NIL 1 2 3)"])
def test_mistakes(code: bytes) -> None:
    """A goal needs a progress, and nothing is none."""
    with pytest.raises(SyntaxProblem):
        parse_response(b"* OK [INPROGRESS " + code + b"] text", STRICT)


def test_what_cannot_be_written() -> None:
    """A goal without a progress."""
    with pytest.raises(Unwritable):
        write_response(StatusResponse(Condition.OK, InProgress(None, None, 3), b"text"))
