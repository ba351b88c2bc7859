"""Both roles read and write what RFC 9051 shows in its examples."""

from pathlib import Path

import pytest

from mailhorn.imap.commands import Append
from mailhorn.imap.grammar.command import parse_command, write_command
from mailhorn.imap.grammar.cursor import LENIENT, REV2
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Unknown

LINES = (Path(__file__).parent / "rfc9051.txt").read_text("utf-8").splitlines()


def said_by(who: str) -> list[str]:
    """Return the lines of one kind."""
    return [line[3:] for line in LINES if line.startswith(who + ": ")]


@pytest.mark.parametrize("line", said_by("S"))
def test_a_response_is_read_and_written(line: str) -> None:
    """To the letter of the grammar; what was written is read as the same."""
    response = parse_response(line.encode(), REV2)
    assert not isinstance(response, Unknown)
    assert parse_response(write_response(response, REV2).removesuffix(b"\r\n"), REV2) == response
    assert parse_response(line.encode(), LENIENT) == response


@pytest.mark.parametrize("line", said_by("s"))
def test_a_response_that_is_not_of_the_grammar_is_read_by_who_forgives(line: str) -> None:
    """Two spaces, and charsets without their parentheses."""
    assert not isinstance(parse_response(line.encode(), LENIENT), Unknown)


@pytest.mark.parametrize("line", said_by("C"))
def test_a_command_is_read_and_written(line: str) -> None:
    """What was written is read as the same."""
    tag, command = parse_command(line.encode(), REV2)
    assert not isinstance(command, Append)
    (written,) = write_command(tag, command, REV2)
    assert parse_command(written.removesuffix(b"\r\n"), REV2) == (tag, command)
