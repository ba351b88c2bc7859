"""The client's end of a connection, byte by byte."""

import pytest

from mailhorn.imap.client import (
    MAX_IN_FLIGHT,
    ClientConnection,
    ClientEvent,
    Completed,
    ContinuationReceived,
    Eof,
    Greeting,
    ProtocolViolation,
    UntaggedReceived,
)
from mailhorn.imap.commands import (
    Attribute,
    Authenticate,
    Create,
    Enable,
    EventGroup,
    Events,
    Fetch,
    Keyword,
    Login,
    Notify,
    NotifyEvent,
    Resync,
    Select,
    Simple,
    StatusItem,
    Store,
    StoreMode,
    Watched,
)
from mailhorn.imap.framing import FramingLimits
from mailhorn.imap.grammar.cursor import Unwritable
from mailhorn.imap.responses import (
    Capabilities,
    Condition,
    ESearchResponse,
    Exists,
    Fetched,
    FlagsItem,
    ListResponse,
    Metadata,
    NumberCode,
    StatusItems,
    StatusResponse,
)
from mailhorn.imap.state import State
from mailhorn.model.ids import ModSeq, SeqNum, UIDValidity
from mailhorn.model.numbers import UIDSet

IDLE = Simple(Keyword.IDLE)
NOOP = Simple(Keyword.NOOP)


def greeted(data: bytes = b"* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n") -> ClientConnection:
    """Return a connection that has been greeted."""
    connection = ClientConnection()
    connection.receive_data(data)
    connection.events_received()
    return connection


def selected(greeting: bytes = b"* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n") -> ClientConnection:
    """Return a connection with a mailbox selected."""
    connection = greeted(greeting)
    tag = connection.send(Select("INBOX"))
    connection.receive_data(b"* 3 EXISTS\r\n" + tag + b" OK [READ-WRITE] done\r\n")
    connection.events_received()
    connection.data_to_send()
    return connection


def heard(connection: ClientConnection, data: bytes) -> list[ClientEvent]:
    """Return what the connection makes of these bytes."""
    connection.receive_data(data)
    return connection.events_received()


def test_greeting_tells_capabilities() -> None:
    """The first line is the greeting; capabilities in it count, whatever their case."""
    connection = ClientConnection()
    assert connection.capabilities is None
    (event,) = heard(connection, b"* OK [CAPABILITY IMAP4rev1 idle] hello\r\n")
    assert isinstance(event, Greeting)
    assert event.response.text == b"hello"
    assert connection.has("IDLE") and connection.has("Imap4Rev1") and not connection.has("MOVE")
    assert connection.state is State.NOT_AUTHENTICATED


def test_what_the_second_revision_includes() -> None:
    """Who speaks IMAP4rev2 need not name what it includes; beside IMAP4rev1 it is not (RFC 9051 appendix E)."""
    connection = greeted(b"* OK [CAPABILITY IMAP4rev2] ready\r\n")
    assert connection.has("IDLE") and connection.has("Move") and not connection.has("NOTIFY")
    assert not greeted(b"* OK [CAPABILITY IMAP4rev1 IMAP4rev2] ready\r\n").has("MOVE")


def test_preauth_is_logged_in() -> None:
    """RFC 9051 §7.1.4: PREAUTH greets somebody who is authenticated."""
    assert greeted(b"* PREAUTH welcome\r\n").state is State.AUTHENTICATED


@pytest.mark.parametrize("line", [b"* NO go away\r\n", b"* 3 EXISTS\r\n"])
def test_what_is_no_greeting_is_fatal(line: bytes) -> None:
    """A server that begins with anything else is no IMAP server."""
    assert heard(ClientConnection(), line) == [ProtocolViolation("the server did not greet", True)]


def test_bye_ends() -> None:
    """After BYE nothing may be sent (RFC 9051 §7.1.5)."""
    connection = selected()
    (event,) = heard(connection, b"* BYE Autologout; idle for too long\r\n")
    assert isinstance(event, UntaggedReceived)
    assert connection.state is State.LOGOUT
    with pytest.raises(ValueError, match="not legal"):
        connection.send(NOOP)


