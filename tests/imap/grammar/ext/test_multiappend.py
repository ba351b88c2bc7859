"""APPEND of several messages, and REPLACE, both ways."""

import dataclasses

import pytest
from msgspec.structs import replace

from mailhorn.imap.commands import Append
from mailhorn.imap.grammar.command import (
    CommandProblem,
    parse_append_head,
    parse_append_next,
    write_append_next,
    write_command,
)
from mailhorn.imap.grammar.cursor import SyntaxProblem
from mailhorn.imap.server import AppendBroken, AppendEnded, AppendStarted, ServerConnection
from mailhorn.imap.state import State
from mailhorn.model.flags import NO_FLAGS
from mailhorn.model.numbers import SeqSet, UIDSet

FIRST = Append("a", NO_FLAGS, None, 3)


@pytest.mark.parametrize(
    ("head", "command"),
    [
        (
            b' (\\Seen) " 7-Feb-1994 22:43:04 -0800" {295}',
            Append("a", frozenset({"\\Seen"}), 760689784, 295),
        ),
        (b" {5+}", Append("a", NO_FLAGS, None, 5)),
        (b" ~{5}", Append("a", NO_FLAGS, None, 5, binary=True)),
    ],
)
def test_another_message(head: bytes, command: Append) -> None:
    """RFC 3502 §6.3.11; what is written means the same."""
    parsed = parse_append_next(head, FIRST)
    assert parsed == command
    assert parse_append_next(write_append_next(parsed).removesuffix(b"\r\n"), FIRST) == command


@pytest.mark.parametrize("head", [b"{5}", b"  {5}", b" b {5}", b" {5} ", b" () () {5}", b" "])
def test_what_is_no_other_message(head: bytes) -> None:
    """Nothing but flags, a date and a literal."""
    with pytest.raises(SyntaxProblem):
        parse_append_next(head, FIRST)


@pytest.mark.parametrize(
    ("head", "command"),
    [
        (b"a REPLACE 4 a {3}", replace(FIRST, replaces=SeqSet(((4, 4),)))),
        (b"a uid replace 2000 a {3+}", replace(FIRST, replaces=UIDSet(((2000, 2000),)))),
    ],
)
def test_replace(head: bytes, command: Append) -> None:
    """RFC 8508 §3; what is written means the same."""
    assert parse_append_head(head) == (b"a", command)
    written = b"".join(write_command(b"a", command))
    assert parse_append_head(written.removesuffix(b"\r\n")) == (b"a", command)


@pytest.mark.parametrize("head", [b"a REPLACE a {3}", b"a REPLACE 1:2 a {3}", b"a REPLACE 1,3 a {3}", b"a UID 1 a {3}"])
def test_one_message_is_replaced(head: bytes) -> None:
    """Not several, and not none."""
    with pytest.raises(CommandProblem):
        parse_append_head(head)


def test_any_number_of_messages() -> None:
    """Each comes up as the first one did, and the command ends once."""
    core = ServerConnection()
    core.state = State.AUTHENTICATED
    core._framer.limits = dataclasses.replace(core._framer.limits, stream=1000)
    core.receive_data(b"t APPEND a {2+}\r\nxy" + b" (\\Seen) {2+}\r\nxy" * 40 + b"\r\n")
    started = 0
    for _ in range(200):
        for event in core.events_received():
            if isinstance(event, AppendStarted):
                assert event.more is (started > 0) and event.tag == b"t"
                started += 1
                core.accept_append()
            assert not isinstance(event, AppendBroken)
            if isinstance(event, AppendEnded):
                assert started == 41
                return
    pytest.fail("no end")
