"""smtp/connection.py: dialogues with one client."""

import smtplib
import tracemalloc
from base64 import b64encode

import pytest
from tests.kit.smtp import OPTIONS, Peer

from mailhorn.smtp.address import Mailbox
from mailhorn.smtp.connection import Options, ServerConnection
from mailhorn.smtp.events import (
    AuthCancelled,
    AuthResponse,
    AuthStart,
    BodyKind,
    DataChunk,
    DataEnd,
    DataStart,
    Eof,
    Event,
    Greeted,
    MailFrom,
    Quit,
    RcptTo,
    Refused,
    Reset,
    StartTls,
)
from mailhorn.smtp.limits import MAX_BAD_COMMANDS, MAX_LINE, MAX_PENDING
from mailhorn.smtp.reply import Reply

LMTP = Options(hostname="mx.test", max_size=100_000, lmtp=True)
HELLO = b"EHLO client\r\n"
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"


def codes(output: bytes) -> list[int]:
    """Return the codes of the replies."""
    return [int(line[:3]) for line in output.splitlines() if line[3:4] != b"-"]


def greeted(options: Options = OPTIONS) -> Peer:
    """Return a peer that has said hello."""
    peer = Peer(options)
    peer.send(b"LHLO client\r\n" if options.lmtp else HELLO)
    return peer


def test_one_message() -> None:
    """The plain course of things (RFC 5321 appendix D.1)."""
    peer = Peer()
    assert peer.send() == b"220 mx.test ESMTP mailhorn\r\n"
    assert codes(peer.send(HELLO)) == [250]
    assert peer.send(b"MAIL FROM:<a@x> SIZE=30 BODY=8BITMIME\r\n") == b"250 2.1.0 Sender ok\r\n"
    assert peer.send(b"RCPT TO:<b@y>\r\n") == b"250 2.1.5 Recipient ok\r\n"
    assert codes(peer.send(b"DATA\r\n")) == [354]
    assert peer.send(MESSAGE + b".\r\n") == b"250 2.0.0 Message 1\r\n"
    assert codes(peer.send(b"QUIT\r\n")) == [221]
    assert peer.connection.closed
    assert peer.story == [
        Greeted("client", True),
        MailFrom(Mailbox("a", "x"), 30, BodyKind.EIGHT_BIT, False),
        RcptTo(Mailbox("b", "y")),
        DataStart(chunking=False),
        DataChunk(MESSAGE),
        DataEnd(),
        Quit(),
    ]


def test_ehlo_lists_what_there_is() -> None:
    """Extensions as EHLO shows them; smtplib understands them. HELO shows none."""
    options = Options("mx.test", 1000, tls_available=True, auth_mechanisms=("PLAIN", "LOGIN"))
    answer = Peer(options).send(HELLO).split(b"\r\n", 1)[1]
    client = smtplib.SMTP()
    client.ehlo_resp = b"\n".join(line[4:] for line in answer.splitlines())
    names = [line.decode() for line in client.ehlo_resp.splitlines()[1:]]
    assert names == ["PIPELINING", "SIZE 1000", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "STARTTLS",
                     "AUTH PLAIN LOGIN", "HELP"]  # fmt: skip
    assert b"AUTH" not in Peer().send(HELLO)
    assert b"STARTTLS" not in Peer().send(HELLO)
    assert Peer().send(b"HELO client\r\n").endswith(b"\r\n250 mx.test\r\n")


def test_everything_pipelined() -> None:
    """RFC 2920: a whole session in one packet, two messages, answers in order."""
    peer = Peer()
    answer = peer.send(
        HELLO + ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n" + ENVELOPE + b"DATA\r\n..\r\n.\r\n" + b"NOOP\r\nQUIT\r\nX"
    )
    assert codes(answer) == [220, 250, 250, 250, 354, 250, 250, 250, 354, 250, 250, 221]
    assert peer.messages == [MESSAGE, b".\r\n"]


