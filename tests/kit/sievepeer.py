"""A session that answers everything a ManageSieve ServerConnection asks, and remembers what it was told."""

from mailhorn.managesieve.commands import Authenticate, CheckScript, GetScript, PutScript, Word
from mailhorn.managesieve.events import CommandReceived, Event, Responded
from mailhorn.managesieve.responses import (
    DONE,
    Code,
    Condition,
    Response,
    no,
    write_capabilities,
    write_script,
    write_scripts,
)
from mailhorn.managesieve.server import ServerConnection

CAPABILITIES = [("IMPLEMENTATION", "peer"), ("SASL", "PLAIN"), ("STARTTLS", None), ("VERSION", "1.0")]


class Peer:
    """
    A client's side of one connection, and a willing session behind it.

    Attributes:
        connection: The core.
        events: All it told.

    """

    def __init__(self, tls: bool = True) -> None:
        """Greet; STARTTLS, which forgets what came before it, is refused if there is no TLS."""
        self._tls = tls
        self.connection = ServerConnection()
        self.events: list[Event] = []
        self._rounds = 0
        self.connection.greet(CAPABILITIES, "hello")
        self.greeting = self.connection.data_to_send()

    def send(self, *pieces: bytes) -> bytes:
        """Send the pieces one by one, answer what comes, return what we are told."""
        said = b""
        for piece in pieces:
            self.connection.receive_data(piece)
            said += self._settled()
        return said

    def log_in(self) -> "Peer":
        """Log in, and forget that."""
        assert self.send(b'AUTHENTICATE "PLAIN" "AGEAYg=="\r\n') == b"OK\r\n"
        self.events.clear()
        return self

    def eof(self) -> bytes:
        """End the client's side."""
        self.connection.receive_eof()
        return self._settled()

    def _settled(self) -> bytes:
        said = b""
        while events := self.connection.events_received():
            for event in events:
                self.events.append(event)
                said += self.connection.data_to_send()
                self._serve(event)
        return said + self.connection.data_to_send()

    def _serve(self, event: Event) -> None:
        connection = self.connection
        match event:
            case CommandReceived(command=Authenticate(initial=None)):
                self._rounds = 1
                connection.challenge(b"")
            case CommandReceived(command=Authenticate(initial=bytes() as response)) | Responded(data=response):
                self._rounds += 1
                if response == b"\0a\0b":
                    connection.answer(DONE)
                elif response == b"more":
                    connection.challenge(b"more")
                elif response == b"final":
                    connection.answer(Response(Condition.OK, "", Code.SASL, b"ZmluYWw="))
                else:
                    connection.answer(no("Wrong"))
            case CommandReceived(command=Word.STARTTLS) if self._tls:
                connection.answer(Response(Condition.OK, "Begin"))
                if not connection.closed:
                    connection.tls_started(CAPABILITIES[:2])
            case CommandReceived(command=Word.STARTTLS):
                connection.answer(no("no TLS"))
            case CommandReceived(command=Word.CAPABILITY):
                connection.answer(DONE, write_capabilities(CAPABILITIES))
            case CommandReceived(command=Word.LISTSCRIPTS):
                connection.answer(DONE, write_scripts([("a", True), ("b", False)]))
            case CommandReceived(command=GetScript()):
                connection.answer(DONE, write_script(b"keep;"))
            case CommandReceived(command=PutScript(script=b"bad") | CheckScript(script=b"bad")):
                connection.answer(no("line 1: bad\nline 2: worse"))
            case CommandReceived():
                connection.answer(DONE)


__all__ = ["CAPABILITIES", "Peer"]
