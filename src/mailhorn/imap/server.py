"""The server's end of an IMAP connection: bytes in, commands out; responses in, bytes out. No I/O, no clock.

Rule 1: one command at a time. After `CommandReceived` nothing more is read from the buffer until `complete`;
what the client pipelined waits there, and `wants_data` says when to stop feeding it.
Rule 2: what does not parse is answered here (BAD, with the position) and never seen by the session, and so is
a command in the wrong state.
Rule 3: the message of an APPEND is a stream of `AppendData`, never whole in memory.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import Enum

from msgspec.structs import replace

from ..model.flags import NO_FLAGS
from . import state as states
from .commands import Append, AppendStep, Authenticate, Command, Login
from .framing import (
    NEED_DATA,
    SERVER_LIMITS,
    SERVER_LIMITS_BEFORE_LOGIN,
    Eof,
    Frame,
    FrameError,
    Framer,
    Line,
    LiteralChunk,
    LiteralEnd,
    LiteralWanted,
    StreamStart,
)
from .grammar.command import (
    CommandProblem,
    UnknownCommand,
    parse_append_head,
    parse_append_next,
    parse_append_rest,
    parse_append_steps,
    parse_command,
)
from .grammar.cursor import STRICT, Dialect, SyntaxProblem
from .grammar.ext.idle import is_done
from .grammar.ext.unauthenticate import UNAUTHENTICATE
from .grammar.response import write_response
from .responses import Code, Condition, ResponseCode, StatusResponse, Tagged, Untagged
from .state import State

MAX_BAD_COMMANDS = 20
"""In a row; then BYE. A client in its right mind sends none; a port scanner or an HTTP client sends many."""

MAX_BUFFERED = 64 * 1024
"""Pipelined bytes kept while a command runs; more are left to TCP. A thousand short commands fit."""

ANY_NAME = Dialect(loose_names=True)
"""What makes a message of a literal does not depend on how mailbox names are written."""


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A whole command, legal in the present state. Answer it with `complete`."""

    tag: bytes
    command: Command


@dataclass(frozen=True, slots=True)
class AppendStarted:
    """
    An APPEND up to its literal. Say `accept_append` or `complete` with a refusal.

    Attributes:
        tag: Of the command.
        command: Where to, and the message's flags, date and size.
        more: It is another message of the APPEND whose messages came before (RFC 3502).

    """

    tag: bytes
    command: Append
    more: bool = False


@dataclass(frozen=True, slots=True)
class AppendStepped:
    """
    A piece of an APPEND with CATENATE (RFC 4469), before, between or behind its literals.

    If a literal follows, say `accept_append` or `complete` with a refusal; else it is the end: answer it.

    Attributes:
        tag: Of the command.
        step: What it is.
        first: The command begins with it.

    """

    tag: bytes
    step: AppendStep
    first: bool


@dataclass(frozen=True, slots=True)
class AppendData:
    """The next bytes of the message being appended."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendEnded:
    """The message is whole and so is its command. Answer it with `complete`."""


@dataclass(frozen=True, slots=True)
class AppendBroken:
    """What followed the message was no end of an APPEND; it has been answered BAD. Drop the message."""


@dataclass(frozen=True, slots=True)
class IdleEnded:
    """
    The line that ends IDLE (RFC 9051 §6.3.13). Answer the IDLE with `complete`.

    Attributes:
        done: Whether it was DONE; if not, IDLE is over all the same and the answer is BAD.

    """

    done: bool


@dataclass(frozen=True, slots=True)
class Responded:
    """A line of an AUTHENTICATE exchange, decoded; None if it was `*` or no base64: answer BAD (RFC 9051 §6.2.2)."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something was answered BAD; for the log. `reason` holds nothing the client sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The client will send no more."""


Event = (
    CommandReceived
    | AppendStarted
    | AppendStepped
    | AppendData
    | AppendEnded
    | AppendBroken
    | IdleEnded
    | Responded
    | Rejected
    | Ended
)


