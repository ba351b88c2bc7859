"""The server core: one command at a time, what it refuses by itself, streams, IDLE and AUTHENTICATE."""

import pytest

from mailhorn.imap.commands import Append, Authenticate, Keyword, Login, Select, Simple
from mailhorn.imap.grammar.cursor import REV2, STRICT, UTF8
from mailhorn.imap.responses import Code, Condition, ListResponse
from mailhorn.imap.server import (
    MAX_BAD_COMMANDS,
    MAX_BUFFERED,
    AppendBroken,
    AppendData,
    AppendEnded,
    AppendStarted,
    CommandReceived,
    Ended,
    Event,
    IdleEnded,
    Responded,
    ServerConnection,
)
from mailhorn.imap.state import State


def after_login() -> ServerConnection:
    core = ServerConnection()
    core.receive_data(b"l LOGIN ann secret\r\n")
    (event,) = core.events_received()
    assert event == CommandReceived(b"l", Login(b"ann", b"secret"))
    core.complete(Condition.OK, None, b"in")
    core.data_to_send()
    return core


def feed(core: ServerConnection, data: bytes) -> list[Event]:
    core.receive_data(data)
    return core.events_received()


def test_one_command_at_a_time() -> None:
    """What is pipelined comes up when the one before it is complete."""
    core = ServerConnection()
    assert feed(core, b"a NOOP\r\nb CAPABILITY\r\n") == [CommandReceived(b"a", Simple(Keyword.NOOP))]
    assert core.events_received() == []
    core.complete(Condition.OK, None, b"done")
    assert core.events_received() == [CommandReceived(b"b", Simple(Keyword.CAPABILITY))]
    assert core.data_to_send() == b"a OK done\r\n"


