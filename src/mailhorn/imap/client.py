"""The client's end of an IMAP connection: commands in, bytes out; bytes in, events out. No I/O, no clock.

Rule 1: an untagged response is handled the same whatever command is in flight, before `+`, after DONE, between
two commands: it is one `UntaggedReceived`, in the order the server sent it (faults F10, F11, F26, F27).
Rule 2: what does not parse is one `ProtocolViolation` and the connection goes on, unless the end of the bad
response cannot be found.
Rule 3: a synchronizing literal waits for its `+`, and what was sent later waits behind it (RFC 9051 §4.3).
Rule 4: what was received before TLS began does not survive it (RFC 9051 §6.2.1).
Rule 5: names and strings are UTF-8 from the server's ENABLED of IMAP4rev2 or UTF8=ACCEPT on, or from its first list of
capabilities if it knows nothing older; until it has answered, `send` takes no command that would mean something else.
"""

from base64 import b64encode
from collections import deque
from dataclasses import dataclass, replace

from .commands import Authenticate, Command, Enable, Fetch, Keyword, Login, Notify, Select, Simple
from .framing import CLIENT_LIMITS, NEED_DATA, Frame, FrameError, Framer, FramingLimits
from .framing import Eof as FramingEof
from .grammar.command import write_command
from .grammar.cursor import LENIENT, Dialect, SyntaxProblem
from .grammar.ext.idle import DONE
from .grammar.ext.literal import with_literals
from .grammar.response import parse_response
from .responses import (
    Capabilities,
    CapabilityCode,
    Code,
    Condition,
    Continuation,
    Enabled,
    Exists,
    Expunged,
    ResponseCode,
    StatusResponse,
    Tagged,
    Untagged,
    Vanished,
)
from .state import State, after, is_legal

MAX_IN_FLIGHT = 1000
"""Commands without an answer; a caller that sends more has lost count of what it does."""

OVERFLOW = Code("NOTIFICATIONOVERFLOW")
"""The server tells no more of what NOTIFY asked for."""