class _Mode(Enum):
    """What the next thing from the framer would be."""

    COMMANDS = "a command"
    RUNNING = "nothing: a command runs"
    OFFERED = "nothing: an APPEND awaits the session's word"
    APPEND = "the message of an APPEND"
    APPEND_TAIL = "the end of an APPEND's line"
    IDLE = "DONE"
    AUTHENTICATE = "a line of AUTHENTICATE"


_PLAIN = re.compile(rb"[A-Za-z][ -~]*")
"""Text that is written as it is."""

_WAITING = (_Mode.RUNNING, _Mode.OFFERED)


_NOWHERE = Append("", NO_FLAGS, None, 0)


def _is_append(head: bytes, _: int) -> bool:
    """Say whether this literal is an APPEND's message; the mailbox name may be a literal as well."""
    if head.startswith((b" ", b") ")):  # no command begins so: another message of an APPEND, or nonsense
        try:
            parse_append_next(head.removeprefix(b")"), _NOWHERE, ANY_NAME)
        except SyntaxProblem:
            return _is_step(head)
        return True
    begin = head[:1100].upper()
    if b"APPEND" not in begin and b"REPLACE" not in begin:
        return False
    try:
        if _CATENATES.match(head):
            return parse_append_steps(head, ANY_NAME)[3].size is not None
        parse_append_head(head, ANY_NAME)
    except (CommandProblem, UnknownCommand):
        return False
    return True


_NOTES = re.compile(rb"[^ ]+ SETMETADATA ", re.IGNORECASE)
_CATENATES = re.compile(rb"[^ ]+ (?:APPEND|(?:UID )?REPLACE) .*CATENATE \(", re.IGNORECASE | re.DOTALL)


def _is_step(head: bytes) -> bool:
    """Say whether this is what stands between two literals of an APPEND with CATENATE, wherever it is in it."""
    for rest in {head, head.removeprefix(b")")}:
        for inside in (True, False):
            try:
                return parse_append_rest(rest, "", inside, ANY_NAME).size is not None
            except SyntaxProblem:
                pass
    return False


def _tail(command: Command | None) -> bytes:
    """Return what follows the message of an APPEND (RFC 6855 §4)."""
    return b")" if isinstance(command, Append) and command.utf8 else b""


