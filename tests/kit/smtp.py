"""A session that answers everything a ServerConnection asks, and remembers what it was told."""

from collections.abc import Callable

from mailhorn.smtp.connection import Options, ServerConnection
from mailhorn.smtp.events import (
    AuthResponse,
    AuthStart,
    DataChunk,
    DataEnd,
    DataStart,
    Event,
    MailFrom,
    RcptTo,
    Reset,
    StartTls,
)
from mailhorn.smtp.reply import Reply

OPTIONS = Options(hostname="mx.test", max_size=100_000)


class Peer:
    """A client's side of one connection, and a willing session behind it."""

    def __init__(
        self, options: Options = OPTIONS, refuse: Callable[[Event], Reply | None] = lambda event: None
    ) -> None:
        self.connection = ServerConnection(options)
        self.refuse = refuse
        self.events: list[Event] = []
        self.messages: list[bytes] = []
        self.output = b""
        self._staged = b""
        self._recipients = 0
        self._lmtp = options.lmtp

    def send(self, *pieces: bytes) -> bytes:
        """Send the pieces one by one, answer what comes, return what we are told."""
        self.output = b""
        for piece in pieces:
            self.connection.receive_data(piece)
            self._settle()
        self._settle()
        return self.output

    def eof(self) -> bytes:
        """End the client's side."""
        self.output = b""
        self.connection.receive_eof()
        self._settle()
        return self.output

    @property
    def story(self) -> list[Event]:
        """All events, neighbouring chunks joined."""
        story: list[Event] = []
        for event in self.events:
            if isinstance(event, DataChunk) and story and isinstance(story[-1], DataChunk):
                story[-1] = DataChunk(story[-1].data + event.data)
            else:
                story.append(event)
        return story

    def _settle(self) -> None:
        while events := self.connection.events_received():
            self.events += events
            for event in events:
                self._answer(event)
        self.output += self.connection.data_to_send()

    def _answer(self, event: Event) -> None:
        refusal = self.refuse(event)
        match event:
            case DataChunk(data):
                self._staged += data
            case Reset():
                self._staged = b""
                self._recipients = 0
            case MailFrom() | RcptTo() | DataStart() if refusal:
                self.connection.reply(refusal.code, refusal.enhanced, refusal.text)
            case MailFrom():
                self._staged = b""
                self._recipients = 0
                self.connection.reply(250, "2.1.0", "Sender ok")
            case RcptTo():
                self._recipients += 1
                self.connection.reply(250, "2.1.5", "Recipient ok")
            case DataStart():
                self.connection.accept_data()
            case DataEnd():
                self.messages.append(self._staged)
                self._staged = b""
                reply = Reply(250, "2.0.0", f"Message {len(self.messages)}")
                self.connection.reply_data([reply] * (self._recipients if self._lmtp else 1))
            case AuthStart(_, None):
                self.connection.challenge(b"go on")
            case AuthStart(_, data) | AuthResponse(data):
                good = data == b"\0user\0secret"
                self.connection.reply(*((235, "2.7.0", "Welcome") if good else (535, "5.7.8", "Wrong")))
            case StartTls():
                self.output += self.connection.data_to_send()
                self.connection.tls_started()