def test_nothing_goes_on_while_an_answer_is_due() -> None:
    """What is pipelined behind an event waits for its answer, and the driver is told to stop reading."""
    connection = ServerConnection(OPTIONS)
    connection.receive_data(HELLO + ENVELOPE + b"DATA\r\n")
    assert [type(event) for event in connection.events_received()] == [Greeted, MailFrom]
    assert connection.awaits_answer
    connection.receive_data(b"x" * MAX_PENDING)
    assert connection.events_received() == []
    assert not connection.wants_data
    connection.reply(250, "2.1.0", "ok")
    assert [type(event) for event in connection.events_received()] == [RcptTo]
    connection.reply(250, "2.1.5", "ok")
    assert [type(event) for event in connection.events_received()] == [DataStart]
    connection.accept_data()
    assert [type(event) for event in connection.events_received()] == [DataChunk]
    assert connection.wants_data


def test_answers_must_fit() -> None:
    """A session that answers what was not asked is a bug of ours."""
    connection = ServerConnection(OPTIONS)
    for wrong in (
        lambda: connection.reply(250, "2.0.0", "ok"),
        lambda: connection.accept_data(),
        lambda: connection.reply_data([Reply(250, "2.0.0", "ok")]),
        lambda: connection.challenge(b""),
    ):
        with pytest.raises(ValueError):
            wrong()
    connection.receive_data(HELLO + ENVELOPE + b"DATA\r\n.\r\n")
    connection.reply(250, "2.1.0", "ok")
    connection.reply(250, "2.1.5", "ok")
    with pytest.raises(ValueError):
        connection.reply(250, "2.0.0", "ok")
    connection.accept_data()
    with pytest.raises(ValueError):
        connection.reply(250, "2.0.0", "ok")
    with pytest.raises(ValueError):
        connection.reply_data([])


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        (b"", b"MAIL FROM:<a@x>", 503),
        (b"", b"RCPT TO:<a@x>", 503),
        (b"", b"DATA", 503),
        (b"", b"AUTH PLAIN", 503),
        (HELLO, b"RCPT TO:<a@x>", 503),
        (HELLO, b"DATA", 503),
        (HELLO + b"MAIL FROM:<>\r\n", b"MAIL FROM:<>", 503),
        (HELLO + b"MAIL FROM:<>\r\n", b"DATA", 503),
        (HELLO + ENVELOPE, b"MAIL FROM:<>", 503),
        (HELLO + ENVELOPE + b"RSET\r\n", b"DATA", 503),
        (HELLO + ENVELOPE + HELLO, b"DATA", 503),
        (HELLO + ENVELOPE + b"BDAT 1\r\nx", b"DATA", 503),
        (HELLO + ENVELOPE + b"BDAT 1\r\nx", b"RCPT TO:<a@x>", 503),
        (HELLO, b"AUTH PLAIN", 502),
        (HELLO, b"STARTTLS", 502),
        (HELLO, b"LHLO x", 500),
        (HELLO, b"VRFY joe", 252),
        (HELLO, b"EXPN joe", 502),
        (HELLO, b"HELP", 214),
        (b"", b"NOOP", 250),
        (b"", b"RSET", 250),
        (HELLO, b"FROB", 500),
        (HELLO, b"MAIL FROM:<a@x> SIZE=100001", 552),
        (HELLO, b"MAIL FROM:<a@x> SIZE=100000", 250),
        (HELLO + b"MAIL FROM:<>\r\n", "RCPT TO:<ä@x>".encode(), 553),
        (HELLO + b"MAIL FROM:<> SMTPUTF8\r\n", "RCPT TO:<ä@x>".encode(), 250),
    ],
)
def test_order_of_commands(before: bytes, command: bytes, code: int) -> None:
    """What is legal when, and what is not offered."""
    peer = Peer()
    peer.send(before)
    assert codes(peer.send(command + b"\r\n")) == [code]
    assert not peer.connection.closed


