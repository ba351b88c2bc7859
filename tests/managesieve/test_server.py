"""managesieve/server.py: dialogues with one client."""

import pytest
from tests.kit.managesieve import Reader, literal
from tests.kit.sievepeer import CAPABILITIES, Peer

from mailhorn.managesieve.commands import Authenticate, GetScript, PutScript, SetActive, Word
from mailhorn.managesieve.events import Cancelled, CommandReceived, Refused, Responded
from mailhorn.managesieve.limits import MAX_AUTH_EXCHANGES, MAX_BAD_COMMANDS, MAX_PENDING, MAX_SCRIPT
from mailhorn.managesieve.responses import DONE, Code, Condition, Response
from mailhorn.managesieve.server import ServerConnection, State

WITH_LOGIN = [
    b'HAVESPACE "a" 1\r\n',
    b'PUTSCRIPT "a" "keep;"\r\n',
    b"LISTSCRIPTS\r\n",
    b'SETACTIVE "a"\r\n',
    b'GETSCRIPT "a"\r\n',
    b'DELETESCRIPT "a"\r\n',
    b'RENAMESCRIPT "a" "b"\r\n',
    b'CHECKSCRIPT "keep;"\r\n',
    b"UNAUTHENTICATE\r\n",
]


def conditions(said: bytes) -> list[str]:
    """Return condition and code of each answer."""
    reader = Reader(lambda: b"")
    reader.buffer = said
    found = []
    while reader.buffer:
        found.append(reader.answer(challenge=False).short)
    return found


def test_it_greets_with_its_capabilities() -> None:
    """§1.7."""
    assert (
        Peer().greeting
        == b'"IMPLEMENTATION" "peer"\r\n"SASL" "PLAIN"\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK "hello"\r\n'
    )


@pytest.mark.parametrize("command", WITH_LOGIN)
def test_scripts_are_for_who_has_logged_in(command: bytes) -> None:
    """§2: servers MUST reject all other commands with a NO response."""
    peer = Peer()
    assert peer.send(command) == b'NO "Log in first"\r\n'
    assert not [event for event in peer.events if isinstance(event, CommandReceived)]
    peer.log_in()
    assert conditions(peer.send(command)) == ["OK"]


@pytest.mark.parametrize("command", [b'AUTHENTICATE "PLAIN"\r\n', b"STARTTLS\r\n"])
def test_nobody_logs_in_twice(command: bytes) -> None:
    """§2.1, §2.2; but for UNAUTHENTICATE (§2.14.1)."""
    peer = Peer().log_in()
    assert peer.send(command) == b'NO "Somebody has logged in already"\r\n'
    assert conditions(peer.send(b"UNAUTHENTICATE\r\n")) == ["OK"]
    assert peer.connection.state is State.NOT_AUTHENTICATED
    assert not peer.send(command).startswith(b"NO")


def test_some_commands_are_for_everybody() -> None:
    """Before and after the login."""
    peer = Peer()
    for _ in range(2):
        assert peer.send(b"NOOP\r\n") == b'OK "Nothing done"\r\n'
        assert peer.send(b'Noop "x y"\r\n') == b'OK (TAG "x y") "Nothing done"\r\n'
        assert conditions(peer.send(b"CAPABILITY\r\n")) == ["OK"]
        peer.log_in() if peer.connection.state is State.NOT_AUTHENTICATED else None
    assert peer.send(b"LOGOUT\r\nNOOP\r\n") == b'OK "Good-bye"\r\n'
    assert peer.connection.closed and not peer.connection.wants_data


def test_a_login_with_several_steps() -> None:
    """Challenges and answers are base64 in strings of either form (§2.1)."""
    peer = Peer()
    assert peer.send(b'AUTHENTICATE "X"\r\n') == b'""\r\n'
    assert peer.send(b'"bW9yZQ=="\r\n') == b'"bW9yZQ=="\r\n'
    assert peer.send(b"{8+}\r\nZmluYWw=\r\n") == b'OK (SASL "ZmluYWw=")\r\n'
    assert peer.events == [CommandReceived(Authenticate("X")), Responded(b"more"), Responded(b"final")]
    assert peer.connection.state is State.AUTHENTICATED


