"""MESSAGELIMIT, both ways."""

import pytest

from mailhorn.imap.commands import Search
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import STRICT, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Condition, MessageLimit, StatusResponse, Tagged
from mailhorn.model.ids import UID
from mailhorn.model.numbers import UIDSet
from mailhorn.model.search import All, InUIDs, Not, SearchKey


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"03 OK [MESSAGELIMIT 1000 23221] FETCH completed with 1000 partial results", MessageLimit(1000, UID(23221))),
        (b"10 NO [MESSAGELIMIT 1000] FETCH exceeds the maximum 1000-message limit", MessageLimit(1000)),
        (b"* NO [MESSAGELIMIT 1000 23221] FETCH completed", MessageLimit(1000, UID(23221))),
    ],
)
def test_codes(line: bytes, code: MessageLimit) -> None:
    """RFC 9738 §3.1."""
    response = parse_response(line, STRICT)
    assert isinstance(response, StatusResponse | Tagged) and response.code == code
    assert write_response(response) == line + b"\r\n"


@pytest.mark.parametrize("code", [b"", b" 0", b" 1 0", b" a", b" 1 2 3"])
def test_mistakes(code: bytes) -> None:
    """message-limit = nz-number."""
    with pytest.raises(SyntaxProblem):
        parse_response(b"* NO [MESSAGELIMIT" + code + b"] text", STRICT)


@pytest.mark.parametrize("code", [MessageLimit(0), MessageLimit(1, UID(0))])
def test_what_cannot_be_written(code: MessageLimit) -> None:
    """No zeros."""
    with pytest.raises(Unwritable):
        write_response(StatusResponse(Condition.NO, code, b"text"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"UIDAFTER 25000", InUIDs(UIDSet(((25001, 2**32 - 1),)))),
        (b"UIDAFTER 4294967295", Not(All())),
        (b"uidbefore 7", InUIDs(UIDSet(((1, 6),)))),
        (b"UIDBEFORE 1", Not(All())),
    ],
)
def test_keys(text: bytes, key: SearchKey) -> None:
    """RFC 9738 §3.2: what is written for them is read as the same."""
    tag, command = parse_command(b"12 UID SEARCH " + text)
    assert command == Search(key, by_uid=True)
    assert parse_command(write_command(tag, command)[0].removesuffix(b"\r\n")) == (tag, command)


@pytest.mark.parametrize("text", [b"UIDAFTER", b"UIDAFTER 0", b"UIDBEFORE 1:3", b"UIDAFTER *"])
def test_no_keys(text: bytes) -> None:
    """One UID it must be."""
    with pytest.raises(CommandProblem):
        parse_command(b"12 UID SEARCH " + text)