def test_a_refused_sender_or_recipient_does_not_count() -> None:
    """The session decides; without an accepted recipient there is no message (RFC 5321 §3.3)."""

    def refuse(event: Event) -> Reply | None:
        return Reply(550, "5.7.1", "Not you") if event in (RcptTo(Mailbox("bad", "y")), bad_sender) else None

    bad_sender = MailFrom(Mailbox("bad", "x"), None, None, False)
    peer = Peer(refuse=refuse)
    peer.send(HELLO)
    assert codes(peer.send(b"MAIL FROM:<bad@x>\r\n" + ENVELOPE + b"RCPT TO:<bad@y>\r\nRSET\r\n")) == [
        550, 250, 250, 550, 250,
    ]  # fmt: skip
    assert codes(peer.send(b"MAIL FROM:<bad@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")) == [550, 503, 503]
    assert codes(peer.send(b"MAIL FROM:<>\r\nRCPT TO:<bad@y>\r\nDATA\r\n")) == [250, 550, 503]


def test_data_may_be_refused() -> None:
    """A refusal of DATA ends the transaction; what follows are commands again."""
    peer = Peer(refuse=lambda event: Reply(451, "4.3.0", "No space") if isinstance(event, DataStart) else None)
    peer.send(HELLO)
    assert codes(peer.send(ENVELOPE + b"DATA\r\nNOOP\r\n" + ENVELOPE)) == [250, 250, 451, 250, 250, 250]
    assert codes(peer.send(b"BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nRSET\r\n" + ENVELOPE)) == [
        451,
        503,
        250,
        250,
        250,
    ]


def test_too_many_recipients() -> None:
    """452 4.5.3 (RFC 5321 §4.5.3.1.10); the ones accepted stay."""
    peer = greeted(Options("mx.test", max_recipients=2))
    peer.send(b"MAIL FROM:<>\r\n")
    assert codes(peer.send(b"RCPT TO:<b@y>\r\n" * 3)) == [250, 250, 452]
    assert codes(peer.send(b"DATA\r\nx\r\n.\r\n")) == [354, 250]


def test_a_message_with_bare_line_ends_is_refused_at_its_true_end() -> None:
    """SMTP smuggling: nothing is delivered, nothing inside is a command, what was staged is to be dropped."""
    peer = greeted()
    evil = b"one\r\n\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<b@y>\r\nDATA\r\ntwo\r\n.\r\n"
    assert codes(peer.send(ENVELOPE + b"DATA\r\n" + evil + ENVELOPE)) == [250, 250, 354, 554, 250, 250]
    assert peer.messages == []
    assert [type(event) for event in peer.story] == [
        Greeted, MailFrom, RcptTo, DataStart, DataChunk, Refused, Reset, MailFrom, RcptTo,
    ]  # fmt: skip
    assert codes(peer.send(b"DATA\r\nfine\r\n.\r\n")) == [354, 250]
    assert peer.messages == [b"fine\r\n"]


def test_too_big_a_message_is_refused_at_its_end() -> None:
    """552 5.3.4 (RFC 1870 §6.3), and the session sees no more than the maximum."""
    peer = greeted(Options("mx.test", max_size=1_000))
    answer = peer.send(ENVELOPE + b"DATA\r\n", *[b"x" * 998 + b"\r\n"] * 50, b".\r\n", b"NOOP\r\n")
    assert codes(answer) == [250, 250, 354, 552, 250]
    assert sum(len(event.data) for event in peer.events if isinstance(event, DataChunk)) <= 1_000
    assert peer.messages == []


def test_bdat() -> None:
    """RFC 3030 §4.1: chunks, each answered, the last one as a message is."""
    peer = greeted()
    assert codes(peer.send(ENVELOPE + b"BDAT 5\r\nab\r\n.BDAT 4\r\n\r\ncdBDAT 2 LAST\r\n\r\nNOOP\r\n")) == [
        250, 250, 250, 250, 250, 250,
    ]  # fmt: skip
    assert peer.messages == [b"ab\r\n.\r\ncd\r\n"]
    assert codes(peer.send(ENVELOPE + b"BDAT 0 LAST\r\n")) == [250, 250, 250]
    assert peer.messages[1:] == [b""]


def test_bdat_out_of_order_is_passed_over() -> None:
    """The octets of a chunk are never commands, whatever the answer."""
    peer = greeted()
    assert codes(peer.send(b"BDAT 6 LAST\r\nRSET\r\nNOOP\r\n")) == [503, 250]
    assert codes(peer.send(b"BDAT 0\r\nBDAT 0 LAST\r\nNOOP\r\n")) == [503, 503, 250]
    assert codes(peer.send(b"MAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")) == [250, 503, 250]


