"""CREATE with a use, both ways."""

import pytest

from mailhorn.imap.commands import Create
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"CREATE MySpecial (USE (\\Drafts \\Sent))", Create("MySpecial", ("\\Drafts", "\\Sent"))),
        (b"create Everything (use (\\All))", Create("Everything", ("\\All",))),
        (b"CREATE Plain (USE ())", Create("Plain", ())),
        (b"CREATE Plain", Create("Plain")),
    ],
)
def test_create_says_what_it_is_for(line: bytes, command: Create) -> None:
    """RFC 6154 §5.3; what is written means the same."""
    assert parse_command(b"a " + line)[1] == command
    written = b"".join(write_command(b"a", command))
    assert parse_command(written.removesuffix(b"\r\n"))[1] == command


@pytest.mark.parametrize(
    "line", [b"CREATE A ()", b"CREATE A (USE)", b"CREATE A (USE (Sent))", b"CREATE A (X ())", b"CREATE A (USE ()) "]
)
def test_what_is_no_use(line: bytes) -> None:
    """Anything else after the mailbox is refused."""
    with pytest.raises(CommandProblem):
        parse_command(b"a " + line)