def test_states_follow_what_was_answered() -> None:
    """Login, select, and a select that fails, which deselects (RFC 9051 §6.3.2)."""
    connection = greeted()
    with pytest.raises(ValueError, match="Select is not legal when not authenticated"):
        connection.send(Select("INBOX"))
    tag = connection.send(Login(b"u", b"p"))
    assert connection.state is State.NOT_AUTHENTICATED
    (done,) = heard(connection, tag + b" OK in\r\n")
    assert isinstance(done, Completed) and done.ok and done.command == Login(b"u", b"p")
    assert connection.state is State.AUTHENTICATED
    tag = connection.send(Select("INBOX"))
    heard(connection, b"* 7 EXISTS\r\n" + tag + b" OK done\r\n")
    assert (connection.state, connection.messages) == (State.SELECTED, 7)
    tag = connection.send(Select("None"))
    (done,) = heard(connection, tag + b" NO [NONEXISTENT] no\r\n")
    assert isinstance(done, Completed) and not done.ok
    assert (connection.state, connection.messages) == (State.AUTHENTICATED, None)


def test_capabilities_from_before_the_login_do_not_count_after_it() -> None:
    """Fault F39: unless they are told with the login, by a code or by an untagged response, they are unknown."""
    connection = greeted()
    heard(connection, connection.send(Login(b"u", b"p")) + b" OK in\r\n")
    assert connection.capabilities is None and not connection.has("IMAP4rev1")
    for told in (b"* CAPABILITY IMAP4rev1 IDLE\r\n%s OK in\r\n", b"%s OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"):
        connection = greeted()
        heard(connection, told % connection.send(Login(b"u", b"p")))
        assert connection.has("IDLE") and not connection.has("LITERAL+")


def test_refused_login_keeps_what_is_known() -> None:
    """After NO the state is the old one, and so are the capabilities."""
    connection = greeted()
    heard(connection, connection.send(Login(b"u", b"p")) + b" NO no\r\n")
    assert connection.has("LITERAL+") and connection.state is State.NOT_AUTHENTICATED


def test_untagged_comes_at_any_time_in_order() -> None:
    """Faults F10, F11, F26: before `+`, with it in one segment, between DONE and OK; nothing is lost or reordered."""
    connection = selected()
    tag = connection.send(IDLE)
    assert heard(connection, b"* 9 EXISTS\r\n+ idling\r\n* 10 EXISTS\r\n") == [
        UntaggedReceived(Exists(9)),
        ContinuationReceived(b"idling"),
        UntaggedReceived(Exists(10)),
    ]
    connection.done()
    assert connection.data_to_send() == tag + b" IDLE\r\nDONE\r\n"
    events = heard(connection, b"* 11 EXISTS\r\n" + tag + b" OK idled\r\n* 12 EXISTS\r\n")
    assert events == [
        UntaggedReceived(Exists(11)),
        Completed(tag, IDLE, Condition.OK, None, b"idled"),
        UntaggedReceived(Exists(12)),
    ]
    assert connection.messages == 12


def test_a_line_in_two_segments_and_a_literal() -> None:
    """Faults F07, F16: half a line waits; a literal in an unsolicited response is part of it."""
    connection = selected()
    assert heard(connection, b"* 4 EXI") == []
    assert heard(connection, b"STS\r\n* 2 FETCH (FLAGS () X-GM-LABELS ({5}\r\nhel") == [UntaggedReceived(Exists(4))]
    (fetched, exists) = heard(connection, b"lo))\r\n* 5 EXISTS\r\n")
    assert isinstance(fetched, UntaggedReceived) and isinstance(fetched.response, Fetched)
    assert fetched.response.seq == SeqNum(2) and FlagsItem(()) in fetched.response.items
    assert exists == UntaggedReceived(Exists(5))


def test_expunges_are_counted() -> None:
    """The count follows EXPUNGE, and never goes below zero."""
    connection = selected()
    heard(connection, b"* 1 EXPUNGE\r\n" * 5)
    assert connection.messages == 0


def test_a_second_plus_while_idling_is_only_told() -> None:
    """Fault F13: `+` as keep-alive."""
    connection = selected()
    connection.send(IDLE)
    assert heard(connection, b"+ idling\r\n+ idling\r\n") == [ContinuationReceived(b"idling")] * 2