def test_a_bad_chunk_spoils_the_message() -> None:
    """The chunk is refused, those pipelined behind it too, until RSET (RFC 3030 §4.2)."""
    peer = greeted()
    assert codes(peer.send(ENVELOPE + b"BDAT 8\r\na\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nDATA\r\nRSET\r\n")) == [
        250, 250, 554, 503, 503, 250,
    ]  # fmt: skip
    assert codes(peer.send(ENVELOPE + b"BDAT 1 LAST\r\nx")) == [250, 250, 250]
    assert peer.messages == [b"x"]
    assert codes(peer.send(ENVELOPE + b"BDAT 100001 LAST\r\n" + b"x" * 100_001 + b"NOOP\r\n")) == [250, 250, 552, 250]
    assert codes(peer.send(b"BDAT 0 LAST\r\nRSET\r\n" + ENVELOPE)) == [503, 250, 250, 250]


def test_a_malformed_bdat_ends_the_connection() -> None:
    """Nobody knows how much of what follows is message."""
    peer = greeted()
    assert codes(peer.send(ENVELOPE + b"BDAT x\r\nMAIL FROM:<evil@x>\r\n")) == [250, 250, 501, 421]
    assert peer.connection.closed


def test_lmtp_answers_for_each_recipient() -> None:
    """RFC 2033 §4.2, also when the core itself refuses."""
    peer = Peer(LMTP, refuse=lambda event: Reply(550, "5.1.1", "No") if event == RcptTo(Mailbox("no", "y")) else None)
    peer.send(b"LHLO client\r\n")
    rcpt = b"MAIL FROM:<>\r\nRCPT TO:<a@y>\r\nRCPT TO:<no@y>\r\nRCPT TO:<a@y>\r\n"
    assert codes(peer.send(rcpt + b"DATA\r\nx\r\n.\r\n")) == [250, 250, 550, 250, 354, 250, 250]
    assert codes(peer.send(rcpt + b"DATA\r\nx\n\r\n.\r\n")) == [250, 250, 550, 250, 354, 554, 554]
    assert codes(peer.send(rcpt + b"BDAT 1\r\nxBDAT 1 LAST\r\ny")) == [250, 250, 550, 250, 250, 250, 250]
    assert codes(peer.send(rcpt + b"BDAT 2 LAST\r\n\ny")) == [250, 250, 550, 250, 554, 554]
    assert codes(peer.send(b"RSET\r\nMAIL FROM:<>\r\nDATA\r\n")) == [250, 250, 503]
    assert codes(peer.send(b"BDAT 1 LAST\r\nxNOOP\r\n")) == [250]


def test_lmtp_knows_no_ehlo() -> None:
    """RFC 2033 §4.1: 500 is recommended."""
    peer = Peer(LMTP)
    assert codes(peer.send(b"EHLO x\r\nHELO x\r\nLHLO x\r\n")) == [220, 500, 500, 250]
    assert b"LMTP" in peer.output


def test_reset_is_told_only_within_a_transaction() -> None:
    """RSET, or hello again (RFC 5321 §4.1.1.1, §4.1.1.5)."""
    peer = greeted()
    peer.send(b"RSET\r\n")
    assert Reset() not in peer.events
    peer.send(b"MAIL FROM:<>\r\nRSET\r\n")
    assert peer.events[-1] == Reset()
    peer.send(b"MAIL FROM:<>\r\n" + HELLO)
    assert peer.events[-2:] == [Reset(), Greeted("client", True)]


