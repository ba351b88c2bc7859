"""One connection of a client to us (RFC 5804), in four verbs and some answers.

Rule 1: an event that needs an answer stops everything behind it, so `answer` always belongs to one command.
Rule 2: this file knows which command is legal when (`_LEGAL`); the session knows accounts and scripts.
Rule 3: after STARTTLS nothing that was said before counts, not even what had been read already.
"""

from base64 import b64encode
from collections.abc import Iterable
from enum import Enum, auto

from .commands import Authenticate, Command, Noop, Word
from .events import Cancelled, CommandReceived, Event, Refused, Responded
from .framing import LITERAL_TOO_LARGE, Broken, Frame, Framer, Signal
from .grammar import SyntaxProblem, parse_answer, parse_command
from .limits import LIMITS, LIMITS_BEFORE_LOGIN, MAX_AUTH_EXCHANGES, MAX_BAD_COMMANDS, MAX_PENDING
from .responses import Code, Condition, Response, no, write_capabilities, write_response, write_string

Capabilities = Iterable[tuple[str, str | None]]
"""Names, each with its value or None."""


class State(Enum):
    """Whether somebody has logged in (RFC 5804 §2)."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()


_BEFORE, _AFTER = frozenset({State.NOT_AUTHENTICATED}), frozenset({State.AUTHENTICATED})
_LEGAL: dict[object, frozenset[State]] = {
    Authenticate: _BEFORE,
    Word.STARTTLS: _BEFORE,
    Word.CAPABILITY: _BEFORE | _AFTER,
    Word.LOGOUT: _BEFORE | _AFTER,
    Noop: _BEFORE | _AFTER,
}
"""RFC 5804 §4, command-any and command-nonauth. All others need a login."""


class _Awaiting(Enum):
    """Which answer the session owes."""

    GREETING = auto()
    COMMAND = auto()
    AUTH = auto()
    TLS = auto()


class ServerConnection:
    """
    A server's end of one connection.

    Feed it with `receive_data` and `receive_eof`; after each call, and after each answer, send `data_to_send()` and
    handle `events_received()`. Read from the socket only while `wants_data` is true; once `closed` is true, send the
    rest and close it. It begins with `greet`.
    """

    def __init__(self) -> None:
        self._framer = Framer()
        self._output = bytearray()
        self._events: list[Event] = []
        self._awaiting: _Awaiting | None = _Awaiting.GREETING
        self._command: Command | None = None
        self._state = State.NOT_AUTHENTICATED
        self._in_auth = False
        self._exchanges = 0
        self._mistakes = 0
        self._eof = False
        self._closed = False

    # the four verbs

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the socket, split anywhere."""
        if not self._closed and not self._eof:
            self._framer.receive_data(data)
            self._advance()

    def receive_eof(self) -> None:
        """The client will send no more; what it sent before is still obeyed, then the connection is closed."""
        if not self._closed and not self._eof:
            self._eof = True
            self._advance()

    def data_to_send(self) -> bytes:
        """Return what must be sent now, once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def events_received(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    # what the driver may ask

    @property
    def wants_data(self) -> bool:
        """More bytes are useful now; while false, leave them in the socket."""
        full = self._awaiting is not None and self._framer.pending >= MAX_PENDING
        return not (self._closed or self._eof or full or self._awaiting is _Awaiting.TLS)

    @property
    def closed(self) -> bool:
        """Nothing more will happen: send the rest and close."""
        return self._closed

    @property
    def awaits_answer(self) -> bool:
        """The session owes an answer, so a silent client is not to blame."""
        return self._awaiting is not None

    @property
    def state(self) -> State:
        """Return whether somebody has logged in."""
        return self._state

    # the session's answers; each does nothing once the connection is closed

    def greet(self, capabilities: Capabilities, text: str) -> None:
        """Begin (RFC 5804 §1.7)."""
        if self._awaiting is not _Awaiting.GREETING:
            raise ValueError("the client was greeted")
        self._awaiting = None
        self._say(Response(Condition.OK, text), write_capabilities(capabilities))
        self._advance()

    def answer(self, response: Response, data: bytes = b"") -> None:
        """
        End the outstanding CommandReceived or Responded.

        OK to AUTHENTICATE means that somebody has logged in, to UNAUTHENTICATE that nobody is, to STARTTLS that
        `tls_started` follows. BYE ends the connection.

        Args:
            response: What became of it.
            data: What is sent before: see `responses`.

        Raises:
            ValueError: No such answer is due.

        """
        if self._closed:
            return
        if self._awaiting not in (_Awaiting.COMMAND, _Awaiting.AUTH):
            raise ValueError(f"no answer is due, but {self._awaiting}")
        done = self._command if response.condition is Condition.OK else None
        self._command, self._awaiting, self._in_auth = None, None, False
        self._say(response, data)
        if isinstance(done, Authenticate):
            self._state = State.AUTHENTICATED
            self._framer.limits = LIMITS
        elif done is Word.UNAUTHENTICATE:
            self._forget_login()
        elif done is Word.STARTTLS:
            self._awaiting = _Awaiting.TLS
        self._advance()

    def challenge(self, data: bytes) -> None:
        """Go on with AUTHENTICATE by this challenge. Raises ValueError if none is outstanding."""
        if self._closed:
            return
        if self._awaiting is not _Awaiting.AUTH:
            raise ValueError("no AUTHENTICATE is outstanding")
        self._exchanges += 1
        if self._exchanges > MAX_AUTH_EXCHANGES:
            self._events.append(Cancelled())
            self.answer(no("This takes too long"))
            return
        self._awaiting, self._in_auth = None, True
        self._output += write_string(b64encode(data)) + b"\r\n"
        self._advance()

    def tls_started(self, capabilities: Capabilities) -> None:
        """
        Go on after STARTTLS: the handshake is done.

        Everything is forgotten, above all bytes read before it; the capabilities are told anew (RFC 5804 §2.2).
        """
        self._framer.clear()
        self._mistakes = 0
        if self._awaiting is _Awaiting.TLS:
            self._awaiting = None
        self._say(Response(Condition.OK, "TLS negotiation successful."), write_capabilities(capabilities))

    def bye(self, text: str, code: Code | None = None) -> None:
        """Say BYE and close; what is outstanding gets no other answer."""
        if not self._closed:
            self._say(Response(Condition.BYE, text, code))

    # reading

    def _advance(self) -> None:
        """Read on until an answer is needed or bytes are."""
        while not self._closed and self._awaiting is None:
            found = self._framer.next_frame()
            if found is Signal.NEED_DATA:
                self._closed = self._eof
                return
            if found is Signal.LOST:
                self._give_up_auth()
                self._events.append(Refused(LITERAL_TOO_LARGE))
                self.bye(LITERAL_TOO_LARGE, Code.MAXSIZE)
            elif isinstance(found, Broken):
                self._pass_over(found)
            elif isinstance(found, Frame) and found.data.strip(b"\r\n"):  # some clients send an empty line too many
                self._obey(found.data)

    def _pass_over(self, broken: Broken) -> None:
        """Answer what was too large to be kept."""
        code = Code.MAXSIZE if broken.head[:9].upper() == b"PUTSCRIPT" and broken.reason == LITERAL_TOO_LARGE else None
        self._give_up_auth()
        self._refuse(broken.reason, code)

    def _obey(self, frame: bytes) -> None:
        try:
            if self._in_auth:
                self._respond(frame)
            else:
                self._take(parse_command(frame))
        except SyntaxProblem as problem:
            self._give_up_auth()
            self._refuse(str(problem))

    def _respond(self, frame: bytes) -> None:
        data = parse_answer(frame)
        if data is None:
            self._give_up_auth()
            self._say(no("AUTHENTICATE is cancelled"))
            return
        self._in_auth = False
        self._awaiting = _Awaiting.AUTH
        self._events.append(Responded(data))

    def _take(self, command: Command) -> None:
        legal = _LEGAL.get(command if isinstance(command, Word) else type(command), _AFTER)
        if self._state not in legal:
            after = self._state is State.AUTHENTICATED
            self._refuse("Somebody has logged in already" if after else "Log in first")
        elif isinstance(command, Noop):
            code = None if command.tag is None else Code.TAG
            self._say(Response(Condition.OK, "Nothing done", code, command.tag))
        elif command is Word.LOGOUT:
            self._say(Response(Condition.OK, "Good-bye"))
            self._closed = True
        else:
            self._command = command
            self._exchanges = 0
            self._awaiting = _Awaiting.AUTH if isinstance(command, Authenticate) else _Awaiting.COMMAND
            self._events.append(CommandReceived(command))

    def _give_up_auth(self) -> None:
        if self._in_auth:
            self._in_auth = False
            self._command = None
            self._events.append(Cancelled())

    def _refuse(self, reason: str, code: Code | None = None) -> None:
        self._events.append(Refused(reason))
        self._say(no(reason, code))
        self._mistakes += 1
        if self._mistakes >= MAX_BAD_COMMANDS:
            self.bye("Too many commands that make no sense")

    def _forget_login(self) -> None:
        self._state = State.NOT_AUTHENTICATED
        self._framer.limits = LIMITS_BEFORE_LOGIN

    def _say(self, response: Response, data: bytes = b"") -> None:
        self._output += data + write_response(response)
        if response.condition is Condition.BYE:
            self._closed = True


__all__ = ["Capabilities", "ServerConnection", "State"]
