"""One connection of a client to us: SMTP (RFC 5321) or LMTP (RFC 2033), in four verbs and some answers.

Rule 1: an event that needs an answer stops everything behind it, so `reply` always belongs to one command.
Rule 2: this file keeps the order of commands (`_LEGAL`), the session decides about senders and recipients.
Rule 3: after STARTTLS nothing that was said before counts, not even what had been read already.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .command import (
    Auth,
    Bdat,
    Bye,
    Command,
    Data,
    Expand,
    Hello,
    Help,
    Http,
    Mail,
    Noop,
    Rcpt,
    Rset,
    Tls,
    Verify,
    is_bdat,
    parse_base64,
    parse_command,
)
from .data import ChunkReader, DataReader, Fault
from .events import (
    AuthCancelled,
    AuthResponse,
    AuthStart,
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
from .limits import MAX_AUTH_EXCHANGES, MAX_BAD_COMMANDS, MAX_LINE, MAX_PENDING
from .reply import CommandProblem, Reply, write_reply

SENDER_ACCEPTED = Reply(250, "2.1.0", "Sender accepted")
RECIPIENT_ACCEPTED = Reply(250, "2.1.5", "Recipient accepted")
START_DATA = Reply(354, "", "End data with <CRLF>.<CRLF>")


@dataclass(frozen=True, slots=True)
class Options:
    """
    What a connection offers.

    Attributes:
        hostname: Our name, in greetings.
        max_size: Largest message, octets, at least 1.
        lmtp: Speak LMTP: LHLO instead of EHLO, one reply per recipient after the message.
        tls_available: Offer STARTTLS.
        auth_mechanisms: SASL mechanisms to offer from the start, in capitals; none: no AUTH.
        tls_auth_mechanisms: The ones to offer instead once `tls_started` was called.
        max_recipients: Recipients of one message; RFC 5321 §4.5.3.1.8 asks for 100 at least.

    """

    hostname: str
    max_size: int = 64 * 1024 * 1024
    lmtp: bool = False
    tls_available: bool = False
    auth_mechanisms: tuple[str, ...] = ()
    tls_auth_mechanisms: tuple[str, ...] = ()
    max_recipients: int = 1_000


class _Phase(Enum):
    """How far a transaction has come."""

    NEW = auto()
    """Not greeted yet."""
    READY = auto()
    MAIL = auto()
    """A sender is accepted."""
    RCPT = auto()
    """A recipient is, too."""
    CHUNKS = auto()
    """Some BDAT has been taken."""
    SPOILED = auto()
    """A BDAT was refused; the ones pipelined behind it are passed over (RFC 3030 §4.2)."""


_LEGAL: dict[type, tuple[_Phase, ...]] = {  # no sets: an Enum's hash is computed in Python
    Mail: (_Phase.READY,),
    Rcpt: (_Phase.MAIL, _Phase.RCPT),
    Data: (_Phase.RCPT,),
    Bdat: (_Phase.RCPT, _Phase.CHUNKS),
    Auth: (_Phase.READY,),
    Tls: (_Phase.NEW, _Phase.READY),
}
"""Commands that are not here are legal at any time."""

_OUT_OF_ORDER: dict[type, str] = {
    Mail: "Sender already given",
    Rcpt: "Need an accepted MAIL first",
    Data: "Need an accepted RCPT first",
    Bdat: "Need an accepted RCPT first",
    Auth: "Not within a transaction",
    Tls: "Not within a transaction",
}
"""What to say when it is not legal, short of the phases that explain themselves."""


class _Awaiting(Enum):
    """Which answer the session owes."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CHUNKS = auto()
    MESSAGE = auto()
    AUTH = auto()
    TLS = auto()