def test_starttls_forgets_everything() -> None:
    """RFC 3207 §4.2, and nothing injected before the handshake survives it."""
    options = Options("mx.test", tls_available=True, tls_auth_mechanisms=("PLAIN",))
    connection = ServerConnection(options)
    connection.receive_data(HELLO + b"STARTTLS\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<b@y>\r\n")
    assert connection.events_received()[-1] == StartTls()
    assert not connection.wants_data
    assert connection.data_to_send().endswith(b"220 2.0.0 Ready to start TLS\r\n")
    connection.receive_data(b"RSET\r\n")
    connection.tls_started()
    assert connection.tls and connection.wants_data
    assert connection.events_received() == [] and connection.data_to_send() == b""
    connection.receive_data(b"MAIL FROM:<a@x>\r\n")
    assert connection.data_to_send().startswith(b"503")
    connection.receive_data(HELLO)
    answer = connection.data_to_send()
    assert b"STARTTLS" not in answer and b"AUTH PLAIN" in answer
    connection.receive_data(b"STARTTLS\r\n")
    assert connection.data_to_send().startswith(b"503")


def test_auth() -> None:
    """RFC 4954 §4: with and without an initial response, once only."""
    options = Options("mx.test", auth_mechanisms=("PLAIN",))
    good = b64encode(b"\0user\0secret")
    peer = greeted(options)
    assert codes(peer.send(b"AUTH CRAM-MD5\r\n")) == [504]
    assert codes(peer.send(b"AUTH PLAIN AAAA\r\n")) == [535]
    assert peer.send(b"AUTH plain\r\n") == b"334 Z28gb24=\r\n"
    assert codes(peer.send(good + b"\r\n")) == [235]
    assert peer.connection.authenticated
    assert codes(peer.send(b"AUTH PLAIN " + good + b"\r\n")) == [503]
    assert b"AUTH" not in peer.send(HELLO)
    assert codes(peer.send(b"MAIL FROM:<>\r\nAUTH PLAIN\r\n")) == [250, 503]
    assert AuthStart("PLAIN", None) in peer.events and AuthResponse(b"\0user\0secret") in peer.events


@pytest.mark.parametrize("line", [b"*", b"!!!", b"x" * (MAX_LINE + 1), b"BDAT!"])
def test_auth_cancelled(line: bytes) -> None:
    """`*`, or what is no base64 (RFC 4954 §4)."""
    peer = greeted(Options("mx.test", auth_mechanisms=("PLAIN",)))
    assert codes(peer.send(b"AUTH PLAIN\r\n" + line + b"\r\nNOOP\r\n"))[1] in (500, 501)
    assert codes(peer.output)[2] == 250
    assert AuthCancelled() in peer.events


def test_endless_auth() -> None:
    """A client that never comes to an end is stopped."""
    connection = ServerConnection(Options("mx.test", auth_mechanisms=("PLAIN",)))
    connection.receive_data(HELLO + b"AUTH PLAIN\r\n")
    for _ in range(20):
        if not connection.awaits_answer:
            break
        connection.challenge(b"more")
        connection.receive_data(b"AAAA\r\n")
    assert b"535" in connection.data_to_send()


def test_lines_end_with_crlf() -> None:
    """A bare LF gets an answer, not obedience (RFC 5321 §2.3.8)."""
    assert codes(Peer().send(b"EHLO x\nNOOP\r\n")) == [220, 500, 250]