class ServerConnection:
    """
    One client's connection. Feed it, take its events, answer them, send what `data_to_send` gives.

    Attributes:
        state: Where the connection stands.
        dialect: How names and strings are written, both ways; ENABLE changes it.
        closing: It is over: what is left to send is sent, then it is to be closed.
        pending: Octets given to `raw` and not yet taken by `data_to_send`.

    """

    __slots__ = (
        "_bad",
        "_framer",
        "_inside",
        "_mode",
        "_out",
        "_plus",
        "_running",
        "_tag",
        "closing",
        "dialect",
        "pending",
        "state",
    )

    def __init__(self) -> None:
        """Begin in the not authenticated state."""
        self.state = State.NOT_AUTHENTICATED
        self.dialect = STRICT
        self.closing = False
        self.pending = 0
        self._framer = self._fresh_framer()
        self._out: list[bytes] = []
        self._tag = b""
        self._running: Command | None = None
        self._mode = _Mode.COMMANDS
        self._bad = 0
        self._plus = False
        self._inside = False  # a CATENATE whose parenthesis is open

    def _fresh_framer(self) -> Framer:
        return Framer(SERVER_LIMITS_BEFORE_LOGIN, synchronizing=True, stream=_is_append)

    # The four verbs.

    def receive_data(self, data: bytes) -> None:
        """Take what the client sent."""
        if not self.closing:
            self._framer.receive_data(data)

    def receive_eof(self) -> None:
        """Take note that the client has closed its side."""
        self._framer.receive_eof()

    def data_to_send(self) -> bytes:
        """Return what is to be sent, once."""
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self.pending = 0
        return data

    def events_received(self) -> list[Event]:
        """Return what has happened; at most one command, and none while one runs."""
        events: list[Event] = []
        while not self.closing and self._mode not in _WAITING:
            event = self._framer.next_event()
            if event is NEED_DATA:
                break
            if isinstance(event, Eof):
                events.append(Ended())
                self.closing = True
            elif isinstance(event, LiteralWanted):
                self._out.append(b"+ OK\r\n")
            elif isinstance(event, FrameError):
                self._frame_error(event, events)
            elif isinstance(event, Line):
                self._line(event.data, events)
            elif isinstance(event, StreamStart):
                self._stream(event, events)
            elif isinstance(event, LiteralChunk):
                events.append(AppendData(event.data))
            elif isinstance(event, LiteralEnd):
                self._mode = _Mode.APPEND_TAIL
            elif isinstance(event, Frame):
                self._frame(event.data, events)
        return events

    @property
    def wants_data(self) -> bool:
        """False while so much waits for the end of a command that the client should be made to wait, too."""
        return self._mode not in _WAITING or self._framer.buffered < MAX_BUFFERED

    @property
    def goes_on(self) -> bool:
        """Whether a client that sent a literal has still to send what ends the line behind it."""
        return self._mode is _Mode.APPEND_TAIL or self._framer.goes_on

    # What arrives.

    def _frame(self, frame: bytes, events: list[Event]) -> None:
        if self._mode == _Mode.APPEND_TAIL:
            if self._inside or b"CATENATE" in frame.upper():
                self._step(frame, None, events)
            elif frame != _tail(self._running):
                self._reject(self._tag, "Something after the message that is not the end of APPEND", events)
                self._running, self._mode = None, _Mode.COMMANDS
                events.append(AppendBroken())
            else:
                self._mode = _Mode.RUNNING
                events.append(AppendEnded())
            return
        if not frame:
            self._reject(b"*", "Empty line", events)
            return
        if _CATENATES.match(frame):
            self._catenate(frame, None, events)
            return
        try:
            tag, command = parse_command(frame, self.dialect)
        except UnknownCommand as unknown:
            self._reject(unknown.tag, "Unknown command", events)
        except CommandProblem as problem:
            self._reject(problem.tag, f"Expected {problem.expected} at position {problem.position}", events)
        else:
            self._begin(tag, command, events)

    def _stream(self, event: StreamStart, events: list[Event]) -> None:
        if event.head.startswith((b" ", b")")):
            running, in_append = self._running, self._mode is _Mode.APPEND_TAIL
            if in_append and (self._inside or b"CATENATE" in event.head.upper()):
                self._step(event.head, event.synchronizing, events)
                return
            tail, command = _tail(running), None
            if in_append and isinstance(running, Append) and running.replaces is None and event.head.startswith(tail):
                try:
                    command = parse_append_next(event.head.removeprefix(tail), running, self.dialect)
                except SyntaxProblem:
                    pass  # a piece of a CATENATE, but there is none
            if command is None:
                self._framer.refuse()
                self._reject(self._tag if in_append else b"*", "A message that belongs to no APPEND", events)
                if in_append:
                    self._running, self._mode = None, _Mode.COMMANDS
                    events.append(AppendBroken())
                return
            self._plus, self._running, self._mode = event.synchronizing, command, _Mode.OFFERED
            events.append(AppendStarted(self._tag, command, more=True))
            return
        if _CATENATES.match(event.head):
            self._catenate(event.head, event.synchronizing, events)
            return
        try:
            tag, command = parse_append_head(event.head, self.dialect)
        except CommandProblem as problem:
            self._framer.refuse()
            self._reject(problem.tag, f"Expected {problem.expected} at position {problem.position}", events)
            return
        if command.replaces is not None and self.state is not State.SELECTED:
            self._framer.refuse()
            self._reject(tag, f"Not allowed in the {self.state.value} state", events)
            return
        self._plus, self._inside = event.synchronizing, False
        self._tag, self._running, self._mode = tag, command, _Mode.OFFERED
        events.append(AppendStarted(tag, command))

    def _catenate(self, frame: bytes, synchronizing: bool | None, events: list[Event]) -> None:
        """Begin an APPEND with CATENATE, up to its first literal, or whole (`synchronizing` is None)."""
        try:
            tag, mailbox, replaces, step = parse_append_steps(frame, self.dialect)
        except CommandProblem as problem:
            reason = f"Expected {problem.expected} at position {problem.position}"
            self._turn_down(problem.tag, reason, synchronizing, events)
            return
        command = Append(mailbox, NO_FLAGS, None, 0, replaces=replaces)
        if not states.is_legal(command, self.state) or (replaces is not None and self.state is not State.SELECTED):
            self._turn_down(tag, f"Not allowed in the {self.state.value} state", synchronizing, events)
            return
        self._bad = 0
        self._tag, self._running = tag, command
        self._stepped(step, synchronizing, True, events)

    def _step(self, rest: bytes, synchronizing: bool | None, events: list[Event]) -> None:
        """Go on with an APPEND with CATENATE behind a literal."""
        running, tail = self._running, _tail(self._running)
        if not isinstance(running, Append):
            raise RuntimeError("no APPEND is running")
        try:
            if not rest.startswith(tail):
                raise SyntaxProblem(0, "the end of UTF8")
            step = parse_append_rest(rest.removeprefix(tail), running.mailbox, self._inside, self.dialect)
            if running.replaces is not None and (step.message is not None or step.whole):
                raise SyntaxProblem(0, "one message to replace another")
        except SyntaxProblem as problem:
            self._turn_down(self._tag, f"Expected {problem.expected} behind the message", synchronizing, events)
            self._running, self._mode = None, _Mode.COMMANDS
            events.append(AppendBroken())
            return
        self._stepped(step, synchronizing, False, events)

    def _stepped(self, step: AppendStep, synchronizing: bool | None, first: bool, events: list[Event]) -> None:
        running = self._running
        if isinstance(running, Append) and step.message is not None:
            self._running = replace(step.message, replaces=running.replaces)
        elif isinstance(running, Append) and step.goes_on:
            self._running = replace(running, utf8=step.utf8)
        self._inside = step.goes_on or (step.message is not None and step.message.urls is not None)
        self._plus = bool(synchronizing)
        self._mode = _Mode.RUNNING if step.size is None else _Mode.OFFERED
        events.append(AppendStepped(self._tag, step, first))

    def _turn_down(self, tag: bytes, reason: str, synchronizing: bool | None, events: list[Event]) -> None:
        """Answer BAD; `synchronizing` is None if no literal has been offered."""
        if synchronizing is not None:
            self._framer.refuse()
        self._reject(tag, reason, events)

    def _begin(self, tag: bytes, command: Command, events: list[Event]) -> None:
        if isinstance(command, Append):
            self._reject(tag, "APPEND wants its message as a literal", events)
        elif not states.is_legal(command, self.state):
            self._reject(tag, f"Not allowed in the {self.state.value} state", events)
        else:
            self._bad = 0
            self._tag, self._running, self._mode = tag, command, _Mode.RUNNING
            events.append(CommandReceived(tag, command))

    def _line(self, line: bytes, events: list[Event]) -> None:
        idle, self._mode = self._mode is _Mode.IDLE, _Mode.RUNNING
        if idle:
            events.append(IdleEnded(is_done(line)))
            return
        try:
            events.append(Responded(None if line == b"*" else b64decode(line, validate=True)))
        except (Base64Error, ValueError):
            events.append(Responded(None))

    def _frame_error(self, error: FrameError, events: list[Event]) -> None:
        if error.fatal:
            self.bye(error.reason.encode("ascii", "replace"))
            events.append(Rejected(error.reason))
            events.append(Ended())
        elif self._mode in (_Mode.IDLE, _Mode.AUTHENTICATE):
            self._line(b"", events)
        elif self.state is not State.NOT_AUTHENTICATED and _NOTES.match(error.begin):  # RFC 5464 §4.3
            code = Code("METADATA", b"MAXSIZE %d" % SERVER_LIMITS.literal)
            self._out.append(write_response(Tagged(error.tag, Condition.NO, code, error.reason.encode())))
            events.append(Rejected(error.reason))
        else:
            self._reject(error.tag, error.reason, events)
            if self._mode is _Mode.APPEND_TAIL:
                self._running, self._mode = None, _Mode.COMMANDS
                events.append(AppendBroken())

    def _reject(self, tag: bytes, reason: str, events: list[Event]) -> None:
        self._bad += 1
        text = reason.encode("ascii", "replace")
        if tag == b"*":
            self.untagged(StatusResponse(Condition.BAD, None, text))
        else:
            self._out.append(write_response(Tagged(tag, Condition.BAD, None, text)))
        events.append(Rejected(reason))
        if self._bad >= MAX_BAD_COMMANDS:
            self.bye(b"Too many commands that make no sense")
            events.append(Ended())

    # What the session says.

    def accept_append(self) -> None:
        """Let the message of the APPEND just announced come."""
        self._mode = _Mode.APPEND
        if self._plus:
            self._out.append(b"+ OK\r\n")
        self._framer.accept()

    def accept_line(self, idle: bool, text: bytes = b"idling") -> None:
        """
        Send a continuation request and read one line: DONE after IDLE, else an AUTHENTICATE response.

        Args:
            idle: Which of the two.
            text: After the plus: for people, or the challenge, not yet in base64.

        """
        self._mode = _Mode.IDLE if idle else _Mode.AUTHENTICATE
        self._out.append(b"+ " + (text if idle else b64encode(text)) + b"\r\n")
        self._framer.expect_line()

    def untagged(self, response: Untagged) -> None:
        """Send an untagged response."""
        self._out.append(write_response(response, self.dialect))

    def raw(self, data: bytes) -> None:
        """Send whole response lines that are ready as they are."""
        self._out.append(data)
        self.pending += len(data)

    def raw_pieces(self, pieces: list[bytes]) -> None:
        """Send whole response lines in pieces."""
        self._out += pieces
        self.pending += sum(map(len, pieces))

    def complete(self, condition: Condition, code: ResponseCode | None, text: bytes) -> None:
        """End the running command; what is pipelined behind it comes up at the next `events_received`."""
        command = self._running
        if command is None:
            raise RuntimeError("no command is running")
        if self._mode is _Mode.OFFERED:
            self._framer.refuse()
        ok = condition is Condition.OK
        if ok and code is None and _PLAIN.fullmatch(text):  # as it would be written below, in a tenth of the time
            self._out.append(b"%b OK %b\r\n" % (self._tag, text))
        else:
            self._out.append(write_response(Tagged(self._tag, condition, code, text), self.dialect))
        self.state = states.after(command, self.state, ok)
        self._running, self._mode = None, _Mode.COMMANDS
        if ok and isinstance(command, Login | Authenticate):
            self._framer.limits = SERVER_LIMITS
        elif ok and command == UNAUTHENTICATE:
            self._framer.limits = SERVER_LIMITS_BEFORE_LOGIN
            self.dialect = STRICT
        if self.state is State.LOGOUT:
            self.closing = True

    def done(self, text: bytes) -> None:
        """End the running command with OK, if it is one that leads to no other state; `text` is sent as it is."""
        if self._mode is not _Mode.RUNNING:
            raise RuntimeError("no command is running")
        self._out.append(b"%b OK %b\r\n" % (self._tag, text))
        self._running, self._mode = None, _Mode.COMMANDS

    def tls_started(self) -> None:
        """Forget all that came before TLS: it may be anybody's (RFC 9051 §6.2.1)."""
        self._framer = self._fresh_framer()

    def bye(self, text: bytes, code: ResponseCode | None = None) -> None:
        """Say BYE; the connection is to be closed once this is sent."""
        if not self.closing:
            self.untagged(StatusResponse(Condition.BYE, code, text))
            self.closing = True

    @property
    def tag(self) -> bytes:
        """The tag of the command that is running, or ran last."""
        return self._tag

    @property
    def running(self) -> Command | None:
        """The command that has not been completed."""
        return self._running