class ServerConnection:
    """
    The receiving side of one connection.

    Feed it with `receive_data` and `receive_eof`; after each call, and after each answer, send
    `data_to_send()` and handle `events_received()`. Read from the socket only while `wants_data` is true;
    once `closed` is true, send the rest and close it.
    """

    def __init__(self, options: Options) -> None:
        """Begin with the greeting, which `data_to_send` has at once."""
        self._options = options
        self._auth_mechanisms = options.auth_mechanisms
        self._tls = False
        self._authenticated = False
        self._closed = False
        self._eof = False
        self._farewell: tuple[str, str] | None = None
        self._phase = _Phase.NEW
        self._awaiting: _Awaiting | None = None
        self._recipients = 0
        self._smtputf8 = False
        self._mistakes = 0
        self._exchanges = 0
        self._in_auth = False
        self._skipped: bytes | None = None  # the first octets of a line that is too long, while it is passed over
        self._reader: DataReader | None = None
        self._chunks: ChunkReader | None = None
        self._chunk: Bdat | None = None
        self._passing_over = 0
        self._buffer = bytearray()
        self._searched = 0
        self._output = bytearray()
        self._events: list[Event] = []
        self._say(220, "", f"{options.hostname} {'LMTP' if options.lmtp else 'ESMTP'} mailhorn")

    # the four verbs

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the socket, split anywhere."""
        if self._closed or self._eof:
            return
        if self._buffer or self._awaiting is not None or self._passing_over:
            self._buffer += data
        elif self._reader:  # what nothing waits before is not copied
            if not self._read_data(self._reader, data):
                return
        elif self._chunk and self._chunks:
            if not self._read_chunk(self._chunk, self._chunks, data):
                return
        else:
            self._buffer += data
        self._advance()

    def receive_eof(self) -> None:
        """The client will send no more; what it sent before is still obeyed, then Eof follows."""
        if not self._closed and not self._eof:
            self._eof = True
            self._advance()

    def data_to_send(self) -> bytes:
        """Return what must be sent now, once."""
        if not self._output:
            return b""
        data = bytes(self._output)
        self._output.clear()
        return data

    def events_received(self) -> list[Event]:
        """Return what happened since the last call."""
        if not self._events:
            return []
        events, self._events = self._events, []
        return events

    # what the driver may ask

    @property
    def wants_data(self) -> bool:
        """More bytes are useful now; while false, leave them in the socket."""
        return not (self._closed or self._eof or self._awaiting is _Awaiting.TLS or len(self._buffer) >= MAX_PENDING)

    @property
    def closed(self) -> bool:
        """Nothing more will happen: send the rest and close."""
        return self._closed

    @property
    def awaits_answer(self) -> bool:
        """The session owes an answer, so a silent client is not to blame."""
        return self._awaiting is not None

    @property
    def tls(self) -> bool:
        """`tls_started` was called."""
        return self._tls

    @property
    def authenticated(self) -> bool:
        """An AUTH was answered with 235 on this connection (since TLS began)."""
        return self._authenticated

    # the session's answers; each does nothing once the connection is closed

    def reply(self, code: int, enhanced: str, text: str) -> None:
        """
        Answer as `answer` does.

        Args:
            code: Three digits; 2xx accepts. DataStart is accepted by `accept_data` instead.
            enhanced: Enhanced status code, such as "2.1.5".
            text: For people; may have several lines.

        Raises:
            ValueError: No such answer is due.

        """
        self.answer(Reply(code, enhanced, text))

    def answer(self, reply: Reply) -> None:
        """
        Answer the outstanding MailFrom, RcptTo, DataStart (to refuse it), AuthStart or AuthResponse.

        Raises:
            ValueError: No such answer is due.

        """
        if self._closed:
            return
        awaiting = self._awaiting
        if awaiting is None or awaiting is _Awaiting.MESSAGE or awaiting is _Awaiting.TLS:
            raise ValueError(f"no reply is due, but {awaiting}")
        if reply.code < 400 and (awaiting is _Awaiting.DATA or awaiting is _Awaiting.CHUNKS):
            raise ValueError("DataStart is accepted by accept_data()")
        self._awaiting = None
        if awaiting is _Awaiting.CHUNKS:
            self._refuse_chunk(reply)
        else:
            self._send(reply)
            if awaiting is _Awaiting.DATA:
                self._end_transaction()
            elif awaiting is _Awaiting.AUTH:
                self._in_auth = False
                self._authenticated = reply.positive
            elif reply.positive:
                self._recipients += awaiting is _Awaiting.RCPT
                self._phase = _Phase.RCPT if awaiting is _Awaiting.RCPT else _Phase.MAIL
        if self._buffer or self._eof:
            self._advance()

    def accept_data(self) -> None:
        """Answer DataStart: the message may come. Raises ValueError if none is outstanding."""
        if self._closed:
            return
        if self._awaiting is _Awaiting.DATA:
            self._send(START_DATA)
            self._reader = DataReader(self._options.max_size)
        elif self._awaiting is _Awaiting.CHUNKS:
            self._phase = _Phase.CHUNKS
        else:
            raise ValueError("no DataStart is outstanding")
        self._awaiting = None
        if self._buffer or self._eof or self._chunk:  # a chunk may be empty
            self._advance()

    def reply_data(self, replies: Sequence[Reply]) -> None:
        """
        Answer DataEnd.

        Args:
            replies: One; in LMTP one for each accepted recipient, in their order (RFC 2033 §4.2).

        Raises:
            ValueError: Not their number, or no DataEnd is outstanding.

        """
        if self._closed:
            return
        if self._awaiting is not _Awaiting.MESSAGE:
            raise ValueError("no DataEnd is outstanding")
        if len(replies) != self._replies_due:
            raise ValueError(f"{self._replies_due} replies are due, not {len(replies)}")
        self._awaiting = None
        for reply in replies:
            self._send(reply)
        self._end_transaction()
        if self._farewell:
            self._hang_up(*self._farewell)
        if self._buffer or self._eof:
            self._advance()

    def challenge(self, data: bytes) -> None:
        """Answer AuthStart or AuthResponse: go on with this challenge. Raises ValueError if none is outstanding."""
        if self._closed:
            return
        if self._awaiting is not _Awaiting.AUTH:
            raise ValueError("no AUTH is outstanding")
        self._awaiting = None
        self._exchanges += 1
        self._say(334, "", b2a_base64(data, newline=False).decode())
        self._advance()

    def tls_started(self) -> None:
        """
        Answer StartTls: the handshake is done.

        Everything is forgotten, above all bytes read before it (RFC 3207 §4.2; command injection). May be
        called at the very beginning, too, to say that the connection is in TLS from the start.
        """
        self._tls = True
        self._authenticated = False
        self._auth_mechanisms = self._options.tls_auth_mechanisms
        self._buffer.clear()
        self._searched = 0
        self._skipped = None
        self._end_transaction()
        self._phase = _Phase.NEW
        if self._awaiting is _Awaiting.TLS:
            self._awaiting = None

    def shut_down(self, enhanced: str = "4.3.2", text: str = "Shutting down, try again later") -> None:
        """Say 421 (for this reason) and close; a message that is whole already gets its answer first."""
        if self._closed:
            return
        if self._awaiting is _Awaiting.MESSAGE:
            self._farewell = (enhanced, text)
        else:
            self._hang_up(enhanced, text)

    # reading

    def _advance(self) -> None:
        """Read on until an answer is needed or bytes are."""
        while not self._closed and self._awaiting is None:
            if self._reader:
                more = self._read_data(self._reader, self._buffered())
            elif self._passing_over:
                more = self._pass_over()
            elif self._chunk and self._chunks:
                more = self._read_chunk(self._chunk, self._chunks, self._buffered())
            else:
                more = self._read_line()
            if not more:
                if self._eof:
                    self._closed = True
                    self._events.append(Eof())
                return

    def _read_line(self) -> bool:
        """Obey one line. A line without end takes no memory beyond the limit."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                self._skipped = ((self._skipped or b"") + self._buffer).lstrip()[:4]
                self._buffer.clear()
            self._searched = len(self._buffer)
            return False
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        too_long = self._skipped is not None or end > MAX_LINE
        begin, self._skipped = (self._skipped or b"") + line, None
        try:
            if too_long:
                raise CommandProblem(500, "5.5.2", "Line too long")
            if not line.endswith(b"\r\n"):
                raise CommandProblem(500, "5.5.2", "Lines end with CR LF")  # RFC 5321 §2.3.8
            if self._in_auth:
                self._continue_auth(line[:-2])
            else:
                self._obey(parse_command(line[:-2]))
        except CommandProblem as problem:
            lost = not self._in_auth and not self._passing_over and is_bdat(begin)
            self._cancel_auth()
            self._mistake(problem.reply)
            if lost:  # nobody knows how long its chunk is
                self._hang_up("5.5.4", "Lost track of the chunks")
        return True

    def _buffered(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def _read_data(self, reader: DataReader, data: bytes) -> bool:
        """Take a piece of the message; nothing is buffered. Return whether its end has come."""
        if not data:
            return False
        spoiled = reader.fault
        piece, rest = reader.feed(data)
        self._deliver(piece, reader.fault if not spoiled else None)
        if rest is None:
            return False
        self._buffer += rest
        self._reader = None
        if reader.fault:
            self._send(*[_FAULTS[reader.fault]] * self._replies_due)
            self._end_transaction()
        else:
            self._end_message()
        return True

    def _read_chunk(self, chunk: Bdat, chunks: ChunkReader, data: bytes) -> bool:
        piece, rest = chunks.feed(data)
        self._deliver(piece, chunks.fault)
        if chunks.fault:
            self._buffer += rest
            self._refuse_chunk(_FAULTS[chunks.fault])
            return True
        if chunks.missing:
            return False
        self._buffer += rest
        self._chunk = None
        if chunk.last:
            self._end_message()
        else:
            self._say(250, "2.0.0", f"{chunk.size} octets received")
        return True

    def _pass_over(self) -> bool:
        octets = min(self._passing_over, len(self._buffer))
        del self._buffer[:octets]
        self._passing_over -= octets
        return self._passing_over == 0

    def _deliver(self, piece: bytes, fault: Fault | None) -> None:
        if piece:
            self._events.append(DataChunk(piece))
        if fault:
            self._events += (Refused(_reason(_FAULTS[fault])), Reset())

    def _end_message(self) -> None:
        self._awaiting = _Awaiting.MESSAGE
        self._events.append(DataEnd())

    def _refuse_chunk(self, reply: Reply) -> None:
        """Answer a BDAT, pass over what is left of its chunk, and take no more of this message (RFC 3030 §4.2)."""
        chunk, chunks = self._chunk, self._chunks
        self._chunk = self._chunks = None
        if chunk and chunks:
            self._send(*[reply] * (self._replies_due if chunk.last else 1))
            self._passing_over = chunks.missing
        self._phase = _Phase.SPOILED

    # commands

    def _obey(self, command: Command) -> None:
        legal = _LEGAL.get(type(command))
        if legal and self._phase not in legal and not isinstance(command, Bdat):
            raise self._out_of_order(command)
        match command:
            case Mail():
                if command.size and command.size > self._options.max_size:
                    raise CommandProblem(552, "5.3.4", f"Messages may have {self._options.max_size} octets")
                self._ask(_Awaiting.MAIL, MailFrom(command.sender, command.size, command.body, command.smtputf8))
                self._smtputf8 = command.smtputf8
            case Rcpt():
                if self._recipients >= self._options.max_recipients:
                    self._refuse(Reply(452, "4.5.3", "Too many recipients"))
                elif not command.recipient.ascii and not self._smtputf8:
                    raise CommandProblem(553, "5.6.7", "Address needs SMTPUTF8")
                else:
                    self._ask(_Awaiting.RCPT, RcptTo(command.recipient))
            case Data():
                self._ask(_Awaiting.DATA, DataStart(chunking=False))
            case Hello():
                self._hello(command)
            case Bdat():
                self._bdat(command)
            case Rset():
                self._reset()
                self._say(250, "2.0.0", "Reset")
            case Verify():
                self._say(252, "2.0.0", "Cannot tell, send some mail and see")  # RFC 5321 §7.3
            case Expand():
                self._say(502, "5.5.1", "No lists here")
            case Help():
                self._say(214, "2.0.0", "See RFC 5321; commands: " + self._commands)
            case Noop():
                self._say(250, "2.0.0", "Still here")
            case Bye():
                self._say(221, "2.0.0", f"{self._options.hostname} says goodbye")
                self._closed = True
                self._events.append(Quit())
            case Tls():
                if self._tls or not self._options.tls_available:
                    raise CommandProblem(503 if self._tls else 502, "5.5.1", "No STARTTLS here")
                self._say(220, "2.0.0", "Ready to start TLS")
                self._ask(_Awaiting.TLS, StartTls())
            case Auth():
                self._auth(command)
            case Http():
                self._hang_up("4.7.0", "This is no web server")

    def _hello(self, command: Hello) -> None:
        if self._options.lmtp is not (command.verb == "LHLO"):
            spoken = "LMTP, say LHLO" if self._options.lmtp else "SMTP, say EHLO"
            raise CommandProblem(500, "5.5.1", f"This is {spoken}")
        self._reset()
        self._phase = _Phase.READY
        esmtp = command.verb != "HELO"
        lines = [self._options.hostname]
        if esmtp:
            lines += self._extensions()
        self._say(250, "", "\n".join(lines))
        self._events.append(Greeted(command.name, esmtp))

    def _extensions(self) -> list[str]:
        """What EHLO and LHLO list (RFC 5321 §4.1.1.1)."""
        lines = [
            "PIPELINING",  # RFC 2920
            f"SIZE {self._options.max_size}",  # RFC 1870
            "8BITMIME",  # RFC 6152
            "ENHANCEDSTATUSCODES",  # RFC 2034
            "CHUNKING",  # RFC 3030
            "SMTPUTF8",  # RFC 6531
        ]
        if self._options.tls_available and not self._tls:
            lines.append("STARTTLS")  # RFC 3207
        if self._auth_mechanisms and not self._authenticated:
            lines.append("AUTH " + " ".join(self._auth_mechanisms))  # RFC 4954
        return [*lines, "HELP"]

    @property
    def _commands(self) -> str:
        hello = "LHLO" if self._options.lmtp else "EHLO HELO"
        return f"{hello} MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"

    def _bdat(self, command: Bdat) -> None:
        if self._phase not in _LEGAL[Bdat]:
            self._passing_over = command.size
            if self._options.lmtp and command.last and self._phase is _Phase.MAIL:
                self._reset()  # RFC 2033 §4.3: no accepted recipients, "zero replies"
                return
            self._mistake(self._out_of_order(command).reply)  # not raised: how long its chunk is, is known
            return
        self._chunk = command
        if self._chunks is None:
            self._chunks = ChunkReader(self._options.max_size)
        self._chunks.begin(command.size, command.last)
        if self._phase is _Phase.RCPT and not self._chunks.fault:
            self._ask(_Awaiting.CHUNKS, DataStart(chunking=True))

    def _auth(self, command: Auth) -> None:
        if self._authenticated:
            raise CommandProblem(503, "5.5.1", "Already authenticated")
        if not self._auth_mechanisms:
            raise CommandProblem(502, "5.5.1", "No AUTH here")
        if command.mechanism not in self._auth_mechanisms:
            raise CommandProblem(504, "5.5.4", "Mechanism not offered")
        self._in_auth = True
        self._exchanges = 0
        self._ask(_Awaiting.AUTH, AuthStart(command.mechanism, command.initial))

    def _continue_auth(self, line: bytes) -> None:
        if line == b"*":
            raise CommandProblem(501, "5.7.0", "Authentication cancelled")
        if self._exchanges > MAX_AUTH_EXCHANGES:
            raise CommandProblem(535, "5.7.8", "Too many exchanges")
        self._ask(_Awaiting.AUTH, AuthResponse(parse_base64(line)))

    def _cancel_auth(self) -> None:
        if self._in_auth:
            self._in_auth = False
            self._events.append(AuthCancelled())

    # state and output

    def _out_of_order(self, command: Command) -> CommandProblem:
        if self._phase is _Phase.NEW:
            text = "Say hello first"
        elif self._phase is _Phase.SPOILED:
            text = "The message was refused, say RSET"
        elif self._phase is _Phase.CHUNKS:
            text = "Chunks have begun, only BDAT or RSET now"
        else:
            text = _OUT_OF_ORDER[type(command)]
        return CommandProblem(503, "5.5.1", text)

    @property
    def _replies_due(self) -> int:
        """How many replies a message gets."""
        return self._recipients if self._options.lmtp else 1

    def _ask(self, awaiting: _Awaiting, event: Event) -> None:
        self._awaiting = awaiting
        self._events.append(event)

    def _reset(self) -> None:
        """End the transaction, if there is one, without a message."""
        if self._phase in (_Phase.MAIL, _Phase.RCPT, _Phase.CHUNKS):
            self._events.append(Reset())
        if self._phase is not _Phase.NEW:
            self._end_transaction()

    def _end_transaction(self) -> None:
        self._phase = _Phase.READY
        self._recipients = 0
        self._chunks = self._chunk = None

    def _mistake(self, reply: Reply) -> None:
        """Refuse a command that made no sense; too many of them end the connection."""
        self._refuse(reply)
        self._mistakes += reply.code in _MISTAKES
        if self._mistakes >= MAX_BAD_COMMANDS:
            self._hang_up("4.7.0", "Too many bad commands")

    def _refuse(self, reply: Reply) -> None:
        self._send(reply)
        self._events.append(Refused(_reason(reply)))

    def _hang_up(self, enhanced: str, text: str) -> None:
        """421, allowed as reply to anything (RFC 5321 §3.8)."""
        if not self._closed:
            self._refuse(Reply(421, enhanced, text))
            self._closed = True
            self._awaiting = None

    def _say(self, code: int, enhanced: str, text: str) -> None:
        self._send(Reply(code, enhanced, text))

    def _send(self, *replies: Reply) -> None:
        for reply in replies:
            self._output += _REPLIES.get(reply) or write_reply(reply)


_REPLIES = {
    reply: write_reply(reply)
    for reply in (
        SENDER_ACCEPTED,
        RECIPIENT_ACCEPTED,
        START_DATA,
    )
}
"""What every message gets, ready to send."""

_MISTAKES = (500, 501, 502, 504, 555)
"""Codes of replies to what does not parse. Not 503: a refused MAIL makes one of every RCPT pipelined behind it."""


def _reason(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced} {reply.text}"


_FAULTS = {
    Fault.BARE_LINE_END: Reply(554, "5.6.0", "Bare CR or LF in message, lines end with CR LF"),
    Fault.NUL: Reply(554, "5.6.0", "NUL in message"),
    Fault.TOO_BIG: Reply(552, "5.3.4", "Message too big"),
}
