"""LIST with options, and what it answers, both ways."""

import pytest

from mailhorn.imap import commands as c
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import STRICT, SyntaxProblem, Unwritable
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import ListResponse

SELECT, RETURN = c.ListSelect, c.ListReturn


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b'LIST (SUBSCRIBED) "" "*"', c.List("", "*", select=frozenset({SELECT.SUBSCRIBED}))),
        (b'LIST () "" "%" RETURN (CHILDREN)', c.List("", "%", False, frozenset(), frozenset({RETURN.CHILDREN}))),
        (
            b'LIST (REMOTE SUBSCRIBED) "" "*"',
            c.List("", "*", select=frozenset({SELECT.REMOTE, SELECT.SUBSCRIBED})),
        ),
        (b'list "" ("INBOX" Drafts Sent/%)', c.List("", ("INBOX", "Drafts", "Sent/%"))),
        (b'LIST "" ("")', c.List("", ("",))),
        (
            b'LIST (RECURSIVEMATCH SUBSCRIBED subscribed) "" foo RETURN ()',
            c.List("", "foo", False, frozenset({SELECT.RECURSIVEMATCH, SELECT.SUBSCRIBED}), frozenset()),
        ),
        (
            b'LIST "" % return (status (messages UNSEEN) subscribed)',
            c.List("", "%", False, None, frozenset({RETURN.SUBSCRIBED}), (c.StatusItem.MESSAGES, c.StatusItem.UNSEEN)),
        ),
    ],
)
def test_commands_of_the_rfcs(line: bytes, command: c.List) -> None:
    """RFC 5258 §5 and RFC 5819 §3; what is written means the same."""
    assert parse_command(b"a " + line)[1] == command
    written = b"".join(write_command(b"a", command))
    assert parse_command(written.removesuffix(b"\r\n"))[1] == command
    assert command.extended


@pytest.mark.parametrize(
    ("line", "position"),
    [
        (b'LIST (RECURSIVEMATCH) "" *', 7),
        (b'LIST (REMOTE RECURSIVEMATCH) "" *', 7),
        (b'LIST (SUBSCRIBED  REMOTE) "" *', 19),
        (b'LIST (CHILDREN) "" *', 8),
        (b'LIST "" * RETURN (REMOTE)', 20),
        (b'LIST "" * RETURN CHILDREN', 11),
        (b'LIST "" * RETURN (STATUS)', 26),
        (b'LIST "" ()', 11),
        (b'LIST (SUBSCRIBED)"" *', 19),
    ],
)
def test_mistakes(line: bytes, position: int) -> None:
    """What is wrong is told with the place where it stands."""
    with pytest.raises(CommandProblem) as problem:
        parse_command(b"a " + line)
    assert problem.value.position == position


def test_what_no_client_may_say() -> None:
    """RECURSIVEMATCH alone, and no pattern at all, have no form."""
    with pytest.raises(Unwritable):
        write_command(b"a", c.List("", "*", select=frozenset({SELECT.RECURSIVEMATCH, SELECT.REMOTE})))
    with pytest.raises(Unwritable):
        write_command(b"a", c.List("", ()))


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (
            b'* LIST () "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))',
            ListResponse((), "/", "foo2", child_info=("SUBSCRIBED",)),
        ),
        (b'* LIST () "/" foo (childinfo ("subscribed"))', ListResponse((), "/", "foo", child_info=("SUBSCRIBED",))),
        (b'* LIST () "/" New ("OLDNAME" (Old))', ListResponse((), "/", "New", old_name="Old")),
        (b'* LIST () "/" x (("edge" "lacy") ("color" "red"))', None),
        (b'* LIST () "/" x (X-Sample ("text" "more text") "OLDNAME" (y))', ListResponse((), "/", "x", old_name="y")),
    ],
)
def test_responses_of_the_rfcs(line: bytes, response: ListResponse | None) -> None:
    """Data we do not know is passed over; what breaks the grammar is forgiven where the dialect is loose."""
    if response is None:
        with pytest.raises(SyntaxProblem):
            parse_response(line, STRICT)
        assert parse_response(line) == ListResponse((), "/", "x")
    else:
        assert parse_response(line, STRICT) == response
        assert parse_response(write_response(response).removesuffix(b"\r\n"), STRICT) == response