def test_long_lines_take_no_memory() -> None:
    """10 MB without a line end: one answer at the end, memory flat, then on as if nothing happened."""
    peer = greeted()
    piece = b"x" * 65_536
    tracemalloc.start()
    for _ in range(160):
        peer.send(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert codes(peer.send(b"\r\nNOOP\r\n")) == [500, 250]
    assert codes(peer.send(b"NOOP " + b"x" * (MAX_LINE - 6) + b"\r\n")) == [250]
    assert codes(peer.send(b"NOOP " + b"x" * (MAX_LINE - 5) + b"\r\n" + b"NOOP\r\n")) == [500, 250]


@pytest.mark.parametrize("size", [MAX_LINE, MAX_LINE // 3, 65_536])
@pytest.mark.parametrize("begin", [b"BDAT 5 ", b" " * MAX_LINE + b"bd"])
def test_a_line_that_is_too_long_is_a_bdat_however_it_is_cut(begin: bytes, size: int) -> None:
    """What follows may be its chunk: it must not be obeyed because the beginning was read before the end."""
    line = begin + b"at" * MAX_LINE + b"\r\n"
    chunks = [line[at : at + size] for at in range(0, len(line), size)]
    assert codes(greeted().send(*chunks, b"QUIT\r\n")) == [500, 421]


def test_too_many_bad_commands() -> None:
    """421 after so many; commands that only come at a wrong time do not count."""
    peer = greeted()
    assert set(codes(peer.send(b"RCPT TO:<a@x>\r\n" * 100))) == {503}
    answer = codes(peer.send(b"FROB\r\n" * 100))
    assert answer == [500] * MAX_BAD_COMMANDS + [421]
    assert peer.connection.closed
    assert peer.send(b"NOOP\r\n") == b""


def test_a_browser_is_sent_away_at_once() -> None:
    """A form posted to our port cannot carry commands in its body."""
    peer = Peer()
    assert codes(peer.send(b"POST / HTTP/1.1\r\nHost: mx\r\n\r\n" + HELLO + ENVELOPE)) == [220, 421]
    assert not any(isinstance(event, MailFrom) for event in peer.events)


def test_shut_down() -> None:
    """421 at any time, but a whole message gets its own answer first."""
    peer = greeted()
    peer.send(ENVELOPE + b"DATA\r\nhalf")
    peer.connection.shut_down()
    assert peer.connection.data_to_send() == b"421 4.3.2 Shutting down, try again later\r\n"
    assert peer.connection.closed
    connection = ServerConnection(OPTIONS)
    connection.receive_data(HELLO + ENVELOPE + b"DATA\r\nx\r\n.\r\n" + ENVELOPE)
    connection.reply(250, "2.1.0", "ok")
    connection.reply(250, "2.1.5", "ok")
    connection.accept_data()
    connection.shut_down("4.7.0", "Enough")
    assert not connection.closed
    connection.reply_data([Reply(250, "2.0.0", "ok")])
    assert connection.data_to_send().endswith(b"250 2.0.0 ok\r\n421 4.7.0 Enough\r\n")
    assert connection.closed
    connection.reply(250, "2.1.0", "too late")
    connection.reply_data([])
    connection.accept_data()
    connection.challenge(b"")
    connection.shut_down()
    assert connection.data_to_send() == b""


def test_eof() -> None:
    """What was said before the end is obeyed; half a message or line is not."""
    peer = greeted()
    peer.send(ENVELOPE + b"DATA\r\nhalf\r\n.\r")
    peer.eof()
    assert peer.events[-1] == Eof() and peer.connection.closed and not peer.connection.wants_data
    connection = ServerConnection(OPTIONS)
    connection.receive_data(HELLO + b"MAIL FROM:<>\r\nNOOP\r\nNOO")
    connection.receive_eof()
    assert connection.events_received() == [Greeted("client", True), MailFrom(None, None, None, False)]
    connection.reply(250, "2.1.0", "ok")
    assert connection.events_received() == [Eof()]
    assert codes(connection.data_to_send())[-2:] == [250, 250]


@pytest.mark.parametrize("said", [0, 1, 2, 3])
def test_eof_while_an_answer_is_due(said: int) -> None:
    """It is still given, and then nothing more happens: of each answer of a transaction."""
    connection = ServerConnection(OPTIONS)
    connection.receive_data(HELLO)
    lines = [b"MAIL FROM:<a@x>\r\n", b"RCPT TO:<b@y>\r\n", b"DATA\r\n", MESSAGE + b".\r\n"]
    answers = [
        lambda: connection.reply(250, "2.1.0", "ok"),
        lambda: connection.reply(250, "2.1.5", "ok"),
        connection.accept_data,
        lambda: connection.reply_data([Reply(250, "2.0.0", "ok")]),
    ]
    for line, answer in zip(lines[:said], answers[:said], strict=True):
        connection.receive_data(line)
        answer()
    connection.receive_data(lines[said])
    connection.receive_eof()
    connection.events_received()
    connection.data_to_send()
    assert not connection.closed
    answers[said]()
    assert connection.events_received() == [Eof()] and connection.closed
    assert codes(connection.data_to_send()) == [354 if said == 2 else 250]