def test_the_client_is_made_to_wait_when_it_pipelines_too_much() -> None:
    """A command that takes long must not let the buffer grow without end."""
    core = ServerConnection()
    feed(core, b"a NOOP\r\n")
    assert core.wants_data
    core.receive_data(b"b NOOP\r\n" * (MAX_BUFFERED // 8 + 1))
    assert not core.wants_data


def test_the_rest_of_a_long_line_is_wanted() -> None:
    """A line longer than what may be pipelined does not wait for its own end."""
    core = after_login()
    assert feed(core, b"a FETCH 1" + b",1" * MAX_BUFFERED) == []
    assert core.wants_data


@pytest.mark.parametrize(
    "line",
    [
        b"a FROB",
        b"a SELECT INBOX",
        b"a LOGIN ann",
        b"a FETCH 1 FLAGS",
        b"a",
        b"a ",
        b"a LOGIN (x) y",
        b'a LOGIN "unended y',
        b"a LOGIN ann {99999999999999999999}",
        b"a NOOP extra",
        b"a\x00b NOOP",
    ],
)
def test_what_makes_no_sense_is_bad_and_the_connection_goes_on(line: bytes) -> None:
    """BAD with the tag where there is one; the next command is answered."""
    core = ServerConnection()
    feed(core, line + b"\r\n")
    answer = core.data_to_send()
    assert answer.split(b" ")[1] == b"BAD", answer
    assert answer.startswith((b"a BAD", b"* BAD")) and answer.endswith(b"\r\n")
    assert feed(core, b"n NOOP\r\n") == [CommandReceived(b"n", Simple(Keyword.NOOP))]


def test_nonsense_without_end_is_ended() -> None:
    """After so many bad commands in a row the client is not one."""
    core = ServerConnection()
    events = feed(core, b"GET / HTTP/1.1\r\n" * MAX_BAD_COMMANDS)
    assert events[-1] == Ended() and core.closing
    assert core.data_to_send().splitlines()[-1].startswith(b"* BYE ")


def test_a_good_command_forgives_the_bad_ones() -> None:
    """A client with one odd habit is not hung up on in the end."""
    core = ServerConnection()
    for _ in range(MAX_BAD_COMMANDS):
        feed(core, b"a FROB\r\n")
        feed(core, b"b NOOP\r\n")
        core.complete(Condition.OK, None, b"done")
        core.events_received()
    assert not core.closing


def test_an_append_is_a_stream() -> None:
    """The message comes in pieces after the session's word, its end as an event of its own."""
    core = after_login()
    (event,) = feed(core, b"a APPEND INBOX (\\Seen) {6}\r\n")
    assert isinstance(event, AppendStarted) and event.command == Append("INBOX", frozenset({"\\Seen"}), None, 6)
    assert core.data_to_send() == b""
    core.accept_append()
    assert core.data_to_send().startswith(b"+ ")
    assert feed(core, b"abc") == [AppendData(b"abc")]
    assert feed(core, b"def\r") == [AppendData(b"def")]
    assert feed(core, b"\n") == [AppendEnded()]
    core.complete(Condition.OK, None, b"stored")
    assert core.data_to_send() == b"a OK stored\r\n"


def test_an_append_to_a_mailbox_named_by_a_literal() -> None:
    """The name is buffered, the message streamed."""
    core = after_login()
    assert feed(core, b"a APPEND {5}\r\n") == []
    assert core.data_to_send().startswith(b"+ ")
    (event,) = feed(core, b"INBOX {3+}\r\nabc\r\n")
    assert isinstance(event, AppendStarted) and event.command.size == 3
    core.accept_append()
    assert core.events_received() == [AppendData(b"abc"), AppendEnded()]
    assert core.data_to_send() == b""


@pytest.mark.parametrize("literal", [b"{3}\r\n", b"{3+}\r\nabc\r\n"])
def test_a_refused_append_leaves_the_connection_in_step(literal: bytes) -> None:
    """A synchronizing literal never comes; another is read past."""
    core = after_login()
    (event,) = feed(core, b"a APPEND nowhere " + literal)
    assert isinstance(event, AppendStarted)
    core.complete(Condition.NO, Code("TRYCREATE"), b"no")
    assert feed(core, b"b NOOP\r\n") == [CommandReceived(b"b", Simple(Keyword.NOOP))]
    assert core.data_to_send() == b"a NO [TRYCREATE] no\r\n"


def test_an_append_that_fails_after_its_message_does_not_eat_the_next_command() -> None:
    """A full disk is told after the literal; nothing is skipped then."""
    core = after_login()
    feed(core, b"a APPEND INBOX {3+}\r\nabc\r\n")
    core.accept_append()
    core.events_received()
    core.complete(Condition.NO, Code("UNAVAILABLE"), b"full")
    assert feed(core, b"b NOOP\r\n") == [CommandReceived(b"b", Simple(Keyword.NOOP))]


def test_an_append_with_something_behind_its_message_is_dropped() -> None:
    """MULTIAPPEND is not offered; BAD, and the message is not stored."""
    core = after_login()
    feed(core, b"a APPEND INBOX {3}\r\n")
    core.accept_append()
    events = feed(core, b"abc junk\r\n")
    assert events[0] == AppendData(b"abc") and AppendBroken() in events
    assert core.data_to_send().splitlines()[-1].startswith(b"a BAD ")
    assert feed(core, b"b NOOP\r\n") == [CommandReceived(b"b", Simple(Keyword.NOOP))]


def test_a_message_in_utf8_ends_with_a_parenthesis() -> None:
    """RFC 6855 §4; several may follow each other, in whatever form (RFC 3502)."""
    core = after_login()
    (event,) = feed(core, b"a APPEND INBOX (\\Seen) UTF8 (~{3}\r\n")
    assert isinstance(event, AppendStarted) and event.command.utf8 and event.command.binary
    core.accept_append()
    assert feed(core, b"abc)\r\n") == [AppendData(b"abc"), AppendEnded()]
    core.complete(Condition.OK, None, b"stored")
    feed(core, b"b APPEND INBOX UTF8 (~{3+}\r\nabc) UTF8 (~{3+}\r\ndef) {3+}\r\nghi\r\n")
    core.accept_append()
    _, more = core.events_received()
    assert isinstance(more, AppendStarted) and more.more and more.command.utf8
    core.accept_append()
    _, more = core.events_received()
    assert isinstance(more, AppendStarted) and more.more and not more.command.utf8
    core.accept_append()
    assert core.events_received() == [AppendData(b"ghi"), AppendEnded()]


@pytest.mark.parametrize(
    ("start", "end"),
    [(b"UTF8 (~{3+}", b""), (b"UTF8 (~{3+}", b"))"), (b"UTF8 (~{3+}", b" {3+}"), (b"{3+}", b")"), (b"{3+}", b") {3+}")],
)
def test_a_parenthesis_that_is_missing_or_too_many_breaks_the_append(start: bytes, end: bytes) -> None:
    """BAD, and the next command is found: a literal that still comes is read past."""
    core = after_login()
    feed(core, b"a APPEND INBOX " + start + b"\r\n")
    core.accept_append()
    after = b"\r\nabc" if end.endswith(b"}") else b""
    events = feed(core, b"abc" + end + after + b"\r\n")
    assert AppendBroken() in events
    assert core.data_to_send().splitlines()[-1].startswith(b"a BAD ")
    assert feed(core, b"b NOOP\r\n") == [CommandReceived(b"b", Simple(Keyword.NOOP))]


def test_names_are_read_as_they_are_written_when_the_command_comes() -> None:
    """The dialect is the connection's; an APPEND to a name that makes no sense in it is BAD before its message."""
    core = after_login()
    for dialect, name in ((UTF8, "R&D é"), (STRICT, "R&D")):
        core.dialect = UTF8
        core.receive_data(f'a SELECT "{name}"\r\n'.encode())
        (event,) = core.events_received()
        assert event == CommandReceived(b"a", Select(name))
        core.complete(Condition.OK, None, b"done")
        core.dialect = dialect
    core.data_to_send()
    feed(core, b"b APPEND R&D {3+}\r\nabc\r\n")
    assert core.data_to_send().startswith(b"b BAD Expected a mailbox name")
    core.dialect = REV2
    (event,) = feed(core, 'c APPEND "R&D é" {3}\r\n'.encode())
    assert isinstance(event, AppendStarted) and event.command.mailbox == "R&D é"
    core.untagged(ListResponse((), "/", "R&D é"))
    assert core.data_to_send() == '* LIST () "/" "R&D é"\r\n'.encode()


def test_idle_ends_with_done_and_with_anything_else() -> None:
    """RFC 9051 §6.3.13: only DONE is right; another line ends IDLE all the same, so that nobody hangs."""
    core = after_login()
    for line, done in ((b"DONE", True), (b"done", True), (b"x NOOP", False)):
        feed(core, b"i IDLE\r\n")
        core.accept_line(idle=True)
        assert core.data_to_send() == b"+ idling\r\n"
        assert feed(core, line + b"\r\n") == [IdleEnded(done)]
        core.complete(Condition.OK if done else Condition.BAD, None, b"over")
        core.data_to_send()
    assert feed(core, b"b NOOP\r\n") == [CommandReceived(b"b", Simple(Keyword.NOOP))]


def test_done_that_came_with_idle_is_seen_after_the_session_began_to_idle() -> None:
    """Clients pipeline DONE behind IDLE to poll."""
    core = after_login()
    feed(core, b"i IDLE\r\nDONE\r\n")
    assert core.events_received() == []
    core.accept_line(idle=True)
    assert core.events_received() == [IdleEnded(True)]


def test_authenticate_reads_base64_lines() -> None:
    """Decoded; None for a cancelled exchange and for what is no base64."""
    core = ServerConnection()
    assert feed(core, b"a AUTHENTICATE PLAIN\r\n") == [CommandReceived(b"a", Authenticate("PLAIN"))]
    for line, data in ((b"AGEAYg==", b"\0a\0b"), (b"*", None), (b"$$$", None), (b"", b"")):
        core.accept_line(idle=False, text=b"hi")
        assert core.data_to_send() == b"+ aGk=\r\n"
        assert feed(core, line + b"\r\n") == [Responded(data)]


def test_end_of_input_is_told_once() -> None:
    """In any state but while a command runs; then after it."""
    core = ServerConnection()
    feed(core, b"a NOOP\r\n")
    core.receive_eof()
    assert core.events_received() == []
    core.complete(Condition.OK, None, b"done")
    assert core.events_received() == [Ended()]
    assert core.events_received() == [] and core.closing


def test_states_follow_what_was_answered() -> None:
    """The session need not keep the state; LOGOUT ends it."""
    core = after_login()
    assert core.state is State.AUTHENTICATED
    assert feed(core, b"s SELECT INBOX\r\n") == [CommandReceived(b"s", Select("INBOX"))]
    core.complete(Condition.OK, None, b"open")
    assert core.state is State.SELECTED
    feed(core, b"o LOGOUT\r\n")
    core.complete(Condition.OK, None, b"bye")
    assert core.closing and feed(core, b"n NOOP\r\n") == []


def test_what_came_before_tls_is_forgotten() -> None:
    """STARTTLS injection: commands pipelined in the clear behind STARTTLS are not run inside TLS."""
    core = ServerConnection()
    feed(core, b"a STARTTLS\r\nb LOGIN mallory x\r\n")
    core.complete(Condition.OK, None, b"go")
    core.tls_started()
    assert core.events_received() == []
    assert feed(core, b"c NOOP\r\n") == [CommandReceived(b"c", Simple(Keyword.NOOP))]