def test_answers_may_come_in_any_order() -> None:
    """The tag says which command ended, and the event carries that very command (RFC 9051 §5.5)."""
    connection = selected()
    first, second = Simple(Keyword.NOOP), Simple(Keyword.CHECK)
    a, b = connection.send(first), connection.send(second)
    assert connection.data_to_send() == a + b" NOOP\r\n" + b + b" CHECK\r\n"
    events = heard(connection, b + b" OK 2\r\n" + a + b" OK 1\r\n")
    assert [event.command for event in events if isinstance(event, Completed)] == [second, first]


def test_an_answer_to_nothing_is_a_violation() -> None:
    """A tag that was never sent, or was answered before."""
    connection = selected()
    tag = connection.send(NOOP)
    events = heard(connection, tag + b" OK\r\n" + tag + b" OK\r\n* 9 EXISTS\r\n")
    assert [type(event) for event in events] == [Completed, ProtocolViolation, UntaggedReceived]


def test_literals_wait_for_plus() -> None:
    """RFC 9051 §4.3: each synchronizing literal waits for its own `+`, and what follows waits behind it."""
    connection = greeted(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
    login = connection.send(Login(b'us"er\xff', b"pass\xff"))
    noop = connection.send(NOOP)
    assert connection.data_to_send() == login + b" LOGIN {6}\r\n"
    assert heard(connection, b"+ go on\r\n") == []
    assert connection.data_to_send() == b'us"er\xff {5}\r\n'
    assert heard(connection, b"+ go on\r\n") == []
    assert connection.data_to_send() == b"pass\xff\r\n" + noop + b" NOOP\r\n"


def test_literal_plus_does_not_wait() -> None:
    """RFC 7888."""
    connection = greeted()
    tag = connection.send(Login(b"u\xff", b"p"))
    assert connection.data_to_send().startswith(tag + b" LOGIN {2+}\r\nu\xff ")


def test_a_command_refused_before_its_literal_lets_the_next_one_go() -> None:
    """The rest of a refused command is not sent; two commands with literals behind it wait for their own `+`."""
    connection = greeted(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
    first = connection.send(Login(b"a\xff", b"p"))
    second = connection.send(Login(b"b\xff", b"p"))
    assert connection.data_to_send() == first + b" LOGIN {2}\r\n"
    heard(connection, first + b" BAD too large\r\n")
    assert connection.data_to_send() == second + b" LOGIN {2}\r\n"
    heard(connection, b"+ \r\n")
    assert connection.data_to_send().startswith(b"b\xff ")


def test_authenticate_exchange() -> None:
    """`+` belongs to AUTHENTICATE; answers are base64, `*` cancels (RFC 9051 §6.2.2)."""
    connection = greeted()
    tag = connection.send(Authenticate("PLAIN"))
    assert heard(connection, b"+ \r\n") == [ContinuationReceived(b"")]
    connection.respond(b"\0u\0p")
    connection.respond(None)
    assert connection.data_to_send() == tag + b" AUTHENTICATE PLAIN\r\nAHUAcA==\r\n*\r\n"


def test_what_came_before_tls_is_forgotten() -> None:
    """Fault F91: bytes behind the OK of STARTTLS, and capabilities told before it, do not survive."""
    connection = greeted()
    tag = connection.send(Simple(Keyword.STARTTLS))
    (done,) = heard(connection, tag + b" OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\nm2 OK injec")
    assert isinstance(done, Completed) and done.ok
    assert connection.capabilities is None
    tag = connection.send(Simple(Keyword.CAPABILITY))
    (told, _) = heard(connection, b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK\r\n")
    assert told == UntaggedReceived(Capabilities(("IMAP4rev1",)))


def test_what_makes_no_sense_is_skipped() -> None:
    """One response that does not parse is told, and the next one is read."""
    violation, exists = heard(selected(), b"\xff\xfe garbage\r\n* 8 EXISTS\r\n")
    assert isinstance(violation, ProtocolViolation) and not violation.fatal
    assert exists == UntaggedReceived(Exists(8))


def test_a_line_too_long_is_a_violation() -> None:
    """Nothing is buffered beyond the limits."""
    connection = ClientConnection(FramingLimits(line=100, literal=100, frame=200, stream=0, skip=1000))
    connection.receive_data(b"* OK hi\r\n* OK " + b"x" * 500 + b"\r\n* 1 EXISTS\r\n")
    kinds = [type(event) for event in connection.events_received()]
    assert kinds == [Greeting, ProtocolViolation, UntaggedReceived]


def test_raw_octets_in_text_do_no_harm() -> None:
    """Fault F19."""
    (event,) = heard(selected(), b"* OK [UIDNEXT 9] caf\xe9 \xff\r\n")
    assert event == UntaggedReceived(StatusResponse(Condition.OK, NumberCode("UIDNEXT", 9), b"caf\xe9 \xff"))


def test_a_thousand_lines_in_one_segment() -> None:
    """Fault F18: a burst is a loop, not a recursion."""
    events = heard(selected(), b"* 1 EXPUNGE\r\n" * 20_000 + b"* 1 EXISTS\r\n")
    assert len(events) == 20_001


def test_eof_is_told_once() -> None:
    """Half a line at the end is dropped."""
    connection = selected()
    connection.receive_data(b"* 9 EXI")
    connection.receive_eof()
    assert connection.events_received() == [Eof()]
    connection.receive_data(b"STS\r\n")
    assert connection.events_received() == []


def test_commands_in_flight_are_limited() -> None:
    """Nobody waits for more answers than that."""
    connection = selected()
    for _ in range(MAX_IN_FLIGHT):
        connection.send(NOOP)
    with pytest.raises(ValueError, match="in flight"):
        connection.send(NOOP)


def test_what_cannot_be_written_is_not_sent() -> None:
    """Fault F90: the server sees nothing of it, and the connection can be used."""
    connection = selected()
    with pytest.raises(Unwritable):
        connection.send(Store(UIDSet.of([1]), StoreMode.ADD, ("a b\r\n",)))
    assert connection.data_to_send() == b""
    connection.send(NOOP)
    assert connection.data_to_send().endswith(b" NOOP\r\n")


def test_vanished_counts_like_expunge_unless_it_was_earlier() -> None:
    """RFC 7162 §3.2.10: only what goes now changes the number of messages."""
    connection = selected()
    heard(connection, b"* VANISHED (EARLIER) 7:9000\r\n")
    assert connection.messages == 3
    heard(connection, b"* VANISHED 3,5\r\n")
    assert connection.messages == 1
    heard(connection, b"* VANISHED 1:4294967295\r\n")
    assert connection.messages == 0


def test_qresync_has_to_be_enabled_and_confirmed() -> None:
    """RFC 7162 §3.2.3: a server that does not say ENABLED QRESYNC answers BAD, so nothing is sent (fault F51)."""
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev1 QRESYNC] ready\r\n")
    resync = Select("INBOX", resync=Resync(UIDValidity(1), ModSeq(1)))
    with pytest.raises(ValueError, match="QRESYNC"):
        connection.send(resync)
    tag = connection.send(Enable(("QRESYNC",)))
    heard(connection, b"* ENABLED X-OTHER\r\n" + tag + b" OK done\r\n")
    with pytest.raises(ValueError, match="QRESYNC"):
        connection.send(resync)
    heard(connection, b"* ENABLED qresync\r\n")
    assert connection.enabled == {"X-OTHER", "QRESYNC"}
    connection.data_to_send()
    connection.send(resync)
    assert connection.data_to_send() == b"m2 SELECT INBOX (QRESYNC (1 1))\r\n"
    heard(connection, b"m2 OK done\r\n")
    connection.send(Fetch(UIDSet(((1, 2),)), (Attribute.FLAGS,), ModSeq(3), True))
    assert connection.data_to_send() == b"m3 UID FETCH 1:2 (FLAGS) (CHANGEDSINCE 3 VANISHED)\r\n"


def test_names_are_utf8_once_the_server_has_enabled_it() -> None:
    """RFC 9051 appendix A: before ENABLED they are modified UTF-7, both ways."""
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev1 IMAP4rev2] ready\r\n")
    connection.send(Create("Entwürfe"))
    assert b"Entw&APw-rfe" in connection.data_to_send()
    tag = connection.send(Enable(("IMAP4rev2",)))
    connection.data_to_send()
    heard(connection, b"* ENABLED IMAP4rev2\r\n" + tag + b" OK done\r\n")
    connection.send(Create("Entwürfe & mehr"))
    assert '"Entwürfe & mehr"'.encode() in connection.data_to_send()
    told = heard(connection, '* LIST () "/" "Entwürfe & mehr" ("OLDNAME" ("R&D"))\r\n'.encode())
    assert told == [UntaggedReceived(ListResponse((), "/", "Entwürfe & mehr", old_name="R&D"))]
    told = heard(connection, b'* ESEARCH (TAG "x")\r\n')
    assert told == [UntaggedReceived(ESearchResponse(b"x"))]


def test_a_name_that_enable_gives_another_form_waits_for_its_answer() -> None:
    """The server may read it before or after it has switched."""
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev1 IMAP4rev2] ready\r\n")
    tag = connection.send(Enable(("UTF8=ACCEPT",)))
    connection.send(Select("Plain"))
    for name in ("R&D", "Entwürfe"):
        with pytest.raises(ValueError, match="wait for it"):
            connection.send(Select(name))
    heard(connection, b"* ENABLED\r\n" + tag + b" OK none\r\n")
    connection.data_to_send()
    connection.send(Select("R&D"))
    assert b"R&-D" in connection.data_to_send()