def test_answers_may_come_before_they_are_asked_for() -> None:
    """Some clients send user and password at once (sievelib's LOGIN)."""
    peer = Peer()
    said = peer.send(b'AUTHENTICATE "LOGIN"\r\n"bW9yZQ=="\r\n"AGEAYg=="\r\nLISTSCRIPTS\r\n')
    assert said == b'""\r\n"bW9yZQ=="\r\nOK\r\n"a" ACTIVE\r\n"b"\r\nOK\r\n'


@pytest.mark.parametrize(
    ("answer", "told"),
    [(b'"*"\r\n', "AUTHENTICATE is cancelled"), (b"NOOP\r\n", "Expected a string"), (b'"!"\r\n', "Expected base64")],
)
def test_a_login_can_be_given_up(answer: bytes, told: str) -> None:
    """By `*` as by what is no answer; then all is as before."""
    peer = Peer()
    peer.send(b'AUTHENTICATE "X"\r\n')
    said = peer.send(answer)
    assert said.startswith(b"NO ") and told.encode() in said
    assert Cancelled() in peer.events
    peer.log_in()


def test_a_login_does_not_go_on_forever() -> None:
    """However patient the session is."""
    peer = Peer()
    peer.send(b'AUTHENTICATE "X"\r\n')
    said = peer.send(*[b'"bW9yZQ=="\r\n'] * MAX_AUTH_EXCHANGES)
    assert said.endswith(b'NO "This takes too long"\r\n')
    assert peer.events[-1] == Cancelled()
    peer.log_in()


def test_wrong_is_no() -> None:
    """And one may try again."""
    peer = Peer()
    assert peer.send(b'AUTHENTICATE "PLAIN" "YQ=="\r\n') == b'NO "Wrong"\r\n'
    peer.log_in()


def test_tls_forgets_what_was_said_before() -> None:
    """What somebody put in behind STARTTLS is not obeyed as if it had come encrypted (§2.2)."""
    peer = Peer()
    said = peer.send(b'STARTTLS\r\nAUTHENTICATE "PLAIN" "AGEAYg=="\r\nNOOP\r\n')
    assert said == b'OK "Begin"\r\n"IMPLEMENTATION" "peer"\r\n"SASL" "PLAIN"\r\nOK "TLS negotiation successful."\r\n'
    assert peer.events == [CommandReceived(Word.STARTTLS)]
    assert peer.send(b"NOOP\r\n") == b'OK "Nothing done"\r\n'


def test_nothing_is_read_between_starttls_and_tls() -> None:
    """The bytes are not ours."""
    connection = ServerConnection()
    connection.greet(CAPABILITIES, "")
    connection.receive_data(b"STARTTLS\r\n")
    connection.answer(DONE)
    assert not connection.wants_data
    connection.receive_data(b"NOOP\r\n")
    assert [type(event) for event in connection.events_received()] == [CommandReceived]


def test_one_command_at_a_time() -> None:
    """What is pipelined waits for its turn, and there is an end to what is kept."""
    connection = ServerConnection()
    connection.receive_data(b"NOOP\r\n")
    assert connection.data_to_send() == b""
    connection.greet(CAPABILITIES, "")
    connection.data_to_send()
    connection.receive_data(b"CAPABILITY\r\nCAPABILITY\r\n")
    assert connection.events_received() == [CommandReceived(Word.CAPABILITY)]
    assert connection.awaits_answer and connection.wants_data
    connection.receive_data(b"x" * MAX_PENDING)
    assert not connection.wants_data
    connection.answer(DONE)
    assert connection.events_received() == [CommandReceived(Word.CAPABILITY)]