_UTF8 = frozenset({"IMAP4REV2", "UTF8=ACCEPT"})
_OF_REV2 = frozenset(
    {"ENABLE", "ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "MOVE", "NAMESPACE", "SASL-IR"}
    | {"SEARCHRES", "STATUS=SIZE", "UIDPLUS", "UNSELECT"}
)
"""What IMAP4rev2 includes (RFC 9051 Appendix E): a server need not name it beside IMAP4rev2."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's first line: OK, PREAUTH or BYE."""

    response: StatusResponse


@dataclass(frozen=True, slots=True)
class UntaggedReceived:
    """An untagged response, whatever command it came with or without."""

    response: Untagged


@dataclass(frozen=True, slots=True)
class ContinuationReceived:
    """`+` that no literal waited for: IDLE has begun, AUTHENTICATE asks, or the server only says it lives."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a command; `command` is the very object that was sent."""

    tag: bytes
    command: Command
    condition: Condition
    code: ResponseCode | None
    text: bytes

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.condition is Condition.OK


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """
    The server sent what no server may.

    Attributes:
        reason: For the log.
        fatal: The next response cannot be found; close the connection.

    """

    reason: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Eof:
    """The server will send no more. Nothing follows."""


ClientEvent = Greeting | UntaggedReceived | ContinuationReceived | Completed | ProtocolViolation | Eof


class ClientConnection:
    """
    One connection to a server. `send` commands, feed what comes, take the events, send `data_to_send`.

    Attributes:
        state: Where the connection stands (RFC 9051 §3).
        capabilities: In capitals; None if they are not known, as after a login that did not tell them.
        messages: How many the selected mailbox holds by the server's own count, None if none is selected.
            A hint; it may be wrong (faults F21, F22).
        enabled: What the server said is enabled, in capitals; QRESYNC is off before it is named here (RFC 7162 §3.2).
        notify: The NOTIFY that the server has agreed to; None before, and when it says that it tells no more, by an
            untagged OK [NOTIFICATIONOVERFLOW] (RFC 5465 §5.8). What it tells then are events like any other.

    """

    __slots__ = (
        "_events",
        "_framer",
        "_greeted",
        "_in_flight",
        "_limits",
        "_out",
        "_queue",
        "_tag",
        "_told",
        "capabilities",
        "dialect",
        "enabled",
        "messages",
        "notify",
        "state",
    )

    def __init__(self, limits: FramingLimits = CLIENT_LIMITS, dialect: Dialect = LENIENT) -> None:
        self.state = State.NOT_AUTHENTICATED
        self.capabilities: frozenset[str] | None = None
        self.messages: int | None = None
        self.enabled: frozenset[str] = frozenset()
        self.notify: Notify | None = None
        self.dialect = dialect
        self._limits = limits
        self._framer = Framer(limits, synchronizing=False)
        self._events: list[ClientEvent] = []
        self._out = bytearray()
        self._queue: deque[tuple[bytes, bytes]] = deque()  # (tag, bytes) that wait for the `+` of the first one
        self._in_flight: dict[bytes, Command] = {}
        self._tag = 0
        self._greeted = False
        self._told = False  # capabilities were told since the last login began

    # what the caller does

    def send(self, command: Command) -> bytes:
        """
        Send a command.

        Args:
            command: What to send; APPEND is not among what this class can send.

        Returns:
            Its tag.

        Raises:
            ValueError: The command is not legal in this state, or cannot be written, or would mean something else
                after the ENABLE that is in flight.

        """
        if not is_legal(command, self.state):
            raise ValueError(f"{type(command).__name__} is not legal when {self.state.value}")
        if _resyncs(command) and "QRESYNC" not in self.enabled:
            raise ValueError("the server has not enabled QRESYNC")
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise ValueError("too many commands in flight")
        self._tag += 1
        tag = b"m%d" % self._tag
        segments = write_command(tag, command, self.dialect)
        enabling = not self.dialect.utf8 and any(_enables_utf8(sent) for sent in self._in_flight.values())
        if enabling and segments != write_command(tag, command, replace(self.dialect, utf8=True)):
            raise ValueError("names are written in another way once the server has answered ENABLE: wait for it")
        if isinstance(command, Login | Authenticate):
            self._told = False
        self._in_flight[tag] = command
        self._write(tag, segments)
        return tag

    def done(self) -> None:
        """End IDLE (RFC 9051 §6.3.13). The IDLE ends when it is `Completed`."""
        self._write(b"", [DONE])

    def respond(self, data: bytes | None) -> None:
        """Answer the `+` of AUTHENTICATE; None cancels (RFC 9051 §6.2.2)."""
        self._write(b"", [b"*\r\n" if data is None else b64encode(data) + b"\r\n"])

    def has(self, capability: str) -> bool:
        """Say whether the server is known to have a capability; one that speaks IMAP4rev2 has what that includes."""
        name = capability.upper()
        known = self.capabilities
        return known is not None and (name in known or (self.dialect.rev2 and name in _OF_REV2))

    # the four verbs

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._framer.receive_data(data)
        self._parse()

    def receive_eof(self) -> None:
        """Learn that the server will send no more."""
        self._framer.receive_eof()
        self._parse()

    def data_to_send(self) -> bytes:
        """Return what is to be sent, b"" for nothing."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def events_received(self) -> list[ClientEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    # out

    def _write(self, tag: bytes, segments: list[bytes]) -> None:
        if self._queue:
            self._queue.extend((tag, segment) for segment in segments)
            return
        self._out += segments[0]
        self._queue.extend((tag, segment) for segment in segments[1:])

    def _go_on(self, tag: bytes) -> None:
        """Send the segment that waited, and what waited only for its turn: whole commands behind it."""
        self._out += self._queue.popleft()[1]
        while self._queue and self._queue[0][0] != tag:
            tag, data = self._queue.popleft()
            self._out += data

    # in

    def _parse(self) -> None:
        while True:
            framer = self._framer
            event = framer.next_event()
            if event is NEED_DATA:
                return
            if isinstance(event, Frame):
                self._frame(event.data)
            elif isinstance(event, FrameError):
                self._events.append(ProtocolViolation(event.reason, event.fatal))
            elif isinstance(event, FramingEof):
                self._events.append(Eof())
                return

    def _frame(self, data: bytes) -> None:
        try:
            response = parse_response(data, self.dialect)
        except SyntaxProblem as problem:
            self._events.append(ProtocolViolation(f"response not understood: {problem}", False))
            return
        if isinstance(response, Tagged):
            self._completed(response)
        elif isinstance(response, Continuation):
            self._continued(response)
        elif not self._greeted:
            self._greet(response)
        else:
            self._untagged(response)

    def _greet(self, response: Untagged) -> None:
        if not isinstance(response, StatusResponse) or response.condition in (Condition.NO, Condition.BAD):
            self._events.append(ProtocolViolation("the server did not greet", True))
            return
        self._greeted = True
        self._status(response)
        if response.condition is Condition.PREAUTH:
            self.state = State.AUTHENTICATED
        self._events.append(Greeting(response))

    def _untagged(self, response: Untagged) -> None:
        match response:
            case Capabilities(capabilities):
                self._capable(capabilities)
            case StatusResponse():
                self._status(response)
            case Exists(count):
                self.messages = count
            case Expunged():
                self.messages = max(0, (self.messages or 0) - 1)
            case Vanished(uids, False):
                self.messages = max(0, (self.messages or 0) - sum(high - low + 1 for low, high in uids.resolved(0)))
            case Enabled(enabled):
                self.enabled |= {name.upper() for name in enabled}
                self._speak()
            case _:
                pass
        self._events.append(UntaggedReceived(response))

    def _status(self, response: StatusResponse) -> None:
        if isinstance(response.code, CapabilityCode):
            self._capable(response.code.capabilities)
        elif response.code == OVERFLOW:
            self.notify = None
        if response.condition is Condition.BYE:
            self.state = State.LOGOUT

    def _capable(self, capabilities: tuple[str, ...]) -> None:
        self.capabilities = frozenset(name.upper() for name in capabilities)
        self._told = True
        self.dialect = with_literals(self.dialect, self.capabilities)
        self._speak()

    def _speak(self) -> None:
        """Take note of which revision is spoken, and how names are written (RFC 9051 appendix A, RFC 6855 §3)."""
        known = self.capabilities or frozenset()
        rev2 = "IMAP4REV2" in self.enabled or ("IMAP4REV2" in known and "IMAP4REV1" not in known)
        utf8 = rev2 or "UTF8=ACCEPT" in self.enabled
        if (rev2, utf8) != (self.dialect.rev2, self.dialect.utf8):
            self.dialect = replace(self.dialect, rev2=rev2, utf8=utf8)

    def _continued(self, response: Continuation) -> None:
        if self._queue and not any(self._talks(command) for command in self._in_flight.values()):
            self._go_on(self._queue[0][0])
        else:
            self._events.append(ContinuationReceived(response.text))

    @staticmethod
    def _talks(command: Command) -> bool:
        return isinstance(command, Authenticate) or command == Simple(Keyword.IDLE)

    def _completed(self, response: Tagged) -> None:
        command = self._in_flight.pop(response.tag, None)
        if command is None:
            self._events.append(ProtocolViolation("an answer to a command that was not sent", False))
            return
        if self._queue and self._queue[0][0] == response.tag:  # refused before its literal was wanted
            while self._queue and self._queue[0][0] == response.tag:
                self._queue.popleft()
            if self._queue:
                self._go_on(self._queue[0][0])
        ok = response.condition is Condition.OK
        if self.state is not State.LOGOUT:
            self.state = after(command, self.state, ok)
        if isinstance(response.code, CapabilityCode):
            self._capable(response.code.capabilities)
        elif ok and isinstance(command, Login | Authenticate) and not self._told:
            self.capabilities = None
        if isinstance(command, Select) and not ok or self.state is State.AUTHENTICATED:
            self.messages = None
        if ok and isinstance(command, Notify):
            self.notify = command
        if ok and command == Simple(Keyword.UNAUTHENTICATE):  # RFC 8437 §3
            self.enabled, self.notify = frozenset(), None
            self._speak()
        if ok and command == Simple(Keyword.STARTTLS):
            # RFC 9051 §6.2.1: what came with the OK is not trusted, nor is what was told before it.
            self._framer = Framer(self._limits, synchronizing=False)
            self.capabilities = None
        self._events.append(Completed(response.tag, command, response.condition, response.code, response.text))


def _enables_utf8(command: Command) -> bool:
    if not isinstance(command, Enable):
        return False
    return not _UTF8.isdisjoint([name.upper() for name in command.capabilities])


def _resyncs(command: Command) -> bool:
    """Say whether the command is BAD unless QRESYNC is enabled (RFC 7162 §3.2.5, §3.2.6)."""
    if isinstance(command, Select):
        return command.resync is not None
    return isinstance(command, Fetch) and command.vanished


__all__ = [
    "ClientConnection",
    "ClientEvent",
    "Completed",
    "ContinuationReceived",
    "Eof",
    "Greeting",
    "ProtocolViolation",
    "UntaggedReceived",
]