def test_a_server_that_knows_nothing_older_speaks_rev2_from_the_start() -> None:
    """RFC 9051 appendix A: only where both are offered has one to be enabled."""
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev2] ready\r\n")
    connection.send(Select("R&D"))
    assert b"R&D" in connection.data_to_send()
    heard(connection, b"* CAPABILITY IMAP4rev1 IMAP4rev2\r\n")
    connection.send(Select("R&D"))
    assert b"R&-D" in connection.data_to_send()


def test_what_was_enabled_ends_with_the_login() -> None:
    """RFC 8437 §3."""
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev1 IMAP4rev2 UNAUTHENTICATE] ready\r\n")
    connection.send(Enable(("IMAP4rev2",)))
    heard(connection, b"* ENABLED IMAP4rev2\r\nm1 OK done\r\n")
    connection.send(Simple(Keyword.UNAUTHENTICATE))
    heard(connection, b"m2 OK done\r\n")
    assert connection.enabled == frozenset()
    assert not connection.dialect.utf8


def test_notify_is_sent_and_what_it_tells_are_events() -> None:
    """RFC 5465 §3.1, §5: between commands as well; an overflow ends it, and so does NOTIFY NONE."""
    both = Events(frozenset((NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE)))
    command = Notify((EventGroup(Watched.MAILBOXES, ("Lists/Lemonade", "misc"), both),), status=True)
    connection = greeted(b"* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ NOTIFY] ready\r\n")
    connection.send(command)
    sent = b"m1 NOTIFY SET STATUS (mailboxes (Lists/Lemonade misc) (MessageNew MessageExpunge))\r\n"
    assert connection.data_to_send() == sent
    assert connection.notify is None
    heard(connection, b"m1 OK done\r\n")
    assert connection.notify == command
    told = heard(connection, b"* STATUS Lists/Lemonade (UIDNEXT 10002 MESSAGES 503)\r\n")
    counts = ((StatusItem.UIDNEXT, 10002), (StatusItem.MESSAGES, 503))
    assert told == [UntaggedReceived(StatusItems("Lists/Lemonade", counts))]
    told = heard(connection, b'* LIST (\\NonExistent) "/" misc\r\n* METADATA "" /shared/comment\r\n')
    assert told == [
        UntaggedReceived(ListResponse(("\\NonExistent",), "/", "misc")),
        UntaggedReceived(Metadata("", changed=("/shared/comment",))),
    ]
    (overflow,) = heard(connection, b"* OK [NOTIFICATIONOVERFLOW] ...A comment can go here...\r\n")
    assert isinstance(overflow, UntaggedReceived) and connection.notify is None
    connection.send(Notify(None))
    heard(connection, b"m2 OK done\r\n")
    assert connection.notify == Notify(None)