def test_a_script_that_is_too_large_is_refused_and_passed_over() -> None:
    """The connection lives; after one that is larger by far it does not."""
    peer = Peer().log_in()
    whole = peer.send(b'PUTSCRIPT "a" ' + literal("#" * MAX_SCRIPT) + b"\r\n")
    assert whole == b"OK\r\n"
    for command, answer in (
        (b'PUTSCRIPT "a" ', "NO (QUOTA/MAXSIZE)"),
        (b"putscript {1}\r\na ", "NO (QUOTA/MAXSIZE)"),
        (b"CHECKSCRIPT ", "NO"),
    ):
        assert conditions(peer.send(command + literal("#" * (MAX_SCRIPT + 1)) + b"\r\nNOOP\r\n")) == [answer, "OK"]
    assert conditions(peer.send(b"CHECKSCRIPT {100000000+}\r\n")) == ["BYE (QUOTA/MAXSIZE)"]
    assert peer.connection.closed


def test_strangers_may_send_less() -> None:
    """A script is for who has logged in, and after UNAUTHENTICATE nobody has."""
    peer = Peer()
    assert conditions(peer.send(b"CHECKSCRIPT " + literal("#" * 20_000) + b"\r\n")) == ["NO"]
    peer.log_in().send(b"UNAUTHENTICATE\r\n")
    assert conditions(peer.send(b"CHECKSCRIPT {100000+}\r\n")) == ["BYE (QUOTA/MAXSIZE)"]


def test_mistakes_have_an_end() -> None:
    """Another protocol is not spoken with for long."""
    peer = Peer()
    said = peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * MAX_BAD_COMMANDS)
    assert conditions(said) == ["NO"] * MAX_BAD_COMMANDS + ["BYE"]
    assert peer.connection.closed
    assert all(isinstance(event, Refused) for event in peer.events)


def test_empty_lines_are_nothing() -> None:
    """Some clients send one too many after a literal."""
    assert Peer().log_in().send(b'PUTSCRIPT "a" {5+}\r\nkeep;\r\n\r\nNOOP\r\n') == b'OK\r\nOK "Nothing done"\r\n'


def test_the_end_of_what_a_client_sends() -> None:
    """What was whole is obeyed, half a command is not."""
    peer = Peer().log_in()
    connection = peer.connection
    connection.receive_data(b'SETACTIVE "a"\r\nGETSCRIPT "a"\r\nDELETESCRIPT "')
    connection.receive_eof()
    assert not connection.closed
    peer.eof()
    assert connection.closed
    assert peer.events == [CommandReceived(SetActive(b"a")), CommandReceived(GetScript(b"a"))]


def test_bye_is_the_last_word() -> None:
    """Whatever is outstanding."""
    connection = ServerConnection()
    connection.greet(CAPABILITIES, "")
    connection.receive_data(b"CAPABILITY\r\n")
    connection.data_to_send()
    connection.bye("The server is shutting down", Code.TRYLATER)
    connection.answer(DONE)
    connection.challenge(b"")
    connection.bye("again")
    assert connection.data_to_send() == b'BYE (TRYLATER) "The server is shutting down"\r\n'
    assert connection.closed


def test_an_answer_that_is_not_due_is_a_mistake_of_ours() -> None:
    """And is not sent."""
    connection = ServerConnection()
    for wrong in (lambda: connection.answer(DONE), lambda: connection.challenge(b"")):
        with pytest.raises(ValueError):
            wrong()
    connection.greet(CAPABILITIES, "")
    connection.data_to_send()
    for wrong in (
        lambda: connection.answer(Response(Condition.NO)),
        lambda: connection.challenge(b""),
        lambda: connection.greet(CAPABILITIES, ""),
    ):
        with pytest.raises(ValueError):
            wrong()
    assert connection.data_to_send() == b""


def test_errors_of_a_script_are_one_string_of_lines() -> None:
    """§2.6: a multiline literal with more than one message."""
    peer = Peer().log_in()
    assert peer.send(b'PUTSCRIPT "a" "bad"\r\n') == b"NO {26}\r\nline 1: bad\r\nline 2: worse\r\n"
    assert peer.events == [CommandReceived(PutScript(b"a", b"bad"))]
